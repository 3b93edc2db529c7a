"""Fewer acknowledgements than aiortc sends: the second file that touches its private parts (a test fails when they
change).

aiortc 1.16 answers every packet at once with a packet of its own, 93 bytes at the IP layer for each motion.
RFC 9260 (section 6.2) asks for one at every second packet or after 200 ms, and lets it ride in a packet that goes
back anyway (section 6.10); so it is done here for what is sent once. Reliable data, gaps and duplicates are still
answered at once: retransmission and congestion control live on that. An acknowledgement that waits makes the round
trip look longer, so it is measured here as well. It does not know what the messages carry.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from typing import Any

import aiortc
from aiortc import RTCSctpTransport
from aiortc.rtcsctptransport import (
    Chunk,
    DataChunk,
    SackChunk,
    serialize_packet,
)
from aiortc.utils import uint32_gte

UPSTREAM = "1.16"
DELAY_S = 0.2  # RFC 9260, section 6.2
PACKETS = 2  # the same: at least every second packet is acknowledged
# The shortest of so many newest round trips counts, as in LEDBAT (RFC 6817, CURRENT_FILTER).
ROUND_TRIPS = 4


class Acknowledging:
    """Takes over one association's acknowledgements; made before it is connected.

    `lazy_streams` are those whose packets need no answer at once. With another version of aiortc than the one whose
    private parts are known here, it leaves the association as it is and measures nothing.
    """

    def __init__(self, sctp: RTCSctpTransport, *, lazy_streams: Collection[int]) -> None:
        self._sctp = sctp
        self._lazy_streams = frozenset(lazy_streams)
        self._waiting = 0  # packets that are not acknowledged yet
        self._urgent = False
        self._timer: asyncio.TimerHandle | None = None
        self._round_trips_s: deque[float] = deque(maxlen=ROUND_TRIPS)
        self.round_trip_s: float | None = None  # without what acknowledgements waited for
        if not aiortc.__version__.startswith(f"{UPSTREAM}."):
            return
        upstream: Any = sctp
        self._send_now: Callable[[], Awaitable[None]] = upstream._send_sack
        self._send_chunk: Callable[[Chunk], Awaitable[None]] = upstream._send_chunk
        self._take_chunk: Callable[[Chunk], Awaitable[None]] = upstream._receive_chunk
        upstream._send_sack = self._answer
        upstream._send_chunk = self._send
        upstream._receive_chunk = self._receive

    def stop(self) -> None:
        """Answer nothing any more."""
        self._waiting = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _receive(self, chunk: Chunk) -> None:
        """Note what an incoming chunk asks for, before upstream takes it."""
        if isinstance(chunk, DataChunk):
            self._urgent |= chunk.stream_id not in self._lazy_streams
        elif isinstance(chunk, SackChunk):
            self._measure(chunk)
        await self._take_chunk(chunk)

    def _measure(self, sack: SackChunk) -> None:
        """Take the round trip of the newest chunk, if it is the one that brought the answer about.

        It is where it is reliable data or the last of `PACKETS`; else the answer came late or as a rider.
        """
        sent_s: float | None = None
        count, reliable = 0, False
        for chunk in self._sctp._sent_queue:
            if not uint32_gte(sack.cumulative_tsn, chunk.tsn):
                break
            if not chunk._acked and chunk._sent_count == 1:
                sent_s = chunk._sent_time
                count, reliable = count + 1, chunk.stream_id not in self._lazy_streams
        if sent_s is not None and (reliable or count >= PACKETS):
            self._round_trips_s.append(time.time() - sent_s)  # upstream's clock
            self.round_trip_s = min(self._round_trips_s)

    async def _answer(self) -> None:
        """Stand in for upstream's `_send_sack`, which it calls after each packet that brought data."""
        self._waiting += 1
        at_once = self._urgent or self._sctp._sack_misordered or self._sctp._sack_duplicates
        # What upstream was about to send is ours to send now, so that control packets do not set it off.
        self._sctp._sack_needed = False
        if at_once or self._waiting >= PACKETS:
            await self._acknowledge()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(DELAY_S, self._expire)

    def _expire(self) -> None:
        self._timer = None
        if self._waiting and self._sctp._association_state == RTCSctpTransport.State.ESTABLISHED:
            task = asyncio.ensure_future(self._acknowledge())
            # A line that has gone away meanwhile is noticed elsewhere.
            task.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def _acknowledge(self) -> None:
        self._settle()
        await self._send_now()

    def _settle(self) -> None:
        self.stop()
        self._urgent = False

    async def _send(self, chunk: Chunk) -> None:
        """Stand in for upstream's `_send_chunk`: what waits to be acknowledged rides along with data.

        It is 16 bytes, as there is no gap where an answer may wait, so the largest message leaves room for it.
        """
        if not (self._waiting and isinstance(chunk, DataChunk)):
            await self._send_chunk(chunk)
            return
        sack = SackChunk()
        sack.cumulative_tsn = self._sctp._last_received_tsn
        sack.advertised_rwnd = max(0, self._sctp._advertised_rwnd)
        self._settle()
        remote_port = self._sctp._remote_port
        assert remote_port is not None  # data comes only over an association that stands
        await self._sctp.transport._send_data(
            serialize_packet(
                self._sctp._local_port,
                remote_port,
                self._sctp._remote_verification_tag,
                _Both(sack, chunk),
            )
        )


class _Both(Chunk):
    """Two chunks that go in one packet."""

    def __init__(self, first: Chunk, second: Chunk) -> None:
        super().__init__()
        self._bytes = bytes(first) + bytes(second)

    def __bytes__(self) -> bytes:
        return self._bytes
