"""What a motion's coding takes from the weights: sizes, steps and frequency tables, as one frozen value.

A profile's `tables.npz` fills it. Does not know how tables are fitted (codec.tables) or used (codec.static).
"""

import hashlib
import math
import struct
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from codec.arrays import load_arrays
from codec.completion import Coefficients, checked, no_completion
from codec.errors import BitstreamError
from codec.motion import POSE_NUMBERS, Floats
from codec.prediction import PredictionFormat
from codec.ranges import FREQUENCY_SUM, SYMBOLS, ByteTables, Frequencies

MAX_KEYPOINTS = 31  # the packet header counts the offsets left out in five bits

_FIELDS = ("rotation_step", "translation_step", "expression_steps", "tables", "exact_tables", "completion")
_PREDICTION_FIELDS = ("basis", "steps", "origin", "rates", "contexts", "tables")
_PREDICTION = "prediction_"


def positions(keypoints: int) -> int:
    """Return the number of bytes, 12 + 6K, that K keypoints' motion fills as fp16."""
    return 2 * (POSE_NUMBERS + 3 * keypoints)


@dataclass(frozen=True, eq=False)
class MotionFormat:
    """Sizes, steps and tables of motion packets; both peers hold the same one, compared by `hash`.

    Steps are powers of two, so that rounding is exact arithmetic and a rounded fp16 number ends in zeros.

    Parameters
    ----------
    keypoints
        K, 0..31.
    rotation_step
        What angles are rounded to, in degrees.
    translation_step
        What the translation is rounded to, in its own unit.
    expression_steps
        [K, 3] float32, what each keypoint's offset is rounded to in x, y and z.
    tables, exact_tables
        [12 + 6K, 256] uint16 frequencies from 1 on, each row with the sum 2**16: for the bytes of rounded
        numbers and for those of numbers as they are (the paper's scheme).
    prediction
        What predictive packets are coded with, for 6 + 3K numbers; None in a format that has only static ones.
    completion
        [3K, 3K] int16, how the offsets that a static packet leaves out are guessed from those before them
        (`codec.completion`); None leaves them at zero.

    Raises
    ------
    ValueError
        For anything else.
    """

    keypoints: int
    rotation_step: float
    translation_step: float
    expression_steps: Floats
    tables: Frequencies
    exact_tables: Frequencies
    prediction: PredictionFormat | None = None
    completion: Coefficients | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.keypoints <= MAX_KEYPOINTS:
            raise ValueError(f"a format has 0 to {MAX_KEYPOINTS} keypoints, not {self.keypoints}")
        steps = np.array(self.expression_steps, dtype=np.float32)
        if steps.shape != (self.keypoints, 3):
            raise ValueError(f"the expression's steps are {(self.keypoints, 3)}, not {steps.shape}")
        for step in (self.rotation_step, self.translation_step, *steps.reshape(-1)):
            if not _is_step(float(step)):
                raise ValueError(f"a step must be a power of two from 2**-14 to 16, not {step}")
        if self.prediction is not None and len(self.prediction.steps) != POSE_NUMBERS + 3 * self.keypoints:
            raise ValueError(f"the prediction must be one for {self.keypoints} keypoints")
        steps.flags.writeable = False
        completion = no_completion(self.keypoints) if self.completion is None else self.completion
        object.__setattr__(self, "completion", checked(completion, self.keypoints))
        object.__setattr__(self, "expression_steps", steps)
        object.__setattr__(self, "tables", _checked(self.tables, self.keypoints))
        object.__setattr__(self, "exact_tables", _checked(self.exact_tables, self.keypoints))

    @cached_property
    def steps(self) -> Floats:
        """The step of each of the 6 + 3K numbers in packing order, float32."""
        pose = [self.rotation_step] * 3 + [self.translation_step] * 3
        return np.concatenate([np.array(pose, dtype=np.float32), self.expression_steps.reshape(-1)])

    @property
    def coefficients(self) -> Coefficients:
        """The completion, zeros where none was given."""
        assert self.completion is not None  # set on construction
        return self.completion

    @cached_property
    def rounded_coder(self) -> ByteTables:
        """The models of `tables`, built once."""
        return ByteTables(self.tables)

    @cached_property
    def exact_coder(self) -> ByteTables:
        """The models of `exact_tables`, built once."""
        return ByteTables(self.exact_tables)

    @cached_property
    def hash(self) -> bytes:
        """SHA-256 over all content (32 bytes), the same on every machine."""
        digest = hashlib.sha256(b"visavis motion format 3")
        digest.update(struct.pack(">Bdd", self.keypoints, self.rotation_step, self.translation_step))
        digest.update(self.expression_steps.astype(">f4").tobytes())
        digest.update(self.tables.astype(">u2").tobytes())
        digest.update(self.exact_tables.astype(">u2").tobytes())
        digest.update(self.coefficients.astype(">i2").tobytes())
        if self.prediction is not None:
            digest.update(self.prediction.content())
        return digest.digest()

    def save(self, path: Path | str) -> None:
        """Write the format as a compressed .npz; equal formats give equal files."""
        prediction = {}
        if self.prediction is not None:
            for name in _PREDICTION_FIELDS:
                prediction[_PREDICTION + name] = getattr(self.prediction, name)
        with open(path, "wb") as file:
            np.savez_compressed(
                file,
                rotation_step=np.float64(self.rotation_step),
                translation_step=np.float64(self.translation_step),
                expression_steps=self.expression_steps,
                tables=self.tables,
                exact_tables=self.exact_tables,
                completion=self.coefficients,
                **prediction,
            )

    @staticmethod
    def load(path: Path | str) -> "MotionFormat":
        """Read a format that `save` wrote.

        Raises BitstreamError for a damaged file and OSError for one that cannot be read.
        """
        arrays = load_arrays(path)
        try:
            rotation, translation, steps, tables, exact, completion = (arrays[name] for name in _FIELDS)
            if steps.dtype != np.float32:  # others may not fit, and NumPy tells the user
                raise ValueError(f"the expression's steps are float32, not {steps.dtype}")
            prediction = None
            if any(name.startswith(_PREDICTION) for name in arrays):
                prediction = PredictionFormat(*(arrays[_PREDICTION + name] for name in _PREDICTION_FIELDS))
            return MotionFormat(
                len(steps),
                float(rotation),
                float(translation),
                steps,
                tables,
                exact,
                prediction,
                completion,
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise BitstreamError(f"the motion format {path} is damaged: {error}") from error


def _is_step(step: float) -> bool:
    return 2.0**-14 <= step <= 16 and math.frexp(step)[0] == 0.5


def _checked(tables: npt.NDArray[np.integer], keypoints: int) -> Frequencies:
    frequencies = np.array(tables)
    shape = (positions(keypoints), SYMBOLS)
    if frequencies.shape != shape or frequencies.dtype.kind not in "iu":
        raise ValueError(
            f"tables must be integers of the shape {shape}, not {frequencies.dtype}{frequencies.shape}"
        )
    wide = frequencies.astype(np.int64)
    if wide.min() < 1 or wide.max() > FREQUENCY_SUM or np.any(wide.sum(axis=1) != FREQUENCY_SUM):
        raise ValueError(f"each row of a table must be of numbers from 1 on with the sum {FREQUENCY_SUM}")
    result = wide.astype(np.uint16)
    result.flags.writeable = False
    return result
