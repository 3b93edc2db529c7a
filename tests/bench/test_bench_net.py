"""The network bench: both sides' calls through the relay, what is counted of them, and the rows."""

from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from bench_fakes import SIZE, scene, shifted, write_film

from bench import net, net_figures, net_ours
from bench.clips import Clip
from bench.errors import BenchError
from bench.net_command import net_tables
from bench.net_figures import HeldCall, LineCount, Pair, Seen, call_figures
from bench.net_ours import hold_ours
from bench.net_video import hold_video
from call.ends import load_ends
from call.options import Engine
from tests.patience import PATIENCE_S
from transport.impairment import ImpairedLine, Impairment
from transport.relay import Relay


def long_scene() -> list[np.ndarray]:
    """Return eight seconds of twenty pictures each, of which no two are alike."""
    first = scene(1)[0]
    return [shifted(first, 3 * (index % 40), 16 * (index // 40)) for index in range(160)]


async def call_over(line: Impairment, *, seconds: float = 3.0) -> tuple[HeldCall, Relay]:
    relay = Relay(line, Impairment(), seed=1)
    try:
        held = await hold_video(long_scene(), frame_rate=20, seconds=seconds, relay=relay)
    finally:
        relay.close()
    return held, relay


async def call_that_shows(line: Impairment) -> tuple[HeldCall, Relay]:
    """Hold a call over a line that carries pictures, as long as it takes to see some."""
    for seconds in (3.0, 6.0, 12.0, 24.0):  # a slow and busy machine shows few of them
        held, relay = await call_over(line, seconds=seconds)
        if len(held.pairs) >= 4:
            break
    assert len(held.pairs) >= 4
    return held, relay


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody give up because a slow machine takes its time to meet."""
    monkeypatch.setattr("bench.net_video.MEETING_LIMIT_S", PATIENCE_S)
    monkeypatch.setattr("call.loopback.MEETING_LIMIT_S", PATIENCE_S)
    for side in ("sender.greeting", "receiver.receiver"):
        monkeypatch.setattr(f"{side}.HELLO_LIMIT_S", PATIENCE_S)


def latencies_s(held: HeldCall) -> list[float]:
    return [each.shown_s - each.captured_s for each in held.seen if each.captured_s is not None]


@pytest.mark.usefixtures("patient")
async def test_what_came_over_a_clean_line_is_known_frame_by_frame() -> None:
    held, relay = await call_that_shows(Impairment())
    assert min(latencies_s(held)) >= 0
    errors = [np.abs(pair.shown.astype(float) - pair.original).mean() for pair in held.pairs]
    moved = np.abs(held.pairs[0].original.astype(float) - held.pairs[1].original).mean()
    assert np.median(errors) < moved / 2  # H.264's error, and not another frame's
    assert relay.forward.offered_bytes >= relay.forward.passed_bytes > 10_000
    assert held.line[-1].forward_bytes > 0.9 * relay.forward.offered_bytes
    assert held.began_s < held.seen[0].shown_s < held.ended_s


@pytest.mark.usefixtures("patient")
async def test_a_delayed_line_adds_its_delay() -> None:
    held, _ = await call_that_shows(Impairment(delay_s=0.3))
    assert np.median(latencies_s(held)) >= 0.29


async def test_a_line_that_carries_nothing_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.net_video.MEETING_LIMIT_S", 1.0)
    with pytest.raises(BenchError, match="did not meet"):
        await call_over(Impairment(loss=1.0))


def test_an_unknown_line_is_a_sentence(tmp_path: Any) -> None:
    with pytest.raises(BenchError, match=r"'wet string' is not a line .* 20 kbit/s"):
        net.run_net(
            Clip("one", tmp_path / "one.mkv", None),
            profile="laptop-256",
            engine="openvino",
            conditions=["wet string"],
            seconds=2,
            judge=None,
            on_row=lambda name: None,
        )


def test_every_table_has_the_frozen_picture(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    write_film(film := tmp_path / "one.mkv", scene(20))
    monkeypatch.setattr(
        net, "load_ends", lambda engine: SimpleNamespace(profile=SimpleNamespace(picture_size=SIZE))
    )
    clip = Clip("one", film, None)
    said: list[str] = []
    result = net.run_net(
        clip,
        profile="p",
        engine="e",
        conditions=[],
        seconds=2,
        judge=cast(Any, PixelJudge()),
        on_row=said.append,
    )
    (frozen,) = result["rows"]
    assert (frozen["line"], frozen["system"]) == ("any", "frozen")
    assert frozen["lpips"] > 1
    assert frozen["fresh_fps"] is None
    assert frozen["why"]["fresh_fps"] == "nothing is sent"
    assert "lpips" not in frozen["why"]
    assert net_tables(result)[0].row_count == 1


def test_added_latency_is_over_the_system_s_own_clean_line() -> None:
    rows: list[dict[str, Any]] = [
        {"line": name, "system": system, "latency_ms_p50": latency, "why": {}}
        for name, system, latency in (
            ("clean", "visavis", 50.0),
            ("clean", "h264", 40.0),
            ("loss 20%", "visavis", 80.0),
            ("loss 20%", "h264", None),
        )
    ]
    net._add_latency(rows)
    assert [row["added_latency_ms"] for row in rows] == [0.0, 0.0, 30.0, None]


class PixelJudge:
    """Judges by pixels."""

    def lpips(self, originals: list[Any], rivals: list[list[Any]]) -> Any:
        """Return mean absolute differences."""
        return np.array(
            [[np.abs(a.astype(float) - b).mean() for a, b in zip(originals, rivals[0], strict=True)]]
        )


@pytest.mark.usefixtures("patient")
async def test_our_call_over_a_bad_line_has_its_figures(
    profile_folder: Path, face_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(net_figures, "START_S", 1.0)
    ends = load_ends(Engine(str(profile_folder)))
    line = Impairment(delay_s=0.1, loss=0.1)
    for seconds in (6.0, 12.0, 24.0):  # a slow and busy machine begins late
        relay = Relay(line, line)
        try:
            held = await hold_ours(ends, Clip("face", face_clip, None), seconds=seconds, relay=relay)
        finally:
            relay.close()
        figures = call_figures(held, cast(Any, PixelJudge()))
        steady = [pair for pair in held.pairs if held.seen[0].shown_s + 1 <= pair.shown_s <= held.ended_s]
        if figures["fresh_fps"] and len(steady) >= 4:
            break
    assert not figures["why"]
    # The sides meet, and the source picture comes, in several ways there and back.
    assert 0.4 < figures["first_picture_s"] < held.ended_s - held.began_s
    assert 0 < figures["fresh_fps"] < 30
    assert figures["latency_ms_p95"] >= figures["latency_ms_p50"] >= 100
    assert figures["longest_gap_ms"] >= 1000 / 60
    assert 0 <= figures["frozen_share"] <= 1
    assert (figures["frozen_share"] > 0) == (figures["longest_gap_ms"] > 200)
    assert figures["wire_kbps_forward"] > figures["payload_kbps"] > 0.5
    assert figures["wire_kbps_back"] > 0
    assert 0 <= figures["lost_share"] < 0.5
    assert 0.01 < held.line[-1].lost / held.line[-1].packets < 0.3
    # What was drawn is nearer to the frame it stands for than to one of half a second earlier or later.
    own = np.mean([_difference(pair.shown, pair.original) for pair in steady])
    others = np.mean([_difference(one.shown, other.original) for one, other in pairwise(steady)])
    assert own < others
    assert figures["lpips"] == pytest.approx(own, rel=0.5)


async def test_a_call_of_ours_that_breaks_off_is_frozen_from_then_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def breaks(*called: Any, watch: net_ours.Notes, **more: Any) -> None:
        for index in range(20):
            watch.on_frame(index, index, 50 + index, np.zeros((8, 8, 3), np.uint8))
        watch.on_shown(cast(Any, SimpleNamespace(kind="fresh", ticks=3)), np.ones((8, 8, 3), np.uint8), 53.5)
        watch.on_shown(cast(Any, SimpleNamespace(kind="fresh", ticks=9)), np.ones((8, 8, 3), np.uint8), 59.5)
        raise RuntimeError("The line is dead.")

    monkeypatch.setattr(net_ours, "hold_between", breaks)
    write_film(film := tmp_path / "one.mkv", scene(2))
    ends = SimpleNamespace(
        profile=SimpleNamespace(name="p"), talker=SimpleNamespace(graphs=SimpleNamespace(engine="e"))
    )
    relay = Relay(Impairment(), Impairment())
    try:
        held = await hold_ours(cast(Any, ends), Clip("one", film, None), seconds=20, relay=relay)
    finally:
        relay.close()
    figures = call_figures(held, None)
    assert held.ended_s == 70
    assert len(held.pairs) == 2
    assert figures["latency_ms_p50"] == pytest.approx(500)
    assert figures["longest_gap_ms"] == pytest.approx(10_500)
    assert figures["frozen_share"] == 1
    assert figures["why"]["call"] == "The line is dead."
    assert figures["why"]["payload_kbps"] == "it was not counted"


async def test_a_call_that_never_began_is_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ends = SimpleNamespace(
        profile=SimpleNamespace(name="p"), talker=SimpleNamespace(graphs=SimpleNamespace(engine="e"))
    )
    relay = Relay(Impairment(), Impairment())
    try:
        with pytest.raises(BenchError, match="does not exist"):
            await hold_ours(cast(Any, ends), Clip("one", tmp_path / "no.mkv", None), seconds=2, relay=relay)
    finally:
        relay.close()


def steady_call(shown_s: list[float], *, kind: str = "fresh", first_s: float = 3.0) -> HeldCall:
    """A call from 0 to 28 s of which the first picture comes at `first_s`; each comes 0.1 s after its capture."""
    seen = [Seen("fresh", first_s, first_s - 0.1), *(Seen(kind, at_s, at_s - 0.1) for at_s in shown_s)]
    shade = np.zeros((8, 8, 3), np.uint8)
    pairs = [Pair(first_s, shade, shade + 200), *(Pair(at_s, shade, shade + 10) for at_s in shown_s)]
    # 1 kbyte/s in the first eight seconds, a tenth of that later; every packet of the first is lost.
    line = [
        LineCount(at_s, 1000 * min(at_s, 8) + 100 * max(at_s - 8, 0), 50 * at_s, 10 * at_s, 10 * min(at_s, 8))
        for at_s in range(29)
    ]
    return HeldCall(0.0, 28.0, seen, pairs, line, payload_kbps=1.0)


def test_a_stream_that_dies_in_mid_call_is_frozen_to_the_end() -> None:
    every_s = [8 + index / 10 for index in range(101)]
    figures = call_figures(steady_call(every_s), None)  # from 8 to 28, and dead from 18 on
    assert figures["frozen_share"] == pytest.approx(0.5)
    assert figures["longest_gap_ms"] == pytest.approx(10_000)
    assert figures["fresh_fps"] == pytest.approx(101 / 20)
    dead = call_figures(steady_call([]), None)
    assert (dead["fresh_fps"], dead["frozen_share"]) == (0, 1)
    assert dead["longest_gap_ms"] == pytest.approx(20_000)
    assert dead["latency_ms_p50"] is None
    assert "after the start" in dead["why"]["latency_ms_p50"]


def test_the_wait_for_the_first_picture_stands_apart_and_the_start_does_not_count() -> None:
    early_and_late = [3.2, 4.0, 7.9, *(8 + index / 10 for index in range(201)), 28.5]
    figures = call_figures(steady_call(early_and_late), cast(Any, PixelJudge()))
    assert figures["first_picture_s"] == 3
    assert figures["frozen_share"] == 0
    assert figures["longest_gap_ms"] == pytest.approx(100)
    assert figures["fresh_fps"] == pytest.approx(201 / 20)
    assert figures["wire_kbps_forward"] == pytest.approx(0.8)
    assert figures["wire_kbps_back"] == pytest.approx(0.4)
    assert figures["lost_share"] == 0
    assert figures["lpips"] == pytest.approx(10)
    assert not figures["why"]


def test_what_is_extrapolated_does_not_keep_a_picture_alive() -> None:
    figures = call_figures(steady_call([8 + index / 10 for index in range(201)], kind="extrapolated"), None)
    assert figures["extrapolated_fps"] == pytest.approx(201 / 20)
    assert figures["fresh_fps"] == 0
    assert figures["frozen_share"] == 1


def test_a_first_picture_shortly_before_the_end_leaves_no_steady_call() -> None:
    figures = call_figures(steady_call([], first_s=22.5), None)
    assert figures["first_picture_s"] == 22.5
    assert figures["fresh_fps"] is None
    assert "too late" in figures["why"]["fresh_fps"]
    assert "first_picture_s" not in figures["why"]


def test_one_line_reorders_and_one_duplicates() -> None:
    def arrivals_s(name: str) -> list[list[float]]:
        line = ImpairedLine(net.CONDITIONS[name], seed="1")
        return [line.arrivals_s(100, index / 25) for index in range(1000)]

    first_s = [times_s[0] for times_s in arrivals_s("reordered by jitter 120 ms")]
    overtaken = sum(later < earlier for earlier, later in pairwise(first_s))
    assert 0.15 < overtaken / 1000 < 0.3
    doubled = sum(len(times_s) == 2 for times_s in arrivals_s("duplicates 20%"))
    assert 0.15 < doubled / 1000 < 0.25


def test_a_line_s_name_can_be_asked_for_in_a_list_with_commas() -> None:
    assert not [name for name in net.CONDITIONS if "," in name]


def test_the_table_says_what_h264_was_allowed_and_why_a_row_is_empty() -> None:
    rows = [
        {"line": "clean", "system": "visavis", **call_figures(steady_call([9.0, 10.0]), None)},
        {"line": "clean", "system": "h264", **net_figures.nothing("the sides did not meet")},
    ]
    table = net_tables({"clip": "one", "seconds": 28.0, "rows": rows})[0]
    assert "8 kbit/s" in str(table.caption)
    assert "h264, clean: the sides did not meet" in str(table.caption)
    assert table.row_count == 2


def _difference(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(float) - other).mean())
