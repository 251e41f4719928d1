"""Transposed convolution: the gradient of a convolution with respect to its input, run forward."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tatami.ops.conv import convolve, convolve_backward_weight
from tatami.ops.window import Axis, Window
from tatami.types import Real


def convolve_transposed(
    x: NDArray[Real],
    weight: NDArray[Real],
    bias: NDArray[Real] | None,
    window: Window,
    output: tuple[int, int],
    groups: int = 1,
) -> NDArray[Real]:
    """Spread the kernel of every sample over the output and sum what meets. ONNX ConvTranspose.

    Sample (i, j), tap (u, v) reaches the output at (i * stride + u * dilation - before, ...); what
    falls outside is lost.

    Args:
        x: (n, c, h, w).
        weight: (c, o / groups, kernel_h, kernel_w).
        bias: (o,) or None.
        window: Where the kernel lies.
        output: (out_h, out_w).
        groups: How many parts the channels are divided into.

    Returns:
        (n, o, out_h, out_w).

    Source:
        V. Dumoulin and F. Visin, "A guide to convolution arithmetic for deep learning", section 4.
    """
    n, c, h, w = x.shape
    _, per_group, kernel_h, kernel_w = weight.shape
    rows, columns = window.rows, window.columns
    samples = x.reshape(n, groups, c // groups, h * w)
    kernels = weight.reshape(groups, c // groups, per_group, kernel_h, kernel_w)
    height = max((h - 1) * rows.stride + rows.span, rows.before + output[0])
    width = max((w - 1) * columns.stride + columns.span, columns.before + output[1])
    whole = np.zeros((n, groups * per_group, height, width), x.dtype)
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


def convolve_transposed_backward(
    x: NDArray[Real], weight: NDArray[Real], dy: NDArray[Real], window: Window, groups: int = 1
) -> tuple[NDArray[Real], NDArray[Real], NDArray[Real]]:
    """Compute the gradients of ``convolve_transposed``: a convolution runs back.

    Each sample collects dy where its kernel was spread: dx is the convolution of dy by the same
    weight, and dweight that convolution's, with x in the place of its gradient.

    Args:
        x: (n, c, h, w).
        weight: (c, o / groups, kernel_h, kernel_w).
        dy: (n, o, out_h, out_w).
        window: Where the kernel lies.
        groups: How many parts the channels are divided into.

    Returns:
        (dx, dweight, dbias), of the shapes of x, weight and bias.
    """
    n, _, h, w = x.shape
    rows, columns = window.rows, window.columns
    out_h, out_w = dy.shape[2:]
    height, width = (h - 1) * rows.stride + rows.span, (w - 1) * columns.stride + columns.span
    # What the forward sum wrote into, lost margins and all; they have no gradient.
    whole = np.zeros(
        (n, dy.shape[1], max(height, rows.before + out_h), max(width, columns.before + out_w)),
        dy.dtype,
    )
    whole[
        :, :, rows.before : rows.before + out_h, columns.before : columns.before + out_w
    ] = dy  # fmt: skip
    reached = whole[:, :, :height, :width]
    bare = Window(
        Axis(rows.kernel, rows.stride, dilation=rows.dilation),
        Axis(columns.kernel, columns.stride, dilation=columns.dilation),
    )
    dx = convolve(reached, weight, None, bare, groups)
    dweight = convolve_backward_weight(reached, x, bare, groups)
    return dx, dweight, np.asarray(dy.sum(axis=(0, 2, 3)), dy.dtype)
