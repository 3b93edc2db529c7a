"""Residual flow: how a redrawn picture has to be bent to lie on the camera's.

Keypoints say how a face moves; hair, collar and shoulders move by themselves, and between the keypoints a stranger's
face moves otherwise than those that the motion field has learned from. The sender draws what the receiver draws, finds
the optical flow to the camera's picture and sends its low frequencies; the receiver's generator draws by them. Knows
no bytes and no graphs: pictures and levels in, flows out.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.geometry import KEYPOINT_GROUPS, Floats

SIDE = 32  # places along each axis
SIZE = 256  # pixels a side at which pictures are compared
# What levels count in, pixels of 256 times 32 (the transform is orthonormal), by the step's number.
STEPS = tuple(0.5 * 2 ** (number / 2) for number in range(16))
MOST_LEVEL = 255
# Where bending brings a picture no nearer to the camera's, in grey levels, there was nothing to follow: noise, a hand
# that came, a cheek that was not there. Flow counts in full where the rest is less by so many, and by so large a share,
# over so many places along each axis.
NEARER_LEVELS, NEARER_SHARE = 0.3, 0.15
WORTH_SIDE = 16
# Lips and lids move faster than flows come, and keypoints lead them already: about them flow counts for so much, within
# so far of their keypoints, and in full so much farther (image coordinates).
OF_LIPS_AND_LIDS, ABOUT, FADING = 0.3, 0.04, 0.125
# Of a step, what is rounded up: less than a half, for what is as small as that costs more than it brings.
ROUNDED_UP = 0.35

Levels = NDArray[np.int16]


def _cosines(side: int) -> Floats:
    """Return the orthonormal cosine transform of so many values, [side, side], a row a frequency."""
    frequency, place = np.ogrid[:side, :side]
    rows = np.cos(np.pi * (2 * place + 1) * frequency / (2 * side)) * np.sqrt(2 / side)
    rows[0] /= np.sqrt(2)
    return np.asarray(rows, np.float32)


_COSINES = _cosines(SIDE)
_PIXELS = np.stack(np.meshgrid(np.arange(SIZE), np.arange(SIZE)), -1).astype(np.float32)  # [y, x] = x, y


def grey(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture, uint8 [S, S, 3], as flow is found in it: [256, 256]."""
    if picture.shape[0] != SIZE:
        picture = np.asarray(cv2.resize(picture, (SIZE, SIZE), interpolation=cv2.INTER_AREA), np.uint8)
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)


