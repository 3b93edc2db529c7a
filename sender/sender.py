"""The sending side of a call, from hello to goodbye: its course, and how it ends. Whether both sides fit is
`sender.greeting`'s; what goes out in between is `sender.sending`'s, in three parts that never wait for each other in
real time: the capture thread, the motion thread (crop, motion graph, encoder) and the event loop with its peer. An
input of which all is kept is sent in order instead, at the receiver's pace. It knows no network protocol below the peer
and nothing of how a face is drawn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from codec.control import decode_control, encode_control
from codec.errors import BitstreamError
from codec.feedback import Feedback
from codec.format import MotionFormat
from codec.hello import Capability, Goodbye, Hello, HelloMismatch
from codec.transfer import PictureReady, PictureRefused
from runtime.talker import Talker
from sender.capture import Input
from sender.crop import Crop, make_crop
from sender.delivery import Wire
from sender.errors import InputError, OtherSideError, SenderError
from sender.first_source import FirstSource
from sender.frames import Film, FrameLoop, OnFrame, ignore_frame
from sender.greeting import Greeting
from sender.mirror import Mirror
from sender.observe import Observer
from sender.own_picture import OwnPicture
from sender.reader import STOP_LIMIT_S, Reader
from sender.sending import Sending
from sender.settings import SenderSettings
from sender.source import SourcePicture
from sender.stats import SenderStats

# Who has waited for the other side for longer sits elsewhere, or in another light: what the mirror sees first is no
# measure of how well a face is drawn from that picture.
FRESH_S = 60.0


def _nothing() -> None:
    """Do nothing."""


def _tell_nobody(notice: str) -> None:
    """Drop a notice."""


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
        on_frame: OnFrame = ignore_frame,
        on_notice: Callable[[str], None],
        mirror: Mirror | None = None,
        own: OwnPicture | None = None,
    ) -> None:
        self._input = source_input
        in_order = source_input.keeps_all
        self._greeting = Greeting(hello, in_order=in_order)
        self._on_notice = on_notice
        self._mirror = mirror

        def crop(notice: Callable[[str], None]) -> Crop:
            return make_crop(settings.crop, talker.locate, size=hello.picture_size, notice=notice)

        observer = Observer(talker, crop(on_notice))
        self._reader = Reader(source_input)
        self._motion_thread = ThreadPoolExecutor(1, thread_name_prefix="motion")
        self._frames = FrameLoop(self._reader, observer, in_order=in_order, on_frame=on_frame)
        self._first_source = FirstSource(
            talker,
            source_input,
            self._reader,
            observer,
            wanted=settings.source,
            quiet_crop=lambda: crop(_tell_nobody),
            own=own,
        )
        self._sending = Sending(
            talker,
            self._frames,
            self._first_source,
            motion_format=motion_format,
            settings=settings,
            camera_fps=hello.frame_rate,
            in_order=in_order,
            motion_thread=self._motion_thread,
            mirror=mirror,
            on_notice=on_notice,
        )
        self._source: SourcePicture | None = None
        self._choosing: asyncio.Future[SourcePicture | None] | None = None
        self._over = asyncio.Event()
        self._failure: Exception | None = None
        self._leaving = False
        self._bad = 0

    @property
    def source(self) -> SourcePicture | None:
        """The source picture, once it is chosen."""
        return self._source

    @property
    def hello(self) -> Hello:
        """What this side says of itself, with what the sender is able to."""
        return self._greeting.mine

    @property
    def stats(self) -> SenderStats:
        """The counters as they are now; from any thread."""
        return self._sending.stats(packets_bad=self._bad)

    def on_control(self, data: bytes) -> None:
        """Take a message of the control channel; what does not decode is counted and dropped."""
        try:
            message = decode_control(data)
        except BitstreamError:
            self._bad += 1
            return
        if isinstance(message, Hello):
            try:
                self._greeting.take(message)
            except (HelloMismatch, SenderError) as unfit:
                self._end(unfit)
        elif isinstance(message, PictureReady | PictureRefused | Feedback):
            self._sending.take(message)
        elif isinstance(message, Goodbye):
            self._take_leave(message)

    def on_closed(self, reason: str) -> None:
        """Take the end of the connection, with the peer's sentence."""
        self._end(SenderError(reason))

    def forget_source(self) -> None:
        """Let `prepare` choose anew, from the frames that come then; before `run`."""
        self._source = None
        self._first_source.forget()

    def pause(self, on: bool, *, on_failed: Callable[[str], None]) -> None:
        """Send no motion, look at no frame and let the camera go, or go on; on the event loop, as `on_failed`, which is
        told why the camera cannot be had again. Then the pause lasts on."""
        loop = asyncio.get_running_loop()

        def stay_off(error: InputError) -> None:
            self._frames.paused = True
            loop.call_soon_threadsafe(on_failed, str(error))

        self._frames.paused = on
        self._input.rest(on, on_failed=stay_off)

    def film(self, take: Film | None) -> None:
        """Hand each frame (uint8 HxWx3, and when it was captured) to `take`, on the motion thread, and send no motion;
        None: send motion again. From any thread."""
        self._frames.film = take

    def yield_to(self, dropped: Callable[[], int]) -> None:
        """Look after the source picture less often while what else this side does falls behind; `dropped` says how much
        that has left out so far, from any thread. Before `run`."""
        self._sending.dropped_beside = dropped

    def limit(self, limit_bps: float | None) -> None:
        """Keep all that is sent under this rate at the IP layer, None: what the line carries; on the event loop."""
        self._sending.limit(limit_bps)

    def beside(self, beside_bps: float, *, ride_s: float | None = None) -> None:
        """Leave so much of the line to what else this side sends, at the IP layer, in packets of `ride_s` seconds in
        which motion may ride; None: it may not. On the event loop."""
        self._sending.beside(beside_bps, ride_s=ride_s)

    def renew_source(self) -> bool:
        """Bring a new source picture as soon as may be; False where it is a file's and stays. From any thread."""
        if self._mirror is not None:
            self._mirror.ask("picture")
        return self._mirror is not None

    def repair(self, *, on_vain: Callable[[], object]) -> None:
        """Mend the picture that the receiver draws from as soon as may be; where nothing would be better `on_vain` is
        called. Both from any thread."""
        if self._mirror is None:
            on_vain()
        else:
            self._mirror.ask("repair", on_vain=on_vain)

    def stop(self) -> None:
        """Let `run` say goodbye and return; on the event loop."""
        self._end(None)

    async def prepare(self) -> None:
        """Choose the source picture, if that was not done; InputError where there is no face. Who asks while it is
        being chosen gets the same one."""
        if self._source is None:
            loop = asyncio.get_running_loop()
            choosing = self._choosing or loop.run_in_executor(self._motion_thread, self._first_source.find)
            self._choosing = choosing
            try:
                self._source = await asyncio.shield(choosing)
            except asyncio.CancelledError:
                # The thread is in the middle of a search that nobody waits for; a camera that gives no picture must
                # not hold it, and that none was found until then is no news.
                self._reader.end()
                choosing.add_done_callback(lambda done: done.cancelled() or done.exception())
                raise
            finally:
                self._choosing = None

    async def run(self, peer: Wire) -> None:
        """Hold the call until the input ends, the other side leaves, or `stop`.

        Raises SenderError (InputError), HelloMismatch, or whatever a graph raises. Cancelling it is a clean
        end too: in every case goodbye is said if the line still stands, and the threads are ended.
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
            self._leaving = True
            self._reader.end()
            self._sending.halt()
            course.cancel()
            over.cancel()
            await asyncio.gather(course, over, return_exceptions=True)
            # The other side is told first: what a thread is at may take its time on a busy machine.
            peer.send_control(encode_control(Goodbye(reason, failed=failed)))
            await asyncio.gather(peer.drain(), self._end_threads())

    async def _end_threads(self) -> None:
        """Let what the threads are at come to its end, for a moment."""
        # What the motion thread was at is done when it takes up something new.
        idle = asyncio.get_running_loop().run_in_executor(self._motion_thread, _nothing)
        await asyncio.gather(
            self._sending.stop(),
            asyncio.to_thread(self._reader.stop),
            asyncio.wait({idle}, timeout=STOP_LIMIT_S),
        )
        self._motion_thread.shutdown(wait=False, cancel_futures=True)

    def _take_leave(self, goodbye: Goodbye) -> None:
        """End with the other side: an ordinary end once motion has been sent, a failure before."""
        if self._leaving:
            return  # it answers our own goodbye
        why = f": {goodbye.reason.rstrip('.')}." if goodbye.reason else "."
        if goodbye.failed:
            self._end(OtherSideError(f"The other side has ended the call{why}"))
        elif self._sending.began:
            self._on_notice(f"The other side has ended the call{why}")
            self._end(None)
        else:
            self._end(SenderError(f"The other side left before the call began{why}"))

    def _end(self, failure: Exception | None) -> None:
        if not self._over.is_set():
            self._failure = failure
            self._over.set()

    async def _course(self, peer: Wire) -> None:
        """Greet, agree, and send until the input ends."""
        peer.send_control(encode_control(self._greeting.mine))
        await self.prepare()
        theirs = await self._greeting.theirs()
        if self._source is None:
            return  # the input was ended before anybody was to be seen
        seen_s = self._first_source.seen_s
        if seen_s is not None and asyncio.get_running_loop().time() - seen_s > FRESH_S:
            self.repair(on_vain=_nothing)
        await self._sending.run(
            self._source,
            peer,
            decodes_predictive=bool(theirs.capabilities & Capability.DECODES_PREDICTIVE),
            remembers=bool(theirs.capabilities & Capability.REMEMBERS_PICTURES),
            draws_flow=bool(theirs.capabilities & Capability.DRAWS_FLOW),
        )
