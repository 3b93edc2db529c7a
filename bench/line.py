"""A call against a simulated line whose capacity changes in steps: what the rate controller decides, what is sent,
queues up, comes late and is shown, a second a row.

The call is `bench.line_play`'s, in simulated time: a minute takes a moment and every run is the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from typer import BadParameter

from bench.errors import BenchError
from bench.line_play import LineCall, SentPacket
from call.line import parse_rate
from sender.adapting import Wanted
from transport.impairment import MIN_RATE_BPS, Impairment
from transport.peak import Peak

CAMERA_FPS = 25.0
MEASURED_S = 1.0  # a row


@dataclass(frozen=True)
class Step:
    """From `at_s` on the line carries `rate_bps` at the IP layer."""

    at_s: float
    rate_bps: float


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
    """Hold the call for so many simulated seconds; `rows` has one second each, `summary` what it comes to.

    Rates are kbit/s at the IP layer, delays milliseconds on top of the line's own. Raises BenchError where the steps
    do not begin at 0.
    """
    if not steps or steps[0].at_s != 0:
        raise BenchError("The line's first capacity begins at 0 seconds.")
    wanted = Wanted(camera_fps=CAMERA_FPS, limit_bps=limit_bps)
    call = LineCall(
        replace(impairment, rate_bps=steps[0].rate_bps), wanted=wanted, predictive=predictive, seed=seed
    )
    rows: list[dict[str, Any]] = []
    changes = list(steps)
    for second in range(1, round(seconds / MEASURED_S) + 1):
        end_s = second * MEASURED_S
        while changes and changes[0].at_s < end_s:
            step = changes.pop(0)
            call.run_until(step.at_s)
            call.line.impairment = replace(impairment, rate_bps=step.rate_bps)
        call.run_until(end_s)
        rows.append(_row(call, end_s, impairment.delay_s))
    return {"rows": rows, "summary": _summary(rows, steps) | _shown(call)}


def _within(sent: Sequence[SentPacket], start_s: float, end_s: float) -> Iterator[SentPacket]:
    """Yield the newest packets sent in a time, the newest first."""
    for each in reversed(sent):
        if each.at_s < start_s:
            return
        if each.at_s < end_s:
            yield each


def _row(call: LineCall, end_s: float, delay_s: float) -> dict[str, Any]:
    decision, line = call.decision, call.line
    second = list(_within(call.sent, end_s - MEASURED_S, end_s))
    delays_ms = [
        1000 * (each.arrives_s - each.at_s - delay_s) for each in second if each.arrives_s is not None
    ]
    return {
        "at_s": end_s,
        "line_kbps": (line.impairment.rate_bps or 0.0) / 1000,
        "believed_kbps": call.adapting.believed_bps / 1000,
        "mode": decision.mode,
        "frames_per_s": decision.frames_per_s,
        "bundle": decision.bundle,
        "repeat": decision.repeat,
        "back": decision.back,
        "copies": decision.copies,
        "keypoints": decision.keypoints,
        "repair_kbps": 8 * decision.repair_bytes_per_s / 1000,
        "sent_kbps": 8 * sum(each.size for each in second) / MEASURED_S / 1000,
        "queued_ms": 1000 * line.queued_s(end_s),
        "delay_ms": max(delays_ms, default=None),
        "lost": sum(each.arrives_s is None for each in second),
    }


def _shown(call: LineCall) -> dict[str, Any]:
    """Return what the receiver showed (`receiver.stats`), its playout delay in the end, and the highest rates over five
    seconds."""
    stats = call.show_stats()
    return {
        "shown_share": stats.shown_share,
        "longest_gap_ms": stats.longest_gap_ms,
        "playout_delay_ms": stats.playout_delay_ms,
        "peak_kbps_forward": _peak_kbps(call.sent),
        "peak_kbps_back": _peak_kbps(call.sent_back),
    }


def _peak_kbps(sent: Sequence[SentPacket]) -> float:
    peak = Peak()
    for each in sent:
        peak.add(each.size, each.at_s)
    return peak.rate_bps / 1000


def _summary(rows: Sequence[dict[str, Any]], steps: Sequence[Step]) -> dict[str, Any]:
    """Return the changes of decision, the share of seconds with a queue, and how long each step down took to settle."""
    keys = ("mode", "frames_per_s", "bundle", "repeat", "back", "copies", "keypoints")
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
