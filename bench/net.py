"""The network bench: a call over one bad line after the other, ours beside H.264 over RTP (MEASURES.md, 'Network').

Both play the same clip in real time through the same relay with the same seed. It makes the rows; the relay is
transport's, the calls are `bench.net_ours`' and `bench.net_video`'s, what is counted of them `bench.net_figures`'.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from bench.clips import Clip, Footage, Picture, read_footage
from bench.errors import BenchError
from bench.judge import PictureJudge
from bench.net_figures import HeldCall, call_figures, lpips, nothing
from bench.net_ours import hold_ours
from bench.net_video import hold_video
from call.ends import Ends, load_ends
from call.options import Engine
from transport.impairment import Impairment
from transport.relay import Relay

# Each direction alike. A name has no comma, as the command line's list of them has.
CONDITIONS: dict[str, Impairment] = {
    "clean": Impairment(),
    **{f"loss {percent}%": Impairment(loss=percent / 100) for percent in (1, 5, 10, 20, 30)},
    "loss 10% in bursts of 5": Impairment(loss=0.1, burst=5),
    "delay 20 ms": Impairment(delay_s=0.02),
    "delay 100 ms and jitter 30 ms": Impairment(delay_s=0.1, jitter_s=0.03),
    "delay 400 ms": Impairment(delay_s=0.4),
    # At 25 packets a second, every fifth overtakes the one before it.
    "reordered by jitter 120 ms": Impairment(delay_s=0.02, jitter_s=0.12),
    "duplicates 20%": Impairment(delay_s=0.02, jitter_s=0.02, duplicate=0.2),
    **{f"{kbps} kbit/s": Impairment(rate_bps=1000 * kbps, delay_s=0.02) for kbps in (20, 50, 100, 300)},
}
SYSTEMS = ("visavis", "h264")


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

    `bench.net_figures` says what is counted and from when on. Rates are fresh, interpolated and extrapolated pictures
    a second; `frozen_share` is the share of time within gaps of more than 0.2 s; `added_latency_ms` is over the same
    system's clean line; wire rates are IP-level bytes offered to the line. A row of a call that did not come about has
    its `why`. The last row is the frozen first picture, of which there is LPIPS alone.

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
            held = asyncio.run(_hold(system, ends, clip, footage, CONDITIONS[name], seconds))
            figures = nothing(held) if isinstance(held, str) else call_figures(held, judge)
            rows.append({"line": name, "system": system, **figures})
    _add_latency(rows)
    rows.append({"line": "any", "system": "frozen", **_frozen(footage.pictures, judge)})
    return {"clip": clip.name, "profile": profile, "engine": engine, "seconds": seconds, "rows": rows}


async def _hold(
    system: str, ends: Ends, clip: Clip, footage: Footage, line: Impairment, seconds: float
) -> HeldCall | str:
    """Hold one system's call; where it did not come about, say why."""
    relay = Relay(line, line)
    try:
        if system == "visavis":
            return await hold_ours(ends, clip, seconds=seconds, relay=relay)
        return await hold_video(footage.pictures, frame_rate=footage.rate, seconds=seconds, relay=relay)
    except BenchError as error:
        return str(error)
    finally:
        relay.close()


def _frozen(pictures: Sequence[Picture], judge: PictureJudge | None) -> dict[str, Any]:
    """Return the row of the first picture, repeated."""
    row = nothing("nothing is sent")
    del row["why"]["lpips"]
    return row | {"lpips": lpips(judge, pictures, [pictures[0]] * len(pictures))}


def _add_latency(rows: list[dict[str, Any]]) -> None:
    clean = {row["system"]: row["latency_ms_p50"] for row in rows if row["line"] == "clean"}
    for row in rows:
        own, least = row["latency_ms_p50"], clean.get(row["system"])
        row["added_latency_ms"] = None if own is None or least is None else own - least
        if own is not None and least is None:
            row["why"]["added_latency_ms"] = "the clean line was not measured"
