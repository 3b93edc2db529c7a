"""From one source picture to the next without a pop: what the old picture would have shown at the change, beyond what
the new one shows, fades away over some frames. It knows which pictures are drawn and how much of that is left; it draws
nothing."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from codec.picture import Picture

# Frames in which the old picture shows: a quarter of a second at 25 frames. Only the change itself costs a second
# drawing. It begins and ends gently: at changes on which much is drawn anew, a first step of a fifth came to 2.4 of the
# clip's own flicker.
FRAMES = 6

Offset = npt.NDArray[np.int16]  # levels


class Changes:
    """Says for each frame, in the order in which they come due, whether the picture that is drawn from changes."""

    def __init__(self) -> None:
        self._current: int | None = None

    def next(self, source: int) -> int | None:
        """Take the source that the next frame names; return the one before where that was another."""
        before, self._current = self._current, source
        return None if before in (None, source) else before


class Weights:
    """How much of a change is left to be seen, frame by frame."""

    def __init__(self) -> None:
        self._left = 0  # frames

    @property
    def now(self) -> float:
        """The next frame's weight, 0 where nothing fades."""
        left = self._left / (FRAMES + 1)
        return left * left * (3 - 2 * left)

    def begin(self) -> None:
        """Let something fade from the next frame on."""
        self._left = FRAMES

    def next(self) -> float:
        """Return the next frame's weight, and go on to the one after."""
        weight = self.now
        self._left = max(self._left - 1, 0)
        return weight


class CrossFade:
    """Takes what was drawn, in the order in which it is shown, and lets changes fade."""

    def __init__(self) -> None:
        self._weights = Weights()
        self._offset: Offset | None = None

    def show(self, picture: Picture, old: Picture | None = None) -> Picture:
        """Return what to show of a picture; `old` is the same frame drawn from the source before, at a change."""
        if old is not None:
            offset = beyond(old, picture)
            if self._offset is not None and self._weights.now:  # a change in the midst of another
                offset = joined(offset, self._offset, self._weights.now)
            self._offset = offset
            self._weights.begin()
        weight = self._weights.next()
        return picture if self._offset is None or not weight else lay_over(picture, self._offset, weight)


def beyond(old: Picture, picture: Picture) -> Offset:
    """Return what one picture shows beyond another of the same size."""
    return np.asarray(cv2.subtract(old, picture, dtype=cv2.CV_16S), np.int16)


def joined(offset: Offset, before: Offset, weight: float) -> Offset:
    """Return an offset with `weight` (0..1) of an earlier one that is not over yet."""
    return np.asarray(cv2.addWeighted(offset, 1, before, weight, 0), np.int16)


def lay_over(picture: Picture, offset: Offset, weight: float) -> Picture:
    """Return a picture with `weight` (0..1) of an offset over it."""
    return np.asarray(
        cv2.addWeighted(picture.astype(np.int16), 1, offset, weight, 0, dtype=cv2.CV_8U), np.uint8
    )
