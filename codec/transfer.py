"""Messages that bring a source picture or a repair across and say how it went: frozen dataclasses and their bytes
behind the type.

The types' numbers are `codec.control`'s. Does not know what a picture's bytes are (`codec.picture`, `codec.repair`)
or when a message is due.
"""

import struct
from dataclasses import dataclass

from codec.fields import MAX_CONTROL_BYTES, check_reason, within
from codec.hello import HASH_BYTES
from codec.packet import MAX_SOURCES

MAX_PIECES = 1024
TRANSFERS_CYCLE = 1 << 16  # their numbers begin anew

_PIECE_FIELDS = struct.Struct(f">HBHH{HASH_BYTES}s")
_READY_FIELDS = struct.Struct(">HB")
_REFUSED_FIELDS = struct.Struct(">H")
_OFFER_FIELDS = struct.Struct(f">HB{HASH_BYTES}s")

PIECE_FRAMING_BYTES = 1 + _PIECE_FIELDS.size


@dataclass(frozen=True)
class PicturePiece:
    """Piece `index` of `count` of a source picture for the gallery's `slot`.

    `transfer` (0..65535) tells one sending from another; `digest` is the whole picture's SHA-256.
    """

    transfer: int
    slot: int
    index: int
    count: int
    digest: bytes
    data: bytes

    def __post_init__(self) -> None:
        within("transfer", self.transfer, TRANSFERS_CYCLE - 1)
        within("slot", self.slot, MAX_SOURCES - 1)
        within("pieces less one", self.count - 1, MAX_PIECES - 1)
        within("piece", self.index, self.count - 1)
        if len(self.digest) != HASH_BYTES:
            raise ValueError(f"a digest has {HASH_BYTES} bytes, not {len(self.digest)}")
        if not 1 <= len(self.data) <= MAX_CONTROL_BYTES - PIECE_FRAMING_BYTES:
            raise ValueError(f"a piece cannot hold {len(self.data)} bytes")


@dataclass(frozen=True)
class PictureOffer:
    """The sender is about to send the picture with this SHA-256: a receiver that remembers it answers with
    PictureReady, any other with PictureRefused, and the sender cuts it into pieces of another transfer.

    Sent only where the receiver's hello says that it remembers pictures.
    """

    transfer: int
    slot: int
    digest: bytes

    def __post_init__(self) -> None:
        within("transfer", self.transfer, TRANSFERS_CYCLE - 1)
        within("slot", self.slot, MAX_SOURCES - 1)
        if len(self.digest) != HASH_BYTES:
            raise ValueError(f"a digest has {HASH_BYTES} bytes, not {len(self.digest)}")


@dataclass(frozen=True)
class ResidualPiece:
    """A piece of a repair (`codec.repair`), cut and answered as a source picture's is, for the gallery's `slot`."""

    piece: PicturePiece


@dataclass(frozen=True)
class PictureReady:
    """The receiver can draw from the picture of this transfer, in this slot."""

    transfer: int
    slot: int

    def __post_init__(self) -> None:
        within("transfer", self.transfer, TRANSFERS_CYCLE - 1)
        within("slot", self.slot, MAX_SOURCES - 1)


@dataclass(frozen=True)
class PictureRefused:
    """The picture of this transfer cannot be used; `reason` is printable, at most 200 bytes."""

    transfer: int
    reason: str

    def __post_init__(self) -> None:
        within("transfer", self.transfer, TRANSFERS_CYCLE - 1)
        check_reason(self.reason)


def encode_piece(piece: PicturePiece) -> bytes:
    """Return a piece's bytes behind the type."""
    fields = _PIECE_FIELDS.pack(piece.transfer, piece.slot, piece.index, piece.count - 1, piece.digest)
    return fields + piece.data


def decode_piece(body: bytes) -> PicturePiece:
    """Return the piece; raises struct.error or ValueError for anything else."""
    transfer, slot, index, last, digest = _PIECE_FIELDS.unpack_from(body)
    return PicturePiece(transfer, slot, index, last + 1, digest, body[_PIECE_FIELDS.size :])


def encode_offer(offer: PictureOffer) -> bytes:
    """Return an offer's bytes behind the type."""
    return _OFFER_FIELDS.pack(offer.transfer, offer.slot, offer.digest)


def decode_offer(body: bytes) -> PictureOffer:
    """Return the offer; raises struct.error or ValueError for anything else."""
    return PictureOffer(*_OFFER_FIELDS.unpack(body))


def encode_ready(ready: PictureReady) -> bytes:
    """Return the answer's bytes behind the type."""
    return _READY_FIELDS.pack(ready.transfer, ready.slot)


def decode_ready(body: bytes) -> PictureReady:
    """Return the answer; raises struct.error or ValueError for anything else."""
    return PictureReady(*_READY_FIELDS.unpack(body))


def encode_refused(refused: PictureRefused) -> bytes:
    """Return the answer's bytes behind the type."""
    return _REFUSED_FIELDS.pack(refused.transfer) + refused.reason.encode()


def decode_refused(body: bytes) -> PictureRefused:
    """Return the answer; raises struct.error or ValueError for anything else."""
    (transfer,) = _REFUSED_FIELDS.unpack_from(body)
    return PictureRefused(transfer, body[_REFUSED_FIELDS.size :].decode())
