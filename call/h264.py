"""H.264 as a call would use it (x264 through PyAV): the rival that the demo and the benches put beside us. Knows
pictures and rates; how good a picture is, is measured elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np

from call.errors import CallError
from call.film import Picture

# No frame waits for another (face-vid2vid's comparison, and MEASURES.md's: preset medium, zero latency).
X264_OPTIONS = {"preset": "medium", "tune": "zerolatency", "bf": "0"}
WORST_CRF = 51
# Codes the encoder's name and options, which nobody needs to watch a film (H.264, annex D: user data, unregistered).
SUPPLEMENT = 6


@dataclass(frozen=True)
class Coded:
    """Pictures after H.264, what they cost (parameter sets included, but neither packets' headers nor x264's note of
    its own options, which no call sends), and the quality setting."""

    pictures: list[Picture]
    kbps: float
    crf: int


def x264(pictures: Sequence[Picture], *, frame_rate: float, crf: int) -> Coded:
    """Code pictures (HxWx3 RGB, even sides) at one quality (0 best .. 51 worst), 4:2:0, on one thread, and decode them
    again.

    One thread, as x264's zero latency cuts frames into as many slices as there are threads: bits would depend on the
    machine. Raises CallError where PyAV came without x264.
    """
    try:
        encoder = av.CodecContext.create("libx264", "w")
    except av.FFmpegError as error:
        raise CallError(
            "PyAV was built without x264, which we are compared with: install its own wheel."
        ) from error
    assert isinstance(encoder, av.VideoCodecContext)
    rate = Fraction(frame_rate).limit_denominator(1001)
    encoder.height, encoder.width = pictures[0].shape[:2]
    encoder.pix_fmt, encoder.framerate, encoder.time_base = "yuv420p", rate, 1 / rate
    encoder.options = {**X264_OPTIONS, "crf": str(crf)}
    encoder.thread_count = 1
    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    size, decoded = 0, []
    for index, picture in enumerate([*pictures, None]):
        frame = None
        if picture is not None:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = index, 1 / rate
        for packet in encoder.encode(frame):
            size += packet.size - supplement_bytes(bytes(packet))
            decoded += decoder.decode(packet)
    decoded += decoder.decode(None)
    pictures_back = [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in decoded]
    return Coded(pictures_back, size * 8 / (len(pictures) / frame_rate) / 1000, crf)


def supplement_bytes(packet: bytes) -> int:
    """Count the bytes of a packet's supplemental units, start codes included (H.264, annex B)."""
    units = packet.split(b"\0\0\1")[1:]
    return sum(len(unit) + 3 for unit in units if unit and unit[0] & 31 == SUPPLEMENT)


def x264_at(pictures: Sequence[Picture], *, frame_rate: float, kbps: float) -> Coded:
    """Code pictures at the best quality that needs no more than `kbps`.

    Where even the worst quality needs more, that is what comes back: its own `kbps` says so.
    """
    best = x264(pictures, frame_rate=frame_rate, crf=WORST_CRF)
    too_good = 0
    while best.kbps <= kbps and best.crf - too_good > 1:
        coded = x264(pictures, frame_rate=frame_rate, crf=(best.crf + too_good) // 2)
        if coded.kbps <= kbps:
            best = coded
        else:
            too_good = coded.crf
    return best
