"""How a gap in speech is filled and its pace changed, on samples alone: pitch periods repeated, left out, put in.

All functions take and return float32 at 48 kHz in units of int16. They know no packets, no times and no state.
"""

import numpy as np
import numpy.typing as npt

Wave = npt.NDArray[np.float32]

# Voices' pitch is 70 to 400 Hz: a period of 2.5 to 14 ms.
SHORTEST_PERIOD, LONGEST_PERIOD = 120, 672
FADE = 240  # 5 ms: over this one wave gives way to another without a click
HISTORY = 2 * LONGEST_PERIOD + FADE  # what the functions want to know of what was heard
# A missing stretch goes on as before for one block, and is silent after four: longer it would sound like a machine.
HELD, FADED = 960, 3_840
_QUIET = 1e-6

_RISE = np.linspace(0.0, 1.0, FADE, dtype=np.float32)


def period_of(heard: Wave) -> int:
    """Return the period, in samples, with which the end of `heard` (at least `HISTORY` samples) repeats itself."""
    end = heard[-LONGEST_PERIOD:]
    lags = np.lib.stride_tricks.sliding_window_view(
        heard[-2 * LONGEST_PERIOD : -SHORTEST_PERIOD], LONGEST_PERIOD
    )
    return SHORTEST_PERIOD + len(lags) - 1 - int(np.argmax(_likeness(lags, end)))


def go_on(heard: Wave, count: int, *, period: int, after: int = 0) -> Wave:
    """Return `count` samples that go on where `heard` ended, `after` samples of them having passed, fading out."""
    places = np.arange(after, after + count)
    gain = np.clip((FADED - places) / (FADED - HELD), 0.0, 1.0)
    return (heard[-period:][places % period] * gain).astype(np.float32)


def blend(old: Wave, new: Wave) -> Wave:
    """Return `new`, in whose first `FADE` samples `old` (as many) dies away."""
    fade = min(FADE, len(old), len(new))
    blended = new.copy()
    blended[:fade] = old[:fade] * (1 - _RISE[:fade]) + new[:fade] * _RISE[:fade]
    return blended


def shorten(coming: Wave) -> tuple[Wave, int]:
    """Leave a period out at the front of `coming` (at least `LONGEST_PERIOD` + `FADE`); returns it and what is gone."""
    after = np.lib.stride_tricks.sliding_window_view(coming[SHORTEST_PERIOD : LONGEST_PERIOD + FADE], FADE)
    period = SHORTEST_PERIOD + int(np.argmax(_likeness(after, coming[:FADE])))
    return blend(coming[:FADE], coming[period:]), period


def lengthen(heard: Wave, coming: Wave) -> tuple[Wave, int]:
    """Put a period of `heard` (its last `HISTORY`) before `coming` (at least `FADE`); returns it and what is new."""
    both = np.concatenate([heard[-LONGEST_PERIOD:], coming[:FADE]])
    before = np.lib.stride_tricks.sliding_window_view(both[:-SHORTEST_PERIOD], FADE)
    place = int(np.argmax(_likeness(before, coming[:FADE])))
    again = np.concatenate([both[place:LONGEST_PERIOD], coming])
    return blend(coming[:FADE], again), LONGEST_PERIOD - place


def _likeness(candidates: npt.NDArray[np.float32], wanted: Wave) -> Wave:
    """Return how like `wanted` (n) each candidate (m x n) is, -1 to 1."""
    energy = np.einsum("ij,ij->i", candidates, candidates) * float(wanted @ wanted)
    likeness: Wave = (candidates @ wanted) / np.sqrt(energy + _QUIET)
    return likeness
