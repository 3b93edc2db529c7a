"""`visavis call`: the two-party call, with a page in the browser or without one."""

from __future__ import annotations

import asyncio
import webbrowser
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from call import console, options
from call.address import parse_address
from call.called import Called, call_figures
from call.ends import Ends, ice_servers, load_ends, make_sender, remembered
from call.errors import CallError, explain
from call.meter import Meter
from call.ringing import Manners
from call.screen import Screen
from call.session import Notify, Session
from call.state import CallState, Invitation

if TYPE_CHECKING:
    from call.sound import Microphone, Samples, Speaker
    from call.sound_files import FileMicrophone
    from receiver.playout import Shown
    from receiver.receiver import Receiver
    from runtime.talker import Picture
    from sender.sender import Sender
    from transport.meeting import Meeting
    from transport.peer import Peer

# What is asked for at once, before the networks are loaded.
NOBODY_TO_ASK = (
    "A call without a page asks nobody: add --yes to send your picture and let the caller in unasked."
)
ENDLESS_S = 365 * 86_400.0


def run(wanted: options.Call, *, as_json: bool) -> None:
    """Hold the call until either side ends it, or Ctrl-C; then print its figures."""
    if wanted.headless and not wanted.yes:
        raise CallError(NOBODY_TO_ASK)
    ends = load_ends(wanted.engine)
    called = asyncio.run(hold(wanted, ends))
    if called.began or called.failure is None:
        figures = call_figures(called, ends)
        if as_json:
            console.print_json(figures)
        elif called.began:
            console.print_figures("Call", figures)
    if called.failure is not None:
        raise called.failure
    if called.interrupted:
        raise KeyboardInterrupt


async def hold(wanted: options.Call, ends: Ends) -> Called:
    """Hold the call; what became of it comes back, its failure included."""
    from call.recorder import CallRecorder
    from call.sound import SoundLink
    from call.sound_files import FileMicrophone, Silence
    from codec.hello import make_hello
    from receiver.output import open_output
    from receiver.receiver import Receiver
    from sender.capture import is_live, open_input
    from transport.peer import Peer, make_certificate

    spec = wanted.input.spec
    endless = wanted.seconds is not None and wanted.input.repeat_s is None and not is_live(spec)
    repeat_s = ENDLESS_S if endless else wanted.input.repeat_s
    async with AsyncExitStack() as stack:
        opened = stack.enter_context(open_input(spec, repeat_s=repeat_s))
        hello = make_hello(ends.profile, ends.motion_format, frame_rate=opened.frame_rate)
        meeting, certificate, screen = make_meeting(wanted.way), make_certificate(), Screen()

        def sender(notice: Notify) -> Sender:
            return make_sender(
                ends,
                opened,
                wanted.input,
                hello=hello,
                on_frame=screen.on_frame,
                on_notice=notice,
                remember=wanted.remember,
            )

        def receiver(notice: Notify) -> Receiver:
            return Receiver(
                ends.talker,
                ends.motion_format,
                hello=hello,
                output=open_output(wanted.output, sound=True),
                on_shown=screen.on_shown,
                on_notice=notice,
                residual=ends.residual,
                remembered=remembered(wanted.remember),
            )

        def peer(**more: Any) -> Peer:
            return Peer(ice_servers=ice_servers(wanted.ice), certificate=certificate, **more)

        session = Session(
            meeting,
            make_sender=sender,
            make_receiver=receiver,
            make_peer=peer,
            manners=make_manners(wanted),
            on_state=lambda state: _follow(state, wanted, session, screen),
            on_preview=screen.on_preview,
            on_notice=console.say,
            invitation=lambda: invitation_of(wanted.way, meeting),
        )
        microphone: Microphone
        speaker: Speaker
        if wanted.headless:
            microphone = speaker = Silence()
            if wanted.audio is not None:
                # A clip's frames say when its sound begins; before a camera it begins at once.
                microphone = FileMicrophone(Path(wanted.audio), repeat=True, waits=not is_live(spec))
                if not is_live(spec):
                    screen.watchers.append(begin_with(microphone, opened.frame_rate))
        else:
            page = await screen.open_page(session, stack)
            microphone, speaker = page.microphone, page.speaker
            console.say(f"The call's page: {page.address}")
            if wanted.browser:
                await asyncio.to_thread(webbrowser.open, page.address)
        loop = asyncio.get_running_loop()

        def end_recording(error: Exception) -> None:
            session.notice(explain(error))
            loop.call_soon_threadsafe(session.record, False)

        recorder = CallRecorder(on_error=end_recording)

        def on_heard(samples: Samples, ticks: float | None) -> None:
            session.duplex.receiver.hear(samples, ticks)
            recorder.hear(samples, ticks)

        def on_shown(shown: Shown, picture: Picture, at_s: float) -> None:
            sound.see(shown, at_s)
            recorder.show(shown, picture, at_s)

        sound = SoundLink(microphone, speaker, hold_picture=session.duplex.receiver.hold, on_heard=on_heard)
        screen.listeners.append(on_shown)
        session.use(sound=sound, recorder=recorder)
        if wanted.input.limit_bps is not None:
            session.limit(wanted.input.limit_bps / 1000)
        meter, failure, interrupted = Meter(), None, False
        try:
            await session.run()
        except asyncio.CancelledError:
            interrupted = True
        except Exception as error:
            failure = error
        return Called(
            session, sound.stats(), meter.read(), wanted.output, failure, interrupted, screen.talked_s
        )


