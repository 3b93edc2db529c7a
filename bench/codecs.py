"""Conventional codecs as rivals: x264 through PyAV, set as a call would set it, and the rate at which its own curve
reaches a given quality. It knows pictures and bytes; it does not know how quality is measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np

from bench.clips import Picture
from bench.errors import BenchError

# From nearly transparent to as coarse as x264 gets; LPIPS over log rate is close to straight between neighbours.
CRFS = (20, 27, 34, 41, 48)


@dataclass(frozen=True)
class Coded:
    """A clip after a codec: what it weighs, headers of the stream but not of packets included, and what is left."""

    payload_bytes: int
    pictures: list[Picture]


@dataclass(frozen=True)
class Point:
    """One point of a codec's curve; `error` is lower for better pictures (LPIPS)."""

    crf: int
    kbps: float
    error: float


def x264(pictures: Sequence[Picture], *, rate: float, crf: int) -> Coded:
    """Code `pictures` (HxWx3 RGB, even sides) at `rate` a second with x264, and decode them again.

    As in the paper: preset medium, zero latency, no B-frames, constant quality `crf` (0 best .. 51), 4:2:0.
    """
    try:
        encoder = av.CodecContext.create("libx264", "w")
    except av.FFmpegError as error:
        raise BenchError("PyAV was built without x264, which the bench compares with.") from error
    height, width = pictures[0].shape[:2]
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    framerate = Fraction(rate).limit_denominator(1001)
    encoder.framerate, encoder.time_base = framerate, 1 / framerate
    encoder.options = {"preset": "medium", "tune": "zerolatency", "bf": "0", "crf": str(crf)}
    decoder = av.CodecContext.create("h264", "r")
    size, decoded = 0, []
    for index, picture in enumerate([*pictures, None]):
        frame = None
        if picture is not None:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts = index
        for packet in encoder.encode(frame):
            size += packet.size
            decoded += decoder.decode(packet)
    decoded += decoder.decode(None)
    return Coded(size, [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in decoded])


def rate_at(points: Sequence[Point], error: float) -> float | None:
    """Return the kbit/s at which the curve through `points` reaches `error`, straight in log rate between neighbours;
    None where `error` lies outside the curve.

    >>> rate_at([Point(20, 400.0, 0.1), Point(30, 100.0, 0.3)], 0.2)
    200.0
    """
    curve = sorted(points, key=lambda point: point.error)
    errors = [point.error for point in curve]
    if not errors[0] <= error <= errors[-1]:
        return None
    return round(math.exp(float(np.interp(error, errors, [math.log(point.kbps) for point in curve]))), 6)
