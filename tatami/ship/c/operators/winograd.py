"""Convolution by minimal filtering in C: kernels/float32/winograd.c, and where it pays.

What is lost in rounding is in docs/winograd.md: next to nothing, which is why the tile is 2 x 2 and
no larger.

Source:
    A. Lavin and S. Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tatami.ops.window import Axis
from tatami.program.steps import Conv, Program
from tatami.ship.c.operator import Options, Packed
from tatami.ship.c.operators.band import WHOLE, room
from tatami.ship.c.targets import target_of
from tatami.types import Float32

G = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
"""What takes three weights to four points: section 4.1 of the paper."""
POINTS = 16
PANEL = 16
LEAST = 16
"""Channels and outputs from which fewer products outweigh the transforms."""
GAP = 16
"""Numbers between two points of the transformed input: NET_POINT_GAP."""
BLOCK = 2 * 2**20
"""Bytes of transformed input that one block may have: it is read once a pair of panels."""
SUMS = 16 * 2 * 16 * (2 * 14 + 8) * 4
"""Bytes of the sums of all points for one group of tiles, of any processor's size."""


@dataclass(frozen=True)
class Blocks:
    """Say how a layer is cut up.

    Args:
        rows: Of tiles in a block.
        band: Bytes of a thread's padded rows.
        v: Bytes of their transform.
        share: Bytes of scratch of a thread.
    """

    rows: int
    band: int
    v: int
    share: int


def blocks_of(program: Program, step: Conv, options: Options) -> Blocks | None:
    """Cut the layer up, or give None where a plain convolution is better.

    That is so for another kernel than 3 x 3 at stride 1, for few channels, on small targets, and
    where not even one row of tiles fits into the memory that the fullest moment leaves over.
    """
    y, x = step.window.rows, step.window.columns
    plain = all(axis == Axis(3, 1, axis.before, axis.after) and axis.before <= 1 for axis in (y, x))
    outputs, channels = step.weights.shape[:2]
    target = target_of(options.target)
    if not plain or step.groups > 1 or min(outputs, channels) < LEAST or target.scratch < 2**18:
        return None
    _, rows, columns = program.values[step.inputs[0]].shape
    tile_rows, tile_columns = -(-y.output(rows) // 2), -(-x.output(columns) // 2)
    limit = room(program, step)
    if step.weights.nbytes <= WHOLE:  # more are read once a block: few blocks, whatever they take
        limit = min(limit, BLOCK)
    limit //= options.threads

    def cut(rows: int) -> Blocks:
        band = _whole((2 * rows + 2) * (2 * tile_columns + 2) * channels * 4)
        v = _whole(POINTS * (rows * tile_columns * channels + GAP) * 4)
        return Blocks(rows, band, v, band + v + SUMS)

    fitting = [cut(rows) for rows in range(1, tile_rows + 1)]
    fitting = [one for one in fitting if one.share <= limit]
    if not fitting:
        return None
    # As few blocks as fit, and these as even as can be: the last must not be a stub.
    count = -(-tile_rows // fitting[-1].rows)
    return cut(-(-tile_rows // count))


def transformed(step: Conv, at_once: int) -> Packed:
    """Transform the weights to (panels, 16 points, channels, 16 outputs), rounded once.

    Args:
        step: The layer.
        at_once: Panels that are transformed at a time.
    """
    outputs, channels = step.weights.shape[:2]
    panels = -(-outputs // PANEL)

    def some(begin: int, end: int) -> Float32:
        weights = step.weights[begin * PANEL : end * PANEL].astype(np.float64)
        points = np.einsum("iu,ocuv,jv->ijco", G, weights, G)
        whole = np.zeros((POINTS, channels, (end - begin) * PANEL))
        whole[:, :, : len(weights)] = points.reshape(POINTS, channels, len(weights))
        split = whole.reshape(POINTS, channels, end - begin, PANEL)
        return np.ascontiguousarray(split.transpose(2, 0, 1, 3), np.float32)

    def parts() -> Iterator[Float32]:
        return (some(p, min(p + at_once, panels)) for p in range(0, panels, at_once))

    return Packed((panels, POINTS, channels, PANEL), np.dtype(np.float32), parts)


def _whole(size: int) -> int:
    """In whole cache lines."""
    return -(-size // 64) * 64
