"""The receiver's HTTP door: who comes in, who does not, and what each is told."""

import asyncio
import re
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from transport_sides import Pair, Side, held_port, until

from tests.patience import PATIENCE_S
from transport import guests, listening
from transport.errors import TransportError
from transport.guests import MAX_WRONG_CODES, NewCodeError
from transport.listening import OfferServer
from transport.signalling import MAX_BODY_BYTES, offer


@pytest.fixture
async def server() -> AsyncIterator[OfferServer]:
    server = OfferServer()
    await server.start("127.0.0.1")
    yield server
    await server.close()


async def post(server: OfferServer, body: bytes, *, code: str | None = None) -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {server.code if code is None else code}"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"http://{server.address}/offer", data=body, headers=headers) as response,
    ):
        return response.status, (await response.json())["error"]


async def test_a_caller_with_the_code_meets_the_receiver(server: OfferServer, apart: Pair) -> None:
    left, right = apart
    await asyncio.gather(server.answer_one(right.peer), offer(server.address, server.code, left.peer))
    await asyncio.gather(left.peer.connected(PATIENCE_S), right.peer.connected(PATIENCE_S))
    left.peer.send_control(b"hello")
    await until(lambda: right.controls == [b"hello"])


async def test_the_server_may_be_closed_as_soon_as_the_caller_is_answered(apart: Pair) -> None:
    left, right = apart
    server = OfferServer()
    await server.start("127.0.0.1", code="chosen")
    call = asyncio.create_task(offer(server.address, "chosen", left.peer))
    await server.answer_one(right.peer)
    await server.close()
    await call
    await left.peer.connected(PATIENCE_S)


async def test_a_code_that_is_made_up_can_be_typed(server: OfferServer) -> None:
    assert re.fullmatch(r"[A-HJ-NP-Z2-9]{6}", server.code)


async def test_a_code_may_be_typed_in_small_letters(apart: Pair) -> None:
    left, right = apart
    server = OfferServer()
    await server.start("127.0.0.1", code="chosen2")
    await asyncio.gather(server.answer_one(right.peer), offer(server.address, " cHosen2 ", left.peer))
    await server.close()
    assert server.code == "CHOSEN2"


async def test_a_code_works_once(server: OfferServer, apart: Pair) -> None:
    left, right = apart
    await asyncio.gather(server.answer_one(right.peer), offer(server.address, server.code, left.peer))
    third = Side()
    with pytest.raises(TransportError, match="has been used"):
        await offer(server.address, server.code, third.peer)
    await third.peer.close()


async def test_broken_requests_are_refused_and_the_right_caller_still_gets_through(
    server: OfferServer, apart: Pair
) -> None:
    left, right = apart
    answering = asyncio.create_task(server.answer_one(right.peer))
    await asyncio.sleep(0)
    assert await post(server, b"{}", code="wrong") == (403, "The code is wrong.")
    assert await post(server, b"{}", code="\u00fcber") == (403, "The code is wrong.")
    assert (await post(server, b"not JSON"))[0] == 400
    assert (await post(server, b'{"type": "offer", "sdp": "v=0"}'))[0] == 400
    assert (await post(server, b" " * (MAX_BODY_BYTES + 1)))[0] == 413
    await offer(server.address, server.code, left.peer)
    await answering
    await left.peer.connected(PATIENCE_S)


