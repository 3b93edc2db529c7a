"""What the two persons of a call tell each other beside their faces: knocking and being let in, a line of chat, the
state of microphone and camera, a wish. Frozen dataclasses and their bytes behind the type; the framing and the types'
numbers are `codec.control`'s. Does not know when a message is due or what it sets off.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum, IntFlag

from codec.fields import check_reason, within

MAX_CHAT_CHARACTERS = 500
MAX_CHAT_BYTES = 1000
MAX_NAME_CHARACTERS = 40
MAX_NAME_BYTES = 160
# Joiners are no letters of their own, but emoji and some scripts are written with them.
_JOINERS = "\u200c\u200d"

_CHAT_FIELDS = struct.Struct(">H")
_STATUS_FIELDS = struct.Struct(">BH")


class Condition(IntFlag):
    """The bits of a side's status; numbers are never used again for something else, unknown ones are ignored."""

    MUTED = 1
    CAMERA_OFF = 2
    FOREIGN_PICTURE = 4  # the source picture is not from the side's own camera in this call
    RECORDING = 8
    ORDINARY_VIDEO = 16  # sends ordinary video instead of motions
    AWAY = 32  # the camera runs and shows no face
    THRIFTY = 64  # wants 30 kbit/s at most, sound included, in either direction


class Kind(IntEnum):
    """What one side can ask of the other; numbers are never used again for something else."""

    NEW_PICTURE = 1
    REPAIR = 2
    ORDINARY_VIDEO = 3
    REDRAWN_VIDEO = 4


@dataclass(frozen=True)
class Chat:
    """A line of chat: 1 to 500 printable characters of at most 1000 bytes.

    `number` counts a side's lines modulo 65536, so that a line sent again over a new connection is known.
    """

    number: int
    text: str

    def __post_init__(self) -> None:
        within("a chat line's number", self.number, 0xFFFF)
        if not 1 <= len(self.text) <= MAX_CHAT_CHARACTERS or len(self.text.encode()) > MAX_CHAT_BYTES:
            raise ValueError(
                f"a line of chat has 1 to {MAX_CHAT_CHARACTERS} characters in {MAX_CHAT_BYTES} bytes"
            )
        if not is_printable(self.text):
            raise ValueError("a line of chat is printable text")


@dataclass(frozen=True)
class Status:
    """How a side is: `conditions` are bits of `Condition`, 0..255; `chat_taken` lines of chat have come from the other
    side so far, modulo 65536."""

    conditions: int
    chat_taken: int = 0

    def __post_init__(self) -> None:
        within("conditions", self.conditions, 0xFF)
        within("lines taken", self.chat_taken, 0xFFFF)


@dataclass(frozen=True)
class Wish:
    """One side asks the other for something; `kind` is one of `Kind`, 0..255, and an unknown one is ignored."""

    kind: int

    def __post_init__(self) -> None:
        within("a wish", self.kind, 0xFF)


@dataclass(frozen=True)
class Unmet:
    """The answer to a wish, of one of `Kind`, 0..255, that is not done: what is there would not be better for it."""

    kind: int

    def __post_init__(self) -> None:
        within("a wish", self.kind, 0xFF)


@dataclass(frozen=True)
class Ring:
    """A side asks to begin, and says how it will be (`conditions` as in Status). Nothing of a face crosses before both
    sides have accepted the other's ring."""

    conditions: int

    def __post_init__(self) -> None:
        within("conditions", self.conditions, 0xFF)


@dataclass(frozen=True)
class Name:
    """What a side calls itself: 1 to 40 printable characters of at most 160 bytes, which nobody has checked. Said
    before Ring, by a side that has a name."""

    text: str

    def __post_init__(self) -> None:
        if not 1 <= len(self.text) <= MAX_NAME_CHARACTERS or len(self.text.encode()) > MAX_NAME_BYTES:
            raise ValueError(f"a name has 1 to {MAX_NAME_CHARACTERS} characters in {MAX_NAME_BYTES} bytes")
        if not self.text.isprintable():
            raise ValueError("a name is printable text")


@dataclass(frozen=True)
class Accept:
    """The answer yes to the other side's ring."""


@dataclass(frozen=True)
class Decline:
    """The answer no; `reason` is printable, at most 200 bytes, and may be empty."""

    reason: str

    def __post_init__(self) -> None:
        check_reason(self.reason)


def is_printable(text: str) -> bool:
    """Say whether text can be shown as one line: nothing in it moves, hides or ends what stands around it."""
    return all(character.isprintable() or character in _JOINERS for character in text)


def encode_chat(chat: Chat) -> bytes:
    """Return a line's bytes behind the type."""
    return _CHAT_FIELDS.pack(chat.number) + chat.text.encode()


def decode_chat(body: bytes) -> Chat:
    """Return the line; raises struct.error or ValueError (UnicodeDecodeError) for anything else."""
    (number,) = _CHAT_FIELDS.unpack_from(body)
    return Chat(number, body[_CHAT_FIELDS.size :].decode())


def encode_status(status: Status) -> bytes:
    """Return a status's bytes behind the type."""
    return _STATUS_FIELDS.pack(status.conditions, status.chat_taken)


def decode_status(body: bytes) -> Status:
    """Return the status; raises struct.error for anything else."""
    return Status(*_STATUS_FIELDS.unpack(body))
