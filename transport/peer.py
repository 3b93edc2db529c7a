"""One side of a WebRTC connection: motion and reports over RTP, control messages over a data channel.

Motion and reports are never repeated; control is ordered and complete. Both ways are agreed upon
beforehand (a fixed source, a fixed stream number), so they are open as soon as the association stands, without a round
trip of their own. A peer moves messages of bytes; what they mean, how each way shares the line with the others, and how
the two sides' descriptions reach each other, is not known here. Everything happens on the event loop in which the peer
was made.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from aiortc import RTCConfiguration, RTCPeerConnection

from transport.certificate import Certificate, make_certificate
from transport.control_channel import ControlChannel
from transport.description import Description, IceServer, rtc_ice_servers
from transport.errors import TransportError
from transport.motion_line import MotionLine
from transport.motion_packet import MAX_REPORT_BYTES
from transport.negotiation import Negotiation
from transport.reliable import Reliable
from transport.sound import SoundLine
from transport.stats import WireStats
from transport.video import VideoLine
from transport.wire import Wire, use_certificate

CONTROL_STREAM = 1
MAX_MESSAGE_BYTES = 1_100  # one packet: larger ones would be cut by SCTP and stand in each other's way

LINE_LOST_S = 15.0  # ICE asks for consent every 4 to 6 s both ways, so a living line is never this silent
WATCH_S = 0.25
MAX_UNFINISHED_BYTES = 256 * 1024  # a peer of ours never has more than a few packets under way
# Some 8 MB: four of the largest pictures in the smallest pieces are half as many messages, and nobody chats the rest.
MOST_HELD = 8_000
CLOSE_LIMIT_S = 0.5

# aiortc logs tracebacks of what a stranger can cause. Whoever wants them sets up logging.
for _name in ("aiortc", "aioice"):
    logging.getLogger(_name).addHandler(logging.NullHandler())


class Peer:
    """One side of a connection. Make it inside a running event loop, and `close` it in the end.

    `on_motion` and `on_control` are called with each message that arrives. `on_closed` is called once,
    with a sentence, when a connection that had been open ends otherwise than by `close`. All three
    are called on the event loop. With a `certificate` (`transport.certificate`) it is the same side as an earlier
    peer that had it; otherwise it makes one of its own. With `sound` it carries that as well, whether the other
    side does or not. Raises `TransportError` for a malformed server in `ice_servers`.
    """

    def __init__(
        self,
        *,
        ice_servers: Sequence[IceServer] = (),
        certificate: Certificate | None = None,
        sound: SoundLine | None = None,
        on_motion: Callable[[bytes], None],
        on_control: Callable[[bytes], None],
        on_closed: Callable[[str], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_closed = on_closed
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=rtc_ice_servers(ice_servers)))
        use_certificate(self._connection, certificate or make_certificate())
        self._channel = self._connection.createDataChannel("control", negotiated=True, id=CONTROL_STREAM)
        association = self._connection.sctp
        assert association is not None, "there is one as soon as a channel has been created"
        self._motion = MotionLine(
            association.transport, on_motion=on_motion, on_report=self._taking(on_control)
        )
        self._negotiation = Negotiation(self._connection, ice_servers)
        self._wire = Wire(association)
        self.sound = sound
        if sound is not None:
            sound.attach(association.transport)
            sound.carry(self._motion)
            self._motion.ride_on(sound)
        self.video = VideoLine(association.transport, sent_bytes=lambda: self._wire.sent_bytes)
        self._reliable = Reliable(association, self._wire.round_trips)
        self._control = ControlChannel(self._channel, wire=self._wire, is_open=lambda: self.is_open)
        self._following: asyncio.Task[None] | None = None  # the machine to another address
        self._watching: asyncio.TimerHandle | None = None
        self._settled = asyncio.Event()
        self._was_open = False
        self._end_reason: str | None = None
        self._control_received = 0
        self._listen(on_control)

    async def create_offer(self) -> Description:
        """Begin: return the offer that the other side answers with `accept`."""
        return await self._negotiation.create_offer()

    async def accept(self, offer: Description) -> Description:
        """Answer an offer. Raises `TransportError` where it cannot be used."""
        return await self._negotiation.accept(offer)

    async def complete(self, answer: Description) -> None:
        """Take the answer to the own offer. Raises `TransportError` where it cannot be used."""
        await self._negotiation.complete(answer)

    async def connected(self, timeout_s: float) -> None:
        """Wait until the connection stands. Raises `TransportError` when that fails or takes too long."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._settled.wait()
        except TimeoutError:
            raise TransportError(
                f"{self._negotiation.obstacle()} ({timeout_s:g} seconds were tried)."
            ) from None
        if self._end_reason is not None:
            raise TransportError(self._end_reason)

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent now."""
        return self._end_reason is None and self._channel.readyState == "open"

    @property
    def has_moved(self) -> bool:
        """Whether this machine has lost the address from which it sends, so that nothing comes back to it until the
        connection has followed it to another one, which it does by itself."""
        return self._wire.has_moved

    @property
    def fingerprints(self) -> tuple[bytes, bytes]:
        """The SHA-256 of both sides' certificates, mine and theirs, 32 bytes each.

        Theirs is what the other side has proven to hold. Raises `TransportError` before the connection stands.
        """
        if not self._was_open:
            raise TransportError("The other side's certificate is not known before the connection stands.")
        return self._wire.fingerprints()

    def send_motion(self, data: bytes, *, rides: bool = False) -> bool:
        """Send one motion packet of 1 to `MAX_MESSAGE_BYTES` bytes (else `ValueError`).

        It goes at once and once, and may be lost or overtaken; where it `rides` it waits for the next packet of sound
        while somebody speaks, for at most as long as one lasts. False where the connection is not open.
        """
        _check_size(data)
        return self._motion.send(data, rides=rides)

    def send_control(self, data: bytes) -> None:
        """Send one control message of 1 to `MAX_MESSAGE_BYTES` bytes (else `ValueError`).

        Up to `SMALL_BYTES` it goes at once; larger ones queue in their order and are paced. Before the
        connection is open all are kept; after its end they are dropped, as `on_closed` has told.
        """
        _check_size(data)
        self._control.send(data)

    def send_report(self, data: bytes) -> None:
        """Send a control message of 1 to `MAX_REPORT_BYTES` bytes that is worth nothing later (else `ValueError`).

        It goes once, with the next motion where one is due within a moment, and may be lost or overtaken. Where the
        connection is not open it is dropped.
        """
        if not 0 < len(data) <= MAX_REPORT_BYTES:
            raise ValueError(f"a report has 1 to {MAX_REPORT_BYTES} bytes, this one {len(data)}")
        self._motion.send_report(data)

    def pace(self, *, pieces_bps: float | None = None, limit_bps: float | None = None) -> None:
        """Send what is queued of `send_control` at no more than `pieces_bps`, and with it and all else no more than
        `limit_bps` at the IP layer; None: as the line takes it. What is not queued is the caller's to hold back."""
        self._control.pace(pieces_bps=pieces_bps, limit_bps=limit_bps)

    async def drain(self, timeout_s: float | None = None, *, one: bool = False) -> None:
        """Wait until all control messages, or `one` of them, are acknowledged by the other side, at most `timeout_s`;
        None: for a moment, in which the line could bring one that got lost once more."""
        await self._control.drain(timeout_s, one=one)

    async def close(self) -> None:
        """End the connection, so that the other side sees it at once. Takes at most half a second."""
        self._end("This side has closed the connection.", told=True)
        await self.video.close()
        closing = asyncio.ensure_future(self._connection.close())
        try:
            await asyncio.wait({closing}, timeout=CLOSE_LIMIT_S)
        finally:
            # Fetched, so that it is not logged; the sockets close all the same. What takes longer is the farewell to a
            # TURN server that does not answer, without which aioice would not let go of the connection.
            closing.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._wire.abort()

    def stats(self) -> WireStats:
        """Return the counters as they stand; may be called after `close` and from any thread."""
        return WireStats(
            sent_bytes=self._wire.sent_bytes,
            received_bytes=self._wire.received_bytes,
            sent_packets=self._wire.sent_packets,
            received_packets=self._wire.received_packets,
            motion_sent=self._motion.sent,
            motion_received=self._motion.received,
            motion_dropped=self._motion.dropped,
            control_sent=self._control.sent,
            control_received=self._control_received,
            control_waiting_bytes=self._control.waiting_bytes,
            round_trip_s=self._wire.round_trips.shortest_s,
            silent_s=time.monotonic() - self._wire.heard_s,
            peak_sent_bps=self._wire.sent_peak.rate_bps,
            peak_received_bps=self._wire.received_peak.rate_bps,
        )

    def _taking(self, on_control: Callable[[bytes], None]) -> Callable[[bytes], None]:
        """Count control messages, whichever way they come."""

        def take(message: bytes) -> None:
            self._control_received += 1
            on_control(message)

        return take

    def _listen(self, on_control: Callable[[bytes], None]) -> None:
        """Subscribe to aiortc's events; callbacks run outside its stack, where their faults end nothing."""
        take = self._taking(on_control)

        def control(message: bytes | str) -> None:
            if isinstance(message, bytes):
                self._loop.call_soon(take, message)

        self._channel.on("message", control)
        self._channel.on("open", self._channel_opened)
        self._channel.on("close", self._channel_closed)
        self._connection.on("connectionstatechange", self._state_changed)

    def _channel_opened(self) -> None:
        if self._was_open or not self.is_open:
            return
        self._was_open = True
        self._motion.begin()
        self._wire.begun()
        self._settled.set()
        self._watch()
        self._control.begin()

    def _channel_closed(self) -> None:
        self._end("The other side has ended the connection.")

    def _state_changed(self) -> None:
        state = self._connection.connectionState
        if state == "failed" and self._was_open:
            self._end("The line to the other side is lost.")
        elif state == "failed":
            self._end(f"{self._negotiation.obstacle()}.")
        elif state == "closed":
            self._channel_closed()

    def _end(self, reason: str, *, told: bool = False) -> None:
        """Note the end once; `told` where the owner knows of it, as it asked for it."""
        if self._end_reason is not None:
            return
        self._end_reason = reason
        self._settled.set()
        self._control.stop()
        self._reliable.stop()
        self._motion.stop()
        if self._following is not None:
            self._following.cancel()
        if self._watching is not None:
            self._watching.cancel()
        if self._was_open and not told:
            self._loop.call_soon(self._on_closed, reason)

    def _watch(self) -> None:
        """Look now and then whether the line still lives, the other side keeps to measure, and this machine is where it
        was."""
        if time.monotonic() - self._wire.heard_s > LINE_LOST_S:
            self._end(f"The line is lost: nothing came from the other side for {LINE_LOST_S:g} seconds.")
        elif self._wire.unfinished_bytes > MAX_UNFINISHED_BYTES:
            self._end("The other side sends messages without an end.")
        elif self._control.held > MOST_HELD:
            self._end("The other side takes no messages any more.")
        else:
            if self.has_moved and (self._following is None or self._following.done()):
                self._following = self._loop.create_task(self._wire.follow())
            self._watching = self._loop.call_later(WATCH_S, self._watch)


def _check_size(data: bytes) -> None:
    if not 0 < len(data) <= MAX_MESSAGE_BYTES:
        raise ValueError(f"a message has 1 to {MAX_MESSAGE_BYTES} bytes, this one {len(data)}")
