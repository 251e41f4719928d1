"""A program in the making, and a node of ONNX in a program's terms: shapes, axes, windows.

lower.py makes float steps of it, lower_quantized.py integer ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, cast

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from tatami.errors import TatamiError
from tatami.graph.attributes import (
    constant,
    integer,
    integers,
    label,
    pad_widths,
    place,
    real,
    slices_of,
    text,
    weight,
    window_of,
)
from tatami.graph.functions import FunctionOfOne
from tatami.graph.network import shape_of
from tatami.ops.window import Axis, Window
from tatami.program.steps import (
    TAPS,
    Activation,
    Clamp,
    Dequantize,
    Function,
    Leaky,
    MaxTap,
    Program,
    Quantization,
    Shape,
    Step,
    ToBytes,
    Value,
)
from tatami.types import Float64

Array = NDArray[Any]


class NotAMap(TatamiError):
    """A node that no step of maps can do: its batch, axes or weights are in the way."""


@dataclass(frozen=True, eq=False)
class Slopes:
    """Leaky ReLU with a factor below 0 a channel, (channels,)."""

    alphas: Array


@dataclass(frozen=True, eq=False)
class Sums:
    """What is known of the sums of a layer, and of what makes them.

    Args:
        scale: Of the input.
        scales: Of the weights, (outputs,).
        one_scale: Whether the file has one scale for all weights, and not one an output.
        matrix: Whether the layer is fully connected.
        most: The largest |sum|.
    """

    scale: float
    scales: Float64
    one_scale: bool
    matrix: bool
    most: int


class Rounding(Protocol):
    """Whose rounding a network follows: graph/rounding.py lists the names."""

    def lower(self, state: Lowering, node: ir.Node) -> bool:
        """Make the step of a node that this rounding has steps of its own for, if it is one."""
        ...

    def requantize(
        self, sums: Sums, to: Quantization, activation: Activation | Slopes | None
    ) -> ToBytes:
        """Say how the sums of a layer become bytes.

        Raises:
            TatamiError: For factors between scales that cannot be held.
        """
        ...

    def check(self, graph: ir.Graph, program: Program) -> None:
        """Refuse what this rounding does not cover, naming the layer."""
        ...


@dataclass
class Lowering:
    """A program in the making, and what has become of the ONNX values.

    Args:
        rounding: Whose rounding it follows.
        steps: The steps so far.
        values: The values so far, by name.
        constants: Arrays that no input changes, by name.
        floats: The program's name of an ONNX value that exists in float32.
        bytes: The same of one that exists as uint8: the outputs of QuantizeLinear and
            DequantizeLinear.
        taps: The same of the indices of a max pool, as taps.
        done: Nodes that an earlier one has taken with it.
        functions: Parts of the network that are a function of one number, by their first nodes.
    """

    rounding: Rounding
    steps: list[Step] = field(default_factory=list)
    values: dict[str, Value] = field(default_factory=dict)
    constants: dict[str, Array] = field(default_factory=dict)
    floats: dict[ir.Value, str] = field(default_factory=dict)
    bytes: dict[ir.Value, str] = field(default_factory=dict)
    taps: dict[ir.Value, str] = field(default_factory=dict)
    done: set[ir.Node] = field(default_factory=set)
    functions: dict[ir.Node, FunctionOfOne] = field(default_factory=dict)

    def add(
        self,
        step: Step,
        shape: Shape,
        quantization: Quantization | None = None,
        dtype: str = "float32",
    ) -> str:
        """Append a step.

        Args:
            step: The step.
            shape: Of what it makes.
            quantization: Of what it makes; None: its samples stand for themselves.
            dtype: NumPy's name for its samples.

        Returns:
            The name of what it makes.
        """
        self.steps.append(step)
        self.values[step.output] = Value(shape, quantization, dtype)
        return step.output

    def quantization(self, name: str) -> Quantization:
        """Give the quantization of a value that is known to have one."""
        found = self.values[name].quantization
        assert found is not None, name
        return found

    def float_input(self, node: ir.Node, index: int) -> str:
        """Give the program's name of an input in float32.

        It is a value, made so where it is a byte, or a constant.
        """
        value = node.inputs[index]
        if value is None:
            raise TatamiError(f"{place(node)} lacks its input {index}", hint="export it again")
        if value in self.floats:
            return self.floats[value]
        if value in self.bytes:
            source = self.bytes[value]
            name = str(value.name)
            self.floats[value] = self.add(
                Dequantize(name, (source,), name), self.values[source].shape
            )
            return name
        return self._constant(node, index, value)

    def plain_input(self, node: ir.Node, index: int) -> str:
        """Give the program's name of an input as an ``Apply`` reads it.

        It is a value, in float32 where it was a byte, or a constant of its own shape.
        """
        value = node.inputs[index]
        assert value is not None
        array = weight(node, index)
        if value in self.bytes and value.dtype == ir.DataType.UINT8:
            return self.bytes[value]
        if array is None or value in self.floats:
            return self.float_input(node, index)
        shape = stored_shape(array.shape)
        name = str(value.name)
        if name in self.values and self.values[name].shape != shape:
            name = f"{name} as it is"
        self.values[name] = Value(shape, dtype=array.dtype.name)
        self.constants[name] = array.reshape(shape)
        return name

    def _constant(self, node: ir.Node, index: int, value: ir.Value) -> str:
        """Add a constant beside a node's result: one array may serve results of several ranks."""
        array = weight(node, index)
        if array is None:
            raise TatamiError(
                f"{place(node)} reads '{value.name}', which nothing makes", hint="export it again"
            )
        shape = constant_shape(node, array)
        if array.size not in (1, math.prod(shape)):
            raise NotAMap(f"{place(node)} reads a constant of {array.shape}", hint="fold it first")
        name = str(value.name)
        if name in self.values and self.values[name].shape != shape:
            name = f"{name} as {shape}"
        self.values[name] = Value(shape)
        self.constants[name] = np.asarray(array, np.float32).reshape(shape)
        return name


