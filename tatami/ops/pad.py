"""Padding as an operation of its own: (n, c, h, w) and any other rank."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from tatami.types import Float32

PadMode = Literal["constant", "edge", "reflect"]


def pad(x: Float32, widths: Sequence[tuple[int, int]], mode: PadMode, value: float) -> Float32:
    """Pad each axis by its (before, after). ONNX Pad.

    Args:
        x: Of any rank.
        widths: (before, after) of each axis.
        mode: What stands in the padding.
        value: It, where the mode is constant.
    """
    if mode == "constant":
        return np.pad(x, widths, constant_values=value)
    return np.pad(x, widths, mode=mode)
