"""The counters against the sockets themselves, and the private parts of upstream that they stand on."""

import asyncio
import inspect
from asyncio import selector_events
from importlib.metadata import version
from typing import Any

import pytest
from aioice.ice import CandidatePair, Connection, StunProtocol
from aioice.stun import parse_message
from transport_sides import Pair, quiet, until

from tests.patience import PATIENCE_S
from transport.meet import connect_in_process
from transport.reach import is_own_address
from transport.wire import MOST_REMOTE_ADDRESSES


def test_upstream_is_the_version_whose_private_parts_are_used() -> None:
    assert version("aiortc").split(".")[:2] == ["1", "16"]
    assert version("aioice").split(".")[:2] == ["0", "13"]


def test_upstream_gathers_and_sends_where_the_counters_sit() -> None:
    gather = inspect.signature(Connection.get_component_candidates)
    assert list(gather.parameters) == ["self", "component", "addresses", "timeout"]
    assert "self.get_component_candidates(" in inspect.getsource(Connection.gather_candidates)
    for send in (StunProtocol.send_data, StunProtocol.send_stun):
        assert "self.transport.sendto(" in inspect.getsource(send)


async def test_every_datagram_is_counted_with_its_headers(
    apart: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, right = apart
    passed: list[int] = []
    sendto = selector_events._SelectorDatagramTransport.sendto  # type: ignore[attr-defined]

    def spy(self: object, data: bytes, address: tuple[Any, ...] | None = None) -> None:
        assert address is not None
        passed.append(len(data) + (48 if ":" in address[0] else 28))
        sendto(self, data, address)

    monkeypatch.setattr(selector_events._SelectorDatagramTransport, "sendto", spy)
    await connect_in_process(left.peer, right.peer)
    for _ in range(10):
        left.peer.send_motion(bytes(40))
        right.peer.send_control(bytes(40))
        await asyncio.sleep(0.01)
    await left.peer.drain(PATIENCE_S)
    await right.peer.drain(PATIENCE_S)
    ours, theirs = left.peer.stats(), right.peer.stats()
    assert sum(passed) == ours.sent_bytes + theirs.sent_bytes
    assert len(passed) == ours.sent_packets + theirs.sent_packets
    assert ours.received_packets > 10


async def test_what_one_side_sends_the_other_receives_and_a_motion_costs_what_the_protocols_say(
    pair: Pair,
) -> None:
    left, right = pair
    await quiet(left, right)
    before = left.peer.stats()
    count = 24
    for index in range(count):
        left.peer.send_motion(bytes(40))
        await until(lambda index=index: len(right.motions) == index + 1)  # type: ignore[misc]
    ours, theirs = left.peer.stats(), right.peer.stats()
    assert (ours.sent_bytes, ours.sent_packets) == (theirs.received_bytes, theirs.received_packets)
    # IP 20, UDP 8, RTP 12, SRTP's tag 10; and nothing is answered.
    ip = 28 if ours.sent_bytes - before.sent_bytes < count * 100 else 48
    assert ours.sent_bytes - before.sent_bytes == count * (ip + 12 + 10 + 40)
    assert ours.received_packets == before.received_packets


async def test_no_datagram_from_a_stranger_ends_anything(pair: Pair) -> None:
    left, right = pair
    loop = asyncio.get_running_loop()
    for protocol in left.peer._wire._connection._protocols:
        address = protocol.local_candidate.host, protocol.local_candidate.port
        stranger, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=address)
        stranger.sendto(b"")
        stranger.sendto(b"\x16garbage")
        for kind in (0, 20, 64, 128, 191, 255):
            for size in (1, 12, 1_500, 1_501, 9_000):
                stranger.sendto(bytes([kind]) + bytes(size - 1))
        await asyncio.sleep(0.02)
        stranger.close()
    right.peer.send_control(b"still there")
    await until(lambda: left.controls == [b"still there"])
    assert left.ends == []


async def test_a_side_notices_that_its_address_is_gone(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    left, right = pair
    assert not left.peer.has_moved
    candidate = left.peer._wire._connection._nominated[1].protocol.local_candidate
    assert candidate is not None
    monkeypatch.setattr(candidate, "host", "192.0.2.7")  # for documentation, and nobody's
    assert left.peer.has_moved
    assert not right.peer.has_moved


@pytest.mark.parametrize(("host", "own"), [("127.0.0.1", True), ("192.0.2.7", False), ("fe80::1", True)])
def test_an_address_is_another_s_only_where_the_system_says_so(host: str, own: bool) -> None:
    assert is_own_address(host) == own


async def test_a_side_that_claims_address_after_address_is_not_sent_checks_to_all_of_them(pair: Pair) -> None:
    theirs, mine = (side.peer._wire._connection for side in pair)
    way = mine._nominated[1]
    before = len(mine._remote_candidates)
    for port in range(1_000, 1_000 + 2 * MOST_REMOTE_ADDRESSES):
        request = theirs.build_request(theirs._nominated[1], nominate=False)
        request.add_message_integrity(mine.local_password.encode())
        mine.request_received(parse_message(bytes(request)), ("127.0.0.9", port), way.protocol)
    assert before < len(mine._remote_candidates) == MOST_REMOTE_ADDRESSES
    # Whom it knows it goes on to follow.
    way.state, way.task = CandidatePair.State.FAILED, None
    request = theirs.build_request(theirs._nominated[1], nominate=False)
    request.add_message_integrity(mine.local_password.encode())
    mine.request_received(parse_message(bytes(request)), way.remote_addr, way.protocol)
    assert way.task is not None
