"""How packets go out, with a peer that has no network: what waits, what is lost, and what a lie changes."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from codec.hello import Hello
from codec.ordered import ORDERED_WINDOW
from sender import delivery
from sender.adapting import Adapting, Wanted
from sender.coding import Packet
from sender.delivery import InOrder, Live
from sender.errors import SenderError
from tests.patience import PATIENCE_S
from tests.sender.sender_fakes import SIZE, FakePeer, shown
from tests.virtual_time import in_virtual_time

HELLO = Hello(1, "fake-64", bytes(32), bytes(32), SIZE, 25.0, 0, bytes(16))


@pytest.fixture
def peer() -> FakePeer:
    """A receiver that takes everything and says nothing."""
    peer = FakePeer(HELLO)
    peer.answer = lambda message: []
    return peer


def packets(count: int) -> Iterator[Packet]:
    return (Packet(bytes([0, 0, index % 256]), 1, index / 25) for index in range(count))


def live(peer: FakePeer) -> Live:
    return Live(peer, asyncio.get_running_loop(), Adapting(Wanted(camera_fps=25.0), at_s=0.0))


async def until(true: Callable[[], bool]) -> None:
    """Wait for something that comes in the end."""
    async with asyncio.timeout(PATIENCE_S):
        while not true():  # noqa: ASYNC110 -- the conditions are plain values, not events
            await asyncio.sleep(0.005)


async def settle() -> None:
    """Let what can go on go on."""
    await asyncio.sleep(0.05)


def put_all(out: InOrder | Live, count: int) -> asyncio.Task[None]:
    def work() -> None:
        for packet in packets(count):
            out.put(packet)

    return asyncio.create_task(asyncio.to_thread(work))


async def test_in_order_is_never_more_than_a_window_ahead(peer: FakePeer) -> None:
    out = InOrder(peer, asyncio.get_running_loop())
    putting = put_all(out, 100)
    await until(lambda: out.sent == ORDERED_WINDOW)
    await settle()
    assert out.sent == len(peer.messages) == ORDERED_WINDOW
    out.take(shown(7))
    await until(lambda: out.sent == ORDERED_WINDOW + 7)
    await settle()
    assert out.sent == len(peer.messages) == ORDERED_WINDOW + 7
    while out.sent < 100:
        out.take(shown(out.sent))
        await asyncio.sleep(0.001)
    await putting
    assert [message.packet for message in peer.messages] == [packet.data for packet in packets(100)]
    assert out.payload_bytes == 300
    assert not peer.motions  # nothing went where it can be lost


async def test_in_order_is_finished_when_the_last_motion_is_shown(peer: FakePeer) -> None:
    out = InOrder(peer, asyncio.get_running_loop())
    await put_all(out, 5)
    finishing = asyncio.create_task(out.finish())
    out.take(shown(4))
    await settle()
    assert not finishing.done()
    out.take(shown(5))
    await asyncio.wait_for(finishing, PATIENCE_S)


async def test_a_receiver_that_says_it_has_shown_more_than_it_got_is_not_believed(peer: FakePeer) -> None:
    out = InOrder(peer, asyncio.get_running_loop())
    putting = put_all(out, 60)
    await until(lambda: out.sent == ORDERED_WINDOW)
    for lie in (ORDERED_WINDOW + 1, 2**31, 2**32 - 1):
        out.take(shown(lie))
    await settle()
    assert out.sent == ORDERED_WINDOW
    out.stop()
    await asyncio.wait_for(putting, PATIENCE_S)


async def test_old_feedback_takes_nothing_back(peer: FakePeer) -> None:
    out = InOrder(peer, asyncio.get_running_loop())
    await put_all(out, 10)
    out.take(shown(10))
    out.take(shown(3))
    await asyncio.wait_for(out.finish(), PATIENCE_S)


async def test_a_receiver_that_draws_no_more_ends_the_call_with_a_sentence(
    peer: FakePeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "STALL_LIMIT_S", 0.05)
    out = InOrder(peer, asyncio.get_running_loop())
    with pytest.raises(SenderError, match="has drawn nothing"):
        await put_all(out, ORDERED_WINDOW + 1)
    with pytest.raises(SenderError, match="has drawn nothing"):
        await out.finish()


async def test_stopping_lets_the_motion_thread_go(peer: FakePeer) -> None:
    out = InOrder(peer, asyncio.get_running_loop())
    putting = put_all(out, 1000)
    await until(lambda: out.sent == ORDERED_WINDOW)
    await settle()
    out.stop()
    await asyncio.wait_for(putting, PATIENCE_S)
    assert len(peer.messages) == ORDERED_WINDOW


@in_virtual_time
async def test_live_sends_as_many_copies_as_are_decided_and_none_once_it_is_stopped(peer: FakePeer) -> None:
    out = live(peer)
    out._adapting.decision = replace(out._adapting.decision, copies=3)
    for packet in packets(2):
        out.put(packet)
    await asyncio.sleep(1)
    assert sorted(peer.motions) == sorted([packet.data for packet in packets(2)] * 3)
    assert (out.sent, out.frames, out.payload_bytes) == (6, 2, 18)
    out.put(next(packets(1)))
    await asyncio.sleep(out._adapting.decision.copies_apart_s / 2)
    assert len(peer.motions) == 7
    out.stop()
    await asyncio.sleep(1)
    assert len(peer.motions) == 7


async def test_live_lets_ride_what_is_decided_to(peer: FakePeer) -> None:
    out = live(peer)
    await put_all(out, 1)
    out._adapting.decision = replace(out._adapting.decision, rides=True)
    await put_all(out, 1)
    await out.finish()
    assert peer.riding == [False, True]


async def test_live_counts_what_the_line_cannot_take(peer: FakePeer) -> None:
    taken = iter(index % 4 != 0 for index in range(20))
    peer.on_motion = lambda data: next(taken)
    out = live(peer)
    await put_all(out, 20)
    await out.finish()
    assert (out.sent, out.refused) == (15, 5)
    assert out.payload_bytes == 45


@in_virtual_time
async def test_live_waits_before_goodbye_until_the_last_copies_have_gone(peer: FakePeer) -> None:
    out = live(peer)
    out._adapting.decision = replace(out._adapting.decision, copies=3)
    for packet in packets(3):
        out.put(packet)
    await asyncio.sleep(0)
    assert len(peer.motions) == 3
    await out.finish()
    assert len(peer.motions) == 9
    out.put(next(packets(1)))
    await asyncio.sleep(0)
    out.stop()
    await out.finish()
    assert len(peer.motions) == 10
