"""Things that come between a face and its camera: hands, cups, papers, as shapes with a texture pasted on a picture.

Nobody filmed them: a hand is a palm with fingers in some skin's colour, an object an ellipse or a polygon with a piece
of another picture or a pattern on it. Works on one uint8 picture at a time, so that a thread can prepare batches.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[Any]  # uint8 [S, S, 3]
Mask = NDArray[np.uint8]  # [S, S], 255 where the object is

SKINS = ((255, 224, 196), (234, 192, 160), (198, 140, 104), (141, 85, 56), (84, 51, 35))
SIDE = 128  # shapes are drawn at this size and then given their area
AREA_ERROR = 0.02  # relative, of a pasted object's area


def paste_object(
    picture: Picture, other: Picture, rng: np.random.Generator, *, area: float
) -> tuple[Picture, Mask]:
    """Paste a hand or an object.

    Args:
        picture: uint8 [S, S, 3]; it stays as it is.
        other: a picture whose pieces may become the object's surface.
        rng: the source of chance.
        area: share of the picture that the object covers, above 0 and at most 0.5.

    Returns:
        The picture with it, and where it is.
    """
    hand = rng.random() < 0.5
    shape = _hand(rng) if hand else _object(rng)
    mask = _placed(shape, rng, size=picture.shape[0], area=area)
    surface = _skin(mask, rng) if hand else _surface(other, rng, size=picture.shape[0])
    # A camera sees no edge sharper than its lens.
    alpha = cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.4, 1.2))[..., None] / np.float32(255)
    pasted = picture * (1 - alpha) + surface * alpha
    return np.rint(pasted).astype(np.uint8), mask


def _hand(rng: np.random.Generator) -> Mask:
    """Draw a palm, an arm below it and four or five fingers above."""
    canvas = np.zeros((SIDE, SIDE), np.uint8)
    centre = np.array([64.0, 80.0])
    spread = rng.uniform(0.5, 1.2)
    cv2.ellipse(canvas, (64, 80), (20, 24), 0, 0, 360, 255, -1)
    cv2.line(canvas, (64, 90), (64 + int(rng.integers(-12, 13)), 127), 255, int(rng.integers(22, 32)))
    for finger in np.linspace(-1, 1, int(rng.integers(4, 6))):
        angle = finger * spread + rng.normal(0, 0.06)
        along = np.array([np.sin(angle), -np.cos(angle)])
        first, last = centre + 14 * along, centre + rng.uniform(30, 64) * along
        start, end = ((int(place[0]), int(place[1])) for place in (first, last))
        cv2.line(canvas, start, end, 255, int(rng.integers(8, 13)))
    return canvas


def _object(rng: np.random.Generator) -> Mask:
    """Draw an ellipse or a polygon."""
    canvas = np.zeros((SIDE, SIDE), np.uint8)
    if rng.random() < 0.5:
        cv2.ellipse(canvas, (64, 64), (int(rng.integers(20, 56)), 50), 0, 0, 360, 255, -1)
        return canvas
    angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 9))))
    angles = np.concatenate([angles, np.arange(3) * 2 * np.pi / 3])  # never a sliver
    corners = np.stack([np.cos(angles), np.sin(angles)], 1)[np.argsort(angles)] * rng.uniform(
        26, 60, (len(angles), 1)
    )
    cv2.fillPoly(canvas, [np.rint(corners + 64).astype(np.int32)], 255)
    return canvas


def _placed(shape: Mask, rng: np.random.Generator, *, size: int, area: float) -> Mask:
    """Turn a shape, and scale it until it covers its share of the picture; its middle lies in the picture."""
    turn, middle = rng.uniform(0, 2 * np.pi), rng.uniform(0.15, 0.85, 2) * size
    linear = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    mask = np.zeros((size, size), np.uint8)
    grow = size / SIDE * np.sqrt(area * SIDE * SIDE / np.count_nonzero(shape))
    for _ in range(8):  # part of it may lie outside: what is left must have the area
        matrix = grow * linear
        offset = middle - matrix @ np.full(2, SIDE / 2)
        warp = np.concatenate([matrix, offset[:, None]], 1)
        smooth = cv2.warpAffine(shape, warp, (size, size), flags=cv2.INTER_LINEAR)
        mask = np.where(smooth > 127, np.uint8(255), np.uint8(0))
        share = max(np.count_nonzero(mask) / mask.size, 1e-4)
        if abs(share / area - 1) < AREA_ERROR:
            break
        grow *= np.sqrt(area / share)
    return mask


def _skin(mask: Mask, rng: np.random.Generator) -> NDArray[np.float32]:
    """Shade a hand: dark at its edges, lit from one side."""
    first, second = (np.array(SKINS[int(pick)], np.float32) for pick in rng.integers(0, len(SKINS), 2))
    colour = first + (second - first) * rng.random() + rng.normal(0, 8, 3)
    depth = cv2.distanceTransform(mask, cv2.DIST_L2, 3)
    round_ = np.clip(depth / max(1.0, float(depth.max())) * 2, 0, 1)
    line = np.linspace(-1, 1, mask.shape[0], dtype=np.float32)
    direction = rng.uniform(-0.25, 0.25, 2)
    light = (0.7 + 0.3 * round_ + direction[0] * line + direction[1] * line[:, None]) * rng.uniform(0.6, 1.1)
    return np.clip(colour * light[..., None], 0, 255).astype(np.float32)


def _surface(other: Picture, rng: np.random.Generator, *, size: int) -> NDArray[np.float32]:
    """Cover an object with a piece of another picture, or with a pattern of colours."""
    if rng.random() < 0.6:
        side = int(rng.integers(other.shape[0] // 4, other.shape[0] // 2 + 1))
        top, left = rng.integers(0, other.shape[0] - side + 1, 2)
        piece = other[top : top + side, left : left + side]
        if rng.random() < 0.5:
            piece = np.ascontiguousarray(piece[::-1])
        return np.asarray(cv2.resize(piece, (size, size), interpolation=cv2.INTER_CUBIC), np.float32)
    cells = rng.integers(0, 256, (*rng.integers(1, 9, 2), 3)).astype(np.uint8)
    kernel = cv2.INTER_NEAREST if rng.random() < 0.4 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(cells, (size, size), interpolation=kernel), np.float32)
