"""im2col: lay the window's taps out as rows, so that a convolution is one matrix product.

K. Chellapilla, S. Puri, P. Simard, "High Performance Convolutional Neural Networks for Document
Processing", 2006, section 3 ("unrolled convolution").
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tatami.ops.window import Axes, Axis, outputs
from tatami.types import Real

Sample = TypeVar("Sample", bound=np.generic)

_ALL = (slice(None), slice(None))  # the batch and the channels


def pad_map(x: NDArray[Sample], window: Axes, value: float) -> NDArray[Sample]:
    """Pad a map as the window asks: (n, c, h, w) -> (n, c, before + h + after, ...)."""
    widths = [(axis.before, axis.after) for axis in window]
    if not any(map(any, widths)):
        return x
    return np.pad(x, [(0, 0), (0, 0), *widths], constant_values=value)


def taps(x: NDArray[Sample], window: Axes) -> NDArray[Sample]:
    """Give every sample that every place of the window sees, as a view without a copy.

    Args:
        x: (n, c, h, w), already padded; any number of axes after the channels.
        window: Where the kernel lies.

    Returns:
        (n, c, kernel_h, kernel_w, out_h, out_w).
    """
    axes = tuple(window)
    places = [
        (length - axis.span) // axis.stride + 1
        for axis, length in zip(axes, x.shape[2:], strict=True)
    ]
    along = x.strides[2:]
    return np.lib.stride_tricks.as_strided(
        x,
        shape=(*x.shape[:2], *(axis.kernel for axis in axes), *places),
        strides=(
            *x.strides[:2],
            *(step * axis.dilation for axis, step in zip(axes, along, strict=True)),
            *(step * axis.stride for axis, step in zip(axes, along, strict=True)),
        ),
        writeable=False,
    )


def im2col(x: NDArray[Real], window: Axes) -> NDArray[Real]:
    """Lay out a map (n, c, h, w) for a matrix product, with zeros beyond the border.

    Returns:
        (n, c * kernel_h * kernel_w, out_h * out_w).
    """
    axes = tuple(window)
    places = math.prod(outputs(axes, x.shape[2:]))
    seen = taps(pad_map(x, axes, 0.0), axes)  # (n, c, kernel_h, kernel_w, out_h, out_w)
    return seen.reshape(len(x), x.shape[1] * math.prod(axis.kernel for axis in axes), places)


def col2im(columns: NDArray[Real], shape: Sequence[int], window: Axes) -> NDArray[Real]:
    """Compute im2col's gradient: every tap goes back to the sample it saw, and is summed there.

    What the padding saw is lost; a sample that no place saw gets zero. One slice a tap of the
    kernel, over all places at once.

    Args:
        columns: (n, c * kernel_h * kernel_w, out_h * out_w).
        shape: (n, c, h, w), of im2col's input.
        window: Where the kernel lies.

    Returns:
        (n, c, h, w).
    """
    axes, sides = tuple(window), tuple(shape[2:])
    places = outputs(axes, sides)
    seen = columns.reshape(*shape[:2], math.prod(axis.kernel for axis in axes), *places)
    whole: tuple[int, ...] = tuple(
        axis.before + length + axis.after for axis, length in zip(axes, sides, strict=True)
    )
    padded = np.zeros(tuple(shape[:2]) + whole, columns.dtype)
    for number, view in enumerate(shifted(padded, axes, *places)):
        view += seen[:, :, number]
    return padded[inner(axes, sides)]


def inner(axes: Axes, sides: Sequence[int]) -> tuple[slice, ...]:
    """Say where a map of these sides lies among its padding."""
    return (
        *_ALL,
        *(slice(axis.before, axis.before + side) for axis, side in zip(axes, sides, strict=True)),
    )


def shifted(padded: NDArray[Sample], window: Axes, *places: int) -> list[NDArray[Sample]]:
    """Give one view (n, c, out_h, out_w) a tap of the kernel: what that tap sees at every place."""
    axes = tuple(window)
    return [
        padded[(*_ALL, *map(_seen, axes, tap, places))]
        for tap in product(*(range(axis.kernel) for axis in axes))
    ]


def _seen(axis: Axis, tap: int, places: int) -> slice:
    """Say which samples of a padded axis a tap sees."""
    first = tap * axis.dilation
    return slice(first, first + (places - 1) * axis.stride + 1, axis.stride)
