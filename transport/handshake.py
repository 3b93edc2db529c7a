"""A connection that begins soon on a line with losses (touches private parts of aiortc 1.16 and aioice 0.13, as
`transport.wire` does).

Until media flows, some dozen datagrams have to cross, each in answer to another: ICE's checks, the four flights of DTLS
1.2, the four chunks of SCTP. Upstream waits half a second, a second and three seconds before it sends one of them
again, and ever longer after, so that on a line that loses every fifth the median connection stood after three seconds
and the tenth slowest after eight. Here each goes again soon: all of them together are less than 2 kB, and whoever gets
one twice leaves the second aside (DTLS by its record numbers, ICE and SCTP by what they are). Upstream's own timers run
on. What the connection carries is not known here.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import aiortc
from aioice.ice import StunProtocol
from aioice.stun import Message
from aiortc import RTCSctpTransport
from aiortc.rtcsctptransport import (
    SCTP_MAX_INIT_RETRANS,
    SCTP_RTO_INITIAL,
    Chunk,
    InitChunk,
    serialize_packet,
)

UPSTREAM = "1.16"

# How long the answer to something is waited for before it goes again, and by how much longer each time. An answer over
# a narrow line comes later by as long as the line takes for what is asked.
AGAIN_S, GROWTH, LONGEST_S = 0.2, 1.5, 1.0
NARROW_BPS = 20_000.0
FLIGHTS_AGAIN = 12  # then DTLS's own timer is left alone with it
ONE_FLIGHT_S = 0.1  # what DTLS sends later than this without an answer is its flight again
ASSOCIATION_S = 60.0  # so long SCTP's first chunks are sent; upstream gives up after eight
# When a check is sent again, in seconds from its beginning: between 0.5, 1.5 and 3.5, when upstream sends it again.
CHECKS_S = (0.15, 0.3, 0.8, 1.1, 2.0, 2.5, 3.0)

# Content types of DTLS records.
CHANGE_CIPHER_SPEC, HANDSHAKE, APPLICATION_DATA = 20, 22, 23


class Handshake:
    """Hurries one connection's beginning; made before it begins, and to be told when it has `ended`.

    With another version of aiortc than the one whose private parts are known here it leaves all as it is.
    """

    def __init__(self, sctp: RTCSctpTransport) -> None:
        self._loop = asyncio.get_running_loop()
        self._dtls: Any = sctp.transport
        self._ice: Any = self._dtls.transport
        association: Any = sctp
        self._sctp = association
        self._over = not aiortc.__version__.startswith(f"{UPSTREAM}.")
        self._flight: list[bytes] = []  # what DTLS has sent since it was answered
        self._answered = False
        self._flight_s = 0.0
        self._flights_again = 0
        self._timer: asyncio.TimerHandle | None = None
        self._asked: object = None  # SCTP's chunk that waits for its answer
        self._chunks_again = 0
        self._association_ends_s: float | None = None
        self._hurried: list[Any] = []  # sockets' protocols
        if self._over:
            return
        self._send_upstream = self._ice._send
        self._receive_upstream = self._ice._recv
        self._expired_upstream = self._sctp._t1_expired
        self._ice._send = self._send
        self._ice._recv = self._receive
        self._sctp._t1_expired = self._expired
        self._sctp._rto = AGAIN_S

    def ended(self) -> None:
        """Leave upstream to itself: the connection stands, or is closed."""
        self._settle()
        if self._over:
            return
        self._over = True
        for protocol in self._hurried:
            del protocol.request  # its own, in place of its class's
        self._ice._send = self._send_upstream
        self._ice._recv = self._receive_upstream
        self._sctp._t1_expired = self._expired_upstream
        self._sctp._rto = SCTP_RTO_INITIAL

    def hurry(self, protocol: StunProtocol) -> None:
        """Send the checks again that go out at one of the connection's sockets, as long as it begins."""
        if self._over:
            return
        request_upstream: Callable[..., Any] = protocol.request

        async def request(message: Message, address: tuple[str, int], *args: Any, **more: Any) -> Any:
            timers = [
                self._loop.call_later(delay_s, self._check_again, protocol, message, address)
                for delay_s in CHECKS_S
            ]
            try:
                return await request_upstream(message, address, *args, **more)
            finally:
                for timer in timers:
                    timer.cancel()

        hurried: Any = protocol
        hurried.request = request
        self._hurried.append(hurried)

    def _check_again(self, protocol: StunProtocol, message: Message, address: tuple[str, int]) -> None:
        # A transport over a TURN server cannot say whether it is closing; it drops what comes later.
        is_relayed = protocol.local_candidate.type == "relay"
        if not self._over and (is_relayed or not protocol.transport.is_closing()):
            protocol.send_stun(message, address)

    async def _send(self, data: bytes) -> None:
        """Stand in for the sending of ICE's transport, which DTLS and all above it use."""
        if data[0] in (CHANGE_CIPHER_SPEC, HANDSHAKE):
            now_s = self._loop.time()
            if self._answered or now_s - self._flight_s > ONE_FLIGHT_S:
                if self._answered:
                    self._flights_again = 0
                self._flight, self._flight_s, self._answered = [], now_s, False
            self._flight.append(data)
            self._wait()
        await self._send_upstream(data)

    async def _receive(self) -> bytes:
        """Stand in for the receiving of ICE's transport."""
        data: bytes = await self._receive_upstream()
        if data[0] in (CHANGE_CIPHER_SPEC, HANDSHAKE):
            self._answered = True
        elif data[0] == APPLICATION_DATA:  # the other side has our last flight
            self._settle()
        return data

    def _wait(self) -> None:
        self._disarm()
        narrow_s = 8 * sum(map(len, self._flight)) / NARROW_BPS
        wait_s = min(AGAIN_S * GROWTH**self._flights_again, LONGEST_S) + narrow_s
        self._timer = self._loop.call_later(wait_s, self._flight_again)

    def _flight_again(self) -> None:
        self._timer = None
        # The client's last flight was answered where it is connected; the server is connected as soon as it sends its.
        done = self._dtls.state not in ("new", "connecting") and self._dtls._role == "client"
        if done or self._dtls.state in ("closed", "failed") or self._flights_again >= FLIGHTS_AGAIN:
            return
        self._flights_again += 1
        for data in self._flight:
            self._run(self._send_upstream(data))
        self._wait()

    def _settle(self) -> None:
        self._disarm()
        self._flight = []

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expired(self) -> None:
        """Stand in for what SCTP does where a chunk of its beginning is not answered in time."""
        now_s, sctp = self._loop.time(), self._sctp
        if self._association_ends_s is None:
            self._association_ends_s = now_s + ASSOCIATION_S
        elif now_s > self._association_ends_s:
            sctp._t1_failures = SCTP_MAX_INIT_RETRANS
            self._expired_upstream()
            return
        if self._asked is not sctp._t1_chunk:
            self._asked, self._chunks_again = sctp._t1_chunk, 0
        self._chunks_again += 1
        self._run(self._ask_again(sctp._t1_chunk))
        wait_s = min(AGAIN_S * GROWTH**self._chunks_again, LONGEST_S)
        sctp._t1_handle = self._loop.call_later(wait_s, sctp._t1_expired)

    async def _ask_again(self, chunk: Chunk) -> None:
        sctp = self._sctp
        # Both sides begin at once. Upstream, which has heard of the other's tag, puts that on its own INIT as well when
        # it goes again, and is ignored for it: where both first answers were lost, it never came to a connection.
        tag = 0 if isinstance(chunk, InitChunk) else sctp._remote_verification_tag
        await self._dtls._send_data(serialize_packet(sctp._local_port, sctp._remote_port, tag, chunk))

    def _run(self, sending: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(sending)
        # A line that has gone away meanwhile is noticed elsewhere.
        task.add_done_callback(lambda sent: sent.cancelled() or sent.exception())
