"""Run a program in NumPy: the specification that every back end is compared with.

Integer steps give the bits of docs/integer-arithmetic.md; float steps are tatami.ops in float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tatami.errors import TatamiError
from tatami.graph.attributes import weight
from tatami.graph.network import shape_of
from tatami.graph.operators import OPERATORS
from tatami.ops import engines, exponential, fixed_point, quantized, quantized_attention
from tatami.ops.activation import clip, leaky_relu, softmax, tanh
from tatami.ops.conv import convolve
from tatami.ops.conv_transpose import convolve_transposed
from tatami.ops.norm import l2_norm
from tatami.ops.pad import pad
from tatami.ops.pool import average_pool, max_pool, max_pool_with_taps, max_unpool, tap_indices
from tatami.ops.resize import ResizeTaps, resize
from tatami.ops.space_to_depth import space_to_depth
from tatami.ops.window import Window
from tatami.program.steps import (
    Activate,
    Activation,
    AddAsReference,
    Apply,
    Arithmetic,
    AveragePool,
    Clamp,
    Concat,
    Conv,
    ConvTranspose,
    Delay,
    Dequantize,
    Elsewhere,
    Function,
    L2Norm,
    Leaky,
    Mapped,
    MaxPool,
    MaxTap,
    MaxUnpool,
    Pad,
    Program,
    Quantization,
    Quantize,
    QuantizedAdd,
    QuantizedAddNorm,
    QuantizedAveragePool,
    QuantizedConv,
    QuantizedConvTranspose,
    QuantizedExtreme,
    QuantizedLayerNorm,
    QuantizedMatMul,
    QuantizedMultiply,
    QuantizedSoftmax,
    RequantizeAsReference,
    RequantizeInFloat,
    Reshape,
    Resize,
    Sampling,
    Slice,
    Softmax,
    SoftmaxAsReference,
    SoftmaxInFloat,
    SpaceToDepth,
    Table,
    ToBytes,
    ToFloat,
    Transpose,
    WholeAveragePool,
)
from tatami.types import Float32

Array = NDArray[Any]


Memory = dict[str, Array]
"""What lives from call to call, by the name that a call finds it under."""


def memory_of(program: Program) -> Memory:
    """Give what the first call finds: zeros."""
    return {
        name: np.full(program.values[name].shape, program.zero(name), program.values[name].dtype)
        for name in program.states
    }


def run(program: Program, inputs: Sequence[Array], memory: Memory | None = None) -> list[Array]:
    """Run one picture through a program.

    Args:
        program: The program.
        inputs: One array an input, as for ``values``.
        memory: As for ``values``.

    Returns:
        The outputs; each array is (channels, rows, columns) of its value.
    """
    computed = values(program, inputs, memory)
    fixed = program.constants
    return [computed[name] if name in computed else fixed[name] for name in program.outputs]


def values(
    program: Program, inputs: Sequence[Array], memory: Memory | None = None
) -> dict[str, Array]:
    """Run one picture and keep every value.

    Args:
        program: The program.
        inputs: One array an input, of its value's shape. One that the program takes as bytes may be
            given in float32, and is quantized first.
        memory: What lives from call to call: what this call finds, and, when it returns, what the
            next one does. None: it is as for a first call, and is forgotten.

    Returns:
        Every value by name, in order, inputs first: float32 or uint8, (channels, rows, columns).

    Raises:
        TatamiError: For an input of another shape.
    """
    if len(inputs) != len(program.inputs):
        raise TatamiError(
            f"the network takes {len(program.inputs)} inputs, not {len(inputs)}",
            hint="give one array an input",
        )
    computed: dict[str, Array] = {}
    for name, array in zip(program.inputs, inputs, strict=True):
        value = program.values[name]
        if array.shape != value.shape:
            raise TatamiError(
                f"an input of shape {array.shape} does not fit '{name}', which is {value.shape}",
                hint="prepare the pictures with the network's own input description",
            )
        if value.quantization is None:
            computed[name] = np.asarray(array, value.dtype)
        else:
            computed[name] = quantize(array, value.quantization)
    found = memory_of(program) if memory is None else memory
    known = computed | dict(program.constants) | found
    for step in program.steps:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # as torch: inf, nan
            if isinstance(step, Elsewhere):
                raise TatamiError(
                    f"'{step.output}' is computed elsewhere", hint="run what computes it"
                )
            if isinstance(step, Apply):
                result = _applied(step, [known[name] for name in step.inputs])
            else:  # ops work on (n, c, h, w)
                result = _evaluate(program, step, [known[name][None] for name in step.inputs])[0]
        known[step.output] = computed[step.output] = result.reshape(
            program.values[step.output].shape
        )
    found |= {name: known[made].copy() for name, made in program.states.items()}
    return computed


def run_calls(program: Program, calls: Sequence[Sequence[Array]]) -> list[list[Array]]:
    """Run calls one after another, the first of which finds zeros; give the outputs of each."""
    memory = memory_of(program)
    return [run(program, inputs, memory) for inputs in calls]


def values_of_calls(program: Program, calls: Sequence[Sequence[Array]]) -> list[dict[str, Array]]:
    """Run calls one after another, the first of which finds zeros; give every value of each."""
    memory = memory_of(program)
    return [values(program, inputs, memory) for inputs in calls]


def _applied(step: Apply, given: list[Array]) -> Array:
    """Run an operator by its row, on arrays of ONNX's own shapes."""
    node = step.node
    inputs: list[Array | None] = [weight(node, place) for place in range(len(node.inputs))]
    for place, array in zip(step.places, given, strict=True):
        value = node.inputs[place]
        assert value is not None
        inputs[place] = array.reshape(shape_of(value))
    found = OPERATORS[node.op_type].evaluate(node, inputs)
    if step.index < 0:
        made = zip(found, node.outputs, strict=False)
        return np.concatenate([np.ravel(each) for each, value in made if value.name])
    return np.asarray(found[step.index] if isinstance(found, tuple) else found)


