"""Consent to send: a slow line keeps it, a dead one loses it."""

import asyncio
import inspect
from typing import Any

import pytest
from aioice.ice import Connection, StunProtocol
from transport_sides import Pair, until

from transport import consent


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask at short intervals, and lose patience soon."""
    monkeypatch.setattr(consent, "ASK_S", 0.05)
    monkeypatch.setattr(consent, "EXPIRES_S", 4.5)


def delay(pair: Pair, monkeypatch: pytest.MonkeyPatch, by_s: float | None) -> None:
    """Let what either side sends arrive later by so much, or not at all."""
    loop = asyncio.get_running_loop()
    for side in pair:
        for protocol in side.peer._wire._connection._protocols:
            send = protocol.transport.sendto

            def late(data: bytes, address: Any, send: Any = send) -> None:
                if by_s is not None:
                    loop.call_later(by_s, send, data, address)

            monkeypatch.setattr(protocol.transport, "sendto", late)


@pytest.mark.usefixtures("hasty")
async def test_a_line_that_is_slower_than_upstreams_patience_keeps_its_connection(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    for side in pair:
        for protocol in side.peer._wire._connection._protocols:

            async def count(*args: Any, request: Any = protocol.request, **named: Any) -> Any:
                answer = await request(*args, **named)
                asked.append(answer)
                return answer

            monkeypatch.setattr(protocol, "request", count)
    delay(pair, monkeypatch, 0.35)  # a round trip of 0.7 s, where aioice waits for 0.5
    # Longer than patience lasts without an answer.
    begun_s = asyncio.get_running_loop().time()
    await until(lambda: asyncio.get_running_loop().time() - begun_s > 5 and len(asked) >= 8)
    assert pair[0].ends == pair[1].ends == []
    pair[0].peer.send_control(b"still here")
    await until(lambda: pair[1].controls == [b"still here"])


@pytest.mark.usefixtures("hasty")
async def test_answers_tell_the_round_trip(pair: Pair) -> None:
    noted = pair[0].peer._wire.round_trips._newest
    noted.clear()
    await until(lambda: len(noted) > 1)
    assert 0 < (pair[0].peer.stats().round_trip_s or 0.0) < consent.FIRST_AGAIN_S


@pytest.mark.usefixtures("hasty")
async def test_a_line_that_answers_no_more_is_given_up(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    connections = [side.peer._wire._connection for side in pair]
    delay(pair, monkeypatch, None)
    await until(lambda: all(connection._closing for connection in connections))


def test_upstream_asks_for_consent_where_it_is_stood_in_for() -> None:
    assert "asyncio.create_task(self.query_consent())" in inspect.getsource(Connection.connect)
    assert "self._query_consent_task.done()" in inspect.getsource(Connection.close)
    assert "retransmissions" in inspect.signature(StunProtocol.request).parameters
