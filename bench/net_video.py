"""H.264 over RTP as aiortc sends it, in real time over a bad line: what a call would use instead of us.

aiortc's own encoder, jitter buffer, retransmissions and rate control, with one change: its lowest rate is brought down
from 500 to 30 kbit/s, without which it would have no chance on a thin line. It finds out when pictures come and which
they are; how good they are is judged elsewhere.
"""

from __future__ import annotations

import asyncio
import fractions
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import av
import cv2
import numpy as np
import numpy.typing as npt
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCRtpReceiver, RTCSessionDescription
from aiortc.codecs import h264
from aiortc.mediastreams import MediaStreamError, VideoStreamTrack

from bench.clips import Picture
from bench.errors import BenchError
from transport.relay import Relay

CLOCK_RATE = 90_000
LOWEST_BPS, STARTING_BPS = 30_000, 300_000
MEETING_LIMIT_S = 30.0
# Pictures kept to be judged: ten seconds at 30 a second.
MOST_KEPT = 300
THUMBNAIL = 24
# The first picture that decodes may be so much later than the first that was sent.
LATEST_START_S = 8.0


@dataclass(frozen=True)
class VideoCall:
    """What was sent and what came. `frames_sent` left the camera within `seconds`; `shown_s` says when each picture
    came and `latency_s` how long after its capture (monotonic seconds). `pictures` are the first of them, and
    `originals` what the camera saw then."""

    frames_sent: int
    seconds: float
    shown_s: list[float]
    latency_s: list[float]
    pictures: list[Picture]
    originals: list[Picture]


async def hold_video(
    pictures: Sequence[Picture], *, frame_rate: float, seconds: float, relay: Relay
) -> VideoCall:
    """Send `pictures` over and over for `seconds` through the relay, which the caller closes.

    Raises BenchError where the two sides do not meet.
    """
    sender, receiver = RTCPeerConnection(), RTCPeerConnection()
    camera = _Camera(pictures, frame_rate)
    tracks: asyncio.Queue[MediaStreamTrack] = asyncio.Queue()
    receiver.on("track", tracks.put_nowait)
    screen = _Screen()
    with _thin_lines():
        try:
            async with asyncio.timeout(MEETING_LIMIT_S):
                await _meet(sender, receiver, camera, relay)
                watching = asyncio.create_task(screen.watch(await tracks.get()))
                await camera.began.wait()
        except TimeoutError:
            raise BenchError("The two sides of H.264's call did not meet over this line.") from None
        else:
            await asyncio.sleep(seconds)
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        finally:
            camera.stop()
            await asyncio.gather(sender.close(), receiver.close())
    return _understand(camera, screen, pictures)


@contextmanager
def _thin_lines() -> Iterator[None]:
    """Let aiortc's encoder go below what it goes to by itself."""
    before = h264.MIN_BITRATE, h264.DEFAULT_BITRATE
    h264.MIN_BITRATE, h264.DEFAULT_BITRATE = LOWEST_BPS, STARTING_BPS
    try:
        yield
    finally:
        h264.MIN_BITRATE, h264.DEFAULT_BITRATE = before


async def _meet(
    sender: RTCPeerConnection, receiver: RTCPeerConnection, camera: MediaStreamTrack, relay: Relay
) -> None:
    able = RTCRtpReceiver.getCapabilities("video")
    assert able is not None  # aiortc knows what video is
    wanted = [each for each in able.codecs if each.mimeType in ("video/H264", "video/rtx")]
    sender.addTransceiver(camera, direction="sendonly").setCodecPreferences(wanted)
    await sender.setLocalDescription(await sender.createOffer())
    await receiver.setRemoteDescription(await _through(relay, sender.localDescription))
    await receiver.setLocalDescription(await receiver.createAnswer())
    await sender.setRemoteDescription(await _through(relay, receiver.localDescription))


async def _through(relay: Relay, description: RTCSessionDescription) -> RTCSessionDescription:
    sdp = await relay.lead_here(description.sdp, offers=description.type == "offer")
    return RTCSessionDescription(type=description.type, sdp=sdp)


class _Camera(VideoStreamTrack):
    """Plays pictures in real time, from the moment that somebody wants the first one."""

    def __init__(self, pictures: Sequence[Picture], frame_rate: float) -> None:
        super().__init__()
        self.began = asyncio.Event()
        self.began_s = 0.0
        self.frames = 0
        self.frame_rate = frame_rate
        self._pictures = pictures

    async def recv(self) -> av.VideoFrame:
        """Wait until the next frame's time, and give it."""
        if not self.began.is_set():
            self.began_s = time.monotonic()
            self.began.set()
        await asyncio.sleep(max(0.0, self.began_s + self.frames / self.frame_rate - time.monotonic()))
        if self.readyState != "live":
            raise MediaStreamError
        picture = self._pictures[self.frames % len(self._pictures)]
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        frame.pts = round(self.frames * CLOCK_RATE / self.frame_rate)
        frame.time_base = fractions.Fraction(1, CLOCK_RATE)
        self.frames += 1
        return frame


class _Screen:
    """Notes what comes: when, its place on a clock that begins with the first picture, and what it shows."""

    def __init__(self) -> None:
        self.shown_s: list[float] = []
        self.ticks: list[int] = []
        self.thumbnails: list[npt.NDArray[np.float32]] = []
        self.pictures: list[Picture] = []

    async def watch(self, track: MediaStreamTrack) -> None:
        """Take pictures until the track ends."""
        with suppress(MediaStreamError):
            while True:
                frame = await track.recv()
                assert isinstance(frame, av.VideoFrame)
                self.shown_s.append(time.monotonic())
                picture = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
                self.ticks.append(frame.pts or 0)
                self.thumbnails.append(_thumbnail(picture))
                if len(self.pictures) < MOST_KEPT:
                    self.pictures.append(picture)


def _understand(camera: _Camera, screen: _Screen, pictures: Sequence[Picture]) -> VideoCall:
    """Find out which frames came: their clock begins at a first one that is not known, so it is sought by its looks."""
    steps = [round(ticks * camera.frame_rate / CLOCK_RATE) for ticks in screen.ticks]
    known = [_thumbnail(picture) for picture in pictures]

    def mismatch(first: int) -> float:
        return float(
            np.mean(
                [
                    np.abs(seen - known[(first + step) % len(known)]).mean()
                    for step, seen in zip(steps, screen.thumbnails, strict=True)
                ]
            )
        )

    latest = min(camera.frames, round(LATEST_START_S * camera.frame_rate))
    first = min(range(max(latest, 1)), key=mismatch) if steps else 0
    captured_s = [camera.began_s + (first + step) / camera.frame_rate for step in steps]
    return VideoCall(
        frames_sent=camera.frames,
        seconds=camera.frames / camera.frame_rate,
        shown_s=screen.shown_s,
        latency_s=[shown - captured for shown, captured in zip(screen.shown_s, captured_s, strict=True)],
        pictures=screen.pictures,
        originals=[pictures[(first + step) % len(pictures)] for step in steps[: len(screen.pictures)]],
    )


def _thumbnail(picture: Picture) -> npt.NDArray[np.float32]:
    small = cv2.resize(picture, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32)
