"""Fitting of what predictive coding takes from the weights: basis, origin, rates, contexts and tables, from the
motion of training clips as it would be sent over lines of several kinds.

In floating point, since it is done once: what comes out is integers. Knows nothing of where the motions come from;
`visavis tables fit` calls it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from codec.motion import POSE_NUMBERS, Floats, Motion
from codec.prediction import (
    ALPHABET,
    BASIS_BITS,
    CONTEXTS,
    DISTANCES,
    FINE_BITS,
    MAX_RATE,
    TABLES,
    Integers,
    PredictionFormat,
    coefficients_of,
    fine_of,
)
from codec.predictive import CODED, State, Walk, choose_levels, distance_class, origin
from codec.ranges import Frequencies
from codec.tables import frequencies_of

# How a clip is sent, as (frames to the acknowledgement, frames in a bundle, every n-th frame): calls next door, across
# a country and across the world, with and without bundles, and at half the rate.
LINES = ((1, 1, 1), (3, 2, 1), (8, 1, 1), (15, 4, 1), (3, 1, 2))
# Of coefficients, in static steps; the pose keeps its own, since a turn in jerks is seen. In LPIPS even this is nearer
# to uncoded motion than static packets are: an error spreads over all keypoints.
COEFFICIENT_STEP = 1.25
LAGS = (1, 4, 8)  # frames, over which changes are taken for the basis: references are so old
# A context is given a table by what was seen in it and, as if seen so often, in all contexts of number and distance.
_PRIOR = 8.0
_SYMMETRY = 0.3  # how far tables are made even: nothing moves one way for ever
_FLOOR = 2.0**-13  # what is never seen in training
_ROUNDS = 15
_RATE_ONE = 512.0
_STILL = 0.02  # a mean difference below this would make any change into the utmost activity


@dataclass(frozen=True)
class Stream:
    """A clip's motions against one source picture, in order, and their capture times in ticks."""

    motions: Sequence[Motion]
    ticks: Sequence[int]


def fit_prediction(streams: Sequence[Stream], static_steps: Floats) -> PredictionFormat:
    """Fit predictive coding to streams, whose motions' static steps are `static_steps` [6 + 3K].

    Raises ValueError where there are no motions.
    """
    fine = [np.stack([fine_of(motion, static_steps) for motion in stream.motions]) for stream in streams]
    if not fine:
        raise ValueError("predictive coding cannot be fitted to nothing")
    count = fine[0].shape[1]
    bare = PredictionFormat(
        basis=_basis([numbers[:, POSE_NUMBERS:] for numbers in fine]),
        steps=_steps(count),
        origin=np.zeros(count, dtype=np.int32),
        rates=np.ones((DISTANCES, count), dtype=np.uint16),
        contexts=np.zeros((count, *CONTEXTS), dtype=np.uint8),
        tables=frequencies_of(np.ones((TABLES, ALPHABET), dtype=np.int64)),
    )
    clips = [
        (np.stack([coefficients_of(row, bare) for row in numbers]), np.asarray(stream.ticks))
        for numbers, stream in zip(fine, streams, strict=True)
    ]
    mean = np.concatenate([coefficients for coefficients, _ in clips]).mean(axis=0)
    centred = replace(bare, origin=np.rint(mean / bare.steps).astype(np.int32))
    rated = replace(centred, rates=_rates(clips, centred))
    contexts, tables = _cluster(_counts(clips, rated))
    return replace(rated, contexts=contexts, tables=tables)


def _steps(count: int) -> npt.NDArray[np.uint16]:
    steps = np.full(count, round(COEFFICIENT_STEP * (1 << FINE_BITS)))
    steps[:POSE_NUMBERS] = 1 << FINE_BITS
    return steps.astype(np.uint16)


def _basis(offsets: list[Integers]) -> npt.NDArray[np.int16]:
    """Return the directions in which expressions change, the widest first (Karhunen-Loève transform)."""
    width = offsets[0].shape[1]
    scatter = np.zeros((width, width))
    for rows in offsets:
        for lag in LAGS:
            change = (rows[lag:] - rows[:-lag]).astype(np.float64)
            scatter += change.T @ change
    vectors = np.linalg.eigh(scatter)[1][:, ::-1].T
    vectors *= np.sign(vectors[np.arange(width), np.abs(vectors).argmax(axis=1)])[:, None]
    return np.rint(vectors * (1 << BASIS_BITS)).astype(np.int16)


Clip = tuple[Integers, npt.NDArray[np.int_]]  # coefficients [T, N] and ticks [T]
# Sees a block of a motion's differences: its context so far, the distance class, where the block lies, and what it is.
Visit = Callable[[Walk, int, slice, Integers], None]


