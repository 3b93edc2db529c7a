"""The receiver's idea of the sender's clock: when a captured motion is due on the screen.

Sans-IO: it learns from pairs of capture time (continuous ticks of 1/60 s) and arrival time (seconds of any
steady clock), and never reads a clock itself. A motion's transit is its arrival minus its capture time; the
two clocks' unknown offset is in it, and the smallest transit of the last seconds is the best estimate of
that offset plus the line's quickest way. What comes above it is jitter, from the capture's own irregular
work as much as from the line, and the playout delay covers most of it. What does not come at all (a lost motion, or
the moments between the motions of a slow sender) is bridged once the motion behind it has come, so the delay covers
most of those waits too. It knows no motions and no pictures.
"""

from collections import deque
from collections.abc import Iterable
from itertools import islice, pairwise

from codec.time import TICKS_PER_SECOND

# Five seconds at 25 frames: long enough to know the jitter, short enough to follow two clocks that drift
# apart (200 parts in a million are 1 ms in that time) and a line whose way has changed. What got lost is remembered for
# longer: long runs of losses are rare, and it is they that a viewer notices.
WINDOW = 128
LOSS_WINDOW = 384
START_DELAY_S = 0.040
MIN_DELAY_S = 0.010
MAX_JITTER_S = 0.150
MAX_DELAY_S = 0.250
# The share of motions that come in time. One that comes late is still shown unless something newer was, so
# covering more buys little: with a stall in fifty motions, 0.95 kept 0.3 percent more and cost 20 ms.
COVERED = 0.9
MARGIN_S = 0.004
# The delay is as long as the worst moments, this share of them, wait in the mean until they can be bridged; the others
# are extrapolated. A lost packet in a hundred thus costs a frame's time, one in five two, and runs of losses as much as
# the long ones among them. What waits for longer than MAX_WAIT_TICKS is beyond any delay.
WORST = 0.01
MAX_WAIT_TICKS = 15
# The waits are counted once in so many motions: it is the costly part, and they change slowly.
COUNTED_EVERY = 8
# The delay grows fast (by this much for each motion: at once would hold the picture still for so long) and shrinks
# slowly (by this share of the way), as in RFC 3550's estimators: one burst of jitter is usually followed by another.
GROWTH_S = 0.015
SHRINK = 0.02
START_INTERVAL_TICKS = 2.4  # 25 frames a second, until the motions themselves say otherwise
INTERVAL_WINDOW = 32
# Pictures a second that are shown at most: a sender of 12.5 to 15 motions a second is shown at 25 to 30, with
# as many moments between two motions as fit.
MAX_SHOWN_RATE = 33


