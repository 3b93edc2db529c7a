"""Acknowledgements between two real peers: how few go back, and which may not wait."""

import asyncio
import inspect
import time

import aiortc
import pytest
from aiortc import RTCSctpTransport
from aiortc.rtcsctptransport import DataChunk, SackChunk, parse_packet, serialize_packet
from transport_sides import Pair, Side, quiet, unhurried, until

from tests.patience import PATIENCE_S
from transport.acknowledging import (
    DELAY_S,
    GAP_S,
    PACKETS,
    TOLD_AGAIN_S,
    UPSTREAM,
    WINDOW_BYTES,
    Acknowledging,
    _Bundle,
)
from transport.impairment import ImpairedLine, Impairment
from transport.meet import connect_in_process
from transport.peer import CONTROL_STREAM, MOTION_STREAM
from transport.relay import Relay

NEVER_S = 10 * PATIENCE_S  # longer than any test waits


def test_upstream_calls_what_is_stood_in_for() -> None:
    assert aiortc.__version__.startswith(f"{UPSTREAM}.")
    taken = inspect.getsource(RTCSctpTransport._handle_data)
    assert "if self._sack_needed:\n            await self._send_sack()" in taken
    assert "await self._receive_chunk(chunk)" in taken
    assert "await self._send_chunk(chunk)" in inspect.getsource(RTCSctpTransport._transmit)
    assert "await self._send_chunk(self._forward_tsn_chunk)" in inspect.getsource(RTCSctpTransport._transmit)
    assert "self._flight_size < cwnd" in inspect.getsource(RTCSctpTransport._transmit)
    assert "self._update_rto(" in inspect.getsource(RTCSctpTransport._receive_sack_chunk)
    assert "schunk._misses == 3" in inspect.getsource(RTCSctpTransport._receive_sack_chunk)
    answered = inspect.getsource(RTCSctpTransport._send_sack)
    for state in ("_sack_misordered", "_sack_duplicates", "_last_received_tsn", "_advertised_rwnd"):
        assert f"self.{state}" in answered


def test_two_chunks_of_one_packet_are_both_read() -> None:
    sack, data = SackChunk(), DataChunk()
    sack.cumulative_tsn, data.tsn, data.user_data = 7, 8, b"motion"
    *_, chunks = parse_packet(serialize_packet(5000, 5000, 1, _Bundle([sack, data])))
    assert [type(chunk) for chunk in chunks] == [SackChunk, DataChunk]


async def send_motions(side: Side, count: int, *, spacing_s: float = 0.005) -> None:
    for index in range(count):
        side.peer.send_motion(bytes([index]) * 40)
        await asyncio.sleep(spacing_s)


def unacknowledged(side: Side) -> int:
    return side.peer._wire.pending_chunks(MOTION_STREAM) + side.peer._wire.pending_chunks(CONTROL_STREAM)