@pytest.fixture
def unforgiving(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long its wrong codes take, nobody may try more of them."""
    monkeypatch.setattr(guests, "GUESSES_PER_S", 0.0)


@pytest.mark.usefixtures("unforgiving")
async def test_guessing_leads_to_a_new_code_that_works_and_in_the_end_to_a_pause(
    server: OfferServer, apart: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "WRONG_CODE_S", 0.0)
    left, right = apart
    before = server.code
    answering = asyncio.create_task(server.answer_one(right.peer))
    for guess in range(MAX_WRONG_CODES):
        assert (await post(server, b"", code=str(guess)))[0] == 403
    with pytest.raises(NewCodeError, match="wrong codes"):
        await answering
    assert server.code != before
    assert (await post(server, b"", code=before))[0] == 403
    await asyncio.gather(server.answer_one(right.peer), offer(server.address, server.code, left.peer))
    for guess in range(round(guests.GUESSES) - MAX_WRONG_CODES - 1):
        assert (await post(server, b"", code=str(guess)))[0] == 403
    assert (await post(server, b"", code="one more"))[0] == 429


async def test_who_guesses_waits_for_each_answer(server: OfferServer) -> None:
    asking = asyncio.create_task(post(server, b"", code="wrong"))
    done, _ = await asyncio.wait({asking}, timeout=0.8 * listening.WRONG_CODE_S)
    assert not done
    assert (await asking)[0] == 403


@pytest.mark.parametrize("said", [b"", b"POST /off", b"POST /offer HTTP/1.1\r\nHost: here\r\n"])
async def test_who_connects_and_asks_for_nothing_is_not_kept(
    said: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "IDLE_S", 0.1)
    server = OfferServer()
    await server.start("127.0.0.1")
    reader, writer = await asyncio.open_connection(*server.address.split(":"))
    writer.write(said)
    async with asyncio.timeout(PATIENCE_S):
        assert await reader.read() == b""
    writer.close()
    await server.close()


async def test_a_caller_is_told_when_nobody_waits(server: OfferServer, apart: Pair) -> None:
    with pytest.raises(TransportError, match="Nobody is waiting"):
        await offer(server.address, server.code, apart[0].peer)


async def test_a_port_in_use_is_named(server: OfferServer) -> None:
    port = int(server.address.rpartition(":")[2])
    with pytest.raises(TransportError, match=f"Port {port} .* in use"):
        await OfferServer().start("127.0.0.1", port=port)
    with pytest.raises(TransportError, match="cannot listen"):
        await OfferServer().start("192.0.2.77", port=0)


async def test_a_caller_is_told_when_nobody_listens(apart: Pair) -> None:
    with (
        held_port() as port,
        pytest.raises(TransportError, match=r"Nobody answers at .* \(Connection refused\)"),
    ):
        await offer(f"127.0.0.1:{port}", "code", apart[0].peer)


@pytest.mark.parametrize("address", ["", "host", "host:", ":80", "host:0", "host:99999", "host:http"])
async def test_what_is_no_address_is_named(address: str, apart: Pair) -> None:
    with pytest.raises(TransportError, match="host:port"):
        await offer(address, "code", apart[0].peer)


async def reply_with(apart: Pair, body: bytes, *, status: int = 200) -> str:
    """Let a stranger's server answer the caller, and return the caller's sentence."""

    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=body, status=status)

    application = web.Application()
    application.router.add_post("/offer", handler)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    with pytest.raises(TransportError) as caught:
        await offer(f"127.0.0.1:{runner.addresses[0][1]}", "code", apart[0].peer)
    await runner.cleanup()
    return str(caught.value)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"<html>", 200),
        (b"x" * (MAX_BODY_BYTES + 1), 200),
        (b'{"type": "answer", "sdp": "v=0"}', 200),
        (b"\xff", 500),
        (b'{"error": 7}', 403),
        (b'{"error": "\\u001b[2J gone' + b"!" * 1000 + b'"}', 403),
    ],
)
async def test_a_reply_that_is_no_answer_becomes_one_clean_sentence(
    body: bytes, status: int, apart: Pair
) -> None:
    sentence = await reply_with(apart, body, status=status)
    assert len(sentence) < 400
    assert sentence.isprintable()


async def test_a_server_that_never_replies_is_given_up(apart: Pair) -> None:
    silent = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    with pytest.raises(TransportError, match="did not answer within"):
        await offer(f"127.0.0.1:{port}", "code", apart[0].peer, timeout_s=0.2)
    silent.close()
