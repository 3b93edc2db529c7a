"""What a webcam does to a picture of a face: augmentation of the motion student's pictures and targets.

Works on one uint8 picture at a time with OpenCV, so that a thread can prepare batches while torch trains.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Picture = NDArray[Any]


def random_placement(rng: np.random.Generator, *, strength: float = 1.0) -> Floats:
    """Draw a similarity [2, 3] on image coordinates; half of them mirrored (a negative first determinant)."""
    scale = np.exp(rng.normal(0, 0.16 * strength))
    turn = np.radians(rng.normal(0, 11 * strength))
    shift = rng.normal(0, 0.11 * strength, 2)
    linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    if rng.random() < 0.5:
        linear = linear @ np.diag([-1.0, 1.0])
    return np.concatenate([linear, shift[:, None]], 1).astype(np.float32)


def place(picture: Picture, placement: Floats, *, size: int, rng: np.random.Generator) -> Picture:
    """Warp a picture so that image coordinates p go to `placement @ (p, 1)`, into size x size."""
    half_in, half_out = picture.shape[0] / 2, size / 2
    linear = placement[:, :2] * (half_out / half_in)
    shift = (placement[:, 2] + 1) * half_out - linear @ np.full(2, half_in)
    # Pixel centres sit half a pixel inside.
    shift = shift + linear @ np.full(2, 0.5) - 0.5
    matrix = np.concatenate([linear, shift[:, None]], 1)
    border = (cv2.BORDER_REPLICATE, cv2.BORDER_REFLECT_101, cv2.BORDER_CONSTANT)[int(rng.integers(3))]
    colour = tuple(int(v) for v in rng.integers(0, 256, 3))
    return cv2.warpAffine(
        picture, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=border, borderValue=colour
    )


def disturb(picture: Picture, rng: np.random.Generator, *, noise: Floats) -> Picture:
    """Change light and colour, blur, add noise, compress and cover parts of a picture.

    Args:
        picture: uint8 [S, S, 3].
        rng: the source of chance.
        noise: a bank of normal noise, larger than the picture; a random window of it is used.
    """
    if rng.random() < 0.85:
        picture = _light(picture, rng)
    if rng.random() < 0.06:
        picture = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    if rng.random() < 0.25:
        picture = _cover(picture, rng)
    if rng.random() < 0.25:
        small = rng.uniform(0.25, 0.8)
        size = picture.shape[0]
        picture = cv2.resize(picture, None, fx=small, fy=small, interpolation=cv2.INTER_AREA)
        picture = cv2.resize(picture, (size, size), interpolation=cv2.INTER_LINEAR)
    elif rng.random() < 0.2:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 2.0))
    if rng.random() < 0.3:
        size = picture.shape[0]
        y, x = rng.integers(0, noise.shape[0] - size, 2)
        grain = noise[y : y + size, x : x + size] * rng.uniform(2, 14)
        picture = np.clip(picture + grain, 0, 255).astype(np.uint8)
    if rng.random() < 0.25:
        _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(12, 80))])
        picture = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))
    return picture


def _light(picture: Picture, rng: np.random.Generator) -> Picture:
    levels = np.linspace(0, 1, 256, dtype=np.float32) ** np.exp(rng.normal(0, 0.3))
    gain, offset = np.exp(rng.normal(0, 0.15, 3)), rng.normal(0, 0.04)
    table = np.clip((levels[:, None] * gain * np.exp(rng.normal(0, 0.2)) + offset) * 255, 0, 255)
    picture = cv2.LUT(picture, np.ascontiguousarray(table.astype(np.uint8)[None]))
    if rng.random() < 0.3:  # a lamp or a window at one side
        size = picture.shape[0]
        ramp = np.linspace(rng.uniform(0.45, 1), rng.uniform(0.9, 1.4), size, dtype=np.float32)
        shade = np.broadcast_to(ramp if rng.random() < 0.5 else ramp[::-1], (size, size))
        if rng.random() < 0.3:
            shade = shade.T
        picture = np.clip(picture * shade[..., None], 0, 255).astype(np.uint8)
    return picture


def _cover(picture: Picture, rng: np.random.Generator) -> Picture:
    """Hide an ellipse or a bar behind a flat or borrowed texture: a hand, a cup, a microphone."""
    size = picture.shape[0]
    mask = np.zeros((size, size), np.uint8)
    centre = tuple(int(v) for v in rng.integers(0, size, 2))
    axes = tuple(int(v) for v in rng.integers(size // 20, size // 5, 2))
    cv2.ellipse(mask, centre, axes, float(rng.uniform(0, 180)), 0, 360, 255, -1)
    if rng.random() < 0.5:
        cover = np.empty_like(picture)
        cover[:] = rng.integers(0, 256, 3)
    else:
        cover = np.roll(picture, tuple(rng.integers(size // 4, size // 2, 2)), (0, 1))
    return np.where(mask[..., None] > 0, cover, picture)
