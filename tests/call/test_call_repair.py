"""A repair's trip: from the mirror's finding to a source picture at the receiver, with networks whose work is known."""

import asyncio
from typing import Any

import numpy as np
import pytest

from codec.control import Message, decode_control, encode_control
from codec.errors import BitstreamError
from codec.format import MotionFormat
from codec.motion import Motion
from codec.ranges import FREQUENCY_SUM, SYMBOLS
from codec.repair import cut_repair
from codec.residual import CHANNELS, CLASSES, FEATURES, MAP_CONTEXTS, ResidualFormat
from codec.transfer import PictureReady, PictureRefused, ResidualPiece
from receiver.repairing import Repairing
from runtime.repairer import Repairer
from sender.bring import Correction
from sender.residual import ResidualCorrector
from tests.patience import PATIENCE_S

KEYPOINTS, SIZE, SIDE, SLOT = 2, 128, 16, 3
CHANCES = ResidualFormat(
    np.full(MAP_CONTEXTS, 1 << 15, np.uint16),
    np.zeros((CHANNELS, 2, FEATURES), np.int16),
    np.full(CLASSES, 1 << 15, np.uint16),
)


class FakeTalker:
    """Paints the yaw that it is told over a source's own grey; prepares a picture as itself."""

    def prepare(self, picture: np.ndarray) -> np.ndarray:
        return picture

    def draw(
        self, source: Any, rotation: Any, translation: Any, expression: Any, flow: Any = None
    ) -> np.ndarray:
        return np.asarray(source + np.uint8(rotation[0]), np.uint8)


class FakeSeen:
    """A frame as the mirror sees it."""

    def __init__(self, picture: np.ndarray, source: np.ndarray) -> None:
        self.picture, self.motion, self.captured_s = picture, turned(10.0), 2.0
        self.held = self
        self.slot, self.source, self.prepared = 1, self, source


def turned(yaw: float) -> Motion:
    return Motion([yaw, 0, 0], [0, 0, 0], np.zeros((KEYPOINTS, 3)))


