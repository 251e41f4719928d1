"""From an ONNX network to the program that every back end obeys.

Nodes are taken one by one. Where the values around a node are quantized (QuantizeLinear and
DequantizeLinear, as `tatami quantize` and others write them), lower_quantized.py makes the integer
step of it; everything else becomes a float step by the table below. Then activations, and max pools
of 2 x 2, join the step before them where nothing else reads what lies between, which changes no bit
of the result.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from tatami.errors import TatamiError
from tatami.graph.attributes import (
    constant,
    integer,
    integers,
    label,
    looks_of,
    pad_widths,
    place,
    real,
    slices_of,
    text,
    transposed_window_of,
    weight,
    window_of,
)
from tatami.graph.network import Network, shape_of
from tatami.ops.window import Axis, Window
from tatami.ship.program import (
    TAPS,
    Activate,
    Activation,
    Arithmetic,
    AveragePool,
    Clamp,
    Concat,
    Conv,
    ConvTranspose,
    Dequantize,
    Function,
    Leaky,
    MaxPool,
    MaxTap,
    MaxUnpool,
    Pad,
    Program,
    Quantization,
    Quantize,
    QuantizedConv,
    Requantize,
    Reshape,
    Resize,
    Sampling,
    Shape,
    Slice,
    Softmax,
    Step,
    Transpose,
    Value,
)

Array = NDArray[Any]


@dataclass
class Lowering:
    """A program in the making, and what has become of the ONNX values.

    floats: the program's name of an ONNX value that exists in float32.
    bytes: that of one that exists as uint8: the outputs of QuantizeLinear and DequantizeLinear.
    taps: that of the indices of a max pool, as taps.
    done: nodes that an earlier one has taken with it.
    """

    steps: list[Step] = field(default_factory=list)
    values: dict[str, Value] = field(default_factory=dict)
    constants: dict[str, Array] = field(default_factory=dict)
    floats: dict[ir.Value, str] = field(default_factory=dict)
    bytes: dict[ir.Value, str] = field(default_factory=dict)
    taps: dict[ir.Value, str] = field(default_factory=dict)
    done: set[ir.Node] = field(default_factory=set)

    def add(self, step: Step, shape: Shape, quantization: Quantization | None = None) -> str:
        """Append a step; returns the name of what it makes."""
        self.steps.append(step)
        self.values[step.output] = Value(shape, quantization)
        return step.output

    def quantization(self, name: str) -> Quantization:
        """That of a value that is known to have one."""
        found = self.values[name].quantization
        assert found is not None, name
        return found

    def float_input(self, node: ir.Node, index: int) -> str:
        """The program's name of an input in float32: a value, made so where it is a byte, or a
        constant."""
        value = node.inputs[index]
        if value is None:
            raise TatamiError(f"{place(node)} lacks its input {index}", mend="export it again")
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

    def _constant(self, node: ir.Node, index: int, value: ir.Value) -> str:
        """A constant beside a node's result: one array may serve results of several ranks."""
        array = weight(node, index)
        if array is None:
            raise TatamiError(
                f"{place(node)} reads '{value.name}', which nothing makes", mend="export it again"
            )
        shape = constant_shape(node, array)
        name = str(value.name)
        if name in self.values and self.values[name].shape != shape:
            name = f"{name} as {shape}"
        self.values[name] = Value(shape)
        self.constants[name] = np.asarray(array, np.float32).reshape(shape)
        return name


