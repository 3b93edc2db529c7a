"""The speed bench: every figure is there or says why not, rows run in processes of their own, and nodes add up."""

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bench import report
from bench.choice import choose
from bench.errors import BenchError
from bench.nodes import LISTED, Node, rank, run_nodes
from bench.references import CODECS
from bench.speed import FIGURES, RowPlan, Worker, plan_rows, run_speed, steps_of
from bench.stages import CAMERA_HEIGHT, CAMERA_WIDTH, STAGES, CallRow, Clocks, camera_frame
from bench.timing import nodes_tables, read_clip, speed_tables
from runtime.engine import EngineError, Graph

FRAMES = 2
ROWS = [
    RowPlan("laptop-256", "openvino"),
    RowPlan("laptop-256", "onnxruntime"),
    RowPlan("laptop-256", "abacus"),
    RowPlan("codec", "x264"),
    RowPlan("laptop-256", "openvino", spread=True),
]


@pytest.fixture(scope="module")
def portrait() -> list[np.ndarray]:
    pytest.importorskip("skimage")
    return read_clip(None, 256)


@pytest.fixture(scope="module")
def result(profile_folder: Path, portrait: list[np.ndarray]) -> dict[str, Any]:
    steps: list[str] = []
    found = run_speed(
        ROWS, {256: portrait}, {"laptop-256": 256}, rounds=1, frames=FRAMES, on_step=steps.append
    )
    assert len(steps) == steps_of(ROWS, 1)
    return found


def test_every_figure_is_a_number_or_has_its_reason(result: dict[str, Any]) -> None:
    assert len(result["rows"]) == len(ROWS)
    for row in result["rows"]:
        figures = {key: row[key] for key in FIGURES}
        figures |= {stage: values["ms_p50"] for stage, values in row["stages"].items()}
        for key, value in figures.items():
            assert (value is None) == (key in row["why"]), (row["engine"], key)
            assert value is None or value > 0, (row["engine"], key)


def test_the_stages_of_an_engine_make_up_the_trip(result: dict[str, Any]) -> None:
    for row in result["rows"][:2]:
        stages = row["stages"]
        assert set(row["why"]) == {"display"}
        for stage in STAGES:
            assert stages[stage]["ms_p50"] <= stages[stage]["ms_p95"]
        longest = stages["end_to_end"]["ms_p95"]
        assert all(stages[stage]["ms_p50"] <= longest for stage in STAGES)
        assert row["rss_mb"] > 50


def test_an_engine_that_is_not_there_is_a_row_with_its_sentence(result: dict[str, Any]) -> None:
    row = result["rows"][2]
    assert row["why"]["end_to_end"].startswith("There is no engine 'abacus'")
    assert row["start_s_warm"] is None


def test_a_codec_has_the_stages_that_it_has(result: dict[str, Any]) -> None:
    row = result["rows"][3]
    assert row["reference"]
    assert row["profile"] is None
    measured = {stage for stage, values in row["stages"].items() if values["ms_p50"] is not None}
    assert measured == {"encode", "decode", "end_to_end"}


def test_the_tables_show_every_row(result: dict[str, Any]) -> None:
    times, costs = speed_tables(result)
    assert times.row_count == costs.row_count == len(ROWS)
    assert '"abacus"' in report.to_json(result)


def test_openvino_is_measured_within_avx2_too_and_references_can_be_left_out() -> None:
    rows = plan_rows(["a", "b"], ["openvino", "torch"], references=False)
    assert [row.label for row in rows] == [
        *(
            "a openvino",
            "a torch",
            "a openvino (AVX2)",
            "a openvino (all cores)",
            "a openvino (AVX2, all cores)",
        ),
        *(
            "b openvino",
            "b torch",
            "b openvino (AVX2)",
            "b openvino (all cores)",
            "b openvino (AVX2, all cores)",
        ),
    ]
    assert rows[2].limits == {"ONEDNN_MAX_CPU_ISA": "AVX2"}
    labels = [row.label for row in plan_rows(["a"], [], references=True)]
    assert labels == ["a onnxruntime", *CODECS]


