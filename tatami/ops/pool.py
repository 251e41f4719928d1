"""Max and average pools, with any padding on any side, those of the whole map, and unpooling."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tatami.errors import TatamiError
from tatami.ops.im2col import Sample, pad_map
from tatami.ops.window import Axis, Window
from tatami.types import Bool, Int64, Real


def max_pool(x: NDArray[Real], window: Window) -> NDArray[Real]:
    """Find the largest sample under each place of the window. ONNX MaxPool with ceil_mode 0.

    Padding is minus infinity, so it never wins: (n, c, h, w) -> (n, c, out_h, out_w).
    """
    out_h, out_w = window.rows.output(x.shape[2]), window.columns.output(x.shape[3])
    padded = pad_map(x, window, -np.inf)
    y = np.full((*x.shape[:2], out_h, out_w), -np.inf, x.dtype)
    for tap in shifted(padded, window, out_h, out_w):
        np.maximum(y, tap, out=y)
    return y


def max_pool_with_indices(x: NDArray[Real], window: Window) -> tuple[NDArray[Real], Int64]:
    """Find the largest sample under each place of the window, and where it lay.

    Returns:
        Both (n, c, out_h, out_w). An index is row * w + column in the unpadded map, of the first of
        equal samples in the order of reading, as in torch; -1 where the window lies wholly in the
        padding.
    """
    y, winner = max_pool_with_taps(x, window)
    indices = tap_indices(winner, window, x.shape[3])
    indices[winner == window.rows.kernel * window.columns.kernel] = -1
    return y, indices


def max_pool_with_taps(x: NDArray[Real], window: Window) -> tuple[NDArray[Real], NDArray[Any]]:
    """Find the largest sample under each place of the window, and which tap saw it.

    Taps count in the order of reading; of equal samples the first wins, as in torch. Where the
    window lies wholly in the padding it is the number of all taps.

    Returns:
        Both (n, c, out_h, out_w). The type of the taps is the smallest that holds them: uint8 for
        windows of up to 255 taps.
    """
    h, w = x.shape[2:]
    y = max_pool(x, window)
    taps = shifted(pad_map(x, window, -np.inf), window, *y.shape[2:])
    rows = np.stack([_under_tap(window.rows, u, h) for u in range(window.rows.kernel)])
    columns = np.stack([_under_tap(window.columns, v, w) for v in range(window.columns.kernel)])
    unusual = not y.min(initial=np.inf) > -np.inf  # a NaN, or a place that may see no sample
    none = len(taps)
    winner = np.zeros(y.shape, np.min_scalar_type(none))  # how many taps come before the first won
    still = np.ones(y.shape, bool)
    for number, tap in enumerate(taps):
        lost = tap != y
        if unusual:
            u, v = divmod(number, window.columns.kernel)
            lost &= ~np.isnan(tap)
            lost |= ~(_inside(rows[u], h)[:, None] & _inside(columns[v], w))
        still &= lost
        winner += still
    return y, winner


def tap_indices(taps: NDArray[Any], window: Window, width: int) -> Int64:
    """Compute where the taps of a pool lie in a map of ``width`` columns: row * width + column.

    Args:
        taps: (n, c, out_h, out_w), as ``max_pool_with_taps`` gives them.
        window: The pool's.
        width: Columns of its input.
    """
    rows, columns = window.rows, window.columns
    tops = np.arange(taps.shape[2]) * rows.stride - rows.before
    lefts = np.arange(taps.shape[3]) * columns.stride - columns.before
    down, across = np.arange(rows.kernel), np.arange(columns.kernel)
    steps = np.add.outer(down * rows.dilation * width, across * columns.dilation)
    found: Int64 = np.append(steps, 0)[taps] + tops[:, None] * width + lefts
    return found


def max_pool_backward(
    dy: NDArray[Real], indices: Int64, shape: tuple[int, int, int, int]
) -> NDArray[Real]:
    """Compute the gradient of a max pool: a sample gets dy of every place that it won.

    Args:
        dy: (n, c, ...).
        indices: (n, c, ...), as ``max_pool_with_indices`` gave them; -1 goes nowhere.
        shape: (n, c, h, w), of the pool's input.

    Returns:
        (n, c, h, w).
    """
    n, c, h, w = shape
    at = indices.reshape(n * c, -1) + np.arange(n * c)[:, None] * (h * w)
    given = dy.reshape(n * c, -1)
    if indices.size and indices.min() < 0:
        won = indices.reshape(n * c, -1) >= 0
        at, given = at[won], given[won]
    dx = np.zeros(n * c * h * w, dy.dtype)
    np.add.at(dx, at.ravel(), given.ravel())
    return dx.reshape(shape)


def max_unpool(
    x: NDArray[Sample], indices: Int64, shape: tuple[int, int, int, int], fill: int = 0
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
    n, c, h, w = shape
    if indices.size and (indices.min() < 0 or indices.max() >= h * w):
        raise TatamiError(
            f"an index of the pool lies outside a map of {h} rows and {w} columns",
            hint="unpool to the shape that was pooled, from windows with a sample in them",
        )
    y = np.full((n, c, h * w), fill, x.dtype)
    np.put_along_axis(y, indices.reshape(n, c, -1), x.reshape(n, c, -1), 2)
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


def average_pool(x: NDArray[Real], window: Window, count_padding: bool = False) -> NDArray[Real]:
    """Average under each place of the window: (n, c, h, w) -> (n, c, out_h, out_w).

    Args:
        x: (n, c, h, w).
        window: Where it lies.
        count_padding: Whether the zeros of the padding count as samples (ONNX AveragePool's
            count_include_pad).
    """
    out_h, out_w = window.rows.output(x.shape[2]), window.columns.output(x.shape[3])
    total = np.zeros((*x.shape[:2], out_h, out_w), x.dtype)
    for tap in shifted(pad_map(x, window, 0.0), window, out_h, out_w):
        total += tap
    if count_padding:
        total /= window.rows.kernel * window.columns.kernel
    else:
        np.divide(total, _samples_under(window, *x.shape[2:]).astype(x.dtype), out=total)
    return total


def average_pool_backward(
    dy: NDArray[Real], shape: tuple[int, int, int, int], window: Window, count_padding: bool = False
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
    n, c, h, w = shape
    rows, columns = window.rows, window.columns
    # A place wholly in the padding has no samples, and none to give its share to.
    count = np.maximum(_samples_under(window, h, w), 1)
    if count_padding:
        count[:] = rows.kernel * columns.kernel
    share = np.asarray(dy / count, dy.dtype)
    height, width = h + rows.before + rows.after, w + columns.before + columns.after
    padded = np.zeros((n, c, height, width), dy.dtype)
    for tap in shifted(padded, window, *dy.shape[2:]):
        tap += share
    return padded[:, :, rows.before : rows.before + h, columns.before : columns.before + w]


def global_average_pool(x: NDArray[Real]) -> NDArray[Real]:
    """Average every map: (n, c, h, w) -> (n, c, 1, 1)."""
    return np.asarray(x.mean(axis=(2, 3), keepdims=True), x.dtype)


def global_average_pool_backward(
    dy: NDArray[Real], shape: tuple[int, int, int, int]
) -> NDArray[Real]:
    """Give every sample of a map an equal share: (n, c, 1, 1) -> shape, which is (n, c, h, w)."""
    return np.broadcast_to(dy / dy.dtype.type(shape[2] * shape[3]), shape).copy()


def global_max_pool(x: NDArray[Sample]) -> NDArray[Sample]:
    """Find the largest sample of every map: (n, c, h, w) -> (n, c, 1, 1), float32 or uint8."""
    return np.asarray(x.max(axis=(2, 3), keepdims=True))


def shifted(
    padded: NDArray[Sample], window: Window, out_h: int, out_w: int
) -> list[NDArray[Sample]]:
    """Give one view (n, c, out_h, out_w) a tap of the kernel: what that tap sees at every place."""
    rows, columns = window.rows, window.columns
    views = []
    for top in range(0, rows.span, rows.dilation):
        for left in range(0, columns.span, columns.dilation):
            bottom = top + (out_h - 1) * rows.stride + 1
            right = left + (out_w - 1) * columns.stride + 1
            views.append(padded[:, :, top : bottom : rows.stride, left : right : columns.stride])
    return views


def _under_tap(axis: Axis, tap: int, length: int) -> Int64:
    """Find which sample of one axis a tap sees at every place, in the padding too: (places,)."""
    return np.arange(axis.output(length)) * axis.stride + tap * axis.dilation - axis.before


def _inside(at: Int64, length: int) -> Bool:
    return (at >= 0) & (at < length)


def _samples_under(window: Window, h: int, w: int) -> Int64:
    """Count the samples, padding left out, that each place of the window sees: (out_h, out_w)."""
    rows, columns = (
        sum(
            _inside(_under_tap(axis, tap, length), length).astype(np.int64)
            for tap in range(axis.kernel)
        )
        for axis, length in ((window.rows, h), (window.columns, w))
    )
    return np.multiply.outer(rows, columns)
