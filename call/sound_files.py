"""A microphone that is a file, for calls without devices, and silence for those without sound.

A file that is played as a microphone keeps real time, like a clip that is played as a camera. What FFmpeg decodes can
be played; what it cannot is told in a sentence.
"""

import asyncio
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from call.errors import CallError

Samples = npt.NDArray[np.int16]

SAMPLE_RATE = 48_000
BLOCK_SAMPLES = 960
BLOCK_S = BLOCK_SAMPLES / SAMPLE_RATE
# Later than this, the machine was stopped: the sound goes on from here, as a clip's pictures do.
STALL_S = 1.0
SLACK_SAMPLES = BLOCK_SAMPLES // 2  # times are rounded to samples: so little is not put right
LONGEST_GAP_SAMPLES = 600 * SAMPLE_RATE  # a clock that leapt must not fill the disk


class Pacer:
    """Lets blocks of 20 ms go by in real time: each is there when its last sample would have been captured."""

    def __init__(self) -> None:
        self._next_s: float | None = None

    async def wait(self) -> float:
        """Wait for the next block's end, and return when it began (monotonic seconds)."""
        now_s = time.monotonic()
        if self._next_s is None or now_s - self._next_s > STALL_S:
            self._next_s = now_s
        began_s = self._next_s
        self._next_s += BLOCK_S
        await asyncio.sleep(max(self._next_s - now_s, 0.0))
        return began_s


class Silence:
    """A microphone that hears nothing, and a speaker that nobody hears."""

    def __init__(self) -> None:
        self._pacer = Pacer()

    async def read(self) -> Samples:
        """Wait for 20 ms of silence."""
        await self._pacer.wait()
        return np.zeros(BLOCK_SAMPLES, np.int16)

    def play(self, block: Samples, at_s: float) -> None:
        """Drop the block."""


class FileMicrophone:
    """The sound of a file in real time: WAV, MP3, a video's own. Raises CallError where there is none in it.

    repeat: from the beginning again, for ever; a video's sound is as long as its pictures, so that both stay together.
    Afterwards, and before `begin` where that is waited for, there is silence.
    waits: begin at `begin` and not with the first `read`.
    """

    def __init__(self, path: Path, *, repeat: bool = False, waits: bool = False) -> None:
        self._path = path
        self._repeat = repeat
        self._waits = waits
        self._pacer = Pacer()
        self._began_s: float | None = None  # when the file's first sample is sounded
        self._parts = self._samples()
        self._part = np.empty(0, np.int16)
        self._given = 0  # samples of the file, from its beginning or over and over
        try:
            self._part = next(self._parts)
        except StopIteration:
            raise CallError(f"{path} has no sound that can be decoded.") from None

    def begin(self, at_s: float) -> None:
        """Let the file begin at a moment of `time.monotonic`, as the clip it belongs to, or have begun then, where that
        was held up and goes on later; from any thread."""
        self._began_s = at_s

    async def read(self) -> Samples:
        """Wait for the next 20 ms."""
        block_s = await self._pacer.wait()
        if self._began_s is None and not self._waits:
            self._began_s = block_s
        block = np.zeros(BLOCK_SAMPLES, np.int16)
        if self._began_s is None:
            return block
        wanted = round((block_s - self._began_s) * SAMPLE_RATE)
        self._take(wanted - self._given)  # what would have been heard before; nothing, as a rule
        ahead = self._given - wanted  # before its beginning, and where the clip was held up
        early = min(ahead, BLOCK_SAMPLES) if ahead > SLACK_SAMPLES or not self._given else 0
        early = max(early, 0)
        samples = self._take(BLOCK_SAMPLES - early)
        block[early : early + len(samples)] = samples
        return block

    def _take(self, count: int) -> Samples:
        """Return the file's next samples, fewer at its end."""
        while len(self._part) < count:
            try:
                more = next(self._parts)
            except (StopIteration, CallError):  # it has ended, or has gone since it was read last
                break
            self._part = np.concatenate([self._part, more])
        count = max(count, 0)
        taken, self._part = self._part[:count], self._part[count:]
        self._given += count
        return taken

    def _samples(self) -> Iterator[Samples]:
        """Yield the file's sound, mono at 48 kHz."""
        pictured = _picture_samples(self._path) if self._repeat else 0
        while True:
            length = 0
            for part in _decoded(self._path):
                kept = part[: pictured - length] if pictured else part
                length += len(kept)
                yield kept
            if not self._repeat or not length:
                return
            yield np.zeros(max(pictured - length, 0), np.int16)


def read_sound(path: Path) -> Samples:
    """Return a file's sound whole, mono at 48 kHz; raises CallError where there is none in it."""
    samples = np.concatenate([np.empty(0, np.int16), *_decoded(path)])
    if not len(samples):
        raise CallError(f"{path} has no sound that can be decoded.")
    return samples


def _decoded(path: Path) -> Iterator[Samples]:
    """Decode a file's first sound, mono at 48 kHz, up to where it ends or breaks off; damaged packets are left out.

    Where the file has pictures too, it begins with the first of them.
    """
    with _opened(path) as container:
        if not container.streams.audio:
            return
        resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
        origin_s, placed = _first_picture_s(container), 0
        for frame in _frames(container):
            parts = [part.to_ndarray()[0] for part in resampler.resample(frame)]
            samples = np.concatenate(parts) if parts else np.empty(0, np.int16)
            if not placed and origin_s is not None and frame.time is not None:
                samples, early = _aligned(samples, round((frame.time - origin_s) * SAMPLE_RATE))
                if early:
                    continue
            placed += len(samples)
            yield samples
        for part in resampler.resample(None):
            yield part.to_ndarray()[0]


def _aligned(samples: Samples, late: int) -> tuple[Samples, bool]:
    """Shift sound that begins `late` samples after the pictures; also says whether it is all before them."""
    if late >= 0:
        return np.concatenate([np.zeros(min(late, LONGEST_GAP_SAMPLES), np.int16), samples]), False
    return samples[-late:], -late >= len(samples)


def _frames(container: av.container.InputContainer) -> Iterator[av.AudioFrame]:
    stream = container.streams.audio[0]
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.FFmpegError, OSError):
            return
        try:
            yield from packet.decode()
        except av.error.EOFError:
            return
        except (av.FFmpegError, ValueError):
            continue


def _first_picture_s(container: av.container.InputContainer) -> float | None:
    """Say when a video's pictures begin, where it has any."""
    for stream in _moving(container):
        if stream.start_time is not None and stream.time_base is not None:
            return float(stream.start_time * stream.time_base)
    return None


def _picture_samples(path: Path) -> int:
    """Say how many samples a file's pictures last, the last as long as the others do; 0 where it has none."""
    with _opened(path) as container:
        for stream in _moving(container):
            times = [packet.pts for packet in container.demux(stream) if packet.pts is not None]
            if len(times) > 1 and stream.time_base is not None:
                lasting = Fraction(max(times) - min(times)) * stream.time_base
                return round(lasting * len(times) / (len(times) - 1) * SAMPLE_RATE)
    return 0


def _opened(path: Path) -> av.container.InputContainer:
    try:
        return av.open(str(path), metadata_errors="ignore")
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise CallError(f"{path} cannot be played as a microphone ({reason}).") from error


def _moving(container: av.container.InputContainer) -> list[av.VideoStream]:
    """Return a file's video streams, cover art aside."""
    covers = av.stream.Disposition.attached_pic
    return [stream for stream in container.streams.video if not stream.disposition & covers]
