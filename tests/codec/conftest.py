"""Formats and motions that the codec's tests share; made here, no data folder needed."""

from dataclasses import replace

import numpy as np
import pytest
from codec_fakes import KEYPOINTS, random_motions

from codec.fitting import Stream, fit_prediction
from codec.format import MotionFormat
from codec.motion import Motion
from codec.tables import fit_tables


@pytest.fixture(scope="session")
def motions() -> list[Motion]:
    return random_motions(200, seed=2)


@pytest.fixture(scope="session")
def motion_format() -> MotionFormat:
    steps = np.full((KEYPOINTS, 3), 2.0**-7)
    fitted = fit_tables(random_motions(1000, seed=1), expression_steps=steps)
    streams = [Stream(random_motions(60, seed=seed), np.arange(60) * 12 // 5) for seed in (3, 4)]
    return replace(fitted, prediction=fit_prediction(streams, fitted.steps))
