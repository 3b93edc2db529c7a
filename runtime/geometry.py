"""Head geometry in numpy: rotations, keypoints, and what each of the K keypoints is.

The formulas of the paper's section 3.1 with the scale that a prior-tied profile carries in t_z. Axes: x right,
y down, z away from the camera; `R = Rz(roll) Ry(yaw) Rx(pitch)`; yaw > 0 turns the nose to +x, pitch > 0 turns it
down. Knows nothing about pictures, networks or bytes.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

# Vertices of the 478-vertex face mesh behind the keypoints, in the order of what a listener watches: a prefix of them
# is a good picture. "Right" is the person's own right, which is the picture's left.
KEYPOINT_VERTICES = (
    13, 14,  # inner lip, upper and lower
    61, 291,  # lip corners, right and left
    17, 0,  # outer lip, lower and upper
    178, 402,  # inner lower lip, right and left
    159, 145,  # right eyelids, upper and lower
    386, 374,  # left eyelids, upper and lower
    468, 473,  # irises, right and left
    105, 334,  # brows, right and left
    1,  # nose tip
    152,  # chin
    172, 397,  # jaw, right and left
)  # fmt: skip
INNER_LIPS = (0, 1)
LIP_CORNERS = (2, 3)
EYELIDS = ((8, 9), (10, 11))  # (upper, lower) of the right and of the left eye
IRISES = (12, 13)
NOSE = 16
KEYPOINT_GROUPS: dict[str, tuple[int, ...]] = {
    "mouth": (0, 1, 2, 3, 4, 5, 6, 7),
    "eyes": (8, 9, 10, 11, 12, 13),
    "brows": (14, 15),
    "rigid": (16, 17, 18, 19),
}
# Reach of each keypoint's own flow, in units of the distance between the irises (NETWORKS.md, Start from geometry).
KEYPOINT_REACH = (
    0.11, 0.11, 0.11, 0.11, 0.13, 0.13, 0.11, 0.11,
    0.08, 0.08, 0.08, 0.08, 0.08, 0.08,
    0.16, 0.16,
    0.27, 0.25, 0.27, 0.27,
)  # fmt: skip


def rotation_matrix(rotation: Floats) -> Floats:
    """Turn yaw, pitch and roll into a matrix.

    Args:
        rotation: [..., 3] yaw, pitch, roll in degrees.

    Returns:
        [..., 3, 3], `Rz(roll) Ry(yaw) Rx(pitch)`.
    """
    radians = np.radians(np.asarray(rotation, np.float32))
    cosines, sines = np.cos(radians), np.sin(radians)
    cy, cp, cr = cosines[..., 0], cosines[..., 1], cosines[..., 2]
    sy, sp, sr = sines[..., 0], sines[..., 1], sines[..., 2]
    # Filled, not stacked, which takes nine times as long: this is asked for many times a frame.
    matrix = np.empty((*radians.shape[:-1], 3, 3), np.float32)
    matrix[..., 0, 0] = cr * cy
    matrix[..., 0, 1] = -sr * cp - cr * sy * sp
    matrix[..., 0, 2] = sr * sp - cr * sy * cp
    matrix[..., 1, 0] = sr * cy
    matrix[..., 1, 1] = cr * cp - sr * sy * sp
    matrix[..., 1, 2] = -cr * sp - sr * sy * cp
    matrix[..., 2, 0] = sy
    matrix[..., 2, 1] = cy * sp
    matrix[..., 2, 2] = cy * cp
    return matrix


def rotation_angles(matrix: Floats) -> Floats:
    """Return yaw, pitch, roll in degrees, [..., 3], of rotation matrices [..., 3, 3]."""
    yaw = np.arcsin(np.clip(matrix[..., 2, 0], -1.0, 1.0))
    pitch = np.arctan2(matrix[..., 2, 1], matrix[..., 2, 2])
    roll = np.arctan2(matrix[..., 1, 0], matrix[..., 0, 0])
    return np.degrees(np.stack([yaw, pitch, roll], axis=-1)).astype(np.float32)


def head_linear(rotation: Floats, translation: Floats) -> Floats:
    """Return the head's linear part, `e^(-t_z) R`, [..., 3, 3]."""
    scale = np.exp(-np.asarray(translation, np.float32)[..., 2])
    return (scale[..., None, None] * rotation_matrix(rotation)).astype(np.float32)


def keypoints(canonical: Floats, rotation: Floats, translation: Floats, expression: Floats) -> Floats:
    """Place the canonical keypoints: `x = e^(-t_z) (R x_c + delta) + (t_x, t_y, 0)`.

    Args:
        canonical: [..., K, 3] in distances between the irises.
        rotation: [..., 3] degrees.
        translation: [..., 3]; x and y in image coordinates [-1, 1], z the negative log of the scale.
        expression: [..., K, 3] in distances between the irises.

    Returns:
        [..., K, 3] in image coordinates.
    """
    translation = np.asarray(translation, np.float32)
    turned = canonical @ np.swapaxes(rotation_matrix(rotation), -1, -2)
    placed = np.exp(-translation[..., 2])[..., None, None] * (turned + expression)
    placed[..., :2] += translation[..., None, :2]
    return placed.astype(np.float32)
