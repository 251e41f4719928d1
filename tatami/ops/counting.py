"""What every layer of a network costs: multiply-adds, parameters, and the bytes that it moves.

A layer is a node and the functions of single samples that follow it and that alone read its result:
normalization, activation, a constant added or multiplied. They need no pass over memory of their
own. Bytes are those of a run that reads every value once for each layer that needs it, and writes
it once: no program moves less without joining layers or keeping maps in a cache.

Nodes and values here are plain: graph/costs.py makes them of an ONNX network, models/count.py of a
torch module that has no weights yet.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from tatami.ops.conv import multiply_adds
from tatami.ops.elementwise import FUNCTIONS
from tatami.ops.reduce import REDUCTIONS


@dataclass(frozen=True)
class Cost:
    """Hold what a layer costs in one run of the network: of one picture, where its batch is 1.

    Args:
        name: What it is called.
        operators: Those of the nodes that are the layer, the first first.
        shape: Of what it makes, the batch in front.
        multiply_adds: A multiplication and the addition of its product, which are two operations;
            products of values with weights, or with one another, alone.
        parameters: Numbers that were learned. A weight of several layers counts for the first.
        weight_bytes: What they take as stored, the scales and zero points of quantized ones
            included. A weight of several layers counts for the first.
        activation_bytes: Read and written.
        output: The name of the value that it makes, as it lies in memory: of a quantized layer its
            bytes.
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
        """Give the operations; a multiply-add is two."""
        return 2 * self.multiply_adds

    @property
    def intensity(self) -> float:
        """The arithmetic intensity: multiply-adds a byte moved, weights included; 0 for none."""
        moved = self.weight_bytes + self.activation_bytes
        return self.multiply_adds / moved if moved else 0.0


def total(layers: Iterable[Cost]) -> Cost:
    """Add all layers up, under the name "all"."""
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


# Plain networks ----------------------------------------------------------------------------------


@dataclass(eq=False)
class Value:
    """Hold what a node reads or makes.

    Args:
        name: What it is called.
        shape: Its sides, the batch in front.
        item: Bytes of one sample.
        stored: Whether it is a constant of the file: a weight, a scale, a setting.
        is_input: Whether it is what the network is given.
        is_output: Whether it is what the network gives.
        producer: The node that makes it.
        readers: The nodes that read it, once for each time.
    """

    name: str
    shape: tuple[int, ...]
    item: int = 4
    stored: bool = False
    is_input: bool = False
    is_output: bool = False
    producer: Node | None = None
    readers: list[Node] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Give its bytes."""
        return math.prod(self.shape) * self.item


@dataclass(eq=False)
class Node:
    """Hold one operator.

    Args:
        operator: Its name in ONNX.
        inputs: What it reads, None where an input is left out.
        outputs: What it makes.
        axis: Of a Gemm, the axis of its first input that is added up.
        label: What a layer that begins with it is called.
        products: Of an Einsum, how many are added up: its equation says.
    """

    operator: str
    inputs: tuple[Value | None, ...]
    outputs: tuple[Value, ...]
    axis: int = 1
    label: str = ""
    products: int = 0

    def __post_init__(self) -> None:
        for value in self.inputs:
            if value is not None:
                value.readers.append(self)
        for value in self.outputs:
            value.producer = self

    def input(self, index: int) -> Value:
        """Give an input that must be there."""
        value = self.inputs[index]
        assert value is not None, f"{self.operator} lacks input {index}"
        return value


# What an operator is to a machine ----------------------------------------------------------------

Kind = Literal["product", "samples", "moves", "view", "storage"]

KINDS: dict[str, Kind] = {
    **dict.fromkeys(FUNCTIONS, "samples"),
    **dict.fromkeys(("Add", "BatchNormalization", "Clip", "Div", "Mul", "Sub"), "samples"),
    **dict.fromkeys(("Max", "Min", "PRelu", "Pow"), "samples"),
    **dict.fromkeys(("Conv", "ConvTranspose", "Gemm", "MatMul", "ReduceL2"), "product"),
    **dict.fromkeys(("ConvInteger", "Einsum", "GRU", "LSTM", "MatMulInteger", "RNN"), "product"),
    **dict.fromkeys(("DequantizeLinear", "QuantizeLinear"), "storage"),
    **dict.fromkeys(("Dropout", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"), "view"),
}
"""Of every operator that does more than move its samples.

