"""The two messages that safety words need: a commitment to a nonce, then the nonce. What they are for, and when each is
due, is not known here."""

from dataclasses import dataclass

from codec.hello import HASH_BYTES

NONCE_BYTES = 16


@dataclass(frozen=True)
class SafetyCommit:
    """The SHA-256 of the nonce that this side will reveal."""

    commitment: bytes

    def __post_init__(self) -> None:
        if len(self.commitment) != HASH_BYTES:
            raise ValueError(f"a commitment has {HASH_BYTES} bytes, not {len(self.commitment)}")


@dataclass(frozen=True)
class SafetyReveal:
    """The nonce that this side committed to."""

    nonce: bytes

    def __post_init__(self) -> None:
        if len(self.nonce) != NONCE_BYTES:
            raise ValueError(f"a nonce has {NONCE_BYTES} bytes, not {len(self.nonce)}")
