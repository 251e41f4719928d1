"""Every row of the table of operators that has an integer form, in 8 bits.

An example becomes the middle of a small network: what it is given is bytes (a map by way of a 1 x 1
convolution that changes nothing), and what it makes goes through a 1 x 1 convolution. Nothing in
between may be float, the C and the engine in Verilog have the interpreter's bytes, and the whole is
near the float network. What the engine cannot do it refuses by name.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from tatami.errors import TatamiError
from tatami.graph.network import Network
from tatami.graph.operators import OPERATORS
from tatami.graph.read import network_of
from tatami.program import interpret
from tatami.program.lower import lower
from tatami.program.steps import Apply, Dequantize, Program, Quantize
from tatami.ship.c.emit import emit
from tatami.ship.c.run.network import CompiledNetwork
from tatami.ship.rtl.core import core_with
from tatami.ship.rtl.engine import Engine
from tatami.ship.rtl.lower import lower as lower_for_engine
from tatami.ship.rtl.simulate import QUICK, Bench, has_verilator
from tatami.shrink.calibrate import observe
from tatami.shrink.floats import COMPUTED, PAIR, READS, UNFIT, WEIGHS, floats_of
from tatami.shrink.quantize import output_sqnr, quantize
from tests.operators.example import Example, given, model_of
from tests.operators.test_every_operator import EXAMPLES

ENGINE = core_with({"lanes": 4, "map": 8192, "ring": 11, "acc": 32})
ON_ENGINE = (
    "Add", "Conv", "ConvTranspose", "GlobalAveragePool", "HardSwish", "LeakyRelu", "MaxPool",
    "Mish", "ReduceMean", "Relu", "Sigmoid", "Sub", "Swish",
)  # fmt: skip
"""Operators that the engine never refuses."""
MAP = (1, 3, 4, 5)
MORE = {
    "Div": [Example([MAP], [np.float32(3)]), Example([MAP], [np.full((3, 1, 1), 0.7, "f4")])],
    "Mod": [Example([MAP], [np.float32(1.5)], {"fmod": 1}, smooth=False)],
    "Pow": [Example([MAP], [np.float32(2)])],
    "PRelu": [
        Example([MAP], [np.array([0.1, 0.5, 0.9], np.float32).reshape(3, 1, 1)]),
        Example([MAP], [np.array([-0.5, 0.5, 1.5], np.float32).reshape(3, 1, 1)]),
    ],
    "Max": [Example([MAP, MAP])],
    "Min": [Example([MAP, (1, 3, 1, 1)])],
    "Mean": [Example([MAP, MAP])],
    "Sum": [Example([MAP, MAP])],
    "Mul": [Example([MAP], [np.array([-0.5, 0.5, 1.5], np.float32).reshape(3, 1, 1)])],
    "Sub": [Example([MAP, MAP])],
    "ReduceMean": [Example([MAP], [np.array([2, 3])])],
    "ReduceMax": [Example([MAP], [np.array([2, 3])])],
}
"""Uses that others have no need of."""
NOT_ALONE = {
    "MaxUnpool": "in bytes it is the other half of a pool (tests/program)",
    "Softmax": "in bytes it weighs values in a product (tests/ship/test_c_translation.py)",
    "Where": "what it chooses by is no number",
}
INTEGER = ("sum", "joins", "orders", "moves", "steps")
ROWS = [name for name, row in OPERATORS.items() if row.role in INTEGER]
CASES = [
    (name, index)
    for name in ROWS
    for index in range(len([*EXAMPLES.get(name, []), *MORE.get(name, [])]))
]
SOFT = 12.0
"""dB of a function with steps: bytes beside a step fall to its other side."""
NEAR = 24.0
SUMS = 4


def example_of(name: str, index: int) -> Example:
    return [*EXAMPLES.get(name, []), *MORE.get(name, [])][index]


def embedded(name: str, example: Example) -> Network:
    """Put an example between bytes."""
    model = model_of(name, example)
    (node,) = model.graph.node
    rng = np.random.default_rng(5)
    before, weights = [], list(model.graph.initializer)
    for value in model.graph.input:
        sides = [side.dim_value for side in value.type.tensor_type.shape.dim]
        if len(sides) != 4 or sides[0] != 1 or value.type.tensor_type.elem_type != 1:
            continue
        eye = np.eye(sides[1], dtype=np.float32)[:, :, None, None]
        weights.append(numpy_helper.from_array(eye, f"{value.name}.weight"))
        entry = helper.make_node(
            "Conv", [value.name, f"{value.name}.weight"], [f"{value.name}_map"]
        )
        before.append(entry)
        for place, given_name in enumerate(node.input):
            if given_name == value.name:
                node.input[place] = f"{value.name}_map"
    result = model.graph.output[0].type.tensor_type
    if result.elem_type != onnx.TensorProto.FLOAT:
        pytest.skip("makes whole numbers")
    sides = [side.dim_value for side in result.shape.dim]
    last, after = "y0", []
    channels = sides[1] if len(sides) == 4 and sides[0] == 1 else int(np.prod(sides))
    if len(sides) != 4 or sides[0] != 1:
        shape = np.array([1, channels, 1, 1])
        weights.append(numpy_helper.from_array(shape, "shape"))
        after.append(helper.make_node("Reshape", ["y0", "shape"], ["line"]))
        last = "line"
    top = rng.normal(0, channels**-0.5, (SUMS, channels, 1, 1)).astype(np.float32)
    weights.append(numpy_helper.from_array(top, "top.weight"))
    after.append(helper.make_node("Conv", [last, "top.weight"], ["end"]))
    made = helper.make_graph(
        [*before, node, *after],
        name,
        list(model.graph.input),
        [onnx.ValueInfoProto(name="end")],
        weights,
    )
    whole = helper.make_model(made, opset_imports=model.opset_import, ir_version=11)
    return network_of(onnx.shape_inference.infer_shapes(whole, strict_mode=True, data_prop=True))


def in_bytes(name: str, index: int) -> tuple[Network, Network, list[Any]]:
    """Quantize an example's network, calibrated on what is drawn for it."""
    example = example_of(name, index)
    if not isinstance(example.inputs[0], tuple):
        pytest.skip("is given whole numbers")
    network = embedded(name, example)
    samples: list[Any] = [given(example, seed) for seed in range(6)]
    return network, quantize(network, observe(network, samples, len(samples))), samples


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench | None]:
    """The simulated engine of tests/ship/test_rtl.py; None where nothing can be simulated."""
    if not has_verilator():
        yield None
        return
    with Bench(ENGINE, level=QUICK) as made:
        yield made


