"""Files in place of microphones and speakers."""

import asyncio
import time
import wave
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest

from call.errors import CallError
from call.parts import Parts, begin_with
from call.screen import Screen
from call.sound_files import BLOCK_SAMPLES, FileMicrophone, Silence
from receiver.video_file import VideoFile
from tests.virtual_time import in_virtual_time

Samples = npt.NDArray[np.int16]


def ramp(seconds: float, rate: int) -> Samples:
    """A slow tone, other in each tenth of a second, so that its places can be told apart."""
    times_s = np.arange(round(seconds * rate)) / rate
    return (10_000 * np.sin(2 * np.pi * (300 + 200 * np.floor(times_s * 10)) * times_s)).astype(np.int16)


def write_wav(path: Path, samples: Samples, rate: int, *, channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, 2, rate, 0, "NONE", "not compressed"))
        file.writeframes(np.repeat(samples, channels).astype("<i2").tobytes())
    return path


def write_video(path: Path, *, clap_s: float, seconds: float = 2.0) -> Path:
    """A video in which a white picture and a clap come at the same moment."""
    video = VideoFile(path, sound=True)
    sound = np.zeros(round(seconds * 48_000), np.int16)
    sound[round(clap_s * 48_000) :][:480] = 20_000
    for index in range(round(seconds * 25)):
        video.write(np.full((64, 64, 3), 255 if index == round(clap_s * 25) else 0, np.uint8), index / 25)
        video.write_sound(sound[index * 1920 : (index + 1) * 1920], index / 25)
    video.finish()
    return path


async def read(microphone: FileMicrophone, blocks: int) -> Samples:
    return np.concatenate([await microphone.read() for _ in range(blocks)])


@pytest.mark.parametrize(("rate", "channels"), [(48_000, 1), (44_100, 2), (16_000, 1)])
@in_virtual_time
async def test_a_file_is_heard_mono_at_48_khz_and_in_real_time(
    tmp_path: Path, rate: int, channels: int
) -> None:
    path = write_wav(tmp_path / "speech.wav", ramp(0.5, rate), rate, channels=channels)
    microphone = FileMicrophone(path)
    began_s = time.monotonic()
    heard = await read(microphone, 25)
    assert time.monotonic() - began_s >= 0.48
    expected = ramp(0.5, 48_000).astype(float)
    likeness = np.dot(heard, expected) / np.linalg.norm(heard) / np.linalg.norm(expected)
    assert likeness > 0.97
    assert not (await microphone.read()).any()  # silence after its end


@in_virtual_time
async def test_a_repeated_file_begins_again_without_a_gap(tmp_path: Path) -> None:
    once = ramp(0.1, 48_000)
    heard = await read(FileMicrophone(write_wav(tmp_path / "a.wav", once, 48_000), repeat=True), 15)
    assert np.array_equal(heard, np.tile(once, 3))


