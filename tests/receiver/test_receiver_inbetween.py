"""Motions between and beyond the ones that came."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from receiver_fakes import motion

from receiver.inbetween import DAMPING_S, extrapolate, interpolate, relax

angles = st.floats(-180, 179, width=32)


def apart(first: float, second: float) -> float:
    return abs((second - first + 180) % 360 - 180)


@given(angles, angles, st.floats(0, 1))
@example(-180.0, -180.00001525878906, 1.0)  # just below where the angles begin anew
def test_a_head_turns_the_short_way_round(first: float, second: float, weight: float) -> None:
    between = interpolate(motion(first), motion(second), weight).rotation[0]
    assert -180 <= between < 180
    assert apart(first, between) == pytest.approx(weight * apart(first, second), abs=1e-3)
    assert apart(between, second) == pytest.approx((1 - weight) * apart(first, second), abs=1e-3)


def test_all_of_a_motion_is_interpolated() -> None:
    first = motion(0)
    second = type(first)([4, 8, -4], [0.4, 0.8, 1.2], np.full((2, 3), 0.1))
    quarter = interpolate(first, second, 0.25)
    np.testing.assert_allclose(quarter.rotation, [1, 2, -1], atol=1e-6)
    np.testing.assert_allclose(quarter.translation, [0.1, 0.2, 0.3], atol=1e-6)
    np.testing.assert_allclose(quarter.expression, 0.025, atol=1e-6)


def test_what_lies_between_guesses_is_one() -> None:
    sent, guessed = motion(0), type(motion(0))([0, 0, 0], [0, 0, 0], np.zeros((2, 3)), 1)
    assert interpolate(sent, guessed, 0.5).guessed == interpolate(guessed, sent, 0.5).guessed == 1
    assert interpolate(sent, sent, 0.5).guessed == 0


def test_an_extrapolated_movement_goes_on_and_dies_away() -> None:
    def reached(ahead_s: float) -> float:
        return float(extrapolate(motion(0), motion(1), apart_s=0.04, ahead_s=ahead_s).rotation[0])

    assert reached(0.0) == pytest.approx(1)
    assert reached(0.004) == pytest.approx(1.1, abs=0.01)  # at first with the speed it had
    assert reached(0.02) < reached(0.04) < reached(0.12)
    assert reached(10.0) == pytest.approx(1 + DAMPING_S / 0.04)


def test_a_face_relaxes_all_the_way_to_rest_and_no_further() -> None:
    assert relax(motion(20), motion(0), 0.0).rotation[0] == 20
    assert 0 < relax(motion(20), motion(0), 0.5).rotation[0] < 20
    assert relax(motion(20), motion(0), 1.0).rotation[0] == 0
    assert relax(motion(20), motion(0), 7.0).rotation[0] == 0
