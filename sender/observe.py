"""What the sender sees in a frame: the cut picture and the motion in it, or no face. Joins the crop and the
motion graph, and judges whether what the graph says can be a face; it knows nothing of coding or sending."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from runtime.geometry import IRISES, KEYPOINT_VERTICES
from runtime.talker import Source, Talker
from sender.crop import Crop
from sender.square import Head

Floats = npt.NDArray[np.float32]

CHIN = KEYPOINT_VERTICES.index(152)
# On the level face (data/canonical_face.npz) the oval reaches from 1.312 above the origin to 1.435 below, the
# irises are .454 above it: from irises to chin is 1.889, the oval's height 1.454 of that, its middle .273 of
# the way down.
OVAL_HEIGHT = 1.454
OVAL_MIDDLE = 0.273
# Beyond these no face is left to be seen in one picture.
LARGEST_ANGLES = np.array([80.0, 60.0, 70.0])  # yaw, pitch, roll in degrees
SMALLEST_HEIGHT, LARGEST_HEIGHT = 0.3, 2.4  # of the oval, where the picture is 2 high; crops settle at 1.14
FARTHEST_MIDDLE = 1.0  # the oval's middle has left the picture
# Median length of the expression's offsets: ten talking strangers stay below .13, wide open mouths below .3.
LARGEST_OFFSET = 0.4


@dataclass(frozen=True)
class View:
    """A face in a frame: picture uint8 SxSx3; rotation [3] degrees, translation [3], expression [K, 3]."""

    picture: np.ndarray
    rotation: Floats
    translation: Floats
    expression: Floats


class Observer:
    """Turns frames into views, one after the other, and lets the crop follow."""

    def __init__(self, talker: Talker, crop: Crop) -> None:
        self._talker = talker
        self._crop = crop

    def observe(self, frame: np.ndarray, *, at_s: float, source: Source | None) -> View | None:
        """Return what is seen in a whole frame (uint8 HxWx3) captured at `at_s`, or None where no face is."""
        while True:
            picture = self._crop.cut(frame, at_s=at_s)
            if picture is None:
                return None
            rotation, translation, expression = self._talker.estimate(picture, source)
            head = self._head(rotation, translation, expression)
            if self._crop.follow(head):
                break
        return None if head is None else View(picture, rotation, translation, expression)

    def _head(self, rotation: Floats, translation: Floats, expression: Floats) -> Head | None:
        """Measure the head in the picture ([-1, 1]); None where it is implausible."""
        if not all(np.isfinite(part).all() for part in (rotation, translation, expression)):
            return None
        # Without expression, so that talking does not move the crop; without the person's own geometry, so
        # that a new source picture does not move it either.
        rigid = self._talker.keypoints_of(None, rotation, translation, np.zeros_like(expression))
        irises, chin = rigid[list(IRISES)].mean(0), rigid[CHIN]
        middle = irises + OVAL_MIDDLE * (chin - irises)
        head = Head(float(middle[0]), float(middle[1]), OVAL_HEIGHT * float(np.linalg.norm(chin - irises)))
        offset = float(np.median(np.linalg.norm(expression, axis=1)))
        plausible = (
            bool((np.abs(rotation) <= LARGEST_ANGLES).all())
            and SMALLEST_HEIGHT <= head.height <= LARGEST_HEIGHT
            and max(abs(head.x), abs(head.y)) <= FARTHEST_MIDDLE
            and offset <= LARGEST_OFFSET
        )
        return head if plausible else None
