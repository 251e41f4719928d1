"""Samples in another order, cut, joined, repeated and padded: copies between views of arrays.

A view is an operand with other sides and distances: a Slice is its input seen from another first
sample, a Transpose its input with its distances in another order. So each of these is the same
copy, and only what it is between differs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tatami.graph.attributes import integer, integers, pad_widths, slices_of, text
from tatami.graph.operators.gathering import split_lengths
from tatami.ship.c.general.loops import Loops
from tatami.ship.c.general.nest import General, Operand, each, loop, place
from tatami.ship.c.operator import number


def view(operand: Operand, sides: Sequence[int], strides: Sequence[int], first: int = 0) -> Operand:
    """See an operand with other sides and distances, from another first sample on."""
    name = operand.name if first == 0 else f"({operand.name} + {first})"
    return Operand(name, operand.kind, tuple(sides), tuple(strides))


def copied(result: Operand, source: Operand) -> str:
    """Write the copy of a view to another of as many samples; the source may be spread."""
    return each(result, [source], lambda y, x: f"{y} = {x[0]};")


def _transpose(general: General) -> str:
    x = general.operand(0)
    order = integers(general.node, "perm", tuple(reversed(range(len(x.sides)))))
    sides = [x.sides[axis] for axis in order]
    return copied(general.result, view(x, sides, [x.strides[axis] for axis in order]))


def cut(x: Operand, starts: Sequence[int], steps: Sequence[int], sides: Sequence[int]) -> Operand:
    """See a part of an operand: along each axis from a start on, by steps."""
    first = sum(start * stride for start, stride in zip(starts, x.strides, strict=True))
    strides = [step * stride for step, stride in zip(steps, x.strides, strict=True)]
    return view(x, sides, strides, first)


def _slice(general: General) -> str:
    x = general.operand(0)
    ranges = [
        range(side)[taken] for side, taken in zip(x.sides, slices_of(general.node), strict=True)
    ]
    starts, steps = [one.start for one in ranges], [one.step for one in ranges]
    return copied(general.result, cut(x, starts, steps, general.result.sides))


def _split(general: General) -> str:
    x = general.operand(0)
    axis = integer(general.node, "axis", 0) % len(x.sides)
    starts = [0] * len(x.sides)
    starts[axis] = sum(split_lengths(general.node)[: general.step.index])
    return copied(general.result, cut(x, starts, [1] * len(x.sides), general.result.sides))


def _concat(general: General) -> str:
    y = general.result
    axis = integer(general.node, "axis", 0) % len(y.sides)
    starts, parts = [0] * len(y.sides), []
    for x in general.operands.values():
        parts.append(copied(cut(y, starts, [1] * len(y.sides), x.sides), x))
        starts[axis] += x.sides[axis]
    return "\n".join(parts)


def _expand(general: General) -> str:
    return copied(general.result, general.operand(0))


def _tile(general: General) -> str:
    x, y = general.operand(0), general.result
    sides, to, source = [], [], []
    for side, stride, made, distance in zip(x.sides, x.strides, y.sides, y.strides, strict=True):
        sides += [made // side, side]
        to += [side * distance, distance]
        source += [0, stride]
    # A repeated axis is one that the source is spread along.
    spread = view(x, [1 if s == 0 else a for a, s in zip(sides, source, strict=True)], source)
    return copied(view(y, sides, to), spread)


def _blocks(general: General) -> str:
    """Write SpaceToDepth and DepthToSpace: rows and columns are blocks and places in them."""
    deep = general.node.op_type == "SpaceToDepth"
    wide, narrow = (
        (general.operand(0), general.result) if deep else (general.result, general.operand(0))
    )
    block = integer(general.node, "blocksize", 1)
    n, channels, rows, columns = wide.sides
    of_n, of_c, of_row, of_column = wide.strides
    sides = (n, block, block, channels, rows // block, columns // block)
    map_strides = (of_n, of_row, of_column, of_c, of_row * block, of_column * block)
    d_n, d_c, d_row, d_column = narrow.strides
    if text(general.node, "mode", "DCR") == "DCR":
        depth = (d_n, block * channels * d_c, channels * d_c, d_c, d_row, d_column)
    else:
        depth = (d_n, block * d_c, d_c, block * block * d_c, d_row, d_column)
    maps, deeps = view(wide, sides, map_strides), view(narrow, sides, depth)
    return copied(deeps, maps) if deep else copied(maps, deeps)


def factors(before: Sequence[int], after: Sequence[int]) -> list[int] | None:
    """Find sides of which the sides of two shapes of as many samples are products, in order.

    Returns:
        None where there are none, as of (6, 4) and (4, 6).
    """
    ends = sorted(
        {math.prod(sides[axis:]) for sides in (before, after) for axis in range(len(sides) + 1)},
        reverse=True,
    )
    if any(big % small for big, small in pairwise(ends)):
        return None
    return [big // small for big, small in pairwise(ends)]


def regrouped(operand: Operand, sides: Sequence[int]) -> Operand:
    """See an operand with each side divided into factors: ``sides``, whose products are its own."""
    strides: list[int] = []
    left = list(sides)
    for side, stride in zip(reversed(operand.sides), reversed(operand.strides), strict=True):
        inside = 1
        while inside < side:
            strides.append(inside * stride)
            inside *= left.pop()
    return view(operand, sides, strides[::-1])


def _reshape(general: General) -> str:
    x, y = general.operand(0), general.result
    parts = factors(x.sides, y.sides)
    if parts is not None:
        return copied(regrouped(y, parts), regrouped(x, parts))
    count = y.size
    sample = f"{_counted(y)} = {_counted(x)};"
    return loop([("i", count)], sample)


def _counted(operand: Operand) -> str:
    """Write the i-th sample of an operand in ONNX's order."""
    terms: list[str] = []
    after = 1
    for side, stride in zip(reversed(operand.sides), reversed(operand.strides), strict=True):
        if side > 1:
            terms.append(f"i / {after} % {side} * {stride}")
        after *= side
    return f"{operand.name}[{' + '.join(terms) or '0'}]"


