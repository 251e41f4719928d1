"""From an ONNX network to the program that every back end obeys.

Nodes are taken one by one. Where the values around a node are quantized (QuantizeLinear and
DequantizeLinear, as shrink/quantize.py and others write them), lower_quantized.py makes the integer
step of it; everything else becomes a float step by the table below. Then activations, and max pools
of 2 x 2, join the step before them where nothing else reads what lies between, which changes no bit
of the result.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Literal, cast

import numpy as np
import onnx_ir as ir

from tatami.errors import TatamiError
from tatami.graph.attributes import (
    constant,
    integer,
    label,
    place,
    real,
    reduced_axes,
    resize_taps_of,
    text,
    transposed_window_of,
    weight,
)
from tatami.graph.costs import products_of
from tatami.graph.functions import functions_of
from tatami.graph.linear import bias_after, bias_place
from tatami.graph.network import Network, shape_of
from tatami.graph.operators import OPERATORS
from tatami.graph.rounding import ROUNDINGS, rounding_of
from tatami.graph.state import states_of
from tatami.ops.window import Axis, Window
from tatami.program.lower_attention import lower_attention
from tatami.program.lower_litert import Reference, Xnnpack
from tatami.program.lower_quantized import Own, lower_quantized, only_reader, pool_window
from tatami.program.lower_samples import lower_samples
from tatami.program.lowering import (
    Array,
    Lowering,
    NotAMap,
    Rounding,
    activation_of,
    add_taps,
    axis_of,
    batch_axes,
    check_axes,
    first_input,
    map_shape,
    matrix_of,
    order_of,
    output_name,
    pad_of,
    picture_of,
    picture_window,
    pool_of,
    slice_of,
    stored_shape,
    tokens_of,
    value_shape,
)
from tatami.program.steps import (
    Activate,
    Apply,
    Arithmetic,
    AveragePool,
    Concat,
    Conv,
    ConvTranspose,
    Dequantize,
    Function,
    L2Norm,
    MaxPool,
    MaxUnpool,
    Pad,
    Program,
    Quantize,
    QuantizedConv,
    Reshape,
    Resize,
    Sampling,
    Shape,
    Slice,
    Softmax,
    SpaceToDepth,
    Step,
    ToFloat,
    Transpose,
    Value,
)


def lower(network: Network) -> Program:
    """Lower a network that ``graph.read`` has checked to a program with a batch of 1.

    Raises:
        TatamiError: Before anything is written, for what no back end could run: an operator outside
            the table (named, with the hint), a value that is not one picture's, sums that could
            leave 32 bits (the layer named).
    """
    graph = network.graph
    if network.spec is not None:
        _refuse(graph)
    states = states_of(network)
    rounding = _ROUNDINGS[rounding_of(network)]
    state = Lowering(rounding, functions={part.nodes[0]: part for part in functions_of(graph)})
    inputs = []
    for value in graph.inputs:
        name = str(value.name)
        state.floats[value] = name
        state.values[name] = Value(stored_shape(shape_of(value)), dtype=dtype_of(value))
        if name not in states:
            inputs.append(name)
    for node in graph:
        if node not in state.done and rounding.lower(state, node):
            continue
        if node in state.done:
            continue
        if any(make(state, node) for make in _INTEGERS):
            if node.op_type == "MaxPool":  # the step makes the samples, not where they lay
                _lower_outputs(state, node, range(1, len(node.outputs)))
            continue
        output = node.outputs[0]
        if OPERATORS[node.op_type].role == "name":  # a second name for a value is no step
            for value in node.outputs[1:]:
                if value.uses() or value.is_graph_output():
                    raise TatamiError(
                        f"{place(node)} makes a mask", hint="export the network for inference"
                    )
            source = node.inputs[0]
            if source is not None and source in state.bytes:
                state.bytes[output] = state.bytes[source]
            else:
                state.floats[output] = state.float_input(node, 0)
            continue
        _lower_plain(state, node)
    if not state.steps:
        raise TatamiError("the network has no layers", hint="export the network again")
    ends = {str(value.name): _output_name(state, value) for value in graph.outputs}
    becoming = {name: ends[made] for name, made in states.items()}
    outputs = tuple(name for end, name in ends.items() if end not in states.values())
    program = Program(
        tuple(state.steps), state.values, tuple(inputs), outputs, network.spec, state.constants,
        becoming,
    )  # fmt: skip
    made = _tidy(_fuse(_whole_maps(program)))
    rounding.check(graph, made)
    return made


_ROUNDINGS: Mapping[str, Rounding] = dict(
    zip(ROUNDINGS, (Own(), Xnnpack(), Reference()), strict=True)
)
"""How each rounding makes steps, by the name that a network's file has for it."""


