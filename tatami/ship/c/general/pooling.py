"""Pools along any number of axes, of any batch, and what undoes them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tatami.graph.attributes import axes_of, integer
from tatami.graph.operators.pooling import unpooled_sides
from tatami.ops.pool import samples_under
from tatami.ops.window import Axis
from tatami.ship.c.general.loops import Loops
from tatami.ship.c.general.nest import General, Operand, each, loop, row_major
from tatami.ship.c.general.window import Side, sides_of, tap_loop, under_window
from tatami.ship.c.operator import number


def _sides(general: General) -> list[Side]:
    lengths = general.operand(0).sides[2:]
    if general.node.op_type.startswith("Global"):
        return sides_of([Axis(length) for length in lengths], lengths, [1] * len(lengths))
    return sides_of(axes_of(general.node), lengths, general.result.sides[2:])


def _sample(general: General, sides: list[Side]) -> str:
    return general.operand(0).at(["n", "c", *(side.sample for side in sides)])


LOWEST = {
    "float": "-INFINITY",
    "int8_t": "-128",
    "uint8_t": "0",
    "int32_t": "INT32_MIN",
    "int64_t": "INT64_MIN",
}
"""What no sample is less than."""


def _max_pool(general: General) -> str:
    """Write the largest sample under each place, or where it lay."""
    if general.step.index == 1:
        return _where_largest(general)
    sides = _sides(general)
    kind = general.result.kind

    def add(y: str) -> str:
        return f"const {kind} x = {_sample(general, sides)};\n\n{y} = {y} > x ? {y} : x;"

    return under_window(general.result, sides, lambda y: f"{y} = {LOWEST[kind]};", add)


def _where_largest(general: General) -> str:
    """Write where the largest sample under each place lay: the first of equal ones."""
    sides, x = _sides(general), general.operand(0)
    lengths = x.sides[2:]
    apart = row_major(lengths)
    if integer(general.node, "storage_order", 0):
        apart = tuple(math.prod(lengths[:at]) for at in range(len(lengths)))
    at = " + ".join(f"{side.sample} * {step}" for side, step in zip(sides, apart, strict=True))
    wins = "!(x <= best) && best == best" if x.real else "x > best"
    body = (
        f"const {x.kind} x = {_sample(general, sides)};\n\n"
        f"if (at < 0 || ({wins})) {{\n    at = {at};\n    best = x;\n}}"
    )
    for side in reversed(sides):
        head = f"const int {side.sample} = {side.seen()};\n\n"
        if side.open:
            head += f"if ({side.sample} < 0 || {side.sample} >= {side.length}) continue;\n"
        body = tap_loop(side, head + body)
    walked = [("n", x.sides[0]), ("c", x.sides[1])]
    walked += [(side.place, side.places) for side in sides]
    place = general.result.at([name for name, _ in walked])
    before = f"(n * {x.sides[1]} + c) * {math.prod(lengths)}"
    text = f"int at = -1;\n{x.kind} best = 0;\n\n{body}\n{place} = at + {before};"
    return loop(walked, text)


def _counts(general: General) -> dict[str, NDArray[Any]]:
    """Count what each place of an average pool sees, along each axis."""
    counted = bool(integer(general.node, "count_include_pad", 0))
    return {
        f"count{side.number}": samples_under([side.axis], [side.length], counted).astype(np.int32)
        for side in _sides(general)
    }


def _average_pool(general: General) -> str:
    """Write means under a window."""
    sides = _sides(general)
    assert general.constants is not None
    counts = [f"{general.constants[f'count{side.number}']}[{side.place}]" for side in sides]
    sample = _sample(general, sides)
    return under_window(
        general.result,
        sides,
        lambda y: f"{y} = 0;",
        lambda y: f"{y} += {sample};",
        lambda y: f"{y} /= (float)({' * '.join(counts)});",
    )


def _power(p: int, x: str) -> str:
    if p == 1:
        return f"fabsf({x})"
    if p == 2:
        return f"{x} * {x}"
    return f"powf(fabsf({x}), {number(p)})"


def _root(p: int, total: str) -> str:
    if p == 1:
        return total
    if p == 2:
        return f"sqrtf({total})"
    return f"powf({total}, {number(1 / p)})"


def _lp_pool(general: General) -> str:
    """Write the norm of what lies under a window."""
    sides, p = _sides(general), integer(general.node, "p", 2)
    sample = _sample(general, sides)
    return under_window(
        general.result,
        sides,
        lambda y: f"{y} = 0;",
        lambda y: f"const float x = {sample};\n\n{y} += {_power(p, 'x')};",
        lambda y: f"{y} = {_root(p, y)};",
    )


def _global_pool(general: General) -> str:
    """Write one number of every map: its samples one after the other."""
    sides, x = _sides(general), general.operand(0)
    walked = [(side.sample, side.length) for side in sides]
    count = math.prod(x.sides[2:])
    start, add, end = "0", "", "total"
    match general.node.op_type:
        case "GlobalMaxPool":
            start, add = LOWEST[x.kind], "total = total > x ? total : x;"
        case "GlobalAveragePool":
            add, end = "total += x;", f"total / {number(count)}"
        case "GlobalLpPool":
            p = integer(general.node, "p", 2)
            add, end = f"total += {_power(p, 'x')};", _root(p, "total")
    body = f"const {x.kind} x = {_sample(general, sides)};\n\n{add}"
    y = general.result.at(["n", "c", *[0] * len(sides)])
    text = f"{x.kind} total = {start};\n\n{loop(walked, body)}\n{y} = {end};"
    return loop([("n", x.sides[0]), ("c", x.sides[1])], text)


def _unpool_constants(general: General) -> dict[str, NDArray[Any]]:
    found = general.setting(1)
    return {} if found is None else {"indices": found.astype(np.int64)}


def _max_unpool(general: General) -> str:
    """Write samples to where their indices say, among zeros."""
    x, result = general.operand(0), general.result
    if 1 in general.operands:
        indices = general.operand(1)
    else:
        assert general.constants is not None
        indices = Operand(general.constants["indices"], "int64_t", x.sides, row_major(x.sides))
    whole = unpooled_sides(general.node)
    names = [f"i{number}" for number in range(len(whole))]
    walked = [("n", x.sides[0]), ("c", x.sides[1])]
    walked += [(f"o{number}", length) for number, length in enumerate(x.sides[2:])]
    at = [name for name, _ in walked]
    volume = math.prod(whole)
    lines = [
        f"const int64_t at = {indices.at(at)} - (n * {x.sides[1]} + c) * {volume};",
    ]
    inside = [f"at >= 0 && at < {volume}"]
    for name, step, length, wanted in zip(
        names, row_major(whole), whole, result.sides[2:], strict=True
    ):
        lines.append(f"const int {name} = (int)(at / {step} % {length});")
        if wanted < length:
            inside.append(f"{name} < {wanted}")
    lines.append(f"\nif ({' && '.join(inside)}) {result.at(['n', 'c', *names])} = {x.at(at)};")
    start = each(result, [], lambda y, _: f"{y} = 0;")
    return start + "\n" + loop(walked, "\n".join(lines))


ROWS: Mapping[str, Loops] = {
    "AveragePool": Loops(_average_pool, constants=_counts),
    "GlobalAveragePool": Loops(_global_pool),
    "GlobalLpPool": Loops(_global_pool),
    "GlobalMaxPool": Loops(_global_pool),
    "LpPool": Loops(_lp_pool),
    "MaxPool": Loops(_max_pool),
    "MaxUnpool": Loops(_max_unpool, constants=_unpool_constants),
}
