"""The sending side of predictive coding: motions in, packets of one to four out, and acknowledgements taken.

What it refers to is the newest motion that the other side is known to hold; without one of the last second a packet
stands alone. It does not know how packets and acknowledgements travel.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from codec.bundle import MAX_SPACING, BundleWriter
from codec.format import MotionFormat
from codec.history import History
from codec.motion import POSE_NUMBERS, Motion
from codec.packet import MAX_FRAMES, MAX_HEADER_BYTES, MAX_PACKET_BYTES, Header, Kind, write_header
from codec.prediction import Integers, coefficients_of, fine_from_levels, fine_of, motion_from_fine
from codec.predictive import CODED, FURTHEST, State, choose_levels, origin
from codec.time import TICK_CYCLE, TICKS_PER_SECOND, ticks_of

FARTHEST_BACK = 2
KEPT_SENT = FARTHEST_BACK * (MAX_FRAMES - 1)
MAX_CODE_BYTES = MAX_PACKET_BYTES - MAX_HEADER_BYTES
# The receiver holds the last 64 motions that came: with three in four lost they are among so many.
REMEMBERED_SENT = 256
LONGEST_REFERENCE = 120  # ticks: after two seconds without a fresh acknowledgement packets stand alone


@dataclass(frozen=True)
class Capture:
    """A motion and its capture time in seconds of the sender's own monotonic clock."""

    motion: Motion
    captured_s: float


@dataclass(frozen=True)
class _Sent:
    ticks: int
    levels: Integers


@dataclass(frozen=True)
class _Bundle:
    distance: int
    states: Sequence[tuple[int, State]]  # of each motion, with its time; new ones last
    code: bytes


