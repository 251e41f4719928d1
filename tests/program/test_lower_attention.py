"""Layers of rows: a product with a matrix, its bias and its activation are one step."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from tatami.graph.read import network_of
from tatami.graph.run import run
from tatami.program import interpret
from tatami.program.lower import lower
from tatami.program.steps import Clamp, Conv, QuantizedConv
from tatami.shrink.calibrate import observe
from tatami.shrink.floats import floats_of
from tatami.shrink.quantize import quantize

RNG = np.random.default_rng(0)


def layers(shape, turned):
    """Two layers of rows, a ReLU between; ``turned``: the bias is the Add's first input."""
    weights = {
        "w": RNG.normal(0, 0.5, (shape[-1], 6)),
        "b": RNG.normal(0, 1, 6),
        "v": RNG.normal(0, 0.5, (6, 4)),
        "c": RNG.normal(0, 1, (1, 4)),
    }
    node = helper.make_node
    nodes = [
        node("MatMul", ["x", "w"], ["xw"]),
        node("Add", ["b", "xw"] if turned else ["xw", "b"], ["inner"]),
        node("Relu", ["inner"], ["r"]),
        node("MatMul", ["r", "v"], ["rv"]),
        node("Add", ["rv", "c"], ["y"]),
    ]
    made = helper.make_graph(
        nodes,
        "rows",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, (*shape[:-1], 4))],
        [numpy_helper.from_array(w.astype(np.float32), name) for name, w in weights.items()],
    )
    return network_of(helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)]))


@pytest.mark.parametrize("shape", [(1, 1, 5, 8), (1, 5, 8), (1, 8)])
@pytest.mark.parametrize("turned", [False, True])
def test_bias_and_activation_are_of_the_layer(shape, turned):
    network = layers(shape, turned)
    x = RNG.normal(0, 1, shape).astype(np.float32)
    program = lower(network)
    convs = [step for step in program.steps if isinstance(step, Conv)]
    assert [type(step.activation) for step in convs] == [Clamp, type(None)]
    assert not {"Arithmetic", "Activate"} & {type(step).__name__ for step in program.steps}
    (found,) = interpret.run(program, [x.reshape(program.values["x"].shape)])
    (expected,) = run(network, x)
    np.testing.assert_allclose(found.ravel(), expected.ravel(), rtol=1e-4, atol=1e-5)
    simulated = quantize(network, observe(network, [x], 1), method="minmax")
    assert floats_of(simulated) == []
    integers = lower(simulated)
    assert sum(isinstance(step, QuantizedConv) for step in integers.steps) == 2
    (found,) = interpret.run(integers, [x.reshape(program.values["x"].shape)])
    assert np.abs(found.ravel() - expected.ravel()).max() < 0.1 * np.abs(expected).max()
