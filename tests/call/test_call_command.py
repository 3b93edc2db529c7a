"""`visavis call` as two persons start it: in two processes, over real sockets, without pages."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import time
import wave
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import av
import pytest
import typer
from typer.testing import CliRunner

from call import call as program
from call import options, receive
from call.address import Address
from call.cli import app
from call.ends import Ends
from call.film import read_film
from call.parts import Parts
from call.screen import Screen
from call.state import CallState
from call.usage import choose_way, one_code
from tests.call.conftest import LIMIT_S
from tests.call.program import Start, Visavis, sentence_of
from tests.patience import PATIENCE_S
from tests.virtual_time import in_virtual_time

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
    common = [*ALONE, "--video", str(face_clip), "--repeat", "600", "--json"]
    host = start("call", "--listen", "127.0.0.1:0", *common, "--output", str(film))
    address, code = told(host)
    assert "wrong" in sentence_of(visavis("call", address, "WRONG2", *common))
    seen = tmp_path / "seen"
    guest = start("call", address, code, *common, "--audio", str(sound), "--output", f"{seen}/")
    wait_until(lambda: len(list(tmp_path.glob("seen.part/*.png"))) > 5)
    wait_until(lambda: frames_of(tmp_path / "seen.part.mp4") > 5)
    guest.send_signal(signal.SIGINT)
    said, their_errors = guest.communicate(timeout=LIMIT_S)
    assert guest.returncode == 130, their_errors
    out, errors = host.communicate(timeout=LIMIT_S)
    assert host.returncode == 0, errors
    ours, theirs = json.loads(said), json.loads(out)
    for figures in (ours, theirs):
        assert figures.keys() >= KEYS
        assert figures["frames_fresh"] > 0  # how many of the pictures are fresh is the machine's load
        assert figures["why"].keys() == {name for name, value in figures.items() if value is None}
        assert figures["reconnects"] == 0
    assert ours["safety_words"] == theirs["safety_words"]
    assert len(ours["safety_words"].split()) == 4
    assert theirs["frames_fresh"] <= ours["frames_sent"]
    assert ours["frames_fresh"] <= theirs["frames_sent"]
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
    async with aiohttp.ClientSession() as session, asyncio.timeout(PATIENCE_S):
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
    start: Start, environment: dict[str, str], profile_folder: Path, face_clip: Path
) -> None:
    environment["LOSES_LINES"] = "1"
    common = [*ALONE, "--video", str(face_clip), "--repeat", "600", "--json"]
    host = start("call", "--listen", "127.0.0.1:0", *common)
    address, code = told(host)
    killed = start("call", address, code, *common)
    wait_for_call(killed)
    killed.kill()
    guest = start("call", address, code, *common)
    wait_for_call(guest)
    guest.send_signal(signal.SIGINT)
    theirs, their_errors = guest.communicate(timeout=LIMIT_S)
    assert guest.returncode == 130
    assert json.loads(theirs)["seconds"] > 0
    assert json.loads(theirs)["ended"] == "You have ended the call."
    ours, our_errors = host.communicate(timeout=LIMIT_S)
    assert host.returncode == 0, our_errors
    assert our_errors.count("The call is on.") == 2
    # A machine that stands still for seconds loses lines, too, which come back; one did not.
    assert our_errors.count("The line is lost.") == our_errors.count("The line is back") + 1
    assert "Traceback" not in our_errors + their_errors
    figures = json.loads(ours)
    assert figures["ended"] == "The other side has ended the call."
    newest = our_errors.rpartition("The call is on.")[2]
    assert figures["outages"] == newest.count("The line is lost.")
    assert figures["safety_words"] == json.loads(theirs)["safety_words"]


@pytest.mark.skipif(os.name != "posix", reason="the browser is a script")
def test_a_browser_that_stays_in_the_foreground_holds_up_neither_a_call_nor_its_end(
    start: Start, environment: dict[str, str], face_clip: Path, tmp_path: Path
) -> None:
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(f"#!/bin/sh\necho $$ > {opened}\nexec sleep 300\n")
    browser.chmod(0o755)
    environment["BROWSER"] = str(browser)
    host = start("call", "--listen", "127.0.0.1:0", "--yes", "--video", str(face_clip))
    assert host.stderr is not None
    try:
        assert any(line.startswith("Waiting for the other side") for line in host.stderr)
        wait_until(lambda: opened.exists() and opened.read_text() != "")
        host.send_signal(signal.SIGINT)
        assert host.wait(PATIENCE_S) == 130
    finally:
        os.kill(int(opened.read_text()), signal.SIGKILL)  # which it was there for until now


async def test_the_figures_of_a_later_call_on_a_page_name_its_own_output(
    ends: Ends, face_clip: Path, tmp_path: Path
) -> None:
    seen = tmp_path / "seen.mp4"
    way = options.Invited("127.0.0.1:9", "x")
    wanted = options.Call(
        options.Input(str(face_clip)), options.Engine(), options.Ice(), way, output=str(seen)
    )
    async with AsyncExitStack() as stack:
        parts = Parts(wanted, ends, Screen(), stack)
        receivers = []
        for _ in range(2):
            parts.sender(lambda sentence: None, True)
            receivers.append(parts.receiver())
        first, second = receivers
        assert parts.output_of(first) == str(seen)
        assert parts.output_of(second) == str(tmp_path / "seen-2.mp4")
        first.discard()
        second.discard()


def test_what_the_other_side_is_to_type_names_the_profile_that_it_would_not_take_unasked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    meeting = SimpleNamespace(address="192.168.1.5:8765", code="F7K2QX", invites=True)
    room = options.Room("ws://192.168.1.5:8766", "den")
    for way in (options.Listening("0.0.0.0:8765"), room):
        unasked, asked = (
            program.invitation_of(way, meeting, profile) for profile in (options.Engine.profile, "laptop-512")
        )
        assert unasked is not None
        assert asked is not None
        assert asked.command == f"{unasked.command} --profile laptop-512"
    here = Address("192.168.1.5", 8765)
    receive._invite(here, here, "F7K2QX", options.Engine.profile)
    assert capsys.readouterr().err.endswith(" --code F7K2QX\n")
    receive._invite(here, here, "F7K2QX", "laptop-512")
    assert capsys.readouterr().err.endswith(" --code F7K2QX --profile laptop-512\n")


@in_virtual_time
async def test_a_call_ends_after_the_seconds_that_were_asked_for() -> None:
    ends: list[float] = []
    loop = asyncio.get_running_loop()
    wanted = SimpleNamespace(output="none", seconds=3.0)
    session: Any = SimpleNamespace(hang_up=lambda: ends.append(loop.time()))
    began_s, screen = loop.time(), Screen()
    for phase in ("waiting", "connected", "reconnecting", "connected"):
        program._follow(CallState(phase, phase), wanted, session, screen)  # type: ignore[arg-type]
        await asyncio.sleep(0.5)
    await asyncio.sleep(10.0)
    assert ends == [pytest.approx(began_s + 0.5 + 3.0)]


def wait_until(condition: Callable[[], bool]) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.1)


def frames_of(growing: Path) -> int:
    """Count the pictures of a film that is still being written; none before its first fragment."""
    try:
        return len(list(read_film(growing)))
    except (OSError, av.FFmpegError):
        return 0


def wait_for_call(side: subprocess.Popen[str]) -> None:
    assert side.stderr is not None
    for line in side.stderr:
        if line.startswith("The call is on"):
            return
    raise AssertionError("there was no call")


def test_a_call_without_a_page_sends_no_picture_unasked() -> None:
    result = CliRunner().invoke(
        app, ["call", "127.0.0.1:1", "ABCDEF", "--headless", "--profile", "none-such"]
    )
    assert result.exit_code == 2
    assert "--yes" in result.output


def test_a_sound_file_beside_a_page_is_wrong_usage(face_clip: Path) -> None:
    result = CliRunner().invoke(
        app, ["call", "127.0.0.1:1", "ABCDEF", "--audio", str(face_clip), "--profile", "none-such"]
    )
    assert result.exit_code == 2
    assert "--audio is for a call with --headless" in " ".join(result.output.replace("│", " ").split())


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
        choose_way(where, code, listen, room, server)


def test_two_ways_to_meet_are_named() -> None:
    with pytest.raises(typer.BadParameter, match="--listen and --room are different ways"):
        choose_way(None, None, "0.0.0.0:8765", "kitchen", None)


def test_a_code_is_said_once_or_twice_alike() -> None:
    assert one_code(None, None) is None
    assert one_code("F7K2QX", None) == one_code(None, "F7K2QX") == one_code("F7K2QX", "F7K2QX") == "F7K2QX"
    with pytest.raises(typer.BadParameter, match="two codes"):
        one_code("F7K2QX", "K3MPA9")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--stun", "stun.example"], "'stun.example' is not a STUN server"),
        (["--stun", "turn:turn.example"], "write it as --stun stun:host:port"),
        (["--turn", "stun:stun.example"], "write it as --turn turn:host:port"),
        (["--turn", "turn:turn.example"], "add --turn-user and --turn-password"),
        (["--turn", "turn:turn.example", "--turn-user", "ada"], "add --turn-user and --turn-password"),
        (["--turn-user", "ada"], "name it with --turn"),
    ],
)
@pytest.mark.parametrize(
    "command",
    [
        ["call", "127.0.0.1:1", "ABCDEF", "--headless", "--yes", "--video", "none-such.mp4"],
        ["send", "none-such.mp4", "--connect", "127.0.0.1:1", "--code", "ABCDEF"],
        ["receive", "--listen", "127.0.0.1:0", "--output", "none"],
    ],
)
def test_servers_that_can_be_of_no_use_are_wrong_usage(
    command: list[str], more: list[str], said: str
) -> None:
    result = CliRunner().invoke(app, [*command, *more, "--profile", "none-such"])
    assert result.exit_code == 2
    assert said in " ".join(result.output.replace("│", " ").split())


def test_a_call_without_a_way_to_meet_is_wrong_usage() -> None:
    result = CliRunner().invoke(app, ["call"])
    assert result.exit_code == 2
    assert "--listen" in result.output
