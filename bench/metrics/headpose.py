"""The head's angles from OpenSeeFace's points: a judge of pose that no training has seen. The mean shape of the points
that a talking face keeps rigid is measured once on frames whose pose is known; a face's angles are then the rigid fit
of that shape under scaled orthography. It knows points; it does not know who drew the face."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bench.metrics.landmarks import EYE_CORNERS, NOSE
from runtime.geometry import rotation_angles

Points = npt.NDArray[np.floating]

BROWS = range(17, 27)
# Brows rise, but all of a face's other points are lips, lids, or an outline that slides over the cheek as it turns.
RIGID = [*EYE_CORNERS, *range(NOSE.start, NOSE.stop), *BROWS]
SMALLEST = 3  # frames, of different poses, from which a shape can be measured


def measure_shape(points: Points, rotation: Points, scale: Points, origin: Points) -> npt.NDArray[np.float64]:
    """Return the mean shape [RIGID, 3] of faces in distances between the irises, axes as the level face's.

    Args:
        points: [N, 66, 2 or more] in any unit.
        rotation: [N, 3, 3] of the heads; scale: [N] and origin: [N, 2 or more] in the points' unit.

    Raises ValueError for fewer than three frames.
    """
    if len(points) < SMALLEST:
        raise ValueError(f"A shape is measured on at least {SMALLEST} frames, not {len(points)}.")
    seen = (points[:, RIGID, :2] - origin[:, None, :2]) / scale[:, None, None]
    # Every frame gives each point two equations: the first two rows of R times the point are where it is seen.
    rows = rotation[:, :2].reshape(-1, 3).astype(np.float64)
    wanted = seen.transpose(0, 2, 1).reshape(-1, len(RIGID)).astype(np.float64)
    return np.asarray(np.linalg.lstsq(rows, wanted, rcond=None)[0].T, np.float64)


def head_angles(points: Points, shape: Points) -> npt.NDArray[np.float32]:
    """Return yaw, pitch and roll in degrees [N, 3] of faces with `points` [N, 66, 2 or more].

    The rotation is the one nearest (polar decomposition) to the affine fit of `shape` to the points.
    """
    centred = shape - shape.mean(0)
    seen = points[:, RIGID, :2].astype(np.float64)
    fits = np.linalg.pinv(centred) @ (seen - seen.mean(1, keepdims=True))  # [N, 3, 2]
    left, _, right = np.linalg.svd(fits, full_matrices=False)
    axes = np.swapaxes(left @ right, 1, 2)  # the first two rows of R
    third = np.cross(axes[:, 0], axes[:, 1])
    return rotation_angles(np.concatenate([axes, third[:, None]], 1).astype(np.float32))
