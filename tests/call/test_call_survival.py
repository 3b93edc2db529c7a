"""What real people do to a call: wrong codes, other versions, a process that is killed, a cable that is pulled, a
server that is started anew. Over real sockets, each side with its own meeting."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path
from typing import Any

import aiohttp
import pytest

import call.encounter
import call.link
from call.consent import CAMERA_COMES
from call.encounter import LEFT, SILENCE_S, UNKNOWN, Newcomer
from call.ends import Ends
from call.errors import CallError
from call.film import read_film
from call.link import RETURN_LIMITS_S
from call.ringing import KNOCK, Manners
from call.session import CONSENT_ANEW, NEW_CODE, Notify
from call.state import CallState, Invitation
from codec.hello import HelloMismatch
from sender.capture import LiveInput
from sender.errors import InputError
from sender.sender import Sender
from tests.call.session_sides import Side, until
from tests.patience import PATIENCE_S
from transport import listening
from transport.description import Description
from transport.guests import MAX_WRONG_CODES
from transport.meeting import DirectGuest, DirectHost, Meeting
from transport.peer import Peer
from transport.rooms import RoomMeeting
from transport.serve import RoomServer
from transport.wire import Wire

pytestmark = pytest.mark.usefixtures("patient")

LETS_IN_WHO_IS_SEEN = Manners(asks=True, sends_picture=True)


class Cable:
    """All UDP of this process: pull it, and nothing arrives any more."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.is_pulled = False
        count = Wire._count

        def through(wire: Wire, protocol: Any) -> None:
            count(wire, protocol)
            deliver = protocol.datagram_received
            protocol.datagram_received = lambda data, address: self.is_pulled or deliver(data, address)

        monkeypatch.setattr(Wire, "_count", through)

    @property
    def is_pulled(self) -> bool:
        return self._is_pulled

    @is_pulled.setter
    def is_pulled(self, on: bool) -> None:
        self._is_pulled = on
        # While nothing is pulled, a silence is this machine's, which may be slow and busy.
        self._monkeypatch.setattr(call.encounter, "SILENCE_S", SILENCE_S if on else PATIENCE_S)


class Limits:
    """How long each try to come back may take: as long as it takes, once the cable is plugged in again."""

    def __init__(self, cable: Cable) -> None:
        self._cable = cable

    def __getitem__(self, place: int) -> float:
        return RETURN_LIMITS_S[place]

    def __iter__(self) -> Iterator[float]:
        for limit_s in cycle(RETURN_LIMITS_S):
            yield limit_s if self._cable.is_pulled else PATIENCE_S


class Pipe:
    """Stands for a side that listens, and passes on what is said to it as long as it is not pulled."""

    def __init__(self, address: str) -> None:
        self._host, _, self._port = address.rpartition(":")
        self._passes = asyncio.Event()
        self._passes.set()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> str:
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def pull(self, on: bool) -> None:
        (self._passes.clear if on else self._passes.set)()

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._host, int(self._port))
        for source, target in ((reader, back), (there, writer)):
            task = asyncio.create_task(self._pass_on(source, target))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65_536):
            await self._passes.wait()
            target.write(data)
        target.close()


class House:
    """Makes sides and ends them."""

    def __init__(self, ends: Ends, clip: Path, stack: ExitStack) -> None:
        self._ends, self._clip, self._stack = ends, clip, stack
        self._sides: list[Side] = []

    def side(self, meeting: Meeting, **more: Any) -> Side:
        if "invitation" not in more:
            more["invitation"] = lambda: invitation_of(meeting)
        self._sides.append(Side(self._ends, meeting, self._clip, self._stack, **more))
        return self._sides[-1]

    async def end(self) -> None:
        for side in self._sides:
            side.session.hang_up()
        await asyncio.gather(*(side.running for side in self._sides), return_exceptions=True)


def invitation_of(meeting: Any) -> Invitation | None:
    if isinstance(meeting, DirectGuest) or (isinstance(meeting, RoomMeeting) and not meeting.invites):
        return None
    return Invitation(meeting.address, meeting.code, f"visavis call {meeting.address} {meeting.code}")


@pytest.fixture
async def house(ends: Ends, face_clip: Path) -> AsyncIterator[House]:
    with ExitStack() as stack:
        house = House(ends, face_clip, stack)
        yield house
        await house.end()


