"""What one frame sends: head pose and expression, as plain numbers.

A motion does not know how it is coded, when it was captured, or whose face it moves.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

POSE_NUMBERS = 6
# What a packet may hold; beyond it a number is cut by the encoder, so that no packet can drive the drawing into
# overflow (the scale is e**-tz).
MAX_DEGREES = 360.0
MAX_OFFSET = 32.0


def limits(count: int) -> Floats:
    """Return what each of `count` numbers is cut to, pose first, then offsets; float32."""
    limit = np.full(count, MAX_OFFSET, dtype=np.float32)
    limit[:3] = MAX_DEGREES
    return limit


def _frozen(values: npt.ArrayLike, name: str, shape: tuple[int, ...]) -> Floats:
    array = np.array(values, dtype=np.float32)  # a copy: nobody else holds a writable view of a motion
    if array.shape != shape:
        raise ValueError(f"{name} must have the shape {shape}, not {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, not {array}")
    array.flags.writeable = False
    return array


@dataclass(frozen=True, eq=False)
class Motion:
    """Head pose and expression of one frame: 3K + 6 numbers, read-only float32.

    Parameters
    ----------
    rotation
        Yaw, pitch, roll in degrees, shape [3].
    translation
        tx, ty and tz in image coordinates (the picture is [-1, 1]), shape [3].
    expression
        Offsets of the K keypoints (the paper's delta), shape [K, 3].
    guessed
        How many of them, the last ones, were left out on the wire and guessed from the others, 0 to K.

    Raises
    ------
    ValueError
        For another shape, or for a number that is not finite.
    """

    rotation: Floats
    translation: Floats
    expression: Floats
    guessed: int = 0

    def __post_init__(self) -> None:
        keypoints = np.shape(self.expression)[0] if np.ndim(self.expression) == 2 else 0
        object.__setattr__(self, "rotation", _frozen(self.rotation, "rotation", (3,)))
        object.__setattr__(self, "translation", _frozen(self.translation, "translation", (3,)))
        object.__setattr__(self, "expression", _frozen(self.expression, "expression", (keypoints, 3)))

    @property
    def keypoints(self) -> int:
        """K, the number of expression offsets."""
        return int(self.expression.shape[0])
