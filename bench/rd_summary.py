"""From clips' points to a set's: means, ratios to the frozen picture, BD-rates, and the rate at which H.264 and H.265
are as good as we are. It knows the points' keys; it measures nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from bench.bd_rate import CurveError, bd_rate
from bench.codecs import Point, rate_at
from bench.quality import SAME_PERSON_PERCENTILE
from bench.rd_rows import ANCHORS, REFERENCES, Reference, Row
from bench.statistics import DRAWS, SEED, censored_median, ratio, summarise

# Ending of a key, and the rate it is about: MEASURES.md's, the like with the like (what is sent once within the clip,
# or spread over five minutes, for all), and the bytes on the wire.
RATES = {
    "": "payload_kbps",
    "_clip": "payload_kbps_clip",
    "_call": "payload_kbps_call",
    "_wire": "wire_kbps",
    "_wire_call": "wire_kbps_call",
}
BD_RATES = ("", "_wire")
POINT_RATES = ("", "_call", "_clip", "_wire")  # of the ratios that are quoted
# Ending of a key, and what 'as good' means: LPIPS where nothing is said.
QUALITIES = {"": "lpips", "_face": "face_lpips", "_mouth": "mouth_expression", "_ms_ssim": "ms_ssim"}
BD_QUALITIES = ("", "_face")
HIGHER = frozenset({"ms_ssim"})
RATE_KEYS = tuple(
    f"{name}{suffix}" for name in ("bpp", "payload_kbps", "wire_kbps") for suffix in ("", "_clip", "_call")
)

Points = Sequence[Mapping[str, Any]]


def summarise_size(
    rows: Sequence[Row], clips: Sequence[Mapping[str, Any]], *, size: int
) -> list[dict[str, Any]]:
    """Return an entry a codec at one size, papers' message sizes last; empty where no clip was measured."""
    if not clips:
        return []
    limit = _identity_limit(clips)
    entries = [_entry(row, clips, size, limit) for row in rows]
    frames_per_s = float(np.mean([clip["rate"] for clip in clips]))
    references = [_reference(each, size, frames_per_s) for each in REFERENCES]
    return [entry for entry in entries if entry["points"]] + references


def points_of(clip: Mapping[str, Any], codec: str) -> list[Mapping[str, Any]]:
    """Return a codec's points in a clip."""
    return [point for point in clip["points"] if point["codec"] == codec]


def _entry(row: Row, clips: Sequence[Mapping[str, Any]], size: int, limit: float | None) -> dict[str, Any]:
    drawn = clips[0]["profile_size"]
    enlarged = f", enlarged from {drawn}" if row.ours and drawn < size else ""
    entry: dict[str, Any] = {
        "codec": row.name,
        "heading": row.heading + enlarged,
        "size": size,
        "ours": row.ours,
    }
    by_clip: dict[str, dict[str, float | None]] = {}
    why: dict[str, str] = {}
    entry["points"] = [
        point for setting in row.settings if (point := _set_point(row, setting, clips, limit)) is not None
    ]
    for anchor in ANCHORS:
        for quality in BD_QUALITIES:
            for rate in BD_RATES:
                key = f"bd_rate_vs_{anchor}{quality}{rate}"
                values = _by_clip(clips, row.name, _bd_of(anchor, QUALITIES[quality], RATES[rate]), why, key)
                entry |= _median(key, values, above=0, below=0)
                by_clip[key] = values
        if row.ours:
            for quality in QUALITIES:
                entry |= _ratios(row.name, anchor, quality, clips, by_clip, why)
                for point in entry["points"]:
                    point |= _point_ratios(row.name, point["setting"], anchor, quality, clips)
        else:
            entry[f"rate_ratio_{anchor}"] = None
            why[f"rate_ratio_{anchor}"] = "its curve is compared by BD-rate"
    return entry | {"by_clip": by_clip, "why": why}


