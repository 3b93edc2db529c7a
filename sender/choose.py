"""Which of the first second's pictures becomes the source picture: the one that is level, sharp, with open
eyes and a resting mouth, since all that follows is drawn from it. It does not know where the pictures come
from."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from runtime.geometry import EYELIDS, INNER_LIPS, IRISES, LIP_CORNERS

WINDOW_S = 1.0
CANDIDATE_EVERY_S = 1 / 31  # of faster input not every frame is looked at; 31 candidates are kept at most
# What counts as one point of badness, by what it does to drawn pictures: a head turned by 15 degrees hides a
# cheek; eyes half shut have no iris to copy; a mouth open by a fifth of the irises' distance shows teeth that
# then stay in the lips.
TURNED_DEGREES = 15.0
EYES_SHUT = 0.5  # of the widest opening in the window
MOUTH_OPEN = 0.2  # of the distance between the irises
MOUTH_WIDENED = 0.2  # a smile, against the window's median width
BLURRED = 1.0  # natural logarithm of the variance of the Laplacian, against the sharpest


@dataclass(frozen=True)
class Candidate:
    """A picture (uint8 SxSx3) and what was measured in it; lengths in distances between the irises."""

    picture: np.ndarray
    turned_degrees: float
    sharpness: float
    eyes: float
    mouth: float
    mouth_width: float


def measure(
    picture: np.ndarray, rotation: npt.NDArray[np.float32], keypoints: npt.NDArray[np.float32]
) -> Candidate:
    """Measure a picture (uint8 SxSx3) with its rotation [3] in degrees and keypoints [K, 3] in [-1, 1]."""
    unit = max(_distance(keypoints, IRISES), 1e-3)
    return Candidate(
        picture=picture,
        turned_degrees=float(np.linalg.norm(rotation)),
        sharpness=sharpness(picture, keypoints),
        eyes=min(_distance(keypoints, lids) for lids in EYELIDS) / unit,
        mouth=_distance(keypoints, INNER_LIPS) / unit,
        mouth_width=_distance(keypoints, LIP_CORNERS) / unit,
    )


def sharpness(picture: np.ndarray, keypoints: npt.NDArray[np.float32]) -> float:
    """Return the variance of the Laplacian over the keypoints' box: large for a sharp face."""
    size = picture.shape[0]
    corners = np.clip((np.stack([keypoints.min(0), keypoints.max(0)])[:, :2] + 1) / 2 * size, 0, size)
    (left, top), (right, bottom) = corners.astype(int)
    if right - left < 3 or bottom - top < 3:
        return 0.0
    grey = cv2.cvtColor(np.ascontiguousarray(picture[top:bottom, left:right]), cv2.COLOR_RGB2GRAY)
    return float(cv2.Laplacian(grey, cv2.CV_32F).var())


def badness(candidates: list[Candidate]) -> list[float]:
    """Return how badly each candidate would serve, in points, against the others; 0 is best."""
    sharpest = max(max(candidate.sharpness for candidate in candidates), 1e-6)
    widest = max(max(candidate.eyes for candidate in candidates), 1e-6)
    resting = float(np.median([candidate.mouth_width for candidate in candidates]))
    return [
        (candidate.turned_degrees / TURNED_DEGREES) ** 2
        + max(0.0, 1 - candidate.eyes / widest) / EYES_SHUT
        + candidate.mouth / MOUTH_OPEN
        + abs(candidate.mouth_width - resting) / MOUTH_WIDENED
        - float(np.log(max(candidate.sharpness, 1e-6) / sharpest)) / BLURRED
        for candidate in candidates
    ]


class SourceChooser:
    """Collects candidates for a second from the first face on, and names the best."""

    def __init__(self) -> None:
        self._candidates: list[Candidate] = []
        self._first_s: float | None = None
        self._last_s = 0.0

    def add(
        self,
        picture: np.ndarray,
        rotation: npt.NDArray[np.float32],
        keypoints: npt.NDArray[np.float32],
        *,
        at_s: float,
    ) -> bool:
        """Take a picture and its keypoints as in `measure`; True when the second is over."""
        if self._first_s is None:
            self._first_s = at_s
        elif at_s - self._last_s < CANDIDATE_EVERY_S:
            return False
        self._last_s = at_s
        self._candidates.append(measure(picture, rotation, keypoints))
        return at_s - self._first_s >= WINDOW_S

    def best(self) -> np.ndarray | None:
        """Return the best picture so far, or None before the first."""
        if not self._candidates:
            return None
        points = badness(self._candidates)
        return self._candidates[int(np.argmin(points))].picture


def _distance(keypoints: npt.NDArray[np.float32], pair: tuple[int, int]) -> float:
    return float(np.linalg.norm(keypoints[pair[0]] - keypoints[pair[1]]))
