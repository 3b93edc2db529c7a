"""What is watched at the two ends of a call."""

import numpy as np
import pytest

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
