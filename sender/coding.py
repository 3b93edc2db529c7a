"""From motions to packets, as the line's state has it decided: every motion in a packet of its own that stands alone
(static), or gathered in bundles against what the receiver has said it holds (predictive), changing from one to the
other in mid-call. It knows capture times and the codec; how packets leave is the delivery's business."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal

from codec.bundle import MAX_SPACING
from codec.encoder import MotionEncoder
from codec.feedback import Feedback
from codec.flow_packet import MOST_AGE, TICKS_OF_AGE, attach_flow
from codec.format import MotionFormat
from codec.motion import Motion
from codec.packet import MAX_FRAMES
from codec.predictive_encoder import Capture, PredictiveEncoder
from codec.static import visible_keypoints
from codec.time import TICK_CYCLE, TICKS_PER_SECOND, ticks_of
from sender.errors import SenderError
from sender.rate import Decision

Mode = Literal["auto", "static", "predictive"]
PredictiveUse = Literal["never", "where acknowledged", "always"]

# So long without an acknowledgement packets are static, but for one in so many seconds that can be acknowledged and
# referred to: each feedback names the motions of the last half second.
PATIENCE_S = 1.0
PROBE_EVERY_S = 0.4


@dataclass(frozen=True)
class Packet:
    """What goes out at once: the bytes, how many frames are new in them, and the last one's capture time in seconds."""

    data: bytes
    frames: int
    captured_s: float

    @property
    def ticks(self) -> int:
        """The last frame's capture time as it stands on the wire, 0..4095."""
        return ticks_of(self.captured_s)

    def bent(self, code: bytes, *, source: int, ticks: int) -> Packet:
        """Return the packet with a residual flow (`codec.flow`) before it, found against a source picture 0..3 in the
        frame captured at `ticks`; where it is too large for company it stays alone."""
        age = min(round((self.ticks - ticks) % TICK_CYCLE / TICKS_OF_AGE), MOST_AGE)
        with suppress(ValueError):
            return replace(self, data=attach_flow(self.data, code, source=source, age=age))
        return self


