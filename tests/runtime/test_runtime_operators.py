"""TensorRT reads what is exported: every operator is one that its parser publishes as supported."""

import pytest

from runtime.profile import GRAPHS, load_profile

onnx = pytest.importorskip("onnx")

# The rows marked Y of docs/operators.md in onnx-tensorrt for TensorRT 8.5, without what no network here could want;
# what release notes since have told is of additions.
SUPPORTED = {
    "Abs", "Add", "And", "ArgMax", "Asin", "Atan", "ArgMin",
    "AveragePool", "BatchNormalization", "Cast", "Ceil", "Clip", "Concat",
    "Constant", "ConstantOfShape", "Conv", "ConvTranspose", "Cos", "CumSum", "DepthToSpace", "Div", "Einsum",
    "Equal", "Erf", "Exp", "Expand", "Flatten", "Floor", "Gather", "GatherElements", "GatherND", "Gemm",
    "GlobalAveragePool", "GlobalMaxPool", "Greater", "GreaterOrEqual", "GridSample", "HardSigmoid", "HardSwish",
    "Identity", "InstanceNormalization", "LeakyRelu", "Less", "LessOrEqual", "Log", "MatMul", "Max", "MaxPool",
    "Mean", "Min", "Mod", "Mul", "Neg", "Not", "Or", "Pad", "Pow", "PRelu", "Range", "Reciprocal", "ReduceL2",
    "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare", "Relu", "Reshape",
    "Resize", "Round", "ScatterElements", "ScatterND", "Shape", "Sigmoid", "Sign", "Sin", "Slice", "Softmax",
    "SpaceToDepth", "Split", "Sqrt", "Squeeze", "Sub", "Sum", "Tanh", "Tile", "TopK", "Transpose", "Unsqueeze",
    "Where", "Xor",
}  # fmt: skip
RESIZED_BY = {"nearest", "linear"}


@pytest.mark.usefixtures("profile_folder")
@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("profile", ["laptop-256", "laptop-512"])
def test_every_operator_of_a_graph_is_one_that_tensorrt_supports(profile: str, name: str) -> None:
    nodes = onnx.load(load_profile(profile).graph_path(name)).graph.node
    assert not {node.op_type for node in nodes} - SUPPORTED
    modes = {
        attribute.s.decode()
        for node in nodes
        if node.op_type == "Resize"
        for attribute in node.attribute
        if attribute.name == "mode"
    }
    assert modes <= RESIZED_BY
