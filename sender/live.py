"""Live sources: a camera through OpenCV, a network stream through PyAV. Each gives one picture at a time, as
it comes, and says in a sentence what is wrong when none comes."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Protocol

import av
import cv2
import numpy as np

from sender.clips import decoded, stated_rate, upright, video_stream
from sender.errors import InputError

# What every webcam offers at 30 frames a second, and more than a 256-pixel crop of a face at a desk needs.
CAMERA_WIDTH, CAMERA_HEIGHT, CAMERA_RATE = 640, 480, 30
# A camera wakes up slowly and may skip a picture; silence beyond this means that it is gone.
SILENCE_S = 3.0
STREAM_TIMEOUT_S = 5.0


class LiveSource(Protocol):
    """Something that gives pictures as they come, `frame_rate` a second by its own account."""

    @property
    def frame_rate(self) -> float: ...

    def read(self) -> np.ndarray | None:
        """Wait for the next picture (uint8 HxWx3 RGB); None at the end of a stream. Raises InputError where none comes
        any more."""
        ...

    def close(self) -> None: ...


def open_camera(which: int | str) -> Camera:
    """Open a camera by number or device path; raises InputError where it is absent or busy."""
    name = f"/dev/video{which}" if isinstance(which, int) else which
    if sys.platform.startswith("linux") and not Path(name).exists():
        raise InputError(f"There is no camera {name}. Connect one, or name a video file instead.")
    before = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        device = cv2.VideoCapture(which)
    finally:
        cv2.utils.logging.setLogLevel(before)
    if not device.isOpened():
        device.release()
        raise InputError(
            f"The camera {name} cannot be opened: it is absent, in use by another program, or not permitted. "
            "Close the other program, or name another camera (camera:1)."
        )
    device.set(cv2.CAP_PROP_FRAME_WIDTH, CAMERA_WIDTH)
    device.set(cv2.CAP_PROP_FRAME_HEIGHT, CAMERA_HEIGHT)
    device.set(cv2.CAP_PROP_FPS, CAMERA_RATE)
    device.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # what waits in the driver is late
    return Camera(device, name=name)


class Camera:
    """An open camera."""

    def __init__(self, device: cv2.VideoCapture, *, name: str) -> None:
        self._device = device
        self.frame_rate = stated_rate(device.get(cv2.CAP_PROP_FPS), otherwise=CAMERA_RATE)
        self._name = name

    def read(self) -> np.ndarray:
        """Wait for the next picture; raises InputError when the camera has been silent for seconds."""
        began_s = time.monotonic()
        while time.monotonic() - began_s < SILENCE_S:
            good, picture = self._device.read()
            if good and picture is not None and picture.size:
                return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
            time.sleep(0.01)
        raise InputError(
            f"The camera {self._name} gives no pictures: it is in use by another program or was disconnected."
        )

    def close(self) -> None:
        """Free the device."""
        self._device.release()


def open_stream(address: str) -> Stream:
    """Open a network stream; raises InputError where nothing answers or it holds no video."""
    options = {"rtsp_transport": "tcp", "fflags": "nobuffer"} if address.startswith("rtsp") else {}
    try:
        container = av.open(
            address, options=options, timeout=(STREAM_TIMEOUT_S, STREAM_TIMEOUT_S), metadata_errors="ignore"
        )
    except (av.error.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"The stream {address} cannot be opened: {reason}.") from error
    return Stream(container, name=address)


class Stream:
    """An open network stream."""

    def __init__(self, container: av.container.InputContainer, *, name: str) -> None:
        self._container = container
        self._name = name
        stream = video_stream(container, name=name)
        stream.thread_type = "SLICE"  # frame threads would each hold one picture back
        self.frame_rate = stated_rate(stream.average_rate, otherwise=CAMERA_RATE)
        self._aspect = float(stream.sample_aspect_ratio or 1)
        self._frames = decoded(container, stream)

    def read(self) -> np.ndarray | None:
        """Wait for the next picture; None when the stream has ended. Raises InputError where it has broken off: nothing
        came for `STREAM_TIMEOUT_S`, or the line is lost."""
        try:
            frame = next(self._frames, None)
        except (av.error.FFmpegError, OSError) as error:
            raise InputError(
                f"The stream {self._name} has broken off; open it again once it is back."
            ) from error
        return None if frame is None else upright(frame, pixel_aspect=self._aspect)

    def close(self) -> None:
        """Close the connection."""
        self._container.close()
