"""The mirror's distance against LPIPS: pictures of strangers, redrawn, some with an object before the face; how alike
cheap distances order them, over the picture and over the face."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from bench.clips import Clip, Picture, read_footage
from bench.errors import BenchError
from bench.judge import PictureJudge
from bench.metrics.landmarks import Box
from bench.quality import sampled
from bench.talk import Setup, draw, motion_of, take_source
from models.training.occluders import paste_object
from sender.distance import SIDE, cell_distances, look_at

SEED = 11
AREAS = (0.03, 0.15)  # of the picture, behind an object
COVERED_EVERY = 4  # frames of which one has something before it
SMALL = 64

Floats = npt.NDArray[np.float64]
Map = Callable[[Picture, Picture], npt.NDArray[Any]]


def mirror_map(first: Picture, second: Picture) -> npt.NDArray[Any]:
    """The mirror's own: gradients by direction over cells, and colour."""
    return cell_distances(look_at(first), look_at(second))


def blurred_map(first: Picture, second: Picture) -> npt.NDArray[Any]:
    """L1 at 64 pixels, after a blur."""
    small = [
        cv2.GaussianBlur(_small(picture, SMALL).astype(np.float32), (0, 0), 1.5)
        for picture in (first, second)
    ]
    return np.asarray(np.abs(small[0] - small[1]).mean(-1))


def ssim_map(first: Picture, second: Picture) -> npt.NDArray[Any]:
    """1 - SSIM (Wang et al. 2004) at 64 pixels."""
    a, b = (_grey(picture, SMALL) for picture in (first, second))
    mean_a, mean_b = _window(a), _window(b)
    spread_a, spread_b = _window(a * a) - mean_a**2, _window(b * b) - mean_b**2
    both = _window(a * b) - mean_a * mean_b
    light = (2 * mean_a * mean_b + 6.5) / (mean_a**2 + mean_b**2 + 6.5)
    return np.asarray(1 - light * (2 * both + 58.5) / (spread_a + spread_b + 58.5))


def gradient_map(first: Picture, second: Picture) -> npt.NDArray[Any]:
    """1 - gradient magnitude similarity (Xue et al. 2014) at 128 pixels."""
    a, b = (_magnitude(_grey(picture, SIDE)) for picture in (first, second))
    return np.asarray(1 - (2 * a * b + 30) / (a * a + b * b + 30))


CANDIDATES: dict[str, Map] = {
    "oriented gradients and colour, 128 px": mirror_map,
    "blurred L1, 64 px": blurred_map,
    "SSIM, 64 px": ssim_map,
    "gradient magnitude, 128 px": gradient_map,
}


def run_mirror(
    setup: Setup, clips: Sequence[Clip], judge: PictureJudge, *, every: int, on_clip: Callable[[str], None]
) -> dict[str, Any]:
    """Return the bench's JSON: per candidate Spearman's rank correlation with LPIPS-SqueezeNet over all pictures, and
    the mean over clips of that within a clip, for the whole picture and for the face; and microseconds a comparison.

    Of the frames judged, every fourth has an object before it, over 3 to 15 percent of the picture. Clips without
    landmarks are left out; raises BenchError where there are no others.
    """
    clips = [clip for clip in clips if clip.landmarks is not None]
    if not clips:
        raise BenchError("The face of these clips is not known: there are no landmarks beside any of them.")
    rng = np.random.default_rng(SEED)
    truth: dict[str, list[Floats]] = {"whole": [], "face": []}
    values: dict[str, dict[str, list[Floats]]] = {name: {"whole": [], "face": []} for name in CANDIDATES}
    spent_s = dict.fromkeys(CANDIDATES, 0.0)
    other: Picture | None = None
    pictures = 0
    for clip in clips:
        on_clip(clip.name)
        footage = read_footage(clip, size=setup.picture_size)
        assert footage.boxes is not None, "its clip has landmarks"
        origin = take_source(setup, footage, source="first")
        seen, boxes = [], []
        for number, index in enumerate(sampled(len(footage.pictures), every)):
            picture = footage.pictures[index]
            if number % COVERED_EVERY == COVERED_EVERY - 1:
                surface = origin.picture if other is None else other
                picture, _ = paste_object(picture, surface, rng, area=rng.uniform(*AREAS))
            seen.append(picture)
            boxes.append(footage.boxes[index])
        other = origin.picture
        drawn = [draw(setup, origin, motion_of(setup, picture, origin)) for picture in seen]
        truth["whole"].append(judge.lpips(seen, [drawn])[0])
        truth["face"].append(judge.face_lpips(seen, boxes, [drawn])[0])
        pictures += len(seen)
        for name, candidate in CANDIDATES.items():
            began_s = time.perf_counter()
            maps = [candidate(a, b) for a, b in zip(seen, drawn, strict=True)]
            spent_s[name] += time.perf_counter() - began_s
            values[name]["whole"].append(np.array([cells.mean() for cells in maps]))
            faces = [
                _over_box(cells, box, setup.picture_size) for cells, box in zip(maps, boxes, strict=True)
            ]
            values[name]["face"].append(np.array(faces))
    rows = []
    for name in CANDIDATES:
        row: dict[str, Any] = {"name": name, "microseconds": 1e6 * spent_s[name] / max(pictures, 1)}
        for part in ("whole", "face"):
            row[part] = rank_correlation(np.concatenate(values[name][part]), np.concatenate(truth[part]))
            within = [rank_correlation(a, b) for a, b in zip(values[name][part], truth[part], strict=True)]
            row[f"{part}_within"] = float(np.nanmean(within))
        rows.append(row)
    return {"profile": setup.profile, "every": every, "clips": len(clips), "pictures": pictures, "rows": rows}


def rank_correlation(first: Floats, second: Floats) -> float:
    """Return Spearman's rank correlation; NaN for fewer than three values."""
    if len(first) < 3:
        return float("nan")
    ranks = [np.argsort(np.argsort(values)) for values in (first, second)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _over_box(cells: npt.NDArray[Any], box: Box, size: int) -> float:
    """Return the mean of a map's cells that lie over a face, at least one."""
    side = cells.shape[0]
    top, bottom, left, right = (
        int(np.clip(round(edge * side / size), 0, side))
        for edge in (box.top, box.bottom, box.left, box.right)
    )
    part = cells[top : max(bottom, top + 1), left : max(right, left + 1)]
    return float(part.mean()) if part.size else float(cells.mean())


def _small(picture: Picture, side: int) -> npt.NDArray[np.uint8]:
    return np.asarray(cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


def _grey(picture: Picture, side: int) -> npt.NDArray[np.float32]:
    return cv2.cvtColor(_small(picture, side), cv2.COLOR_RGB2GRAY).astype(np.float32)


def _window(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(values, (0, 0), 1.5), np.float32)


def _magnitude(grey: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    across, down = (cv2.Scharr(grey, cv2.CV_32F, x, 1 - x, scale=1 / 16) for x in (1, 0))
    return np.asarray(np.hypot(across, down), np.float32)
