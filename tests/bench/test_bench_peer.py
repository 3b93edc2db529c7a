"""One side of a call measured alone: what is made of both sides' notes, and a call as short as can be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.errors import BenchError
from bench.peer import WARM_UP_S, Told, bars_of, figures_of, latencies, latency_curve, memory_figures
from bench.peer_command import peer_tables, write_peer
from bench.peer_recorded import Recorded, RecordedTalker
from codec.time import TICK_CYCLE
from runtime.talker import Source
from tests.patience import PATIENCE_S

BEGAN_S = 1000.0


def told(seconds: int, *, fresh_every_s: float = 0.04, growth_mb: float = 0.0) -> Told:
    """Return what a side tells that has 0.5 cores, and shows a picture so often."""
    found = Told()
    for second in range(seconds):
        at_s = BEGAN_S + second
        shown = np.arange(at_s - 1, at_s, fresh_every_s) if second else []
        found.take(
            {
                "at_s": at_s,
                "cpu_s": 3.0 + 0.5 * second,
                "rss_mb": 300 + growth_mb * second / seconds,
                "sent_bytes": 2000 * second,
                "received_bytes": 1000 * second,
                "kinds": {"fresh": len(shown) * second, "interpolated": 2 * second},
                "captured": [],
                "shown": [(round(60 * moment), float(moment)) for moment in shown],
            }
        )
    return found


def test_means_leave_out_the_beginning_and_count_what_was_shown() -> None:
    figures = figures_of(told(60), {"captured": [], "shown": []}, began_s=BEGAN_S, receive_only=True)
    assert figures["seconds"] == 59 - WARM_UP_S
    assert figures["fresh_fps_received"] == pytest.approx(25, abs=0.1)
    assert figures["interpolated_fps_received"] == pytest.approx(2)
    assert figures["cpu_cores"] == pytest.approx(0.5)
    assert figures["wire_kbps_sent"] == pytest.approx(16)
    assert figures["fresh_fps_sent"] is None
    assert figures["why"]["fresh_fps_sent"] == "it only receives"


def test_latencies_leave_out_the_beginning_too() -> None:
    side = told(60)
    captured = [(ticks, at_s - (2.0 if at_s < BEGAN_S + WARM_UP_S else 0.05)) for ticks, at_s in side.shown]
    figures = figures_of(side, {"captured": captured, "shown": []}, began_s=BEGAN_S, receive_only=True)
    assert figures["latency_ms_received_p95"] == pytest.approx(50)


def test_a_call_too_short_to_have_a_mean_is_refused() -> None:
    with pytest.raises(BenchError, match="more than 7 seconds"):
        figures_of(told(6), {"captured": [], "shown": []}, began_s=BEGAN_S, receive_only=True)


def test_a_frame_is_found_again_though_its_number_comes_round() -> None:
    captured = [(5, 10.0), (5 + TICK_CYCLE, 78.0), (7, 78.5)]
    shown = [(5, 10.2), (5 + 3 * TICK_CYCLE, 78.3), (7, 78.6), (9, 78.7), (7, 1.0)]
    found = latencies(captured, shown)
    assert [at_s for at_s, _ in found] == [10.2, 78.3, 78.6]
    assert [ms for _, ms in found] == pytest.approx([200, 300, 100])


def test_the_latency_s_curve_is_of_medians() -> None:
    found = [(BEGAN_S + at_s, 50 + at_s + 500 * (at_s == 3)) for at_s in range(20)]
    assert latency_curve(found, began_s=BEGAN_S) == [[5.0, 55.5], [15.0, 64.5]]


def test_memory_is_measured_from_when_it_has_settled() -> None:
    curve = [(float(at_s), 100 + min(at_s, 60) + 0.01 * at_s) for at_s in range(1800)]
    figures = memory_figures(curve)
    assert figures["memory_growth_mb"] == pytest.approx(0.01 * (1800 - 30 - 150), abs=0.5)
    assert memory_figures([])["memory_growth_mb"] is None


def test_the_tables_say_which_bars_are_met_and_the_curve_is_drawn(tmp_path: Path) -> None:
    figures = figures_of(
        told(60, growth_mb=50), {"captured": [], "shown": []}, began_s=BEGAN_S, receive_only=True
    )
    result: dict[str, Any] = {
        **figures,
        "profile": "fake",
        "engine": "none",
        "clip": "clip.mp4",
        "clip_fps": 30.0,
        "other_fps": 24.0,
        "receive_only": True,
        "other_cpu_cores": 0.1,
    }
    asked = {key: (bar, side) for _, key, bar, side in bars_of(result)}
    assert asked["cpu_cores"] == (0.8, "under")
    assert "fresh_fps_sent" not in asked
    # There are no 25 fresh frames in a second of a film.
    assert asked["fresh_fps_received"] == (24.0, "from")
    both = {key: bar for _, key, bar, _ in bars_of(result | {"receive_only": False})}
    assert both["fresh_fps_sent"] == 25.0
    met = dict(
        zip(peer_tables(result)[0].columns[0].cells, peer_tables(result)[0].columns[3].cells, strict=True)
    )
    assert met["cores, receiving alone"] == "yes"
    assert met["memory's growth, MB"] == "no"

    def fresh(a_second: float) -> str:
        return str(next(iter(peer_tables(result | {"fresh_fps_received": a_second})[0].columns[3].cells)))

    assert [fresh(each) for each in (23.9964, 23.98)] == ["yes", "no"], "as it is printed, 24.00"
    write_peer(tmp_path / "out", result)
    assert (tmp_path / "out" / "curves.png").stat().st_size > 1000
    assert (tmp_path / "out" / "peer.json").is_file()


def test_the_other_side_replays_its_motions_over_and_over_and_draws_nothing() -> None:
    still = np.zeros((20, 3), np.float32)
    source = Source({}, still, still, still[0], still[0], still)
    poses = [(np.full(3, number, np.float32), still[0], still) for number in range(3)]
    talker = RecordedTalker(Recorded(source, poses), 64)
    picture = np.zeros((64, 64, 3), np.uint8)
    yaws = [talker.estimate(picture, source)[0][0] for _ in range(5)]
    assert yaws == [0, 1, 2, 0, 1]
    assert talker.draw(source, still[0], still[0], still).shape == (64, 64, 3)
    assert talker.locate(np.zeros((48, 64, 3), np.uint8)).centre_x == 32


@pytest.mark.usefixtures("profile_folder")
def test_a_side_holds_a_real_call_with_what_was_recorded(
    face_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench.peer import run_peer

    monkeypatch.setattr("bench.peer.CONNECT_S", PATIENCE_S)
    for side in ("sender.greeting", "receiver.receiver", "call.link"):
        monkeypatch.setattr(f"{side}.HELLO_LIMIT_S", PATIENCE_S)
    for minutes in (0.14, 0.3, 0.6):  # a slow and busy machine begins late
        result = run_peer(
            face_clip,
            face_clip,
            profile="laptop-256",
            engine="openvino",
            minutes=minutes,
            receive_only=False,
            on_second=lambda text: None,
        )
        if result["fresh_fps_received"] and result["fresh_fps_sent"]:
            break
    assert result["fresh_fps_received"] > 0
    assert result["fresh_fps_sent"] > 0
    assert result["latency_ms_received_p50"] > 0
    assert result["cpu_cores"] > 0
    assert result["memory_growth_mb"] is not None


def test_a_clip_that_is_none_is_told_in_a_sentence(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from bench.__main__ import app

    (tmp_path / "none.mp4").write_bytes(b"no film")
    answer = CliRunner().invoke(app, ["peer", str(tmp_path / "none.mp4"), "--minutes", "0.2"])
    assert isinstance(answer.exception, BenchError)
    assert "none.mp4" in str(answer.exception)
