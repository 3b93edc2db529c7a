"""Inputs: clips, folders, cameras that are not there, and time."""

import itertools
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import cv2
import numpy as np
import pytest

from sender import capture
from sender.capture import ClipInput, LiveInput, open_input
from sender.clips import MediaTimes, VideoClip, read_picture
from sender.errors import InputError
from sender.live import Camera, Stream
from tests.patience import PATIENCE_S
from tests.sender.sender_fakes import draw_frame, turn_clockwise, write_video

RATE_TIMES = {
    "12": [round(index * 1000 / 12) for index in range(12)],
    "24": [round(index * 1000 / 24) for index in range(24)],
    "29.97": [round(index * 1001 / 30) for index in range(30)],
    "60": [round(index * 1000 / 60) for index in range(60)],
    "uneven": [0, 17, 90, 100, 180, 400, 433, 466, 900, 917],
}


def grey(level: int, *, width: int = 64, height: int = 64) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


class FakeClock:
    """Time that passes only while somebody waits, or by `work_s` at each look."""

    def __init__(self, *, work_s: float = 0.0) -> None:
        self.now_s = 1000.0
        self.work_s = work_s

    def monotonic(self) -> float:
        self.now_s += self.work_s
        return self.now_s

    def wait(self, seconds: float) -> bool:
        self.now_s += seconds
        return False


class ListClip:
    """A clip of numbered pictures at given times."""

    name = "list"

    def __init__(self, times_s: list[float]) -> None:
        self.times_s = times_s

    def pictures(self):
        for index, time_s in enumerate(self.times_s):
            yield time_s, grey(index % 256)


def paced(clip: ListClip, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, **options) -> ClipInput:
    monkeypatch.setattr(capture, "time", clock)  # and nobody else's, whose looks would move it on
    source = ClipInput(clip, realtime=True, **options)
    monkeypatch.setattr(source._stopped, "wait", clock.wait)
    return source


@pytest.mark.parametrize("name", RATE_TIMES)
def test_a_video_gives_all_its_frames_with_their_own_times(name: str, tmp_path: Path) -> None:
    times_ms = RATE_TIMES[name]
    path = write_video(
        tmp_path / "clip.mp4", [grey(4 * index) for index in range(len(times_ms))], times_ms=times_ms
    )
    with open_input(str(path), realtime=False) as source:
        frames = list(source.frames())
    assert [frame.index for frame in frames] == list(range(len(times_ms)))
    since = [(frame.captured_s - frames[0].captured_s) * 1000 for frame in frames]
    assert since == pytest.approx(times_ms, abs=0.6)


