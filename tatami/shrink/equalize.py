"""Cross-layer equalization: make the ranges of channels alike before they are quantized.

M. Nagel, M. van Baalen, T. Blankevoort and M. Welling, "Data-Free Quantization Through Weight
Equalization and Bias Correction", ICCV 2019, section 4.1. ReLU and leaky ReLU are positively
homogeneous, f(s x) = s f(x) for s > 0: so channel i between two convolutions may be divided by s_i
in the first and multiplied by s_i in the second, and the network computes the same. The s_i that
makes both weights' ranges equal is sqrt(r1_i / r2_i). A depthwise convolution, whose channels
differ most, can be on either side. ReLU6 is not homogeneous, and is left alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from tatami.graph.attributes import constant, integer
from tatami.graph.network import Network
from tatami.types import Float32, Float64

ROUNDS = 20
"""Passes over all pairs: each disturbs its neighbors a little, and it converges soon."""
LARGEST = 1e4
"""No channel is scaled by more, nor by less than its inverse: dead channels stay dead."""


@dataclass
class _Pair:
    """Two convolutions with nothing but a homogeneous activation between."""

    first: ir.Node
    second: ir.Node


def equalize(network: Network) -> Network:
    """Equalize the weights of a network; in float it computes the same, within rounding.

    Pairs of convolutions take part whose middle value nothing else reads; others are left.

    Args:
        network: The float network, which is left as it is.
    """
    model = network.model.clone()
    pairs = _pairs(model.graph)
    weights = {node: _array(node, 1) for pair in pairs for node in (pair.first, pair.second)}
    biases = {node: constant(node, 2) for node in weights}
    shifts = {node: None if b is None else b.astype(np.float64) for node, b in biases.items()}
    for _ in range(ROUNDS):
        for pair in pairs:
            scale = _scale(weights[pair.first], weights[pair.second], pair.second)
            weights[pair.first] = weights[pair.first] / scale[:, None, None, None]
            shift = shifts[pair.first]
            if shift is not None:
                shifts[pair.first] = shift / scale
            weights[pair.second] = _inputs_scaled(weights[pair.second], scale, pair.second)
    for node, array in weights.items():
        _set(model.graph, node, 1, array.astype(np.float32))
        shift = shifts[node]
        if shift is not None:
            _set(model.graph, node, 2, shift.astype(np.float32))
    spec = network.spec
    if spec is not None and pairs:
        note = {"equalized": f"{len(pairs)} pairs of layers"}
        spec = spec.changed(provenance={**spec.provenance, **note})
    return Network(model, spec)


def may_help(network: Network) -> bool:
    """Tell whether equalization is worth a try: a depthwise convolution is in one of the pairs.

    Its channels differ most, and each has few weights, so that a scale a tensor of activations
    fits them badly.
    """
    return any(
        _is_depthwise(node) for pair in _pairs(network.graph) for node in (pair.first, pair.second)
    )


def _is_depthwise(node: ir.Node) -> bool:
    return integer(node, "group", 1) > 1 and _array(node, 1).shape[1] == 1


def _pairs(graph: ir.Graph) -> list[_Pair]:
    found = []
    for node in graph:
        if node.op_type != "Conv" or constant(node, 1) is None:
            continue
        follower = _only_reader(node.outputs[0])
        if follower is not None and follower.op_type in ("Relu", "LeakyRelu", "MaxPool"):
            while follower is not None and follower.op_type in ("Relu", "LeakyRelu", "MaxPool"):
                follower = _only_reader(follower.outputs[0])
        if follower is None or follower.op_type != "Conv" or constant(follower, 1) is None:
            continue
        groups = integer(follower, "group", 1)
        channels = len(_array(node, 1))
        if groups in (1, channels):  # plain or depthwise
            found.append(_Pair(node, follower))
    return found


def _only_reader(value: ir.Value) -> ir.Node | None:
    uses = list(value.uses())
    if len(uses) != 1 or value.is_graph_output() or uses[0].idx != 0:
        return None
    return uses[0].node


def _array(node: ir.Node, index: int) -> Float64:
    array = constant(node, index)
    assert array is not None
    return array.astype(np.float64)


def _scale(first: Float64, second: Float64, node: ir.Node) -> Float64:
    """Compute s of every channel between the two: what the first is divided by."""
    largest = np.abs(first).max(axis=(1, 2, 3))
    if integer(node, "group", 1) == 1:
        other = np.abs(second).max(axis=(0, 2, 3))
    else:
        other = np.abs(second).max(axis=(1, 2, 3)).reshape(len(largest), -1).max(axis=1)
    alive = (largest > 0) & (other > 0)
    ratio = np.sqrt(np.where(alive, largest, 1) / np.where(alive, other, 1))
    scale: Float64 = np.clip(ratio, 1 / LARGEST, LARGEST)
    return scale


def _inputs_scaled(weights: Float64, scale: Float64, node: ir.Node) -> Float64:
    if integer(node, "group", 1) == 1:
        return weights * scale[None, :, None, None]
    outputs = len(weights) // len(scale)
    return weights * np.repeat(scale, outputs)[:, None, None, None]


def _set(graph: ir.Graph, node: ir.Node, index: int, array: Float32) -> None:
    """Give a node a constant of its own."""
    old = node.inputs[index]
    assert old is not None
    name = f"{node.outputs[0].name}.equalized_{'weight' if index == 1 else 'bias'}"
    tensor = ir.tensor(array, name=name)
    value = ir.Value(
        name=name, shape=old.shape, type=ir.TensorType(tensor.dtype), const_value=tensor
    )
    graph.register_initializer(value)
    node.replace_input_with(index, value)
    if not old.uses():
        graph.initializers.pop(str(old.name), None)
