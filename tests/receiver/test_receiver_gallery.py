"""Several source pictures at the receiver: which is drawn from, from one to the next, and those of earlier calls."""

import asyncio
import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from receiver_fakes import SIZE, FakeSource, FakeTalker, decoded

from codec.control import Message
from codec.packet import MAX_SOURCES
from codec.picture import Picture, cut_picture, encode_picture
from codec.transfer import PictureOffer, PictureReady, PictureRefused
from receiver.crossfade import FRAMES
from receiver.drawing import Drawing
from receiver.gallery import Gallery
from receiver.playout import Shown
from receiver.remembered import Remembered
from runtime.view import View
from tests.patience import PATIENCE_S


class PaintingTalker(FakeTalker):
    """Paints a source's brightness, and counts."""

    def __init__(self) -> None:
        super().__init__()
        self.drawn: list[float] = []

    def draw(self, source: FakeSource, *pose: np.ndarray) -> np.ndarray:
        self.drawn.append(source.brightness)
        return np.full((SIZE, SIZE, 3), source.brightness, np.uint8)

    def estimate(self, picture: np.ndarray, source: FakeSource) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return source.rotation, source.translation, source.expression


def source(brightness: float) -> FakeSource:
    return PaintingTalker().prepare(np.full((SIZE, SIZE, 3), brightness, np.uint8))


def draw_all(
    steps: Callable[[Drawing], None], *, pictures: int, talker: PaintingTalker | None = None
) -> list[tuple[Shown, int]]:
    """Draw in order what `steps` bring, until so many pictures are there; return them with their brightness."""
    shown: list[tuple[Shown, int]] = []
    drawing = Drawing(
        talker or PaintingTalker(),  # type: ignore[arg-type]
        on_picture=lambda what, picture, began_s, shown_s: shown.append((what, int(picture[0, 0, 0]))),
        on_error=lambda error: None,
        view=View(),
    )
    drawing.draw_in_order()
    steps(drawing)
    drawing.start()
    end_s = time.monotonic() + PATIENCE_S
    while len(shown) < pictures and time.monotonic() < end_s:
        time.sleep(0.005)
    drawing.finish()
    return shown


def test_a_motion_is_drawn_from_the_picture_that_its_slot_held_when_it_came() -> None:
    def steps(drawing: Drawing) -> None:
        drawing.set_source(1, source(50))  # type: ignore[arg-type]
        drawing.push([decoded(10, source=1)], 0.0)
        drawing.set_source(1, source(200))  # type: ignore[arg-type]
        drawing.push([decoded(12 + 2 * index, source=1) for index in range(FRAMES + 1)], 0.0)

    shown = draw_all(steps, pictures=FRAMES + 2)
    brightness = [level for _, level in shown]
    assert brightness[0] == 50
    assert brightness[-1] == 200
    assert brightness == sorted(brightness)
    assert len(set(brightness)) == FRAMES + 2  # no two steps alike: nothing pops
    assert {what.source for what, _ in shown} == {1}


@pytest.mark.parametrize("behind", [False, True])
def test_a_change_is_drawn_from_both_pictures_only_once_where_the_machine_is_behind(behind: bool) -> None:
    def steps(drawing: Drawing) -> None:
        for slot, brightness in ((0, 50), (1, 200)):
            drawing.set_source(slot, source(brightness))  # type: ignore[arg-type]
        drawing.counts.skipped += behind
        drawing.push([decoded(10, source=0)], 0.0)
        drawing.push([decoded(12 + 2 * index, source=1) for index in range(FRAMES + 1)], 0.0)

    talker = PaintingTalker()
    shown = draw_all(steps, pictures=FRAMES + 2, talker=talker)
    assert talker.drawn.count(200) == FRAMES + 1
    assert talker.drawn.count(50) == 1 + (1 if behind else FRAMES)
    brightness = [level for _, level in shown]
    assert brightness == sorted(brightness)  # it fades all the same
    assert len(set(brightness)) == FRAMES + 2


def test_a_slot_can_be_filled_again_and_again() -> None:
    def steps(drawing: Drawing) -> None:
        for number in range(20):
            drawing.set_source(number % MAX_SOURCES, source(number))  # type: ignore[arg-type]
        drawing.push([decoded(10, source=3)], 0.0)

    ((_, brightness),) = draw_all(steps, pictures=1)
    assert brightness == 19


def test_a_repair_may_ask_what_a_slot_holds_while_it_is_given_another_picture() -> None:
    class Asking(dict[int, int]):
        def __setitem__(self, slot: int, number: int) -> None:
            super().__setitem__(slot, number)
            asked.append(drawing.source_in(slot))

    asked: list[object] = []
    drawing = Drawing(
        PaintingTalker(),  # type: ignore[arg-type]
        on_picture=lambda *what: None,
        on_error=lambda error: None,
        view=View(),
    )
    drawing._numbers = Asking()
    first, second = source(50), source(200)
    for each in (first, second):
        drawing.set_source(1, each)  # type: ignore[arg-type]
    assert asked == [first, second]


def test_a_repair_is_made_of_the_picture_that_its_slot_holds_now() -> None:
    def steps(drawing: Drawing) -> None:
        assert drawing.source_in(1) is None
        for brightness in (50, 120, 200):
            newest = source(brightness)
            drawing.set_source(1, newest)  # type: ignore[arg-type]
            assert drawing.source_in(1) is newest

    draw_all(steps, pictures=0)


class Call:
    """A gallery and what it says."""

    def __init__(self, remembered: Remembered | None) -> None:
        self.said: list[Message] = []
        self.ready: list[tuple[int, Picture]] = []
        self.gallery = Gallery(
            FakeTalker(),  # type: ignore[arg-type]
            picture_size=SIZE,
            send=self.said.append,
            on_ready=lambda slot, picture, prepared: self.ready.append((slot, picture)),
            on_error=lambda error: None,
            remembered=remembered,
        )

    async def answered(self, count: int = 1) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while len(self.said) < count:  # noqa: ASYNC110 (a thread decodes)
                await asyncio.sleep(0.005)


def face() -> bytes:
    noise = np.random.default_rng(1).integers(0, 255, (SIZE, SIZE, 3), dtype=np.uint8)
    return encode_picture(noise, quality=60)


async def test_a_second_call_needs_no_picture_where_the_first_was_remembered(tmp_path: Path) -> None:
    data = face()
    first = Call(Remembered(tmp_path))
    for piece in cut_picture(data, transfer=1, slot=0):
        first.gallery.add(piece)
    await first.answered()
    second = Call(Remembered(tmp_path))
    second.gallery.offer(PictureOffer(7, 2, hashlib.sha256(data).digest()))
    await second.answered()
    assert second.said == [PictureReady(7, 2)]
    assert second.ready[0][0] == 2
    assert (second.ready[0][1] == first.ready[0][1]).all()


async def test_what_is_not_remembered_has_to_be_sent(tmp_path: Path) -> None:
    for call in (Call(Remembered(tmp_path)), Call(None)):
        call.gallery.offer(PictureOffer(7, 2, bytes(32)))
        await call.answered()
        assert isinstance(call.said[0], PictureRefused)
        assert call.said[0].transfer == 7


async def test_offers_in_a_flood_are_answered_all(tmp_path: Path) -> None:
    call = Call(Remembered(tmp_path))
    for transfer in range(50):
        call.gallery.offer(PictureOffer(transfer, 0, bytes(32)))
    await call.answered(50)
    assert {message.transfer for message in call.said} == set(range(50))  # type: ignore[union-attr]
