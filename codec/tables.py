"""Fitting of the frequency tables: bytes of training motions counted, integers that sum to 2**16 made of
them.

Knows nothing of where the motions come from. `visavis tables fit` calls it on the training clips.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from codec.completion import fit_completion
from codec.format import MotionFormat, positions
from codec.motion import Floats, Motion
from codec.ranges import FREQUENCY_SUM, SYMBOLS, Frequencies
from codec.static import pack

# Steps for keypoints in distances between the irises, which a face of usual size spreads over 55 pixels of
# 256. A turned head looks different from half a degree on; half of that keeps a resting head at rest.
ROTATION_STEP = 0.25
# Half a pixel of 256 in image coordinates; for t_z, 0.4 percent of the head's size.
TRANSLATION_STEP = 2.0**-8
# By the group of the keypoint: lids and irises are looked at most closely; elsewhere in the face 0.9 pixels of 256 are
# enough, and the outline's points move wide and smooth regions. Rounding to these costs some 0.0003 LPIPS over
# the whole and 0.001 over the face (`visavis bench rate --lpips`).
GROUP_STEPS = {"mouth": 2.0**-6, "eyes": 2.0**-7, "brows": 2.0**-6, "rigid": 2.0**-5}
# Depth shows only through the turn between source and frame, at 7 degrees an eighth of it, and moves little: half of
# this factor costs a byte more and LPIPS is the same.
DEPTH_FACTOR = 8.0


def expression_steps_of(groups: Mapping[str, Sequence[int]]) -> Floats:
    """Return the default steps, float32 [K, 3], of keypoints 0..K-1 by their groups' names (`GROUP_STEPS`).

    Raises ValueError where the groups name another group, or do not hold each keypoint once.
    """
    indices = [index for members in groups.values() for index in members]
    if sorted(indices) != list(range(len(indices))) or not groups.keys() <= GROUP_STEPS.keys():
        raise ValueError(f"groups must hold each keypoint once, under the names {', '.join(GROUP_STEPS)}")
    steps = np.zeros((len(indices), 3), dtype=np.float32)
    for name, members in groups.items():
        steps[list(members)] = GROUP_STEPS[name]
    steps[:, 2] *= DEPTH_FACTOR
    return steps


def fit_tables(
    motions: Iterable[Motion],
    *,
    expression_steps: npt.ArrayLike,
    rotation_step: float = ROTATION_STEP,
    translation_step: float = TRANSLATION_STEP,
) -> MotionFormat:
    """Return the format whose tables are fitted to `motions`, one set for rounded numbers and one for exact
    ones.

    Parameters
    ----------
    motions
        Training motions of K keypoints each; read once, so a generator will do.
    expression_steps, rotation_step, translation_step
        As in MotionFormat; the first, [K, 3], gives K.

    Raises
    ------
    ValueError
        For steps that are no powers of two, or a motion of another K.
    """
    steps = np.asarray(expression_steps, dtype=np.float32)
    keypoints = len(steps)
    flat = uniform_tables(keypoints)
    bare = MotionFormat(keypoints, rotation_step, translation_step, steps, flat, flat)
    rows = np.arange(positions(keypoints))
    counts = np.zeros((2, len(rows), SYMBOLS), dtype=np.int64)
    expressions = []
    for motion in motions:
        expressions.append(motion.expression)
        for count, rounding in zip(counts, (True, False), strict=True):
            packed = pack(motion, bare, rounding=rounding, keypoints=keypoints)
            count[rows, np.frombuffer(packed, dtype=np.uint8)] += 1
    tables, exact_tables = (frequencies_of(count) for count in counts)
    completion = fit_completion(np.array(expressions).reshape(-1, keypoints, 3), steps)
    return replace(bare, tables=tables, exact_tables=exact_tables, completion=completion)


def frequencies_of(counts: npt.NDArray[np.int64]) -> Frequencies:
    """Turn counts [N, symbols] into frequencies from 1 on, each row with the sum 2**16, in integer arithmetic.

    A row without counts becomes uniform; what rounding leaves over goes to the row's most frequent symbol.
    """
    counts = np.where(counts.sum(axis=1, keepdims=True) == 0, 1, counts)
    frequencies = 1 + counts * (FREQUENCY_SUM - counts.shape[1]) // counts.sum(axis=1, keepdims=True)
    rest = FREQUENCY_SUM - frequencies.sum(axis=1)
    frequencies[np.arange(len(frequencies)), frequencies.argmax(axis=1)] += rest
    return frequencies.astype(np.uint16)


def uniform_tables(keypoints: int) -> Frequencies:
    """Return tables that know nothing: every byte equally frequent, [12 + 6K, 256]."""
    return np.full((positions(keypoints), SYMBOLS), FREQUENCY_SUM // SYMBOLS, dtype=np.uint16)