def lower(network: Network) -> Program:
    """The program of a network that ``graph.read`` has checked, with a batch of 1.

    Raises TatamiError, before anything is written, for what no back end could run: an operator
    outside the table (named, with the mend), a value that is not one picture's, sums that could
    leave 32 bits (the layer named).
    """
    from tatami.ship.lower_quantized import lower_quantized

    graph = network.graph
    _refuse(graph)
    state = Lowering()
    inputs = []
    for value in graph.inputs:
        name = str(value.name)
        state.floats[value] = name
        state.values[name] = Value(value_shape(value))
        inputs.append(name)
    for node in graph:
        if node in state.done or lower_quantized(state, node):
            continue
        output = node.outputs[0]
        if node.op_type in ("Identity", "Dropout"):  # a second name for a value is no step
            source = node.inputs[0]
            if source is not None and source in state.bytes:
                state.bytes[output] = state.bytes[source]
            else:
                state.floats[output] = state.float_input(node, 0)
            continue
        step = _LOWER[node.op_type](state, node)
        state.floats[output] = state.add(step, value_shape(output))
    if not state.steps:
        raise TatamiError("the network has no layers", mend="export the network again")
    outputs = tuple(_output_name(state, value) for value in graph.outputs)
    program = Program(
        tuple(state.steps), state.values, tuple(inputs), outputs, network.spec, state.constants
    )
    return _tidy(_fuse(_whole_maps(program)))


def _refuse(graph: ir.Graph) -> None:
    known = (*_LOWER, "Identity", "Dropout", "QuantizeLinear", "DequantizeLinear")
    for node in graph:
        if node.op_type == "BatchNormalization":
            raise TatamiError(
                f"{place(node)} is not folded", mend="run `tatami fold` first, then ship its file"
            )
        if node.op_type not in known:
            raise TatamiError(
                f"{place(node)} cannot be shipped", mend=f"use only {', '.join(sorted(_LOWER))}"
            )


def _output_name(state: Lowering, value: ir.Value) -> str:
    if value in state.bytes and value.dtype == ir.DataType.FLOAT:
        source, name = state.bytes[value], str(value.name)
        return state.add(Dequantize(name, (source,), name), state.values[source].shape)
    found = state.floats.get(value) or state.bytes.get(value)
    if found is None:
        raise TatamiError(
            f"the output '{value.name}' depends on no input", mend="export the network again"
        )
    return found


# Shapes ------------------------------------------------------------------------------------------


def value_shape(value: ir.Value) -> Shape:
    """(channels, rows, columns) of an ONNX value: the batch of 1 is left out, missing axes are 1.

    Of four axes the first is the batch; of two or three it is where it is 1. (1, 10) becomes
    (10, 1, 1), and (3, 4, 5), which has no batch, stays. Raises TatamiError for another batch.
    """
    shape = shape_of(value)
    sides = shape[batch_axes(value) :]
    if len(shape) > 4 or (len(shape) == 4 and shape[0] != 1):
        raise TatamiError(
            f"value '{value.name}' has the shape {shape}, not (1, channels, rows, columns)",
            mend="export a convolutional network with a fixed batch of 1",
        )
    padded = (*sides, 1, 1, 1)
    return padded[0], padded[1], padded[2]


def batch_axes(value: ir.Value) -> int:
    """How many leading axes are the batch: 0 or 1."""
    shape = shape_of(value)
    return int(len(shape) == 4 or (len(shape) in (2, 3) and shape[0] == 1))


def check_axes(node: ir.Node) -> None:
    """Raise TatamiError where an input's axes are not the result's: NumPy aligns them at the end,
    a value of a program at the channels."""
    output = node.outputs[0]
    expected = len(shape_of(output)), batch_axes(output)
    for index, value in enumerate(node.inputs):
        if value is None or weight(node, index) is not None:
            continue
        if (len(shape_of(value)), batch_axes(value)) != expected:
            raise TatamiError(
                f"{place(node)} makes {shape_of(output)} of '{value.name}', {shape_of(value)}",
                mend="give its inputs as many axes as its output has, with one batch",
            )


def constant_shape(node: ir.Node, array: Array) -> Shape:
    """The shape of a constant beside a node's result, aligned at the end as NumPy broadcasts."""
    rank = len(shape_of(node.outputs[0]))
    full = (1,) * (rank - array.ndim) + array.shape
    sides = full[batch_axes(node.outputs[0]) :]
    if len(full) > rank or (rank == 4 and full[0] != 1):
        raise TatamiError(
            f"{place(node)} takes a constant of the shape {array.shape}",
            mend="use one that fits a single picture",
        )
    padded = (*sides, 1, 1, 1)
    return padded[0], padded[1], padded[2]


