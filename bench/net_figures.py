"""A call over a bad line as it was seen, whoever held it, and its figures: one way to count for both sides, so that
they differ in nothing but what was shown. It knows times and pictures; it knows no codec and no connection."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from bench.clips import Picture
from bench.judge import PictureJudge
from receiver.stats import FROZEN_S
from transport.relay import Relay

# The first seconds after the first picture are the start's: H.264 begins at a rate that a thin line does not carry, and
# our first motions share it with the rest of the source picture.
START_S = 5.0
# What is left after them must be long enough for a rate.
LEAST_S = 1.0
# Of the pictures, one in so many seconds is kept for the judge, who sees so many of them, spread evenly.
KEPT_EVERY_S = 0.5
JUDGED = 16
# How often the line's counters are read.
READ_EVERY_S = 0.1

FIGURES = (
    *(
        "first_picture_s",
        "fresh_fps",
        "interpolated_fps",
        "extrapolated_fps",
        "longest_gap_ms",
        "frozen_share",
    ),
    *("latency_ms_p50", "latency_ms_p95", "added_latency_ms", "payload_kbps"),
    *("wire_kbps_forward", "wire_kbps_back", "lost_share", "lpips"),
)


@dataclass(frozen=True)
class Seen:
    """A picture on the screen, of a kind of `receiver.playout`'s; `captured_s` is known of fresh ones."""

    kind: str
    shown_s: float
    captured_s: float | None = None


@dataclass(frozen=True)
class Pair:
    """What was shown, when, and what the camera had seen."""

    shown_s: float
    original: Picture
    shown: Picture


@dataclass(frozen=True)
class LineCount:
    """What a line was offered, and did not deliver, until a moment; bytes are at the IP layer."""

    at_s: float
    forward_bytes: int
    back_bytes: int
    packets: int
    lost: int


@dataclass(frozen=True)
class HeldCall:
    """A call; times are monotonic seconds.

    `began_s`: the sides began to meet. `ended_s`: the camera's time was over, whether or not anything still came;
    what was shown later does not count. `broke`: why the call did not last until then. `payload_kbps` is over all of
    it, None where nobody counts.
    """

    began_s: float
    ended_s: float
    seen: Sequence[Seen]
    pairs: Sequence[Pair]
    line: Sequence[LineCount]
    payload_kbps: float | None = None
    broke: str | None = None


@contextmanager
def counted(relay: Relay) -> Iterator[list[LineCount]]:
    """Read the relay's counters now and then; yields what was read."""
    counts: list[LineCount] = []

    def read() -> None:
        forward = relay.forward
        lost = forward.lost + forward.overflowed
        counts.append(
            LineCount(
                asyncio.get_running_loop().time(),
                forward.offered_bytes,
                relay.back.offered_bytes,
                forward.packets,
                lost,
            )
        )

    async def go_on() -> None:
        while True:
            read()
            await asyncio.sleep(READ_EVERY_S)

    reading = asyncio.create_task(go_on())
    try:
        yield counts
    finally:
        reading.cancel()
        read()


def call_figures(call: HeldCall, judge: PictureJudge | None) -> dict[str, Any]:
    """Return a row's `FIGURES` and `why` some are null.

    `first_picture_s` is from the beginning of the meeting. All else but `payload_kbps` is of the steady call: from
    START_S after the first picture to the end of the camera's time, so that a picture that stays when nothing more
    comes is frozen until then.
    """
    if not call.seen:
        return nothing(call.broke or "no picture was shown")
    first_s = call.seen[0].shown_s
    waited = {"first_picture_s": first_s - call.began_s}
    steady = _Steady(call, first_s + START_S, call.ended_s)
    if steady.seconds < LEAST_S:
        row = nothing("the first picture came too late for a steady call")
        del row["why"]["first_picture_s"]
        return row | waited
    figures: dict[str, Any] = {
        **waited,
        **steady.shown(),
        **steady.latencies(),
        "added_latency_ms": None,
        "payload_kbps": call.payload_kbps,
        **steady.wire(),
        "lpips": steady.lpips(judge),
    }
    reasons = {
        "latency_ms_p50": "no fresh picture was shown after the start",
        "latency_ms_p95": "no fresh picture was shown after the start",
        "payload_kbps": "it was not counted",
        "lost_share": "nothing was sent after the start",
        "lpips": "no picture was judged",
    }
    why = {key: reason for key, reason in reasons.items() if figures[key] is None}
    return figures | {"why": why if call.broke is None else why | {"call": call.broke}}


