"""The peer bench: one side of a call in a process of its own, the other side's recorded motions replayed to it over
real sockets, so that a machine holds one laptop's work (MEASURES.md, 'Speed'). It knows what both sides noted; how a
side holds its call, it does not know.

Times of the two processes are compared: `time.monotonic` is one clock for all processes of a machine.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.clips import read_video
from bench.errors import BenchError
from bench.peer_recorded import record_clip, without_networks
from bench.peer_side import CONNECT_S, Role, Side
from call.ends import Ends, load_ends
from call.options import Engine
from codec.time import TICK_CYCLE
from transport.description import Description

# Left out of the means: graphs are compiled, pictures sent and clocks agreed upon. Memory settles for longer.
WARM_UP_S = 5.0
SETTLED_SHARE, SETTLED_MOST_S = 0.2, 120.0
# Memory at the beginning and at the end are medians over so much of the call.
WINDOW_SHARE, WINDOW_MOST_S = 0.1, 60.0
CURVE_S = 10.0  # a point of the latency's curve is the median of so long
LINE_BYTES = 1 << 22
START_S = 120.0
# What the house asks of a laptop's two cores.
FRESH_BAR, CORES_BAR, CORES_RECEIVING_BAR, GROWTH_BAR_MB = 25.0, 1.5, 0.8, 20.0


@dataclass
class Told:
    """What the measured side has told, a line a second."""

    lines: list[dict[str, Any]] = field(default_factory=list)
    captured: list[tuple[int, float]] = field(default_factory=list)
    shown: list[tuple[int, float]] = field(default_factory=list)

    def take(self, line: dict[str, Any]) -> None:
        """Take a line."""
        self.captured += line.pop("captured")
        self.shown += line.pop("shown")
        self.lines.append(line)


def run_peer(
    clip: Path,
    other: Path,
    *,
    profile: str,
    engine: str,
    minutes: float,
    receive_only: bool,
    on_second: Callable[[str], None],
) -> dict[str, Any]:
    """Return the bench's JSON: fresh frames a second each way, processor cores, latencies, memory.

    `clip` is what the measured side films, `other` what was recorded of the other one. Raises BenchError where a side
    cannot begin or breaks off.
    """
    rates = {"clip_fps": _rate_of(clip), "other_fps": _rate_of(other)}
    ends = load_ends(Engine(profile=profile, engine=engine))
    quiet = without_networks(ends, record_clip(ends, other))
    told, notes, began_s, cores = asyncio.run(
        _hold(
            quiet,
            clip,
            other,
            command=[profile, engine],
            role="receives" if receive_only else "both",
            seconds=60 * minutes,
            on_second=on_second,
        )
    )
    figures = figures_of(told, notes, began_s=began_s, receive_only=receive_only)
    return {
        "profile": ends.profile.name,
        "engine": engine,
        "clip": clip.name,
        "other": other.name,
        **rates,
        "receive_only": receive_only,
        "cores": os.cpu_count(),
        "other_cpu_cores": cores,
        **figures,
    }


def _rate_of(clip: Path) -> float:
    """Return the pictures a second that a clip has; raises BenchError where it cannot be read."""
    return read_video(clip, longest_s=0.0)[1]


async def _hold(
    ends: Ends,
    clip: Path,
    other: Path,
    *,
    command: list[str],
    role: Role,
    seconds: float,
    on_second: Callable[[str], None],
) -> tuple[Told, dict[str, Any], float, float]:
    """Hold the call; return what was told, the other side's notes, when it began, and the other side's cores."""
    mine: Role = "sends" if role == "receives" else "both"
    side = Side(ends, other, role=mine, seconds=seconds + CONNECT_S, mirror=False)
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-P", "-m", "bench.peer_side", str(clip), *command, role, str(seconds + CONNECT_S)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=LINE_BYTES,
        env={**os.environ, "PYTHONPATH": _import_path()},
    )
    told = Told()
    try:
        await side.prepare()
        offer = await _line(child, START_S)
        answer = await side.peer.accept(Description(**offer["offer"]))
        await _tell(child, {"answer": asdict(answer)})
        await side.peer.connected(CONNECT_S)
        running = asyncio.create_task(side.run())
        began_s, cpu_s = time.monotonic(), time.process_time()
        while time.monotonic() - began_s < seconds and not running.done():
            told.take(await _line(child, CONNECT_S))
            on_second(f"{time.monotonic() - began_s:.0f} s")
        cores = (time.process_time() - cpu_s) / (time.monotonic() - began_s)
        await _tell(child, {"stop": True})
        while not (line := await _line(child, CONNECT_S)).pop("ended", False):
            told.take(line)
        told.take(line)
        side.stop()
        await asyncio.wait({running}, timeout=CONNECT_S)
        if running.done() and (error := running.exception()) is not None:
            raise error
        return told, side.notes.take(), began_s, cores
    finally:
        await side.close()
        if child.returncode is None:
            child.terminate()
            await child.wait()


async def _line(child: asyncio.subprocess.Process, limit_s: float) -> dict[str, Any]:
    assert child.stdout is not None
    try:
        async with asyncio.timeout(limit_s):
            text = await child.stdout.readline()
    except TimeoutError:
        raise BenchError(f"The measured side has said nothing for {limit_s:g} seconds.") from None
    if not text:
        raise BenchError("The measured side's process ended in mid-call.")
    line: dict[str, Any] = json.loads(text)
    if "why" in line:
        raise BenchError(f"The measured side failed: {line['why'].rstrip('.')}.")
    return line


async def _tell(child: asyncio.subprocess.Process, message: dict[str, Any]) -> None:
    assert child.stdin is not None
    child.stdin.write(json.dumps(message).encode() + b"\n")
    await child.stdin.drain()


def figures_of(told: Told, notes: dict[str, Any], *, began_s: float, receive_only: bool) -> dict[str, Any]:
    """Return the figures of a call that began at `began_s`, without its first seconds."""
    lines = [line for line in told.lines if line["at_s"] >= began_s + WARM_UP_S]
    if len(lines) < 2:
        raise BenchError(f"A call of more than {WARM_UP_S + 2:g} seconds is wanted.")
    first, last = lines[0], lines[-1]
    seconds = last["at_s"] - first["at_s"]

    def a_second(shown: list[tuple[int, float]]) -> float:
        return sum(first["at_s"] <= at_s < last["at_s"] for _, at_s in shown) / seconds

    counted = {
        kind: (last["kinds"].get(kind, 0) - first["kinds"].get(kind, 0)) / seconds
        for kind in ("interpolated", "extrapolated")
    }
    received, sent = latencies(notes["captured"], told.shown), latencies(told.captured, notes["shown"])
    memory = [(line["at_s"] - began_s, line["rss_mb"]) for line in told.lines if line["rss_mb"] is not None]
    figures: dict[str, Any] = {
        "seconds": seconds,
        "fresh_fps_received": a_second(told.shown),
        "interpolated_fps_received": counted["interpolated"],
        "extrapolated_fps_received": counted["extrapolated"],
        "fresh_fps_sent": None if receive_only else a_second(notes["shown"]),
        "cpu_cores": (last["cpu_s"] - first["cpu_s"]) / seconds,
        "wire_kbps_sent": 8 * (last["sent_bytes"] - first["sent_bytes"]) / seconds / 1000,
        "wire_kbps_received": 8 * (last["received_bytes"] - first["received_bytes"]) / seconds / 1000,
        **_percentiles("latency_ms_received", [ms for at_s, ms in received if at_s >= first["at_s"]]),
        **_percentiles("latency_ms_sent", [ms for at_s, ms in sent if at_s >= first["at_s"]]),
        "latency": latency_curve(received, began_s=began_s),
        **memory_figures(memory),
        "memory": [[round(at_s, 1), mb] for at_s, mb in memory],
    }
    why = dict.fromkeys(("fresh_fps_sent", "latency_ms_sent_p50", "latency_ms_sent_p95"), "it only receives")
    why |= dict.fromkeys(
        ("memory_start_mb", "memory_end_mb", "memory_growth_mb"), "the system does not say it"
    )
    return figures | {"why": {key: reason for key, reason in why.items() if figures[key] is None}}


def latencies(captured: list[tuple[int, float]], shown: list[tuple[int, float]]) -> list[tuple[float, float]]:
    """Return when each fresh frame was shown and, in milliseconds, how long it took from its capture on one side to the
    other's screen. Times on the wire come round again after 68 s, so a frame is the newest of its number that was
    captured before it."""
    by_ticks: dict[int, list[float]] = {}
    for ticks, captured_s in captured:
        by_ticks.setdefault(ticks % TICK_CYCLE, []).append(captured_s)
    found = []
    for ticks, shown_s in shown:
        earlier = [at_s for at_s in by_ticks.get(ticks % TICK_CYCLE, []) if at_s <= shown_s]
        if earlier:
            found.append((shown_s, 1000 * (shown_s - earlier[-1])))
    return found


def latency_curve(latencies: list[tuple[float, float]], *, began_s: float) -> list[list[float]]:
    """Return the medians of (when, milliseconds) over CURVE_S each, as [seconds since the beginning, milliseconds]."""
    parts: dict[int, list[float]] = {}
    for at_s, latency_ms in latencies:
        parts.setdefault(int((at_s - began_s) // CURVE_S), []).append(latency_ms)
    return [[(part + 0.5) * CURVE_S, float(np.median(values))] for part, values in sorted(parts.items())]


def memory_figures(memory: list[tuple[float, float]]) -> dict[str, float | None]:
    """Return `memory_start_mb`, `memory_end_mb` and `memory_growth_mb` of a curve of (seconds, MB), from when it has
    settled: a fifth of the call, two minutes at most."""
    if not memory:
        return dict.fromkeys(("memory_start_mb", "memory_end_mb", "memory_growth_mb"))
    length_s = memory[-1][0]
    settled_s = min(SETTLED_SHARE * length_s, SETTLED_MOST_S)
    window_s = min(WINDOW_SHARE * length_s, WINDOW_MOST_S)
    start = [mb for at_s, mb in memory if settled_s <= at_s <= settled_s + window_s] or [memory[0][1]]
    end = [mb for at_s, mb in memory if at_s >= length_s - window_s]
    start_mb, end_mb = float(np.median(start)), float(np.median(end))
    return {"memory_start_mb": start_mb, "memory_end_mb": end_mb, "memory_growth_mb": end_mb - start_mb}


def bars_of(result: dict[str, Any]) -> list[tuple[str, str, float, str]]:
    """Return what is asked of a side: its name, the figure's key, the bar, and on which side of it the figure is to
    be. Of a clip with fewer frames a second than the bar all of them are asked for."""
    if result["receive_only"]:
        bars = [("cores, receiving alone", "cpu_cores", CORES_RECEIVING_BAR, "under")]
    else:
        bars = [
            ("fresh frames a second, sent", "fresh_fps_sent", min(FRESH_BAR, result["clip_fps"]), "from"),
            ("cores", "cpu_cores", CORES_BAR, "under"),
        ]
    return [
        (
            "fresh frames a second, received",
            "fresh_fps_received",
            min(FRESH_BAR, result["other_fps"]),
            "from",
        ),
        *bars,
        ("memory's growth, MB", "memory_growth_mb", GROWTH_BAR_MB, "under"),
    ]


def _percentiles(key: str, values: list[float]) -> dict[str, float | None]:
    return {
        f"{key}_p{percent}": float(np.percentile(values, percent)) if values else None for percent in (50, 95)
    }


def _import_path() -> str:
    """Let the measured side's process find what this one was started with, whatever folder it is in."""
    return os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
