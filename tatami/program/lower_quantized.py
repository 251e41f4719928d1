"""The integer steps of a QDQ network: nodes whose values around are quantized.

A node between DequantizeLinear and QuantizeLinear is a float node on paper and an integer step in a
program: docs/integer-arithmetic.md says which. An activation that stands alone between a
convolution and its QuantizeLinear belongs to the convolution's sum. What cannot be done in integers
stays float, with Quantize and Dequantize steps around it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Literal, cast

import numpy as np
import onnx_ir as ir

from tatami.errors import TatamiError
from tatami.graph.attributes import (
    constant,
    dequantized,
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
from tatami.graph.functions import slopes_of, varying
from tatami.graph.linear import bias_after, bias_place
from tatami.graph.network import shape_of
from tatami.graph.operators import OPERATORS
from tatami.ops.fixed_point import (
    MAX_SUM,
    multiplier_of,
    negative_multiplier_of,
    round_half_up,
    sum_bounds,
)
from tatami.ops.quantized import (
    WEIGHT_BITS,
    average_multipliers,
    table,
)
from tatami.ops.window import Axis, Window
from tatami.program.lowering import (
    Array,
    Lowering,
    NotAMap,
    Slopes,
    Sums,
    Tokens,
    activation_of,
    add_taps,
    axis_of,
    batch_axes,
    check_axes,
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
    whole_map,
)
from tatami.program.steps import (
    Activation,
    Apply,
    Clamp,
    Concat,
    Leaky,
    MaxPool,
    MaxUnpool,
    Pad,
    Program,
    Quantization,
    Quantize,
    QuantizedAveragePool,
    QuantizedConv,
    QuantizedConvTranspose,
    Requantize,
    Reshape,
    Resize,
    Sampling,
    Slice,
    SpaceToDepth,
    Step,
    Table,
    ToBytes,
    ToFloat,
    Transpose,
    Value,
)
from tatami.types import Float64


def lower_quantized(state: Lowering, node: ir.Node) -> bool:
    """Make the integer step of a node, if it has one; say whether it was made.

    Args:
        state: The program in the making.
        node: The node.

    Raises:
        TatamiError: For sums that could leave 32 bits and for scales that integers cannot hold,
            naming the layer.
    """
    if node.op_type == "QuantizeLinear":
        return _quantize(state, node)
    if node.op_type == "DequantizeLinear":
        return _dequantize(state, node)
    make = _LOWER.get(node.op_type)
    value = node.inputs[0] if node.inputs else None
    if value is None or value not in state.bytes:
        return False
    try:
        if make is not None and make(state, node):
            return True
    except NotAMap:
        pass  # as its operator defines it, perhaps
    return OPERATORS[node.op_type].role in ("moves", "orders") and _moved(state, node)


# The two nodes that make it a quantized network --------------------------------------------------


def quantization_of(node: ir.Node) -> Quantization | None:
    """Read the quantization of an activation's QuantizeLinear or DequantizeLinear, as uint8.

    Returns:
        None for anything else.
    """
    scale, zero = constant(node, 1), constant(node, 2)
    if scale is None or scale.size != 1:
        return None
    if zero is None or zero.dtype == np.uint8:
        return Quantization(float(scale.reshape(())), 0 if zero is None else int(zero.reshape(())))
    if zero.dtype == np.int8:  # the same steps, counted from -128
        return Quantization(float(scale.reshape(())), int(zero.reshape(())) + 128)
    return None


def _bytes_again(node: ir.Node) -> bool:
    """Tell whether what a QuantizeLinear makes may be held as uint8, whatever its kind is.

    int8 may, counted from -128, where nobody sees it but who makes real numbers of it again.
    """
    output = node.outputs[0]
    readers = [use.node for use in output.uses()]
    return output.dtype == ir.DataType.UINT8 or (
        not output.is_graph_output()
        and all(
            node.op_type == "DequantizeLinear" and node.outputs[0].dtype == ir.DataType.FLOAT
            for node in readers
        )
    )


def _quantize(state: Lowering, node: ir.Node) -> bool:
    quantization = quantization_of(node)
    value = node.inputs[0]
    if quantization is None or value is None or not _bytes_again(node):
        return False
    if value.dtype != ir.DataType.FLOAT:
        return False
    if value in state.bytes:  # quantized once more: a table, or nothing
        source = state.bytes[value]
        if state.quantization(source) != quantization:
            source = rescaled(state, source, quantization, output_name(node))
    else:
        source = state.float_input(node, 0)
        name = output_name(node)
        source = state.add(
            Quantize(name, (source,), name), state.values[source].shape, quantization
        )
    state.bytes[node.outputs[0]] = source
    return True


def _dequantize(state: Lowering, node: ir.Node) -> bool:
    value = node.inputs[0]
    if value in state.bytes and node.outputs[0].dtype == ir.DataType.FLOAT:
        source = state.bytes[value]
        if quantization_of(node) != state.quantization(source):
            raise TatamiError(
                f"{place(node)} reads bytes at another scale than they were written at",
                hint="quantize the network again",
            )
        state.bytes[node.outputs[0]] = source
        return True
    # Of a constant, whoever uses it looks behind; all else is done as ONNX defines it.
    return dequantized(node) is not None


def rescaled(state: Lowering, source: str, to: Quantization, name: str) -> str:
    """Give the same value under another quantization."""
    given = state.quantization(source)
    entries = table(lambda x: x, given.scale, given.zero_point, to.scale, to.zero_point)
    return state.add(Table(name, (source,), name, entries), state.values[source].shape, to)


def stored_bytes(state: Lowering, node: ir.Node, index: int) -> str | None:
    """Give the program's name of a constant that a file holds as bytes of one scale.

    Args:
        state: The program in the making; the constant becomes one of its.
        node: The node that reads it.
        index: Which of its inputs it is.

    Returns:
        None for anything else.
    """
    value = node.inputs[index]
    maker = None if value is None else value.producer()
    stored = None if maker is None else constant(maker, 0)
    if value is None or maker is None or maker.op_type != "DequantizeLinear" or stored is None:
        return None
    given = quantization_of(maker)
    if given is None or stored.dtype != np.uint8:
        return None
    name = str(value.name)
    shape = stored_shape(stored.shape)
    state.values[name] = Value(shape, given)
    state.constants[name] = stored.reshape(shape)
    return name


# What follows a node -----------------------------------------------------------------------------


def only_reader(value: ir.Value) -> ir.Node | None:
    """Find the node that alone reads a value, which is no output."""
    uses = list(value.uses())
    return uses[0].node if len(uses) == 1 and not value.is_graph_output() else None


def _quantized_after(node: ir.Node) -> ir.Node | None:
    """Find the QuantizeLinear that alone reads a node's output."""
    reader = only_reader(node.outputs[0])
    if reader is None or reader.op_type != "QuantizeLinear":
        return None
    return reader if quantization_of(reader) is not None else None


