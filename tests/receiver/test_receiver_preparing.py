"""How often source pictures are made of what comes: at once where a sender is honest, and bounded where it is not."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from codec.packet import MAX_SOURCES
from codec.picture import Assembled
from codec.transfer import PictureReady, PictureRefused
from receiver.preparing import Preparing
from tests.virtual_time import in_virtual_time


class Made:
    """What a preparing made, when, and what it answered."""

    def __init__(self) -> None:
        self.made: list[tuple[bytes, float]] = []
        self.said: list[PictureReady | PictureRefused] = []
        self.preparing = Preparing(
            self._make, send=self.said.append, on_ready=lambda *ready: None, on_error=lambda error: None
        )

    def _make(self, data: bytes) -> Any:
        self.made.append((data, time.monotonic()))
        return np.zeros((8, 8, 3), np.uint8), None

    def put(self, transfer: int, slot: int = 0) -> None:
        self.preparing.put(Assembled(slot, transfer, b"%d" % transfer))


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let threads' work take no time."""

    async def run(work: Callable[..., object], *given: object) -> object:
        return work(*given)

    monkeypatch.setattr(asyncio, "to_thread", run)


@in_virtual_time
async def test_pictures_in_a_flood_are_made_twice_a_second_the_newest_of_each_slot_and_all_answered() -> None:
    made = Made()
    for transfer in range(1_000):
        made.put(transfer, slot=transfer % MAX_SOURCES)
        await asyncio.sleep(0.01)
    assert len(made.made) <= MAX_SOURCES + 20
    await asyncio.sleep(3.0)
    assert {int(data) for data, _ in made.made} >= {996, 997, 998, 999}
    assert sorted(answer.transfer for answer in made.said) == list(range(1_000))


@in_virtual_time
async def test_a_first_picture_its_finer_code_and_repairs_do_not_wait() -> None:
    made = Made()
    came_s: list[float] = []
    for transfer in range(MAX_SOURCES + 10):
        if transfer >= MAX_SOURCES:
            await asyncio.sleep(0.5)  # as often as the mirror looks
        came_s.append(time.monotonic())
        made.put(transfer, slot=transfer % MAX_SOURCES)
    await asyncio.sleep(0)
    await asyncio.sleep(0.001)
    assert [at_s for _, at_s in made.made] == pytest.approx(came_s, abs=1e-6)
