"""A connection's ordinary video: camera pictures in, an aiortc track of VP8 out, and the other side's track back.

Each connection has a `VideoLine` from its beginning, and until somebody wants ordinary video nothing passes over it,
not even reports. What is sent is agreed upon beforehand as for sound: one payload type, keys from the handshake that is
held anyway, so that it begins and ends without another meeting. It knows no cameras and no redrawn faces.
(Touches private parts of aiortc 1.16; a test fails when they change.)
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import av
import numpy as np
from aiortc import MediaStreamTrack, RTCDtlsTransport, RTCRtpReceiver, RTCRtpSender
from aiortc.mediastreams import MediaStreamError
from aiortc.rtcrtpparameters import (
    RTCRtcpParameters,
    RTCRtpCodecParameters,
    RTCRtpHeaderExtensionParameters,
    RTCRtpReceiveParameters,
    RTCRtpSendParameters,
)
from aiortc.rtcrtpreceiver import RemoteStreamTrack

from transport.video_coder import MOST_BPS, LimitedEncoder
from transport.video_queue import CodedPictures
from transport.video_track import CLOCK_RATE, CameraTrack, Picture

PAYLOAD_TYPE = 100
SEND_TIME = RTCRtpHeaderExtensionParameters(
    id=3, uri="http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
)
# What is left for VP8 beside the packets' headers and what the encoder takes too much now and then.
CODED_SHARE = 0.85


@dataclass(frozen=True)
class VideoStats:
    """Counters of a connection's ordinary video: pictures sent, held back for the limit, and received."""

    sent: int = 0
    held_back: int = 0
    received: int = 0