# Shapes ------------------------------------------------------------------------------------------


def value_shape(value: ir.Value) -> Shape:
    """Give (channels, rows, columns) of an ONNX value, without the batch; missing axes are 1.

    Of four axes the first is the batch; of two or three it is where it is 1. (1, 10) becomes (10,
    1, 1), and (3, 4, 5), which has no batch, stays.

    Raises:
        TatamiError: For another batch.
    """
    found = map_shape(shape_of(value))
    if found is None:
        raise NotAMap(
            f"value '{value.name}' has the shape {shape_of(value)},"
            " not (1, channels, rows, columns)",
            hint="export a convolutional network with a fixed batch of 1",
        )
    return found


def map_shape(sides: tuple[int, ...]) -> Shape | None:
    """See the sides of an ONNX value as (channels, rows, columns); None where it is no map."""
    if len(sides) > 4 or (len(sides) == 4 and sides[0] != 1):
        return None
    padded = (*sides[batched(sides) :], 1, 1, 1)
    return padded[0], padded[1], padded[2]


def stored_shape(sides: tuple[int, ...]) -> Shape:
    """Give the shape under which a value of any sides lies in a program: a map, or a line."""
    return map_shape(sides) or (math.prod(sides), 1, 1)


def batched(sides: tuple[int, ...]) -> int:
    """Count the leading axes that are the batch: 0 or 1."""
    return int(len(sides) == 4 or (len(sides) in (2, 3) and sides[0] == 1))


def batch_axes(value: ir.Value) -> int:
    """Count the leading axes of a value that are the batch: 0 or 1."""
    return batched(shape_of(value))


def check_axes(node: ir.Node) -> None:
    """Check that an input's axes are the result's.

    NumPy aligns them at the end, a value of a program at the channels.

    Raises:
        TatamiError: Where they are not.
    """
    output = node.outputs[0]
    expected = len(shape_of(output)), batch_axes(output)
    for index, value in enumerate(node.inputs):
        if value is None or weight(node, index) is not None:
            continue
        if (len(shape_of(value)), batch_axes(value)) != expected:
            raise NotAMap(
                f"{place(node)} makes {shape_of(output)} of '{value.name}', {shape_of(value)}",
                hint="give its inputs as many axes as its output has, with one batch",
            )


def constant_shape(node: ir.Node, array: Array) -> Shape:
    """Give the shape of a constant beside a node's result.

    They are aligned at the end, as NumPy broadcasts.
    """
    rank = len(shape_of(node.outputs[0]))
    full = (1,) * (rank - array.ndim) + array.shape
    sides = full[batch_axes(node.outputs[0]) :]
    if len(full) > rank or (rank == 4 and full[0] != 1):
        raise NotAMap(
            f"{place(node)} takes a constant of the shape {array.shape}",
            hint="use one that fits a single picture",
        )
    padded = (*sides, 1, 1, 1)
    return padded[0], padded[1], padded[2]


