"""`visavis call` as two persons start it: in two processes, over real sockets, without pages."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import wave
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import typer
from typer.testing import CliRunner

from call import commands
from call.cli import app
from call.errors import CallError
from call.film import read_film
from tests.call.program import Start, Visavis, sentence_of

ALONE = ["--headless", "--yes", "--crop", "full", "--source", "first"]
KEYS = {
    "frames_sent", "frames_fresh", "frames_interpolated", "fps_sent", "fps_received", "fps_shown", "longest_gap_ms",
    "latency_ms", "payload_kbps_sent", "wire_kbps_sent", "wire_kbps_received", "reconnects", "safety_words", "sound",
    "seconds", "ended",
}  # fmt: skip


def told(host: subprocess.Popen[str]) -> list[str]:
    """Read what a side that listens tells its user to type on the other one."""
    assert host.stderr is not None
    read = ""
    for line in host.stderr:
        read += line
        if found := re.search(r"visavis call (\S+) (\S+)$", line.rstrip()):
            return [found[1], found[2]]
    raise AssertionError(f"no invitation was printed, but: {read}")


def test_two_processes_hold_a_call_that_nobody_else_gets_into_and_each_counts_both_directions(
    start: Start, visavis: Visavis, profile_folder: Path, face_clip: Path, tmp_path: Path
) -> None:
    film, sound = tmp_path / "seen.mp4", tmp_path / "beep.wav"
    with wave.open(str(sound), "wb") as beep:
        beep.setparams((1, 2, 48_000, 0, "NONE", ""))
        beep.writeframes(bytes(96_000))
    common = [*ALONE, "--video", str(face_clip), "--json"]
    host = start("call", "--listen", "127.0.0.1:0", *common, "--repeat", "100", "--output", str(film))
    address, code = told(host)
    assert "wrong" in sentence_of(visavis("call", address, "WRONG2", *common))
    guest = visavis("call", address, code, *common, "--audio", str(sound), "--seconds", "3")
    assert guest.returncode == 0, guest.stderr
    out, errors = host.communicate(timeout=30)
    assert host.returncode == 0, errors
    ours, theirs = json.loads(guest.stdout), json.loads(out)
    for figures in (ours, theirs):
        assert figures.keys() >= KEYS
        assert figures["frames_fresh"] > 3
        assert figures["why"].keys() == {name for name, value in figures.items() if value is None}
        assert figures["reconnects"] == 0
    assert ours["safety_words"] == theirs["safety_words"]
    assert len(ours["safety_words"].split()) == 4
    assert theirs["frames_fresh"] <= ours["frames_sent"]
    assert ours["wire_kbps_sent"] > ours["payload_kbps_sent"] > 0
    assert ours["ended"] == "You have ended the call."
    assert theirs["ended"] == "The other side has ended the call."
    assert theirs["output"] == str(film)
    assert len(list(read_film(film))) >= theirs["frames_fresh"]


async def test_without_a_camera_the_page_comes_all_the_same_and_says_so(
    start: Start, profile_folder: Path
) -> None:
    host = start("call", "--listen", "127.0.0.1:0", "--no-browser", "--yes", "--video", "camera:77")
    assert host.stderr is not None
    read = ""
    while (found := re.search(r"(http://\S+)/\?token=(\S+)\n", read)) is None:
        line = host.stderr.readline()
        assert line, read
        read += line
    address, token = found.groups()
    assert "There is no camera /dev/video77" in read
    state: dict[str, Any] = {}
    told_before: list[str] = []
    async with aiohttp.ClientSession() as session, asyncio.timeout(30):
        page = await session.ws_connect(f"{address}/socket?token={token}", headers={"Origin": address})
        async for message in page:
            if message.type is not aiohttp.WSMsgType.TEXT:
                continue
            state |= json.loads(message.data)
            if state["phase"] == "waiting" and not told_before:
                assert not state["camera_on"]
                assert "with the camera off" in state["notices"][-1]
                told_before = state["notices"]
                await page.send_json({"wish": "camera", "on": True})
            elif told_before and state["notices"] != told_before and not state["camera_on"]:
                break
        assert state["notices"][-1].startswith("There is no camera /dev/video77.")
        await page.close()


def test_a_guest_that_is_killed_gets_back_in_by_the_same_command_and_ctrl_c_ends_the_call_on_both_sides_with_figures(
    start: Start, profile_folder: Path, face_clip: Path
) -> None:
    common = [*ALONE, "--video", str(face_clip), "--repeat", "100", "--json"]
    host = start("call", "--listen", "127.0.0.1:0", *common)
    address, code = told(host)
    killed = start("call", address, code, *common)
    wait_for_call(killed)
    killed.kill()
    guest = start("call", address, code, *common)
    wait_for_call(guest)
    guest.send_signal(signal.SIGINT)
    theirs, their_errors = guest.communicate(timeout=20)
    assert guest.returncode == 130
    assert json.loads(theirs)["seconds"] > 0
    ours, our_errors = host.communicate(timeout=20)
    assert host.returncode == 0, our_errors
    assert our_errors.count("The call is on.") == 2
    assert our_errors.count("The line is lost.") == 1
    assert "Traceback" not in our_errors + their_errors
    figures = json.loads(ours)
    assert figures["ended"] == "The other side has ended the call."
    assert figures["outages"] == 0  # of the newest call
    assert figures["safety_words"] == json.loads(theirs)["safety_words"]


def wait_for_call(side: subprocess.Popen[str]) -> None:
    assert side.stderr is not None
    for line in side.stderr:
        if line.startswith("The call is on"):
            return
    raise AssertionError("there was no call")


def test_a_call_without_a_page_sends_no_picture_unasked(face_clip: Path) -> None:
    typed = ["call", "127.0.0.1:1", "ABCDEF", "--headless", "--video", str(face_clip)]
    with pytest.raises(CallError, match="--yes"):
        CliRunner().invoke(app, typed, catch_exceptions=False)


@pytest.mark.parametrize(
    ("where", "code", "listen", "room", "server"),
    [
        ("192.168.1.5", None, None, None, None),
        ("192.168.1.5", "ABCDEF", "0.0.0.0:8765", None, None),
        (None, None, None, "kitchen", None),
        (None, None, "0.0.0.0:8765", "kitchen", "ws://127.0.0.1:8766"),
    ],
)
def test_options_that_do_not_tell_one_way_to_meet_are_wrong_usage(
    where: str | None, code: str | None, listen: str | None, room: str | None, server: str | None
) -> None:
    with pytest.raises(typer.BadParameter):
        commands._way(where, code, listen, room, server)


def test_a_call_without_a_way_to_meet_is_wrong_usage() -> None:
    result = CliRunner().invoke(app, ["call"])
    assert result.exit_code == 2
    assert "--listen" in result.output
