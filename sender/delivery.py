"""How motion packets go out: `Live` hands each to the line at once, `InOrder` loses
none and keeps to the pace at which the receiver draws. Both take packets from the motion thread and do their
work on the event loop; neither knows what is in a packet."""

from __future__ import annotations

import asyncio
from typing import NamedTuple, Protocol

from codec.control import encode_control
from codec.feedback import SHOWN_CYCLE, Feedback
from codec.ordered import ORDERED_WINDOW, OrderedMotion
from sender.adapting import Adapting
from sender.coding import Packet
from sender.errors import SenderError

# For a receiver in order to draw its next picture: the slowest engine needs seconds for one.
STALL_LIMIT_S = 60.0


class Wire(Protocol):
    """What the sender needs of `transport.peer.Peer`; all of it on the event loop."""

    def send_motion(self, data: bytes, *, rides: bool = ...) -> bool: ...

    def send_control(self, data: bytes) -> None: ...

    def pace(self, *, pieces_bps: float | None, limit_bps: float | None) -> None: ...

    async def drain(self, timeout_s: float = ..., *, one: bool = ...) -> None: ...

    def stats(self) -> WireCounters: ...


class WireCounters(Protocol):
    """How many bytes have left and come at the IP layer, and how long a round trip takes."""

    @property
    def sent_bytes(self) -> int: ...

    @property
    def received_bytes(self) -> int: ...

    @property
    def round_trip_s(self) -> float | None: ...


class Delivery(Protocol):
    """What `Live` and `InOrder` have in common, and what they count."""

    sent: int  # packets
    frames: int  # in them
    refused: int  # frames
    payload_bytes: int

    def put(self, packet: Packet) -> None:
        """Send a packet; from the motion thread."""

    async def finish(self) -> None:
        """Wait until the last packet is where it should be."""

    def take(self, feedback: Feedback) -> None:
        """Learn how the receiver fares."""

    def stop(self) -> None:
        """Let whoever waits go on; nothing is sent any more."""


class _HeldFlow(NamedTuple):
    source: int
    code: bytes
    ticks: int


class Live:
    """As it comes; a packet for which there is no line is lost and counted as refused. adapting: is
    told of each, and says how often and how far apart a packet goes."""

    def __init__(self, peer: Wire, loop: asyncio.AbstractEventLoop, adapting: Adapting) -> None:
        self.sent = self.frames = self.refused = self.payload_bytes = 0
        self._peer = peer
        self._loop = loop
        self._adapting = adapting
        self._to_come = 0  # copies
        self._flow: _HeldFlow | None = None  # goes with the next packet
        self._all_gone = asyncio.Event()
        self._all_gone.set()
        self._stopped = False

    def put(self, packet: Packet) -> None:
        """Send a packet without waiting for anything."""
        self._loop.call_soon_threadsafe(self._post, packet)

    def bend(self, source: int, code: bytes, ticks: int) -> None:
        """Let a residual flow (`codec.flow`), found against a source picture 0..3 in the frame captured at `ticks`, go
        with the next packet; from any thread."""
        self._loop.call_soon_threadsafe(self._hold_flow, _HeldFlow(source, code, ticks))

    def _hold_flow(self, flow: _HeldFlow) -> None:
        self._flow = flow

    def _post(self, packet: Packet) -> None:
        if self._stopped:
            return
        decision = self._adapting.decision
        data = packet.data
        if self._flow is not None:
            data = packet.bent(self._flow.code, source=self._flow.source, ticks=self._flow.ticks).data
            self._flow = None
        # False means that it was lost on this side, where there is no line.
        taken = self._peer.send_motion(data, rides=decision.rides)
        self._adapting.sent(packet, taken=taken, at_s=self._loop.time(), copies=decision.copies)
        if not taken:
            self.refused += packet.frames
            return
        self.sent += 1
        self.frames += packet.frames
        self.payload_bytes += len(data)
        self._to_come += decision.copies - 1
        self._note_copies()
        for copy in range(1, decision.copies):
            self._loop.call_later(copy * decision.copies_apart_s, self._post_again, packet)

    def _post_again(self, packet: Packet) -> None:
        """Send a copy, against runs of losses."""
        self._to_come -= 1
        self._note_copies()
        if not self._stopped and self._peer.send_motion(packet.data):
            self._adapting.sent_again()
            self.sent += 1
            self.payload_bytes += len(packet.data)

    async def finish(self) -> None:
        """Wait until the last copies have gone as well: less than the time from one packet to the next."""
        await self._all_gone.wait()

    def _note_copies(self) -> None:
        if self._to_come and not self._stopped:
            self._all_gone.clear()
        else:
            self._all_gone.set()

    def take(self, feedback: Feedback) -> None:
        """Do nothing: frames go at the camera's pace."""

    def stop(self) -> None:
        """Send nothing any more."""
        self._stopped = True
        self._note_copies()


class InOrder:
    """Over the reliable channel, at most `ORDERED_WINDOW` motions ahead of what the receiver has shown."""

    def __init__(self, peer: Wire, loop: asyncio.AbstractEventLoop) -> None:
        self.sent = self.frames = self.refused = self.payload_bytes = 0
        self._peer = peer
        self._loop = loop
        self._shown = 0  # frames, of those sent
        self._changed = asyncio.Event()
        self._stopped = False

    def put(self, packet: Packet) -> None:
        """Send a packet once the receiver has room for it. Raises SenderError where it draws no more."""
        asyncio.run_coroutine_threadsafe(self._post(packet), self._loop).result()

    async def _post(self, packet: Packet) -> None:
        await self._ahead_at_most(ORDERED_WINDOW - packet.frames)
        if self._stopped:
            return
        self._peer.send_control(encode_control(OrderedMotion(packet.data)))
        self.sent += 1
        self.frames += packet.frames
        self.payload_bytes += len(packet.data)

    async def finish(self) -> None:
        """Wait until every motion is shown. Raises SenderError where the receiver draws no more."""
        await self._ahead_at_most(0)

    async def _ahead_at_most(self, most: int) -> None:
        while self.frames - self._shown > most and not self._stopped:
            self._changed.clear()
            try:
                async with asyncio.timeout(STALL_LIMIT_S):
                    await self._changed.wait()
            except TimeoutError:
                raise SenderError(
                    f"The other side has drawn nothing for {STALL_LIMIT_S:g} seconds: is it still at work?"
                ) from None

    def take(self, feedback: Feedback) -> None:
        """Believe what was shown, but for more than was sent."""
        newly = (feedback.shown - self._shown) % SHOWN_CYCLE
        if 0 < newly <= self.frames - self._shown:
            self._shown += newly
            self._changed.set()

    def stop(self) -> None:
        """Send nothing any more, and let `put` and `finish` return."""
        self._stopped = True
        self._changed.set()
