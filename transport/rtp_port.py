"""A way onto the wire for what is worth nothing later: RTP on the connection's own DTLS transport (touches private
parts of aiortc 1.16).

aiortc's own senders and receivers have queues, codecs and threads of their own, and need a section in the session
description. So what goes here is agreed upon beforehand like the channel of control messages: one fixed synchronisation
source for each kind of media, SRTP keys from the handshake that is held anyway. A side that does not know a source
drops its packets. A test fails when what is used here changes upstream.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from aiortc import RTCDtlsTransport


class RtpPort:
    """Sends and takes the RTP and RTCP packets of one source. Make it before the connection is begun.

    `on_packet` and `on_report` are called on the event loop, outside aiortc's stack, with decrypted bytes that a
    stranger may have made up.
    """

    def __init__(
        self,
        transport: RTCDtlsTransport,
        *,
        source: int,
        on_packet: Callable[[bytes], None],
        on_report: Callable[[bytes], None],
    ) -> None:
        self._source = source.to_bytes(4, "big")
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._on_packet = on_packet
        self._on_report = on_report
        self._sending: set[asyncio.Task[None]] = set()
        self._take_other_rtp = transport._handle_rtp_data
        self._take_other_rtcp = transport._handle_rtcp_data
        transport._handle_rtp_data = self._take_rtp  # type: ignore[method-assign]
        transport._handle_rtcp_data = self._take_rtcp  # type: ignore[method-assign]

    @property
    def is_open(self) -> bool:
        """Whether packets can be sent now."""
        return self._transport.state == "connected"

    def send(self, packet: bytes) -> None:
        """Send an RTP or RTCP packet; where the connection is not open it is dropped."""
        if self.is_open:
            task = self._loop.create_task(self._put(packet))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _put(self, packet: bytes) -> None:
        with suppress(ConnectionError):  # it has just closed, as the peer's owner is told
            await self._transport._send_rtp(packet)

    async def _take_rtp(self, data: bytes, arrival_time_ms: int) -> None:
        if data[8:12] == self._source:
            self._loop.call_soon(self._on_packet, data)
        else:
            await self._take_other_rtp(data, arrival_time_ms)

    async def _take_rtcp(self, data: bytes) -> None:
        if data[4:8] == self._source:
            self._loop.call_soon(self._on_report, data)
        else:
            await self._take_other_rtcp(data)
