"""The reference engine: a profile's networks run by torch, under the same interface as the exported graphs."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from models.export import HEAD_INPUTS, FrameGraph, LocateGraph, MotionGraph, SourceGraph
from models.networks import load_networks
from models.paper.export import FrameGraph as FrameOfPaper
from models.paper.export import graph_plans
from models.paper.networks import PaperNetworks
from models.paper.warp import warp_native
from models.warp import warp_volume_native
from runtime.engine import ENGINES, Arrays, Graphs
from runtime.profile import Profile


class TorchGraph:
    """A network with named inputs and outputs."""

    def __init__(self, network: nn.Module, inputs: list[str], outputs: list[str]) -> None:
        self.network, self.inputs, self.outputs = network.eval(), inputs, outputs

    def __call__(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        with torch.inference_mode():
            found = self.network(
                *(torch.from_numpy(np.ascontiguousarray(inputs[name])) for name in self.inputs)
            )
        results = found if isinstance(found, tuple) else (found,)
        return {name: value.numpy() for name, value in zip(self.outputs, results, strict=True)}


def load_torch(profile: Profile) -> Graphs:
    """Build the profile's networks as graphs."""
    networks = load_networks(profile.folder)
    if isinstance(networks, PaperNetworks):
        plans = graph_plans(networks.talker)
        drawn = TorchGraph(FrameOfPaper(networks.talker, warp=warp_native), plans["frame"].inputs, ["drawn"])
        source, motion = (
            TorchGraph(plans[name].wrap(networks.talker), plans[name].inputs, plans[name].outputs)
            for name in ("source", "motion")
        )
        return Graphs(
            "torch",
            TorchGraph(LocateGraph(networks), ["picture"], ["present", "centre", "size"]),
            source,
            motion,
            drawn,
        )
    frame = FrameGraph(networks)
    networks.talker.volume_warp = warp_volume_native
    return Graphs(
        "torch",
        TorchGraph(LocateGraph(networks), ["picture"], ["present", "centre", "size"]),
        TorchGraph(SourceGraph(networks), ["picture"], ["volume", "skip", "context", "canonical"]),
        TorchGraph(MotionGraph(networks), ["picture"], ["rotation", "translation", "placed", "level"]),
        TorchGraph(frame, ["volume", "skip", "context", "picture", *HEAD_INPUTS], ["drawn"]),
    )


ENGINES["torch"] = load_torch
