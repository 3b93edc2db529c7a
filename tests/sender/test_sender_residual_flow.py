"""Residual flow on its way out: coded within what may be spent, found on a thread, sent with the next motion."""

import asyncio
import threading
from typing import Any

import numpy as np
import pytest

from codec.flow import MAX_FLOW_BYTES, decode_flow
from codec.flow_packet import detach_flow
from codec.time import TICK_CYCLE
from runtime.residual_flow import flow_of
from sender.adapting import Adapting, Wanted
from sender.bring import Seen
from sender.coding import Packet
from sender.delivery import Live
from sender.residual_flow import (
    COARSEST,
    FINEST,
    LONGEST_S,
    PERIOD_S,
    REST_S,
    FlowCoder,
    FlowInTurn,
    FlowWatch,
)
from tests.patience import PATIENCE_S
from tests.sender.held_fakes import MirrorTalker, held, motion


def wild(size: float) -> np.ndarray:
    """Return coefficients of a flow that bends everywhere."""
    rng = np.random.default_rng(5)
    fading = 1 / (1 + np.add.outer(np.arange(32), np.arange(32)))
    return (size * fading * rng.normal(size=(2, 32, 32))).astype(np.float32)


def test_a_tight_line_has_flows_more_rarely_before_they_get_coarser() -> None:
    coder, lasting, steps = FlowCoder(), [], []
    for bytes_per_s in (1e6, 600.0, 300.0, 100.0):
        coder.bytes_per_s = bytes_per_s
        code, lasts_s = coder.code(wild(25))
        assert code is not None
        assert len(code) <= bytes_per_s * lasts_s + 1e-6  # no more is spent than may be
        assert PERIOD_S <= lasts_s <= LONGEST_S
        lasting.append(lasts_s)
        steps.append(decode_flow(code).step)
    assert lasting[0] == PERIOD_S
    assert lasting[:3] == sorted(lasting[:3])
    assert steps[:3] == [FINEST] * 3
    assert FINEST < steps[3] <= COARSEST
    coder.bytes_per_s = 15.0
    assert coder.code(wild(25)) == (None, LONGEST_S)  # coarser than what is of use


def test_what_is_too_long_is_coarser_and_where_nothing_may_be_spent_no_flow_goes_out() -> None:
    coder = FlowCoder()
    code, _ = coder.code(wild(40))
    assert code is not None
    assert len(code) <= MAX_FLOW_BYTES
    assert FINEST < decode_flow(code).step <= COARSEST
    assert coder.code(wild(1e6)) == (None, LONGEST_S)  # no step makes it fit
    coder.bytes_per_s = 0.0
    assert coder.code(wild(60)) == (None, LONGEST_S)


class Bending(MirrorTalker):
    """Draws what it is told to, after a while; its keypoints are out of the picture."""

    def __init__(self, drawn: np.ndarray) -> None:
        super().__init__()
        self.result: np.ndarray | Exception = drawn

    def draw(self, *given: Any) -> np.ndarray:
        if isinstance(self.result, Exception):
            raise self.result
        return self.result

    def keypoints_of(self, *given: Any) -> np.ndarray:
        return np.full((20, 3), 3, np.float32)


def seen(picture: np.ndarray, at_s: float) -> Seen:
    return Seen(picture, motion(), held(2), at_s, round(60 * at_s))


def cloth() -> np.ndarray:
    import cv2

    noise = np.random.default_rng(3).normal(size=(64, 64, 3)).astype(np.float32)
    smooth = cv2.resize(noise, (256, 256), interpolation=cv2.INTER_CUBIC)
    return np.clip(128 + 50 * smooth, 0, 255).astype(np.uint8)


def test_what_is_offered_is_answered_with_a_flow_for_its_source_picture() -> None:
    came, flows = threading.Event(), []
    dropped = [0]

    def take(slot: int, code: bytes, ticks: int) -> None:
        flows.append((slot, code, ticks))
        came.set()

    drawn = cloth()
    watch = FlowWatch(
        Bending(drawn),  # type: ignore[arg-type]
        dropped=lambda: dropped[0],
        on_flow=take,
        on_error=lambda error: pytest.fail(str(error)),
    )
    assert not watch.due(0.0)  # it has not begun
    watch.start()
    try:
        assert watch.due(0.5)
        watch.offer(seen(np.roll(drawn, 4, axis=1), 0.5))
        assert not watch.due(0.5 + PERIOD_S / 2)
        assert came.wait(PATIENCE_S)
        ((slot, code, ticks),) = flows
        flow = decode_flow(code)
        assert (slot, ticks) == (2, 30)
        found = flow_of(flow.levels, flow.step)[2:-2, 2:-2] * 128
        assert found[..., 0] == pytest.approx(-4, abs=0.6)
        dropped[0] = 10  # a busy machine
        late_s = 100.0
        assert not watch.due(late_s)
        assert not watch.due(late_s + REST_S / 2)
        assert watch.due(late_s + REST_S)
    finally:
        watch.stop()


def test_what_ends_the_finding_is_told() -> None:
    told, errors = threading.Event(), []

    def take(error: Exception) -> None:
        errors.append(error)
        told.set()

    watch = FlowWatch(
        Bending(cloth()),  # type: ignore[arg-type]
        dropped=lambda: 0,
        on_flow=lambda slot, code, ticks: None,
        on_error=take,
    )
    watch._talker.result = RuntimeError("no graph")  # type: ignore[attr-defined]
    watch.start()
    watch.offer(seen(cloth(), 0.0))
    assert told.wait(PATIENCE_S)
    watch.stop()
    assert str(errors[0]) == "no graph"
    assert not watch.due(100.0)


class Line:
    """Keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def send_motion(self, data: bytes, *, rides: bool = False) -> bool:
        self.sent.append(data)
        return True


async def test_a_flow_goes_once_and_with_the_next_motion() -> None:
    line = Line()
    live = Live(line, asyncio.get_running_loop(), Adapting(Wanted(camera_fps=25.0), at_s=0.0))  # type: ignore[arg-type]
    code, _ = FlowCoder().code(wild(10))
    assert code is not None
    packets = [Packet(bytes([number, 1, 2, 3]), 1, number / 25) for number in range(3)]
    live.put(packets[0])
    live.bend(3, b"old", 0)
    live.bend(3, code, TICK_CYCLE - 10)  # the newest is what counts
    live.put(packets[1])
    live.put(packets[2])
    await live.finish()
    async with asyncio.timeout(PATIENCE_S):
        while len(line.sent) < 3:  # noqa: ASYNC110 -- a plain value, not an event
            await asyncio.sleep(0.005)
    alone, attached = detach_flow(line.sent[1])
    assert attached is not None
    assert (attached.source, attached.code, alone) == (3, code, packets[1].data)
    assert attached.age == 4  # 12 ticks, to the frame at 1/25 s
    assert [line.sent[0], line.sent[2]] == [packets[0].data, packets[2].data]
    assert live.payload_bytes == sum(len(data) for data in line.sent)


def test_in_order_a_frame_has_its_flow_at_once_and_the_next_one_when_it_is_due() -> None:
    drawn = cloth()
    flows = FlowInTurn(Bending(drawn))  # type: ignore[arg-type]
    assert flows.due(0.0)
    code = flows.find(seen(np.roll(drawn, 4, axis=1), 0.0))
    assert code is not None
    flow = decode_flow(code)
    assert flow_of(flow.levels, flow.step)[4:-4, 4:-4, 0] * 128 == pytest.approx(-4, abs=0.6)
    assert not flows.due(PERIOD_S / 2)
    assert flows.due(LONGEST_S)
