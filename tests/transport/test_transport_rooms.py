"""The signalling server and its client over real sockets: meeting, coming back, and what strangers get."""

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import aiohttp
import pytest
from transport_sides import Side, held_port, until

from tests.patience import PATIENCE_S
from tests.virtual_time import in_virtual_time
from transport import limits, room_line
from transport import rooms as rooms_module
from transport import serve as serve_module
from transport.certificate import make_certificate
from transport.errors import LeftError, TransportError
from transport.meeting import Meeting
from transport.room_messages import MAX_MESSAGE_BYTES, Enter, Entered, Meet, Refused, Tell, read, write
from transport.rooms import RoomMeeting
from transport.serve import RoomServer

MakeSide = Callable[[str], Side]
Room = Callable[..., RoomMeeting]


@pytest.fixture
async def server() -> AsyncIterator[RoomServer]:
    server = RoomServer()
    await server.start("127.0.0.1", 0)
    yield server
    await server.close()


@pytest.fixture
async def side() -> AsyncIterator[MakeSide]:
    """Makes peers; those of one name have the same certificate."""
    certificates = {name: make_certificate() for name in ("host", "guest", "stranger", "stays", "again")}
    made: list[Side] = []

    def make(name: str) -> Side:
        made.append(Side(certificates[name]))
        return made[-1]

    yield make
    for one in made:
        await one.peer.close()


@pytest.fixture
async def room() -> AsyncIterator[Room]:
    """Makes meetings, and leaves their rooms in the end."""
    made: list[RoomMeeting] = []

    def make(server: RoomServer | str, name: str = "den", code: str | None = None) -> RoomMeeting:
        made.append(RoomMeeting(server if isinstance(server, str) else server.address, name, code))
        return made[-1]

    yield make
    for one in made:
        await one.close()


@pytest.fixture
def port() -> Iterator[int]:
    """A port that a server finds free when it is started anew."""
    with held_port() as port:
        yield port


async def enter(server: RoomServer, room: Room) -> tuple[RoomMeeting, RoomMeeting]:
    """Let two sides into a room; the first opens it."""
    host = room(server)
    await host.open()
    guest = room(server, code=f" {host.code.lower()}")
    await guest.open()
    return host, guest


async def meet(one: tuple[Meeting, Side], other: tuple[Meeting, Side]) -> None:
    await asyncio.gather(one[0].meet(one[1].peer), other[0].meet(other[1].peer))
    await asyncio.gather(one[1].peer.connected(PATIENCE_S), other[1].peer.connected(PATIENCE_S))


async def test_two_sides_meet_in_a_room(server: RoomServer, side: MakeSide, room: Room) -> None:
    host, guest = await enter(server, room)
    one, other = side("host"), side("guest")
    await meet((host, one), (guest, other))
    one.peer.send_control(b"hello")
    await until(lambda: other.controls == [b"hello"])
    counts = server.counts()
    assert (counts.rooms, counts.peers, counts.meetings, counts.refused) == (1, 2, 1, 0)


async def test_after_a_lost_line_either_side_wakes_the_other_and_they_meet_again(
    server: RoomServer, side: MakeSide, room: Room
) -> None:
    host, guest = await enter(server, room)
    await meet((host, side("host")), (guest, side("guest")))
    for first, second in (("host", "guest"), ("guest", "host")):
        meetings = {"host": host, "guest": guest}
        one, other = side(first), side(second)
        returning = asyncio.create_task(meetings[first].meet(one.peer))
        await asyncio.wait_for(meetings[second].knocked(), PATIENCE_S)
        await meetings[second].meet(other.peer)
        await returning
        await asyncio.gather(one.peer.connected(PATIENCE_S), other.peer.connected(PATIENCE_S))
    assert server.counts().meetings == 3


