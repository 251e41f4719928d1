"""What samples are made of: their limits in C, and conversions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tatami.ship.c.general.loops import Loops
from tatami.ship.c.general.nest import General, each
from tatami.ship.c.operator import C_TYPES, double_number, integer_number, number

DTYPES = {kind: dtype for dtype, kind in C_TYPES.items() if dtype != "bool"}
"""NumPy's names for C's kinds of samples."""


def is_real(kind: str) -> bool:
    """Tell whether samples are real numbers."""
    return kind in ("float", "double")


def is_unsigned(kind: str) -> bool:
    """Tell whether samples are whole and never below 0."""
    return kind.startswith("u")


def bits_of(kind: str) -> int:
    """Count the bits of a sample."""
    return 8 * np.dtype(DTYPES[kind]).itemsize


def literal(value: Any, kind: str) -> str:
    """Write a number as a constant of a kind."""
    if kind == "float":
        return number(float(value))
    return (
        double_number(float(value))
        if kind == "double"
        else integer_number(int(value), DTYPES[kind])
    )


def least(kind: str) -> str:
    """Write the least sample of a kind."""
    return "-INFINITY" if is_real(kind) else literal(np.iinfo(DTYPES[kind]).min, kind)


def most(kind: str) -> str:
    """Write the largest sample of a kind."""
    return "INFINITY" if is_real(kind) else literal(np.iinfo(DTYPES[kind]).max, kind)


def converted(x: str, source: str, result: str, truth: bool = False) -> str:
    """Write the conversion of a sample, as graph/operators/kinds.py does it.

    Args:
        x: The sample, a name.
        source: Its C type.
        result: The C type to be.
        truth: Whether the result is bool.
    """
    if truth:
        return f"{x} != 0"
    if not is_real(source) or is_real(result):
        return f"({result}){x}"
    limits = np.iinfo(DTYPES[result])
    low, high = literal(limits.min, source), literal(limits.max, source)
    return f"{x} >= {high} ? {most(result)} : {x} > {low} ? ({result}){x} : {least(result)}"


def _cast(general: General) -> str:
    """Write Cast and CastLike."""
    result = general.result
    source = general.operand(0)
    kind = general.node.outputs[general.step.index].dtype
    truth = kind is not None and kind.name == "BOOL"
    body = each(
        result,
        [source],
        lambda y, x: (
            f"const {source.kind} x = {x[0]};\n\n"
            f"{y} = ({result.kind})({converted('x', source.kind, result.kind, truth)});"
        ),
    )
    return "\n".join([*(f"(void)a{index};" for index in general.operands if index), body])


def _bit_cast(general: General) -> str:
    """Write the same bytes as samples of another kind."""
    return each(
        general.result,
        [general.operand(0)],
        lambda y, x: f"memcpy(&{y}, &{x[0]}, sizeof {y});",
    )


ROWS: Mapping[str, Loops] = {
    "BitCast": Loops(_bit_cast),
    "Cast": Loops(_cast),
    "CastLike": Loops(_cast),
}
