"""Max and average pools, with any padding on any side, those of the whole map, and unpooling."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tatami.errors import TatamiError
from tatami.ops.im2col import Sample, inner, pad_map, shifted
from tatami.ops.window import Axes, Axis, outputs
from tatami.types import Bool, Int64, Real


def max_pool(x: NDArray[Real], window: Axes) -> NDArray[Real]:
    """Find the largest sample under each place of the window. ONNX MaxPool with ceil_mode 0.

    Padding is minus infinity, so it never wins: (n, c, h, w) -> (n, c, out_h, out_w).
    """
    axes = tuple(window)
    places: tuple[int, ...] = outputs(axes, x.shape[2:])
    lowest = _lowest(x.dtype)
    y = np.full(x.shape[:2] + places, lowest, x.dtype)
    for tap in shifted(pad_map(x, axes, lowest), axes, *places):
        np.maximum(y, tap, out=y)
    return y


def _lowest(dtype: np.dtype[Any]) -> Any:
    """Give what no sample is less than: the padding of a max pool."""
    return -np.inf if np.issubdtype(dtype, np.floating) else np.iinfo(dtype).min


def max_pool_with_indices(x: NDArray[Real], window: Axes) -> tuple[NDArray[Real], Int64]:
    """Find the largest sample under each place of the window, and where it lay.

    Returns:
        Both (n, c, out_h, out_w). An index is row * w + column in the unpadded map, of the first of
        equal samples in the order of reading, as in torch; -1 where the window lies wholly in the
        padding.
    """
    axes = tuple(window)
    y, winner = max_pool_with_taps(x, axes)
    indices = tap_indices(winner, axes, x.shape[2:])
    indices[winner == math.prod(axis.kernel for axis in axes)] = -1
    return y, indices


def max_pool_with_taps(x: NDArray[Real], window: Axes) -> tuple[NDArray[Real], NDArray[Any]]:
    """Find the largest sample under each place of the window, and which tap saw it.

    Taps count in the order of reading; of equal samples the first wins, as in torch. Where the
    window lies wholly in the padding it is the number of all taps.

    Returns:
        Both (n, c, out_h, out_w). The type of the taps is the smallest that holds them: uint8 for
        windows of up to 255 taps.
    """
    axes, sides = tuple(window), x.shape[2:]
    y = max_pool(x, axes)
    views = shifted(pad_map(x, axes, _lowest(x.dtype)), axes, *y.shape[2:])
    unusual = not y.min(initial=np.inf) > _lowest(x.dtype)  # NaN, or a place may see no sample
    none = len(views)
    winner = np.zeros(y.shape, np.min_scalar_type(none))  # how many taps come before the first won
    still = np.ones(y.shape, bool)
    for tap, view in zip(product(*(range(axis.kernel) for axis in axes)), views, strict=True):
        lost = view != y
        if unusual:
            lost &= view == view
            within = [
                _inside(_under_tap(axis, one, length), length)
                for axis, one, length in zip(axes, tap, sides, strict=True)
            ]
            lost |= ~reduce(np.logical_and.outer, within)
        still &= lost
        winner += still
    return y, winner


def tap_indices(taps: NDArray[Any], window: Axes, sides: Sequence[int]) -> Int64:
    """Compute where the taps of a pool lie in a map: of rows and columns, row * width + column.

    Args:
        taps: (n, c, out_h, out_w), as ``max_pool_with_taps`` gives them.
        window: The pool's.
        sides: Of its input, (h, w).
    """
    axes = tuple(window)
    apart = [math.prod(sides[at + 1 :]) for at in range(len(axes))]
    firsts = [
        (np.arange(places) * axis.stride - axis.before) * step
        for axis, places, step in zip(axes, taps.shape[2:], apart, strict=True)
    ]
    steps = [
        np.arange(axis.kernel) * (axis.dilation * step)
        for axis, step in zip(axes, apart, strict=True)
    ]
    found: Int64 = np.append(reduce(np.add.outer, steps), 0)[taps] + reduce(np.add.outer, firsts)
    return found


def max_pool_backward(dy: NDArray[Real], indices: Int64, shape: Sequence[int]) -> NDArray[Real]:
    """Compute the gradient of a max pool: a sample gets dy of every place that it won.

    Args:
        dy: (n, c, ...).
        indices: (n, c, ...), as ``max_pool_with_indices`` gave them; -1 goes nowhere.
        shape: (n, c, h, w), of the pool's input.

    Returns:
        (n, c, h, w).
    """
    maps = shape[0] * shape[1]
    samples = math.prod(shape[2:])
    at = indices.reshape(maps, -1) + np.arange(maps)[:, None] * samples
    given = dy.reshape(maps, -1)
    if indices.size and indices.min() < 0:
        won = indices.reshape(maps, -1) >= 0
        at, given = at[won], given[won]
    dx = np.zeros(maps * samples, dy.dtype)
    np.add.at(dx, at.ravel(), given.ravel())
    return dx.reshape(shape)


def max_unpool(
    x: NDArray[Sample], indices: Int64, shape: Sequence[int], fill: int = 0
) -> NDArray[Sample]:
    """Send every sample to where its index says, among zeros. ONNX MaxUnpool.

    Where samples have one index the last stays.

    Args:
        x: (n, c, ...).
        indices: As ``max_pool_with_indices`` gives them.
        shape: (n, c, h, w), of the result.
        fill: What stands for zero, the zero point where x holds bytes.

    Raises:
        TatamiError: Where an index lies outside the map.

    Source:
        M. Zeiler and R. Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014,
        section 2.1.
    """
    samples = math.prod(shape[2:])
    if indices.size and (indices.min() < 0 or indices.max() >= samples):
        raise TatamiError(
            f"an index of the pool lies outside a map of {' x '.join(map(str, shape[2:]))}",
            hint="unpool to the shape that was pooled, from windows with a sample in them",
        )
    y = np.full((shape[0], shape[1], samples), fill, x.dtype)
    np.put_along_axis(y, indices.reshape(*shape[:2], -1), x.reshape(*shape[:2], -1), 2)
    return y.reshape(shape)


def max_unpool_backward(dy: NDArray[Real], indices: Int64) -> NDArray[Real]:
    """Compute the gradient of ``max_unpool`` whose indices differ.

    Args:
        dy: (n, c, h, w).
        indices: As ``max_unpool`` had them, whose shape the result has.
    """
    n, c = dy.shape[:2]
    flat = np.take_along_axis(dy.reshape(n, c, -1), indices.reshape(n, c, -1), 2)
    return flat.reshape(indices.shape)


def average_pool(x: NDArray[Real], window: Axes, count_padding: bool = False) -> NDArray[Real]:
    """Average under each place of the window: (n, c, h, w) -> (n, c, out_h, out_w).

    Args:
        x: (n, c, h, w).
        window: Where it lies.
        count_padding: Whether the zeros of the padding count as samples (ONNX AveragePool's
            count_include_pad).
    """
    axes = tuple(window)
    places: tuple[int, ...] = outputs(axes, x.shape[2:])
    total = np.zeros(x.shape[:2] + places, x.dtype)
    for tap in shifted(pad_map(x, axes, 0.0), axes, *places):
        total += tap
    count = samples_under(axes, x.shape[2:], count_padding)
    np.divide(total, count.astype(x.dtype), out=total)
    return total


def lp_pool(x: NDArray[Real], window: Axes, p: int) -> NDArray[Real]:
    """Compute the p-norm of what lies under each place of the window. ONNX LpPool.

    Args:
        x: (n, c, h, w); its padding is 0.
        window: Where it lies.
        p: The norm's power.
    """
    axes = tuple(window)
    places: tuple[int, ...] = outputs(axes, x.shape[2:])
    total = np.zeros(x.shape[:2] + places, x.dtype)
    for tap in shifted(pad_map(np.abs(x) ** p, axes, 0.0), axes, *places):
        total += tap
    return np.asarray(total ** x.dtype.type(1 / p), x.dtype)


def average_pool_backward(
    dy: NDArray[Real], shape: Sequence[int], window: Axes, count_padding: bool = False
) -> NDArray[Real]:
    """Compute the gradient of ``average_pool``: every sample under a place gets an equal share.

    Args:
        dy: (n, c, out_h, out_w).
        shape: (n, c, h, w), of the pool's input.
        window: Where it lies.
        count_padding: As for ``average_pool``.

    Returns:
        (n, c, h, w).
    """
    axes, sides = tuple(window), tuple(shape[2:])
    # A place wholly in the padding has no samples, and none to give its share to.
    count = np.maximum(samples_under(axes, sides, count_padding), 1)
    share = np.asarray(dy / count, dy.dtype)
    whole: tuple[int, ...] = tuple(
        axis.before + length + axis.after for axis, length in zip(axes, sides, strict=True)
    )
    padded = np.zeros(tuple(shape[:2]) + whole, dy.dtype)
    for tap in shifted(padded, axes, *dy.shape[2:]):
        tap += share
    return padded[inner(axes, sides)]


def global_average_pool(x: NDArray[Real]) -> NDArray[Real]:
    """Average every map: (n, c, h, w) -> (n, c, 1, 1)."""
    return np.asarray(x.mean(axis=tuple(range(2, x.ndim)), keepdims=True), x.dtype)


def global_average_pool_backward(dy: NDArray[Real], shape: Sequence[int]) -> NDArray[Real]:
    """Give every sample of a map an equal share: (n, c, 1, 1) -> shape, which is (n, c, h, w)."""
    return np.broadcast_to(dy / dy.dtype.type(math.prod(shape[2:])), shape).copy()


def global_max_pool(x: NDArray[Sample]) -> NDArray[Sample]:
    """Find the largest sample of every map: (n, c, h, w) -> (n, c, 1, 1), float32 or uint8."""
    return np.asarray(x.max(axis=tuple(range(2, x.ndim)), keepdims=True))


def _under_tap(axis: Axis, tap: int, length: int) -> Int64:
    """Find which sample of one axis a tap sees at every place, in the padding too: (places,)."""
    return np.arange(axis.output(length)) * axis.stride + tap * axis.dilation - axis.before


def _inside(at: Int64, length: int) -> Bool:
    return (at >= 0) & (at < length)


def samples_under(window: Axes, sides: Sequence[int], count_padding: bool = False) -> Int64:
    """Count the samples that each place of the window sees: (out_h, out_w).

    Args:
        window: Where it lies.
        sides: Of the map, (h, w).
        count_padding: Whether its padding counts; what lies beyond the padding never does.
    """
    counts = []
    for axis, length in zip(window, sides, strict=True):
        before, after = (axis.before, axis.after - axis.beyond) if count_padding else (0, 0)
        counts.append(
            sum(
                _inside(_under_tap(axis, tap, length) + before, before + length + after).astype(
                    np.int64
                )
                for tap in range(axis.kernel)
            )
        )
    return np.asarray(reduce(np.multiply.outer, counts))
