"""Predictive coding of one motion: its levels as differences to those of a reference, range-coded with tables that the
context chooses.

Each motion carries its state: the levels, and how lively each number and the whole face were on the way to it.
`state(m) = update(state(reference(m)), differences(m))`, all of it integers, so whoever has decoded the reference
decodes the motion, whatever else was lost. Does not know headers, times or which motion the reference is.
"""

from dataclasses import dataclass

import numpy as np

from codec.errors import BitstreamError
from codec.motion import POSE_NUMBERS
from codec.prediction import (
    ALPHABET,
    DISTANCE_EDGES,
    FACE_EDGES,
    MAX_LEVEL,
    ORIGIN_CLASS,
    OWN_EDGES,
    Integers,
    PredictionFormat,
)
from codec.ranges import FREQUENCY_SUM, SYMBOLS, Models, RangeReader, RangeWriter

USUAL = 32  # the activity of an average motion
MOST = 255
CODED = ALPHABET // 2 - 1  # the largest difference with a symbol of its own
FURTHEST = 2 * MAX_LEVEL  # apart that two levels can be
_ESCAPE = ALPHABET - 1
_ESCAPE_BYTES = 3
_RATE_BITS = 4  # 512 over the mean difference, times the difference, makes 32 after this shift
# A difference is sent where it is nearer to the next level than this share of a step, and not at a half: what is saved
# is worth more than what is lost, and a face at rest stays at rest.
_DEAD_ZONE = 38  # of 256, on top of the half
# Numbers are coded in blocks, each knowing how lively the ones before it were: pose, then coefficients by weight.
_BLOCK_ENDS = (POSE_NUMBERS, 12, 22, 36)
_FACE_NUMBERS = (
    40  # those of which the whole face's activity is the mean; the last coefficients hardly ever move
)

_BYTE = Models(np.full((1, SYMBOLS), FREQUENCY_SUM // SYMBOLS, dtype=np.uint16))[0]


@dataclass(frozen=True, eq=False, slots=True)
class State:
    """What a motion leaves to those that refer to it: levels [N], activity [N] of each number and `face` of all."""

    levels: Integers
    activity: Integers
    face: int


def origin(prediction: PredictionFormat) -> State:
    """Return the state that a packet without a reference is coded against."""
    levels = prediction.origin.astype(np.int64)
    return State(levels, np.full(len(levels), USUAL, dtype=np.int64), USUAL)


def distance_class(ticks: int) -> int:
    """Return the class of a distance of so many ticks to the reference; 0 ticks stand for the origin."""
    if ticks == 0:
        return ORIGIN_CLASS
    return sum(ticks >= edge for edge in DISTANCE_EDGES)


def choose_levels(
    coefficients: Integers, reference: State, prediction: PredictionFormat, *, furthest: int = FURTHEST
) -> Integers:
    """Return the levels to send for coefficients [N] in 1/256 of a static step: near to them, cheap, and at most
    `furthest` from the reference's. Up to `CODED` none takes an escape."""
    steps = prediction.wide_steps
    away = coefficients - reference.levels * steps
    count = (np.abs(away) * 256 + steps * (128 - _DEAD_ZONE)) // (steps * 256)
    moved = np.sign(away) * np.minimum(count, furthest)
    return np.clip(reference.levels + moved, -MAX_LEVEL, MAX_LEVEL)


def write_levels(
    writer: RangeWriter, levels: Integers, reference: State, *, distance: int, prediction: PredictionFormat
) -> State:
    """Code levels [N] within ±2**20 against a reference of the given distance class; return the motion's state."""
    models = prediction.models
    differences = levels - reference.levels
    walk = Walk(reference, distance, prediction)
    for start, end in walk.blocks:
        block = differences[start:end]
        for table, difference in zip(walk.tables(start, end), block.tolist(), strict=True):
            if -CODED <= difference <= CODED:
                writer.put(difference + CODED, models[table])
            else:
                writer.put(_ESCAPE, models[table])
                for byte in difference.to_bytes(_ESCAPE_BYTES, "big", signed=True):
                    writer.put(byte, _BYTE)
        walk.learn(start, end, block)
    return walk.state(levels)


def read_levels(
    reader: RangeReader, reference: State, *, distance: int, prediction: PredictionFormat
) -> State:
    """Decode what `write_levels` wrote against the same reference.

    Raises BitstreamError for a code outside of its tables and for levels beyond ±2**20.
    """
    models = prediction.models
    differences = np.zeros(len(reference.levels), dtype=np.int64)
    walk = Walk(reference, distance, prediction)
    for start, end in walk.blocks:
        decoded = []
        for table in walk.tables(start, end):
            symbol = reader.get(models[table])
            if symbol != _ESCAPE:
                decoded.append(symbol - CODED)
            else:
                escaped = bytes(reader.get(_BYTE) for _ in range(_ESCAPE_BYTES))
                decoded.append(int.from_bytes(escaped, "big", signed=True))
        differences[start:end] = decoded
        walk.learn(start, end, differences[start:end])
    levels = reference.levels + differences
    if np.abs(levels).max() > MAX_LEVEL:
        raise BitstreamError("a motion's levels are outside of their range")
    return walk.state(levels)


class Walk:
    """The contexts of one motion, block by block: what both sides do alike."""

    def __init__(self, reference: State, distance: int, prediction: PredictionFormat) -> None:
        self._reference = reference
        self._rates = prediction.wide_rates[distance]
        count = len(reference.levels)
        self.own_class = np.searchsorted(OWN_EDGES, reference.activity, side="right")  # [N]
        self._by_face = prediction.contexts[np.arange(count), distance, self.own_class]  # [N, 6]
        self._face = reference.face
        self._moved = np.zeros(count, dtype=np.int64)
        ends = [*(end for end in _BLOCK_ENDS if end < count), count]
        self.blocks = list(zip([0, *ends[:-1]], ends, strict=True))

    @property
    def face_class(self) -> int:
        """The class of the face's activity as the next block sees it."""
        return sum(self._face >= edge for edge in FACE_EDGES)

    def tables(self, start: int, end: int) -> list[int]:
        """Return the tables of a block's numbers."""
        tables: list[int] = self._by_face[start:end, self.face_class].tolist()
        return tables

    def learn(self, start: int, end: int, differences: Integers) -> None:
        """Take a block's differences into account for the next one."""
        moved = np.minimum(np.abs(differences) * self._rates[start:end] >> _RATE_BITS, MOST)
        self._moved[start:end] = moved
        self._face = (int(moved.sum()) // (end - start) + self._face) >> 1

    def state(self, levels: Integers) -> State:
        """Return the motion's state."""
        activity = (3 * self._reference.activity + self._moved + 2) >> 2
        weighed = self._moved[:_FACE_NUMBERS]
        face = (int(weighed.sum()) // len(weighed) + self._reference.face) >> 1
        return State(levels, activity, face)
