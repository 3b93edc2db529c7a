"""Aiming: what a generator misses steadily is halved, what it misses by chance or by far does little, and what is asked
for does not depend on which of two drawing threads was faster."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from runtime.aim import LAG, MOST, SHARE, Aim
from runtime.view import Pose

KEYPOINTS = 3


def pose(yaw: float = 0.0, x: float = 0.0, lip: float = 0.0) -> Pose:
    expression = np.zeros((KEYPOINTS, 3), np.float32)
    expression[0, 1] = lip
    return Pose(np.array([yaw, 0, 0], np.float32), np.array([x, 0, 0], np.float32), expression)


def play(aim: Aim, draw: Callable[[Pose], Pose], wanted: Pose, *, frames: int) -> list[Pose]:
    """Ask for one pose again and again; return what is to be seen each time."""
    seen = []
    for number in range(frames):
        asked = aim.correct(number, wanted)
        seen.append(draw(asked))
        aim.learn(number, asked=asked, seen=seen[-1])
    return seen


def short(asked: Pose) -> Pose:
    """Draw a little beside what is asked for."""
    rotation = (asked.rotation - 1.0 + 180) % 360 - 180
    return Pose(rotation.astype(np.float32), asked.translation + 0.01, asked.expression * 0.8)


def test_what_is_missed_steadily_is_halved() -> None:
    wanted = pose(yaw=10, x=0.1, lip=0.1)
    first, *_, last = play(Aim(), short, wanted, frames=30)
    assert last.rotation[0] - wanted.rotation[0] == pytest.approx(-SHARE, abs=0.03)
    assert last.translation[0] - wanted.translation[0] == pytest.approx(0.01 * SHARE, abs=5e-4)
    lips = [wanted.expression[0, 1] - seen.expression[0, 1] for seen in (first, last)]
    assert 0.4 * lips[0] < lips[1] < 0.6 * lips[0]


def test_a_generator_that_does_as_it_is_told_is_asked_for_what_is_wanted() -> None:
    wanted = pose(yaw=10, x=0.1, lip=0.1)
    for seen in play(Aim(), lambda asked: asked, wanted, frames=5):
        for one, other in zip(seen, wanted, strict=True):
            np.testing.assert_array_equal(one, other)


def test_one_frame_that_is_misread_does_little() -> None:
    wanted, aim = pose(), Aim()
    play(aim, lambda asked: asked, wanted, frames=40)
    aim.learn(40, asked=wanted, seen=pose(lip=-0.05))
    assert 0 < aim.correct(40 + LAG, wanted).expression[0, 1] < 0.004


def test_the_latest_frames_do_not_count_yet_and_their_order_does_not_matter() -> None:
    numbers = list(range(6))
    errors = dict(zip(numbers, np.random.default_rng(1).normal(0, 0.01, len(numbers)), strict=True))

    def ask(order: list[int], *, at: int) -> Pose:
        aim = Aim()
        for number in order:
            aim.learn(number, asked=pose(lip=errors[number]), seen=pose())
        return aim.correct(at, pose())

    known = ask(numbers[: 7 - LAG], at=6).expression
    for order in (numbers, numbers[::-1]):
        np.testing.assert_array_equal(ask(order, at=6).expression, known)
    assert not np.array_equal(ask(numbers, at=6 + LAG).expression, known)


def test_what_was_guessed_is_nothing_to_be_brought_nearer_to() -> None:
    aim, wanted = Aim(), pose(lip=0.1)
    wanted.expression[1:] = 0.05
    for number in range(20):
        sent = number % 2 == 0
        asked = aim.correct(number, wanted)
        seen = Pose(asked.rotation, asked.translation, asked.expression - (0.01 if sent else 0.02))
        aim.learn(number, asked=asked, seen=seen, guessed=0 if sent else 2)
    besides = aim.correct(20 + LAG, wanted).expression - wanted.expression
    assert besides[0, 0] == pytest.approx(0.015 * SHARE, abs=1e-3)  # of all frames
    assert besides[2, 0] == pytest.approx(0.01 * SHARE, abs=1e-3)  # of those that sent it


def test_what_was_seen_long_ago_is_forgotten_and_turns_are_taken_the_short_way() -> None:
    aim = Aim()
    play(aim, short, pose(yaw=-179.5), frames=40)
    late = [float(aim.correct(number, pose(yaw=-179.5)).rotation[0] + 179.5) for number in (41, 141, 20_000)]
    assert late[0] == pytest.approx(SHARE, abs=0.05)
    assert late[0] > late[1] > 0.3
    assert late[2] == pytest.approx(0, abs=1e-3)


def test_what_is_no_number_is_not_learned() -> None:
    aim = Aim()
    aim.learn(0, asked=pose(), seen=pose(yaw=np.nan))
    aim.learn(1, asked=pose(), seen=pose(yaw=-1))
    assert aim.correct(1 + LAG, pose()).rotation[0] == pytest.approx(1 * SHARE * 1 / 1.5)


Values = npt.NDArray[np.float32]


@given(st.lists(arrays(np.float32, 3, elements=st.floats(-1e3, 1e3, width=32)), min_size=1, max_size=8))
def test_however_wrong_a_picture_is_read_little_is_asked_for_besides(seen: list[Values]) -> None:
    aim, wanted = Aim(), pose(yaw=5, lip=0.1)
    for number, each in enumerate(seen):
        aim.correct(number, wanted)
        aim.learn(number, asked=wanted, seen=Pose(each, each, np.tile(each, (KEYPOINTS, 1))))
    asked = aim.correct(len(seen) + LAG, wanted)
    for one, other, most in zip(asked, wanted, MOST, strict=True):
        assert np.abs(one - other).max() <= most * (1 + 1e-3)
