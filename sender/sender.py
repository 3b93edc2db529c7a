"""The sending side of a call, from hello to goodbye: the source picture first, then a motion packet for every
frame. Three parts that never wait for each other in real time: the capture thread, the motion thread (crop,
motion graph, encoder) and the event loop with its peer. An input of which all is kept is sent in order
instead, at the receiver's pace. It knows no network protocol below the peer and nothing of how a face is
drawn."""

from __future__ import annotations

import asyncio
import threading
import time
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
from sender.adapting import Adapting, RateStats, Wanted
from sender.capture import Frame, Input
from sender.coding import Coder, Mode, Packet, PredictiveUse, predictive_use
from sender.crop import Crop, CropFollower, WholeCrop
from sender.delivery import Delivery, InOrder, Live, Wire
from sender.errors import InputError, OtherSideError, SenderError
from sender.mirror import BUDGET_BYTES_PER_S, Asked, Mirror, MirrorCounts
from sender.observe import Observer
from sender.own_picture import OwnPicture
from sender.present import Presentation
from sender.rate import Mode as RateMode
from sender.reader import STOP_LIMIT_S, Reader
from sender.source import (
    SEARCH_S,
    SourcePicture,
    find_picture,
    first_picture_bytes,
    make_fine_source,
    picture_of_file,
    smaller,
)
from sender.sources import Sources
from sender.stamps import Stamps

HELLO_LIMIT_S = 10.0


@dataclass(frozen=True)
class SenderSettings:
    """What is sent. source: chosen in the first second, the first, or a file. keypoints: K', or as many as show.
    mode: how motion is coded; bundle: motions in a predictive packet, 1 to 4, or None as the line has it. limit_bps:
    for all that is sent, at the IP layer."""

    crop: Literal["follow", "full"] = "follow"
    source: Literal["chosen", "first"] | Path = "chosen"
    rounding: bool = True
    keypoints: int | None = None
    mode: Mode = "auto"
    bundle: int | None = None
    limit_bps: float | None = None


