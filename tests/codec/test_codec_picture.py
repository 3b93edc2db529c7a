import os
import random
from dataclasses import replace

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codec import picture
from codec.avif import still_of
from codec.control import decode_control, encode_control
from codec.errors import BitstreamError
from codec.picture import (
    MAX_PICTURE_BYTES,
    Assembled,
    PictureAssembler,
    cut_picture,
    decode_picture,
    encode_picture,
)
from codec.transfer import PicturePiece


def gradient(height: int = 128, width: int = 128) -> np.ndarray:
    """A smooth colour picture with a disc in it."""
    y, x = np.mgrid[0:height, 0:width]
    disc = (np.hypot(y - height / 2, x - width / 2) < min(height, width) / 4) * 60
    return np.stack([x * 255 // width, y * 255 // height, disc + 90], axis=-1).astype(np.uint8)


def add_all(assembler: PictureAssembler, pieces: list[PicturePiece]) -> list[Assembled | None]:
    return [assembler.add(piece) for piece in pieces]


AVIF = encode_picture(gradient(), quality=60)


def error_of(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(int) - other).mean())


def test_a_picture_comes_back_in_its_own_colours():
    assert error_of(decode_picture(AVIF), gradient()) < 3


@pytest.mark.parametrize("encoder", ["libsvtav1", "absent"])
@pytest.mark.parametrize("colour", [(16, 16, 16), (128, 128, 128), (250, 250, 250), (224, 189, 170)])
def test_a_plain_colour_comes_back_without_a_cast(monkeypatch, encoder, colour):
    monkeypatch.setattr(picture, "_AV1_ENCODER", encoder)
    plain = np.full((65, 64, 3), colour, np.uint8)
    cast = decode_picture(encode_picture(plain, quality=90)).astype(int) - plain
    assert np.abs(cast.mean(axis=(0, 1))).max() < 1.5


def test_the_same_picture_gives_the_same_bytes_and_quality_costs_bytes():
    assert encode_picture(gradient(), quality=60) == AVIF
    sizes = [len(encode_picture(gradient(), quality=quality)) for quality in (1, 40, 100)]
    assert sizes == sorted(set(sizes))


@pytest.mark.parametrize("shape", [(16, 16), (33, 130)])
def test_small_and_odd_pictures_keep_their_size(shape):
    assert decode_picture(encode_picture(gradient(*shape))).shape == (*shape, 3)


def test_without_an_av1_encoder_a_picture_is_webp(monkeypatch):
    monkeypatch.setattr(picture, "_AV1_ENCODER", "absent")
    data = encode_picture(gradient())
    assert data[:4] == b"RIFF"
    assert error_of(decode_picture(data), gradient()) < 4
    with pytest.raises(BitstreamError):
        decode_picture(data, max_side=127)


@pytest.mark.parametrize(
    "rgb",
    [
        np.zeros((128, 128), np.uint8),
        np.zeros((128, 128, 3), np.float32),
        np.zeros((8, 128, 3), np.uint8),
        np.zeros((1025, 128, 3), np.uint8),
    ],
)
def test_what_is_no_picture_is_refused(rgb):
    with pytest.raises(ValueError, match="picture"):
        encode_picture(rgb)


def test_a_picture_larger_than_allowed_is_refused_before_it_is_decoded(monkeypatch):
    monkeypatch.setattr(picture, "_decode", lambda *_: pytest.fail("a decoder was opened"))
    with pytest.raises(BitstreamError, match="128 x 128"):
        decode_picture(AVIF, max_side=127)


def test_a_film_is_no_picture(tmp_path):
    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as film:
        stream = film.add_stream("libsvtav1", rate=25, options={"preset": "12"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for _ in range(3):
            film.mux(stream.encode(av.VideoFrame.from_ndarray(gradient(64, 64), format="rgb24")))
        film.mux(stream.encode(None))
    data = path.read_bytes()
    for disguised in (data, data[:4] + b"ftypavif" + data[12:]):
        with pytest.raises(BitstreamError):
            decode_picture(disguised)


def test_a_still_with_a_second_frame_is_refused():
    stream, _, _ = still_of(AVIF)
    start = AVIF.index(stream)
    twice = AVIF[: start - 8] + (8 + 2 * len(stream)).to_bytes(4, "big") + b"mdat" + stream + stream
    with pytest.raises(BitstreamError, match="one frame"):
        decode_picture(twice)


@pytest.mark.parametrize("unit", [b"\x12\x00", b"\x2a\x00"])
def test_a_file_of_many_empty_units_or_boxes_is_refused_before_all_are_read(unit):
    def box(name: bytes, body: bytes) -> bytes:
        return (8 + len(body)).to_bytes(4, "big") + name + body

    stream, _, _ = still_of(AVIF)
    front = AVIF[: AVIF.index(stream) - 8]
    with pytest.raises(BitstreamError, match="at most 8"):
        decode_picture(front + box(b"mdat", stream + unit * 8))
    with pytest.raises(BitstreamError, match="something else"):
        decode_picture(front + box(b"free", b"") * 3 + b"\0\0\0\1")  # the last one's size is never looked at


@given(st.binary(max_size=200), st.sampled_from([b"", AVIF[:32], b"RIFF\x40\0\0\0WEBPVP8 "]))
def test_any_bytes_are_a_bitstream_error(data, start):
    with pytest.raises(BitstreamError):
        decode_picture(start + data)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 255)), min_size=1, max_size=4))
