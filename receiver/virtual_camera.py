"""The face as a camera for any other program on this machine, through pyvirtualcam and the driver that it finds.

An output like a file: it takes pictures and knows no call. Every picture says that it is drawn, since those who see it
there have no page to tell them. Sound is the other program's own business.
"""

from __future__ import annotations

from typing import Any

from receiver.errors import OutputError
from receiver.marks import Picture, fit, mark
from runtime.installed import how_to_add

# What every call program takes from a camera; the face stands whole in the middle.
WIDTH, HEIGHT, RATE = 1280, 720, 30
MARK = "REDRAWN BY VISAVIS"
NOT_INSTALLED = (
    "A virtual camera needs pyvirtualcam, which is not installed: {how}. Or name a file as the output."
)
NO_DEVICE = (
    "No virtual camera could be opened ({reason}). On Linux load its driver (sudo apt install v4l2loopback-dkms, then "
    "sudo modprobe v4l2loopback exclusive_caps=1); on Windows and macOS install OBS Studio and start its virtual "
    "camera once."
)
LOST = "The virtual camera takes no more pictures ({reason}): is its driver still there?"


class VirtualCamera:
    """An open virtual camera. device: its name, as pyvirtualcam takes it; the first one that is free, if None.

    Raises OutputError where pyvirtualcam is not installed or there is no such camera.
    """

    def __init__(self, device: str | None = None) -> None:
        try:
            import pyvirtualcam
        except ImportError as error:
            raise OutputError(NOT_INSTALLED.format(how=how_to_add("camera"))) from error
        try:
            self._camera: Any = pyvirtualcam.Camera(
                width=WIDTH, height=HEIGHT, fps=RATE, fmt=pyvirtualcam.PixelFormat.RGB, device=device
            )
        # It has no exception of its own, and each of its drivers says in its own way what is wrong.
        except Exception as error:
            raise OutputError(NO_DEVICE.format(reason=_reason(error))) from error

    def write(self, picture: Picture, at_s: float) -> None:
        """Show a picture (HxWx3 RGB) at once. Raises OutputError."""
        try:
            self._camera.send(mark(fit(picture, HEIGHT, WIDTH), MARK))
        except Exception as error:  # as when it is opened
            raise OutputError(LOST.format(reason=_reason(error))) from error

    def write_sound(self, samples: Any, at_s: float) -> None:
        """Drop the sound."""

    def finish(self) -> None:
        """Let the camera go."""
        self._camera.close()

    def discard(self) -> None:
        """Let the camera go."""
        self._camera.close()


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
