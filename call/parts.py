"""What `visavis call` holds its calls with: the input, both ends, sound, ordinary video and the recorder, made anew for
each call as one follows the other on the same page. Knows no meeting and no phases of a call."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from call import options
from call.ends import Ends, make_sender, remembered
from call.errors import CallError, explain
from call.media import Media
from call.recorder import CallRecorder
from call.session import Notify, Session
from call.sound import Microphone, Samples, SoundLink, Speaker
from call.sound_files import FileMicrophone, Silence
from call.video import VideoLink
from codec.hello import make_hello
from receiver.output import open_output
from receiver.receiver import Receiver
from sender.capture import Input, is_live, open_input
from sender.errors import InputError

if TYPE_CHECKING:
    from call.duplex import Duplex
    from call.screen import OpenPage, Screen
    from receiver.playout import Shown
    from runtime.talker import Picture
    from sender.sender import Sender

ENDLESS_S = 365 * 86_400.0
CAMERA_OFF = "{why} The call begins with the camera off: turn it on as soon as it can be had."


class Parts:
    """Makes the parts of one call after another, of which the newest are in use. Made inside the event loop.

    stack: closes the input of the last call when it is left.
    """

    def __init__(self, wanted: options.Call, ends: Ends, screen: Screen, stack: AsyncExitStack) -> None:
        self._wanted = wanted
        self._ends = ends
        self._screen = screen
        self._is_live = is_live(wanted.input.spec)
        self._input = stack.enter_context(ExitStack())
        self._opened: Input | None = None  # the input of the newest call
        self._calls = 0
        self._outputs: WeakKeyDictionary[Receiver, str] = WeakKeyDictionary()
        self._sound: SoundLink | None = None
        self._recorder: CallRecorder | None = None
        screen.listeners.append(self._on_shown)

    def sender(self, notice: Notify, camera_on: bool) -> tuple[Sender, str | None]:
        """Make the sending end, and say why its camera could not be had; without a page that is an InputError."""
        fault = None
        self._input.close()
        try:
            opened = self._open(rests=not camera_on)
        except InputError as error:
            if self._wanted.headless or not self._is_live:
                raise
            fault = CAMERA_OFF.format(why=error)
            opened = self._open(rests=True)
        self._opened = self._input.enter_context(opened)
        sender = make_sender(
            self._ends,
            opened,
            self._wanted.input,
            hello=make_hello(self._ends.profile, self._ends.motion_format, frame_rate=opened.frame_rate),
            on_frame=self._screen.on_frame,
            on_notice=notice,
            remember=self._wanted.remember,
        )
        return sender, fault

    def receiver(self) -> Receiver:
        """Make the receiving end."""
        assert self._opened is not None, "a call's sender is made before its receiver"
        self._calls += 1
        named = numbered(self._wanted.output, self._calls, overwrite=self._wanted.overwrite)
        receiver = Receiver(
            self._ends.talker,
            self._ends.motion_format,
            hello=make_hello(
                self._ends.profile, self._ends.motion_format, frame_rate=self._opened.frame_rate
            ),
            output=open_output(named, sound=True, overwrite=self._wanted.overwrite),
            on_shown=self._screen.on_shown,
            residual=self._ends.residual,
            remembered=remembered(self._wanted.remember),
        )
        self._outputs[receiver] = named
        return receiver

    def output_of(self, receiver: Receiver) -> str:
        """Name the output that a call's receiver writes to."""
        return self._outputs[receiver]

    def media(self, session: Session, page: OpenPage | None) -> Callable[[Duplex], Media]:
        """Return what makes the rest of a call; without a `page` it is heard and spoken to by files."""
        loop = asyncio.get_running_loop()

        def end_recording(error: Exception) -> None:
            session.notice(explain(error))
            loop.call_soon_threadsafe(session.record, False)

        def on_filmed(picture: Picture) -> None:
            if self._screen.on_filmed(picture):
                recorder.film(picture, time.monotonic())

        self._recorder = recorder = CallRecorder(on_error=end_recording)

        def make(duplex: Duplex) -> Media:
            def on_heard(samples: Samples, ticks: float | None, heard_s: float) -> None:
                duplex.receiver.hear(samples, ticks, heard_s)
                recorder.hear(samples, ticks, heard_s)

            microphone, speaker = self._devices() if page is None else (page.microphone, page.speaker)
            self._sound = sound = SoundLink(
                microphone, speaker, hold_picture=duplex.receiver.hold, on_heard=on_heard
            )
            return Media(sound, VideoLink(on_picture=on_filmed, on_frame=self._screen.on_own), recorder)

        return make

    def _open(self, *, rests: bool) -> Input:
        wanted = self._wanted
        endless = wanted.seconds is not None and wanted.input.repeat_s is None and not self._is_live
        return open_input(
            wanted.input.spec, repeat_s=ENDLESS_S if endless else wanted.input.repeat_s, rests=rests
        )

    def _devices(self) -> tuple[Microphone, Speaker]:
        silence, audio = Silence(), self._wanted.audio
        if audio is None and self._is_live:
            return silence, silence
        try:
            # A clip's frames say when its sound begins; before a camera it begins at once.
            microphone = FileMicrophone(
                Path(audio or self._wanted.input.spec).expanduser(), repeat=True, waits=not self._is_live
            )
        except CallError:
            if audio is not None:
                raise
            return silence, silence  # a clip without sound
        if (clip := self._opened) is not None:
            self._screen.watchers[:] = [begin_with(microphone, lambda: clip.began_s)]
        return microphone, silence

    def _on_shown(self, shown: Shown, picture: Picture, at_s: float) -> None:
        if self._sound is not None:
            self._sound.see(shown, at_s)
        if self._recorder is not None and not self._screen.films:
            self._recorder.show(shown, picture, at_s)


def numbered(output: str, call: int, *, overwrite: bool) -> str:
    """Name the output of a page's calls: the first as it was asked for, the later ones with their number, or the next
    that nothing is there for, since nobody would look after a call that ended by it."""
    if call == 1 or output.partition(":")[0] in ("none", "camera"):
        return output
    path = Path(output)
    later = path.with_stem(f"{path.stem}-{call}")
    while not overwrite and later.exists():
        call += 1
        later = path.with_stem(f"{path.stem}-{call}")
    return f"{later}{'/' if output.endswith('/') else ''}"


def begin_with(microphone: FileMicrophone, began_s: Callable[[], float | None]) -> Callable[[], None]:
    """Return what begins a clip's sound with its pictures, to be told of each frame. A clip that was held up, and goes
    on where it was, takes its sound with it. began_s: says when the clip's time was 0 (`sender.capture.Input`)."""
    begun_s: float | None = None

    def on_frame() -> None:
        nonlocal begun_s
        now_s = began_s()
        if now_s is not None and now_s != begun_s:
            begun_s = now_s
            microphone.begin(now_s)

    return on_frame
