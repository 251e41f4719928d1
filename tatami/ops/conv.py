"""Two-dimensional convolution (cross-correlation, as in every network framework)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tatami.errors import TatamiError
from tatami.ops.im2col import im2col
from tatami.ops.window import Window
from tatami.types import Float32


def convolve(
    x: Float32, weight: Float32, bias: Float32 | None, window: Window, groups: int = 1
) -> Float32:
    """y[o, i, j] = bias[o] + sum over c, u, v of weight[o, c, u, v] * x[c, i*s + u*d, j*s + v*d].

    x: (n, c, h, w).  weight: (o, c / groups, kernel_h, kernel_w).  bias: (o,) or None.
    Returns (n, o, out_h, out_w). Output channels of group g see only input channels of group g;
    groups = c is a depthwise convolution. Beyond the border the input is zero. ONNX Conv.

    Raises TatamiError where the shapes do not fit.
    """
    n, c, h, w = x.shape
    o, per_group, kernel_h, kernel_w = weight.shape
    if c != per_group * groups or o % groups:
        raise TatamiError(
            f"a weight of shape {weight.shape} in {groups} groups does not fit {c} channels",
            mend="the weight is (outputs, channels / groups, kernel height, kernel width)",
        )
    out_h, out_w = window.rows.output(h), window.columns.output(w)
    kernels = weight.reshape(groups, o // groups, per_group * kernel_h * kernel_w)
    y = np.empty((n, o, out_h, out_w), np.float32)
    for picture in range(n):  # one at a time: the columns of one map are memory enough
        columns = im2col(x[picture : picture + 1], window)
        columns = columns.reshape(groups, per_group * kernel_h * kernel_w, out_h * out_w)
        y[picture] = np.matmul(kernels, columns).reshape(o, out_h, out_w)
    if bias is not None:
        y += bias[:, None, None]
    return y


def multiply_adds(weight: Sequence[int], places: int) -> int:
    """Multiplications that a convolution adds up: each number of its weight, at every place.

    weight: its shape, in which groups are left out already.  places: samples of one channel of the
    output, or of a transposed convolution's input. Taps in the padding, or on what a transposed
    convolution's padding cuts off, count as all others: so do the figures that are published.
    """
    return math.prod(weight) * places
