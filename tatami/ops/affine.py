"""Whole numbers that stand for real ones by a scale and a zero point, of any axis and width."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tatami.ops.narrow import FORMATS, WHOLE, narrowed, widened
from tatami.types import Float32

Array = NDArray[Any]


def beside(numbers: Array, x: Array, axis: int, block: int = 0) -> Array:
    """Shape a scale or zero point so that it fits x.

    Args:
        numbers: One number, one of each index of the axis, or one of each block along it.
        x: What is quantized.
        axis: The axis.
        block: Indices that share a number; 0: all or one.
    """
    if block:
        return np.repeat(numbers, block, axis)[tuple(slice(side) for side in x.shape)]
    if numbers.size == 1:
        return numbers.reshape(())
    return numbers.reshape([-1 if i == axis else 1 for i in range(x.ndim)])


def quantize(x: Float32, scale: Array, zero: Array, saturate: bool = True) -> Array:
    """Compute clamp(round half to even(x / scale) + zero), in the zero point's kind.

    Args:
        x: Any shape; a NaN is taken for 0.
        scale: Of a shape that fits x.
        zero: As scale; where it is a real number of few bits, x / scale is stored as one.
        saturate: What ops/narrow.py says of it.
    """
    dtype = zero.dtype
    if dtype.name in FORMATS:
        return narrowed(np.asarray(x / scale, np.float32), dtype, saturate)
    low, high = WHOLE[dtype.name] if dtype.name in WHOLE else _limits(dtype)
    steps = np.rint(x / scale)
    steps = np.where(np.isnan(steps), np.float32(0), steps) + widened(zero)
    return np.asarray(np.clip(steps, low, high).astype(np.int32).astype(dtype))


def _limits(dtype: np.dtype[Any]) -> tuple[int, int]:
    limits = np.iinfo(dtype)
    return int(limits.min), int(limits.max)


def dequantize(x: Array, scale: Array, zero: Array | None) -> Float32:
    """Compute (x - zero) * scale, the difference in whole numbers where x has them."""
    wide = widened(x)
    if wide.dtype != np.float32:
        wide = wide.astype(np.int64)
    if zero is not None:
        wide = wide - widened(zero).astype(wide.dtype)
    return np.asarray(wide.astype(np.float32) * scale, np.float32)


def range_of(x: Float32) -> tuple[Float32, Array]:
    """Choose the scale and the zero point of bytes that hold all samples, and 0.

    Returns:
        Both of no axis; the scale of nothing but zeros is 1.
    """
    low, high = np.minimum(x.min(), np.float32(0)), np.maximum(x.max(), np.float32(0))
    scale = np.float32((high - low) / np.float32(255)) if high > low else np.float32(1)
    zero = np.clip(np.rint(-low / scale), 0, 255)
    return np.asarray(scale, np.float32), np.asarray(zero, np.uint8)
