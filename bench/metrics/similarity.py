"""The similarity (rotation, scale and shift in the plane) that best fits one set of points to another, in least
squares. It knows nothing of faces."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def fit_similarity(
    source: npt.NDArray[np.floating], target: npt.NDArray[np.floating]
) -> npt.NDArray[np.float64]:
    """Return the 2 x 3 matrix that best takes `source` [P, 2] to `target` [P, 2]; never a reflection.

    >>> fit_similarity(np.array([[0, 0], [1, 0]]), np.array([[2, 3], [2, 5]])).round(6).tolist()
    [[0.0, -2.0, 2.0], [2.0, 0.0, 3.0]]
    """
    a = source[:, 0].astype(np.float64) + 1j * source[:, 1]
    b = target[:, 0].astype(np.float64) + 1j * target[:, 1]
    spread = np.vdot(a - a.mean(), a - a.mean()).real
    # With points as complex numbers a similarity is one factor and one shift.
    factor = np.vdot(a - a.mean(), b - b.mean()) / max(spread, 1e-12)
    shift = b.mean() - factor * a.mean()
    return np.array([[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]])


def apply(matrix: npt.NDArray[np.floating], points: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Return `points` [P, 2] moved by the 2 x 3 `matrix`."""
    return np.asarray(points.astype(np.float64) @ matrix[:, :2].T + matrix[:, 2])
