"""The reference engine: a profile's networks run by torch, under the same interface as the exported graphs."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from models.graphs import MOTION_INPUTS, FrameGraph, LocateGraph, MotionGraph, SourceGraph
from models.networks import Networks, load_networks
from models.paper.export import FrameGraph as FrameOfPaper
from models.paper.export import graph_plans
from models.paper.networks import PaperNetworks
from models.paper.warp import warp_native
from models.warp import warp_volume_native
from runtime.engine import ENGINES, Arrays, Graph, Graphs
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


def graph_modules(networks: Networks | PaperNetworks) -> dict[str, tuple[nn.Module, list[str], list[str]]]:
    """Return a profile's graphs as torch runs them, with the native warp: module, names of inputs and of outputs."""
    locate = LocateGraph(networks), ["picture"], ["present", "centre", "size"]
    if isinstance(networks, PaperNetworks):
        plans = graph_plans(networks.talker)
        drawn = FrameOfPaper(networks.talker, warp=warp_native)
        source, motion = (
            (plans[name].wrap(networks.talker), plans[name].inputs, plans[name].outputs)
            for name in ("source", "motion")
        )
        frame: tuple[nn.Module, list[str], list[str]] = drawn, plans["frame"].inputs, ["drawn"]
        return {"locate": locate, "source": source, "motion": motion, "frame": frame}
    frame = FrameGraph(networks), ["volume", "skip", "context", "picture", *MOTION_INPUTS], ["drawn"]
    networks.talker.volume_warp = warp_volume_native
    return {
        "locate": locate,
        "source": (SourceGraph(networks), ["picture"], ["volume", "skip", "context", "canonical"]),
        "motion": (MotionGraph(networks), ["picture"], ["rotation", "translation", "placed", "level"]),
        "frame": frame,
    }


def load_torch(profile: Profile) -> Graphs:
    """Build the profile's networks as graphs."""
    modules = graph_modules(load_networks(profile.folder))
    graphs: dict[str, Graph] = {name: TorchGraph(*parts) for name, parts in modules.items()}
    return Graphs("torch", **graphs, seen_size=profile.seen_size)


ENGINES["torch"] = load_torch
