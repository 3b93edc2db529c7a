"""Aim: what was drawn is looked at, and what it lacks of the pose that was asked for is asked for besides.

A generator draws lips, lids and turns a little beside what it is asked for, and mostly by the same from one frame to
the next. Who shows pictures in a row can see that for the price of a motion graph, and no byte is sent for it. The
papers draw and never look. Knows no graphs and no pictures: poses in, poses out.
"""

from typing import NamedTuple

import numpy as np

from runtime.geometry import Floats
from runtime.view import Pose

# How much of the error is asked for besides. With all of it, what the motion graph itself misreads would come to lie in
# the picture, and faces tremble.
SHARE = 0.5
KEPT = 0.9  # of the weight of what was seen, from one frame to the next: some ten frames count
# Frames that may be in the making when the next begins: none of them counts for it, so that what is drawn does not
# depend on which thread was faster.
LAG = 2
# Most that is asked for besides: some times what a face that is seen well wants. A painting's mouth, which the motion
# graph may not see at all, is not drawn far beside its place. Degrees, image coordinates, distances between the irises.
MOST = (2.0, 0.02, 0.04)


class _Missed(NamedTuple):
    number: int
    errors: Pose  # asked less seen
    guessed: int


class Aim:
    """How poses are to be asked for of one source picture.

    Calls belong under one lock; `correct` in the frames' order. `guessed` is how many of a pose's last offsets nobody
    sent: a guess is nothing to be brought nearer to.
    """

    def __init__(self) -> None:
        self._weight = 0.0
        self._mean: Pose | None = None
        self._pending: list[_Missed] = []

    def correct(self, number: int, pose: Pose, *, guessed: int = 0) -> Pose:
        """Return the pose to ask for where `pose` is to be seen, in the frame of a number; numbers rise."""
        known = [missed for missed in self._pending if missed.number <= number - LAG]
        self._pending = [missed for missed in self._pending if missed.number > number - LAG]
        for missed in sorted(known, key=lambda missed: missed.number):
            self._count(missed)
        if self._mean is None:
            return pose
        share = SHARE * self._weight / (self._weight + 0.5)  # less of it while little has been seen
        asked = Pose(
            *(
                _besides(value, share * error, most)
                for value, error, most in zip(pose, self._mean, MOST, strict=True)
            )
        )
        asked.expression[len(asked.expression) - guessed :] = pose.expression[
            len(asked.expression) - guessed :
        ]
        return asked

    def learn(self, number: int, *, asked: Pose, seen: Pose, guessed: int = 0) -> None:
        """Take what is seen in the picture that was drawn of the pose asked for."""
        errors = Pose(*(np.asarray(one - other, np.float32) for one, other in zip(asked, seen, strict=True)))
        self._pending.append(_Missed(number, errors, guessed))

    def _count(self, missed: _Missed) -> None:
        self._weight = self._weight * KEPT + 1
        errors = missed.errors
        mean = Pose(*(np.zeros_like(error) for error in errors)) if self._mean is None else self._mean
        sent = len(errors.expression) - missed.guessed
        errors.expression[sent:] = mean.expression[sent:]
        self._mean = Pose(
            *(
                np.asarray(old + (new - old) / self._weight, np.float32)
                for old, new in zip(mean, errors, strict=True)
            )
        )


def _besides(value: Floats, error: Floats, most: float) -> Floats:
    return np.asarray(value + np.clip(error, -most, most), np.float32)
