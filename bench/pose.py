"""The motion student against its teacher on people it has never seen, and the locate network on their frames pasted
into larger pictures. The teacher is the face mesh whose landmarks came with the clips, its pose the rigid fit to the
level face. It knows clips, landmarks and a talker; it judges no pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from bench.clips import Clip, Picture, data_folder, read_footage
from bench.errors import BenchError
from bench.talk import Setup
from models.training.data import load_level_face
from models.training.footage import DataError, LevelFace, fit_poses, image_coordinates
from runtime.geometry import KEYPOINT_GROUPS, KEYPOINT_VERTICES, rotation_angles

Floats = npt.NDArray[np.float32]

ANGLES = ("yaw", "pitch", "roll")
FOREHEAD, CHIN = 10, 152  # mesh vertices between which a face's height is measured
# A camera's frame, and how tall a face stands in it: from leaning back in the chair to leaning in.
FRAME_HEIGHT, FRAME_WIDTH = 360, 640
FACE_SHARES = (0.25, 0.8)
# A face is found where the centre lies in its box and the height within this factor: the crop then holds it.
SIZE_FACTOR = 1.5
SEED = 31


@dataclass(frozen=True)
class Taught:
    """A clip's landmarks [N, P, 3] in image coordinates and the teacher's poses: rotation [N, 3, 3], scale [N] (the
    distance between the irises) and origin [N, 3] of the level face, in image coordinates."""

    landmarks: Floats
    rotation: Floats
    scale: Floats
    origin: Floats


@dataclass(frozen=True)
class Pasted:
    """A face in a larger picture: the picture uint8 HxWx3, and the face's box (left, top, right, bottom) and height in
    its pixels."""

    picture: Picture
    box: tuple[float, float, float, float]
    height: float


def run_pose(
    setup: Setup, clips: Sequence[Clip], *, every: int, on_clip: Callable[[str], None]
) -> dict[str, Any]:
    """Return the bench's JSON over every `every`-th frame: errors of angles in degrees, of keypoints in percent of the
    distance between the irises, and of `locate`.

    Raises BenchError where the clips have no landmarks, or there is no level face.
    """
    level = read_level_face()
    rng = np.random.default_rng(SEED)
    angles: list[Floats] = []
    points: list[Floats] = []
    rows: list[dict[str, Any]] = []
    found: list[tuple[bool, float, float]] = []
    for clip in clips:
        on_clip(clip.name)
        taught = read_teacher(clip, level)
        pictures = read_footage(clip, size=setup.picture_size).pictures
        indices = range(0, min(len(pictures), len(taught.scale)), every)
        seen = [_student_errors(setup, pictures[index], taught, index, level) for index in indices]
        looked = [
            _look(setup, paste(pictures[index], taught.landmarks[index], level, rng)) for index in indices
        ]
        angles += [angle for angle, _ in seen]
        points += [away for _, away in seen]
        found += looked
        rows.append(
            {
                "name": clip.name,
                **{
                    f"{name}_degrees": float(value)
                    for name, value in zip(ANGLES, np.median([angle for angle, _ in seen], 0), strict=True)
                },
                "keypoints_percent": float(np.median([away.mean() for _, away in seen])),
                "found_share": float(np.mean([hit for hit, _, _ in looked])),
            }
        )
    return {
        "profile": setup.profile,
        "every": every,
        "clips": rows,
        "summary": _summary(angles, points, found),
    }


def read_level_face() -> LevelFace:
    """Return the face that angles are measured against; raise BenchError where the data folder has none."""
    try:
        return load_level_face(data_folder())
    except DataError as error:
        raise BenchError(str(error)) from error


def read_teacher(clip: Clip, level: LevelFace) -> Taught:
    """Return a clip's landmarks and the poses that fit them to the level face; raise BenchError where it has none."""
    if clip.landmarks is None:
        raise BenchError(f"{clip.path} has no landmarks beside it: its pose is not known.")
    with np.load(clip.landmarks) as stored:
        if tuple(int(vertex) for vertex in stored["vertices"]) != level.vertices:
            raise BenchError(f"The landmarks in {clip.landmarks} are not those of the level face.")
        landmarks = image_coordinates(stored["landmarks"])
    return Taught(landmarks, *fit_poses(landmarks, level))


