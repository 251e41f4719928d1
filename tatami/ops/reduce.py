"""Many samples to one: sums, means, extremes, norms and logarithms of sums, over any axes.

Each takes x, the axes (none: every sample by itself) and gives the result with those axes of length
1, in x's kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Axes = tuple[int, ...]


@dataclass(frozen=True)
class Reduction:
    """Hold a function of many samples.

    Args:
        name: Its name in ONNX.
        of: Takes x and the axes; gives y, the axes kept with length 1.
        slope: Takes x, y with its axes kept, and the axes; gives dy/dx of each sample of x.
    """

    name: str
    of: Callable[[Array, Axes], Array]
    slope: Callable[[Array, Array, Axes], Array]


def total(x: Array, axes: Axes) -> Array:
    """Add up, in x's kind."""
    return np.asarray(x.sum(axis=axes, keepdims=True, dtype=x.dtype))


def mean(x: Array, axes: Axes) -> Array:
    """Compute the mean; of whole numbers it is cut towards zero."""
    count = _count(x, axes)
    if np.issubdtype(x.dtype, np.floating):
        return np.asarray(total(x, axes) / x.dtype.type(count), x.dtype)
    wide = x.sum(axis=axes, keepdims=True, dtype=np.int64)
    return np.asarray(np.sign(wide) * (np.abs(wide) // count)).astype(x.dtype)


def log_sum_exp(x: Array, axes: Axes) -> Array:
    """Compute log of the sum of exp(x), written so that exp never overflows."""
    largest = x.max(axis=axes, keepdims=True)
    held = np.where(np.isfinite(largest), largest, 0).astype(x.dtype)
    return np.asarray(np.log(total(np.exp(x - held), axes)) + held, x.dtype)


def _count(x: Array, axes: Axes) -> int:
    count = 1
    for axis in axes:
        count *= x.shape[axis]
    return count


def _share(x: Array, y: Array, axes: Axes) -> Array:
    """Divide a derivative among the samples that are the extreme: all alike, as torch does."""
    mine = np.asarray(x == y, x.dtype)
    return np.asarray(mine / mine.sum(axis=axes, keepdims=True), x.dtype)


def _product_slope(x: Array, y: Array, axes: Axes) -> Array:
    """Multiply all samples but each itself; with a single 0 among them only that one counts."""
    zero = x == 0
    zeros = zero.sum(axis=axes, keepdims=True)
    others = np.where(zero, 1, x).prod(axis=axes, keepdims=True)
    of_rest = np.where(zero, zeros == 1, zeros == 0)
    return np.asarray(np.where(of_rest, others / np.where(zero, 1, x), 0), x.dtype)


def _l2(x: Array, axes: Axes) -> Array:
    return np.asarray(np.sqrt(total(np.square(x), axes)), x.dtype)


def _l2_slope(x: Array, y: Array, axes: Axes) -> Array:
    """Compute x / y; where y is 0, which has no derivative, 0."""
    return np.asarray(np.divide(x, y, out=np.zeros_like(x), where=y > 0))


_ROWS = (
    Reduction("ReduceL1", lambda x, a: total(np.abs(x), a), lambda x, y, a: np.sign(x)),
    Reduction("ReduceL2", _l2, _l2_slope),
    Reduction(
        "ReduceLogSum",
        lambda x, a: np.asarray(np.log(total(x, a)), x.dtype),
        lambda x, y, a: np.ones_like(x) / np.exp(y),
    ),
    Reduction("ReduceLogSumExp", log_sum_exp, lambda x, y, a: np.exp(x - y)),
    Reduction("ReduceMax", lambda x, a: x.max(axis=a, keepdims=True), _share),
    Reduction("ReduceMean", mean, lambda x, y, a: np.ones_like(x) / x.dtype.type(_count(x, a))),
    Reduction("ReduceMin", lambda x, a: x.min(axis=a, keepdims=True), _share),
    Reduction(
        "ReduceProd", lambda x, a: x.prod(axis=a, keepdims=True, dtype=x.dtype), _product_slope
    ),
    Reduction("ReduceSum", total, lambda x, y, a: np.ones_like(x)),
    Reduction("ReduceSumSquare", lambda x, a: total(np.square(x), a), lambda x, y, a: 2 * x),
)

REDUCTIONS: Mapping[str, Reduction] = {row.name: row for row in _ROWS}
"""By ONNX's name."""


def running(
    x: Array, axis: int, of: np.ufunc, exclusive: bool = False, reverse: bool = False
) -> Array:
    """Sum up or multiply along an axis, and give what there is at every sample.

    Args:
        x: Any shape.
        axis: The axis.
        of: np.add or np.multiply.
        exclusive: Whether a sample counts for the ones after it only.
        reverse: Whether to begin at the end.
    """
    turned = np.flip(x, axis) if reverse else x
    y = np.asarray(of.accumulate(turned, axis=axis, dtype=x.dtype))
    if exclusive:
        start = np.full_like(y.take([0], axis), of.identity)
        y = np.concatenate([start, y.take(range(y.shape[axis] - 1), axis)], axis)
    return np.ascontiguousarray(np.flip(y, axis)) if reverse else y
