"""Operators that ONNX defines by others, and loops of a known course, against ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tatami import graph
from tatami.errors import TatamiError
from tatami.graph.read import network_of
from tatami.program.interpret import run
from tatami.program.lower import lower

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
X = np.random.default_rng(1).normal(size=(3, 2)).astype(np.float32)


def value(name: str, shape: tuple[int, ...], kind: int = FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def model_of(
    nodes: list[onnx.NodeProto], outputs: dict[str, int], weights: dict[str, Any], opset: int = 21
) -> onnx.ModelProto:
    content = helper.make_graph(
        nodes,
        "net",
        [value("x", X.shape)],
        [
            helper.make_tensor_value_info(name, FLOAT, [None] * rank)
            for name, rank in outputs.items()
        ],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()],
    )
    return helper.make_model(content, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def is_as_the_runtime(model: onnx.ModelProto) -> None:
    """Hold what Tatami makes of a network, in NumPy and as a program, to ONNX Runtime."""
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    expected = session.run(None, {"x": X})
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    network = network_of(copy)
    program = lower(network)
    found = graph.run(network, [X])
    stepped = run(program, [X.reshape(program.values["x"].shape)])
    assert len(found) == len(expected)
    for ours, again, theirs in zip(found, stepped, expected, strict=True):
        assert ours.shape == np.shape(theirs)
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(again.reshape(ours.shape), theirs, rtol=1e-5, atol=1e-6)


def sums(scale: str = "s") -> onnx.GraphProto:
    """A body: what it remembers plus a part of the input, which it also gives, scaled."""
    return helper.make_graph(
        [
            helper.make_node("Add", ["before", "part"], ["after"]),
            helper.make_node("Mul", ["after", scale], ["shown"]),
        ],
        "body",
        [value("before", (2,)), value("part", (2,))],
        [value("after", (2,)), value("shown", (2,))],
    )


@pytest.mark.parametrize("way", [0, 1])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_scan_is_its_turns(way: int, axis: int) -> None:
    node = helper.make_node(
        "Scan", ["h", "x"], ["last", "all"], body=sums(), num_scan_inputs=1,
        scan_input_directions=[way], scan_output_directions=[1 - way], scan_output_axes=[axis],
    )  # fmt: skip
    model = model_of(
        [node], {"last": 1, "all": 2}, {"h": np.ones(2, np.float32), "s": np.float32(2)}
    )
    is_as_the_runtime(model)


def loop(condition: onnx.NodeProto) -> onnx.NodeProto:
    body = helper.make_graph(
        [
            condition,
            helper.make_node("Cast", ["turn"], ["real"], to=FLOAT),
            helper.make_node("Add", ["before", "real"], ["after"]),
            helper.make_node("Neg", ["after"], ["shown"]),
        ],
        "body",
        [value("turn", (), INT64), value("on", (), BOOL), value("before", X.shape)],
        [value("still", (), BOOL), value("after", X.shape), value("shown", X.shape)],
    )
    return helper.make_node("Loop", ["count", "", "x"], ["last", "all"], body=body)


def test_a_loop_of_a_known_count_is_its_turns() -> None:
    goes_on = helper.make_node("Identity", ["on"], ["still"])
    is_as_the_runtime(model_of([loop(goes_on)], {"last": 2, "all": 3}, {"count": np.int64(3)}))


def test_a_loop_that_may_end_is_refused() -> None:
    ends = helper.make_node("Not", ["on"], ["still"])
    with pytest.raises(TatamiError, match="uses Loop"):
        network_of(model_of([loop(ends)], {"last": 2, "all": 3}, {"count": np.int64(3)}))


@pytest.mark.parametrize("taken", [True, False])
def test_of_a_known_branch_one_is_left(taken: bool) -> None:
    branches = {
        f"{name}_branch": helper.make_graph(
            [helper.make_node(operator, ["x"], [name])], name, [], [value(name, X.shape)]
        )
        for name, operator in (("then", "Neg"), ("else", "Relu"))
    }
    model = model_of([helper.make_node("If", ["c"], ["y"], **branches)], {"y": 2}, {"c": taken})
    is_as_the_runtime(model)


def test_a_scan_that_does_not_fit_its_body_is_refused() -> None:
    node = helper.make_node("Scan", ["x"], ["last"], body=sums(), num_scan_inputs=1)
    with pytest.raises(TatamiError, match="uses Scan"):
        network_of(model_of([node], {"last": 1}, {}))


def test_the_arithmetic_of_shapes_is_done_beforehand() -> None:
    nodes = [
        helper.make_node("Shape", ["x"], ["sides"]),
        helper.make_node("Gather", ["sides", "first"], ["rows"], axis=0),
        helper.make_node("Mul", ["rows", "two"], ["twice"]),
        helper.make_node("Concat", ["two", "one", "rows"], ["wanted"], axis=0),
        helper.make_node("Reshape", ["x", "wanted"], ["turned"]),
        helper.make_node("Size", ["x"], ["count"]),
        helper.make_node("Range", ["zero", "count", "step"], ["numbers"]),
        helper.make_node("Cast", ["numbers"], ["reals"], to=FLOAT),
        helper.make_node("Reshape", ["reals", "wanted"], ["places"]),
        helper.make_node("ConstantOfShape", ["twice"], ["nothing"]),
        helper.make_node("Add", ["turned", "places"], ["y"]),
        helper.make_node("Add", ["x", "nothing_at_all"], ["z"]),
        helper.make_node("ReduceSum", ["nothing"], ["nothing_at_all"]),
    ]
    nodes[-2], nodes[-1] = nodes[-1], nodes[-2]
    weights = {
        "first": np.array([0]),
        "two": np.array([2]),
        "one": np.array([1]),
        "zero": np.int64(0),
        "step": np.int64(1),
    }
    model = model_of(nodes, {"y": 3, "z": 2}, weights)
    is_as_the_runtime(model)
    network = network_of(model)
    assert [node.op_type for node in network.graph] == ["Reshape", "Add", "Add"]


def test_a_constant_too_large_to_be_made_is_refused() -> None:
    nodes = [
        helper.make_node("ConstantOfShape", ["sides"], ["huge"]),
        helper.make_node("ReduceSum", ["huge"], ["sum"], keepdims=0),
        helper.make_node("Add", ["x", "sum"], ["y"]),
    ]
    with pytest.raises(TatamiError):
        network_of(model_of(nodes, {"y": 2}, {"sides": np.array([1 << 20, 1 << 20])}))
