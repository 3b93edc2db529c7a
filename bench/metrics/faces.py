"""How far a redrawn face's landmarks lie from the original's: AKD (place and expression together) and expression error
(after the head's place is taken out), for mouth and eyes, as MEASURES.md defines them. It knows OpenSeeFace's numbering
of the 66 points; it finds no landmarks itself."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bench.metrics.landmarks import EYE_CORNERS, EYES, LEFT_EYE, MOUTH, NOSE, RIGHT_EYE
from bench.metrics.similarity import apply, fit_similarity

Points = npt.NDArray[np.floating]

# What an expression moves least: by these points the head's place is found.
RIGID = [*EYE_CORNERS, *range(NOSE.start, NOSE.stop)]


def landmark_errors(original: Points, redrawn: Points) -> dict[str, float]:
    """Return the errors of one redrawn face in percent of the original's distance between the eyes' centres.

    `original` and `redrawn` are [66, 2 or more]. Keys: `mouth_akd` and `eye_akd`, mean distances of the points;
    `mouth_expression` and `eye_expression`, the same after the similarity that best takes the redrawn face's eye
    corners and nose to the original's.
    """
    original, redrawn = original[:, :2], redrawn[:, :2]
    eyes = float(np.linalg.norm(original[RIGHT_EYE].mean(0) - original[LEFT_EYE].mean(0)))
    unit = 100 / max(eyes, 1e-6)
    placed = apply(fit_similarity(redrawn[RIGID], original[RIGID]), redrawn)
    return {
        "mouth_akd": unit * _distance(original[MOUTH], redrawn[MOUTH]),
        "eye_akd": unit * _distance(original[EYES], redrawn[EYES]),
        "mouth_expression": unit * _distance(original[MOUTH], placed[MOUTH]),
        "eye_expression": unit * _distance(original[EYES], placed[EYES]),
    }


def _distance(first: Points, second: Points) -> float:
    return float(np.linalg.norm(first - second, axis=1).mean())
