"""The fullest five seconds of a line."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport.peak import PEAK_S, Peak


def test_the_fullest_five_seconds_count_wherever_they_lie() -> None:
    peak = Peak()
    for at_s in range(100):
        peak.add(1000 if 42.5 < at_s < 45.5 else 100, float(at_s))
    assert peak.rate_bps == pytest.approx(8 * (3 * 1000 + 2 * 100) / PEAK_S)


def test_a_line_that_was_never_used_has_no_rate() -> None:
    assert Peak().rate_bps == 0


@given(st.lists(st.tuples(st.integers(1, 1500), st.floats(0, 3)), max_size=40))
def test_it_is_what_looking_at_every_window_finds(packets: list[tuple[int, float]]) -> None:
    peak, sent, now_s = Peak(), [], 0.0
    for size, wait_s in packets:
        now_s += wait_s
        peak.add(size, now_s)
        sent.append((size, now_s))
    assert all(before[1] <= after[1] for before, after in pairwise(sent))
    windows = [sum(size for size, at_s in sent if end_s - PEAK_S < at_s <= end_s) for _, end_s in sent]
    assert peak.most_bytes == max(windows, default=0)
