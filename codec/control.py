"""Messages of the reliable channel: frozen dataclasses in, bytes out, and back.

Each message is a type byte and fixed fields in network byte order, with at most one field of free length at
its end. Does not know when a message is due or what it sets off.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum

from codec.commitment import SafetyCommit, SafetyReveal
from codec.conversation import (
    Accept,
    Chat,
    Decline,
    Ring,
    Status,
    Wish,
    decode_byte,
    decode_chat,
    decode_nothing,
    decode_status,
    encode_chat,
    encode_status,
)
from codec.errors import BitstreamError
from codec.hello import HASH_BYTES, PROTOCOL_VERSION, SECRET_BYTES, Hello
from codec.packet import HEADER_BYTES, MAX_SOURCES
from codec.time import TICK_CYCLE

MAX_CONTROL_BYTES = 1100
MAX_REASON_BYTES = 200
MAX_PIECES = 1024
# How many motions a sender in order may be ahead of the frames that the feedback calls shown: a second of a
# clip, so that neither side waits for a message on its way, and all that the receiver has to hold.
ORDERED_WINDOW = 30

_HELLO_FIELDS = struct.Struct(f">H{HASH_BYTES}s{HASH_BYTES}sHHI{SECRET_BYTES}sB")
_PIECE_FIELDS = struct.Struct(f">HBHH{HASH_BYTES}s")
_READY_FIELDS = struct.Struct(">HB")
_REFUSED_FIELDS = struct.Struct(">H")
_OFFER_FIELDS = struct.Struct(f">HB{HASH_BYTES}s")
_FEEDBACK_FIELDS = struct.Struct(">HIHIBHIBH")
_CLOCK_FIELDS = struct.Struct(">HI")
_NO_TICKS = 0xFFFF
_NO_TRANSIT = 0xFF


class _Type(IntEnum):
    """A message's first byte; numbers are never used again for something else."""

    HELLO = 1
    PIECE = 2
    READY = 3
    REFUSED = 4
    FEEDBACK = 5
    GOODBYE = 6
    ORDERED_MOTION = 7
    OFFER = 8
    RESIDUAL_PIECE = 10
    CHAT = 20
    STATUS = 21
    WISH = 22
    RING = 23
    ACCEPT = 24
    DECLINE = 25
    SAFETY_COMMIT = 30
    SAFETY_REVEAL = 31
    CLOCK = 40


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
        _within("transfer", self.transfer, 0xFFFF)
        _within("slot", self.slot, MAX_SOURCES - 1)
        _within("pieces less one", self.count - 1, MAX_PIECES - 1)
        _within("piece", self.index, self.count - 1)
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
        _within("transfer", self.transfer, 0xFFFF)
        _within("slot", self.slot, MAX_SOURCES - 1)
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
        _within("transfer", self.transfer, 0xFFFF)
        _within("slot", self.slot, MAX_SOURCES - 1)


@dataclass(frozen=True)
class PictureRefused:
    """The picture of this transfer cannot be used; `reason` is printable, at most 200 bytes."""

    transfer: int
    reason: str

    def __post_init__(self) -> None:
        _within("transfer", self.transfer, 0xFFFF)
        _check_reason(self.reason)


@dataclass(frozen=True)
class Transit:
    """How long one motion was under way: the quickest of those that came since the last feedback.

    Parameters
    ----------
    behind
        How many ticks, 0..254, it was captured before the newest one.
    ms
        Its arrival on the receiver's clock less its capture time, modulo 2**16. The clocks' offset is in it, so only
        differences mean something.
    """

    behind: int
    ms: int

    def __post_init__(self) -> None:
        _within("ticks behind", self.behind, _NO_TRANSIT - 1)
        _within("transit", self.ms, 0xFFFF)


@dataclass(frozen=True)
class Feedback:
    """How the receiver and the line fare. It is worth nothing later, so it may get lost and overtaken.

    Parameters
    ----------
    newest_ticks
        Capture time of the newest motion decoded, 0..4095, or None before the first.
    bitmap
        Bit i, 0..31: the motion captured i + 1 ticks before the newest one was decoded as well.
    playout_delay_ms
        From capture to show as the playout has it now, 0..65535.
    shown
        Frames shown since the call began, modulo 2**32.
    source
        The source picture drawn from, 0..3, or None before the first.
    arrived_packets
        Motion packets that came since the call began, decoded or not, modulo 2**16.
    arrived_bytes
        All that came since the connection was made, at the IP layer, modulo 2**32.
    transit
        None where no motion came since the last feedback.
    """

    newest_ticks: int | None
    bitmap: int
    playout_delay_ms: int
    shown: int
    source: int | None
    arrived_packets: int = 0
    arrived_bytes: int = 0
    transit: Transit | None = None

    def __post_init__(self) -> None:
        _within("newest ticks", self.newest_ticks or 0, TICK_CYCLE - 1)
        _within("bitmap", self.bitmap, 0xFFFFFFFF)
        _within("playout delay", self.playout_delay_ms, 0xFFFF)
        _within("shown frames", self.shown, 0xFFFFFFFF)
        _within("source", self.source or 0, MAX_SOURCES - 1)
        _within("packets", self.arrived_packets, 0xFFFF)
        _within("bytes", self.arrived_bytes, 0xFFFFFFFF)


