"""The graphs that run at every frame, their convolutions in 8 bits (NNCF, OpenVINO).

Post-training quantisation: the ranges of the convolutions' inputs are seen on pairs of frames of the training clips.
Only convolutions are quantised; flow, heatmaps and every other coordinate stay in float32, for in 8 bits they err by
pixels. The float graphs stay what a profile is; the 8-bit ones are a faster form of two of them.
"""

import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import nncf
import numpy as np
import openvino
from numpy.typing import NDArray
from rich.progress import track

from models.profile_toml import write_table
from models.replacing import replacing
from models.training.footage import DataError, fit_size
from runtime.engine import Arrays, EngineError, Graph, load
from runtime.profile import Profile, load_profile
from runtime.profile_files import int8_digest
from runtime.talker import Talker

CLIPS, FRAMES = 100, 2  # of each clip
# What is quantised, by the exported nodes' names. M's first convolution is not: masks, flow and colours meet there, and
# one step for all of them is coarse for each. Nor are the stem, whose input is the camera's picture, and the heatmaps.
CONVOLUTIONS = {
    "frame": r"/generator/|/field/(down|deep|join|leave)",
    "motion": r"^/(lateral|merge|stages)",
}
# Operations that 8 bits pass through on the way to such a convolution. No sum of the generator's but those beside its
# residual blocks: the others make the picture, and what comes after a convolution in 8 bits is seen.
PASSED = {"Relu", "DepthToSpace"}
JOINTS = {
    "frame": r"/generator/body|/field/Resize",
    "motion": r"^/stages\.[01]/",
}


def quantise_profile(profile: str, clips: Path) -> tuple[Path, list[str]]:
    """Make the 8-bit form of a profile's motion and frame graphs, from frames of clips in a folder; returns the
    profile's folder and which graphs those are. Raises ProfileError, EngineError, DataError or OSError."""
    loaded = load_profile(profile, whole=False)
    samples = draw_samples(loaded, clips)
    own = [graph for graph in CONVOLUTIONS if loaded.graph_path(graph).parent == loaded.folder]
    hashes = {graph: write_int8(loaded, graph, samples[graph]) for graph in own}
    write_table(loaded.folder / "profile.toml", "int8", "SHA-256 of each, .xml and .bin together", hashes)
    return loaded.folder, own


def draw_samples(profile: Profile, clips: Path) -> dict[str, list[Arrays]]:
    """Return inputs of the motion and of the frame graph, as a call would give them, from frames of some clips."""
    graphs = load(profile, engine="openvino-f32")
    seen: dict[str, list[Arrays]] = {"motion": [], "frame": []}
    recorded = replace(
        graphs, motion=_recorder(graphs.motion, seen["motion"]), frame=_recorder(graphs.frame, seen["frame"])
    )
    talker = Talker(recorded, picture_size=profile.picture_size)
    for source_picture, pictures in _pictures(clips, profile.picture_size):
        source = talker.prepare(source_picture)
        for picture in pictures:
            talker.draw(source, *talker.estimate(picture, source))
    return seen


def write_int8(profile: Profile, graph: str, samples: list[Arrays]) -> str:
    """Quantise a graph and write it into the profile's folder; returns its SHA-256. Raises OSError."""
    nncf.set_log_level(logging.ERROR)
    model = openvino.Core().read_model(profile.graph_path(graph))
    quantised = nncf.quantize(
        model,
        nncf.Dataset(samples),
        preset=nncf.QuantizationPreset.MIXED,  # what is never negative uses all 256 steps
        target_device=nncf.TargetDevice.CPU,
        subset_size=len(samples),
        ignored_scope=nncf.IgnoredScope(names=left_alone(model, graph), validate=False),
    )
    with replacing(profile.folder) as new:
        path = new / f"{graph}.int8.xml"
        try:
            openvino.save_model(quantised, path, compress_to_fp16=False)
        except RuntimeError as error:  # OpenVINO's writer knows no errors of the system
            raise OSError(str(error)) from None
        return int8_digest(path)


def left_alone(model: openvino.Model, graph: str) -> list[str]:
    """Return the names of a graph's operations that stay in float32."""
    convolutions, joints = re.compile(CONVOLUTIONS[graph]), re.compile(JOINTS[graph])

    def taken(operation: Any) -> bool:
        kind, name = operation.get_type_name(), operation.get_friendly_name()
        if kind == "Convolution":
            return bool(convolutions.search(name))
        return kind in PASSED or (kind in {"Concat", "Interpolate", "Add"} and bool(joints.search(name)))

    kinds = {"Constant", "Parameter", "Result"}
    operations = [each for each in model.get_ordered_ops() if each.get_type_name() not in kinds]
    if not any(each.get_type_name() == "Convolution" and taken(each) for each in operations):
        raise EngineError(
            f"the graph {graph} has none of the convolutions that are quantised; export it again"
        )
    return [each.get_friendly_name() for each in operations if not taken(each)]


def _recorder(graph: Graph, seen: list[Arrays]) -> Graph:
    def run(inputs: Arrays) -> dict[str, NDArray[Any]]:
        seen.append({name: np.array(value) for name, value in inputs.items()})
        return graph(inputs)

    return run


def _pictures(clips: Path, size: int) -> Iterator[tuple[NDArray[np.uint8], list[NDArray[np.uint8]]]]:
    paths = sorted(clips.glob("*.mp4"))
    if not paths:
        raise DataError(f"there are no clips in {clips}")
    rng = np.random.default_rng(1)
    chosen = rng.permutation(len(paths))[:CLIPS]
    for index in track(chosen, description="frames of the clips"):
        with av.open(str(paths[index])) as video:
            frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
        taken = rng.integers(0, len(frames), FRAMES)
        yield fit_size(frames[0], size), [fit_size(frames[row], size) for row in taken]
