"""Networks of 16-bit floats, which are computed in float32."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tatami import graph
from tatami.graph.read import network_of
from tatami.types import Float32

RNG = np.random.default_rng(5)
WEIGHT = RNG.normal(size=(4, 3, 3, 3)).astype(np.float16)
IMAGE = RNG.normal(size=(1, 3, 8, 8)).astype(np.float32)


def model(kind: int, cast: bool) -> onnx.ModelProto:
    """A convolution in halves, whose input and output are halves, or float32 that is cast."""
    ends = TensorProto.FLOAT if cast else kind
    nodes = [helper.make_node("Conv", ["h" if cast else "x", "w"], ["c"])]
    nodes.append(helper.make_node("Relu", ["c"], ["r" if cast else "y"]))
    if cast:
        nodes.insert(0, helper.make_node("Cast", ["x"], ["h"], to=kind))
        nodes.append(helper.make_node("Cast", ["r"], ["y"], to=TensorProto.FLOAT))
    weight = numpy_helper.from_array(WEIGHT, "w")
    if kind == TensorProto.BFLOAT16:
        weight = helper.make_tensor("w", kind, WEIGHT.shape, WEIGHT.astype(np.float32).ravel())
    return helper.make_model(
        helper.make_graph(
            nodes,
            "halves",
            [helper.make_tensor_value_info("x", ends, IMAGE.shape)],
            [helper.make_tensor_value_info("y", ends, (1, 4, 6, 6))],
            [weight],
        ),
        opset_imports=[helper.make_opsetid("", 22)],
        ir_version=10,
    )


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.BFLOAT16])
@pytest.mark.parametrize("cast", [False, True])
def test_what_is_computed_in_halves_is_computed_in_float32(kind: int, cast: bool) -> None:
    network = network_of(model(kind, cast))
    found: Float32 = graph.run(network, IMAGE)[0]
    assert found.dtype == np.float32
    torch = pytest.importorskip("torch")
    # The weight as the file holds it: bfloat16 has fewer bits of it.
    stored = WEIGHT.astype(np.float32)
    if kind == TensorProto.BFLOAT16:
        stored = torch.from_numpy(stored).bfloat16().float().numpy()
    expected = torch.conv2d(torch.from_numpy(IMAGE), torch.from_numpy(stored)).relu().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_halves_that_are_only_converted_stay() -> None:
    proto = helper.make_model(
        helper.make_graph(
            [
                helper.make_node("Cast", ["x"], ["h"], to=TensorProto.FLOAT16),
                helper.make_node("Cast", ["h"], ["y"], to=TensorProto.FLOAT),
            ],
            "rounded",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, IMAGE.shape)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, IMAGE.shape)],
        ),
        opset_imports=[helper.make_opsetid("", 22)],
        ir_version=10,
    )
    found = graph.run(network_of(proto), IMAGE)[0]
    np.testing.assert_array_equal(found, IMAGE.astype(np.float16).astype(np.float32))