def _padded_places(general: General) -> dict[str, NDArray[Any]]:
    """Say for each index of each axis which sample of the input stands there."""
    mode = text(general.node, "mode", "constant")
    if mode == "constant":
        return {}
    found = {}
    for axis, (width, side) in enumerate(
        zip(pad_widths(general.node), general.operand(0).sides, strict=True)
    ):
        before, after = width
        outside = (max(0, before), max(0, after))
        places: NDArray[Any] = np.pad(np.arange(side), outside, mode=mode)  # type: ignore[call-overload]
        end = len(places) + min(0, after)
        found[f"axis{axis}"] = places[max(0, -before) : end].astype(np.int32)
    return found


def _pad(general: General) -> str:
    x, y = general.operand(0), general.result
    if text(general.node, "mode", "constant") != "constant":
        assert general.constants is not None
        names = [f"i{axis}" for axis in range(len(y.sides))]
        order = sorted(range(len(names)), key=lambda axis: -y.strides[axis])
        sources = [f"{general.constants[f'axis{axis}']}[{name}]" for axis, name in enumerate(names)]
        body = f"{y.at(names)} = {x.name}[{place(sources, x.strides)}];"
        return loop([(names[axis], y.sides[axis]) for axis in order], body)
    widths = pad_widths(general.node)
    filled = general.operands.get(2)
    setting = general.setting(2)
    if filled is not None and setting is None:
        value = f"{filled.name}[0]"
    else:
        real = 0.0 if setting is None else float(np.asarray(setting).reshape(-1)[0])
        value = number(real) if y.real else str(int(real))
    everywhere = each(y, [], lambda one, _: f"{one} = {value};")
    starts = [max(0, before) for before, _ in widths]
    cuts = [max(0, -before) for before, _ in widths]
    sides = [
        side - max(0, -before) - max(0, -after)
        for side, (before, after) in zip(x.sides, widths, strict=True)
    ]
    ones = [1] * len(sides)
    inside = copied(cut(y, starts, ones, sides), cut(x, cuts, ones, sides))
    return f"{everywhere}\n{inside}" if y.sides != x.sides or any(starts) else inside


ROWS: Mapping[str, Loops] = {
    "Concat": Loops(_concat),
    "DepthToSpace": Loops(_blocks),
    "Expand": Loops(_expand),
    "Flatten": Loops(_reshape),
    "Pad": Loops(_pad, constants=_padded_places),
    "Reshape": Loops(_reshape),
    "Slice": Loops(_slice),
    "SpaceToDepth": Loops(_blocks),
    "Split": Loops(_split),
    "Squeeze": Loops(_reshape),
    "Tile": Loops(_tile),
    "Transpose": Loops(_transpose),
    "Unsqueeze": Loops(_reshape),
}
