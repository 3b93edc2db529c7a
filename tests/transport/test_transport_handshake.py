"""Connections that begin on a line with losses, while upstream's own timers never fire."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aioice import stun
from aiortc.rtcsctptransport import InitAckChunk, InitChunk, parse_packet
from OpenSSL import SSL
from transport_sides import Pair, Side, until

from tests.patience import PATIENCE_S
from transport import handshake
from transport.impairment import Impairment
from transport.meet import connect_in_process
from transport.relay import Relay

LOSSY = Impairment(loss=0.3, delay_s=0.01)


@pytest.fixture
def without_upstream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stun, "RETRY_RTO", 10 * PATIENCE_S)
    monkeypatch.setattr(SSL.Connection, "DTLSv1_get_timeout", lambda self: 10 * PATIENCE_S)
    # As upstream does not take over in the end, here nothing is left to the chance that all of a few tries get lost.
    monkeypatch.setattr(handshake, "CHECKS_S", (*handshake.CHECKS_S, *range(4, round(PATIENCE_S))))
    monkeypatch.setattr(handshake, "FLIGHTS_AGAIN", 1000)
    monkeypatch.setattr(handshake, "ASSOCIATION_S", PATIENCE_S)


@pytest.fixture
async def relays() -> AsyncIterator[list[Relay]]:
    made: list[Relay] = []
    yield made
    for relay in made:
        relay.close()


async def connect(pair: Pair, relay: Relay) -> None:
    left, right = (side.peer for side in pair)
    offer = await relay.stand_in(await left.create_offer())
    answer = await relay.stand_in(await right.accept(offer))
    await left.complete(answer)
    await asyncio.gather(left.connected(PATIENCE_S), right.connected(PATIENCE_S))


@pytest.mark.usefixtures("without_upstream")
async def test_it_begins_though_every_third_datagram_is_lost(relays: list[Relay]) -> None:
    pairs = [(Side(), Side()) for _ in range(6)]
    relays += [Relay(LOSSY, LOSSY, seed=seed) for seed in range(len(pairs))]
    await asyncio.gather(*map(connect, pairs, relays))
    assert sum(relay.forward.lost + relay.back.lost for relay in relays) > len(relays)
    for left, right in pairs:
        left.peer.send_control(b"there")
        right.peer.send_control(b"here")
    for left, right in pairs:
        await until(lambda right=right: right.controls == [b"there"])  # type: ignore[misc]
        await until(lambda left=left: left.controls == [b"here"])  # type: ignore[misc]
        await left.peer.close()
        await right.peer.close()


async def test_it_begins_though_both_first_answers_of_the_association_are_lost(apart: Pair) -> None:
    lost: list[Side] = []
    for side in apart:
        dtls: Any = side.peer._wire._sctp.transport

        async def send(data: bytes, side: Side = side, upstream: Any = dtls._send_data) -> None:
            _, _, _, chunks = parse_packet(data)
            if isinstance(chunks[0], InitAckChunk) and side not in lost:
                lost.append(side)
                return
            await upstream(data)

        dtls._send_data = send
    await connect_in_process(apart[0].peer, apart[1].peer)
    assert set(map(id, lost)) == set(map(id, apart))
    apart[0].peer.send_control(b"there")
    await until(lambda: apart[1].controls == [b"there"])


async def test_once_it_stands_upstream_is_as_it_was(pair: Pair) -> None:
    for side in pair:
        sctp: Any = side.peer._wire._sctp
        assert sctp._rto >= 1
        ice = sctp.transport.transport
        assert ice._send == ice._connection.send
        assert sctp._t1_handle is None


async def test_a_late_beginning_of_the_association_does_not_begin_it_anew(pair: Pair) -> None:
    left, right = pair
    for number in range(5):
        left.peer.send_control(bytes([number]))
    await until(lambda: len(right.controls) == 5)
    mine, theirs = (side.peer._wire._sctp for side in pair)
    again = InitChunk()
    again.initiate_tag = mine._local_verification_tag
    again.advertised_rwnd = mine._advertised_rwnd
    again.outbound_streams = again.inbound_streams = 1024
    again.initial_tsn = 4_000_000_000
    await theirs._receive_chunk(again)
    for number in range(5, 10):
        left.peer.send_control(bytes([number]))
    await until(lambda: len(right.controls) >= 10)
    await left.peer.drain(PATIENCE_S)
    assert right.controls == [bytes([number]) for number in range(10)]
