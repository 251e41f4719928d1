"""Boxes of a map, samples at places that are computed, and patches that are added up, in C."""

from __future__ import annotations

from collections.abc import Mapping

from tatami.graph.attributes import integer
from tatami.graph.operators.regions import aligned_of, deformed_axes_of, patches_of
from tatami.ship.c.general.loops import Loops
from tatami.ship.c.general.nest import General, each, indented, loop
from tatami.ship.c.general.window import Side, tap_loop
from tatami.ship.c.operator import number


def _col2im(general: General) -> str:
    """Write how every sample of a patch is added where it was cut."""
    x, y = general.operand(0), general.result
    lengths, axes = patches_of(general.node)
    sides = [
        Side(axis, length, axis.output(length), at)
        for at, (axis, length) in enumerate(zip(axes, lengths, strict=True))
    ]
    tap, place = "c", "0"
    for side in sides:
        tap = f"({tap}) * {side.axis.kernel} + {side.tap}"
        place = f"({place}) * {side.places} + {side.place}"
    into = y.at(["n", "c", *(side.sample for side in sides)])
    text = f"{into} += {x.at(['n', tap, place])};"
    for side in reversed(sides):
        outside = f"if ({side.sample} < 0 || {side.sample} >= {side.length}) continue;\n"
        head = f"const int {side.sample} = {side.seen()};\n\n{outside if side.open else ''}"
        text = loop([(side.place, side.places)], head + text)
    for side in reversed(sides):
        text = tap_loop(side, text)
    start = each(y, [], lambda sample, _: f"{sample} = 0;")
    return start + "\n" + loop([("n", y.sides[0]), ("c", y.sides[1])], text)


_PAIRS = [(i, j) for i in (0, 1) for j in (0, 1)]
"""A row's tap and a column's."""


def _roi_align(general: General) -> str:
    """Write a box at a time: its bins, and in each the samples of every channel."""
    x, boxes, batch, y = (*(general.operand(index) for index in range(3)), general.result)
    size, scale, samples, half, largest = aligned_of(general.node)
    least = "" if half else "if (side[axis] < 1.0f) side[axis] = 1.0f;\n"
    count = str(samples) if samples else "side[axis] > 0.0f ? (int)ceilf(side[axis]) : 0"
    head = f"""const int given = (int){batch.at(["r"])};
const int of = given > 0 && given < {x.sides[0]} ? given : 0;
const float box[4] = {{{", ".join(boxes.at(["r", at]) for at in (1, 0, 3, 2))}}};
float start[2], side[2];
int count[2];

for (int axis = 0; axis < 2; axis++) {{
    start[axis] = box[axis] * {number(scale)} - {"0.5f" if half else "0.0f"};
    side[axis] = box[axis + 2] * {number(scale)} - {"0.5f" if half else "0.0f"} - start[axis];
{indented(least)}
    side[axis] /= axis ? {size[1]}.0f : {size[0]}.0f;
    count[axis] = {count};
}}
(void)of;"""
    parts = [
        f"down[{i}] * across[{j}] * {x.at(['of', 'c', f'row[{i}]', f'column[{j}]'])}"
        for i, j in _PAIRS
    ]
    if largest:
        add = "\n".join(
            f"total = known && total > {part} ? total : {part};\nknown = 1;" for part in parts
        )
        finished = "total"
    else:
        add = "total += " + " +\n    ".join(parts) + ";"
        finished = "count[0] * count[1] > 0 ? total / (float)(count[0] * count[1]) : 0.0f"
    body = f"""float total = 0.0f;
{"int known = 0;" if largest else ""}

for (int u = 0; u < count[0]; u++) {{
    int row[2];
    float down[2];

    net_taps({_middle("p", "u", 0)}, {x.sides[2]}, 1, row, down);
    for (int v = 0; v < count[1]; v++) {{
        int column[2];
        float across[2];

        net_taps({_middle("q", "v", 1)}, {x.sides[3]}, 1, column, across);
{indented(indented(add))}
    }}
}}
{y.at(["r", "c", "p", "q"])} = {finished};"""
    bins = loop([("p", size[0]), ("q", size[1]), ("c", x.sides[1])], body)
    return loop([("r", y.sides[0])], f"{head}\n{bins}")


def _middle(bin_: str, sample: str, axis: int) -> str:
    """Say where a sample of a bin lies."""
    side = f"side[{axis}]"
    within = f"((float){sample} + 0.5f) * {side} / (float)count[{axis}]"
    return f"start[{axis}] + (float){bin_} * {side} + {within}"


def _deform_conv(general: General) -> str:
    """Write a place at a time: the sample that each tap meets, spread over all outputs."""
    x, weight, offset, y = (*(general.operand(index) for index in range(3)), general.result)
    window = deformed_axes_of(general.node)
    groups, shared = integer(general.node, "group", 1), integer(general.node, "offset_group", 1)
    outputs, inputs = y.sides[1] // groups, x.sides[1] // groups
    bias = general.operand(3).at(["o"]) if 3 in general.operands else "0.0f"
    tap = f"((j / {x.sides[1] // shared}) * {window[0].kernel} + u) * {window[1].kernel} + v"
    where = [
        f"(float)({at} * {axis.stride} + {name} * {axis.dilation} - {axis.before}) +"
        f" {offset.at(['n', f'({tap}) * 2 + {index}', 'p', 'q'])}"
        for index, (at, name, axis) in enumerate(zip("pq", "uv", window, strict=True))
    ]
    total = " +\n    ".join(
        f"down[{i}] * across[{j}] * {x.at(['n', 'j', f'row[{i}]', f'column[{j}]'])}"
        for i, j in _PAIRS
    )
    factor = (
        f"sample *= {general.operand(4).at(['n', tap, 'p', 'q'])};" if 4 in general.operands else ""
    )
    into = y.at(["n", "o", "p", "q"])
    body = f"""int row[2], column[2];
float down[2], across[2], sample;

net_taps({where[0]}, {x.sides[2]}, 0, row, down);
net_taps({where[1]}, {x.sides[3]}, 0, column, across);
sample = {total};
{factor}
for (int o = j / {inputs} * {outputs}; o < (j / {inputs} + 1) * {outputs}; o++)
    {into} += sample * {weight.at(["o", f"j % {inputs}", "u", "v"])};"""
    taps = loop([("j", x.sides[1]), ("u", window[0].kernel), ("v", window[1].kernel)], body)
    start = loop([("o", y.sides[1])], f"{into} = {bias};")
    return loop([("n", y.sides[0]), ("p", y.sides[2]), ("q", y.sides[3])], f"{start}\n{taps}")


ROWS: Mapping[str, Loops] = {
    "Col2Im": Loops(_col2im),
    "DeformConv": Loops(_deform_conv, kernels=("taps",)),
    "RoiAlign": Loops(_roi_align, kernels=("taps",)),
}
