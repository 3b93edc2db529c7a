"""The receiving side of a call, from hello to goodbye: whether both sides fit, and how it ends.

What comes in between is `receiver.receiving`'s, which draws on threads of its own. What bytes mean is the codec's, how
they travel the transport's, how a face is drawn the talker's business.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from codec.control import Message, decode_control, encode_control
from codec.errors import BitstreamError
from codec.format import MotionFormat
from codec.hello import Capability, Goodbye, Hello, HelloMismatch, compare
from codec.ordered import OrderedMotion
from codec.picture import Picture
from codec.residual import ResidualFormat
from codec.transfer import PictureOffer, PicturePiece, ResidualPiece
from receiver.errors import OtherSideError, OutputError, ReceiverError
from receiver.output import Output, Sound
from receiver.playout import Shown
from receiver.receiving import Receiving
from receiver.remembered import Remembered
from receiver.reporting import Line as ReportLine
from receiver.stats import ReceiverStats
from runtime.repairer import Repairer
from runtime.talker import Talker
from runtime.view import View

HELLO_LIMIT_S = 10.0


class Line(ReportLine, Protocol):
    """What the receiver needs of a peer."""

    def send_control(self, data: bytes) -> None:
        """Queue a message for the other side's control channel."""

    async def drain(self) -> None:
        """Wait until the other side has what was queued, for a moment at most."""


