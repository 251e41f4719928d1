"""The same operations as their formulas read: loops, for comparison. Hundreds of times slower."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tatami.ops.window import Window

Array = NDArray[Any]


def im2col(x: Array, window: Window) -> Array:
    """Lay a map out as tatami.ops.im2col.im2col does, a sample at a time."""
    n, c, h, w = x.shape
    rows, across = window.rows, window.columns
    out_h, out_w = rows.output(h), across.output(w)
    columns = np.zeros((n, c * rows.kernel * across.kernel, out_h * out_w), x.dtype)
    for picture in range(n):
        for channel in range(c):
            for u in range(rows.kernel):
                for v in range(across.kernel):
                    line = (channel * rows.kernel + u) * across.kernel + v
                    for i in range(out_h):
                        for j in range(out_w):
                            row = i * rows.stride - rows.before + u * rows.dilation
                            column = j * across.stride - across.before + v * across.dilation
                            if 0 <= row < h and 0 <= column < w:
                                seen = x[picture, channel, row, column]
                                columns[picture, line, i * out_w + j] = seen
    return columns


def convolve(x: Array, weight: Array, bias: Array, window: Window) -> Array:
    """Convolve as tatami.ops.conv.convolve does in one group, a product at a time."""
    n, c, h, w = x.shape
    rows, across = window.rows, window.columns
    y = np.empty((n, len(weight), rows.output(h), across.output(w)), x.dtype)
    for picture, o, i, j in np.ndindex(*y.shape):
        total = bias[o]
        for channel in range(c):
            for u in range(rows.kernel):
                for v in range(across.kernel):
                    row = i * rows.stride - rows.before + u * rows.dilation
                    column = j * across.stride - across.before + v * across.dilation
                    if 0 <= row < h and 0 <= column < w:
                        total += weight[o, channel, u, v] * x[picture, channel, row, column]
        y[picture, o, i, j] = total
    return y


def convolve_backward(
    x: Array, weight: Array, dy: Array, window: Window
) -> tuple[Array, Array, Array]:
    """Send dy to both factors of each product, as tatami.ops.conv.convolve_backward does."""
    _, c, h, w = x.shape
    rows, across = window.rows, window.columns
    dx, dweight, dbias = np.zeros_like(x), np.zeros_like(weight), np.zeros(len(weight), x.dtype)
    for picture, o, i, j in np.ndindex(*dy.shape):
        given = dy[picture, o, i, j]
        dbias[o] += given
        for channel in range(c):
            for u in range(rows.kernel):
                for v in range(across.kernel):
                    row = i * rows.stride - rows.before + u * rows.dilation
                    column = j * across.stride - across.before + v * across.dilation
                    if 0 <= row < h and 0 <= column < w:
                        dx[picture, channel, row, column] += weight[o, channel, u, v] * given
                        dweight[o, channel, u, v] += x[picture, channel, row, column] * given
    return dx, dweight, dbias


def max_pool(x: Array, window: Window) -> Array:
    """Pool as tatami.ops.pool.max_pool does, a sample at a time."""
    n, c, h, w = x.shape
    rows, across = window.rows, window.columns
    y = np.full((n, c, rows.output(h), across.output(w)), -np.inf, x.dtype)
    for picture, channel, i, j in np.ndindex(*y.shape):
        for u in range(rows.kernel):
            for v in range(across.kernel):
                row = i * rows.stride - rows.before + u * rows.dilation
                column = j * across.stride - across.before + v * across.dilation
                if 0 <= row < h and 0 <= column < w:
                    seen = x[picture, channel, row, column]
                    y[picture, channel, i, j] = max(y[picture, channel, i, j], seen)
    return y
