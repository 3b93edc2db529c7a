"""Pairs of people who never moved: a still portrait, and the same one turned in 3-D by its landmarks and bent a little.

The turned picture is the source and the untouched one is what must be drawn from it, so that no network learns to draw
what a warp leaves behind. The head moves as a whole, hair with it; the picture's border stays.
"""

from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from models.motion_field import HEAD_CENTRE, HEAD_RADII
from models.training.bend import random_bend
from models.training.footage import Floats, Footage
from runtime.geometry import rotation_matrix

TURN = (10.0, 6.0, 6.0)  # spread of yaw, pitch and roll, degrees
LARGEST_TURN = 18.0  # degrees: beyond it the far cheek would have to appear from behind the nose
GROW, SHIFT = 0.05, 0.03  # spread of the logarithm of the scale; of the shift, image units
SMOOTH = 1e-3  # of the spline: landmarks that nearly meet may not tear the picture
CELLS = 64  # the warp is worked out on a grid of so many places along each axis
RING = 16  # places around the head, which move with it
TINY = 1e-9  # keeps the logarithm finite at a control point


class Shot(NamedTuple):
    """A picture and the head that it shows."""

    picture: NDArray[Any]  # uint8 [S, S, 3]
    keypoints: Floats  # [K, 3] image coordinates
    linear: Floats  # [3, 3]
    shift: Floats  # [3]
    canonical: Floats  # [K, 3] neutral geometry, in distances between the irises


class Move(NamedTuple):
    """How a head is moved: `A (x - origin) + origin + shift`, then bent in the plane."""

    linear: Floats  # [3, 3] A, scale times rotation
    shift: Floats  # [3]


class PortraitPairs:
    """Makes a source and a driving shot of a portrait."""

    def __init__(self, footage: Footage, shots: list[Shot]) -> None:
        self.footage, self.shots = footage, shots

    def __call__(self, rng: np.random.Generator) -> tuple[Shot, Shot]:
        """Draw a pair."""
        index = int(rng.integers(len(self.shots)))
        shot = self.shots[index]
        landmarks, origin = self.footage.landmarks[index], self.footage.origin[index]
        move = random_move(rng)
        around = _around(self.footage.rotation[index], self.footage.scale[index], origin)
        before = np.concatenate([landmarks, around])
        bend = _Bend(rng, moved(landmarks, origin, move))
        after = bend(moved(before, origin, move))
        keypoints = bend(moved(shot.keypoints, shot.shift, move))
        source = Shot(
            warp_picture(shot.picture, before[:, :2], after[:, :2]),
            keypoints,
            (move.linear @ shot.linear).astype(np.float32),
            (shot.shift + move.shift).astype(np.float32),
            shot.canonical,
        )
        return source, shot


def random_move(rng: np.random.Generator) -> Move:
    """Draw how a head is moved."""
    angles = np.clip(rng.normal(0, TURN), -LARGEST_TURN, LARGEST_TURN)
    linear = np.exp(rng.normal(0, GROW)) * rotation_matrix(angles.astype(np.float32))
    shift = np.append(rng.normal(0, SHIFT, 2), 0)
    return Move(linear.astype(np.float32), shift.astype(np.float32))


def moved(points: Floats, origin: Floats, move: Move) -> Floats:
    """Move points [N, 3] with the head whose origin is given."""
    placed = (points - origin) @ move.linear.T + origin + move.shift
    return placed.astype(np.float32)


def warp_picture(picture: NDArray[Any], before: Floats, after: Floats) -> NDArray[Any]:
    """Warp a picture so that what was at points `before` [N, 2] is seen at `after`, image coordinates.

    A thin-plate spline through all points, smoothed; the border stays where it is.
    """
    line = np.linspace(-1, 1, 7)
    frame = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)
    frame = frame[np.abs(frame).max(1) == 1]
    # What the head itself covers is no border.
    frame = frame[np.linalg.norm(frame[:, None] - after, axis=-1).min(1) > 0.25]
    places = np.concatenate([after, frame])
    moves = np.concatenate([before - after, np.zeros_like(frame)])
    count = len(places)
    plane = np.concatenate([places, np.ones((count, 1))], 1)
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = _bumps(places, places) + SMOOTH * np.eye(count)
    system[:count, count:], system[count:, :count] = plane, plane.T
    weights = np.linalg.solve(system, np.concatenate([moves, np.zeros((3, 2))]))
    cells = (np.arange(CELLS) * 2 + 1) / CELLS - 1
    grid = np.stack(np.meshgrid(cells, cells), -1).reshape(-1, 2)
    found = _bumps(grid, places) @ weights[:count] + grid @ weights[count:-1] + weights[-1]
    size = picture.shape[0]
    flow = cv2.resize(
        found.reshape(CELLS, CELLS, 2).astype(np.float32), (size, size), interpolation=cv2.INTER_LINEAR
    ) * np.float32(size / 2)
    pixels = np.arange(size, dtype=np.float32)
    return cv2.remap(
        picture,
        flow[..., 0] + pixels,
        flow[..., 1] + pixels[:, None],
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    )


def _bumps(points: NDArray[Any], centres: NDArray[Any]) -> NDArray[Any]:
    """Return `r^2 log r^2` between points [N, 2] and centres [n, 2]."""
    squared = ((points**2).sum(1)[:, None] + (centres**2).sum(1) - 2 * (points @ centres.T)).clip(0)
    return squared * np.log(squared + TINY)


def _around(rotation: Floats, scale: float, origin: Floats) -> Floats:
    """Return places [RING', 3] around a head, where its hair is; none at the neck."""
    turns = np.linspace(0, 2 * np.pi, RING, endpoint=False)
    turns = turns[np.sin(turns) < 0.3]  # y points down
    ring = np.stack(
        [0.85 * HEAD_RADII[0] * np.cos(turns), 0.85 * HEAD_RADII[1] * np.sin(turns), np.zeros_like(turns)], 1
    )
    return (scale * (ring + np.array(HEAD_CENTRE)) @ rotation.T + origin).astype(np.float32)


class _Bend:
    """A random thin-plate bend of points, less the affine map in it: the head's pose stays."""

    def __init__(self, rng: np.random.Generator, points: Floats) -> None:
        chance = torch.Generator().manual_seed(int(rng.integers(2**31)))
        self.bend = random_bend(1, generator=chance, affine=0.0)
        flat = np.concatenate([points[:, :2], np.ones((len(points), 1))], 1)
        self.affine = np.linalg.lstsq(flat, self._moves(points), rcond=None)[0]

    def __call__(self, points: Floats) -> Floats:
        flat = np.concatenate([points[:, :2], np.ones((len(points), 1))], 1)
        bent = points.copy()
        bent[:, :2] += self._moves(points) - flat @ self.affine
        return bent

    def _moves(self, points: Floats) -> NDArray[Any]:
        flat = torch.from_numpy(np.ascontiguousarray(points[:, :2], np.float32))
        return (self.bend(flat[None])[0] - flat).numpy()
