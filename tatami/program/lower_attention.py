"""The integer steps of what a Transformer is made of, beside layers with weights.

Products of two values that change, softmax under a mask, layer normalization, choosing between two
values, and rows of a table: docs/integer-arithmetic.md, sections 8, 11 and 12.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import onnx_ir as ir

from tatami.errors import TatamiError
from tatami.graph.attributes import constant, integer, label, real, weight
from tatami.graph.functions import varying
from tatami.graph.linear import bias_after
from tatami.graph.network import shape_of
from tatami.ops.fixed_point import multiplier_of
from tatami.ops.quantized import softmax_ratio, softmax_table
from tatami.ops.quantized_attention import (
    MAX_PRODUCTS,
    MAX_SUMMED,
    SUM_BITS,
    normalization_of,
    sum_of,
)
from tatami.program.lower_quantized import (
    Result,
    bounds_of,
    int8_weights,
    is_clamp,
    layer_sums,
    only_reader,
    rescaled,
    stored_bytes,
)
from tatami.program.lowering import Lowering, NotAMap, axis_of, map_shape, stored_shape
from tatami.program.steps import (
    Apply,
    Quantization,
    QuantizedAddNorm,
    QuantizedLayerNorm,
    QuantizedMatMul,
    QuantizedSoftmax,
    Reshape,
    Shape,
)

UNSEEN = -1e4
"""What a mask puts where nothing is seen is this or less: its exponential is 0."""


def lower_attention(state: Lowering, node: ir.Node) -> bool:
    """Make the integer step of a node, if it has one; say whether it was made.

    Args:
        state: The program in the making.
        node: The node.

    Raises:
        TatamiError: For scales that integers cannot hold, naming the layer.
    """
    make = _LOWER.get(node.op_type)
    try:
        return make is not None and make(state, node)
    except NotAMap:
        return False


def softmax_of(node: ir.Node) -> ir.Node | None:
    """Find the Softmax that alone reads a Where that hides what a mask does not let see.

    Args:
        node: Any node.
    """
    if node.op_type != "Where":
        return None
    hidden, value = constant(node, 2), node.outputs[0]
    uses = list(value.uses())
    if hidden is None or hidden.size != 1 or float(hidden.reshape(())) > UNSEEN:
        return None
    if len(uses) != 1 or value.is_graph_output() or uses[0].node.op_type != "Softmax":
        return None
    scores = node.inputs[1]
    if scores is None or shape_of(scores) != shape_of(value) or weight(node, 0) is not None:
        return None
    return uses[0].node


def chooses(node: ir.Node) -> bool:
    """Tell whether a node chooses between two values, at least one of which changes."""
    if node.op_type != "Where" or softmax_of(node) is not None or weight(node, 0) is not None:
        return False
    return weight(node, 1) is None and weight(node, 2) is None


def takes_rows(node: ir.Node) -> bool:
    """Tell whether a node takes rows of a constant table, at places that change."""
    table = weight(node, 0) if node.op_type == "Gather" else None
    return table is not None and table.dtype == np.float32 and weight(node, 1) is None


def multiplies(node: ir.Node) -> bool:
    """Tell whether a node multiplies two values that both change."""
    return node.op_type == "MatMul" and weight(node, 0) is None and weight(node, 1) is None


def norm_after(node: ir.Node) -> ir.Node | None:
    """Find the layer normalization of what a layer of rows is added to.

    Args:
        node: A product with a constant matrix.

    Returns:
        The normalization; None where anything else reads the layer or the sum, and for more samples
        than section 12 of docs/integer-arithmetic.md can add.
    """
    if node.op_type != "MatMul" or weight(node, 1) is None:
        return None
    last = bias_after(node) or node
    add = only_reader(last.outputs[0])
    norm = None if add is None else only_reader(add.outputs[0])
    if add is None or norm is None or add.op_type != "Add":
        return None
    sides = shape_of(norm.outputs[0])
    whole = (
        norm.op_type == "LayerNormalization"
        and norm.inputs[0] is add.outputs[0]
        and len(varying(add)) == 2
        and integer(norm, "axis", -1) % len(sides) == len(sides) - 1
        and weight(norm, 1) is not None
        and (len(norm.inputs) < 3 or norm.inputs[2] is None or weight(norm, 2) is not None)
        and all(value is not None and shape_of(value) == sides for value in add.inputs)
        and map_shape(sides) is not None
        and 1 < sides[-1] <= MAX_SUMMED
    )
    return norm if whole else None


def other_of(norm: ir.Node, node: ir.Node) -> ir.Value:
    """Give what a layer is added to before a normalization.

    Args:
        norm: The normalization.
        node: The layer, a product.
    """
    value = norm.inputs[0]
    add = None if value is None else value.producer()
    assert add is not None
    last = (bias_after(node) or node).outputs[0]
    (other,) = (each for each in add.inputs if each is not last)
    assert other is not None
    return other


def _layer_and_norm(state: Lowering, node: ir.Node) -> bool:
    """Make the steps of a layer of rows, what it is added to, and the normalization of both."""
    norm, found = norm_after(node), int8_weights(node, 1)
    value = node.inputs[0]
    if norm is None or found is None or value not in state.bytes:
        return False
    other, result = other_of(norm, node), Result(norm, lambda _: False)
    if result.open or other not in state.bytes:
        return False
    gamma, beta = weight(norm, 1), weight(norm, 2)
    sides = shape_of(norm.outputs[0])
    assert gamma is not None
    beta = np.zeros(sides[-1], np.float32) if beta is None else beta
    residual = state.bytes[other]
    scale = state.quantization(residual).scale
    given = np.float64(np.float32(state.quantization(state.bytes[value]).scale))
    try:
        how = sum_of(scale, given * found[1])
        fine = float(np.float32(scale)) / 2**SUM_BITS
        constants = normalization_of(
            gamma.reshape(-1), beta.reshape(-1), real(norm, "epsilon", 1e-5), fine,
            result.quantization.scale,
        )  # fmt: skip
    except TatamiError as error:
        raise TatamiError(f"'{label(norm)}': {error.reason}", hint=error.hint) from error
    sums = layer_sums(state, node, f"{label(node)} as sums")
    shape = state.values[residual].shape
    axis = axis_of(norm, -1)
    step = QuantizedAddNorm(label(norm), (residual, sums), result.name, how, constants, axis)
    behind, total = bias_after(node), norm.inputs[0]
    assert total is not None
    state.done.update(each for each in (behind, total.producer(), norm) if each is not None)
    return result.take(state, state.add(step, shape, result.quantization))


# Products of two values --------------------------------------------------------------------------


def _matmul(state: Lowering, node: ir.Node) -> bool:
    if _layer_and_norm(state, node):
        return True
    values = [node.inputs[0], node.inputs[1]]
    result = Result(node, is_clamp)
    if result.open or not multiplies(node) or not all(value in state.bytes for value in values):
        return False
    first, second = (shape_of(value) for value in values if value is not None)
    made = shape_of(node.outputs[0])
    if min(len(first), len(second)) < 2:
        return False
    if first[-1] > MAX_PRODUCTS:
        return False
    names = tuple(state.bytes[value] for value in values if value is not None)
    to = result.quantization
    scales = [np.float64(np.float32(state.quantization(name).scale)) for name in names]
    multiplier, shift = _multiplier(node, scales[0] * scales[1], to)
    step = QuantizedMatMul(
        label(node),
        names,
        result.name,
        (first, second, made),
        multiplier,
        shift,
        *bounds_of(result.activation, to),
    )
    return result.take(state, state.add(step, stored_shape(made), to))


def _multiplier(node: ir.Node, scale: np.float64, to: Quantization) -> tuple[int, int]:
    try:
        multiplier, shift = multiplier_of(scale / np.float64(np.float32(to.scale)))
    except TatamiError as error:
        raise TatamiError(f"'{label(node)}': {error.reason}", hint=error.hint) from error
    return int(multiplier), int(shift)


# Along an axis -----------------------------------------------------------------------------------


def _view(node: ir.Node, sides: Sequence[int], axis: int) -> tuple[Shape, int]:
    """See a value as a map along one of whose axes a node works.

    Args:
        node: The node.
        sides: Of the value.
        axis: Which of them.

    Returns:
        The map, of the same samples in the same order, and the axis of it.

    Raises:
        NotAMap: For a value that is no map, and an axis that is not its last.
    """
    shape = map_shape(tuple(sides))
    if shape is not None:
        return shape, axis_of(node, -1)
    if axis != len(sides) - 1:
        raise NotAMap("not along the last axis", hint="exchange axes")
    return (1, math.prod(sides[:-1]), sides[-1]), 2


def _viewed(state: Lowering, source: str, shape: Shape, name: str) -> str:
    """Give a value under another shape."""
    if state.values[source].shape == shape:
        return source
    return state.add(Reshape(name, (source,), name), shape, state.values[source].quantization)


def _along(
    state: Lowering,
    node: ir.Node,
    source: str,
    result: Result,
    make: Callable[[str, str, int], QuantizedSoftmax | QuantizedLayerNorm],
) -> bool:
    """Make the step of a node along an axis.

    Args:
        state: The program in the making.
        node: The node.
        source: What it reads.
        result: Where its result goes.
        make: Takes the names of what it reads and makes, and the axis; gives the step.
    """
    sides = shape_of(node.outputs[0])
    shape, axis = _view(node, sides, integer(node, "axis", -1) % len(sides))
    whole = stored_shape(sides)
    given = _viewed(state, source, shape, f"{source} in lines for {result.name}")
    if whole == shape:
        step = make(given, result.name, axis)
        return result.take(state, state.add(step, shape, result.quantization))
    made = f"{result.name} in lines"
    state.add(make(given, made, axis), shape, result.quantization)
    return result.take(state, _viewed(state, made, whole, result.name))


def _masked_softmax(state: Lowering, node: ir.Node) -> bool:
    softmax = softmax_of(node)
    scores, mask = node.inputs[1], node.inputs[0]
    if softmax is None or scores not in state.bytes or mask is None:
        return False
    result = Result(softmax, lambda _: False)
    if result.open:
        return False
    sides, hiding = shape_of(softmax.outputs[0]), shape_of(mask)
    shape, _ = _view(softmax, sides, integer(softmax, "axis", -1) % len(sides))
    full = (1,) * (len(sides) - len(hiding)) + hiding
    lined = map_shape(sides) is None
    if lined and any(side != 1 for side in full[:-1]):
        return False
    seen = (1, 1, full[-1]) if lined else stored_shape(full)
    if any(side not in (1, whole) for side, whole in zip(seen, shape, strict=True)):
        return False
    source = state.bytes[scores]
    hidden = _viewed(state, state.floats[mask], seen, f"{mask.name} for {result.name}")
    try:
        ratio = softmax_ratio(result.quantization.scale)
    except TatamiError as error:
        raise TatamiError(f"'{label(softmax)}': {error.reason}", hint=error.hint) from error
    table = softmax_table(state.quantization(source).scale)
    state.done.add(softmax)
    return _along(
        state,
        softmax,
        source,
        result,
        lambda given, name, axis: QuantizedSoftmax(
            label(softmax), (given, hidden), name, table, ratio, axis
        ),
    )


def _softmax(state: Lowering, node: ir.Node) -> bool:
    source = state.bytes.get(node.inputs[0]) if node.inputs[0] is not None else None
    result = Result(node, lambda _: False)
    if source is None or result.open:
        return False
    try:
        ratio = softmax_ratio(result.quantization.scale)
    except TatamiError as error:
        raise TatamiError(f"'{label(node)}': {error.reason}", hint=error.hint) from error
    table = softmax_table(state.quantization(source).scale)
    return _along(
        state,
        node,
        source,
        result,
        lambda given, name, axis: QuantizedSoftmax(label(node), (given,), name, table, ratio, axis),
    )


def _layer_normalization(state: Lowering, node: ir.Node) -> bool:
    source = state.bytes.get(node.inputs[0]) if node.inputs[0] is not None else None
    gamma, beta = weight(node, 1), weight(node, 2)
    result = Result(node, lambda _: False)
    others = [value for value in node.outputs[1:] if value.uses() or value.is_graph_output()]
    if source is None or result.open or gamma is None or others:
        return False
    sides = shape_of(node.outputs[0])
    if integer(node, "axis", -1) % len(sides) != len(sides) - 1:
        return False
    if beta is None:
        if len(node.inputs) > 2 and node.inputs[2] is not None:
            return False
        beta = np.zeros(sides[-1], np.float32)
    if any(each.size != sides[-1] for each in (gamma, beta)):
        return False
    try:
        constants = normalization_of(
            gamma.reshape(-1),
            beta.reshape(-1),
            real(node, "epsilon", 1e-5),
            state.quantization(source).scale,
            result.quantization.scale,
        )
    except TatamiError as error:
        raise TatamiError(f"'{label(node)}': {error.reason}", hint=error.hint) from error
    return _along(
        state,
        node,
        source,
        result,
        lambda given, name, axis: QuantizedLayerNorm(label(node), (given,), name, constants, axis),
    )


# Samples that are copied -------------------------------------------------------------------------


def _where(state: Lowering, node: ir.Node) -> bool:
    if softmax_of(node) is not None:
        return _masked_softmax(state, node)
    mask, values = node.inputs[0], node.inputs[1:]
    result = Result(node, lambda _: False)
    if result.open or not chooses(node) or not all(value in state.bytes for value in values):
        return False
    to = result.quantization
    names = [state.plain_input(node, 0)]
    assert mask is not None
    for value in values:
        assert value is not None
        source = state.bytes[value]
        if state.quantization(source) != to:
            name = f"{source} for {result.name}"
            source = name if name in state.values else rescaled(state, source, to, name)
        names.append(source)
    step = Apply(label(node), tuple(names), result.name, node, (0, 1, 2), exact=True)
    shape = stored_shape(shape_of(node.outputs[0]))
    return result.take(state, state.add(step, shape, to))


def _rows(state: Lowering, node: ir.Node) -> bool:
    table = stored_bytes(state, node, 0)
    if table is None or not takes_rows(node):
        return False
    given = state.quantization(table)
    name = f"{node.outputs[0].name} quantized"
    step = Apply(name, (table, state.plain_input(node, 1)), name, node, (0, 1), exact=True)
    state.bytes[node.outputs[0]] = state.add(step, stored_shape(shape_of(node.outputs[0])), given)
    return True


_LOWER: Mapping[str, Callable[[Lowering, ir.Node], bool]] = {
    "Gather": _rows,
    "LayerNormalization": _layer_normalization,
    "MatMul": _matmul,
    "Softmax": _softmax,
    "Where": _where,
}
