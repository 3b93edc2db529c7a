"""Source pictures: one still as AVIF, cut into pieces for the reliable channel, and put together again.

Does not know what a picture is for, when to send it, or how fast. What comes in is hostile: no demuxer
reads it, and a picture's size is known before a decoder is opened.
"""

import hashlib
import io
import os
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from typing import cast

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorRange, Colorspace, Interpolation

from codec.avif import is_avif, still_of
from codec.errors import BitstreamError
from codec.transfer import MAX_PIECES, PIECE_FRAMING_BYTES, PicturePiece

Picture = npt.NDArray[np.uint8]  # [H, W, 3], RGB

MIN_SIDE = 16
MAX_SIDE = 1024
MAX_PICTURE_BYTES = 256 * 1024
MAX_TRANSFERS = 4  # the gallery has four slots
DEFAULT_QUALITY = 44  # 3 kB for a face at 256 x 256
PIECE_BYTES = 1000

# Measured on frames of 11 validation clips at 256 x 256, at 3000 bytes: preset 4 takes 30 ms for 34.0 dB,
# preset 5 19 ms for 33.9 dB, preset 6 10 ms for 33.5 dB. Tuning for SSIM (tune=2) gives .9521 in place of
# .9496 for 0.2 dB.
_AV1_OPTIONS = {"preset": "5", "svtav1-params": "avif=1:tune=2:lp=1"}
_AV1_ENCODER, _AV1_DECODER = "libsvtav1", "libdav1d"
_WEBP_ENCODER, _WEBP_DECODER = "libwebp", "webp"
# Where black lies, and what all of luma's and of chroma's levels span.
_LEVELS = {ColorRange.JPEG: (0, 255, 255), ColorRange.MPEG: (16, 219, 224)}
# By itself swscale rounds down: a level darker in every colour.
_ROUNDED = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
# SVT-AV1 greets on standard error, where a call's own lines belong; 1 leaves it its errors.
os.environ.setdefault("SVT_LOG", "1")


def encode_picture(rgb: Picture, *, quality: int = DEFAULT_QUALITY) -> bytes:
    """Return a still picture as AVIF, 4:2:0 (as WebP where PyAV was built without SVT-AV1).

    Equal pictures give equal bytes with one version of the encoder.

    Parameters
    ----------
    rgb
        uint8 [H, W, 3], sides 16..1024.
    quality
        1 (smallest) .. 100 (best); at 256 x 256 some 0.7 kB at 5, 3 kB at 44, 10 kB at 85.

    Raises
    ------
    ValueError
        For another shape, type, size or quality.
    """
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise ValueError(f"a picture is uint8 [H, W, 3], not {rgb.dtype}{rgb.shape}")
    if not (min(rgb.shape[:2]) >= MIN_SIDE and max(rgb.shape[:2]) <= MAX_SIDE):
        raise ValueError(f"a picture's sides are {MIN_SIDE}..{MAX_SIDE} pixels, not {rgb.shape[:2]}")
    if not 1 <= quality <= 100:
        raise ValueError(f"a quality is 1..100, not {quality}")
    if _AV1_ENCODER in av.codecs_available:
        with _same_scheduling():
            return _encode_avif(rgb, quality)
    return _encode_webp(rgb, quality)


def decode_picture(data: bytes, *, max_side: int = MAX_SIDE) -> Picture:
    """Return the picture that `encode_picture` wrote, uint8 [H, W, 3].

    Raises BitstreamError, and nothing else, for other bytes, or a picture with a side over `max_side`.
    """
    if len(data) > MAX_PICTURE_BYTES:
        raise BitstreamError(f"a picture has at most {MAX_PICTURE_BYTES} bytes, not {len(data)}")
    if not is_avif(data):
        return _decode(_WEBP_DECODER, data, ColorRange.MPEG, max_side)
    stream, width, height = still_of(data)
    if max(width, height) > max_side:
        raise BitstreamError(f"a picture of {width} x {height} is larger than {max_side}")
    return _decode(_AV1_DECODER, stream, ColorRange.JPEG, max_side)


@contextmanager
def _same_scheduling() -> Iterator[None]:
    """Undo what SVT-AV1 does to the thread that calls it as root: it would run before all else on the machine."""
    if not hasattr(os, "sched_getscheduler"):  # only Linux's build does it
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameters)


def _encode_avif(rgb: Picture, quality: int) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="avif") as container:
        crf = round(63 - 0.62 * quality)
        options = {"crf": str(crf), **_AV1_OPTIONS}
        stream = cast(av.VideoStream, container.add_stream(_AV1_ENCODER, rate=1, options=options))
        stream.height, stream.width = rgb.shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.colorspace = Colorspace.ITU601
        stream.codec_context.color_range = ColorRange.JPEG
        container.mux(stream.encode(_planes(rgb, ColorRange.JPEG)))
        container.mux(stream.encode(None))
    return file.getvalue()


def _encode_webp(rgb: Picture, quality: int) -> bytes:
    encoder = cast(av.VideoCodecContext, av.CodecContext.create(_WEBP_ENCODER, "w"))
    encoder.height, encoder.width = rgb.shape[:2]
    encoder.pix_fmt = "yuv420p"
    encoder.time_base = Fraction(1)
    encoder.options = {"quality": str(quality), "preset": "photo"}
    return b"".join(bytes(p) for p in [*encoder.encode(_planes(rgb, ColorRange.MPEG)), *encoder.encode(None)])


