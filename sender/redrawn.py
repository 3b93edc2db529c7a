"""A frame redrawn as the receiver draws it, beside the camera's picture. It measures; what is to be done about it is
not known here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from runtime.talker import Talker
from sender.bring import Seen
from sender.distance import Floats, Look, cell_distances, look_at
from sender.source import SourcePicture

BETTER = 0.92  # of the mean distance: what is less better than that is not worth a change


@dataclass(frozen=True)
class Redrawn:
    """What is drawn of a frame (uint8 SxSx3), its face's keypoints [K, 3], the camera's picture as `look_at` describes
    it, and the distances of the two in each cell, [16, 16]."""

    seen: Seen
    picture: np.ndarray
    keypoints: Floats
    camera: Look
    cells: Floats

    def distances_of(self, picture: np.ndarray) -> Floats:
        """Return how far another picture (uint8 SxSx3) is from the camera's in each cell, [16, 16]."""
        return cell_distances(self.camera, look_at(picture))

    def is_worse_than(self, picture: np.ndarray, *, share: float = BETTER) -> bool:
        """Say whether another picture (uint8 SxSx3) is so much nearer to the camera's, by default so much that it is
        worth a change: at less than this share of the mean distance."""
        return bool(self.distances_of(picture).mean() < share * self.cells.mean())


def redraw(talker: Talker, seen: Seen) -> Redrawn:
    """Draw a frame as the receiver does."""
    source, motion = seen.held.source.prepared, seen.motion
    picture = draw_from(talker, seen, seen.held.source)
    keypoints = talker.keypoints_of(source, motion.rotation, motion.translation, motion.expression)
    camera = look_at(seen.picture)
    return Redrawn(seen, picture, keypoints, camera, cell_distances(camera, look_at(picture)))


def draw_from(talker: Talker, seen: Seen, source: SourcePicture) -> np.ndarray:
    """Draw a frame (uint8 SxSx3) as it would be drawn from this picture."""
    motion, its = seen.motion, seen.held.source
    expression = motion.expression
    if source is not its:
        expression = talker.rebase(motion.rotation, expression, of=its.prepared, to=source.prepared)
    return talker.draw(source.prepared, motion.rotation, motion.translation, expression)
