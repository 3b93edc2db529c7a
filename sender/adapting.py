"""What is sent, kept to what the line carries: reports go to the rate controller, and its decisions to whoever sends.

Joins `line_report` and `rate`. The event loop brings feedback, the motion thread asks which frames are wanted; it knows
no channels and no codec.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import asdict, dataclass, replace
from typing import Any

from codec.feedback import Feedback
from sender.coding import Packet
from sender.line_report import LineMeter
from sender.operating_points import Mode
from sender.rate import START_BPS, Decision, RateState, Report, decide

# The first picture is soon over, and what routers let through at once is a good part of it.
SEEN_SHARE = 0.4
LEAST_START_BPS = 16_000.0
MOST_START_BPS = 240_000.0
# Where something was sent again a line looks slower than it is, be that a loss or a queue.
AGAIN_SHARE = 2.0
LOGGED = 64  # changes of decision that are remembered, the newest
# On a narrow line a piece must not hold motion up for long, and on none be all framing.
PIECE_S = 0.12
FIRST_PIECE_S = 0.35
LEAST_PIECE_BYTES, MOST_PIECE_BYTES = 320, 1_000
LEAST_PIECES_BPS = 1_000.0  # so that every picture arrives in the end


@dataclass(frozen=True)
class Carried:
    """What a line was seen to carry, bit/s at the IP layer; `again`: some of it had to be sent again."""

    bps: float
    again: bool


@dataclass(frozen=True)
class Wanted:
    """What the user has fixed, and what there is: frames a second; `limit_bps` for all that is sent, at the IP layer;
    `mode` and `bundle` None where the line decides; `keypoints` K', None: what shows."""

    camera_fps: float
    limit_bps: float | None = None
    mode: Mode | None = None
    bundle: int | None = None
    keypoints: int | None = None
    beside_bps: float = 0.0
    ride_s: float | None = None


@dataclass(frozen=True)
class RateStats:
    """What was decided for the line. changes: how often otherwise than before; decisions: the newest of them, each with
    the seconds since the call began; believed_bps: what the line is believed to carry."""

    changes: int
    decisions: list[dict[str, Any]]
    believed_bps: float


