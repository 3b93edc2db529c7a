"""What to send over the line as it is now: a table of operating points with their cost on the wire, and a pure
function that keeps an estimate of the line and chooses the best point that it carries.

The estimate falls as soon as packets queue up, to a share of what arrived, and rises slowly while they do not, as
in delay-based congestion control (Carlucci et al. 2016; RFC 6817). Loss alone does not lower it, as radio loses packets
without being full; it makes repetition worth its bytes. Knows no clock, no packets and no channels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from typing import Literal

from codec.packet import MAX_FRAMES

Mode = Literal["static", "predictive"]

# At the IP layer with IPv6, where it is dearest: IP and UDP 48, DTLS 37, SCTP 12, chunk 16, and padding.
PACKET_BYTES = 48 + 37 + 12 + 16 + 2
HEADER_BYTES = 4
# Payload of a frame: predictive, the first of a packet and those that follow it; a repetition of the last ones.
FIRST_BYTES = 20
NEXT_BYTES = 12
REPEATED_BYTES = 12
STATIC_BYTES = {None: 36, 10: 24}  # by K'
# Feedback's acknowledgements, consent checks, clock messages.
OVERHEAD_BPS = 2_000.0

MIN_BPS = 5_000.0
START_BPS = 60_000.0
HEADROOM = 0.9  # of the estimate is spent
QUEUE_LIMIT_S = 0.08  # so much more delay than on the empty line is a queue and no jitter
LOSS_LIMIT = 0.4  # no line that can hold a call: its queue must be too short to be seen
BACK_OFF = 0.8  # of what arrived, so that the queue empties
GROWTH = 0.08  # a second
GROWTH_LIMIT = 2.0  # times what is sent: more than that the line was never asked for
HOLD_S = 3.0  # calm before a dearer point is tried
HOLD_LIMIT_S = 48.0  # doubled up to this each time that the dearer point was too much

# What a viewer loses, in seconds of latency: a second of picture without a motion; half the frames.
HOLE_S = 4.0
SLOW_S = 0.05
COARSE_S = 0.03  # expression cut to fewer keypoints


@dataclass(frozen=True)
class OperatingPoint:
    """One way to send: each `every`th of the camera's frames, `bundle` (1 to 4) to a packet, which repeats the
    `repeat` motions before them; `keypoints` is K', None for as many as show."""

    mode: Mode
    every: int
    bundle: int
    repeat: int
    keypoints: int | None

    @property
    def payload_bytes(self) -> int:
        """What a packet carries, without its header."""
        if self.mode == "static":
            return STATIC_BYTES[self.keypoints]
        return FIRST_BYTES + NEXT_BYTES * (self.bundle - 1) + REPEATED_BYTES * self.repeat

    def wire_bps(self, camera_fps: float) -> float:
        """Return what it costs at the IP layer in the direction of motion, in bit/s."""
        packets_per_s = camera_fps / self.every / self.bundle
        return packets_per_s * 8 * (PACKET_BYTES + HEADER_BYTES + self.payload_bytes) + OVERHEAD_BPS

    def worth_s(self, camera_fps: float, loss: float) -> float:
        """Return how good a call it makes at a share of packets lost: higher is better, 0 is perfect (seconds)."""
        frame_s = self.every / camera_fps
        # A motion is gone when its packet and all that repeat it are; until the next packet that is not bridged.
        copies = 1 + self.repeat // self.bundle
        hole = loss**copies * (1 + self.bundle * frame_s)
        late_s = frame_s * (self.bundle - 1) + frame_s / 2 * (self.every - 1)
        coarse_s = COARSE_S * (self.keypoints is not None)
        return -(late_s + HOLE_S * frame_s * hole + SLOW_S * (self.every - 1) + coarse_s)


# A packet of static motions holds one and repeats none: that is what predictive coding is for, and there it is four at
# most, old and new. What stands alone is dear, so that on a narrow line it must be rare.
OPERATING_POINTS = (
    *(
        OperatingPoint("static", every, 1, 0, keypoints)
        for every, keypoints in product((1, 2, 4), STATIC_BYTES)
    ),
    *(
        OperatingPoint("predictive", every, bundle, times * bundle, None)
        for every, bundle, times in product((1, 2, 4), (1, 2, 3, 4), (0, 1, 2))
        if bundle * (1 + times) <= MAX_FRAMES
    ),
)


@dataclass(frozen=True)
class Report:
    """How the line fared since the last report, about four a second.

    Parameters
    ----------
    at_s
        When the report was made, in seconds of any steady clock.
    sent_bps, arrived_bps
        At the IP layer, in the direction of motion; over the last second.
    loss
        Share of motion packets lost, 0 to 1; over the last seconds.
    queueing_s
        By how much the way is longer than on the empty line.
    limit_bps
        What the user allows; None: no limit.
    predictive
        The other side decodes predictive packets and has acknowledged one within the last second.
    camera_fps
        The frames that there are to be sent a second.
    mode, bundle
        What the user wants whatever the line is like; None: what is best.
    """

    at_s: float
    sent_bps: float
    arrived_bps: float
    loss: float
    queueing_s: float
    limit_bps: float | None = None
    predictive: bool = True
    camera_fps: float = 25.0
    mode: Mode | None = None
    bundle: int | None = None


