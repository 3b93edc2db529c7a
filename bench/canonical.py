"""Do canonical keypoints know the person and not the pose (supplement B.6)? The nearest neighbour of a frame's
canonical keypoints among one frame of every clip: how often is it the same person? Beside it the placed keypoints,
which hold pose and expression too, and chance. It knows clips and a talker; it judges no pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.clips import Clip, person_of, read_footage
from bench.errors import BenchError
from bench.talk import Setup

Floats = npt.NDArray[np.float32]

# A probe whose head is turned so far from the gallery's frame tells pose and person apart.
TURNED_DEGREES = 10.0


def run_canonical(
    setup: Setup, clips: Sequence[Clip], *, every: int, on_clip: Callable[[str], None]
) -> dict[str, Any]:
    """Return the bench's JSON; the first frame of every clip is the gallery, every `every`-th after it a probe.

    Spreads are root mean squares over keypoints, in distances between the irises. Raises BenchError where there are
    fewer than two people, or no frames but the first.
    """
    canonical: list[Floats] = []
    placed: list[Floats] = []
    turns: list[float] = []
    clip_of: list[int] = []
    for number, clip in enumerate(clips):
        on_clip(clip.name)
        pictures = read_footage(clip, size=setup.picture_size).pictures[::every]
        sources = [setup.talker.prepare(picture) for picture in pictures]
        canonical += [source.canonical for source in sources]
        placed += [_normalised(source.keypoints) for source in sources]
        turns += [float(np.abs(source.rotation - sources[0].rotation).max()) for source in sources]
        clip_of += [number] * len(sources)
    clip_rows = np.array(clip_of)
    people = np.unique([person_of(clip.name) for clip in clips], return_inverse=True)[1]
    if people.max() == 0:
        raise BenchError("Telling people apart needs clips of at least two.")
    gallery = np.searchsorted(clip_rows, np.arange(len(clips)))
    probes = np.setdiff1d(np.arange(len(clip_rows)), gallery)
    if not len(probes):
        raise BenchError(f"The clips are shorter than {every} frames: there is nothing to look for.")
    turned = np.array(turns)[probes] >= TURNED_DEGREES
    right = {
        name: people[nearest(np.stack(points), gallery, probes)] == people[clip_rows[probes]]
        for name, points in (("canonical", canonical), ("placed", placed))
    }
    within, between = spreads(np.stack(canonical), clip_rows)
    return {
        "profile": setup.profile,
        "clips": len(clips),
        "people": int(people.max()) + 1,
        "probes": len(probes),
        "probes_turned": int(turned.sum()),
        "accuracy": float(right["canonical"].mean()),
        "accuracy_turned": float(right["canonical"][turned].mean()) if turned.any() else None,
        "accuracy_placed": float(right["placed"].mean()),
        "accuracy_placed_turned": float(right["placed"][turned].mean()) if turned.any() else None,
        "accuracy_chance": float(
            np.mean([np.mean(people == person) for person in people[clip_rows[probes]]])
        ),
        "spread_within": within,
        "spread_between": between,
        "spread_ratio": within / between if between else None,
        "why": {} if turned.any() else {"accuracy_turned": "no head turns by 10 degrees"},
    }


def nearest(
    points: Floats, gallery: npt.NDArray[np.int64], probes: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Return for each probe which of the gallery's rows of `points` [N, K, 3] is nearest, counted from 0."""
    flat = points.reshape(len(points), -1).astype(np.float64)
    away = np.linalg.norm(flat[probes][:, None] - flat[gallery][None], axis=2)
    return np.asarray(away.argmin(1))


def spreads(points: Floats, clips: npt.NDArray[np.int64]) -> tuple[float, float]:
    """Return the root mean square distance of `points` [N, K, 3] from their clip's mean, and of the clips' means from
    the mean of those."""
    means = np.stack([points[clips == number].mean(0) for number in range(int(clips.max()) + 1)])
    within = np.concatenate([points[clips == number] - mean for number, mean in enumerate(means)])
    between = means - means.mean(0)
    return _rms(within), _rms(between)


def _rms(away: npt.NDArray[np.floating]) -> float:
    return float(np.sqrt(np.square(away.astype(np.float64)).sum(-1).mean()))


def _normalised(points: Floats) -> Floats:
    """Take place and size out, as anybody would who compares landmarks."""
    centred = points - points.mean(0)
    return np.asarray(centred / np.linalg.norm(centred), np.float32)