class Coder:
    """Makes the packets of a call; on the motion thread, but for `follow`.

    Parameters
    ----------
    decision
        How to code, to begin with; a bundle that is begun goes out in the way that it was begun for.
    keypoints
        K', whatever is decided; where it is None, as many as show in static packets, all in predictive ones.
    predictive
        'never' where the other side cannot decode it; 'always' where nothing gets lost, or the user wants it.
    """

    def __init__(
        self,
        motion_format: MotionFormat,
        decision: Decision,
        *,
        rounding: bool,
        keypoints: int | None,
        predictive: PredictiveUse,
    ) -> None:
        self.frames = Counter[str]()  # by mode
        self._format = motion_format
        self._decision = decision
        self._rounding = rounding
        self._keypoints = keypoints
        self._always = predictive == "always"
        self._static = MotionEncoder(motion_format, rounding=rounding)
        self._predictive = None if predictive == "never" else PredictiveEncoder(motion_format)
        self._waiting: list[Capture] = []
        self._source = 0  # of those that wait
        self._of_source = 0  # motions sent for it in packets that can be repeated
        self._began_s: float | None = None
        self._probed_s = float("-inf")
        self._learned: int | None = None  # the newest time of the feedback that was learned from last
        self._last: tuple[PredictiveEncoder | MotionEncoder, float] | None = None

    @property
    def last(self) -> Capture | None:
        """The motion coded last, as the receiver decodes it; worked out when asked for."""
        if self._last is None or (motion := self._last[0].last) is None:
            return None
        return Capture(motion, self._last[1])

    @property
    def mode(self) -> str:
        """How most frames were coded; how they are to be coded before the first."""
        if self.frames:
            return self.frames.most_common(1)[0][0]
        return self._static_name if self._predictive is None else self._decision.mode

    def follow(self, decision: Decision) -> None:
        """Code like this from the next motion on; from any thread."""
        self._decision = decision

    def predicts(self, captured_s: float) -> bool:
        """Say whether a motion captured now can be coded against one that the receiver holds, or soon will be."""
        if self._predictive is None:
            return False
        early = self._began_s is None or captured_s - self._began_s < PATIENCE_S
        return self._always or early or self._predictive.refers(captured_s)

    def put(self, motion: Motion, captured_s: float, *, source: int) -> list[Packet]:
        """Take a motion to draw from the slot `source`, 0..3; return what is to be sent now: a packet where the bundle
        is full, and the one begun where this motion comes too late for it or is drawn from another source."""
        self._began_s = captured_s if self._began_s is None else self._began_s
        decision = self._decision
        packets: list[Packet] = []
        if self._waiting:
            apart = round((captured_s - self._waiting[-1].captured_s) * TICKS_PER_SECOND)
            if apart >= MAX_SPACING or source != self._source:
                packets = self.flush()
        capture = Capture(motion, captured_s)
        if self._predictive is not None and self._is_predictive(decision, captured_s):
            if source != self._source:
                self._source, self._of_source = source, 0
            self._waiting.append(capture)
            return packets + self.flush() if len(self._waiting) >= decision.bundle else packets
        return [*packets, *self.flush(), self._code_static(capture, decision, source)]

    def flush(self) -> list[Packet]:
        """Return the bundle as far as it has come: no motion follows for now."""
        if self._predictive is None or not self._waiting:
            return []
        captures, self._waiting = self._waiting, []
        decision = self._decision
        data = self._predictive.encode(
            captures,
            source=self._source,
            keypoints=self._keypoints,
            # What comes again is drawn from the source that this packet names.
            repeated=min(decision.repeat, MAX_FRAMES - len(captures), self._of_source // decision.back),
            back=decision.back,
        )
        self._of_source += len(captures)
        self._last = self._predictive, captures[-1].captured_s
        self.frames["predictive"] += len(captures)
        return [Packet(data, len(captures), captures[-1].captured_s)]

    def learn(self, feedback: Feedback) -> None:
        """Refer to the newest motion that this says is there, from now on.

        The newest of all may be one that cannot be referred to, as it was static; the bitmap tells of those before it.
        """
        newest = feedback.newest_ticks
        if newest is None or newest == self._learned:
            return
        self._learned = newest
        self.acknowledge(newest)
        for behind in range(feedback.bitmap.bit_length(), 0, -1):
            if feedback.bitmap >> (behind - 1) & 1:
                self.acknowledge((newest - behind) % TICK_CYCLE)

    def acknowledge(self, ticks: int) -> None:
        """Learn that the receiver holds the motion of this time, 0..4095."""
        if self._predictive is not None:
            self._predictive.acknowledge(ticks)

    @property
    def _static_name(self) -> str:
        return "static" if self._rounding else "static, not rounded"

    def _is_predictive(self, decision: Decision, captured_s: float) -> bool:
        if self._always or (decision.mode == "predictive" and self.predicts(captured_s)):
            return True
        if captured_s - self._probed_s < PROBE_EVERY_S:
            return False
        self._probed_s = captured_s
        return True

    def _code_static(self, capture: Capture, decision: Decision, source: int) -> Packet:
        keypoints = self._keypoints
        if keypoints is None and self._rounding:
            keypoints = visible_keypoints(capture.motion, self._format)
            if decision.keypoints is not None:
                keypoints = min(keypoints, decision.keypoints)
        data = self._static.encode(
            capture.motion, captured_s=capture.captured_s, source=source, keypoints=keypoints
        )
        self._last = self._static, capture.captured_s
        self.frames[self._static_name] += 1
        return Packet(data, 1, capture.captured_s)


def predictive_use(
    motion_format: MotionFormat,
    *,
    mode: Mode,
    rounding: bool,
    decodes_predictive: bool,
    loses_nothing: bool,
) -> PredictiveUse:
    """Say when motion is predicted: where both sides can and it is rounded, unless `mode` says otherwise.

    Raises SenderError where predictive coding is wanted and cannot be.
    """
    able = decodes_predictive and motion_format.prediction is not None and rounding
    if mode == "predictive" and not able:
        if not rounding:
            raise SenderError(
                "Predictive coding rounds motion: leave out --no-rounding or --mode predictive."
            )
        raise SenderError("The other side cannot decode predictive packets: leave out --mode predictive.")
    if not able or mode == "static":
        return "never"
    return "always" if mode == "predictive" or loses_nothing else "where acknowledged"
