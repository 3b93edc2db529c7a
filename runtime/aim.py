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
# Of the weight of what was seen, from one look to the next: some ten count. And from one frame to the next without any.
KEPT = 0.9
KEPT_UNSEEN = 0.99
# Frames that may be in the making or looked at when the next begins: none of them counts for it, so that what is drawn
# need not depend on which thread was faster.
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

    Calls belong under one lock; `correct` in the frames' order.
    """

    def __init__(self) -> None:
        self._newest = 0  # number
        self._weight = 0.0
        self._mean: Pose | None = None
        self._pending: list[_Missed] = []

    def correct(self, number: int, pose: Pose) -> Pose:
        """Return the pose to ask for where `pose` is to be seen, in the frame of a number; numbers rise."""
        known = [missed for missed in self._pending if missed.number <= number - LAG]
        self._pending = [missed for missed in self._pending if missed.number > number - LAG]
        self._weight *= KEPT_UNSEEN ** max(number - self._newest - len(known), 0)
        self._newest = number
        for missed in sorted(known, key=lambda missed: missed.number):
            self._count(missed)
        if self._mean is None:
            return pose
        share = SHARE * self._weight / (self._weight + 0.5)  # less of it while little has been seen
        return Pose(
            *(
                _besides(value, share * error, most)
                for value, error, most in zip(pose, self._mean, MOST, strict=True)
            )
        )

    def learn(self, number: int, *, asked: Pose, seen: Pose, guessed: int = 0) -> None:
        """Take what is seen in the picture that was drawn of the pose asked for.

        `guessed` is how many of its last offsets nobody sent: a guess is nothing to be brought nearer to.
        """
        errors = Pose(*(np.asarray(one - other, np.float32) for one, other in zip(asked, seen, strict=True)))
        errors = errors._replace(rotation=(errors.rotation + 180) % 360 - 180)  # the short way round
        # One number that is none would stay in the mean for good.
        if all(np.isfinite(error).all() for error in errors):
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
