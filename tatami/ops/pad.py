"""Padding as an operation of its own: (n, c, h, w) and any other rank."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from tatami.types import Float32

PadMode = Literal["constant", "edge", "reflect", "wrap"]


def pad(x: Float32, widths: Sequence[tuple[int, int]], mode: PadMode, value: float) -> Float32:
    """Pad each axis by its (before, after). ONNX Pad.

    Args:
        x: Of any rank.
        widths: (before, after) of each axis; negative ones crop.
        mode: What stands in the padding.
        value: It, where the mode is constant.
    """
    outside = [(max(0, before), max(0, after)) for before, after in widths]
    if mode == "constant":
        y = np.pad(x, outside, constant_values=value)
    else:
        y = np.pad(x, outside, mode=mode)
    if outside == list(widths):
        return y
    ends = [y.shape[axis] + min(0, after) for axis, (_, after) in enumerate(widths)]
    kept = [slice(max(0, -before), end) for (before, _), end in zip(widths, ends, strict=True)]
    return y[tuple(kept)]
