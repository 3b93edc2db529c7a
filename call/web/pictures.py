"""Pictures on their way to the page: made into JPEG in a thread of their own, the newest only.

Whoever hands a picture in never waits, and a picture that the encoder does not come to is replaced by the next one.
Knows no sockets.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from sender.slot import Slot

Picture = npt.NDArray[np.uint8]

# It never leaves this machine: rather large than visible, and colour at full resolution for lips and eyes.
JPEG = (
    cv2.IMWRITE_JPEG_QUALITY,
    92,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
)


def encode(picture: Picture) -> bytes:
    """Return a picture (HxWx3 RGB) as JPEG."""
    _, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), JPEG)
    return data.tobytes()


class Developer:
    """Encodes the newest picture again and again, and hands each to `deliver` (kind, JPEG) from its own thread."""

    def __init__(self, deliver: Callable[[int, bytes], None]) -> None:
        self._deliver = deliver
        self._slot: Slot[tuple[int, Picture]] = Slot()
        self._thread = threading.Thread(target=self._run, name="page pictures", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, kind: int, picture: Picture) -> None:
        """Take a picture, from any thread; it must not be changed afterwards."""
        self._slot.put((kind, picture))

    def close(self) -> None:
        """Finish the picture at hand and end the thread; nothing is delivered afterwards."""
        self._slot.close()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while (item := self._slot.get()) is not None:
            kind, picture = item
            self._deliver(kind, encode(picture))
