"""Operators that take and give bytes, as the float operator between pairs of QDQ that it means.

ONNX Runtime quantizes to QLinearConv and its kin; Tatami reads the standard QDQ form
(docs/decisions/0008). The numbers are the same: bytes to reals, the operator, and to bytes again.

Pre: none.
Post: none of the operators below is left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from tatami.errors import TatamiError

_UNARY = {
    "QLinearAveragePool": "AveragePool",
    "QLinearGlobalAveragePool": "GlobalAveragePool",
    "QLinearLeakyRelu": "LeakyRelu",
    "QLinearReduceMean": "ReduceMean",
    "QLinearSigmoid": "Sigmoid",
    "QLinearSoftmax": "Softmax",
}
_BINARY = {"QLinearAdd": "Add", "QLinearMul": "Mul", "QLinearMatMul": "MatMul"}
_DOMAINS = ("", "ai.onnx", "com.microsoft")
_OWN = ("channels_last", "opset")
"""Attributes of ONNX Runtime's own."""


def qoperators_to_qdq(model: onnx.ModelProto) -> None:
    """Rewrite the nodes of a model, in place.

    Raises:
        TatamiError: For a form that QDQ does not have: channels last, a bias that is computed.
    """
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    nodes: list[onnx.NodeProto] = []
    changed = False
    for node in model.graph.node:
        made = _changed(model.graph, node, weights) if node.domain in _DOMAINS else None
        changed |= made is not None
        nodes += [node] if made is None else made
    if changed:
        del model.graph.node[:]
        model.graph.node.extend(nodes)


def _changed(
    graph: onnx.GraphProto, node: onnx.NodeProto, weights: Mapping[str, onnx.TensorProto]
) -> list[onnx.NodeProto] | None:
    name = node.op_type
    if name in ("QuantizeLinear", "DequantizeLinear") and node.domain == "com.microsoft":
        return [helper.make_node(name, list(node.input), list(node.output), **_kept(node))]
    if name in _UNARY:
        return _between(node, _UNARY[name], [node.input[:3]], node.input[3:5])
    if name in _BINARY:
        pairs = [node.input[:3], node.input[3:6]]
        return _between(node, _BINARY[name], pairs, node.input[6:8])
    if name == "QLinearConcat":
        rest = node.input[2:]
        groups = [rest[place : place + 3] for place in range(0, len(rest), 3)]
        return _between(node, "Concat", groups, node.input[:2])
    if name == "QLinearConv":
        groups = [node.input[:3], node.input[3:6]]
        bias = node.input[8] if len(node.input) > 8 else ""
        if bias:
            groups.append(_bias(graph, node, bias, node.input[1], node.input[4], weights))
        return _between(node, "Conv", groups, node.input[6:8])
    if name == "QGemm":
        groups = [node.input[:3], node.input[3:6]]
        bias = node.input[6] if len(node.input) > 6 else ""
        if bias:
            groups.append(_bias(graph, node, bias, node.input[1], node.input[4], weights))
        return _between(node, "Gemm", groups, node.input[7:9])
    return None


def _kept(node: onnx.NodeProto) -> dict[str, Any]:
    found = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    if found.get("channels_last"):
        raise TatamiError(
            f"{node.op_type} '{node.output[0]}' has its channels last",
            hint="quantize the network with channels first",
        )
    return {name: value for name, value in found.items() if name not in _OWN}


def _bias(
    graph: onnx.GraphProto,
    node: onnx.NodeProto,
    bias: str,
    first: str,
    second: str,
    weights: Mapping[str, onnx.TensorProto],
) -> list[str]:
    """Give a bias of 32 bits with its scale, the product of those of both inputs."""
    if not {bias, first, second} <= set(weights):
        raise TatamiError(
            f"{node.op_type} '{node.output[0]}' has a bias or scales that are computed",
            hint="quantize the network with constants",
        )
    scales = [numpy_helper.to_array(weights[name]).astype(np.float64) for name in (first, second)]
    scale = np.asarray(scales[0].reshape(-1)[0] * scales[1], np.float32)
    name = f"{bias}.scale of {node.output[0]}"
    graph.initializer.append(numpy_helper.from_array(scale.reshape(scales[1].shape), name))
    return [bias, name]


def _between(
    node: onnx.NodeProto, operator: str, given: Sequence[Sequence[str]], result: Sequence[str]
) -> list[onnx.NodeProto]:
    """Write an operator between the pairs of its inputs and of its result."""
    output = node.output[0]
    before, names = [], []
    for place, group in enumerate(given):
        names.append(f"{output}.real_{place}")
        axis = 1 if operator == "MatMul" else 0  # where there is a scale a channel, of weights
        inputs = [each for each in group if each]
        before.append(helper.make_node("DequantizeLinear", inputs, [names[-1]], axis=axis))
    real = f"{output}.real"
    middle = helper.make_node(operator, names, [real], name=node.name, **_kept(node))
    if not result:  # as QGemm without a scale of its result
        middle.output[0] = output
        return [*before, middle]
    after = helper.make_node("QuantizeLinear", [real, *result], [output])
    return [*before, middle, after]