# Nodes to steps ----------------------------------------------------------------------------------


def output_name(node: ir.Node) -> str:
    """The ONNX name of what a node makes."""
    return str(node.outputs[0].name)


def activation_of(node: ir.Node) -> Activation | None:
    """What a node does to every sample by itself, where that is one of the known ways."""
    match node.op_type:
        case "LeakyRelu":
            return Leaky(real(node, "alpha", 0.01))
        case "Relu":
            return Clamp(0.0, math.inf)
        case "Clip":
            low, high = constant(node, 1), constant(node, 2)
            return Clamp(
                -math.inf if low is None else float(low), math.inf if high is None else float(high)
            )
        case "Sigmoid" | "Exp" | "Tanh":
            return Function(cast(Literal["sigmoid", "exp", "tanh"], node.op_type.lower()))
    return None


def _activate(state: Lowering, node: ir.Node) -> Step:
    found = activation_of(node)
    assert found is not None
    return Activate(label(node), (state.float_input(node, 0),), output_name(node), found)


def _conv(state: Lowering, node: ir.Node) -> Step:
    weights, bias = weights_and_bias(node)
    return Conv(
        label(node),
        (state.float_input(node, 0),),
        output_name(node),
        weights,
        bias,
        window_of(node),
        integer(node, "group", 1),
    )


def weights_and_bias(node: ir.Node) -> tuple[Array, Array]:
    """A convolution's constants in float32, the bias zeros where it has none."""
    weights, bias = weight(node, 1), weight(node, 2)
    if weights is None or (bias is None and len(node.inputs) > 2 and node.inputs[2] is not None):
        raise TatamiError(
            f"{place(node)} has weights that are computed", mend="only constants can be shipped"
        )
    if bias is None:
        bias = np.zeros(len(weights), np.float32)
    return np.asarray(weights, np.float32), np.asarray(bias, np.float32)


def matrix_of(node: ir.Node) -> tuple[Array, Array]:
    """A fully connected layer's constants: weights (outputs, inputs, 1, 1), bias (outputs,)."""
    weights, bias = weight(node, 1), weight(node, 2)
    image = node.inputs[0]
    assert image is not None
    rows = value_shape(image)
    if (
        weights is None
        or weights.ndim != 2
        or integer(node, "transA", 0)
        or rows != (weights.shape[1 if integer(node, "transB", 0) else 0], 1, 1)
        or (bias is not None and bias.size not in (1, bias.shape[-1] if bias.ndim else 1))
    ):
        raise TatamiError(
            f"{place(node)} is no fully connected layer",
            mend="only a product of one row with a constant matrix on the right can be shipped",
        )
    if not integer(node, "transB", 0):
        weights = weights.T
    weights = weights * np.float32(real(node, "alpha", 1.0))
    outputs = len(weights)
    shift = np.zeros(outputs, np.float32)
    if bias is not None:
        shift = np.broadcast_to(bias.reshape(-1) * np.float32(real(node, "beta", 1.0)), (outputs,))
    return np.ascontiguousarray(weights)[:, :, None, None], np.ascontiguousarray(shift)


def _fully_connected(state: Lowering, node: ir.Node) -> Step:
    weights, bias = matrix_of(node)
    return Conv(
        label(node),
        (state.float_input(node, 0),),
        output_name(node),
        weights,
        bias,
        Window.square(1),
        1,
    )


def whole_map(node: ir.Node) -> Window:
    """The window of a global pool."""
    value = node.inputs[0]
    assert value is not None
    _, rows, columns = value_shape(value)
    return Window(Axis(rows), Axis(columns))


def _max_pool(state: Lowering, node: ir.Node) -> Step:
    window = whole_map(node) if node.op_type == "GlobalMaxPool" else window_of(node)
    source = state.float_input(node, 0)
    add_taps(state, node, source)
    return MaxPool(label(node), (source,), output_name(node), window)


