"""Calls over real sockets: in one process, in two, and their ends."""

import asyncio
import json
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import pytest

from call import options
from call.ends import load_ends
from call.film import read_film
from call.loopback import hold
from codec.ordered import ORDERED_WINDOW
from runtime.talker import Talker
from tests.call.conftest import LIMIT_S
from tests.call.program import Start, Visavis, invitation
from tests.call.session_sides import until
from tests.patience import PATIENCE_S
from transport.peer import Peer
from transport.signalling import offer

KEYS = {
    "frames_in", "frames_sent", "frames_fresh", "frames_interpolated", "frames_extrapolated", "fresh_fps",
    "fresh_share", "longest_gap_ms", "payload_bytes_per_frame", "payload_kbps", "wire_kbps_forward",
    "wire_kbps_back", "latency_ms_p50", "latency_ms_p95", "cpu_cores", "rss_mb", "lpips", "face_lpips",
    "lpips_frozen", "face_lpips_frozen", "engine", "profile", "mode", "output",
}  # fmt: skip


def test_a_loopback_call_shows_most_frames_and_writes_them(
    visavis: Visavis, profile_folder: Path, face_clip: Path, tmp_path: Path
) -> None:
    output = tmp_path / "redrawn.mp4"
    result = visavis(
        "loopback", str(face_clip), "--crop", "full", "--source", "first", "--output", str(output), "--json"
    )
    assert result.returncode == 0, result.stderr
    figures = json.loads(result.stdout)
    assert figures.keys() >= KEYS
    assert figures["frames_in"] == 30
    # How many of them are shown is the machine's load; none is shown twice, and none comes from nowhere.
    missed = sum(figures[f"frames_{how}"] for how in ("dropped", "left_out", "without_face"))
    assert figures["frames_sent"] + missed == 30
    assert sum(figures["mode_shares"].values()) == pytest.approx(1)
    assert figures["rate_decisions"][0]["mode"] == "predictive"
    assert_bookkeeping(figures, sent=figures["frames_sent"])
    assert figures["fresh_share"] == figures["frames_fresh"] / 30
    assert figures["payload_bytes_per_frame"] < 60
    assert figures["payload_kbps"] > figures["motion_kbps"]
    # The two rates are over times of their own, which a slow machine draws apart; in bytes they can be compared.
    motion_bytes = figures["frames_sent"] * figures["payload_bytes_per_frame"]
    assert figures["wire_kbps_forward"] * figures["seconds"] * 1000 / 8 > motion_bytes
    assert figures["output"] == str(output)
    pictures = list(read_film(output))
    assert len(pictures) >= figures["frames_fresh"] - figures["frames_unwritten"]
    assert pictures[0].shape == (256, 256, 3)
    strings = {name for name in KEYS if isinstance(figures[name], str)}
    assert strings == {"engine", "profile", "mode", "output"}
    assert figures["why"].keys() == {name for name, value in figures.items() if value is None}


def test_a_strangers_clip_is_redrawn_closer_than_its_frozen_picture(
    visavis: Visavis, profile_folder: Path, data_folder: Path, val_clip: Path
) -> None:
    result = visavis(
        "loopback",
        str(val_clip),
        "--crop",
        "full",
        "--source",
        "first",
        "--fast",  # every frame counts, however slow the machine is
        "--json",
        env={"VISAVIS_DATA": str(data_folder)},
    )
    assert result.returncode == 0, result.stderr
    figures = json.loads(result.stdout)
    assert figures["face_lpips"] < figures["face_lpips_frozen"]


def test_a_clip_can_be_repeated_with_fewer_keypoints_or_without_rounding(
    visavis: Visavis, profile_folder: Path, face_clip: Path
) -> None:
    common = ["--crop", "full", "--source", "first", "--no-quality", "--fast", "--json"]
    fewer = json.loads(
        visavis("loopback", str(face_clip), *common, "--keypoints", "4", "--repeat", "1").stdout
    )
    exact = json.loads(visavis("loopback", str(face_clip), *common, "--no-rounding", "--repeat", "2").stdout)
    assert fewer["frames_in"] == 25
    assert exact["frames_in"] == 50
    assert exact["payload_bytes_per_frame"] > 2 * fewer["payload_bytes_per_frame"]


def test_as_fast_as_it_goes_every_frame_is_drawn_and_written_at_its_time(
    visavis: Visavis, profile_folder: Path, face_clip: Path, tmp_path: Path
) -> None:
    output = tmp_path / "redrawn.mp4"
    result = visavis(
        "loopback", str(face_clip), "--crop", "full", "--fast", "--output", str(output), "--json"
    )
    assert result.returncode == 0, result.stderr
    figures = json.loads(result.stdout)
    assert figures["frames_in"] == figures["frames_sent"] == figures["frames_fresh"] == 30
    others = ("interpolated", "extrapolated", "late", "skipped", "unwritten", "dropped")
    assert not any(figures[f"frames_{other}"] for other in others)
    assert figures["latency_ms_p50"] is None
    assert figures["why"]["latency_ms_p50"] == "the clip was sent as fast as it goes"
    with av.open(str(output)) as film:
        assert [frame.time for frame in film.decode(video=0)] == pytest.approx(
            [index / 25 for index in range(30)], abs=1 / 60
        )