# Nodes ------------------------------------------------------------------------------------------


def output_name(node: ir.Node) -> str:
    """Give the ONNX name of what a node makes."""
    return str(node.outputs[0].name)


def activation_of(node: ir.Node) -> Activation | None:
    """Read what a node does to every sample by itself; None where it is no known activation."""
    match node.op_type:
        case "LeakyRelu":
            return Leaky(real(node, "alpha", 0.01))
        case "Max" | "Min":
            bound = constant(node, 1)
            same = shape_of(node.outputs[0]) == shape_of(first_input(node))
            if len(node.inputs) == 2 and same and bound is not None and bound.size == 1:
                one = float(bound.reshape(()))
                return Clamp(one, math.inf) if node.op_type == "Max" else Clamp(-math.inf, one)
        case "PRelu":
            slope = constant(node, 1)
            if slope is not None and (slope == slope.flat[0]).all():
                return Leaky(float(slope.flat[0]))
        case "Relu":
            return Clamp(0.0, math.inf)
        case "Clip":
            low, high = constant(node, 1), constant(node, 2)
            bounds = sum(value is not None for value in node.inputs[1:])
            if bounds > (low is not None) + (high is not None):
                return None  # a bound that is computed
            return Clamp(
                -math.inf if low is None else float(low), math.inf if high is None else float(high)
            )
        case "Sigmoid" | "Exp" | "Tanh":
            return Function(cast(Literal["sigmoid", "exp", "tanh"], node.op_type.lower()))
    return None


def picture_of(node: ir.Node) -> ir.Value:
    """Give a node's first input, which must be one picture or one sequence, its batch in front.

    Raises:
        NotAMap: For another batch, or another number of axes.
    """
    value = first_input(node)
    sides = shape_of(value)
    if len(sides) not in (3, 4) or sides[0] != 1:
        raise NotAMap(
            f"{place(node)} works on {sides}, not on one picture",
            hint="export a convolutional network with a fixed batch of 1",
        )
    return value


def picture_window(node: ir.Node) -> Window:
    """Read the window of a convolution or pool of one picture, or one sequence.

    Raises:
        NotAMap: For anything else.
    """
    picture_of(node)
    return window_of(node)


def whole_map(node: ir.Node) -> Window:
    """Give the window of a global pool."""
    value = picture_of(node)
    _, rows, columns = value_shape(value)
    return Window(Axis(rows), Axis(columns))


def axis_of(node: ir.Node, default: int) -> int:
    """Read a node's axis as one of (channels, rows, columns).

    Raises:
        TatamiError: For the batch.
    """
    rank = len(shape_of(node.outputs[0]))
    axis = integer(node, "axis", default) % rank - batch_axes(node.outputs[0])
    if axis < 0:
        raise NotAMap(
            f"{place(node)} works along the batch", hint="work along channels, rows or columns"
        )
    return axis


def order_of(node: ir.Node) -> tuple[int, int, int]:
    """Read a Transpose as an order of (channels, rows, columns)."""
    value = node.inputs[0]
    assert value is not None
    rank = len(shape_of(value))
    order = integers(node, "perm", tuple(reversed(range(rank))))
    batch = batch_axes(value)
    if batch != batch_axes(node.outputs[0]) or (batch and order[0] != 0):
        raise NotAMap(f"{place(node)} moves the batch", hint="leave the first axis in place")
    inner = [axis - batch for axis in order[batch:]]
    inner += range(len(inner), 3)
    return inner[0], inner[1], inner[2]


def pad_of(node: ir.Node) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """Read a Pad's widths for (channels, rows, columns)."""
    value = node.inputs[0]
    assert value is not None
    widths = pad_widths(node)
    if text(node, "mode", "constant") == "wrap" or min(min(width) for width in widths) < 0:
        raise NotAMap(f"{place(node)} wraps around or crops", hint="pad by zeros, or an edge")
    batch = batch_axes(value)
    if batch and widths[0] != (0, 0):
        raise NotAMap(f"{place(node)} pads the batch", hint="pad rows and columns only")
    inner = (*widths[batch:], (0, 0), (0, 0), (0, 0))
    return inner[0], inner[1], inner[2]


