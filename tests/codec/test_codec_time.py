from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec.time import TICK_CYCLE, Unwrapper, ticks_of


def test_capture_times_become_sixtieths_of_a_second_and_wrap():
    assert ticks_of(0) == 0
    assert ticks_of(1.5) == 90
    assert ticks_of(TICK_CYCLE / 60) == 0
    assert ticks_of(-1 / 60) == TICK_CYCLE - 1


def test_a_capture_time_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="finite"):
        ticks_of(float("inf"))


@given(st.integers(0, 4095), st.lists(st.integers(-2000, 2000), max_size=50))
def test_any_order_within_half_a_cycle_unwraps_to_the_true_count(start, steps):
    unwrapper = Unwrapper()
    assert unwrapper.unwrap(start) == start
    newest = start
    for step in steps:
        true = newest + step
        assert unwrapper.unwrap(true % TICK_CYCLE) == true
        newest = max(newest, true)


def test_ten_minutes_count_on_without_a_jump():
    unwrapper = Unwrapper()
    counts = [unwrapper.unwrap(ticks_of(frame / 25)) for frame in range(15_000)]
    assert {later - earlier for earlier, later in pairwise(counts)} == {2, 3}