class Result:
    """Where the result of a node goes: an activation, and a quantization, that follow it at once.

    ``last`` is the node whose output is the result, ``quantizer`` the QuantizeLinear, or None.
    """

    def __init__(self, node: ir.Node, folds: Callable[[Activation | Slopes], bool]) -> None:
        self.activation: Activation | Slopes | None = None
        self.last = node
        self.quantizer = _quantized_after(node)
        reader = only_reader(node.outputs[0])
        if self.quantizer is None and reader is not None:
            found = activation_of(reader) or _slopes(reader)
            after = _quantized_after(reader)
            if found is not None and after is not None and folds(found):
                self.activation, self.last, self.quantizer = found, reader, after

    @property
    def open(self) -> bool:
        """Whether the result stays float."""
        return self.quantizer is None

    @property
    def quantization(self) -> Quantization:
        """The quantization of the result."""
        assert self.quantizer is not None
        found = quantization_of(self.quantizer)
        assert found is not None
        return found

    @property
    def name(self) -> str:
        """The name of the result."""
        return output_name(self.last)

    def take(self, state: Lowering, name: str) -> bool:
        """Note that ``name`` is the result, and that the nodes on the way are done."""
        state.done.add(self.last)
        if self.quantizer is None:
            state.floats[self.last.outputs[0]] = name
        else:
            state.done.add(self.quantizer)
            state.bytes[self.quantizer.outputs[0]] = name
        return True


