"""What a person reads when something is wrong: one sentence, exit code 1, and nothing half-written left behind."""

import resource
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from call.film import read_film
from tests.call.conftest import LIMIT_S
from tests.call.program import PROGRAM, Start, Visavis, invitation, sentence_of


def test_a_file_that_is_no_video_is_named(visavis: Visavis, profile_folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "letter.mp4"
    file.write_text("Dear Ada, this is no video.")
    assert "letter.mp4" in sentence_of(visavis("loopback", str(file)))


def test_a_file_that_does_not_exist_is_named(visavis: Visavis, profile_folder: Path) -> None:
    assert "no-such.mp4" in sentence_of(visavis("loopback", "no-such.mp4"))


def test_an_empty_folder_is_said_to_have_no_pictures(
    visavis: Visavis, profile_folder: Path, tmp_path: Path
) -> None:
    assert str(tmp_path) in sentence_of(visavis("loopback", str(tmp_path)))


def test_a_video_without_a_face_is_refused_and_leaves_no_file(
    visavis: Visavis, profile_folder: Path, faceless_clip: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out" / "redrawn.mp4"
    output.parent.mkdir()
    said = sentence_of(visavis("loopback", str(faceless_clip), "--output", str(output)))
    assert "No face" in said
    assert list(output.parent.iterdir()) == []


def test_of_two_faces_one_is_followed_with_a_notice(
    visavis: Visavis, profile_folder: Path, two_faces_clip: Path
) -> None:
    result = visavis("loopback", str(two_faces_clip), "--no-quality")
    assert result.returncode == 0, result.stderr
    assert "More than one face" in result.stderr


def test_a_face_that_leaves_for_a_while_does_not_end_the_call(
    visavis: Visavis, profile_folder: Path, leaving_clip: Path, tmp_path: Path
) -> None:
    output = tmp_path / "redrawn.mp4"
    result = visavis("loopback", str(leaving_clip), "--output", str(output), "--no-quality", "--fast")
    assert result.returncode == 0, result.stderr
    assert "The face is back" in result.stderr
    assert len(list(read_film(output))) > 25  # from before it left and from after it came back


def test_a_camera_that_is_not_there_is_named(visavis: Visavis, profile_folder: Path) -> None:
    assert "camera" in sentence_of(visavis("loopback", "camera:9"))


def test_a_wrong_code_is_refused_and_the_right_one_still_works(
    visavis: Visavis, start: Start, profile_folder: Path, face_clip: Path, tmp_path: Path
) -> None:
    output = tmp_path / "received.mp4"
    receiver = start("receive", "--listen", "127.0.0.1:0", "--output", str(output))
    _, address, _, code = invitation(receiver)
    wrong = visavis("send", str(face_clip), "--connect", address, "--code", "not-it")
    assert "code is wrong" in sentence_of(wrong)
    right = visavis("send", str(face_clip), "--connect", address, "--code", code, "--fast")
    assert right.returncode == 0, right.stderr
    assert receiver.wait(timeout=LIMIT_S) == 0
    assert len(list(read_film(output))) == 30


def test_a_port_in_use_is_named(visavis: Visavis, profile_folder: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        said = sentence_of(visavis("receive", "--listen", f"127.0.0.1:{port}", "--output", "none"))
    assert str(port) in said
    assert "in use" in said


def test_a_call_says_before_anybody_is_invited_that_a_server_is_none(
    visavis: Visavis, profile_folder: Path, face_clip: Path
) -> None:
    alone = ["--headless", "--yes", "--video", str(face_clip), "--seconds", "1"]
    said = sentence_of(visavis("call", "--listen", "127.0.0.1:0", *alone, "--stun", "stun:"))
    assert "'stun:' is not a STUN or TURN server" in said


def test_nobody_at_the_address_is_said_so(visavis: Visavis, profile_folder: Path, face_clip: Path) -> None:
    said = sentence_of(visavis("send", str(face_clip), "--connect", "127.0.0.1:9", "--code", "x"))
    assert "127.0.0.1:9" in said


def test_a_receiver_that_nobody_calls_gives_up_when_told_to(visavis: Visavis, profile_folder: Path) -> None:
    said = sentence_of(visavis("receive", "--listen", "127.0.0.1:0", "--wait", "0.2", "--output", "none"))
    assert "Nobody called" in said


def test_a_peer_with_another_profile_is_refused_on_both_sides(
    visavis: Visavis, start: Start, profile_folder: Path, face_clip: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other-256"
    shutil.copytree(profile_folder, other)
    profile = (other / "profile.toml").read_text()
    (other / "profile.toml").write_text(profile.replace(f'"{profile_folder.name}"', '"other-256"'))
    output = tmp_path / "received.mp4"
    receiver = start("receive", "--listen", "127.0.0.1:0", "--output", str(output), "--profile", str(other))
    sender = visavis("send", str(face_clip), *invitation(receiver))
    assert "other-256" in sentence_of(sender)
    _, complaint = receiver.communicate(timeout=LIMIT_S)
    assert receiver.returncode == 1
    assert "other-256" in complaint
    assert not output.exists()


def test_weights_that_are_missing_are_named(
    visavis: Visavis, profile_folder: Path, face_clip: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other-256"
    shutil.copytree(profile_folder, other)
    (other / "motion.onnx").unlink()
    assert "motion.onnx" in sentence_of(visavis("loopback", str(face_clip), "--profile", str(other)))


@pytest.mark.parametrize("file", ["frame.onnx", "tables.npz", "profile.toml"])
def test_a_profile_that_is_damaged_is_named(
    visavis: Visavis, profile_folder: Path, face_clip: Path, tmp_path: Path, file: str
) -> None:
    other = tmp_path / "other-256"
    shutil.copytree(profile_folder, other)
    whole = (other / file).read_bytes()
    # A text that is cut at the end of a line may be whole: this one is cut in a word.
    (other / file).write_bytes(whole[: len(whole) // 2] + b'\n"cut')
    assert "other-256" in sentence_of(visavis("loopback", str(face_clip), "--profile", str(other)))


def test_a_profile_that_does_not_exist_is_named(visavis: Visavis, face_clip: Path) -> None:
    pytest.importorskip("runtime.profile")
    assert "desktop-1024" in sentence_of(visavis("loopback", str(face_clip), "--profile", "desktop-1024"))


def test_a_disk_that_is_full_is_said_so_and_nothing_is_left(
    environment: dict[str, str], profile_folder: Path, face_clip: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "small"
    folder.mkdir()

    def limit_files() -> None:
        # A file may grow to 4 kB and no further, which is what a full disk looks like to a program.
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    result = subprocess.run(
        [*PROGRAM, "loopback", str(face_clip), "--no-quality", "--output", str(folder / "redrawn.mp4")],
        env=environment,
        capture_output=True,
        text=True,
        preexec_fn=limit_files,
        check=False,
    )
    assert "redrawn.mp4" in sentence_of(result)
    assert list(folder.iterdir()) == []


def test_the_input_is_never_written_over(visavis: Visavis, face_clip: Path) -> None:
    before = face_clip.read_bytes()
    assert "is the input itself" in sentence_of(
        visavis("loopback", str(face_clip), "--output", str(face_clip))
    )
    assert face_clip.read_bytes() == before


def test_more_keypoints_than_the_profile_has_are_refused(
    visavis: Visavis, profile_folder: Path, face_clip: Path
) -> None:
    said = sentence_of(visavis("loopback", str(face_clip), "--keypoints", "21"))
    assert "--keypoints 21" in said


def test_an_output_that_cannot_be_written_is_refused_before_the_call(
    visavis: Visavis, profile_folder: Path, face_clip: Path
) -> None:
    said = sentence_of(visavis("loopback", str(face_clip), "--output", "/no/such/folder/redrawn.mp4"))
    assert "/no/such/folder" in said
