"""How a face idles whose camera is off: it breathes and blinks around its rest, so that it is seen to be there.

`idle` is a pure function of time: nothing that the person does goes into it, and the screen says that it is made up.
`Idler` says when. Knows no clock, no pictures and no threads.
"""

import random
from functools import lru_cache

import numpy as np

from codec.motion import Motion
from runtime.geometry import EYELIDS, KEYPOINT_VERTICES, Floats, rotation_matrix

# A person at rest breathes 12 to 18 times a minute, and the head nods by a fraction of a degree with it.
BREATH_HZ = 0.25
BREATH_DEGREES = 0.4
BREATH_SHIFT = 0.004  # in image coordinates, of 2: half a pixel of 256
# People blink 15 to 20 times a minute, for 0.1 to 0.4 s, the lid falling faster than it rises.
BLINK_EVERY_S = 4.0
BLINK_S = 0.2
CLOSING = 0.4  # of a blink's time
FIRST_BLINK_S = 1.0
CLOSED = 0.9  # of the way between the lids: fully shut would be drawn from nothing in the source picture
UPPER_SHARE = 0.85  # of that way; the rest is the lower lid's
STEP_S = 1 / 25  # between two pictures: a blink has five


def idle(rest: Motion, canonical: Floats, at_s: float, *, seed: int = 0) -> Motion:
    """Return what an idling face does `at_s` seconds after it began, from 0 on; at 0 it rests.

    Parameters
    ----------
    rest
        The motion around which it moves, with K offsets.
    canonical
        The face's own keypoints [K, 3]. Where they are not this house's (`KEYPOINT_VERTICES`) the eyes stay open.
    seed
        Another one blinks at other times.
    """
    breath = np.sin(2 * np.pi * BREATH_HZ * at_s)
    rotation = rest.rotation + np.array([0.0, BREATH_DEGREES * breath, 0.0], np.float32)
    translation = rest.translation + np.array([0.0, BREATH_SHIFT * breath, 0.0], np.float32)
    expression = np.array(rest.expression)
    closed = closure(at_s, seed=seed)
    if closed and len(expression) == len(KEYPOINT_VERTICES):
        turn = rotation_matrix(np.asarray(rotation, np.float32))
        for upper, lower in EYELIDS:
            # Offsets lie along the picture's axes, so the way between the lids is turned with the head.
            way = turn @ (canonical[lower] - canonical[upper]) + expression[lower] - expression[upper]
            expression[upper] += CLOSED * UPPER_SHARE * closed * way
            expression[lower] -= CLOSED * (1 - UPPER_SHARE) * closed * way
    return Motion(rotation, translation, expression)


def closure(at_s: float, *, seed: int = 0) -> float:
    """Say how far the eyes are closed, 0 to 1, so long after the idling began."""
    turn = int(at_s // BLINK_EVERY_S)
    for begins_s in (_blink_s(turn, seed), _blink_s(turn - 1, seed)):
        progress = (at_s - begins_s) / BLINK_S
        if 0 <= progress <= 1:
            way = progress / CLOSING if progress < CLOSING else (1 - progress) / (1 - CLOSING)
            return float(way * way * (3 - 2 * way))
    return 0.0


@lru_cache(maxsize=8)
def _blink_s(turn: int, seed: int) -> float:
    """Return when the blink of this turn (of `BLINK_EVERY_S` each) begins: one a turn, never at the same beat."""
    chance = random.Random(f"{seed} {turn}").random()
    return turn * BLINK_EVERY_S + FIRST_BLINK_S + chance * (BLINK_EVERY_S - FIRST_BLINK_S)


class Idler:
    """Remembers since when a face idles and when it is drawn next. Times are seconds of one steady clock."""

    def __init__(self, *, seed: int = 0) -> None:
        self.on = False
        self._seed = seed
        self._began_s: float | None = None
        self._due_s = 0.0

    def interrupt(self) -> None:
        """Let the face begin anew from its rest: something else has been shown."""
        self._began_s = None

    def due_s(self, now_s: float) -> float | None:
        """Return when the face is to be drawn next; None while nobody idles."""
        if not self.on:
            return None
        return now_s if self._began_s is None else self._due_s

    def next(self, now_s: float, rest: Motion, canonical: Floats) -> Motion | None:
        """Return what to draw now; None where it is not yet time."""
        due_s = self.due_s(now_s)
        if due_s is None or due_s > now_s:
            return None
        if self._began_s is None:
            self._began_s = now_s
        self._due_s = now_s + STEP_S
        return idle(rest, canonical, now_s - self._began_s, seed=self._seed)
