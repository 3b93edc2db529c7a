"""Two peers over real sockets: what arrives, in which order, and how it ends."""

import asyncio
from typing import Any

import pytest
from aioice import ice
from aiortc.rtcsctptransport import Chunk, DataChunk, SackChunk
from transport_sides import Pair, Side, until

from tests.patience import PATIENCE_S
from transport import peer as peer_module
from transport.errors import TransportError
from transport.meet import connect_in_process
from transport.motion_packet import MAX_REPORT_BYTES
from transport.peer import MAX_MESSAGE_BYTES, WATCH_S
from transport.wire import LOOPBACK, PART_BYTES


async def test_messages_of_both_kinds_arrive_in_both_directions(pair: Pair) -> None:
    left, right = pair
    assert left.peer.send_motion(b"left moves")
    assert right.peer.send_motion(b"right moves")
    left.peer.send_control(b"left says")
    right.peer.send_control(b"s" * MAX_MESSAGE_BYTES)
    await until(lambda: bool(left.motions and right.motions and left.controls and right.controls))
    assert (right.motions, left.motions) == ([b"left moves"], [b"right moves"])
    assert (right.controls, left.controls) == ([b"left says"], [b"s" * MAX_MESSAGE_BYTES])
    assert left.peer.stats().motion_sent == right.peer.stats().motion_received == 1


async def test_a_picture_of_60_kilobytes_lets_every_motion_pass(pair: Pair) -> None:
    left, right = pair
    pieces = [b"C" + index.to_bytes(2, "big") + bytes(997) for index in range(60)]
    motions = [b"M" + index.to_bytes(2, "big") + bytes(37) for index in range(40)]
    for piece in pieces:
        left.peer.send_control(piece)
    arrived = []
    for motion in motions:
        arrived.append(len(right.controls))
        assert left.peer.send_motion(motion)
        await asyncio.sleep(1 / 30)
    await until(lambda: len(right.log) >= 100)
    assert right.motions == motions
    assert right.controls == pieces
    # What stood in front of each motion when it was sent; had all been sent at once: 60 pieces in front of the first.
    runs = "".join(chr(message[0]) for message in right.log).split("M")[:-1]
    pieces_before = [sum(len(run) for run in runs[: index + 1]) for index in range(len(runs))]
    assert max(before - there for before, there in zip(pieces_before, arrived, strict=True)) <= 8


async def test_a_small_control_message_overtakes_the_queued_pieces(pair: Pair) -> None:
    left, right = pair
    for _ in range(30):
        left.peer.send_control(bytes(1000))
    left.peer.send_control(b"goodbye")
    await until(lambda: b"goodbye" in right.controls)
    assert right.controls.index(b"goodbye") <= 4


async def test_control_messages_sent_before_the_connection_arrive_after_it(apart: Pair) -> None:
    left, right = apart
    left.peer.send_control(b"hello")
    assert not left.peer.send_motion(b"too early")
    await connect_in_process(left.peer, right.peer)
    await until(lambda: bool(right.controls))
    assert right.controls == [b"hello"]
    assert left.peer.stats().motion_dropped == 1


async def test_messages_that_do_not_fit_a_packet_are_refused(pair: Pair) -> None:
    for send in (pair[0].peer.send_motion, pair[0].peer.send_control):
        for size in (0, MAX_MESSAGE_BYTES + 1):
            with pytest.raises(ValueError, match="1100 bytes"):
                send(bytes(size))


async def test_a_drained_goodbye_has_arrived_when_the_line_is_closed(pair: Pair) -> None:
    left, right = pair
    left.peer.send_control(b"goodbye")
    await left.peer.drain(PATIENCE_S)
    await left.peer.close()
    await until(lambda: bool(right.ends))
    assert right.controls == [b"goodbye"]
    assert right.ends == ["The other side has ended the connection."]
    assert left.ends == []


async def test_nothing_is_sent_after_the_end_and_nothing_fails(pair: Pair) -> None:
    left, right = pair
    await left.peer.close()
    await left.peer.close()
    await until(lambda: bool(right.ends))
    for side in pair:
        assert not side.peer.send_motion(b"late")
        side.peer.send_control(b"late")
        await side.peer.drain()
    assert right.ends == ["The other side has ended the connection."]


