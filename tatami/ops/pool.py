"""Max and average pools, with any padding on any side, and those of the whole map."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tatami.ops.im2col import Sample, pad_map
from tatami.ops.window import Window
from tatami.types import Float32


def max_pool(x: Float32, window: Window) -> Float32:
    """The largest sample under each place of the window: (n, c, h, w) -> (n, c, out_h, out_w).

    Padding is minus infinity, so it never wins; ONNX MaxPool with ceil_mode 0.
    """
    out_h, out_w = window.rows.output(x.shape[2]), window.columns.output(x.shape[3])
    padded = pad_map(x, window, -np.inf)
    y = np.full((*x.shape[:2], out_h, out_w), -np.inf, np.float32)
    for tap in shifted(padded, window, out_h, out_w):
        np.maximum(y, tap, out=y)
    return y


def average_pool(x: Float32, window: Window, count_padding: bool = False) -> Float32:
    """The mean under each place of the window: (n, c, h, w) -> (n, c, out_h, out_w).

    count_padding: whether the zeros of the padding count as samples (ONNX AveragePool's
    count_include_pad).
    """
    out_h, out_w = window.rows.output(x.shape[2]), window.columns.output(x.shape[3])
    total = np.zeros((*x.shape[:2], out_h, out_w), np.float32)
    for tap in shifted(pad_map(x, window, 0.0), window, out_h, out_w):
        total += tap
    if count_padding:
        total /= window.rows.kernel * window.columns.kernel
        return total
    count = np.zeros((1, 1, out_h, out_w), np.float32)
    inside = np.ones((1, 1, *x.shape[2:]), np.float32)
    for tap in shifted(pad_map(inside, window, 0.0), window, out_h, out_w):
        count += tap
    total /= count
    return total


def global_average_pool(x: Float32) -> Float32:
    """The mean of every map: (n, c, h, w) -> (n, c, 1, 1)."""
    return np.asarray(x.mean(axis=(2, 3), keepdims=True), np.float32)


def global_max_pool(x: NDArray[Sample]) -> NDArray[Sample]:
    """The largest sample of every map: (n, c, h, w) -> (n, c, 1, 1), float32 or uint8."""
    return np.asarray(x.max(axis=(2, 3), keepdims=True))


def shifted(
    padded: NDArray[Sample], window: Window, out_h: int, out_w: int
) -> list[NDArray[Sample]]:
    """One view (n, c, out_h, out_w) a tap of the kernel: what that tap sees at every place."""
    rows, columns = window.rows, window.columns
    views = []
    for top in range(0, rows.span, rows.dilation):
        for left in range(0, columns.span, columns.dilation):
            bottom = top + (out_h - 1) * rows.stride + 1
            right = left + (out_w - 1) * columns.stride + 1
            views.append(padded[:, :, top : bottom : rows.stride, left : right : columns.stride])
    return views