def test_a_damaged_picture_is_a_picture_or_a_bitstream_error(changes):
    data = bytearray(AVIF)
    for position, value in changes:
        data[position % len(data)] ^= value
    try:
        assert max(decode_picture(bytes(data)).shape[:2]) <= 1024
    except BitstreamError:
        return


@given(st.binary(min_size=1, max_size=5000), st.integers(60, 1000), st.randoms(use_true_random=False))
def test_pieces_in_any_order_and_twice_give_the_picture_once(data, piece_bytes, order):
    messages = [encode_control(p) for p in cut_picture(data, transfer=9, slot=2, piece_bytes=piece_bytes)]
    assert max(map(len, messages)) <= piece_bytes
    messages += messages[: len(messages) // 2]
    order.shuffle(messages)
    assembler = PictureAssembler()
    whole = [assembled for m in messages if (assembled := assembler.add(decode_control(m))) is not None]
    assert [(w.data, w.slot, w.transfer) for w in whole] == [(data, 2, 9)]


def test_a_picture_with_another_hash_is_refused_and_can_be_sent_again():
    pieces = cut_picture(bytes(3000), transfer=1, slot=0)
    false = cut_picture(b"x" * 3000, transfer=1, slot=0)[0]
    assembler = PictureAssembler()
    with pytest.raises(BitstreamError, match="belong together"):
        add_all(assembler, [*pieces[:2], false])
    forged = [replace(piece, data=b"y" * len(piece.data)) for piece in pieces]
    with pytest.raises(BitstreamError, match="hash"):
        add_all(assembler, forged)
    assert add_all(assembler, pieces)[-1].data == bytes(3000)


def test_memory_is_bounded_whatever_comes():
    assembler = PictureAssembler()
    huge = bytes(MAX_PICTURE_BYTES)
    for transfer in range(10):
        for piece in cut_picture(huge, transfer=transfer, slot=0)[:-1]:
            assert assembler.add(piece) is None
    held = sum(transfer.size for transfer in assembler._open.values())
    assert held <= 4 * MAX_PICTURE_BYTES
    piece = cut_picture(huge, transfer=99, slot=0)[0]
    endless = [replace(piece, index=index, count=1000) for index in range(1000)]
    with pytest.raises(BitstreamError, match="more than"):
        add_all(assembler, endless)


@pytest.mark.parametrize("size", [0, MAX_PICTURE_BYTES + 1])
def test_empty_and_huge_pictures_are_not_cut(size):
    with pytest.raises(ValueError, match="bytes"):
        cut_picture(bytes(size), transfer=0, slot=0)
    with pytest.raises(ValueError, match="too small"):
        cut_picture(random.Random(1).randbytes(2000), transfer=0, slot=0, piece_bytes=41)


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="scheduling is asked for as on Linux")
def test_coding_a_picture_leaves_the_threads_priority_alone() -> None:
    before = os.sched_getscheduler(0)
    encode_picture(np.zeros((64, 64, 3), np.uint8))
    assert os.sched_getscheduler(0) == before
