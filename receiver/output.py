"""Where shown pictures go: a video file, a folder of PNG files, or nowhere.

What is being written lies under a temporary name beside its target and is renamed when it is whole, so a
call that breaks, or a disk that is full, leaves nothing half-written behind. The outputs know time stamps
and pictures, no motions; they are slow (some milliseconds a picture) and used from one thread
(`receiver.writer`).
"""

import os
import shutil
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import av
import cv2
import numpy as np
import numpy.typing as npt

from receiver.errors import OutputError
from receiver.sound_track import SoundTrack

Picture = npt.NDArray[np.uint8]
Sound = npt.NDArray[np.int16]

UNNAMED = Path("received.mp4")
VIDEO_FORMATS = {".mp4": "mp4", ".mkv": "matroska"}
# Fine enough for 1/60 s ticks, 25 and 30 frames a second, and for two pictures at nearly the same time.
TIME_BASE = Fraction(1, 600)
# Close to what was drawn: a recording shows the codec's faults, not the file's. Small and cheap all the same.
X264_OPTIONS = {"preset": "veryfast", "crf": "15"}
# Only a hint for the encoder's rate control; the time stamps say when a picture is shown.
NOMINAL_RATE = 30
BT601 = 5  # the matrix that RGB is converted with (AVCOL_SPC_BT470BG), told to the players


class Output(Protocol):
    """Takes pictures in the order of their times, and ends with `finish` or `discard`."""

    def write(self, picture: Picture, at_s: float) -> None:
        """Add a picture (HxWx3 RGB, always of one size), shown from `at_s` seconds on.

        Times rise from picture to picture. Raises OutputError.
        """

    def write_sound(self, samples: Sound, at_s: float) -> None:
        """Add sound, int16 mono at 48 kHz, heard from `at_s` seconds on, where there is a place for it.

        Times rise; gaps are silent. What comes before the first picture, or before 0 s, is left out.
        Raises OutputError.
        """

    def finish(self) -> None:
        """Complete what was written and give it its name; without a picture nothing is left.

        Raises OutputError.
        """

    def discard(self) -> None:
        """Remove what was written; never raises."""


def open_output(spec: str, *, sound: bool = False) -> Output:
    """Open the output that a person named: `x.mp4` or `x.mkv`, `folder/`, or `none`.

    `sound`: give a video a sound track. Raises OutputError where nothing can be written there, before a call begins.
    """
    if spec == "none":
        return Nothing()
    if not spec:
        raise OutputError("The output has no name: name a .mp4 or .mkv file, a folder ending in /, or none.")
    path = Path(spec)
    if spec.endswith(("/", os.sep)) or path.is_dir():
        return PictureFolder(path)
    if path.suffix.lower() in VIDEO_FORMATS:
        return VideoFile(path, sound=sound)
    raise OutputError(f"{spec} is no output: name a .mp4 or .mkv file, a folder ending in /, or none.")


def unnamed_output() -> str:
    """Name a recording for a person who named none: received.mp4, or the first received-2.mp4 that is not there."""
    path, number = UNNAMED, 1
    while path.exists():
        number += 1
        path = UNNAMED.with_stem(f"{UNNAMED.stem}-{number}")
    return str(path)


class Nothing:
    """Keeps no picture."""

    def write(self, picture: Picture, at_s: float) -> None:
        """Drop the picture."""

    def write_sound(self, samples: Sound, at_s: float) -> None:
        """Drop the sound."""

    def finish(self) -> None:
        """Do nothing."""

    def discard(self) -> None:
        """Do nothing."""


