"""One person's motion drawn on another's picture, heads brought level, and heads turned: what judges that no training
has seen say of identity, pose and expression (face-vid2vid, tables 2 and 3). The frozen picture is judged beside it.

It draws with the talker and `runtime.view`; angles come from `bench.metrics.headpose`, identity from MobileFaceNet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.clips import Clip, Footage, Picture, read_footage
from bench.errors import BenchError
from bench.judge import Judge, Subject
from bench.metrics import identity
from bench.metrics.headpose import head_angles
from bench.metrics.inception import MISSING, Inception, frechet_distance
from bench.metrics.landmarks import LEFT_EYE, RIGHT_EYE
from bench.pose import ANGLES
from bench.sheet import labelled
from bench.statistics import mean
from bench.talk import Setup, Source, motion_of, take_source
from bench.view import ASKED, AXES, Calibration, Turned, turn_stranger
from runtime.view import Pose, frontalise

# Frames of each driving clip, spread evenly.
FRAMES = 8
# The paper's table 3 counts pictures within 15 degrees of what was asked for; we also count those within 5.
TOLERANCES_DEGREES = (15, 5)
# Upper against lower inner lip, upper against lower lid (OpenSeeFace's points).
LIPS = ((59, 65), (60, 64), (61, 63))
LIDS = ((37, 41), (38, 40), (43, 47), (44, 46))

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Crossed:
    """One pair of people: what the judge saw in pictures [N] drawn (or frozen), NaN where it found no face."""

    driver: str
    source: str
    pictures: list[tuple[Picture, Picture, Picture]]  # source, driving, drawn
    identity: dict[str, Floats]  # distance from the source picture, [N]
    pose: dict[str, Floats]  # absolute difference from the driving head, degrees [N, 3]
    mouth: dict[str, Floats]  # difference of opening, percent of the eyes' distance [N]
    eyes: dict[str, Floats]
    level: dict[str, Floats]  # angles of the driver's own head brought level (frozen: as it was), [N, 3]
    level_identity: dict[str, Floats]  # distance of those from the driver's own first frame, [N]
    turned: Turned  # the driver's own first frame, turned to asked angles


def pair_up(clips: Sequence[Clip]) -> list[tuple[Clip, Clip]]:
    """Return each clip with the one that lends it the face: the clip half the set further on.

    Raises BenchError for fewer than two clips.
    """
    if len(clips) < 2:
        raise BenchError("One person's motion on another's picture takes two clips at least.")
    return [(clip, clips[(index + len(clips) // 2) % len(clips)]) for index, clip in enumerate(clips)]


def cross(setup: Setup, driver: Clip, lender: Clip, judge: Judge, calibration: Calibration) -> Crossed:
    """Draw the lender's face with the driver's motion, and the driver's own face level; judge both."""
    footage = read_footage(driver, size=setup.picture_size)
    own = take_source(setup, footage, source="first")
    origin = take_source(setup, _opening(lender, setup), source="first")
    indices = (
        np.linspace(0, len(footage.pictures) - 1, min(FRAMES, len(footage.pictures))).round().astype(int)
    )
    driving = [footage.pictures[index] for index in indices]
    drawn = {
        "": [_drawn(setup, origin, picture) for picture in driving],
        "_frozen": [origin.picture] * len(driving),
    }
    truth = judge.subject(driving, None)
    lent = judge.subject([origin.picture], None)
    found: dict[str, dict[str, Floats]] = {name: {} for name in ("identity", "pose", "mouth", "eyes")}
    for name, pictures in drawn.items():
        seen = judge.subject(pictures, None)
        found["identity"][name] = _apart(lent, seen)
        found["pose"][name] = np.abs(_angles(seen, calibration) - _angles(truth, calibration))
        found["mouth"][name] = np.abs(_opening_of(seen, LIPS) - _opening_of(truth, LIPS))
        found["eyes"][name] = np.abs(_opening_of(seen, LIDS) - _opening_of(truth, LIDS))
    levelled = judge.subject([_levelled(setup, own, picture) for picture in driving], None)
    first = judge.subject([own.picture], None)
    return Crossed(
        driver=driver.name,
        source=lender.name,
        pictures=[(origin.picture, one, other) for one, other in zip(driving, drawn[""], strict=True)],
        level={"": _angles(levelled, calibration), "_frozen": _angles(truth, calibration)},
        level_identity={"": _apart(first, levelled), "_frozen": _apart(first, truth)},
        turned=turn_stranger(setup, driver, judge, calibration, source="first"),
        **found,
    )


def summarise_crossed(
    setup: Setup, pairs: Sequence[Crossed], calibration: Calibration, *, inception: Inception | None = None
) -> dict[str, Any]:
    """Return the bench's JSON: `pairs` (medians of each) and `summary`, every figure beside the frozen picture's.

    `..._kept` is the share of pictures nearer than the limit of one person's frames. `frontal_...` is about levelled
    heads, `free_view_...` about heads turned by 10 to 30 degrees of yaw or pitch: `identity` is the share of pictures
    whose identity is kept, `angle_15` and `angle_5` of those within so many degrees of yaw and pitch of what was asked
    for, `both_...` of those with both; frozen is the picture neither levelled nor turned. Shares are of all pictures:
    one without a face has neither. `fid` is between all pictures drawn and all driving ones, of which everybody is the
    driver once; None without `inception`.
    """
    rows = [_row([pair], calibration) | {"driver": pair.driver, "source": pair.source} for pair in pairs]
    summary = _row(pairs, calibration) | {"pairs": len(pairs), "identity_limit": calibration.identity_limit}
    limit = calibration.identity_limit
    for suffix in ("", "_frozen"):
        level = np.concatenate([pair.level[suffix] for pair in pairs])
        apart = np.concatenate([pair.level_identity[suffix] for pair in pairs])
        summary |= _good("frontal", suffix, level[:, :2], apart, limit)
        off, apart = (
            np.concatenate(part)
            for part in zip(*(_off_asked(pair.turned, frozen=bool(suffix)) for pair in pairs), strict=True)
        )
        summary |= _good("free_view", suffix, off, apart, limit)
    summary |= _distances(pairs, inception)
    why = {key: MISSING for key in ("fid", "fid_frozen") if summary[key] is None}
    return {"profile": setup.profile, "pairs": rows, "summary": summary, "why": why}