async def test_as_fast_as_it_goes_a_slow_machine_draws_every_frame_too(
    profile_folder: Path, face_clip: Path
) -> None:
    ends = load_ends(options.Engine(str(profile_folder)))
    drawn: list[float] = []
    most_ahead = 0

    class SlowTalker(Talker):
        def draw(self, *source_and_motion: Any) -> Any:
            if threading.current_thread().name.startswith("receiver"):  # and not the sender's mirror
                time.sleep(0.02)
                drawn.append(time.monotonic())
            return super().draw(*source_and_motion)

        def estimate(self, *picture_and_source: Any) -> Any:
            nonlocal most_ahead
            if not threading.current_thread().name.startswith("receiver"):  # which looks at what it drew
                most_ahead = max(most_ahead, len(estimated) - len(drawn))
                estimated.append(time.monotonic())
            return super().estimate(*picture_and_source)

    estimated: list[float] = []
    slow = SlowTalker(ends.talker.graphs, picture_size=ends.profile.picture_size)
    sent = options.Input(str(face_clip), crop="full", source="first", fast=True, repeat_s=1.6)
    call = options.Loopback(sent, options.Engine(str(profile_folder)))
    held = await hold(call, replace(ends, talker=slow), None)
    assert held.sent.frames_in == held.sent.frames_sent == held.received.frames_fresh == 40
    assert len(drawn) >= 40  # and some twice, where one picture fades into a finer one
    assert held.received.frames_skipped == held.received.frames_late == 0
    assert most_ahead <= ORDERED_WINDOW + 5  # what is on its way to be sent or drawn


async def test_nothing_of_a_call_goes_on_after_it(profile_folder: Path, face_clip: Path) -> None:
    ends = load_ends(options.Engine(str(profile_folder)))
    sent = options.Input(str(face_clip), crop="full", source="first")
    call = options.Loopback(sent, options.Engine(str(profile_folder)))
    await hold(call, ends, None)  # after which what is started once for all calls is there

    def running() -> set[Any]:
        # The loop's own helpers stay until it ends.
        threads = {each for each in threading.enumerate() if not each.name.startswith("asyncio_")}
        return threads | asyncio.all_tasks()

    before = running()
    held = await hold(call, ends, None)
    assert held.received.frames_fresh > 0
    await until(lambda: running() <= before)


def test_a_call_between_two_processes_as_fast_as_it_goes_is_whole(
    visavis: Visavis, start: Start, profile_folder: Path, face_clip: Path, tmp_path: Path
) -> None:
    output = tmp_path / "received"
    receiver = start("receive", "--listen", "127.0.0.1:0", "--output", f"{output}/", "--json")
    sender = visavis("send", str(face_clip), *invitation(receiver), "--fast", "--json")
    assert sender.returncode == 0, sender.stderr
    shown, _ = receiver.communicate(timeout=LIMIT_S)
    assert receiver.returncode == 0
    assert json.loads(sender.stdout)["frames_sent"] == json.loads(shown)["frames_fresh"] == 30
    assert len(list(output.iterdir())) == 30


def test_a_call_between_two_processes_brings_a_whole_film(
    start: Start, profile_folder: Path, face_clip: Path, tmp_path: Path
) -> None:
    output = tmp_path / "received.mp4"
    receiver = start("receive", "--listen", "127.0.0.1:0", "--output", str(output), "--json")
    sender = start("send", str(face_clip), *invitation(receiver), "--json")
    sent = json.loads(sender.communicate(timeout=LIMIT_S)[0])
    received = json.loads(receiver.communicate(timeout=LIMIT_S)[0])
    assert (sender.returncode, receiver.returncode) == (0, 0)
    assert_bookkeeping(received, sent=sent["frames_sent"])
    assert len(list(read_film(output))) >= received["frames_fresh"] - received["frames_unwritten"]
    assert received["wire_bytes_forward"] > 0


def test_interrupting_a_receiver_ends_both_sides_and_keeps_the_pictures(
    start: Start, profile_folder: Path, face_clip: Path, tmp_path: Path
) -> None:
    output = tmp_path / "received"
    receiver = start("receive", "--listen", "127.0.0.1:0", "--output", f"{output}/")
    sender = start("send", str(face_clip), *invitation(receiver), "--repeat", "600")
    wait_for_pictures(tmp_path)
    receiver.send_signal(signal.SIGINT)
    assert receiver.wait(timeout=PATIENCE_S) == 130
    assert sender.wait(timeout=PATIENCE_S) == 0
    assert len(list(output.iterdir())) >= 5
    assert [file.name for file in tmp_path.iterdir()] == [output.name]