def test_a_row_on_all_cores_leaves_it_to_the_engine_how_many_a_graph_takes(
    result: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert result["rows"][4]["label"] == "laptop-256 openvino (all cores)"
    asked: list[tuple[int, int | None]] = []

    def compile_nothing(core: object, path: Path, *, streams: int, threads: int | None, device: str) -> Graph:
        asked.append((streams, threads))
        raise EngineError("enough")

    monkeypatch.setattr("runtime.engine._compiled", compile_nothing)
    for limits in ("STREAMS", "THREADS"):
        monkeypatch.setattr(f"runtime.engine.{limits}", {"locate": 1})
    for spread in (False, True):
        with pytest.raises(EngineError):
            CallRow("laptop-256", "openvino", spread=spread).start()
    assert asked == [(1, 1), (1, None)]


def test_a_row_whose_process_was_ended_has_its_reason_and_ends_no_other(tmp_path: Path) -> None:
    np.save(tmp_path / "pictures.npy", np.zeros((1, 64, 64, 3), np.uint8))
    with Worker(RowPlan("codec", "x264"), tmp_path / "pictures.npy", tmp_path) as worker:
        worker._process.kill()
        worker._process.wait()
        assert worker.run(1) is None
    assert worker.why == "the row's process ended"


def test_names_that_are_not_there_are_told_with_those_that_are() -> None:
    assert choose("", ["a", "b"], "engine") == ["a", "b"]
    assert choose("b, a", ["a", "b"], "engine") == ["b", "a"]
    with pytest.raises(BenchError, match="no engine 'c'; there are: a, b"):
        choose("a,c", ["a", "b"], "engine")


def test_a_frame_without_a_face_adds_nothing_to_the_next_one() -> None:
    row = CallRow("laptop-256", "openvino", spread=False)
    graph = row._timed("motion", lambda inputs: time.sleep(0.05))
    row._observer = SimpleNamespace(observe=lambda *_, **__: graph(None))
    clocks = Clocks()
    for _ in range(2):
        row._take_trip(np.zeros((64, 64, 3), np.uint8), clocks)
    assert row._in_graph["motion"] == (0.0, 0.0)
    assert not clocks.wall_ms


def test_a_cameras_frame_holds_the_clips_picture_in_its_middle() -> None:
    picture = np.full((256, 256, 3), 7, np.uint8)
    picture[:, :128] = 200
    frame = camera_frame(picture)
    assert frame.shape == (CAMERA_HEIGHT, CAMERA_WIDTH, 3)
    assert frame[360, CAMERA_WIDTH // 2 - 50, 0] == 200
    assert frame[360, CAMERA_WIDTH // 2 + 50, 0] == 7


def test_the_nodes_of_the_frame_graph_are_ranked_and_add_up(
    profile_folder: Path, portrait: list[np.ndarray]
) -> None:
    found = run_nodes(["laptop-256"], ["openvino-f32"], {256: portrait}, runs=1, on_profile=lambda name: None)
    (graph,) = found["graphs"]
    times = [node["ms"] for node in graph["nodes"]]
    assert times[:LISTED] == sorted(times[:LISTED], reverse=True)
    assert sum(times) == pytest.approx(graph["ms"])
    assert "Convolution" in {node["kind"] for node in graph["nodes"]}
    (table,) = nodes_tables(found)
    assert table.row_count == len(times)


def test_operations_that_take_no_time_are_not_counted_among_the_rest() -> None:
    nodes = [Node(f"n{index}", "Convolution", "jit", float(index)) for index in range(LISTED + 3)]
    rows = rank(nodes)
    assert len(rows) == LISTED + 1
    assert rows[0]["name"] == f"n{LISTED + 2}"
    assert (rows[-1]["calls"], rows[-1]["ms"]) == (2, 3.0)
