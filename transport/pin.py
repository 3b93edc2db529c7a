"""Holds the other side to the certificate of the first meeting: who comes back after a lost line must be the same.

It compares what descriptions promise; the connection itself makes sure that the promise is kept (DTLS). Whether
the first certificate was the right one is told by the safety words, not here.
"""

import re

from transport.description import Description
from transport.errors import TransportError

_FINGERPRINT = re.compile(
    r"^a=fingerprint:sha-256 ((?:[0-9a-f]{2}:){31}[0-9a-f]{2})\s*$", re.MULTILINE | re.IGNORECASE
)


class Pin:
    """The certificate that the other side must go on having; none before the first `check`."""

    def __init__(self) -> None:
        self._fingerprint: bytes | None = None

    def check(self, description: Description) -> None:
        """Keep the first description's certificate; raise `TransportError` where a later one has another."""
        fingerprint = certificate_of(description)
        if self._fingerprint is None:
            self._fingerprint = fingerprint
        elif fingerprint != self._fingerprint:
            raise TransportError(
                "Who came back has another certificate than the one this call began with, and was refused."
            )


def certificate_of(description: Description) -> bytes:
    """Return the SHA-256 of the certificate that a description promises, 32 bytes.

    Raises `TransportError` where it names none or several.
    """
    named = {text.upper() for text in _FINGERPRINT.findall(description.sdp)}
    if len(named) != 1:
        raise TransportError("The other side's description must name one certificate by its SHA-256.")
    return bytes.fromhex(named.pop().replace(":", ""))
