"""Motions between and beyond the ones that came: interpolation, damped extrapolation, and the way to rest.

Pure functions on `codec.motion.Motion`. Angles are linear, each the short way round (heads turn by small
angles, so no quaternions are needed). Nothing here knows time stamps, packets or pictures.
"""

import math

import numpy as np

from codec.motion import Motion

# The speed of an extrapolated motion dies away with this time constant: a head moves for longer than a
# frame but seldom for longer than a tenth of a second in one direction.
DAMPING_S = 0.06


def interpolate(first: Motion, second: Motion, weight: float) -> Motion:
    """Blend two motions: `weight` 0 gives the first, 1 the second; in between (or beyond) it is linear."""
    weight32 = np.float32(weight)
    turn = _short_way(second.rotation - first.rotation)
    return Motion(
        rotation=_short_way(first.rotation + weight32 * turn),
        translation=first.translation + weight32 * (second.translation - first.translation),
        expression=first.expression + weight32 * (second.expression - first.expression),
        guessed=max(first.guessed, second.guessed),
    )


def extrapolate(before: Motion, newest: Motion, *, apart_s: float, ahead_s: float) -> Motion:
    """Carry a movement on: `before` and `newest` are `apart_s` > 0 apart, the result `ahead_s` further.

    The speed is damped exponentially, so however far ahead, the movement is never carried on for longer
    than `DAMPING_S` worth of its present speed.
    """
    travelled_s = DAMPING_S * (1.0 - math.exp(-ahead_s / DAMPING_S))
    return interpolate(before, newest, 1.0 + travelled_s / apart_s)


def relax(motion: Motion, rest: Motion, progress: float) -> Motion:
    """Ease from a motion (`progress` 0) to the pose of rest (1 and more), starting and ending at no speed."""
    progress = min(max(progress, 0.0), 1.0)
    return interpolate(motion, rest, progress * progress * (3.0 - 2.0 * progress))


def _short_way(degrees: np.ndarray) -> np.ndarray:
    """Wrap angles into [-180, 180)."""
    wrapped: np.ndarray = (degrees + np.float32(180)) % np.float32(360) - np.float32(180)
    return np.where(wrapped < 180, wrapped, np.float32(-180))  # a remainder may be rounded up to the divisor