def _lower_plain(state: Lowering, node: ir.Node) -> None:
    """Make the steps of a node whose values are not quantized: its own, or one for each output."""
    made = _LOWER.get(node.op_type)
    if node.op_type in _PACKED and sum(map(_wanted, node.outputs)) > 1:
        _lower_packed(state, node)
        return
    output = node.outputs[0]
    step = None
    if made is not None and _real_maps(node):
        try:
            step = made(state, node)
        except TatamiError:
            step = None  # it fits no step of its own: batches, axes or weights are in the way
    if step is not None:
        state.floats[output] = state.add(step, value_shape(output))
    first = step is None and (_wanted(output) or len(node.outputs) == 1)
    _lower_outputs(state, node, range(0 if first else 1, len(node.outputs)))


def _lower_outputs(state: Lowering, node: ir.Node, places: Iterable[int]) -> None:
    """Make a step of each of a node's outputs, but for what is not read or read as taps alone."""
    for index in places:
        value = node.outputs[index]
        if index and (not _wanted(value) or (value in state.taps and _all_unpool(value))):
            continue
        each = apply_of(state, node, index)
        shape = stored_shape(shape_of(value))
        state.floats[value] = state.add(each, shape, dtype=dtype_of(value))


_INTEGERS = (lower_samples, lower_attention, lower_quantized)
"""What makes the integer step of a node, where it has one."""
_PACKED = ("GRU", "LSTM", "RNN")
"""What is run once for all of its outputs."""


def _wanted(value: ir.Value) -> bool:
    """Tell whether anybody reads a value."""
    return bool(value.name) and (value.is_graph_output() or bool(value.uses()))


def _lower_packed(state: Lowering, node: ir.Node) -> None:
    """Make one step of a node, and a part of what it makes of each output."""
    outputs = [value for value in node.outputs if value.name]
    sizes = [math.prod(shape_of(value)) for value in outputs]
    name = f"{label(node)} as one"
    step = replace(apply_of(state, node, 0), name=name, output=name, index=-1)
    state.add(step, (sum(sizes), 1, 1))
    first = 0
    for value, size in zip(outputs, sizes, strict=True):
        if _wanted(value):
            given, part = str(value.name), f"{value.name} in a row"
            state.add(Slice(part, (name,), part, (first, 0, 0), (1, 1, 1)), (size, 1, 1))
            shape = stored_shape(shape_of(value))
            state.floats[value] = state.add(Reshape(given, (part,), given), shape)
        first += size


def _real_maps(node: ir.Node) -> bool:
    """Tell whether a node's values are maps of real numbers, as all steps but ``Apply`` take them.

    Constants are left to the step, and so are the places that a max pool notes.
    """
    ends = [value for index, value in enumerate(node.inputs) if weight(node, index) is None]
    if node.op_type == "MaxUnpool":
        ends = ends[:1]
    return all(
        value is None or (value.dtype == ir.DataType.FLOAT and map_shape(shape_of(value)))
        for value in (*ends, node.outputs[0])
    )


