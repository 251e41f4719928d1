"""A small network of one operator, as plain data: tests/operators has some for every row.

An example says how a node is called; the generated test (test_every_operator.py) takes it through
NumPy, ONNX Runtime, the gradient, the interpreter and C.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from tatami.graph import Network
from tatami.graph.read import network_of
from tatami.graph.shapes import infer_shapes


@dataclass(frozen=True)
class Example:
    """Hold one use of an operator.

    Args:
        inputs: What the network is given, in the node's order. A tuple is the shape of float32
            samples that the test draws; an array is given as it is.
        constants: The node's inputs after those, as weights or settings; None for one left out.
        attributes: Of the node.
        outputs: How many outputs the node has.
        low: The smallest sample that is drawn.
        high: The largest.
        tolerance: The largest difference to ONNX Runtime and to C, beside 1e-5 of the value.
        smooth: Whether a difference of nearby results is a derivative: no corner, no step.
        opset: The operator set that the network is written in.
        made: The shape of the first output where only the file can say it.
    """

    inputs: Sequence[Any]
    constants: Sequence[Any] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    outputs: int = 1
    low: float = -2.0
    high: float = 2.0
    tolerance: float = 1e-5
    smooth: bool = True
    opset: int = 21
    made: Sequence[int] = ()


def given(example: Example, seed: int = 0) -> list[np.ndarray[Any, Any]]:
    """Draw the inputs of an example."""
    rng = np.random.default_rng(seed)
    return [
        rng.uniform(example.low, example.high, one).astype(np.float32)
        if isinstance(one, tuple)
        else np.asarray(one)
        for one in example.inputs
    ]


def model_of(operator: str, example: Example) -> onnx.ModelProto:
    """Write an example as ONNX."""
    arrays = given(example)
    names = [f"x{index}" for index in range(len(arrays))]
    weights = [
        None if array is None else (f"w{index}", np.asarray(array))
        for index, array in enumerate(example.constants)
    ]
    node = helper.make_node(
        operator,
        names + ["" if each is None else each[0] for each in weights],
        [f"y{index}" for index in range(example.outputs)],
        **example.attributes,
    )
    graph = helper.make_graph(
        [node],
        operator,
        [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
            )
            for name, array in zip(names, arrays, strict=True)
        ],
        [onnx.ValueInfoProto(name=name) for name in node.output],
        [numpy_helper.from_array(each[1], each[0]) for each in weights if each is not None],
    )
    if example.made:
        kind = helper.np_dtype_to_tensor_dtype(arrays[0].dtype)
        graph.output[0].CopyFrom(helper.make_tensor_value_info("y0", kind, example.made))
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", example.opset)], ir_version=11
    )
    contradiction = infer_shapes(model)
    assert contradiction is None, contradiction
    return model


def network_from(operator: str, example: Example) -> Network:
    """Read an example as Tatami does."""
    return network_of(model_of(operator, example))