async def test_a_try_that_was_given_up_does_not_stand_in_the_way_of_the_next(
    server: RoomServer, side: MakeSide, room: Room
) -> None:
    host, guest = await enter(server, room)
    for _ in range(2):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(guest.meet(side("guest").peer), 0.1)
    waiting = asyncio.create_task(host.meet(side("host").peer))
    await asyncio.sleep(0.05)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await meet((host, side("host")), (guest, side("guest")))


async def test_a_side_that_begins_again_interrupts_the_other_in_the_middle(
    server: RoomServer, side: MakeSide, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, guest = await enter(server, room)
    stuck = side("guest")
    monkeypatch.setattr(stuck.peer, "create_offer", asyncio.Event().wait)
    answering = asyncio.create_task(host.meet(side("host").peer))
    offering = asyncio.create_task(guest.meet(stuck.peer))
    await until(lambda: server.counts().meetings == 1)
    offering.cancel()
    again, anew = side("guest"), side("host")
    returning = asyncio.create_task(guest.meet(again.peer))
    with pytest.raises(TransportError, match="was interrupted"):
        await answering
    await host.meet(anew.peer)
    await returning
    await asyncio.gather(again.peer.connected(PATIENCE_S), anew.peer.connected(PATIENCE_S))


async def test_a_server_that_was_started_anew_is_found_again_by_both(
    side: MakeSide, room: Room, port: int
) -> None:
    server = RoomServer()
    await server.start("127.0.0.1", port)
    host, guest = await enter(server, room)
    await meet((host, side("host")), (guest, side("guest")))
    listening = [asyncio.create_task(one.knocked()) for one in (host, guest)]
    await server.close()
    server = RoomServer()
    await server.start("127.0.0.1", port)
    try:
        await until(lambda: server.counts().peers == 2)
        for task in listening:
            task.cancel()
        await meet((host, side("host")), (guest, side("guest")))
    finally:
        await server.close()


async def test_a_host_that_waits_outlives_a_server_that_was_started_anew(
    side: MakeSide, room: Room, port: int
) -> None:
    server = RoomServer()
    await server.start("127.0.0.1", port)
    host = room(server)
    await host.open()
    one, other = side("host"), side("guest")
    waiting = asyncio.create_task(host.meet(one.peer))
    await server.close()
    server = RoomServer()
    await server.start("127.0.0.1", port)
    try:
        await until(lambda: server.counts().rooms == 1)
        guest = room(server, code=host.code)
        await guest.open()
        await asyncio.gather(waiting, guest.meet(other.peer))
        await other.peer.connected(PATIENCE_S)
        await guest.close()
    finally:
        await server.close()


async def test_a_third_side_a_wrong_code_and_a_taken_name_are_told(server: RoomServer, room: Room) -> None:
    host, _ = await enter(server, room)
    with pytest.raises(TransportError, match="full, two are in it"):
        await room(server, code=host.code).open()
    with pytest.raises(TransportError, match="no such invitation"):
        await room(server, "loft", "WRONG234").open()
    with pytest.raises(TransportError, match="in use"):
        await room(server).open()
    assert server.counts().rooms == 1


def somebody_wants_to_meet(server: RoomServer) -> bool:
    return any(member.wants_to_meet for member in server._lobby._rooms["den"].members)


@pytest.mark.parametrize("gone", ["host", "guest"])
async def test_a_side_that_was_started_anew_takes_its_place_again_as_soon_as_the_other_misses_it(
    server: RoomServer, side: MakeSide, room: Room, gone: str
) -> None:
    host, guest = await enter(server, room)
    code = host.code
    await meet((host, side("host")), (guest, side("guest")))
    killed, stays = (host, guest) if gone == "host" else (guest, host)
    assert killed._line is not None
    await killed._line.close()  # without a word
    again = room(server, code=None if gone == "host" else code)
    with pytest.raises(TransportError, match="in use" if gone == "host" else "full"):
        await again.open()  # nobody misses it
    one = side("stays")
    waiting = asyncio.create_task(stays.meet(one.peer))
    await until(lambda: somebody_wants_to_meet(server))
    again = room(server, code=None if gone == "host" else code)
    await again.open()
    other = side("again")
    await asyncio.gather(waiting, again.meet(other.peer))
    await asyncio.gather(one.peer.connected(PATIENCE_S), other.peer.connected(PATIENCE_S))


async def test_a_room_that_is_opened_again_lets_somebody_from_elsewhere_in_with_the_new_code_only(
    side: MakeSide, room: Room
) -> None:
    server = RoomServer()
    await server.start("127.0.0.1", 0)
    try:
        host, guest = await enter(server, room)
        code = host.code
        await meet((host, side("host")), (guest, side("guest")))
        assert not guest.invites
        assert host._line is not None
        await host._line.close()
        guest.reopen(new_code=True)
        assert guest.invites
        assert guest.code != code
        one, other = side("guest"), side("stranger")
        waiting = asyncio.create_task(guest.meet(one.peer))
        await until(lambda: server._lobby._rooms["den"].code == guest.code and somebody_wants_to_meet(server))
        server._lobby._rooms["den"].members[0].address = "192.0.2.1"  # it was another household's
        with pytest.raises(TransportError, match="no such invitation"):
            await room(server, code=code).open()
        stranger = room(server, code=guest.code)
        await stranger.open()
        await asyncio.gather(waiting, stranger.meet(other.peer))
        guest.admit()
        with pytest.raises(TransportError, match="full, two are in it"):
            await room(server, code=guest.code).open()
    finally:
        await server.close()


async def test_leaving_tells_the_other_side_and_empties_the_server(
    server: RoomServer, side: MakeSide, room: Room
) -> None:
    host, guest = await enter(server, room)
    waiting = asyncio.create_task(host.meet(side("host").peer))
    await asyncio.sleep(0)
    await guest.close()
    with pytest.raises(LeftError, match="has left"):
        await waiting
    assert server.counts().rooms == 1
    again = room(server, code=host.code)
    await again.open()
    waiting = asyncio.create_task(again.meet(side("guest").peer))
    await host.close()
    with pytest.raises(LeftError, match="has left"):
        await waiting
    await until(lambda: server.counts().peers == 0)
    assert server.counts().rooms == 0


async def test_a_server_that_is_not_there_or_none_is_told(room: Room, port: int) -> None:
    with pytest.raises(TransportError, match="Nobody answers"):
        await room(f"ws://127.0.0.1:{port}").open()
    silent = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    with pytest.raises(TransportError, match="cannot be used"):
        await room(f"ws://127.0.0.1:{silent.sockets[0].getsockname()[1]}").open()
    silent.close()


async def test_a_server_that_never_answers_is_given_up(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room_line, "REACH_LIMIT_S", 0.2)
    mute = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    with pytest.raises(TransportError, match="did not answer within"):
        await room(f"ws://127.0.0.1:{mute.sockets[0].getsockname()[1]}").open()
    mute.close()


@pytest.mark.parametrize(
    "url", ["", "ftp://host", "ws://", "host:99999", "a b", "ws://host:1/?q", "ws://user@host"]
)
def test_what_is_no_server_is_named(url: str) -> None:
    with pytest.raises(TransportError, match="wss://host:port"):
        RoomMeeting(url, "den")


def test_servers_are_read_as_people_write_them() -> None:
    assert rooms_module._room_url("meet.example.org") == "wss://meet.example.org/room"
    assert (
        rooms_module._room_url("https://meet.example.org/visavis/") == "wss://meet.example.org/visavis/room"
    )
    assert rooms_module._room_url("http://[::1]:8766") == "ws://[::1]:8766/room"
    assert rooms_module._room_url("WS://192.168.1.5:8766/") == "ws://192.168.1.5:8766/room"


def test_a_name_or_code_that_cannot_be_is_told_before_anybody_is_asked() -> None:
    with pytest.raises(TransportError, match="room's name"):
        RoomMeeting("ws://host", "our room")
    with pytest.raises(TransportError, match="room's code"):
        RoomMeeting("ws://host", "den", "no code")


async def connect(session: aiohttp.ClientSession, server: RoomServer) -> aiohttp.ClientWebSocketResponse:
    return await session.ws_connect(f"{server.address}/room")


async def test_garbage_is_answered_a_few_times_and_harms_nobody(
    server: RoomServer, side: MakeSide, room: Room
) -> None:
    host, guest = await enter(server, room)
    async with aiohttp.ClientSession() as session:
        for first in ("", "[", '{"kind": "meet"}', "\u00fc" * 900, "x" * (MAX_MESSAGE_BYTES + 1)):
            line = await connect(session, server)
            await line.send_str(first)
            answers = [read(received.data) async for received in line]
            assert all(isinstance(answer, Refused) for answer in answers)
        line = await connect(session, server)
        await line.send_bytes(b"\0" * 100)
        assert [read(received.data) async for received in line] == [Refused("A message is text.")]
        line = await connect(session, server)
        await line.send_str(write(Enter("loft", "4" * 32)))
        assert isinstance(read((await line.receive()).data), Entered)
        for _ in range(serve_module.MAX_FAULTS):
            await line.send_str("{")
        refusals = [read(received.data) async for received in line]
        assert refusals == [Refused("The message is not JSON.")] * serve_module.MAX_FAULTS
        assert line.close_code == 1008
    await meet((host, side("host")), (guest, side("guest")))


async def test_a_flood_of_messages_ends_the_connection(
    server: RoomServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        serve_module, "MESSAGES_PER_S", 0.0
    )  # what a slow machine takes for them allows no more
    async with aiohttp.ClientSession() as session:
        line = await connect(session, server)
        await line.send_str(write(Enter("loft", "4" * 32)))
        for _ in range(int(serve_module.MESSAGES)):
            await line.send_str(write(Meet()))
        async for _ in line:  # to its end
            pass
    await until(lambda: server.counts().peers == 0)
    assert server.counts().refused == 1


async def test_who_does_not_say_why_it_came_is_sent_away(
    server: RoomServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve_module, "ENTER_LIMIT_S", 0.1)
    async with aiohttp.ClientSession() as session:
        line = await connect(session, server)
        received = await line.receive(PATIENCE_S)
        assert received.type is aiohttp.WSMsgType.CLOSE
    await until(lambda: server.counts().peers == 0)


async def test_who_does_not_read_is_cut_off_and_the_other_side_is_told(
    server: RoomServer, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve_module, "SEND_LIMIT_S", 0.2)
    monkeypatch.setattr(serve_module, "MESSAGES", 1e9)
    async with aiohttp.ClientSession() as session:
        fast, slow = await connect(session, server), await connect(session, server)
        await fast.send_str(write(Enter("loft", "4" * 32)))
        entered = read((await fast.receive()).data)
        assert isinstance(entered, Entered)
        await slow.send_str(write(Enter("loft", "5" * 32, entered.code)))
        await slow.receive()
        connection = slow._response.connection
        assert connection is not None
        assert connection.transport is not None
        connection.transport.pause_reading()
        heard = asyncio.create_task(fast.receive())
        message = write(Tell("offer", "x" * 16_000))
        async with asyncio.timeout(PATIENCE_S):
            while not heard.done():
                await fast.send_str(message)
                await asyncio.sleep(0)
        assert "parted" in heard.result().data
        await until(lambda: server.counts().peers == 1)


async def test_an_address_that_comes_too_often_waits_and_a_page_is_refused(server: RoomServer) -> None:
    url = f"{server.address.replace('ws', 'http', 1)}/room"
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await session.ws_connect(url, headers={"Origin": "https://example.org"})
        assert caught.value.status == 403
        lines = [await connect(session, server) for _ in range(limits.MAX_OPEN)]
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await connect(session, server)
        assert caught.value.status == 429
        assert not any(line.closed for line in lines)
        sentence = "too many calls from here"
        meeting = RoomMeeting(server.address, "den")
        with pytest.raises(TransportError, match=sentence):
            await meeting.open()
        await meeting.close()


async def test_behind_a_proxy_each_side_counts_by_the_address_that_the_proxy_names() -> None:
    server = RoomServer(behind_proxy=True)
    await server.start("127.0.0.1", 0)
    try:
        async with aiohttp.ClientSession() as session:
            lines = []
            for number in range(60):
                forged = {"X-Forwarded-For": f"192.0.2.1, 198.51.100.{number}"}
                lines.append(await session.ws_connect(f"{server.address}/room", headers=forged))
            assert server.counts().peers == len(lines)
    finally:
        await server.close()


async def test_health_says_how_many_and_nothing_else(server: RoomServer, room: Room) -> None:
    await enter(server, room)
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{server.address.replace('ws', 'http', 1)}/health") as reply,
    ):
        assert await reply.json() == {"rooms": 1, "peers": 2}


