"""What every layer costs: multiply-adds, parameters, and the bytes that it moves. Nothing is run.

A layer is a node and the functions of single samples that follow it and that alone read its result:
normalization, activation, a constant added or multiplied. They need no pass over memory of their
own. Bytes are those of a run that reads every value once for each layer that needs it, and writes
it once: no program moves less without joining layers or keeping maps in a cache.

Values lie in memory as QuantizeLinear and DequantizeLinear say: between the two they are bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import onnx_ir as ir

from tatami.graph.attributes import integer, label
from tatami.graph.network import Network, shape_of
from tatami.ops.conv import multiply_adds


@dataclass(frozen=True)
class Cost:
    """What a layer costs in one run of the network: of one picture, where its batch is 1.

    operators: of the nodes that are the layer, the first first.  shape: of what it makes, the batch
    in front.  multiply_adds: a multiplication and the addition of its product, which are two
    operations; products of values with weights, or with one another, alone.  parameters: numbers
    that were learnt.  weight_bytes: what they take as stored, the scales and zero points of
    quantized ones included.  Both count a weight that several layers share for the first.
    activation_bytes: read and written.  output: the name of the value that it makes, as it lies in
    memory: of a quantized layer its bytes.
    """

    name: str
    operators: tuple[str, ...]
    shape: tuple[int, ...]
    multiply_adds: int
    parameters: int
    weight_bytes: int
    activation_bytes: int
    output: str = ""

    @property
    def operations(self) -> int:
        """A multiply-add is two."""
        return 2 * self.multiply_adds

    @property
    def intensity(self) -> float:
        """Arithmetic intensity: multiply-adds for each byte moved, weights included; 0 for none."""
        moved = self.weight_bytes + self.activation_bytes
        return self.multiply_adds / moved if moved else 0.0


def costs(network: Network) -> tuple[Cost, ...]:
    """The layers of a network in the order in which they run; folded, quantized or neither.

    What only says how a value is stored is no layer: QuantizeLinear right after a layer,
    DequantizeLinear in front of one, and the quantization of pictures, whose rule gives bytes.
    """
    layers: list[_Layer] = []
    made: dict[ir.Value, _Layer] = {}  # a value that is the last of its layer
    for node in network.graph:
        if _is_storage(node):
            continue
        source = node.inputs[0] if KINDS[node.op_type] != "samples" else _varying(node)
        before = None if source is None else made.get(source)
        if before is not None and _joins(node, before):
            before.nodes.append(node)
            made[node.outputs[0]] = before
        else:
            layers.append(_Layer([node]))
            made[node.outputs[0]] = layers[-1]
    counted: set[ir.Value] = set()
    return tuple(_cost(layer, counted) for layer in layers)


def total(layers: Iterable[Cost]) -> Cost:
    """The sum of all layers, under the name "all"."""
    known = tuple(layers)
    return Cost(
        "all",
        (),
        (),
        sum(layer.multiply_adds for layer in known),
        sum(layer.parameters for layer in known),
        sum(layer.weight_bytes for layer in known),
        sum(layer.activation_bytes for layer in known),
    )


# What an operator is to a machine ----------------------------------------------------------------

Kind = Literal["product", "samples", "moves", "view", "storage"]

KINDS: dict[str, Kind] = {
    "Add": "samples",
    "AveragePool": "moves",
    "BatchNormalization": "samples",
    "Clip": "samples",
    "Concat": "moves",
    "Conv": "product",
    "ConvTranspose": "product",
    "DequantizeLinear": "storage",
    "Div": "samples",
    "Dropout": "view",
    "Exp": "samples",
    "Flatten": "view",
    "Gemm": "product",
    "GlobalAveragePool": "moves",
    "GlobalMaxPool": "moves",
    "Identity": "view",
    "LeakyRelu": "samples",
    "MatMul": "product",
    "MaxPool": "moves",
    "MaxUnpool": "moves",
    "Mul": "samples",
    "Pad": "moves",
    "QuantizeLinear": "storage",
    "ReduceL2": "product",
    "Relu": "samples",
    "Reshape": "view",
    "Resize": "moves",
    "Sigmoid": "samples",
    "Slice": "moves",
    "Softmax": "moves",
    "SpaceToDepth": "moves",
    "Squeeze": "view",
    "Sub": "samples",
    "Tanh": "samples",
    "Transpose": "moves",
    "Unsqueeze": "view",
}
"""Of every operator of the table in graph/operators.py.

