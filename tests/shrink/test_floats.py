"""What stays float is named, with the reason; what could overflow stays float by itself."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from tatami import graph
from tatami.graph.operators import OPERATORS
from tatami.graph.read import network_of
from tatami.program import interpret
from tatami.program.lower import lower
from tatami.program.steps import QuantizedConv, QuantizedMultiply, Table
from tatami.shrink.calibrate import observe
from tatami.shrink.floats import Float, floats_of
from tatami.shrink.quantize import output_sqnr, quantize

RNG = np.random.default_rng(0)
SHAPE = (1, 8, 6, 6)
WEIGHTS = {
    **{f"{name}.weight": RNG.normal(0, 0.4, (8, 8, 1, 1)) for name in ("a", "b", "z")},
    "channels": RNG.uniform(-1, 2, (8, 1, 1)),
    "shift": RNG.normal(0, 1, (8, 1, 1)),
    "slopes": RNG.uniform(0, 1, (8, 1, 1)),
    "whole": RNG.normal(0, 1, (8, 6, 6)),
    **{str(number): np.array(number) for number in (0, 0.5, 1, 3, 6, 1.4142135)},
}
node = helper.make_node


def between(*nodes, after=(), weights=WEIGHTS, outputs=("z",)):
    """Nodes from 'a', the result of a 1 x 1 convolution of the input 'x', to 'y', read by one."""
    made = helper.make_graph(
        [
            node("Conv", ["x", "a.weight"], ["a"]),
            *nodes,
            node("Conv", ["y", "z.weight"], ["z"]),
            *after,
        ],
        "small",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, SHAPE)],
        [onnx.ValueInfoProto(name=name) for name in outputs],
        [numpy_helper.from_array(np.asarray(w, np.float32), key) for key, w in weights.items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return network_of(onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True))


def quantized(network):
    rng = np.random.default_rng(1)
    images = [rng.normal(size=SHAPE).astype(np.float32) for _ in range(4)]
    return quantize(network, observe(network, images, len(images))), images


def kinds(program):
    return [type(step).__name__ for step in program.steps]


FUNCTIONS = {
    "SiLU": [node("Sigmoid", ["a"], ["s"]), node("Mul", ["a", "s"], ["y"])],
    "hard swish": [node("HardSigmoid", ["a"], ["s"]), node("Mul", ["s", "a"], ["y"])],
    "hard swish by hand": [
        node("Add", ["3", "a"], ["s"]),
        node("Clip", ["s", "0", "6"], ["t"]),
        node("Mul", ["a", "t"], ["u"]),
        node("Div", ["u", "6"], ["y"]),
    ],
    "Mish": [
        node("Softplus", ["a"], ["s"]),
        node("Tanh", ["s"], ["t"]),
        node("Mul", ["a", "t"], ["y"]),
    ],
    "GELU": [
        node("Div", ["a", "1.4142135"], ["s"]),
        node("Erf", ["s"], ["t"]),
        node("Add", ["t", "1"], ["u"]),
        node("Mul", ["a", "u"], ["v"]),
        node("Mul", ["v", "0.5"], ["y"]),
    ],
    "a line a channel": [
        node("Mul", ["a", "channels"], ["s"]),
        node("Add", ["shift", "s"], ["t"]),
        node("Elu", ["t"], ["y"]),
    ],
    "steep": [node("LeakyRelu", ["a"], ["y"], alpha=1.5)],
    **{
        name: [node(name, ["a"], ["y"])]
        for name, row in OPERATORS.items()
        if row.role == "steps" and name in ("HardSwish", "Selu", "Softsign", "Softplus")
    },
}


@pytest.mark.parametrize("nodes", FUNCTIONS.values(), ids=FUNCTIONS)
def test_a_function_of_one_number_is_one_table_rounded_once(nodes):
    network = between(*nodes)
    simulated, images = quantized(network)
    program = lower(simulated)
    assert kinds(program) == ["QuantizedConv", "Table", "QuantizedConv"]
    assert floats_of(simulated) == []
    assert output_sqnr(network, simulated, images) > 30
    values = interpret.values(program, [images[0][0]])
    wide = graph.values(simulated, images[0])
    (table,) = (step for step in program.steps if isinstance(step, Table))
    source, to = program.values[table.inputs[0]], program.values[table.output]
    real = (values[table.inputs[0]].astype(np.float64) - source.quantization.zero_point) * (
        source.quantization.scale
    )
    # ONNX's own nodes, fed with what the bytes stand for, are the oracle of the table.
    fed = np.asarray(real, np.float32)[None]
    expected = _alone(nodes, fed)[0] / to.quantization.scale + to.quantization.zero_point
    apart = np.abs(values[table.output] - np.clip(expected, 0, 255))
    assert apart.max() <= 0.5 + 1e-3
    assert set(wide) >= {"y_dequantized"}


def _alone(nodes, x):
    """What ONNX Runtime, or its reference, makes of nodes between 'a' and 'y'."""
    runtime = pytest.importorskip("onnxruntime")
    made = helper.make_graph(
        list(nodes),
        "alone",
        [helper.make_tensor_value_info("a", onnx.TensorProto.FLOAT, SHAPE)],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, SHAPE)],
        [numpy_helper.from_array(np.asarray(w, np.float32), key) for key, w in WEIGHTS.items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    session = runtime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"a": x})[0].astype(np.float64)


def test_a_gate_times_a_map_is_a_product_of_bytes():
    network = between(
        node("GlobalAveragePool", ["a"], ["g"]),
        node("Conv", ["g", "b.weight"], ["h"]),
        node("HardSigmoid", ["h"], ["s"]),
        node("Mul", ["a", "s"], ["m"]),
        node("Relu", ["m"], ["y"]),
    )
    simulated, images = quantized(network)
    program = lower(simulated)
    assert kinds(program) == [
        *("QuantizedConv", "QuantizedAveragePool", "QuantizedConv", "Table"),
        *("QuantizedMultiply", "QuantizedConv"),
    ]
    (step,) = (step for step in program.steps if isinstance(step, QuantizedMultiply))
    assert step.low == program.values[step.output].quantization.zero_point
    assert output_sqnr(network, simulated, images) > 30


def test_slopes_a_channel_join_the_sum():
    if "PRelu" not in OPERATORS:
        pytest.skip("no row")
    network = between(node("PRelu", ["a", "slopes"], ["y"]))
    simulated, images = quantized(network)
    program = lower(simulated)
    assert kinds(program) == ["QuantizedConv", "QuantizedConv"]
    result = program.steps[0].result
    ratio = result.negative_multiplier / result.multiplier
    np.testing.assert_allclose(ratio, WEIGHTS["slopes"].reshape(-1), rtol=1e-6)
    assert output_sqnr(network, simulated, images) > 30


def test_a_value_inside_that_another_reads_is_rounded_too():
    network = between(
        node("Sigmoid", ["a"], ["s"]),
        node("Mul", ["a", "s"], ["t"]),
        node("Conv", ["s", "b.weight"], ["u"]),
        node("Add", ["t", "u"], ["y"]),
    )
    simulated, images = quantized(network)
    assert floats_of(simulated) == []
    assert "s_quantized" in {str(v.name) for n in simulated.graph for v in n.outputs}
    assert output_sqnr(network, simulated, images) > 25


def test_a_moved_value_that_begins_a_function_is_rounded_once():
    network = between(
        node("MaxPool", ["a"], ["p"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        node("Sigmoid", ["p"], ["s"]),
        node("Mul", ["p", "s"], ["y"]),
    )
    simulated, images = quantized(network)
    assert kinds(lower(simulated)) == ["QuantizedConv", "MaxPool", "Table", "QuantizedConv"]
    assert output_sqnr(network, simulated, images) > 30


def test_arithmetic_that_only_leads_to_an_output_is_not_rounded():
    network = between(
        node("Identity", ["a"], ["y"]),
        after=[node("Mul", ["z", "0.5"], ["half"]), node("Sub", ["half", "whole"], ["end"])],
        outputs=("end",),
    )
    simulated, _ = quantized(network)
    program = lower(simulated)
    assert kinds(program)[:2] == ["QuantizedConv", "QuantizedConv"]
    assert "Quantize" not in kinds(program)
    assert [(each.layer, each.reason) for each in floats_of(simulated)] == [
        ("half", "it only leads to an output, and outputs stay float32"),
        ("end", "it only leads to an output, and outputs stay float32"),
    ]


def test_an_operator_that_lost_its_role_is_named(monkeypatch):
    network = between(node("HardSwish", ["a"], ["y"]))
    assert floats_of(quantized(network)[0]) == []
    monkeypatch.setitem(OPERATORS, "HardSwish", replace(OPERATORS["HardSwish"], role="float"))
    simulated, _ = quantized(network)
    assert floats_of(simulated) == [Float("y", "HardSwish", "its operator has no integer form")]


def test_what_has_no_integer_form_is_named():
    network = between(
        node("Conv", ["a", "b.weight"], ["b"]),
        node("Exp", ["b"], ["e"]),
        node("Div", ["a", "e"], ["d"]),
        node("Add", ["d", "whole"], ["y"]),
    )
    simulated, _ = quantized(network)
    found = floats_of(simulated)
    assert [(each.layer, each.operator) for each in found] == [
        ("e", "Exp"),
        ("d", "Div"),
    ]  # a constant is added as bytes
    assert found[0].reason == "its operator has no integer form"
    assert found[1].reason.startswith("of two values")


def test_sums_that_could_leave_32_bits_are_found_and_stay_float():
    bias = np.zeros(8)
    bias[3] = 1e6
    network = between(
        node("Conv", ["a", "b.weight", "b.bias"], ["b"]),
        node("Clip", ["b", "0", "6"], ["y"]),
        weights={**WEIGHTS, "a.weight": WEIGHTS["a.weight"] * 1e-3, "b.bias": bias},
    )
    simulated, _ = quantized(network)
    program = lower(simulated)  # refused before, by whoever shipped it
    assert floats_of(simulated)[0] == Float("b", "Conv", "its sums could leave 32 bits")
    assert sum(isinstance(step, QuantizedConv) for step in program.steps) == 2


def test_a_layer_that_is_kept_is_named():
    network = between(node("Conv", ["a", "b.weight"], ["y"]))
    rng = np.random.default_rng(1)
    images = [rng.normal(size=SHAPE).astype(np.float32) for _ in range(4)]
    simulated = quantize(network, observe(network, images, 4), keep_float=("b",))
    assert floats_of(simulated, ("b",)) == [Float("b", "Conv", "kept in float32, as asked")]


@pytest.mark.parametrize("adds", [False, True])
def test_a_mask_that_is_added_stays_float_and_one_that_chooses_does_not(adds):
    """Bytes over the range of a mask would tell no two scores apart."""
    mask = np.triu(np.full((1, 1, 6, 6), -1e9, np.float32), 1)
    weights = WEIGHTS | {"mask": mask, "low": np.array(-1e9)}
    seen = [node("Cast", ["seen?"], ["seen"], to=onnx.TensorProto.BOOL)]
    masked = (
        [node("Add", ["s", "mask"], ["m"])]
        if adds
        else [*seen, node("Where", ["seen", "s", "low"], ["m"])]
    )
    weights |= {} if adds else {"seen?": (mask == 0)}
    network = between(
        node("MatMul", ["a", "a"], ["s"]),
        *masked,
        node("Softmax", ["m"], ["p"], axis=-1),
        node("MatMul", ["p", "a"], ["y"]),
        weights=weights,
    )
    simulated, images = quantized(network)
    found = [each.operator for each in floats_of(simulated)]
    assert found == (["MatMul", "Add", "Softmax"] if adds else [])
    assert output_sqnr(network, simulated, images) > 15
