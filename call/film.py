"""Video files that the program makes for itself: lossless ones to compare, small ones to show.

Knows pictures and rates, and nothing of calls.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]


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
