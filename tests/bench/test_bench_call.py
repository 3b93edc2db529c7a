"""The bench of a two-sided call: lips read from made-up recordings, its figures, the line between two namespaces."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bench.call import LIPS_BAR_MS, bars_of, lip_figures, wire_figures
from bench.call_command import call_tables
from bench.call_line import NamespaceLine
from bench.call_marks import (
    MARK_S,
    THUMB,
    Recorded,
    lip_errors_s,
    make_marked,
    mark_times,
    read_recording,
    tones_s,
    voice,
    with_tones,
)
from bench.call_sides import Side
from bench.errors import BenchError
from call.call import WORDS
from call.encounter import BACK, LOST
from call.film import write_clip
from tests.conftest import FRAME_RATE, portrait_frames
from tests.patience import PATIENCE_S
from transport.impairment import Impairment

SECONDS = 11.0


def made_up(
    late_s: float, *, frame_rate: float = 25.0, tilts: bool = True, noise: float = 2.0
) -> tuple[Recorded, list[float]]:
    """Return a recording in which heads tilt so long after their tones, and when the tones are."""
    draw = np.random.default_rng(1)
    marks = mark_times(SECONDS)
    times_s = np.arange(0, SECONDS, 1 / frame_rate, dtype=np.float32)
    upright, tilted = draw.uniform(0, 255, (2, THUMB, THUMB))
    thumbs = []
    for at_s in times_s:
        is_tilted = tilts and any(mark_s + late_s <= at_s < mark_s + late_s + MARK_S for mark_s in marks)
        thumbs.append((tilted if is_tilted else upright) + draw.normal(0, noise, (THUMB, THUMB)))
    sound = with_tones(voice(SECONDS), seconds=SECONDS, marks=marks) / np.float32(32_768)
    return Recorded(times_s, np.asarray(thumbs, np.float32), sound.astype(np.float32)), marks


@pytest.mark.parametrize("late_s", [-0.2, -0.04, 0.0, 0.04, 0.12, 0.2])
def test_lips_that_come_too_soon_or_too_late_are_found_out(late_s: float) -> None:
    recorded, marks = made_up(late_s, frame_rate=100.0)
    errors_s = lip_errors_s(recorded)
    assert errors_s == pytest.approx([late_s] * len(marks), abs=0.012)


def test_a_voice_has_no_tones_and_each_mark_has_one() -> None:
    recorded, marks = made_up(0.0)
    assert tones_s(recorded.sound) == pytest.approx(marks, abs=0.006)
    assert tones_s((voice(SECONDS) / 32_768).astype(np.float32)) == []
    assert tones_s(np.empty(0, np.float32)) == []


def test_a_tone_beside_which_nobody_moves_says_nothing() -> None:
    assert lip_errors_s(made_up(0.0, tilts=False)[0]) == []


def test_a_marked_clip_has_its_marks_in_step_and_its_sound_as_long_as_its_pictures(tmp_path: Path) -> None:
    clip, film = tmp_path / "clip.mp4", tmp_path / "film.mkv"
    write_clip(clip, portrait_frames(90), frame_rate=FRAME_RATE)
    make_marked(clip, film)
    recorded = read_recording(film)
    assert lip_errors_s(recorded) == pytest.approx([0.0], abs=0.006)
    assert recorded.sound_s == pytest.approx(90 / FRAME_RATE, abs=0.01)
    assert len(recorded.times_s) == 90


def test_a_clip_without_room_for_a_mark_is_refused(face_clip: Path, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"lasts 1\.2 seconds"):
        make_marked(face_clip, tmp_path / "film.mkv")


def test_a_recording_that_breaks_off_is_no_whole_one(tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"not a recording")
    with pytest.raises(BenchError, match="no whole recording"):
        read_recording(broken)


def test_lip_figures_are_the_middle_the_worst_and_the_share_within() -> None:
    figures = lip_figures([0.010, -0.020, 0.012, -0.100])
    assert figures["lip_error_ms"] == pytest.approx(-5.0)
    assert figures["lip_error_ms_worst"] == pytest.approx(-100.0)
    assert (figures["lip_marks_within"], figures["lip_marks"]) == (0.75, 4)
    assert lip_figures([])["lip_error_ms"] is None


def test_wire_rates_are_the_mean_and_the_busiest_five_seconds() -> None:
    sent = [1_000 * second for second in range(21)]
    sent[11:] = [size + 10_000 for size in sent[11:]]
    figures = wire_figures(sent)
    assert figures["wire_kbps_sent"] == pytest.approx(8 * 30 / 20)
    assert figures["wire_kbps_sent_busiest"] == pytest.approx(8 * 15 / 5)
    assert wire_figures([0, 1, 2])["wire_kbps_sent"] is None


def test_seconds_after_the_last_byte_do_not_make_a_call_cheaper() -> None:
    sent = [1_000 * second for second in range(21)]
    assert wire_figures(sent + 10 * sent[-1:]) == wire_figures(sent)


def result(**changed: Any) -> dict[str, Any]:
    """Return a bench's JSON as it is where all is well, but for what is `changed` of the host."""
    side = {
        **{"side": "host", "fps_shown": 24.9, "lip_error_ms": -12.0, "wire_kbps_sent": 40.0},
        **{"recorded_s": 59.0, "recorded_sound_s": 59.0, "back_s": {"cut": 0.4, "move": 2.5}},
        **{"pictures_back_s": 1.0, "fps_received": 24.0, "longest_gap_ms": 11_000.0, "latency_ms": 200.0},
        **{"wire_kbps_sent_busiest": 44.0, "lost_share": 0.02, "lip_error_ms_worst": -30.0},
        **{"lip_marks_within": 1.0, "lip_marks": 12, "sound_concealed": 3, "frames_dropped": 0},
        **{"frames_skipped": 0, "cpu_cores": 1.0},
    }
    sides = [side | changed, {**side, "side": "guest"}]
    line = {"loss": 0.02, "delay_ms": 50.0, "rate_bps": 60_000.0}
    return {
        **{"seconds": 60.0, "thrifty": False, "cut": True, "line": line, "load": 1.0},
        **{"words_same": True, "sides": sides},
    }


