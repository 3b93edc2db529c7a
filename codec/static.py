"""Static coding, the paper's appendix C.1: a motion as fp16 bytes, each byte coded by its position's own
table.

Every code stands alone. The first K' offsets are coded, the others are guessed from them (`codec.completion`). Rounding
to the format's steps is ours; without it this is the paper's scheme. Does not know headers, times or channels.
"""

import numpy as np

from codec.completion import complete, completions
from codec.errors import BitstreamError
from codec.format import MotionFormat, positions
from codec.motion import MAX_DEGREES, MAX_OFFSET, POSE_NUMBERS, Floats, Motion, limits
from codec.ranges import ByteTables

__all__ = ["MAX_DEGREES", "MAX_OFFSET", "decode", "encode", "pack", "quantise", "visible_keypoints"]

# How far from its guess, in steps, an offset may be and still be left out: at this LPIPS over the face rises by less
# than 0.002, with what rounding costs (`visavis bench rate --lpips`).
VISIBLE_STEPS = 2.5

# A range code is at most 17 bits for each byte where every table is at its worst.
WORST_BITS_A_BYTE = 17


def quantise(motion: Motion, motion_format: MotionFormat, *, rounding: bool, keypoints: int) -> Motion:
    """Return the motion as a receiver will decode it from its first `keypoints` offsets.

    Parameters
    ----------
    rounding
        Whether numbers go to the nearest multiple of their step (ties to even) before they go to fp16.
    keypoints
        K', 0..K; offsets from K' on are guessed.
    """
    return _motion(_numbers(motion, motion_format, rounding, keypoints), motion_format)


def encode(motion: Motion, motion_format: MotionFormat, *, rounding: bool, keypoints: int) -> bytes:
    """Code a motion's first `keypoints` offsets and its pose; the arguments are those of `quantise`.

    Equal motions give equal bytes on every machine. The code carries neither its length nor K'.
    """
    packed = pack(motion, motion_format, rounding=rounding, keypoints=keypoints)
    return _coder(motion_format, rounding).encode(packed)


def decode(code: bytes, motion_format: MotionFormat, *, rounding: bool, keypoints: int) -> Motion:
    """Decode what `encode` wrote with the same format, rounding and K'.

    Raises BitstreamError for a code that is too long or outside of its tables, and for numbers that are not
    finite or beyond `MAX_DEGREES` or `MAX_OFFSET`.
    """
    count = positions(keypoints)
    if len(code) > count * WORST_BITS_A_BYTE // 8 + 1:
        raise BitstreamError(f"a static code of {len(code)} bytes is too long for {keypoints} keypoints")
    packed = _coder(motion_format, rounding).decode(code, count)
    numbers = np.frombuffer(packed, dtype=">f2").astype(np.float32)
    if not (np.abs(numbers) <= limits(numbers.size)).all():  # false for NaN too
        raise BitstreamError("a motion is outside of its range")
    return _motion(numbers, motion_format)


def visible_keypoints(
    motion: Motion, motion_format: MotionFormat, *, threshold: float = VISIBLE_STEPS
) -> int:
    """Return the adaptive K', 0..K: the shortest prefix of keypoints behind which no offset is visible.

    An offset that is left out is guessed, so it is visible where one of its numbers is more than `threshold` of its
    steps from the guess (the paper's supplement C.2 leaves the choice open).
    """
    steps = motion_format.expression_steps
    wanted = np.clip(motion.expression, -MAX_OFFSET, MAX_OFFSET)
    sent = np.rint(wanted / steps) * steps
    away = np.abs(completions(sent, motion_format.coefficients) - wanted) > threshold * steps
    # What is sent is rounded, never more than half a step away.
    return int(np.argmin(away.any(axis=(1, 2))))


def pack(motion: Motion, motion_format: MotionFormat, *, rounding: bool, keypoints: int) -> bytes:
    """Return the 12 + 6K' bytes that `encode` codes: fp16 numbers, the high byte first."""
    return _numbers(motion, motion_format, rounding, keypoints).astype(">f2").tobytes()


def _numbers(motion: Motion, motion_format: MotionFormat, rounding: bool, keypoints: int) -> Floats:
    if motion.keypoints != motion_format.keypoints:
        raise ValueError(f"a motion of {motion.keypoints} keypoints, a format of {motion_format.keypoints}")
    if not 0 <= keypoints <= motion_format.keypoints:
        raise ValueError(f"keypoints to code must be 0..{motion_format.keypoints}, not {keypoints}")
    offsets = motion.expression[:keypoints].reshape(-1)
    numbers = np.concatenate([motion.rotation, motion.translation, offsets])
    limit = limits(numbers.size)
    numbers = np.clip(numbers, -limit, limit)
    if rounding:  # no step of a format rounds a number over its limit
        steps = motion_format.steps[: numbers.size]
        numbers = np.rint(numbers / steps) * steps
    numbers = numbers.astype(np.float16).astype(np.float32)
    return numbers + np.float32(0)  # -0 becomes +0, a byte value less


def _coder(motion_format: MotionFormat, rounding: bool) -> ByteTables:
    return motion_format.rounded_coder if rounding else motion_format.exact_coder


def _motion(numbers: Floats, motion_format: MotionFormat) -> Motion:
    offsets = numbers[POSE_NUMBERS:].reshape(-1, 3)
    expression = complete(offsets, motion_format.coefficients, keypoints=motion_format.keypoints)
    guessed = motion_format.keypoints - len(offsets)
    return Motion(numbers[:3], numbers[3:POSE_NUMBERS], expression, guessed)
