"""What is worth a short wait rides in a packet that goes anyway: 69 bytes of headers less each time (RFC 9260, section
6.10). A part of `acknowledging`, and with it tied to aiortc's private parts. It knows when the next packet is due by
when the last two went, and not what the messages carry."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Collection

from aiortc.rtcsctptransport import DataChunk

RIDE_S = 0.06  # nothing waits for longer, nor where the next packet is due later than that
LATE_S = 0.02  # by so much later than due the packet may come


class Riding:
    """Holds chunks of `streams` back for the next packet of the stream `carrier`.

    send: sends those for which none came.
    """

    def __init__(
        self,
        *,
        carrier: int,
        streams: Collection[int],
        send: Callable[[list[DataChunk]], Awaitable[None]],
    ) -> None:
        self._carrier = carrier
        self._streams = frozenset(streams)
        self._send = send
        self._went_s = -math.inf  # the carrier's last packet
        self._beat_s = math.inf  # from the one before to that
        self._waiting: list[DataChunk] = []
        self._timer: asyncio.TimerHandle | None = None

    def holds(self, chunk: DataChunk) -> bool:
        """Say whether a chunk that is about to go is kept here instead."""
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        if chunk.stream_id == self._carrier:
            self._beat_s, self._went_s = now_s - self._went_s, now_s
        if chunk.stream_id not in self._streams:
            return False
        due_s = self._went_s + self._beat_s + LATE_S - now_s
        if not 0 < due_s <= RIDE_S:
            return False
        self._waiting.append(chunk)
        if self._timer is None:
            self._timer = loop.call_later(due_s, self._expire)
        return True

    def take(self, *, most_bytes: int) -> list[DataChunk]:
        """Return what is to go along with the packet that is sent now, if it has so few bytes."""
        if sum(len(chunk.user_data) for chunk in self._waiting) > most_bytes:
            return []
        self._calm()
        taken, self._waiting = self._waiting, []
        return taken

    def stop(self) -> None:
        """Send nothing any more."""
        self._calm()
        self._waiting.clear()

    def _calm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        self._timer = None
        waiting, self._waiting = self._waiting, []
        sending = asyncio.ensure_future(self._send(waiting))
        # A line that has gone away meanwhile is noticed elsewhere.
        sending.add_done_callback(lambda done: done.cancelled() or done.exception())