@pytest.mark.parametrize(
    ("changed", "missed"),
    [
        ({}, []),
        ({"fps_shown": 19.0}, ["fresh or interpolated pictures a second"]),
        ({"lip_error_ms": -LIPS_BAR_MS - 1}, ["lips after their sound, ms"]),
        ({"wire_kbps_sent": 46.0}, ["sent in all, kbit/s"]),
        ({"recorded_sound_s": 40.0}, ["recorded sound, s"]),
        ({"back_s": {"cut": None, "move": 1.0}}, ["back after the cut, s"]),
        ({"pictures_back_s": 3.5}, ["pictures back after the cut, s"]),
    ],
)
def test_what_is_not_met_is_said(changed: dict[str, Any], missed: list[str]) -> None:
    judged = result(**changed)
    assert [name for name, _, _, met in bars_of(judged, judged["sides"][0]) if not met] == missed
    assert all(met for *_, met in bars_of(judged, judged["sides"][1]))
    table = call_tables(judged)[0]
    assert ("no" in list(table.columns[4].cells)) == bool(missed)


def test_a_thrifty_call_has_a_lower_bar() -> None:
    judged = result(wire_kbps_sent=31.0) | {"thrifty": True}
    missed = [name for name, _, _, met in bars_of(judged, judged["sides"][0]) if not met]
    assert missed == ["sent in all, kbit/s"]


def test_a_side_is_back_when_it_says_so_after_the_line_was() -> None:
    process: Any = SimpleNamespace()
    side = Side(process, said=[(1.0, f"{WORDS}one two"), (5.0, BACK), (9.0, BACK)], figures={})
    side.figures["safety_words"] = "one two"
    assert side.back_s(4.0) == 1.0
    assert side.back_s(6.5) == 2.5
    assert side.back_s(9.5) == 0.0  # it has missed nothing
    side.said.append((9.6, LOST))
    assert side.back_s(9.5) is None
    assert side.words == {"one two"}


async def test_who_may_not_make_a_line_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(BenchError, match="sudo"), NamespaceLine(Impairment()):
        pass
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(BenchError, match="apt-get install iproute2"), NamespaceLine(Impairment()):
        pass


ECHO = """
import socket
end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
end.bind(("0.0.0.0", 9))
print("ready", flush=True)
while True:
    data, sender = end.recvfrom(100)
    end.sendto(data, sender)
"""
ASK = """
import socket, sys, time
end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
end.settimeout(float(sys.argv[2]))
began_s = time.monotonic()
end.sendto(bytes(72), (sys.argv[1], 9))
try:
    print(end.recvfrom(100)[1][0], time.monotonic() - began_s)
except TimeoutError:
    print("nothing")
"""


def exists(namespace: str) -> bool:
    return Path("/run/netns", namespace).exists()


@pytest.fixture
async def between() -> AsyncIterator[NamespaceLine]:
    """A line of 50 ms each way that loses nothing; skips where there can be none."""
    line = NamespaceLine(Impairment(delay_s=0.05))
    try:
        line.__enter__()
    except BenchError as error:
        pytest.skip(str(error))
    yield line
    line.close()


async def test_what_passes_between_two_namespaces_is_delayed_cut_and_counted(between: NamespaceLine) -> None:
    async def run(side: int, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *between.within(side), sys.executable, "-c", *arguments, stdout=asyncio.subprocess.PIPE
        )

    async def ask(wait_s: float) -> list[str]:
        process = await run(0, ASK, between.address(1), str(wait_s))
        return (await process.communicate())[0].decode().split()

    echo = await run(1, ECHO)
    try:
        assert echo.stdout is not None
        await echo.stdout.readline()
        host, took_s = await ask(PATIENCE_S)
        assert host == between.address(1)
        assert float(took_s) >= 0.1
        assert between.sent(0).offered_bytes == between.sent(1).offered_bytes == 100  # with IP and UDP
        between.cut(True)
        assert await ask(0.5) == ["nothing"]
        between.cut(False)
        before = between.address(1)
        moved = between.move(1)
        assert moved != before
        assert (await ask(PATIENCE_S))[0] == moved
    finally:
        echo.kill()
        await echo.wait()
    names = [end.namespace for end in between._ends]
    between.close()
    assert not any(exists(name) for name in names)
