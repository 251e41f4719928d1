"""Samples taken by their places, and put at places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tatami.graph.attributes import integer, text
from tatami.graph.network import shape_of
from tatami.graph.operators.row import value_at
from tatami.ship.c.general.loops import Loops
from tatami.ship.c.general.moving import copied
from tatami.ship.c.general.nest import General, Operand, loop, row_major


def _places(general: General) -> dict[str, NDArray[Any]]:
    """Give places that are known as a table; none where they are computed."""
    known = general.setting(1)
    if known is None or 1 in general.operands:
        return {}
    return {"places": np.ascontiguousarray(known, np.int64).astype(np.int32)}


def _index(general: General) -> Operand:
    """Give the places as an operand: a table, in ONNX's order, or what the network computes."""
    if 1 in general.operands:
        return general.operands[1]
    sides = shape_of(value_at(general.node, 1))
    assert general.constants is not None
    return Operand(general.constants["places"], "int32_t", sides, row_major(sides))


def _inside(index: str, side: int) -> str:
    """Write an index that counts from the end where it is negative, held inside the axis."""
    return (
        f"int at = (int)({index});\n\n"
        f"if (at < 0) at += {side};\n"
        f"if (at < 0) at = 0;\nif (at >= {side}) at = {side - 1};\n"
    )


def _names(count: int) -> list[str]:
    return [f"i{axis}" for axis in range(count)]


def _gather(general: General) -> str:
    x, y, index = general.operand(0), general.result, _index(general)
    axis = integer(general.node, "axis", 0) % len(x.sides)
    names = _names(len(y.sides))
    own = names[axis : axis + len(index.sides)]
    source = [*names[:axis], "at", *names[axis + len(index.sides) :]]
    body = _inside(index.at(own), x.sides[axis]) + f"{y.at(names)} = {x.at(source)};"
    return loop(list(zip(names, y.sides, strict=True)), body)


def _gather_elements(general: General) -> str:
    x, y, index = general.operand(0), general.result, _index(general)
    axis = integer(general.node, "axis", 0) % len(x.sides)
    names = _names(len(y.sides))
    source: list[str | int] = ["at" if at == axis else name for at, name in enumerate(names)]
    body = _inside(index.at(names), x.sides[axis]) + f"{y.at(names)} = {x.at(source)};"
    return loop(list(zip(names, y.sides, strict=True)), body)


def _chosen(index: Operand, front: Sequence[str], x: Operand, first: int, depth: int) -> list[str]:
    """Write the lines that read a place of several axes: p0, p1, ... of ``depth`` of them."""
    lines = []
    for axis in range(depth):
        side = x.sides[first + axis]
        lines += [
            f"int p{axis} = (int)({index.at([*front, axis])});",
            f"p{axis} = p{axis} < 0 ? p{axis} + {side} : p{axis};",
            f"p{axis} = p{axis} < 0 ? 0 : p{axis} >= {side} ? {side - 1} : p{axis};",
        ]
    declared = [line for line in lines if line.startswith("int")]
    return [*declared, "", *(line for line in lines if not line.startswith("int"))]


def _gather_nd(general: General) -> str:
    x, y, index = general.operand(0), general.result, _index(general)
    batches, depth = integer(general.node, "batch_dims", 0), index.sides[-1]
    names = _names(len(y.sides))
    front = names[: len(index.sides) - 1]
    rest = names[len(index.sides) - 1 :]
    chosen: list[str | int] = [f"p{axis}" for axis in range(depth)]
    source: list[str | int] = [*front[:batches], *chosen, *rest]
    lines = _chosen(index, front, x, batches, depth)
    body = "\n".join([*lines, f"{y.at(names)} = {x.at(source)};"])
    return loop(list(zip(names, y.sides, strict=True)), body)


_JOINED = {
    "none": "{y} = {u};",
    "add": "{y} = ({kind})({y} + {u});",
    "mul": "{y} = ({kind})({y} * {u});",
    "max": "if ({u} > {y}) {y} = {u};",
    "min": "if ({u} < {y}) {y} = {u};",
}


def _joined(general: General, y: str, update: str) -> str:
    form = _JOINED[text(general.node, "reduction", "none")]
    return form.format(y=y, u=update, kind=general.result.kind)


def _scatter_elements(general: General) -> str:
    x, y = general.operand(0), general.result
    index, updates = general.operand(1), general.operand(2)
    axis = integer(general.node, "axis", 0) % len(x.sides)
    names = _names(len(x.sides))
    to: list[str | int] = ["at" if at == axis else name for at, name in enumerate(names)]
    body = _inside(index.at(names), x.sides[axis])
    body += _joined(general, y.at(to), updates.at(names))
    sides = list(zip(names, index.sides, strict=True))
    return f"{copied(y, x)}\n{loop(sides, body)}"


def _scatter_nd(general: General) -> str:
    x, y = general.operand(0), general.result
    index, updates = general.operand(1), general.operand(2)
    depth = index.sides[-1]
    names = _names(len(updates.sides))
    front, rest = names[: len(index.sides) - 1], names[len(index.sides) - 1 :]
    to: list[str | int] = [*(f"p{axis}" for axis in range(depth)), *rest]
    lines = _chosen(index, front, x, 0, depth)
    body = "\n".join([*lines, _joined(general, y.at(to), updates.at(names))])
    sides = list(zip(names, updates.sides, strict=True))
    return f"{copied(y, x)}\n{loop(sides, body)}"


ROWS: Mapping[str, Loops] = {
    "Gather": Loops(_gather, constants=_places),
    "GatherElements": Loops(_gather_elements, constants=_places),
    "GatherND": Loops(_gather_nd, constants=_places),
    "ScatterElements": Loops(_scatter_elements),
    "ScatterND": Loops(_scatter_nd),
}