def _slopes(node: ir.Node) -> Slopes | None:
    found = slopes_of(node)
    return None if found is None or found.size == 1 else Slopes(found)


def _in_sum(activation: Activation | Slopes) -> bool:
    """Tell whether a sum can be requantized with this activation."""
    if isinstance(activation, Leaky):
        return 0 <= activation.alpha <= 1
    if isinstance(activation, Slopes):
        return bool(((activation.alphas >= 0) & (activation.alphas <= 1)).all())
    return isinstance(activation, Clamp)


def is_clamp(activation: Activation | Slopes) -> bool:
    """Tell whether an activation only clips, as every step can."""
    return isinstance(activation, Clamp)


def bounds_of(activation: Activation | Slopes | None, to: Quantization) -> tuple[int, int]:
    """Give an activation's bounds in the steps of the result."""
    if not isinstance(activation, Clamp):
        return 0, 255

    def step(bound: float) -> int:
        if math.isinf(bound):
            return 0 if bound < 0 else 255
        return min(255, max(0, int(round_half_up(np.asarray(bound / to.scale))) + to.zero_point))

    return step(activation.low), step(activation.high)


# Convolutions ------------------------------------------------------------------------------------


def int8_weights(node: ir.Node, axis: int) -> tuple[Array, Float64] | None:
    """Read a convolution's int8 weights and their scales, (outputs,); None where they are float."""
    value = node.inputs[1]
    maker = None if value is None else value.producer()
    found = dequantized(maker) if maker is not None else None
    if maker is None or maker.op_type != "DequantizeLinear" or found is None:
        return None
    stored, scale, scale_axis = found
    outputs = stored.shape[axis]
    if np.abs(stored).max(initial=0) > 127 or (scale.size > 1 and scale_axis != axis):
        return None
    if stored.ndim == 3:  # of one axis: another of one tap beside it
        stored = stored[..., None]
    return stored.astype(np.int8), np.broadcast_to(scale.astype(np.float64), (outputs,))


def _has_one_scale(node: ir.Node) -> bool:
    """Tell whether a layer's int8 weights have one scale, and not one an output."""
    value = node.inputs[1]
    maker = None if value is None else value.producer()
    found = None if maker is None else dequantized(maker)
    return found is not None and found[1].size == 1


def _bias(node: ir.Node, outputs: int, scale: Float64) -> Array:
    """Read the bias in steps of ``scale``, (outputs,) int32: of a product, what is added behind."""
    behind, index = bias_after(node), 2
    if behind is not None:
        node, index = behind, bias_place(behind, node)
    value = node.inputs[index] if len(node.inputs) > index else None
    if value is None:
        return np.zeros(outputs, np.int32)
    maker = value.producer()
    if maker is not None and maker.op_type == "DequantizeLinear":
        found = dequantized(maker)
        assert found is not None
        exact = found[0] * found[1].astype(np.float64)
        row = found[0].ndim == 1
        if row and np.allclose(found[1], scale.astype(np.float32), rtol=1e-6, atol=0):
            return found[0].astype(np.int32)
    else:
        array = constant(node, index)
        if array is None:
            raise TatamiError(
                f"{place(node)} has a bias that is computed", hint="ship constants only"
            )
        exact = array.astype(np.float64)
    steps = round_half_up(exact.reshape(-1) / scale)
    if np.abs(steps).max(initial=0) > MAX_SUM:
        raise _overflow(node)
    return steps.astype(np.int32)


def _overflow(node: ir.Node) -> TatamiError:
    return TatamiError(
        f"the sums of '{label(node)}' could leave 32 bits",
        hint=f"quantize it again and keep {label(node)} in float32",
    )


def _most(node: ir.Node, weights: Array, bias: Array, zero_point: int) -> int:
    """Bound the |sums| of weights (outputs, ...); refuse those that could leave 32 bits."""
    found = int(sum_bounds(weights, bias, zero_point).max(initial=0))
    if found > MAX_SUM:
        raise _overflow(node)
    return found


