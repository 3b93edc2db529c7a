"""Who waits for whom: the sender's clock, and holds that bring voice and lips together."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from receiver_fakes import decoded, motion

from codec.time import Clock
from receiver.lipsync import DEADBAND_S, MAX_HOLD_S, STEP_S, LipSync
from receiver.playout import Playout, Shown
from receiver.timeline import Timeline


def settle(lips: LipSync, *, picture_s: float, sound_s: float, rounds: int = 60) -> float:
    """Show pictures that need `picture_s` and play sound that needs `sound_s`; return the picture's lag in the end."""
    lips.take(Clock(0, 0))
    ticks = 0
    lag_s = 0.0
    for _ in range(rounds):
        for _ in range(5):
            ticks += 2
            captured_s = ticks / 60
            shown_s = captured_s + picture_s + lips.picture_hold_s
            lips.see(ticks, shown_s, captured_s + sound_s, captured_s + sound_s + lips.sound_hold_s)
            lag_s = shown_s - (captured_s + sound_s + lips.sound_hold_s)
        lips.adjust()
    return lag_s


@given(st.floats(0.02, 0.45), st.floats(0.02, 0.45))
def test_the_quicker_one_waits_until_both_are_in_step(picture_s: float, sound_s: float) -> None:
    lips = LipSync()
    assert abs(settle(lips, picture_s=picture_s, sound_s=sound_s)) <= DEADBAND_S + 0.001
    assert min(lips.picture_hold_s, lips.sound_hold_s) == 0.0


def test_nothing_waits_longer_than_a_conversation_bears() -> None:
    lips = LipSync()
    settle(lips, picture_s=3.0, sound_s=0.1)
    assert lips.sound_hold_s == MAX_HOLD_S
    lips = LipSync()
    settle(lips, picture_s=0.1, sound_s=3.0)
    assert lips.picture_hold_s == pytest.approx(MAX_HOLD_S, abs=DEADBAND_S)


def test_a_line_that_changes_takes_the_wait_from_one_side_to_the_other() -> None:
    lips = LipSync()
    settle(lips, picture_s=0.1, sound_s=0.3)
    assert lips.picture_hold_s == pytest.approx(0.2, abs=DEADBAND_S)
    assert abs(settle(lips, picture_s=0.3, sound_s=0.2)) <= DEADBAND_S + 0.001
    assert lips.picture_hold_s == 0.0


def test_the_picture_s_wait_changes_by_small_steps() -> None:
    lips = LipSync()
    lips.take(Clock(0, 0))
    held_s = [0.0]
    for ticks in range(0, 200, 2):
        lips.see(ticks, ticks / 60 + lips.picture_hold_s, ticks / 60 + 0.3, ticks / 60 + 0.3)
        if ticks % 10 == 0:
            lips.adjust()
            held_s.append(lips.picture_hold_s)
    assert max(abs(late - early) for early, late in pairwise(held_s)) <= STEP_S + 1e-9


def test_the_picture_goes_with_sound_that_is_not_yet_where_it_ought_to_be() -> None:
    lips = LipSync()
    for index in range(100):
        due_s = index / 30 + 0.1
        lips.see(2 * index, due_s + lips.picture_hold_s, due_s, due_s + 0.15)  # it plays on behind its time
        lips.adjust()
    assert lips.picture_hold_s == pytest.approx(0.15, abs=DEADBAND_S)
    assert lips.sound_hold_s == 0.0
    for index in range(100):
        due_s = index / 30 + 0.1
        lips.see(2 * index, due_s + lips.picture_hold_s, due_s, due_s)  # and has caught up
        lips.adjust()
    assert lips.picture_hold_s == 0.0


def test_single_late_pictures_move_nothing() -> None:
    lips = LipSync()
    lips.take(Clock(0, 0))
    for index in range(100):
        late_s = 0.4 if index % 5 == 0 else 0.0
        lips.see(2 * index, index / 30 + 0.1 + late_s, index / 30 + 0.1, index / 30 + 0.1)
        lips.adjust()
    assert lips.picture_hold_s == lips.sound_hold_s == 0.0


def test_times_are_mapped_across_the_wraps_of_both_clocks() -> None:
    lips = LipSync()
    assert lips.rtp_of(0) is None
    assert lips.ticks_of(0) is None
    # Tick 4090 of the wire is 3 * 4096 + 4090 as it counts on here; the sound's clock wraps a tick later.
    lips.take(Clock(4090, 2**32 - 800))
    newest = 3 * 4096 + 4100
    assert lips.rtp_of(newest) == 9 * 800
    lips.see(newest, 0.0, 0.0, 0.0)
    assert lips.ticks_of(9 * 800) == newest
    assert lips.ticks_of(2**32 - 800) == newest - 10
    assert lips.ticks_of(9 * 800 + 400) == newest + 0.5


def test_after_a_lost_line_the_clock_is_learned_anew_and_the_wait_stays() -> None:
    lips = LipSync()
    settle(lips, picture_s=0.1, sound_s=0.3)
    held_s = lips.picture_hold_s
    lips.restart()
    lips.adjust()
    assert lips.rtp_of(0) is None
    assert lips.picture_hold_s == held_s


def test_a_held_playout_shows_each_motion_that_much_later() -> None:
    plain, held = Playout(), Playout()
    held.hold_s = 0.25
    for playout in (plain, held):
        playout.push(decoded(0), 10.0)
    due_s, later_s = plain.due_s(), held.due_s()
    assert due_s is not None
    assert later_s == pytest.approx(due_s + 0.25)
    assert plain.next(due_s) is not None
    assert held.next(due_s) is None
    assert held.next(due_s + 0.25 + 1e-6) is not None
    assert held.delay_s == pytest.approx(plain.delay_s + 0.25)


def test_a_recording_has_a_place_for_what_was_captured_between_two_pictures() -> None:
    timeline = Timeline()
    assert timeline.place_s(600, 19.0) is None
    for ticks in (600, 603):
        stamp_s = timeline.stamp_s(Shown("fresh", ticks, 0, motion(0.0)), ticks / 60 + 9)
        assert timeline.place_s(ticks, ticks / 60 + 9) == pytest.approx(stamp_s)
    assert timeline.place_s(601.5, 19.1) == pytest.approx(0.025)
    assert timeline.place_s(570, 19.1) == pytest.approx(-0.5)
