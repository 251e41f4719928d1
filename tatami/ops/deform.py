"""Convolution whose taps are moved, each by an offset that is computed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tatami.ops.roi_align import interpolated
from tatami.ops.window import Axis, outputs

Array = NDArray[Any]


def convolve_deformed(
    x: Array,
    weight: Array,
    offset: Array,
    bias: Array | None,
    mask: Array | None,
    window: tuple[Axis, Axis],
    groups: int = 1,
    offset_groups: int = 1,
) -> Array:
    """Convolve with taps that are moved, and perhaps weakened, at each place. ONNX DeformConv.

    Args:
        x: (n, c, h, w).
        weight: (o, c / groups, kernel_h, kernel_w).
        offset: (n, offset_groups * kernel_h * kernel_w * 2, out_h, out_w): down, then across.
        bias: (o,) or None.
        mask: (n, offset_groups * kernel_h * kernel_w, out_h, out_w), factors; None: 1.
        window: Where the kernel lies before it is moved.
        groups: How many parts the channels are divided into.
        offset_groups: How many parts of the channels have offsets of their own.

    Returns:
        (n, o, out_h, out_w).

    Source:
        J. Dai et al., "Deformable Convolutional Networks", ICCV 2017, section 2.1; X. Zhu et al.,
        "Deformable ConvNets v2", CVPR 2019, section 3.2 (the factors).
    """
    n, channels = x.shape[:2]
    places = outputs(window, x.shape[2:])
    kernel = tuple(axis.kernel for axis in window)
    taps = kernel[0] * kernel[1]
    moved = offset.reshape(n, offset_groups, taps, 2, *places)
    still = [
        (np.arange(count) * axis.stride - axis.before).astype(x.dtype)
        for axis, count in zip(window, places, strict=True)
    ]
    columns = np.zeros((n, channels, taps, *places), x.dtype)
    per_offset = channels // offset_groups
    for image in range(n):
        for part in range(offset_groups):
            chosen = slice(part * per_offset, (part + 1) * per_offset)
            for tap in range(taps):
                row, column = divmod(tap, kernel[1])
                down, across = moved[image, part, tap]
                rows = still[0][:, None] + row * window[0].dilation + down
                across = still[1] + column * window[1].dilation + across
                found = interpolated(x[image, chosen], rows, across, beyond=0.0)
                columns[image, chosen, tap] = sum(found[1:], found[0])
    if mask is not None:
        factors = mask.reshape(n, offset_groups, 1, taps, *places)
        columns *= np.broadcast_to(factors, (n, offset_groups, per_offset, taps, *places)).reshape(
            columns.shape
        )
    kernels = weight.reshape(groups, len(weight) // groups, -1)
    flat = columns.reshape(n, groups, kernels.shape[2], -1)
    y = np.matmul(kernels, flat).reshape(n, len(weight), *places)
    return np.asarray(y if bias is None else y + bias.reshape(-1, 1, 1))