def _all_unpool(value: ir.Value) -> bool:
    """Tell whether only unpooling to the pooled shape reads where samples lay: it reads taps."""
    pool = value.producer()
    assert pool is not None
    pooled = shape_of(first_input(pool))
    return not value.is_graph_output() and all(
        use.node.op_type == "MaxUnpool" and shape_of(use.node.outputs[0]) == pooled
        for use in value.uses()
    )


def apply_of(state: Lowering, node: ir.Node, index: int) -> Apply:
    """Make the step of a node as ONNX defines it.

    Args:
        state: The program in the making.
        node: The node.
        index: Of the output.
    """
    row = OPERATORS[node.op_type]
    places = tuple(
        place
        for place, value in enumerate(node.inputs)
        if value is not None
        and value.name
        and not (row.settings and place > 0 and weight(node, place) is not None)
    )
    return Apply(
        label(node) if index == 0 else str(node.outputs[index].name),
        tuple(state.plain_input(node, place) for place in places),
        str(node.outputs[index].name),
        node,
        places,
        index,
        exact=row.role in ("moves", "orders", "name")
        and not (node.op_type == "Resize" and text(node, "mode", "nearest") != "nearest"),
        products=products_of(node),
    )


def dtype_of(value: ir.Value) -> str:
    """Give NumPy's name for what a value's samples are made of."""
    return "float32" if value.dtype is None else str(value.dtype.numpy())


def _refuse(graph: ir.Graph) -> None:
    """Refuse what Tatami's own networks should have been folded; others may keep what cannot be."""
    for node in graph:
        if node.op_type == "BatchNormalization":
            raise TatamiError(
                f"{place(node)} is not folded",
                hint="fold the network first, then ship the folded one",
            )


def _output_name(state: Lowering, value: ir.Value) -> str:
    if value in state.bytes and value.dtype == ir.DataType.FLOAT:
        source, name = state.bytes[value], str(value.name)
        return state.add(Dequantize(name, (source,), name), state.values[source].shape)
    found = state.floats.get(value) or state.bytes.get(value)
    if found is None and value.const_value is not None:  # anchors, which no input changes
        array, name = value.const_value.numpy(), str(value.name)
        shape = stored_shape(array.shape)
        state.values[name] = Value(shape, dtype=array.dtype.name)
        state.constants[name] = array.reshape(shape)
        return name
    if found is None:
        raise TatamiError(
            f"the output '{value.name}' depends on no input", hint="export the network again"
        )
    return found


# Nodes to steps ----------------------------------------------------------------------------------


def _activate(state: Lowering, node: ir.Node) -> Step:
    found = activation_of(node)
    if found is None:
        raise NotAMap(f"{place(node)} is no activation of its own", hint="export it otherwise")
    return Activate(label(node), (state.float_input(node, 0),), output_name(node), found)


def _conv(state: Lowering, node: ir.Node) -> Step:
    weights, bias = weights_and_bias(node)
    return Conv(
        label(node),
        (state.float_input(node, 0),),
        output_name(node),
        weights,
        bias,
        picture_window(node),
        integer(node, "group", 1),
    )


def weights_and_bias(node: ir.Node) -> tuple[Array, Array]:
    """Give a convolution's constants in float32, the bias zeros where it has none.

    Those of one axis get another of one tap beside it, as sequences do in a program.

    Raises:
        TatamiError: For weights that are not constant.
    """
    weights, bias = weight(node, 1), weight(node, 2)
    if weights is None or (bias is None and len(node.inputs) > 2 and node.inputs[2] is not None):
        raise TatamiError(
            f"{place(node)} has weights that are computed", hint="only constants can be shipped"
        )
    if bias is None:
        bias = np.zeros(len(weights), np.float32)
    if weights.ndim == 3:
        weights = weights[..., None]
    return np.asarray(weights, np.float32), np.asarray(bias, np.float32)


