"""Convolutions along any number of axes, of any batch, by weights that may be computed."""

from __future__ import annotations

from collections.abc import Mapping

from tatami.graph.attributes import axes_of, integer, transposed_axes_of
from tatami.ship.c.general.loops import Loops
from tatami.ship.c.general.nest import General, along, each, indented, loop
from tatami.ship.c.general.window import Side, sides_of, tap_loop, under_window


def _bias(general: General, channel: str) -> str:
    if general.node.op_type == "ConvInteger":
        return "0"
    return general.operand(2).at([channel]) if 2 in general.operands else "0"


def _zero(general: General, index: int) -> str:
    """Write what is taken off a factor of ConvInteger: one number, or one an output."""
    if index not in general.operands:
        return ""
    zero = general.operand(index)
    return f" - {zero.at(['c'] if zero.size > 1 else [0] * len(zero.sides))}"


def _conv(general: General) -> str:
    """Write sums over the taps of each place: a row of places at a time where they lie together."""
    x, weights = general.operand(0), general.operand(1)
    groups = integer(general.node, "group", 1)
    sides = sides_of(axes_of(general.node), x.sides[2:], general.result.sides[2:])
    channels = weights.sides[1]
    source = "j" if groups == 1 else f"c / {weights.sides[0] // groups} * {channels} + j"
    sample = x.at(["n", source, *(side.sample for side in sides)])
    factor = weights.at(["c", "j", *(side.tap for side in sides)])
    if general.node.op_type == "ConvInteger":
        sample, factor = (
            f"({one}{_zero(general, index)})" for one, index in ((sample, 2), (factor, 3))
        )
    return under_window(
        general.result,
        sides,
        lambda y: f"{y} = {_bias(general, 'c')};",
        lambda y: f"{y} += {factor} * {sample};",
        before_taps=[("j", channels)],
    )


def _conv_transpose(general: General) -> str:
    """Write how every sample spreads its kernel."""
    x, weights, result = general.operand(0), general.operand(1), general.result
    groups = integer(general.node, "group", 1)
    outputs, inputs = weights.sides[1], weights.sides[0] // groups
    sides = [
        Side(axis, length, count, number)
        for number, (axis, length, count) in enumerate(
            zip(transposed_axes_of(general.node), result.sides[2:], x.sides[2:], strict=True)
        )
    ]
    start = each(result, [], lambda y, _: f"{y} = 0;")
    if 2 in general.operands:
        spread = along(general.operand(2), 1, len(result.sides))
        start = each(result, [spread], lambda y, b: f"{y} = {b[0]};")
    channel = "c" if groups == 1 else f"g * {outputs} + c"
    source = "j" if groups == 1 else f"g * {inputs} + j"
    y = result.at(["n", channel, *(side.sample for side in sides)])
    sample = x.at(["n", source, *(side.place for side in sides)])
    factor = weights.at([source, "c", *(side.tap for side in sides)])
    text = f"{y} += {factor} * {sample};"
    for side in reversed(sides):  # places
        head = f"const int {side.sample} = {side.seen()};\n\n"
        if side.axis.before == 0 and _covered(side):
            start_at, stop = "0", str(side.places)
        else:
            start_at, stop = f"from{side.number}", f"end{side.number}"
        text = (
            f"for (int {side.place} = {start_at}; {side.place} < {stop}; {side.place}++) {{\n"
            f"{indented(head + text)}\n}}"
        )
    for side in reversed(sides):  # taps
        head = ""
        if not (side.axis.before == 0 and _covered(side)):
            head = f"{side.bounds(side.places, side.length)}\n\n"
        text = tap_loop(side, head + text)
    walked = [("n", result.sides[0]), ("g", groups), ("c", outputs), ("j", inputs)]
    return start + "\n" + loop(walked, text)


def _covered(side: Side) -> bool:
    """Tell whether all that is spread along an axis lies in the result."""
    return (side.places - 1) * side.axis.stride + side.axis.span <= side.length


ROWS: Mapping[str, Loops] = {
    "Conv": Loops(_conv),
    "ConvInteger": Loops(_conv),
    "ConvTranspose": Loops(_conv_transpose),
}
