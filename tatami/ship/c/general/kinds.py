"""What samples are made of: their limits in C, and conversions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx_ir as ir

from tatami.graph.operators.kinds import rounding_of
from tatami.ops.narrow import FORMATS, WHOLE
from tatami.ship.c.general.loops import Loops
from tatami.ship.c.general.nest import General, each
from tatami.ship.c.operator import C_TYPES, double_number, integer_number, number

DTYPES = {kind: dtype for dtype, kind in C_TYPES.items() if dtype not in ("bool", *FORMATS, *WHOLE)}
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


def dtype_of(value: ir.Value | None) -> str:
    """Give NumPy's name for what a value is made of."""
    return "float32" if value is None or value.dtype is None else value.dtype.numpy().name


def plain_kind(dtype: str, kind: str) -> str:
    """Name the C type of a sample that has been read: of a narrow one that of what it means."""
    if dtype in FORMATS:
        return "float"
    return ("uint8_t" if dtype.startswith("u") else "int8_t") if dtype in WHOLE else kind


def read(x: str, dtype: str) -> str:
    """Write what a stored sample means."""
    if dtype == "float8_e8m0fnu":
        return f"net_widened_scale({x})"
    if dtype in FORMATS:
        return f"net_widened({x}, {_format(dtype)})"
    if dtype in WHOLE:
        low, high = WHOLE[dtype]
        mask = high - low
        return f"(int8_t)((({x} & {mask}) ^ {-low}) - {-low})" if low else f"{x} & {mask}"
    return x


def stored(x: str, kind: str, dtype: str, result: str, saturate: bool, rounding: str) -> str:
    """Write a sample, a name, as it is stored.

    Args:
        x: The sample.
        kind: Its C type.
        dtype: NumPy's name for what it becomes.
        result: The C type that it becomes.
        saturate: What ops/narrow.py says of it.
        rounding: What ops/narrow.py says of it.
    """
    if dtype == "float8_e8m0fnu":
        mode = ("down", "up", "nearest").index(rounding)
        return f"net_narrowed_scale((float){x}, {int(saturate)}, {mode})"
    if dtype in FORMATS:
        held = int(saturate and dtype.startswith("float8"))
        return f"net_narrowed((float){x}, {_format(dtype)}, {held})"
    if dtype in WHOLE:
        low, high = WHOLE[dtype]
        if is_real(kind):
            whole = f"(int32_t)fmaxf(fminf({x}, 2147483520.0f), -2147483648.0f)"
            return f"({x} == {x} ? {whole} : 0) & {high - low}"
        return f"{x} & {high - low}"
    return converted(x, kind, result, dtype == "bool")


def _format(dtype: str) -> str:
    one = FORMATS[dtype]
    return f"(net_format){{{one.exponent}, {one.mantissa}, {one.bias}, NET_{one.form.upper()}}}"


def narrow_kernels(general: General) -> tuple[str, ...]:
    """Name the kernel of narrow formats where a value of the node is stored in one."""
    values = (*general.node.inputs, *general.node.outputs)
    return ("narrow",) if any(dtype_of(value) in FORMATS for value in values) else ()


def _cast(general: General) -> str:
    """Write Cast and CastLike."""
    result, source = general.result, general.operand(0)
    given = dtype_of(general.node.inputs[0])
    made = dtype_of(general.node.outputs[general.step.index])
    kind = plain_kind(given, source.kind)
    saturate, rounding = rounding_of(general.node)
    body = each(
        result,
        [source],
        lambda y, x: (
            f"const {kind} x = {read(x[0], given)};\n\n"
            f"{y} = ({result.kind})({stored('x', kind, made, result.kind, saturate, rounding)});"
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
    "Cast": Loops(_cast, kernels=narrow_kernels),
    "CastLike": Loops(_cast, kernels=narrow_kernels),
}
