"""TensorRT reads what is exported: every operator is one that its parser publishes as supported."""

from pathlib import Path

import pytest

from runtime.profile import GRAPHS

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


@pytest.mark.parametrize("name", GRAPHS)
def test_every_operator_of_a_graph_is_one_that_tensorrt_supports(profile_folder: Path, name: str) -> None:
    nodes = onnx.load(profile_folder / f"{name}.onnx").graph.node
    assert not {node.op_type for node in nodes} - SUPPORTED
    modes = {
        attribute.s.decode()
        for node in nodes
        if node.op_type == "Resize"
        for attribute in node.attribute
        if attribute.name == "mode"
    }
    assert modes <= RESIZED_BY
