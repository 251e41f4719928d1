"""What a network must be to be run and shipped: refused here, by name, before anything runs.

ONNX's own checker has looked at the form; these are the rules that it does not hold.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import onnx_ir as ir

from tatami.errors import TatamiError
from tatami.graph.form import MAX_ELEMENTS
from tatami.graph.network import shape_of
from tatami.graph.operators import OPERATORS
from tatami.graph.operators.row import AGAIN, wrong
from tatami.graph.passes.widen_halves import STORING
from tatami.types import Spec

DTYPES = (
    ir.DataType.FLOAT,
    ir.DataType.DOUBLE,
    ir.DataType.UINT8,
    ir.DataType.INT8,
    ir.DataType.UINT16,
    ir.DataType.INT16,
    ir.DataType.UINT32,
    ir.DataType.INT32,
    ir.DataType.UINT64,
    ir.DataType.INT64,
    ir.DataType.BOOL,
)
"""What a value may be made of. Whole numbers of 64 bits say shapes and places."""
NARROW = (
    ir.DataType.FLOAT16,
    ir.DataType.BFLOAT16,
    ir.DataType.FLOAT8E4M3FN,
    ir.DataType.FLOAT8E4M3FNUZ,
    ir.DataType.FLOAT8E5M2,
    ir.DataType.FLOAT8E5M2FNUZ,
    ir.DataType.FLOAT8E8M0,
    ir.DataType.FLOAT4E2M1,
    ir.DataType.INT4,
    ir.DataType.UINT4,
    ir.DataType.INT2,
    ir.DataType.UINT2,
)
"""What a value may be stored as, where nothing but these operators makes and reads it."""


def check_operators(operators: Iterable[tuple[str, str]]) -> None:
    """Raise TatamiError that names every (domain, operator) outside the table."""
    unknown = {
        name if domain in ("", "ai.onnx") else f"{domain}::{name}"
        for domain, name in operators
        if name not in (*OPERATORS, "Constant") or domain not in ("", "ai.onnx")
    }
    if unknown:
        raise TatamiError(
            f"the network uses {', '.join(sorted(unknown))}, which Tatami does not know",
            hint=f"it knows {len(OPERATORS)} operators of ONNX: docs/operators.md lists them",
        )


def check_graph(graph: ir.Graph, contradiction: str | None = None) -> None:
    """Raise TatamiError for a network that Tatami cannot run as it is meant.

    contradiction: why ONNX's shape inference gave up, where it did; then this always raises.
    """
    if not graph.inputs:
        raise TatamiError("the network has no input", hint=AGAIN)
    for value in graph.initializers.values():
        _check_constant(value)
    for value in graph.inputs:
        _check_activation(value, None)
    for node in graph:  # in order, so that a node's inputs are known to be good
        if node.op_type == "Constant":  # lift_constants leaves only one that is an output
            raise wrong(node, "is an output of the network that no input changes")
        row = OPERATORS[node.op_type]
        if row.outputs and any(value.name for value in node.outputs[row.outputs :]):
            raise wrong(node, "makes several outputs", "export the network in inference mode")
        if row.check is not None:
            try:
                row.check(node)
            except (ArithmeticError, LookupError, TypeError, ValueError) as error:
                # Numbers of a damaged file that NumPy refuses before the row has a word for them.
                raise wrong(node, f"is damaged: {error}") from error
        for value in node.outputs:
            if value.name:
                _check_activation(value, contradiction)
    if contradiction is not None:
        raise TatamiError(f"ONNX refuses the network: {contradiction}", hint=AGAIN)


def check_spec(graph: ir.Graph, spec: Spec) -> None:
    """Raise TatamiError where the metadata and the graph tell different stories."""
    if len(graph.inputs) != 1 and not spec.several_inputs:
        raise TatamiError(
            f"the network has {len(graph.inputs)} inputs, its task has one",
            hint="export it with the images as its only input",
        )
    spec.check(shape_of(graph.inputs[0]), [shape_of(output) for output in graph.outputs])


def _check_constant(value: ir.Value) -> None:
    """Check that a constant is of a known kind, and finite where it is real."""
    assert value.const_value is not None
    try:
        array = value.const_value.numpy()
    except (ValueError, TypeError) as error:
        raise TatamiError(f"weight '{value.name}' cannot be read: {error}", hint=AGAIN) from None
    if value.const_value.dtype not in DTYPES and not _only_stored(value):
        raise TatamiError(
            f"weight '{value.name}' is {value.const_value.dtype.name}, not FLOAT",
            hint="export the network in float32",
        )
    if array.dtype != np.float32:
        return
    # Minus infinity is how a Pad in front of a max pool, and a mask of attention, is written; one
    # number is a bound that nothing reaches. The largest number is NaN where any is.
    with np.errstate(invalid="ignore"):
        largest = array.max(initial=-math.inf)
    if np.isnan(largest) or (array.size > 1 and largest == math.inf):
        raise TatamiError(
            f"weight '{value.name}' holds a NaN or an infinity",
            hint="train again with a lower learning rate, or take an earlier checkpoint",
        )


def _only_stored(value: ir.Value) -> bool:
    """Tell whether a value is in a narrow format, and only converted to it and from it."""
    maker = value.producer()
    return value.dtype in NARROW and all(
        node.op_type in STORING
        for node in (*(use.node for use in value.uses()), *((maker,) if maker else ()))
    )


def _check_activation(value: ir.Value, contradiction: str | None) -> None:
    shape = value.shape
    if contradiction is not None and (shape is None or not shape.is_static()):
        raise TatamiError(
            f"value '{value.name}' has no shape that fits its inputs: {contradiction}", hint=AGAIN
        )
    if shape is None or not shape.is_static():
        raise TatamiError(
            f"value '{value.name}' has no fixed shape ({shape})",
            hint="export the network for one input size and a batch of 1",
        )
    if value.dtype not in DTYPES and not _only_stored(value):
        kind = None if value.dtype is None else value.dtype.name
        raise TatamiError(
            f"value '{value.name}' is {kind}, not FLOAT", hint="export the network in float32"
        )
    sides = shape_of(value)
    if min(sides, default=1) < 1:
        raise TatamiError(
            f"value '{value.name}' has the shape {sides}: the input is too small",
            hint="export the network for a larger input",
        )
    if math.prod(sides) > MAX_ELEMENTS:
        raise TatamiError(
            f"value '{value.name}' has the shape {sides}, beyond {MAX_ELEMENTS} elements",
            hint="export the network for a smaller input",
        )