def paste(picture: Picture, landmarks: Floats, level: LevelFace, rng: np.random.Generator) -> Pasted:
    """Put `picture` SxSx3 into a larger one at random: the face, whose `landmarks` [P, 3] are image coordinates, lies
    wholly in it wherever it fits, at 0.25 to 0.8 of its height, before soft colours."""
    side = picture.shape[0]
    points = (landmarks[:, :2] + 1) * side / 2
    forehead, chin = (points[row] for row in level.rows((FOREHEAD, CHIN)))
    height = float(np.linalg.norm(chin - forehead))
    low, high = np.log(FACE_SHARES)
    grow = float(np.exp(rng.uniform(low, high))) * FRAME_HEIGHT / height
    small = cv2.resize(
        picture, None, fx=grow, fy=grow, interpolation=cv2.INTER_AREA if grow < 1 else cv2.INTER_LINEAR
    )
    points, height = points * grow, height * grow
    extent = points.max(0) - points.min(0)
    room = np.maximum(np.array([FRAME_WIDTH, FRAME_HEIGHT]) - extent, 0)
    shift = np.rint(rng.uniform(0, 1, 2) * room - points.min(0)).astype(int)
    colours = rng.integers(0, 256, (4, 6, 3)).astype(np.uint8)
    frame = cv2.resize(colours, (FRAME_WIDTH, FRAME_HEIGHT), interpolation=cv2.INTER_CUBIC)
    left, top = np.maximum(shift, 0)
    right, bottom = np.minimum(shift + small.shape[1::-1], (FRAME_WIDTH, FRAME_HEIGHT))
    frame[top:bottom, left:right] = small[
        top - shift[1] : bottom - shift[1], left - shift[0] : right - shift[0]
    ]
    corners = np.concatenate([points.min(0) + shift, points.max(0) + shift])
    box = (float(corners[0]), float(corners[1]), float(corners[2]), float(corners[3]))
    return Pasted(np.asarray(frame, np.uint8), box, height)


def _student_errors(
    setup: Setup, picture: Picture, taught: Taught, index: int, level: LevelFace
) -> tuple[Floats, Floats]:
    """Return the errors of yaw, pitch and roll [3] in degrees and of the keypoints [K] in percent."""
    motion = setup.talker.estimate(picture, None)
    # Across 180 degrees an angle is as near as the other way round.
    away = np.abs((motion[0] - rotation_angles(taught.rotation[index]) + 180) % 360 - 180)
    placed = setup.talker.keypoints_of(None, *motion)
    truth = taught.landmarks[index][level.rows(KEYPOINT_VERTICES)]
    distance = np.linalg.norm(placed[:, :2] - truth[:, :2], axis=1)
    return away, np.asarray(100 * distance / taught.scale[index], np.float32)


def _look(setup: Setup, pasted: Pasted) -> tuple[bool, float, float]:
    """Return whether the face was found, and by how much centre (percent of the height) and height (ratio) were off."""
    face = setup.talker.locate(pasted.picture)
    if face is None:
        return False, float("nan"), float("nan")
    left, top, right, bottom = pasted.box
    ratio = face.size / pasted.height
    inside = left <= face.centre_x <= right and top <= face.centre_y <= bottom
    away = np.hypot(face.centre_x - (left + right) / 2, face.centre_y - (top + bottom) / 2)
    return inside and 1 / SIZE_FACTOR < ratio < SIZE_FACTOR, 100 * away / pasted.height, ratio


def _summary(
    angles: list[Floats], points: list[Floats], found: list[tuple[bool, float, float]]
) -> dict[str, Any]:
    away, off = np.stack(angles), np.stack(points)
    means = off.mean(1)
    summary: dict[str, Any] = {"frames": len(away)}
    for column, name in enumerate(ANGLES):
        summary[f"{name}_degrees_median"] = float(np.median(away[:, column]))
        summary[f"{name}_degrees_p95"] = float(np.percentile(away[:, column], 95))
    summary["keypoints_percent_median"] = float(np.median(means))
    summary["keypoints_percent_p95"] = float(np.percentile(means, 95))
    for group, members in KEYPOINT_GROUPS.items():
        summary[f"{group}_percent_median"] = float(np.median(off[:, list(members)].mean(1)))
    hits, centres, ratios = (np.array(values, np.float64) for values in zip(*found, strict=True))
    seen = np.isfinite(centres)
    summary["found_share"] = float(hits.mean())
    summary["located_share"] = float(seen.mean())
    summary["centre_percent_median"] = float(np.median(centres[seen])) if seen.any() else None
    summary["size_ratio_median"] = float(np.median(ratios[seen])) if seen.any() else None
    return summary