def nothing(why: str) -> dict[str, Any]:
    """Return the row of a call that has no figures."""
    return {**dict.fromkeys(FIGURES), "why": dict.fromkeys(FIGURES, why)}


def lpips(judge: PictureJudge | None, originals: Sequence[Picture], shown: Sequence[Picture]) -> float | None:
    """Return LPIPS of pictures against what the camera saw at their capture, over some that are spread evenly."""
    if judge is None or not originals:
        return None
    chosen = np.linspace(0, len(originals) - 1, min(JUDGED, len(originals))).round().astype(int)
    return float(judge.lpips([originals[i] for i in chosen], [[shown[i] for i in chosen]]).mean())


@dataclass
class _Steady:
    """The part of a call between two moments."""

    call: HeldCall
    from_s: float
    to_s: float
    seen: list[Seen] = field(init=False)

    def __post_init__(self) -> None:
        self.seen = [each for each in self.call.seen if self._holds(each.shown_s)]

    def _holds(self, at_s: float) -> bool:
        return self.from_s <= at_s <= self.to_s

    @property
    def seconds(self) -> float:
        return self.to_s - self.from_s

    def shown(self) -> dict[str, float]:
        """Count pictures, and the gaps between those that are fresh or interpolated, to both ends."""
        good_s = [each.shown_s for each in self.seen if each.kind in ("fresh", "interpolated")]
        gaps_s = [later - earlier for earlier, later in pairwise([self.from_s, *good_s, self.to_s])]
        kinds = [each.kind for each in self.seen]
        rates = {
            f"{kind}_fps": kinds.count(kind) / self.seconds
            for kind in ("fresh", "interpolated", "extrapolated")
        }
        return rates | {
            "longest_gap_ms": 1000 * max(gaps_s),
            "frozen_share": sum(gap for gap in gaps_s if gap > FROZEN_S) / self.seconds,
        }

    def latencies(self) -> dict[str, float | None]:
        """Take the time from capture to screen of fresh pictures."""
        taken_ms = [
            1000 * (each.shown_s - each.captured_s)
            for each in self.seen
            if each.kind == "fresh" and each.captured_s is not None
        ]
        if len(taken_ms) < 2:
            only = taken_ms[0] if taken_ms else None
            return {"latency_ms_p50": only, "latency_ms_p95": only}
        return {
            "latency_ms_p50": statistics.median(taken_ms),
            "latency_ms_p95": statistics.quantiles(taken_ms, n=20, method="inclusive")[-1],
        }

    def wire(self) -> dict[str, float | None]:
        """Take the line's counters between the two moments."""
        packets = self._grown("packets")
        return {
            "wire_kbps_forward": 0.008 * self._grown("forward_bytes") / self.seconds,
            "wire_kbps_back": 0.008 * self._grown("back_bytes") / self.seconds,
            "lost_share": self._grown("lost") / packets if packets > 0 else None,
        }

    def _grown(self, counter: str) -> float:
        times_s = [count.at_s for count in self.call.line]
        values = [getattr(count, counter) for count in self.call.line]
        before, after = np.interp([self.from_s, self.to_s], times_s, values)
        return float(after - before)

    def lpips(self, judge: PictureJudge | None) -> float | None:
        """Judge the pictures that were kept."""
        pairs = [pair for pair in self.call.pairs if self._holds(pair.shown_s)]
        return lpips(judge, [pair.original for pair in pairs], [pair.shown for pair in pairs])
