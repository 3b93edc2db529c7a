"""Fewer acknowledgements than aiortc sends: the second file that touches its private parts (a test fails when they
change).

aiortc 1.16 answers every packet at once with a packet of its own, 93 bytes at the IP layer for each motion.
RFC 9260 (section 6.2) lets one wait for up to half a second, and ride in a packet that goes back anyway (section 6.10);
so it is done here for what is sent once, where feedback goes back anyway. Its "at least every second packet" is for
those whose window has to grow. Reliable data and duplicates are still answered at once: retransmission and congestion
control live on that. An acknowledgement that waits makes the round trip look longer, so it is measured here as well,
and upstream learns of what was measured alone. What was given up (RFC 3758) is told in one go, since with few
acknowledgements gap by gap would never keep up with the gaps. It does not know what the messages carry.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import aiortc
from aiortc import RTCSctpTransport
from aiortc.rtcsctptransport import (
    Chunk,
    DataChunk,
    ForwardTsnChunk,
    InitChunk,
    SackChunk,
    serialize_packet,
)
from aiortc.utils import uint32_gte

from transport.resending import Resending
from transport.riding import Riding

UPSTREAM = "1.16"
STANDS = RTCSctpTransport.State.ESTABLISHED
DELAY_S = 0.5  # the most that RFC 9260 allows (section 6.2)
PACKETS = 12  # no more wait: the sender's window, of four large packets at least, holds some sixty of motion
# A gap is answered this soon, or in the next packet that goes back anyway. Answered packet by packet, as upstream does
# it, two losses in a hundred cost more than motion itself, and fill a narrow line until it loses the more.
GAP_S = 0.08
# What an acknowledgement and data may have in one packet, chunk headers aside.
RIDING_BYTES = 1_100
GAP_BYTES = 4
# The window is never narrower. What is sent is kept to the line by its rate (`sender.rate`, `transport.pacing`), and a
# window of one packet, as upstream has it after a second without an answer, would let all motion wait for answers that
# are few and get lost as well.
WINDOW_BYTES = 16 * 1_200
# What is given up is told this often, and not in answer to each acknowledgement that comes meanwhile.
TOLD_AGAIN_S = 0.25
# The shortest of so many newest round trips counts, as in LEDBAT (RFC 6817, CURRENT_FILTER).
ROUND_TRIPS = 4


class Acknowledging:
    """Takes over one association's acknowledgements; made before it is connected.

    `lazy_streams` are those whose packets need no answer at once, the first of them the one that goes on and on; what
    the others carry rides with it where it can. With another version of aiortc than the one whose
    private parts are known here, it leaves the association as it is and measures nothing.
    """

    def __init__(self, sctp: RTCSctpTransport, *, lazy_streams: Sequence[int]) -> None:
        self._sctp = sctp
        self._lazy_streams = frozenset(lazy_streams)
        self._waiting = 0  # packets that are not acknowledged yet
        self._urgent = False
        self._timer: asyncio.TimerHandle | None = None
        self._riders: list[DataChunk] = []  # what the acknowledgement that is being made goes with
        self._told: tuple[int, float] = (-1, float("-inf"))  # what was given up, and when that was told
        self._round_trips_s: deque[float] = deque(maxlen=ROUND_TRIPS)
        self._resending = Resending(sctp, lazy_streams=lazy_streams)
        self._riding = Riding(carrier=lazy_streams[0], streams=lazy_streams[1:], send=self._send_data)
        self.round_trip_s: float | None = None  # without what acknowledgements waited for
        if not aiortc.__version__.startswith(f"{UPSTREAM}."):
            return
        upstream: Any = sctp
        self._send_now: Callable[[], Awaitable[None]] = upstream._send_sack
        self._send_chunk: Callable[[Chunk], Awaitable[None]] = upstream._send_chunk
        self._take_chunk: Callable[[Chunk], Awaitable[None]] = upstream._receive_chunk
        self._time_round_trip: Callable[[float], None] = upstream._update_rto
        upstream._update_rto = _ignore
        self._transmit_now: Callable[[], Awaitable[None]] = upstream._transmit
        upstream._transmit = self._transmit
        upstream._send_sack = self._answer
        upstream._send_chunk = self._send
        upstream._receive_chunk = self._receive

    def stop(self) -> None:
        """Answer nothing any more, and send nothing again."""
        self._resending.stop()
        self._riding.stop()
        self._calm()

    def _calm(self) -> None:
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
            self._resending.heard(chunk)
        elif isinstance(chunk, InitChunk) and self._sctp._association_state is STANDS:
            return  # one that was overtaken: upstream would begin to count anew
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
            round_trip_s = time.time() - sent_s  # upstream's clock
            self._time_round_trip(round_trip_s + DELAY_S)  # as the next answer may wait
            self._round_trips_s.append(round_trip_s)
            self.round_trip_s = min(self._round_trips_s)

    async def _transmit(self) -> None:
        """Stand in for upstream's `_transmit`, which sends what there is to be sent, as far as the window goes."""
        self._sctp._cwnd = max(self._sctp._cwnd, WINDOW_BYTES)
        await self._transmit_now()

    async def _answer(self) -> None:
        """Stand in for upstream's `_send_sack`, which it calls after each packet that brought data."""
        self._waiting += 1
        # What upstream was about to send is ours to send now, so that control packets do not set it off.
        self._sctp._sack_needed = False
        if self._urgent or self._sctp._sack_duplicates or self._waiting >= PACKETS:
            await self._acknowledge()
            return
        loop = asyncio.get_running_loop()
        due_s = loop.time() + (GAP_S if self._sctp._sack_misordered else DELAY_S)
        if self._timer is None or due_s < self._timer.when():
            if self._timer is not None:
                self._timer.cancel()
            self._timer = loop.call_at(due_s, self._expire)

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
        self._calm()
        self._urgent = False

    async def _send(self, chunk: Chunk) -> None:
        """Stand in for upstream's `_send_chunk`: what waits to be acknowledged rides along with data, where it fits."""
        if isinstance(chunk, ForwardTsnChunk):
            chunk.cumulative_tsn = self._given_up_to(chunk.cumulative_tsn)
        riders, self._riders = self._riders, []
        if riders:  # upstream has made the acknowledgement that was asked for
            await self._send_together([chunk, *riders])
        elif isinstance(chunk, DataChunk):
            self._resending.sent(chunk)
            if not self._riding.holds(chunk):
                room_bytes = RIDING_BYTES - len(chunk.user_data)
                await self._send_data([*self._riding.take(most_bytes=room_bytes), chunk])
        elif not (isinstance(chunk, ForwardTsnChunk) and self._was_told(chunk)):
            await self._send_chunk(chunk)

    async def _send_data(self, chunks: list[DataChunk]) -> None:
        """Send these in one packet, with what waits to be acknowledged where there is room."""
        if self._waiting and self._has_room(chunks):
            self._riders = chunks
            await self._acknowledge()
        else:
            await self._send_together(chunks)

    def _has_room(self, chunks: list[DataChunk]) -> bool:
        gaps_bytes = GAP_BYTES * len(self._sctp._sack_misordered)
        return not gaps_bytes or sum(len(chunk.user_data) for chunk in chunks) + gaps_bytes <= RIDING_BYTES

    def _given_up_to(self, tsn: int) -> int:
        """Return the last chunk that was given up with all before it given up or there; upstream stops at the first
        that is there, though the other side needs to be told of none of those."""
        for chunk in self._sctp._sent_queue:
            if chunk._abandoned:
                tsn = chunk.tsn
            elif not chunk._acked:
                break
        return tsn

    def _was_told(self, chunk: ForwardTsnChunk) -> bool:
        """Say whether the other side was told of this a moment ago, and remember that it is told now if not."""
        now_s = asyncio.get_running_loop().time()
        told, told_s = self._told
        if told == chunk.cumulative_tsn and now_s - told_s < TOLD_AGAIN_S:
            return True
        self._told = chunk.cumulative_tsn, now_s
        return False

    async def _send_together(self, chunks: Sequence[Chunk]) -> None:
        remote_port = self._sctp._remote_port
        assert remote_port is not None  # data comes only over an association that stands
        await self._sctp.transport._send_data(
            serialize_packet(
                self._sctp._local_port,
                remote_port,
                self._sctp._remote_verification_tag,
                _Bundle(chunks),
            )
        )


def _ignore(round_trip_s: float) -> None:
    """Stand in for upstream's `_update_rto`, which counts what an acknowledgement waited for as well."""


class _Bundle(Chunk):
    """Chunks that go in one packet."""

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        super().__init__()
        self._bytes = b"".join(map(bytes, chunks))

    def __bytes__(self) -> bytes:
        return self._bytes
