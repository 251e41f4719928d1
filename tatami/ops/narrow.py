"""Real and whole numbers of few bits: how samples are stored, and how others become them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Form = Literal["ieee", "nan", "zero", "finite", "scale"]
RoundMode = Literal["up", "down", "nearest"]


@dataclass(frozen=True)
class Format:
    """Hold how a real number is stored.

    Args:
        exponent: Bits of the exponent.
        mantissa: Bits of the mantissa.
        bias: Taken from the exponent.
        form: ieee: the largest exponent says infinity and NaN.  nan: only its largest mantissa says
            NaN, and there is no infinity.  zero: what would be minus zero says NaN, and there is no
            infinity.  finite: neither.  scale: a power of two without sign, whose largest exponent
            says NaN.
    """

    exponent: int
    mantissa: int
    bias: int
    form: Form

    @property
    def last(self) -> int:
        """Give the bits of the largest number, without the sign."""
        end = 1 << (self.exponent + self.mantissa)
        return end - {"ieee": 1 + (1 << self.mantissa), "nan": 2, "scale": 2}.get(self.form, 1)

    @property
    def largest(self) -> float:
        """Give the largest number."""
        high = self.last >> self.mantissa
        part = self.last & ((1 << self.mantissa) - 1)
        return float((part + (1 << self.mantissa)) * 2.0 ** (high - self.bias - self.mantissa))


FORMATS: Mapping[str, Format] = {
    "float16": Format(5, 10, 15, "ieee"),
    "bfloat16": Format(8, 7, 127, "ieee"),
    "float8_e4m3fn": Format(4, 3, 7, "nan"),
    "float8_e4m3fnuz": Format(4, 3, 8, "zero"),
    "float8_e5m2": Format(5, 2, 15, "ieee"),
    "float8_e5m2fnuz": Format(5, 2, 16, "zero"),
    "float8_e8m0fnu": Format(8, 0, 127, "scale"),
    "float4_e2m1fn": Format(2, 1, 1, "finite"),
}
"""By NumPy's name."""

WHOLE: Mapping[str, tuple[int, int]] = {
    "int4": (-8, 7),
    "uint4": (0, 15),
    "int2": (-2, 1),
    "uint2": (0, 3),
}
"""The least and the largest of whole numbers that are less than a byte, by NumPy's name."""


def is_narrow(dtype: np.dtype[Any]) -> bool:
    """Tell whether samples are stored in a format that nothing is computed in."""
    return dtype.name in FORMATS or dtype.name in WHOLE


def widened(x: Array) -> Array:
    """Make float32 of real numbers, int8 or uint8 of whole ones; others stay."""
    if x.dtype.name in FORMATS:
        return x.astype(np.float32)
    if x.dtype.name in WHOLE:
        return x.astype(np.uint8 if x.dtype.name.startswith("u") else np.int8)
    return x


def narrowed(
    x: Array, dtype: np.dtype[Any], saturate: bool = True, rounding: RoundMode = "up"
) -> Array:
    """Store numbers in a narrow format, rounded half to even.

    Args:
        x: Of any kind that is not narrow.
        dtype: The format.
        saturate: Whether what leaves a format of 8 bits becomes its largest number; else infinity,
            or NaN where there is none. Those of 16 bits have infinity, those of 4 the largest.
        rounding: How a scale is rounded.
    """
    name = dtype.name
    if name in WHOLE:  # the lowest bits, as ONNX says
        if np.issubdtype(x.dtype, np.floating):
            x = np.clip(np.where(np.isnan(x), 0, x), -(2.0**31), 2.0**31 - 128)
        low, high = WHOLE[name]
        held = x.astype(np.int64) & (high - low)
        return (held - 2 * (held & -low)).astype(np.int8).astype(dtype)
    if name == "float8_e8m0fnu":
        return _scale(x.astype(np.float32), saturate, rounding).view(dtype)
    if name.startswith("float8") and saturate:
        largest = x.dtype.type(FORMATS[name].largest)
        return np.clip(x, -largest, largest).astype(dtype)
    return x.astype(dtype)


def _scale(x: NDArray[np.float32], saturate: bool, rounding: RoundMode) -> NDArray[np.uint8]:
    """Keep the exponent of a float32, rounded; infinity and NaN are 255."""
    bits = x.view(np.uint32)
    exponent = ((bits >> 23) & 255).astype(np.int32)
    part = bits & 0x7FFFFF
    half = part >= 0x400000
    more = {
        "up": part > 0,
        "down": np.zeros(x.shape, bool),
        "nearest": half & ((part > 0x400000) | (exponent > 0)),
    }[rounding]
    if saturate:
        more = more & (exponent < 254)
    return np.where(exponent == 255, 255, exponent + more).astype(np.uint8)
