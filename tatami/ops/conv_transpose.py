"""Transposed convolution: the gradient of a convolution with respect to its input, run forward."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tatami.ops.conv import convolve, convolve_backward_weight
from tatami.ops.im2col import inner, shifted
from tatami.ops.window import Axes, Axis
from tatami.types import Real


def convolve_transposed(
    x: NDArray[Real],
    weight: NDArray[Real],
    bias: NDArray[Real] | None,
    window: Axes,
    output: Sequence[int],
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
    axes = tuple(window)
    n, c = x.shape[:2]
    sides = x.shape[2:]
    per_group = weight.shape[1]
    samples = x.reshape(n, groups, c // groups, math.prod(sides))
    kernels = weight.reshape(groups, c // groups, per_group, -1)
    reached = _reached(axes, sides, output)
    whole = np.zeros((n, groups * per_group) + reached, x.dtype)  # noqa: RUF005
    bare = _bare(axes)
    for tap, view in enumerate(shifted(whole, bare, *sides)):
        spread = np.matmul(kernels[..., tap].transpose(0, 2, 1), samples)
        view += spread.reshape(view.shape)
    y = whole[inner(axes, output)]
    return np.ascontiguousarray(y if bias is None else y + bias.reshape(-1, *[1] * len(axes)))


def _bare(axes: Sequence[Axis]) -> tuple[Axis, ...]:
    """Give a window without its padding."""
    return tuple(Axis(axis.kernel, axis.stride, dilation=axis.dilation) for axis in axes)


def _reached(axes: Sequence[Axis], sides: Sequence[int], output: Sequence[int]) -> tuple[int, ...]:
    """Say how far kernels are spread, and what is asked for, before margins are cut off."""
    return tuple(
        max((length - 1) * axis.stride + axis.span, axis.before + wanted)
        for axis, length, wanted in zip(axes, sides, output, strict=True)
    )


def convolve_transposed_backward(
    x: NDArray[Real], weight: NDArray[Real], dy: NDArray[Real], window: Axes, groups: int = 1
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
    axes = tuple(window)
    sides, output = x.shape[2:], dy.shape[2:]
    # What the forward sum wrote into, lost margins and all; they have no gradient.
    whole = np.zeros(dy.shape[:2] + _reached(axes, sides, output), dy.dtype)
    whole[inner(axes, output)] = dy
    part: list[slice] = [slice(None), slice(None)]
    part += [
        slice((length - 1) * axis.stride + axis.span)
        for axis, length in zip(axes, sides, strict=True)
    ]
    reached = whole[tuple(part)]
    bare = _bare(axes)
    dx = convolve(reached, weight, None, bare, groups)
    dweight = convolve_backward_weight(reached, x, bare, groups)
    over = (0, *range(2, dy.ndim))
    return dx, dweight, np.asarray(dy.sum(axis=over), dy.dtype)
