"""Which picture becomes the source picture."""

import cv2
import numpy as np
import pytest

from sender.choose import SourceChooser
from tests.sender.sender_fakes import SIZE, level_face

SHARP = np.random.default_rng(4).integers(0, 255, (SIZE, SIZE, 3), np.uint8)


def points(*, lids: float = 0.2, mouth: float = 0.0, width: float = 0.8) -> np.ndarray:
    keypoints = level_face() * 0.3
    for upper, lower in ((8, 9), (10, 11)):
        keypoints[lower, 1] = keypoints[upper, 1] + lids * 0.3
    keypoints[1, 1] = keypoints[0, 1] + mouth * 0.3
    keypoints[3, 0] = keypoints[2, 0] + width * 0.3
    return keypoints


GOOD = (SHARP, (2.0, 3.0, 0.0), points())
WORSE = {
    "turned": (SHARP, (25.0, 0.0, 0.0), points()),
    "tilted": (SHARP, (0.0, 3.0, 22.0), points()),
    "blinking": (SHARP, (2.0, 3.0, 0.0), points(lids=0.03)),
    "speaking": (SHARP, (2.0, 3.0, 0.0), points(mouth=0.3)),
    "blurred": (cv2.GaussianBlur(SHARP, (0, 0), 2), (2.0, 3.0, 0.0), points()),
}


@pytest.mark.parametrize("fault", WORSE)
def test_the_one_good_picture_is_chosen(fault: str) -> None:
    chooser = SourceChooser()
    for index in range(20):
        picture, rotation, keypoints = GOOD if index == 13 else WORSE[fault]
        marked = picture.copy()
        marked[0, 0] = index  # outside of the face
        chooser.add(marked, np.array(rotation, np.float32), keypoints, at_s=index / 25)
    best = chooser.best()
    assert best is not None
    assert best[0, 0, 0] == 13


def test_the_second_counts_from_the_first_face() -> None:
    chooser = SourceChooser()
    assert chooser.best() is None
    over = [
        chooser.add(SHARP, np.zeros(3, np.float32), points(), at_s=50.0 + index / 25) for index in range(26)
    ]
    assert over == [False] * 25 + [True]


def test_a_grin_is_passed_over_where_the_mouth_mostly_rests() -> None:
    chooser = SourceChooser()
    for index in range(20):
        marked = SHARP.copy()
        marked[0, 0] = index
        grin = 1.1 if index < 8 else 0.8
        chooser.add(marked, np.zeros(3, np.float32), points(width=grin), at_s=index / 25)
    best = chooser.best()
    assert best is not None
    assert best[0, 0, 0] >= 8
