"""Video files that the program makes for itself: lossless ones to compare, small ones to show.

Knows pictures and rates, and nothing of calls.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

# H.264 as a call would code it: no frame waits for another (see MEASURES.md: preset medium, zero latency).
X264_OPTIONS = {"preset": "medium", "tune": "zerolatency", "bf": "0"}
WORST_CRF = 51


@dataclass(frozen=True)
class Coded:
    """Pictures after a conventional codec, what they cost, and the quality setting that was used."""

    pictures: list[Picture]
    kbps: float
    crf: int


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Lend a name to write under, which becomes `path` when the block ends well and vanishes when it does not."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def write_film(path: Path, pictures: Iterable[Picture], *, frame_rate: float) -> None:
    """Write RGB pictures without loss (FFV1 in Matroska, whatever the file's name ends in)."""
    _write(
        path, pictures, frame_rate=frame_rate, codec="ffv1", pixels="bgr0", options={}, container="matroska"
    )


def write_clip(path: Path, pictures: Iterable[Picture], *, frame_rate: float) -> None:
    """Write RGB pictures of even sides as an MP4 that plays in browsers; visually without loss."""
    options = {"preset": "medium", "crf": "16"}
    _write(
        path,
        pictures,
        frame_rate=frame_rate,
        codec="libx264",
        pixels="yuv420p",
        options=options,
        container="mp4",
    )


def _write(
    path: Path,
    pictures: Iterable[Picture],
    *,
    frame_rate: float,
    codec: str,
    pixels: str,
    options: dict[str, str],
    container: str,
) -> None:
    index_in_front = {"movflags": "+faststart"} if container == "mp4" else {}
    with av.open(str(path), "w", format=container, options=index_in_front) as file:
        stream: av.VideoStream | None = None
        for picture in pictures:
            if stream is None:
                rate = Fraction(frame_rate).limit_denominator(1001)
                stream = cast(av.VideoStream, file.add_stream(codec, rate=rate, options=options))
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = pixels
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        if stream is not None:
            file.mux(stream.encode(None))


def read_film(path: Path) -> Iterator[Picture]:
    """Yield a film's frames as RGB pictures."""
    with av.open(str(path)) as file:
        for frame in file.decode(video=0):
            yield cast(Picture, frame.to_ndarray(format="rgb24"))


def h264_at(pictures: Sequence[Picture], *, frame_rate: float, kbps: float) -> Coded:
    """Code pictures with H.264 at the best quality that needs no more than `kbps`.

    Where even the worst quality needs more, that is what comes back: its own `kbps` says so.
    """
    best = h264(pictures, frame_rate=frame_rate, crf=WORST_CRF)
    too_good = 0
    while best.kbps <= kbps and best.crf - too_good > 1:
        coded = h264(pictures, frame_rate=frame_rate, crf=(best.crf + too_good) // 2)
        if coded.kbps <= kbps:
            best = coded
        else:
            too_good = coded.crf
    return best


def h264(pictures: Sequence[Picture], *, frame_rate: float, crf: int) -> Coded:
    """Code pictures with x264 at one quality (0 best .. 51 worst) and decode them again."""
    rate = Fraction(frame_rate).limit_denominator(1001)
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.height, encoder.width = pictures[0].shape[:2]
    encoder.pix_fmt, encoder.framerate, encoder.time_base = "yuv420p", rate, 1 / rate
    encoder.options = {**X264_OPTIONS, "crf": str(crf)}
    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    size, decoded = 0, []
    for index, picture in enumerate([*pictures, None]):
        frame = None if picture is None else av.VideoFrame.from_ndarray(picture, format="rgb24")
        if frame is not None:
            frame.pts, frame.time_base = index, 1 / rate
        for packet in encoder.encode(frame):
            size += packet.size
            decoded += decoder.decode(packet)
    decoded += decoder.decode(None)
    seconds = len(pictures) / frame_rate
    pictures_back = [cast(Picture, frame.to_ndarray(format="rgb24")) for frame in decoded]
    return Coded(pictures_back, size * 8 / seconds / 1000, crf)
