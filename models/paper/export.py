"""The paper's networks as the graphs that a call runs: `source`, `motion` and `frame` (ARCHITECTURE.md, The graphs).

Heads cross in the form that the laptop's graphs have: a call places keypoints as `e^(-t_z) (R x_c + delta) +
(t_x, t_y, 0)`, and the frame graph takes the scale out again, as the paper's t_z is a depth and scales nothing. So
one formula serves both families on the way. Knows no file and no exporter.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.paper.canonical import Detected
from models.paper.motion_field import Placed
from models.paper.profile import PaperProfile
from models.paper.talker import Source, TalkingHead
from models.paper.warp import Warp, warp_planes

HEAD_PARTS = ("keypoints", "linear", "shift")


class GraphPlan(NamedTuple):
    """What an exporter needs to know of a graph."""

    wrap: Callable[[TalkingHead], nn.Module]
    examples: Sequence[Tensor]  # of its inputs
    inputs: list[str]
    outputs: list[str]


class SourceGraph(nn.Module):
    """picture -> volume, canonical."""

    def __init__(self, talker: TalkingHead) -> None:
        super().__init__()
        self.appearance, self.detector = talker.appearance, talker.detector

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        return self.appearance(picture), self.detector(picture).keypoints


class MotionGraph(nn.Module):
    """picture -> rotation, translation, expression, and a level face.

    The expression is the paper's delta, whatever the source. The level face is a point: these keypoints have no names.
    """

    def __init__(self, talker: TalkingHead) -> None:
        super().__init__()
        assert talker.head is not None
        self.head = talker.head

    def forward(self, picture: Tensor) -> tuple[Tensor, ...]:
        seen = self.head(picture)
        return seen.rotation, seen.translation, seen.expression, 0 * seen.expression


class DirectMotionGraph(nn.Module):
    """picture -> rotation and translation of nobody, the picture's own keypoints, a level face, perhaps Jacobians.

    As the head does not turn, the offset from the source's keypoints that a call takes is the whole motion; Jacobians
    are more than a call sends.
    """

    def __init__(self, talker: TalkingHead) -> None:
        super().__init__()
        self.detector = talker.detector

    def forward(self, picture: Tensor) -> tuple[Tensor, ...]:
        found = self.detector(picture)
        # An output that depends on no input would lose its name in the exported graph.
        still = 0 * found.keypoints[:, 0]
        jacobians = () if found.jacobians is None else (found.jacobians,)
        return still, still, found.keypoints, 0 * found.keypoints, *jacobians


class FrameGraph(nn.Module):
    """Volume, source head and driving head -> drawn picture; `linear` is e^(-t_z) R, or K Jacobians."""

    def __init__(self, talker: TalkingHead, *, warp: Warp = warp_planes) -> None:
        super().__init__()
        self.talker, self.warp = talker, warp

    def forward(self, volume: Tensor, *heads: Tensor) -> Tensor:
        placed = paper_head if self.talker.head is not None else direct_head
        source, driving = placed(*heads[:3]), placed(*heads[3:])
        # What L detected is looked at only where a driving picture is placed.
        seen = Source(volume, Detected(source.keypoints, None), source)
        return self.talker.draw(seen, driving, warp=self.warp).picture


def paper_head(keypoints: Tensor, linear: Tensor, shift: Tensor) -> Placed:
    """Turn a call's `e^(-t_z) (R x_c + delta) + (t_x, t_y, 0)` back into the paper's `R x_c + t + delta`.

    Args:
        keypoints: [B, K, 3] as a call places them.
        linear: [B, 3, 3], e^(-t_z) R.
        shift: [B, 3], (t_x, t_y, 0).
    """
    scale = (linear.square().sum((1, 2)) / 3).sqrt()[:, None, None]
    depth = torch.cat([torch.zeros_like(shift[:, :2]), -scale[:, 0].log()], -1)  # (0, 0, t_z)
    moved = (keypoints - shift[:, None]) / scale + (shift + depth)[:, None]
    return Placed(moved, (linear / scale)[:, None])


def direct_head(keypoints: Tensor, linear: Tensor, shift: Tensor) -> Placed:
    """Take keypoints [B, K, 3] as they are, with one matrix [B, 3, 3] or K; the shift [B, 3] is zero."""
    return Placed(keypoints + shift[:, None], linear if linear.dim() == 4 else linear[:, None])


def graph_plans(talker: TalkingHead) -> dict[str, GraphPlan]:
    """Describe the graphs `source`, `motion` and `frame` of a talking head, for the exporter and the torch engine."""
    profile = talker.profile
    picture = torch.rand(1, 3, profile.picture_size, profile.picture_size)
    motion = ["rotation", "translation", "expression", "level"]
    if talker.head is None:
        motion = ["rotation", "translation", "placed", "level", *(["linear"] if profile.jacobians else [])]
    head = _example_head(profile)
    names = [f"{which}_{part}" for which in ("source", "driving") for part in HEAD_PARTS]
    return {
        "source": GraphPlan(SourceGraph, [picture], ["picture"], ["volume", "canonical"]),
        "motion": GraphPlan(
            MotionGraph if talker.head is not None else DirectMotionGraph, [picture], ["picture"], motion
        ),
        "frame": GraphPlan(
            FrameGraph, [_example_volume(profile), *head, *head], ["volume", *names], ["drawn"]
        ),
    }


def _example_volume(profile: PaperProfile) -> Tensor:
    depth = [profile.volume_depth] if profile.dimensions == 3 else []
    return torch.rand(1, profile.volume_channels, *depth, profile.volume_size, profile.volume_size)


def _example_head(profile: PaperProfile) -> list[Tensor]:
    linear = torch.eye(3)[None]
    if profile.jacobians and not profile.canonical:
        linear = linear.expand(1, profile.keypoints, 3, 3)
    return [torch.rand(1, profile.keypoints, 3) * 0.2, linear * 0.9, torch.zeros(1, 3)]