def motion_format() -> MotionFormat:
    table = np.full((12 + 6 * KEYPOINTS, SYMBOLS), FREQUENCY_SUM // SYMBOLS)
    return MotionFormat(KEYPOINTS, 0.25, 2**-8, np.full((KEYPOINTS, 3), 2**-8, np.float32), table, table)


def encode(inputs: Any) -> dict[str, np.ndarray]:
    cells = inputs["difference"].reshape(1, 3, SIDE, 8, SIDE, 8).mean((1, 3, 5), keepdims=False)[:, None]
    signs = np.repeat(np.where(cells >= 0, 1.0, -1.0), CHANNELS, axis=1)
    return {"signs": signs, "significance": np.minimum(np.abs(cells) * 5, 1)}


def decode(inputs: Any) -> dict[str, np.ndarray]:
    cells = 0.4 * inputs["signs"][:, :3] * inputs["kept"]
    return {"correction": cells.repeat(8, axis=2).repeat(8, axis=3).astype(np.float32)}


REPAIRER = Repairer(encode, decode, picture_size=SIZE)


def corrected(where: np.ndarray, *, place: slice = slice(32, 64)) -> tuple[Correction | None, np.ndarray]:
    """Correct a grey picture into which something white has come; returns the correction and the source."""
    source = np.full((SIZE, SIZE, 3), 100, np.uint8)
    camera = source + np.uint8(10)
    camera[place, place] = 230
    corrector = ResidualCorrector(FakeTalker(), REPAIRER, motion_format(), CHANCES)  # type: ignore[arg-type]
    return corrector(FakeSeen(camera, source), source + np.uint8(10), where), source  # type: ignore[arg-type]


def everywhere() -> np.ndarray:
    return np.ones((16, 16), bool)


def receive(messages: list[bytes], source: np.ndarray | None) -> tuple[list[Any], list[Message]]:
    """Hand a receiver control messages; returns what became ready and what it answered."""
    ready: list[Any] = []
    answers: list[Message] = []
    answered = asyncio.Event()

    def answer(message: Message) -> None:
        answers.append(message)
        answered.set()

    async def main() -> None:
        repairing = Repairing(
            FakeTalker(),  # type: ignore[arg-type]
            REPAIRER,
            motion_format(),
            CHANCES,
            source_of=lambda slot: source if slot == 1 else None,  # type: ignore[arg-type,return-value]
            send=answer,
            on_ready=lambda slot, picture, _: ready.append((slot, picture)),
            on_error=ready.append,
        )
        for data in messages:
            message = decode_control(data)
            assert isinstance(message, ResidualPiece)
            repairing.add(message)
        await answered.wait()
        await repairing.close()

    asyncio.run(asyncio.wait_for(main(), PATIENCE_S))
    return ready, answers


def test_what_came_into_the_picture_becomes_part_of_a_source_picture_on_both_sides() -> None:
    correction, source = corrected(everywhere())
    assert correction is not None
    assert (correction.picture[32:64, 32:64] == 212).all()
    assert (correction.picture[:32] == 110).all()
    pieces = cut_repair(correction.data, transfer=7, slot=SLOT, piece_bytes=60)
    assert len(pieces) > 2
    ready, answers = receive([encode_control(piece) for piece in reversed(pieces)], source)
    ((slot, picture),) = ready
    assert slot == SLOT
    np.testing.assert_array_equal(picture, correction.picture)
    assert answers == [PictureReady(7, SLOT)]


def test_only_the_fault_and_what_is_beside_it_is_coded() -> None:
    where = np.zeros((16, 16), bool)
    where[4, 4] = True
    correction, _ = corrected(where)
    assert correction is not None
    changed = (correction.picture != 110).any(2)
    assert changed[32:48, 32:48].all()
    assert changed.sum() == 16 * 16
    assert len(correction.data) < len(corrected(everywhere())[0].data)  # type: ignore[union-attr]


def test_nothing_is_coded_where_nothing_is_missing() -> None:
    where = np.zeros((16, 16), bool)
    where[14, 14] = True
    assert corrected(where)[0] is None


def test_a_larger_fault_is_cut_to_a_quarter_of_the_picture() -> None:
    correction, _ = corrected(everywhere(), place=slice(0, 128))
    assert correction is not None
    assert (correction.picture != 110).any(2).mean() == 0.25


def test_a_repair_that_cannot_be_drawn_is_refused_with_its_reason() -> None:
    correction, source = corrected(everywhere())
    assert correction is not None
    unknown_kind, beyond_its_end = b"\x00\x03\x60\x00\x00", b"\xff" + correction.data[1:]
    against_another_motion = b"\x00\x04\x41\x00\x00\x00"
    damaged = [unknown_kind, beyond_its_end, against_another_motion, b"\x00"]
    for number, data in enumerate(damaged):
        (piece,) = cut_repair(data, transfer=number, slot=0)
        ready, answers = receive([encode_control(piece)], source)
        assert not ready
        (answer,) = answers
        assert isinstance(answer, PictureRefused)
        assert answer.transfer == number
    (piece,) = cut_repair(correction.data, transfer=9, slot=0)
    assert receive([encode_control(piece)], None)[1] == [
        PictureRefused(9, "there is no source picture in slot 1")
    ]


def test_pieces_that_contradict_each_other_are_refused() -> None:
    correction, _ = corrected(everywhere())
    assert correction is not None
    first = cut_repair(correction.data, transfer=4, slot=0, piece_bytes=60)
    other = cut_repair(correction.data[::-1], transfer=4, slot=0, piece_bytes=60)
    with pytest.raises(BitstreamError, match="belong together"):
        receive([encode_control(first[0]), encode_control(other[1])], None)