def _set_point(
    row: Row, setting: int | None, clips: Sequence[Mapping[str, Any]], limit: float | None
) -> dict[str, Any] | None:
    chosen = [
        {**point, "name": clip["clip"]}
        for clip in clips
        for point in points_of(clip, row.name)
        if point["setting"] == setting
    ]
    if not chosen:
        return None
    point: dict[str, Any] = {"setting": setting, "clips": len(chosen)}
    for key in RATE_KEYS:
        rates = np.array([each[key] for each in chosen])
        # A few busy clips make most of a codec's mean rate, and hardly any of ours: plots have the other mean.
        point |= {key: float(rates.mean()), f"{key}_geometric": float(np.exp(np.log(rates).mean()))}
    point |= summarise(chosen)
    flickers = [each["flicker"] for each in chosen if each["flicker"] is not None]
    point["flicker"] = float(np.mean(flickers)) if flickers else None
    distances = [
        value for each in chosen for value in each["by_frame"]["identity_distance"] if value is not None
    ]
    kept = [value < limit for value in distances] if limit is not None else []
    point["identity_kept"] = float(np.mean(kept)) if len(kept) else None
    return point


def _by_clip(
    clips: Sequence[Mapping[str, Any]],
    codec: str,
    figure: Callable[[Mapping[str, Any], str], float],
    why: dict[str, str],
    key: str,
) -> dict[str, float | None]:
    values: dict[str, float | None] = {}
    for clip in clips:
        try:
            values[clip["clip"]] = figure(clip, codec)
        except CurveError as error:
            values[clip["clip"]] = None
            why[key] = str(error)
    if any(value is not None for value in values.values()):
        why.pop(key, None)
    return values


def _bd_of(anchor: str, quality: str, rate: str) -> Callable[[Mapping[str, Any], str], float]:
    def figure(clip: Mapping[str, Any], codec: str) -> float:
        curves = [
            [(point[rate], point[quality]) for point in points_of(clip, name) if point[quality] is not None]
            for name in (anchor, codec)
        ]
        return bd_rate(*curves)

    return figure


def _ratios(
    codec: str,
    anchor: str,
    quality: str,
    clips: Sequence[Mapping[str, Any]],
    by_clip: dict[str, dict[str, float | None]],
    why: dict[str, str],
) -> dict[str, Any]:
    """Return the anchor's rate at our quality over ours, of the codec's first setting, for every rate."""
    figures: dict[str, Any] = {}
    for suffix in RATES:
        key = f"rate_ratio_{anchor}{quality}{suffix}"
        ours = [next(iter(points_of(clip, codec)), None) for clip in clips]
        found, by_clip[key] = _ratio_of(key, clips, ours, anchor, QUALITIES[quality], RATES[suffix])
        figures |= found
        if found[key] is None:
            outside = f"the middle clip's quality lies outside {anchor}'s curve"
            why[key] = outside if by_clip[key] else "nothing to compare"
    return figures


