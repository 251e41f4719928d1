"""Samples chosen by rank, place or length, and matrices of zeros and ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tatami.graph.attributes import constant, integer
from tatami.graph.network import shape_of
from tatami.graph.operators.row import value_at
from tatami.graph.operators.selection import compressed_places
from tatami.ship.c.general.loops import Loops
from tatami.ship.c.general.nest import General, Operand, loop, row_major


def _names(operand: Operand) -> list[str]:
    return [f"i{axis}" for axis in range(len(operand.sides))]


def _over(operand: Operand, body: str) -> str:
    """Write loops over an operand, the axis whose samples lie closest innermost."""
    order = sorted(range(len(operand.sides)), key=lambda axis: -operand.strides[axis])
    return loop([(f"i{axis}", operand.sides[axis]) for axis in order], body)


def _table(general: General, index: int, name: str) -> Operand:
    """Give an input as an operand: what the network computes, or a table in ONNX's order."""
    if index in general.operands:
        return general.operands[index]
    assert general.constants is not None
    sides = shape_of(value_at(general.node, index))
    return Operand(general.constants[name], "int32_t", sides, row_major(sides))


def _top_k(general: General) -> str:
    """Write a search of the next one, k times, which needs no memory."""
    x, y, node = general.operand(0), general.result, general.node
    axis = integer(node, "axis", -1) % len(x.sides)
    names = _names(x)
    source, target = [*names], [*names]
    source[axis], target[axis] = "i", "j"
    sign = ">" if integer(node, "largest", 1) else "<"
    made = "top" if general.step.index == 0 else f"({y.kind})at"
    body = f"""{x.kind} last = 0;
int at = -1;

for (int j = 0; j < {y.sides[axis]}; j++) {{
    {x.kind} top = 0;
    int best = -1;

    for (int i = 0; i < {x.sides[axis]}; i++) {{
        const {x.kind} v = {x.at(source)};

        if (at >= 0 && (v {sign} last || (v == last && i <= at))) continue;
        if (best < 0 || v {sign} top) {{
            best = i;
            top = v;
        }}
    }}
    at = best < 0 ? 0 : best;
    last = top;
    {y.at(target)} = {made};
}}"""
    return loop(
        [(n, s) for a, (n, s) in enumerate(zip(names, x.sides, strict=True)) if a != axis], body
    )


def _trilu(general: General) -> str:
    x, y, shift = general.operand(0), general.result, constant(general.node, 1)
    names = _names(y)
    k = 0 if shift is None else int(shift.reshape(()))
    k = max(-max(y.sides) - 1, min(k, max(y.sides) + 1))
    sign = ">=" if integer(general.node, "upper", 1) else "<="
    kept = f"{names[-1]} - {names[-2]} {sign} {k}"
    return _over(y, f"{y.at(names)} = {kept} ? {x.at(names)} : 0;")


def _eye(general: General) -> str:
    y, k = general.result, integer(general.node, "k", 0)
    k = max(-max(y.sides) - 1, min(k, max(y.sides) + 1))
    unused = f"(void){general.operand(0).name};\n"
    return unused + _over(y, f"{y.at(_names(y))} = i1 - i0 == {k};")


def _one_hot_tables(general: General) -> dict[str, NDArray[Any]]:
    values = general.setting(2)
    if values is None or 2 in general.operands:
        return {}
    return {"values": np.ascontiguousarray(values)}


def _one_hot(general: General) -> str:
    x, y = general.operand(0), general.result
    axis = integer(general.node, "axis", -1) % len(y.sides)
    names = _names(y)
    depth = y.sides[axis]
    at = x.at([name for index, name in enumerate(names) if index != axis])
    assert general.constants is not None
    values = "a2" if 2 in general.operands else general.constants["values"]
    body = (
        f"const int wanted = (int){at};\n\n{y.at(names)} = "
        f"{values}[(wanted < 0 ? wanted + {depth} : wanted) == {names[axis]}];"
    )
    return _over(y, body)


def _lengths(general: General) -> dict[str, NDArray[Any]]:
    known = general.setting(1)
    if known is None or 1 in general.operands:
        return {}
    return {"lengths": np.ascontiguousarray(known).astype(np.int32)}


def _reverse_sequence(general: General) -> str:
    x, y, node = general.operand(0), general.result, general.node
    lengths = _table(general, 1, "lengths")
    batch, time = integer(node, "batch_axis", 1), integer(node, "time_axis", 0)
    names = _names(y)
    source = [*names]
    source[time] = "from"
    here = names[time]
    most = y.sides[time]
    body = (
        f"const int given = (int){lengths.at([names[batch]])};\n"
        f"const int many = given > {most} ? {most} : given;\n"
        f"const int from = {here} < many ? many - 1 - {here} : {here};\n\n"
        f"{y.at(names)} = {x.at(source)};"
    )
    return _over(y, body)


def _compress_tables(general: General) -> dict[str, NDArray[Any]]:
    """Give the distances of what is kept from the first sample, in samples."""
    x, places = general.operand(0), compressed_places(general.node)
    if "axis" in general.node.attributes:
        return {"places": places.astype(np.int32)}
    indices = np.unravel_index(places, x.sides)
    lie = sum(i * stride for i, stride in zip(indices, x.strides, strict=True))
    return {"places": np.asarray(lie, np.int32)}


def _compress(general: General) -> str:
    x, y = general.operand(0), general.result
    assert general.constants is not None
    table, names = general.constants["places"], _names(y)
    if "axis" not in general.node.attributes:
        return _over(y, f"{y.at(names)} = {x.name}[{table}[i0]];")
    source = [*names]
    axis = integer(general.node, "axis", 0) % len(x.sides)
    source[axis] = f"{table}[{names[axis]}]"
    return _over(y, f"{y.at(names)} = {x.at(source)};")


ROWS: Mapping[str, Loops] = {
    "Compress": Loops(_compress, constants=_compress_tables),
    "EyeLike": Loops(_eye),
    "OneHot": Loops(_one_hot, constants=_one_hot_tables),
    "ReverseSequence": Loops(_reverse_sequence, constants=_lengths),
    "TopK": Loops(_top_k),
    "Trilu": Loops(_trilu, in_place=True),
}
