"""The playout buffer: motions come in as the line brings them, and go out to be drawn when they are due.

Sans-IO, in the manner of aiortc's jitter buffer: `push` takes what was decoded, `next` gives what to draw
now, `due_s` says when to ask again; times are handed in. Each motion is shown once, at its capture time plus
a delay that adapts (`receiver.clock`). A gap whose far side has come is bridged by interpolation, one whose far side
has not is extrapolated for a moment, and then the face relaxes to its source picture's pose. Between the motions of a
slow sender there are gaps too, so that a face moves at the display's rate whatever the sender's. It knows no bytes,
threads or pictures, and holds a bounded number of motions whatever comes.
"""

from bisect import insort
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from codec.decoder import DecodedMotion
from codec.motion import Motion
from receiver.clock import TICKS_PER_SECOND, PlayoutClock
from receiver.inbetween import extrapolate, interpolate, relax

# Says a motion that draws from the first source picture for the second one.
Rebase = Callable[[Motion, int, int], Motion]

Kind = Literal["fresh", "interpolated", "extrapolated", "relaxed", "idle"]

# A capture time this far from where the clock expects it is another clock: the sender has started anew, or
# has been silent for longer than the 12 bits on the wire can tell.
RESTART_S = 2.0
# A sender that starts anew is followed once no motion by its old clock has come for so long. Late copies of packets
# come between such motions, however many together; bursts of five lost packets are bridged.
ANEW_S = 0.5
# A drawing that is behind by less than this catches up; by more, it jumps to the newest due motion.
OVERDUE_S = 0.12
EXTRAPOLATED_S = 0.12
RELAXING_S = 1.0
# Motions that wait (a second at 60 frames), and capture times remembered to know duplicates by.
MAX_WAITING = 64
# Longer than this, a gap is not bridged: there is no movement left to continue.
MAX_BRIDGE_TICKS = 60
# Speed is taken from two motions at most this far apart.
MAX_SPEED_TICKS = 12
# How long a bridge waits after its time for the motion that it stands in for (which may be half a tick off).
GRACE_TICKS = 1.0


@dataclass(frozen=True)
class Shown:
    """What to draw: a motion, the gallery's source picture to draw from, and how the motion came about.

    `ticks` is the capture time (continuous, 1/60 s) and never runs backwards until the sender starts anew.
    What stands in for a missing motion claims a little less than it reaches, so that the motion itself is
    still shown should it come after all. `arrived_s` is None unless the motion is fresh.
    """

    kind: Kind
    ticks: int
    source: int
    motion: Motion
    arrived_s: float | None = None


@dataclass
class PlayoutCounts:
    """What became of the motions: shown by kind, and not shown by reason."""

    fresh: int = 0
    interpolated: int = 0
    extrapolated: int = 0
    relaxed: int = 0
    late: int = 0  # came after their time, when something newer had been shown or was due as well
    skipped: int = 0  # were due, but drawing was too slow
    duplicates: int = 0
    restarts: int = 0


class _Waiting(NamedTuple):
    ticks: int
    arrived_s: float
    decoded: DecodedMotion


class _Filler(NamedTuple):
    """A moment to be filled: its place in capture time, the step to the one before, and when to show it."""

    position: float
    step: float
    at_s: float