def quantize(array: Array, quantization: Quantization | None) -> Array:
    """Quantize what a value holds; without a quantization float32 stays as it is."""
    if quantization is None:
        return np.asarray(array, np.float32)
    if array.dtype == np.uint8:
        return array
    return fixed_point.quantize(
        np.asarray(array, np.float32), quantization.scale, quantization.zero_point
    )


def _evaluate(program: Program, step: Mapped, given: list[Array]) -> Array:
    """Run a step on its inputs, all with a batch of 1."""
    x = given[0]
    shape = program.values[step.output].shape
    source = program.values[step.inputs[0]].quantization
    to = program.values[step.output].quantization
    match step:
        case Conv():
            y = convolve(x, step.weights, step.bias, step.window, step.groups)
            y = _activated(y, step.activation)
            return y if step.pool is None else max_pool(y, step.pool)
        case QuantizedConv():
            assert source is not None
            sums = quantized.convolve(
                x, step.weights, step.bias, source.zero_point, step.window, step.groups
            )
            return _leave(sums, step.result, step.pool)
        case ConvTranspose():
            y = convolve_transposed(
                x, step.weights, step.bias, step.window, (shape[1], shape[2]), step.groups
            )
            return _activated(y, step.activation)
        case QuantizedConvTranspose():
            assert source is not None
            sums = quantized.convolve_transposed(
                x,
                step.weights,
                step.bias,
                source.zero_point,
                step.window,
                (shape[1], shape[2]),
                step.groups,
            )
            return _leave(sums, step.result, None)
        case MaxPool():
            return max_pool(x, step.window) if to is None else quantized.max_pool(x, step.window)
        case MaxTap():
            _, taps = max_pool_with_taps(x.astype(np.float32), step.window)
            return taps
        case MaxUnpool():
            indices = tap_indices(given[1], step.window, shape[1:])
            fill = 0 if source is None else source.zero_point
            return max_unpool(x, indices, (1, *shape), fill)
        case AveragePool():
            return average_pool(x, step.window, step.count_padding)
        case QuantizedAveragePool():
            assert source is not None
            assert to is not None
            return quantized.average_pool(
                x,
                step.window,
                step.count_padding,
                step.multiplier,
                step.shift,
                source.zero_point,
                to.zero_point,
            )
        case WholeAveragePool():
            return engines.average_pool_whole(x, step.window)
        case Activate():
            return _activated(x, step.activation)
        case Table():
            if step.table.ndim == 2:
                return step.table[np.arange(len(step.table))[:, None, None], x]
            return step.table[x]
        case Arithmetic():
            return _activated(_OPERATIONS[step.operation](given[0], given[1]), step.activation)
        case QuantizedAdd():
            zero_points = [_quantization(program, name).zero_point for name in step.inputs]
            assert to is not None
            return quantized.add(
                given[0],
                given[1],
                step.multipliers,
                step.shift,
                (zero_points[0], zero_points[1], to.zero_point),
                step.low,
                step.high,
            )
        case AddAsReference():
            zero_points = [_quantization(program, name).zero_point for name in step.inputs]
            assert to is not None
            return engines.add_as_reference(
                given[0],
                given[1],
                step.multipliers,
                step.shifts,
                (zero_points[0], zero_points[1], to.zero_point),
                step.low,
                step.high,
            )
        case QuantizedMultiply():
            zero_points = [_quantization(program, name).zero_point for name in step.inputs]
            assert to is not None
            return quantized.multiply(
                given[0],
                given[1],
                step.multiplier,
                step.shift,
                (zero_points[0], zero_points[1], to.zero_point),
                step.low,
                step.high,
            )
        case QuantizedExtreme():
            larger = step.operation == "maximum"
            return (np.maximum if larger else np.minimum)(given[0], given[1])
        case Concat():
            return np.concatenate(given, axis=step.axis + 1)
        case Resize():
            return _resized(x, step.rows, step.columns)
        case Softmax():
            return softmax(x, step.axis + 1)
        case L2Norm():
            return l2_norm(x, (step.axis + 1,))
        case QuantizedSoftmax():
            assert to is not None
            if len(given) == 1:
                return quantized.softmax(x, step.table, step.ratio, to.zero_point, step.axis + 1)
            return quantized_attention.masked_softmax(
                x, given[1], step.table, step.ratio, to.zero_point, step.axis + 1
            )
        case QuantizedMatMul():
            zero_points = [_quantization(program, name).zero_point for name in step.inputs]
            assert to is not None
            a, b, _ = step.sides
            product = quantized_attention.multiply_matrices(
                given[0].reshape(a),
                given[1].reshape(b),
                step.multiplier,
                step.shift,
                (zero_points[0], zero_points[1], to.zero_point),
                step.low,
                step.high,
            )
            return product.reshape(1, *shape)
        case QuantizedLayerNorm():
            assert to is not None
            return quantized_attention.layer_normalize(
                x, step.constants, to.zero_point, step.axis + 1
            )
        case QuantizedAddNorm():
            assert source is not None
            assert to is not None
            ends = source.zero_point, to.zero_point
            return quantized_attention.add_and_normalize(
                x, given[1], step.sum, step.constants, ends, step.axis + 1
            )
        case SoftmaxInFloat():
            return engines.softmax_in_float(x, step.table, step.scale, step.axis + 1)
        case SoftmaxAsReference():
            return engines.softmax_as_reference(x, step.table, step.axis + 1)
        case Reshape():
            return x.reshape(1, *shape)
        case Transpose():
            return x.transpose(0, *(axis + 1 for axis in step.order))
        case Slice():
            for axis, (start, by) in enumerate(zip(step.starts, step.steps, strict=True)):
                x = np.take(x, start + by * np.arange(shape[axis]), axis=axis + 1)
            return x
        case SpaceToDepth():
            return space_to_depth(x, step.block)
        case Pad():
            widths = [(0, 0), *step.widths]
            if to is None:
                return pad(x, widths, step.mode, step.value)
            if step.mode == "constant":
                return np.pad(x, widths, constant_values=int(step.value))
            return np.pad(x, widths, mode=step.mode)
        case Quantize():
            return quantize(x, to)
        case Dequantize():
            assert source is not None
            return fixed_point.dequantize(x, source.scale, source.zero_point)
        case Delay():
            _, ring, place = given
            at = int(place.flat[0])
            oldest = ring[..., at].copy()
            ring[..., at] = x[..., 0]
            place[...] = (at + 1) % step.calls
            return oldest[..., None]


