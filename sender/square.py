"""The square of a frame that is sent: what it is, how it is cut out in one pass, and how it follows a face
without ever wobbling. It knows nothing of how the face is found."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np

# Measured on the training clips (median of 150): the crop's side over the height of the face oval, forehead
# to chin, is 1.75, and the middle of the oval lies .042 of the side below the crop's middle. The networks
# have seen faces so.
SIDE_PER_HEIGHT = 1.75
FACE_BELOW_MIDDLE = 0.042
# Where the frame is too small for that, the crop may be tighter, as the tightest twentieth of the clips are;
# only beyond this does it reach outside of the frame, where the border's pixels are repeated.
TIGHTEST_SIDE_PER_HEIGHT = 1.35
# Inside of the dead zone the crop stands still. Half of the training clips move by more than .07 of the side
# within their fixed crop, one in four by more than .13: such motion is the networks' work, not the crop's.
DEAD_ZONE_SHIFT = 0.12  # of the side
DEAD_ZONE_SCALE = math.log(1.18)
# The crop has arrived, and stands still again, inside of these.
ARRIVED_SHIFT = 0.02
ARRIVED_SCALE = math.log(1.03)
ARRIVED_SPEED = 0.05  # of the side a second
# Critically damped: 1 / rate is the time constant; a step is 90 percent done after four of them, here a
# second. Slower than a head, so that the background creeps instead of jumping. Where the face is about to
# leave the crop, as in one of a hundred clips, keeping it matters more.
FOLLOW_RATE = 4.0
HURRIED_RATE, HURRY_SHIFT = 10.0, 0.2
MEDIAN_OF = 3  # measurements: one wild one has no effect
LONGEST_STEP_S = 0.5  # a pause in the input is not made up for at one go
# Reduced by more than this, plain bilinear sampling would skip pixels: the cut is then made larger and
# averaged.
LARGEST_ENLARGEMENT = 4


@dataclass(frozen=True)
class Head:
    """A face's place: the middle of its oval, and its height from forehead to chin, in one unit."""

    x: float
    y: float
    height: float


@dataclass(frozen=True)
class Square:
    """A square of a frame: middle and side in pixels, whose edges need not fall on pixels."""

    x: float
    y: float
    side: float

    def to_frame(self, head: Head) -> Head:
        """Turn a head in the square's own image coordinates [-1, 1] into pixels of the frame."""
        half = self.side / 2
        return Head(self.x + head.x * half, self.y + head.y * half, head.height * half)


def middle_square(width: int, height: int) -> Square:
    """Return the largest square in the middle of a frame."""
    return Square(width / 2, height / 2, min(width, height))


def square_around(head: Head, *, width: int, height: int) -> Square:
    """Return the square that shows a head as the training clips do, inside of the frame if it can."""
    tightest = head.height * TIGHTEST_SIDE_PER_HEIGHT
    side = min(head.height * SIDE_PER_HEIGHT, max(min(width, height), tightest))
    x = _inside(head.x, side, width)
    y = _inside(head.y - FACE_BELOW_MIDDLE * side, side, height)
    return Square(x, y, side)


def _inside(middle: float, side: float, length: int) -> float:
    if side >= length:
        return length / 2
    return min(max(middle, side / 2), length - side / 2)


def cut(picture: np.ndarray, square: Square, *, size: int) -> np.ndarray:
    """Cut a square out of a picture and bring it to size x size, sub-pixel exact, averaged where it is much
    reduced.

    picture: uint8 HxWx3; what lies outside of it is filled with its border. Returns the picture itself where
    it is exactly the square.
    """
    height, width = picture.shape[:2]
    if (width, height, square) == (size, size, Square(size / 2, size / 2, size)):
        return picture
    enlargement = min(max(round(square.side / size), 1), LARGEST_ENLARGEMENT)
    step = square.side / (size * enlargement)
    # Pixel i's middle lies at i + 1/2: output (i + 1/2) * step from the square's edge, less the input's own
    # half.
    first = np.array([square.x, square.y]) - square.side / 2 + step / 2 - 0.5
    wide_size = size * enlargement
    left, top = (int(edge) for edge in first)
    fits = 0 <= left <= width - wide_size and 0 <= top <= height - wide_size
    if step == 1 and fits and (left, top) == tuple(first):  # nothing to be sampled anew
        wide = picture[top : top + wide_size, left : left + wide_size]
        if enlargement == 1:
            return wide.copy()
    else:
        warp = np.array([[step, 0.0, first[0]], [0.0, step, first[1]]])
        wide = cv2.warpAffine(
            picture,
            warp,
            (wide_size, wide_size),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
    return wide if enlargement == 1 else cv2.resize(wide, (size, size), interpolation=cv2.INTER_AREA)


class SteadySquare:
    """A square that stands still while the wished one stays near, and else glides there without overshoot.

    Position and scale are three critically damped springs, solved exactly for each step, so that uneven frame
    times do not matter; a dead zone with hysteresis decides whether they pull at all.
    """

    def __init__(self, start: Square) -> None:
        self.square = start
        self.moving = False
        self._rate = FOLLOW_RATE
        self._speed = np.zeros(3)  # x, y in sides and log scale, a second
        self._wishes: deque[np.ndarray] = deque(maxlen=MEDIAN_OF)

    def follow(self, wish: Square, *, step_s: float) -> Square:
        """Take the newest frame's wish, `step_s` after the last one; return the square to use."""
        self._wishes.append(np.array([wish.x, wish.y, math.log(wish.side)]))
        goal = np.median(np.stack(self._wishes), axis=0)
        side = self.square.side
        # In units of the present side, so that a near and a far face are followed alike.
        away = (np.array([self.square.x, self.square.y, math.log(side)]) - goal) / np.array([side, side, 1.0])
        shift, scale = float(np.abs(away[:2]).max()), float(abs(away[2]))
        if not self.moving:
            if shift <= DEAD_ZONE_SHIFT and scale <= DEAD_ZONE_SCALE:
                return self.square
            self.moving, self._rate = True, FOLLOW_RATE
        if shift > HURRY_SHIFT:
            self._rate = HURRIED_RATE  # until it has arrived: to slow down on the way would overshoot
        step_s = min(step_s, LONGEST_STEP_S)
        decay = math.exp(-self._rate * step_s)
        momentum = self._speed + self._rate * away
        left = (away + momentum * step_s) * decay
        self._speed = (self._speed - self._rate * momentum * step_s) * decay
        self.square = Square(
            float(goal[0] + left[0] * side),
            float(goal[1] + left[1] * side),
            float(math.exp(goal[2] + left[2])),
        )
        arrived = np.abs(left[:2]).max() < ARRIVED_SHIFT and abs(left[2]) < ARRIVED_SCALE
        if arrived and np.abs(self._speed).max() < ARRIVED_SPEED:
            self.moving = False
            self._speed = np.zeros(3)
        return self.square
