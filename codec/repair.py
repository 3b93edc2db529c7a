"""Repairs: a motion and the residual code of the picture that it draws, cut into pieces for the reliable channel.

The receiver draws the motion from the source picture that its packet names, adds what the code says, and has a source
picture for another slot of its gallery. Does not know when that is worth its bytes.
"""

import struct
from dataclasses import dataclass

from codec.errors import BitstreamError
from codec.fields import MAX_CONTROL_BYTES
from codec.packet import HEADER_BYTES
from codec.picture import PIECE_BYTES, cut_picture
from codec.residual import MAX_CODE_BYTES
from codec.transfer import ResidualPiece

_LENGTH = struct.Struct(">H")


@dataclass(frozen=True)
class Repair:
    """What repairs the picture of one motion.

    Parameters
    ----------
    packet
        The motion, as a static packet (`codec.encoder`), 3..1100 bytes.
    code
        The residual code (`codec.residual`), at most 32 kB.
    """

    packet: bytes
    code: bytes

    def __post_init__(self) -> None:
        if not HEADER_BYTES <= len(self.packet) <= MAX_CONTROL_BYTES:
            raise ValueError(f"a repair cannot carry a motion packet of {len(self.packet)} bytes")
        if len(self.code) > MAX_CODE_BYTES:
            raise ValueError(f"a residual code has at most {MAX_CODE_BYTES} bytes, not {len(self.code)}")


def encode_repair(repair: Repair) -> bytes:
    """Return a repair's bytes, not yet cut."""
    return _LENGTH.pack(len(repair.packet)) + repair.packet + repair.code


def decode_repair(data: bytes) -> Repair:
    """Return the repair that `encode_repair` wrote; raises BitstreamError for other bytes.

    What its packet and its code say is for their own decoders to refuse.
    """
    if len(data) < _LENGTH.size:
        raise BitstreamError(f"a repair has at least {_LENGTH.size} bytes, not {len(data)}")
    end = _LENGTH.size + _LENGTH.unpack_from(data)[0]
    if len(data) < end:
        raise BitstreamError(f"a repair of {len(data)} bytes cannot hold its motion packet")
    try:
        return Repair(data[_LENGTH.size : end], data[end:])
    except ValueError as error:
        raise BitstreamError(f"a repair is damaged: {error}") from error


def cut_repair(
    data: bytes, *, transfer: int, slot: int, piece_bytes: int = PIECE_BYTES
) -> list[ResidualPiece]:
    """Cut a coded repair into control messages of at most `piece_bytes` each, as `cut_picture` does; a
    `PictureAssembler` puts what is in them together.

    `slot`: where the repaired picture goes. `transfer`: tells it from every other repair and source picture.
    """
    pieces = cut_picture(data, transfer=transfer, slot=slot, piece_bytes=piece_bytes)
    return [ResidualPiece(piece) for piece in pieces]