class Adapting:
    """The rate controller at work in one call."""

    def __init__(self, wanted: Wanted, *, at_s: float) -> None:
        self._wanted = wanted
        self._meter = LineMeter()
        self._state = RateState()
        self._lock = threading.Lock()
        self._began_s = at_s
        self._log: deque[dict[str, Any]] = deque(maxlen=LOGGED)
        self._taken_s: float | None = None  # capture time of the last frame that was wanted
        self._report = Report(at_s, 0.0, 0.0, 0.0, 0.0)
        self._changes = 0
        self.decision = self._decide(self._report, predictive=True)

    @property
    def believed_bps(self) -> float:
        """What the line is believed to carry, at the IP layer, or what the user allows where that is less."""
        return min(self._state.capacity_bps, self._wanted.limit_bps or self._state.capacity_bps)

    @property
    def pieces_bps(self) -> float:
        """What is left for pictures and repairs."""
        return max(8 * self.decision.repair_bytes_per_s, LEAST_PIECES_BPS)

    @property
    def first_piece_bytes(self) -> int:
        """How large the pieces of a picture may be that motion still waits for."""
        limit_bps = self._wanted.limit_bps
        return MOST_PIECE_BYTES if limit_bps is None else _piece_bytes(FIRST_PIECE_S * limit_bps)

    @property
    def piece_bytes(self) -> int:
        """How large the pieces of a picture may be beside motion."""
        return _piece_bytes(PIECE_S * self.believed_bps)

    @property
    def stats(self) -> RateStats:
        """What was decided until now; from any thread."""
        return RateStats(self._changes, list(self._log), self.believed_bps)

    def begin(self, *, carried: Carried | None, at_s: float) -> None:
        """Start from what the line was seen to carry, if that is known; motion is about to be sent."""
        with self._lock:
            # Under a limit it says what the limit let through.
            if carried is not None and self._wanted.limit_bps is None:
                share, most_bps = (AGAIN_SHARE, START_BPS) if carried.again else (SEEN_SHARE, MOST_START_BPS)
                capacity_bps = min(max(share * carried.bps, LEAST_START_BPS), most_bps)
                self._state = replace(self._state, capacity_bps=capacity_bps)
            self._report = replace(self._report, at_s=at_s)
            self.decision = self._decide(self._report, predictive=True)

    def wants(self, captured_s: float) -> bool:
        """Say whether a frame captured at this time is to be sent; on the motion thread, each frame once."""
        frame_s = 1 / self._wanted.camera_fps
        every = round(self._wanted.camera_fps / self.decision.frames_per_s)
        since_s = -1.0 if self._taken_s is None else captured_s - self._taken_s
        if every > 1 and 0 <= since_s < (every - 0.5) * frame_s:
            return False
        self._taken_s = captured_s
        return True

    def sent(self, packet: Packet, *, taken: bool, at_s: float, copies: int = 1) -> None:
        """Note a packet that was given to the line (`LineMeter.sent`); on the event loop."""
        self._meter.sent(packet, taken=taken, at_s=at_s, copies=copies)

    def sent_again(self) -> None:
        """Note that another copy of a packet was given to the line; on the event loop."""
        self._meter.sent_again()

    def take(self, feedback: Feedback, *, at_s: float, sent_bytes: int, predictive: bool) -> bool:
        """Learn from feedback; on the event loop. True where there is a new decision.

        `sent_bytes` is all that has been sent, at the IP layer; `predictive` says that motion can be coded against what
        the receiver has acknowledged.
        """
        report = self._meter.take(feedback, at_s=at_s, sent_bytes=sent_bytes)
        if report is None:
            return False
        with self._lock:
            self._report = report
            self.decision = self._decide(report, predictive=predictive)
        return True

    def limit(self, limit_bps: float | None, *, at_s: float) -> None:
        """Keep all that is sent under this rate from now on; on the event loop."""
        with self._lock:
            self._wanted = replace(self._wanted, limit_bps=limit_bps)
            report = replace(self._report, at_s=max(at_s, self._report.at_s), queueing_s=0.0)
            self.decision = self._decide(report, predictive=self.decision.mode == "predictive")

    def beside(self, beside_bps: float, *, ride_s: float | None, at_s: float) -> None:
        """Leave so much of the line to what else is sent, in packets of `ride_s` in which motion may ride, or may not;
        on the event loop."""
        with self._lock:
            self._wanted = replace(self._wanted, beside_bps=beside_bps, ride_s=ride_s)
            # What was chosen for another share of the line is no reason to wait.
            self._state = replace(self._state, point=None)
            report = replace(self._report, at_s=max(at_s, self._report.at_s), queueing_s=0.0)
            self.decision = self._decide(report, predictive=self.decision.mode == "predictive")

    def depend(self, *, predictive: bool, at_s: float) -> bool:
        """Decide anew where that motion can be predicted has changed, as without feedback nobody else does; from any
        thread. True where there is a new decision."""
        if self._wanted.mode is not None or predictive == (self.decision.mode == "predictive"):
            return False
        with self._lock:
            report = replace(self._report, at_s=max(at_s, self._report.at_s), queueing_s=0.0)
            self.decision = self._decide(report, predictive=predictive)
        return True

    def _decide(self, report: Report, *, predictive: bool) -> Decision:
        wanted = self._wanted
        report = replace(
            report,
            limit_bps=wanted.limit_bps,
            predictive=predictive,
            camera_fps=wanted.camera_fps,
            mode=wanted.mode,
            bundle=wanted.bundle,
            beside_bps=wanted.beside_bps,
            ride_s=wanted.ride_s,
        )
        self._state, decision = decide(self._state, report)
        if wanted.keypoints is not None:
            decision = replace(decision, keypoints=wanted.keypoints)
        shown = asdict(decision)
        del shown["repair_bytes_per_s"]
        if not self._log or any(self._log[-1][name] != value for name, value in shown.items()):
            self._changes += bool(self._log)
            self._log.append({"at_s": round(report.at_s - self._began_s, 2), **shown})
        return decision


def _piece_bytes(bits: float) -> int:
    return round(min(max(bits / 8, LEAST_PIECE_BYTES), MOST_PIECE_BYTES))
