"""The playout of a call in order: every motion is drawn, one after the other, as fast as drawing goes.

Sans-IO, with the same methods as `receiver.playout.Playout`, but without a clock: capture times order the
motions and nothing else. The sender waits for the receiver's feedback, so that a bounded number of motions is
held; what a sender sends beyond its window is dropped. It knows no bytes, threads or pictures.
"""

from bisect import insort
from typing import NamedTuple

from codec.decoder import DecodedMotion
from codec.motion import Motion
from codec.ordered import ORDERED_WINDOW
from codec.time import TICK_CYCLE
from receiver.playout import PlayoutCounts, Shown

# A capture time up to this far behind the newest one is an older motion. Beyond, it is a newer one, however
# long nobody was to be seen in the clip: the wire's 12 bits then leave out whole cycles of 68 s.
BEHIND_TICKS = 120


class _Waiting(NamedTuple):
    ticks: int
    arrived_s: float
    decoded: DecodedMotion


class InOrder:
    """Gives out every motion in the order of capture, whenever it is asked."""

    delay_s = 0.0  # nothing waits for its time

    def __init__(self) -> None:
        self.counts = PlayoutCounts()
        self._waiting: list[_Waiting] = []
        self._newest: int | None = None
        self._shown: int | None = None

    def set_rest(self, source: int, rest: Motion) -> None:
        """Do nothing: no face relaxes where no motion is missing."""

    def push(self, decoded: DecodedMotion, arrived_s: float) -> None:
        """Take in a motion that has just arrived."""
        ticks = self.place(decoded.ticks)
        if any(waiting.ticks == ticks for waiting in self._waiting) or ticks == self._shown:
            self.counts.duplicates += 1
        elif self._shown is not None and ticks < self._shown:
            self.counts.late += 1
        elif len(self._waiting) == ORDERED_WINDOW:
            self.counts.skipped += 1
        else:
            self._newest = ticks if self._newest is None else max(self._newest, ticks)
            insort(self._waiting, _Waiting(ticks, arrived_s, decoded), key=lambda waiting: waiting.ticks)

    def place(self, ticks: int) -> int:
        """Return a capture time as `Shown` has it: counted on from the newest motion, for the decoder's own count is
        off after half a cycle of silence."""
        if self._newest is None:
            return ticks
        return self._newest - BEHIND_TICKS + (ticks - self._newest + BEHIND_TICKS) % TICK_CYCLE

    @property
    def waiting(self) -> int:
        """How many motions wait to be drawn, at most `ORDERED_WINDOW`."""
        return len(self._waiting)

    def due_s(self) -> float | None:
        """Return when `next` will have something to show: when it came, or None before another motion comes."""
        return self._waiting[0].arrived_s if self._waiting else None

    def next(self, now_s: float) -> Shown | None:
        """Return what is to be drawn next; None: not before another motion comes."""
        if not self._waiting:
            return None
        self._shown, arrived_s, decoded = self._waiting.pop(0)
        self.counts.fresh += 1
        return Shown("fresh", self._shown, decoded.source, decoded.motion, arrived_s)