def test_interrupting_a_sender_ends_both_sides_and_keeps_the_pictures(
    start: Start, profile_folder: Path, face_clip: Path, tmp_path: Path
) -> None:
    output = tmp_path / "received"
    receiver = start("receive", "--listen", "127.0.0.1:0", "--output", f"{output}/")
    sender = start("send", str(face_clip), *invitation(receiver), "--repeat", "600")
    wait_for_pictures(tmp_path)
    sender.send_signal(signal.SIGINT)
    assert sender.wait(timeout=PATIENCE_S) == 130
    assert receiver.wait(timeout=PATIENCE_S) == 0
    assert len(list(output.iterdir())) >= 5


def test_who_is_stopped_in_a_scripts_background_says_goodbye_too(
    start: Start, profile_folder: Path, face_clip: Path, tmp_path: Path
) -> None:
    output = tmp_path / "received"
    receiver = start("receive", "--listen", "127.0.0.1:0", "--output", f"{output}/")
    asked = invitation(receiver)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell does for what it starts with &
    try:
        sender = start("send", str(face_clip), *asked, "--repeat", "600", "--json")
    finally:
        signal.signal(signal.SIGINT, before)
    wait_for_pictures(tmp_path)
    sender.terminate()
    told, _ = sender.communicate(timeout=PATIENCE_S)
    assert sender.returncode == 130
    assert json.loads(told)["frames_sent"] > 0
    assert receiver.wait(timeout=PATIENCE_S) == 0  # it was told, and did not wait for a line that is lost


def test_a_sender_whose_receiver_is_killed_prints_what_it_sent(
    start: Start, environment: dict[str, str], profile_folder: Path, face_clip: Path, tmp_path: Path
) -> None:
    environment["LOSES_LINES"] = "1"
    receiver = start("receive", "--listen", "127.0.0.1:0", "--output", f"{tmp_path / 'received'}/")
    sender = start("send", str(face_clip), *invitation(receiver), "--repeat", "600", "--json")
    wait_for_pictures(tmp_path)
    receiver.kill()
    told, complaint = sender.communicate(timeout=LIMIT_S)
    assert sender.returncode == 1
    assert "line is lost" in complaint
    assert json.loads(told)["frames_sent"] > 0


def test_a_receiver_that_is_told_to_terminate_leaves_nothing_half_written(
    start: Start, profile_folder: Path, tmp_path: Path
) -> None:
    receiver = start("receive", "--listen", "127.0.0.1:0", "--output", str(tmp_path / "received.mp4"))
    invitation(receiver)
    receiver.terminate()
    assert receiver.wait(timeout=PATIENCE_S) == 130
    assert list(tmp_path.iterdir()) == []


def test_a_sender_that_is_killed_before_a_picture_was_shown_fails_the_receiver_with_a_sentence(
    start: Start, profile_folder: Path, face_clip: Path, tmp_path: Path
) -> None:
    receiver = start("receive", "--listen", "127.0.0.1:0", "--output", str(tmp_path / "received.mp4"))
    offered = peer_that_leaves(*invitation(receiver)[1::2])
    asyncio.run(offered)
    _, complaint = receiver.communicate(timeout=LIMIT_S)
    assert receiver.returncode == 1
    assert "before a picture was shown" in complaint
    assert list(tmp_path.iterdir()) == []


async def peer_that_leaves(address: str, code: str) -> None:
    """Connect as a sender would, and be gone without a word."""
    greeted = asyncio.Event()
    peer = Peer(
        on_motion=lambda data: None, on_control=lambda data: greeted.set(), on_closed=lambda reason: None
    )
    await offer(address, code, peer, timeout_s=PATIENCE_S)
    await peer.connected(PATIENCE_S)
    await asyncio.wait_for(greeted.wait(), PATIENCE_S)  # the receiver knows of the connection, too
    await peer.close()


def assert_bookkeeping(figures: dict[str, int], *, sent: int) -> None:
    """Check that something was shown, and that no motion was accounted for twice."""
    shown, missed = figures["frames_fresh"], figures["frames_skipped"] + figures["frames_late"]
    assert 0 < shown <= shown + missed <= sent


def wait_for_pictures(folder: Path) -> None:
    """Wait until some pictures have been written below `folder`, under whatever name."""
    end_s = time.monotonic() + PATIENCE_S
    while len(list(folder.glob("*.part/*.png"))) < 5:
        assert time.monotonic() < end_s, "no pictures were written"
        time.sleep(0.1)
