"""The channel of control messages: small ones go at once, large ones queue and are paced, so that motion does not wait
behind them. Knows what the line holds and what it has acknowledged, and not what a message means."""

import asyncio
from collections.abc import Callable

from aiortc import RTCDataChannel

from transport.pacing import RATE_BPS, TICK_S, WINDOW_PIECES, Pacer, QueueingDelay
from transport.wire import Wire

SMALL_BYTES = 256  # messages up to this size are not paced
DRAIN_S, DRAIN_ROUND_TRIPS = 0.5, 3.0  # as long again at most
DRAIN_LOOK_S = 0.005


class ControlChannel:
    """Sends over an ordered channel that loses nothing, on the event loop; `sent` counts the messages handed to it.

    wire: of the connection that the channel has to itself. is_open: whether that is, as before nothing goes.
    """

    def __init__(
        self,
        channel: RTCDataChannel,
        *,
        wire: Wire,
        is_open: Callable[[], bool],
    ) -> None:
        self.sent = 0
        self._loop = asyncio.get_running_loop()
        self._channel = channel
        self._wire = wire
        self._is_open = is_open
        self._pacer = Pacer()
        self._queueing = QueueingDelay()
        self._feeding: asyncio.Handle | None = None
        self._stopped = False

    @property
    def waiting_bytes(self) -> int:
        """Bytes that are queued."""
        return self._pacer.waiting_bytes

    @property
    def _unanswered(self) -> int:
        """Messages that are queued, and parts of messages that the other side has not acknowledged."""
        return self._pacer.waiting + self._wire.pending_chunks

    @property
    def held(self) -> int:
        """Messages that are kept, as they wait for the line or for the other side to acknowledge them."""
        return self._pacer.waiting + self._wire.held_messages

    def send(self, data: bytes) -> None:
        """Send a message: at once up to `SMALL_BYTES`, else in the queue's order."""
        if self._stopped:
            return
        if self._is_open() and len(data) <= SMALL_BYTES:
            self._put(data)
            return
        self._pacer.push(data)
        if self._is_open() and self._feeding is None:
            self._feeding = self._loop.call_soon(self._feed)  # what is queued in one go may go in one

    def begin(self) -> None:
        """Send what was kept until the connection stood."""
        self._feed()

    def pace(self, *, pieces_bps: float | None, limit_bps: float | None) -> None:
        """Send what is queued at no more than `pieces_bps`, and with it and all else that this side sends no more than
        `limit_bps` at the IP layer; None: as the line takes it."""
        self._pacer.rate_bps = RATE_BPS if pieces_bps is None else pieces_bps
        self._pacer.limit_bps = limit_bps

    async def drain(self, timeout_s: float | None, *, one: bool = False) -> None:
        """Wait until all messages, or `one` of them, are acknowledged by the other side, at most `timeout_s`; None: for
        a moment, in which the line could bring one that got lost once more."""
        left = max(self._unanswered - 1, 0) if one else 0
        if timeout_s is None:
            timeout_s = DRAIN_S + min(DRAIN_ROUND_TRIPS * (self._wire.round_trips.shortest_s or 0.0), DRAIN_S)
        end_s = self._loop.time() + timeout_s
        while self._is_open() and self._loop.time() < end_s:
            if self._unanswered <= left and (left or not self._channel.bufferedAmount):
                return
            await asyncio.sleep(DRAIN_LOOK_S)

    def stop(self) -> None:
        """Forget what is queued, and send nothing any more."""
        self._stopped = True
        self._pacer.clear()
        if self._feeding is not None:
            self._feeding.cancel()

    def _feed(self) -> None:
        """Hand the line what may go now, and come back as long as some is left."""
        self._feeding = None
        now_s = self._loop.time()
        idle = self._channel.bufferedAmount == 0 and self._wire.pending_chunks < WINDOW_PIECES
        queueing_s = self._queueing.update(now_s, self._wire.round_trips.shortest_s)
        for piece in self._pacer.take(
            now_s, idle=idle, queueing_s=queueing_s, sent_bytes=self._wire.sent_bytes
        ):
            self._put(piece)
        if self._pacer.waiting_bytes:
            self._feeding = self._loop.call_later(TICK_S, self._feed)

    def _put(self, data: bytes) -> None:
        self._channel.send(data)
        self.sent += 1
