"""What is watched at the two ends of a call."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from call.loopback import progress
from call.pairs import Pairs
from call.watch import Watch
from codec.motion import Motion
from codec.time import TICK_CYCLE
from receiver.playout import Shown

REST = Motion([0, 0, 0], [0, 0, 0], np.zeros((1, 3)))


def shade(value: int) -> np.ndarray:
    return np.full((8, 8, 3), value, np.uint8)


def test_frames_of_a_long_call_are_not_taken_for_those_of_its_beginning() -> None:
    pairs = Pairs(most=2)
    watch = Watch(pairs)
    for index, ticks in enumerate((10, 12, TICK_CYCLE + 10, TICK_CYCLE + 12)):
        watch.on_frame(index, ticks, float(index), shade(index))
        watch.on_shown(Shown("fresh", ticks, 0, REST), shade(100 + index), index + 0.05)
    originals, redrawn = pairs.matched()
    np.testing.assert_array_equal(originals, [shade(0), shade(1)])
    np.testing.assert_array_equal(redrawn, [shade(100), shade(101)])
    assert watch.latency_ms("median") == pytest.approx(50)


def test_a_line_has_recovered_when_what_was_captured_since_it_failed_is_shown() -> None:
    watch = Watch(None)
    assert watch.first_shown_s is None
    for ticks, captured_s, shown_s in ((0, 1.0, 1.1), (60, 2.0, 7.05), (400, 6.9, 7.2), (406, 7.0, 7.3)):
        watch.on_frame(0, ticks, captured_s, shade(0))
        watch.on_shown(Shown("fresh", ticks, 0, REST), shade(0), shown_s)
    assert watch.first_shown_s == 1.1
    assert watch.recovery_s(5.0, 7.0) == pytest.approx(0.2)
    assert watch.recovery_s(8.0, 9.0) is None


def test_the_line_of_a_call_says_which_rate_and_which_time_it_means() -> None:
    watch, sent = Watch(None), counted(frames_sent=26, payload_bytes=13 * 26)
    assert progress(watch, sent).startswith("Meeting")
    for index in range(26):
        watch.on_frame(index, 2 * index, index / 25, shade(0))
    assert "26 frames sent, 25 a second  motion 2.6 kbit/s" in progress(watch, sent)
    assert "latency" not in progress(watch, sent)
    watch.on_shown(Shown("fresh", 50, 0, REST), shade(0), 1.05)
    assert progress(watch, sent).endswith("latency 50 ms")


def counted(**counts: int) -> Any:
    """Stand in for a sender's stats."""
    return SimpleNamespace(**counts)
