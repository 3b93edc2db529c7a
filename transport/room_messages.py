"""What a room's server and the two sides in the room say to each other: frozen dataclasses, and their JSON.

Both ends take the other for a stranger: whatever is read has been checked when the dataclass is made. The server
passes descriptions on without looking into them.
"""

import json
import re
from dataclasses import asdict, dataclass, fields
from typing import Any

from transport.codes import is_secret
from transport.errors import TransportError

# As `description` has it, which a server need not load: it is the sides that read what an SDP text says.
MAX_SDP_BYTES = 16_384
MAX_MESSAGE_BYTES = 2 * MAX_SDP_BYTES  # with what JSON adds to its line ends, twice over
MAX_REASON = 200

_ROOM = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CODE = re.compile(r"[A-Z0-9]{4,32}")


@dataclass(frozen=True)
class Enter:
    """A side comes in. Without a code it opens the room; with its own `secret` it is known when it comes again.

    `again`: it has been in this room before, so the room may be made anew around the code where it is gone. `opens`:
    it misses the other side, and lets whoever has this code come in its place.
    """

    room: str
    secret: str
    code: str | None = None
    again: bool = False
    opens: bool = False

    def __post_init__(self) -> None:
        check_room(self.room)
        _check(is_secret(self.secret), "a secret has 32 hexadecimal digits")
        if self.code is not None:
            check_room_code(self.code)
        _check(isinstance(self.again, bool), "'again' is true or false")
        _check(isinstance(self.opens, bool), "'opens' is true or false")
        _check(not self.again or self.code is not None, "who comes again has a code")


@dataclass(frozen=True)
class Entered:
    """The server has let a side in; the other one needs this code."""

    code: str

    def __post_init__(self) -> None:
        check_room_code(self.code)


@dataclass(frozen=True)
class Meet:
    """A side has a peer and wants to meet."""


@dataclass(frozen=True)
class Wanted:
    """The other side wants to meet, and this one has not said so yet."""


@dataclass(frozen=True)
class Turn:
    """Both sides want to meet: this one makes the offer, or answers."""

    offers: bool

    def __post_init__(self) -> None:
        _check(isinstance(self.offers, bool), "'offers' is true or false")


@dataclass(frozen=True)
class Tell:
    """One side's description for the other one, `type` being offer or answer."""

    type: str
    sdp: str

    def __post_init__(self) -> None:
        _check(self.type in ("offer", "answer"), "a description is an offer or an answer")
        fits = isinstance(self.sdp, str) and self.sdp.isascii() and len(self.sdp) <= MAX_SDP_BYTES
        _check(fits, f"a description is ASCII of at most {MAX_SDP_BYTES} bytes")


@dataclass(frozen=True)
class Parted:
    """The other side has lost its connection to the server; it may come back."""


@dataclass(frozen=True)
class Left:
    """A side leaves for good, or the other one has."""


@dataclass(frozen=True)
class Refused:
    """The server does not do what was asked; `why` is a sentence."""

    why: str

    def __post_init__(self) -> None:
        fits = isinstance(self.why, str) and len(self.why) <= MAX_REASON and self.why.isprintable()
        _check(fits, f"a reason is at most {MAX_REASON} printable characters")


Message = Enter | Entered | Meet | Wanted | Turn | Tell | Parted | Left | Refused
_KINDS: dict[str, type[Message]] = {
    kind.__name__.lower(): kind for kind in (Enter, Entered, Meet, Wanted, Turn, Tell, Parted, Left, Refused)
}


def write(message: Message) -> str:
    """Return the message as one JSON object, its kind among its fields."""
    return json.dumps({"kind": type(message).__name__.lower(), **asdict(message)})


def read(text: str) -> Message:
    """Return the message that `write` wrote. Raises `TransportError`, and nothing else, for any other text."""
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise TransportError("The message is not JSON.") from None
    if not isinstance(value, dict):
        raise TransportError("The message is not a JSON object.")
    kind = value.pop("kind", None)
    made = _KINDS.get(kind) if isinstance(kind, str) else None
    if made is None:
        raise TransportError("The message is of no known kind.")
    if not value.keys() <= {field.name for field in fields(made)}:
        raise TransportError(f"The message '{kind}' has fields that it should not have.")
    try:
        return made(**value)
    except TypeError:
        raise TransportError(f"The message '{kind}' lacks a field.") from None


def check_room(name: str) -> str:
    """Return a room's name if it is one; raises `TransportError`."""
    if not isinstance(name, str) or not _ROOM.fullmatch(name):
        raise TransportError("A room's name has 1 to 64 letters, digits, - and _, and no blanks.")
    return name


def check_room_code(code: str) -> str:
    """Return a room's code if it is one; raises `TransportError`."""
    if not isinstance(code, str) or not _CODE.fullmatch(code):
        raise TransportError("A room's code has 4 to 32 capital letters and digits.")
    return code


def _check(fits: object, rule: str) -> None:
    if not fits:
        raise TransportError(f"The message cannot be used: {rule}.")
