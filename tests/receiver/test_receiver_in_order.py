"""The playout in order: everything that came is drawn, once, in the order of capture, and no clock is asked."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from receiver_fakes import decoded, motion

from codec.ordered import ORDERED_WINDOW
from codec.time import TICK_CYCLE
from receiver.in_order import BEHIND_TICKS, InOrder


def drawn(playout: InOrder) -> list[int]:
    """Take whatever can be drawn."""
    ticks = []
    while (shown := playout.next(0.0)) is not None:
        assert shown.kind == "fresh"
        ticks.append(shown.ticks)
    return ticks


def test_every_motion_is_given_out_once_however_quickly_they_come() -> None:
    playout = InOrder()
    for index in range(ORDERED_WINDOW):
        playout.push(decoded(10 + 2 * index), arrived_s=5.0)
    assert playout.due_s() == 5.0
    assert drawn(playout) == [10 + 2 * index for index in range(ORDERED_WINDOW)]
    assert playout.due_s() is None
    assert playout.counts.fresh == ORDERED_WINDOW
    assert playout.waiting == 0


def test_nothing_is_drawn_instead_of_what_has_not_come_and_nothing_is_ever_too_late() -> None:
    playout = InOrder()
    playout.set_rest(0, motion(0))
    playout.push(decoded(10), 0.0)
    assert drawn(playout) == [10]
    assert playout.next(1e6) is None
    playout.push(decoded(12), 1e6)
    playout.push(decoded(40), 1e6)
    assert drawn(playout) == [12, 40]
    assert playout.counts.late == playout.counts.skipped == playout.counts.interpolated == 0


def test_motions_that_overtook_each_other_are_put_in_order() -> None:
    playout = InOrder()
    for ticks in (10, 16, 12, 14):
        playout.push(decoded(ticks), 0.0)
    assert drawn(playout) == [10, 12, 14, 16]


def test_what_was_drawn_is_neither_drawn_again_nor_gone_back_behind() -> None:
    playout = InOrder()
    for ticks in (10, 14, 14):
        playout.push(decoded(ticks), 0.0)
    assert drawn(playout) == [10, 14]
    playout.push(decoded(14), 0.0)
    playout.push(decoded(12), 0.0)
    assert drawn(playout) == []
    assert (playout.counts.duplicates, playout.counts.late) == (2, 1)


def test_a_clip_without_a_face_for_most_of_a_cycle_goes_on_where_it_is() -> None:
    """The decoder takes a silence of more than half a cycle for a step back."""
    playout = InOrder()
    for ticks in (100, 100 + 3000 - TICK_CYCLE, 103 + 3000 - TICK_CYCLE):
        playout.push(decoded(ticks, value=0), 0.0)
    assert drawn(playout) == [100, 3100, 3103]


def test_a_sender_that_does_not_wait_fills_no_memory() -> None:
    playout = InOrder()
    for index in range(1000):
        playout.push(decoded(2 * index), 0.0)
    assert playout.waiting == ORDERED_WINDOW
    assert playout.counts.skipped == 1000 - ORDERED_WINDOW
    assert len(drawn(playout)) == ORDERED_WINDOW


@given(st.lists(st.integers(0, TICK_CYCLE - 1) | st.none(), max_size=200))
def test_whatever_comes_is_bounded_accounted_for_and_drawn_in_rising_order(steps: list[int | None]) -> None:
    playout, ticks, pushed = InOrder(), [], 0
    for step in steps:
        if step is None:
            ticks += drawn(playout)
        else:
            pushed += 1
            playout.push(decoded(step), 0.0)
        assert playout.waiting <= ORDERED_WINDOW
    ticks += drawn(playout)
    assert all(earlier < later for earlier, later in pairwise(ticks))
    counts = playout.counts
    assert counts.fresh + counts.duplicates + counts.late + counts.skipped == pushed


@given(st.lists(st.integers(1, TICK_CYCLE - BEHIND_TICKS - 1), min_size=1, max_size=ORDERED_WINDOW - 1))
def test_motions_in_order_are_all_drawn_with_the_steps_of_their_capture(steps: list[int]) -> None:
    playout, count = InOrder(), 0
    playout.push(decoded(0), 0.0)
    for step in steps:
        count += step
        playout.push(decoded(count % TICK_CYCLE), 0.0)
    assert [later - earlier for earlier, later in pairwise(drawn(playout))] == steps
