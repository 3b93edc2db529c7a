"""What is put on a picture before it leaves this program: its shape, and words that say what it is. Knows no call."""

import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]

MARK_HEIGHT = 1 / 32  # of the picture's
MARGIN = 1 / 48


def fit(picture: Picture, height: int, width: int) -> Picture:
    """Return a picture (HxWx3) whole in the middle of one of this size, on black; one that has it, as it is."""
    if picture.shape[:2] == (height, width):
        return picture
    scale = min(height / picture.shape[0], width / picture.shape[1])
    inner = [max(round(side * scale), 1) for side in picture.shape[:2]]
    fitted = np.zeros((height, width, 3), np.uint8)
    top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    fitted[top : top + inner[0], left : left + inner[1]] = cv2.resize(
        picture, inner[::-1], interpolation=method
    )
    return fitted


def mark(picture: Picture, words: str) -> Picture:
    """Return a copy of the picture (HxWx3) with words on its lower edge."""
    marked = picture.copy()
    height = picture.shape[0]
    scale = cv2.getFontScaleFromHeight(cv2.FONT_HERSHEY_SIMPLEX, max(round(height * MARK_HEIGHT), 6))
    left = round(height * MARGIN)
    # White with a dark rim, to be read on any background.
    for shift, colour in ((-1, 0), (1, 0), (0, 255)):
        place = left + shift, height - left + shift
        cv2.putText(marked, words, place, cv2.FONT_HERSHEY_SIMPLEX, scale, (colour,) * 3, 1, cv2.LINE_AA)
    return marked
