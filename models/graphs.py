"""The graphs of a call as modules (ARCHITECTURE.md, The graphs), and inputs of their sizes: what the exporter writes
down and torch's engines run. Knows no format of files.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from models.appearance import Appearance, SourceFeatures
from models.locate import best_face
from models.motion_field import Head
from models.networks import Networks
from models.paper.export import GraphPlan, graph_plans
from models.paper.networks import PaperNetworks
from models.student import MotionStudent
from models.warp import warp_volume_planes

Plans = dict[str, tuple[Callable[[Any], nn.Module], Sequence[Tensor], list[str], list[str]]]
MOTION_INPUTS = [
    *(f"{which}_{part}" for which in ("source", "driving") for part in ("keypoints", "linear", "shift")),
    "residual_flow",
]


class LocateGraph(nn.Module):
    """picture -> present, centre, size."""

    def __init__(self, networks: Networks | PaperNetworks) -> None:
        super().__init__()
        self.locate = networks.locate

    def forward(self, picture: Tensor) -> tuple[Tensor, ...]:
        return best_face(self.locate(picture))


class SourceGraph(nn.Module):
    """picture -> volume, skip, context, canonical."""

    def __init__(self, networks: Networks) -> None:
        super().__init__()
        self.appearance, self.student = networks.talker.appearance, networks.student

    def forward(self, picture: Tensor) -> tuple[Tensor, ...]:
        # By the smaller profile's way where the networks are a larger one's: it is given the picture halved.
        features = Appearance.forward(self.appearance, picture)
        seen = MotionStudent.forward(self.student, picture)
        return features.volume, features.skip, features.context, seen.canonical


class MotionGraph(nn.Module):
    """picture -> rotation, translation, placed keypoints, and the level face they are measured against."""

    def __init__(self, networks: Networks) -> None:
        super().__init__()
        self.student = networks.student

    def forward(self, picture: Tensor) -> tuple[Tensor, ...]:
        seen = MotionStudent.forward(self.student, picture)
        # An output that depends on no input would lose its name in the exported graph.
        level = self.student.level_keypoints + 0 * seen.placed
        return seen.rotation, seen.translation, seen.placed, level


class FrameGraph(nn.Module):
    """Source features, source head, driving head and residual flow -> drawn picture."""

    def __init__(self, networks: Networks) -> None:
        super().__init__()
        self.talker = networks.talker
        self.talker.volume_warp = warp_volume_planes

    def forward(
        self, volume: Tensor, skip: Tensor, context: Tensor, picture: Tensor, *motion: Tensor
    ) -> Tensor:
        source = SourceFeatures(volume, skip, context, picture)
        return self.talker.draw(source, Head(*motion[:3]), Head(*motion[3:6]), motion[6]).picture


def laptop_plans(networks: Networks) -> Plans:
    """Describe the graphs `source`, `motion` and `frame` of the laptop's networks."""
    profile = networks.profile
    half, cells = 2 * profile.volume_size, profile.volume_size
    picture = torch.rand(1, 3, profile.picture_size, profile.picture_size)
    seen = torch.rand(1, 3, 4 * cells, 4 * cells)
    head = [torch.rand(1, profile.keypoints, 3) * 0.2, torch.eye(3)[None] * 0.4, torch.zeros(1, 3)]
    features = [
        torch.rand(1, profile.volume_channels * profile.volume_depth, cells, cells),
        torch.rand(1, profile.skip_channels, half, half),
        torch.rand(1, profile.skip_channels + 3, cells, cells),
        picture,
    ]
    return {
        "source": (SourceGraph, [seen], ["picture"], ["volume", "skip", "context", "canonical"]),
        "motion": (MotionGraph, [seen], ["picture"], ["rotation", "translation", "placed", "level"]),
        "frame": (
            FrameGraph,
            [*features, *head, *head, torch.zeros(1, 2, cells, cells)],
            ["volume", "skip", "context", "picture", *MOTION_INPUTS],
            ["drawn"],
        ),
    }


def paper_plans(networks: PaperNetworks) -> Plans:
    """Describe those of the paper's."""

    def of_networks(plan: GraphPlan) -> Callable[[PaperNetworks], nn.Module]:
        return lambda networks: plan.wrap(networks.talker)

    return {
        name: (of_networks(plan), plan.examples, plan.inputs, plan.outputs)
        for name, plan in graph_plans(networks.talker).items()
    }


def plans_of(networks: Networks | PaperNetworks) -> Plans:
    """Describe the graphs `source`, `motion` and `frame` of a profile: what wraps the networks, examples of its inputs,
    names of inputs and of outputs."""
    return laptop_plans(networks) if isinstance(networks, Networks) else paper_plans(networks)
