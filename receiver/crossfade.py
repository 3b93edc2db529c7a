"""From one source picture to the next without a pop: for some frames both are drawn, and one fades into the other. It
knows which pictures are drawn and how much of each; it draws nothing."""

from dataclasses import dataclass

import cv2
import numpy as np

from codec.picture import Picture

# Frames in which both pictures show: a sixth of a second at 25 frames. Each costs a second drawing, and two pictures
# over each other are less sharp than either: six even steps cost a talking mouth three hundredths of face LPIPS. At
# changes on which much is drawn anew, a first step of a fifth came to 2.4 of the clip's own flicker; that of a smooth
# start comes to 1.6, and the largest in the middle to 1.7.
FRAMES = 4


@dataclass(frozen=True)
class Blend:
    """Which source to draw, and beside it which other one with how much weight; `other` None: none."""

    source: int
    other: int | None = None
    weight: float = 0.0  # of the other


class CrossFade:
    """Says for each frame, in their order, what is drawn."""

    def __init__(self) -> None:
        self._current: int | None = None
        self._before = 0
        self._left = 0  # frames of the fade that are to come

    def next(self, source: int) -> Blend:
        """Take the source that the next frame names; return what it is drawn from."""
        if self._current is not None and source != self._current:
            self._before, self._left = self._current, FRAMES
        self._current = source
        if not self._left:
            return Blend(source)
        left = self._left / (FRAMES + 1)
        self._left -= 1
        return Blend(source, self._before, left * left * (3 - 2 * left))


def mix(picture: Picture, other: Picture, weight: float) -> Picture:
    """Return a picture with `weight` (0..1) of another of the same size over it."""
    return np.asarray(cv2.addWeighted(picture, 1 - weight, other, weight, 0), np.uint8)
