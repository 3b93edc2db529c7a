"""The sending side of a call, from hello to goodbye: the source picture first, then a motion packet for every
frame. Three parts that never wait for each other in real time: the capture thread, the motion thread (crop,
motion graph, encoder) and the event loop with its peer. An input of which all is kept is sent in order
instead, at the receiver's pace. It knows no network protocol below the peer and nothing of how a face is
drawn."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from codec.control import (
    Feedback,
    Goodbye,
    PictureReady,
    PictureRefused,
    decode_control,
    encode_control,
)
from codec.errors import BitstreamError
from codec.format import MotionFormat
from codec.hello import Capability, Hello, HelloMismatch, compare
from codec.motion import Motion
from codec.time import TICK_CYCLE
from runtime.talker import Talker
from sender.capture import Frame, Input
from sender.coding import Coder, Mode, Packet, make_coder
from sender.crop import Crop, CropFollower, WholeCrop
from sender.delivery import Delivery, InOrder, Live, Wire
from sender.errors import OtherSideError, SenderError
from sender.observe import Observer
from sender.present import Presentation
from sender.reader import STOP_LIMIT_S, Reader
from sender.source import SEARCH_S, SourcePicture, find_picture, make_source, picture_of_file
from sender.stamps import Stamps

HELLO_LIMIT_S = 10.0


@dataclass(frozen=True)
class SenderSettings:
    """What is sent. source: chosen in the first second, the first, or a file. keypoints: K', or as many as show.
    mode: how motion is coded; bundle: motions in a predictive packet, 1 to 4."""

    crop: Literal["follow", "full"] = "follow"
    source: Literal["chosen", "first"] | Path = "chosen"
    rounding: bool = True
    keypoints: int | None = None
    mode: Mode = "auto"
    bundle: int = 1


@dataclass(frozen=True)
class SenderStats:
    """Counters since the first motion could be sent.

    frames_in were captured; of these frames_sent went to the wire, frames_dropped gave way to newer ones
    (here or in the peer), and no_face_frames showed no face. payload_bytes are motion packets with their
    headers, source_bytes the source picture's code as often as it was sent. packets_bad are control messages
    that did not decode. mode is how motion is coded, None before that is known.
    """

    frames_in: int
    frames_sent: int
    frames_dropped: int
    no_face_frames: int
    payload_bytes: int
    source_bytes: int
    packets_bad: int
    feedback: Feedback | None
    mode: str | None


OnFrame = Callable[[int, int, float, np.ndarray], None]


def _ignore_frame(index: int, ticks: int, captured_s: float, picture: np.ndarray) -> None:
    """Take no interest."""


def _nothing() -> None:
    """Do nothing."""


class Sender:
    """One call's sending side. Hand its `on_control` and `on_closed` to a peer, and that peer, connected, to
    `run`.

    hello: what this side says of itself; its picture size is S, and that an input of which all is kept is
    sent in order is added here. on_frame(index, ticks, captured_s, picture):
    called on the motion thread with every motion's frame just before it is sent; ticks count on as the
    receiver's do, the picture is the crop, uint8 SxSx3. on_notice: one sentence for the user, from any
    thread.
    """

    def __init__(
        self,
        talker: Talker,
        source_input: Input,
        *,
        motion_format: MotionFormat,
        hello: Hello,
        settings: SenderSettings,
        on_frame: OnFrame = _ignore_frame,
        on_notice: Callable[[str], None],
    ) -> None:
        self._talker = talker
        self._input = source_input
        self._format = motion_format
        keeps_all = Capability.SENDS_IN_ORDER if source_input.keeps_all else 0
        self._hello = replace(hello, capabilities=hello.capabilities | keeps_all)
        self._settings = settings
        self._on_frame = on_frame
        self._on_notice = on_notice
        self._crop = self._make_crop()
        self._observer = Observer(talker, self._crop)
        self._reader = Reader(source_input)
        self._motion_thread = ThreadPoolExecutor(1, thread_name_prefix="motion")
        self._stopping = threading.Event()
        self._source: SourcePicture | None = None
        self._greeted = asyncio.Event()
        self._presentation = Presentation()
        self._over = asyncio.Event()
        self._failure: Exception | None = None
        self._before = (0, 0)  # frames in and dropped before the call proper
        self._delivery: Delivery | None = None  # once motions may go
        self._coder: Coder | None = None  # from the same time on
        self._decodes_predictive = False  # the other side
        self._too_soon = self._no_face = self._bad = 0
        self._feedback: Feedback | None = None

    @property
    def source(self) -> SourcePicture | None:
        """The source picture, once it is chosen."""
        return self._source

    @property
    def stats(self) -> SenderStats:
        """The counters as they are now; from any thread."""
        sent, refused, payload_bytes = 0, 0, 0
        if (delivery := self._delivery) is not None:
            sent, refused, payload_bytes = delivery.frames, delivery.refused, delivery.payload_bytes
        return SenderStats(
            frames_in=self._reader.frames_in - self._before[0],
            frames_sent=sent,
            frames_dropped=self._reader.dropped - self._before[1] + refused + self._too_soon,
            no_face_frames=self._no_face,
            payload_bytes=payload_bytes,
            source_bytes=self._presentation.sent_bytes,
            packets_bad=self._bad,
            feedback=self._feedback,
            mode=None if self._coder is None else self._coder.mode,
        )

    def on_control(self, data: bytes) -> None:
        """Take a message of the control channel; what does not decode is counted and dropped."""
        try:
            message = decode_control(data)
        except BitstreamError:
            self._bad += 1
            return
        if isinstance(message, Hello):
            try:
                compare(self._hello, message)
                self._check_order(message)
            except (HelloMismatch, SenderError) as unfit:
                self._end(unfit)
            else:
                self._decodes_predictive = bool(message.capabilities & Capability.DECODES_PREDICTIVE)
                self._greeted.set()
        elif isinstance(message, PictureReady | PictureRefused):
            self._presentation.take(message)
        elif isinstance(message, Feedback):
            self._feedback = message
            if self._delivery is not None:
                self._delivery.take(message)
        elif isinstance(message, Goodbye):
            self._take_leave(message)

    def on_closed(self, reason: str) -> None:
        """Take the end of the connection, with the peer's sentence."""
        self._end(SenderError(reason))

    def stop(self) -> None:
        """Let `run` say goodbye and return; on the event loop."""
        self._end(None)

    async def prepare(self) -> None:
        """Choose the source picture, if that was not done; InputError where there is no face."""
        if self._source is None:
            loop = asyncio.get_running_loop()
            try:
                self._source = await loop.run_in_executor(self._motion_thread, self._choose)
            except asyncio.CancelledError:
                self._stopping.set()  # the thread is in the middle of a search that nobody waits for
                self._reader.end()  # a camera that gives no picture must not hold it
                raise

    async def run(self, peer: Wire) -> None:
        """Hold the call until the input ends, the other side leaves, or `stop`.

        Raises SenderError (InputError), HelloMismatch, or whatever a graph raises. Cancelling it is a clean
        end too: in every case the threads are ended, and goodbye is said if the line still stands.
        """
        course = asyncio.create_task(self._course(peer))
        over = asyncio.create_task(self._over.wait())
        reason, failed = "the sender was stopped", False
        try:
            await asyncio.wait({course, over}, return_when=asyncio.FIRST_COMPLETED)
            if self._over.is_set():
                if self._failure is not None:
                    raise self._failure
            else:
                course.result()
                reason = "the input has ended"
        except Exception:
            reason, failed = "the sender failed", True
            raise
        finally:
            self._stopping.set()
            if self._delivery is not None:
                self._delivery.stop()
            course.cancel()
            over.cancel()
            await asyncio.gather(course, over, return_exceptions=True)
            await asyncio.to_thread(self._reader.stop)
            # What the motion thread was at is done when it takes up something new.
            idle = asyncio.get_running_loop().run_in_executor(self._motion_thread, _nothing)
            await asyncio.wait({idle}, timeout=STOP_LIMIT_S)
            self._motion_thread.shutdown(wait=False, cancel_futures=True)
            peer.send_control(encode_control(Goodbye(reason, failed=failed)))
            await peer.drain()

    def _check_order(self, theirs: Hello) -> None:
        if self._input.keeps_all and not theirs.capabilities & Capability.DRAWS_IN_ORDER:
            raise SenderError(
                "The other side cannot draw a clip as fast as it goes: update Visavis there, "
                "or send in real time."
            )

    def _take_leave(self, goodbye: Goodbye) -> None:
        """End with the other side: an ordinary end once motion has been sent, a failure before."""
        if self._stopping.is_set():
            return  # it answers our own goodbye
        why = f": {goodbye.reason}" if goodbye.reason else "."
        if goodbye.failed:
            self._end(OtherSideError(f"The other side has ended the call{why}"))
        elif self._delivery is not None and self._delivery.sent:
            self._on_notice(f"The other side has ended the call{why}")
            self._end(None)
        else:
            self._end(SenderError(f"The other side left before the call began{why}"))

    def _end(self, failure: Exception | None) -> None:
        if not self._over.is_set():
            self._failure = failure
            self._over.set()

    async def _course(self, peer: Wire) -> None:
        peer.send_control(encode_control(self._hello))
        await self.prepare()
        try:
            async with asyncio.timeout(HELLO_LIMIT_S):
                await self._greeted.wait()
        except TimeoutError:
            raise SenderError(
                f"The other side is connected but has said no hello for {HELLO_LIMIT_S:g} seconds: "
                "is it Visavis?"
            ) from None
        if self._source is None:
            return  # the input was ended before anybody was to be seen
        self._coder = make_coder(
            self._format,
            mode=self._settings.mode,
            bundle=self._settings.bundle,
            rounding=self._settings.rounding,
            keypoints=self._settings.keypoints,
            decodes_predictive=self._decodes_predictive,
        )
        await self._presentation.send(self._source.data, peer)
        loop = asyncio.get_running_loop()
        self._delivery = (InOrder if self._input.keeps_all else Live)(peer, loop)
        await loop.run_in_executor(
            self._motion_thread, self._send_motions, self._source, self._coder, self._delivery
        )
        await self._delivery.finish()

    def _make_crop(self) -> Crop:
        size = self._hello.picture_size
        if self._settings.crop == "full":
            return WholeCrop(self._talker.locate, size=size, notice=self._on_notice)
        return CropFollower(self._talker.locate, size=size, notice=self._on_notice)

    def _choose(self) -> SourcePicture | None:
        """Find, code and prepare the source picture, on the motion thread."""
        wanted = self._settings.source
        if isinstance(wanted, Path):
            picture: np.ndarray | None = picture_of_file(
                wanted, Observer(self._talker, self._make_crop()), self._talker
            )
        else:
            opening = self._input.opening()
            if opening is None:
                self._reader.start()
            picture = find_picture(
                self._until_stopped(self._captured() if opening is None else opening),
                self._observer,
                self._talker,
                name=self._input.name,
                chosen=wanted == "chosen",
                search_s=None if opening is None else SEARCH_S,
            )
            if opening is not None:
                self._crop.restart()
        return None if picture is None else make_source(picture, self._talker)

    def _captured(self) -> Iterator[Frame]:
        while (frame := self._reader.get()) is not None:
            yield frame

    def _until_stopped(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        for frame in frames:
            if self._stopping.is_set():
                return
            yield frame

    def _send_motions(self, source: SourcePicture, coder: Coder, delivery: Delivery) -> None:
        """Turn the frames into packets and hand them over; on the motion thread."""
        self._before = (self._reader.frames_in, self._reader.dropped)
        self._reader.start()
        stamps = Stamps()
        for frame in self._until_stopped(self._captured()):
            view = self._observer.observe(frame.picture, at_s=frame.captured_s, source=source.prepared)
            if view is None:
                self._no_face += 1
                self._put(coder.flush(), delivery)  # what waits for company may wait long
                continue
            stamp = stamps.next(frame.captured_s)
            if stamp is None:
                self._too_soon += 1
                continue
            if (feedback := self._feedback) is not None and feedback.newest_ticks is not None:
                coder.acknowledge(feedback.newest_ticks)
            motion = Motion(view.rotation, view.translation, view.expression)
            self._on_frame(frame.index, stamp.ticks, frame.captured_s, view.picture)
            self._put(coder.put(motion, stamp.captured_s), delivery)
            if self._input.keeps_all:  # nothing is lost, and what follows is decoded after it
                coder.acknowledge(stamp.ticks % TICK_CYCLE)
        self._put(coder.flush(), delivery)

    def _put(self, packets: list[Packet], delivery: Delivery) -> None:
        for packet in packets:
            delivery.put(packet.data, frames=packet.frames)
