"""`visavis call`: the two-party call, with a page in the browser or without one."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from call import console, options, running
from call.address import parse_address
from call.called import IN_SHORT, Called, call_figures
from call.ends import Ends, ice_servers, load_ends, naming
from call.errors import explain
from call.meter import Meter
from call.quiet import keep_quiet
from call.ringing import Manners, clean_name
from call.screen import Screen, open_browser
from call.session import Session
from call.state import CallState, Invitation
from call.ways import way_out

if TYPE_CHECKING:
    from transport.description import IceServer
    from transport.meeting import Meeting
    from transport.peer import Peer

NOT_WRITTEN = "The other side sends ordinary video now; only its redrawn face goes to the output."
WORDS = "Safety words, the same on both sides: "


def run(wanted: options.Call, *, as_json: bool, verbose: bool = False) -> None:
    """Hold the call until either side ends it, or Ctrl-C; then print its figures."""
    # Who named a wrong one of these is told at once.
    meeting, servers = make_meeting(wanted.way), ice_servers(wanted.ice)
    with way_out(wanted.output, overwrite=wanted.overwrite):
        pass  # each call on the page opens its own
    ends = load_ends(wanted.engine)
    called = running.run(hold(wanted, ends, meeting, servers))
    if called.began or called.failure is None:
        figures = call_figures(called, ends)
        if as_json:
            console.print_json(figures)
        elif called.began:
            console.print_figures("Call", figures, None if verbose else IN_SHORT, words=IN_SHORT)
    if called.failure is not None:
        raise called.failure
    if called.interrupted:
        raise KeyboardInterrupt


async def hold(wanted: options.Call, ends: Ends, meeting: Meeting, servers: list[IceServer]) -> Called:
    """Hold the call, met by `meeting`; what became of it comes back, its failure included."""
    from call.parts import Parts
    from transport.certificate import make_certificate
    from transport.peer import Peer

    async with AsyncExitStack() as stack:
        certificate, screen = make_certificate(), Screen()
        parts = Parts(wanted, ends, screen, stack)

        def peer(**more: Any) -> Peer:
            return Peer(ice_servers=servers, certificate=certificate, **more)

        session = Session(
            meeting,
            make_sender=parts.sender,
            make_receiver=parts.receiver,
            make_peer=peer,
            manners=make_manners(wanted),
            on_state=lambda state: _follow(state, wanted, session, screen),
            on_preview=screen.on_preview,
            on_notice=console.say,
            invitation=lambda: invitation_of(wanted.way, meeting, ends.profile.name),
        )
        keep_quiet(asyncio.get_running_loop(), lambda error: session.notice(explain(error)))
        page = None if wanted.headless else await screen.open_page(session, stack)
        session.use(parts.media(session, page))
        if wanted.input.limit_bps is not None:
            session.limit(wanted.input.limit_bps / 1000)
        if wanted.thrifty:
            session.thrifty(True)
        if page is not None:
            console.say(f"The call's page: {page.address}")
            if wanted.browser:
                open_browser(page.address)
        meter, failure, interrupted = Meter(), None, False
        try:
            await session.run()
        except asyncio.CancelledError:
            interrupted = True
        except Exception as error:
            failure = error
        output = parts.output_of(session.newest.duplex.receiver)
        return Called(session, meter.read(), output, failure, interrupted)


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
        name=clean_name(wanted.name),
    )


def invitation_of(
    way: options.Invited | options.Listening | options.Room, meeting: Any, profile: str
) -> Invitation | None:
    """Say what the other side types for the same profile; None where that side has invited, and has not been away for
    long."""
    match way:
        case options.Listening():
            command = f"visavis call {meeting.address} {meeting.code}"
        case options.Room(server, name) if meeting.invites:
            command = f"visavis call --server {server} --room {name} --code {meeting.code}"
        case _:
            return None
    return Invitation(meeting.address, meeting.code, command + naming(profile))


def _follow(state: CallState, wanted: options.Call, session: Session, screen: Screen) -> None:
    """Tell the person at the terminal what has changed, show it on the page, and end the call in time."""
    before, began = screen.state, screen.talked_s > 0
    screen.show(state)
    # How a call failed is told at its end, as every command tells it.
    if state.phase != "failed" and (before is None or before.sentence != state.sentence):
        console.say(state.sentence)
    if state.invitation is not None and (before is None or before.invitation != state.invitation):
        console.say("On the other side, type:")
        console.say(f"  {state.invitation.command}")
        if console.errors.is_terminal:
            from call.qr import terminal_qr

            console.say(terminal_qr(state.invitation.command))
    if state.safety_words and (before is None or not before.safety_words):
        console.say(WORDS + " ".join(state.safety_words))
    if (
        state.their_ordinary_video
        and wanted.output != "none"
        and not (before and before.their_ordinary_video)
    ):
        session.notice(NOT_WRITTEN)
    if state.phase == "connected" and not began and wanted.seconds is not None:
        asyncio.get_running_loop().call_later(wanted.seconds, session.hang_up)