def _result_of(state: Lowering, node: ir.Node, result: Result, sums: Sums) -> ToBytes | ToFloat:
    """Decide how the sums of a convolution become its result."""
    if result.quantizer is None:
        return ToFloat((np.float64(np.float32(sums.scale)) * sums.scales).astype(np.float32))
    try:
        return state.rounding.requantize(sums, result.quantization, result.activation)
    except TatamiError as error:
        reason = f"'{label(node)}': {error.reason}"
        raise TatamiError(reason, hint=error.hint, setting=error.setting) from error


class Own:
    """Tatami's own rounding: once, halves up. What has no integers stays float, and says so."""

    def lower(self, state: Lowering, node: ir.Node) -> bool:
        """Leave every node to lower_samples and lower_quantized."""
        return False

    def requantize(
        self, sums: Sums, to: Quantization, activation: Activation | Slopes | None
    ) -> Requantize:
        """Say how the sums of a layer become bytes: docs/integer-arithmetic.md, section 3."""
        factors = np.float64(np.float32(sums.scale)) * sums.scales  # of a sum, to a real number
        factors = factors / np.float64(np.float32(to.scale))
        multiplier, shift = multiplier_of(factors)
        negative = multiplier
        if isinstance(activation, Leaky | Slopes):
            leaky = activation.alphas if isinstance(activation, Slopes) else activation.alpha
            alpha = np.float64(np.float32(leaky))
            negative = negative_multiplier_of(multiplier, shift, alpha * factors)
        return Requantize(multiplier, negative, shift, to.zero_point, *bounds_of(activation, to))

    def check(self, graph: ir.Graph, program: Program) -> None:
        """Refuse nothing."""


def _conv(state: Lowering, node: ir.Node) -> bool:
    return _convolution(state, node, int8_weights(node, 0), picture_window(node))


def _fully_connected(state: Lowering, node: ir.Node) -> bool:
    axis = 0 if integer(node, "transB", 0) else 1
    found = int8_weights(node, axis)
    if found is None or (real(node, "alpha", 1.0), real(node, "beta", 1.0)) != (1.0, 1.0):
        return False
    matrix_of(node)  # refuses what is not a fully connected layer
    weights = found[0] if axis == 0 else np.ascontiguousarray(found[0].T)
    integers = (weights[:, :, None, None], found[1])
    return _convolution(state, node, integers, Window.square(1), tokens_of(node))


def _convolution(
    state: Lowering,
    node: ir.Node,
    found: tuple[Array, Float64] | None,
    window: Window,
    tokens: Tokens | None = None,
) -> bool:
    if found is None:
        return False
    weights, scales = found
    source = state.bytes[_input(node)]
    given = state.quantization(source)
    bias = _bias(node, len(weights), np.float64(np.float32(given.scale)) * scales)
    most = _most(node, weights, bias, given.zero_point)
    matrix = node.op_type in ("Gemm", "MatMul")
    sums = Sums(given.scale, scales, _has_one_scale(node), matrix, most)
    behind = bias_after(node)
    result = Result(behind or node, _in_sum)
    if behind is not None:
        state.done.add(behind)
    name = result.name
    quantization = None if result.quantizer is None else result.quantization
    if tokens is not None:
        turned, name = f"{source} as channels for {name}", f"{name} as channels"
        step = Transpose(turned, (source,), turned, tokens.there)
        source = state.add(step, (weights.shape[1], *tokens.shape), given)
    made = QuantizedConv(
        label(node),
        (source,),
        name,
        weights,
        bias,
        window,
        integer(node, "group", 1),
        _result_of(state, node, result, sums),
    )
    shape = value_shape(result.last.outputs[0])
    if tokens is None:
        return result.take(state, state.add(made, shape, quantization))
    state.add(made, (len(weights), *tokens.shape), quantization)
    back = Transpose(result.name, (name,), result.name, tokens.back)
    return result.take(state, state.add(back, shape, quantization))


