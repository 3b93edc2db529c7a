"""The Bjontegaard delta rate (VCEG-M33, 2001) in its piecewise-cubic form, as the common test conditions of HEVC and
VVC use it: by how many percent one codec's rate differs from another's at the same quality. It knows curves of rate and
quality; it does not know whose they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

Curve = Sequence[tuple[float, float]]  # rate (any unit, above 0) and quality of each point
# Fewer points say too little of the way between.
LEAST = 3
# Of the narrower curve's range of quality: where less is shared, the mean is that of a corner.
LEAST_SHARED = 0.25


class CurveError(ValueError):
    """Two curves that cannot be compared; the message says why."""


def bd_rate(anchor: Curve, test: Curve) -> float:
    """Return the mean difference of `test`'s rate from `anchor`'s at the same quality, in percent; negative saves bits.

    Both curves are interpolated with PCHIP (Fritsch and Carlson, 1980) in log rate over quality, and compared where
    their qualities overlap, never beyond. Quality may rise or fall with rate, but in both curves alike. Points that
    another point of their curve beats in both are left out.

    Raises CurveError where the qualities overlap by less than a quarter of the narrower curve's, or a curve has fewer
    than three points that are worth having.
    """
    sign = 1.0 if _rises(anchor) else -1.0
    curves = [_frontier([(rate, sign * quality) for rate, quality in curve]) for curve in (anchor, test)]
    if min(len(curve) for curve in curves) < LEAST:
        raise CurveError(f"a curve of fewer than {LEAST} points says too little of the rate between them")
    low = max(curve[0][1] for curve in curves)
    high = min(curve[-1][1] for curve in curves)
    if low >= high:
        raise CurveError("the curves share no quality, and beyond their ends nothing was measured")
    if high - low < LEAST_SHARED * min(curve[-1][1] - curve[0][1] for curve in curves):
        raise CurveError("the curves share too little quality for a mean")
    areas = [_area(curve, low, high) for curve in curves]
    return 100 * (math.exp((areas[1] - areas[0]) / (high - low)) - 1)


def _rises(curve: Curve) -> bool:
    if len(curve) < LEAST:
        raise CurveError(f"a curve of fewer than {LEAST} points says too little of the rate between them")
    cheapest, dearest = min(curve), max(curve)
    return dearest[1] > cheapest[1]


def _frontier(curve: Curve) -> list[tuple[float, float]]:
    """Return the points in order of rate, each better than all cheaper ones."""
    if any(rate <= 0 for rate, _ in curve):
        raise CurveError("a rate of nothing has no logarithm")
    kept: list[tuple[float, float]] = []
    for rate, quality in sorted(curve, key=lambda point: (point[0], -point[1])):
        if not kept or quality > kept[-1][1]:
            kept.append((rate, quality))
    return kept


def _area(curve: Curve, low: float, high: float) -> float:
    """Return the integral of log rate over quality."""
    from scipy.interpolate import PchipInterpolator  # half a second to load

    qualities = np.array([quality for _, quality in curve])
    assert all(after > before for before, after in pairwise(qualities))
    return float(PchipInterpolator(qualities, np.log([rate for rate, _ in curve])).integrate(low, high))