class Receiver:
    """Receives one call. Its `on_...` methods are a peer's callbacks, on the event loop; `run` is the call.

    Parameters
    ----------
    hello
        This side's; the other's must agree with it. That it can draw in order is added here.
    output
        Takes the pictures; `run` finishes it.
    on_shown
        Called on the drawing thread with each picture and when it was shown (monotonic seconds).
    on_source
        Called on the event loop with each source picture that can be drawn from: its slot and the picture.
    view
        How the head is seen: as it is, if not given.
    remembered
        Where source pictures are kept from call to call, if they may be.
    residual
        What reads residual codes, and the chances by which they are coded; without it they are refused.
    """

    def __init__(
        self,
        talker: Talker,
        motion_format: MotionFormat,
        *,
        hello: Hello,
        output: Output,
        on_shown: Callable[[Shown, Picture, float], None] | None = None,
        on_source: Callable[[int, Picture], None] | None = None,
        view: View | None = None,
        remembered: Remembered | None = None,
        residual: tuple[Repairer, ResidualFormat] | None = None,
    ) -> None:
        able = Capability.DRAWS_IN_ORDER
        if remembered is not None:
            able |= Capability.REMEMBERS_PICTURES
        if motion_format.prediction is not None:
            able |= Capability.DECODES_PREDICTIVE
        if talker.bends:
            able |= Capability.DRAWS_FLOW
        self._hello = replace(hello, capabilities=hello.capabilities | able)
        self._receiving = Receiving(
            talker,
            motion_format,
            picture_size=hello.picture_size,
            output=output,
            on_shown=on_shown,
            on_source=on_source,
            view=view or View(),
            remembered=remembered,
            residual=residual,
            send=self._send,
            on_error=self._fail,
        )
        self._line: Line | None = None
        self._messages_bad = 0
        self._end = asyncio.Event()
        self._ended: str | None = None
        self._lost: str | None = None  # how the line broke, where nobody had said goodbye
        self._error: Exception | None = None

    @property
    def hello(self) -> Hello:
        """What this side says of itself, with what the receiver is able to."""
        return self._hello

    @property
    def pictures_skipped(self) -> int:
        """How many were due while drawing was behind; from any thread."""
        return self._receiving.pictures_skipped

    def look(self, view: View) -> None:
        """See the head like this from the next picture on; from any thread."""
        self._receiving.look(view)

    def hold(self, hold_s: float) -> None:
        """Show all by so much later than need be, for a voice that is slower; from any thread."""
        self._receiving.hold(hold_s)

    def hear(self, samples: Sound, ticks: float | None, heard_s: float) -> None:
        """Record sound that goes with the pictures: int16 mono at 48 kHz, captured from `ticks` on (continuous as
        theirs; None: not known, and left out), heard at `heard_s` (monotonic seconds)."""
        self._receiving.hear(samples, ticks, heard_s)

    def idle(self, on: bool) -> None:
        """Let the face breathe and blink where no motion comes, as its camera is off; from any thread."""
        self._receiving.idle(on)

    async def run(self, line: Line) -> ReceiverStats:
        """Hold the call over a connected line until either side ends it; return its figures.

        Cancelling ends it cleanly too: the output is completed and the other side told. The line stays
        open for the caller to close.

        Raises ReceiverError (another profile on the other side, an output that fails, the other side that fails, a
        line that broke) with a sentence, and whatever the talker raises; the output is completed all the same.
        """
        self._line = line
        self._receiving.begin(line)
        self._send(self._hello)
        hello_limit = asyncio.get_running_loop().call_later(HELLO_LIMIT_S, self._miss_hello)
        try:
            await self._end.wait()
        finally:
            self.stop()  # where it was cancelled
            hello_limit.cancel()
            try:
                await self._receiving.close()
                # The other side is told first: a long recording takes its time to be completed.
                self._send(_goodbye(self._error))
                await line.drain()
            finally:  # where it was cancelled once more: threads that draw must not outlive the program
                await asyncio.to_thread(self._complete)
        if self._error is not None:
            raise self._error
        stats = self.stats()
        if self._lost is not None:
            if not stats.frames_fresh:
                because = self._lost[:1].lower() + self._lost[1:]
                raise OtherSideError(f"The call ended before a picture was shown: {because}")
            raise OtherSideError(self._lost)
        return stats

    def stop(self) -> None:
        """End the call from this side; on the event loop."""
        self._finish("This side has ended the call.")

    def discard(self) -> None:
        """Remove what the output holds if no call came about; after `run` there is nothing to remove."""
        self._receiving.discard()

    def stats(self) -> ReceiverStats:
        """Return the figures as they stand; may be called at any time."""
        return self._receiving.stats(messages_bad=self._messages_bad, ended=self._ended)

    def on_motion(self, data: bytes) -> None:
        """Take a motion packet as it came."""
        self._receiving.take_motion(data)

    def on_control(self, data: bytes) -> None:
        """Take a control message as it came."""
        try:
            self._handle(decode_control(data))
        except HelloMismatch as mismatch:
            self._fail(ReceiverError(str(mismatch)))
        except BitstreamError:
            self._messages_bad += 1

    def on_closed(self, reason: str) -> None:
        """Take note that the line has ended; `reason` is a sentence."""
        if not self._end.is_set():
            self._lost = reason
        self._finish(reason)

    def _handle(self, message: Message) -> None:
        match message:
            case Hello():
                compare(self._hello, message)
                self._receiving.agree(message)
            case OrderedMotion(packet):
                self.on_motion(packet)
            case PicturePiece() | PictureOffer() | ResidualPiece() if self._receiving.agreed:
                self._receiving.take(message)
            case Goodbye(reason, failed):
                because = f": {reason.rstrip('.')}" if reason else ""
                sentence = f"The other side has ended the call{because}."
                if failed:
                    self._fail(OtherSideError(sentence))
                self._finish(sentence)
            case _:
                pass  # what only a receiver sends, or a picture before the hello

    def _send(self, message: Message) -> None:
        if self._line is not None:
            self._line.send_control(encode_control(message))

    def _miss_hello(self) -> None:
        if not self._receiving.agreed:
            self._fail(
                ReceiverError(
                    f"The other side is connected but has said no hello for {HELLO_LIMIT_S:g} seconds: "
                    "is it Visavis?"
                )
            )

    def _complete(self) -> None:
        """Draw what is left and complete the output (on a thread of its own)."""
        try:
            self._receiving.complete()
        except Exception as error:  # `run` raises it
            self._error = self._error or error

    def _finish(self, reason: str) -> None:
        self._ended = self._ended or reason
        self._end.set()

    def _fail(self, error: Exception) -> None:
        self._error = self._error or error
        self._finish(str(error))


def _goodbye(error: Exception | None) -> Goodbye:
    """Tell the other side why this one ends, as far as that is its business."""
    if error is None or isinstance(error, OtherSideError):
        return Goodbye("")
    if isinstance(error, OutputError):
        return Goodbye("it cannot write its output", failed=True)  # and no word of its folders
    if not isinstance(error, ReceiverError):
        return Goodbye("it failed", failed=True)
    printable = "".join(character for character in str(error) if character.isprintable())
    return Goodbye(printable.encode()[:200].decode(errors="ignore"), failed=True)