product: adds up products.  samples: works on each sample by itself, and so joins the layer before.
moves: reads its inputs and writes its result, with no product added up.  view: the same samples
under another name or shape, which no program need move.  storage: how a value is stored.
"""

_SETTINGS = (
    *("Clip", "Dropout", "MaxUnpool", "Pad", "ReduceL2", "Reshape", "Resize", "Slice", "Squeeze"),
    *("Unsqueeze", "QuantizeLinear", "DequantizeLinear"),
)
"""Their constants after the first input say how, and were not learnt."""


def _of_conv(node: ir.Node) -> int:
    batch, _, rows, columns = shape_of(node.outputs[0])
    return multiply_adds(_shape(node, 1), batch * rows * columns)


def _of_conv_transpose(node: ir.Node) -> int:
    batch, _, rows, columns = _shape(node, 0)
    return multiply_adds(_shape(node, 1), batch * rows * columns)


def _of_gemm(node: ir.Node) -> int:
    added_up = _shape(node, 0)[0 if integer(node, "transA", 0) else 1]
    return math.prod(shape_of(node.outputs[0])) * added_up


def _of_matmul(node: ir.Node) -> int:
    return math.prod(shape_of(node.outputs[0])) * _shape(node, 0)[-1]


def _of_reduce_l2(node: ir.Node) -> int:
    return math.prod(_shape(node, 0))


PRODUCTS: dict[str, Callable[[ir.Node], int]] = {
    "Conv": _of_conv,
    "ConvTranspose": _of_conv_transpose,
    "Gemm": _of_gemm,
    "MatMul": _of_matmul,
    "ReduceL2": _of_reduce_l2,
}
"""The multiply-adds of a node of kind ``product``; those of all others are 0."""


def _shape(node: ir.Node, index: int) -> tuple[int, ...]:
    value = node.inputs[index]
    assert value is not None  # graph/check.py
    return shape_of(value)


# Nodes to layers ---------------------------------------------------------------------------------


@dataclass
class _Layer:
    nodes: list[ir.Node]

    @property
    def output(self) -> ir.Value:
        return self.nodes[-1].outputs[0]


def _is_storage(node: ir.Node) -> bool:
    """Whether a node only says how what its neighbors read is stored."""
    if node.op_type == "DequantizeLinear":
        return not node.outputs[0].is_graph_output() or _constant(node.inputs[0])
    if node.op_type == "QuantizeLinear":
        source = node.inputs[0]
        return source is not None and source.is_graph_input() and _alone(source)
    return False


def _joins(node: ir.Node, before: _Layer) -> bool:
    """Whether a node, whose input ``before`` makes, is done on that value's way to memory."""
    if not _alone(before.output) or before.nodes[-1].op_type == "QuantizeLinear":
        return False
    quantizes = node.op_type == "QuantizeLinear"
    if KINDS[before.nodes[0].op_type] == "view":  # it makes nothing; but it may be a view of bytes
        source = before.nodes[0].inputs[0]
        return quantizes and source is not None and _item(_stored(source)) == 1
    return quantizes or KINDS[node.op_type] == "samples"


def _varying(node: ir.Node) -> ir.Value | None:
    """The input of a function of single samples, the rest being constants; None if there are two
    inputs, or if the result is of another shape."""
    found = [value for value in node.inputs if value is not None and not _constant(value)]
    if len(found) != 1 or shape_of(found[0]) != shape_of(node.outputs[0]):
        return None
    return found[0]


def _alone(value: ir.Value) -> bool:
    """Whether one node, and nobody else, reads a value."""
    return len(value.uses()) == 1 and not value.is_graph_output()


# Layers to numbers -------------------------------------------------------------------------------


def _cost(layer: _Layer, counted: set[ir.Value]) -> Cost:
    """counted: the constants of the layers before; those of this one are added."""
    head = layer.nodes[0]
    nodes = [node for node in layer.nodes if node is head or node.op_type != "QuantizeLinear"]
    read: set[ir.Value] = set()
    parameters = weight_bytes = 0
    for node in nodes:
        for index, value in enumerate(node.inputs):
            said = index > 0 and node.op_type in _SETTINGS
            if value is None or (said and _constant(value)):
                continue
            stored = _stored(value)
            if not _constant(value):
                read.add(stored)
            elif stored not in counted:
                counted.add(stored)
                parameters += math.prod(shape_of(stored))
                weight_bytes += _constant_bytes(value)
    read -= {node.outputs[0] for node in nodes}  # what one node of it hands to the next
    written = (layer.output, *(value for value in head.outputs[1:] if value.uses()))
    product = PRODUCTS.get(head.op_type)
    return Cost(
        label(head),
        tuple(node.op_type for node in nodes),
        shape_of(layer.output),
        0 if product is None else product(head),
        parameters,
        weight_bytes,
        0 if KINDS[head.op_type] == "view" else sum(map(_bytes, (*read, *written))),
        str(layer.output.name),
    )


def _stored(value: ir.Value) -> ir.Value:
    """The value that lies in memory where a node reads ``value``."""
    maker = value.producer()
    if maker is None or maker.op_type != "DequantizeLinear" or maker.inputs[0] is None:
        return value
    return maker.inputs[0]


def _constant(value: ir.Value | None) -> bool:
    """Whether no picture changes a value: a weight, plain or quantized."""
    if value is None or value.is_graph_input():
        return False
    maker = value.producer()
    if maker is not None and maker.op_type == "DequantizeLinear":
        return _constant(maker.inputs[0])
    return value.const_value is not None


def _constant_bytes(value: ir.Value) -> int:
    maker = value.producer()
    if maker is None:
        return _bytes(value)
    return sum(_bytes(part) for part in maker.inputs if part is not None)


def _bytes(value: ir.Value) -> int:
    return math.prod(shape_of(value)) * _item(value)


def _item(value: ir.Value) -> int:
    """Bytes of one sample; where a pool's largest one lay is the number of a tap, a byte."""
    if value.dtype == ir.DataType.INT64:
        return 1
    return 4 if value.dtype is None else int(value.dtype.itemsize)
