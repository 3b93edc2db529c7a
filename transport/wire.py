"""What touches private parts of aiortc 1.16 and aioice 0.13, with `certificate`, `consent`, `handshake`, `moving`,
`reliable`, `resending`, `rtp_port`, `video` and `video_queue` (a test fails when they change).

It counts the datagrams of one connection at its sockets, in both directions and with their IP and UDP
headers, lets two peers meet on a machine without a network, and reads from the SCTP association what its
public face does not show. It does not know what the datagrams carry.
"""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from aioice.candidate import Candidate
from aioice.ice import StunProtocol
from aioice.stun import Message
from aiortc import RTCCertificate, RTCPeerConnection, RTCSctpTransport
from aiortc.rtcdtlstransport import certificate_digest

from transport.consent import keep_consent
from transport.handshake import Handshake
from transport.moving import follow
from transport.names import address_of
from transport.peak import Peak
from transport.reach import is_own_address
from transport.round_trips import RoundTrips
from transport.sources import FewSources

IPV4_HEADERS = 20 + 8  # IP and UDP
IPV6_HEADERS = 40 + 8

PART_BYTES = 512  # what a part of an unfinished message takes besides its data, of which it may have none

LOOPBACK = "127.0.0.1"
LONGEST_DATAGRAM = 1_500  # bytes
MAX_ADDRESSES = 16  # a machine with many container bridges names no more, so that descriptions stay small
# The other side's, each of which is sent checks to, wherever it is: what it names at first, and moves to later.
MOST_REMOTE_ADDRESSES = 200
GATHER_TIMEOUT_S = 2  # a STUN server that has not answered by then is not waited for
# A TURN server lets packets through for five minutes after their channel was bound (RFC 8656, sections 9 and 12);
# upstream binds it again after more than eight.
BIND_AGAIN_S = 240


def use_certificate(connection: RTCPeerConnection, certificate: RTCCertificate) -> None:
    """Let a connection that has no channel yet prove itself with this certificate instead of one of its own."""
    connection._RTCPeerConnection__certificates = [certificate]  # type: ignore[attr-defined]


