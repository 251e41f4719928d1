"""Many samples to one, places of extremes, and running sums."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from tatami.graph.attributes import constant, integer, integers, reduced_axes
from tatami.graph.network import shape_of
from tatami.graph.operators.row import Array, Inputs, Operator, Role, value_at, weight_at, wrong
from tatami.ops.reduce import REDUCTIONS, Reduction, running


def _check_reduced(node: ir.Node) -> None:
    """Over axes that are constants; a node that names none adds up all of them."""
    if len(node.inputs) > 1 and node.inputs[1] is not None:
        weight_at(node, 1)
    rank = len(shape_of(value_at(node, 0)))
    given = constant(node, 1)
    named = integers(node, "axes", ()) if given is None else tuple(int(axis) for axis in given)
    if not all(-rank <= axis < rank for axis in named):
        raise wrong(node, f"sums over axes {named} of {rank}")


def _row(reduction: Reduction) -> Operator:
    """Make the row of a function of many samples."""

    def evaluate(node: ir.Node, inputs: Inputs) -> Array:
        return reduction.of(inputs[0], reduced_axes(node)).reshape(shape_of(node.outputs[0]))

    def backward(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
        x, axes = inputs[0], reduced_axes(node)
        kept = tuple(1 if axis in axes else side for axis, side in enumerate(x.shape))
        slope = reduction.slope(x, y.reshape(kept), axes)
        return (np.asarray(dy.reshape(kept) * slope, dy.dtype),)

    role = _ROLES.get(reduction.name, "float")
    return Operator(reduction.name, evaluate, backward, _check_reduced, role, settings=True)


_ROLES: Mapping[str, Role] = {"ReduceMax": "moves", "ReduceMean": "steps"}
"""Of reductions that are a pool of bytes, over rows and columns."""


def _place(name: str, of: Callable[..., NDArray[Any]]) -> Operator:
    """Make the row of the place of an extreme."""

    def evaluate(node: ir.Node, inputs: Inputs) -> Array:
        x = inputs[0]
        axis = integer(node, "axis", 0) % x.ndim
        if integer(node, "select_last_index", 0):
            found = x.shape[axis] - 1 - of(np.flip(x, axis), axis=axis, keepdims=True)
        else:
            found = of(x, axis=axis, keepdims=True)
        return np.asarray(found, np.int64).reshape(shape_of(node.outputs[0]))

    return Operator(name, evaluate)


def running_axis(node: ir.Node) -> int:
    """Read the axis of a running sum, which its check has found to be constant."""
    return int(weight_at(node, 1).reshape(())) % len(shape_of(value_at(node, 0)))


def _check_running(node: ir.Node) -> None:
    rank, axis = len(shape_of(value_at(node, 0))), weight_at(node, 1)
    if axis.size != 1 or not -rank <= int(axis.reshape(())) < rank:
        raise wrong(node, f"runs along no axis of {rank}")


def _running(node: ir.Node, x: Array, of: np.ufunc, turned: bool = False) -> Array:
    reverse = bool(integer(node, "reverse", 0)) != turned
    return running(x, running_axis(node), of, bool(integer(node, "exclusive", 0)), reverse)


ROWS = (
    _place("ArgMax", np.argmax),
    _place("ArgMin", np.argmin),
    Operator(
        "CumProd",
        lambda node, x: _running(node, x[0], np.multiply),
        check=_check_running,
        settings=True,
    ),
    Operator(
        "CumSum",
        lambda node, x: _running(node, x[0], np.add),
        lambda node, x, y, dy: (_running(node, dy, np.add, turned=True),),
        _check_running,
        settings=True,
    ),
    *(_row(reduction) for reduction in REDUCTIONS.values()),
)