async def connected(*sides: Side) -> None:
    """Wait until all of them are, at once: where a line has just come back, one side may ask the other for another."""

    def are_all(state: CallState) -> bool:
        return all(side.session.state.phase == "connected" for side in sides)

    await asyncio.gather(*(side.until(are_all) for side in sides))


async def test_a_host_waits_on_whoever_comes_before_the_right_guest(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "WRONG_CODE_S", 0.0)
    meeting = DirectHost("127.0.0.1", 0)
    host = house.side(meeting, manners=LETS_IN_WHO_IS_SEEN)
    await host.until(lambda state: state.phase == "waiting")
    first = meeting.code

    async with aiohttp.ClientSession() as session:
        for guess in range(MAX_WRONG_CODES):
            headers = {"Authorization": f"Bearer {guess}"}
            async with session.post(f"http://{meeting.address}/offer", headers=headers) as reply:
                assert reply.status == 403
    await host.until(lambda state: state.invitation is not None and state.invitation.code != first)
    await host.until(lambda state: any("Too many wrong codes" in notice for notice in state.notices))

    second = meeting.code
    other_profile = house.side(DirectGuest(meeting.address, second), profile="another")
    with pytest.raises((HelloMismatch, CallError), match="profile"):
        await other_profile.running
    await host.until(lambda state: any("--profile" in notice for notice in state.notices))
    await host.until(lambda state: state.phase == "waiting")
    assert meeting.code == second

    declined = house.side(DirectGuest(meeting.address, second))
    await host.until(lambda state: state.phase == "ringing")
    assert host.session.state.sentence == KNOCK
    host.session.accept(False)
    await declined.running
    assert declined.session.state.sentence == "The other side has declined the call."
    await host.until(lambda state: state.phase == "waiting" and NEW_CODE in state.notices)
    assert meeting.code != second

    guest = house.side(DirectGuest(meeting.address, meeting.code))
    await host.until(lambda state: state.phase == "ringing")
    host.session.accept(True)
    await connected(host, guest)
    await asyncio.gather(host.shows("fresh"), guest.shows("fresh"))
    await host.until(lambda state: state.safety_words == guest.session.state.safety_words != ())


async def test_a_guest_that_was_killed_comes_back_with_the_same_code_to_another_call_on_the_same_page(
    house: House,
) -> None:
    meeting = DirectHost("127.0.0.1", 0)
    host = house.side(meeting, manners=Manners())
    await host.until(lambda state: state.phase == "consent")
    host.session.agree(True)
    code = meeting.code
    guest = house.side(DirectGuest(meeting.address, code))
    await host.until(lambda state: state.phase == "ringing")
    host.session.accept(True)
    await connected(host, guest)
    await host.until(lambda state: len(state.safety_words) == 4)
    words = host.session.state.safety_words
    guest.session.say("I am about to be killed.")
    await host.until(lambda state: bool(state.chat))
    host.session.mute(True)

    await guest.kill()
    await host.until(lambda state: state.phase == "reconnecting")
    anew = house.side(DirectGuest(meeting.address, code))
    await host.until(lambda state: state.phase == "consent")
    assert host.session.state.sentence == CONSENT_ANEW
    assert host.session.state.safety_words != words
    assert host.session.state.chat == ()
    assert host.session.duplex.sender.stats.source_bytes == 0
    host.session.agree(True)
    await host.until(lambda state: state.phase == "ringing")
    host.session.accept(True)
    await connected(host, anew)
    await asyncio.gather(host.shows("fresh"), anew.shows("fresh"))
    await host.until(lambda state: state.safety_words == anew.session.state.safety_words != ())
    assert host.session.state.safety_words != words
    assert host.session.state.muted
    await anew.until(lambda state: state.their_muted)