class Wire:
    """The counters and the state of one connection's sockets. Made before candidates are gathered.

    Counted is what this side hands to its sockets and takes from them: data, acknowledgements, DTLS and
    ICE. Not counted: the query to a STUN server while gathering, and what a TURN server adds.
    """

    def __init__(self, sctp: RTCSctpTransport) -> None:
        self.sent_bytes = 0
        self.sent_packets = 0
        self.received_bytes = 0
        self.received_packets = 0
        self.sent_peak, self.received_peak = Peak(), Peak()
        self.heard_s = time.monotonic()  # when the newest datagram arrived
        self.round_trips = RoundTrips()
        self._sctp = sctp
        self._connection = sctp.transport.transport._connection
        self._counted: set[StunProtocol] = set()
        self._is_closed = False
        self._gather_upstream = self._connection.get_component_candidates
        self._connection.get_component_candidates = self._gather  # type: ignore[method-assign]
        self._connection.query_consent = partial(keep_consent, self._connection, self.round_trips)  # type: ignore[method-assign]
        self._check_upstream = self._connection.check_incoming
        self._connection.check_incoming = self._check  # type: ignore[method-assign]
        self._handshake = Handshake(sctp)

    @property
    def unfinished_bytes(self) -> int:
        """Bytes of incoming messages that are held because they are not complete, and of keeping each part of them."""
        streams = self._sctp._inbound_streams.values()
        parts = len(self._sctp._sack_misordered) + sum(len(stream.reassembly) for stream in streams)
        return 1024 * 1024 - self._sctp._advertised_rwnd + PART_BYTES * parts

    @property
    def has_moved(self) -> bool:
        """Whether this machine no longer has the address from which it sends."""
        pair = self._connection._nominated.get(1)
        if pair is None or pair.protocol.local_candidate is None:
            return False
        mine = pair.protocol.local_candidate
        return mine.type == "host" and not is_own_address(mine.host)

    async def follow(self) -> None:
        """Send from where this machine is now, once it has moved; returns when the other side has answered there."""
        await follow(self._connection, self._open_at, has_moved=lambda: self.has_moved)

    @property
    def pending_chunks(self) -> int:
        """How many chunks have not been sent or not been acknowledged."""
        queues = (self._sctp._sent_queue, self._sctp._outbound_queue)
        return sum(not chunk._acked for queue in queues for chunk in queue)

    @property
    def held_messages(self) -> int:
        """How many messages, or parts of them, the association keeps."""
        sctp = self._sctp
        return len(sctp._data_channel_queue) + len(sctp._outbound_queue) + len(sctp._sent_queue)

    def fingerprints(self) -> tuple[bytes, bytes]:
        """Return the SHA-256 of the own certificate and of the one that the other side has proven to hold."""
        dtls = self._sctp.transport
        # The handshake demands a certificate, and this is asked after it.
        assert dtls._ssl is not None
        certificate = dtls._ssl.get_peer_certificate(as_cryptography=True)
        assert certificate is not None
        local = next(
            one.value for one in dtls.getLocalParameters().fingerprints if one.algorithm == "sha-256"
        )
        mine, theirs = (
            bytes.fromhex(text.replace(":", ""))
            for text in (local, certificate_digest(certificate, "sha-256"))
        )
        return mine, theirs

    def begun(self) -> None:
        """Note that the connection stands; an exception in its receive loop will end it without a traceback, and of the
        other side's streams there will be no more than a few."""
        self._handshake.ended()
        dtls: Any = self._sctp.transport
        dtls._rx_srtp = FewSources(dtls._rx_srtp)
        task = dtls._task
        if task is not None:
            task.add_done_callback(lambda done: done.cancelled() or done.exception())

    def abort(self) -> None:
        """Close the sockets at once, whatever aiortc waits for; those that are being opened, as soon as they are."""
        self._handshake.ended()
        self._is_closed = True
        for protocol in self._connection._protocols:
            transport = protocol.transport
            # A TURN server is told that its address is no longer needed; that goes on by itself.
            transport.close() if _is_relayed(protocol) else transport.abort()

    def _check(self, message: Message, addr: tuple[str, int], protocol: StunProtocol) -> None:
        """Stand in for what aioice does with a check that has been answered: check the way back, but only so many."""
        known = self._connection._remote_candidates
        is_known = any((one._network_host, one.port) == addr for one in known)
        if is_known or len(known) < MOST_REMOTE_ADDRESSES:
            self._check_upstream(message, addr, protocol)

    async def _gather(self, component: int, addresses: list[str], timeout: int = 0) -> list[Candidate]:
        """Stand in for aioice's gathering: fall back to the loopback address, which aioice leaves out."""
        del timeout  # aioice's 5 s would keep a caller waiting for a server that is not there
        for chosen in (addresses[:MAX_ADDRESSES], [LOOPBACK]):
            candidates = await self._open(component, chosen)
            if candidates:
                break
        return candidates

    async def _open(self, component: int, addresses: list[str]) -> list[Candidate]:
        """Open sockets at these addresses. Who is cancelled meanwhile leaves none of them behind: this goes on to its
        end, as upstream does not know of them, nor of a TURN server's, before it is done."""

        async def gather() -> list[Candidate]:
            if (server := self._connection.stun_server) is not None:
                address = await address_of(server[0])
                self._connection.stun_server = None if address is None else (address, server[1])
            candidates = await self._gather_upstream(
                component=component, addresses=addresses, timeout=GATHER_TIMEOUT_S
            )
            self._count_all()
            if self._is_closed:
                self.abort()
            return candidates

        return await asyncio.shield(gather())

    async def _open_at(self, addresses: list[str]) -> None:
        """Open more sockets; where they are to be reached from elsewhere the other side sees for itself."""
        connection = self._connection
        servers = connection.stun_server, connection.turn_server
        connection.stun_server = connection.turn_server = None
        try:
            await self._open(1, addresses[:MAX_ADDRESSES])
        finally:
            connection.stun_server, connection.turn_server = servers

    def _count_all(self) -> None:
        for protocol in self._connection._protocols:
            if protocol not in self._counted:
                self._counted.add(protocol)
                self._count(protocol)

    def _count(self, protocol: StunProtocol) -> None:
        """Put our counters between one of aioice's protocols and its socket."""
        deliver = protocol.datagram_received

        def received(data: bytes | str, address: tuple[Any, ...]) -> None:
            size = len(data) + ip_headers(address)
            self.received_bytes += size
            self.received_packets += 1
            self.heard_s = time.monotonic()
            self.received_peak.add(size, self.heard_s)
            # One that is empty, or too long for SRTP, would end aiortc's receive loop, and anyone can send it.
            if 0 < len(data) <= LONGEST_DATAGRAM:
                deliver(data, address)

        def sent(size: int, address: tuple[Any, ...]) -> None:
            size += ip_headers(address)
            self.sent_bytes += size
            self.sent_packets += 1
            self.sent_peak.add(size, time.monotonic())

        protocol.datagram_received = received  # type: ignore
        if _is_relayed(protocol):
            upstream: Any = protocol.transport
            upstream._TurnTransport__inner_protocol.channel_refresh_time = BIND_AGAIN_S
        counted = _CountedTransport(protocol.transport, sent)
        protocol.transport = cast(asyncio.DatagramTransport, counted)
        self._handshake.hurry(protocol)


class _CountedTransport:
    """A datagram transport that reports each datagram before it sends it."""

    def __init__(
        self, transport: asyncio.DatagramTransport, sent: Callable[[int, tuple[Any, ...]], None]
    ) -> None:
        self._transport = transport
        self._sent = sent

    def sendto(self, data: bytes, address: tuple[Any, ...]) -> None:
        self._sent(len(data), address)
        self._transport.sendto(data, address)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def _is_relayed(protocol: StunProtocol) -> bool:
    return protocol.local_candidate.type == "relay"


def ip_headers(address: tuple[Any, ...]) -> int:
    """Return the bytes that IP and UDP add to a datagram to or from this address."""
    return IPV6_HEADERS if ":" in address[0] else IPV4_HEADERS
