"""The network bench: a call over one bad line after the other, ours beside H.264 over RTP (MEASURES.md, 'Network').

Both play the same clip in real time through the same relay with the same seed. It makes the rows; the relay is
transport's, the calls are `call.loopback`'s and `bench.net_video`'s.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from bench.clips import Clip, Picture, read_footage
from bench.errors import BenchError
from bench.judge import PictureJudge
from bench.net_video import VideoCall, hold_video
from bench.quality import SOURCE_SPREAD_S
from call import line as lines
from call.ends import Ends, load_ends
from call.loopback import hold
from call.loopback_figures import Held
from call.options import Engine, Input, Line, Loopback
from call.pairs import Pairs
from receiver.stats import FROZEN_S
from transport.relay import Relay

CONDITIONS: dict[str, Line] = {
    "clean": Line(),
    **{f"loss {percent}%": Line(loss=percent / 100) for percent in (1, 5, 10, 20, 30)},
    "loss 10% in bursts of 5": Line(loss=0.1, burst=5),
    "delay 20 ms": Line(delay_s=0.02),
    "delay 100 ms, jitter 30 ms": Line(delay_s=0.1, jitter_s=0.03),
    "delay 400 ms": Line(delay_s=0.4),
    **{f"{kbps} kbit/s": Line(rate_bps=1000 * kbps, delay_s=0.02) for kbps in (20, 50, 100, 300)},
}
SYSTEMS = ("visavis", "h264")
# Pictures of a call that are judged, spread evenly.
JUDGED = 16


def run_net(
    clip: Clip,
    *,
    profile: str,
    engine: str,
    conditions: Sequence[str],
    seconds: float,
    judge: PictureJudge | None,
    on_row: Callable[[str], None],
) -> dict[str, Any]:
    """Return `rows`, one for each condition and system: what was shown, how late, what it cost, how good it was.

    Rates are fresh, interpolated and extrapolated pictures a second; `frozen_share` is the share of time within gaps of
    more than 0.2 s; `added_latency_ms` is over the same system's clean line; wire rates are IP-level bytes offered to
    the line, the meeting left out of no side. A row of a call that did not come about has its `why`. The last row is
    the frozen first picture, of which there is LPIPS alone.

    Raises BenchError for a condition that is not known.
    """
    unknown = [name for name in conditions if name not in CONDITIONS]
    if unknown:
        raise BenchError(f"{unknown[0]!r} is not a line of this bench: {', '.join(CONDITIONS)}.")
    ends = load_ends(Engine(profile=profile, engine=engine))
    footage = read_footage(clip, size=ends.profile.picture_size)
    rows = []
    for name in conditions:
        for system in SYSTEMS:
            on_row(f"{system}, {name}")
            if system == "visavis":
                figures = asyncio.run(_visavis(ends, clip, CONDITIONS[name], seconds, judge))
            else:
                figures = asyncio.run(_h264(footage.pictures, footage.rate, CONDITIONS[name], seconds, judge))
            rows.append({"line": name, "system": system, **figures})
    _add_latency(rows)
    rows.append({"line": "any", "system": "frozen", **_frozen(footage.pictures, judge)})
    return {"clip": clip.name, "profile": profile, "engine": engine, "seconds": seconds, "rows": rows}


async def _visavis(
    ends: Ends, clip: Clip, line: Line, seconds: float, judge: PictureJudge | None
) -> dict[str, Any]:
    wanted = Loopback(
        input=Input(spec=str(clip.path), crop="full", source="first", repeat_s=seconds),
        engine=Engine(profile=ends.profile.name, engine=ends.talker.graphs.engine),
        quality=False,
        line=line,
    )
    pairs = Pairs() if judge is not None else None
    try:
        held = await hold(wanted, ends, pairs)
    except Exception as error:  # a line may be too bad for a call; that is a row, too
        return _nothing(str(error))
    return _our_figures(held, pairs, judge)


def _our_figures(held: Held, pairs: Pairs | None, judge: PictureJudge | None) -> dict[str, Any]:
    received, relay = held.received, held.relay
    assert relay is not None
    shown_s = received.shown_s
    if shown_s <= 0:
        return _nothing("no two pictures were shown")
    originals, redrawn = pairs.matched() if pairs is not None else ([], [])
    return {
        "fresh_fps": received.frames_fresh / shown_s,
        "interpolated_fps": received.frames_interpolated / shown_s,
        "extrapolated_fps": received.frames_extrapolated / shown_s,
        "longest_gap_ms": received.longest_gap_ms,
        "frozen_share": received.frozen_s / shown_s,
        "latency_ms_p50": held.watch.latency_ms("median"),
        "latency_ms_p95": held.watch.latency_ms("p95"),
        "payload_kbps": 0.008
        * (
            held.sent.payload_bytes / max(held.watch.seconds, 1e-9) + held.sent.source_bytes / SOURCE_SPREAD_S
        ),
        **_wire(relay, held.seconds),
        "lpips": _lpips(judge, originals, redrawn),
        "why": {},
    }


async def _h264(
    pictures: Sequence[Picture], frame_rate: float, line: Line, seconds: float, judge: PictureJudge | None
) -> dict[str, Any]:
    relay = lines.make_relay(line)
    try:
        held = await hold_video(pictures, frame_rate=frame_rate, seconds=seconds, relay=relay)
    except BenchError as error:
        return _nothing(str(error))
    finally:
        relay.close()
    return _video_figures(held, relay, judge)


def _video_figures(held: VideoCall, relay: Relay, judge: PictureJudge | None) -> dict[str, Any]:
    if len(held.shown_s) < 2:
        return _nothing("no two pictures were shown")
    gaps_s = [later - earlier for earlier, later in pairwise(held.shown_s)]
    shown_s = held.shown_s[-1] - held.shown_s[0]
    latencies_ms = [1000 * latency for latency in held.latency_s]
    return {
        "fresh_fps": (len(held.shown_s) - 1) / shown_s,
        "interpolated_fps": 0.0,
        "extrapolated_fps": 0.0,
        "longest_gap_ms": 1000 * max(gaps_s),
        "frozen_share": sum(gap for gap in gaps_s if gap > FROZEN_S) / shown_s,
        "latency_ms_p50": statistics.median(latencies_ms),
        "latency_ms_p95": statistics.quantiles(latencies_ms, n=20, method="inclusive")[-1],
        "payload_kbps": None,
        **_wire(relay, held.seconds),
        "lpips": _lpips(judge, held.originals, held.pictures),
        "why": {"payload_kbps": "aiortc does not count it"},
    }


def _frozen(pictures: Sequence[Picture], judge: PictureJudge | None) -> dict[str, Any]:
    """Return the row of the first picture, repeated."""
    row = _nothing("nothing is sent")
    del row["why"]["lpips"]
    return row | {"lpips": _lpips(judge, pictures, [pictures[0]] * len(pictures))}


def _wire(relay: Relay, seconds: float) -> dict[str, float]:
    return {
        "wire_kbps_forward": 0.008 * relay.forward.offered_bytes / seconds,
        "wire_kbps_back": 0.008 * relay.back.offered_bytes / seconds,
        "lost_share": relay.forward.lost_share,
    }


def _lpips(
    judge: PictureJudge | None, originals: Sequence[Picture], shown: Sequence[Picture]
) -> float | None:
    """Return LPIPS of pictures against what the camera saw at their capture, over some that are spread evenly."""
    if judge is None or not originals:
        return None
    chosen = np.linspace(0, len(originals) - 1, min(JUDGED, len(originals))).round().astype(int)
    return float(judge.lpips([originals[i] for i in chosen], [[shown[i] for i in chosen]]).mean())


FIGURES = (
    *("fresh_fps", "interpolated_fps", "extrapolated_fps", "longest_gap_ms", "frozen_share"),
    *("latency_ms_p50", "latency_ms_p95", "added_latency_ms", "payload_kbps"),
    *("wire_kbps_forward", "wire_kbps_back", "lost_share", "lpips"),
)


def _nothing(why: str) -> dict[str, Any]:
    return {**dict.fromkeys(FIGURES), "why": dict.fromkeys(FIGURES, why)}


def _add_latency(rows: list[dict[str, Any]]) -> None:
    clean = {row["system"]: row["latency_ms_p50"] for row in rows if row["line"] == "clean"}
    for row in rows:
        own, least = row["latency_ms_p50"], clean.get(row["system"])
        row["added_latency_ms"] = None if own is None or least is None else own - least
        if own is not None and least is None:
            row["why"]["added_latency_ms"] = "the clean line was not measured"
