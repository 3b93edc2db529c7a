"""Time stamps of recordings, and what the feedback says of the newest motions."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from receiver_fakes import motion

from codec.time import TICK_CYCLE, TICKS_PER_SECOND, Clock
from receiver.lipsync import SAMPLES_PER_TICK, LipSync
from receiver.playout import Shown
from receiver.received import Received
from receiver.timeline import CYCLE_S, MIN_STEP_S, Timeline


def shown(ticks: int, kind: str = "fresh") -> Shown:
    return Shown(kind, ticks, 0, motion(0))  # type: ignore[arg-type]


def test_fresh_pictures_stand_at_their_capture_times_however_unevenly_they_are_shown() -> None:
    timeline = Timeline()
    stamps = [
        timeline.stamp_s(shown(600 + ticks), 10 + ticks / 60 + late)
        for ticks, late in [(0, 0.0), (2, 0.03), (5, 0.001), (7, 0.02), (60, 0.0)]
    ]
    assert stamps == pytest.approx([0, 2 / 60, 5 / 60, 7 / 60, 1.0])


def test_what_fills_a_gap_stands_where_it_was_shown() -> None:
    timeline = Timeline()
    timeline.stamp_s(shown(600), 10.0)
    assert timeline.stamp_s(shown(601, "extrapolated"), 10.06) == pytest.approx(0.06)
    assert timeline.stamp_s(shown(602), 10.07) == pytest.approx(0.06 + MIN_STEP_S)  # late, after all
    assert timeline.stamp_s(shown(606), 10.10) == pytest.approx(0.1)


def test_a_sender_that_starts_anew_does_not_tear_the_recording() -> None:
    timeline = Timeline()
    timeline.stamp_s(shown(600), 10.0)
    assert timeline.stamp_s(shown(90_000), 10.5) == pytest.approx(0.5)
    assert timeline.stamp_s(shown(90_006), 10.6) == pytest.approx(0.6)
    assert timeline.stamp_s(shown(3), 11.0) == pytest.approx(1.0)


def test_sound_keeps_its_place_while_the_face_idles() -> None:
    timeline = Timeline()
    timeline.stamp_s(shown(600), 10.0)
    for index in range(1, 251):
        timeline.stamp_s(shown(600, "idle"), 10 + index / 25)
    assert timeline.place_s(600 + 600, 20.0) == pytest.approx(10.0)
    assert timeline.stamp_s(shown(600 + 606), 20.1) == pytest.approx(10.1)


def test_a_recording_that_begins_with_a_face_that_idles_takes_its_sound_as_it_is_heard() -> None:
    timeline = Timeline()
    timeline.stamp_s(shown(600, "idle"), 95.0)
    assert timeline.place_s(6000, 95.0) is None
    timeline.begin(6000)
    assert timeline.place_s(6000, 95.0) == pytest.approx(0.0)
    assert timeline.stamp_s(shown(6060), 96.0) == pytest.approx(1.0)


def test_sound_keeps_its_place_however_long_no_motion_says_what_time_it_is() -> None:
    timeline, lips = Timeline(), LipSync()
    timeline.stamp_s(shown(600), 10.0)
    lips.see(600, 10.0, 10.0, 10.0)
    for second in range(200):
        rtp = (second + 1) * SAMPLES_PER_TICK * TICKS_PER_SECOND
        lips.take(Clock((600 + 60 * second) % TICK_CYCLE, rtp))
        timeline.pass_s(10.0 + second)
        ticks = lips.ticks_of(rtp)
        assert ticks is not None
        assert timeline.place_s(ticks, 10.0 + second) == pytest.approx(second)


def test_sound_keeps_its_place_where_pictures_stay_away_for_a_while() -> None:
    timeline = Timeline()
    timeline.stamp_s(shown(600), 10.0)
    for second in range(100):
        assert timeline.place_s(600 + 60 * second, 10.0 + second) == pytest.approx(second)
    timeline.stamp_s(shown(600 + 6000), 110.0)
    assert timeline.place_s(600 + 6000 - 4096, 110.0) == pytest.approx(100.0)


def test_sound_stays_near_what_is_shown_whatever_the_other_side_says_of_its_clock() -> None:
    timeline = Timeline()
    timeline.stamp_s(shown(600), 10.0)
    for block in range(500):  # each said to be half a minute later than the one before
        place_s = timeline.place_s(600 + 2000 * block, 10.0 + block / 50)
        assert place_s is not None
        assert abs(place_s - block / 50) <= CYCLE_S / 2


@given(st.lists(st.tuples(st.integers(0, 10**6), st.booleans(), st.floats(0, 1)), min_size=2, max_size=50))
def test_time_stamps_always_rise(pictures: list[tuple[int, bool, float]]) -> None:
    timeline = Timeline()
    now_s, stamps = 5.0, []
    for ticks, fresh, later_s in pictures:
        now_s += later_s
        stamps.append(timeline.stamp_s(shown(ticks, "fresh" if fresh else "relaxed"), now_s))
    assert all(later - earlier >= MIN_STEP_S * 0.99 for earlier, later in pairwise(stamps))


@given(st.lists(st.integers(5000, 5100), min_size=1, max_size=60))
def test_feedback_names_the_newest_motion_and_the_32_ticks_before_it(ticks: list[int]) -> None:
    received = Received()
    for one in ticks:
        received.add(one)
    newest = max(ticks)
    assert received.newest_ticks == newest % 4096
    for bit in range(32):
        assert (received.bitmap >> bit) & 1 == (newest - bit - 1 in ticks)


def test_feedback_follows_a_sender_that_starts_anew() -> None:
    received = Received()
    assert received.newest_ticks is None
    for ticks in (3000, 3002, 5, 7):
        received.add(ticks)
    assert received.newest_ticks == 7
    assert received.bitmap == 0b10
