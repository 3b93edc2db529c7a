"""Capture times as the wire counts them: every motion its own sixtieth of a second, since that is also its
number."""

from __future__ import annotations

import math
from dataclasses import dataclass

from codec.time import TICKS_PER_SECOND, Unwrapper, ticks_of

# How far a frame may be moved to give it a tick of its own. Frames at 60 a second jitter across ticks and
# need up to one; more means that the input is faster than the wire can tell, and a frame is left out.
LARGEST_SHIFT = 1.5


@dataclass(frozen=True)
class Stamp:
    """The time to code, in seconds and in ticks of this side's own clock, and the tick as the receiver's decoder will
    count it: to that a silence of half a cycle (34 s) is a step back, and a longer one no longer than that."""

    captured_s: float
    ticks: int
    counted_ticks: int


class Stamps:
    """Gives frames in their order distinct ticks near to their capture times."""

    def __init__(self) -> None:
        self._last: int | None = None
        self._counter = Unwrapper()

    def next(self, captured_s: float) -> Stamp | None:
        """Return the stamp of a frame captured at `captured_s`; None where no tick near to it is left."""
        exact = captured_s * TICKS_PER_SECOND
        tick = math.floor(exact + 0.5)
        if self._last is not None and tick <= self._last:
            tick = self._last + 1
            if tick - exact > LARGEST_SHIFT:
                return None
        self._last = tick
        stamped_s = tick / TICKS_PER_SECOND
        return Stamp(stamped_s, tick, self._counter.unwrap(ticks_of(stamped_s)))
