"""Footage in memory: pictures of people, their landmarks and the teacher's head poses, and the level face.

Knows nothing of where they come from: `models.training.data` reads them from a folder or a pack.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
LANDMARK_UNIT = 8192  # landmarks are stored in 1/8192 of the crop's side


class DataError(Exception):
    """A data folder that cannot be trained from."""


def why_unread(error: Exception) -> str:
    """Say why a file could not be read, in few words: NumPy answers one that is none of its own with advice to load it
    unsafely."""
    return (isinstance(error, OSError) and error.strerror) or "it is damaged, or none"


@dataclass(frozen=True)
class LevelFace:
    """The level face: what yaw, pitch and roll are measured against."""

    vertices: tuple[int, ...]  # mesh vertex of each landmark, P of them
    points: Floats  # [P, 3] in distances between the irises
    mirror: NDArray[np.int64]  # [P] each landmark's twin

    def rows(self, vertices: tuple[int, ...]) -> list[int]:
        """Return the landmarks' rows of mesh vertices."""
        return [self.vertices.index(vertex) for vertex in vertices]


@dataclass(frozen=True)
class Footage:
    """Pictures of people with landmarks; frames of one clip are neighbours, a portrait is a clip of one frame."""

    pictures: NDArray[Any]  # [N, S, S, 3], memory-mapped
    landmarks: Floats  # [N, P, 3] image coordinates
    clip: NDArray[np.int64]  # [N]
    identity: NDArray[np.int64]  # [N]
    rotation: Floats  # [N, 3, 3] the teacher's pose
    scale: Floats  # [N]
    origin: Floats  # [N, 3]
    neutral: Floats  # [clips, P, 3] the median geometry of each clip, in distances between the irises
    crop_side: NDArray[np.int64]  # [clips] pixels of the original


# What of the mesh stays rigid when a face speaks: the eyes' corners, nose, brow bone, temples and forehead.
POSE_VERTICES = (
    33, 133, 263, 362, 168, 6, 197, 195, 4, 1, 48, 278, 115, 344, 10, 127, 356, 234, 454, 21, 251, 54, 284, 103, 332,
)  # fmt: skip


def fit_poses(landmarks: Floats, level: LevelFace) -> tuple[Floats, Floats, Floats]:
    """Fit rotation [N, 3, 3], scale [N] and origin [N, 3] so that `x = s R level + t` (Umeyama, rigid points)."""
    rows = level.rows(POSE_VERTICES)
    seen, model = landmarks[:, rows].astype(np.float64), level.points[rows].astype(np.float64)
    seen_mean, model_mean = seen.mean(1, keepdims=True), model.mean(0)
    covariance = np.swapaxes(seen - seen_mean, 1, 2) @ (model - model_mean)
    left, values, right = np.linalg.svd(covariance)
    signs = np.ones_like(values)
    signs[:, 2] = np.sign(np.linalg.det(left @ right))
    rotation = (left * signs[:, None]) @ right
    scale = (values * signs).sum(1) / ((model - model_mean) ** 2).sum()
    origin = seen_mean[:, 0] - scale[:, None] * (rotation @ model_mean)
    return rotation.astype(np.float32), scale.astype(np.float32), origin.astype(np.float32)


def neutral_geometry(footage_landmarks: Floats, poses: tuple[Floats, Floats, Floats]) -> Floats:
    """Return the median geometry [P, 3] of frames in the head's own frame."""
    rotation, scale, origin = poses
    placed = (footage_landmarks - origin[:, None]) / scale[:, None, None]
    return np.median(placed @ rotation, axis=0).astype(np.float32)  # rows times R are R^T columns


def make_footage(
    pictures: NDArray[Any],
    landmarks: Floats,
    clip: NDArray,
    identity: NDArray,
    side: NDArray,
    level: LevelFace,
) -> Footage:
    """Fit the teacher's poses and each clip's neutral geometry to landmarks [N, P, 3] in image coordinates."""
    rotation, scale, origin = fit_poses(landmarks, level)
    neutral = np.stack(
        [
            neutral_geometry(landmarks[rows], (rotation[rows], scale[rows], origin[rows]))
            for rows in (np.flatnonzero(clip == number) for number in range(int(clip.max()) + 1))
        ]
    )
    return Footage(pictures, landmarks, clip, identity, rotation, scale, origin, neutral, side)


def image_coordinates(landmarks: NDArray[np.int16]) -> Floats:
    """Turn stored landmarks [.., P, 3] into image coordinates: x and y in [-1, 1], z in the same unit."""
    points = landmarks.astype(np.float32) * (2 / LANDMARK_UNIT)
    points[..., :2] -= 1
    return points


def stored_landmarks(points: Floats) -> NDArray[np.int16]:
    """Turn image coordinates [.., P, 3] back into stored landmarks."""
    shifted = points + np.array([1, 1, 0], np.float32)
    return np.rint(shifted * (LANDMARK_UNIT / 2)).clip(-32768, 32767).astype(np.int16)


def fit_size(picture: NDArray[Any], size: int) -> NDArray[Any]:
    """Resize a square picture, averaging when it shrinks."""
    if picture.shape[0] == size:
        return np.ascontiguousarray(picture)
    shrink = picture.shape[0] > size
    return cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA if shrink else cv2.INTER_CUBIC)