class Playout:
    """Orders motions by capture time and gives each out when it is due.

    rebase: bridges gaps in which the source picture changes; without it they are not bridged.
    """

    def __init__(self, *, rebase: Rebase | None = None) -> None:
        self.counts = PlayoutCounts()
        self.clock = PlayoutClock()
        self.hold_s = 0.0  # how much later everything is shown, so that a slower voice can keep step
        self._rebase = rebase
        self._rests: dict[int, Motion] = {}
        self._waiting: list[_Waiting] = []
        self._suspect: tuple[DecodedMotion, float] | None = None
        self._accepted_s = 0.0  # when the newest motion by the clock that counts came
        self._forget()

    def _forget(self) -> None:
        self._seen: deque[int] = deque(maxlen=MAX_WAITING)
        self._shown: Shown | None = None  # the last one, whatever its kind
        self._shown_s = 0.0
        self._position = 0.0  # where in capture time the screen is
        self._fresh: Shown | None = None  # the last motion that really came, and the one before
        self._before: Shown | None = None
        self._relaxing_from: Motion | None = None

    def set_rest(self, source: int, rest: Motion) -> None:
        """Tell the pose of a source picture (gallery slot 0 to 3), to which its face relaxes in a gap."""
        self._rests[source] = rest

    def place(self, ticks: int) -> int:
        """Return a capture time as `Shown` has it: as it is."""
        return ticks

    def push(self, decoded: DecodedMotion, arrived_s: float) -> None:
        """Take in a motion that has just arrived, in whatever order, however often."""
        if abs(self.clock.offset_s(decoded.ticks, arrived_s)) > RESTART_S:
            # Stray packets must not turn the clock back: a second one has to agree, and none come by the old clock.
            suspect, self._suspect = self._suspect, (decoded, arrived_s)
            if suspect is None:
                return
            silence_s = arrived_s - suspect[1] - (decoded.ticks - suspect[0].ticks) / TICKS_PER_SECOND
            one_packet = decoded.ticks == suspect[0].ticks or arrived_s == suspect[1]
            goes_on = arrived_s - self._accepted_s < ANEW_S
            if one_packet or goes_on or abs(silence_s) > RESTART_S:
                self.counts.late += 1
                return
            self._restart()
            self._accept(*suspect)
        elif self._suspect is not None:
            self.counts.late += 1
        self._suspect = None
        self._accept(decoded, arrived_s)

    def _restart(self) -> None:
        self.counts.restarts += 1
        self.counts.skipped += len(self._waiting)
        self._waiting.clear()
        self.clock.restart()
        self._forget()

    def _accept(self, decoded: DecodedMotion, arrived_s: float) -> None:
        ticks = decoded.ticks
        if ticks in self._seen or any(waiting.ticks == ticks for waiting in self._waiting):
            self.counts.duplicates += 1
            return
        self._seen.append(ticks)
        self._accepted_s = arrived_s
        self.clock.observe(ticks, arrived_s)
        if self._shown is not None and ticks <= self._shown.ticks:
            self.counts.late += 1
            return
        insort(self._waiting, _Waiting(ticks, arrived_s, decoded), key=lambda waiting: waiting.ticks)
        if len(self._waiting) > MAX_WAITING:
            del self._waiting[0]
            self.counts.skipped += 1

    @property
    def delay_s(self) -> float:
        """The playout delay as it stands, in seconds, with the hold."""
        return self.clock.delay_s + self.hold_s

    @property
    def waiting(self) -> int:
        """How many motions wait to be shown, at most `MAX_WAITING`."""
        return len(self._waiting)

    def due_s(self) -> float | None:
        """Return when `next` will have something to show; None: not before another motion comes."""
        times_s = [self._due_s(waiting.ticks) for waiting in self._waiting[:1]]
        filler = self._filler()
        if filler is not None:
            times_s.append(filler.at_s)
        return min(times_s, default=None)

    def next(self, now_s: float) -> Shown | None:
        """Return what is to be drawn at `now_s`; None: what is on the screen stays (ask again at `due_s`)."""
        due = 0
        while due < len(self._waiting) and self._due_s(self._waiting[due].ticks) <= now_s:
            due += 1
        if due == 0:
            return self._fill(now_s)
        if now_s - self._due_s(self._waiting[0].ticks) > OVERDUE_S:
            overtaken = self._waiting[: due - 1]
            late = sum(waiting.arrived_s > self._due_s(waiting.ticks) for waiting in overtaken)
            self.counts.late += late  # the line's doing, and no sign of a slow machine
            self.counts.skipped += len(overtaken) - late
            del self._waiting[: due - 1]
        ticks, arrived_s, decoded = self._waiting.pop(0)
        fresh = Shown("fresh", ticks, decoded.source, decoded.motion, arrived_s)
        self._before, self._fresh = self._fresh, fresh
        self._relaxing_from = None
        self.counts.fresh += 1
        return self._show(fresh, ticks, now_s)

    def _due_s(self, ticks: float) -> float:
        return self.clock.due_s(ticks) + self.hold_s

    def _show(self, shown: Shown, position: float, now_s: float) -> Shown:
        self._shown, self._position, self._shown_s = shown, position, now_s
        return shown

    def _filler(self) -> _Filler | None:
        """Return the next moment that wants filling if no motion comes, or None if the screen may rest."""
        if self._shown is None or self._fresh is None:
            return None
        # After a first motion alone nothing is known yet, neither the frame rate nor a speed.
        step = self.clock.step_ticks if self._before is not None else MAX_SPEED_TICKS
        grace = step / 2
        if self._waiting:
            far_side = self._waiting[0]
            gap = far_side.ticks - self._position
            steps = round(gap / step)
            if steps < 2 or gap > MAX_BRIDGE_TICKS or not self._can_bridge_to(far_side.decoded):
                return None
            # Between two motions that followed each other nothing is late.
            consecutive = far_side.ticks - self._fresh.ticks < 1.5 * self.clock.interval_ticks
            step, grace = gap / steps, 0.0 if consecutive else GRACE_TICKS
        elif self._gap_s(self._position + step) > EXTRAPOLATED_S:
            relaxed = self._gap_s(self._position) >= EXTRAPOLATED_S + RELAXING_S
            if relaxed or self._shown.source not in self._rests:
                return None
        position = self._position + step
        grace_s = grace / TICKS_PER_SECOND
        # Where the stream runs behind its clock, the rhythm of what was shown counts, not the clock.
        rhythm_s = self._shown_s + step / TICKS_PER_SECOND + (grace_s if self._shown is self._fresh else 0.0)
        return _Filler(position, step, max(self._due_s(position) + grace_s, rhythm_s))

    def _fill(self, now_s: float) -> Shown | None:
        filler = self._filler()
        if filler is None or filler.at_s > now_s or self._shown is None or self._fresh is None:
            return None
        passed = int((now_s - filler.at_s) * TICKS_PER_SECOND / filler.step)
        position = filler.position + passed * filler.step
        shown = self._shown
        kind: Kind
        if self._waiting:
            far_side = self._waiting[0]
            position = min(position, far_side.ticks - filler.step)
            weight = (position - self._position) / (far_side.ticks - self._position)
            kind, motion = "interpolated", interpolate(shown.motion, self._as_shown(far_side.decoded), weight)
            self.counts.interpolated += 1
        elif self._gap_s(position) <= EXTRAPOLATED_S:
            kind, motion = "extrapolated", self._carry_on(self._fresh, self._gap_s(position))
            self.counts.extrapolated += 1
        elif shown.source not in self._rests:
            self._position = position
            return None
        else:
            self._relaxing_from = self._relaxing_from or shown.motion
            progress = (self._gap_s(position) - EXTRAPOLATED_S) / RELAXING_S
            kind, motion = "relaxed", relax(self._relaxing_from, self._rests[shown.source], progress)
            self.counts.relaxed += 1
        # While relaxing, capture times stand still: the next motion may be late, and is welcome.
        reached = shown.ticks if kind == "relaxed" else int(position - filler.step / 2)
        claimed = max(shown.ticks, reached)
        return self._show(Shown(kind, claimed, shown.source, motion), position, now_s)

    def _can_bridge_to(self, far_side: DecodedMotion) -> bool:
        return self._rebase is not None or (self._shown is not None and far_side.source == self._shown.source)

    def _as_shown(self, far_side: DecodedMotion) -> Motion:
        """Return a motion for the source picture that is shown."""
        if self._rebase is None or self._shown is None or far_side.source == self._shown.source:
            return far_side.motion
        return self._rebase(far_side.motion, far_side.source, self._shown.source)

    def _gap_s(self, position: float) -> float:
        """Return how far in capture time a position lies beyond the last motion that came, in seconds."""
        return 0.0 if self._fresh is None else (position - self._fresh.ticks) / TICKS_PER_SECOND

    def _carry_on(self, newest: Shown, ahead_s: float) -> Motion:
        before = self._before
        if before is None or before.source != newest.source or newest.ticks - before.ticks > MAX_SPEED_TICKS:
            return newest.motion
        apart_s = (newest.ticks - before.ticks) / TICKS_PER_SECOND
        return extrapolate(before.motion, newest.motion, apart_s=apart_s, ahead_s=ahead_s)