def _batch_normalization(state: Lowering, node: ir.Node) -> Step:
    """Scale and shift each channel: a convolution of one tap and one channel each."""
    source = first_input(node)
    sides = shape_of(source)
    known = [weight(node, index) for index in range(1, 5)]
    if batch_axes(source) != 1 or sides[0] != 1 or any(one is None for one in known):
        raise NotAMap(f"{place(node)} works on {sides}", hint="export it with a batch of 1")
    scale, bias, mean, variance = (np.asarray(one, np.float64) for one in known)
    factor = scale / np.sqrt(variance + np.float32(real(node, "epsilon", 1e-5)))
    return Conv(
        label(node),
        (state.float_input(node, 0),),
        output_name(node),
        factor.astype(np.float32)[:, None, None, None],
        (bias - mean * factor).astype(np.float32),
        Window.square(1),
        len(factor),
    )


def _fully_connected(state: Lowering, node: ir.Node) -> Step:
    weights, bias = matrix_of(node)
    tokens, name, source = tokens_of(node), output_name(node), state.float_input(node, 0)
    behind = bias_after(node)
    if behind is not None:
        row = weight(behind, bias_place(behind, node))
        assert row is not None
        bias, name = np.asarray(row, np.float32).reshape(-1), output_name(behind)
        state.done.add(behind)
        state.floats[behind.outputs[0]] = name
    if tokens is None:
        return Conv(label(node), (source,), name, weights, bias, Window.square(1), 1)
    last = node if behind is None else behind
    reader = only_reader(last.outputs[0])
    activation = None if reader is None else activation_of(reader)
    if reader is not None and activation is not None:
        name = output_name(reader)
        state.done.add(reader)
        state.floats[reader.outputs[0]] = name
    turned, product = f"{source} as channels for {name}", f"{name} as channels"
    shape = (weights.shape[1], *tokens.shape)
    state.add(Transpose(turned, (source,), turned, tokens.there), shape)
    step = Conv(label(node), (turned,), product, weights, bias, Window.square(1), 1, activation)
    state.add(step, (len(weights), *tokens.shape))
    return Transpose(name, (product,), name, tokens.back)


def _max_pool(state: Lowering, node: ir.Node) -> Step:
    window = pool_window(node)
    source = state.float_input(node, 0)
    add_taps(state, node, source)
    return MaxPool(label(node), (source,), output_name(node), window)


def _max_unpool(state: Lowering, node: ir.Node) -> Step:
    window = picture_window(pool_of(node))
    indices = node.inputs[1]
    taps = None if indices is None else state.taps.get(indices)
    if taps is None:
        raise NotAMap(f"{place(node)} undoes no max pool", hint="unpool by a pool's indices")
    inputs = (state.float_input(node, 0), taps)
    return MaxUnpool(label(node), inputs, output_name(node), window)


def _average_pool(state: Lowering, node: ir.Node) -> Step:
    window = pool_window(node)
    count_padding = bool(integer(node, "count_include_pad", 0))
    if count_padding and any(axis.beyond for axis in window):
        raise NotAMap(f"{place(node)} counts only some of its padding", hint="export it otherwise")
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


def _concat(state: Lowering, node: ir.Node) -> Step:
    check_axes(node)
    inputs = tuple(state.float_input(node, index) for index in range(len(node.inputs)))
    return Concat(label(node), inputs, output_name(node), axis_of(node, 1))


def _softmax(state: Lowering, node: ir.Node) -> Step:
    return Softmax(label(node), (state.float_input(node, 0),), output_name(node), axis_of(node, -1))


def _reduce_l2(state: Lowering, node: ir.Node) -> Step:
    value = node.inputs[0]
    assert value is not None
    axes = [axis - batch_axes(value) for axis in reduced_axes(node)]
    if len(axes) != 1 or axes[0] < 0 or not integer(node, "keepdims", 1):
        raise TatamiError(
            f"{place(node)} does not sum along one axis that it keeps",
            hint="sum along channels, rows or columns, with keepdims",
        )
    return L2Norm(label(node), (state.float_input(node, 0),), output_name(node), axes[0])


def _reshape(state: Lowering, node: ir.Node) -> Step:
    return Reshape(label(node), (state.float_input(node, 0),), output_name(node))


