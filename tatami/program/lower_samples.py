"""The integer steps of what looks at each place by itself: functions of one number, and pairs.

A part of the network that is a function of one byte (graph/functions.py) is one table, and is
rounded once, at its end. Two values that change become a sum, a product or the larger of both:
docs/integer-arithmetic.md, sections 4 and 6.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import onnx_ir as ir

from tatami.errors import TatamiError
from tatami.graph.attributes import label
from tatami.graph.functions import FunctionOfOne, varying
from tatami.ops.fixed_point import multiplier_of
from tatami.ops.quantized import add_multipliers, table
from tatami.program.lower_quantized import (
    Result,
    bounds_of,
    is_clamp,
    rescaled,
    stored_bytes,
)
from tatami.program.lowering import Lowering, NotAMap, activation_of, check_axes, value_shape
from tatami.program.steps import (
    Activation,
    Clamp,
    Function,
    Leaky,
    Quantization,
    QuantizedAdd,
    QuantizedExtreme,
    QuantizedMultiply,
    Step,
    Table,
)
from tatami.types import Float64


def lower_samples(state: Lowering, node: ir.Node) -> bool:
    """Make the integer step of a node, or of the part that begins with it, if it has one.

    Args:
        state: The program in the making.
        node: The node.

    Returns:
        Whether it was made.
    """
    part = state.functions.get(node)
    try:
        if part is not None and _function(state, part):
            return True
        return node.op_type in _PAIRS and _pair(state, node)
    except NotAMap:
        return False


def _function(state: Lowering, part: FunctionOfOne) -> bool:
    """Make one table of a function of one byte."""
    if part.source not in state.bytes:
        return False
    result = Result(part.last, lambda _: False)
    if result.open:
        return False
    source = state.bytes[part.source]
    shape = state.values[source].shape
    if part.channels > 1 and shape[0] != part.channels:
        return False
    given, to = state.quantization(source), result.quantization
    scales = given.scale, given.zero_point, to.scale, to.zero_point
    entries = np.stack([table(one, *scales) for one in _functions_of(part)])
    if part.channels == 1:
        entries = entries[0]
    step = Table(label(part.last), (source,), result.name, entries)
    state.done.update(part.nodes)
    return result.take(state, state.add(step, shape, to))


def _functions_of(part: FunctionOfOne) -> list[Callable[[Float64], Float64]]:
    """Give the function of each channel in float64; one where all have the same."""
    activation = activation_of(part.last) if len(part.nodes) == 1 else None
    if activation is not None:
        return [function_of(activation)]
    return [lambda x, channel=channel: part.of(x)[channel] for channel in range(part.channels)]  # type: ignore[misc]


def function_of(activation: Activation) -> Callable[[Float64], Float64]:
    """Give an activation as a function in float64."""
    match activation:
        case Leaky(alpha):
            return lambda x: np.where(x < 0, np.float64(np.float32(alpha)) * x, x)
        case Clamp(low, high):
            return lambda x: np.clip(x, low, high)
        case Function("sigmoid"):
            return lambda x: np.asarray(1 / (1 + np.exp(-x)))
        case Function("exp"):
            return np.exp
        case Function("tanh"):
            return np.tanh
    raise AssertionError(activation)


# Pairs -------------------------------------------------------------------------------------------


def _pair(state: Lowering, node: ir.Node) -> bool:
    """Make the step of a node with two inputs that change."""
    result = Result(node, is_clamp)
    if result.open or len(node.inputs) != 2 or not varying(node):
        return False
    found = [_bytes_of(state, node, index) for index in range(2)]
    if found[0] is None or found[1] is None:
        return False
    check_axes(node)
    names = (found[0], found[1])
    shape = value_shape(node.outputs[0])
    for name in names:
        pairs = zip(state.values[name].shape, shape, strict=True)
        if not all(side in (1, whole) for side, whole in pairs):
            return False
    step = _PAIRS[node.op_type](state, node, names, result)
    return step is not None and result.take(state, state.add(step, shape, result.quantization))


def _bytes_of(state: Lowering, node: ir.Node, index: int) -> str | None:
    """Give the program's name of an input in bytes: a value, or a constant that is held so."""
    value = node.inputs[index]
    if value in state.bytes:
        return state.bytes[value]
    return stored_bytes(state, node, index)


Names = tuple[str, str]


def _scale(quantization: Quantization) -> np.float64:
    return np.float64(np.float32(quantization.scale))


def _sum(
    state: Lowering, node: ir.Node, names: Names, result: Result, sign: int = 1
) -> Step | None:
    to = result.quantization
    first, second = (float(_scale(state.quantization(name)) / _scale(to)) for name in names)
    try:
        (ma, mb), shift = add_multipliers((first, second))
    except ValueError:
        return None
    bounds = bounds_of(result.activation, to)
    return QuantizedAdd(label(node), names, result.name, (ma, sign * mb), shift, *bounds)


def _difference(state: Lowering, node: ir.Node, names: Names, result: Result) -> Step | None:
    return _sum(state, node, names, result, -1)


def _product(state: Lowering, node: ir.Node, names: Names, result: Result) -> Step | None:
    to = result.quantization
    first, second = (_scale(state.quantization(name)) for name in names)
    try:
        multiplier, shift = multiplier_of(first * second / _scale(to))
    except TatamiError:
        return None
    return QuantizedMultiply(
        label(node),
        names,
        result.name,
        int(multiplier),
        int(shift),
        *bounds_of(result.activation, to),
    )


def _extreme(state: Lowering, node: ir.Node, names: Names, result: Result) -> Step | None:
    to = result.quantization
    if result.activation is not None:
        return None
    given = []
    for name in names:
        source = name
        if state.quantization(source) != to:
            source = f"{name} for {result.name}"
            if source not in state.values:
                source = rescaled(state, name, to, source)
        given.append(source)
    pair = (given[0], given[1])
    if node.op_type == "Max":
        return QuantizedExtreme(label(node), pair, result.name, "maximum")
    return QuantizedExtreme(label(node), pair, result.name, "minimum")


_PAIRS: Mapping[str, Callable[[Lowering, ir.Node, Names, Result], Step | None]] = {
    "Add": _sum,
    "Max": _extreme,
    "Min": _extreme,
    "Mul": _product,
    "Sub": _difference,
    "Sum": _sum,
}
"""Operators whose two values become one step."""
PAIRS = frozenset(_PAIRS)
"""Operators of two values that have an integer form; every other one stays float."""
