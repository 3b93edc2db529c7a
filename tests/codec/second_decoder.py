"""A second decoder, written from `codec/README.md` alone, straightforward and slow: whole numbers and lists, its own
range decoder, nothing of the product's. Where the two disagree, one of them or the README is wrong.

Motions are lists of numbers, pose first.
"""

import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np

WORD, PRECISION = 32, 24
CYCLE, KEPT = 4096, 64


class RefusedError(Exception):
    """These bytes are not what the README describes."""


class RangeDecoder:
    """README, 'Range coder': an interval from `lower`, `width` wide, and the code's `point` in it, all of 64 bits."""

    def __init__(self, code: bytes) -> None:
        self.code = code
        self.lower, self.width = 0, 2**64 - 1
        self.point = self._word() << WORD | self._word()

    def symbol(self, shares: list[int]) -> int:
        """Read one symbol; the shares' sum is 2^24."""
        scale = self.width >> PRECISION
        place = (self.point - self.lower) % 2**64 // scale
        if place >= 2**PRECISION:
            raise RefusedError("the code lies outside of the interval")
        symbol, below = 0, 0
        while below + shares[symbol] <= place:
            below += shares[symbol]
            symbol += 1
        self.lower = (self.lower + scale * below) % 2**64
        self.width = scale * shares[symbol]
        if self.width < 2**WORD:
            self.lower = (self.lower << WORD) % 2**64
            self.width <<= WORD
            self.point = (self.point << WORD) % 2**64 | self._word()
        return symbol

    def of(self, frequencies: list[int]) -> int:
        """Read one symbol; the frequencies' sum is 2^16."""
        return self.symbol([256 * frequency for frequency in frequencies])

    def _word(self) -> int:
        word, self.code = self.code[:4], self.code[4:]
        return int.from_bytes(word.ljust(4, b"\0"), "big")


class Format:
    """README, 'MotionFormat', from its file, as lists of whole numbers."""

    def __init__(self, path: Path) -> None:
        with np.load(path) as file:
            fields = {name: file[name].tolist() for name in file.files}
        self.keypoints = len(fields["expression_steps"])
        offsets = [step for keypoint in fields["expression_steps"] for step in keypoint]
        self.static_steps = [fields["rotation_step"]] * 3 + [fields["translation_step"]] * 3 + offsets
        self.tables: list[list[int]] = fields["tables"]
        self.exact_tables: list[list[int]] = fields["exact_tables"]
        self.completion: list[list[int]] = fields["completion"]
        self.basis: list[list[int]] = fields["prediction_basis"]
        self.steps: list[int] = fields["prediction_steps"]
        self.origin: list[int] = fields["prediction_origin"]
        self.rates: list[list[int]] = fields["prediction_rates"]
        self.contexts: list[list[list[list[int]]]] = fields["prediction_contexts"]
        self.prediction_tables: list[list[int]] = fields["prediction_tables"]


class State(NamedTuple):
    """README, 'State'."""

    levels: list[int]
    activity: list[int]
    face: int


class Shown(NamedTuple):
    """One motion of a packet."""

    ticks: int
    source: int
    repeated: bool
    numbers: list[float]


class Header(NamedTuple):
    """README, 'Motion packet'."""

    kind: int
    source: int
    frames: int
    detail: int
    time: int
    acknowledged: int | None
    code: bytes


def read_header(packet: bytes) -> Header:
    """Split a packet into its fields."""
    if not 3 <= len(packet) <= 1100:
        raise RefusedError("length")
    first = int.from_bytes(packet[:3], "big")
    acknowledges, kind, source = first >> 23, first >> 21 & 3, first >> 19 & 3
    frames, detail, time = (first >> 17 & 3) + 1, first >> 12 & 31, first & 4095
    if kind == 3 or (kind != 2 and frames != 1):
        raise RefusedError("kind or frames")
    rest = packet[3:]
    if kind == 2 and detail == 31:
        if not rest:
            raise RefusedError("far is missing")
        detail, rest = 31 + rest[0], rest[1:]
    acknowledged = None
    if acknowledges:
        if len(rest) < 2:
            raise RefusedError("the acknowledgement is missing")
        acknowledged, rest = int.from_bytes(rest[:2], "big") >> 4, rest[2:]
    return Header(kind, source, frames, detail, time, acknowledged, rest)


