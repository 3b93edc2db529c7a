"""Training footage in memory-mapped form: clips' frames, portraits, their landmarks and the teacher's head poses.

The layout of the data folder is that of its README (clips/NAME.mp4 beside landmarks/NAME.npz, portraits with
landmarks.npz, canonical_face.npz). Frames are decoded once into a cache; nothing else knows about files.
"""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from models.student import RIGID_VERTICES
from runtime.geometry import KEYPOINT_VERTICES

Floats = NDArray[np.float32]
LANDMARK_UNIT = 8192  # landmarks are stored in 1/8192 of the crop's side


class DataError(Exception):
    """A data folder that cannot be trained from."""


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


def load_level_face(data: Path) -> LevelFace:
    """Read canonical_face.npz."""
    try:
        with np.load(data / "canonical_face.npz") as file:
            vertices = tuple(int(v) for v in file["vertices"])
            return LevelFace(vertices, file["points"].astype(np.float32), file["mirror"].astype(np.int64))
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{data} has no readable canonical_face.npz: {error}") from None


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


def _footage(
    pictures: NDArray[Any],
    landmarks: Floats,
    clip: NDArray,
    identity: NDArray,
    side: NDArray,
    level: LevelFace,
) -> Footage:
    rotation, scale, origin = fit_poses(landmarks, level)
    neutral = np.stack(
        [
            neutral_geometry(landmarks[rows], (rotation[rows], scale[rows], origin[rows]))
            for rows in (np.flatnonzero(clip == number) for number in range(int(clip.max()) + 1))
        ]
    )
    return Footage(pictures, landmarks, clip, identity, rotation, scale, origin, neutral, side)


def load_clips(data: Path, cache: Path, *, size: int, level: LevelFace) -> Footage:
    """Load `data/train`, decoding into `cache` the first time; pictures [N, size, size, 3]."""
    frames_path, meta_path = cache / f"train{size}.npy", cache / f"train{size}.npz"
    if not meta_path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        _decode_clips(data, frames_path, meta_path, size)
    with np.load(meta_path) as meta:
        return _footage(
            np.load(frames_path, mmap_mode="r"),
            meta["landmarks"],
            meta["clip"].astype(np.int64),
            meta["identity"].astype(np.int64),
            meta["side"].astype(np.int64),
            level,
        )


def _decode_clips(data: Path, frames_path: Path, meta_path: Path, size: int) -> None:
    try:
        with (data / "index.csv").open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["split"] == "train"]
    except (OSError, KeyError) as error:
        raise DataError(f"{data} has no readable index.csv: {error}") from None
    total = sum(int(row["frames"]) for row in rows)
    frames = np.lib.format.open_memmap(frames_path, mode="w+", dtype=np.uint8, shape=(total, size, size, 3))
    people = sorted({row["identity"] for row in rows})
    landmarks, clip, identity = [], [], []
    at = 0
    for number, row in enumerate(rows):
        with np.load(data / "train" / "landmarks" / f"{row['name']}.npz") as file:
            points = image_coordinates(file["landmarks"])
        with av.open(str(data / "train" / "clips" / f"{row['name']}.mp4")) as video:
            for index, frame in zip(range(len(points)), video.decode(video=0), strict=False):
                frames[at] = fit_size(frame.to_ndarray(format="rgb24"), size)
                landmarks.append(points[index])
                clip.append(number)
                identity.append(people.index(row["identity"]))
                at += 1
    if at < total:
        raise DataError(f"the clips of {data} hold {at} frames with landmarks where index.csv says {total}")
    np.savez(
        meta_path,
        landmarks=np.stack(landmarks),
        clip=np.array(clip),
        identity=np.array(identity),
        side=np.array([int(row["crop_side"] or 0) for row in rows]),
    )


def load_portraits(data: Path, *, size: int, level: LevelFace) -> Footage:
    """Load `data/portraits`, each a clip of its own; pictures [N, size, size, 3]."""
    with np.load(data / "portraits" / "landmarks.npz") as file:
        names = [name for name in file.files if name != "vertices"]
        landmarks = np.stack([image_coordinates(file[name]) for name in names])
    pictures = []
    for name in names:
        picture = cv2.imread(str(data / "portraits" / f"{name}.jpg"))
        if picture is None:
            raise DataError(f"{data}/portraits/{name}.jpg cannot be read")
        pictures.append(fit_size(picture[..., ::-1], size))
    each = np.arange(len(names))
    return _footage(np.stack(pictures), landmarks, each, each, np.full(len(names), 512), level)


def image_coordinates(landmarks: NDArray[np.int16]) -> Floats:
    """Turn stored landmarks [.., P, 3] into image coordinates: x and y in [-1, 1], z in the same unit."""
    points = landmarks.astype(np.float32) * (2 / LANDMARK_UNIT)
    points[..., :2] -= 1
    return points


def fit_size(picture: NDArray[Any], size: int) -> NDArray[Any]:
    """Resize a square picture, averaging when it shrinks."""
    if picture.shape[0] == size:
        return np.ascontiguousarray(picture)
    shrink = picture.shape[0] > size
    return cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA if shrink else cv2.INTER_CUBIC)


@dataclass(frozen=True)
class Targets:
    """What the motion student learns of every frame of a footage; image coordinates or distances between irises."""

    points: Floats  # [N, K + P, 2]
    depth: Floats  # [N, K] z of the keypoints in the head's own scale, before any turn of the picture
    canonical: Floats  # [N, K, 3]
    scale: Floats  # [N]
    mirror: NDArray[np.int64]  # [K + P] each point's twin


def student_targets(footage: Footage, level: LevelFace) -> Targets:
    """Derive the student's targets from a footage's landmarks and poses."""
    keypoint_rows, rigid_rows = level.rows(KEYPOINT_VERTICES), level.rows(RIGID_VERTICES)
    keypoints = footage.landmarks[:, keypoint_rows]
    model = level.points[rigid_rows]
    rigid = (
        footage.scale[:, None, None] * (model @ np.swapaxes(footage.rotation, 1, 2)) + footage.origin[:, None]
    )
    vertices = list(KEYPOINT_VERTICES)
    twins = [vertices.index(level.vertices[level.mirror[row]]) for row in keypoint_rows]
    rigid_vertices = list(RIGID_VERTICES)
    twins += [len(vertices) + rigid_vertices.index(level.vertices[level.mirror[row]]) for row in rigid_rows]
    return Targets(
        points=np.concatenate([keypoints[..., :2], rigid[..., :2]], 1).astype(np.float32),
        depth=((keypoints[..., 2] - footage.origin[:, None, 2]) / footage.scale[:, None]).astype(np.float32),
        canonical=footage.neutral[footage.clip][:, keypoint_rows],
        scale=footage.scale,
        mirror=np.array(twins),
    )


def people_weights(identity: NDArray[np.int64], clip: NDArray[np.int64]) -> NDArray[np.float64]:
    """Weigh frames so that every person is drawn equally often, and every clip of a person alike."""
    _, person, person_count = np.unique(identity, return_inverse=True, return_counts=True)
    # The square root keeps a person of one second from being shown as often as a person of a minute.
    weights = 1 / np.sqrt(person_count[person].astype(np.float64))
    return weights / weights.sum()