def _good(name: str, suffix: str, off: Floats, apart: Floats, limit: float) -> dict[str, float]:
    """Return shares of pictures: identity kept, within degrees of the angles asked for (`off` [N, 2], NaN without a
    face), and both."""
    kept = apart < limit
    shares = {f"{name}_identity{suffix}": float(kept.mean())}
    for degrees in TOLERANCES_DEGREES:
        near = (np.abs(off) < degrees).all(1)
        shares[f"{name}_angle_{degrees}{suffix}"] = float(near.mean())
        shares[f"{name}_both_{degrees}{suffix}"] = float((near & kept).mean())
    return shares


def _off_asked(turned: Turned, *, frozen: bool) -> tuple[Floats, Floats]:
    """Return how far yaw and pitch [N, 2] of a person's turned pictures (frozen: of the level one instead of each) are
    from what was asked for, and their identity distances [N]."""
    level = ASKED.index(0)
    off, apart = [], []
    for axis, name in enumerate(AXES):
        for place, asked in enumerate(ASKED):
            if not asked:
                continue
            seen = level if frozen else place
            wanted = np.zeros(2)
            wanted[axis] = asked
            off.append(turned.angles[name][seen, :2] - wanted)
            apart.append(turned.distances[name][seen])
    return np.array(off), np.array(apart)


def _distances(pairs: Sequence[Crossed], inception: Inception | None) -> dict[str, float | None]:
    """Return how far the pictures drawn, and the frozen ones, are from the driving ones as sets."""
    if inception is None:
        return {"fid": None, "fid_frozen": None}
    sources, driving, drawn = (
        inception.embed([each[place] for pair in pairs for each in pair.pictures]) for place in range(3)
    )
    return {"fid": frechet_distance(driving, drawn), "fid_frozen": frechet_distance(driving, sources)}


def cross_sheet(pairs: Sequence[Crossed]) -> Picture:
    """Return a sheet: a pair a row, source, driving and drawn of two frames."""
    rows = []
    for pair in pairs:
        cells = []
        for source, driving, drawn in (pair.pictures[len(pair.pictures) // 3], pair.pictures[-1]):
            cells += [
                labelled(source, pair.source),
                labelled(driving, pair.driver),
                labelled(drawn, "drawn"),
            ]
        rows.append(np.hstack(cells))
    return np.vstack(rows)


def _opening(clip: Clip, setup: Setup) -> Footage:
    footage = read_footage(clip, size=setup.picture_size)
    return Footage(footage.name, footage.pictures[:1], footage.rate, None)


def _drawn(setup: Setup, origin: Source, picture: Picture) -> Picture:
    motion = motion_of(setup, picture, origin)
    return setup.talker.draw(origin.features, motion.rotation, motion.translation, motion.expression)


def _levelled(setup: Setup, own: Source, picture: Picture) -> Picture:
    motion = motion_of(setup, picture, own)
    pose = frontalise(Pose(motion.rotation, motion.translation, motion.expression))
    return setup.talker.draw(own.features, *pose)


def _angles(subject: Subject, calibration: Calibration) -> Floats:
    angles = np.full((len(subject.pictures), 3), np.nan)
    if len(subject.with_face):
        angles[subject.with_face] = head_angles(subject.points[subject.with_face], calibration.shape)
    return angles


def _apart(person: Subject, seen: Subject) -> Floats:
    distances = np.full(len(seen.pictures), np.nan)
    if len(person.with_face):
        faces = seen.with_face
        distances[faces] = identity.distance(person.identities, seen.identities[faces])
    return distances


def _opening_of(subject: Subject, pairs: Sequence[tuple[int, int]]) -> Floats:
    """Return how far lips or lids are apart, in percent of the distance between the eyes [N]."""
    opening = np.full(len(subject.pictures), np.nan)
    for index in subject.with_face:
        points = subject.points[index, :, :2]
        unit = np.linalg.norm(points[RIGHT_EYE].mean(0) - points[LEFT_EYE].mean(0))
        gaps = [np.linalg.norm(points[upper] - points[lower]) for upper, lower in pairs]
        opening[index] = 100 * np.mean(gaps) / unit
    return opening


def _row(pairs: Sequence[Crossed], calibration: Calibration) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for suffix in ("", "_frozen"):
        distances = np.concatenate([pair.identity[suffix] for pair in pairs])
        faces = np.isfinite(distances)
        poses = np.concatenate([pair.pose[suffix] for pair in pairs])
        row["identity_distance" + suffix] = _median(distances)
        row["identity_kept" + suffix] = mean(
            (distances[faces] < calibration.identity_limit).astype(np.float64)
        )
        for axis, name in enumerate(ANGLES):
            row[f"{name}_error{suffix}"] = _median(poses[:, axis])
        row["mouth_opening_error" + suffix] = _median(np.concatenate([pair.mouth[suffix] for pair in pairs]))
        row["eye_opening_error" + suffix] = _median(np.concatenate([pair.eyes[suffix] for pair in pairs]))
        row["found_share" + suffix] = float(faces.mean())
    return row


def _median(values: Floats) -> float | None:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else None
