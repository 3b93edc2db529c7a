"""What predictive coding takes from the weights: basis, steps, origin, contexts and tables, as one frozen value;
and the change between a motion and its levels, the integers that are coded.

Everything here is integer arithmetic but for the scaling by powers of two, which is exact, so both sides and all
machines have the same numbers. Does not know how levels are coded (codec.predictive) or fitted (codec.fitting).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from codec.motion import POSE_NUMBERS, Floats, Motion, limits
from codec.ranges import FREQUENCY_SUM, Frequencies, Models

BASIS_BITS = 14  # an entry of 1 in the basis is 2**14
FINE_BITS = 8  # levels' steps count in 1/256 of the static steps
MAX_LEVEL = 1 << 20
TABLES = 64
ALPHABET = 64  # differences -31..31, and the escape
MAX_RATE = 0xFFFF

# Upper bounds, in ticks, of the classes of distance between a motion and its reference: one, two, ... frames at usual
# rates; one class more for what lies beyond, and one for motions coded against the origin.
DISTANCE_EDGES = (3, 4, 6, 10, 16, 26, 40)
ORIGIN_CLASS = len(DISTANCE_EDGES) + 1
DISTANCES = ORIGIN_CLASS + 1
# Bounds of the classes of activity, of which 32 is the usual: of the number itself, and of the whole face.
OWN_EDGES = (8, 20, 40)
FACE_EDGES = (6, 14, 24, 36, 60)
CONTEXTS = (DISTANCES, len(OWN_EDGES) + 1, len(FACE_EDGES) + 1)

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class PredictionFormat:
    """What predictive packets are coded with; N is 6 + 3K, numbers are pose first, then coefficients of the basis.

    Parameters
    ----------
    basis
        [3K, 3K] int16 in 2**-14, a row a direction of the expression in units of the static steps; the rows are
        orthonormal but for rounding.
    steps
        [N] uint16 from 1 on, what each number is rounded to, in 1/256 of a static step.
    origin
        [N] int32, the levels that a packet without a reference is coded against.
    rates
        [DISTANCES, N] uint16 from 1 on: 512 over the mean difference, which makes differences into activity.
    contexts
        [N, DISTANCES, 4, 6] uint8 below 64: the table of each number, by distance and activities.
    tables
        [64, 64] uint16 frequencies from 1 on, each row with the sum 2**16: of differences -31..31, and last of the
        escape.

    Raises
    ------
    ValueError
        For anything else.
    """

    basis: npt.NDArray[np.int16]
    steps: npt.NDArray[np.uint16]
    origin: npt.NDArray[np.int32]
    rates: npt.NDArray[np.uint16]
    contexts: npt.NDArray[np.uint8]
    tables: Frequencies

    def __post_init__(self) -> None:
        if np.ndim(self.steps) != 1 or len(self.steps) < POSE_NUMBERS:
            raise ValueError("a prediction's steps must be one row of numbers")
        count = len(self.steps)
        offsets = count - POSE_NUMBERS
        one = 1 << BASIS_BITS
        for name, shape, kind, least, most in (
            ("basis", (offsets, offsets), np.int16, -one, one),
            ("steps", (count,), np.uint16, 1, 0xFFFF),
            ("origin", (count,), np.int32, -MAX_LEVEL, MAX_LEVEL),
            ("rates", (DISTANCES, count), np.uint16, 1, MAX_RATE),
            ("contexts", (count, *CONTEXTS), np.uint8, 0, TABLES - 1),
            ("tables", (TABLES, ALPHABET), np.uint16, 1, FREQUENCY_SUM - 1),
        ):
            values = np.array(getattr(self, name))
            if values.shape != shape or values.dtype.kind not in "iu":
                raise ValueError(
                    f"a prediction's {name} must be integers of the shape {shape}, not {values.dtype}{values.shape}"
                )
            if values.size and not least <= int(values.min()) <= int(values.max()) <= most:
                raise ValueError(f"a prediction's {name} must be within {least}..{most}")
            frozen = values.astype(kind)
            frozen.flags.writeable = False
            object.__setattr__(self, name, frozen)
        if np.any(self.tables.astype(np.int64).sum(axis=1) != FREQUENCY_SUM):
            raise ValueError(f"each row of a prediction's tables must have the sum {FREQUENCY_SUM}")

    @cached_property
    def models(self) -> Models:
        """The models of `tables`, built once."""
        return Models(self.tables)

    @cached_property
    def wide_basis(self) -> Integers:
        """The basis as int64, so that products and sums cannot overflow."""
        return self.basis.astype(np.int64)

    @cached_property
    def wide_steps(self) -> Integers:
        """The steps as int64."""
        return self.steps.astype(np.int64)

    @cached_property
    def wide_rates(self) -> Integers:
        """The rates as int64."""
        return self.rates.astype(np.int64)

    def content(self) -> bytes:
        """Return all content as bytes, big-endian, for the format's hash."""
        parts = (self.basis, self.steps, self.origin, self.rates, self.contexts, self.tables)
        return b"".join(part.astype(part.dtype.newbyteorder(">")).tobytes() for part in parts)


def fine_of(motion: Motion, static_steps: Floats) -> Integers:
    """Return a motion's numbers, pose first, as integers [N] in 1/256 of their static steps (powers of two)."""
    numbers = np.concatenate([motion.rotation, motion.translation, motion.expression.reshape(-1)])
    limit = limits(numbers.size)
    scaled = np.clip(numbers, -limit, limit).astype(np.float64) / static_steps.astype(np.float64)
    return np.rint(scaled * (1 << FINE_BITS)).astype(np.int64)


def coefficients_of(fine: Integers, prediction: PredictionFormat) -> Integers:
    """Turn the expression of `fine` [N] into coefficients of the basis, in the same unit; the pose stays."""
    turned = _shifted(prediction.wide_basis @ fine[POSE_NUMBERS:])
    return np.concatenate([fine[:POSE_NUMBERS], turned])


def fine_from_levels(levels: Integers, prediction: PredictionFormat) -> Integers:
    """Return the numbers [N], in 1/256 of their static steps, that levels [N] stand for."""
    coefficients = levels * prediction.wide_steps
    turned = _shifted(prediction.wide_basis.T @ coefficients[POSE_NUMBERS:])
    return np.concatenate([coefficients[:POSE_NUMBERS], turned])


def motion_from_fine(fine: Integers, static_steps: Floats) -> Motion:
    """Return the motion of numbers [N] in 1/256 of their static steps, cut to what may be drawn."""
    numbers = fine * static_steps.astype(np.float64) / (1 << FINE_BITS)
    limit = limits(numbers.size)
    cut: Floats = np.clip(numbers, -limit, limit).astype(np.float32)
    return Motion(cut[:3], cut[3:POSE_NUMBERS], cut[POSE_NUMBERS:].reshape(-1, 3))


def _shifted(values: Integers) -> Integers:
    return (values + (1 << (BASIS_BITS - 1))) >> BASIS_BITS