def make_meeting(way: options.Invited | options.Listening | options.Room) -> Meeting:
    """Make the way to the other side; raises CallError or TransportError where it is wrongly named."""
    from transport.meeting import DirectGuest, DirectHost
    from transport.rooms import RoomMeeting

    match way:
        case options.Invited(address, code):
            return DirectGuest(str(parse_address(address)), code)
        case options.Listening(at, code):
            listen = parse_address(at)
            return DirectHost(listen.host, listen.port, code=code)
        case options.Room(server, name, code):
            return RoomMeeting(server, name, code)


def make_manners(wanted: options.Call) -> Manners:
    """Say what is not asked: who comes to somebody else lets that side in, of course."""
    comes = not isinstance(wanted.way, options.Listening) and wanted.way.code is not None
    return Manners(
        asks=not wanted.headless,
        sends_picture=wanted.yes,
        lets_in=wanted.yes or comes,
        takes_foreign=wanted.takes_foreign,
        foreign=wanted.input.source not in ("first", "chosen"),
    )


def invitation_of(way: options.Invited | options.Listening | options.Room, meeting: Any) -> Invitation | None:
    """Say what the other side types; None where that side has invited."""
    match way:
        case options.Listening():
            command = f"visavis call {meeting.address} {meeting.code}"
        case options.Room(server, name, None):
            command = f"visavis call --server {server} --room {name} --code {meeting.code}"
        case _:
            return None
    return Invitation(meeting.address, meeting.code, command)


def begin_with(microphone: FileMicrophone, frame_rate: float) -> Callable[[int, float], None]:
    """Return what begins a clip's sound with its pictures, to be told of its frames: their number from 0, and when they
    were captured (monotonic seconds)."""
    begun = False

    def on_frame(index: int, captured_s: float) -> None:
        nonlocal begun
        if not begun:
            begun = True
            microphone.begin(captured_s - index / frame_rate)

    return on_frame


def _follow(state: CallState, wanted: options.Call, session: Session, screen: Screen) -> None:
    """Tell the person at the terminal what has changed, show it on the page, and end the call in time."""
    before, began = screen.state, screen.talked_s > 0
    screen.show(state)
    if before is None or before.sentence != state.sentence:
        console.say(state.sentence)
    if state.invitation is not None and (before is None or before.invitation is None):
        console.say("On the other side, type:")
        console.say(f"  {state.invitation.command}")
        if console.errors.is_terminal:
            from call.qr import terminal_qr

            console.say(terminal_qr(state.invitation.command))
    if state.safety_words and (before is None or not before.safety_words):
        console.say(f"Safety words, the same on both sides: {' '.join(state.safety_words)}")
    if state.phase == "connected" and not began and wanted.seconds is not None:
        asyncio.get_running_loop().call_later(wanted.seconds, session.hang_up)
