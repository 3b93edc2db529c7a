"""A second decoder of control messages, from `codec/README.md` alone: a message is a name and its fields."""

import unicodedata
from collections.abc import Callable
from typing import Any

from second_decoder import RefusedError


class Fields:
    """Reads a control message from the front."""

    def __init__(self, message: bytes) -> None:
        self.rest = message

    def bytes(self, count: int) -> bytes:
        """Take so many bytes."""
        if len(self.rest) < count:
            raise RefusedError("too short")
        taken, self.rest = self.rest[:count], self.rest[count:]
        return taken

    def number(self, count: int) -> int:
        """Take a number of so many bytes."""
        return int.from_bytes(self.bytes(count), "big")

    def text(self, shortest: int, longest: int, allowed: str = " ") -> str:
        """Take what is left as printable text."""
        code, self.rest = self.rest, b""
        if not shortest <= len(code) <= longest:
            raise RefusedError("length of a text")
        try:
            text = code.decode()
        except UnicodeDecodeError as error:
            raise RefusedError("not UTF-8") from error
        if any(unicodedata.category(one)[0] in "CZ" and one not in allowed for one in text):
            raise RefusedError("not printable")
        return text


def decode_control(message: bytes) -> tuple[Any, ...]:
    """Return a message's name and its fields, or raise RefusedError."""
    if not 1 <= len(message) <= 1100:
        raise RefusedError("length")
    fields = Fields(message[1:])
    if message[0] not in CONTROL:
        raise RefusedError("unknown type")
    name, read = CONTROL[message[0]]
    values = read(fields)
    if fields.rest:
        raise RefusedError("too long")
    return name, *values


def _hello(fields: Fields) -> tuple[Any, ...]:
    version, graphs, motion_format = fields.number(2), fields.bytes(32), fields.bytes(32)
    size, rate, capabilities = fields.number(2), fields.number(2) / 100, fields.number(4)
    secret, length = fields.bytes(16), fields.number(1)
    name = Fields(fields.bytes(length)).text(1, 64)
    fields.rest = b"" if version > VERSION else fields.rest
    if not size or not rate:
        raise RefusedError("size or rate")
    return version, name, graphs, motion_format, size, rate, capabilities, secret


def _slot(fields: Fields) -> int:
    slot = fields.number(1)
    if slot > 3:
        raise RefusedError("slot")
    return slot


def _piece(fields: Fields) -> tuple[Any, ...]:
    transfer, slot, index, count = fields.number(2), _slot(fields), fields.number(2), fields.number(2) + 1
    if index >= count or count > 1024:
        raise RefusedError("index")
    digest, data = fields.bytes(32), fields.bytes(len(fields.rest))
    if not 1 <= len(data) <= 1060:
        raise RefusedError("data")
    return transfer, slot, index, count, digest, data


def _feedback(fields: Fields) -> tuple[Any, ...]:
    newest, bitmap, delay, shown = fields.number(2), fields.number(4), fields.number(2), fields.number(4)
    source, came, weight = fields.number(1), fields.number(2), fields.number(4)
    behind, transit = fields.number(1), fields.number(2)
    transfer, ready = fields.number(2), fields.number(1)
    if newest != 0xFFFF and newest > 4095:
        raise RefusedError("time")
    if source != 0xFF and source > 3:
        raise RefusedError("source")
    if behind == 0xFF and transit:
        raise RefusedError("transit")
    if ready % 2 == 0 and (ready > 0 or transfer > 0):
        raise RefusedError("ready")
    return (
        None if newest == 0xFFFF else newest,
        bitmap,
        delay,
        shown,
        None if source == 0xFF else source,
        came,
        weight,
        None if behind == 0xFF else (behind, transit),
        None if ready == 0 else (transfer, ready // 2),
    )


def _goodbye(fields: Fields) -> tuple[Any, ...]:
    failed = fields.number(1)
    if failed > 1:
        raise RefusedError("neither 0 nor 1")
    return fields.text(0, 200), bool(failed)


def _motion(fields: Fields) -> tuple[Any, ...]:
    if not 3 <= len(fields.rest) <= 1099:
        raise RefusedError("length of a motion packet")
    return (fields.bytes(len(fields.rest)),)


def _chat(fields: Fields) -> tuple[Any, ...]:
    number, text = fields.number(2), fields.text(1, 1000, " \u200c\u200d")
    if len(text) > 500:
        raise RefusedError("length of a line")
    return number, text


def _name(fields: Fields) -> tuple[Any, ...]:
    text = fields.text(1, 160)
    if len(text) > 40:
        raise RefusedError("length of a name")
    return (text,)


def _clock(fields: Fields) -> tuple[Any, ...]:
    ticks, sound = fields.number(2), fields.number(4)
    if ticks > 4095:
        raise RefusedError("time")
    return ticks, sound


VERSION = 4
CONTROL: dict[int, tuple[str, Callable[[Fields], tuple[Any, ...]]]] = {
    1: ("Hello", _hello),
    2: ("PicturePiece", _piece),
    3: ("PictureReady", lambda fields: (fields.number(2), _slot(fields))),
    4: ("PictureRefused", lambda fields: (fields.number(2), fields.text(0, 200))),
    5: ("Feedback", _feedback),
    6: ("Goodbye", _goodbye),
    7: ("OrderedMotion", _motion),
    8: ("PictureOffer", lambda fields: (fields.number(2), _slot(fields), fields.bytes(32))),
    10: ("ResidualPiece", _piece),
    20: ("Chat", _chat),
    21: ("Status", lambda fields: (fields.number(1), fields.number(2))),
    22: ("Wish", lambda fields: (fields.number(1),)),
    23: ("Ring", lambda fields: (fields.number(1),)),
    24: ("Accept", lambda fields: ()),
    25: ("Decline", lambda fields: (fields.text(0, 200),)),
    26: ("Unmet", lambda fields: (fields.number(1),)),
    27: ("Name", _name),
    30: ("SafetyCommit", lambda fields: (fields.bytes(32),)),
    31: ("SafetyReveal", lambda fields: (fields.bytes(16),)),
    40: ("Clock", _clock),
}
