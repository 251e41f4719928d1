"""What a file of operators/ says to the emitter, and the C that several of them write."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from tatami.ops.narrow import FORMATS, WHOLE
from tatami.ops.window import Window
from tatami.program.steps import (
    Activation,
    Clamp,
    Leaky,
    Quantization,
    RequantizeAsReference,
    RequantizeInFloat,
    Shape,
    ToBytes,
    ToFloat,
    Value,
)

Weights = Literal["auto", "array", "binary"]
WEIGHTS: tuple[Weights, ...] = get_args(Weights)


@dataclass(frozen=True)
class Options:
    """Say how a program is written.

    Args:
        target: The machine, one of ship/c/targets.py.
        threads: The most that the program may be compiled for.
        weights: As a C ``array``, which compiles anywhere, slowly; as a ``binary`` file that the
            assembler includes; or ``auto``: arrays where they are small, or where the target
            wants them.
    """

    target: str = "any"
    threads: int = 1
    weights: Weights = "auto"


DEFAULT = Options()


@dataclass(frozen=True)
class Packed:
    """Hold numbers that are put in order when they are written, so that large ones exist once.

    Args:
        shape: Of all of them.
        dtype: Their kind.
        parts: Gives them in their order, some at a time.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    parts: Callable[[], Iterable[NDArray[Any]]]

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """How many bytes they take."""
        return self.size * self.dtype.itemsize


Numbers = NDArray[Any] | Packed
"""The numbers of a constant."""


def parts_of(numbers: Numbers) -> Iterable[NDArray[Any]]:
    """Give numbers in their order, some at a time."""
    return numbers.parts() if isinstance(numbers, Packed) else (numbers,)


@dataclass(frozen=True)
class Decision:
    """Say what a step needs.

    Args:
        kernels: Files of kernels/ that it calls, without ".c", each after those it needs.
        scratch: Bytes of the arena that it needs for itself, for all threads together.
        in_place: Whether its output may overwrite an input of as many bytes.
        constants: What it reads beside values, by name: int8, uint8, int32, uint32 or float32.
    """

    kernels: tuple[str, ...]
    scratch: int = 0
    in_place: bool = False
    constants: Mapping[str, Numbers] = field(default_factory=dict)


@dataclass(frozen=True)
class Places:
    """Hold C expressions, each a pointer of the right type.

    Args:
        values: To every value, by name.
        scratch: To the step's scratch, uint8_t.
        constants: To the step's constants, by its own names for them.
    """

    values: Mapping[str, str]
    scratch: str = ""
    constants: Mapping[str, str] = field(default_factory=dict)


def count(shape: Shape) -> int:
    """Count the samples of a value."""
    return math.prod(shape)


def lines(shape: Shape, axis: int) -> tuple[int, int, int]:
    """See a value as [outer][length][inner] in memory, the axis in the middle."""
    channels, rows, columns = shape
    return (
        (rows * columns, channels, 1),
        (1, rows, columns * channels),
        (rows, columns, channels),
    )[axis]


C_TYPES = {
    "float32": "float",
    "float64": "double",
    "uint8": "uint8_t",
    "int8": "int8_t",
    "uint16": "uint16_t",
    "int16": "int16_t",
    "uint32": "uint32_t",
    "int32": "int32_t",
    "uint64": "uint64_t",
    "int64": "int64_t",
    "bool": "uint8_t",
    **{name: "uint16_t" if "16" in name else "uint8_t" for name in (*FORMATS, *WHOLE)},
}
"""NumPy's names for kinds of samples, and C's."""


def c_type(value: Value) -> str:
    """Name the C type of a value's samples."""
    return C_TYPES[value.dtype]


def sample_bytes(value: Value) -> int:
    """Count the bytes of one of a value's samples."""
    return value.item


def quantization_of(value: Value) -> Quantization:
    """Give the quantization of a value that is known to hold bytes."""
    assert value.quantization is not None
    return value.quantization


def number(value: float) -> str:
    """Write a float32 as a C constant that means the same number."""
    if math.isnan(value):
        return "NAN"
    if math.isinf(value):
        return "INFINITY" if value > 0 else "-INFINITY"
    text = f"{np.float32(value):.9g}"
    return (text if any(mark in text for mark in ".e") else text + ".0") + "f"