async def test_motions_are_acknowledged_together_and_the_last_one_too(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, right = pair
    await quiet(left, right)
    unhurried(left)
    monkeypatch.setattr("transport.acknowledging.DELAY_S", NEVER_S)
    before = left.peer.stats().received_packets
    await send_motions(left, 3 * PACKETS)
    await until(lambda: len(right.motions) == 3 * PACKETS and unacknowledged(left) == 0)
    assert 3 <= left.peer.stats().received_packets - before <= 3 + 2  # and an ICE check or two
    monkeypatch.setattr("transport.acknowledging.DELAY_S", 0.05)
    await send_motions(left, 1)
    await until(lambda: len(right.motions) == 3 * PACKETS + 1 and unacknowledged(left) == 0)


async def test_reliable_data_is_acknowledged_without_waiting(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, _ = pair
    unhurried(left)
    monkeypatch.setattr("transport.acknowledging.DELAY_S", NEVER_S)
    monkeypatch.setattr("transport.resending.FIRST_PROBE_S", NEVER_S)  # what comes twice is answered at once
    for index in range(5):
        left.peer.send_control(bytes([index]))
        await until(lambda: unacknowledged(left) == 0)


async def test_acknowledgements_ride_along_with_data_that_goes_back(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, right = pair
    await quiet(left, right)
    unhurried(left)
    unhurried(right)
    monkeypatch.setattr("transport.acknowledging.DELAY_S", NEVER_S)
    before = left.peer.stats().received_packets
    for count in range(1, 21):
        left.peer.send_motion(bytes(40))
        await until(lambda count=count: len(right.motions) == count)
        right.peer.send_motion(bytes(40))
        await until(lambda count=count: len(left.motions) == count)
    assert unacknowledged(left) == 0
    assert left.peer.stats().received_packets - before <= 20 + 2


def worsen(relay: Relay, impairment: Impairment, *, seed: int) -> None:
    """Let a relay through which two sides have met do this to what they say from now on, the same in every run."""
    relay._answerer.line = ImpairedLine(impairment, seed=f"{seed} forward")
    relay._offerer.line = ImpairedLine(impairment, seed=f"{seed} back")


async def test_after_losses_everything_is_settled_and_the_window_is_free(apart: Pair) -> None:
    left, right = apart
    relay = Relay(Impairment(), Impairment())
    try:
        await connect_in_process(left.peer, right.peer, relay=relay)
        worsen(relay, Impairment(loss=0.2), seed=5)
        await send_motions(left, 100)
        left.peer.send_control(b"the last")
        await until(lambda: right.controls == [b"the last"] and unacknowledged(left) == 0)
    finally:
        relay.close()
    assert 60 < len(right.motions) < 100


async def test_after_a_loss_the_packets_that_follow_are_not_answered_one_by_one(apart: Pair) -> None:
    left, right = apart
    relay = Relay(Impairment(), Impairment())
    try:
        await connect_in_process(left.peer, right.peer, relay=relay)
        await quiet(left, right)
        worsen(relay, Impairment(loss=0.03, delay_s=0.05), seed=5)
        before, began_s = left.peer.stats().sent_packets, time.monotonic()
        for index in range(200):
            for side in (left, right):
                side.peer.send_motion(bytes([index]) * 40)
            await asyncio.sleep(0.01)
        await until(lambda: unacknowledged(left) == unacknowledged(right) == 0)
    finally:
        relay.close()
    assert relay.forward.lost >= 6
    # Answered one by one, gaps would bring more packets than the motions themselves. Where a machine takes longer than
    # the motions are apart, answers find none to ride in.
    longer_s = max(time.monotonic() - began_s - 3.0, 0.0)
    assert left.peer.stats().sent_packets - before < 1.4 * 200 + longer_s * (1 / GAP_S + 1 / TOLD_AGAIN_S)


async def test_a_lost_message_is_made_good_soon_among_motions_that_go_on(apart: Pair) -> None:
    left, right = apart
    relay = Relay(Impairment(), Impairment())
    try:
        await connect_in_process(left.peer, right.peer, relay=relay)
        worsen(relay, Impairment(loss=0.2, delay_s=0.02), seed=4)
        for index in range(60):
            left.peer.send_motion(bytes(40))
            right.peer.send_motion(bytes(40))
            if index % 6 == 0:
                left.peer.send_control(bytes([index]))
            await asyncio.sleep(0.02)
        await until(lambda: len(right.controls) == 10)
    finally:
        relay.close()
    assert right.controls == [bytes([index]) for index in range(0, 60, 6)]


async def test_the_round_trip_is_the_line_s_and_not_the_acknowledgement_s(
    apart: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transport.acknowledging.DELAY_S", NEVER_S)
    left, right = apart
    relay = Relay(Impairment(delay_s=0.05), Impairment(delay_s=0.05))
    try:
        await connect_in_process(left.peer, right.peer, relay=relay)
        unhurried(left)
        await send_motions(left, PACKETS - 1)
        await until(lambda: len(right.motions) == PACKETS - 1)
        await asyncio.sleep(0.8)  # so much longer it would be, measured from any other motion
        sent_s = time.time()
        await send_motions(left, 1)
        await until(lambda: len(right.motions) == PACKETS and unacknowledged(left) == 0)
        answered_s = time.time()
    finally:
        relay.close()
    round_trip_s = left.peer.stats().round_trip_s
    assert round_trip_s is not None
    assert 0.1 <= round_trip_s <= answered_s - sent_s


async def test_what_was_given_up_is_told_as_far_as_nothing_else_is_lacking() -> None:
    connection = aiortc.RTCPeerConnection()
    connection.createDataChannel("motion")
    association = connection.sctp
    assert association is not None
    acknowledging = Acknowledging(association, lazy_streams=[MOTION_STREAM])
    for tsn, fate in enumerate(["_abandoned", "_acked", "_abandoned", "_acked", None, "_abandoned"]):
        chunk = DataChunk()
        chunk.tsn, chunk._acked, chunk._abandoned = tsn, fate == "_acked", fate == "_abandoned"
        association._sent_queue.append(chunk)
    assert acknowledging._given_up_to(0) == 2
    await connection.close()


async def test_the_window_stays_wide_enough_for_motion_whatever_gets_lost() -> None:
    connection = aiortc.RTCPeerConnection()
    connection.createDataChannel("motion")
    association = connection.sctp
    assert association is not None
    Acknowledging(association, lazy_streams=[MOTION_STREAM])
    association._cwnd = 1_200  # as upstream leaves it when its timer has run out
    await association._transmit()
    assert association._cwnd == WINDOW_BYTES
    await connection.close()


async def test_an_association_of_another_version_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aiortc, "__version__", "2.0.0")
    connection = aiortc.RTCPeerConnection()
    connection.createDataChannel("motion")
    association = connection.sctp
    assert association is not None
    Acknowledging(association, lazy_streams=[MOTION_STREAM])
    assert "_send_sack" not in vars(association)
    await connection.close()


def test_no_acknowledgement_waits_longer_than_the_rfc_allows() -> None:
    assert DELAY_S <= 0.5
