"""H.264 over RTP as aiortc sends it, in real time over a bad line: what a call would use instead of us.

aiortc's own encoder, jitter buffer, retransmissions and rate control, with one change: its lowest rate is brought down
from 500 to 8 kbit/s, without which it would have no chance on a thin line. It finds out when pictures come and which
they are; how good they are is judged elsewhere.
"""

from __future__ import annotations

import asyncio
import fractions
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import av
import cv2
import numpy as np
import numpy.typing as npt
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCRtpReceiver, RTCSessionDescription
from aiortc.codecs import h264
from aiortc.mediastreams import MediaStreamError, VideoStreamTrack

from bench.clips import Picture
from bench.errors import BenchError
from bench.net_figures import KEPT_EVERY_S, HeldCall, LineCount, Pair, Seen, counted
from transport.relay import Relay

CLOCK_RATE = 90_000
# Asked for 8 kbit/s, x264 takes 7 to 13 at its worst quality (256 x 256): a lower floor would change nothing.
LOWEST_BPS, STARTING_BPS = 8_000, 300_000
MEETING_LIMIT_S = 30.0
THUMBNAIL = 24
# The picture that comes soonest after its capture comes within this; so many tell where the screen's clock began.
LATEST_S = 8.0
COMPARED = 64


async def hold_video(
    pictures: Sequence[Picture], *, frame_rate: float, seconds: float, relay: Relay
) -> HeldCall:
    """Send `pictures` over and over for `seconds` through the relay, which the caller closes.

    Raises BenchError where the two sides do not meet.
    """
    sender, receiver = RTCPeerConnection(), RTCPeerConnection()
    camera = _Camera(pictures, frame_rate)
    tracks: asyncio.Queue[MediaStreamTrack] = asyncio.Queue()
    receiver.on("track", tracks.put_nowait)
    screen = _Screen()
    with _thin_lines(), counted(relay) as line:
        try:
            async with asyncio.timeout(MEETING_LIMIT_S):
                await _meet(sender, receiver, camera, relay)
                watching = asyncio.create_task(screen.watch(await tracks.get()))
                await camera.began.wait()
        except TimeoutError:
            raise BenchError("The two sides of H.264's call did not meet over this line.") from None
        else:
            await asyncio.sleep(camera.began_s + seconds - time.monotonic())
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        finally:
            camera.stop()
            await asyncio.gather(sender.close(), receiver.close())
    return _understand(camera, screen, pictures, line, seconds=seconds, began_s=relay.began_s)


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
        self.kept: dict[int, Picture] = {}  # by number
        self._kept_s = float("-inf")

    async def watch(self, track: MediaStreamTrack) -> None:
        """Take pictures until the track ends."""
        with suppress(MediaStreamError):
            while True:
                frame = await track.recv()
                assert isinstance(frame, av.VideoFrame)
                shown_s = time.monotonic()
                picture = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
                self.ticks.append(frame.pts or 0)
                self.thumbnails.append(_thumbnail(picture))
                if shown_s - self._kept_s >= KEPT_EVERY_S:
                    self.kept[len(self.shown_s)], self._kept_s = picture, shown_s
                self.shown_s.append(shown_s)


def _understand(
    camera: _Camera,
    screen: _Screen,
    pictures: Sequence[Picture],
    line: Sequence[LineCount],
    *,
    seconds: float,
    began_s: float,
) -> HeldCall:
    """Find out which frames came, and when they were captured."""
    steps = [round(ticks * camera.frame_rate / CLOCK_RATE) for ticks in screen.ticks]
    first = _first_frame(camera, screen, steps, [_thumbnail(picture) for picture in pictures]) if steps else 0
    seen = [
        Seen("fresh", shown_s, camera.began_s + (first + step) / camera.frame_rate)
        for shown_s, step in zip(screen.shown_s, steps, strict=True)
    ]
    pairs = [
        Pair(screen.shown_s[number], pictures[(first + steps[number]) % len(pictures)], shown)
        for number, shown in screen.kept.items()
    ]
    return HeldCall(began_s, camera.began_s + seconds, seen, pairs, line)


def _first_frame(
    camera: _Camera, screen: _Screen, steps: Sequence[int], known: Sequence[npt.NDArray[np.float32]]
) -> int:
    """Return the number of the frame with which the screen's clock begins; it is not told, so it is sought by the looks
    of what follows. Where a clip that is repeated looks the same again, it is the latest that could be."""
    newest = min(
        int((shown_s - camera.began_s) * camera.frame_rate) - step
        for shown_s, step in zip(screen.shown_s, steps, strict=True)
    )
    compared = range(0, len(steps), -(-len(steps) // COMPARED))

    def mismatch(first: int) -> float:
        return float(
            np.mean(
                [
                    np.abs(screen.thumbnails[number] - known[(first + steps[number]) % len(known)]).mean()
                    for number in compared
                ]
            )
        )

    oldest = max(0, newest - round(LATEST_S * camera.frame_rate))
    return min(range(max(newest, 0), oldest - 1, -1), key=mismatch)


def _thumbnail(picture: Picture) -> npt.NDArray[np.float32]:
    small = cv2.resize(picture, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32)
