"""Packs: what goes in comes out, in the size that was asked for; batches are the same whoever makes them."""

import contextlib
import itertools
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

torch = pytest.importorskip("torch")

from models.data import app  # noqa: E402
from models.training.data import cumulative, draw_row, in_shares, load_clips, load_level_face, load_portraits  # noqa: E402
from models.training.estimates import kept_estimates  # noqa: E402
from models.training.feed import feed, prefetch  # noqa: E402
from models.training.footage import DataError  # noqa: E402
from models.training.kept import keep  # noqa: E402
from models.training.pack import write_pack  # noqa: E402
from tests.models.models_fakes import ABOUT, SIDE, clips, filmed, level_face, portraits  # noqa: E402

CPU = torch.device("cpu")


def packed(path: Path, **options: Any) -> Path:
    write_pack(path, clips=clips(), portraits=portraits(), level=level_face(), about=ABOUT, **options)
    return path


def test_a_pack_gives_back_the_footage_that_went_in(tmp_path: Path) -> None:
    path, before = packed(tmp_path / "pack.bin", every=3, quality=95), clips()
    level = load_level_face(path)
    footage, stills = (
        load_clips(path, tmp_path, size=SIDE, level=level),
        load_portraits(path, size=32, level=level),
    )
    kept = np.r_[0:12:3, 12:24:3]
    np.testing.assert_array_equal(footage.landmarks, before.landmarks[kept])
    np.testing.assert_array_equal(footage.clip, before.clip[kept])
    np.testing.assert_array_equal(footage.identity, before.identity[kept])
    np.testing.assert_allclose(footage.rotation, before.rotation[kept], atol=1e-5)
    assert np.abs(footage.pictures.astype(int) - before.pictures[kept]).mean() < 2
    assert level.vertices == level_face().vertices
    assert stills.pictures.shape == (3, 32, 32, 3)
    with np.load(path) as file:
        np.testing.assert_allclose(file["time_s"][:4], np.arange(0, 12, 3) / 25)


def test_a_pack_keeps_as_many_frames_as_fit(tmp_path: Path) -> None:
    whole = packed(tmp_path / "whole").stat().st_size
    made = write_pack(
        tmp_path / "half",
        clips=clips(),
        portraits=None,
        level=level_face(),
        about=ABOUT,
        limit_mb=whole / 2e6,
    )
    assert made.size_bytes <= whole / 2
    assert made.every > 1
    assert 2 <= made.frames < 24


def test_a_pack_that_cannot_be_so_small_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="lower the quality"):
        packed(tmp_path / "pack", limit_mb=0.001)
    assert not list(tmp_path.iterdir())


def test_a_pack_that_is_there_already_stays(tmp_path: Path) -> None:
    path = tmp_path / "pack.npz"
    path.write_bytes(b"hours of work")
    said = CliRunner().invoke(app, ["pack", "--data", str(tmp_path), "--output", str(path)])
    assert said.exit_code == 1
    assert "is there already" in said.output
    assert path.read_bytes() == b"hours of work"


def test_where_there_are_no_portraits_the_clips_alone_are_learned_from(tmp_path: Path) -> None:
    path = tmp_path / "pack"
    write_pack(path, clips=clips(), portraits=None, level=level_face(), about=ABOUT)
    for data in (path, tmp_path):  # `data prepare` makes a folder without them
        assert load_portraits(data, size=SIDE, level=level_face()) is None
    footage = clips()
    assert in_shares(footage, None, share=0.3) == [(footage, 1.0)]


@pytest.mark.parametrize("damage", [b"", b"not a pack at all", None])
def test_a_file_that_is_no_pack_is_named(tmp_path: Path, damage: bytes | None) -> None:
    path = packed(tmp_path / "pack.npz")
    path.write_bytes(path.read_bytes()[:4000] if damage is None else damage)
    with pytest.raises(DataError, match=r"pack\.npz") as caught:
        load_level_face(path)
    assert "pickle" not in str(caught.value)  # NumPy's advice is to load it unsafely


def test_a_data_folder_that_is_not_there_is_told_in_words(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"canonical_face\.npz: No such file or directory$"):
        load_level_face(tmp_path / "nothing")


@pytest.mark.parametrize("step", range(66, 126, 4))
def test_a_pack_with_damage_in_its_middle_is_named(tmp_path: Path, step: int) -> None:
    path = packed(tmp_path / "pack.npz")
    with zipfile.ZipFile(path) as held:
        entry = held.getinfo("level_points.npy")
    data = bytearray(path.read_bytes())
    at = entry.header_offset + step
    data[at : at + 16] = bytes(255 - value for value in data[at : at + 16])
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"pack\.npz"):
        load_level_face(path)


def test_what_a_training_keeps_is_whole_or_not_there_and_a_full_disk_is_told(tmp_path: Path) -> None:
    footage, heads = clips(), filmed(clips()).heads
    path = tmp_path / "cache" / "estimates.npz"

    def stopped(file: Any, **arrays: Any) -> None:
        with contextlib.nullcontext(file) if hasattr(file, "write") else open(file, "wb") as written:
            written.write(b"PK\3\4")
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(np, "savez", stopped)
        with pytest.raises(KeyboardInterrupt):
            kept_estimates(path, footage, lambda: heads)
    assert not list(path.parent.iterdir())
    np.testing.assert_array_equal(kept_estimates(path, footage, lambda: heads).shift, heads.shift)

    def full(file: Any) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(DataError, match=r"pairs\.npy could not be written: No space left"):
        keep(tmp_path / "cache" / "pairs.npy", full)
    assert list(path.parent.iterdir()) == [path]


def draw(rng: np.random.Generator) -> dict[str, Any]:
    return {"numbers": torch.from_numpy(rng.normal(size=5))}


def test_batches_are_the_same_from_one_thread_several_and_from_processes() -> None:
    ways = [
        prefetch(draw, seed=3, start=2),
        prefetch(draw, seed=3, start=2, workers=3),
        feed(draw, seed=3, start=2, device=CPU, workers=2),
    ]
    made = [torch.stack([batch["numbers"] for batch in itertools.islice(way, 7)]) for way in ways]
    expected = torch.stack([draw(np.random.default_rng((3, number)))["numbers"] for number in range(2, 9)])
    for batches in made:
        assert torch.equal(batches, expected)


def test_rows_are_drawn_as_numpy_draws_them() -> None:
    weights = np.random.default_rng(0).random(500)
    weights /= weights.sum()
    ours, theirs = np.random.default_rng(1), np.random.default_rng(1)
    sums = cumulative(weights)
    assert [draw_row(ours, sums) for _ in range(200)] == [
        int(theirs.choice(500, p=weights)) for _ in range(200)
    ]


def test_a_pack_with_clips_of_too_small_a_crop_is_refused(tmp_path: Path) -> None:
    path = packed(tmp_path / "pack")
    assert len(load_clips(path, tmp_path, size=SIDE, level=level_face(), least_crop=300).pictures)
    with pytest.raises(DataError, match="--crop 400"):
        load_clips(path, tmp_path, size=SIDE, level=level_face(), least_crop=400)
