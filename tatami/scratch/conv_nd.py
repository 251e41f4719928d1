"""Convolution along any number of axes: sound has one, pictures two, volumes and video three."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tatami.errors import TatamiError
from tatami.ops.window import Axis

Array = NDArray[Any]
Index = tuple[Any, ...]
"""Into the last axes of an array: an ellipsis, then a number or a slice for each."""


def convolve_nd(x: Array, weight: Array, bias: Array, axes: Sequence[Axis]) -> Array:
    """Convolve along any number of axes.

    y[o, i...] = bias[o] + sum over c, u... of weight[o, c, u...] * x[c, i*s + u*d, ...]. Tap by
    tap: each multiplies what it sees at all places at once.

    Args:
        x: (n, c, *lengths).
        weight: (o, c, *kernels).
        bias: (o,).
        axes: The window, one a length.

    Returns:
        (n, o, *outputs).

    Raises:
        TatamiError: Where the shapes do not fit.
    """
    _check(x, weight, axes)
    padded = _pad(x, axes)
    outputs = [axis.output(length) for axis, length in zip(axes, x.shape[2:], strict=True)]
    y = np.zeros((len(x), len(weight), *outputs), x.dtype)
    for tap, seen in _taps(axes, outputs):
        y += _mixed(weight[tap], padded[seen])
    y += bias.reshape(-1, *[1] * len(axes))
    return y


def convolve_nd_backward(
    x: Array, weight: Array, dy: Array, axes: Sequence[Axis]
) -> tuple[Array, Array, Array]:
    """Compute the gradients (dx, dweight, dbias) of ``convolve_nd``; dy is (n, o, *outputs)."""
    _check(x, weight, axes)
    padded = _pad(x, axes)
    dpadded, dweight = np.zeros_like(padded), np.empty_like(weight)
    all_but_channels = (0, *range(2, x.ndim))
    for tap, seen in _taps(axes, dy.shape[2:]):
        dpadded[seen] += _mixed(weight[tap].T, dy)
        dweight[tap] = np.tensordot(dy, padded[seen], (all_but_channels, all_but_channels))
    lengths = zip(axes, x.shape[2:], strict=True)
    inner: Index = (..., *(slice(one.before, one.before + length) for one, length in lengths))
    return dpadded[inner], dweight, dy.sum(axis=all_but_channels)


def _check(x: Array, weight: Array, axes: Sequence[Axis]) -> None:
    kernels = tuple(axis.kernel for axis in axes)
    if x.ndim != 2 + len(axes) or weight.shape[1:] != (x.shape[1], *kernels):
        raise TatamiError(
            f"a weight of shape {weight.shape} and {len(axes)} axes do not fit {x.shape}",
            hint="x is (n, c, *lengths), the weight (o, c, *kernels), the axes one a length",
        )


def _pad(x: Array, axes: Sequence[Axis]) -> Array:
    return np.pad(x, [(0, 0), (0, 0), *((axis.before, axis.after) for axis in axes)])


def _taps(axes: Sequence[Axis], outputs: Sequence[int]) -> Iterator[tuple[Index, Index]]:
    """Yield every tap of the kernel, and the samples of a padded map that it sees."""
    for tap in product(*(range(axis.kernel) for axis in axes)):
        seen = []
        for u, axis, places in zip(tap, axes, outputs, strict=True):
            first = u * axis.dilation
            seen.append(slice(first, first + (places - 1) * axis.stride + 1, axis.stride))
        yield (..., *tap), (..., *seen)


def _mixed(weight: Array, x: Array) -> Array:
    """Mix channels: (o, c) and (n, c, *lengths) to (n, o, *lengths)."""
    return np.moveaxis(np.tensordot(weight, x, (1, 1)), 0, 1)
