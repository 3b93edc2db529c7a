"""Both directions of a call over one line: a sender and a receiver that share it, and the peers that are that line, one
after the other.

The sender and the receiver each work as they do alone. What only one side says once in a call of two directions (hello,
goodbye) is kept from them and said by the session; what got lost with a peer and must not be (a source picture that
nobody has answered) goes out again over the next one. Knows no phases of a call and no persons.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from codec.control import decode_control, encode_control
from codec.feedback import Feedback
from codec.hello import Capability, Goodbye, Hello
from codec.transfer import PictureOffer, PicturePiece, PictureReady, PictureRefused, ResidualPiece
from sender.errors import InputError

if TYPE_CHECKING:
    from receiver.receiver import Receiver
    from sender.sender import Sender
    from transport.stats import WireStats

# Pictures under way at once, at most: the receiver holds no more unfinished ones either.
MOST_UNANSWERED = 4


class Wire(Protocol):
    """What the line needs of a `transport.peer.Peer`."""

    def send_motion(self, data: bytes, *, rides: bool = ...) -> bool: ...

    def send_control(self, data: bytes) -> None: ...

    def send_report(self, data: bytes) -> None: ...

    def pace(self, *, pieces_bps: float | None, limit_bps: float | None) -> None: ...

    async def drain(self, timeout_s: float | None = ..., *, one: bool = ...) -> None: ...

    def stats(self) -> WireStats: ...


@dataclass(frozen=True)
class LineTotals:
    """What the call has cost so far, over all of its peers; bytes at the IP layer."""

    sent_bytes: int = 0
    received_bytes: int = 0
    motion_sent: int = 0
    motion_received: int = 0
    round_trip_s: float | None = None  # of the line as it is now

    def plus(self, stats: WireStats) -> LineTotals:
        """Add what one peer has counted."""
        return LineTotals(
            self.sent_bytes + stats.sent_bytes,
            self.received_bytes + stats.received_bytes,
            self.motion_sent + stats.motion_sent,
            self.motion_received + stats.motion_received,
            stats.round_trip_s,
        )


class CallLine:
    """The line of a call as its sender and its receiver see it: it stays while its peers come and go.

    Without a peer motions are refused and feedback is dropped; pictures that nobody has answered are sent again.
    `limit_bps` is what the person allows for all that is sent, sound included, of which the sender knows its own share
    alone.
    """

    def __init__(self) -> None:
        self.limit_bps: float | None = None
        self._peer: Wire | None = None
        self._past = LineTotals()
        self._unanswered: dict[int, list[bytes]] = {}  # by transfer, what has been sent of it
        self._pieces_bps: float | None = None

    def attach(self, peer: Wire) -> None:
        """Go on over this peer, and say again what nobody has answered."""
        self.detach()
        self._peer = peer
        peer.pace(pieces_bps=self._pieces_bps, limit_bps=self.limit_bps)
        for messages in self._unanswered.values():
            for data in messages:
                peer.send_control(data)

    def detach(self) -> None:
        """Let go of the peer, which the caller closes."""
        if self._peer is not None:
            self._past, self._peer = self._past.plus(self._peer.stats()), None

    def answered(self, transfer: int) -> None:
        """Forget the messages of a transfer: the other side has its verdict on it."""
        self._unanswered.pop(transfer, None)

    def send_motion(self, data: bytes, *, rides: bool = False) -> bool:
        """Send a motion packet as the peer does; False where there is none."""
        return self._peer is not None and self._peer.send_motion(data, rides=rides)

    def send_control(self, data: bytes) -> None:
        """Send a message of the sender's or the receiver's."""
        message = decode_control(data)
        if isinstance(message, Hello | Goodbye):
            return  # the session says them, once for both
        if isinstance(message, ResidualPiece):
            message = message.piece
        if isinstance(message, PictureOffer | PicturePiece):
            self._unanswered.setdefault(message.transfer, []).append(data)
            if len(self._unanswered) > MOST_UNANSWERED:
                del self._unanswered[next(iter(self._unanswered))]
        if self._peer is not None:
            self._peer.send_control(data)

    def send_report(self, data: bytes) -> None:
        """Send feedback as the peer does; without one it is dropped."""
        if self._peer is not None:
            self._peer.send_report(data)

    def pace(self, *, pieces_bps: float | None, limit_bps: float | None) -> None:
        """Hold back what is queued as the peer does, this one and those that follow; the call's own limit holds."""
        del limit_bps
        self._pieces_bps = pieces_bps
        if self._peer is not None:
            self._peer.pace(pieces_bps=pieces_bps, limit_bps=self.limit_bps)

    async def drain(self, timeout_s: float | None = None, *, one: bool = False) -> None:
        """Wait as the peer does."""
        if self._peer is not None:
            await self._peer.drain(timeout_s, one=one)

    def stats(self) -> LineTotals:
        """Return the call's counters."""
        return self._past if self._peer is None else self._past.plus(self._peer.stats())