def layer_sums(state: Lowering, node: ir.Node, name: str) -> str:
    """Make the step of a layer of rows whose sums stay whole numbers, in float32; name them.

    Args:
        state: The program in the making.
        node: A product with a constant matrix, int8.
        name: Of the sums.

    Raises:
        NotAMap: Where it is no layer of rows.
    """
    found = int8_weights(node, 1)
    assert found is not None
    matrix_of(node)
    tokens = tokens_of(node)
    weights, scales = np.ascontiguousarray(found[0].T)[:, :, None, None], found[1]
    source = state.bytes[_input(node)]
    given = state.quantization(source)
    bias = _bias(node, len(weights), np.float64(np.float32(given.scale)) * scales)
    _most(node, weights, bias, given.zero_point)
    result = ToFloat(np.ones(len(weights), np.float32))
    if tokens is None:
        step = QuantizedConv(
            label(node), (source,), name, weights, bias, Window.square(1), 1, result
        )
        return state.add(step, value_shape(node.outputs[0]))
    turned, product = f"{source} as channels for {name}", f"{name} as channels"
    there = Transpose(turned, (source,), turned, tokens.there)
    state.add(there, (weights.shape[1], *tokens.shape), given)
    step = QuantizedConv(
        label(node), (turned,), product, weights, bias, Window.square(1), 1, result
    )
    state.add(step, (len(weights), *tokens.shape))
    return state.add(Transpose(name, (product,), name, tokens.back), value_shape(node.outputs[0]))


def _conv_transpose(state: Lowering, node: ir.Node) -> bool:
    picture_of(node)
    groups = integer(node, "group", 1)
    found = int8_weights(node, 1)
    if found is None or (groups > 1 and len(set(found[1])) > 1):
        return False
    weights, scales = found
    outputs = weights.shape[1] * groups
    scales = np.resize(scales, outputs)
    source = state.bytes[_input(node)]
    given = state.quantization(source)
    bias = _bias(node, outputs, np.float64(np.float32(given.scale)) * scales)
    by_output = weights.reshape(groups, -1, *weights.shape[1:]).swapaxes(1, 2)
    most = _most(node, by_output.reshape(outputs, -1), bias, given.zero_point)
    sums = Sums(given.scale, scales, _has_one_scale(node), False, most)
    result = Result(node, _in_sum)
    leaving = _result_of(state, node, result, sums)
    if not isinstance(leaving, Requantize | ToFloat):
        return False
    step = QuantizedConvTranspose(
        label(node),
        (source,),
        result.name,
        weights,
        bias,
        transposed_window_of(node),
        groups,
        leaving,
    )
    quantization = None if result.quantizer is None else result.quantization
    shape = value_shape(result.last.outputs[0])
    return result.take(state, state.add(step, shape, quantization))


# Everything else ---------------------------------------------------------------------------------


def _input(node: ir.Node, index: int = 0) -> ir.Value:
    value = node.inputs[index]
    assert value is not None
    return value


def _same_scale(state: Lowering, node: ir.Node, make: Callable[[str, str], Step]) -> bool:
    """Make the step of a node that moves bytes and does not change them.

    Its result has the input's quantization, and another one if it is quantized anew. A result that
    is not quantized has the node's name in float32.
    """
    source = state.bytes[_input(node)]
    given = state.quantization(source)
    result = Result(node, lambda _: False)
    shape = value_shape(node.outputs[0])
    name = output_name(node)
    if result.quantizer is None:  # still bytes, dequantized by whoever wants floats
        moved = state.add(make(source, f"{name} quantized"), shape, given)
        state.bytes[node.outputs[0]] = moved
        return True
    to = result.quantization
    if to == given:
        return result.take(state, state.add(make(source, name), shape, given))
    moved = state.add(make(source, f"{name} as {source}"), shape, given)
    return result.take(state, rescaled(state, moved, to, name))


def _moved(state: Lowering, node: ir.Node) -> bool:
    """Make the steps of a node that moves bytes, as its operator defines it."""
    row = OPERATORS[node.op_type]
    places = tuple(
        index
        for index, value in enumerate(node.inputs)
        if value is not None
        and value.name
        and not (row.settings and index > 0 and weight(node, index) is not None)
    )
    real = [value for value in map(node.inputs.__getitem__, places) if _is_real(value)]
    if not all(value in state.bytes for value in real) or not _only_moves(node):
        return False
    to = state.quantization(state.bytes[_input(node)])
    inputs = []
    for index in places:
        value = _input(node, index)
        if value not in state.bytes:
            inputs.append(state.plain_input(node, index))
            continue
        source = state.bytes[value]
        if state.quantization(source) != to:
            name = f"{source} for {output_name(node)}"
            source = name if name in state.values else rescaled(state, source, to, name)
        inputs.append(source)
    for index, value in enumerate(node.outputs):
        if value.name and (value.uses() or value.is_graph_output()):
            name = f"{value.name} quantized"
            step = Apply(name, tuple(inputs), name, node, places, index, exact=True)
            state.bytes[value] = state.add(step, stored_shape(shape_of(value)), to)
    return True


