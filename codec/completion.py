"""What becomes of the offsets that a packet leaves out: each is guessed from those before it, sent or guessed.

Faces move as one: a left lid closes with the right one, a jaw follows the lips. The guess is linear, fitted on training
motions, and integer arithmetic, so that every machine makes the same. The paper's supplement C.2 leaves them at zero.
"""

import numpy as np
import numpy.typing as npt

from codec.motion import MAX_OFFSET, Floats

Coefficients = npt.NDArray[np.int16]

# Offsets are counted in 2**-14, the finest step there may be; coefficients in 2**-12, which leaves room for 8.
UNITS = 2**14
ONE = 2**12
LIMIT = int(MAX_OFFSET * UNITS)
# Of the regression, in squares of each offset's step: an offset is told apart from its neighbours no finer than that.
RIDGE = 1.0


def no_completion(keypoints: int) -> Coefficients:
    """Return the coefficients [3K, 3K] that leave at zero what is not sent, as the paper does."""
    return np.zeros((3 * keypoints, 3 * keypoints), dtype=np.int16)


def checked(coefficients: npt.NDArray[np.generic], keypoints: int) -> Coefficients:
    """Return coefficients read-only; raise ValueError where they are no [3K, 3K] int16 that look only at keypoints
    before the one that they guess."""
    shape = (3 * keypoints, 3 * keypoints)
    if coefficients.shape != shape or coefficients.dtype != np.int16:
        raise ValueError(f"a completion is int16{shape}, not {coefficients.dtype}{coefficients.shape}")
    keypoint = np.arange(3 * keypoints) // 3
    if coefficients[keypoint[:, None] >= keypoint].any():
        raise ValueError("a completion guesses a keypoint only from those before it")
    result = np.array(coefficients)
    result.flags.writeable = False
    return result


def complete(offsets: Floats, coefficients: Coefficients, *, keypoints: int) -> Floats:
    """Return K' offsets [K', 3] with those behind them guessed, float32 [K, 3]."""
    sent = offsets.size
    # Whole numbers below 2**53: sums of float64 are exact, in whatever order a machine adds them.
    units = np.zeros(3 * keypoints)
    units[:sent] = np.rint(offsets.reshape(-1) * np.float64(UNITS))
    for at in range(sent, units.size, 3):
        sums = units[:at] @ coefficients[:at, at : at + 3].astype(np.float64)
        units[at : at + 3] = np.clip(np.floor((sums + ONE // 2) / ONE), -LIMIT, LIMIT)
    found = (units / UNITS).astype(np.float32).reshape(-1, 3)
    found[: len(offsets)] = offsets
    return found


def completions(offsets: Floats, coefficients: Coefficients) -> npt.NDArray[np.float64]:
    """Return what `complete` makes of every prefix of offsets [K, 3], but for its rounding: [K + 1, K, 3] by K'."""
    count = offsets.size
    guesses = np.tile(offsets.reshape(-1).astype(np.float64), (count // 3 + 1, 1))
    scaled = coefficients / ONE
    for at in range(0, count, 3):
        rows = guesses[: at // 3 + 1]
        rows[:, at : at + 3] = rows[:, :at] @ scaled[:at, at : at + 3]
    return guesses.reshape(-1, *offsets.shape)


def fit_completion(expressions: Floats, steps: Floats) -> Coefficients:
    """Fit coefficients to training motions' offsets [N, K, 3], rounded to `steps` [K, 3] as a receiver has them."""
    count, keypoints = expressions.shape[:2]
    coefficients = no_completion(keypoints)
    wanted = expressions.reshape(count, -1).astype(np.float64)
    fine = steps.reshape(-1).astype(np.float64)
    seen = np.rint(wanted / fine) * fine
    moments = seen.T @ seen + RIDGE * max(1, count) * np.diag(fine**2)
    for at in range(3, 3 * keypoints, 3):
        found = np.linalg.solve(moments[:at, :at], seen[:, :at].T @ wanted[:, at : at + 3])
        coefficients[:at, at : at + 3] = np.clip(np.rint(found * ONE), -8 * ONE + 1, 8 * ONE - 1)
    return coefficients
