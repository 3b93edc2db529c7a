"""Connections through a TURN server, which answers late or not at all."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aioice.turn
import pytest
from aioice.ice import TransportPolicy
from aioice.stun import Method
from transport_sides import Side, until
from turn_double import TurnDouble

from tests.patience import PATIENCE_S
from transport import peer as peer_module
from transport.description import IceServer
from transport.meet import connect_in_process


@pytest.fixture
async def server() -> AsyncIterator[TurnDouble]:
    double = TurnDouble()
    await double.open()
    yield double
    double.close()


@pytest.fixture
async def sides(server: TurnDouble) -> AsyncIterator[tuple[Side, Side]]:
    """Two that have not met; the left one can be reached through the server alone."""
    left, right = Side(ice_servers=[IceServer(f"turn:127.0.0.1:{server.port}", "u", "p")]), Side()
    left.peer._wire._connection._transport_policy = TransportPolicy.RELAY
    yield left, right
    server.silent = False
    await left.peer.close()
    await right.peer.close()


async def test_what_is_said_passes_the_server_which_is_told_of_the_end(
    server: TurnDouble, sides: tuple[Side, Side]
) -> None:
    left, right = sides
    await connect_in_process(left.peer, right.peer)
    left.peer.send_motion(b"there")
    right.peer.send_control(b"and back")
    await until(lambda: right.motions == [b"there"] and left.controls == [b"and back"])
    assert len(server.given) == 1
    await left.peer.close()
    assert not server.given


async def test_a_server_that_falls_silent_keeps_nobody_from_closing(
    server: TurnDouble, sides: tuple[Side, Side], monkeypatch: pytest.MonkeyPatch
) -> None:
    left, right = sides
    await connect_in_process(left.peer, right.peer)
    monkeypatch.setattr(peer_module, "CLOSE_LIMIT_S", 0.05)
    server.silent = True
    await left.peer.close()
    server.silent = False
    await until(lambda: not server.given)  # the farewell goes on
    await until(lambda: left.peer._connection.connectionState == "closed")


async def test_checks_go_again_through_a_server_that_answers_late(
    server: TurnDouble, sides: tuple[Side, Side]
) -> None:
    left, right = sides
    faults: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: faults.append(context))
    answer = await right.peer.accept(await left.peer.create_offer())
    server.silent = True
    await left.peer.complete(answer)
    await asyncio.sleep(0.4)
    server.silent = False
    await left.peer.connected(PATIENCE_S)
    assert not faults


async def test_a_channel_is_bound_again_before_the_server_lets_nothing_through_any_more(
    server: TurnDouble, sides: tuple[Side, Side], monkeypatch: pytest.MonkeyPatch
) -> None:
    left, right = sides
    await connect_in_process(left.peer, right.peer)
    bound = server.asked.count(Method.CHANNEL_BIND)
    now = aioice.turn.time.time
    monkeypatch.setattr(aioice.turn.time, "time", lambda: now() + 299)
    left.peer.send_motion(b"five minutes later")
    await until(lambda: right.motions == [b"five minutes later"])
    assert server.asked.count(Method.CHANNEL_BIND) > bound
