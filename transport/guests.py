"""Whom a listening side lets in: the code of the moment, who came with it, and who may come back. No sockets, no clock.

A code lets one guest in, once. The guest that was let in comes back by the secret that it named. When its line is lost
it may also have been started anew: then what it came with, from where it came, lets it in once more, as a new guest.
"""

import hmac
from dataclasses import dataclass

from transport.codes import make_code
from transport.description import Description
from transport.errors import TransportError
from transport.limits import Guesses
from transport.pin import Pin

CODE_LENGTH = 6  # 2^30 values
MAX_WRONG_CODES = 10  # a mistyped code now and then, not a search
# An address may try so many before it has to wait: in a day it comes to some four thousand.
GUESSES, GUESSES_PER_S = 30.0, 1 / 20


class Refusal(TransportError):
    """Why a guest is not let in, with HTTP's status for it."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class NewCodeError(TransportError):
    """The code was guessed at and is another one from now on."""


@dataclass(frozen=True)
class Guest:
    """Who came: with what code, from what address, its secret, if it named one, and its certificate."""

    code: str
    address: str
    secret: str | None
    pin: Pin


class Guests:
    """The guests of one listening side, of which one is let in at a time. `code` is what lets the next one in."""

    def __init__(self, code: str | None = None) -> None:
        self.code = code or make_code(CODE_LENGTH)
        self.is_missed = False  # the one that was let in is looked for
        self._is_open = True
        self._let_in: Guest | None = None
        self._newest: Guest | None = None  # has been answered, and may not be wanted
        self._guesses = Guesses(GUESSES, GUESSES_PER_S)
        self._wrong = 0

    @property
    def has_any(self) -> bool:
        """Whether somebody has been answered who may come back."""
        return self._newest is not None

    def check(self, code: str, *, address: str, now_s: float) -> None:
        """Check what a stranger offers before more is read of it. Raises `Refusal`, or `NewCodeError` where this was
        the one wrong code too many."""
        self._guesses.sweep(now_s)
        if not self._guesses.allowed(address, now_s):
            raise Refusal(429, "Too many wrong codes came from there; try again in a minute.")
        known = [self.code, *(guest.code for guest in (self._let_in, self._newest) if guest is not None)]
        if any(_equal(code, one) for one in known):
            return
        self._guesses.count(address, now_s)
        # While somebody is in, the code opens nothing: guessing it does not matter.
        self._wrong += self._is_open
        if self._wrong >= MAX_WRONG_CODES:
            self._wrong, self.code = 0, make_code(CODE_LENGTH)
            raise NewCodeError("Too many wrong codes were tried, so the code is a new one.")
        raise Refusal(403, "The code is wrong.")

    def recognise(self, code: str, offer: Description, *, secret: str | None, address: str) -> Guest:
        """Return who this is, with a code that was checked. Raises `Refusal` where it is nobody who may come now, and
        `TransportError` where it is somebody else than the secret says."""
        known = self._known_by(secret)
        if known is not None:
            known.pin.check(offer)
            return known
        if not (self._is_open and _equal(code, self.code)) and not self._was_started_anew(code, address):
            raise Refusal(
                403,
                "The code has been used: it lets one caller in. The other side shows a new one for another call.",
            )
        guest = Guest(code, address, secret, Pin())
        guest.pin.check(offer)
        return guest

    def answered(self, guest: Guest) -> None:
        """Note that a guest has its answer: the code is used."""
        self._newest, self._is_open, self._wrong = guest, False, 0

    def admit(self) -> None:
        """Let the newest guest in: nobody else can come any more, or come back."""
        self._let_in, self._is_open, self.is_missed = self._newest, False, False

    def miss(self) -> None:
        """Note that a peer waits: who is in, if anybody, has lost its line."""
        self.is_missed = self._let_in is not None

    def reopen(self, *, new_code: bool) -> None:
        """Let somebody else come. Who is in may still come back; who was answered only may not."""
        self._newest, self._is_open = self._let_in, True
        if new_code:
            self._wrong, self.code = 0, make_code(CODE_LENGTH)

    def may_be_missed_soon(self, code: str, *, secret: str | None, address: str) -> bool:
        """Say whether this is somebody unknown who comes as the one came who is in, and is not missed yet: that one may
        have been started anew, quicker than its line is found to be lost."""
        return not self.is_missed and self._known_by(secret) is None and self._came_likewise(code, address)

    def _known_by(self, secret: str | None) -> Guest | None:
        for guest in (self._let_in, self._newest):
            if guest is not None and secret is not None and _equal(secret, guest.secret or ""):
                return guest
        return None

    def _came_likewise(self, code: str, address: str) -> bool:
        before = self._let_in
        return before is not None and before.address == address and _equal(code, before.code)

    def _was_started_anew(self, code: str, address: str) -> bool:
        return self.is_missed and self._came_likewise(code, address)


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(errors="replace"), other.encode(errors="replace"))