class VideoLine:
    """One connection's ordinary video, each way; made by its `Peer`, used on the event loop.

    transport: the connection's, not yet begun. sent_bytes: says what has gone out over the connection so far, whatever
    it was, at the IP layer.
    """

    def __init__(self, transport: RTCDtlsTransport, *, sent_bytes: Callable[[], int]) -> None:
        self._transport = transport
        self._sent_bytes = sent_bytes
        self._loop = asyncio.get_running_loop()
        self._on_picture: Callable[[Picture], None] = _forget
        self._ceiling_bps = float(MOST_BPS)
        self._limit_bps: float | None = None
        self._sends = self._receives = self._closed = False
        self._sending: _Sending | None = None
        self._receiving: _Receiving | None = None
        self._settling: asyncio.Task[None] | None = None
        self._past = VideoStats()  # of what was sent before the present track, and all that was received

    def send(self, on: bool) -> None:
        """Send what `put` brings from now on, or nothing; in vain until the connection stands."""
        self._sends = on
        self._settle()

    def receive(self, on: bool, on_picture: Callable[[Picture], None] | None = None) -> None:
        """Take the other side's video, or not: `on_picture` is called on the event loop with each picture, uint8
        HxWx3 RGB, as soon as it is decoded."""
        self._on_picture = on_picture or _forget
        self._receives = on
        self._settle()

    def limit(self, rate_bps: float | None, *, limit_bps: float | None) -> None:
        """Send video of `rate_bps` at most, packets included, and none while the connection has sent more than
        `limit_bps` in all; None: as the line takes it."""
        self._ceiling_bps = float(MOST_BPS) if rate_bps is None else CODED_SHARE * rate_bps
        self._limit_bps = limit_bps
        if self._sending is not None:
            self._sending.encoder.ceiling_bps = self._ceiling_bps
            self._sending.track.limit(limit_bps)

    def put(self, picture: Picture, captured_s: float) -> None:
        """Send a picture (uint8 HxWx3 RGB, captured at monotonic seconds), the newest only; from any thread."""
        with suppress(RuntimeError):  # the loop has just ended, and with it the call
            self._loop.call_soon_threadsafe(self._take, picture, captured_s)

    def stats(self) -> VideoStats:
        """Return the counters as they stand."""
        past, sending = self._past, self._sending
        if sending is None:
            return past
        track = sending.track
        return VideoStats(past.sent + track.sent, past.held_back + track.held_back, past.received)

    async def close(self) -> None:
        """End both directions for good."""
        self._sends = self._receives = False
        self._settle()
        self._closed = True
        if self._settling is not None:
            await self._settling

    def _take(self, picture: Picture, captured_s: float) -> None:
        if self._sending is not None:
            self._sending.track.put(picture, captured_s)

    def _settle(self) -> None:
        """Bring about what is wanted, one step after the other."""
        if not self._closed and (self._settling is None or self._settling.done()):
            self._settling = self._loop.create_task(self._bring_about())

    async def _bring_about(self) -> None:
        while True:
            stands = self._transport.state == "connected"
            if self._sends and stands and self._sending is None:
                await self._begin_sending()
            elif not self._sends and (sending := self._sending) is not None:
                self._past = self.stats()
                self._sending = None
                await sending.sender.stop()
            elif self._receives and stands and self._receiving is None:
                await self._begin_receiving()
            elif (receiving := self._receiving) is not None and (
                not self._receives or receiving.reading.done()
            ):
                # Where the other side has stopped, its next video wants a receiver of its own.
                self._receiving = None
                await receiving.receiver.stop()
                receiving.reading.cancel()
                await asyncio.gather(receiving.reading, return_exceptions=True)
            else:
                return

    async def _begin_sending(self) -> None:
        encoder = LimitedEncoder(self._ceiling_bps)
        track = CameraTrack(rate_bps=lambda: encoder.target_bitrate, sent_bytes=self._sent_bytes)
        track.limit(self._limit_bps)
        sender = RTCRtpSender(track, self._transport)
        sender._RTCRtpSender__encoder = encoder  # type: ignore[attr-defined]
        self._sending = _Sending(sender, track, encoder)
        await sender.send(
            RTCRtpSendParameters(
                codecs=[_codec()], headerExtensions=[SEND_TIME], rtcp=RTCRtcpParameters(mux=True)
            )
        )

    async def _begin_receiving(self) -> None:
        receiver = RTCRtpReceiver("video", self._transport)
        private: Any = receiver
        # Pictures that were given up are asked for again as those are that could not be decoded.
        private._RTCRtpReceiver__decoder_queue = CodedPictures(private._RTCRtpReceiver__decoder_error.set)
        receiver._track = track = RemoteStreamTrack(kind="video")
        track._queue = _Newest()
        # Under the name of a sender that never sends: reports and wishes for whole pictures need one.
        receiver._set_rtcp_ssrc(RTCRtpSender("video", self._transport)._ssrc)
        reading = self._loop.create_task(self._read(track))
        reading.add_done_callback(lambda done: self._settle())
        self._receiving = _Receiving(receiver, reading)
        await receiver.receive(
            RTCRtpReceiveParameters(
                codecs=[_codec()], headerExtensions=[SEND_TIME], rtcp=RTCRtcpParameters(mux=True)
            )
        )

    async def _read(self, track: MediaStreamTrack) -> None:
        with suppress(MediaStreamError):  # the other side has stopped
            while True:
                frame = await track.recv()
                if not isinstance(frame, av.VideoFrame):
                    continue
                picture = await asyncio.to_thread(frame.to_ndarray, format="rgb24")
                past = self._past
                self._past = VideoStats(past.sent, past.held_back, past.received + 1)
                self._on_picture(np.asarray(picture, np.uint8))


class _Newest(asyncio.Queue[Any]):
    """Keeps what was decoded last, where upstream keeps all that nobody has taken: the other side says how much."""

    async def put(self, item: Any) -> None:
        """Leave a picture, or the end, in place of one that nobody has taken."""
        if not self.empty():
            self.get_nowait()
        self.put_nowait(item)


@dataclass(frozen=True)
class _Sending:
    sender: RTCRtpSender
    track: CameraTrack
    encoder: LimitedEncoder


@dataclass(frozen=True)
class _Receiving:
    receiver: RTCRtpReceiver
    reading: asyncio.Task[None]


def _codec() -> RTCRtpCodecParameters:
    return RTCRtpCodecParameters(mimeType="video/VP8", clockRate=CLOCK_RATE, payloadType=PAYLOAD_TYPE)


def _forget(picture: Picture) -> None:
    """Take no interest."""