def _planes(rgb: Picture, color_range: ColorRange) -> av.VideoFrame:
    """Return a picture as 4:2:0; swscale's own way to full range leaves chroma half a level short, and greys green."""
    height, width = rgb.shape[:2]
    even = np.pad(rgb.astype(np.float32), ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    quarter = (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4
    black, luma, chroma = _LEVELS[color_range]
    brightness, grey = _luma(even), _luma(quarter)
    planes = (
        black + brightness * (luma / 255),
        128 + (quarter[..., 2] - grey) * (chroma / 255 / 1.772),
        128 + (quarter[..., 0] - grey) * (chroma / 255 / 1.402),
    )
    frame = av.VideoFrame(width, height, "yuv420p")
    frame.colorspace, frame.color_range = Colorspace.ITU601, color_range
    for plane, values in zip(frame.planes, planes, strict=True):
        rows = np.zeros((plane.height, plane.line_size), np.uint8)
        rows[:, : plane.width] = np.clip(np.rint(values), 0, 255)[: plane.height, : plane.width]
        plane.update(rows.tobytes())
    return frame


def _luma(rgb: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """BT.601's. No product of matrices, whose last place differs between machines."""
    return 0.299 * rgb[..., 0] + 0.587 * rgb[..., 1] + 0.114 * rgb[..., 2]


def _decode(name: str, data: bytes, color_range: ColorRange, max_side: int) -> Picture:
    try:
        decoder = cast(av.VideoCodecContext, av.CodecContext.create(name, "r"))
        decoder.thread_count = 1
        decoder.options = {"max_pixels": str(max_side * max_side)}
        frames = [*decoder.decode(av.Packet(data)), *decoder.decode(None)]
        if len(frames) != 1 or max(frames[0].width, frames[0].height) > max_side:
            raise BitstreamError(f"a picture is one frame of at most {max_side} pixels a side")
        rgb = frames[0].reformat(
            format="rgb24",
            src_colorspace=Colorspace.ITU601,
            src_color_range=color_range,
            dst_color_range=ColorRange.JPEG,
            interpolation=_ROUNDED,
        )
        return np.asarray(rgb.to_ndarray(), dtype=np.uint8)
    except (av.FFmpegError, OSError, ValueError, OverflowError, MemoryError) as error:
        raise BitstreamError(f"a picture cannot be decoded: {error}") from error


def cut_picture(
    data: bytes, *, transfer: int, slot: int, piece_bytes: int = PIECE_BYTES
) -> list[PicturePiece]:
    """Cut a coded picture into control messages of at most `piece_bytes` each, framing included.

    Raises ValueError for an empty picture, one over `MAX_PICTURE_BYTES`, or pieces too small for it.
    """
    if not 1 <= len(data) <= MAX_PICTURE_BYTES:
        raise ValueError(f"a picture has 1 to {MAX_PICTURE_BYTES} bytes, not {len(data)}")
    room = piece_bytes - PIECE_FRAMING_BYTES
    count = -(-len(data) // room) if room > 0 else MAX_PIECES + 1
    if count > MAX_PIECES:
        raise ValueError(f"pieces of {piece_bytes} bytes are too small for a picture of {len(data)}")
    digest = hashlib.sha256(data).digest()
    return [
        PicturePiece(transfer, slot, index, count, digest, data[index * room : (index + 1) * room])
        for index in range(count)
    ]


@dataclass(frozen=True)
class Assembled:
    """A whole picture, still coded, checked against its hash."""

    slot: int
    transfer: int
    data: bytes


@dataclass
class _Transfer:
    slot: int
    count: int
    digest: bytes
    pieces: dict[int, bytes] = field(default_factory=dict)
    size: int = 0


class PictureAssembler:
    """Puts pieces together again, in whatever order and however often they come.

    It holds at most four unfinished pictures of 256 kB each; the longest untouched gives way to a fifth.
    """

    def __init__(self) -> None:
        self._open: OrderedDict[int, _Transfer] = OrderedDict()
        self._done: OrderedDict[int, bytes] = OrderedDict()

    def add(self, piece: PicturePiece) -> Assembled | None:
        """Take a piece; return the picture when it is whole, once.

        Raises BitstreamError, and forgets the transfer, where its pieces contradict each other, exceed
        `MAX_PICTURE_BYTES` or do not have the hash they announce.
        """
        if self._done.get(piece.transfer) == piece.digest:
            return None
        transfer = self._open.setdefault(piece.transfer, _Transfer(piece.slot, piece.count, piece.digest))
        self._open.move_to_end(piece.transfer)
        if len(self._open) > MAX_TRANSFERS:
            self._open.popitem(last=False)
        if (transfer.slot, transfer.count, transfer.digest) != (piece.slot, piece.count, piece.digest):
            self._refuse(piece, "its pieces do not belong together")
        if piece.index not in transfer.pieces:
            transfer.pieces[piece.index] = piece.data
            transfer.size += len(piece.data)
        if transfer.size > MAX_PICTURE_BYTES:
            self._refuse(piece, f"it has more than {MAX_PICTURE_BYTES} bytes")
        if len(transfer.pieces) < transfer.count:
            return None
        data = b"".join(transfer.pieces[index] for index in range(transfer.count))
        if hashlib.sha256(data).digest() != transfer.digest:
            self._refuse(piece, "it does not have the hash it announced")
        del self._open[piece.transfer]
        self._done[piece.transfer] = piece.digest
        if len(self._done) > MAX_TRANSFERS:
            self._done.popitem(last=False)
        return Assembled(piece.slot, piece.transfer, data)

    def _refuse(self, piece: PicturePiece, why: str) -> None:
        del self._open[piece.transfer]
        raise BitstreamError(f"the source picture of transfer {piece.transfer} is refused: {why}")