@dataclass(frozen=True)
class Decision:
    """What to send until the next report: how motions are coded, and bytes a second for pictures and repairs."""

    mode: Mode
    frames_per_s: float
    keypoints: int | None
    bundle: int
    repeat: int
    repair_bytes_per_s: float


@dataclass(frozen=True)
class RateState:
    """What is remembered from report to report. `calm_s`: since when nothing has queued."""

    capacity_bps: float = START_BPS
    point: OperatingPoint | None = None
    at_s: float | None = None
    calm_s: float = 0.0
    hold_s: float = HOLD_S


def decide(state: RateState, report: Report) -> tuple[RateState, Decision]:
    """Take a report into account; return the new state and what to send now."""
    state = _estimate(state, report)
    budget_bps = HEADROOM * state.capacity_bps
    if report.limit_bps is not None:
        budget_bps = min(budget_bps, report.limit_bps)
    point = _choose(state, report, budget_bps)
    cost_bps = point.wire_bps(report.camera_fps)
    spare_bps = 0.0 if report.queueing_s > QUEUE_LIMIT_S else max(0.0, budget_bps - cost_bps)
    decision = Decision(
        mode=point.mode,
        frames_per_s=report.camera_fps / point.every,
        keypoints=point.keypoints,
        bundle=point.bundle,
        repeat=point.repeat,
        repair_bytes_per_s=spare_bps / 8,
    )
    return replace(state, point=point), decision


def _estimate(state: RateState, report: Report) -> RateState:
    """Lower the capacity where the line is overfull, else raise it a little."""
    if state.at_s is None:
        return replace(state, at_s=report.at_s, calm_s=report.at_s)
    elapsed_s = min(max(report.at_s - state.at_s, 0.0), 1.0)
    if report.queueing_s > QUEUE_LIMIT_S or report.loss > LOSS_LIMIT:
        lowered_bps = max(min(state.capacity_bps, BACK_OFF * report.arrived_bps), MIN_BPS)
        # The first sign of trouble soon after a raise was the raise's doing.
        first = report.at_s - state.calm_s > HOLD_S / 2
        hold_s = min(2 * state.hold_s, HOLD_LIMIT_S) if first else state.hold_s
        return replace(state, capacity_bps=lowered_bps, at_s=report.at_s, calm_s=report.at_s, hold_s=hold_s)
    ceiling_bps = max(state.capacity_bps, GROWTH_LIMIT * report.sent_bps)
    grown_bps = min(state.capacity_bps * (1 + GROWTH * elapsed_s), ceiling_bps)
    hold_s = HOLD_S if report.at_s - state.calm_s > HOLD_LIMIT_S else state.hold_s
    return replace(state, capacity_bps=grown_bps, at_s=report.at_s, hold_s=hold_s)


def _choose(state: RateState, report: Report, budget_bps: float) -> OperatingPoint:
    """Choose the best affordable point; keep the present one where a dearer one has not been waited for."""
    allowed = [point for point in OPERATING_POINTS if _allows(report, point)]
    # Coarse steps of loss, so that its noise does not change the order of the points.
    loss = round(min(report.loss, 0.5) * 20) / 20
    ranked = _ranked(report.camera_fps, loss)
    costs_bps = {point: point.wire_bps(report.camera_fps) for point in allowed}
    present = state.point
    if (
        present in costs_bps
        and costs_bps[present] <= budget_bps
        and report.at_s - state.calm_s < state.hold_s
    ):
        budget_bps = costs_bps[present]
    affordable = (point for point in ranked if point in costs_bps and costs_bps[point] <= budget_bps)
    return next(affordable, min(allowed, key=costs_bps.__getitem__))


def _allows(report: Report, point: OperatingPoint) -> bool:
    """Say whether a point can be sent and is what the user wants."""
    able = report.mode == "predictive" or (report.mode is None and report.predictive)
    if point.mode == "static":
        return report.mode == "static" or not able or (report.mode is None and report.bundle is None)
    return able and report.bundle in (None, point.bundle)


@lru_cache(maxsize=64)
def _ranked(camera_fps: float, loss: float) -> tuple[OperatingPoint, ...]:
    """Return all points, the best first; of equals the cheapest."""
    return tuple(
        sorted(
            OPERATING_POINTS, key=lambda point: (-point.worth_s(camera_fps, loss), point.wire_bps(camera_fps))
        )
    )