def _quantization(program: Program, name: str) -> Quantization:
    found = program.values[name].quantization
    assert found is not None, name
    return found


def _leave(sums: Array, result: ToBytes | ToFloat, pool: Window | None) -> Array:
    """Turn a convolution's sums into its result."""
    if isinstance(result, ToFloat):
        return fixed_point.to_float(sums, result.scale)
    y = _bytes_of(sums, result)
    return y if pool is None else quantized.max_pool(y, pool)


def _bytes_of(sums: Array, result: ToBytes) -> Array:
    if isinstance(result, RequantizeInFloat):
        return engines.requantize_in_float(
            sums, result.factor, result.zero_point, result.low, result.high
        )
    ends = result.zero_point, result.low, result.high
    if isinstance(result, RequantizeAsReference):
        return engines.requantize_as_reference(
            sums, result.multiplier, result.shift, *ends, one_rounding=result.one_rounding
        )
    return fixed_point.requantize(
        sums, result.multiplier, result.negative_multiplier, result.shift, *ends
    )


def _activated(x: Float32, activation: Activation | None) -> Float32:
    match activation:
        case None:
            return x
        case Leaky(alpha):
            return leaky_relu(x, alpha)
        case Clamp(low, high):
            return clip(x, low, high)
        case Function("sigmoid"):
            return exponential.sigmoid(x)
        case Function("silu"):
            product: Float32 = x * exponential.sigmoid(x)
            return product
        case Function("exp"):
            return exponential.exp(x)
        case Function("tanh"):
            return tanh(x)
    raise AssertionError(activation)


_OPERATIONS = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
}


def _resized(x: Array, rows: Sampling, columns: Sampling) -> Array:
    if x.dtype == np.uint8:
        return quantized.resize(
            x,
            (rows.first, rows.second, np.asarray(rows.weight, np.int32)),
            (columns.first, columns.second, np.asarray(columns.weight, np.int32)),
        )
    return resize(
        x,
        ResizeTaps(rows.first, rows.second, np.asarray(rows.weight, np.float32)),
        ResizeTaps(columns.first, columns.second, np.asarray(columns.weight, np.float32)),
    )
