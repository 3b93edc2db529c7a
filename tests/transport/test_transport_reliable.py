"""Control messages between two real peers on lines that lose them."""

import asyncio
import inspect
import time
from typing import Any

import aiortc
import pytest
from aiortc import RTCSctpTransport
from aiortc.rtcsctptransport import DataChunk, SackChunk
from transport_sides import Pair, Side, until

from tests.patience import PATIENCE_S
from transport.impairment import ImpairedLine, Impairment
from transport.meet import connect_in_process
from transport.relay import Relay
from transport.reliable import UPSTREAM, WINDOW_BYTES, Reliable
from transport.round_trips import KEPT_S, ROUND_TRIPS, RoundTrips


def test_upstream_calls_what_is_stood_in_for() -> None:
    assert aiortc.__version__.startswith(f"{UPSTREAM}.")
    assert "await self._receive_chunk(chunk)" in inspect.getsource(RTCSctpTransport._handle_data)
    assert "await self._send_chunk(chunk)" in inspect.getsource(RTCSctpTransport._transmit)
    assert "self._flight_size < cwnd" in inspect.getsource(RTCSctpTransport._transmit)
    assert "schunk._misses == 3" in inspect.getsource(RTCSctpTransport._receive_sack_chunk)
    assert "self._update_rto(" in inspect.getsource(RTCSctpTransport._receive_sack_chunk)


def unanswered(side: Side) -> int:
    return side.peer._wire.pending_chunks


def worsen(relay: Relay, impairment: Impairment, *, seed: int) -> None:
    """Let a relay through which two sides have met do this to what they say from now on, the same in every run."""
    relay._answerer.line = ImpairedLine(impairment, seed=f"{seed} forward")
    relay._offerer.line = ImpairedLine(impairment, seed=f"{seed} back")


async def test_messages_are_answered_without_being_sent_again(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, right = pair
    for wait in ("FIRST_PROBE_S", "PROBE_S"):
        monkeypatch.setattr(f"transport.resending.{wait}", 1_000.0)
    association = left.peer._connection.sctp
    assert association is not None
    association._rto = 1_000.0
    for index in range(5):
        left.peer.send_control(bytes([index]))
        await until(lambda index=index: len(right.controls) == index + 1 and unanswered(left) == 0)  # type: ignore[misc]


async def test_lost_messages_are_made_good_soon_among_motions_that_go_on(apart: Pair) -> None:
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
        await until(lambda: len(right.controls) == 10 and unanswered(left) == 0)
    finally:
        relay.close()
    assert right.controls == [bytes([index]) for index in range(0, 60, 6)]
    assert 30 < len(right.motions) < 60


async def test_the_round_trip_is_that_of_the_newest_messages(apart: Pair) -> None:
    left, right = apart
    relay = Relay(Impairment(), Impairment())
    try:
        await connect_in_process(left.peer, right.peer, relay=relay)
        worsen(relay, Impairment(delay_s=0.05), seed=1)
        began_s = time.time()
        for count in range(1, ROUND_TRIPS + 1):
            left.peer.send_control(b"how far are you?")
            await until(lambda count=count: len(right.controls) == count and unanswered(left) == 0)  # type: ignore[misc]
        elapsed_s = time.time() - began_s
    finally:
        relay.close()
    round_trip_s = left.peer.stats().round_trip_s
    assert round_trip_s is not None
    assert 0.1 <= round_trip_s <= elapsed_s / ROUND_TRIPS


@pytest.mark.parametrize("leap_s", [3_600.0, -3_600.0])
async def test_a_clock_that_is_set_in_mid_call_is_no_round_trip(
    leap_s: float, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, right = pair
    association = left.peer._connection.sctp
    assert association is not None
    left.peer.send_control(b"before")
    await until(lambda: len(right.controls) == 1 and unanswered(left) == 0)
    usual_s = association._rto
    now = time.time
    # Set while the answer to the second one is under way.
    monkeypatch.setattr(time, "time", lambda: now() + leap_s * (len(right.controls) > 1))
    left.peer.send_control(b"under way")
    await until(lambda: len(right.controls) == 2 and unanswered(left) == 0)
    round_trip_s = left.peer.stats().round_trip_s
    assert round_trip_s is not None
    assert 0 < round_trip_s < PATIENCE_S
    assert 0 <= left.peer._reliable._resending._slowest_s < PATIENCE_S
    assert association._rto < max(usual_s, PATIENCE_S / 2)


async def test_an_answer_tells_of_nothing_that_was_never_sent() -> None:
    connection = aiortc.RTCPeerConnection()
    connection.createDataChannel("control")
    association: Any = connection.sctp
    reliable = Reliable(association, RoundTrips())
    first = association._local_tsn
    for tsn in (first, first + 1, first + 2):
        chunk = DataChunk()
        chunk.tsn = tsn % 2**32
        association._sent_queue.append(chunk)
    sack = SackChunk()
    sack.gaps = [(2, 3), (0, 2), (3, 2), (2, 65_535), (4, 4)]
    for cumulative, believed in ((first - 1, [(2, 3)]), (first - 2, []), (first + 7, [])):
        sack.cumulative_tsn = cumulative % 2**32
        assert reliable._believable(sack) == believed
    await connection.close()


async def test_what_an_answer_should_not_tell_of_does_not_reach_upstream(pair: Pair) -> None:
    association: Any = pair[0].peer._connection.sctp
    sack = SackChunk()
    sack.cumulative_tsn, sack.gaps = association._last_sacked_tsn, [(2, 65_535)] * 250
    await association._receive_chunk(sack)
    assert sack.gaps == []


def test_the_shortest_of_the_newest_round_trips_counts() -> None:
    round_trips = RoundTrips()
    assert round_trips.shortest_s is None
    for round_trip_s in (0.01, 0.3, 0.2, 0.4, 0.5):
        round_trips.note(round_trip_s)
    assert round_trips.shortest_s == 0.2


def test_a_round_trip_of_long_ago_counts_until_there_is_a_newer_one(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("transport.round_trips.time.monotonic", lambda: now[0])
    round_trips = RoundTrips()
    round_trips.note(0.01)
    now[0] += 2 * KEPT_S
    assert round_trips.shortest_s == 0.01
    round_trips.note(0.4)
    assert round_trips.shortest_s == 0.4


async def test_the_window_stays_wide_enough_for_pictures_whatever_gets_lost() -> None:
    connection = aiortc.RTCPeerConnection()
    connection.createDataChannel("control")
    association = connection.sctp
    assert association is not None
    Reliable(association, RoundTrips())
    association._cwnd = 1_200  # as upstream leaves it when its timer has run out
    await association._transmit()
    assert association._cwnd == WINDOW_BYTES
    await connection.close()


async def test_an_association_of_another_version_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aiortc, "__version__", "2.0.0")
    connection = aiortc.RTCPeerConnection()
    connection.createDataChannel("control")
    association = connection.sctp
    assert association is not None
    Reliable(association, RoundTrips())
    assert "_transmit" not in vars(association)
    await connection.close()