def add_taps(state: Lowering, node: ir.Node, source: str) -> None:
    """The step beside a max pool that notes where its samples lay, where something asks for it.

    ONNX counts samples of the whole map, in 64 bits; the tap of the window says the same in 8.
    """
    if len(node.outputs) < 2 or not node.outputs[1].uses():
        return
    window = window_of(node)
    if window.rows.kernel * window.columns.kernel > 255:
        raise TatamiError(
            f"{place(node)} chooses among more than 255 samples", mend="pool in two steps"
        )
    name = f"{node.outputs[1].name} as taps"
    step = MaxTap(f"{label(node)} taps", (source,), name, window)
    state.taps[node.outputs[1]] = state.add(step, value_shape(node.outputs[0]), TAPS)


def pool_of(node: ir.Node) -> ir.Node:
    """The MaxPool that a MaxUnpool undoes. Raises TatamiError where it is none, or to its shape."""
    indices = node.inputs[1]
    assert indices is not None
    pool = indices.producer()
    if pool is None or shape_of(node.outputs[0]) != shape_of(_first_input(pool)):
        raise TatamiError(
            f"{place(node)} undoes no max pool of the network",
            mend="unpool to the shape that a max pool had, by its indices",
        )
    return pool


def _first_input(node: ir.Node) -> ir.Value:
    value = node.inputs[0]
    assert value is not None
    return value


def _max_unpool(state: Lowering, node: ir.Node) -> Step:
    window = window_of(pool_of(node))
    assert node.inputs[1] is not None
    inputs = (state.float_input(node, 0), state.taps[node.inputs[1]])
    return MaxUnpool(label(node), inputs, output_name(node), window)


def _average_pool(state: Lowering, node: ir.Node) -> Step:
    window = whole_map(node) if node.op_type == "GlobalAveragePool" else window_of(node)
    count_padding = bool(integer(node, "count_include_pad", 0))
    return AveragePool(
        label(node), (state.float_input(node, 0),), output_name(node), window, count_padding
    )


_OPERATIONS: Mapping[str, Literal["add", "subtract", "multiply", "divide"]] = {
    "Add": "add",
    "Sub": "subtract",
    "Mul": "multiply",
    "Div": "divide",
}


def _arithmetic(state: Lowering, node: ir.Node) -> Step:
    check_axes(node)
    inputs = (state.float_input(node, 0), state.float_input(node, 1))
    return Arithmetic(label(node), inputs, output_name(node), _OPERATIONS[node.op_type])


def axis_of(node: ir.Node, default: int) -> int:
    """A node's axis as one of (channels, rows, columns). Raises TatamiError for the batch."""
    rank = len(shape_of(node.outputs[0]))
    axis = integer(node, "axis", default) % rank - batch_axes(node.outputs[0])
    if axis < 0:
        raise TatamiError(
            f"{place(node)} works along the batch", mend="work along channels, rows or columns"
        )
    return axis


def _concat(state: Lowering, node: ir.Node) -> Step:
    check_axes(node)
    inputs = tuple(state.float_input(node, index) for index in range(len(node.inputs)))
    return Concat(label(node), inputs, output_name(node), axis_of(node, 1))


def _softmax(state: Lowering, node: ir.Node) -> Step:
    return Softmax(label(node), (state.float_input(node, 0),), output_name(node), axis_of(node, -1))


def _reshape(state: Lowering, node: ir.Node) -> Step:
    return Reshape(label(node), (state.float_input(node, 0),), output_name(node))


def order_of(node: ir.Node) -> tuple[int, int, int]:
    """A Transpose as an order of (channels, rows, columns)."""
    value = node.inputs[0]
    assert value is not None
    rank = len(shape_of(value))
    order = integers(node, "perm", tuple(reversed(range(rank))))
    batch = batch_axes(value)
    if batch != batch_axes(node.outputs[0]) or (batch and order[0] != 0):
        raise TatamiError(f"{place(node)} moves the batch", mend="leave the first axis in place")
    inner = [axis - batch for axis in order[batch:]]
    inner += range(len(inner), 3)
    return inner[0], inner[1], inner[2]