class PlayoutClock:
    """Maps the sender's capture times to this side's times of showing, and adapts the playout delay."""

    def __init__(self) -> None:
        self.delay_s = START_DELAY_S
        self.interval_ticks = START_INTERVAL_TICKS
        self._base_s: float | None = None
        self._observed = 0
        self._bridge_s = 0.0
        self._motions: deque[tuple[int, float]] = deque(maxlen=LOSS_WINDOW)  # capture and arrival times

    @property
    def step_ticks(self) -> float:
        """The time between two pictures: the frame interval, or a whole part of it where the sender is slow."""
        return self.interval_ticks / max(1, int(self.interval_ticks * MAX_SHOWN_RATE / TICKS_PER_SECOND))

    def offset_s(self, ticks: int, arrived_s: float) -> float:
        """Say how much later than the quickest motion this one came, in seconds (0 where it is the first)."""
        return 0.0 if self._base_s is None else _transit_s(ticks, arrived_s) - self._base_s

    def observe(self, ticks: int, arrived_s: float) -> None:
        """Learn from one motion that arrived (each capture time once: a duplicate says nothing new).

        Motions with one and the same arrival time came in one packet.
        """
        self._motions.append((ticks, arrived_s))
        lately = list(islice(reversed(self._motions), WINDOW))
        newest = _newest(lately)
        self.interval_ticks = _frame_interval(sorted({ticks for ticks, _ in lately[:INTERVAL_WINDOW]}))
        transits_s = [_transit_s(ticks, arrived_s) for arrived_s, ticks in newest.items()]
        self._base_s = min(transits_s)
        jitter_s = min(
            max(_quantile(transits_s, COVERED) - self._base_s + MARGIN_S, MIN_DELAY_S), MAX_JITTER_S
        )
        self._observed += 1
        if self._observed % COUNTED_EVERY == 0 or len(self._motions) < 2 * COUNTED_EVERY:
            waits_s = self._waits_s(_newest(self._motions), covered_s=self._base_s + jitter_s)
            self._bridge_s = _mean_of_worst(waits_s, WORST)
        wanted_s = min(jitter_s + self._bridge_s, MAX_DELAY_S)
        if wanted_s > self.delay_s:
            self.delay_s = min(wanted_s, self.delay_s + GROWTH_S)
        else:
            self.delay_s += SHRINK * (wanted_s - self.delay_s)

    def _waits_s(self, newest: dict[float, int], *, covered_s: float) -> list[float]:
        """Say for each moment to be shown how long after its capture it can be, beyond a packet's own transit.

        A moment can be shown when its motion has come or, by interpolation, a later one. `newest` has the newest
        capture time of each packet, and transits up to `covered_s` are waited for anyway.
        """
        waits_s: list[float] = []
        following: int | None = None
        first_s, reach = float("inf"), 0  # when the first of the later motions came, and the newest with it
        for ticks, arrived_s in sorted(self._motions, reverse=True):
            if following is not None and following - ticks <= MAX_WAIT_TICKS + self.step_ticks:
                steps = max(1, round((following - ticks) / self.step_ticks))
                between = (ticks + (following - ticks) * index / steps for index in range(1, steps))
                waits_s += [(reach - moment) / TICKS_PER_SECOND for moment in between]
            if arrived_s < first_s:
                first_s, reach = arrived_s, newest[arrived_s]
            own_s = max(_transit_s(ticks, arrived_s) - covered_s, 0.0)
            waits_s.append(min((reach - ticks) / TICKS_PER_SECOND, own_s))
            following = ticks
        return waits_s

    def due_s(self, ticks: float) -> float:
        """Return when the motion captured at `ticks` is to be shown; only after the first `observe`."""
        assert self._base_s is not None
        return ticks / TICKS_PER_SECOND + self._base_s + self.delay_s

    def restart(self) -> None:
        """Forget the sender's clock, because another one now counts; the jitter's delay stays."""
        self._base_s = None
        self._motions.clear()


def _transit_s(ticks: int, arrived_s: float) -> float:
    return arrived_s - ticks / TICKS_PER_SECOND


def _quantile(values: list[float], share: float) -> float:
    return sorted(values)[int(share * (len(values) - 1))]


def _mean_of_worst(values: list[float], share: float) -> float:
    worst = sorted(values)[-max(1, round(share * len(values))) :]
    return sum(worst) / len(worst)


def _newest(motions: Iterable[tuple[int, float]]) -> dict[float, int]:
    """Return the newest capture time of each packet, by its arrival time."""
    newest: dict[float, int] = {}
    for ticks, arrived_s in motions:
        newest[arrived_s] = max(newest.get(arrived_s, ticks), ticks)
    return newest


def _frame_interval(ordered: list[int]) -> float:
    """Estimate the sender's frame interval in ticks from rising capture times with some missing.

    Frames are 1/60 s wide at best, so 25 a second come 2 and 3 ticks apart: the mean of the short steps is
    taken, and steps over a lost frame (about twice as long) are left out.
    """
    steps = sorted(later - earlier for earlier, later in pairwise(ordered))
    if not steps:
        return START_INTERVAL_TICKS
    longest = 1.6 * steps[len(steps) // 4] + 0.5
    single = [step for step in steps if step <= longest]
    return sum(single) / len(single)