def _point_ratios(
    codec: str, setting: int | None, anchor: str, quality: str, clips: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the same of one setting, for the rates that are quoted."""
    figures: dict[str, Any] = {}
    for suffix in POINT_RATES:
        key = f"rate_ratio_{anchor}{quality}{suffix}"
        ours = [
            next((point for point in points_of(clip, codec) if point["setting"] == setting), None)
            for clip in clips
        ]
        figures |= _ratio_of(key, clips, ours, anchor, QUALITIES[quality], RATES[suffix])[0]
    return figures


def _ratio_of(
    key: str,
    clips: Sequence[Mapping[str, Any]],
    points: Sequence[Mapping[str, Any] | None],
    anchor: str,
    quality: str,
    rate: str,
) -> tuple[dict[str, Any], dict[str, float | None]]:
    """Return the anchor's rate at the quality of our `points` (one a clip) over theirs: the median over the clips, with
    `_least` and `_most`, between which it lies even where it lies outside the anchor's curves; and by clip."""
    values: dict[str, float | None] = {}
    above: list[float] = []
    below: list[float] = []
    for clip, ours in zip(clips, points, strict=True):
        curve = curve_of(clip, anchor, quality, rate)
        if ours is None or ours[quality] is None or not curve:
            continue
        error = error_of(ours, quality)
        values[clip["clip"]] = ratio(rate_at(curve, error), ours[rate])
        # Where even the anchor's finest point is worse than ours, it needs more than that point's rate; where its
        # coarsest is better, it needs less.
        finest, coarsest = (pick(curve, key=lambda point: point.error) for pick in (min, max))
        if error < finest.error:
            above.append(finest.kbps / ours[rate])
        elif error > coarsest.error:
            below.append(coarsest.kbps / ours[rate])
    known = [value for value in values.values() if value is not None]
    figures = _median(key, values, above=len(above), below=len(below))
    figures[f"{key}_least"] = censored_median([*known, *above], above=0, below=len(below))
    figures[f"{key}_most"] = censored_median([*known, *below], above=len(above), below=0)
    return figures, values


def curve_of(clip: Mapping[str, Any], codec: str, quality: str, rate: str) -> list[Point]:
    """Return a codec's curve in one clip."""
    return [
        Point(point["setting"], point[rate], error_of(point, quality))
        for point in points_of(clip, codec)
        if point[quality] is not None
    ]


def error_of(point: Mapping[str, Any], quality: str) -> float:
    """Return a figure so that less is better."""
    return 1 - float(point[quality]) if quality in HIGHER else float(point[quality])


def _median(key: str, values: Mapping[str, float | None], *, above: int, below: int) -> dict[str, Any]:
    """Return the median over the clips, its 95 percent bootstrap interval, and how many clips it knows."""
    known = [value for value in values.values() if value is not None]
    low, high = median_interval(known, above=above, below=below)
    return {
        key: censored_median(known, above=above, below=below),
        f"{key}_low": low,
        f"{key}_high": high,
        f"{key}_known": len(known),
        f"{key}_above": above,
        f"{key}_below": below,
    }


def median_interval(values: Sequence[float], *, above: int, below: int) -> tuple[float | None, float | None]:
    """Return the 95 percent interval of the median under resampling of the clips, of which `above` lie over and
    `below` under all that is known; None for an end that falls on one of those, or where there are no clips."""
    row = np.concatenate([np.full(below, -np.inf), np.asarray(values, float), np.full(above, np.inf)])
    if not len(row):
        return None, None
    picks = np.random.default_rng(SEED).integers(0, len(row), (DRAWS, len(row)))
    # The lower of two middle values: a mean of an unknown one is unknown.
    medians = np.sort(row[picks], axis=1)[:, (len(row) - 1) // 2]
    ends = np.percentile(medians, (2.5, 97.5), method="nearest")
    low, high = (float(end) if np.isfinite(end) else None for end in ends)
    return low, high


def _identity_limit(clips: Sequence[Mapping[str, Any]]) -> float | None:
    kinship = [value for clip in clips for value in clip["kinship"]]
    return float(np.percentile(kinship, SAME_PERSON_PERCENTILE)) if kinship else None


def _reference(reference: Reference, size: int, frames_per_s: float) -> dict[str, Any]:
    """Return a paper's message size as a row of bits."""
    return {
        "codec": reference.name,
        "heading": reference.heading,
        "size": size,
        "ours": False,
        "points": [
            {
                "setting": None,
                "bytes_mean": reference.bytes_mean,
                "bytes_min": reference.bytes_min,
                "bytes_max": reference.bytes_max,
                "bpp": 8 * reference.bytes_mean / size**2,
                "payload_kbps": 8 * reference.bytes_mean * frames_per_s / 1000,
            }
        ],
        "why": {"lpips": "a paper's message size: nobody here draws from it"},
    }
