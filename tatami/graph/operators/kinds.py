"""Operators that change what samples are made of."""

from __future__ import annotations

from typing import Any
from typing import cast as cast_type

import numpy as np
import onnx_ir as ir

from tatami.graph.attributes import integer, text
from tatami.graph.operators.row import Array, Inputs, Operator, value_at, wrong
from tatami.ops.narrow import RoundMode, is_narrow, narrowed, widened


def cast(
    x: Array, dtype: np.dtype[Any], saturate: bool = True, rounding: RoundMode = "up"
) -> Array:
    """Convert samples to another kind.

    Real numbers become whole ones by cutting towards zero. Where the whole ones end, which ONNX
    leaves open, the nearest is taken, and the least for a NaN: C has no other conversion that is
    the same on every machine.

    Args:
        x: The samples.
        dtype: The kind.
        saturate: What ops/narrow.py says of it.
        rounding: What ops/narrow.py says of it.
    """
    if dtype == x.dtype:
        return x
    x = widened(x)
    if is_narrow(dtype):
        return narrowed(x, dtype, saturate, rounding)
    if np.issubdtype(x.dtype, np.floating) and np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        low, high = x.dtype.type(limits.min), x.dtype.type(limits.max)
        cut = np.trunc(np.where(np.isnan(x), low, x))
        inside = np.where((cut > low) & (cut < high), cut, 0).astype(dtype)
        ends = np.where(cut <= low, dtype.type(limits.min), inside)
        return np.asarray(np.where(cut >= high, dtype.type(limits.max), ends))
    return x.astype(dtype)


def target_of(node: ir.Node) -> np.dtype[Any]:
    """Give the kind that a Cast, CastLike or BitCast makes."""
    if node.op_type == "CastLike":
        kind = value_at(node, 1).dtype
        assert kind is not None
    else:
        kind = ir.DataType(integer(node, "to", 1))
    return np.dtype(kind.numpy())


def rounding_of(node: ir.Node) -> tuple[bool, RoundMode]:
    """Read how a Cast treats what is too large for 8 bits, and how it rounds a scale."""
    rounding = text(node, "round_mode", "up")
    return bool(integer(node, "saturate", 1)), cast_type("RoundMode", rounding)


def _check_rounding(node: ir.Node) -> None:
    if text(node, "round_mode", "up") not in ("up", "down", "nearest"):
        raise wrong(node, "rounds in an unknown way")


def _cast(node: ir.Node, inputs: Inputs) -> Array:
    saturate, rounding = rounding_of(node)
    return cast(inputs[0], target_of(node), saturate, rounding)


def _cast_backward(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    """Pass dy on between kinds of real numbers; a whole number has no derivative."""
    x = inputs[0]
    if np.issubdtype(x.dtype, np.floating) and np.issubdtype(y.dtype, np.floating):
        return (dy.astype(x.dtype),)
    return (np.zeros(x.shape, np.float32),)


def _check_bits(node: ir.Node) -> None:
    kind = value_at(node, 0).dtype
    assert kind is not None
    if kind.itemsize != ir.DataType(integer(node, "to", 1)).itemsize:
        raise wrong(node, "sees samples as others of another size")


ROWS = (
    Operator("BitCast", lambda node, x: x[0].view(target_of(node)), check=_check_bits),
    Operator("Cast", _cast, _cast_backward, _check_rounding),
    Operator("CastLike", _cast, _cast_backward, _check_rounding, settings=True),
)
