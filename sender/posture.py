"""How a face is held, for telling which picture shows it most alike: head pose, and the shape of mouth, lids and brows.
Pure functions; it knows neither pictures nor slots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from runtime.geometry import EYELIDS, KEYPOINT_GROUPS, rotation_matrix
from runtime.talker import Source

Floats = npt.NDArray[np.float32]

# What a difference between source and driving face costs in LPIPS over the face, fitted (least squares, none negative)
# to 924 pairs of frames of 33 clips of strangers, drawn one from the other. Of four pictures of a clip the one that is
# nearest by these weights draws a frame at .040 in the mean, the best of the four at .038, the first at .070. The
# mouth's weight was .186; at .45 LPIPS is the same, and expression is not copied from another mouth. At .9 a filled
# gallery takes 22 % off LPIPS over the face in place of 20, and 11 % off the mouth's expression error in place of 9, in
# the 15 training clips whose mouths open widest; where mouths differ, distances are then more than what LPIPS says.
PER_DEGREE = np.array([0.0016, 0.0007, 0.0009], np.float32)  # yaw, pitch, roll
PER_SHIFT, PER_SCALE = 0.028, 0.087  # image coordinates; the logarithm of the scale
PER_MOUTH, PER_LIDS, PER_BROWS = 0.9, 0.146, 0.276  # distances between the irises

MOUTH, BROWS = list(KEYPOINT_GROUPS["mouth"]), list(KEYPOINT_GROUPS["brows"])


class Posture(NamedTuple):
    """Rotation [3] in degrees, translation [3], and the keypoints [K, 3] as they lie in the level head."""

    rotation: Floats
    translation: Floats
    shape: Floats


def posture_of(rotation: Floats, translation: Floats, expression: Floats, source: Source) -> Posture:
    """Return the posture of a motion whose expression is relative to `source`."""
    return Posture(rotation, translation, source.canonical + expression @ rotation_matrix(rotation))


def posture_in(source: Source) -> Posture:
    """Return the posture of the face in a source picture."""
    return posture_of(source.rotation, source.translation, source.expression, source)


class Postures:
    """Many postures, to be compared with one at a time."""

    def __init__(self, postures: Sequence[Posture]) -> None:
        self._rotations = np.array([each.rotation for each in postures])
        self._translations = np.array([each.translation for each in postures])
        self._shapes = np.array([each.shape for each in postures])

    def apart(self, other: Posture) -> Floats:
        """Return for each about how much worse, in LPIPS over the face, a picture of it is drawn from a picture of
        `other`."""
        turned = np.abs(self._rotations - other.rotation) @ PER_DEGREE
        moved = self._translations - other.translation
        offsets = (self._shapes - other.shape)[..., :2]  # depth is guessed, and hardly seen
        lids = np.max([np.abs(offsets[:, upper, 1] - offsets[:, lower, 1]) for upper, lower in EYELIDS], 0)
        distances = (
            turned
            + PER_SHIFT * np.hypot(moved[:, 0], moved[:, 1])
            + PER_SCALE * np.abs(moved[:, 2])
            + PER_MOUTH * _spread(offsets[:, MOUTH])
            + PER_LIDS * lids
            + PER_BROWS * _spread(offsets[:, BROWS])
        )
        return np.asarray(distances, np.float32)


def apart(first: Posture, second: Posture) -> float:
    """Return how far two postures are apart; see `Postures.apart`."""
    return float(Postures([first]).apart(second)[0])


def _spread(offsets: Floats) -> Floats:
    """Return the root mean square length of offsets [N, k, 2]."""
    return np.asarray(np.sqrt(np.square(offsets).sum(-1).mean(-1)), np.float32)
