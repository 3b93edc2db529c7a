"""What to send over the line as it is now: a pure function that keeps an estimate of the line and chooses the best
operating point that it carries.

The estimate falls as soon as packets queue up, to a share of what arrived, and rises slowly while they do not, as
in delay-based congestion control (Carlucci et al. 2016; RFC 6817). Loss alone does not lower it, as radio loses packets
without being full. Knows no clock, no packets and no channels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

from sender.operating_points import HEADER_BYTES, OPERATING_POINTS, PACKET_BYTES, Mode, OperatingPoint

MIN_BPS = 5_000.0
START_BPS = 60_000.0
HEADROOM = 0.9  # of the estimate is spent
# A call with sound takes so much of a line that is not known to be ample: for more it would be little better, and what
# is left keeps the voice and the pictures from queueing up.
ENOUGH_BPS, AMPLE_BPS = 45_000.0, 120_000.0
MOTION_SHARE = 0.4  # of what is spent, motion has at least, whatever sound would like
QUEUE_LIMIT_S = 0.08  # so much more delay than on the empty line is a queue and no jitter
# No line that can hold a call: its queue must be too short to be seen. Radio loses in runs, and so much of a moment.
LOSS_LIMIT, LOSS_IN_RUNS_LIMIT = 0.5, 0.6
RUN_PACKETS = 2.5  # from this mean length on
# A share of fewer packets may be one run of losses, and for so long it still counts what was sent at a higher rate.
LOSS_PACKETS, LOSS_HOLD_S = 60, 6.0
# Where so much of the loss is left at a lower rate, the rate was not what caused it; for so long that is believed.
BLAMELESS, BLAMELESS_S = 0.7, 60.0
BACK_OFF = 0.8  # of what arrived, so that the queue empties
GROWTH = 0.08  # a second
FIRST_GROWTH = 0.3  # until the line has once been too narrow
GROWTH_LIMIT = 2.5  # times what is sent: more than that the line was never asked for
HOLD_S = 3.0  # calm before a dearer point is tried
HOLD_LIMIT_S = 48.0  # doubled up to this each time that the dearer point was too much

BURSTS = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 9.0, 14.0)  # as finely as runs of losses are told apart
LEAST_GAIN_S = 0.004  # for less, what is sent does not change


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
    burst
        How many packets are lost in a row, in the mean; at least 1.
    counted
        How many packets `loss` is a share of.
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
    beside_bps
        What is kept for what this side sends beside motion and pictures: sound.
    ride_s
        How long a packet of sound lasts in which motion may ride; None: it may not.
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
    burst: float = 1.0
    counted: int = 1_000
    beside_bps: float = 0.0
    ride_s: float | None = None


@dataclass(frozen=True)
class Decision:
    """What to send until the next report: how motions are coded, and bytes a second for pictures and repairs.

    `back`, `copies` and `rides` as in OperatingPoint.
    """

    mode: Mode
    frames_per_s: float
    keypoints: int | None
    bundle: int
    repeat: int
    repair_bytes_per_s: float
    back: int = 1
    copies: int = 1
    rides: bool = False

    @property
    def copies_apart_s(self) -> float:
        """How far apart the copies of a packet go: at even distances until the next one."""
        return self.bundle / self.frames_per_s / self.copies


def packet_bytes(decision: Decision) -> int:
    """Return what a packet of this decision weighs at the IP layer, by the table."""
    point = OperatingPoint(
        decision.mode, 1, decision.bundle, decision.repeat, decision.keypoints, decision.back, decision.copies
    )
    return PACKET_BYTES + HEADER_BYTES + point.payload_bytes


@dataclass(frozen=True)
class RateState:
    """What is remembered from report to report. `calm_s`: since when nothing has queued; `growth`: of the capacity, a
    second; `loss_at_s`, `loss`: when the capacity was lowered for a loss, and which."""

    capacity_bps: float = START_BPS
    point: OperatingPoint | None = None
    at_s: float | None = None
    calm_s: float = 0.0
    hold_s: float = HOLD_S
    growth: float = FIRST_GROWTH
    loss_at_s: float = -math.inf
    loss: float = 0.0


def decide(state: RateState, report: Report) -> tuple[RateState, Decision]:
    """Take a report into account; return the new state and what to send now."""
    state = _estimate(state, report)
    budget_bps = spendable_bps(state.capacity_bps, beside=report.beside_bps > 0)
    if report.limit_bps is not None:
        budget_bps = min(budget_bps, report.limit_bps)
    report = replace(report, beside_bps=min(report.beside_bps, (1 - MOTION_SHARE) * budget_bps))
    budget_bps -= report.beside_bps
    point = _choose(state, report, budget_bps)
    cost_bps = _cost_bps(point, report)
    spare_bps = 0.0 if report.queueing_s > QUEUE_LIMIT_S else max(0.0, budget_bps - cost_bps)
    decision = Decision(
        mode=point.mode,
        frames_per_s=report.camera_fps / point.every,
        keypoints=point.keypoints,
        bundle=point.bundle,
        repeat=point.repeat,
        repair_bytes_per_s=spare_bps / 8,
        back=point.back,
        copies=point.copies,
        rides=point.rides,
    )
    return replace(state, point=point), decision


def spendable_bps(capacity_bps: float, *, beside: bool) -> float:
    """Return how much is sent in all over a line that is believed to carry so much; `beside`: with sound."""
    spendable = HEADROOM * capacity_bps
    return min(spendable, ENOUGH_BPS) if beside and capacity_bps < AMPLE_BPS else spendable


def _estimate(state: RateState, report: Report) -> RateState:
    """Lower the capacity where the line is overfull, else raise it a little."""
    if state.at_s is None:
        # Nothing has been too much yet, so that a bad line need not be waited out.
        return replace(state, at_s=report.at_s, calm_s=report.at_s - HOLD_S)
    elapsed_s = min(max(report.at_s - state.at_s, 0.0), 1.0)
    queues = report.queueing_s > QUEUE_LIMIT_S
    if queues or _loses_too_much(state, report):
        lowered_bps = max(min(state.capacity_bps, BACK_OFF * report.arrived_bps), MIN_BPS)
        # The first sign of trouble soon after a raise was the raise's doing.
        first = report.at_s - state.calm_s > HOLD_S / 2
        hold_s = min(2 * state.hold_s, HOLD_LIMIT_S) if first else state.hold_s
        return replace(
            state,
            capacity_bps=lowered_bps,
            at_s=report.at_s,
            calm_s=report.at_s,
            hold_s=hold_s,
            growth=GROWTH if queues else state.growth,
            loss_at_s=state.loss_at_s if queues else report.at_s,
            loss=state.loss if queues else report.loss,
        )
    asked_bps = GROWTH_LIMIT * report.sent_bps
    if report.beside_bps > 0 and state.capacity_bps < AMPLE_BPS:
        # A call that sends `ENOUGH_BPS` does not find out whether its line is ample.
        asked_bps = min(asked_bps, AMPLE_BPS - 1)
    ceiling_bps = max(state.capacity_bps, asked_bps)
    grown_bps = min(state.capacity_bps * (1 + state.growth * elapsed_s), ceiling_bps)
    hold_s = HOLD_S if report.at_s - state.calm_s > HOLD_LIMIT_S else state.hold_s
    return replace(state, capacity_bps=grown_bps, at_s=report.at_s, hold_s=hold_s)


def _loses_too_much(state: RateState, report: Report) -> bool:
    """Say whether what is lost is more than chance, so that the line must be too narrow for what was sent."""
    limit = LOSS_LIMIT if report.burst < RUN_PACKETS else LOSS_IN_RUNS_LIMIT
    if report.loss <= limit or report.counted < LOSS_PACKETS:
        return False
    since_s = report.at_s - state.loss_at_s
    return since_s > (BLAMELESS_S if report.loss > BLAMELESS * state.loss else LOSS_HOLD_S)


def _choose(state: RateState, report: Report, budget_bps: float) -> OperatingPoint:
    """Choose the best affordable point; keep the present one where a dearer one has not been waited for."""
    allowed = [point for point in OPERATING_POINTS if _allows(report, point)]
    # Coarse steps, so that noise does not change the order of the points.
    loss = round(min(report.loss, 0.5) * 20) / 20
    burst = min(BURSTS, key=lambda burst: abs(math.log(max(report.burst, 1.0) / burst)))
    ride_s = report.ride_s or 0.0
    ranked = _ranked(report.camera_fps, loss, burst, ride_s)
    costs_bps = {point: _cost_bps(point, report) for point in allowed}
    present = state.point
    if (
        present in costs_bps
        and costs_bps[present] <= budget_bps
        and report.at_s - state.calm_s < state.hold_s
    ):
        budget_bps = costs_bps[present]
    affordable = (point for point in ranked if point in costs_bps and costs_bps[point] <= budget_bps)
    best = next(affordable, min(allowed, key=costs_bps.__getitem__))
    if present is None or costs_bps.get(present, math.inf) > budget_bps:
        return best

    def worth_s(point: OperatingPoint) -> float:
        return point.worth_s(report.camera_fps, loss, burst, ride_s=ride_s)

    return best if worth_s(best) > worth_s(present) + LEAST_GAIN_S else present


def _cost_bps(point: OperatingPoint, report: Report) -> float:
    """Return what a point takes of what sound leaves. What rides costs little while somebody speaks, and while nobody
    does it has sound's share as well."""
    alone_bps = point.wire_bps(report.camera_fps)
    if not point.rides:
        return alone_bps
    return max(point.riding_bps(report.camera_fps), alone_bps - report.beside_bps)


def _allows(report: Report, point: OperatingPoint) -> bool:
    """Say whether a point can be sent and is what the user wants."""
    if point.rides and report.ride_s is None:
        return False
    able = report.mode == "predictive" or (report.mode is None and report.predictive)
    if point.mode == "static":
        return report.mode == "static" or not able or (report.mode is None and report.bundle is None)
    return able and report.bundle in (None, point.bundle)


@lru_cache(maxsize=128)
def _ranked(camera_fps: float, loss: float, burst: float, ride_s: float) -> tuple[OperatingPoint, ...]:
    """Return all points, the best first."""

    def worth_s(point: OperatingPoint) -> float:
        return point.worth_s(camera_fps, loss, burst, ride_s=ride_s)

    return tuple(sorted(OPERATING_POINTS, key=worth_s, reverse=True))
