"""The paper's talking head: its section 3 on one screen, each line a named network."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.geometry import rotation_matrix
from models.paper.appearance import Appearance
from models.paper.blocks import full_precision
from models.paper.canonical import Detected, KeypointDetector
from models.paper.generator import Generator
from models.paper.head import HeadEstimator, HeadMotion
from models.paper.motion_field import Field, MotionField, Placed
from models.paper.profile import PaperProfile
from models.paper.warp import Warp, warp_native


class Source(NamedTuple):
    """What drawing wants of a source picture."""

    volume: Tensor  # [B, C, D, H, W]
    detected: Detected  # canonical keypoints, or the picture's own in a profile with direct ones
    placed: Placed  # the picture's own keypoints


class Drawn(NamedTuple):
    """A redrawn picture and how it came about."""

    picture: Tensor  # [B, 3, S, S] in [0, 1]
    field: MotionField


class TalkingHead(nn.Module):
    """F, L, H and Delta, M and G; a profile with direct keypoints has no H and no Delta."""

    def __init__(self, profile: PaperProfile) -> None:
        super().__init__()
        self.profile = profile
        self.appearance = Appearance(profile)
        self.detector = KeypointDetector(profile)
        self.head = HeadEstimator(profile) if profile.canonical else None
        self.field = Field(profile)
        self.generator = Generator(profile)

    def find(self, picture: Tensor, canonical: Detected | None = None) -> tuple[Detected, Placed]:
        """Find a picture's keypoints, [B, 3, S, S] -> what L detects, and where it is in the picture.

        With another picture's canonical keypoints L need not look; direct keypoints are each picture's own.
        """
        if self.head is None:
            found = self.detector(picture)
            return found, place(found, None)
        found = self.detector(picture) if canonical is None else canonical
        return found, place(found, self.head(picture))

    def prepare(self, picture: Tensor) -> Source:
        """See a source picture [B, 3, S, S], once (section 3.1)."""
        return Source(self.appearance(picture), *self.find(picture))

    def drive(self, source: Source, picture: Tensor) -> Placed:
        """Find a driving picture's keypoints, with the source's own geometry (section 3.2)."""
        return self.find(picture, source.detected)[1]

    def draw(self, source: Source, driving: Placed, *, warp: Warp = warp_native) -> Drawn:
        """Redraw the source with the driving keypoints (section 3.3)."""
        field = self.field(source.volume, source.placed, driving, warp=warp)
        return Drawn(self.generator(warp(source.volume, field.flow), field.occlusion), field)


def place(detected: Detected, motion: HeadMotion | None) -> Placed:
    """Place canonical keypoints, `x = R x_c + t + delta` and `J = R J_c` (first version of the paper, section 3.1).

    Without a motion the keypoints are the picture's own already. Without Jacobians a patch turns as the head does, and
    in a profile with direct keypoints not at all. As J_c is the source's in both pictures, it cancels from
    `J_s J_d^-1` wherever keypoints are canonical: Jacobians add something to direct keypoints alone.
    """
    keypoints, jacobians = detected
    if motion is None:
        still = torch.eye(3, device=keypoints.device).expand(len(keypoints), 1, 3, 3)
        return Placed(keypoints, still if jacobians is None else jacobians)
    turn = rotation_matrix(motion.rotation)  # [B, 3, 3]
    with full_precision(turn):
        placed = keypoints @ turn.transpose(1, 2) + motion.translation[:, None] + motion.expression
        return Placed(placed, turn[:, None] if jacobians is None else turn[:, None] @ jacobians)
