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


def test_gaps_that_nobody_sees_are_not_frozen_time() -> None:
    stats = measured([("fresh", 1.0), ("fresh", 1.19), ("fresh", 1.38), ("fresh", 1.68)])
    assert stats.frozen_s == pytest.approx(0.3)
