"""Samples side by side as channels, and back. Nothing is computed: any kind of number will do."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Sample = TypeVar("Sample", bound=np.generic)


def space_to_depth(x: NDArray[Sample], block: int) -> NDArray[Sample]:
    """Lay the samples of each ``block`` x ``block`` out as channels, as ONNX's operator.

    By row and column, all channels of one before those of the next: (n, c, h, w) -> (n, block^2 *
    c, h / block, w / block).

    Raises:
        ValueError: Where ``block`` does not divide h and w.
    """
    n, c, h, w = x.shape
    apart = x.reshape(n, c, h // block, block, w // block, block)
    moved = apart.transpose(0, 3, 5, 1, 2, 4)
    return moved.reshape(n, block * block * c, h // block, w // block)


def depth_to_space(x: NDArray[Sample], block: int) -> NDArray[Sample]:
    """Undo ``space_to_depth``: also where its gradient goes."""
    n, c, h, w = x.shape
    apart = x.reshape(n, block, block, c // (block * block), h, w)
    moved = apart.transpose(0, 3, 4, 1, 5, 2)
    return moved.reshape(n, c // (block * block), h * block, w * block)
