"""Constants that a TFLite file holds without their zeros."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tatami.errors import TatamiError
from tatami.importers.flatbuffer import Table

MAX_LEVELS = 16
"""Axes of a tensor and of its blocks."""
_INDICES = {1: "int32", 2: "uint16", 3: "uint8"}
"""Kinds of a vector of indices."""
_AGAIN = "convert the network again"


def dense(
    name: str, table: Table, stored: NDArray[Any], shape: tuple[int, ...]
) -> NDArray[Any] | None:
    """Put the numbers of a sparse constant in their places, zeros in all others.

    A tensor is walked axis by axis in an order of the file's, the axes of blocks last. An axis is
    dense, with every index, or lists for each place before it which indices there are.

    Args:
        name: Of the tensor.
        table: How it is walked: SparsityParameters of TFLite's schema.
        stored: The numbers, (n,).
        shape: Of the tensor.

    Raises:
        TatamiError: Where that does not fit the shape or the numbers.
    """
    order = [int(axis) for axis in table.numbers(0, "int32")[: MAX_LEVELS + 1]]
    blocked = [int(axis) for axis in table.numbers(1, "int32")[: MAX_LEVELS + 1]]
    levels = table.tables(2, MAX_LEVELS)
    rank = len(shape)
    fits = len(levels) == len(order) == rank + len(blocked) and sorted(order) == list(
        range(len(order))
    )
    if not fits or len(set(blocked)) < len(blocked) or not set(blocked) <= set(range(rank)):
        raise _wrong(name)
    sizes = dict(zip(order, (level.integer(1, "int32") for level in levels), strict=True))
    blocks = {axis: sizes[rank + index] for index, axis in enumerate(blocked)}
    if min(blocks.values(), default=1) < 1:
        raise _wrong(name)
    bounds = {axis: side // blocks.get(axis, 1) for axis, side in enumerate(shape)}
    bounds |= {rank + index: blocks[axis] for index, axis in enumerate(blocked)}
    if any(bounds[axis] * block != shape[axis] for axis, block in blocks.items()):
        raise _wrong(name)
    limit = math.prod(shape)
    at = np.zeros(1, np.int64)  # which entry of the level before
    indices = np.zeros((0, 1), np.int64)  # of the levels so far
    for axis, level in zip(order, levels, strict=True):
        at, chosen, parent = _walked(name, level, at, bounds[axis], limit)
        indices = np.concatenate([indices[:, parent], chosen[None]])
    if len(at) != len(stored) or (at >= len(stored)).any():
        raise _wrong(name)
    place = dict(zip(order, indices, strict=True))
    where = [place[axis] * blocks.get(axis, 1) for axis in range(rank)]
    for index, axis in enumerate(blocked):
        where[axis] = where[axis] + place[rank + index]
    result = np.zeros(shape, stored.dtype)
    result[tuple(where)] = stored[at]
    return result


def _walked(
    name: str, level: Table, at: NDArray[np.int64], bound: int, limit: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Walk an axis: give the entries, the index of each, and which entry before it belongs to."""
    if level.integer(0, "int8") == 0:
        if level.integer(1, "int32") != bound or len(at) * bound > limit:
            raise _wrong(name)
        each = np.arange(bound)
        entries = (at[:, None] * bound + each).reshape(-1)
        return entries, np.tile(each, len(at)), np.repeat(np.arange(len(at)), bound)
    segments, listed = (_numbers(name, level, field) for field in (2, 4))
    if (at + 1 >= len(segments)).any():
        raise _wrong(name)
    first, counts = segments[at], segments[at + 1] - segments[at]
    if (counts < 0).any() or (first < 0).any() or (first + counts > len(listed)).any():
        raise _wrong(name)
    if counts.sum() > limit:
        raise _wrong(name)
    parent = np.repeat(np.arange(len(at)), counts)
    begun = np.cumsum(counts) - counts
    entries = np.arange(counts.sum()) - begun[parent] + first[parent]
    chosen = listed[entries]
    if ((chosen < 0) | (chosen >= bound)).any():
        raise _wrong(name)
    return entries, chosen, parent


def _numbers(name: str, level: Table, field: int) -> NDArray[np.int64]:
    """Read a vector of indices, of the kind that the field before it says."""
    kind = _INDICES.get(level.integer(field, "uint8"))
    table = level.table(field + 1)
    if kind is None or table is None:
        raise _wrong(name)
    return table.numbers(0, kind).astype(np.int64)


def _wrong(name: str) -> TatamiError:
    return TatamiError(f"tensor '{name}' is sparse in a way that does not fit it", hint=_AGAIN)
