"""The network bench: H.264's call through the relay, and the rows."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from bench_fakes import SIZE, scene, write_film

from bench import net
from bench.clips import Clip
from bench.errors import BenchError
from bench.net_command import net_tables
from bench.net_video import hold_video
from transport.impairment import Impairment
from transport.relay import Relay


async def call_over(line: Impairment, *, seconds: float = 3.0) -> tuple[Any, Relay]:
    relay = Relay(line, Impairment(), seed=1)
    try:
        held = await hold_video(scene(40, step=3.0), frame_rate=20, seconds=seconds, relay=relay)
    finally:
        relay.close()
    return held, relay


async def test_what_came_over_a_clean_line_is_known_frame_by_frame() -> None:
    for seconds in (3.0, 6.0, 12.0, 24.0):  # a slow and busy machine shows few of them
        held, relay = await call_over(Impairment(), seconds=seconds)
        if len(held.shown_s) >= 6:
            break
    assert len(held.shown_s) >= 6
    assert min(held.latency_s) >= 0
    errors = [
        np.abs(shown.astype(float) - original).mean()
        for shown, original in zip(held.pictures, held.originals, strict=True)
    ]
    moved = np.abs(held.originals[0].astype(float) - held.originals[5]).mean()
    assert np.median(errors) < moved / 2  # H.264's error, and not another frame's
    assert relay.forward.offered_bytes >= relay.forward.passed_bytes > 10_000


async def test_a_delayed_line_adds_its_delay() -> None:
    held, _ = await call_over(Impairment(delay_s=0.3))
    assert np.median(held.latency_s) >= 0.29


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
    class Judge:
        def lpips(self, originals: list[Any], rivals: list[list[Any]]) -> Any:
            return np.array(
                [[np.abs(a.astype(float) - b).mean() for a, b in zip(originals, rivals[0], strict=True)]]
            )

    write_film(film := tmp_path / "one.mkv", scene(20))
    monkeypatch.setattr(
        net, "load_ends", lambda engine: SimpleNamespace(profile=SimpleNamespace(picture_size=SIZE))
    )
    clip = Clip("one", film, None)
    said: list[str] = []
    result = net.run_net(
        clip, profile="p", engine="e", conditions=[], seconds=2, judge=cast(Any, Judge()), on_row=said.append
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
