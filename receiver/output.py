"""Where shown pictures go: a video file, a folder of PNG files, or nowhere.

What is being written lies beside its target under a name of its own (`receiver.parts`) and gets the target's when it is
whole; a call that breaks leaves there what came until then. The outputs know time stamps and pictures, no motions; they
are slow (some milliseconds a picture) and used from one thread (`receiver.writer`).
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from receiver.errors import OutputError
from receiver.parts import claim_part, free_name, left_over, told
from receiver.video_file import VIDEO_FORMATS, VideoFile

Picture = npt.NDArray[np.uint8]
Sound = npt.NDArray[np.int16]

UNNAMED = Path("received.mp4")
PICTURE_NAME = re.compile(r"\d{9,}\.png")  # its time in milliseconds


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
        """Write no more; what holds no picture is removed. After `finish` there is nothing to do. Never raises."""


def open_output(spec: str, *, sound: bool = False, overwrite: bool = False) -> Output:
    """Open the output that a person named: `x.mp4` or `x.mkv`, `folder/`, `camera` or `camera:DEVICE`, or `none`.

    `sound`: give a video a sound track. `overwrite`: replace a file that is there already, or a folder's pictures.
    Raises OutputError where nothing can be written there, before a call begins.
    """
    if spec == "none":
        return Nothing()
    if spec == "camera" or spec.startswith("camera:"):
        from receiver.virtual_camera import VirtualCamera

        return VirtualCamera(spec.removeprefix("camera").removeprefix(":") or None)
    if not spec:
        raise OutputError(
            "The output has no name: name a .mp4 or .mkv file, a folder ending in /, camera, or none."
        )
    path = Path(spec)
    if spec.endswith(("/", os.sep)) or path.is_dir():
        return PictureFolder(path, overwrite=overwrite)
    if path.suffix.lower() in VIDEO_FORMATS:
        return VideoFile(path, sound=sound, overwrite=overwrite)
    raise OutputError(
        f"{spec} is no output: name a .mp4 or .mkv file, a folder ending in /, camera, or none."
    )


def left_by_earlier_calls(spec: str) -> str | None:
    """Say, in a sentence, which recordings for this output were cut off; None where there are none."""
    parts = [] if spec in ("", "none") or spec.startswith("camera") else left_over(Path(spec))
    if not parts:
        return None
    return (
        f"An earlier recording was cut off, or is still being written: {', '.join(map(str, parts))}. "
        "What it holds can be played."
    )


def unnamed_output() -> str:
    """Name a recording for a person who named none: received.mp4, or the first received-2.mp4 that is not there."""
    return str(free_name(UNNAMED))


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


class PictureFolder:
    """A folder of PNG files named by their time in milliseconds. One that holds such pictures is refused without
    `overwrite`, and one that holds anything else always."""

    def __init__(self, target: Path, *, overwrite: bool = False) -> None:
        # What is written lies beside the folder itself, and not beside a link to it; `.` has no name of its own.
        self._target = target = Path(os.path.realpath(target))
        with told(target):
            held = sorted(target.iterdir()) if target.exists() else []
            if others := [path.name for path in held if not PICTURE_NAME.fullmatch(path.name)]:
                raise OutputError(
                    f"{target} is not empty, and {others[0]} is no picture of a call: name a new folder."
                )
            if held and not overwrite:
                raise OutputError(
                    f"{target} is not empty: name a new folder, or replace its pictures with --overwrite."
                )
            self._replaced = held
            self._part = claim_part(target, folder=True)

    def write(self, picture: Picture, at_s: float) -> None:
        """Write one PNG. Raises OutputError."""
        coded = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1]
        file = self._part / f"{round(at_s * 1000):09d}.png"
        with self._told(self._target / file.name):
            try:
                file.write_bytes(coded.tobytes())
            except OSError:
                file.unlink(missing_ok=True)  # a part of a picture is none
                raise

    def write_sound(self, samples: Sound, at_s: float) -> None:
        """Drop the sound."""

    def finish(self) -> None:
        """Give the folder its name, or one that is there its pictures. Raises OutputError."""
        with self._told(self._target):
            if pictures := sorted(self._part.iterdir()):
                for path in self._replaced:
                    path.unlink(missing_ok=True)
                if not self._target.exists():
                    os.replace(self._part, self._target)
                elif any(self._target.iterdir()):
                    raise OutputError(f"{self._target} is not empty any more.")
                else:  # it stays the folder that it is: somebody may be in it
                    for path in pictures:
                        os.replace(path, self._target / path.name)
        self.discard()

    def discard(self) -> None:
        """Remove the folder where it is empty; pictures stay where they are."""
        with suppress(OSError):  # it is not, or has its name by now
            self._part.rmdir()

    @contextmanager
    def _told(self, file: Path) -> Iterator[None]:
        """Tell an error as a sentence that names the file, and where the pictures until then are."""
        try:
            with told(file):
                yield
        except OutputError as error:
            with suppress(OSError):  # they are gone with their folder
                if any(self._part.iterdir()):
                    raise OutputError(f"{error} The pictures until then are in {self._part}.") from error
            raise
