"""Where the frame graph's time goes: OpenVINO's own clock on each of its operations, in the precision that a call runs.
It knows OpenVINO's profiling; what the operations are for, their names say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from bench.clips import Picture
from runtime.engine import STREAMS, Arrays, load
from runtime.profile import Profile, load_profile
from runtime.talker import Talker

# The rest of a graph's operations, a hundred of them, are one row.
LISTED = 25
GRAPH = "frame"


@dataclass(frozen=True)
class Node:
    """An operation of the compiled graph, with what was fused into it; milliseconds are the median of the runs."""

    name: str
    kind: str
    by: str  # which of the CPU plugin's implementations computes it
    ms: float


def run_nodes(
    profiles: Sequence[str],
    engines: Sequence[str],
    pictures: Mapping[int, Sequence[Picture]],
    *,
    runs: int,
    on_profile: Callable[[str], None],
) -> dict[str, Any]:
    """Return the bench's JSON: `graphs`, each profile's frame graph in each of OpenVINO's engines, with its `nodes`,
    the dearest first, and their sum `ms`."""
    graphs = []
    for name, wanted in product(profiles, engines):
        on_profile(f"{name} {wanted}")
        profile = load_profile(name)
        engine, inputs = frame_inputs(profile, pictures[profile.picture_size], engine=wanted)
        nodes = time_nodes(profile, inputs, runs=runs, int8=engine == "openvino")
        graphs.append(
            {
                "profile": profile.name,
                "engine": engine,
                "ms": sum(node.ms for node in nodes),
                "nodes": rank(nodes),
            }
        )
    return {"runs": runs, "graphs": graphs}


def frame_inputs(profile: Profile, pictures: Sequence[Picture], *, engine: str) -> tuple[str, Arrays]:
    """Return the name of the engine that a call really has then, and what its frame graph is given for the last
    picture."""
    graphs = load(profile, engine=engine)
    seen: list[Arrays] = []

    def record(inputs: Arrays) -> Any:
        seen.append(inputs)
        return graphs.frame(inputs)

    talker = Talker(replace(graphs, frame=record), picture_size=profile.picture_size)
    source = talker.prepare(pictures[0])
    talker.draw(source, *talker.estimate(pictures[-1], source))
    return graphs.engine, seen[-1]


def time_nodes(profile: Profile, inputs: Arrays, *, runs: int, int8: bool) -> list[Node]:
    """Run the frame graph and return its operations that take time."""
    import openvino

    int8 = int8 and GRAPH in profile.int8
    path = profile.int8_path(GRAPH) if int8 else profile.graph_path(GRAPH)
    settings = {
        "INFERENCE_PRECISION_HINT": "f32",
        "ENABLE_CPU_PINNING": False,
        "NUM_STREAMS": STREAMS[GRAPH],
        "PERF_COUNT": True,
    }
    compiled = openvino.Core().compile_model(path, "CPU", settings)
    request = compiled.create_infer_request()
    names = {name for port in compiled.inputs for name in port.get_names()}
    given = {name: value for name, value in inputs.items() if name in names}
    times: dict[str, list[float]] = defaultdict(list)
    about: dict[str, tuple[str, str]] = {}
    request.infer(given)  # the first run also lays out the weights
    for _ in range(runs):
        request.infer(given)
        for each in request.get_profiling_info():
            times[each.node_name].append(each.real_time.total_seconds() * 1000)
            about[each.node_name] = each.node_type, each.exec_type
    return [Node(name, *about[name], float(np.median(values))) for name, values in times.items()]


def rank(nodes: Sequence[Node]) -> list[dict[str, Any]]:
    """Return rows, the dearest first; what is not listed singly is the last one."""
    ordered = sorted(nodes, key=lambda node: -node.ms)
    rows = [
        {"name": node.name, "kind": node.kind, "by": node.by, "calls": 1, "ms": node.ms}
        for node in ordered[:LISTED]
    ]
    rest = [node for node in ordered[LISTED:] if node.ms > 0]
    if rest:
        others = {"name": "the rest", "kind": "", "by": "", "calls": len(rest)}
        rows.append(others | {"ms": sum(node.ms for node in rest)})
    return rows
