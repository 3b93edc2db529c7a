"""A conventional codec's curve, and the rate at which it reaches a given quality. It knows rates and errors; it does
not know how quality is measured, nor how the pictures were coded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# From nearly transparent to as coarse as x264 gets; LPIPS over log rate is close to straight between neighbours.
CRFS = (20, 27, 34, 41, 48)


@dataclass(frozen=True)
class Point:
    """One point of a codec's curve; `error` is lower for better pictures (LPIPS)."""

    crf: int
    kbps: float
    error: float


def rate_at(points: Sequence[Point], error: float) -> float | None:
    """Return the kbit/s at which the curve through `points` reaches `error`, straight in log rate between neighbours;
    None where `error` lies outside the curve.

    >>> rate_at([Point(20, 400.0, 0.1), Point(30, 100.0, 0.3)], 0.2)
    200.0
    """
    curve = sorted(points, key=lambda point: point.error)
    errors = [point.error for point in curve]
    if not errors[0] <= error <= errors[-1]:
        return None
    return round(math.exp(float(np.interp(error, errors, [math.log(point.kbps) for point in curve]))), 6)
