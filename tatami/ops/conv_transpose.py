"""Transposed convolution: the gradient of a convolution with respect to its input, run forward."""

from __future__ import annotations

import numpy as np

from tatami.ops.window import Window
from tatami.types import Float32


def convolve_transposed(
    x: Float32,
    weight: Float32,
    bias: Float32 | None,
    window: Window,
    output: tuple[int, int],
    groups: int = 1,
) -> Float32:
    """Every sample spreads its kernel over the output, and what falls on one place is added up.

    x: (n, c, h, w).  weight: (c, o / groups, kernel_h, kernel_w).  output: (out_h, out_w).
    Returns (n, o, out_h, out_w). Sample (i, j), tap (u, v) reaches the output at
    (i * stride + u * dilation - before, ...); what falls outside is lost. ONNX ConvTranspose.
    V. Dumoulin and F. Visin, "A guide to convolution arithmetic for deep learning", section 4.
    """
    n, c, h, w = x.shape
    _, per_group, kernel_h, kernel_w = weight.shape
    rows, columns = window.rows, window.columns
    samples = x.reshape(n, groups, c // groups, h * w)
    kernels = weight.reshape(groups, c // groups, per_group, kernel_h, kernel_w)
    height = max((h - 1) * rows.stride + rows.span, rows.before + output[0])
    width = max((w - 1) * columns.stride + columns.span, columns.before + output[1])
    whole = np.zeros((n, groups * per_group, height, width), np.float32)
    for u in range(kernel_h):
        for v in range(kernel_w):
            spread = np.matmul(kernels[..., u, v].transpose(0, 2, 1), samples)
            top, left = u * rows.dilation, v * columns.dilation
            bottom = top + (h - 1) * rows.stride + 1
            right = left + (w - 1) * columns.stride + 1
            whole[:, :, top : bottom : rows.stride, left : right : columns.stride] += (
                spread.reshape(n, groups * per_group, h, w)
            )
    y = whole[
        :,
        :,
        rows.before : rows.before + output[0],
        columns.before : columns.before + output[1],
    ]
    return np.ascontiguousarray(y if bias is None else y + bias[:, None, None])
