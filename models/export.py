"""Exports a profile's networks to the ONNX graphs that a call runs (ARCHITECTURE.md, The graphs).

Batch norm is folded by the exporter, the volume's warp takes the form that the engine knows, and what a source picture
gives is an input of the frame graph, so that it is computed once.
"""

import hashlib
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from models.graphs import LocateGraph, Plans, plans_of
from models.locate import SIZE as LOCATE_SIZE
from models.networks import Networks
from models.paper.networks import PaperNetworks
from models.profile import shared_profile
from models.profile_toml import write_table
from models.replacing import replacing
from models.residual import CELL, CODE_CHANNELS, Residual, ResidualDecodeGraph, ResidualEncodeGraph
from runtime.profile import GRAPHS

OPSET = 18


def export_graphs(networks: Networks | PaperNetworks, folder: Path) -> dict[str, str]:
    """Write the graphs into a profile's folder and their hashes into its profile.toml; returns the hashes.

    Of a profile that shares with a smaller one that is the frame graph alone. Their forms in 8 bits and in half
    precision are removed: they were of the old graphs.
    """
    networks.eval()
    graphs: Plans = {
        "locate": (
            LocateGraph,
            [torch.rand(1, 3, LOCATE_SIZE, LOCATE_SIZE)],
            ["picture"],
            ["present", "centre", "size"],
        ),
        **plans_of(networks),
    }
    hashes = {}
    native = networks.talker.volume_warp if isinstance(networks, Networks) else None
    with replacing(folder) as new:
        for name in GRAPHS if shared_profile(folder) is None else ("frame",):
            wrap, inputs, input_names, output_names = graphs[name]
            module = wrap(networks).eval()
            hashes[name] = write_graph(new / f"{name}.onnx", module, inputs, input_names, output_names)
    if isinstance(networks, Networks) and native is not None:
        networks.talker.volume_warp = native
    write_table(folder / "profile.toml", "graphs", "SHA-256 of each", hashes)
    # What was made from the graphs before is not theirs.
    for form in ("int8", "half"):
        write_table(folder / "profile.toml", form, "", {})
    for name in hashes:
        for suffix in ("int8.xml", "int8.bin", "fp16.onnx"):
            (folder / f"{name}.{suffix}").unlink(missing_ok=True)
    return hashes


def export_residual(residual: Residual, folder: Path, *, size: int) -> dict[str, str]:
    """Write the two graphs of a residual network for pictures of a size into a folder; returns their hashes."""
    side = size // CELL
    signs, kept = torch.ones(1, CODE_CHANNELS, side, side), torch.ones(1, 1, side, side)
    encode, decode = ResidualEncodeGraph(residual).eval(), ResidualDecodeGraph(residual).eval()
    plans: dict[str, tuple[ResidualEncodeGraph | ResidualDecodeGraph, list[Tensor]]] = {
        "residual_encode": (encode, [torch.rand(1, 3, size, size)]),
        "residual_decode": (decode, [signs, kept]),
    }
    return {
        name: write_graph(
            folder / f"{name}.onnx",
            graph,
            inputs,
            input_names=list(graph.inputs),
            output_names=list(graph.outputs),
        )
        for name, (graph, inputs) in plans.items()
    }


def write_graph(
    path: Path, module: nn.Module, inputs: Sequence[Tensor], input_names: list[str], output_names: list[str]
) -> str:
    """Export a module as the graph of a path; returns its SHA-256."""
    trace(path, module, inputs, input_names, output_names, opset=OPSET)
    shuffle_whole_pixels(path)
    onnx.checker.check_model(str(path))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def trace(
    path: Path,
    module: nn.Module,
    inputs: Sequence[Tensor],
    input_names: list[str],
    output_names: list[str],
    *,
    opset: int,
) -> None:
    """Write what a module does with some inputs as a graph of ONNX."""
    with warnings.catch_warnings():
        # The tracer's, of sizes that it takes for constants: they are, for a graph is of one profile.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            tuple(inputs),
            str(path),
            input_names=input_names,
            output_names=output_names,
            opset_version=opset,
            dynamo=False,
        )


def shuffle_whole_pixels(path: Path) -> None:
    """Order the channels before each pixel shuffle so that it moves whole pixels, which engines do much faster.

    A shuffle takes channel c of part p from c * parts + p; the convolution before it may as well lay them out the
    other way round.
    """
    model = onnx.load(path)
    makers = {output: node for node in model.graph.node for output in node.output}
    values = {each.name: each for each in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type != "DepthToSpace":
            continue
        numbers = {each.name: each for each in node.attribute}
        maker = makers[node.input[0]]
        while maker.op_type == "Relu":
            maker = makers[maker.input[0]]
        weights = [values[name] for name in maker.input[1:] if name in values]
        if maker.op_type != "Conv" or len(weights) != len(maker.input) - 1:
            continue
        for weight in weights:
            array = numpy_helper.to_array(weight)
            parts = array.reshape(-1, numbers["blocksize"].i ** 2, *array.shape[1:])
            turned = np.ascontiguousarray(parts.swapaxes(0, 1)).reshape(array.shape)
            weight.CopyFrom(numpy_helper.from_array(turned, weight.name))
        numbers["mode"].s = b"DCR"
    onnx.save(model, path)
