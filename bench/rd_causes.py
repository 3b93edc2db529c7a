"""What happens in a clip that makes it hard to redraw: how far the head turns, how the light changes, where something
is seen that the source picture does not show. It knows pictures and motions; it knows no rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from bench.clips import Picture
from bench.rd_pictures import Watched
from runtime.geometry import rotation_matrix
from sender.distance import cell_distances, cells_around, look_at
from sender.repair import FAULTY, fault_of
from sender.scenes import HEAD

# Of the frames looked at the one that nine in ten stay below: what happens for a moment is no clip's character.
EXTREME = 90
# From here on a figure counts as a cause. A fault is what the mirror of a call takes for one.
TURNED_DEGREES, LIT_PERCENT = 20.0, 4.0
# Below it the frozen picture is nearly the film, and what redrawing costs is more than what moves.
STILL_LPIPS = 0.06


def describe(
    watched: Watched, indices: Sequence[int], drawn: Mapping[int, Picture]
) -> dict[str, float | None]:
    """Return what happens in the frames `indices`, of which `drawn` has the pictures that we draw.

    `turn_degrees`: from the head in the source picture; `light_percent`: change of the median pixel's brightness since
    then, of white; `fault_before_face` and `fault_elsewhere`: how much farther a part of the picture is from the
    camera's than in the frame that is drawn best, in the mirror's own unit, in which 1 is a fault; all of them the 90th
    percentile over the frames.
    """
    first = watched.source.picture
    source = rotation_matrix(watched.source.features.rotation)
    turns, lights, maps, heads = [], [], [], []
    for index in indices:
        seen, motion = watched.footage.pictures[index], watched.motions[index]
        turns.append(_angle(source, rotation_matrix(motion.rotation)))
        lights.append(100 * abs(float(np.median(_grey(seen) - _grey(first)))) / 255)
        cells = cell_distances(look_at(seen), look_at(drawn[index]))
        maps.append(cells)
        heads.append(cells_around(cells.shape[0], watched.keypoints(motion), margin=HEAD))
    usual = min(maps, key=lambda cells: float(cells.mean()))
    before = [fault_of(cells * head, usual) for cells, head in zip(maps, heads, strict=True)]
    elsewhere = [fault_of(cells * ~head, usual) for cells, head in zip(maps, heads, strict=True)]
    figures = {
        "turn_degrees": turns,
        "light_percent": lights,
        "fault_before_face": before,
        "fault_elsewhere": elsewhere,
    }
    return {name: float(np.percentile(values, EXTREME)) for name, values in figures.items()}


def causes_of(clip: Mapping[str, Any], *, frozen_lpips: float | None) -> list[str]:
    """Say in words what makes a clip hard for us, the most telling first: `frozen_lpips` is the frozen picture's."""
    happens = clip["happens"]
    found = {
        "head turn": happens["turn_degrees"] >= TURNED_DEGREES,
        "light": happens["light_percent"] >= LIT_PERCENT,
        "hand or thing at the head": happens["fault_before_face"] >= FAULTY,
        "change beside the head": happens["fault_elsewhere"] >= FAULTY,
        "hardly moves": frozen_lpips is not None and frozen_lpips < STILL_LPIPS,
        f"enlarged from {clip['profile_size']}": clip["profile_size"] < clip["size"],
    }
    return [cause for cause, holds in found.items() if holds]


def _angle(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> float:
    """Return the angle between two rotations in degrees."""
    cosine = (np.trace(first.T @ second) - 1) / 2
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def _grey(picture: Picture) -> npt.NDArray[np.float32]:
    small = cv2.resize(picture, (64, 64), interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