@in_virtual_time
async def test_a_video_s_sound_begins_with_its_pictures_and_lasts_as_long(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clap.mp4", clap_s=0.2, seconds=0.4)
    heard = await read(FileMicrophone(path, repeat=True), 40)
    claps = np.flatnonzero(np.diff((np.abs(heard) > 8_000).astype(int)) == 1)
    starts = [claps[0]] + [late for early, late in pairwise(claps) if late - early > 9_600]
    assert np.allclose(np.array(starts) / 48_000, [0.2, 0.6], atol=0.005)


@in_virtual_time
async def test_a_file_that_waits_begins_where_it_is_told(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "speech.wav", np.full(9_600, 1_000, np.int16), 48_000)
    microphone = FileMicrophone(path, waits=True)
    assert not (await read(microphone, 3)).any()
    first_s = time.monotonic()
    microphone.begin(first_s + 0.05)
    later = await read(microphone, 6)
    # Blocks stand on the microphone's own grid, and the file begins within one of them.
    assert int(np.argmax(later != 0)) / 48_000 == pytest.approx(0.05, abs=0.025)
    microphone = FileMicrophone(path, waits=True)
    microphone.begin(time.monotonic() - 0.1)
    assert np.count_nonzero(await read(microphone, 10)) == pytest.approx(4_800, abs=960)


@in_virtual_time
async def test_a_clip_s_sound_is_in_step_with_its_pictures_from_whichever_frame_is_seen_first(
    tmp_path: Path,
) -> None:
    path = write_wav(tmp_path / "speech.wav", np.full(9_600, 1_000, np.int16), 48_000)
    microphone = FileMicrophone(path, waits=True)
    began_s = time.monotonic() - 0.1  # the clip has been played for 0.1 s
    on_frame = begin_with(microphone, lambda: began_s)
    on_frame()
    on_frame()
    assert np.count_nonzero(await read(microphone, 10)) == pytest.approx(4_800, abs=960)


@in_virtual_time
async def test_a_clip_that_was_held_up_takes_its_sound_with_it(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "speech.wav", np.full(48_000, 1_000, np.int16), 48_000)
    microphone = FileMicrophone(path, waits=True)
    began_s: float | None = None
    on_frame = begin_with(microphone, lambda: began_s)
    on_frame()  # of the clip nothing has come yet
    began_s = time.monotonic()
    on_frame()
    assert np.count_nonzero(await read(microphone, 25)) == pytest.approx(24_000, abs=960)
    began_s += 1.0  # after 0.5 s it goes on in 1 s
    on_frame()
    later = await read(microphone, 75)
    assert np.count_nonzero(later[:48_000]) == pytest.approx(0, abs=960)
    assert np.count_nonzero(later) == pytest.approx(24_000, abs=960)


async def test_a_video_is_heard_with_its_own_sound_where_no_other_is_named(tmp_path: Path) -> None:
    loud = write_video(tmp_path / "clap.mp4", clap_s=0.2)
    mute = VideoFile(tmp_path / "mute.mp4")
    mute.write(np.zeros((64, 64, 3), np.uint8), 0.0)
    mute.finish()
    speech = write_wav(tmp_path / "speech.wav", ramp(0.1, 48_000), 48_000)
    for video, audio, heard in (
        (loud, None, loud),
        (loud, speech, speech),
        (tmp_path / "mute.mp4", None, None),
        ("camera", None, None),
    ):
        microphone, _ = devices_of(str(video), None if audio is None else str(audio))
        assert getattr(microphone, "_path", None) == heard
    with pytest.raises(CallError, match=r"mute\.mp4"):
        devices_of(str(loud), str(tmp_path / "mute.mp4"))


def devices_of(video: str, audio: str | None) -> tuple[Any, Any]:
    wanted: Any = SimpleNamespace(input=SimpleNamespace(spec=video), audio=audio)
    ends: Any = None
    return Parts(wanted, ends, Screen(), AsyncExitStack())._devices()


def test_what_has_no_sound_is_refused_with_a_sentence(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no sound at all")
    mute = VideoFile(tmp_path / "mute.mp4")
    mute.write(np.zeros((64, 64, 3), np.uint8), 0.0)
    mute.finish()
    for path in (text, tmp_path / "mute.mp4", tmp_path / "nowhere.wav"):
        with pytest.raises(CallError, match=path.name):
            FileMicrophone(path)


@in_virtual_time
async def test_a_file_that_breaks_off_is_heard_as_far_as_it_goes(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "speech.wav", ramp(0.4, 48_000), 48_000)
    path.write_bytes(path.read_bytes()[: 44 + 9_600])
    heard = await read(FileMicrophone(path), 12)
    assert heard[:4_800].any()
    assert not heard[5_760:].any()


def test_a_recording_has_sound_and_pictures_in_step(tmp_path: Path) -> None:
    path = write_video(tmp_path / "call.mp4", clap_s=1.0)
    with av.open(str(path)) as video:
        stream = video.streams.audio[0]
        assert (stream.codec_context.name, stream.rate, stream.layout.name) == ("aac", 48_000, "mono")
        whites = [
            float(frame.time or 0)
            for frame in video.decode(video=0)
            if frame.to_ndarray(format="gray").mean() > 128
        ]
    with av.open(str(path)) as video:
        frames = list(video.decode(audio=0))
        sound = np.concatenate([frame.to_ndarray()[0] for frame in frames])
    heard_s = float(frames[0].time or 0) + int(np.argmax(np.abs(sound) > 0.2)) / 48_000
    assert whites == [pytest.approx(1.0)]
    assert heard_s == pytest.approx(whites[0], abs=0.005)


def test_a_recording_s_sound_stands_at_its_times_whatever_comes(tmp_path: Path) -> None:
    video = VideoFile(tmp_path / "call.mkv", sound=True)
    block = np.full(BLOCK_SAMPLES, 8_000, np.int16)
    video.write_sound(block, 0.0)  # before the first picture: left out
    video.write(np.zeros((64, 64, 3), np.uint8), 0.0)
    for at_s in (-0.02, 0.5, 0.523, 0.54, 0.3, 10_000.0):
        video.write_sound(block, at_s)
    video.write(np.zeros((64, 64, 3), np.uint8), 1.0)
    video.finish()
    with av.open(str(tmp_path / "call.mkv")) as file:
        frames = list(file.decode(audio=0))
    sound = np.concatenate([frame.to_ndarray()[0] for frame in frames])
    loud = np.flatnonzero(np.abs(sound) > 0.1) / 48_000 + float(frames[0].time or 0)
    assert loud.min() == pytest.approx(0.5, abs=0.01)
    assert loud.max() == pytest.approx(0.56, abs=0.01)


def test_the_first_sound_of_a_recording_may_come_after_ten_minutes(tmp_path: Path) -> None:
    video = VideoFile(tmp_path / "call.mkv", sound=True)
    for minute in range(12):
        video.write(np.zeros((64, 64, 3), np.uint8), 60.0 * minute)
    video.write_sound(np.full(BLOCK_SAMPLES, 8_000, np.int16), 660.5)
    video.finish()
    with av.open(str(tmp_path / "call.mkv")) as file:
        loud_s = [
            float(frame.time or 0) for frame in file.decode(audio=0) if np.abs(frame.to_ndarray()).max() > 0.1
        ]
    assert loud_s[0] == pytest.approx(660.5, abs=0.03)


@in_virtual_time
async def test_silence_keeps_time() -> None:
    silence = Silence()
    began_s = time.monotonic()
    blocks = [await silence.read() for _ in range(5)]
    assert time.monotonic() - began_s >= 0.09
    assert not np.concatenate(blocks).any()
    silence.play(blocks[0], began_s)
    await asyncio.sleep(0)
