"""Repairs: a motion and a residual code in one message, cut into pieces and put together, and any bytes refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec.control import decode_control, encode_control
from codec.errors import BitstreamError
from codec.fields import MAX_CONTROL_BYTES
from codec.picture import PictureAssembler
from codec.repair import Repair, cut_repair, decode_repair, encode_repair
from codec.residual import MAX_CODE_BYTES
from codec.transfer import ResidualPiece

REPAIRS = st.builds(Repair, st.binary(min_size=3, max_size=1100), st.binary(max_size=3000))


@given(REPAIRS)
def test_repairs_come_back(repair):
    assert decode_repair(encode_repair(repair)) == repair


@given(st.binary(max_size=1200))
def test_any_bytes_give_a_repair_or_a_bitstream_error(data):
    try:
        repair = decode_repair(data)
    except BitstreamError:
        return
    assert encode_repair(repair) == data


@given(REPAIRS, st.integers(0, 3), st.integers(0, 65535), st.randoms())
def test_a_repair_crosses_in_pieces_of_any_order(repair, slot, transfer, random):
    pieces = cut_repair(encode_repair(repair), transfer=transfer, slot=slot, piece_bytes=500)
    random.shuffle(pieces)
    assembler = PictureAssembler()
    found = []
    for piece in pieces:
        data = encode_control(piece)
        assert len(data) <= 500
        message = decode_control(data)
        assert message == piece
        found.append(assembler.add(message.piece))
    (whole,) = [one for one in found if one is not None]
    assert (whole.slot, whole.transfer, decode_repair(whole.data)) == (slot, transfer, repair)


def test_pieces_of_another_repair_are_refused():
    first = cut_repair(b"\x00\x03abc" + bytes(1500), transfer=1, slot=0)
    other = cut_repair(b"\x00\x03abd" + bytes(1500), transfer=1, slot=0)
    assembler = PictureAssembler()
    assembler.add(first[0].piece)
    with pytest.raises(BitstreamError, match="belong together"):
        assembler.add(other[1].piece)


def test_what_no_message_holds_is_refused():
    for packet, code in (
        (b"ab", b""),
        (bytes(MAX_CONTROL_BYTES + 1), b""),
        (b"abc", bytes(MAX_CODE_BYTES + 1)),
    ):
        with pytest.raises(ValueError, match="bytes"):
            Repair(packet, code)
    with pytest.raises(BitstreamError):
        decode_repair(b"\x00\x03abc" + bytes(MAX_CODE_BYTES + 1))


def test_a_piece_of_a_repair_is_no_piece_of_a_picture():
    piece = cut_repair(b"\x00\x03abc", transfer=9, slot=1)[0]
    assert isinstance(piece, ResidualPiece)
    assert encode_control(piece)[1:] == encode_control(piece.piece)[1:]
    assert encode_control(piece) != encode_control(piece.piece)
