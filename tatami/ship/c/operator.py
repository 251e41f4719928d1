"""What an operator's two halves tell the emitter."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tatami.ship.program import Activation, Clamp, Shape
from tatami.types import Float32


@dataclass(frozen=True)
class Decision:
    """kernels: files of kernels/ that the step calls, each after those that it needs.

    scratch: bytes of the arena that the step needs for itself.
    in_place: whether its output may overwrite an input of the same size.
    constants: what it reads beside values, flat, in the order in which it is to be stored.
    """

    kernels: tuple[str, ...]
    scratch: int = 0
    in_place: bool = False
    constants: tuple[Float32, ...] = ()


@dataclass(frozen=True)
class Places:
    """C expressions: of every value by name, of the step's scratch and of its constants."""

    values: Mapping[str, str]
    scratch: str = ""
    constants: Sequence[str] = field(default=())


def count(shape: Shape) -> int:
    """Samples of a value."""
    return math.prod(shape)


def number(value: float) -> str:
    """A float32 as a C constant that means the same number."""
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
    return f"(net_activation){{.kind = NET_LEAKY, .alpha = {number(value.alpha)}}}"


def structure(kind: str, rows: Sequence[Mapping[str, int]]) -> str:
    """The address of a structure of whole numbers as a C compound literal, a line a row."""
    lines = [", ".join(f".{name} = {value}" for name, value in row.items()) for row in rows]
    return f"&(const {kind}){{" + ",\n            ".join(lines) + "}"
