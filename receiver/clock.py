"""The receiver's idea of the sender's clock: when a captured motion is due on the screen.

Sans-IO: it learns from pairs of capture time (continuous ticks of 1/60 s) and arrival time (seconds of any
steady clock), and never reads a clock itself. A motion's transit is its arrival minus its capture time; the
two clocks' unknown offset is in it, and the smallest transit of the last seconds is the best estimate of
that offset plus the line's quickest way. What comes above it is jitter, from the capture's own irregular
work as much as from the line, and the playout delay covers most of it. It knows no motions and no pictures.
"""

from collections import deque
from itertools import pairwise

TICKS_PER_SECOND = 60

# Five seconds at 25 frames: long enough to know the jitter, short enough to follow two clocks that drift
# apart (200 parts in a million are 1 ms in that time) and a line whose way has changed.
WINDOW = 128
START_DELAY_S = 0.040
MIN_DELAY_S = 0.010
MAX_DELAY_S = 0.150
# The share of motions that come in time. One that comes late is still shown unless something newer was, so
# covering more buys little: with a stall in fifty motions, 0.95 kept 0.3 percent more and cost 20 ms.
COVERED = 0.9
MARGIN_S = 0.004
# The delay grows at once and shrinks slowly (by this share of the way for each motion), as in RFC 3550's
# estimators: one burst of jitter is usually followed by another.
SHRINK = 0.02
START_INTERVAL_TICKS = 2.4  # 25 frames a second, until the motions themselves say otherwise
INTERVAL_WINDOW = 32


class PlayoutClock:
    """Maps the sender's capture times to this side's times of showing, and adapts the playout delay."""

    def __init__(self) -> None:
        self.delay_s = START_DELAY_S
        self.interval_ticks = START_INTERVAL_TICKS
        self._base_s: float | None = None
        self._transits_s: deque[float] = deque(maxlen=WINDOW)
        self._ticks: deque[int] = deque(maxlen=INTERVAL_WINDOW)

    def offset_s(self, ticks: int, arrived_s: float) -> float:
        """Say how much later than the quickest motion this one came, in seconds (0 where it is the first)."""
        return 0.0 if self._base_s is None else _transit_s(ticks, arrived_s) - self._base_s

    def observe(self, ticks: int, arrived_s: float) -> None:
        """Learn from one motion that arrived (each capture time once: a duplicate says nothing new)."""
        self._transits_s.append(_transit_s(ticks, arrived_s))
        self._base_s = min(self._transits_s)
        covering = sorted(self._transits_s)[int(COVERED * (len(self._transits_s) - 1))]
        wanted_s = min(max(covering - self._base_s + MARGIN_S, MIN_DELAY_S), MAX_DELAY_S)
        if wanted_s > self.delay_s:
            self.delay_s = wanted_s
        else:
            self.delay_s += SHRINK * (wanted_s - self.delay_s)
        self._ticks.append(ticks)
        self.interval_ticks = _frame_interval(self._ticks)

    def due_s(self, ticks: float) -> float:
        """Return when the motion captured at `ticks` is to be shown; only after the first `observe`."""
        assert self._base_s is not None
        return ticks / TICKS_PER_SECOND + self._base_s + self.delay_s

    def restart(self) -> None:
        """Forget the sender's clock, because another one now counts; the jitter's delay stays."""
        self._base_s = None
        self._transits_s.clear()
        self._ticks.clear()


def _transit_s(ticks: int, arrived_s: float) -> float:
    return arrived_s - ticks / TICKS_PER_SECOND


def _frame_interval(ticks: deque[int]) -> float:
    """Estimate the sender's frame interval in ticks from capture times in any order, with some missing.

    Frames are 1/60 s wide at best, so 25 a second come 2 and 3 ticks apart: the mean of the short steps is
    taken, and steps over a lost frame (about twice as long) are left out.
    """
    ordered = sorted(set(ticks))
    steps = sorted(later - earlier for earlier, later in pairwise(ordered))
    if not steps:
        return START_INTERVAL_TICKS
    longest = 1.6 * steps[len(steps) // 4] + 0.5
    single = [step for step in steps if step <= longest]
    return sum(single) / len(single)
