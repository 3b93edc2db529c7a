"""The rate controller against a simulated line: what it decides, what it sends, what queues up and how late it comes.

The line is the relay's own (`transport.impairment`), with a capacity that changes in steps; time is simulated, so a
minute takes a moment and every run is the same. Packets have the sizes of the controller's own table: the codec is
not run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from typer import BadParameter

from bench.errors import BenchError
from call.line import parse_rate
from sender.rate import HEADER_BYTES, PACKET_BYTES, Decision, OperatingPoint, RateState, Report, decide
from transport.impairment import MIN_RATE_BPS, ImpairedLine, Impairment

CAMERA_FPS = 25.0
FEEDBACK_S = 0.25
MEASURED_S = 1.0  # over which rates are taken, and a row of the table
LOSS_MEASURED_S = 5.0
PIECE_BYTES = 1_000
PICTURE_BYTES = 4_000  # a repair, so often:
PICTURE_EVERY_S = 15.0


@dataclass(frozen=True)
class Step:
    """From `at_s` on the line carries `rate_bps` at the IP layer."""

    at_s: float
    rate_bps: float


@dataclass(frozen=True)
class _Sent:
    at_s: float
    size: int
    arrives_s: float | None  # None: lost


def parse_steps(text: str) -> list[Step]:
    """Read "0:300k,20:20k": seconds and bit/s. Raises BenchError on anything else."""
    steps = []
    for part in text.split(","):
        at, _, rate = part.partition(":")
        try:
            steps.append(Step(float(at), parse_rate(rate)))
        except (ValueError, BadParameter):
            raise BenchError(f"{part!r} is no step of a line; write it as 20:50k (seconds, bit/s).") from None
        if not steps[-1].rate_bps >= MIN_RATE_BPS:
            raise BenchError(
                f"{part!r} is too little for a line: it carries at least {MIN_RATE_BPS:g} bit/s."
            )
    return sorted(steps, key=lambda step: step.at_s)


def run_line(
    steps: Sequence[Step],
    *,
    seconds: float,
    impairment: Impairment,
    limit_bps: float | None = None,
    predictive: bool = True,
    seed: int = 0,
) -> dict[str, Any]:
    """Run the controller for so many simulated seconds; `rows` has one second each, `summary` what it comes to.

    Rates are kbit/s at the IP layer, delays milliseconds on top of the line's own. Raises BenchError where the steps
    do not begin at 0.
    """
    if not steps or steps[0].at_s != 0:
        raise BenchError("The line's first capacity begins at 0 seconds.")
    line = ImpairedLine(impairment, seed=str(seed))
    state, decision = decide(RateState(), Report(0.0, 0.0, 0.0, 0.0, 0.0, limit_bps, predictive, CAMERA_FPS))
    sent: list[_Sent] = []
    rows: list[dict[str, Any]] = []
    pending, allowance = 0, 0.0
    begun = 0  # frames in the packet that is being filled
    next_picture_s = next_report_s = 0.0
    for index in range(round(seconds * CAMERA_FPS)):
        now_s = index / CAMERA_FPS
        rate_bps = [step.rate_bps for step in steps if step.at_s <= now_s][-1]
        line.impairment = replace(impairment, rate_bps=rate_bps)
        if now_s >= next_picture_s:
            pending, next_picture_s = pending + PICTURE_BYTES, next_picture_s + PICTURE_EVERY_S
        allowance = min(allowance + decision.repair_bytes_per_s / CAMERA_FPS, 2.0 * PIECE_BYTES)
        if pending and allowance >= PIECE_BYTES + PACKET_BYTES:
            allowance -= PIECE_BYTES + PACKET_BYTES
            pending -= PIECE_BYTES
            sent.append(_send(line, PIECE_BYTES + PACKET_BYTES, now_s))
        if index % round(CAMERA_FPS / decision.frames_per_s) == 0:
            begun += 1
            if begun >= decision.bundle:
                begun = 0
                sent.append(_send(line, _packet_bytes(decision), now_s))
        if now_s >= next_report_s:
            next_report_s += FEEDBACK_S
            report = _report(sent, now_s, impairment.delay_s, limit_bps=limit_bps, predictive=predictive)
            state, decision = decide(state, report)
        if (index + 1) % round(CAMERA_FPS * MEASURED_S) == 0:
            rows.append(
                _row(sent, now_s + 1 / CAMERA_FPS, line, decision, rate_bps, state, impairment.delay_s)
            )
    return {"rows": rows, "summary": _summary(rows, steps)}


def _send(line: ImpairedLine, size: int, now_s: float) -> _Sent:
    arrivals_s = line.arrivals_s(size, now_s)
    return _Sent(now_s, size, min(arrivals_s, default=None))


def _packet_bytes(decision: Decision) -> int:
    every = round(CAMERA_FPS / decision.frames_per_s)
    point = OperatingPoint(decision.mode, every, decision.bundle, decision.repeat, decision.keypoints)
    return PACKET_BYTES + HEADER_BYTES + point.payload_bytes


def _within(sent: Sequence[_Sent], start_s: float, end_s: float) -> Iterator[_Sent]:
    """Yield the newest packets sent in a time, the newest first."""
    for each in reversed(sent):
        if each.at_s < start_s:
            return
        if each.at_s < end_s:
            yield each


def _report(
    sent: Sequence[_Sent], now_s: float, delay_s: float, *, limit_bps: float | None, predictive: bool
) -> Report:
    """Say what the sender can know now: what the receiver saw until one way ago."""
    seen_s = now_s - delay_s
    recent = list(_within(sent, seen_s - LOSS_MEASURED_S - 2, now_s))
    arrived = [each for each in recent if each.arrives_s is not None and each.arrives_s <= seen_s]
    last_second = [
        each for each in arrived if each.arrives_s is not None and each.arrives_s > seen_s - MEASURED_S
    ]
    newest_s = max((each.at_s for each in arrived), default=0.0)
    known = [each for each in recent if newest_s - LOSS_MEASURED_S <= each.at_s <= newest_s]
    delays_s = [each.arrives_s - each.at_s - delay_s for each in last_second if each.arrives_s is not None]
    return Report(
        at_s=now_s,
        sent_bps=8 * sum(each.size for each in _within(sent, now_s - MEASURED_S, now_s)) / MEASURED_S,
        arrived_bps=8 * sum(each.size for each in last_second) / MEASURED_S,
        loss=sum(each.arrives_s is None for each in known) / len(known) if known else 0.0,
        # The least of the last ones: jitter adds to a packet, a queue to all.
        queueing_s=min(delays_s[:5], default=0.0 if not recent else MEASURED_S),
        limit_bps=limit_bps,
        predictive=predictive,
        camera_fps=CAMERA_FPS,
    )


def _row(
    sent: Sequence[_Sent],
    end_s: float,
    line: ImpairedLine,
    decision: Decision,
    rate_bps: float,
    state: RateState,
    delay_s: float,
) -> dict[str, Any]:
    second = list(_within(sent, end_s - MEASURED_S, end_s))
    delays_ms = [
        1000 * (each.arrives_s - each.at_s - delay_s) for each in second if each.arrives_s is not None
    ]
    return {
        "at_s": end_s,
        "line_kbps": rate_bps / 1000,
        "believed_kbps": state.capacity_bps / 1000,
        "mode": decision.mode,
        "frames_per_s": decision.frames_per_s,
        "bundle": decision.bundle,
        "repeat": decision.repeat,
        "keypoints": decision.keypoints,
        "repair_kbps": 8 * decision.repair_bytes_per_s / 1000,
        "sent_kbps": 8 * sum(each.size for each in second) / MEASURED_S / 1000,
        "queued_ms": 1000 * line.queued_s(end_s),
        "delay_ms": max(delays_ms, default=None),
        "lost": sum(each.arrives_s is None for each in second),
    }


def _summary(rows: Sequence[dict[str, Any]], steps: Sequence[Step]) -> dict[str, Any]:
    """Return the changes of decision, the share of seconds with a queue, and how long each step down took to settle."""
    keys = ("mode", "frames_per_s", "bundle", "repeat", "keypoints")
    decisions = [tuple(row[key] for key in keys) for row in rows]
    settled = []
    for before, step in pairwise(steps):
        after = [row for row in rows if row["at_s"] > step.at_s]
        calm = next((row["at_s"] for row in after[1:] if row["queued_ms"] < 100), None)
        if step.rate_bps < before.rate_bps:
            settled.append(None if calm is None else calm - step.at_s)
    return {
        "changes": sum(one != other for one, other in pairwise(decisions)),
        "queued_share": sum(row["queued_ms"] > 100 for row in rows) / len(rows),
        "settled_s": settled,
    }
