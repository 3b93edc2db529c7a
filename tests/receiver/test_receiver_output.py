"""Files of shown pictures: whole or not there at all."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from receiver.errors import OutputError
from receiver.output import Picture, left_by_earlier_calls, open_output, unnamed_output
from receiver.writer import MAX_QUEUED, Writer
from tests.patience import PATIENCE_S

TIMES_S = [0.0, 0.033, 0.083, 0.117, 0.5, 2.0]


def picture(index: int, size: int = 64) -> Picture:
    """A square whose place tells its number, on colours that a wrong matrix would change."""
    result = np.full((size, size, 3), (40, 160, 90), np.uint8)
    result[8 : size - 8, 4 + 4 * index : 12 + 4 * index] = (200, 60, 30)
    return result


def frames_in(video: Path) -> int:
    """Decode a video as players do, up to where it breaks off, and return how many pictures there are."""
    count = 0
    with av.open(str(video)) as container, suppress(av.FFmpegError):
        for _ in container.decode(container.streams.video[0]):
            count += 1
    return count


@pytest.mark.parametrize("name", ["call.mp4", "call.mkv"])
def test_a_video_holds_the_pictures_at_their_times(tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    output = open_output(str(target))
    for index, at_s in enumerate(TIMES_S):
        output.write(picture(index), at_s)
    assert not target.exists()  # not before it is whole
    output.finish()
    with av.open(str(target)) as video:
        stream = video.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        frames = list(video.decode(stream))
    assert [float(frame.time) for frame in frames] == pytest.approx(TIMES_S, abs=0.002)
    for index, frame in enumerate(frames):
        error = frame.to_ndarray(format="rgb24").astype(float) - picture(index)
        assert np.abs(error).mean() < 4
    assert os.listdir(tmp_path) == [name]


def test_an_mp4_begins_with_its_index_so_that_a_browser_plays_while_it_loads(tmp_path: Path) -> None:
    target = tmp_path / "call.mp4"
    output = open_output(str(target))
    for index in range(5):
        output.write(picture(index), index / 25)
    output.finish()
    data = target.read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")
    assert b"moof" not in data  # no fragments: every player can search it


def test_a_folder_holds_a_png_for_each_picture_named_by_its_time(tmp_path: Path) -> None:
    target = tmp_path / "pictures"
    output = open_output(f"{target}/")
    for index, at_s in enumerate(TIMES_S):
        output.write(picture(index), at_s)
    output.finish()
    assert [path.name for path in sorted(target.iterdir())] == [
        f"{round(at_s * 1000):09d}.png" for at_s in TIMES_S
    ]
    third = cv2.imread(str(target / "000000083.png"))
    np.testing.assert_array_equal(cv2.cvtColor(third, cv2.COLOR_BGR2RGB), picture(2))
    assert os.listdir(tmp_path) == ["pictures"]


@pytest.mark.parametrize("name", ["call.mp4", "call.mkv", "pictures/"])
def test_what_is_discarded_without_a_picture_leaves_nothing(tmp_path: Path, name: str) -> None:
    open_output(f"{tmp_path}/{name}").discard()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["call.mp4", "call.mkv", "pictures/"])
def test_discarding_what_is_complete_changes_nothing(tmp_path: Path, name: str) -> None:
    output = open_output(f"{tmp_path}/{name}")
    output.write(picture(0), 0.0)
    output.finish()
    output.discard()
    assert os.listdir(tmp_path) == [name.rstrip("/")]


@pytest.mark.parametrize("name", ["call.mp4", "call.mkv", "pictures/"])
def test_a_call_without_a_picture_leaves_no_file(tmp_path: Path, name: str) -> None:
    open_output(f"{tmp_path}/{name}").finish()
    assert os.listdir(tmp_path) == []


def test_a_call_without_a_picture_leaves_an_older_file_alone(tmp_path: Path) -> None:
    older = tmp_path / "call.mp4"
    older.write_bytes(b"older")
    open_output(str(older), overwrite=True).finish()
    assert older.read_bytes() == b"older"


@pytest.mark.parametrize("name", ["call.mp4", "call.mkv"])
def test_a_file_that_is_there_is_replaced_only_where_that_is_asked_for(tmp_path: Path, name: str) -> None:
    older = tmp_path / name
    older.write_bytes(b"older")
    with pytest.raises(OutputError, match=rf"{name} exists already.*--overwrite"):
        open_output(str(older))
    assert older.read_bytes() == b"older"
    assert os.listdir(tmp_path) == [name]
    output = open_output(str(older), overwrite=True)
    output.write(picture(0), 0.0)
    output.finish()
    assert frames_in(older) == 1


@pytest.mark.parametrize("name", ["call.mp4", "call.mkv"])
def test_a_file_that_comes_into_being_meanwhile_is_not_replaced_and_the_recording_is_kept(
    tmp_path: Path, name: str
) -> None:
    target = tmp_path / name
    first, second = open_output(str(target)), open_output(str(target))
    for output in (first, second):
        output.write(picture(0), 0.0)
    first.finish()
    before = target.read_bytes()
    with pytest.raises(OutputError, match=r"exists already.*What was recorded until then is in") as error:
        second.finish()
    second.discard()
    assert target.read_bytes() == before
    [part] = set(tmp_path.iterdir()) - {target}
    assert str(part) in str(error.value)
    assert frames_in(part) == 1


def test_a_folders_pictures_are_replaced_where_that_is_asked_for_and_nothing_else_ever(
    tmp_path: Path,
) -> None:
    target = tmp_path / "pictures"
    target.mkdir()
    older = target / "000000040.png"
    older.write_bytes(b"older")
    with pytest.raises(OutputError, match=r"pictures is not empty.*--overwrite"):
        open_output(f"{target}/")
    output = open_output(f"{target}/", overwrite=True)
    output.write(picture(0), 0.5)
    assert older.exists()  # not before there is something in its place
    output.finish()
    assert [path.name for path in target.iterdir()] == ["000000500.png"]
    (target / "letter.txt").touch()
    with pytest.raises(OutputError, match=r"letter\.txt is no picture"):
        open_output(f"{target}/", overwrite=True)
    assert len(list(target.iterdir())) == 2
    assert os.listdir(tmp_path) == ["pictures"]


@pytest.mark.skipif(sys.platform == "win32", reason="links want rights of their own there")
def test_pictures_go_into_an_empty_folder_that_one_is_in_or_that_is_linked_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    within, linked = tmp_path / "within", tmp_path / "linked"
    within.mkdir()
    linked.mkdir()
    (tmp_path / "link").symlink_to(linked, target_is_directory=True)
    monkeypatch.chdir(within)
    for name, folder in (("./", within), (f"{tmp_path}/link/", linked)):
        output = open_output(name)
        output.write(picture(0), 0.5)
        output.finish()
        assert [path.name for path in folder.iterdir()] == ["000000500.png"]
    assert os.listdir() == ["000000500.png"]
    assert sorted(os.listdir(tmp_path)) == ["link", "linked", "within"]


def test_two_calls_into_one_folder_do_not_mix_their_pictures(tmp_path: Path) -> None:
    target = tmp_path / "pictures"
    first, second = open_output(f"{target}/"), open_output(f"{target}/")
    for at_s, output in ((0.0, first), (0.5, second)):
        output.write(picture(0), at_s)
    first.finish()
    with pytest.raises(OutputError, match=r"not empty any more.*The pictures until then are in .*part-2"):
        second.finish()
    assert [path.name for path in target.iterdir()] == ["000000000.png"]


def test_a_folder_that_goes_away_while_it_is_written_is_told_in_a_sentence(tmp_path: Path) -> None:
    output = open_output(f"{tmp_path}/pictures/")
    output.write(picture(0), 0.0)
    shutil.rmtree(tmp_path / "pictures.part")
    with pytest.raises(OutputError, match=r"000000500\.png cannot be written"):
        output.write(picture(0), 0.5)
    with pytest.raises(OutputError, match=r"pictures cannot be written"):
        output.finish()
    output.discard()


@pytest.mark.parametrize(
    "name", ["absent/call.mp4", "file/call.mp4", "call.avi", "call", "full/", "file/new/"]
)
def test_an_output_that_cannot_be_is_told_at_once_in_a_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "something").touch()
    with pytest.raises(OutputError, match=rf"{name.rstrip('/')}.*\.$"):
        open_output(f"{tmp_path}/{name}")
    assert sorted(os.listdir(tmp_path)) == ["file", "full"]


FULL_DISK = """
import resource, signal, sys
import numpy as np
from receiver.errors import OutputError
from receiver.output import open_output
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
noise = np.random.default_rng(0)
output = open_output(sys.argv[1])
try:
    for index in range(60):
        output.write(noise.integers(0, 255, (128, 128, 3), dtype=np.uint8), index / 25)
    output.finish()
