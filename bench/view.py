"""Free view: strangers' heads turned to the asked angles by the network, and what judges that no training has seen make
of them: the angle (OpenSeeFace's points and a rigid fit) and whose face it is (MobileFaceNet). It draws with the talker
and `runtime.view`; it trains nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.clips import Clip, Picture, read_footage
from bench.errors import BenchError
from bench.judge import Judge
from bench.metrics import identity
from bench.metrics.headpose import SMALLEST, head_angles, measure_shape
from bench.pose import ANGLES, read_level_face, read_teacher
from bench.quality import SAME_PERSON_PERCENTILE, sampled
from bench.sheet import labelled
from bench.statistics import mean
from bench.talk import Setup, Source, take_source
from runtime.geometry import rotation_angles
from runtime.view import Pose, frontalise, turn

ASKED = (-30, -20, -10, 0, 10, 20, 30)
# Frames of each clip on which the judge is measured and on which it learns how far one person's frames lie apart.
FRAMES_A_CLIP = 12
AXES = ("yaw", "pitch")

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Calibration:
    """The judge's own measure: shape [R, 3] of the faces, limit of identity, and on the originals, against the face
    mesh's pose, its error in degrees and how many degrees it says for each of theirs, [3] (yaw, pitch, roll)."""

    shape: Floats
    identity_limit: float
    error: Floats
    slope: Floats


@dataclass(frozen=True)
class Turned:
    """A stranger's pictures by axis and asked angle, and what the judge saw: angles [A, 3] (NaN without a face) and
    identity distances [A] from the source picture."""

    name: str
    pictures: dict[str, list[Picture]]
    angles: dict[str, Floats]
    distances: dict[str, Floats]


