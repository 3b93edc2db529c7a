"""The half-precision form of the frame graph draws the same picture, and keeps places to sample at exact."""

import shutil
from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("torch")

from onnx import TensorProto, helper  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

from models.commands import app  # noqa: E402
from models.half import to_half  # noqa: E402
from runtime.profile import ProfileError, load_profile  # noqa: E402


@pytest.fixture(scope="module")
def halved(profile_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The profile with its half-precision form, in a folder of its own."""
    folder = tmp_path_factory.mktemp("profiles") / profile_folder.name
    shutil.copytree(profile_folder, folder)
    result = CliRunner().invoke(app, ["half", str(folder)])
    assert result.exit_code == 0, result.output
    return folder


def runs(path: Path, inputs: dict[str, np.ndarray]) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    drawn = session.run(["drawn"], {each.name: inputs[each.name] for each in session.get_inputs()})[0]
    return np.asarray(drawn)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_it_draws_what_the_exact_graph_draws(halved: Path) -> None:
    generator = np.random.default_rng(2)
    inputs = {
        each.name: generator.random([size.dim_value for size in each.type.tensor_type.shape.dim], np.float32)
        for each in onnx.load(halved / "frame.onnx").graph.input
    }
    linear = np.eye(3, dtype=np.float32)[None] * 0.4
    inputs |= {"source_linear": linear, "driving_linear": linear}
    due, drawn = runs(halved / "frame.onnx", inputs), runs(halved / "frame.fp16.onnx", inputs)
    assert drawn.dtype == np.float32
    assert np.abs(drawn - due).max() < 2 / 255
    assert not np.array_equal(drawn, due), "nothing was computed in half precision"


def test_the_generator_is_halved_and_volumes_are_sampled_natively_at_exact_places(halved: Path) -> None:
    model = onnx.shape_inference.infer_shapes(onnx.load(halved / "frame.fp16.onnx"))
    kinds = {each.name: each.type.tensor_type.elem_type for each in model.graph.value_info}
    planes = [node for node in onnx.load(halved / "frame.onnx").graph.node if node.op_type == "GridSample"]
    samples = [node for node in model.graph.node if node.op_type == "GridSample"]
    assert {kinds[node.input[1]] for node in samples} == {TensorProto.FLOAT}
    assert len(samples) == len(planes) - 1, "a volume is sampled once, not in two planes"
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    generator = {kinds[node.output[0]] for node in convolutions if node.name.startswith("/generator/")}
    field = {kinds[node.output[0]] for node in convolutions if node.name.startswith("/field/")}
    assert (generator, field) == ({TensorProto.FLOAT16}, {TensorProto.FLOAT})


def test_a_profile_tells_of_its_half_precision_form_and_of_a_damaged_one(halved: Path) -> None:
    assert load_profile(str(halved)).half == {"frame"}
    path = halved / "frame.fp16.onnx"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    try:
        with pytest.raises(ProfileError, match=r"frame\.fp16\.onnx is damaged"):
            load_profile(str(halved))
    finally:
        path.write_bytes(whole)


def test_only_what_lies_between_convolutions_is_halved() -> None:
    kernel = helper.make_tensor("kernel", TensorProto.FLOAT, [1, 1, 1, 1], [2.0])
    nodes = [
        helper.make_node("Conv", ["x", "kernel"], ["a"], name="first"),
        helper.make_node("Relu", ["a"], ["b"], name="relu"),
        helper.make_node("Conv", ["b", "kernel"], ["c"], name="second"),
        helper.make_node("Exp", ["c"], ["y"], name="exp"),
    ]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, 2, 2]) for name in "xy")
    graph = helper.make_graph(nodes, "tiny", [x], [y], [kernel])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    made = to_half(model)
    onnx.checker.check_model(made, full_check=True)
    order = [node.op_type for node in made.graph.node]
    assert order == ["Cast", "Conv", "Relu", "Conv", "Cast", "Exp"]
    assert [each.data_type for each in made.graph.initializer] == [TensorProto.FLOAT16]
    assert [node.op_type for node in model.graph.node] == ["Conv", "Relu", "Conv", "Exp"], "changed in place"