def _is_real(value: ir.Value | None) -> bool:
    return value is not None and value.dtype in (None, ir.DataType.FLOAT)


def _only_moves(node: ir.Node) -> bool:
    """Tell whether a node's results are samples of its inputs, whatever these are.

    It is tried: with samples that all differ, and with others in the same places.
    """
    rng = np.random.default_rng(0)
    seen: list[tuple[Array, ...]] = []
    given = [value for value in varying(node) if _is_real(value)]
    count = sum(math.prod(shape_of(value)) for value in given)
    samples = rng.permutation(count) + 1.0, rng.permutation(count) + 1.0
    for numbers in samples:
        inputs: list[Array | None] = []
        start = 0
        for index, value in enumerate(node.inputs):
            if value is None or not value.name:
                inputs.append(None)
            elif weight(node, index) is not None:
                inputs.append(weight(node, index))
            elif _is_real(value):
                sides = shape_of(value)
                inputs.append(numbers[start : start + math.prod(sides)].reshape(sides))
                start += math.prod(sides)
            else:
                assert value.dtype is not None
                inputs.append(np.zeros(shape_of(value), value.dtype.numpy()))
        found = OPERATORS[node.op_type].evaluate(node, inputs)
        seen.append(found if isinstance(found, tuple) else (found,))
    place_of = np.zeros(count + 1, np.int64)
    place_of[samples[0].astype(np.int64)] = np.arange(count)
    for first, second in zip(*seen, strict=True):
        flat = np.asarray(first).reshape(-1)
        whole = flat.astype(np.int64)
        if not ((whole == flat) & (whole >= 1) & (whole <= count)).all():
            return False
        if not (samples[1][place_of[whole]] == np.asarray(second).reshape(-1)).all():
            return False
    return True


def pool_window(node: ir.Node) -> Window:
    """Read the window of a pool, or of a reduction of whole rows, columns or both.

    Raises:
        NotAMap: For a reduction of other axes.
    """
    if node.op_type.startswith("Global"):
        return whole_map(node)
    if not node.op_type.startswith("Reduce"):
        return picture_window(node)
    value = picture_of(node)
    _, rows, columns = value_shape(value)
    axes = {axis - batch_axes(value) for axis in reduced_axes(node)}
    sides = value_shape(node.outputs[0])
    if not axes <= {1, 2} or sides[1:] != (1 if 1 in axes else rows, 1 if 2 in axes else columns):
        raise NotAMap(f"{place(node)} reduces other axes", hint="reduce rows and columns")
    return Window(Axis(rows if 1 in axes else 1), Axis(columns if 2 in axes else 1))


def _max_pool(state: Lowering, node: ir.Node) -> bool:
    window = pool_window(node)
    add_taps(state, node, state.bytes[_input(node)])
    return _same_scale(
        state, node, lambda source, name: MaxPool(label(node), (source,), name, window)
    )


def _max_unpool(state: Lowering, node: ir.Node) -> bool:
    window, taps = picture_window(pool_of(node)), state.taps[_input(node, 1)]
    return _same_scale(
        state, node, lambda source, name: MaxUnpool(label(node), (source, taps), name, window)
    )


def _slice(state: Lowering, node: ir.Node) -> bool:
    starts, steps = slice_of(node)
    return _same_scale(
        state, node, lambda source, name: Slice(label(node), (source,), name, starts, steps)
    )


def _reshape(state: Lowering, node: ir.Node) -> bool:
    return _same_scale(state, node, lambda source, name: Reshape(label(node), (source,), name))


def _transpose(state: Lowering, node: ir.Node) -> bool:
    order = order_of(node)
    return _same_scale(
        state, node, lambda source, name: Transpose(label(node), (source,), name, order)
    )


