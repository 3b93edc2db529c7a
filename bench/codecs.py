"""Conventional codecs behind one small interface (pictures in, packet sizes and decoded pictures out), and the rate at
which a codec's curve reaches a given quality. It knows encoders and rates; it does not know how quality is measured."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt

from bench.errors import BenchError
from call.h264 import X264_OPTIONS, supplement_bytes

Picture = npt.NDArray[np.uint8]

# From nearly transparent to as coarse as x264 gets; LPIPS over log rate is close to straight between neighbours.
CRFS = (20, 27, 34, 41, 48)
# VP9 and AV1 begin anew after as many frames as x264 and x265 do by themselves.
KEY_FRAMES = 250

# SVT-AV1 greets on standard error; 1 leaves it its errors.
os.environ.setdefault("SVT_LOG", "1")


@dataclass(frozen=True)
class Codec:
    """An encoder as a call would run it: no frame waits for another. `qualities` are the CRFs of its curve."""

    name: str
    heading: str
    encoder: str
    decoder: str
    options: Mapping[str, str] = field(hash=False)
    qualities: tuple[int, ...] = ()

    def settings(self, crf: int) -> dict[str, str]:
        """Return the encoder's options at one quality."""
        return {**self.options, "crf": str(crf)}


_X265 = "bframes=0:info=0:log-level=error:pools=none:frame-threads=1"
_VP9 = {"deadline": "realtime", "cpu-used": "5", "lag-in-frames": "0", "b": "0", "g": str(KEY_FRAMES)}
_AV1 = {"preset": "7", "svtav1-params": f"pred-struct=1:lookahead=0:lp=1:keyint={KEY_FRAMES}"}
CODECS = {
    codec.name: codec
    for codec in (
        Codec("h264", "H.264, x264 medium", "libx264", "h264", X264_OPTIONS, (24, 30, 35, 40, 45, 50)),
        Codec(
            "h264_veryslow",
            "H.264, x264 veryslow",
            "libx264",
            "h264",
            {**X264_OPTIONS, "preset": "veryslow"},
            (35,),
        ),
        Codec(
            "h265",
            "H.265, x265 medium",
            "libx265",
            "hevc",
            {"preset": "medium", "tune": "zerolatency", "x265-params": _X265},
            (24, 30, 35, 40, 45, 50),
        ),
        Codec(
            "h265_veryslow",
            "H.265, x265 veryslow",
            "libx265",
            "hevc",
            {"preset": "veryslow", "tune": "zerolatency", "x265-params": _X265},
            (35,),
        ),
        Codec("vp9", "VP9, libvpx real-time", "libvpx-vp9", "vp9", _VP9, (35, 45, 54, 63)),
        Codec("av1", "AV1, SVT low delay", "libsvtav1", "libdav1d", _AV1, (35, 45, 54, 63)),
    )
}


@dataclass(frozen=True)
class Stream:
    """What came out of a codec: the bytes of each frame's packet, and those pictures that were to be kept, by index."""

    packet_bytes: list[int]
    pictures: dict[int, Picture]


def run_codec(
    codec: Codec,
    pictures: Sequence[Picture],
    *,
    frame_rate: float,
    crf: int,
    keep: Collection[int],
) -> Stream:
    """Code pictures (HxWx3 RGB, even sides) at one quality, 4:2:0, on one thread, and decode them again.

    One thread, as x264's zero latency cuts frames into as many slices as there are threads: bits would depend on the
    machine. The stream's parameter sets are counted; x264's note of its own options is not, which no call sends.

    Raises BenchError where PyAV came without the encoder, or where it holds frames back.
    """
    encoder, decoder = _open(codec.encoder, "w"), _open(codec.decoder, "r")
    rate = Fraction(frame_rate).limit_denominator(1001)
    encoder.height, encoder.width = pictures[0].shape[:2]
    encoder.pix_fmt, encoder.framerate, encoder.time_base = "yuv420p", rate, 1 / rate
    encoder.options = codec.settings(crf)
    sizes: list[int] = []
    kept: dict[int, Picture] = {}
    shown = 0
    for index, picture in enumerate([*pictures, None]):
        frame = None
        if picture is not None:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = index, 1 / rate
        packets = [packet for packet in encoder.encode(frame) if packet.size]
        decoded = [image for packet in packets for image in decoder.decode(packet)]
        noted = codec.encoder == "libx264"
        sizes += [packet.size - (supplement_bytes(bytes(packet)) if noted else 0) for packet in packets]
        for image in decoded if frame is not None else [*decoded, *decoder.decode(None)]:
            if shown in keep:
                kept[shown] = np.asarray(image.to_ndarray(format="rgb24"), np.uint8)
            shown += 1
        if frame is not None and len(sizes) != index + 1:
            raise BenchError(f"{codec.heading} holds frames back: it is not set up for a call.")
    return Stream(sizes, kept)


def _open(name: str, mode: str) -> av.VideoCodecContext:
    try:
        context = av.CodecContext.create(name, "w" if mode == "w" else "r")
    except av.FFmpegError as error:
        raise BenchError(f"PyAV was built without {name}: install its own wheel.") from error
    assert isinstance(context, av.VideoCodecContext)
    context.thread_count = 1
    return context


@dataclass(frozen=True)
class Point:
    """One point of a codec's curve; `error` is lower for better pictures (LPIPS)."""

    crf: int
    kbps: float
    error: float


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
