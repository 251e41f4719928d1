"""Convolution (cross-correlation, as in every network framework), along any number of axes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tatami.errors import TatamiError
from tatami.ops.im2col import col2im, im2col
from tatami.ops.window import Axes, outputs
from tatami.types import Real


def convolve(
    x: NDArray[Real],
    weight: NDArray[Real],
    bias: NDArray[Real] | None,
    window: Axes,
    groups: int = 1,
) -> NDArray[Real]:
    """Convolve a map with a kernel; beyond the border the input is zero. ONNX Conv.

    y[o, i, j] = bias[o] + sum over c, u, v of weight[o, c, u, v] * x[c, i*s + u*d, j*s + v*d].
    Output channels of group g see only input channels of group g; groups = c is a depthwise
    convolution.

    Args:
        x: (n, c, h, w), or with any number of axes after the channels, as all that follows.
        weight: (o, c / groups, kernel_h, kernel_w).
        bias: (o,) or None.
        window: Where the kernel lies.
        groups: How many parts the channels are divided into.

    Returns:
        (n, o, out_h, out_w).

    Raises:
        TatamiError: Where the shapes do not fit.
    """
    axes = tuple(window)
    n, c = x.shape[:2]
    o, per_group = weight.shape[:2]
    if c != per_group * groups or o % groups:
        raise TatamiError(
            f"a weight of shape {weight.shape} in {groups} groups does not fit {c} channels",
            hint="the weight is (outputs, channels / groups, kernel height, kernel width)",
        )
    places = outputs(axes, x.shape[2:])
    kernels = weight.reshape(groups, o // groups, -1)
    y = np.empty((n, o) + places, np.result_type(x, weight))  # noqa: RUF005
    for picture in range(n):  # one at a time: the columns of one map are memory enough
        columns = im2col(x[picture : picture + 1], axes)
        columns = columns.reshape(groups, kernels.shape[2], math.prod(places))
        y[picture] = np.matmul(kernels, columns).reshape(o, *places)
    if bias is not None:
        y += bias.reshape(-1, *[1] * len(axes))
    return y


def convolve_backward(
    x: NDArray[Real], weight: NDArray[Real], dy: NDArray[Real], window: Axes, groups: int = 1
) -> tuple[NDArray[Real], NDArray[Real], NDArray[Real]]:
    """Compute the gradients of ``convolve``.

    Each product of the forward sum goes back to both of its factors: dx[c, i*s + u*d, j*s + v*d] +=
    weight[o, c, u, v] * dy[o, i, j], and dweight as ``convolve_backward_weight`` says; dbias[o] is
    the sum of dy over all pictures and places.

    Args:
        x: (n, c, h, w).
        weight: (o, c / groups, kernel_h, kernel_w).
        dy: (n, o, out_h, out_w).
        window: Where the kernel lies.
        groups: How many parts the channels are divided into.

    Returns:
        (dx, dweight, dbias), of the shapes of x, weight and bias.
    """
    axes = tuple(window)
    o, places = weight.shape[0], math.prod(dy.shape[2:])
    kernels = weight.reshape(groups, o // groups, -1)
    dx = np.empty(x.shape, x.dtype)
    for picture in range(len(x)):
        spread = np.matmul(
            kernels.transpose(0, 2, 1), dy[picture].reshape(groups, o // groups, places)
        )
        columns = spread.reshape(1, groups * kernels.shape[2], places)
        dx[picture] = col2im(columns, (1, *x.shape[1:]), axes)[0]
    dweight = convolve_backward_weight(x, dy, axes, groups)
    over = (0, *range(2, dy.ndim))
    return dx, dweight, np.asarray(dy.sum(axis=over), dy.dtype)


def convolve_backward_weight(
    x: NDArray[Real], dy: NDArray[Real], window: Axes, groups: int = 1
) -> NDArray[Real]:
    """Compute the gradient of a convolution's weight.

    dweight[o, c, u, v] = sum over pictures and i, j of dy[o, i, j] * x[c, i*s + u*d, j*s + v*d].

    Args:
        x: (n, c, h, w).
        dy: (n, o, out_h, out_w).
        window: Where the kernel lies.
        groups: How many parts the channels are divided into.

    Returns:
        (o, c / groups, kernel_h, kernel_w).
    """
    axes = tuple(window)
    n, c = x.shape[:2]
    o, places = dy.shape[1], math.prod(dy.shape[2:])
    kernel = tuple(axis.kernel for axis in axes)
    taps = c // groups * math.prod(kernel)
    total = np.zeros((groups, o // groups, taps), x.dtype)
    for picture in range(n):
        columns = im2col(x[picture : picture + 1], axes).reshape(groups, taps, places)
        given = dy[picture].reshape(groups, o // groups, places)
        total += np.matmul(given, columns.transpose(0, 2, 1))
    return total.reshape(o, c // groups, *kernel)


def multiply_adds(weight: Sequence[int], places: int) -> int:
    """Count the multiplications that a convolution adds up: its weight's numbers at every place.

    Taps in the padding, or on what a transposed convolution's padding cuts off, count as all
    others: so do the figures that are published.

    Args:
        weight: Its shape, in which groups are left out already.
        places: Samples of one channel of the output, or of a transposed convolution's input.
    """
    return math.prod(weight) * places
