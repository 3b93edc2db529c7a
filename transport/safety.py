"""Four words that both people read aloud: where they are the same, nobody sits between the two sides.

The words come from both certificates and from a nonce of each side. A side first sends its nonce's hash, and
reveals the nonce only when it has the other's hash: who sits in the middle with a certificate of its own toward each
side must choose its nonces before it can know what words they give, and so hits 40 equal bits by luck alone.
Bytes in, bytes out; how they travel is not known here.
"""

import hashlib
import hmac
import secrets
from functools import cache
from pathlib import Path

from transport.errors import TransportError

NONCE_BYTES = 16
HASH_BYTES = 32
WORDS = 4
WORD_BITS = 10

_LABEL = b"visavis safety words"
_LIST = Path(__file__).with_name("safety_words.txt")
_INTRUDER = "Somebody may be listening in between: end this call and meet in another way."


class Safety:
    """One side's part in finding the words for two certificates.

    Send `commitment`; hand the other's to `commit` and send what that returns; hand the other's nonce to `reveal`.
    Keep it for as long as the call lasts: over a new connection the same messages give the same words again. It
    is for one pair of certificates; `check` says whether a new connection has the same.

    Parameters
    ----------
    mine, theirs
        SHA-256 of both sides' certificates, 32 bytes each (`Peer.fingerprints`).
    nonce
        16 bytes that nobody can know; made where none are given, and given only in tests.
    """

    def __init__(self, mine: bytes, theirs: bytes, *, nonce: bytes | None = None) -> None:
        if len(mine) != HASH_BYTES or len(theirs) != HASH_BYTES:
            raise ValueError(f"a certificate's SHA-256 has {HASH_BYTES} bytes")
        if mine == theirs:
            raise TransportError(f"The other side shows this side's own certificate. {_INTRUDER}")
        self._mine = mine
        self._theirs = theirs
        self._nonce = secrets.token_bytes(NONCE_BYTES) if nonce is None else nonce
        self._their_commitment: bytes | None = None
        self._words: tuple[str, ...] = ()

    @property
    def commitment(self) -> bytes:
        """What to send as soon as the connection stands: the nonce's SHA-256, 32 bytes."""
        return hashlib.sha256(self._nonce).digest()

    @property
    def words(self) -> tuple[str, ...]:
        """The four words; empty until the other side has revealed its nonce."""
        return self._words

    def check(self, mine: bytes, theirs: bytes) -> None:
        """Make sure that a new connection has the certificates that the words stand for.

        Raises `TransportError` with a sentence for the user where it has not.
        """
        if (mine, theirs) != (self._mine, self._theirs):
            raise TransportError(f"The other side has another certificate than before. {_INTRUDER}")

    def commit(self, commitment: bytes) -> bytes:
        """Take the other side's commitment; return this side's nonce, which may be sent from now on.

        Raises `TransportError` where it is this side's own or not the one that it sent before.
        """
        if commitment == self.commitment:
            raise TransportError(f"The other side sends back what this side has sent. {_INTRUDER}")
        if self._their_commitment not in (None, commitment):
            raise TransportError(f"The other side has changed what its safety words are made of. {_INTRUDER}")
        self._their_commitment = commitment
        return self._nonce

    def reveal(self, nonce: bytes) -> tuple[str, ...]:
        """Take the other side's nonce and return the four words.

        Raises `TransportError` where nothing was committed to before, or something else.
        """
        committed = self._their_commitment
        if committed is None or not hmac.compare_digest(hashlib.sha256(nonce).digest(), committed):
            raise TransportError(f"The other side's safety words are not what it had promised. {_INTRUDER}")
        self._words = find_words((self._mine, self._nonce), (self._theirs, nonce))
        return self._words


def find_words(one: tuple[bytes, bytes], other: tuple[bytes, bytes]) -> tuple[str, ...]:
    """Return the four words of two sides, each a certificate's SHA-256 and a nonce; the order does not matter."""
    digest = hashlib.sha256(
        _LABEL + b"".join(part for side in sorted((one, other)) for part in side)
    ).digest()
    number = int.from_bytes(digest[: WORDS * WORD_BITS // 8])
    words = word_list()
    return tuple(words[number >> WORD_BITS * place & len(words) - 1] for place in reversed(range(WORDS)))


@cache
def word_list() -> tuple[str, ...]:
    """Return the 1024 words, in the order of the alphabet; no two begin with the same four letters."""
    return tuple(_LIST.read_text(encoding="ascii").split())
