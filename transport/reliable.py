"""What aiortc's SCTP lacks for control messages on bad lines (touches private parts of aiortc 1.16; a test fails when
they change).

All that is sent over the association is reliable: motion and reports go another way (`transport.motion_line`). What got
lost goes again soon (`transport.resending`), the window stays wide enough for a picture's pieces, and round trips are
measured. It does not know what the messages carry.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiortc
from aiortc import RTCSctpTransport
from aiortc.rtcsctptransport import Chunk, DataChunk, InitChunk, SackChunk
from aiortc.utils import uint32_gt, uint32_gte

from transport.resending import Resending
from transport.round_trips import RoundTrips

UPSTREAM = "1.16"
STANDS = RTCSctpTransport.State.ESTABLISHED
# The window is never narrower. What is sent is kept to the line by its rate (`sender.rate`, `transport.pacing`), and
# with a window of one packet, as upstream has it after a second without an answer, a picture would come piece by piece.
WINDOW_BYTES = 16 * 1_200


class Reliable:
    """Takes care of one association; made before it is connected. round_trips: is told of those measured.

    With another version of aiortc than the one whose private parts are known here, it leaves the association as it is
    and measures nothing.
    """

    def __init__(self, sctp: RTCSctpTransport, round_trips: RoundTrips) -> None:
        self._sctp = sctp
        self._round_trips = round_trips
        self._resending = Resending(sctp)
        if not aiortc.__version__.startswith(f"{UPSTREAM}."):
            return
        upstream: Any = sctp
        self._send_chunk: Callable[[Chunk], Awaitable[None]] = upstream._send_chunk
        self._take_chunk: Callable[[Chunk], Awaitable[None]] = upstream._receive_chunk
        self._transmit_now: Callable[[], Awaitable[None]] = upstream._transmit
        upstream._transmit = self._transmit
        upstream._send_chunk = self._send
        upstream._receive_chunk = self._receive
        self._estimate_now: Callable[[float], None] = upstream._update_rto
        upstream._update_rto = self._estimate
        self._oldest_s = 0.0  # when the first chunk that the newest answer may be about was sent

    def stop(self) -> None:
        """Send nothing again any more."""
        self._resending.stop()

    async def _send(self, chunk: Chunk) -> None:
        """Stand in for upstream's `_send_chunk`."""
        if isinstance(chunk, DataChunk):
            self._resending.sent(chunk)
        await self._send_chunk(chunk)

    async def _receive(self, chunk: Chunk) -> None:
        """Note what an incoming chunk says, before upstream takes it."""
        if isinstance(chunk, SackChunk):
            chunk.gaps = self._believable(chunk)
            sent_queue: Any = self._sctp._sent_queue
            if sent_queue:
                self._oldest_s = sent_queue[0]._went_s
            self._measure(chunk)
            self._resending.heard(chunk)
        elif isinstance(chunk, InitChunk) and self._sctp._association_state is STANDS:
            return  # one that was overtaken: upstream would begin to count anew
        await self._take_chunk(chunk)

    def _believable(self, sack: SackChunk) -> list[tuple[int, int]]:
        """Return what an answer says of chunks that were sent. Upstream looks at each number that it names, and a
        packet has room for 16 million that were not."""
        sent, answered = self._sctp._sent_queue, sack.cumulative_tsn
        if not sent or uint32_gt(self._sctp._last_sacked_tsn, answered) or uint32_gt(answered, sent[-1].tsn):
            return []
        newest = (sent[-1].tsn - answered) % 2**32
        return [(first, last) for first, last in sack.gaps if 0 < first <= last <= newest]

    def _measure(self, sack: SackChunk) -> None:
        """Take the round trip of the newest chunk that this answers, if it went once."""
        sent_s: float | None = None
        sent_queue: Any = self._sctp._sent_queue
        for chunk in sent_queue:
            if not uint32_gte(sack.cumulative_tsn, chunk.tsn):
                break
            if not chunk._acked and chunk._sent_count == 1:
                sent_s = chunk._went_s
        if sent_s is not None:
            self._round_trips.note(time.monotonic() - sent_s)

    def _estimate(self, elapsed_s: float) -> None:
        """Stand in for upstream's `_update_rto`, which believes a clock that may have been set meanwhile."""
        del elapsed_s
        self._estimate_now(time.monotonic() - self._oldest_s)

    async def _transmit(self) -> None:
        """Stand in for upstream's `_transmit`, which sends what there is to be sent, as far as the window goes."""
        self._sctp._cwnd = max(self._sctp._cwnd, WINDOW_BYTES)
        await self._transmit_now()
