"""What the receiving side measures of the pictures that it shows."""

import pytest
from receiver_fakes import motion

from receiver.playout import Kind, PlayoutCounts, Shown
from receiver.stats import ReceiverStats, ShowMeter


def measured(shows: list[tuple[Kind, float]]) -> ReceiverStats:
    meter = ShowMeter()
    for kind, at_s in shows:
        meter.add(Shown(kind, 0, 0, motion(0)), began_s=at_s - 0.01, shown_s=at_s)
    return meter.stats(
        PlayoutCounts(),
        playout_delay_s=0.0,
        frames_unwritten=0,
        packets_bad=0,
        packets_early=0,
        pictures_received=0,
        ended=None,
    )


def test_only_pictures_of_what_really_was_end_a_gap() -> None:
    stats = measured([("fresh", 1.0), ("extrapolated", 1.1), ("relaxed", 1.3), ("interpolated", 1.5)])
    assert stats.longest_gap_ms == pytest.approx(500)
    assert stats.frozen_s == pytest.approx(0.5)
    assert stats.shown_s == pytest.approx(0.5)


def test_ticks_that_lack_a_new_picture_are_counted_and_jitter_is_none() -> None:
    steady = [("fresh", 1.0 + 0.04 * index + 0.015 * (index % 2)) for index in range(101)]
    assert measured(steady).shown_share == pytest.approx(1.0)
    with_hole = [show for index, show in enumerate(steady) if not 20 <= index < 25]
    assert measured(with_hole).shown_share == pytest.approx(0.95)
    filled = [
        ("extrapolated" if 20 <= index < 25 else kind, at_s) for index, (kind, at_s) in enumerate(steady)
    ]
    assert measured(filled).shown_share == pytest.approx(0.95)
    bridged = [
        ("interpolated" if 20 <= index < 25 else kind, at_s) for index, (kind, at_s) in enumerate(steady)
    ]
    assert measured(bridged).shown_share == pytest.approx(1.0)


def test_a_face_that_stands_still_to_the_end_lacks_pictures_and_so_does_a_slow_one() -> None:
    stopped = [("fresh" if index < 50 else "relaxed", 1.0 + 0.04 * index) for index in range(100)]
    assert measured(stopped).shown_share == pytest.approx(0.5, abs=0.02)
    slow = [
        ("fresh", 1.0 + 0.055 * index) for index in range(100)
    ]  # never so late that a tick is missed for sure
    assert measured(slow).shown_share == pytest.approx(0.04 / 0.055, abs=0.02)
    assert measured([]).shown_share is None


def test_gaps_that_nobody_sees_are_not_frozen_time() -> None:
    stats = measured([("fresh", 1.0), ("fresh", 1.19), ("fresh", 1.38), ("fresh", 1.68)])
    assert stats.frozen_s == pytest.approx(0.3)
