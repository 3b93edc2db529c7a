"""Where shown pictures go: a video file, a folder of PNG files, or nowhere.

What is being written lies beside its target under a name of its own (`receiver.parts`) and gets the target's when it is
whole; a call that breaks leaves there what came until then. The outputs know time stamps and pictures, no motions; they
are slow (some milliseconds a picture) and used from one thread (`receiver.writer`).
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from receiver.errors import OutputError
from receiver.parts import claim_part, left_over, told
from receiver.video_file import VIDEO_FORMATS, VideoFile

Picture = npt.NDArray[np.uint8]
Sound = npt.NDArray[np.int16]

UNNAMED = Path("received.mp4")


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


def open_output(spec: str, *, sound: bool = False) -> Output:
    """Open the output that a person named: `x.mp4` or `x.mkv`, `folder/`, `camera` or `camera:DEVICE`, or `none`.

    `sound`: give a video a sound track. Raises OutputError where nothing can be written there, before a call begins.
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
        return PictureFolder(path)
    if path.suffix.lower() in VIDEO_FORMATS:
        return VideoFile(path, sound=sound)
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


class PictureFolder:
    """A folder of PNG files named by their time in milliseconds; a folder that is not empty is refused."""

    def __init__(self, target: Path) -> None:
        self._target = target
        with told(target):
            if target.exists() and any(target.iterdir()):
                raise OutputError(f"{target} is not empty: name a new folder, or empty it.")
            self._part = claim_part(target, folder=True)

    def write(self, picture: Picture, at_s: float) -> None:
        """Write one PNG. Raises OutputError."""
        coded = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1]
        with told(self._target):
            (self._part / f"{round(at_s * 1000):09d}.png").write_bytes(coded.tobytes())

    def write_sound(self, samples: Sound, at_s: float) -> None:
        """Drop the sound."""

    def finish(self) -> None:
        """Give the folder its name. Raises OutputError."""
        if any(self._part.iterdir()):
            with told(self._target):
                if self._target.exists():
                    self._target.rmdir()  # it is empty, and Windows renames over nothing
                os.replace(self._part, self._target)
        self.discard()

    def discard(self) -> None:
        """Remove the folder where it is empty; pictures stay where they are."""
        with suppress(OSError):  # it is not, or has its name by now
            self._part.rmdir()
