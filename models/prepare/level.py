"""The level face of prepared clips: what yaw, pitch and roll are measured against (canonical_face.npz)."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.prepare.mesh import IRISES, TWINS, VERTICES
from models.training.footage import Floats, LevelFace, fit_poses
from runtime.geometry import rotation_angles, rotation_matrix

ROUNDS = 8  # of aligning and averaging; three are enough for a thousandth of the iris distance
FRAMES_PER_CLIP = 25  # more of one clip say nothing new


def twin_rows() -> NDArray[np.int64]:
    """Return for each of the 162 vertices the row of its twin."""
    twin = {vertex: vertex for vertex in VERTICES}
    for right, left in TWINS:
        twin[right], twin[left] = left, right
    return np.array([VERTICES.index(twin[vertex]) for vertex in VERTICES])


def mean_face(landmarks: Floats) -> LevelFace:
    """Average faces into a symmetric one, level where the median frame is.

    Args:
        landmarks: [frames, 162, 3] image coordinates, any size and pose.

    Returns:
        The face, its middle at 0, distance between the irises 1 (Procrustes mean over the vertices that stay rigid).
    """
    mirror = twin_rows()
    points: Floats = landmarks[0]
    for _ in range(ROUNDS):
        level = LevelFace(VERTICES, _unit(points, mirror), mirror)
        rotation, scale, origin = fit_poses(landmarks, level)
        placed = (landmarks - origin[:, None]) / scale[:, None, None] @ rotation
        points = np.asarray(placed.mean(0), np.float32)
    level = LevelFace(VERTICES, _unit(points, mirror), mirror)
    pitch = np.median(rotation_angles(fit_poses(landmarks, level)[0])[:, 1])
    turned = level.points @ rotation_matrix(np.array([0, pitch, 0], np.float32)).T
    return LevelFace(VERTICES, turned.astype(np.float32), mirror)


def _unit(points: Floats, mirror: NDArray[np.int64]) -> Floats:
    flip = np.array([-1, 1, 1], np.float32)
    even = (points + points[mirror] * flip) / 2
    even = even - even.mean(0)
    right, left = (even[VERTICES.index(vertex)] for vertex in IRISES)
    return np.asarray(even / np.linalg.norm(right - left), np.float32)


def write_level_face(path: Path, level: LevelFace) -> None:
    """Write a data folder's canonical_face.npz."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            np.savez(
                file,
                vertices=np.array(level.vertices, np.int16),
                points=level.points,
                mirror=level.mirror.astype(np.int16),
            )
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def sample_frames(stored: Sequence[Floats]) -> Floats:
    """Take up to 25 frames of each clip's landmarks [frames, 162, 3]."""
    return np.concatenate(
        [clip[np.unique(np.linspace(0, len(clip) - 1, FRAMES_PER_CLIP).astype(int))] for clip in stored]
    )