def _space_to_depth(state: Lowering, node: ir.Node) -> bool:
    if text(node, "mode", "DCR") != "DCR":
        return False
    block = integer(node, "blocksize", 1)
    return _same_scale(
        state, node, lambda source, name: SpaceToDepth(label(node), (source,), name, block)
    )


def _pad(state: Lowering, node: ir.Node) -> bool:
    given = state.quantization(state.bytes[_input(node)])
    result = Result(node, lambda _: False)
    mode = cast(Literal["constant", "edge", "reflect"], text(node, "mode", "constant"))
    value = constant(node, 2)
    filled = 0.0 if value is None else float(value.reshape(-1)[0])
    steps = filled / given.scale if math.isfinite(filled) else math.inf
    if result.open and steps != 0:  # a real number between two steps stays itself
        return False
    stored = math.floor(steps + 0.5) + given.zero_point if math.isfinite(steps) else -1
    if mode == "constant" and not 0 <= stored <= 255:
        return False
    widths = pad_of(node)
    return _same_scale(
        state,
        node,
        lambda source, name: Pad(label(node), (source,), name, widths, mode, float(stored)),
    )


def _resize(state: Lowering, node: ir.Node) -> bool:
    if text(node, "mode", "nearest") != "nearest" and Result(node, lambda _: False).open:
        return False  # means of bytes, that nothing says to round
    try:
        both = resize_taps_of(node)
    except TatamiError:  # of other axes, or by other means
        return False
    rows, columns = (
        Sampling(
            taps.first,
            taps.second,
            np.floor(taps.weight.astype(np.float64) * 2**WEIGHT_BITS + 0.5).astype(np.int32),
        )
        for taps in both
    )
    return _same_scale(
        state, node, lambda source, name: Resize(label(node), (source,), name, rows, columns)
    )


def _average_pool(state: Lowering, node: ir.Node) -> bool:
    result = Result(node, lambda _: False)
    if result.quantizer is None:
        return False
    window = pool_window(node)
    count_padding = bool(integer(node, "count_include_pad", 0))
    if count_padding and any(axis.beyond for axis in window):
        return False
    source = state.bytes[_input(node)]
    ratio = np.float64(np.float32(state.quantization(source).scale)) / np.float64(
        np.float32(result.quantization.scale)
    )
    area = window.rows.kernel * window.columns.kernel
    try:
        multipliers, shift = average_multipliers(float(ratio), area)
    except TatamiError as error:
        raise TatamiError(f"'{label(node)}': {error.reason}", hint=error.hint) from error
    step = QuantizedAveragePool(
        label(node),
        (source,),
        result.name,
        window,
        count_padding,
        multipliers,
        shift,
    )
    shape = value_shape(node.outputs[0])
    return result.take(state, state.add(step, shape, result.quantization))


def _concat(state: Lowering, node: ir.Node) -> bool:
    result = Result(node, lambda _: False)
    values = [_input(node, index) for index in range(len(node.inputs))]
    if result.quantizer is None or not all(value in state.bytes for value in values):
        return False
    to = result.quantization
    check_axes(node)
    names = []
    for value in values:
        source = state.bytes[value]
        if state.quantization(source) != to:
            name = f"{source} for {result.name}"
            source = name if name in state.values else rescaled(state, source, to, name)
        names.append(source)
    step = Concat(label(node), tuple(names), result.name, axis_of(node, 1))
    return result.take(state, state.add(step, value_shape(node.outputs[0]), to))


_LOWER: Mapping[str, Callable[[Lowering, ir.Node], bool]] = {
    "AveragePool": _average_pool,
    "Concat": _concat,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Flatten": _reshape,
    "Gemm": _fully_connected,
    "GlobalAveragePool": _average_pool,
    "GlobalMaxPool": _max_pool,
    "MatMul": _fully_connected,
    "MaxPool": _max_pool,
    "MaxUnpool": _max_unpool,
    "Pad": _pad,
    "ReduceMax": _max_pool,
    "ReduceMean": _average_pool,
    "Reshape": _reshape,
    "Resize": _resize,
    "Slice": _slice,
    "SpaceToDepth": _space_to_depth,
    "Squeeze": _reshape,
    "Transpose": _transpose,
    "Unsqueeze": _reshape,
}
