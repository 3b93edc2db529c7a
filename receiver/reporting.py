"""What the receiver tells the sender again and again while a call lasts: which motions came, what is shown, how the
line fares. It sends what may get lost; answers that have to arrive are not its business."""

import asyncio
import time
from typing import Protocol

from codec.control import encode_control
from codec.feedback import BYTES_CYCLE, SHOWN_CYCLE, Feedback
from receiver.drawing import Drawing
from receiver.received import FEEDBACK_TICK_S, Received

ORDERED_FEEDBACK_S = 0.05  # a sender in order waits for it: a window in this time is 600 frames a second


class LineCounters(Protocol):
    """What reporting needs of `transport.stats.WireStats`."""

    @property
    def received_bytes(self) -> int: ...


class Line(Protocol):
    """What reporting needs of a peer."""

    def send_report(self, data: bytes) -> None:
        """Send a message that may get lost."""

    def stats(self) -> LineCounters:
        """Say what the line has carried so far."""


class Reporting:
    """Sends feedback on `received` and `drawing`; on the event loop.

    in_order: the sender waits for what is shown, as its hello says. source: the slot that was last drawn from.
    """

    def __init__(self, received: Received, drawing: Drawing) -> None:
        self._received = received
        self._drawing = drawing
        self.in_order = False
        self.source: int | None = None

    async def run(self, line: Line) -> None:
        """Send feedback whenever it is due, until this is cancelled."""
        told_s = time.monotonic()
        while True:
            await asyncio.sleep(ORDERED_FEEDBACK_S if self.in_order else FEEDBACK_TICK_S)
            if self._received.is_due(time.monotonic() - told_s) or self.in_order:
                told_s = time.monotonic()
                line.send_report(encode_control(self._feedback(line)))

    def _feedback(self, line: Line) -> Feedback:
        received, counts = self._received, self._drawing.counts
        shown = counts.fresh + counts.interpolated + counts.extrapolated + counts.relaxed
        return Feedback(
            newest_ticks=received.newest_ticks,
            bitmap=received.bitmap,
            playout_delay_ms=round(1000 * self._drawing.delay_s),
            shown=shown % SHOWN_CYCLE,
            source=self.source,
            arrived_packets=received.packets,
            arrived_bytes=line.stats().received_bytes % BYTES_CYCLE,
            transit=received.take_transit(),
            ready=received.ready,
        )