def calibrate(
    setup: Setup, clips: Sequence[Clip], judge: Judge, *, on_clip: Callable[[str], None]
) -> Calibration:
    """Measure the judge on the clips' original frames; raise BenchError where they have no landmarks or no faces."""
    level = read_level_face()
    points: list[Floats] = []
    poses: list[tuple[Floats, Floats, Floats]] = []
    kinship: list[Floats] = []
    for clip in clips:
        on_clip(clip.name)
        taught = read_teacher(clip, level)
        footage = read_footage(clip, size=setup.picture_size)
        indices = sampled(len(footage.pictures), max(1, len(footage.pictures) // FRAMES_A_CLIP))
        boxes = None if footage.boxes is None else [footage.boxes[index] for index in indices]
        subject = judge.subject([footage.pictures[index] for index in indices], boxes)
        faces = subject.with_face
        kept = [indices[face] for face in faces]
        # Points are in pixels, the teacher in image coordinates.
        points.append(subject.points[faces][..., :2] * (2 / setup.picture_size) - 1)
        poses.append((taught.rotation[kept], taught.scale[kept], taught.origin[kept]))
        kinship.append(identity.pair_distances(subject.identities[faces]))
    seen = np.concatenate(points)
    apart = np.concatenate(kinship)
    if len(seen) < SMALLEST or not len(apart):
        raise BenchError("The judge finds too few faces in these clips to be measured.")
    rotation, scale, origin = (np.concatenate(part) for part in zip(*poses, strict=True))
    shape = measure_shape(seen, rotation, scale, origin)
    true, got = rotation_angles(rotation), head_angles(seen, shape)
    slope = np.array([np.polyfit(true[:, axis], got[:, axis], 1)[0] for axis in range(3)])
    limit = float(np.percentile(apart, SAME_PERSON_PERCENTILE))
    return Calibration(shape, limit, np.median(np.abs(got - true), 0), slope)


def turn_stranger(setup: Setup, clip: Clip, judge: Judge, calibration: Calibration, *, source: str) -> Turned:
    """Draw a clip's source picture at every asked angle of yaw and of pitch, from the level head, and judge it."""
    footage = read_footage(clip, size=setup.picture_size)
    origin = take_source(setup, footage, source=source)
    boxes = None if footage.boxes is None else [footage.boxes[origin.index]]
    person = judge.subject([origin.picture], boxes).identities
    pictures, angles, distances = {}, {}, {}
    for axis in AXES:
        pictures[axis] = [_drawn(setup, origin, axis, angle) for angle in ASKED]
        subject = judge.subject(pictures[axis], None)
        faces = subject.with_face
        angles[axis] = np.full((len(ASKED), 3), np.nan)
        distances[axis] = np.full(len(ASKED), np.nan)
        angles[axis][faces] = head_angles(subject.points[faces], calibration.shape)
        distances[axis][faces] = identity.distance(person, subject.identities[faces])
    return Turned(clip.name, pictures, angles, distances)


def summarise_turns(setup: Setup, strangers: Sequence[Turned], calibration: Calibration) -> dict[str, Any]:
    """Return the bench's JSON: `angles` (a row each asked angle of each axis) and `summary`.

    `error` is asked against got; `turn_error` leaves out what the judge says of the same person's level head, which is
    its bias for that face. All in degrees, medians over the people in whose picture a face was found.
    """
    rows = [
        _row(strangers, calibration, axis, place, angle) for axis in AXES for place, angle in enumerate(ASKED)
    ]
    turned = [row for row in rows if row["asked"]]
    summary: dict[str, Any] = {
        "people": len(strangers),
        "identity_limit": calibration.identity_limit,
        "found_share": mean(np.array([row["found_share"] for row in turned])),
        "identity_kept": mean(np.array([row["identity_kept"] for row in turned], np.float64)),
    }
    for name, error, slope in zip(ANGLES, calibration.error, calibration.slope, strict=True):
        summary[f"judge_{name}_degrees"], summary[f"judge_{name}_slope"] = float(error), float(slope)
    for axis in AXES:
        for key in ("error", "turn_error"):
            values = [row[key] for row in turned if row["axis"] == axis and row[key] is not None]
            summary[f"{axis}_{key}_worst"] = max(values, default=None)
    return {"profile": setup.profile, "angles": rows, "summary": summary}


def view_sheet(strangers: Sequence[Turned]) -> Picture:
    """Return a sheet: two rows a stranger, yaw and pitch, from -30 to 30 degrees."""
    rows = []
    for stranger in strangers:
        for axis in AXES:
            cells = zip(stranger.pictures[axis], ASKED, stranger.angles[axis], strict=True)
            column = ANGLES.index(axis)
            rows.append(
                np.hstack(
                    [
                        labelled(picture, f"{axis} {asked:+d}, got {got[column]:+.0f}")
                        for picture, asked, got in cells
                    ]
                )
            )
    return np.vstack(rows)


def _drawn(setup: Setup, origin: Source, axis: str, angle: int) -> Picture:
    own = Pose(origin.features.rotation, origin.features.translation, origin.features.expression)
    yaw, pitch = (float(angle) if axis == name else 0.0 for name in AXES)
    return setup.talker.draw(origin.features, *turn(frontalise(own), yaw=yaw, pitch=pitch))


def _row(
    strangers: Sequence[Turned], calibration: Calibration, axis: str, place: int, asked: int
) -> dict[str, Any]:
    column, level = ANGLES.index(axis), ASKED.index(0)
    got = np.array([stranger.angles[axis][place, column] for stranger in strangers])
    bias = np.array([stranger.angles[axis][level, column] for stranger in strangers])
    distances = np.array([stranger.distances[axis][place] for stranger in strangers])
    faces = np.isfinite(distances)
    return {
        "axis": axis,
        "asked": asked,
        "got": _median(got),
        "error": _median(np.abs(got - asked)),
        "turn_error": _median(np.abs(got - bias - asked)),
        "identity_distance": _median(distances),
        "identity_kept": mean((distances[faces] < calibration.identity_limit).astype(np.float64)),
        "found_share": float(faces.mean()),
    }


def _median(values: npt.NDArray[np.floating]) -> float | None:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else None
