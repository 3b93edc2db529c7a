"""Clips: pictures with media times that can be read again from the beginning, from a video file (PyAV) or
from a folder of pictures. Times here are the clip's own, starting at 0; nothing in this file knows the
clock."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import av
import cv2
import numpy as np

from sender.errors import InputError

FOLDER_RATE = 25.0  # pictures a second where nothing else says it
FASTEST_RATE = 240.0  # more is a clock's rate: a container that has no other says 1,000 or 90,000
PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"})
# A step in the timestamps beyond this is damage or a splice, not a pause that somebody wants to sit through.
LONGEST_STEP_S = 10.0
# Going back by less than this is a repeated or jittered timestamp; by more, the stream began anew.
LARGEST_STEP_BACK_S = 1.0
# FFmpeg draws any text file as a terminal: that is no video of anybody.
NO_VIDEO_FORMATS = frozenset({"tty"})


class Clip(Protocol):
    """Pictures that can be read again and again."""

    @property
    def name(self) -> str: ...

    @property
    def frame_rate(self) -> float: ...

    def pictures(self) -> Iterator[tuple[float, np.ndarray]]:
        """Yield (seconds since the first picture, uint8 HxWx3 RGB), times strictly increasing."""
        ...


class MediaTimes:
    """Makes timestamps usable: from 0, always increasing, in spite of gaps, repeats and splices."""

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._origin_s: float | None = None
        self._last_s: float | None = None

    def next(self, stamp_s: float | None) -> float:
        """Turn the next timestamp in seconds (None where there is none) into clip time."""
        if self._last_s is None:
            self._origin_s, self._last_s = stamp_s, 0.0
            return 0.0
        expected_s = self._last_s + self._interval_s
        if stamp_s is None:
            time_s = expected_s
        elif self._origin_s is None:
            self._origin_s, time_s = stamp_s - expected_s, expected_s
        else:
            time_s = stamp_s - self._origin_s
            step_s = time_s - self._last_s
            if step_s > LONGEST_STEP_S or step_s < -LARGEST_STEP_BACK_S:
                self._origin_s, time_s = stamp_s - expected_s, expected_s
            elif step_s <= 0:
                # The origin stays: a repeated stamp must not shift all that follows.
                time_s = self._last_s + self._interval_s / 8
        self._last_s = time_s
        return time_s


def stated_rate(said: float | Fraction | None, *, otherwise: float) -> float:
    """Return the frames a second that a file, stream or driver states; `otherwise` where it states nothing that can be,
    as drivers do with 0, -1 or a fraction over 0."""
    rate = float(said or 0)
    return rate if 0 < rate <= FASTEST_RATE else otherwise


def upright(frame: av.VideoFrame, *, pixel_aspect: float = 1.0) -> np.ndarray:
    """Convert a decoded frame to uint8 HxWx3 RGB with square pixels, turned as its display matrix says."""
    width = max(2, round(frame.width * pixel_aspect))
    picture = frame.reformat(width=width, height=frame.height, format="rgb24").to_ndarray()
    turns = round(frame.rotation / 90) % 4  # counter-clockwise quarter turns, as numpy counts them
    return np.ascontiguousarray(np.rot90(picture, turns)) if turns else picture


def read_picture(path: Path) -> np.ndarray:
    """Read a still picture as uint8 HxWx3 RGB, upright; raises InputError where it is none."""
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)  # imread itself fails on some platforms' file names
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    picture = None
    with contextlib.suppress(cv2.error):  # one of more than 2 ** 30 pixels
        picture = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB) if data.size else None
    if picture is None:
        raise InputError(f"{path} is not a picture that can be read.")
    return picture


class FolderClip:
    """The pictures of a folder in the order of their names (frame2 before frame10), 25 a second."""

    frame_rate = FOLDER_RATE

    def __init__(self, folder: Path) -> None:
        self._paths = sorted(
            (path for path in folder.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES), key=_natural_order
        )
        self.name = str(folder)
        if not self._paths:
            raise InputError(f"{folder} holds no pictures ({', '.join(sorted(PICTURE_SUFFIXES))}).")

    def pictures(self) -> Iterator[tuple[float, np.ndarray]]:
        """Yield (seconds, picture); raises InputError at a picture that cannot be read."""
        for index, path in enumerate(self._paths):
            yield index / FOLDER_RATE, read_picture(path)


def _natural_order(path: Path) -> list[tuple[int, int, str]]:
    parts = re.split(r"(\d+)", path.name)
    return [(0, int(part), "") if part.isdigit() else (1, 0, part.lower()) for part in parts]


class VideoClip:
    """A video file; damaged packets are skipped, a file without one whole picture is refused."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = str(path)
        self.frame_rate = FOLDER_RATE  # until the file says otherwise
        if next(self.pictures(), None) is None:
            raise InputError(f"{path} is not a video that can be played: no picture in it decodes.")

    def pictures(self) -> Iterator[tuple[float, np.ndarray]]:
        """Yield (seconds, picture) up to where the file ends or breaks off; InputError for no video."""
        try:
            container = av.open(str(self._path), metadata_errors="ignore")
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise InputError(f"{self._path} is not a video that can be played ({_reason(error)}).") from error
        with container:
            stream = video_stream(container, name=self.name)
            stream.thread_type = "AUTO"
            self.frame_rate = stated_rate(stream.average_rate, otherwise=FOLDER_RATE)
            times = MediaTimes(1.0 / self.frame_rate)
            aspect = float(stream.sample_aspect_ratio or 1)
            frames = decoded(container, stream)
            while (frame := _next(frames)) is not None:
                yield times.next(frame.time), upright(frame, pixel_aspect=aspect)


def decoded(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[av.VideoFrame]:
    """Yield a stream's frames up to where it ends; a damaged packet costs its own pictures. Raises FFmpegError or
    OSError where it breaks off."""
    for packet in container.demux(stream):
        try:
            yield from packet.decode()
        except av.error.EOFError:
            return
        except (av.error.FFmpegError, ValueError):
            continue


def video_stream(container: av.container.InputContainer, *, name: str) -> av.VideoStream:
    """Return a container's first video stream, cover art aside; raises InputError without one."""
    moving = [
        stream
        for stream in container.streams.video
        if not stream.disposition & av.stream.Disposition.attached_pic
    ]
    if container.format.name in NO_VIDEO_FORMATS or not moving:
        raise InputError(f"{name} holds no video.")
    return moving[0]


def _next(frames: Iterator[av.VideoFrame]) -> av.VideoFrame | None:
    """Return the next frame of a file; None where it ends or breaks off."""
    with contextlib.suppress(av.error.FFmpegError, OSError):
        return next(frames, None)
    return None


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