@dataclass(frozen=True)
class Goodbye:
    """The last message of a side; `reason` is printable, at most 200 bytes, and may be empty. `failed` where the call
    ends because something went wrong there."""

    reason: str
    failed: bool = False

    def __post_init__(self) -> None:
        _check_reason(self.reason)


@dataclass(frozen=True)
class OrderedMotion:
    """A motion packet (`codec.packet`) that must not be lost: the next one of a call in order."""

    packet: bytes

    def __post_init__(self) -> None:
        if not HEADER_BYTES <= len(self.packet) < MAX_CONTROL_BYTES:
            raise ValueError(f"a message cannot hold a motion packet of {len(self.packet)} bytes")


@dataclass(frozen=True)
class Clock:
    """What was captured at the beginning of tick `ticks` (0..4095) has the time `rtp` (0..2**32 - 1) in the sound."""

    ticks: int
    rtp: int

    def __post_init__(self) -> None:
        _within("ticks", self.ticks, TICK_CYCLE - 1)
        _within("sound's time", self.rtp, 0xFFFFFFFF)


Conversation = Chat | Status | Wish | Ring | Accept | Decline
Message = (
    Hello
    | PicturePiece
    | PictureOffer
    | PictureReady
    | PictureRefused
    | Feedback
    | Goodbye
    | OrderedMotion
    | ResidualPiece
    | Conversation
    | SafetyCommit
    | SafetyReveal
    | Clock
)


def encode_control(message: Message) -> bytes:
    """Return a message's bytes, at most 1100; equal messages give equal bytes."""
    match message:
        case Hello():
            return _encode_hello(message)
        case PicturePiece():
            return bytes([_Type.PIECE]) + _encode_piece(message)
        case ResidualPiece(piece):
            return bytes([_Type.RESIDUAL_PIECE]) + _encode_piece(piece)
        case PictureOffer(transfer, slot, digest):
            return bytes([_Type.OFFER]) + _OFFER_FIELDS.pack(transfer, slot, digest)
        case PictureReady(transfer, slot):
            return bytes([_Type.READY]) + _READY_FIELDS.pack(transfer, slot)
        case PictureRefused(transfer, reason):
            return bytes([_Type.REFUSED]) + _REFUSED_FIELDS.pack(transfer) + reason.encode()
        case Feedback():
            return bytes([_Type.FEEDBACK]) + _encode_feedback(message)
        case Goodbye(reason, failed):
            return bytes([_Type.GOODBYE, failed]) + reason.encode()
        case OrderedMotion(packet):
            return bytes([_Type.ORDERED_MOTION]) + packet
        case SafetyCommit(commitment):
            return bytes([_Type.SAFETY_COMMIT]) + commitment
        case SafetyReveal(nonce):
            return bytes([_Type.SAFETY_REVEAL]) + nonce
        case Clock(ticks, rtp):
            return bytes([_Type.CLOCK]) + _CLOCK_FIELDS.pack(ticks, rtp)
        case Chat():
            return bytes([_Type.CHAT]) + encode_chat(message)
        case Status():
            return bytes([_Type.STATUS]) + encode_status(message)
        case Wish(kind):
            return bytes([_Type.WISH, kind])
        case Ring(conditions):
            return bytes([_Type.RING, conditions])
        case Accept():
            return bytes([_Type.ACCEPT])
        case Decline(reason):
            return bytes([_Type.DECLINE]) + reason.encode()