async def test_a_side_that_vanishes_without_a_word_is_noticed(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, right = pair
    monkeypatch.setattr(peer_module, "LINE_LOST_S", 0.3)
    right.peer._wire.abort()  # as a killed process or a pulled cable
    await until(lambda: bool(left.ends))
    assert len(left.ends) == 1
    assert "line is lost" in left.ends[0]


async def test_a_flood_without_an_end_is_cut_off(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    left, right = pair
    monkeypatch.setattr(peer_module, "MAX_UNFINISHED_BYTES", 20_000)
    association = left.peer._connection.sctp
    # The last fragment never comes: the other side must hold all that it has.
    original = association._send_chunk

    async def without_last(chunk: object) -> None:
        if getattr(chunk, "flags", 0) != 1:
            await original(chunk)

    association._send_chunk = without_last
    left.peer._control._channel.send(bytes(60_000))
    await until(lambda: bool(right.ends))
    assert right.ends == ["The other side sends messages without an end."]


@pytest.mark.parametrize("size", [2, 1_000])
async def test_a_side_that_asks_on_and_on_and_acknowledges_no_answer_is_cut_off(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    left, right = pair
    monkeypatch.setattr(peer_module, "MOST_HELD", 300)
    association = right.peer._connection.sctp
    assert association is not None
    original = association._send_chunk

    async def without_answers(chunk: Chunk) -> None:
        if not isinstance(chunk, SackChunk):
            await original(chunk)

    monkeypatch.setattr(association, "_send_chunk", without_answers)
    for _ in range(200):
        left.peer.send_control(bytes(size))
    await asyncio.sleep(2 * WATCH_S)
    assert left.ends == [], "what is said in one go may be much"
    for _ in range(200):
        left.peer.send_control(bytes(size))
    await until(lambda: bool(left.ends))
    assert left.ends == ["The other side takes no messages any more."]


async def test_parts_of_messages_that_never_come_are_cut_off_though_they_hold_nothing(pair: Pair) -> None:
    left, right = pair
    association, theirs = left.peer._connection.sctp, right.peer._connection.sctp
    assert association is not None
    assert theirs is not None
    for ahead in range(2, peer_module.MAX_UNFINISHED_BYTES // PART_BYTES + 2):
        chunk = DataChunk()
        chunk.tsn, chunk.stream_id = (theirs._last_received_tsn + ahead) % 2**32, 7
        await association._send_chunk(chunk)
        await asyncio.sleep(0)
    await until(lambda: bool(right.ends))
    assert right.ends == ["The other side sends messages without an end."]


async def test_closing_does_not_wait_for_an_upstream_that_hangs(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    left, right = pair
    monkeypatch.setattr(peer_module, "CLOSE_LIMIT_S", 0.5)
    monkeypatch.setattr(left.peer._connection, "close", hang)
    async with asyncio.timeout(PATIENCE_S):
        await left.peer.close()
    assert left.peer._wire._connection._protocols
    assert all(p.transport.is_closing() for p in left.peer._wire._connection._protocols)
    right.peer._wire.abort()


async def test_a_fault_in_a_callback_does_not_end_the_connection(apart: Pair) -> None:
    left, right = apart
    faults: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: faults.append(context))
    broken = peer_module.Peer(
        on_motion=lambda data: [][0], on_control=right.control, on_closed=right.ends.append
    )
    await connect_in_process(left.peer, broken)
    left.peer.send_motion(b"provokes")
    left.peer.send_control(b"still there")
    await until(lambda: bool(right.controls))
    assert len(faults) == 1
    assert right.ends == []
    await broken.close()


async def test_peers_meet_on_a_machine_without_a_network(
    apart: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ice, "get_host_addresses", lambda use_ipv4, use_ipv6: [])
    left, right = apart
    await connect_in_process(left.peer, right.peer)
    local = left.peer._connection.localDescription.sdp
    assert f" {LOOPBACK} " in local


async def test_a_side_that_is_never_answered_says_so(apart: Pair) -> None:
    await apart[0].peer.create_offer()
    with pytest.raises(TransportError, match="has not answered"):
        await apart[0].peer.connected(0.05)


async def test_an_answer_to_nothing_is_refused(apart: Pair) -> None:
    left, right = apart
    answer = await right.peer.accept(await left.peer.create_offer())
    with pytest.raises(TransportError, match=r"answer cannot be used"):
        await right.peer.complete(answer)
    with pytest.raises(TransportError, match="where an offer was due"):
        await right.peer.accept(answer)


async def test_a_report_comes_as_a_control_message_and_waits_for_nothing(pair: Pair) -> None:
    left, right = pair
    left.peer.send_report(b"report")
    await until(lambda: right.controls == [b"report"])
    with pytest.raises(ValueError, match="a report has"):
        left.peer.send_report(bytes(MAX_REPORT_BYTES + 1))


async def test_what_is_queued_keeps_to_a_limit_on_everything(pair: Pair) -> None:
    left, right = pair
    left.peer.pace(limit_bps=1_000.0)
    left.peer.send_control(bytes(1000))
    left.peer.send_control(b"small")
    await until(lambda: b"small" in right.controls)
    assert left.peer.stats().control_waiting_bytes == 1000  # the meeting has cost more than is allowed
    left.peer.pace()
    await until(lambda: len(right.controls) == 2)


@pytest.mark.parametrize("is_cancelled", [True, False])
async def test_sockets_that_are_being_opened_when_a_peer_closes_do_not_stay_open(
    is_cancelled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    opened: list[asyncio.BaseTransport] = []
    open_upstream = loop.create_datagram_endpoint

    async def open_slowly(*given: Any, **more: Any) -> Any:
        made = await open_upstream(*given, **more)
        opened.append(made[0])
        await asyncio.sleep(0.01)
        return made

    monkeypatch.setattr(loop, "create_datagram_endpoint", open_slowly)
    monkeypatch.setattr(ice, "get_host_addresses", lambda **_: ["127.0.0.1", "127.0.0.2"])
    side = Side()
    offering = loop.create_task(side.peer.create_offer())
    await until(lambda: bool(opened))
    if is_cancelled:
        offering.cancel()
    await asyncio.sleep(0)
    await side.peer.close()
    await asyncio.gather(offering, return_exceptions=True)
    await until(lambda: len(opened) == 2 and all(transport.is_closing() for transport in opened))