def test_real_time_neither_hurries_nor_drifts(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock(work_s=0.003)
    times_s = [index / 29.97 for index in range(3000)]
    due = []
    for frame in paced(ListClip(times_s), clock, monkeypatch).frames():
        due.append(frame.captured_s)
        assert clock.now_s >= frame.captured_s
        assert clock.now_s - frame.captured_s < 0.004
        clock.now_s += 0.025  # what the consumer takes
    assert np.subtract(due, due[0]) == pytest.approx(times_s)


def test_after_a_stall_the_clip_goes_on_from_now(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    captured = []
    for frame in paced(ListClip([index / 25 for index in range(100)]), clock, monkeypatch).frames():
        captured.append(frame.captured_s)
        if frame.index == 50:
            clock.now_s += 20
    steps = np.diff(captured)
    assert steps[50] == pytest.approx(20)
    assert np.delete(steps, 50) == pytest.approx(np.full(98, 0.04))


def test_a_clip_says_when_it_began_however_unevenly_its_pictures_come_and_that_it_was_held_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = FakeClock()
    times_s = [index / 10 for index in range(40)] + [4 + index / 30 for index in range(60)]
    source = paced(ListClip(times_s), clock, monkeypatch)
    assert source.began_s is None
    frames = source.frames()
    for time_s, frame in zip(times_s, itertools.islice(frames, 70), strict=False):
        assert source.began_s == pytest.approx(1000.0)
        assert frame.captured_s - source.began_s == pytest.approx(time_s)
    clock.now_s += 3.0
    frame = next(frames)
    assert source.began_s == pytest.approx(1003.0, abs=0.05)
    assert frame.captured_s - source.began_s == pytest.approx(times_s[70])


def test_a_repeated_clip_has_one_time_that_goes_on_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    clip = ListClip([index / 24 for index in range(10)])
    frames = list(paced(clip, FakeClock(), monkeypatch, repeat_s=3.0).frames())
    assert len(frames) == 72
    assert np.diff([frame.captured_s for frame in frames]) == pytest.approx(np.full(71, 1 / 24))
    assert [int(frame.picture[0, 0, 0]) for frame in frames[8:12]] == [8, 9, 0, 1]
    assert [frame.index for frame in frames] == list(range(72))


def test_a_single_picture_can_be_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = list(paced(ListClip([0.0]), FakeClock(), monkeypatch, repeat_s=1.0).frames())
    assert len(frames) == 25


def test_stopping_ends_the_wait_for_the_next_frame() -> None:
    source = ClipInput(ListClip([0.0, 1e6, 2e6]), realtime=True)
    frames = source.frames()
    next(frames)
    source.stop()
    assert next(frames, None) is None


def test_the_opening_can_be_read_before_the_call_and_costs_no_time(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", [grey(4 * index) for index in range(50)])
    with open_input(str(path)) as source:
        opening = source.opening()
        assert opening is not None
        early = list(itertools.islice(opening, 30))
        first = next(source.frames())
    assert [frame.captured_s for frame in early[:3]] == pytest.approx([0, 0.04, 0.08])
    assert first.index == 0
    assert (first.picture == early[0].picture).all()


@pytest.mark.parametrize(
    ("stamps", "expected"),
    [
        ([5.0, 5.04, 5.08], [0, 0.04, 0.08]),
        ([None, None, None], [0, 0.04, 0.08]),
        ([None, 7.0, 7.1], [0, 0.04, 0.14]),
        ([0, 0.04, 4000.0, 4000.04], [0, 0.04, 0.08, 0.12]),
        ([100.0, 100.04, 0.0, 0.04], [0, 0.04, 0.08, 0.12]),
        ([0, 0.04, 0.04, 0.12], [0, 0.04, 0.045, 0.12]),
        ([0, 5.0, 5.04], [0, 5.0, 5.04]),
    ],
)
def test_damaged_timestamps_give_usable_times(stamps: list[float | None], expected: list[float]) -> None:
    times = MediaTimes(0.04)
    assert [times.next(stamp) for stamp in stamps] == pytest.approx(expected)


def test_a_video_that_a_phone_has_turned_stands_upright(tmp_path: Path) -> None:
    picture = grey(0, width=96, height=64)
    picture[:, :48] = 250  # left half white: at the top when turned clockwise
    path = write_video(tmp_path / "turned.mp4", [picture] * 3)
    turn_clockwise(path)
    _, upright = next(VideoClip(path).pictures())
    assert upright.shape == (96, 64, 3)
    assert upright[:40].mean() > 240
    assert upright[56:].mean() < 10


def test_a_video_that_breaks_off_gives_what_is_whole(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mkv", [grey(2 * index) for index in range(100)])
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    with open_input(str(path), realtime=False) as source:
        assert 20 < len(list(source.frames())) < 100


def test_a_damaged_stretch_costs_only_itself(tmp_path: Path) -> None:
    random = np.random.default_rng(6)
    noise = [random.integers(0, 255, (64, 64, 3), np.uint8) for _ in range(60)]
    path = write_video(tmp_path / "clip.mp4", noise)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = random.bytes(3000)
    path.write_bytes(data)
    with open_input(str(path), realtime=False) as source:
        times = [frame.captured_s for frame in source.frames()]
    assert len(times) >= 30
    assert (np.diff(times) > 0).all()
    assert times[-1] - times[0] == pytest.approx(59 / 25, abs=0.2)


def test_a_folder_is_played_in_the_order_of_its_numbers(tmp_path: Path) -> None:
    for index in (10, 9, 1, 2):
        cv2.imwrite(str(tmp_path / f"frame{index}.png"), grey(index))
    (tmp_path / "notes.txt").write_text("no picture")
    with open_input(str(tmp_path), realtime=False) as source:
        frames = list(source.frames())
    assert [int(frame.picture[0, 0, 0]) for frame in frames] == [1, 2, 9, 10]
    assert np.diff([frame.captured_s for frame in frames]) == pytest.approx(np.full(3, 0.04))


def test_colours_are_red_green_blue_from_files_and_folders(tmp_path: Path) -> None:
    red = draw_frame(64, 64, x=32, y=32, face=200)
    cv2.imwrite(str(tmp_path / "red.png"), red[:, :, ::-1])
    still = read_picture(tmp_path / "red.png")
    _, moving = next(VideoClip(write_video(tmp_path / "red.mp4", [red] * 2)).pictures())
    for picture in (still, moving):
        assert picture[32, 32] == pytest.approx([255, 20, 20], abs=12)


def test_a_picture_that_says_it_is_larger_than_can_be_read_is_refused_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "large.ppm"
    path.write_bytes(b"P6\n60000 60000\n255\n" + bytes(100))
    with pytest.raises(InputError, match=r"large\.ppm is not a picture"):
        read_picture(path)


@pytest.mark.parametrize("spec", ["text.mp4", "notes.txt", "empty.mp4", "sound.wav", "absent.mp4", "folder"])
def test_what_is_no_input_is_refused_with_a_sentence(spec: str, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("This is no video.\n" * 100)
    (tmp_path / "notes.txt").write_text("Neither is this.\n" * 100)
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    sound = struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", 8036, b"WAVE", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16, b"data", 8000
    )
    (tmp_path / "sound.wav").write_bytes(sound + bytes(8000))
    with pytest.raises(InputError) as error:
        open_input(str(tmp_path / spec))
    assert spec in str(error.value)
    assert str(error.value).endswith(".")


@pytest.mark.parametrize("spec", ["camera:77", "/dev/video77", "camera:front"])
def test_a_camera_that_is_not_there_is_named(spec: str) -> None:
    with pytest.raises(InputError, match=r"camera"):
        open_input(spec)


def test_a_camera_cannot_be_repeated() -> None:
    with pytest.raises(InputError, match="live"):
        open_input("camera:77", repeat_s=5)


def test_a_camera_comes_no_faster() -> None:
    with pytest.raises(InputError, match="--fast is for files"):
        open_input("camera:77", realtime=False)


class Device:
    """A camera that gives grey pictures, as long as nobody else has it."""

    frame_rate = 30.0
    taken = False  # by another program
    held = 0  # of its kind, at this moment

    def __init__(self) -> None:
        if Device.taken:
            raise InputError("The camera is in use by another program.")
        Device.held += 1
        self.closed = False

    def read(self) -> np.ndarray:
        assert not self.closed, "a camera that was let go gives nothing"
        time.sleep(0.002)
        return grey(100)

    def close(self) -> None:
        Device.held -= not self.closed
        self.closed = True


def until(condition: Callable[[], bool]) -> None:
    """Wait for what a thread does; the limit only keeps a broken run from hanging."""
    end_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.005)


def test_a_camera_that_rests_is_let_go_and_taken_again_and_one_that_is_gone_is_told_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Device, "taken", False)
    monkeypatch.setattr(Device, "held", 0)
    told: list[str] = []
    numbers: list[int] = []

    def read() -> None:
        for frame in source.frames():
            numbers.append(frame.index)  # noqa: PERF401 -- watched while it grows

    def rest(on: bool) -> None:
        source.rest(on, on_failed=lambda error: told.append(str(error)))

    with LiveInput("camera", Device) as source:
        reading = threading.Thread(target=read, daemon=True)
        reading.start()
        until(lambda: len(numbers) > 3)
        rest(True)
        until(lambda: Device.held == 0)
        before = len(numbers)
        rest(False)
        until(lambda: len(numbers) > before + 3)
        assert Device.held == 1
        rest(True)
        until(lambda: Device.held == 0)
        Device.taken = True
        rest(False)
        until(lambda: told == ["The camera is in use by another program."])
        Device.taken = False
        before = len(numbers)
        rest(False)
        until(lambda: len(numbers) > before)
        rest(True)
        until(lambda: Device.held == 0)
        source.stop()
        reading.join(PATIENCE_S)
        assert not reading.is_alive()
    assert numbers == list(range(len(numbers)))
    assert Device.held == 0


def test_a_camera_that_goes_away_while_the_call_ends_holds_up_nothing_and_is_told_to_nobody() -> None:
    told: list[InputError] = []
    looked, gone = threading.Event(), threading.Event()

    class Leaving(Device):
        def read(self) -> np.ndarray:
            looked.set()
            assert gone.wait(PATIENCE_S)
            raise InputError("The camera was disconnected.")

    source = LiveInput("camera", Leaving)
    source.rest(False, on_failed=told.append)
    reading = threading.Thread(target=lambda: list(source.frames()), daemon=True)
    reading.start()
    assert looked.wait(PATIENCE_S)
    source.stop()
    gone.set()
    reading.join(PATIENCE_S)
    assert not reading.is_alive()
    assert told == []
    source.__exit__(None, None, None)
    assert Device.held == 0


class Container:
    """A stream of a file's packets, from which nothing comes any more after so many."""

    def __init__(self, path: Path, packets: int) -> None:
        self._container = av.open(str(path))
        self._packets = packets
        self.format, self.streams = self._container.format, self._container.streams
        self.close = self._container.close

    def demux(self, stream: av.VideoStream) -> Iterator[av.Packet]:
        yield from itertools.islice(self._container.demux(stream), self._packets)
        raise av.error.ExitError(1, "Immediate exit requested")


def test_a_stream_that_breaks_off_rests_until_it_is_wanted_again_and_one_that_ends_has_ended(
    tmp_path: Path,
) -> None:
    path = write_video(tmp_path / "stream.mp4", [grey(100)] * 10)
    opened: list[Any] = [Container(path, 5), av.open(str(path))]
    told: list[str] = []

    def take_again(error: InputError) -> None:
        told.append(str(error))
        source.rest(False, on_failed=take_again)

    source = LiveInput("rtsp://camera", lambda: Stream(opened.pop(0), name="rtsp://camera"))
    source.rest(False, on_failed=take_again)
    with source:
        assert 12 <= len(list(source.frames())) <= 15
    assert told == ["The stream rtsp://camera has broken off; open it again once it is back."]
    alone = LiveInput("rtsp://camera", lambda: Stream(Container(path, 5), name="rtsp://camera"))  # type: ignore[arg-type]
    with alone, pytest.raises(InputError, match="has broken off"):
        list(alone.frames())


@pytest.mark.parametrize(
    ("said", "rate"),
    [(15.0, 15.0), (0.0, 30.0), (-1.0, 30.0), (float("nan"), 30.0), (float("inf"), 30.0), (1000.0, 30.0)],
)
def test_a_camera_s_driver_that_does_not_know_its_rate_is_not_believed(said: float, rate: float) -> None:
    device: Any = SimpleNamespace(get=lambda which: said)
    assert Camera(device, name="camera").frame_rate == rate


def test_a_file_that_says_its_clock_s_rate_is_not_believed(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clock.mkv", [grey(100)] * 5, times_ms=[0, 40, 80, 120, 160], rate=1000)
    assert VideoClip(path).frame_rate == 25.0


@pytest.mark.parametrize("address", ["http://example.org/clip.mp4", "file:///tmp/clip.mp4"])
def test_an_address_of_another_kind_is_told_which_are_taken(address: str) -> None:
    with pytest.raises(InputError, match="begins with rtsp://, rtsps://, rtmp://, udp:// or srt://") as error:
        open_input(address)
    assert address in str(error.value)


@pytest.mark.parametrize("spec", ["", "  "])
def test_an_input_without_a_name_is_said_to_have_none(spec: str) -> None:
    with pytest.raises(InputError, match="has no name"):
        open_input(spec)