@dataclass(frozen=True)
class SenderStats:
    """Counters since the first motion could be sent.

    frames_in were captured; of these frames_sent went to the wire, frames_dropped gave way to newer ones
    (here or in the peer), frames_left_out were more than the line carries, and no_face_frames showed no
    face. payload_bytes are motion packets with their headers, source_bytes the source picture's code as often
    as it was sent. packets_bad are control messages that did not decode. mode is how most frames were coded,
    None before that is known, frames_by_mode all of them;
    rate what was decided for the line, None before it and in order; mirror what the mirror did, None without one.
    """

    frames_in: int
    frames_sent: int
    frames_dropped: int
    frames_left_out: int
    no_face_frames: int
    payload_bytes: int
    source_bytes: int
    packets_bad: int
    feedback: Feedback | None
    mode: str | None
    frames_by_mode: dict[str, int]
    rate: RateStats | None
    mirror: MirrorCounts | None


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
    thread. mirror: looks after the picture that the receiver draws; not where the source picture is not the camera's.
    own: keeps the source picture for the next call, if it may.
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
        mirror: Mirror | None = None,
        own: OwnPicture | None = None,
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
        self._paused = False
        self._source: SourcePicture | None = None
        self._greeted = asyncio.Event()
        self._presentation = Presentation()
        self._mirror = mirror
        self._own = own
        self._recalls = True  # until another picture is asked for
        self._sources: Sources | None = None  # once motions may go
        self._over = asyncio.Event()
        self._failure: Exception | None = None
        self._before = (0, 0)  # frames in and dropped before the call proper
        self._delivery: Delivery | None = None  # once motions may go
        self._coder: Coder | None = None  # from the same time on
        self._adapting: Adapting | None = None  # unless in order
        self._peer: Wire | None = None
        self._decodes_predictive = False  # the other side
        self._predicts = True  # the coder, at the last frame
        self._too_soon = self._no_face = self._left_out = self._bad = 0
        self._feedback: Feedback | None = None

    @property
    def source(self) -> SourcePicture | None:
        """The source picture, once it is chosen."""
        return self._source

    @property
    def hello(self) -> Hello:
        """What this side says of itself, with what the sender is able to."""
        return self._hello

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
            frames_left_out=self._left_out,
            no_face_frames=self._no_face,
            payload_bytes=payload_bytes,
            source_bytes=self._presentation.sent_bytes,
            packets_bad=self._bad,
            feedback=self._feedback,
            mode=None if self._coder is None else self._coder.mode,
            frames_by_mode={} if self._coder is None else dict(self._coder.frames),
            rate=None if self._adapting is None else self._adapting.stats,
            mirror=None if self._mirror is None else replace(self._mirror.counts),
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
                self._presentation.remembers = bool(message.capabilities & Capability.REMEMBERS_PICTURES)
                self._greeted.set()
        elif isinstance(message, PictureReady | PictureRefused):
            self._presentation.take(message)
        elif isinstance(message, Feedback):
            self._feedback = message
            if self._delivery is not None:
                self._delivery.take(message)
            self._adapt(message)
        elif isinstance(message, Goodbye):
            self._take_leave(message)

    def on_closed(self, reason: str) -> None:
        """Take the end of the connection, with the peer's sentence."""
        self._end(SenderError(reason))

    def forget_source(self) -> None:
        """Let `prepare` choose anew, from the frames that come then; before `run`."""
        self._source = None
        self._recalls = False

    def pause(self, on: bool, *, on_failed: Callable[[str], None]) -> None:
        """Send no motion, look at no frame and let the camera go, or go on; on the event loop, as `on_failed`, which is
        told why the camera cannot be had again. Then the pause lasts on."""
        loop = asyncio.get_running_loop()

        def stay_off(error: InputError) -> None:
            self._paused = True
            loop.call_soon_threadsafe(on_failed, str(error))

        self._paused = on
        self._input.rest(on, on_failed=stay_off)

    def limit(self, limit_bps: float | None) -> None:
        """Keep all that is sent under this rate at the IP layer, None: what the line carries; on the event loop."""
        self._settings = replace(self._settings, limit_bps=limit_bps)
        if self._adapting is not None and self._coder is not None:
            self._adapting.limit(limit_bps, at_s=asyncio.get_running_loop().time())
            self._coder.follow(self._adapting.decision)
            self._pace()

    def renew_source(self) -> bool:
        """Bring a new source picture as soon as may be; False where it is a file's and stays. From any thread."""
        return self._ask("picture")

    def repair(self) -> bool:
        """Mend the picture that the receiver draws from as soon as may be; otherwise as `renew_source`."""
        return self._ask("repair")

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
            if self._sources is not None:
                await self._sources.stop()
            await asyncio.to_thread(self._reader.stop)
            # What the motion thread was at is done when it takes up something new.
            idle = asyncio.get_running_loop().run_in_executor(self._motion_thread, _nothing)
            await asyncio.wait({idle}, timeout=STOP_LIMIT_S)
            self._motion_thread.shutdown(wait=False, cancel_futures=True)
            peer.send_control(encode_control(Goodbye(reason, failed=failed)))
            await peer.drain()

    def _ask(self, wanted: Asked) -> bool:
        if self._mirror is None:
            return False
        self._mirror.ask(wanted)
        return True

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
        loop, settings = asyncio.get_running_loop(), self._settings
        use = predictive_use(
            self._format,
            mode=settings.mode,
            rounding=settings.rounding,
            decodes_predictive=self._decodes_predictive,
            loses_nothing=self._input.keeps_all,
        )
        adapting = Adapting(self._wanted(use), at_s=loop.time())
        coder = Coder(
            self._format,
            adapting.decision,
            rounding=settings.rounding,
            keypoints=settings.keypoints,
            predictive=use,
        )
        self._peer = peer
        peer.pace(pieces_bps=None, limit_bps=settings.limit_bps)
        self._presentation.piece_bytes = adapting.first_piece_bytes
        first = await self._first_source(self._source, peer)
        await self._presentation.send(first.data, peer)
        if self._own is not None and not isinstance(settings.source, Path):
            await asyncio.to_thread(self._own.keep, self._source.data)
        adapting.begin(carried_bps=self._presentation.carried_bps, at_s=loop.time())
        coder.follow(adapting.decision)
        self._coder = coder
        if self._input.keeps_all:
            self._delivery = InOrder(peer, loop)
        else:
            self._adapting, self._delivery = adapting, Live(peer, loop, adapting)
            self._pace()
        self._sources = Sources(
            first,
            self._mirror,
            presentation=self._presentation,
            peer=peer,
            dropped=lambda: self._reader.dropped,
            on_notice=self._on_notice,
        )
        if first is not self._source:
            self._sources.improve(self._source)
        await loop.run_in_executor(
            self._motion_thread, self._send_motions, self._sources, coder, self._delivery
        )
        await self._delivery.finish()

    def _wanted(self, use: PredictiveUse) -> Wanted:
        """Say what the rate controller is to keep to."""
        modes: dict[PredictiveUse, RateMode | None] = {
            "never": "static",
            "always": "predictive",
            "where acknowledged": None,
        }
        bundle = self._settings.bundle
        if self._input.keeps_all:
            bundle = bundle or 1
        return Wanted(
            camera_fps=self._hello.frame_rate,
            limit_bps=self._settings.limit_bps,
            mode=modes[use],
            bundle=bundle,
            keypoints=self._settings.keypoints,
        )

    async def _first_source(self, source: SourcePicture, peer: Wire) -> SourcePicture:
        """Return what the call is to begin with: the source picture, or a smaller code of it where the line is slow."""
        most_bytes = first_picture_bytes(
            limit_bps=self._settings.limit_bps, round_trip_s=peer.stats().round_trip_s
        )
        if len(source.data) <= most_bytes:
            return source
        return await asyncio.get_running_loop().run_in_executor(
            self._motion_thread, lambda: smaller(source, self._talker, most_bytes=most_bytes)
        )

    def _adapt(self, feedback: Feedback) -> None:
        """Let the rate controller learn from feedback, and do what it decides."""
        if self._adapting is None or self._peer is None or self._coder is None:
            return
        sent_bytes, now_s = self._peer.stats().sent_bytes, asyncio.get_running_loop().time()
        if self._adapting.take(feedback, at_s=now_s, sent_bytes=sent_bytes, predictive=self._predicts):
            self._coder.follow(self._adapting.decision)
            self._pace()

    def _pace(self) -> None:
        """Hold pictures back to what motion leaves of the line; on the event loop."""
        assert self._adapting is not None, "motion may go"
        assert self._peer is not None, "motion may go"
        self._peer.pace(pieces_bps=self._adapting.pieces_bps, limit_bps=self._settings.limit_bps)
        self._presentation.piece_bytes = self._adapting.piece_bytes
        if self._mirror is not None:
            spare = self._adapting.decision.repair_bytes_per_s
            self._mirror.budget_bytes_per_s = min(spare, BUDGET_BYTES_PER_S)

    def _make_crop(self) -> Crop:
        size = self._hello.picture_size
        if self._settings.crop == "full":
            return WholeCrop(self._talker.locate, size=size, notice=self._on_notice)
        return CropFollower(self._talker.locate, size=size, notice=self._on_notice)

    def _choose(self) -> SourcePicture | None:
        """Find, code and prepare the source picture, on the motion thread."""
        wanted = self._settings.source
        if isinstance(wanted, Path):
            picture: np.ndarray | SourcePicture | None = picture_of_file(
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
                recall=self._recall,
            )
            if opening is not None:
                self._crop.restart()
        if picture is None or isinstance(picture, SourcePicture):
            return picture
        return make_fine_source(picture, self._talker)

    def _recall(self, seen: np.ndarray) -> SourcePicture | None:
        return self._own.recall(seen, self._talker) if self._own is not None and self._recalls else None

    def _captured(self) -> Iterator[Frame]:
        while (frame := self._reader.get()) is not None:
            yield frame

    def _until_stopped(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        for frame in frames:
            if self._stopping.is_set():
                return
            yield frame

    def _send_motions(self, sources: Sources, coder: Coder, delivery: Delivery) -> None:
        """Turn the frames into packets and hand them over; on the motion thread."""
        self._before = (self._reader.frames_in, self._reader.dropped)
        self._reader.start()
        stamps, adapting = Stamps(), self._adapting
        for frame in self._until_stopped(self._captured()):
            if self._paused:
                self._put(coder.flush(), delivery)
                continue
            if adapting is not None and not adapting.wants(frame.captured_s):
                self._left_out += 1
                continue
            held = sources.current
            view = self._observer.observe(frame.picture, at_s=frame.captured_s, source=held.source.prepared)
            if view is None:
                self._no_face += 1
                self._put(coder.flush(), delivery)  # what waits for company may wait long
                continue
            stamp = stamps.next(frame.captured_s)
            if stamp is None:
                self._too_soon += 1
                continue
            if (feedback := self._feedback) is not None and feedback.newest_ticks is not None:
                coder.learn(feedback)
                sources.acknowledge(feedback.newest_ticks)
            motion = Motion(view.rotation, view.translation, view.expression)
            self._on_frame(frame.index, stamp.ticks, frame.captured_s, view.picture)
            self._predicts = coder.predicts(stamp.captured_s)
            if adapting is not None and adapting.depend(predictive=self._predicts, at_s=time.monotonic()):
                coder.follow(adapting.decision)
            self._put(coder.put(motion, stamp.captured_s, source=held.slot), delivery)
            sources.follow(
                view, held, ticks=stamp.ticks, captured_s=stamp.captured_s, last=lambda: coder.last
            )
            if self._input.keeps_all:  # nothing is lost, and what follows is decoded after it
                coder.acknowledge(stamp.ticks % TICK_CYCLE)
        self._put(coder.flush(), delivery)

    def _put(self, packets: list[Packet], delivery: Delivery) -> None:
        for packet in packets:
            delivery.put(packet)
