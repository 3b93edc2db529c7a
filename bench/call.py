"""The call bench: what comes of a two-sided call over a bad line, from both sides' own figures, the line's counts and
the two recordings (MEASURES.md, 'Network'). How the call is held is `bench.call_sides`'.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.call_marks import lip_errors_s, make_marked, read_recording
from bench.call_sides import CUT_S, SIDES, Held, hold
from bench.errors import BenchError
from transport.impairment import Impairment

BUSIEST_S = 5
# What is asked of each side: pictures a second, ms between lips and voice, kbit/s in all, s to find back.
SHOWN_BAR, LIPS_BAR_MS, BACK_BAR_S = 20.0, 45.0, 3.0
WIRE_BAR_KBPS, THRIFTY_BAR_KBPS = 45.0, 30.0
WHOLE_BAR = 0.97  # of the call's length: the first picture has to cross the line


def run_call(
    clips: Sequence[Path],
    *,
    seconds: float,
    line: Impairment,
    thrifty: bool,
    cut: bool,
    profile: str,
    engine: str,
    output: Path | None,
    on_step: Callable[[str], None],
) -> dict[str, Any]:
    """Hold a call in which the host films the first clip and the guest the second; return the bench's JSON.

    cut: the line is cut for ten seconds, and later the guest's address changes. output: a folder for what is filmed and
    for the recordings. Raises BenchError where a side fails, and where there can be no such line.
    """
    with tempfile.TemporaryDirectory(prefix="visavis-call-") as scratch:
        folder = output or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        films = [folder / f"filmed-by-{name}.mkv" for name in SIDES]
        recordings = [folder / f"seen-by-{name}.mp4" for name in SIDES]
        for clip, film in zip(clips, films, strict=True):
            on_step(f"marking {clip.name}")
            make_marked(clip, film)
        for recording in recordings:
            recording.unlink(missing_ok=True)
        options = ("--crop", "full", "--profile", profile, "--engine", engine)
        held = asyncio.run(
            hold(
                films,
                recordings,
                options=(*options, "--thrifty") if thrifty else options,
                seconds=seconds,
                line=line,
                cut=cut,
                on_step=on_step,
            )
        )
        sides = []
        for number, (name, recording) in enumerate(zip(SIDES, recordings, strict=True)):
            on_step(f"reading {recording.name}")
            sides.append({"side": name, **_seen(recording), **_figures(held, number)})
    return {
        "clips": [clip.name for clip in clips],
        "profile": profile,
        "engine": engine,
        "seconds": seconds,
        "thrifty": thrifty,
        "cut": cut,
        "line": {"loss": line.loss, "delay_ms": 1000 * line.delay_s, "rate_bps": line.rate_bps},
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "words_same": len(held.sides[0].words | held.sides[1].words) == 1,
        "sides": sides,
    }


def _seen(recording: Path) -> dict[str, Any]:
    """Return what is in the recording of the other side."""
    try:
        recorded = read_recording(recording)
    except BenchError as error:
        figures = dict.fromkeys(("recorded_s", "recorded_sound_s", *lip_figures([])))
        return {**figures, "why": dict.fromkeys(figures, str(error))}
    figures = {"recorded_s": recorded.picture_s, "recorded_sound_s": recorded.sound_s}
    return figures | lip_figures(lip_errors_s(recorded)) | {"why": {}}


def lip_figures(errors_s: Sequence[float]) -> dict[str, Any]:
    """Return `lip_error_ms`, the median (above 0: pictures come after their sound), `lip_error_ms_worst`, the farthest
    from 0, `lip_marks_within`, the share within 45 ms, and `lip_marks`, of how many."""
    errors_ms = [1000 * error_s for error_s in errors_s]
    if not errors_ms:
        return {"lip_error_ms": None, "lip_error_ms_worst": None, "lip_marks_within": None, "lip_marks": 0}
    within = [error_ms for error_ms in errors_ms if abs(error_ms) <= LIPS_BAR_MS]
    return {
        "lip_error_ms": statistics.median(errors_ms),
        "lip_error_ms_worst": max(errors_ms, key=abs),
        "lip_marks_within": len(within) / len(errors_ms),
        "lip_marks": len(errors_ms),
    }


def wire_figures(sent_bytes: Sequence[int]) -> dict[str, float | None]:
    """Return `wire_kbps_sent` and its most over five seconds, from the bytes that were sent until each second: all that
    there were, sound and meeting included. What a side does after its last byte, as its recording's end, is no time of
    the call."""
    sent_bytes = [size for size in sent_bytes if size < sent_bytes[-1]] + list(sent_bytes[-1:])
    if len(sent_bytes) <= BUSIEST_S:
        return {"wire_kbps_sent": None, "wire_kbps_sent_busiest": None}
    moved = [later - earlier for earlier, later in zip(sent_bytes, sent_bytes[BUSIEST_S:], strict=False)]
    return {
        "wire_kbps_sent": 0.008 * sent_bytes[-1] / (len(sent_bytes) - 1),
        "wire_kbps_sent_busiest": 0.008 * max(moved) / BUSIEST_S,
    }


def _figures(held: Held, number: int) -> dict[str, Any]:
    """Return what a side says of itself, and what the line says of it."""
    side = held.sides[number]
    own = side.figures
    kept = ("fps_shown", "fps_received", "fps_sent", "longest_gap_ms", "latency_ms", "playout_delay_ms")
    counts = ("frames_dropped", "frames_skipped", "outages", "reconnects", "cpu_cores", "mode", "seconds")
    gap_ms = own["longest_gap_ms"]
    return {
        **{key: own[key] for key in (*kept, *counts)},
        **wire_figures(held.sent_bytes[number]),
        "lost_share": held.lost_share[number],
        "sound_concealed": own["sound"]["concealed"],
        "sound_repeated": own["sound"]["repeated"],
        "back_s": {event: side.back_s(whole_s) for event, whole_s in held.whole_s.items()},
        # Told is soon; seen is what counts.
        "pictures_back_s": gap_ms / 1000 - CUT_S if held.whole_s and gap_ms is not None else None,
    }


def bars_of(result: dict[str, Any], side: dict[str, Any]) -> list[tuple[str, float | None, str, bool]]:
    """Return what is asked of a side: the figure's name, its value, what it is to be, and whether it is."""
    wire_bar = THRIFTY_BAR_KBPS if result["thrifty"] else WIRE_BAR_KBPS
    least_s = WHOLE_BAR * result["seconds"] - 2.0
    bars: list[tuple[str, float | None, float, bool]] = [
        ("fresh or interpolated pictures a second", side["fps_shown"], SHOWN_BAR, True),
        ("lips after their sound, ms", side["lip_error_ms"], LIPS_BAR_MS, False),
        ("sent in all, kbit/s", side["wire_kbps_sent"], wire_bar, False),
        ("recorded pictures, s", side["recorded_s"], least_s, True),
        ("recorded sound, s", side["recorded_sound_s"], least_s, True),
    ]
    for event, back_s in side["back_s"].items():
        bars.append((f"back after the {event}, s", back_s, BACK_BAR_S, False))
    if result["cut"]:
        bars.append(("pictures back after the cut, s", side["pictures_back_s"], BACK_BAR_S, False))
    return [
        (name, value, f"{'from' if least else 'to'} {bar:.4g}", _meets(value, bar, least=least))
        for name, value, bar, least in bars
    ]


def _meets(value: float | None, bar: float, *, least: bool) -> bool:
    return value is not None and (value >= bar if least else abs(value) <= bar)
