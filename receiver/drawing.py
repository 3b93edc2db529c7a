"""The drawing threads: ask the playout what is due, draw it, and hand the pictures on in their order.

The one place where the playout buffer is shared between threads (the event loop pushes, these take), so its
lock lives here. A drawing thread that has handed its picture on looks at it, so that the next ones come nearer to what
was asked for (`runtime.aim`). It knows no packets and no outputs.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

from codec.decoder import DecodedMotion
from codec.motion import Motion
from codec.packet import MAX_SOURCES
from codec.picture import Picture
from receiver.crossfade import Changes, CrossFade
from receiver.idle import Idler
from receiver.in_order import InOrder
from receiver.playout import Playout, PlayoutCounts, Shown
from runtime.aim import LAG, Aim
from runtime.geometry import Floats
from runtime.residual_flow import FlowInUse
from runtime.talker import Source, Talker
from runtime.view import Pose, View

# How long the end of a call waits for motions not due yet: the longest playout delay and some drawing.
FINISH_S = 0.4
# Pictures in the making at once: while one is drawn the next comes due, and two side by side keep two cores
# busier than one after the other.
DRAWN_AT_ONCE = LAG
# Who had no time for a picture has none for a second drawing of others, or for a look at them, for so long. Someone who
# speaks with a wide mouth changes pictures up to three times a second.
BEHIND_S = 2.0


class Buffer(Protocol):
    """What `Playout` and `InOrder` have in common."""

    counts: PlayoutCounts

    @property
    def delay_s(self) -> float: ...

    @property
    def waiting(self) -> int: ...

    def set_rest(self, source: int, rest: Motion) -> None: ...

    def place(self, ticks: int) -> int: ...

    def push(self, decoded: DecodedMotion, arrived_s: float) -> None: ...

    def due_s(self) -> float | None: ...

    def next(self, now_s: float) -> Shown | None: ...


class _Drawn(NamedTuple):
    """What a picture is drawn from, the pose that the source is asked for, what wants to know what came of it, and the
    residual flow."""

    source: Source
    asked: Pose
    aim: Aim | None
    flow: Floats | None = None


class _Due(NamedTuple):
    """A picture to be made: its number, what it shows, and what is drawn; `old` where it is to be drawn from the source
    before as well, and whether it `begins` with its source."""

    number: int
    shown: Shown
    drawn: _Drawn
    old: _Drawn | None
    begins: bool


class Drawing:
    """Draws motions when they are due, from `start` to `finish`.

    Parameters
    ----------
    on_picture
        Called on a drawing thread, one picture at a time and in the order in which they came due, with what was
        shown, the picture (SxSx3 RGB uint8), and when its drawing began and it was handed on (monotonic seconds).
    on_error
        Called on a drawing thread with the exception that ended the drawing.
    view
        How the head is seen.
    """

    def __init__(
        self,
        talker: Talker,
        *,
        on_picture: Callable[[Shown, Picture, float, float], None],
        on_error: Callable[[Exception], None],
        view: View,
    ) -> None:
        self._talker = talker
        self._view = view
        # The first motion and its source: from there relative motion is measured.
        self._reference: tuple[Pose, Source] | None = None
        self._on_picture = on_picture
        self._on_error = on_error
        self._playout: Buffer = Playout(rebase=self._for_source)
        self._idler = Idler()
        self._last: Shown | None = None
        # By a number that is new with each picture of a slot, so that what waits to be drawn keeps the picture that it
        # named: the slot, and MAX_SOURCES more for every second picture. Nothing waits for longer than two of them.
        self._sources: dict[int, Source] = {}
        self._aims: dict[int, Aim] = {}  # by the same numbers
        self._flows: dict[int, FlowInUse] = {}  # by the same numbers
        self._numbers: dict[int, int] = {}  # of each slot's newest picture
        self._changes = Changes()
        self._skipped = 0  # pictures, as far as they were seen
        self._behind_until_s = float("-inf")
        self._fade = CrossFade()  # of whoever's turn it is
        self._changed = threading.Condition()
        self._end_s: float | None = None
        self._failed = False
        self._looking: set[int] = set()  # numbers of pictures that are looked at just now
        self._taken = 0  # pictures begun
        self._handed_on = 0
        self._threads = [
            threading.Thread(target=self._work, name=f"receiver-drawing-{number}", daemon=True)
            for number in range(DRAWN_AT_ONCE)
        ]

    def start(self) -> None:
        """Begin to draw."""
        for thread in self._threads:
            thread.start()

    def draw_in_order(self) -> None:
        """Draw every motion as soon as it can be; to be said before the first source and motion."""
        with self._changed:
            self._playout = InOrder()

    def set_source(self, slot: int, source: Source) -> None:
        """Draw from this source what names its slot from now on, and relax to its pose."""
        rest = Motion(source.rotation, source.translation, source.expression)
        with self._changed:
            number = (
                (self._numbers[slot] + MAX_SOURCES) % (2 * MAX_SOURCES) if slot in self._numbers else slot
            )
            self._sources[number], self._aims[number] = source, Aim()
            self._flows[number] = FlowInUse()
            # After its source: repairs ask from threads of their own which one a slot has.
            self._numbers[slot] = number
            self._playout.set_rest(number, rest)

    def look(self, view: View) -> None:
        """See the head like this from the next picture on."""
        with self._changed:
            self._view = view

    def hold(self, hold_s: float) -> None:
        """Show all by so much later than need be, for a voice that is slower."""
        with self._changed:
            if isinstance(self._playout, Playout):
                self._playout.hold_s = hold_s
            self._changed.notify_all()

    def idle(self, on: bool) -> None:
        """Let the face breathe and blink where no motion comes, or not."""
        with self._changed:
            self._idler.on = on
            self._changed.notify_all()

    def source_in(self, slot: int) -> Source | None:
        """Return the source picture that motions which name this slot are drawn from, None before there is one; from
        any thread."""
        number = self._numbers.get(slot)
        return None if number is None else self._sources[number]

    def has_source(self, slot: int) -> bool:
        """Say whether motions that name this slot can be drawn."""
        return slot in self._numbers

    def push(self, motions: Sequence[DecodedMotion], arrived_s: float) -> None:
        """Take in motions whose sources are there."""
        with self._changed:
            for motion in motions:
                self._playout.push(replace(motion, source=self._numbers[motion.source]), arrived_s)
            self._changed.notify_all()

    def bend(self, slot: int, flow: Floats, ticks: int) -> None:
        """Bend what is drawn of a slot's source picture by a residual flow [32, 32, 2], which was found in the frame
        captured at `ticks`, from there on."""
        with self._changed:
            if slot in self._numbers:
                self._flows[self._numbers[slot]].take(flow, self._playout.place(ticks))

    @property
    def counts(self) -> PlayoutCounts:
        """The playout's counts, as they stand."""
        return self._playout.counts

    @property
    def delay_s(self) -> float:
        """The playout delay, as it stands."""
        return self._playout.delay_s

    def finish(self) -> None:
        """Draw what is still to come due, then end; takes at most half a second and a picture's time."""
        with self._changed:
            self._end_s = time.monotonic() + FINISH_S
            self._changed.notify_all()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def _work(self) -> None:
        try:
            while (due := self._wait()) is not None:
                began_s = time.monotonic()
                drawn, old = self._draw(due)
                if not self._wait_for_turn(due.number):
                    return
                picture = self._fade.show(drawn, old, begins=due.begins)
                shown = replace(due.shown, source=due.shown.source % MAX_SOURCES)
                self._on_picture(shown, picture, began_s, time.monotonic())
                with self._changed:
                    self._handed_on += 1
                    looks = self._has_time_to_look(due)
                    if looks:
                        self._looking.add(due.number)
                    self._changed.notify_all()
                if looks:
                    self._look_at(drawn, due)
        except Exception as error:
            with self._changed:
                first, self._failed = not self._failed, True
                self._changed.notify_all()
            if first:
                self._on_error(error)

    def _wait(self) -> _Due | None:
        """Sleep until something is due; returns it, None at the end."""
        with self._changed:
            while not self._failed:
                now_s = time.monotonic()
                if self._end_s is not None and (now_s >= self._end_s or not self._playout.waiting):
                    return None
                if any(number <= self._taken - LAG for number in self._looking):
                    self._changed.wait()  # for what the next picture's aim is to know
                    continue
                shown = self._playout.next(now_s) or self._idle(now_s)
                if shown is not None:
                    self._last = shown
                    if self._reference is None:
                        self._reference = _pose(shown.motion), self._sources[shown.source]
                    old = self._old_of(shown, now_s)
                    due = self._due(shown, old)
                    self._taken += 1
                    return due
                due_s = self._playout.due_s()
                if due_s is None and self._sources:
                    due_s = self._idler.due_s(now_s)
                times_s = [time_s for time_s in (due_s, self._end_s) if time_s is not None]
                self._changed.wait(max(min(times_s) - now_s, 0.0) if times_s else None)
            return None

    def _idle(self, now_s: float) -> Shown | None:
        """Return what an idling face does now, where it idles and nothing else is to come."""
        if not self._idler.on or not self._sources or self._playout.due_s() is not None:
            self._idler.interrupt()
            return None
        ticks, slot = (0, min(self._sources)) if self._last is None else (self._last.ticks, self._last.source)
        source = self._sources[slot]
        rest = Motion(source.rotation, source.translation, source.expression)
        motion = self._idler.next(now_s, rest, source.canonical)
        return None if motion is None else Shown("idle", ticks, slot, motion)

    def _due(self, shown: Shown, old: int | None) -> _Due:
        """Return what is to be made of a picture; `old` is the number of the source before, where that shows as well.

        Under the lock, for poses are asked for in the pictures' order."""
        source = self._sources[shown.source]
        pose = self._seen(shown.motion, source)
        drawn, drawn_old = self._asked(shown.source, pose), None
        if old is not None:
            drawn_old = self._asked(old, self._rebased(pose, source, self._sources[old]))
        # It was found for the head as it was filmed.
        if shown.kind != "idle" and not (self._view.turns or self._view.relative):
            drawn = drawn._replace(flow=self._flows[shown.source].at(shown.ticks, shown.motion.expression))
            if drawn_old is not None and old is not None:
                drawn_old = drawn_old._replace(flow=self._flows[old].at(shown.ticks, shown.motion.expression))
        return _Due(self._taken, shown, drawn, drawn_old, self._changes.begins)

    def _asked(self, number: int, pose: Pose) -> _Drawn:
        # Of heads that are turned for the listener the motion graph sees less of the turn than there is.
        if self._view.turns:
            return _Drawn(self._sources[number], pose, None)
        aim = self._aims[number]
        return _Drawn(self._sources[number], aim.correct(self._taken, pose), aim)

    def _old_of(self, shown: Shown, now_s: float) -> int | None:
        """Return the number of the source that a picture is to be drawn from as well, if there is one: while a change
        fades, but where the machine is behind only when it begins."""
        old = self._changes.next(shown.source)
        skipped = self._playout.counts.skipped
        if skipped > self._skipped:
            self._skipped, self._behind_until_s = skipped, now_s + BEHIND_S
        if old is None or (now_s < self._behind_until_s and not self._changes.begins):
            return None
        return old

    def _draw(self, due: _Due) -> tuple[Picture, Picture | None]:
        """Draw a picture, and beside it from the source before where that is asked for."""
        picture = self._talker.draw(due.drawn.source, *due.drawn.asked, due.drawn.flow)
        return picture, None if due.old is None else self._talker.draw(
            due.old.source, *due.old.asked, due.old.flow
        )

    def _has_time_to_look(self, due: _Due) -> bool:
        """Say whether a picture is worth a look, and nothing else waits to be drawn; in order, everything may wait."""
        if due.drawn.aim is None or due.shown.kind == "idle":
            return False
        if isinstance(self._playout, InOrder):
            return True
        now_s, due_s = time.monotonic(), self._playout.due_s()
        return now_s >= self._behind_until_s and (due_s is None or due_s > now_s)

    def _look_at(self, picture: Picture, due: _Due) -> None:
        """Let the aim see what came of a pose."""
        source, asked, aim, _ = due.drawn
        assert aim is not None
        try:
            seen = Pose(*self._talker.estimate(picture, source))
            with self._changed:
                aim.learn(due.number, asked=asked, seen=seen, guessed=due.shown.motion.guessed)
        finally:
            with self._changed:
                self._looking.remove(due.number)
                self._changed.notify_all()

    def _seen(self, motion: Motion, source: Source) -> Pose:
        """Return the pose to draw: relative motion moves the head of the first source, whichever is drawn from."""
        pose = _pose(motion)
        assert self._reference is not None  # since the first picture came due
        reference, first = self._reference
        rest = Pose(first.rotation, first.translation, first.expression)
        seen = self._view.of(self._rebased(pose, source, first), reference, rest)
        return self._rebased(seen, first, source)

    def _for_source(self, motion: Motion, of: int, to: int) -> Motion:
        """Return a motion that was for one source for another one, both by their numbers."""
        source = self._sources[of]
        return Motion(*self._rebased(_pose(motion), source, self._sources[to]), motion.guessed)

    def _rebased(self, pose: Pose, of: Source, to: Source) -> Pose:
        """Return a pose that was for one source for another one."""
        if of is to:
            return pose
        return pose._replace(expression=self._talker.rebase(pose.rotation, pose.expression, of=of, to=to))

    def _wait_for_turn(self, number: int) -> bool:
        """Sleep until the pictures before this one are handed on; False if one of them failed."""
        with self._changed:
            self._changed.wait_for(lambda: self._handed_on == number or self._failed)
            return not self._failed


def _pose(motion: Motion) -> Pose:
    return Pose(motion.rotation, motion.translation, motion.expression)
