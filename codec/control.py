"""Messages of the reliable channel: frozen dataclasses in, bytes out, and back.

Each message is a type byte and fixed fields in network byte order, with at most one field of free length at
its end. The messages and their fields stand in a module for each family; here are their types. Does not know when a
message is due or what it sets off.
"""

import struct
from enum import IntEnum

from codec.commitment import SafetyCommit, SafetyReveal
from codec.conversation import (
    Accept,
    Chat,
    Decline,
    Name,
    Ring,
    Status,
    Unmet,
    Wish,
    decode_chat,
    decode_status,
    encode_chat,
    encode_status,
)
from codec.errors import BitstreamError
from codec.feedback import Feedback, decode_feedback, encode_feedback
from codec.fields import MAX_CONTROL_BYTES, decode_byte, decode_nothing
from codec.hello import Goodbye, Hello, decode_goodbye, decode_hello, encode_goodbye, encode_hello
from codec.ordered import OrderedMotion
from codec.time import Clock, decode_clock, encode_clock
from codec.transfer import (
    PictureOffer,
    PicturePiece,
    PictureReady,
    PictureRefused,
    ResidualPiece,
    decode_offer,
    decode_piece,
    decode_ready,
    decode_refused,
    encode_offer,
    encode_piece,
    encode_ready,
    encode_refused,
)


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
    UNMET = 26
    NAME = 27
    SAFETY_COMMIT = 30
    SAFETY_REVEAL = 31
    CLOCK = 40


Conversation = Chat | Status | Wish | Unmet | Ring | Name | Accept | Decline
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
            return bytes([_Type.HELLO]) + encode_hello(message)
        case PicturePiece():
            return bytes([_Type.PIECE]) + encode_piece(message)
        case ResidualPiece(piece):
            return bytes([_Type.RESIDUAL_PIECE]) + encode_piece(piece)
        case PictureOffer():
            return bytes([_Type.OFFER]) + encode_offer(message)
        case PictureReady():
            return bytes([_Type.READY]) + encode_ready(message)
        case PictureRefused():
            return bytes([_Type.REFUSED]) + encode_refused(message)
        case Feedback():
            return bytes([_Type.FEEDBACK]) + encode_feedback(message)
        case Goodbye():
            return bytes([_Type.GOODBYE]) + encode_goodbye(message)
        case OrderedMotion(packet):
            return bytes([_Type.ORDERED_MOTION]) + packet
        case SafetyCommit(commitment):
            return bytes([_Type.SAFETY_COMMIT]) + commitment
        case SafetyReveal(nonce):
            return bytes([_Type.SAFETY_REVEAL]) + nonce
        case Clock():
            return bytes([_Type.CLOCK]) + encode_clock(message)
        case Chat():
            return bytes([_Type.CHAT]) + encode_chat(message)
        case Status():
            return bytes([_Type.STATUS]) + encode_status(message)
        case Wish(kind):
            return bytes([_Type.WISH, kind])
        case Unmet(kind):
            return bytes([_Type.UNMET, kind])
        case Ring(conditions):
            return bytes([_Type.RING, conditions])
        case Name(text):
            return bytes([_Type.NAME]) + text.encode()
        case Accept():
            return bytes([_Type.ACCEPT])
        case Decline(reason):
            return bytes([_Type.DECLINE]) + reason.encode()


def decode_control(data: bytes) -> Message:
    """Return the message that `encode_control` wrote.

    Raises BitstreamError, and nothing else, for any other bytes."""
    if not 1 <= len(data) <= MAX_CONTROL_BYTES:
        raise BitstreamError(f"a control message has 1 to {MAX_CONTROL_BYTES} bytes, not {len(data)}")
    kind, body = data[0], bytes(data[1:])
    try:
        match kind:
            case _Type.HELLO:
                return decode_hello(body)
            case _Type.PIECE:
                return decode_piece(body)
            case _Type.RESIDUAL_PIECE:
                return ResidualPiece(decode_piece(body))
            case _Type.READY:
                return decode_ready(body)
            case _Type.REFUSED:
                return decode_refused(body)
            case _Type.FEEDBACK:
                return decode_feedback(body)
            case _Type.GOODBYE:
                return decode_goodbye(body)
            case _Type.ORDERED_MOTION:
                return OrderedMotion(body)
            case _Type.SAFETY_COMMIT:
                return SafetyCommit(body)
            case _Type.SAFETY_REVEAL:
                return SafetyReveal(body)
            case _Type.CLOCK:
                return decode_clock(body)
            case _Type.CHAT:
                return decode_chat(body)
            case _Type.STATUS:
                return decode_status(body)
            case _Type.WISH:
                return Wish(decode_byte(body))
            case _Type.UNMET:
                return Unmet(decode_byte(body))
            case _Type.RING:
                return Ring(decode_byte(body))
            case _Type.NAME:
                return Name(body.decode())
            case _Type.ACCEPT:
                decode_nothing(body)
                return Accept()
            case _Type.DECLINE:
                return Decline(body.decode())
            case _Type.OFFER:
                return decode_offer(body)
    except (struct.error, ValueError) as error:
        raise BitstreamError(f"a control message of type {kind} is damaged: {error}") from error
    raise BitstreamError(f"control messages of type {kind} are not known here")