except OutputError as error:
    output.discard()
    sys.exit(str(error))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX")
@pytest.mark.parametrize("name", ["call.mp4", "call.mkv"])
@pytest.mark.parametrize("limit", ["3000", "300000"])
def test_a_full_disk_is_one_sentence_and_says_where_the_pictures_until_then_are(
    tmp_path: Path, name: str, limit: str
) -> None:
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path / name), limit]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr.startswith(f"{tmp_path / name} cannot be written")
    assert len(result.stderr.splitlines()) == 1
    left = os.listdir(tmp_path)
    assert len(left) == (limit == "300000")  # in the first 3000 bytes there is no picture yet
    for part in left:
        assert result.stderr.rstrip().endswith(f"{tmp_path / part}.")
        assert frames_in(tmp_path / part) > 0


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX")
def test_a_full_disk_names_the_picture_that_could_not_be_written(tmp_path: Path) -> None:
    script = FULL_DISK.replace("(128, 128, 3)", "((128 if index == 3 else 8), 128, 3)")
    command = [sys.executable, "-c", script, f"{tmp_path}/pictures/", "9000"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    file, part = tmp_path / "pictures" / "000000120.png", tmp_path / "pictures.part"
    assert result.stderr.startswith(f"{file} cannot be written (File too large)")
    assert result.stderr.rstrip().endswith(f"The pictures until then are in {part}.")
    assert sorted(path.name for path in part.iterdir()) == ["000000000.png", "000000040.png", "000000080.png"]


def test_a_program_that_breaks_before_a_picture_leaves_nothing(tmp_path: Path) -> None:
    script = FULL_DISK.replace("for index in range(60):", "for index in [None]:")
    command = [sys.executable, "-c", script, str(tmp_path / "call.mp4"), str(10**9)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "TypeError" in result.stderr
    assert os.listdir(tmp_path) == []


KILLED = """
import os, signal, sys
import numpy as np
from receiver.output import open_output
output = open_output(sys.argv[1], sound=sys.argv[2] == "sound")
noise = np.random.default_rng(0).integers(0, 255, (128, 128, 3), dtype=np.uint8)
for index in range(90):
    output.write(np.roll(noise, index, axis=1), index / 30)
    output.write_sound(np.zeros(1600, np.int16), index / 30)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize(
    ("name", "sound"), [("call.mp4", "sound"), ("call.mp4", "mute"), ("call.mkv", "mute")]
)
def test_a_recording_that_is_killed_plays_and_is_not_written_over(
    tmp_path: Path, name: str, sound: str
) -> None:
    target = tmp_path / name
    command = [sys.executable, "-c", KILLED, str(target), sound]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    [part] = tmp_path.iterdir()
    assert frames_in(part) >= 60  # of three seconds two
    before = part.read_bytes()

    said = left_by_earlier_calls(str(target))
    assert said is not None
    assert str(part) in said
    output = open_output(str(target))
    output.write(picture(0), 0.0)
    output.finish()
    assert part.read_bytes() == before
    assert sorted(tmp_path.iterdir()) == sorted([part, target])
    assert frames_in(target) == 1


GIVEN_UP = """
import sys, threading
import numpy as np
from receiver.output import open_output
output = open_output(sys.argv[1], sound=True)
noise = np.random.default_rng(0).integers(0, 255, (128, 128, 3), dtype=np.uint8)
written = threading.Semaphore(0)
def write():
    for index in range(500):
        output.write(np.roll(noise, index, axis=1), index / 30)
        output.write_sound(np.zeros(1600, np.int16), index / 30)
        written.release()
writing = threading.Thread(target=write)
writing.start()
for _ in range(100):
    written.acquire()
output.discard()
writing.join()
output.finish()
"""


@pytest.mark.parametrize("name", ["call.mp4", "call.mkv"])
def test_a_recording_that_is_given_up_while_a_thread_writes_it_is_kept_as_it_is(
    tmp_path: Path, name: str
) -> None:
    result = subprocess.run([sys.executable, "-c", GIVEN_UP, str(tmp_path / name)], check=False)
    assert result.returncode == 0
    [part] = tmp_path.iterdir()
    assert part.name.startswith("call.part")
    assert frames_in(part) >= 30


def test_nothing_is_said_of_recordings_with_other_names(tmp_path: Path) -> None:
    for other in ("recall.part.mp4", "call.part.mkv", "call.mp4", "call.party.txt"):
        (tmp_path / other).touch()
    assert left_by_earlier_calls(str(tmp_path / "call.mp4")) is None
    assert left_by_earlier_calls("none") is None


class SlowOutput:
    """An output whose disk waits until it is told to go on."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.times_s: list[float] = []
        self.finished = self.discarded = False

    def write(self, picture: Picture, at_s: float) -> None:
        self.go_on.wait(PATIENCE_S)
        if at_s < 0:
            raise OutputError("the disk is full.")
        self.times_s.append(at_s)

    def finish(self) -> None:
        self.finished = True

    def discard(self) -> None:
        self.discarded = True


def test_drawing_never_waits_for_the_disk_and_what_finds_no_place_is_counted() -> None:
    output = SlowOutput()
    writer = Writer(output, on_error=lambda error: None)
    for index in range(MAX_QUEUED + 10):
        writer.put(picture(0), float(index))
    assert writer.dropped in (9, 10)  # one may be under way
    output.go_on.set()
    writer.finish()
    assert output.finished
    assert len(output.times_s) == MAX_QUEUED + 10 - writer.dropped
    assert output.times_s == sorted(output.times_s)


def test_an_output_that_fails_is_reported_once_and_removed() -> None:
    output = SlowOutput()
    output.go_on.set()
    errors: list[OutputError] = []
    writer = Writer(output, on_error=errors.append)
    for at_s in (0.0, -1.0, -2.0, 1.0):
        writer.put(picture(0), at_s)
    with pytest.raises(OutputError, match="full"):
        writer.finish()
    assert len(errors) == 1
    assert output.times_s == [0.0]
    assert output.discarded
    assert not output.finished


def test_a_recording_without_a_name_takes_the_next_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = []
    for _ in range(3):
        names.append(unnamed_output())
        Path(names[-1]).touch()
    assert names == ["received.mp4", "received-2.mp4", "received-3.mp4"]
