"""A connection that goes on from another address, and the private parts of upstream that this stands on."""

import inspect
import sys

import pytest
from aioice.ice import Connection
from transport_sides import Pair, Side, until

from transport import moving, wire

ELSEWHERE = "127.0.0.2"  # Linux has all of 127.0.0.0/8

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="wants a second address of the own loopback")


def move(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take this machine's addresses away, as far as it knows, and let nothing pass where a side has been so far."""
    for protocol in side.peer._wire._connection._protocols:
        monkeypatch.setattr(protocol.transport, "sendto", lambda data, address: None)
        monkeypatch.setattr(protocol, "datagram_received", lambda data, address: None)
    gone = {protocol.local_candidate.host for protocol in side.peer._wire._connection._protocols}
    for module in (moving, wire):
        monkeypatch.setattr(module, "is_own_address", lambda host: host not in gone)
    arrive(monkeypatch, ELSEWHERE)


def arrive(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    monkeypatch.setattr(moving, "get_host_addresses", lambda use_ipv4, use_ipv6: list(addresses))


def stay(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the other side of the same machine know nothing of the move."""
    monkeypatch.setattr(type(side.peer._wire), "has_moved", property(_moved_but(side)))


def _moved_but(side: Side):  # type: ignore[no-untyped-def]
    has_moved = type(side.peer._wire).has_moved.fget
    return lambda asked: asked is not side.peer._wire and has_moved(asked)


def used(side: Side) -> str:
    candidate = side.peer._wire._connection._nominated[1].protocol.local_candidate
    return candidate.host


@pytest.mark.parametrize("mover", [0, 1], ids=["who called moves", "who was called moves"])
async def test_a_connection_goes_on_from_another_address(
    pair: Pair, mover: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved, other = pair[mover], pair[1 - mover]
    stay(other, monkeypatch)
    move(moved, monkeypatch)
    assert moved.peer.has_moved
    await until(lambda: not moved.peer.has_moved)
    assert used(moved) == ELSEWHERE
    moved.peer.send_control(b"from elsewhere")
    other.peer.send_control(b"to elsewhere")
    await until(lambda: other.controls == [b"from elsewhere"] and moved.controls == [b"to elsewhere"])
    assert moved.ends == other.ends == []


async def test_an_address_is_waited_for_and_what_is_sent_from_it_is_counted(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved, other = pair
    stay(other, monkeypatch)
    move(moved, monkeypatch)
    looks: list[None] = []
    monkeypatch.setattr(moving, "get_host_addresses", lambda use_ipv4, use_ipv6: looks.append(None) or [])
    await until(lambda: len(looks) >= 3)
    assert moved.peer.has_moved
    arrive(monkeypatch, ELSEWHERE)
    await until(lambda: not moved.peer.has_moved)
    before = moved.peer.stats().sent_bytes
    moved.peer.send_motion(bytes(40))
    await until(lambda: len(other.motions) == 1)
    assert moved.peer.stats().sent_bytes > before


async def test_a_connection_that_ends_meanwhile_leaves_no_task_behind(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved, other = pair
    stay(other, monkeypatch)
    move(moved, monkeypatch)
    arrive(monkeypatch)
    await until(lambda: moved.peer._following is not None)
    await moved.peer.close()
    following = moved.peer._following
    assert following is not None
    await until(following.done)


def test_upstream_checks_and_nominates_what_is_asked_for_after_its_beginning() -> None:
    complete = inspect.getsource(Connection.check_complete)
    assert "self._nominated[pair.component] = pair" in complete
    incoming = inspect.getsource(Connection.check_incoming)
    assert "self.check_start_task(pair)" in incoming
    assert '"USE-CANDIDATE" in message.attributes' in incoming
    assert "self._nominated.get(component)" in inspect.getsource(Connection.sendto)