async def test_who_comes_anew_as_the_host_hangs_up_is_told(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    meeting = DirectHost("127.0.0.1", 0)
    host = house.side(meeting)
    await host.until(lambda state: state.phase == "waiting")
    guest = house.side(DirectGuest(meeting.address, meeting.code))
    await connected(host, guest)
    begin_again, came = host.session._begin_again, []

    async def hang_up_just_then(newcomer: Newcomer) -> None:
        came.append(newcomer[0].peer)
        host.session.hang_up()
        await begin_again(newcomer)

    monkeypatch.setattr(host.session, "_begin_again", hang_up_just_then)
    await guest.kill()
    anew = house.side(DirectGuest(meeting.address, meeting.code))
    await host.running
    assert not came[0].is_open
    await anew.running
    assert anew.session.state.sentence == LEFT


async def test_while_the_camera_of_a_later_call_is_opened_everything_else_goes_on(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    meeting = DirectHost("127.0.0.1", 0)
    host = house.side(meeting)
    await host.until(lambda state: state.phase == "waiting")
    guest = house.side(DirectGuest(meeting.address, meeting.code))
    await connected(host, guest)
    loop, make_sender = asyncio.get_running_loop(), host.session._make_sender
    opens, may_open = asyncio.Event(), threading.Event()

    def make_slowly(notice: Notify, camera_on: bool) -> tuple[Sender, str | None]:
        assert threading.current_thread() is not threading.main_thread()
        loop.call_soon_threadsafe(opens.set)
        assert may_open.wait(PATIENCE_S)
        return make_sender(notice, camera_on)

    monkeypatch.setattr(host.session, "_make_sender", make_slowly)
    await guest.kill()
    anew = house.side(DirectGuest(meeting.address, meeting.code))
    async with asyncio.timeout(PATIENCE_S):
        await opens.wait()
    host.session.hang_up()
    await asyncio.sleep(0.1)
    assert not host.running.done(), "nobody would close the camera"
    may_open.set()
    await host.running
    await anew.running
    assert anew.session.state.sentence == LEFT


async def test_a_guest_who_was_just_being_answered_as_its_host_began_anew_is_answered_by_the_next_peer() -> (
    None
):
    class Hesitating(Peer):
        """Answers when it is told to."""

        async def accept(self, offer: Description) -> Description:
            asked.set()
            await told.wait()
            return await super().accept(offer)

    asked, told = asyncio.Event(), asyncio.Event()
    nothing = {name: lambda _: None for name in ("on_motion", "on_control", "on_closed")}
    first, second, coming = Hesitating(**nothing), Peer(**nothing), Peer(**nothing)
    host = DirectHost("127.0.0.1", 0)
    await host.open()
    waiting = asyncio.create_task(host.meet(first))
    meeting = asyncio.create_task(DirectGuest(host.address, host.code).meet(coming))
    await asked.wait()
    waiting.cancel()
    await asyncio.wait({waiting})
    await first.close()
    told.set()
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(host.meet(second), meeting)
    await asyncio.gather(*(peer.connected(PATIENCE_S) for peer in (second, coming)))
    await asyncio.gather(second.close(), coming.close())
    await host.close()


async def test_after_a_while_alone_a_host_shows_a_new_code_and_the_old_guest_still_finds_back(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call.encounter, "ALONE_S", 0.5)
    cable = Cable(monkeypatch)
    meeting = DirectHost("127.0.0.1", 0)
    host = house.side(meeting)
    await host.until(lambda state: state.phase == "waiting")
    code = meeting.code
    guest = house.side(DirectGuest(meeting.address, code))
    await connected(host, guest)
    await host.until(lambda state: len(state.safety_words) == 4)
    words = host.session.state.safety_words

    cable.is_pulled = True
    await host.until(lambda state: state.invitation is not None)
    invitation = host.session.state.invitation
    assert invitation is not None
    assert invitation.code != code
    assert host.session.state.phase == "reconnecting"
    assert invitation.code in host.session.state.sentence
    cable.is_pulled = False
    await connected(host, guest)
    assert host.session.state.invitation is None
    assert host.session.state.safety_words == guest.session.state.safety_words == words

    await guest.kill()
    await host.until(lambda state: state.invitation is not None)
    monkeypatch.setattr(meeting._server.guests, "_was_started_anew", lambda code, address: False)
    from_elsewhere = house.side(DirectGuest(meeting.address, meeting.code))
    await connected(host, from_elsewhere)


async def test_a_host_that_was_started_anew_is_met_in_another_call_or_told_from_one_with_another_code(
    house: House,
) -> None:
    meeting = DirectHost("127.0.0.1", 0, code="SAMECODE")
    host = house.side(meeting)
    await host.until(lambda state: state.phase == "waiting")
    port = int(meeting.address.rpartition(":")[2])
    guest = house.side(DirectGuest(meeting.address, "SAMECODE"))
    await connected(host, guest)
    await guest.until(lambda state: len(state.safety_words) == 4)
    words = guest.session.state.safety_words
    await host.kill()
    again = house.side(DirectHost("127.0.0.1", port, code="SAMECODE"))
    await connected(again, guest)
    await guest.until(lambda state: state.safety_words not in ((), words))
    await again.kill()
    house.side(DirectHost("127.0.0.1", port, code="OTHER"))
    await guest.running
    assert guest.session.state.phase == "ended"
    assert guest.session.state.sentence == UNKNOWN


async def test_a_line_that_returns_is_found_by_one_of_the_next_two_tries_with_the_same_safety_words(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call.link, "OLD_KEPT_S", 0.5)  # the old connection is no help
    tries = 0
    return_once = call.link._return

    async def counted(*given: Any) -> Any:
        nonlocal tries
        tries += 1
        return await return_once(*given)

    monkeypatch.setattr(call.link, "_return", counted)
    cable = Cable(monkeypatch)
    monkeypatch.setattr(call.link, "RETURN_LIMITS_S", Limits(cable))
    meeting = DirectHost("127.0.0.1", 0)
    host = house.side(meeting)
    await host.until(lambda state: state.phase == "waiting")
    pipe = Pipe(meeting.address)
    guest = house.side(DirectGuest(await pipe.open(), meeting.code))
    await connected(host, guest)
    await host.until(lambda state: len(state.safety_words) == 4)
    words = host.session.state.safety_words
    cable.is_pulled = True
    pipe.pull(True)
    for side in (host, guest):
        await side.until(lambda state: state.phase == "reconnecting")
    await until(lambda: tries >= 4)  # of both sides
    cable.is_pulled = False
    pipe.pull(False)
    before = tries
    await connected(host, guest)
    assert tries - before <= 2 * 2
    await asyncio.gather(host.shows("fresh"), guest.shows("fresh"))
    assert host.session.state.safety_words == guest.session.state.safety_words == words
    await house.end()
    await pipe.close()


@pytest.mark.parametrize("server_too", [False, True], ids=["the line", "the line and the server"])
async def test_a_call_in_a_room_outlives_a_cut_line(
    house: House, server_too: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    cable = Cable(monkeypatch)
    server = RoomServer()
    await server.start("127.0.0.1", 0)
    port = int(server.address.rpartition(":")[2])
    meeting = RoomMeeting(server.address, "den")
    host = house.side(meeting)
    await host.until(lambda state: state.phase == "waiting")
    guest = house.side(RoomMeeting(server.address, "den", meeting.code))
    await connected(host, guest)
    await host.until(lambda state: len(state.safety_words) == 4)
    words = host.session.state.safety_words
    try:
        cable.is_pulled = True
        for side in (host, guest):
            await side.until(lambda state: state.phase == "reconnecting")
        old = host.session._encounter._link
        assert old is not None
        await old.peer.close()  # so that only a new connection helps
        if server_too:
            await server.close()
            server = RoomServer()
            await server.start("127.0.0.1", port)
        host.session.say("Still there?")
        cable.is_pulled = False
        await connected(host, guest)
        await guest.until(lambda state: bool(state.chat))
        await asyncio.gather(host.shows("fresh"), guest.shows("fresh"))
        assert host.session.state.safety_words == guest.session.state.safety_words == words
        assert host.session.newest.reconnects >= 1
    finally:
        await house.end()
        await server.close()


async def test_who_opened_a_room_waits_on_where_a_guest_cannot_be_let_in(house: House) -> None:
    server = RoomServer()
    await server.start("127.0.0.1", 0)
    try:
        meeting = RoomMeeting(server.address, "den")
        host = house.side(meeting)
        await host.until(lambda state: state.phase == "waiting")
        code = meeting.code
        other_profile = house.side(RoomMeeting(server.address, "den", code), profile="another")
        with pytest.raises((HelloMismatch, CallError), match="profile"):
            await other_profile.running
        await host.until(lambda state: state.phase == "waiting" and bool(state.notices))
        assert meeting.code == code
        guest = house.side(RoomMeeting(server.address, "den", code))
        await connected(host, guest)
        await house.end()
    finally:
        await server.close()


@pytest.mark.parametrize("killed", ["host", "guest"])
async def test_a_side_of_a_room_that_was_killed_comes_in_again_as_it_came_first(
    house: House, killed: str
) -> None:
    server = RoomServer()
    await server.start("127.0.0.1", 0)
    try:
        meeting = RoomMeeting(server.address, "den")
        host = house.side(meeting)
        await host.until(lambda state: state.phase == "waiting")
        code = meeting.code
        guest = house.side(RoomMeeting(server.address, "den", code))
        await connected(host, guest)
        gone, stays = (host, guest) if killed == "host" else (guest, host)
        await gone.kill()
        await stays.until(lambda state: state.phase == "reconnecting")
        await until(lambda: any(member.wants_to_meet for member in server._lobby._rooms["den"].members))
        again = house.side(RoomMeeting(server.address, "den", None if killed == "host" else code))
        await connected(stays, again)
        await asyncio.gather(stays.shows("fresh"), again.shows("fresh"))
        await house.end()
    finally:
        await server.close()


async def test_the_figures_of_a_call_that_ends_while_its_line_is_lost_know_of_that(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    cable = Cable(monkeypatch)
    meeting = DirectHost("127.0.0.1", 0)
    host = house.side(meeting)
    await host.until(lambda state: state.phase == "waiting")
    guest = house.side(DirectGuest(meeting.address, meeting.code))
    await connected(host, guest)
    await host.shows("fresh")  # so that something was heard since the call began
    cable.is_pulled = True
    await host.until(lambda state: state.phase == "reconnecting")
    assert host.session.state.figures.sent_kbps is None
    host.session.hang_up()
    await host.running
    held = host.session.newest
    assert (held.outages, held.reconnects) == (1, 0)
    assert 1.0 < held.longest_outage_s < held.seconds
    before_s = held.longest_outage_s
    await asyncio.sleep(0.05)
    assert held.longest_outage_s == before_s


class Webcam:
    """A camera before which a clip is played over and over."""

    frame_rate = 25.0

    def __init__(self, clip: Path) -> None:
        self._pictures = cycle(list(read_film(clip)))
        self.is_unplugged = False

    def read(self) -> Any:
        if self.is_unplugged:
            raise InputError("The camera was disconnected.")
        time.sleep(1 / self.frame_rate)
        return next(self._pictures)

    def close(self) -> None:
        pass


async def test_a_call_begins_without_a_camera_and_goes_on_with_one(house: House, face_clip: Path) -> None:
    others = ["The camera is in use by another program."]
    cameras: list[Webcam] = []

    def open_camera() -> Webcam:
        if others:
            raise InputError(others[0])
        cameras.append(Webcam(face_clip))
        return cameras[-1]

    meeting = DirectHost("127.0.0.1", 0)
    camera = LiveInput("camera", open_camera, rests=True)
    host = house.side(meeting, opened=camera, fault="There is no camera. Turn it on later.")
    await host.until(lambda state: state.phase == "waiting")
    assert not host.session.state.camera_on
    await host.until(lambda state: state.notices == ("There is no camera. Turn it on later.",))
    host.session.camera(True)
    await host.until(lambda state: others[0] in state.notices and not state.camera_on)

    guest = house.side(DirectGuest(meeting.address, meeting.code))
    await connected(host, guest)
    await guest.until(lambda state: not state.their_camera_on)
    await host.shows("fresh")
    assert host.previews == []
    assert guest.session.duplex.receiver.stats().pictures_received == 0
    host.session.camera(True)
    await host.until(lambda state: state.notices.count(others[0]) == 2 and not state.camera_on)

    others.clear()
    host.session.camera(True)
    await guest.until(lambda state: state.their_camera_on)
    await guest.shows("fresh")
    assert len(host.previews) == 1

    cameras[-1].is_unplugged = True
    await host.until(lambda state: "The camera was disconnected." in state.notices and not state.camera_on)
    await guest.until(lambda state: not state.their_camera_on)
    host.session.camera(True)
    await guest.until(lambda state: state.their_camera_on)
    await guest.shows("fresh")


async def test_a_camera_that_gives_no_picture_does_not_keep_the_call_from_waiting(
    house: House, face_clip: Path
) -> None:
    camera = Webcam(face_clip)
    camera.is_unplugged = True
    host = house.side(DirectHost("127.0.0.1", 0), opened=LiveInput("camera", lambda: camera))
    await host.until(lambda state: state.phase == "waiting")
    assert not host.session.state.camera_on
    await host.told("The camera was disconnected.")
    camera.is_unplugged = False
    host.session.camera(True)
    await host.told(CAMERA_COMES)
