"""The network bench: H.264's call through the relay, and the rows."""

from typing import Any

import numpy as np
import pytest
from bench_fakes import scene

from bench import net
from bench.clips import Clip
from bench.errors import BenchError
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
