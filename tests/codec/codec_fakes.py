"""Motions that the codec's tests share; made here, no data folder needed."""

import numpy as np

from codec.motion import Motion

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
