"""im2col: lay the window's taps out as rows, so that a convolution is one matrix product.

K. Chellapilla, S. Puri, P. Simard, "High Performance Convolutional Neural Networks for Document
Processing", 2006, section 3 ("unrolled convolution").
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tatami.ops.window import Window
from tatami.types import Real

Sample = TypeVar("Sample", bound=np.generic)


def pad_map(x: NDArray[Sample], window: Window, value: float) -> NDArray[Sample]:
    """Pad a map as the window asks: (n, c, h, w) -> (n, c, before + h + after, ...)."""
    rows, columns = window.rows, window.columns
    if not (rows.before or rows.after or columns.before or columns.after):
        return x
    widths = ((0, 0), (0, 0), (rows.before, rows.after), (columns.before, columns.after))
    return np.pad(x, widths, constant_values=value)


def taps(x: NDArray[Sample], window: Window) -> NDArray[Sample]:
    """Give every sample that every place of the window sees, as a view without a copy.

    Args:
        x: (n, c, h, w), already padded.
        window: Where the kernel lies.

    Returns:
        (n, c, kernel_h, kernel_w, out_h, out_w).
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


def im2col(x: NDArray[Real], window: Window) -> NDArray[Real]:
    """Lay out a map (n, c, h, w) for a matrix product, with zeros beyond the border.

    Returns:
        (n, c * kernel_h * kernel_w, out_h * out_w).
    """
    n, c, h, w = x.shape
    out_h, out_w = window.rows.output(h), window.columns.output(w)
    seen = taps(pad_map(x, window, 0.0), window)  # (n, c, kernel_h, kernel_w, out_h, out_w)
    return seen.reshape(n, c * window.rows.kernel * window.columns.kernel, out_h * out_w)


def col2im(
    columns: NDArray[Real], shape: tuple[int, int, int, int], window: Window
) -> NDArray[Real]:
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
    n, c, h, w = shape
    rows, across = window.rows, window.columns
    out_h, out_w = rows.output(h), across.output(w)
    seen = columns.reshape(n, c, rows.kernel, across.kernel, out_h, out_w)
    height, width = h + rows.before + rows.after, w + across.before + across.after
    padded = np.zeros((n, c, height, width), columns.dtype)
    for u in range(rows.kernel):
        for v in range(across.kernel):
            top, left = u * rows.dilation, v * across.dilation
            bottom = top + (out_h - 1) * rows.stride + 1
            right = left + (out_w - 1) * across.stride + 1
            padded[:, :, top : bottom : rows.stride, left : right : across.stride] += seen[
                :, :, u, v
            ]
    return padded[:, :, rows.before : rows.before + h, across.before : across.before + w]
