"""The drawing threads: ask the playout what is due, draw it, and hand the pictures on in their order.

The one place where the playout buffer is shared between threads (the event loop pushes, these take), so its
lock lives here. It knows no packets and no outputs.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from codec.decoder import DecodedMotion
from codec.motion import Motion
from codec.picture import Picture
from receiver.in_order import InOrder
from receiver.playout import Playout, PlayoutCounts, Shown
from runtime.talker import Source, Talker
from runtime.view import Pose, View

# How long the end of a call waits for motions not due yet: the longest playout delay and some drawing.
FINISH_S = 0.4
# Pictures in the making at once: while one is drawn the next comes due, and two side by side keep two cores
# busier than one after the other.
DRAWN_AT_ONCE = 2


class Buffer(Protocol):
    """What `Playout` and `InOrder` have in common."""

    counts: PlayoutCounts

    @property
    def delay_s(self) -> float: ...

    @property
    def waiting(self) -> int: ...

    def set_rest(self, source: int, rest: Motion) -> None: ...

    def push(self, decoded: DecodedMotion, arrived_s: float) -> None: ...

    def due_s(self) -> float | None: ...

    def next(self, now_s: float) -> Shown | None: ...


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
        self._reference: Pose | None = None  # the first motion's, from which relative motion is measured
        self._on_picture = on_picture
        self._on_error = on_error
        self._playout: Buffer = Playout()
        self._sources: dict[int, Source] = {}
        self._changed = threading.Condition()
        self._end_s: float | None = None
        self._failed = False
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
            self._sources[slot] = source
            self._playout.set_rest(slot, rest)

    def has_source(self, slot: int) -> bool:
        """Say whether motions that name this slot can be drawn."""
        return slot in self._sources

    def push(self, motions: Sequence[DecodedMotion], arrived_s: float) -> None:
        """Take in motions whose sources are there."""
        with self._changed:
            for motion in motions:
                self._playout.push(motion, arrived_s)
            self._changed.notify_all()

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
            while (item := self._wait()) is not None:
                number, shown, source = item
                began_s = time.monotonic()
                picture = self._talker.draw(source, *self._seen(shown.motion, source))
                if not self._wait_for_turn(number):
                    return
                self._on_picture(shown, picture, began_s, time.monotonic())
                with self._changed:
                    self._handed_on += 1
                    self._changed.notify_all()
        except Exception as error:
            with self._changed:
                first, self._failed = not self._failed, True
                self._changed.notify_all()
            if first:
                self._on_error(error)

    def _wait(self) -> tuple[int, Shown, Source] | None:
        """Sleep until something is due; returns it with its number, None at the end."""
        with self._changed:
            while not self._failed:
                now_s = time.monotonic()
                if self._end_s is not None and (now_s >= self._end_s or not self._playout.waiting):
                    return None
                shown = self._playout.next(now_s)
                if shown is not None:
                    self._taken += 1
                    return self._taken - 1, shown, self._sources[shown.source]
                due_s = self._playout.due_s()
                times_s = [time_s for time_s in (due_s, self._end_s) if time_s is not None]
                self._changed.wait(max(min(times_s) - now_s, 0.0) if times_s else None)
            return None

    def _seen(self, motion: Motion, source: Source) -> Pose:
        pose = Pose(motion.rotation, motion.translation, motion.expression)
        with self._changed:
            self._reference = reference = self._reference or pose
        return self._view.of(pose, reference, Pose(source.rotation, source.translation, source.expression))

    def _wait_for_turn(self, number: int) -> bool:
        """Sleep until the pictures before this one are handed on; False if one of them failed."""
        with self._changed:
            self._changed.wait_for(lambda: self._handed_on == number or self._failed)
            return not self._failed
