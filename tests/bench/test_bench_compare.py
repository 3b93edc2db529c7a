"""The comparison that a call asks for in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from bench_fakes import scene, write_film

from bench.clips import write_picture
from bench.compare import KEYS, compare
from bench.errors import BenchError

ROOT = Path(__file__).parents[2]


def run(
    folder: Path, *more: str, data: Path | str = "/nowhere", path: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """Run `python -m bench compare` on a folder's films."""
    command = [
        sys.executable,
        "-m",
        "bench",
        "compare",
        str(folder / "original.mkv"),
        str(folder / "redrawn.mkv"),
    ]
    environment = os.environ | {"VISAVIS_DATA": str(data), "PYTHONPATH": f"{path}{os.pathsep}{ROOT}"}
    return subprocess.run([*command, *more], capture_output=True, text=True, env=environment, check=False)


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """Two films and the source picture; the redrawn one is the original, a frame late."""
    pictures = scene(7, size=64)
    write_film(tmp_path / "original.mkv", pictures[1:])
    write_film(tmp_path / "redrawn.mkv", pictures[:-1])
    write_picture(tmp_path / "source.png", pictures[0])
    return tmp_path


def test_without_the_judges_weights_lpips_is_null_and_says_why(films: Path) -> None:
    result = run(films, "--source", str(films / "source.png"), "--json")
    assert result.returncode == 0, result.stderr
    figures = json.loads(result.stdout)
    assert figures["lpips"] is None
    assert figures["face_lpips_frozen"] is None
    assert "VISAVIS_DATA" in figures["why"]["lpips"]
    # A frame late is nearer than a picture that stands still.
    assert figures["psnr"] > figures["psnr_frozen"] > 10
    assert figures["frames"] == 6


def test_without_torch_lpips_is_null_and_says_why(films: Path, tmp_path: Path, backbones: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "torch.py").write_text("raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')\n")
    result = run(films, "--json", data=backbones.parent, path=bare)
    assert result.returncode == 0, result.stderr
    figures = json.loads(result.stdout)
    assert figures["lpips"] is None
    assert "torch is not installed" in figures["why"]["lpips"]
    assert figures["ssim"] > 0


def test_films_of_different_length_are_refused_in_a_sentence(films: Path) -> None:
    write_film(films / "redrawn.mkv", scene(3, size=64))
    result = run(films, "--json")
    assert result.returncode == 1
    assert "6 original pictures cannot be compared with 3" in result.stderr
    assert "Traceback" not in result.stderr


def test_pictures_of_different_size_are_refused() -> None:
    with pytest.raises(BenchError, match="differ in size"):
        compare(scene(2, size=64), scene(2, size=72), source=None, every=1)


def test_a_faceless_film_has_lpips_but_no_face_lpips(
    backbones: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISAVIS_DATA", str(backbones.parent))
    pictures = scene(3, size=96)
    figures: dict[str, Any] = compare(pictures, pictures, source=pictures[0], every=1)
    assert figures["lpips"] == pytest.approx(0, abs=1e-6)
    assert figures["lpips_frozen"] > 0
    assert figures["face_lpips"] is None
    assert figures["why"]["face_lpips"] == "no face was found in the original"


def test_without_a_source_only_the_frozen_figures_are_missing() -> None:
    pictures = scene(4, size=64)
    figures = compare(pictures, pictures, source=None, every=2)
    assert figures["psnr"] is not None
    assert all(figures[f"{key}_frozen"] is None and f"{key}_frozen" in figures["why"] for key in KEYS)
    assert figures["frames_judged"] == 2


def test_pictures_too_small_for_lpips_say_so(monkeypatch: pytest.MonkeyPatch, backbones: Path) -> None:
    monkeypatch.setenv("VISAVIS_DATA", str(backbones.parent))
    small = [picture[:24, :24] for picture in scene(2, size=64)]
    figures = compare(small, small, source=small[0], every=1)
    assert figures["lpips"] is None
    assert "32" in figures["why"]["lpips"]
    assert figures["ssim"] == pytest.approx(1)


def test_pictures_too_small_for_any_window_are_refused() -> None:
    tiny = [picture[:8, :8] for picture in scene(2, size=64)]
    with pytest.raises(BenchError, match="11 pixels a side"):
        compare(tiny, tiny, source=None, every=1)
