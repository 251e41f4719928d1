"""What a row of the table of operators says, and what the checks of several families share.

An operator is a row: how it is run, differentiated and checked, what it costs, and what becomes of
it in 8 bits. Whatever a row lacks it says, and docs/operators.md shows it. Every other table of
operators (of the gradient, of the checks, of quantization) is a view of this one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from tatami.errors import TatamiError
from tatami.graph.attributes import place, weight

Array = NDArray[Any]
Inputs = Sequence[Any]  # arrays; Any, so that each function states what it takes
Evaluate = Callable[[ir.Node, Inputs], "Array | tuple[Array, ...]"]
Backward = Callable[[ir.Node, Inputs, Array, Array], tuple[Array, ...]]
Check = Callable[[ir.Node], None]

Role = Literal["sum", "joins", "orders", "moves", "steps", "float", "name", "storage"]
"""What becomes of an operator in 8 bits.

sum: products with int8 weights, added up in 32 bits.  joins: an activation that the sum before it
takes with it.  orders: the same samples in another order or under another shape.  moves: samples
of its inputs, or means of them, so that all share one range.  steps: an integer form whose result
has a range of its own.  float: no integer form; it stays float, and quantization says so.  name: a
second name for its input.  storage: how a value is stored.
"""

AGAIN = "export the network again"


@dataclass(frozen=True)
class Operator:
    """Hold all that Tatami knows of one operator of ONNX.

    Args:
        name: Its name in ONNX.
        evaluate: Runs a node on its inputs' arrays (None for an input left out); gives its output,
            or a tuple of its outputs.
        backward: Takes a node, its inputs, its first output y and dy, the derivative of a number
            in y; gives the derivative of that number in each input, in their order. Inputs at the
            end that are left out are weights or settings. None: no derivative.
        check: Raises TatamiError for a node that cannot be run as it is meant, beyond what ONNX's
            own checker finds.
        role: What becomes of it in 8 bits.
        settings: Whether its constant inputs after the first say how or where, and are neither
            learned nor quantized.
        outputs: The most outputs that it has; 0: any number.
    """

    name: str
    evaluate: Evaluate
    backward: Backward | None = None
    check: Check | None = None
    role: Role = "float"
    settings: bool = False
    outputs: int = 1


# What checks share -------------------------------------------------------------------------------


def wrong(node: ir.Node, reason: str, hint: str = AGAIN) -> TatamiError:
    """Make the error of a node, which names it."""
    return TatamiError(f"{place(node)} {reason}", hint=hint)


def value_at(node: ir.Node, index: int) -> ir.Value:
    """Give an input that a node must have."""
    value = node.inputs[index] if index < len(node.inputs) else None
    if value is None:
        raise wrong(node, f"lacks its input {index}")
    return value


def weight_at(node: ir.Node, index: int) -> Array:
    """Give the constant that a node needs at ``index``."""
    array = weight(node, index)
    if array is None:
        raise wrong(node, f"has an input {index} that is not a constant")
    return array


def check_constants(node: ir.Node) -> None:
    """Check that all inputs after the first are constants."""
    for index in range(1, len(node.inputs)):
        if node.inputs[index] is not None:
            weight_at(node, index)


# What derivatives share --------------------------------------------------------------------------


def same_backward(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    """Pass dy on where the input was passed on, perhaps under another shape."""
    return (dy.reshape(inputs[0].shape),)


def to_shape_of(x: Array, dy: Array) -> Array:
    """Sum dy along the axes over which x was repeated to meet another's shape."""
    extra = dy.ndim - x.ndim
    summed = dy.sum(axis=tuple(range(extra))) if extra else dy
    repeated = tuple(
        axis for axis, side in enumerate(x.shape) if side == 1 and summed.shape[axis] > 1
    )
    return np.asarray(summed.sum(axis=repeated, keepdims=True) if repeated else summed)
