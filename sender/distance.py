"""How far a redrawn picture is from the camera's, as a viewer would see it, cheaply enough to be asked several times a
second: gradients by direction over small cells, and colour. It knows nothing of faces' motion or of what is done about
a distance.

Chosen by its rank correlation with LPIPS on pictures of strangers (`visavis bench mirror`): a histogram of oriented
gradients (Dalal and Triggs, CVPR 2005) sees what LPIPS sees, that an edge is missing, moved or blurred, and does not
mind a shift of a pixel; a difference of pixels over a blur sees the change of light and colour that gradients miss.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

SIDE = 128  # pictures are compared at this size
CELL = 8
CELLS = SIDE // CELL
# A cell whose gradients are as weak as this (grey levels a pixel) is half smooth: noise there counts less.
FAINT = 8.0
# So many levels of difference in a cell's mean colour, and more, count as LEVELS_WEIGHT: a smooth object before a
# smooth wall has edges about it alone. With 12 levels at 0.2, six of ten objects over a tenth of the picture were seen,
# with these nine of ten; and the order of LPIPS is followed more closely.
LEVELS = 48.0
LEVELS_WEIGHT = 0.8
# From brows to chin lie the keypoints; the forehead above is this share of their height.
FOREHEAD = 0.3
SCHARR = 1 / 32  # the kernel's sum, so that a gradient is in levels a pixel


class Look(NamedTuple):
    """What is compared of a picture: unit-length gradients [16, 16, 8] and mean colours [16, 16, 3] of its cells."""

    gradients: Floats
    colours: Floats


def look_at(picture: np.ndarray) -> Look:
    """Describe a picture, uint8 [S, S, 3]."""
    small = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    across = cv2.Scharr(grey, cv2.CV_32F, 1, 0, scale=2 * SCHARR)
    down = cv2.Scharr(grey, cv2.CV_32F, 0, 1, scale=2 * SCHARR)
    falling, rising = (across + down) * np.float32(0.5**0.5), (across - down) * np.float32(0.5**0.5)
    directions = (across, -across, down, -down, falling, -falling, rising, -rising)
    planes = cv2.merge([np.maximum(plane, 0) for plane in directions])
    means = cv2.boxFilter(planes, -1, (CELL, CELL))[CELL // 2 :: CELL, CELL // 2 :: CELL]
    length = np.sqrt(np.square(means).sum(-1, keepdims=True) + FAINT**2)
    colours = cv2.resize(small, (CELLS, CELLS), interpolation=cv2.INTER_AREA)
    return Look(np.asarray(means / length, np.float32), colours.astype(np.float32))


def cell_distances(first: Look, second: Look) -> Floats:
    """Return how far two pictures are apart in each cell, [16, 16]: 0 is the same, 2.8 as different as can be."""
    edges = np.square(first.gradients - second.gradients).sum(-1)
    levels = np.abs(first.colours - second.colours).mean(-1) / LEVELS
    return np.asarray(edges + LEVELS_WEIGHT * np.minimum(levels, 1), np.float32)


def cells_around(side: int, keypoints: Floats, *, margin: float) -> npt.NDArray[np.bool_]:
    """Return which of side x side cells lie in the box of keypoints, [K, 3] in [-1, 1], with a margin at each side
    of so much of its extent."""
    low, high = keypoints[:, :2].min(0), keypoints[:, :2].max(0)
    low, high = low - margin * (high - low), high + margin * (high - low)
    middles = (np.arange(side) + 0.5) / side * 2 - 1
    across, down = ((middles >= low[axis]) & (middles <= high[axis]) for axis in (0, 1))
    return np.asarray(np.outer(down, across))


def over_face(cells: Floats, keypoints: Floats) -> float:
    """Return the mean of cells over the face that has these keypoints, [K, 3] in [-1, 1]; over all where it is out of
    the picture."""
    low, high = keypoints[:, :2].min(0), keypoints[:, :2].max(0)
    low[1] -= FOREHEAD * (high[1] - low[1])
    edges = np.arange(CELLS + 1, dtype=np.float32)
    shares = []
    for axis in (1, 0):
        begin, end = ((float(side[axis]) + 1) / 2 * CELLS for side in (low, high))
        shares.append(np.clip(np.minimum(edges[1:], end) - np.maximum(edges[:-1], begin), 0, 1))
    weights = np.outer(shares[0], shares[1])
    total = float(weights.sum())
    return float((cells * weights).sum() / total) if total > 0.5 else float(cells.mean())