class SecondDecoder:
    """Motion packets of one stream in the order in which they come."""

    def __init__(self, motion_format: Format) -> None:
        self.format = motion_format
        self.newest: int | None = None
        self.states: dict[int, State] = {}

    def decode(self, packet: bytes) -> list[Shown]:
        """Return a packet's motions; RefusedError leaves everything as it was."""
        header = read_header(packet)
        ticks = self._count(header.time)
        if header.kind == 2:
            shown, states = self._predictive(header, ticks)
        else:
            numbers = self._static(header)
            shown, states = [Shown(ticks, header.source, False, numbers)], {}
        last = shown[-1].ticks
        self.newest = last if self.newest is None else max(self.newest, last)
        shown = [one for one in shown if not (one.repeated and one.ticks in self.states)]
        for when, state in states.items():
            self.states.pop(when, None)
            self.states[when] = state
            if len(self.states) > KEPT:
                del self.states[next(iter(self.states))]
        return shown

    def _count(self, time: int) -> int:
        if self.newest is None:
            return time
        ahead = (time - self.newest) % CYCLE
        return self.newest + (ahead if ahead < CYCLE // 2 else ahead - CYCLE)

    def _static(self, header: Header) -> list[float]:
        keypoints = self.format.keypoints - header.detail
        if keypoints < 0:
            raise RefusedError("K'")
        if len(header.code) > (12 + 6 * keypoints) * 17 // 8 + 1:
            raise RefusedError("too long")
        tables = self.format.exact_tables if header.kind else self.format.tables
        coder = RangeDecoder(header.code)
        code = bytes(coder.of(tables[place]) for place in range(12 + 6 * keypoints))
        numbers = [float(struct.unpack(">e", code[at : at + 2])[0]) for at in range(0, len(code), 2)]
        for place, number in enumerate(numbers):
            if not abs(number) <= (360 if place < 3 else 32):
                raise RefusedError("a number out of range")
        return numbers[:6] + self._completed(numbers[6:])

    def _completed(self, offsets: list[float]) -> list[float]:
        units = [round(offset * 2**14) for offset in offsets]
        for number in range(len(offsets), 3 * self.format.keypoints):
            before = range(number - number % 3)
            total = sum(units[one] * self.format.completion[one][number] for one in before)
            units.append(max(-32 * 2**14, min(32 * 2**14, (total + 2**11) >> 12)))
        return offsets + [unit / 2**14 for unit in units[len(offsets) :]]

    def _predictive(self, header: Header, ticks: int) -> tuple[list[Shown], dict[int, State]]:
        if header.detail:
            if ticks - header.detail not in self.states:
                raise RefusedError("the reference is not there")
            state = self.states[ticks - header.detail]
        else:
            state = State(self.format.origin, [32] * len(self.format.origin), 32)
        coder = RangeDecoder(header.code)
        repeated = coder.of([64576, 320, 320, 320])
        if repeated >= header.frames:
            raise RefusedError("nothing but repeated motions")
        shown, states, distance = [], {}, header.detail
        for number in range(header.frames):
            if number:
                distance = coder.of([1500, 28013, 18000, 9000, 5000] + [149] * 27) + 1
                ticks += distance
            state = self._motion(coder, state, distance)
            shown.append(Shown(ticks, header.source, number < repeated, self._numbers(state.levels)))
            if number >= repeated:
                states[ticks] = state
        return shown, states

    def _motion(self, coder: RangeDecoder, reference: State, distance: int) -> State:
        rates, count = self.format.rates, len(reference.levels)
        near = at_or_below([3, 4, 6, 10, 16, 26, 40], distance) if distance else 8
        levels, moved, face = [], [], reference.face
        ends = [*(end for end in (6, 12, 22, 36) if end < count), count]
        for first, end in zip([0, *ends], ends, strict=False):
            lively = at_or_below([6, 14, 24, 36, 60], face)
            for n in range(first, end):
                active = at_or_below([8, 20, 40], reference.activity[n])
                table = self.format.contexts[n][near][active][lively]
                difference = self._difference(coder, self.format.prediction_tables[table])
                levels.append(reference.levels[n] + difference)
                if abs(levels[n]) > 2**20:
                    raise RefusedError("a level out of range")
                moved.append(min(255, abs(difference) * rates[near][n] >> 4))
            face = (sum(moved[first:end]) // (end - first) + face) >> 1
        activity = [(3 * old + new + 2) >> 2 for old, new in zip(reference.activity, moved, strict=True)]
        front = moved[:40]
        return State(levels, activity, (sum(front) // len(front) + reference.face) >> 1)

    def _difference(self, coder: RangeDecoder, table: list[int]) -> int:
        symbol = coder.of(table)
        if symbol < 63:
            return symbol - 31
        number = int.from_bytes(bytes(coder.of([256] * 256) for _ in range(3)), "big")
        return number - 2**24 if number >= 2**23 else number

    def _numbers(self, levels: list[int]) -> list[float]:
        c = [level * step for level, step in zip(levels, self.format.steps, strict=True)]
        pose, coefficients = c[:6], c[6:]
        offsets = [
            (sum(row[column] * one for row, one in zip(self.format.basis, coefficients, strict=True)) + 2**13)
            >> 14
            for column in range(len(coefficients))
        ]
        numbers = []
        for place, whole in enumerate(pose + offsets):
            limit = 360 if place < 3 else 32
            number = min(max(whole * (self.format.static_steps[place] / 256), -limit), limit)
            numbers.append(float(struct.unpack("f", struct.pack("f", number))[0]))
        return numbers


def at_or_below(bounds: list[int], number: int) -> int:
    """Return how many of the bounds are not above the number."""
    return sum(bound <= number for bound in bounds)