def _transpose(state: Lowering, node: ir.Node) -> Step:
    return Transpose(label(node), (state.float_input(node, 0),), output_name(node), order_of(node))


def pad_of(node: ir.Node) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """A Pad's widths for (channels, rows, columns)."""
    value = node.inputs[0]
    assert value is not None
    widths = pad_widths(node)
    batch = batch_axes(value)
    if batch and widths[0] != (0, 0):
        raise TatamiError(f"{place(node)} pads the batch", mend="pad rows and columns only")
    inner = (*widths[batch:], (0, 0), (0, 0), (0, 0))
    return inner[0], inner[1], inner[2]


def slice_of(node: ir.Node) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Where a Slice starts along (channels, rows, columns), and its steps."""
    value = _first_input(node)
    batch = batch_axes(value)
    taken = [
        range(length)[one] for length, one in zip(shape_of(value), slices_of(node), strict=True)
    ]
    if batch != batch_axes(node.outputs[0]) or (batch and len(taken[0]) != 1):
        raise TatamiError(f"{place(node)} cuts the batch", mend="cut channels, rows and columns")
    inner = [*taken[batch:], range(1), range(1), range(1)][:3]
    starts, steps = [one.start for one in inner], [one.step for one in inner]
    return (starts[0], starts[1], starts[2]), (steps[0], steps[1], steps[2])


def _slice(state: Lowering, node: ir.Node) -> Step:
    return Slice(label(node), (state.float_input(node, 0),), output_name(node), *slice_of(node))


def _pad(state: Lowering, node: ir.Node) -> Step:
    value = constant(node, 2)
    mode = cast(Literal["constant", "edge", "reflect"], text(node, "mode", "constant"))
    return Pad(
        label(node),
        (state.float_input(node, 0),),
        output_name(node),
        pad_of(node),
        mode,
        0.0 if value is None else float(value),
    )


def _conv_transpose(state: Lowering, node: ir.Node) -> Step:
    weights, bias = weights_and_bias(node)
    groups = integer(node, "group", 1)
    outputs = weights.shape[1] * groups
    if len(node.inputs) < 3 or node.inputs[2] is None:
        bias = np.zeros(outputs, np.float32)
    return ConvTranspose(
        label(node),
        (state.float_input(node, 0),),
        output_name(node),
        weights,
        bias,
        transposed_window_of(node),
        groups,
    )


def _resize(state: Lowering, node: ir.Node) -> Step:
    rows, columns = (Sampling(looks.first, looks.second, looks.weight) for looks in looks_of(node))
    return Resize(label(node), (state.float_input(node, 0),), output_name(node), rows, columns)


_LOWER: Mapping[str, Callable[[Lowering, ir.Node], Step]] = {
    "Add": _arithmetic,
    "AveragePool": _average_pool,
    "Clip": _activate,
    "Concat": _concat,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Div": _arithmetic,
    "Exp": _activate,
    "Flatten": _reshape,
    "Gemm": _fully_connected,
    "GlobalAveragePool": _average_pool,
    "GlobalMaxPool": _max_pool,
    "LeakyRelu": _activate,
    "MatMul": _fully_connected,
    "MaxPool": _max_pool,
    "MaxUnpool": _max_unpool,
    "Mul": _arithmetic,
    "Pad": _pad,
    "Relu": _activate,
    "Reshape": _reshape,
    "Resize": _resize,
    "Sigmoid": _activate,
    "Slice": _slice,
    "Softmax": _softmax,
    "Squeeze": _reshape,
    "Sub": _arithmetic,
    "Tanh": _activate,
    "Transpose": _transpose,
    "Unsqueeze": _reshape,
}


# Steps that become one ---------------------------------------------------------------------------


def _readers(program: Program) -> Counter[str]:
    """How many read a value; being an output counts."""
    return Counter([*program.outputs, *(name for step in program.steps for name in step.inputs)])


def _whole_maps(program: Program) -> Program:
    """A map laid out in a line for a fully connected layer is one place of a kernel as large."""
    readers = _readers(program)
    makers = {step.output: step for step in program.steps}
    steps: list[Step] = []
    for step in program.steps:
        before = makers.get(step.inputs[0])
        if (
            isinstance(step, Conv | QuantizedConv)
            and isinstance(before, Reshape)
            and readers[before.output] == 1
            and step.weights.shape[2:] == (1, 1)
            and step.window == Window.square(1)
            and step.groups == 1
            and program.values[before.output].shape[1:] == (1, 1)
        ):
            source = before.inputs[0]
            shape = program.values[source].shape
            steps.remove(before)
            steps.append(_over_whole_map(step, source, shape))
        else:
            steps.append(step)
    return replace(program, steps=tuple(steps))


def _over_whole_map(step: Conv | QuantizedConv, source: str, shape: Shape) -> Step:
    """A convolution of (channels * rows * columns, 1, 1) as one of (channels, rows, columns)."""
    window = Window(Axis(shape[1]), Axis(shape[2]))
    form = (len(step.weights), *shape)
    if isinstance(step, Conv):
        weights = step.weights.reshape(form)
        return replace(step, inputs=(source,), window=window, weights=weights)
    integers = step.weights.reshape(form)
    return replace(step, inputs=(source,), window=window, weights=integers)


def _fuse(program: Program) -> Program:
    """Activations, then pools, into the step before them, where nothing else reads between."""
    readers = _readers(program)
    steps: list[Step] = []
    for step in program.steps:
        last = steps[-1] if steps else None
        follows = last is not None and step.inputs == (last.output,) and readers[last.output] == 1
        if (
            follows
            and isinstance(step, Activate)
            and not isinstance(step.activation, Function)
            and isinstance(last, Conv | ConvTranspose | Arithmetic)
            and last.activation is None
            and not (isinstance(last, Conv) and last.pool is not None)
        ):
            steps[-1] = replace(last, output=step.output, activation=step.activation)
        elif (
            follows
            and isinstance(step, MaxPool)
            and isinstance(last, Conv | QuantizedConv)
            and last.pool is None
            and not (isinstance(last, QuantizedConv) and not isinstance(last.result, Requantize))
            and _halves(step.window, program.values[last.output].shape)
        ):
            steps[-1] = replace(last, output=step.output, pool=step.window)
        else:
            steps.append(step)
    return replace(program, steps=tuple(steps))


def _halves(window: Window, shape: Shape) -> bool:
    """Whether a pool takes every 2 x 2 samples of a map to one, and none is left over."""
    return window == Window.square(2, 2) and shape[1] % 2 == 0 and shape[2] % 2 == 0


def _tidy(program: Program) -> Program:
    """Without the values that no step makes any more, and with the input as bytes where its only
    reader quantizes it."""
    steps = list(program.steps)
    values = dict(program.values)
    inputs = list(program.inputs)
    readers = _readers(program)
    for index, name in enumerate(inputs):
        first = next((step for step in steps if name in step.inputs), None)
        quantized = isinstance(first, Quantize) and first.output not in program.outputs
        if isinstance(first, Quantize) and quantized and readers[name] == 1:
            steps.remove(first)
            values[name] = values[first.output]
            steps = [_renamed(step, first.output, name) for step in steps]
            inputs[index] = name
    used = {*inputs, *(step.output for step in steps), *program.outputs}
    used |= {name for step in steps for name in step.inputs}
    return replace(
        program,
        steps=tuple(steps),
        values={name: value for name, value in values.items() if name in used},
        constants={name: a for name, a in program.constants.items() if name in used},
    )


def _renamed(step: Step, old: str, new: str) -> Step:
    inputs = tuple(new if name == old else name for name in step.inputs)
    return step if inputs == step.inputs else replace(step, inputs=inputs)