class Duplex:
    """A sender and a receiver that share a line; `run` is the call proper, once both sides have agreed to it.

    on_input_lost: called with a sentence where the camera fails in mid-call; the other direction goes on.
    """

    def __init__(self, sender: Sender, receiver: Receiver, *, on_input_lost: Callable[[str], None]) -> None:
        self.sender = sender
        self.receiver = receiver
        self.line = CallLine()
        self.may_ride = False  # motion along with sound, as far as the other side is concerned
        self._on_input_lost = on_input_lost
        sender.yield_to(lambda: receiver.pictures_skipped)
        self.begun = asyncio.Event()  # both ends take what the other side says from now on

    @property
    def hello(self) -> Hello:
        """What this side says of itself: what its sender and its receiver are able to, in one."""
        sending, receiving = self.sender.hello, self.receiver.hello
        return replace(sending, capabilities=sending.capabilities | receiving.capabilities)

    def on_motion(self, data: bytes) -> None:
        """Take a motion packet."""
        self.receiver.on_motion(data)

    def on_control(self, data: bytes) -> None:
        """Take a control message that is not the session's own; each end ignores what is the other's."""
        message = decode_control(data)
        if isinstance(message, PictureReady | PictureRefused):
            self.line.answered(message.transfer)
        elif isinstance(message, Feedback) and message.ready is not None:
            for transfer in message.ready.transfers:
                self.line.answered(transfer)
        self.sender.on_control(data)
        self.receiver.on_control(data)

    async def run(self, theirs: Hello) -> None:
        """Send and receive until the input ends or `stop`; the other side has said `theirs`.

        Raises what either end raises, once the other has ended too. Cancelling is a clean end.
        """
        self.may_ride = bool(theirs.capabilities & Capability.TAKES_RIDERS)
        greeting = encode_control(theirs)
        sending = asyncio.create_task(self.sender.run(self.line))
        receiving = asyncio.create_task(self.receiver.run(self.line))
        # After both have begun, so that nothing is answered before it can be sent.
        await asyncio.sleep(0)
        self.sender.on_control(greeting)
        self.receiver.on_control(greeting)
        self.begun.set()
        try:
            await asyncio.wait({sending, receiving}, return_when=asyncio.FIRST_COMPLETED)
            failure = sending.exception() if sending.done() and not sending.cancelled() else None
            if isinstance(failure, InputError):
                self._on_input_lost(str(failure))
                await asyncio.wait({receiving})
        finally:
            self.stop()
            await asyncio.wait({sending, receiving})
        for end in (receiving, sending):  # the receiver's failure first: it names what a sender cannot know
            if not end.cancelled() and (error := end.exception()) and not isinstance(error, InputError):
                raise error

    def stop(self) -> None:
        """Let `run` return."""
        self.sender.stop()
        self.receiver.stop()
