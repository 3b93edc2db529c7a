"""The paper's graphs: what an engine draws is what torch draws, and a call's way of placing heads is the paper's."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paper_fakes import tiny

torch = pytest.importorskip("torch")
openvino = pytest.importorskip("openvino")

from models.geometry import head_linear, keypoints, rotation_matrix  # noqa: E402
from models.paper.export import FrameGraph, GraphPlan, graph_plans, paper_head  # noqa: E402
from models.paper.norm import BatchNorm  # noqa: E402
from models.paper.profile import PaperProfile  # noqa: E402
from models.paper.talker import TalkingHead  # noqa: E402
from models.paper.warp import warp_native  # noqa: E402

SWITCHES = {
    "paper": tiny(),
    "flat": tiny(volume_depth=1),
    "direct": tiny(canonical=False),
    "fomm": tiny(canonical=False, jacobians=True, volume_depth=1, detector_depth=1),
}


def trained_a_little(profile: PaperProfile) -> TalkingHead:
    """A talking head whose statistics are not those of a start, and whose head moves."""
    torch.manual_seed(0)
    talker = TalkingHead(profile).eval()
    for layer in talker.modules():
        if isinstance(layer, BatchNorm):
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 1.5)
    if talker.head is not None:
        for layer in (talker.head.translation, talker.head.expression):
            torch.nn.init.normal_(layer.weight, std=0.1)
    return talker


def run_exported(talker: TalkingHead, plan: GraphPlan, inputs: list[Any], path: Path) -> dict[str, Any]:
    torch.onnx.export(
        plan.wrap(talker).eval(),
        tuple(plan.examples),
        str(path),
        input_names=plan.inputs,
        output_names=plan.outputs,
        opset_version=18,
        dynamo=False,
    )
    compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    assert [port.get_any_name() for port in compiled.outputs] == plan.outputs
    given = {name: value.numpy() for name, value in zip(plan.inputs, inputs, strict=True)}
    return {name: compiled(given)[name] for name in plan.outputs}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("profile", SWITCHES.values(), ids=SWITCHES.keys())
def test_the_exported_graphs_give_what_torch_gives(profile: PaperProfile, tmp_path: Path) -> None:
    talker = trained_a_little(profile)
    plans = graph_plans(talker)
    assert set(plans) == {"source", "motion", "frame"}
    for name, plan in plans.items():
        generator = torch.Generator().manual_seed(1)
        inputs = [each + 0.1 * torch.randn(each.shape, generator=generator) for each in plan.examples]
        with torch.no_grad():
            network = FrameGraph(talker, warp=warp_native) if name == "frame" else plan.wrap(talker)
            found = network.eval()(*inputs)
        wanted = found if isinstance(found, tuple) else (found,)
        given = run_exported(talker, plan, inputs, tmp_path / f"{name}.onnx")
        for output, value in zip(plan.outputs, wanted, strict=True):
            assert np.abs(given[output] - value.numpy()).max() < 1e-3, (name, output)


def test_what_a_call_places_becomes_the_papers_keypoints_again() -> None:
    generator = torch.Generator().manual_seed(2)
    canonical, expression = (0.3 * torch.randn(2, 5, 3, generator=generator) for _ in range(2))
    rotation = 20 * torch.randn(2, 3, generator=generator)
    translation = 0.2 * torch.randn(2, 3, generator=generator)
    shift = translation * torch.tensor([1.0, 1.0, 0.0])
    placed = paper_head(
        keypoints(canonical, rotation, translation, expression), head_linear(rotation, translation), shift
    )
    turn = rotation_matrix(rotation)
    expected = canonical @ turn.transpose(1, 2) + translation[:, None] + expression
    assert (placed.keypoints - expected).abs().max() < 1e-5
    assert (placed.linear[:, 0] - turn).abs().max() < 1e-5


@pytest.mark.parametrize("name", ["paper", "flat", "direct", "fomm"])
def test_the_graphs_in_turn_draw_what_the_talking_head_draws(name: str) -> None:
    talker = trained_a_little(SWITCHES[name])
    source, driving = torch.rand(2, 1, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    plans = graph_plans(talker)
    with torch.no_grad():
        seen = talker.prepare(source)
        expected = talker.draw(seen, talker.drive(seen, driving)).picture
        volume, canonical = plans["source"].wrap(talker)(source)
        heads = []
        for picture in (source, driving):
            motion = dict(zip(plans["motion"].outputs, plans["motion"].wrap(talker)(picture), strict=True))
            # As a call does it: an expression that a graph does not give is what is left of the placed keypoints.
            turned = canonical @ rotation_matrix(motion["rotation"]).transpose(1, 2)
            expression = motion["expression"] if "expression" in motion else motion["placed"] - turned
            placed = keypoints(canonical, motion["rotation"], motion["translation"], expression)
            linear = motion.get("linear", head_linear(motion["rotation"], motion["translation"]))
            heads += [placed, linear, motion["translation"] * torch.tensor([1.0, 1.0, 0.0])]
        drawn = plans["frame"].wrap(talker)(volume, *heads)
    assert (drawn - expected).abs().max() < 1e-3