def add_taps(state: Lowering, node: ir.Node, source: str) -> None:
    """Add the step beside a max pool that notes where its samples lay, where something needs it.

    ONNX counts samples of the whole map, in 64 bits; the tap of the window says the same in 8.
    """
    if len(node.outputs) < 2 or not node.outputs[1].uses():
        return
    window = picture_window(node)
    if window.rows.kernel * window.columns.kernel > 255:
        raise NotAMap(
            f"{place(node)} chooses among more than 255 samples", hint="pool in two steps"
        )
    name = f"{node.outputs[1].name} as taps"
    step = MaxTap(f"{label(node)} taps", (source,), name, window)
    state.taps[node.outputs[1]] = state.add(step, value_shape(node.outputs[0]), TAPS)


def pool_of(node: ir.Node) -> ir.Node:
    """Find the MaxPool that a MaxUnpool undoes.

    Raises:
        TatamiError: Where there is none, or its input has another shape.
    """
    indices = node.inputs[1]
    assert indices is not None
    pool = indices.producer()
    if pool is None or shape_of(node.outputs[0]) != shape_of(first_input(pool)):
        raise NotAMap(
            f"{place(node)} undoes no max pool of the network",
            hint="unpool to the shape that a max pool had, by its indices",
        )
    return pool


def first_input(node: ir.Node) -> ir.Value:
    """Give a node's first input, which it must have."""
    value = node.inputs[0]
    assert value is not None
    return value


def slice_of(node: ir.Node) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Read where a Slice starts along (channels, rows, columns), and its steps."""
    value = first_input(node)
    batch = batch_axes(value)
    taken = [
        range(length)[one] for length, one in zip(shape_of(value), slices_of(node), strict=True)
    ]
    if batch != batch_axes(node.outputs[0]) or (batch and len(taken[0]) != 1):
        raise NotAMap(f"{place(node)} cuts the batch", hint="cut channels, rows and columns")
    inner = [*taken[batch:], range(1), range(1), range(1)][:3]
    starts, steps = [one.start for one in inner], [one.step for one in inner]
    return (starts[0], starts[1], starts[2]), (steps[0], steps[1], steps[2])


@dataclass(frozen=True)
class Tokens:
    """Hold how a product of many rows by one matrix is a convolution: its last axis as channels.

    Args:
        there: The order of (channels, rows, columns) in which the last axis comes first.
        back: The order that undoes it.
        shape: Of the rows in that order, without the channels.
    """

    there: tuple[int, int, int]
    back: tuple[int, int, int]
    shape: tuple[int, int]


def tokens_of(node: ir.Node) -> Tokens | None:
    """See the rows that a MatMul or Gemm multiplies by a constant matrix as places of a map.

    Returns:
        None where the node has one row alone, as ``matrix_of`` takes it.

    Raises:
        NotAMap: Where its values are no maps, or share no batch.
    """
    value = first_input(node)
    shape, batch = value_shape(value), batch_axes(value)
    axis = len(shape_of(value)) - 1 - batch
    if axis == 0:
        return None
    result = node.outputs[0]
    if batch_axes(result) != batch or len(shape_of(result)) != len(shape_of(value)):
        raise NotAMap(f"{place(node)} changes the batch", hint="leave the first axis in place")
    there = (1, 0, 2) if axis == 1 else (2, 0, 1)
    back = (1, 0, 2) if axis == 1 else (1, 2, 0)
    return Tokens(there, back, (shape[there[1]], shape[there[2]]))


def matrix_of(node: ir.Node) -> tuple[Array, Array]:
    """Read a fully connected layer's constants.

    Returns:
        Weights (outputs, inputs, 1, 1) and bias (outputs,).
    """
    weights, bias = weight(node, 1), weight(node, 2)
    length = shape_of(first_input(node))[-1:]
    if (
        weights is None
        or weights.ndim != 2
        or integer(node, "transA", 0)
        or length != (weights.shape[1 if integer(node, "transB", 0) else 0],)
        or (bias is not None and bias.size not in (1, bias.shape[-1] if bias.ndim else 1))
    ):
        raise NotAMap(
            f"{place(node)} is not a fully connected layer",
            hint="multiply by a constant matrix on the right",
        )
    if not integer(node, "transB", 0):
        weights = weights.T
    alpha = real(node, "alpha", 1.0)
    if alpha != 1.0:  # a product is a copy, and such layers are the largest
        weights = weights * np.float32(alpha)
    outputs = len(weights)
    shift = np.zeros(outputs, np.float32)
    if bias is not None:
        shift = np.broadcast_to(bias.reshape(-1) * np.float32(real(node, "beta", 1.0)), (outputs,))
    return weights[:, :, None, None], np.ascontiguousarray(shift)
