"""Which pictures the gallery is filled with."""

from dataclasses import replace

import pytest

from sender.coverage import EVERY_TICKS, FEWEST, REMEMBERED, Coverage
from sender.held import FINE_LOSS, LOSS, Held
from sender.posture import Posture, posture_of
from tests.sender.held_fakes import held, motion, source


def posture(yaw: float) -> Posture:
    its = motion(yaw=yaw)
    return posture_of(its.rotation, its.translation, its.expression, source().prepared)


def fine(slot: int, *, yaw: float = 0.0) -> Held:
    coarse = held(slot, yaw=yaw)
    return replace(coarse, source=replace(coarse.source, fine=True))


def coverage(*yaws: float) -> Coverage:
    noted = Coverage()
    for index, yaw in enumerate(yaws):
        noted.note(posture(yaw), index * EVERY_TICKS)
    return noted


def test_what_the_face_often_does_is_worth_more_than_what_it_did_once() -> None:
    noted = coverage(*[0.0] * 20, *[30.0] * 9, 60.0)
    present = [fine(0)]
    assert noted.gain(present, posture(30)) > noted.gain(present, posture(60)) > 0
    assert noted.gain(present, posture(0)) == 0
    assert noted.gain(present, posture(-40)) == 0


def test_a_gain_is_what_lpips_is_expected_to_fall_by() -> None:
    noted = coverage(*[0.0] * 10, *[20.0] * 10)
    assert noted.gain([fine(0)], posture(20)) == pytest.approx(0.5 * 20 * 0.0016, rel=1e-4)


def test_a_finer_code_of_the_same_posture_is_a_gain_too() -> None:
    assert coverage(*[0.0] * 10).gain([held(0)], posture(0)) == pytest.approx(LOSS - FINE_LOSS, rel=1e-4)


def test_a_place_is_worth_taking_only_where_another_picture_can_stand_in() -> None:
    noted = coverage(*[0.0] * 10, *[20.0] * 10, *[40.0] * 10)
    first, alike, alone = fine(0), fine(1, yaw=1), fine(2, yaw=20)
    present = [first, alike, alone]
    assert noted.gain(present, posture(40), without=alike) > 0
    assert noted.gain(present, posture(18), without=alone) < 0


def test_nothing_is_known_of_the_first_second_and_only_the_last_minute_counts() -> None:
    assert coverage(*[30.0] * (FEWEST - 1)).gain([fine(0)], posture(30)) == 0
    noted = coverage(*[30.0] * 50, *[0.0] * REMEMBERED)
    assert noted.gain([fine(0)], posture(30)) == 0


def test_frames_of_the_same_moment_count_once() -> None:
    noted = Coverage()
    for tick in range(EVERY_TICKS * FEWEST - 1):
        noted.note(posture(30), tick)
    assert noted.gain([fine(0)], posture(30)) > 0
    noted.forget()
    assert noted.gain([fine(0)], posture(30)) == 0
