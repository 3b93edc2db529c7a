"""Calls over real sockets: in one process, in two, and their ends."""

import json
import signal
import time
from pathlib import Path

from call.film import read_film
from tests.call.program import Start, Visavis, invitation

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
    assert figures["fresh_share"] > 0.5
    assert figures["payload_bytes_per_frame"] < 60
    assert figures["wire_kbps_forward"] > figures["payload_kbps"]
    assert figures["output"] == str(output)
    pictures = list(read_film(output))
    assert len(pictures) >= figures["frames_fresh"]
    assert pictures[0].shape == (256, 256, 3)
    strings = {name for name in KEYS if isinstance(figures[name], str)}
    assert strings == {"engine", "profile", "mode", "output"}
    unmeasured = {name for name in KEYS if figures[name] is None}
    assert not unmeasured or figures["why"]


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
        "--json",
        env={"VISAVIS_DATA": str(data_folder)},
    )
    assert result.returncode == 0, result.stderr
    figures = json.loads(result.stdout)
    assert figures["face_lpips"] < figures["face_lpips_frozen"]


def test_a_clip_can_be_repeated_with_fewer_keypoints_or_without_rounding(
    visavis: Visavis, profile_folder: Path, face_clip: Path
) -> None:
    common = ["--crop", "full", "--source", "first", "--no-quality", "--json"]
    fewer = json.loads(
        visavis("loopback", str(face_clip), *common, "--keypoints", "4", "--repeat", "1").stdout
    )
    exact = json.loads(visavis("loopback", str(face_clip), *common, "--no-rounding", "--repeat", "2").stdout)
    assert fewer["frames_in"] == 25
    assert exact["frames_in"] == 50
    assert exact["payload_bytes_per_frame"] > 2 * fewer["payload_bytes_per_frame"]


def test_a_call_between_two_processes_brings_a_whole_film(
    start: Start, profile_folder: Path, face_clip: Path, tmp_path: Path
) -> None:
    output = tmp_path / "received.mp4"
    receiver = start("receive", "--listen", "127.0.0.1:0", "--output", str(output), "--json")
    sender = start("send", str(face_clip), *invitation(receiver), "--json")
    sent = json.loads(sender.communicate(timeout=60)[0])
    received = json.loads(receiver.communicate(timeout=60)[0])
    assert (sender.returncode, receiver.returncode) == (0, 0)
    assert received["frames_fresh"] > 0.5 * sent["frames_sent"]
    assert len(list(read_film(output))) >= received["frames_fresh"]


def test_interrupting_a_receiver_ends_both_sides_and_keeps_the_pictures(
    start: Start, profile_folder: Path, face_clip: Path, tmp_path: Path
) -> None:
    output = tmp_path / "received"
    receiver = start("receive", "--listen", "127.0.0.1:0", "--output", f"{output}/")
    sender = start("send", str(face_clip), *invitation(receiver), "--repeat", "60")
    wait_for_pictures(tmp_path)
    receiver.send_signal(signal.SIGINT)
    assert receiver.wait(timeout=10) == 130
    assert sender.wait(timeout=10) == 0
    assert len(list(output.iterdir())) >= 5
    assert [file.name for file in tmp_path.iterdir()] == [output.name]


def test_interrupting_a_sender_ends_both_sides_and_keeps_the_pictures(
    start: Start, profile_folder: Path, face_clip: Path, tmp_path: Path
) -> None:
    output = tmp_path / "received"
    receiver = start("receive", "--listen", "127.0.0.1:0", "--output", f"{output}/")
    sender = start("send", str(face_clip), *invitation(receiver), "--repeat", "60")
    wait_for_pictures(tmp_path)
    sender.send_signal(signal.SIGINT)
    assert sender.wait(timeout=10) == 130
    assert receiver.wait(timeout=10) == 0
    assert len(list(output.iterdir())) >= 5


def wait_for_pictures(folder: Path) -> None:
    """Wait until some pictures have been written below `folder`, under whatever name."""
    for _ in range(300):
        if len(list(folder.glob(".*/*.png"))) >= 5:
            return
        time.sleep(0.1)
    raise AssertionError("no pictures were written within half a minute")