async def test_over_tls_a_side_comes_in_where_it_trusts_the_certificate(tmp_path: Path, room: Room) -> None:
    certificate, key = make_tls_files(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    server = RoomServer()
    await server.start("127.0.0.1", 0, tls=tls)
    try:
        assert server.address.startswith("wss://127.0.0.1:")
        with pytest.raises(TransportError, match="not secure"):
            await room(server).open()
        trusting = ssl.create_default_context(cafile=certificate)
        async with aiohttp.ClientSession() as session:
            line = await session.ws_connect(f"{server.address}/room", ssl=trusting)
            await line.send_str(write(Enter("den", "4" * 32)))
            assert isinstance(read((await line.receive()).data), Entered)
    finally:
        await server.close()


def make_tls_files(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for 127.0.0.1, and its key, as a server of one's own has them."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "cert.pem", folder / "key.pem"


class Door:
    """A connection to a server that lets everybody in and closes at once."""

    is_closed = True

    async def say(self, message: object) -> None:
        if isinstance(message, Meet):
            raise ConnectionError

    async def hear(self) -> object:
        return Entered("ABCD2345")

    async def wanted(self) -> bool:
        return False

    async def close(self) -> None:
        pass


@pytest.mark.parametrize("wait", [RoomMeeting.knocked, lambda meeting: meeting.meet(None)])
@in_virtual_time
async def test_a_server_that_lets_in_and_closes_at_once_is_asked_less_and_less_often(
    wait: Callable[[RoomMeeting], Awaitable[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    entered: list[float] = []
    loop = asyncio.get_running_loop()

    async def reach(*_: object, **__: object) -> Door:
        entered.append(loop.time())
        assert len(entered) < 100
        return Door()

    monkeypatch.setattr(rooms_module, "reach", reach)
    meeting = RoomMeeting("wss://server", "den")
    await meeting.open()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(120):
            await wait(meeting)
    assert 8 < len(entered) < 20
    await meeting.close()


@pytest.mark.parametrize("where", ["http://127.0.0.1:{port}/inner", "http://[\x1b[31m"])
async def test_a_server_that_sends_this_side_elsewhere_is_not_followed(where: str, room: Room) -> None:
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        address = where.format(port=writer.get_extra_info("sockname")[1])
        writer.write(f"HTTP/1.1 302 Found\r\nLocation: {address}\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(answer, "127.0.0.1", 0)
    server = f"ws://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    with pytest.raises(TransportError, match=r"is no Visavis server \(HTTP status 302\)") as refused:
        await room(server).open()
    assert str(refused.value).isprintable()
    assert [line.split()[1] for line in asked] == [b"/room"]
    listening.close()