product: adds up products.  samples: works on each sample by itself, and so joins the layer before.
moves: reads its inputs and writes its result, with no product added up.  view: the same samples
under another name or shape, which no program need move.  storage: how a value is stored.
"""


def kind_of(operator: str) -> Kind:
    """Say what an operator is to a machine: moves, where nothing else is said."""
    return KINDS.get(operator, "moves")


_SETTINGS = (
    *("Clip", "Dropout", "MaxUnpool", "Pad", "ReduceL2", "Reshape", "Resize", "Slice", "Squeeze"),
    *("Unsqueeze", "QuantizeLinear", "DequantizeLinear", "CastLike", "CumProd", "CumSum"),
    *("Expand", "Gather", "GatherElements", "GatherND", "Split", "Tile"),
    *(name for name in REDUCTIONS if name != "ReduceL2"),
)
"""Their constants after the first input say how, and were not learnt."""


def _of_conv(node: Node) -> int:
    batch, _, *places = node.outputs[0].shape
    return multiply_adds(node.input(1).shape, batch * math.prod(places))


def _of_conv_transpose(node: Node) -> int:
    batch, _, *places = node.input(0).shape
    return multiply_adds(node.input(1).shape, batch * math.prod(places))


def _of_gemm(node: Node) -> int:
    return math.prod(node.outputs[0].shape) * node.input(0).shape[node.axis]


def _of_matmul(node: Node) -> int:
    return math.prod(node.outputs[0].shape) * node.input(0).shape[-1]


def _of_recurrent(node: Node) -> int:
    weights = math.prod(node.input(1).shape) + math.prod(node.input(2).shape)
    return weights * math.prod(node.input(0).shape[:2])


def _of_einsum(node: Node) -> int:
    return node.products


def _of_reduce_l2(node: Node) -> int:
    return math.prod(node.input(0).shape)


PRODUCTS: dict[str, Callable[[Node], int]] = {
    "Conv": _of_conv,
    "ConvInteger": _of_conv,
    "ConvTranspose": _of_conv_transpose,
    "Einsum": _of_einsum,
    "GRU": _of_recurrent,
    "Gemm": _of_gemm,
    "LSTM": _of_recurrent,
    "MatMul": _of_matmul,
    "MatMulInteger": _of_matmul,
    "RNN": _of_recurrent,
    "ReduceL2": _of_reduce_l2,
}
"""The multiply-adds of a node of kind ``product``; those of all others are 0."""


# Nodes to layers ---------------------------------------------------------------------------------


def count(nodes: Iterable[Node]) -> tuple[Cost, ...]:
    """Group nodes into layers, in the order in which they run, and say what each costs.

    What only says how a value is stored is no layer: QuantizeLinear right after a layer,
    DequantizeLinear in front of one, and the quantization of pictures, whose rule gives bytes.

    Args:
        nodes: All nodes of a network, in an order in which they can run.
    """
    layers: list[_Layer] = []
    made: dict[Value, _Layer] = {}  # a value that is the last of its layer
    for node in nodes:
        if _is_storage(node):
            continue
        source = node.inputs[0] if kind_of(node.operator) != "samples" else _varying(node)
        before = None if source is None else made.get(source)
        if before is not None and _joins(node, before):
            before.nodes.append(node)
            made[node.outputs[0]] = before
        else:
            layers.append(_Layer([node]))
            made[node.outputs[0]] = layers[-1]
    counted: set[Value] = set()
    return tuple(_cost(layer, counted) for layer in layers)


@dataclass
class _Layer:
    nodes: list[Node]

    @property
    def output(self) -> Value:
        return self.nodes[-1].outputs[0]


def _is_storage(node: Node) -> bool:
    """Tell whether a node only says how what its neighbors read is stored."""
    if node.operator == "DequantizeLinear":
        return not node.outputs[0].is_output or _constant(node.inputs[0])
    if node.operator == "QuantizeLinear":
        source = node.inputs[0]
        return source is not None and source.is_input and _alone(source)
    return False


def _joins(node: Node, before: _Layer) -> bool:
    """Tell whether a node, whose input ``before`` makes, is done on that value's way to memory."""
    if not _alone(before.output) or before.nodes[-1].operator == "QuantizeLinear":
        return False
    quantizes = node.operator == "QuantizeLinear"
    if kind_of(before.nodes[0].operator) == "view":  # it makes nothing; it may be a view of bytes
        source = before.nodes[0].inputs[0]
        return quantizes and source is not None and _stored(source).item == 1
    return quantizes or kind_of(node.operator) == "samples"


def _varying(node: Node) -> Value | None:
    """Find the one input of a function of single samples, the rest being constants.

    Returns:
        None if there are two inputs, or if the result is of another shape.
    """
    found = [value for value in node.inputs if value is not None and not _constant(value)]
    if len(found) != 1 or found[0].shape != node.outputs[0].shape:
        return None
    return found[0]


def _alone(value: Value) -> bool:
    """Tell whether one node, and nobody else, reads a value."""
    return len(value.readers) == 1 and not value.is_output


# Layers to numbers -------------------------------------------------------------------------------


def _cost(layer: _Layer, counted: set[Value]) -> Cost:
    """Compute a layer's cost.

    Args:
        layer: The layer.
        counted: The constants of the layers before; those of this one are added.
    """
    head = layer.nodes[0]
    nodes = [node for node in layer.nodes if node is head or node.operator != "QuantizeLinear"]
    read: set[Value] = set()
    parameters = weight_bytes = 0
    for node in nodes:
        for index, value in enumerate(node.inputs):
            is_setting = index > 0 and node.operator in _SETTINGS
            if value is None or (is_setting and _constant(value)):
                continue
            stored = _stored(value)
            if not _constant(value):
                read.add(stored)
            elif stored not in counted:
                counted.add(stored)
                parameters += math.prod(stored.shape)
                weight_bytes += _constant_bytes(value)
    read -= {node.outputs[0] for node in nodes}  # what one node of it hands to the next
    written = (layer.output, *(value for value in head.outputs[1:] if value.readers))
    product = PRODUCTS.get(head.operator)
    moved = sum(value.size for value in (*read, *written))
    return Cost(
        head.label,
        tuple(node.operator for node in nodes),
        layer.output.shape,
        0 if product is None else product(head),
        parameters,
        weight_bytes,
        0 if kind_of(head.operator) == "view" else moved,
        layer.output.name,
    )


def _stored(value: Value) -> Value:
    """Find the value that lies in memory where a node reads ``value``."""
    maker = value.producer
    if maker is None or maker.operator != "DequantizeLinear" or maker.inputs[0] is None:
        return value
    return maker.inputs[0]


def _constant(value: Value | None) -> bool:
    """Tell whether no picture changes a value: a weight, plain or quantized."""
    if value is None or value.is_input:
        return False
    if value.producer is not None and value.producer.operator == "DequantizeLinear":
        return _constant(value.producer.inputs[0])
    return value.stored


def _constant_bytes(value: Value) -> int:
    if value.producer is None:
        return value.size
    return sum(part.size for part in value.producer.inputs if part is not None)