def check_engine(name: str, program: Program, bench: Bench, given: list[Any]) -> None:
    """Hold the simulated engine to the interpreter, value by value, or a refusal to its words."""
    try:
        lowered = lower_for_engine(program, ENGINE, observe=True)
    except TatamiError as refused:
        said = refused.reason.startswith("the engine cannot do ") and "would need" in refused.hint
        if name in ON_ENGINE or not said:
            raise
        return
    found, _ = Engine(lowered, bench).values(given, stall=50)
    expected = interpret.values(lowered.program, given)
    assert {*program.outputs} <= {*found}
    for value, array in found.items():
        np.testing.assert_array_equal(array, expected[value], err_msg=f"engine: {value}")


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
@pytest.mark.parametrize(("name", "index"), CASES)
def test_in_8_bits(name: str, index: int, tmp_path: Path, bench: Bench | None) -> None:
    network, simulated, samples = in_bytes(name, index)
    program = lower(simulated)
    floats = floats_of(simulated)
    if floats:  # never in silence: it is named, and why
        assert {each.operator for each in floats} == {name}
        assert {each.reason for each in floats} <= {COMPUTED, PAIR, READS, UNFIT, WEIGHS}
        pytest.skip(floats[0].reason)
    for step in program.steps:
        kinds = {program.values[one].dtype for one in step.inputs}
        assert not isinstance(step, Dequantize), step.name
        assert "float32" not in kinds or isinstance(step, Quantize), step.name
        assert not isinstance(step, Apply) or step.exact, step.name
    assert output_sqnr(network, simulated, samples) > (
        NEAR if example_of(name, index).smooth else SOFT
    )
    for file, content in emit(program, "net").files.items():
        (tmp_path / file).write_bytes(content)
    options = ("-O1", "-Wall", "-Wextra", "-Wpedantic", "-Werror")
    with CompiledNetwork(tmp_path, options=options) as compiled:
        for sample in samples[:2]:
            fitted = [
                interpret.quantize(
                    array.reshape(program.values[value].shape), program.values[value].quantization
                )
                if array.dtype == np.float32
                else array.reshape(program.values[value].shape)
                for array, value in zip(sample, program.inputs, strict=True)
            ]
            if bench is not None:
                check_engine(name, program, bench, fitted)
            expected = interpret.values(program, fitted)
            found = compiled.values(fitted)
            for value, array in found.items():
                np.testing.assert_array_equal(array, expected[value], err_msg=value)


@pytest.mark.parametrize("name", [name for name in ROWS if name not in NOT_ALONE])
def test_a_row_with_an_integer_form_has_one(name: str) -> None:
    reasons = []
    for index in range(len([*EXAMPLES.get(name, []), *MORE.get(name, [])])):
        try:
            _, simulated, _ = in_bytes(name, index)
        except pytest.skip.Exception as skipped:
            reasons.append(str(skipped))
            continue
        floats = floats_of(simulated)
        if not floats:
            return
        reasons.append(floats[0].reason)
    raise AssertionError(f"no example of {name} is integer throughout: {reasons}")
