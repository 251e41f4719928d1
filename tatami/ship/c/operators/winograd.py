"""Convolution by minimal filtering in C: kernels/float32/winograd.c, and where it pays.

What is lost in rounding is in docs/winograd.md: next to nothing with tiles of 2 x 2 outputs, and no
more than a plain sum loses with tiles of 4 x 4, which large maps take.

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

G = {
    2: np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]]),
    4: np.array(
        [
            [64 / 81, 0, 0],
            [-128 / 243, -32 / 81, -8 / 27],
            [-128 / 243, 32 / 81, -8 / 27],
            [32 / 243, 16 / 81, 8 / 27],
            [32 / 243, -16 / 81, 8 / 27],
            [0, 0, 1],
        ]
    ),
}
"""What takes three weights to the points of a tile, by the tile's side: section 4 of the paper."""
PANEL = 16
LEAST = 16
"""Channels and outputs from which fewer products outweigh the transforms."""
GAP = 16
"""Numbers between two points of the transformed input: NET_POINT_GAP."""
BLOCK = 2**20
"""Bytes of scratch of a block, whose transformed input is read once a pair of panels."""
LARGE = 3 * 2**20
"""The same where weights are many: they are read once a block."""
HUGE = 2**25
"""Bytes of weights that no cache holds: as few blocks as there is room for."""
SUMS = 2 * 16 * (2 * 14 + 8) * 4
"""Bytes of the sums of a point for one group of tiles, of any processor's size."""
WEIGHT = 8
"""What it costs to bring a weight from memory, in products."""
WORTH = 0.9
"""Share of the cost of small tiles up to which large ones, which round more, are taken."""


@dataclass(frozen=True)
class Blocks:
    """Say how a layer is cut up.

    Args:
        tile: Outputs of a tile, a side.
        rows: Of tiles in a block.
        band: Bytes of a thread's padded rows, those that a row of tiles sees.
        v: Bytes of their transform.
        share: Bytes of scratch of a thread.
    """

    tile: int
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
    out_rows, out_columns = y.output(rows), x.output(columns)
    limit = room(program, step, options)
    if step.weights.nbytes < HUGE:
        limit = min(limit, BLOCK if step.weights.nbytes <= WHOLE else LARGE)
    limit //= options.threads

    def cost(blocks: Blocks) -> int:
        rows, columns = (-(-side // blocks.tile) for side in (out_rows, out_columns))
        return points_of(blocks.tile) * (rows * columns + WEIGHT * -(-rows // blocks.rows))

    small, large = (_cut(tile, out_rows, out_columns, channels, limit) for tile in (2, 4))
    if small is None or large is None:
        return small
    return large if cost(large) <= WORTH * cost(small) else small


def _cut(tile: int, out_rows: int, out_columns: int, channels: int, limit: int) -> Blocks | None:
    """Cut a layer into as few blocks as fit; None where not even a row of tiles does."""
    points, tile_rows, tile_columns = points_of(tile), -(-out_rows // tile), -(-out_columns // tile)
    band = _whole((tile + 2) * (tile * tile_columns + 2) * channels * 4 + 4)

    def cut(rows: int) -> Blocks:
        v = _whole(points * (rows * tile_columns * channels + GAP) * 4)
        return Blocks(tile, rows, band, v, band + v + points * SUMS)

    fitting = [cut(rows) for rows in range(1, tile_rows + 1)]
    fitting = [one for one in fitting if one.share <= limit]
    if not fitting:
        return None
    # As even as can be: the last must not be a stub.
    count = -(-tile_rows // fitting[-1].rows)
    return cut(-(-tile_rows // count))


def points_of(tile: int) -> int:
    """Count the products of a tile a channel."""
    return (tile + 2) ** 2


def transformed(step: Conv, tile: int, at_once: int) -> Packed:
    """Transform the weights to (panels, points, channels, 16 outputs), rounded once.

    Args:
        step: The layer.
        tile: Outputs of a tile, a side.
        at_once: Panels that are transformed at a time.
    """
    outputs, channels = step.weights.shape[:2]
    panels, count = -(-outputs // PANEL), points_of(tile)

    def some(begin: int, end: int) -> Float32:
        weights = step.weights[begin * PANEL : end * PANEL].astype(np.float64)
        points = np.einsum("iu,ocuv,jv->ijco", G[tile], weights, G[tile])
        whole = np.zeros((count, channels, (end - begin) * PANEL))
        whole[:, :, : len(weights)] = points.reshape(count, channels, len(weights))
        split = whole.reshape(count, channels, end - begin, PANEL)
        return np.ascontiguousarray(split.transpose(2, 0, 1, 3), np.float32)

    def parts() -> Iterator[Float32]:
        return (some(p, min(p + at_once, panels)) for p in range(0, panels, at_once))

    return Packed((panels, count, channels, PANEL), np.dtype(np.float32), parts)


def _whole(size: int) -> int:
    """In whole cache lines."""
    return -(-size // 64) * 64
