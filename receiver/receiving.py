"""What comes in once both sides have agreed: source pictures, repairs and motions, and what is drawn, recorded and
reported of them. It puts together what that takes; who may end a call, and why, is not its business."""

import asyncio
import time
from collections.abc import Callable

from codec.decoder import MotionDecoder
from codec.errors import BitstreamError
from codec.flow import decode_flow
from codec.flow_packet import TICKS_OF_AGE, detach_flow
from codec.format import MotionFormat
from codec.hello import Capability, Hello
from codec.picture import Picture
from codec.residual import ResidualFormat
from codec.time import TICKS_PER_SECOND
from codec.transfer import PictureOffer, PicturePiece, PictureReady, PictureRefused, ResidualPiece
from receiver.drawing import Drawing
from receiver.gallery import Gallery
from receiver.output import Output, Sound
from receiver.playout import Shown
from receiver.received import Received
from receiver.remembered import Remembered
from receiver.repairing import Repairing
from receiver.reporting import Line, Reporting
from receiver.stats import ReceiverStats, ShowMeter
from receiver.timeline import Timeline
from receiver.writer import Writer
from runtime.repairer import Repairer
from runtime.residual_flow import flow_of
from runtime.talker import Source, Talker
from runtime.view import View


class Receiving:
    """One call's pictures and motions; on the event loop, but for what is said to be of any thread.

    What it is made with is as `receiver.receiver.Receiver` describes it, and beside that:

    Parameters
    ----------
    picture_size
        S: source pictures are SxS.
    send
        Sends an answer to the other side.
    on_error
        Called with what ends the call: a talker's or an output's error.
    """

    def __init__(
        self,
        talker: Talker,
        motion_format: MotionFormat,
        *,
        picture_size: int,
        output: Output,
        on_shown: Callable[[Shown, Picture, float], None] | None,
        on_source: Callable[[int, Picture], None] | None,
        view: View,
        remembered: Remembered | None,
        residual: tuple[Repairer, ResidualFormat] | None,
        send: Callable[[PictureReady | PictureRefused], None],
        on_error: Callable[[Exception], None],
    ) -> None:
        self.agreed = False  # the other side's hello has come; nothing is taken before
        self._output = output
        self._on_shown = on_shown
        self._on_source = on_source
        self._send = send
        self._on_error = on_error
        self._decoder = MotionDecoder(motion_format)
        self._packets_bad = 0
        self._packets_early = 0
        self._received = Received()
        self._loop: asyncio.AbstractEventLoop | None = None  # this and the next two: once it has begun
        self._feedback: asyncio.Task[None] | None = None
        self._writer: Writer | None = None
        self._meter = ShowMeter()
        self._timeline = Timeline()
        self._drawing = Drawing(talker, on_picture=self._picture, on_error=self._fail_from_thread, view=view)
        self._reporting = Reporting(self._received, self._drawing)
        self._gallery = Gallery(
            talker,
            picture_size=picture_size,
            send=self._answer,
            on_ready=self._source_ready,
            on_error=on_error,
            remembered=remembered,
        )
        self._repairing: Repairing | None = None
        if residual is not None:
            self._repairing = Repairing(
                talker,
                residual[0],
                motion_format,
                residual[1],
                source_of=self._drawing.source_in,
                send=self._answer,
                on_ready=self._source_ready,
                on_error=on_error,
            )

    @property
    def pictures_skipped(self) -> int:
        """How many were due while drawing was behind; from any thread."""
        return self._drawing.counts.skipped

    def look(self, view: View) -> None:
        """See the head like this from the next picture on; from any thread."""
        self._drawing.look(view)

    def hold(self, hold_s: float) -> None:
        """Show all by so much later than need be; from any thread."""
        self._drawing.hold(hold_s)

    def idle(self, on: bool) -> None:
        """Let the face breathe and blink where no motion comes; from any thread."""
        self._drawing.idle(on)

    def hear(self, samples: Sound, ticks: float | None, heard_s: float) -> None:
        """Record sound that goes with the pictures: int16 mono at 48 kHz, captured from `ticks` on (None: not known,
        and left out), heard at `heard_s` (monotonic seconds)."""
        at_s = None if ticks is None else self._timeline.place_s(ticks, heard_s)
        if at_s is not None and self._writer is not None:
            self._writer.put_sound(samples, at_s)

    def begin(self, line: Line) -> None:
        """Draw, record and report from now on."""
        self._loop = asyncio.get_running_loop()
        self._writer = Writer(self._output, on_error=self._fail_from_thread)
        self._drawing.start()
        self._feedback = self._loop.create_task(self._reporting.run(line))

    def agree(self, theirs: Hello) -> None:
        """Go by the first hello; what a later one says comes too late."""
        if not self.agreed:
            self._meter.frame_s = 1 / theirs.frame_rate
        if not self.agreed and theirs.capabilities & Capability.SENDS_IN_ORDER:
            self._reporting.in_order = True
            self._drawing.draw_in_order()
        self.agreed = True

    def take(self, message: PicturePiece | PictureOffer | ResidualPiece) -> None:
        """Take what brings a source picture. Raises BitstreamError where it cannot be."""
        match message:
            case PicturePiece():
                self._gallery.add(message)
            case PictureOffer():
                self._gallery.offer(message)
            case ResidualPiece() if self._repairing is not None:
                self._repairing.add(message)
            case ResidualPiece(piece):
                self._send(PictureRefused(piece.transfer, "residual codes are not read here"))

    def take_motion(self, data: bytes) -> None:
        """Take a motion packet as it came."""
        arrived_s = time.monotonic()
        self._received.count()
        if not self.agreed:
            self._packets_early += 1
            return
        try:
            packet, attached = detach_flow(data)
            flow = None if attached is None else decode_flow(attached.code)
            motions = self._decoder.decode(packet)
        except BitstreamError:
            self._packets_bad += 1
            return
        for motion in motions:
            if not motion.repeated:
                self._received.add(motion.ticks)
        self._received.time(motions[-1].ticks, arrived_s)
        drawable = [motion for motion in motions if self._drawing.has_source(motion.source)]
        if attached is not None and flow is not None:
            found_ticks = motions[-1].ticks - TICKS_OF_AGE * attached.age
            self._drawing.bend(attached.source, flow_of(flow.levels, flow.step), found_ticks)
        if drawable:
            self._drawing.push(drawable, arrived_s)
        else:
            self._packets_early += 1

    async def close(self) -> None:
        """Report and prepare nothing more."""
        if self._feedback is not None:
            self._feedback.cancel()
        await self._gallery.close()
        if self._repairing is not None:
            await self._repairing.close()

    def complete(self) -> None:
        """Draw what is left and complete the output, which takes its time: on a thread of its own.

        Raises OutputError, or whatever failed in the output before.
        """
        self._drawing.finish()
        if self._writer is not None:
            self._writer.finish()

    def discard(self) -> None:
        """Remove what the output holds if nothing began."""
        if self._writer is None:
            self._output.discard()

    def stats(self, *, messages_bad: int, ended: str | None) -> ReceiverStats:
        """Return the figures as they stand; may be called at any time."""
        return self._meter.stats(
            self._drawing.counts,
            playout_delay_s=self._drawing.delay_s,
            frames_unwritten=0 if self._writer is None else self._writer.dropped,
            packets_bad=self._packets_bad + messages_bad,
            packets_early=self._packets_early,
            pictures_received=self._gallery.pictures_received,
            ended=ended,
        )

    def _source_ready(self, slot: int, picture: Picture, source: Source) -> None:
        self._drawing.set_source(slot, source)
        if self._on_source is not None:
            self._on_source(slot, picture)

    def _picture(self, shown: Shown, picture: Picture, began_s: float, shown_s: float) -> None:
        """Pass a drawn picture on (on the drawing thread)."""
        self._meter.add(shown, began_s=began_s, shown_s=shown_s)
        self._reporting.source = shown.source
        if self._writer is not None:
            if self._reporting.in_order:  # every motion: the capture's clock is the only one
                at_s = self._timeline.stamp_s(shown, shown.ticks / TICKS_PER_SECOND)
                self._writer.put_patiently(picture, at_s)
            else:
                self._writer.put(picture, self._timeline.stamp_s(shown, shown_s))
        if self._on_shown is not None:
            self._on_shown(shown, picture, shown_s)

    def _answer(self, answer: PictureReady | PictureRefused) -> None:
        """Answer a transfer; feedback says again what is ready, as a line with losses brings this late."""
        if isinstance(answer, PictureReady):
            self._received.add_ready(answer.transfer)
        self._send(answer)

    def _fail_from_thread(self, error: Exception) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._on_error, error)
