"""im2col: lay the window's taps out as rows, so that a convolution is one matrix product.

K. Chellapilla, S. Puri, P. Simard, "High Performance Convolutional Neural Networks for Document
Processing", 2006, section 3 ("unrolled convolution").
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tatami.ops.window import Window
from tatami.types import Float32

Sample = TypeVar("Sample", bound=np.generic)


def pad_map(x: NDArray[Sample], window: Window, value: float) -> NDArray[Sample]:
    """Pad a map as the window asks: (n, c, h, w) -> (n, c, before + h + after, ...)."""
    rows, columns = window.rows, window.columns
    if not (rows.before or rows.after or columns.before or columns.after):
        return x
    widths = ((0, 0), (0, 0), (rows.before, rows.after), (columns.before, columns.after))
    return np.pad(x, widths, constant_values=value)


def taps(x: NDArray[Sample], window: Window) -> NDArray[Sample]:
    """Every sample that every place of the window sees, as a view without a copy.

    x: (n, c, h, w), already padded -> (n, c, kernel_h, kernel_w, out_h, out_w).
    """
    rows, columns = window.rows, window.columns
    n, c, h, w = x.shape
    out_h = (h - rows.span) // rows.stride + 1
    out_w = (w - columns.span) // columns.stride + 1
    along_n, along_c, along_h, along_w = x.strides
    return np.lib.stride_tricks.as_strided(
        x,
        shape=(n, c, rows.kernel, columns.kernel, out_h, out_w),
        strides=(
            along_n,
            along_c,
            along_h * rows.dilation,
            along_w * columns.dilation,
            along_h * rows.stride,
            along_w * columns.stride,
        ),
        writeable=False,
    )


def im2col(x: Float32, window: Window) -> Float32:
    """(n, c, h, w) -> (n, c * kernel_h * kernel_w, out_h * out_w), zeros beyond the border."""
    n, c, h, w = x.shape
    out_h, out_w = window.rows.output(h), window.columns.output(w)
    seen = taps(pad_map(x, window, 0.0), window)  # (n, c, kernel_h, kernel_w, out_h, out_w)
    return seen.reshape(n, c * window.rows.kernel * window.columns.kernel, out_h * out_w)
