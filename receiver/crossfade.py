"""From one source picture to the next without a pop: for some frames what the old one shows beyond the new one is laid
over that, and fades away. It knows which pictures are drawn and how much of that is left; it draws nothing."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from codec.picture import Picture

# Frames in which the old picture shows: a quarter of a second at 25 frames. It begins and ends gently. For heads that
# turn far the largest step comes to 1.7 of the clip's own flicker; with four frames it came to 2.3, and with a first
# step of a fifth to more. Two pictures over each other are less sharp than either: two frames more cost a hundredth of
# face LPIPS where pictures change every second.
FRAMES = 6

Offset = npt.NDArray[np.int16]  # levels


class Changes:
    """Says for each frame, in the order in which they come due, which old picture still shows."""

    def __init__(self) -> None:
        self._current: int | None = None
        self._old: int | None = None
        self._left = 0  # frames
        self.begins = False  # with the frame that was taken last

    def next(self, source: int) -> int | None:
        """Take the source that the next frame names; return the one before, as long as that shows."""
        self.begins = self._current is not None and source != self._current
        if self.begins:
            self._old, self._left = self._current, FRAMES
        self._current = source
        if not self._left:
            return None
        self._left -= 1
        return self._old


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
        self._offset: Offset | None = None  # of the newest frame that was drawn from both pictures
        self._rest: Offset | None = None  # of a change in the midst of which the newest one began

    def show(self, picture: Picture, old: Picture | None = None, *, begins: bool = False) -> Picture:
        """Return what to show of a picture.

        old: the same frame drawn from the source before; at the change, which `begins` says, it has to be there, and in
        the frames after it what is known of an earlier one does where it is None.
        """
        if begins:
            weight = self._weights.now
            self._rest = scaled(self._offset, weight) if self._offset is not None and weight else None
            self._weights.begin()
        if old is not None:
            self._offset = beyond(old, picture, self._rest)
        weight = self._weights.next()
        return picture if self._offset is None or not weight else lay_over(picture, self._offset, weight)


def beyond(old: Picture, picture: Picture, rest: Offset | None) -> Offset:
    """Return what one picture shows beyond another of the same size, and what is left of an earlier change."""
    offset = np.asarray(cv2.subtract(old, picture, dtype=cv2.CV_16S), np.int16)
    return offset if rest is None else np.asarray(cv2.add(offset, rest), np.int16)


def scaled(offset: Offset, weight: float) -> Offset:
    """Return so much (0..1) of an offset."""
    return np.rint(offset * np.float32(weight)).astype(np.int16)


def lay_over(picture: Picture, offset: Offset, weight: float) -> Picture:
    """Return a picture with `weight` (0..1) of an offset over it."""
    return np.asarray(
        cv2.addWeighted(picture.astype(np.int16), 1, offset, weight, 0, dtype=cv2.CV_8U), np.uint8
    )