def decode_control(data: bytes) -> Message:
    """Return the message that `encode_control` wrote.

    Raises BitstreamError, and nothing else, for any other bytes. A hello of a later version may be longer:
    what version 1 knows of it stands where it always stood, so that both sides can be named in a mismatch.
    """
    if not 1 <= len(data) <= MAX_CONTROL_BYTES:
        raise BitstreamError(f"a control message has 1 to {MAX_CONTROL_BYTES} bytes, not {len(data)}")
    kind, body = data[0], bytes(data[1:])
    try:
        match kind:
            case _Type.HELLO:
                return _decode_hello(body)
            case _Type.PIECE:
                return _decode_piece(body)
            case _Type.RESIDUAL_PIECE:
                return ResidualPiece(_decode_piece(body))
            case _Type.READY:
                return PictureReady(*_READY_FIELDS.unpack(body))
            case _Type.REFUSED:
                (transfer,) = _REFUSED_FIELDS.unpack_from(body)
                return PictureRefused(transfer, body[_REFUSED_FIELDS.size :].decode())
            case _Type.FEEDBACK:
                return _decode_feedback(body)
            case _Type.GOODBYE:
                return _decode_goodbye(body)
            case _Type.ORDERED_MOTION:
                return OrderedMotion(body)
            case _Type.SAFETY_COMMIT:
                return SafetyCommit(body)
            case _Type.SAFETY_REVEAL:
                return SafetyReveal(body)
            case _Type.CLOCK:
                return Clock(*_CLOCK_FIELDS.unpack(body))
            case _Type.CHAT:
                return decode_chat(body)
            case _Type.STATUS:
                return decode_status(body)
            case _Type.WISH:
                return Wish(decode_byte(body))
            case _Type.RING:
                return Ring(decode_byte(body))
            case _Type.ACCEPT:
                decode_nothing(body)
                return Accept()
            case _Type.DECLINE:
                return Decline(body.decode())
            case _Type.OFFER:
                return PictureOffer(*_OFFER_FIELDS.unpack(body))
    except (struct.error, ValueError) as error:
        raise BitstreamError(f"a control message of type {kind} is damaged: {error}") from error
    raise BitstreamError(f"control messages of type {kind} are not known here")


def _encode_hello(hello: Hello) -> bytes:
    name = hello.profile.encode()
    fields = _HELLO_FIELDS.pack(
        hello.version,
        hello.graphs_hash,
        hello.format_hash,
        hello.picture_size,
        round(hello.frame_rate * 100),
        hello.capabilities,
        hello.resumption_secret,
        len(name),
    )
    return bytes([_Type.HELLO]) + fields + name


def _decode_hello(body: bytes) -> Hello:
    version, graphs, tables, size, rate, capabilities, secret, length = _HELLO_FIELDS.unpack_from(body)
    end = _HELLO_FIELDS.size + length
    if len(body) < end or (len(body) > end and version <= PROTOCOL_VERSION):
        raise BitstreamError(f"a hello of version {version} has {end + 1} bytes, not {len(body) + 1}")
    name = body[_HELLO_FIELDS.size : end].decode()
    return Hello(version, name, graphs, tables, size, rate / 100, capabilities, secret)


def _encode_feedback(feedback: Feedback) -> bytes:
    transit = Transit(0, 0) if feedback.transit is None else feedback.transit
    return _FEEDBACK_FIELDS.pack(
        _NO_TICKS if feedback.newest_ticks is None else feedback.newest_ticks,
        feedback.bitmap,
        feedback.playout_delay_ms,
        feedback.shown,
        0xFF if feedback.source is None else feedback.source,
        feedback.arrived_packets,
        feedback.arrived_bytes,
        _NO_TRANSIT if feedback.transit is None else transit.behind,
        transit.ms,
    )


def _decode_feedback(body: bytes) -> Feedback:
    newest, bitmap, delay, shown, source, packets, arrived, behind, ms = _FEEDBACK_FIELDS.unpack(body)
    if behind == _NO_TRANSIT and ms:
        raise ValueError("no motion has a transit")
    return Feedback(
        newest_ticks=None if newest == _NO_TICKS else newest,
        bitmap=bitmap,
        playout_delay_ms=delay,
        shown=shown,
        source=None if source == 0xFF else source,
        arrived_packets=packets,
        arrived_bytes=arrived,
        transit=None if behind == _NO_TRANSIT else Transit(behind, ms),
    )


def _encode_piece(piece: PicturePiece) -> bytes:
    fields = _PIECE_FIELDS.pack(piece.transfer, piece.slot, piece.index, piece.count - 1, piece.digest)
    return fields + piece.data


def _decode_piece(body: bytes) -> PicturePiece:
    transfer, slot, index, last, digest = _PIECE_FIELDS.unpack_from(body)
    return PicturePiece(transfer, slot, index, last + 1, digest, body[_PIECE_FIELDS.size :])


def _decode_goodbye(body: bytes) -> Goodbye:
    if not body or body[0] > 1:
        raise BitstreamError("a goodbye says with 0 or 1 whether something failed")
    return Goodbye(body[1:].decode(), failed=bool(body[0]))


def _within(name: str, value: int, most: int) -> None:
    if not 0 <= value <= most:
        raise ValueError(f"{name} must be 0..{most}, not {value}")


def _check_reason(reason: str) -> None:
    if len(reason.encode()) > MAX_REASON_BYTES or not reason.isprintable():
        raise ValueError(f"a reason is at most {MAX_REASON_BYTES} bytes of printable text")
