"""Videos in and clips out: frames upright and at most 31 a second, H.264 with the sound beside it. Knows no faces."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.stream import AudioStream
from av.video.stream import VideoStream
from numpy.typing import NDArray

from models.prepare.settings import PrepareError

Picture = NDArray[np.uint8]

SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".flv", ".wmv"}
)
# Faster videos lose every other frame (or more), so that a second of them counts as much as of others.
LARGEST_RATE = 31
SOUND_RATE = 16_000
SLIP = SOUND_RATE // 50  # samples by which the sound's timestamps may be off before they are believed
# Visually without loss: what the networks learn to draw should not be an encoder's blocks.
X264_OPTIONS = {"preset": "medium", "crf": "14"}


@dataclass(frozen=True)
class Video:
    """A video file that was opened once."""

    path: Path
    fps: Fraction  # of the frames that are kept
    every: int  # of the file's frames, every n-th is kept
    sound: bool

    def frames(self) -> Iterator[Picture]:
        """Yield the kept frames, uint8 [H, W, 3] RGB, upright with square pixels; raises PrepareError."""
        with open_video(self.path) as container:
            stream = container.streams.video[0]
            aspect = float(stream.sample_aspect_ratio or 1)
            try:
                for index, frame in enumerate(container.decode(stream)):
                    if index % self.every == 0:
                        yield _upright(frame, aspect)
            except av.error.FFmpegError as error:
                raise PrepareError(f"{self.path} breaks off or is damaged: {_reason(error)}") from None


def probe(path: Path) -> Video:
    """Open a video; raises PrepareError where it is none."""
    with open_video(path) as container:
        stream = container.streams.video[0]
        rate = Fraction(stream.average_rate or stream.guessed_rate or 25)
        if not 1 <= rate <= 1000:
            raise PrepareError(f"{path} has {float(rate):g} frames a second, which is no video of a person")
        every = -(-rate // LARGEST_RATE)
        return Video(path, (rate / every).limit_denominator(1001), int(every), bool(container.streams.audio))


def open_video(path: Path) -> Any:
    """Open a container that holds a video; raises PrepareError."""
    try:
        container = av.open(str(path), metadata_errors="ignore")
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise PrepareError(f"{path} is not a video that can be read: {_reason(error)}") from None
    if not container.streams.video:
        container.close()
        raise PrepareError(f"{path} holds no picture")
    return container


def _upright(frame: av.VideoFrame, aspect: float) -> Picture:
    width = max(2, round(frame.width * aspect))
    picture = frame.reformat(width=width, height=frame.height, format="rgb24").to_ndarray()
    turns = round(frame.rotation / 90) % 4  # counter-clockwise quarter turns, as numpy counts them
    return np.ascontiguousarray(np.rot90(picture, turns))


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


class ClipWriter:
    """Writes the pictures of one clip, then its sound."""

    def __init__(self, path: Path, *, size: int, fps: Fraction, sound: bool) -> None:
        self._container = av.open(str(path), "w", format="mp4")
        self._video: VideoStream = self._container.add_stream("libx264", rate=fps, options=X264_OPTIONS)
        self._video.width = self._video.height = size
        self._video.pix_fmt = "yuv420p"
        # All streams must be there before the first packet.
        self._audio: AudioStream | None = None
        if sound:
            self._audio = self._container.add_stream("aac", rate=SOUND_RATE, layout="mono")
        self._fps = fps
        self.frames = 0

    def add(self, picture: Picture) -> None:
        """Write the next picture, uint8 [size, size, 3]."""
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts = self.frames
        frame.time_base = 1 / self._fps
        self._container.mux(self._video.encode(frame))
        self.frames += 1

    def add_sound(self, video: Path, start_s: float) -> None:
        """Write the sound of the source, from `start_s` on for as long as the pictures last."""
        if self._audio is None:
            return
        length = round(self.frames / self._fps * SOUND_RATE)
        fifo = av.AudioFifo()
        for samples in _sound(video, start_s, length):
            frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
            frame.sample_rate = SOUND_RATE
            fifo.write(frame)
        at = 0
        while (part := fifo.read(1024, partial=True)) is not None:
            part.pts, part.time_base = at, Fraction(1, SOUND_RATE)
            at += part.samples
            self._container.mux(self._audio.encode(part))

    def close(self) -> None:
        """Finish the file; raises OSError where the disk is full."""
        for stream in (self._video, self._audio):
            if stream is not None and (self.frames or stream is self._audio):
                self._container.mux(stream.encode(None))
        self._container.close()


def _sound(path: Path, start_s: float, length: int) -> Iterator[NDArray[np.float32]]:
    """Yield `length` samples in pieces, silence where the file has none."""
    given = 0
    with open_video(path) as container:
        stream = container.streams.audio[0]
        origin_s = float((container.streams.video[0].start_time or 0) * container.streams.video[0].time_base)
        if start_s > 1 and stream.time_base:
            container.seek(int((origin_s + start_s - 1) / stream.time_base), stream=stream)
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=SOUND_RATE)
        try:
            for frame in container.decode(stream):
                place = round(((frame.time or 0.0) - origin_s - start_s) * SOUND_RATE)
                for part in resampler.resample(frame):
                    samples = part.to_ndarray()[0].astype(np.float32)
                    # What lies before the clip is left out; a hole in the sound becomes silence.
                    skip = max(0, given - place)
                    if given > 0 and skip <= SLIP:
                        skip = 0
                    hole = min(place - given, length - given)
                    if hole > SLIP:
                        yield np.zeros(hole, np.float32)
                        given += hole
                    place += len(samples)
                    kept = samples[skip : skip + length - given]
                    given += len(kept)
                    if len(kept):
                        yield kept
                if given >= length:
                    break
        except av.error.FFmpegError:
            pass  # damaged sound: the rest is silence
    if given < length:
        yield np.zeros(length - given, np.float32)