class VideoFile:
    """An H.264 file (yuv420p, index in front) that plays in browsers, with the times it was given.

    With `sound` it has a sound track as well (AAC, mono), for what `write_sound` is given.
    """

    def __init__(self, target: Path, *, sound: bool = False) -> None:
        self._target = target
        self._with_sound = sound
        self._sound: SoundTrack | None = None
        self._part = _part_of(target)
        # Also removes the part if the program ends by an exception that nobody caught.
        self._cleanup = weakref.finalize(self, _remove, self._part)
        self._stream: av.VideoStream | None = None
        container_format = VIDEO_FORMATS[target.suffix.lower()]
        options = {"movflags": "+faststart"} if container_format == "mp4" else {}
        with _told(target):
            self._part.touch()  # the plainest of errors come here, before a picture is drawn
            self._container = av.open(str(self._part), "w", format=container_format, options=options)

    def write(self, picture: Picture, at_s: float) -> None:
        """Encode one picture. Raises OutputError."""
        with _told(self._target):
            if self._stream is None:
                self._stream = self._open_stream(*picture.shape[:2])
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = round(at_s / TIME_BASE), TIME_BASE
            self._container.mux(self._stream.encode(frame))

    def _open_stream(self, height: int, width: int) -> av.VideoStream:
        stream = self._container.add_stream("libx264", rate=NOMINAL_RATE, options=X264_OPTIONS)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = TIME_BASE
        stream.codec_context.thread_count = 1  # the networks need the cores more
        stream.codec_context.colorspace = BT601
        if self._with_sound:  # the file's header names all streams
            self._sound = SoundTrack(self._container)
        return stream

    def write_sound(self, samples: Sound, at_s: float) -> None:
        """Code sound, if there is a track for it. Raises OutputError."""
        if self._sound is not None:
            with _told(self._target):
                self._sound.write(samples, at_s)

    def finish(self) -> None:
        """Write the index and rename the file. Raises OutputError."""
        if self._stream is None:
            self.discard()
            return
        try:
            with _told(self._target):
                self._container.mux(self._stream.encode(None))
                if self._sound is not None:
                    self._sound.finish()
                self._container.close()
                os.replace(self._part, self._target)
        except OutputError:
            self.discard()
            raise
        self._cleanup.detach()

    def discard(self) -> None:
        """Close and remove the unfinished file."""
        with suppress(av.FFmpegError, OSError):  # it is removed anyway
            self._container.close()
        self._cleanup()


class PictureFolder:
    """A folder of PNG files named by their time in milliseconds; a folder that is not empty is refused."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._part = _part_of(target)
        self._cleanup = weakref.finalize(self, _remove, self._part)
        with _told(target):
            if target.exists() and any(target.iterdir()):
                raise OutputError(f"{target} is not empty: name a new folder, or empty it.")
            self._part.mkdir(parents=True)

    def write(self, picture: Picture, at_s: float) -> None:
        """Write one PNG. Raises OutputError."""
        coded = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1]
        with _told(self._target):
            (self._part / f"{round(at_s * 1000):09d}.png").write_bytes(coded.tobytes())

    def write_sound(self, samples: Sound, at_s: float) -> None:
        """Drop the sound."""

    def finish(self) -> None:
        """Give the folder its name. Raises OutputError."""
        try:
            with _told(self._target):
                if any(self._part.iterdir()):
                    if self._target.exists():
                        self._target.rmdir()  # it is empty, and Windows renames over nothing
                    os.replace(self._part, self._target)
        except OutputError:
            self.discard()
            raise
        self.discard()

    def discard(self) -> None:
        """Remove the unfinished folder, if it is still there."""
        self._cleanup()


def _part_of(target: Path) -> Path:
    """Name the temporary beside a target: hidden, and another for each process."""
    return target.parent / f".{target.name}.{os.getpid()}.part"


def _remove(part: Path) -> None:
    if part.is_dir():
        shutil.rmtree(part, ignore_errors=True)
    else:
        with suppress(OSError):  # it never came about, or its folder is gone
            part.unlink()


@contextmanager
def _told(target: Path) -> Iterator[None]:
    """Turn the system's and FFmpeg's errors into a sentence that names the output."""
    try:
        yield
    except (OSError, av.FFmpegError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise OutputError(
            f"{target} cannot be written ({reason}): check the folder and the free space."
        ) from error
