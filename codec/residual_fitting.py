"""Fitting of the chances of residual codes to codes of training pictures.

In floating point, since it is done once: what comes out is integers. Knows nothing of where the codes come from.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from codec.ranges import FREQUENCY_SUM, Chances
from codec.residual import (
    CHANNELS,
    CLASSES,
    FEATURES,
    MAP_CONTEXTS,
    MAX_WEIGHT,
    Codes,
    ResidualFormat,
    Signs,
    classes_of,
    map_context,
    map_steps,
)

Floats = npt.NDArray[np.float64]
LOGIT = 256  # weights of one nat; a class is an eighth of it, and 64 of them reach from -4 to 4
_NEWTON_STEPS = 6
_RIDGE = 8.0  # how strongly weights are held at nothing, in samples
_PRIOR = 2.0  # samples, as if seen in every context before


def fit_residual(codes: Sequence[Codes]) -> ResidualFormat:
    """Fit the chances to codes of one size, int8 [32, n, n]; raises ValueError where none of them sends a cell."""
    if not any(one.any() for one in codes):
        raise ValueError("residual codes cannot be fitted to nothing")
    walks = [Signs(one[0] != 0) for one in codes]
    weights = np.zeros((CHANNELS, 2, FEATURES), np.int16)
    counts = np.zeros((CLASSES, 2))
    for channel in range(CHANNELS):
        values = [one[channel][one[0] != 0].astype(np.int32) for one in codes]
        for half in range(2):
            features = np.concatenate([walk.features[half] for walk in walks], axis=1)
            signs = [some[walk.halves[half]] for walk, some in zip(walks, values, strict=True)]
            positive = np.concatenate(signs) > 0
            weights[channel, half] = _regress(features.T.astype(np.float64), positive)
            classes = classes_of(features, weights[channel, half])
            np.add.at(counts, (classes, positive.astype(np.intp)), 1)
            for walk, some in zip(walks, signs, strict=True):
                walk.learn(channel, half, some)
    middle = (np.arange(CLASSES) - CLASSES / 2 + 0.5) * 8 / CLASSES
    expected = 1 / (1 + np.exp(-middle))
    return ResidualFormat(_map_chances(codes), weights, _chances(counts, expected))


def _regress(features: Floats, positive: npt.NDArray[np.bool_]) -> npt.NDArray[np.int16]:
    """Return the weights of a logistic regression (Newton's method), as integers."""
    weights = np.zeros(features.shape[1])
    hold = _RIDGE * np.eye(len(weights))
    for _ in range(_NEWTON_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(features @ weights, -30, 30)))
        slope = features.T @ (positive - chance) - _RIDGE * weights
        curvature = (features * (chance * (1 - chance))[:, None]).T @ features + hold
        weights += np.linalg.solve(curvature, slope)
    return np.clip(np.rint(weights * LOGIT), -MAX_WEIGHT, MAX_WEIGHT).astype(np.int16)


def _map_chances(codes: Sequence[Codes]) -> Chances:
    counts = np.zeros((*MAP_CONTEXTS, 2))
    for one in codes:
        sent = one[0] != 0
        known = np.zeros_like(sent)
        for step, (rows, columns) in enumerate(map_steps(sent.shape[0])):
            context = map_context(known, step, rows, columns)
            known[rows, columns] = sent[rows, columns]
            np.add.at(counts, (*context, known[rows, columns].astype(np.intp)), 1)
    near = np.broadcast_to(((np.arange(5) + 0.5) / 5)[None, :, None], MAP_CONTEXTS)
    return _chances(counts, near)


def _chances(counts: Floats, expected: Floats) -> Chances:
    """Turn counts [.., 2] of 0 and 1 into chances of 1 in 2**16, as if `expected` ones had been seen before."""
    share = (counts[..., 1] + _PRIOR * expected) / (counts.sum(-1) + _PRIOR)
    return np.clip(np.rint(share * FREQUENCY_SUM), 1, FREQUENCY_SUM - 1).astype(np.uint16)
