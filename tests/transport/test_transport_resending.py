"""Reliable data that got lost goes again soon, and what is only slow does not."""

import asyncio
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from aiortc import RTCSctpTransport
from aiortc.rtcsctptransport import DataChunk, SackChunk

from tests.virtual_time import VirtualLoop
from transport.resending import FIRST_PROBE_S, OVERTAKING_S, STRIKES, Resending


class Association:
    """An association that has sent what it is told to have sent, and notes what goes again."""

    def __init__(self) -> None:
        self.again: list[tuple[int, float]] = []
        self._sent_queue: list[DataChunk] = []
        self._association_state = RTCSctpTransport.State.ESTABLISHED
        self._fast_recovery_transmit = False
        self.resending = Resending(self)  # type: ignore[arg-type]

    def send(self, tsn: int, size: int = 40) -> DataChunk:
        chunk = DataChunk()
        chunk.tsn, chunk.user_data = tsn, bytes(size)
        chunk._acked = chunk._retransmit = False
        chunk._sent_count, chunk._misses = 1, 0
        self._sent_queue.append(chunk)
        self.resending.sent(chunk)
        return chunk

    def answer(self, upto: int, *gaps: tuple[int, int], twice: tuple[int, ...] = ()) -> None:
        sack = SackChunk()
        sack.cumulative_tsn, sack.gaps, sack.duplicates = upto, list(gaps), list(twice)
        self.resending.heard(sack)
        self._sent_queue = [chunk for chunk in self._sent_queue if chunk.tsn > upto]

    def _flight_size_decrease(self, chunk: DataChunk) -> None: ...

    async def _transmit(self) -> None:
        for chunk in self._sent_queue:
            if chunk._retransmit:
                chunk._retransmit = False
                chunk._sent_count += 1
                self.again.append((chunk.tsn, asyncio.get_running_loop().time()))
                self.resending.sent(chunk)


def play(call: Callable[[Association], Coroutine[Any, Any, None]]) -> SimpleNamespace:
    """Run it in virtual time; returns what went again, and when it began."""
    loop = VirtualLoop()

    async def hold() -> SimpleNamespace:
        association, began_s = Association(), loop.time()
        await call(association)
        association.resending.stop()
        return SimpleNamespace(again=[(tsn, at_s - began_s) for tsn, at_s in association.again])

    with asyncio.Runner(loop_factory=lambda: loop) as runner, mock.patch("time.monotonic", loop.time):
        return runner.run(hold())


def test_the_first_answer_to_something_sent_clearly_later_is_enough() -> None:
    async def call(association: Association) -> None:
        lost = association.send(1)
        near = association.send(2)
        await asyncio.sleep(2 * OVERTAKING_S)
        association.send(3)
        association.answer(0, (2, 2))
        assert lost._misses == near._misses == 0  # they may overtake each other
        association.answer(0, (2, 3))
        assert lost._misses == STRIKES - 1

    assert play(call).again == []


def test_what_nobody_answers_goes_again_after_ever_longer_and_no_more_once_it_is_answered() -> None:
    async def call(association: Association) -> None:
        association.send(1)
        await asyncio.sleep(3.0)
        association.answer(1)
        await asyncio.sleep(10.0)

    again = play(call).again
    assert [tsn for tsn, _ in again] == [1] * len(again)
    assert len(again) >= 2
    first_s, second_s, *_ = (at_s for _, at_s in again)
    assert first_s == pytest.approx(FIRST_PROBE_S, abs=0.1)
    assert second_s - first_s > 1.4 * first_s


def test_what_was_sent_after_goes_along_where_the_answer_to_the_oldest_is_lost_as_well() -> None:
    async def call(association: Association) -> None:
        association.send(1)
        association.send(2)
        association.send(3)
        await asyncio.sleep(1.2)

    assert [tsn for tsn, _ in play(call).again] == [1, 1, 2]


def test_a_large_piece_is_given_the_time_that_a_narrow_line_takes() -> None:
    async def call(association: Association) -> None:
        association.send(1)
        await asyncio.sleep(0.05)
        association.answer(1)
        association.send(2, 1_000)
        await asyncio.sleep(0.45)  # 20 kbit/s
        association.answer(2)

    assert play(call).again == []


def test_what_came_twice_tells_how_long_a_queue_has_become() -> None:
    async def call(association: Association) -> None:
        association.send(1)
        await asyncio.sleep(0.01)
        association.answer(1)
        association.send(2)
        await asyncio.sleep(0.3)  # in which it goes again
        association.answer(2)
        await asyncio.sleep(0.1)
        association.answer(2, twice=(2,))
        association.send(3)
        await asyncio.sleep(0.4)
        association.answer(3)

    assert 3 not in [tsn for tsn, _ in play(call).again]


def test_what_came_twice_because_its_answer_was_lost_tells_nothing() -> None:
    async def call(association: Association) -> None:
        association.send(1)
        await asyncio.sleep(0.01)
        association.answer(1)
        association.send(2)
        await asyncio.sleep(0.3)
        association.answer(2, twice=(2,))
        association.send(3)
        await asyncio.sleep(0.2)

    assert 3 in [tsn for tsn, _ in play(call).again]