def _transpose(state: Lowering, node: ir.Node) -> Step:
    return Transpose(label(node), (state.float_input(node, 0),), output_name(node), order_of(node))


def _slice(state: Lowering, node: ir.Node) -> Step:
    return Slice(label(node), (state.float_input(node, 0),), output_name(node), *slice_of(node))


def _space_to_depth(state: Lowering, node: ir.Node) -> Step:
    if text(node, "mode", "DCR") != "DCR":
        raise NotAMap(f"{place(node)} has channels in front", hint="use the mode DCR")
    block = integer(node, "blocksize", 1)
    return SpaceToDepth(label(node), (state.float_input(node, 0),), output_name(node), block)


def _pad(state: Lowering, node: ir.Node) -> Step:
    value = constant(node, 2)
    mode = cast(Literal["constant", "edge", "reflect"], text(node, "mode", "constant"))
    return Pad(
        label(node),
        (state.float_input(node, 0),),
        output_name(node),
        pad_of(node),
        mode,
        0.0 if value is None else float(value.reshape(-1)[0]),
    )


def _conv_transpose(state: Lowering, node: ir.Node) -> Step:
    picture_of(node)
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
    rows, columns = (
        Sampling(taps.first, taps.second, taps.weight) for taps in resize_taps_of(node)
    )
    return Resize(label(node), (state.float_input(node, 0),), output_name(node), rows, columns)


_LOWER: Mapping[str, Callable[[Lowering, ir.Node], Step]] = {
    "Add": _arithmetic,
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_normalization,
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
    "Max": _activate,
    "MaxUnpool": _max_unpool,
    "Min": _activate,
    "Mul": _arithmetic,
    "PRelu": _activate,
    "Pad": _pad,
    "ReduceL2": _reduce_l2,
    "ReduceMax": _max_pool,
    "ReduceMean": _average_pool,
    "Relu": _activate,
    "Reshape": _reshape,
    "Resize": _resize,
    "Sigmoid": _activate,
    "Slice": _slice,
    "Softmax": _softmax,
    "SpaceToDepth": _space_to_depth,
    "Squeeze": _reshape,
    "Sub": _arithmetic,
    "Tanh": _activate,
    "Transpose": _transpose,
    "Unsqueeze": _reshape,
}


# Steps that become one ---------------------------------------------------------------------------


def _readers(program: Program) -> Counter[str]:
    """Count the readers of each value; being an output counts."""
    return Counter([
        *program.outputs,
        *program.states.values(),
        *(name for step in program.steps for name in step.inputs),
    ])  # fmt: skip


def _whole_maps(program: Program) -> Program:
    """Read a map laid out in a line for a fully connected layer as one place of a large kernel."""
    readers = _readers(program)
    makers = {step.output: step for step in program.steps}
    steps: list[Step] = []
    for step in program.steps:
        before = makers.get(step.inputs[0]) if step.inputs else None
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
    """Make a convolution of (channels * rows * columns, 1, 1) one of (channels, rows, columns)."""
    window = Window(Axis(shape[1]), Axis(shape[2]))
    form = (len(step.weights), *shape)
    if isinstance(step, Conv):
        weights = step.weights.reshape(form)
        return replace(step, inputs=(source,), window=window, weights=weights)
    integers = step.weights.reshape(form)
    return replace(step, inputs=(source,), window=window, weights=integers)


