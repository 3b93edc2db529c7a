"""What two peers tell each other before they are connected: a session description, checked before it is used.

A description comes from a stranger, and aiortc starts background tasks from it whose exceptions nobody sees.
So whatever those tasks rely on is checked here, once, when the dataclass is made. This module knows no
connection and no network.
"""

import ipaddress
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiortc import RTCIceServer
from aiortc.sdp import MediaDescription, SessionDescription

from transport.errors import TransportError

MAX_SDP_BYTES = 16_384  # ours take some 700 bytes and 80 more for each address
MAX_CANDIDATES = 40  # each costs the other side several datagrams to an address that a stranger chose
MIN_MESSAGE_BYTES = 1_200  # a side that takes less than one packet's worth cannot hold a call

_TYPES = ("offer", "answer")
_ICE_NAME = re.compile(r"[A-Za-z0-9+/]{4,256}")
_ICE_PASSWORD = re.compile(r"[A-Za-z0-9+/]{22,256}")
_ICE_URL = re.compile(r"(?:stun|turn|turns):[^\s:?]+(?::(\d{1,5}))?(?:\?transport=(?:udp|tcp))?")


@dataclass(frozen=True)
class IceServer:
    """A STUN or TURN server: `stun:host:port`, or `turn:host:port` with a name and a password.

    Raises `TransportError` where the URL is neither.
    """

    url: str
    username: str | None = None
    credential: str | None = None

    def __post_init__(self) -> None:
        match = _ICE_URL.fullmatch(self.url)
        if match is None:
            raise TransportError(
                f"{self.url!r} is not a STUN or TURN server; write it as stun:host:port or turn:host:port."
            )
        if match[1] is not None and not 0 < int(match[1]) < 65_536:
            raise TransportError(f"{self.url!r} is no STUN or TURN server: its port must be from 1 to 65535.")


@dataclass(frozen=True)
class Description:
    """One side's half of the agreement to connect: an SDP text with one data-channel section (RFC 8841).

    `type` is "offer" or "answer"; `sdp` is at most `MAX_SDP_BYTES` of ASCII. Raises `TransportError`
    with one sentence when the text could not be used to connect.
    """

    type: str
    sdp: str

    def __post_init__(self) -> None:
        if self.type not in _TYPES:
            raise TransportError("A session description must be an offer or an answer.")
        if not self.sdp.isascii() or len(self.sdp) > MAX_SDP_BYTES:
            raise TransportError(f"A session description must be ASCII of at most {MAX_SDP_BYTES} bytes.")
        fault = _fault(self.type, self.sdp)
        if fault is not None:
            raise TransportError(f"The session description cannot be used: {fault}.")

    def to_json(self) -> str:
        """Write the description as one JSON object with the keys `type` and `sdp`."""
        return json.dumps({"type": self.type, "sdp": self.sdp})

    @classmethod
    def from_json(cls, text: str | bytes) -> "Description":
        """Read what `to_json` wrote, from a stranger. Raises `TransportError` on anything else."""
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            raise TransportError("The session description is not JSON.") from None
        if not isinstance(value, dict):
            raise TransportError("The session description is not a JSON object.")
        kind, sdp = value.get("type"), value.get("sdp")
        if not isinstance(kind, str) or not isinstance(sdp, str):
            raise TransportError("The session description lacks its type or its sdp.")
        return cls(type=kind, sdp=sdp)


def rtc_ice_servers(servers: Sequence[IceServer]) -> list[RTCIceServer]:
    """Turn our servers into aiortc's."""
    return [
        RTCIceServer(urls=server.url, username=server.username, credential=server.credential)
        for server in servers
    ]


def _fault(kind: str, sdp: str) -> str | None:
    """Say in a few words what is wrong with an SDP text, or None where nothing is."""
    try:
        session = SessionDescription.parse(sdp)
    # The parser is not total: it answers broken text with whatever its code runs into.
    except Exception:
        return "it is not SDP"
    if len(session.media) != 1 or session.media[0].kind != "application":
        return "it must have one data-channel section and no other"
    media = session.media[0]
    mid = media.rtp.muxId
    if not mid or any(group.items != [mid] for group in session.group):
        return "its section has no name or is grouped with others"
    return _association_fault(kind, media) or _path_fault(media)


def _association_fault(kind: str, media: MediaDescription) -> str | None:
    """Check what DTLS and SCTP need."""
    if media.profile != "UDP/DTLS/SCTP" or media.sctp_port is None or not 0 < media.sctp_port < 65_536:
        return "it has no SCTP port over UDP and DTLS"
    if media.dtls is None or not media.dtls.fingerprints:
        return "it has no DTLS fingerprint or role"
    if kind == "answer" and media.dtls.role not in ("client", "server"):
        return "it leaves the DTLS role open"
    capabilities = media.sctpCapabilities
    if capabilities is not None and 0 != capabilities.maxMessageSize < MIN_MESSAGE_BYTES:
        return f"it takes no messages of {MIN_MESSAGE_BYTES} bytes"
    return None


def _path_fault(media: MediaDescription) -> str | None:
    """Check what ICE needs."""
    name = media.ice.usernameFragment if media.ice else None
    password = media.ice.password if media.ice else None
    if not _ICE_NAME.fullmatch(name or "") or not _ICE_PASSWORD.fullmatch(password or ""):
        return "its ICE name or password is missing or malformed"
    if not 0 < len(media.ice_candidates) <= MAX_CANDIDATES:
        return f"it must name 1 to {MAX_CANDIDATES} addresses to meet at"
    if not all(_usable(candidate) for candidate in media.ice_candidates):
        return "it names an address that is none"
    return None


def _usable(candidate: Any) -> bool:
    """Tell whether a candidate (aiortc's RTCIceCandidate) can be handed to a socket."""
    try:
        ipaddress.ip_address(candidate.ip)
    except ValueError:
        return False
    return candidate.component == 1 and 0 < candidate.port < 65_536