def _rates(clips: Sequence[Clip], prediction: PredictionFormat) -> npt.NDArray[np.uint16]:
    total = np.zeros((DISTANCES, prediction.steps.size))
    seen = np.zeros(total.shape)

    def visit(walk: Walk, distance: int, block: slice, differences: Integers) -> None:
        total[distance, block] += np.abs(differences)
        seen[distance, block] += 1

    _send_all(clips, prediction, visit)
    mean = np.maximum(total / np.maximum(seen, 1), _STILL)
    return np.clip(np.rint(_RATE_ONE / mean), 1, MAX_RATE).astype(np.uint16)


def _counts(clips: Sequence[Clip], prediction: PredictionFormat) -> npt.NDArray[np.float64]:
    """Return how often each difference came in each context, [N, *CONTEXTS, ALPHABET]."""
    counts = np.zeros((prediction.steps.size, *CONTEXTS, ALPHABET), dtype=np.float32)
    numbers = np.arange(prediction.steps.size)

    def visit(walk: Walk, distance: int, block: slice, differences: Integers) -> None:
        symbols = np.where(np.abs(differences) <= CODED, differences + CODED, ALPHABET - 1)
        counts[numbers[block], distance, walk.own_class[block], walk.face_class, symbols] += 1

    _send_all(clips, prediction, visit)
    return counts.astype(np.float64)


def _send_all(clips: Sequence[Clip], prediction: PredictionFormat, visit: Visit) -> None:
    """Send every clip over every line, and each motion standing alone too; `visit` sees all differences."""
    alone = origin(prediction)
    for coefficients, ticks in clips:
        for row in coefficients:
            _send(row, alone, 0, prediction, visit)
        for round_trip, bundle, every in LINES:
            states: dict[int, State] = {}
            rows, times = coefficients[::every], ticks[::every]
            for index, before in schedule(len(rows), round_trip=round_trip, bundle=bundle):
                if before is None:
                    states[index] = _send(rows[index], alone, 0, prediction, visit)
                else:
                    apart = max(1, int(times[index] - times[before]))
                    states[index] = _send(rows[index], states[before], apart, prediction, visit)


def _send(row: Integers, reference: State, ticks: int, prediction: PredictionFormat, visit: Visit) -> State:
    distance = distance_class(ticks)
    levels = choose_levels(row, reference, prediction)
    walk = Walk(reference, distance, prediction)
    differences = levels - reference.levels
    for start, end in walk.blocks:
        visit(walk, distance, slice(start, end), differences[start:end])
        walk.learn(start, end, differences[start:end])
    return walk.state(levels)


def schedule(frames: int, *, round_trip: float, bundle: int) -> Iterator[tuple[int, int | None]]:
    """Yield (frame, what it refers to) for motions sent in bundles over a line.

    round_trip: in frames, from sending a bundle to its acknowledgement. What refers to nothing is None.
    """
    known: int | None = None
    waiting: list[int] = []  # last frames of bundles without an acknowledgement
    for first in range(0, frames, bundle):
        last = min(first + bundle, frames) - 1
        while waiting and waiting[0] <= last - round_trip:
            known = waiting.pop(0)
        yield first, known
        for index in range(first + 1, last + 1):
            yield index, index - 1
        waiting.append(last)


def _cluster(counts: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.uint8], Frequencies]:
    """Share 64 tables among all contexts so that the code of what was counted is short (k-means under its length)."""
    shape = counts.shape[:-1]
    parent = counts.sum(axis=(2, 3), keepdims=True) + 1e-3
    parent = parent / parent.sum(axis=-1, keepdims=True)
    shares = (counts + _PRIOR * parent).reshape(-1, ALPHABET)
    shares /= shares.sum(axis=1, keepdims=True)
    even = shares.copy()
    even[:, : ALPHABET - 1] = (shares[:, : ALPHABET - 1] + shares[:, ALPHABET - 2 :: -1]) / 2
    shares = (1 - _SYMMETRY) * shares + _SYMMETRY * even
    weights = counts.reshape(-1, ALPHABET).sum(axis=1) + 1e-3
    size = shares @ np.minimum(np.abs(np.arange(ALPHABET) - CODED), CODED + 1)
    edges = np.quantile(size[weights > weights.mean() / 100], np.linspace(0, 1, TABLES + 1)[1:-1])
    chosen = np.searchsorted(edges, size)
    for _ in range(_ROUNDS):
        tables = np.full((TABLES, ALPHABET), 1e-9)
        np.add.at(tables, chosen, shares * weights[:, None])
        tables /= tables.sum(axis=1, keepdims=True)
        tables = (1 - ALPHABET * _FLOOR) * tables + _FLOOR
        chosen = (shares @ -np.log2(tables).T).argmin(axis=1)
    whole = np.rint(tables * 2.0**30).astype(np.int64)
    return chosen.reshape(shape).astype(np.uint8), frequencies_of(whole)