class FlowFinder:
    """Finds flows; one thread at a time."""

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def find(self, drawn: NDArray[np.uint8], camera: NDArray[np.uint8], keypoints: Floats) -> Floats:
        """Return the coefficients [2, 32, 32] of the flow that bends a drawn picture onto the camera's, both uint8
        [S, S, 3]: pixels of 256 times 32, across and down. keypoints: [K, 3] of the face, image coordinates."""
        seen, shown = grey(camera), grey(drawn)
        flow = self._flow.calc(seen, shown, None)  # type: ignore[call-overload]
        coarse = np.asarray(cv2.resize(flow, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.float32)
        coarse *= (_worth(coarse, seen, shown) * _led_by_none(keypoints))[..., None]
        return np.stack([_COSINES @ coarse[..., axis] @ _COSINES.T for axis in range(2)])


def _worth(flow: Floats, camera: NDArray[np.uint8], drawn: NDArray[np.uint8]) -> Floats:
    """Return how far, 0 to 1, each place of a flow [32, 32, 2] in pixels is to be trusted, [32, 32]."""
    places = _PIXELS + cv2.resize(flow, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)
    bent = cv2.remap(drawn, places[..., 0], places[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    def around(picture: NDArray[np.uint8]) -> Floats:
        away = cv2.absdiff(camera, picture).astype(np.float32)
        cells = cv2.resize(away, (WORTH_SIDE, WORTH_SIDE), interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.GaussianBlur(cells, (3, 3), 0), np.float32)

    before, after = around(drawn), around(np.asarray(bent, np.uint8))
    worth = np.clip((before - after) / (NEARER_SHARE * before + NEARER_LEVELS), 0, 1)
    return np.asarray(cv2.resize(worth, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR), np.float32)


def _led_by_none(keypoints: Floats) -> Floats:
    """Return how far each place is from lips and lids, [32, 32]: OF_LIPS_AND_LIDS over them, 1 farther away."""
    middles = (np.arange(SIDE, dtype=np.float32) + 0.5) / SIDE * 2 - 1
    share = np.ones((SIDE, SIDE), np.float32)
    for group in ("mouth", "eyes"):
        points = keypoints[list(KEYPOINT_GROUPS[group]), :2]
        low, high = points.min(0) - ABOUT, points.max(0) + ABOUT
        across, down = (
            np.maximum(np.maximum(low[axis] - middles, middles - high[axis]), 0) / FADING for axis in range(2)
        )
        away = np.hypot(across[None], down[:, None]).clip(0, 1)
        share = np.minimum(share, OF_LIPS_AND_LIDS + (1 - OF_LIPS_AND_LIDS) * away)
    return share


def quantise(coefficients: Floats, step: int) -> Levels:
    """Return coefficients [2, 32, 32] in levels of a step's number, 0..15."""
    size = np.floor(np.abs(coefficients) / STEPS[step] + ROUNDED_UP).clip(0, MOST_LEVEL)
    return np.asarray(np.sign(coefficients) * size, np.int16)


def flow_of(levels: Levels, step: int) -> Floats:
    """Return the flow [32, 32, 2] of levels, image coordinates: each place shows what would be seen so far from it
    without."""
    coefficients = levels * np.float32(STEPS[step] * 2 / SIZE)
    return np.stack([_COSINES.T @ coefficients[axis] @ _COSINES for axis in range(2)], -1)


@dataclass(frozen=True, eq=False)
class _Known:
    ticks: int
    flow: Floats


# A flow comes with every third frame or so, a little late, and trembles a little: each frame goes a share of the way to
# the newest one, more where that is farther, in pixels of 256. A head that stands still shows a film's frame for the
# second time, as a rule, and what goes on then is seen.
FAR_PIXELS = 8.0
LEAST_SHARE, MOST_SHARE, STILL_SHARE = 0.1, 0.6, 0.03
STILL = 0.001  # mean change of an expression's offsets, distances between the irises
# What is older than that, in 1/60 s, is less and less true, and is nothing at twice that.
OLD_TICKS = 60
# Flows may come before the pictures that they are for, which wait to be shown: as many as a call in order is ahead by.
MOST_WAITING = 32


class FlowInUse:
    """The flow that pictures of one source picture are drawn with, as it goes on from one that came to the next."""

    def __init__(self) -> None:
        self._waiting: deque[_Known] = deque(maxlen=MOST_WAITING)
        self._newest: _Known | None = None
        self._now = np.zeros((SIDE, SIDE, 2), np.float32)
        self._before: Floats | None = None

    def take(self, flow: Floats, ticks: int) -> None:
        """Take a flow [32, 32, 2] that was found in the frame captured at `ticks`; from there on it counts, unless a
        newer one does."""
        self._waiting.append(_Known(ticks, flow))

    def at(self, ticks: int, expression: Floats) -> Floats | None:
        """Return the flow [32, 32, 2] to draw the next picture with, None for none.

        ticks: when it was captured. expression: [K, 3] its motion's; a still head's is nearly the same again.
        """
        before, self._before = self._before, expression
        self._find_newest(ticks)
        if self._newest is None:
            return None
        age = max(ticks - self._newest.ticks, 0) / OLD_TICKS
        wanted = self._newest.flow * np.float32(np.clip(2 - age, 0, 1))
        way = wanted - self._now
        far = np.linalg.norm(way, axis=-1, keepdims=True) * (SIZE / 2) / FAR_PIXELS
        share = far.clip(LEAST_SHARE, MOST_SHARE)
        if before is not None and np.abs(expression - before).mean() < STILL:
            share = np.minimum(share, STILL_SHARE)
        self._now = np.asarray(self._now + share * way, np.float32)
        return self._now

    def _find_newest(self, ticks: int) -> None:
        if self._newest is not None and self._newest.ticks > ticks + OLD_TICKS:
            self._newest = None  # whoever sends has begun anew
        for known in [known for known in self._waiting if known.ticks <= ticks]:
            self._waiting.remove(known)
            if self._newest is None or known.ticks >= self._newest.ticks:
                self._newest = known