def double_number(value: float) -> str:
    """Write a float64 as a C constant that means the same number."""
    if not math.isfinite(value):
        return number(value)
    text = f"{value:.17g}"
    return text if any(mark in text for mark in ".e") else text + ".0"


def integer_number(value: int, dtype: str) -> str:
    """Write a whole number as a C constant of NumPy's kind, none of which needs a wider one."""
    if dtype == "uint32":
        return f"{value}u"
    if dtype == "uint64":
        return f"UINT64_C({value})"
    if dtype == "int32" and value == -(2**31):
        return "(-2147483647 - 1)"
    if dtype == "int64" and value == -(2**63):
        return "(-INT64_C(9223372036854775807) - 1)"
    return f"INT64_C({value})" if dtype == "int64" and abs(value) >= 2**31 else str(value)


def activation(value: Activation | None) -> str:
    """Write a net_activation as a C compound literal."""
    if value is None:
        return "(net_activation){.kind = NET_LINEAR}"
    if isinstance(value, Clamp):
        low, high = number(value.low), number(value.high)
        return f"(net_activation){{.kind = NET_CLAMP, .low = {low}, .high = {high}}}"
    if isinstance(value, Leaky):
        return f"(net_activation){{.kind = NET_LEAKY, .alpha = {number(value.alpha)}}}"
    return f"(net_activation){{.kind = NET_{value.name.upper()}}}"


def structure(kind: str, rows: Sequence[Mapping[str, int | str]]) -> str:
    """Write the address of a structure as a C compound literal.

    Args:
        kind: Its C type.
        rows: Its members, a line of the text each row: numbers, or C as text.
    """
    lines = [", ".join(f".{name} = {value}" for name, value in row.items()) for row in rows]
    return f"&(const {kind}){{" + ",\n            ".join(lines) + "}"


def window_rows(window: Window, source: Shape, result: Shape) -> list[dict[str, int | str]]:
    """Give what the structures of kernels with a window begin with, for ``structure``."""
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


def results(result: ToBytes | ToFloat, constants: Mapping[str, str]) -> str:
    """Say what becomes of int32 sums, as an initializer of net_results (kernels/results.c).

    Args:
        result: What becomes of them.
        constants: C expressions of what ``result_constants`` gave.
    """
    if isinstance(result, ToFloat):
        return f"{{.scale = {constants['scale']}, .size = 4}}"
    ends = f".zero_point = {result.zero_point}, .low = {result.low}, .high = {result.high}"
    if isinstance(result, RequantizeInFloat):
        return f"{{.factor = {constants['factor']},\n                {ends}, .size = 1}}"
    if isinstance(result, RequantizeAsReference):
        factors = f".multiplier = {constants['multiplier']}, .shift = {constants['shift']}"
        last = f".one_rounding = {int(result.one_rounding)}, .size = 1"
        return "{" + ",\n                ".join((factors, ends, last)) + "}"
    leaky = bool((result.multiplier != result.negative_multiplier).any())
    small = bool((result.shift >= 33).all())
    lines = [
        f".multiplier = {constants['multiplier']}",
        f".negative_multiplier = {constants['negative']}",
        f".shift = {constants['shift']}",
        ends,
        f".leaky = {int(leaky)}, .small = {int(small)}, .size = 1",
    ]
    return "{" + ",\n                ".join(lines) + "}"


def rounding_kernel(result: ToBytes | ToFloat) -> str:
    """Name the kernel in which a sum becomes a byte: a program has one, as it has one rounding."""
    if isinstance(result, RequantizeInFloat):
        return "int8/round_in_float"
    if isinstance(result, RequantizeAsReference):
        return "int8/round_as_reference"
    return "int8/round"


def result_constants(result: ToBytes | ToFloat) -> dict[str, NDArray[Any]]:
    """Give the constants that ``results`` names, each (outputs,)."""
    if isinstance(result, ToFloat):
        return {"scale": result.scale}
    if isinstance(result, RequantizeInFloat):
        return {"factor": result.factor}
    if isinstance(result, RequantizeAsReference):
        return {"multiplier": result.multiplier, "shift": result.shift}
    return {
        "multiplier": result.multiplier,
        "negative": result.negative_multiplier,
        "shift": result.shift,
    }
