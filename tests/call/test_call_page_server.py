"""Who the page's server lets in, and what it takes from a page."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType
from yarl import URL

from call.errors import CallError
from call.state import CallState, Line
from call.web import server
from call.web.messages import grant, tell
from call.web.outbox import FILMED, PREVIEW, REDRAWN, Outbox
from tests.call.page_double import FakeCall
from tests.patience import PATIENCE_S


@pytest_asyncio.fixture
async def call(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeCall]:
    monkeypatch.setattr(server, "HEARTBEAT_S", PATIENCE_S)
    held = FakeCall()
    await held.start()
    yield held
    await held.close()


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[ClientSession]:
    async with ClientSession() as session:
        yield session


def origin(call: FakeCall) -> str:
    return str(URL(call.address).origin())


async def connect(browser: ClientSession, call: FakeCall, **headers: str) -> ClientWebSocketResponse:
    address = URL(call.address) / "socket"
    return await browser.ws_connect(
        address.with_query(URL(call.address).query), headers={"Origin": origin(call), **headers}
    )


async def next_state(socket: ClientWebSocketResponse) -> dict[str, object]:
    while (message := await socket.receive(timeout=PATIENCE_S)).type is not WSMsgType.TEXT:
        assert message.type is WSMsgType.BINARY
    state: dict[str, object] = json.loads(message.data)
    return state


async def closing(socket: ClientWebSocketResponse) -> int | None:
    """Read on until the server ends it, and return with what code."""
    while (await socket.receive(timeout=PATIENCE_S)).type not in (WSMsgType.CLOSE, WSMsgType.CLOSED):
        pass
    return socket.close_code


async def test_the_page_and_its_files_come_with_their_guards(browser: ClientSession, call: FakeCall) -> None:
    async with browser.get(call.address) as reply:
        assert reply.status == 200
        policy = reply.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert reply.headers["Cache-Control"] == "no-store"
        assert "http" not in (await reply.text()).replace("http-equiv", "")
    async with browser.get(f"{origin(call)}/static/main.js") as reply:
        assert reply.status == 200
        assert reply.content_type == "text/javascript"


def test_the_page_loads_nothing_from_elsewhere() -> None:
    for path in server.STATIC.iterdir():
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "https:" not in text, path.name
        assert "http:" not in text, path.name


@pytest.mark.parametrize("path", ["/", "/socket", "/invitation.svg"])
@pytest.mark.parametrize("query", ["", "?token=", "?token=wrong", "?token=%C3%A9"])
async def test_without_the_token_nothing_is_shown(
    browser: ClientSession, call: FakeCall, path: str, query: str
) -> None:
    async with browser.get(f"{origin(call)}{path}{query}") as reply:
        assert reply.status == 403
        assert "printed" in await reply.text()


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:80"},
        {"Host": "127.0.0.1"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"},
    ],
)
async def test_other_hosts_and_other_pages_are_refused(
    browser: ClientSession, call: FakeCall, headers: dict[str, str]
) -> None:
    for address in (call.address, f"{origin(call)}/static/main.js"):
        async with browser.get(address, headers=headers) as reply:
            assert reply.status == 403
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await connect(browser, call, **headers)


async def test_a_socket_without_an_origin_is_no_page(browser: ClientSession, call: FakeCall) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await browser.ws_connect((URL(call.address) / "socket").with_query(URL(call.address).query))


async def test_a_link_from_elsewhere_opens_the_page_with_its_token(
    browser: ClientSession, call: FakeCall
) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    async with browser.get(call.address, headers=headers) as reply:
        assert reply.status == 200


async def test_there_is_nothing_else_to_ask_for(browser: ClientSession, call: FakeCall) -> None:
    for path in ("/static/..%2fserver.py", "/static/../server.py", "/static/", "/state"):
        async with browser.get(URL(origin(call) + path, encoded=True)) as reply:
            assert reply.status in (403, 404), path
    async with browser.post(call.address, data=b"x" * 100_000) as reply:
        assert reply.status == 405


@pytest.mark.parametrize("size", [server.MAX_MESSAGE + 1, 1_000_000])
async def test_a_message_over_the_size_cap_ends_the_line(
    browser: ClientSession, call: FakeCall, size: int
) -> None:
    socket = await connect(browser, call)
    await socket.send_str("x" * size)
    assert await closing(socket) == aiohttp.WSCloseCode.MESSAGE_TOO_BIG
    assert call.wishes == []


@pytest.mark.parametrize(
    "message",
    [
        "",
        "no JSON",
        "[" * 4000,
        "[]",
        '{"wish": "fly"}',
        '{"wish": "mute"}',
        '{"wish": "mute", "on": 1}',
        '{"wish": "turn", "yaw": 31, "pitch": 0}',
        '{"wish": "turn", "yaw": NaN, "pitch": 0}',
        '{"wish": "turn", "yaw": true, "pitch": 0}',
        '{"wish": "turn", "yaw": "1", "pitch": 0}',
        '{"wish": "limit", "kbps": -1}',
        '{"wish": "limit", "kbps": 1e999}',
        '{"wish": "say", "text": "   "}',
        json.dumps({"wish": "say", "text": "x" * 501}),
        b"",
        b"\x01jpeg",
        b"\x10" + bytes(10),
    ],
)
async def test_what_is_no_wish_is_refused_and_grants_nothing(
    browser: ClientSession, call: FakeCall, message: str | bytes
) -> None:
    socket = await connect(browser, call)
    await (socket.send_str(message) if isinstance(message, str) else socket.send_bytes(message))
    assert await closing(socket) == aiohttp.WSCloseCode.POLICY_VIOLATION
    assert call.wishes == []
    # The call goes on, for a page that behaves.
    assert (await next_state(await connect(browser, call)))["phase"] == "connected"


async def test_a_state_is_told_whole_and_then_what_changes(browser: ClientSession, call: FakeCall) -> None:
    socket = await connect(browser, call)
    whole = await next_state(socket)
    assert whole["sentence"] == call.state.sentence
    assert whole["safety_words"] == ["apple", "river", "candle", "moon"]
    call.change(muted=True, chat=(Line(False, "Hello"),))
    assert await next_state(socket) == {"muted": True, "chat": [{"mine": False, "text": "Hello"}]}


async def test_the_last_state_arrives_before_the_line_ends(browser: ClientSession, call: FakeCall) -> None:
    socket = await connect(browser, call)
    await next_state(socket)
    call.change(phase="ended", sentence="You have hung up.")
    closed = asyncio.create_task(call.close())
    told = [await next_state(socket)]
    while "farewell" not in told[-1]:
        told.append(await next_state(socket))
    assert told[-1] == {"farewell": server.OVER}
    assert told[-2]["phase"] == "ended"
    await socket.close()
    await closed


async def test_the_newest_tab_takes_over(
    browser: ClientSession, call: FakeCall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "FAREWELL_S", PATIENCE_S)
    old = await connect(browser, call)
    await next_state(old)
    new = await connect(browser, call)
    assert (await next_state(new))["phase"] == "connected"
    assert await next_state(old) == {"farewell": server.TAKEN_OVER}
    # What an old tab still says does not count.
    await old.send_str('{"wish": "hang_up"}')
    await old.close()  # the server answers this behind all that came before
    assert call.wishes == []
    await new.send_str('{"wish": "mute", "on": true}')
    while "muted" not in await next_state(new):
        pass
    assert call.wishes == [("mute", True)]


async def test_an_old_tab_that_stays_is_put_out(
    browser: ClientSession, call: FakeCall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "FAREWELL_S", 0.05)
    old = await connect(browser, call)
    await next_state(old)
    new = await connect(browser, call)
    assert await next_state(old) == {"farewell": server.TAKEN_OVER}
    assert await closing(old) == aiohttp.WSCloseCode.GOING_AWAY
    assert (await next_state(new))["phase"] == "connected"


async def test_a_page_that_fetches_nothing_gets_the_newest_of_everything_later() -> None:
    outbox = Outbox()
    for tick in range(200):
        outbox.show(CallState("connected", f"Second {tick}."))
        for kind in (REDRAWN, PREVIEW):
            outbox.picture(kind, b"%d" % tick)
    state, *pictures = outbox.take()
    assert json.loads(state)["sentence"] == "Second 199."
    assert pictures == [b"\x01199", b"\x02199"]
    assert outbox.take() == []


async def test_ordinary_video_takes_the_place_of_a_drawn_face() -> None:
    outbox = Outbox()
    outbox.picture(REDRAWN, b"drawn")
    outbox.picture(FILMED, b"filmed")
    assert outbox.take() == [b"\x04filmed"]
    outbox.start_over()
    assert outbox.take() == [b"\x04filmed"]


async def test_a_face_goes_with_its_call() -> None:
    outbox = Outbox()
    outbox.show(CallState("connected", "The call is on."))
    outbox.picture(REDRAWN, b"their face")
    outbox.picture(PREVIEW, b"mine")
    outbox.show(CallState("connecting", "This is another call."))
    outbox.picture(REDRAWN, b"their face, late")
    assert outbox.take()[1:] == [b"\x02mine"]
    assert outbox.talked_s is None


async def test_a_film_goes_with_the_camera_that_is_turned_off_and_a_drawn_face_stays() -> None:
    outbox = Outbox()
    state = CallState("connected", "The call is on.")
    outbox.show(state)
    outbox.picture(FILMED, b"their room")
    outbox.show(replace(state, their_camera_on=False))
    outbox.picture(FILMED, b"their room, late")
    assert len(outbox.take()) == 1
    outbox.picture(REDRAWN, b"their face, idle")
    assert outbox.take() == [b"\x01their face, idle"]


async def test_a_page_that_nobody_has_open_any_more_is_told_of_once(monkeypatch: pytest.MonkeyPatch) -> None:
    held, gone = FakeCall(), asyncio.Queue[None]()
    held.page = server.Page(held, on_gone=lambda: gone.put_nowait(None))
    await held.start()

    async def visit(browser: ClientSession, *, gone_s: float) -> asyncio.TimerHandle:
        """Open the page and close it; returns what will tell that it is gone."""
        monkeypatch.setattr(server, "GONE_S", gone_s)
        before = held.page._missing
        socket = await connect(browser, held)
        await next_state(socket)
        await socket.close()
        async with asyncio.timeout(PATIENCE_S):
            while (missing := held.page._missing) is None or missing is before:  # noqa: ASYNC110 -- a plain value
                await asyncio.sleep(0.01)
        return missing

    async with ClientSession() as browser:
        # The tab is closed, opened again and closed.
        first = await visit(browser, gone_s=PATIENCE_S)
        await visit(browser, gone_s=0.05)
        assert first.cancelled()
        await asyncio.wait_for(gone.get(), PATIENCE_S)
        held.change(phase="ended")
        last = await visit(browser, gone_s=0.05)
        # Timers fire in their order: this one after what would have told.
        await asyncio.sleep(max(last.when() - asyncio.get_running_loop().time(), 0.0) + 0.01)
    assert gone.empty()
    await held.close()


async def test_a_port_that_is_taken_is_told_in_a_sentence(call: FakeCall) -> None:
    second = server.Page(call, port=URL(call.address).port or 0)
    with pytest.raises(CallError, match="Name another port"):
        await second.start()
    await second.close()


def test_nothing_new_is_nothing_to_tell() -> None:
    state = CallState("waiting", "Waiting.")
    assert tell(state, told=state) is None
    assert tell(state, told=None) is not None


def test_a_wish_at_its_limits_is_granted() -> None:
    call = FakeCall()
    grant('{"wish": "turn", "yaw": 30, "pitch": -30.0}', call)
    grant(json.dumps({"wish": "say", "text": "é" * 500}), call)
    assert call.wishes == [("turn", 30.0, -30.0), ("say", "é" * 500)]


def test_every_file_of_the_page_has_a_type() -> None:
    assert {path.suffix for path in Path(server.STATIC).iterdir()} <= server.TYPES.keys()
