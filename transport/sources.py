"""How many streams the other side may have in one connection. Knows SRTP's sessions, and not what the streams carry."""

from collections.abc import Callable

import pylibsrtp

# Motion, sound, and each time that ordinary video begins a new one; libsrtp keeps a kilobyte of each for good.
MOST_SOURCES = 256


class FewSources:
    """Stands in for the SRTP session that takes what comes: packets of one source too many are none of ours."""

    def __init__(self, session: pylibsrtp.Session) -> None:
        self._session = session
        self._known: set[bytes] = set()

    def unprotect(self, packet: bytes) -> bytes:
        """Return the RTP packet that is protected in this one; raises pylibsrtp.Error."""
        return self._take(self._session.unprotect, packet, packet[8:12])

    def unprotect_rtcp(self, packet: bytes) -> bytes:
        """Return the RTCP packets that are protected in this one; raises pylibsrtp.Error."""
        return self._take(self._session.unprotect_rtcp, packet, packet[4:8])

    def _take(self, unprotect: Callable[[bytes], bytes], packet: bytes, source: bytes) -> bytes:
        if source not in self._known and len(self._known) >= MOST_SOURCES:
            raise pylibsrtp.Error("a source too many")
        plain = unprotect(packet)
        self._known.add(source)  # what is not authentic names none
        return plain
