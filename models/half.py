"""The frame graph in half precision, for TensorRT, which computes in the types that a graph has.

The generator's convolutions, and what lies wholly between them, are halved. What a place to sample at is computed from
stays in float32: in half precision it errs by a quarter of a pixel. So the motion field is left as it is, and with it
the volume's warp, which is exported in its native form (NETWORKS.md).
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from models.export import trace
from models.graphs import FrameGraph, laptop_plans
from models.networks import load_networks
from models.paper.export import FrameGraph as FrameOfPaper
from models.paper.export import graph_plans
from models.paper.networks import PaperNetworks
from models.paper.warp import warp_native
from models.profile_toml import write_table
from models.replacing import replacing
from models.warp import warp_volume_native
from runtime.profile import load_profile

NATIVE_OPSET = 20  # the first whose GridSample takes volumes
CONVOLUTIONS = {"Conv", "ConvTranspose"}
# Operations that are as good in half precision as the convolutions on both of their sides.
PASSED = {"Add", "AveragePool", "Concat", "DepthToSpace", "LeakyRelu", "Mul", "Relu", "Resize"}


def halve_profile(profile: str) -> Path:
    """Make the half-precision form of a profile's frame graph; returns its folder. Raises ProfileError or OSError."""
    loaded = load_profile(profile, whole=False)
    digest = write_half(loaded.folder)
    write_table(loaded.folder / "profile.toml", "half", "SHA-256 of each", {"frame": digest})
    return loaded.folder


def write_half(folder: Path) -> str:
    """Export a profile folder's frame graph with its native warp, halve it and write it there; returns its SHA-256."""
    networks = load_networks(folder)
    if isinstance(networks, PaperNetworks):
        plan = graph_plans(networks.talker)["frame"]
        frame: nn.Module = FrameOfPaper(networks.talker, warp=warp_native)
        inputs, input_names, output_names = plan.examples, plan.inputs, plan.outputs
    else:
        _, inputs, input_names, output_names = laptop_plans(networks)["frame"]
        frame = FrameGraph(networks)
        networks.talker.volume_warp = warp_volume_native
    with replacing(folder) as new:
        path = new / "frame.fp16.onnx"
        trace(path, frame.eval(), inputs, input_names, output_names, opset=NATIVE_OPSET)
        halved = to_half(onnx.load(path))
        onnx.checker.check_model(halved)
        onnx.save(halved, path)
        return hashlib.sha256(path.read_bytes()).hexdigest()


def to_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a graph with its convolutions in half precision, but for those that sampling places come from.

    Inputs and outputs stay in float32, and so does every operation that is not between halved ones; casts stand where
    the two meet.
    """
    made = onnx.ModelProto()
    made.CopyFrom(model)
    graph = made.graph
    weights = {each.name: each for each in graph.initializer}
    halved = _halved(graph, set(weights))
    of_half = {output for node in graph.node if node.name in halved for output in node.output}
    nodes: list[onnx.NodeProto] = []
    cast: dict[str, str] = {}

    def turned(name: str, to: int) -> str:
        """Return the name of a value in another precision, made where it is first asked for."""
        target = f"{name}/{'half' if to == TensorProto.FLOAT16 else 'float'}"
        if target not in cast:
            cast[target] = name
            if name in weights:
                array = numpy_helper.to_array(weights[name]).astype(np.float16)
                graph.initializer.append(numpy_helper.from_array(array, target))
            else:
                nodes.append(helper.make_node("Cast", [name], [target], name=f"{target}/Cast", to=to))
        return target

    for node in graph.node:
        is_half = node.name in halved
        for place in list(_data(node)) if is_half else range(len(node.input)):
            name = node.input[place]
            if is_half and name not in of_half:
                node.input[place] = turned(name, TensorProto.FLOAT16)
            elif not is_half and name in of_half:
                node.input[place] = turned(name, TensorProto.FLOAT)
        nodes.append(node)
    for output in graph.output:
        if output.name in of_half:
            raise ValueError(f"the output {output.name} comes straight from a convolution")
    copied = [helper_copy(node) for node in nodes]
    del graph.node[:]
    graph.node.extend(copied)
    del graph.value_info[:]  # the types of what lies between have changed
    used = {name for node in graph.node for name in node.input}
    kept = [each for each in graph.initializer if each.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    return made


def helper_copy(node: onnx.NodeProto) -> onnx.NodeProto:
    """Return a node of its own: those of a graph go with the list that they are in."""
    copied = onnx.NodeProto()
    copied.CopyFrom(node)
    return copied


def _halved(graph: onnx.GraphProto, weights: set[str]) -> set[str]:
    """Return the names of the nodes to halve."""
    exact = _sampling_places(graph)
    makers = {output: node for node in graph.node for output in node.output}
    takers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            takers.setdefault(name, []).append(node)
    halved = {node.name for node in graph.node if node.op_type in CONVOLUTIONS and node.name not in exact}
    for node in graph.node:  # in the order in which they are computed
        if node.op_type not in PASSED or node.name in exact:
            continue
        inputs = [node.input[place] for place in _data(node) if node.input[place] not in weights]
        behind = [name in makers and makers[name].name in halved for name in inputs]
        # Joining changes no number: where only convolutions look, it may as well join halves.
        ahead = [each.name in halved for each in takers.get(node.output[0], [])]
        if inputs and (all(behind) or (node.op_type == "Concat" and ahead and all(ahead))):
            halved.add(node.name)
    return halved


def _sampling_places(graph: onnx.GraphProto) -> set[str]:
    """Return the names of all nodes that a GridSample's places come from."""
    makers = {output: node for node in graph.node for output in node.output}
    ahead = [node.input[1] for node in graph.node if node.op_type == "GridSample"]
    found: set[str] = set()
    while ahead:
        node = makers.get(ahead.pop())
        if node is not None and node.name not in found:
            found.add(node.name)
            ahead += node.input
    return found


def _data(node: onnx.NodeProto) -> Iterator[int]:
    """Yield the places of a node's inputs that its precision is about; a resizing's sizes are not."""
    return iter(range(1 if node.op_type == "Resize" else len(node.input)))
