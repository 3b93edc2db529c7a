"""Formats and motions that the codec's tests share; made here, no data folder needed."""

from dataclasses import replace

import numpy as np
import pytest

from codec.fitting import Stream, fit_prediction
from codec.format import MotionFormat
from codec.motion import Motion
from codec.tables import fit_tables

KEYPOINTS = 20


def random_motions(count: int, seed: int) -> list[Motion]:
    """Make a face that moves smoothly: a random walk that is pulled back to rest."""
    random = np.random.default_rng(seed)
    state = np.zeros(6 + 3 * KEYPOINTS)
    spread = np.repeat([2.0, 0.02, 0.01], [3, 3, 3 * KEYPOINTS])
    motions = []
    for _ in range(count):
        state = 0.95 * state + random.normal(0, spread)
        motions.append(Motion(state[:3], state[3:6], state[6:].reshape(KEYPOINTS, 3)))
    return motions


@pytest.fixture(scope="session")
def motions() -> list[Motion]:
    return random_motions(200, seed=2)


@pytest.fixture(scope="session")
def motion_format() -> MotionFormat:
    steps = np.full((KEYPOINTS, 3), 2.0**-7)
    fitted = fit_tables(random_motions(1000, seed=1), expression_steps=steps)
    streams = [Stream(random_motions(60, seed=seed), np.arange(60) * 12 // 5) for seed in (3, 4)]
    return replace(fitted, prediction=fit_prediction(streams, fitted.steps))
