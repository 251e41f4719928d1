"""What an operator's two halves tell the emitter."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tatami.ops.window import Window
from tatami.program.steps import (
    Activation,
    Clamp,
    Leaky,
    Quantization,
    Requantize,
    Shape,
    ToFloat,
    Value,
)


@dataclass(frozen=True)
class Options:
    """target: one of ship/c/targets.py.  threads: how many a program may be compiled for."""

    target: str = "any"
    threads: int = 1


DEFAULT = Options()


@dataclass(frozen=True)
class Decision:
    """kernels: files of kernels/ that the step calls, without ".c", each after those it needs.

    scratch: bytes of the arena that the step needs for itself, for all threads together.
    in_place: whether its output may overwrite an input of as many bytes.
    constants: what it reads beside values: int8, uint8, int32, uint32 or float32, by name.
    """

    kernels: tuple[str, ...]
    scratch: int = 0
    in_place: bool = False
    constants: Mapping[str, NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Places:
    """C expressions, each a pointer of the right type: of every value by name, of the step's
    scratch (uint8_t *) and of its constants by name."""

    values: Mapping[str, str]
    scratch: str = ""
    constants: Mapping[str, str] = field(default_factory=dict)


def count(shape: Shape) -> int:
    """Samples of a value."""
    return math.prod(shape)


def lines(shape: Shape, axis: int) -> tuple[int, int, int]:
    """A value as [outer][length][inner] in memory, the axis in the middle."""
    channels, rows, columns = shape
    return (
        (rows * columns, channels, 1),
        (1, rows, columns * channels),
        (rows, columns, channels),
    )[axis]


def c_type(value: Value) -> str:
    """What one of its samples is in C."""
    return "float" if value.quantization is None else "uint8_t"


def sample_bytes(value: Value) -> int:
    """Bytes of one of its samples."""
    return 4 if value.quantization is None else 1


def quantization_of(value: Value) -> Quantization:
    """That of a value which is known to hold bytes."""
    assert value.quantization is not None
    return value.quantization


def number(value: float) -> str:
    """A float32 as a C constant that means the same number."""
    if math.isnan(value):
        return "NAN"
    if math.isinf(value):
        return "INFINITY" if value > 0 else "-INFINITY"
    text = f"{np.float32(value):.9g}"
    return (text if any(mark in text for mark in ".e") else text + ".0") + "f"


def activation(value: Activation | None) -> str:
    """A net_activation as a C compound literal."""
    if value is None:
        return "(net_activation){.kind = NET_LINEAR}"
    if isinstance(value, Clamp):
        low, high = number(value.low), number(value.high)
        return f"(net_activation){{.kind = NET_CLAMP, .low = {low}, .high = {high}}}"
    if isinstance(value, Leaky):
        return f"(net_activation){{.kind = NET_LEAKY, .alpha = {number(value.alpha)}}}"
    return f"(net_activation){{.kind = NET_{value.name.upper()}}}"


def structure(kind: str, rows: Sequence[Mapping[str, int | str]]) -> str:
    """The address of a structure as a C compound literal, a line a row: numbers, or C as text."""
    lines = [", ".join(f".{name} = {value}" for name, value in row.items()) for row in rows]
    return f"&(const {kind}){{" + ",\n            ".join(lines) + "}"


def window_rows(window: Window, source: Shape, result: Shape) -> list[dict[str, int | str]]:
    """What the structures of kernels with a window begin with, for ``structure``."""
    channels, rows, columns = source
    _, out_rows, out_columns = result
    y, x = window.rows, window.columns
    return [
        {"channels": channels, "rows": rows, "columns": columns},
        {"out_rows": out_rows, "out_columns": out_columns},
        {"kernel_rows": y.kernel, "kernel_columns": x.kernel},
        {"stride_rows": y.stride, "stride_columns": x.stride},
        {"dilation_rows": y.dilation, "dilation_columns": x.dilation},
        {"top": y.before, "left": x.before},
    ]


def results(result: Requantize | ToFloat, constants: Mapping[str, str]) -> str:
    """What becomes of int32 sums, as an initializer of net_results (kernels/results.c).

    constants: C expressions of what ``result_constants`` gave.
    """
    if isinstance(result, ToFloat):
        return f"{{.scale = {constants['scale']}, .size = 4}}"
    leaky = bool((result.multiplier != result.negative_multiplier).any())
    small = bool((result.shift >= 33).all())
    lines = [
        f".multiplier = {constants['multiplier']}",
        f".negative_multiplier = {constants['negative']}",
        f".shift = {constants['shift']}",
        f".zero_point = {result.zero_point}, .low = {result.low}, .high = {result.high}",
        f".leaky = {int(leaky)}, .small = {int(small)}, .size = 1",
    ]
    return "{" + ",\n                ".join(lines) + "}"


def result_constants(result: Requantize | ToFloat) -> dict[str, NDArray[Any]]:
    """The constants that ``results`` names, each (outputs,)."""
    if isinstance(result, ToFloat):
        return {"scale": result.scale}
    return {
        "multiplier": result.multiplier,
        "negative": result.negative_multiplier,
        "shift": result.shift,
    }