class PredictiveEncoder:
    """Codes motions in bundles, each against what the receiver is known to hold.

    Raises ValueError for a motion format without prediction.
    """

    def __init__(self, motion_format: MotionFormat) -> None:
        if motion_format.prediction is None:
            raise ValueError("the motion format has no prediction")
        self._format = motion_format
        self._prediction = motion_format.prediction
        self._origin = origin(self._prediction)
        self._history = History()
        self._sent: list[_Sent] = []  # the newest, for repetition
        self._times: deque[int] = deque(maxlen=REMEMBERED_SENT)  # as they stand on the wire
        self._known: int | None = None  # continuous time of the newest motion that the receiver holds
        self._acknowledged: int | None = None  # the newest acknowledgement as it came

    @property
    def last(self) -> Motion | None:
        """The last motion as the receiver decodes it, which is what a mirror draws; worked out when asked for."""
        if not self._sent:
            return None
        fine = fine_from_levels(self._sent[-1].levels, self._prediction)
        return motion_from_fine(fine, self._format.steps)

    def refers(self, captured_s: float) -> bool:
        """Say whether a packet that begins with a motion captured then would refer to one, and not stand alone."""
        return self._reference(math.floor(captured_s * TICKS_PER_SECOND + 0.5))[1] > 0

    def acknowledge(self, ticks: int) -> None:
        """Learn that the receiver holds the motion of this capture time, 0..4095.

        What was said before, is older than what was said, or names no motion of the last seconds, changes nothing: so
        an acknowledgement that is late by a whole cycle of the clock cannot name another motion. Nor does a time that
        two of the last motions bear, with a pause of a cycle between them: the receiver may hold the first one alone.
        """
        newest = self._history.newest
        if ticks == self._acknowledged or newest is None:
            return
        named = newest - (newest - ticks) % TICK_CYCLE
        newer = named in self._history and (self._known is None or named > self._known)
        if newer and self._times.count(ticks) == 1:
            self._known, self._acknowledged = named, ticks

    def encode(
        self,
        captures: Sequence[Capture],
        *,
        source: int,
        keypoints: int | None = None,
        repeated: int = 0,
        back: int = 1,
        acknowledged: int | None = None,
    ) -> bytes:
        """Return one packet.

        Parameters
        ----------
        captures
            1 to 4 motions, oldest first, each 1 to 32 ticks after the one before it and all later than what was sent.
        source
            Which of the receiver's source pictures to draw from, 0..3.
        keypoints
            K', 0..K: offsets from K' on hold the reference's value; all are sent where it is None.
        repeated
            How many of the motions sent before come again in front, as far as there are so many and 4 are not exceeded.
        back
            Each how manieth of them, 1..`FARTHEST_BACK`, counted back from the first new one.
        acknowledged
            The newest motion of the other direction that this side holds, 0..4095, to say so.

        Raises
        ------
        ValueError
            For a motion of another K, and for times that a bundle cannot hold.
        """
        new = self._stamped(captures)
        again = self._repeatable(min(repeated, MAX_FRAMES - len(captures)), back, first=new[0][0])
        bundle = self._bundle(again, new, keypoints)
        # What jumps so far is no face; it is followed as far as fits.
        if len(bundle.code) > MAX_CODE_BYTES:
            bundle = self._bundle([], new, keypoints, furthest=CODED)
        for ticks, state in bundle.states[-len(new) :]:
            self._history.add(ticks, state)
            self._times.append(ticks % TICK_CYCLE)
            self._sent = [*self._sent[1 - KEPT_SENT :], _Sent(ticks, state.levels)]
        header = Header(
            Kind.PREDICTIVE,
            source,
            left_out=0,
            ticks=bundle.states[0][0] % TICK_CYCLE,
            frames=len(bundle.states),
            distance=bundle.distance,
            acknowledged=acknowledged,
        )
        return write_header(header) + bundle.code

    def _bundle(
        self,
        again: Sequence[_Sent],
        new: Sequence[tuple[int, Capture]],
        keypoints: int | None,
        *,
        furthest: int = FURTHEST,
    ) -> _Bundle:
        """Code motions that were sent before, and new ones, none of whose levels moves by more than `furthest`."""
        before = again[0].ticks if again else new[0][0]
        reference, distance = self._reference(before)
        writer = BundleWriter(reference, distance=distance, repeated=len(again), prediction=self._prediction)
        states: list[tuple[int, State]] = []
        for sent in again:
            states.append((sent.ticks, writer.add(sent.levels, spacing=sent.ticks - before)))
            before = sent.ticks
        for ticks, capture in new:
            levels = self._levels(capture.motion, writer.reference, keypoints, furthest)
            states.append((ticks, writer.add(levels, spacing=ticks - before)))
            before = ticks
        return _Bundle(distance, states, writer.finish())

    def _stamped(self, captures: Sequence[Capture]) -> list[tuple[int, Capture]]:
        """Return each motion with its continuous time."""
        if not 1 <= len(captures) <= MAX_FRAMES:
            raise ValueError(f"a packet holds 1 to {MAX_FRAMES} motions, not {len(captures)}")
        stamped: list[tuple[int, Capture]] = []
        for capture in captures:
            if capture.motion.keypoints != self._format.keypoints:
                raise ValueError(
                    f"a motion of {capture.motion.keypoints} keypoints, a format of {self._format.keypoints}"
                )
            ticks_of(capture.captured_s)  # finite
            ticks = math.floor(capture.captured_s * TICKS_PER_SECOND + 0.5)
            if stamped and not 1 <= ticks - stamped[-1][0] <= MAX_SPACING:
                raise ValueError(f"motions of a packet are 1 to {MAX_SPACING} ticks apart")
            if not stamped and self._sent and ticks <= self._sent[-1].ticks:
                raise ValueError("a motion must be later than the one before it")
            stamped.append((ticks, capture))
        return stamped

    def _repeatable(self, count: int, back: int, *, first: int) -> list[_Sent]:
        """Return at most `count` motions sent, each `back`th: those near to `first` and not known to be held."""
        again: list[_Sent] = []
        for sent in self._sent[-back::-back][:count]:
            known = self._known is not None and sent.ticks <= self._known
            if known or first - sent.ticks > MAX_SPACING:
                break
            again.insert(0, sent)
            first = sent.ticks
        return again

    def _reference(self, first: int) -> tuple[State, int]:
        """Return what a packet that begins at `first` refers to, and how many ticks before it that was."""
        known = self._known
        if known is not None and 0 < first - known <= LONGEST_REFERENCE:
            state = self._history.get(known)
            if state is not None:
                return state, first - known
        return self._origin, 0

    def _levels(self, motion: Motion, reference: State, keypoints: int | None, furthest: int) -> Integers:
        fine = fine_of(motion, self._format.steps)
        if keypoints is not None and keypoints < self._format.keypoints:
            held = POSE_NUMBERS + 3 * keypoints
            fine = np.concatenate([fine[:held], fine_from_levels(reference.levels, self._prediction)[held:]])
        coefficients = coefficients_of(fine, self._prediction)
        return choose_levels(coefficients, reference, self._prediction, furthest=furthest)