def _fuse(program: Program) -> Program:
    """Put activations, then pools, into the step before them, where nothing else reads between.

    x * sigmoid(x) becomes one step, too.
    """
    readers = _readers(program)
    steps: list[Step] = []
    for step in program.steps:
        last = steps[-1] if steps else None
        follows = last is not None and step.inputs == (last.output,) and readers[last.output] == 1
        if (
            follows
            and isinstance(step, Activate)
            and isinstance(last, Conv | ConvTranspose | Arithmetic)
            and last.activation is None
            and not (isinstance(last, Conv) and last.pool is not None)
        ):
            steps[-1] = replace(last, output=step.output, activation=step.activation)
        elif last is not None and _is_silu(last, step) and readers[last.output] == 1:
            steps.pop()
            before = steps[-1] if steps else None
            silu = Function("silu")
            if (
                isinstance(before, Conv | ConvTranspose | Arithmetic)
                and last.inputs == (before.output,)
                and readers[before.output] == 2  # these two
                and before.activation is None
                and not (isinstance(before, Conv) and before.pool is not None)
            ):
                steps[-1] = replace(before, output=step.output, activation=silu)
            else:
                steps.append(Activate(step.name, last.inputs, step.output, silu))
        elif (
            follows
            and isinstance(step, MaxPool)
            and isinstance(last, Conv | QuantizedConv)
            and last.pool is None
            and not (isinstance(last, QuantizedConv) and isinstance(last.result, ToFloat))
            and _halves(step.window, program.values[last.output].shape)
        ):
            steps[-1] = replace(last, output=step.output, pool=step.window)
        else:
            steps.append(step)
    return replace(program, steps=tuple(steps))


def _is_silu(first: Step, second: Step) -> bool:
    """Tell whether two steps are x * sigmoid(x)."""
    return (
        isinstance(first, Activate)
        and first.activation == Function("sigmoid")
        and isinstance(second, Arithmetic)
        and second.operation == "multiply"
        and sorted(second.inputs) == sorted((*first.inputs, first.output))
    )


def _halves(window: Window, shape: Shape) -> bool:
    """Tell whether a pool takes every 2 x 2 samples of a map to one, and none is left over."""
    return window == Window.square(2, 2) and shape[1] % 2 == 0 and shape[2] % 2 == 0


def _tidy(program: Program) -> Program:
    """Leave out values that no step makes any more.

    An input, or what lives from call to call, is bytes where its only reader quantizes it.
    """
    steps = list(program.steps)
    values = dict(program.values)
    states = dict(program.states)
    readers = _readers(program)
    ends = {*program.outputs, *states.values()}
    for name in (*program.inputs, *states):
        first = next((step for step in steps if name in step.inputs), None)
        quantized = isinstance(first, Quantize) and first.output not in ends
        if isinstance(first, Quantize) and quantized and readers[name] == 1:
            steps.remove(first)
            values[name] = values[first.output]
            steps = [_renamed(step, first.output, name) for step in steps]
            if name in states:
                states[name] = _as_bytes(steps, values, states[name], values[name], readers)
    for name, made in states.items():
        if made in states and made != name:  # copied before the other is written
            states[name] = f"{name} kept"
            values[states[name]] = values[made]
            steps.append(Reshape(states[name], (made,), states[name]))
    used = {*program.inputs, *states, *states.values(), *program.outputs}
    used |= {name for step in steps for name in (*step.inputs, step.output)}
    return replace(
        program,
        steps=tuple(steps),
        states=states,
        values={name: value for name, value in values.items() if name in used},
        constants={name: a for name, a in program.constants.items() if name in used},
    )


def _as_bytes(
    steps: list[Step], values: dict[str, Value], made: str, wanted: Value, readers: Counter[str]
) -> str:
    """Give what a state becomes in the bytes that it is kept in.

    Args:
        steps: Of the program; a step more, or one less, where need be.
        values: Of the program; one more, where need be.
        made: What the state becomes, in float32.
        wanted: What it is kept as.
        readers: How many each value had.
    """
    maker = next((step for step in steps if step.output == made), None)
    if isinstance(maker, Dequantize) and values[maker.inputs[0]] == wanted:
        if readers[made] == 1:
            steps.remove(maker)
        return maker.inputs[0]
    name = f"{made} in bytes"
    steps.append(Quantize(name, (made,), name))
    values[name] = wanted
    return name


def _renamed(step: Step, old: str, new: str) -> Step:
    inputs = tuple(new if name == old else name for name in step.inputs)
    return step if inputs == step.inputs else replace(step, inputs=inputs)
