"""What the receiver remembers of the motions that came, for its feedback."""

import pytest

from codec.feedback import ReadyTransfers, Transit
from receiver.received import (
    DENSE_FEEDBACK_S,
    FEEDBACK_S,
    FEW_PACKETS,
    MANY_PACKETS,
    RARE_FEEDBACK_S,
    Received,
)


def test_packets_are_counted_modulo_what_the_feedback_holds() -> None:
    received = Received()
    for _ in range(65_536 + 3):
        received.count()
    assert received.packets == 3


def test_feedback_costs_a_packet_for_at_most_every_third_that_comes() -> None:
    received = Received()
    for _ in range(2):
        received.count()
    assert not received.is_due(FEEDBACK_S)
    assert received.is_due(RARE_FEEDBACK_S)  # but it always comes in the end
    for _ in range(FEW_PACKETS):
        received.count()
    assert not received.is_due(DENSE_FEEDBACK_S)
    assert received.is_due(FEEDBACK_S)
    assert not received.is_due(FEEDBACK_S)
    for _ in range(MANY_PACKETS):
        received.count()
    assert received.is_due(DENSE_FEEDBACK_S)


def test_the_quickest_motion_since_the_last_time_is_told_once() -> None:
    received = Received()
    assert received.take_transit() is None
    for ticks, arrived_s in ((60, 11.5), (62, 11.3), (66, 11.6)):
        received.add(ticks)
        received.time(ticks, arrived_s)
    # 62 ticks are 1.033 s: it took 10.267 s by two clocks that have nothing in common.
    assert received.take_transit() == Transit(4, 10_267)
    assert received.take_transit() is None
    received.add(70)
    received.time(70, 100.0)
    assert received.take_transit() == Transit(0, round(1000 * (100 - 70 / 60)) % 65536)


def test_a_transit_that_feedback_cannot_tell_is_left_out() -> None:
    received = Received()
    received.add(1000)
    received.time(1000, 20.0)
    received.add(1255)
    received.time(1255, 30.0)
    assert received.take_transit() is None


def test_a_clock_behind_the_sender_s_gives_a_transit_too() -> None:
    received = Received()
    received.add(6000)
    received.time(6000, 1.0)
    assert received.take_transit() == Transit(0, (1_000 - 100_000) % 65_536)


@pytest.mark.parametrize(
    ("came", "told"),
    [
        ([0], [0]),
        ([3, 4, 4, 2], [4, 3, 2]),
        ([65534, 1, 65535], [1, 65535, 65534]),
        ([5, 12, 13], [13, 12]),
        ([5, 40_000], [5]),  # longer ago than anything can be under way
        ([9, 1], [9]),
    ],
)
def test_the_newest_pictures_that_are_ready_are_told(came: list[int], told: list[int]) -> None:
    received = Received()
    assert received.ready is None
    for transfer in came:
        received.add_ready(transfer)
    assert isinstance(received.ready, ReadyTransfers)
    assert received.ready.transfers == told
