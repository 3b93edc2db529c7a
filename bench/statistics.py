"""From figures of clips to figures of a set: geometric means of each clip's ratio to its frozen picture with a
bootstrap interval, the share of clips beaten, and the worst clip (MEASURES.md, 'Means hide'). It knows the figures'
names and which way each is better; it measures nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

# Enough draws that the interval's ends no longer move in the second digit; the seed makes a run repeatable.
DRAWS = 4000
SEED = 20
# A ratio this near to one is rounding, not a victory.
TIE = 1e-4
# An error this small is rounding, too: a picture beside itself has an identity distance of some 1e-8.
NO_ERROR = 1e-6


@dataclass(frozen=True)
class Metric:
    """A figure's key in the JSON, its heading in tables, and whether more is better."""

    key: str
    heading: str
    higher: bool = False


METRICS = (
    Metric("lpips", "LPIPS"),
    Metric("face_lpips", "face LPIPS"),
    Metric("psnr", "PSNR dB", higher=True),
    Metric("ssim", "SSIM", higher=True),
    Metric("ms_ssim", "MS-SSIM", higher=True),
    Metric("mouth_akd", "mouth AKD %"),
    Metric("eye_akd", "eye AKD %"),
    Metric("mouth_expression", "mouth expression %"),
    Metric("eye_expression", "eye expression %"),
    Metric("identity_distance", "identity distance"),
)
# What a second profile is compared in: its pictures, drawn at its own size, enlarged to ours.
PROFILE_KEYS = ("lpips", "face_lpips")


def mean(values: npt.NDArray[np.float64]) -> float | None:
    """Return the mean of the numbers among `values`, None where there are none."""
    numbers = values[np.isfinite(values)]
    return float(numbers.mean()) if len(numbers) else None


def ratio(value: float | None, frozen: float | None) -> float | None:
    """Return `value` over `frozen`; None where one is missing or the frozen picture has no error to share."""
    return None if value is None or frozen is None or frozen < NO_ERROR else value / frozen


def geometric_mean(values: Sequence[float]) -> float:
    """Return the geometric mean of positive `values`.

    >>> round(geometric_mean([0.5, 2.0]), 6)
    1.0
    """
    return float(np.exp(np.log(_positive(values)).mean()))


def bootstrap_interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the 95 percent interval of the geometric mean of `values` under resampling of the clips."""
    logarithms = np.log(_positive(values))
    picks = np.random.default_rng(SEED).integers(0, len(logarithms), (DRAWS, len(logarithms)))
    low, high = np.percentile(logarithms[picks].mean(1), (2.5, 97.5))
    return float(np.exp(low)), float(np.exp(high))


def censored_median(values: Sequence[float], *, above: int, below: int) -> float | None:
    """Return the median of `values` and of `above` unknown ones over all of them and `below` under; None where it
    falls on an unknown one."""
    row = np.sort(
        np.concatenate([np.full(below, -np.inf), np.asarray(values, float), np.full(above, np.inf)])
    )
    if not len(row):
        return None
    middle = row[[(len(row) - 1) // 2, len(row) // 2]]
    return float(middle.mean()) if np.isfinite(middle).all() else None


def summarise(clips: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the set's figures from the clips' (each with `name`, and METRICS' keys plain, `_frozen` and `_ratio`).

    Per metric: plain and `_frozen` are means over the clips; `_ratio` is the geometric mean of the clips' ratios, with
    `_ratio_low` and `_ratio_high` its 95 percent interval; `_share_beaten` the share of clips that are better than
    their frozen picture; `_worst` and `_worst_clip` the worst ratio and whose it is.
    """
    summary: dict[str, Any] = {}
    for metric in METRICS:
        key = metric.key
        for suffix in ("", "_frozen"):
            values = [clip[key + suffix] for clip in clips if clip.get(key + suffix) is not None]
            summary[key + suffix] = float(np.mean(values)) if values else None
        ratios = {
            clip["name"]: clip[f"{key}_ratio"] for clip in clips if clip.get(f"{key}_ratio") is not None
        }
        summary |= _summarise_ratios(metric, ratios)
    return summary


def _summarise_ratios(metric: Metric, ratios: Mapping[str, float]) -> dict[str, Any]:
    key = metric.key
    if not ratios:
        suffixes = ("ratio", "ratio_low", "ratio_high", "share_beaten", "worst", "worst_clip")
        return {f"{key}_{suffix}": None for suffix in suffixes}
    values = list(ratios.values())
    low, high = bootstrap_interval(values)
    sign = 1 if metric.higher else -1
    pick = min if metric.higher else max
    worst = pick(ratios, key=lambda name: ratios[name])
    return {
        f"{key}_ratio": geometric_mean(values),
        f"{key}_ratio_low": low,
        f"{key}_ratio_high": high,
        f"{key}_share_beaten": float(np.mean([sign * (value - 1) > TIE for value in values])),
        f"{key}_worst": ratios[worst],
        f"{key}_worst_clip": worst,
    }


def _positive(values: Sequence[float]) -> npt.NDArray[np.float64]:
    # A perfect clip (ratio 0) must not make the whole set perfect.
    return np.maximum(np.asarray(values, np.float64), 1e-3)
