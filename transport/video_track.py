"""Camera pictures as an aiortc track: the newest one, as often and as large as the rate allows. Knows no connection."""

import asyncio
import time
from collections.abc import Callable
from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

Picture = npt.NDArray[np.uint8]

CLOCK_RATE = 90_000
# What a webcam gives; below the rate its pictures are made smaller and go half as often.
LONGEST_SIDE, MOST_FPS = 640, 30.0
THRIFTY_BPS, THRIFTY_SIDE, THRIFTY_FPS = 250_000, 384, 15.0
PUNCTUAL = 0.75  # of a picture's time: cameras are not to the millisecond
# So much of a limit may go at once: a whole picture is several ordinary ones.
LIMIT_DEPTH_S = 1.0


class CameraTrack(MediaStreamTrack):
    """Made and read on the event loop, from which `put` is called as well.

    rate_bps: says what is coded to now. sent_bytes: says what the connection has sent so far, whatever it was, at the
    IP layer.
    """

    kind = "video"

    def __init__(self, *, rate_bps: Callable[[], int], sent_bytes: Callable[[], int]) -> None:
        super().__init__()
        self.sent = 0  # pictures
        self.held_back = 0  # for the limit
        self._rate_bps = rate_bps
        self._sent_bytes = sent_bytes
        self._newest: tuple[Picture, float] | None = None
        self._arrived = asyncio.Event()
        self._begun_s: float | None = None  # capture time of the first
        self._last_s = float("-inf")  # and of the last
        self._limit_bps: float | None = None
        self._spare = 0.0  # bytes below the limit
        self._counted_s, self._counted = time.monotonic(), sent_bytes()

    def limit(self, limit_bps: float | None) -> None:
        """Hold pictures back where the connection has sent more than this; None: hold back nothing."""
        if limit_bps is not None and self._limit_bps is None:
            self._spare = LIMIT_DEPTH_S * limit_bps / 8
            self._counted_s, self._counted = time.monotonic(), self._sent_bytes()
        self._limit_bps = limit_bps

    def put(self, picture: Picture, captured_s: float) -> None:
        """Leave a picture (uint8 HxWx3 RGB) in place of one that nobody has taken."""
        self._newest = picture, captured_s
        self._arrived.set()

    async def recv(self) -> av.VideoFrame:
        """Wait for a picture that may go; aiortc's sender calls this."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            if self.readyState != "live":
                raise MediaStreamError
            assert self._newest is not None, "it has arrived"
            picture, captured_s = self._newest
            thrifty = self._rate_bps() < THRIFTY_BPS
            if captured_s - self._last_s < PUNCTUAL / (THRIFTY_FPS if thrifty else MOST_FPS):
                continue
            if self._is_over():
                self.held_back += 1
                continue
            self._last_s = captured_s
            self.sent += 1
            frame = await asyncio.to_thread(fitted, picture, THRIFTY_SIDE if thrifty else LONGEST_SIDE)
            if self._begun_s is None:
                self._begun_s = captured_s
            frame.pts = round((captured_s - self._begun_s) * CLOCK_RATE)
            frame.time_base = Fraction(1, CLOCK_RATE)
            return frame

    def _is_over(self) -> bool:
        """Take what was sent since the last time off what the limit has allowed since."""
        if self._limit_bps is None:
            return False
        now_s, sent = time.monotonic(), self._sent_bytes()
        allowed = (now_s - self._counted_s) * self._limit_bps / 8 - (sent - self._counted)
        self._spare = min(self._spare + allowed, LIMIT_DEPTH_S * self._limit_bps / 8)
        self._counted_s, self._counted = now_s, sent
        return self._spare < 0


def fitted(picture: Picture, longest: int) -> av.VideoFrame:
    """Return a picture (uint8 HxWx3 RGB) as a frame with no side longer than `longest` pixels, and with even sides, as
    the halved colour planes want them."""
    height, width = picture.shape[:2]
    scale = min(1.0, longest / max(height, width))
    height, width = (max(2 * round(side * scale / 2), 2) for side in (height, width))
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    return frame.reformat(width=width, height=height, format="yuv420p")
