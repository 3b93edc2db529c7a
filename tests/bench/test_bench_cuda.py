"""The bench of NVIDIA cards, with stand-ins for a card: what is timed, what is left out and why."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

torch = pytest.importorskip("torch")

import models.cuda  # noqa: E402
from bench import cuda  # noqa: E402


class StandIn:
    """A graph that notes what it is given."""

    def __init__(self) -> None:
        self.given: list[Mapping[str, np.ndarray]] = []

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.given.append(inputs)
        return {}

    def time_recorded(self, runs: int) -> list[float]:
        assert self.given, "it is recorded at the first call"
        return [0.5] * runs


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> dict[str, StandIn]:
    """A card of stand-ins."""
    found = {name: StandIn() for name in ("source", "motion", "frame")}
    monkeypatch.setattr(cuda, "RUNS", 4)
    monkeypatch.setattr(models.cuda, "record_networks", lambda networks: found)
    stand_ins: dict[str, Any] = {
        "is_available": lambda: True,
        "get_device_name": lambda: "a card",
        "get_device_properties": lambda number: type("Card", (), {"total_memory": 8 << 30}),
        "reset_peak_memory_stats": lambda: None,
        "max_memory_allocated": lambda: 3 << 20,
    }
    for name, stand_in in stand_ins.items():
        monkeypatch.setattr(torch.cuda, name, stand_in)
    return found


def run(*arguments: str) -> Any:
    return CliRunner().invoke(cuda.app, list(arguments))


def test_without_a_card_there_is_a_sentence_and_no_file(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a card here")
    found = run("--output", str(tmp_path / "cuda.json"))
    assert found.exit_code == 1
    assert found.stderr.startswith("bench.cuda: There is no CUDA device for torch here")
    assert found.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_profile_that_is_not_there_is_named(tmp_path: Path) -> None:
    found = run("--profiles", "laptop-256,laptop-9", "--output", str(tmp_path / "cuda.json"))
    assert found.exit_code == 1
    assert "'laptop-9'; there are: " in found.stderr


@pytest.mark.usefixtures("profile_folder")
def test_both_graphs_of_a_frame_are_timed_with_inputs_of_their_sizes(
    tmp_path: Path, graphs: dict[str, StandIn]
) -> None:
    path = tmp_path / "out" / "cuda.json"
    found = run("--profiles", "laptop-256,paper-256", "--output", str(path))
    assert found.exit_code == 0, found.output
    written = json.loads(path.read_text())
    assert written["card"] == "a card"
    rows = {(row["profile"], row["engine"], row.get("graph")): row for row in written["rows"]}
    frame = rows["laptop-256", "torch-cuda", "frame"]
    assert frame["card_ms_p50"] == frame["card_ms_p95"] == 0.5
    assert frame["memory_mb"] == 3
    assert frame["trained"]
    assert not rows["paper-256", "torch-cuda", "motion"]["trained"], "speed does not depend on weights"
    assert graphs["frame"].given[0]["skip"].shape == (1, 16, 128, 128)
    assert graphs["motion"].given[0]["picture"].shape == (1, 3, 256, 256)
    assert len(graphs["motion"].given) == 2 * (cuda.WARM_UP + 4)
    # TensorRT is not here, and what is known of torch stays.
    assert "tensorrt" in rows["laptop-256", "tensorrt", None]["why"]


def test_what_there_was_no_time_for_and_what_fails_is_told(
    graphs: dict[str, StandIn], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(name: str) -> list[dict[str, Any]]:
        raise RuntimeError("CUDA error: no kernel image\nmore of it")

    monkeypatch.setattr(cuda, "measure_torch", fail)
    kept: list[int] = []
    rows = cuda.run_cuda(
        ["laptop-256"], ends=np.inf, on_rows=lambda result: kept.append(len(result["rows"]))
    )["rows"]
    assert rows[0] == {"profile": "laptop-256", "engine": "torch-cuda", "why": "CUDA error: no kernel image"}
    assert capsys.readouterr().out.startswith(
        "laptop-256 torch-cuda: not measured: CUDA error: no kernel image\n"
    )
    assert kept == [1, 2], "who is stopped keeps what was measured"
    late = cuda.run_cuda(["laptop-256"], ends=0.0, on_rows=lambda result: None)["rows"]
    assert {row["why"] for row in late} == {"the time was over"}


def test_a_file_that_is_there_is_not_replaced(tmp_path: Path, graphs: dict[str, StandIn]) -> None:
    path = tmp_path / "cuda.json"
    path.write_text("before")
    found = run("--output", str(path))
    assert found.exit_code == 1
    assert "--overwrite replaces it" in found.stderr
    assert path.read_text() == "before"
    assert not graphs["frame"].given
