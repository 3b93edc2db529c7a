"""The other side of the peer bench: a talker that has no networks. It gives the motions that were recorded of a clip,
one a frame, and draws nothing, so that the side which is measured has the machine to itself. It knows no line."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from bench.clips import Picture, read_video
from call.ends import Ends
from runtime.talker import Face, Source, Talker
from sender.source import make_fine_source

Floats = npt.NDArray[np.float32]
Pose = tuple[Floats, Floats, Floats]
# As much of a clip as is recorded; it is played over and over.
RECORDED_S = 20.0


@dataclass(frozen=True)
class Recorded:
    """What a clip's motions were, relative to its first frame, and that frame's geometry."""

    source: Source
    poses: list[Pose]


def record_clip(ends: Ends, clip: Path) -> Recorded:
    """Estimate the motion of each frame of a clip; raises BenchError where it cannot be read."""
    pictures = read_video(clip, size=ends.profile.picture_size, longest_s=RECORDED_S)[0]
    source = make_fine_source(pictures[0], ends.talker).prepared
    poses = [ends.talker.estimate(picture, source) for picture in pictures]
    return Recorded(replace(source, features={}), poses)


class RecordedTalker:
    """Stands in for `runtime.talker.Talker` at next to no cost; each method may be called from any thread."""

    bends = True  # so that the side which is measured sends residual flow as in a call

    def __init__(self, recorded: Recorded, picture_size: int) -> None:
        self.picture_size = picture_size
        self._recorded = recorded
        self._poses = itertools.cycle(recorded.poses)
        self._blank = np.zeros((picture_size, picture_size, 3), np.uint8)

    def prepare(self, picture: Picture) -> Source:
        """Return the recorded source, whatever the picture."""
        return self._recorded.source

    def estimate(self, picture: Picture, source: Source | None) -> Pose:
        """Return the next of the recorded motions."""
        return next(self._poses)

    def draw(
        self,
        source: Source,
        rotation: Floats,
        translation: Floats,
        expression: Floats,
        flow: Floats | None = None,
    ) -> Picture:
        """Return a black picture."""
        return self._blank

    def locate(self, frame: Picture) -> Face:
        """See a face in the middle."""
        height, width = frame.shape[:2]
        return Face(width / 2, height / 2, height / 2, 1.0)

    def rebase(self, rotation: Floats, expression: Floats, *, of: Source, to: Source) -> Floats:
        """Return the expression: there is one geometry."""
        return expression

    def keypoints_of(
        self, source: Source | None, rotation: Floats, translation: Floats, expression: Floats
    ) -> Floats:
        """Return the source's keypoints."""
        return self._recorded.source.keypoints


def without_networks(ends: Ends, recorded: Recorded) -> Ends:
    """Return what a side is made of that replays `recorded`."""
    talker: Any = RecordedTalker(recorded, ends.profile.picture_size)
    return Ends(ends.profile, cast(Talker, talker), ends.motion_format)
