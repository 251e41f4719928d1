"""Normalizations, and softmax and its kin along an axis, in C."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tatami.graph.attributes import integer
from tatami.graph.operators.normalization import (
    axis_of,
    epsilon_of,
    groups_of,
    local_response,
    mean_variance_axes,
)
from tatami.ship.c.general.lines import Lines, beside, lines_of, summed
from tatami.ship.c.general.loops import Loops
from tatami.ship.c.general.nest import General, Operand, each, loop, place
from tatami.ship.c.general.reduction import largest, place_of_extreme
from tatami.ship.c.operator import number

Written = tuple[Lines, dict[str, str], str]
"""The loops over lines, the accumulators' C types by name, and what is done for each line."""


def _row(write: Callable[[General], Written], in_place: bool = True) -> Loops:
    """Make the row of an operator over lines."""

    def emit(general: General) -> str:
        lines, numbers, body = write(general)
        return lines.whole(numbers, body)

    def scratch(general: General) -> int:
        lines, numbers, _ = write(general)
        return lines.scratch_bytes(numbers)

    return Loops(emit, in_place=in_place, scratch=scratch)


# Along an axis -----------------------------------------------------------------------------------


def _along(general: General) -> Lines:
    return lines_of([general.operand(0), general.result], [axis_of(general.node)], general.scratch)


def _softmax(general: General) -> Written:
    lines = _along(general)
    top, total = lines.number("top"), lines.number("sum")
    x, y = lines.sample(0), lines.sample(1)
    body = [
        lines.fold("top", "float", largest("float")),
        lines.each(f"{y} = net_exp({x} - {top});"),
        lines.fold("sum", "float", summed(), operand=1),
        lines.each(f"{y} /= {total};"),
    ]
    return lines, {"top": "float", "sum": "float"}, "\n".join(body)


def _log_softmax(general: General) -> Written:
    lines = _along(general)
    top, total = lines.number("top"), lines.number("sum")
    body = [
        lines.fold("top", "float", largest("float")),
        lines.fold("sum", "float", summed(lambda x: f"net_exp({x} - {top})")),
        lines.once(f"{total} = logf({total});"),
        lines.each(f"{lines.sample(1)} = {lines.sample(0)} - {top} - {total};"),
    ]
    return lines, {"top": "float", "sum": "float"}, "\n".join(body)


def _hard_max(general: General) -> str:
    x = general.operand(0)
    lines = lines_of([x, general.result], [axis_of(general.node)], side_by_side=False)
    at = f"{lines.inner[0].name} == at" if lines.inner else "at == 0"
    mark = lines.each(f"{lines.sample(1)} = {at} ? 1.0f : 0.0f;")
    return lines.whole({}, f"{place_of_extreme(lines, x.kind, '>')}\n{mark}")


def _lp_normalization(general: General) -> Written:
    lines = _along(general)
    one = integer(general.node, "p", 2) == 1
    total = lines.number("sum")
    fold = summed(lambda x: f"fabsf({x})" if one else f"{x} * {x}")
    body = [
        lines.fold("sum", "float", fold),
        *([] if one else [lines.once(f"{total} = sqrtf({total});")]),
        lines.each(f"{lines.sample(1)} = {total} != 0.0f ? {lines.sample(0)} / {total} : 0.0f;"),
    ]
    return lines, {"sum": "float"}, "\n".join(body)


# By mean and variance ----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Normal:
    """Hold a normalization by mean and variance.

    Args:
        operands: The input, the result, and a scale and a bias where there are some.
        axes: Those that share a mean and a variance.
        epsilon: Added to the variance, C.
        centered: Whether the mean is taken out.
        scaled: Whether there is a scale.
        shifted: Whether there is a bias.
        factor: Takes the variance with epsilon; gives what is multiplied with, C.
    """

    operands: Sequence[Operand]
    axes: Sequence[int]
    epsilon: str
    centered: bool = True
    scaled: bool = False
    shifted: bool = False
    factor: str = "1.0f / sqrtf({0})"

    def written(self, scratch: str, result: str = "") -> Written:
        """Write it; ``result`` is what is stored once a line instead, of mean and factor."""
        lines = lines_of(self.operands, self.axes, scratch)
        mean, factor = lines.number("mean"), lines.number("factor")
        numbers = {"factor": "float"}
        body = []
        if self.centered:
            numbers = {"mean": "float", "factor": "float"}
            body.append(lines.fold("mean", "float", summed()))
            body.append(lines.once(f"{mean} /= {lines.length}.0f;"))

        def square(x: str) -> str:
            off = f"({x} - {mean})" if self.centered else x
            return f"{off} * {off}"

        body.append(lines.fold("factor", "float", summed(square)))
        variance = f"{factor} / {lines.length}.0f + {self.epsilon}"
        body.append(lines.once(f"{factor} = {self.factor.format(variance)};"))
        if result:
            stored = {"mean": mean, "factor": factor}[result]
            body.append(lines.once(f"{lines.sample(1)} = {stored};"))
        else:
            value = f"({lines.sample(0)} - {mean})" if self.centered else lines.sample(0)
            value += f" * {factor}"
            value += f" * {lines.sample(2)}" if self.scaled else ""
            value += f" + {lines.sample(3)}" if self.shifted else ""
            body.append(lines.each(f"{lines.sample(1)} = {value};"))
        return lines, numbers, "\n".join(body)


def _layer_normalization(general: General) -> Written:
    x, node = general.operand(0), general.node
    axes = range(axis_of(node), len(x.sides))
    epsilon = number(epsilon_of(node))
    if general.step.index:
        result = beside(general.result, x, list(axes))
        normal = _Normal([x, result], axes, epsilon)
        return normal.written(general.scratch, ("", "mean", "factor")[general.step.index])
    bias = [general.operand(2)] if 2 in general.operands else []
    normal = _Normal(
        [x, general.result, general.operand(1), *bias],
        axes,
        epsilon,
        scaled=True,
        shifted=bool(bias),
    )
    return normal.written(general.scratch)


def _layer(general: General) -> str:
    """Write LayerNormalization, whose second and third output read no scale and no bias."""
    lines, numbers, body = _layer_normalization(general)
    unused = [f"(void)a{index};" for index in general.operands if index and general.step.index]
    return "\n".join([*unused, lines.whole(numbers, body)])


def _layer_scratch(general: General) -> int:
    lines, numbers, _ = _layer_normalization(general)
    return lines.scratch_bytes(numbers)


def _root_mean_square(general: General) -> Written:
    x, node = general.operand(0), general.node
    axes = range(axis_of(node), len(x.sides))
    normal = _Normal(
        [x, general.result, general.operand(1)],
        axes,
        number(epsilon_of(node)),
        centered=False,
        scaled=True,
    )
    return normal.written(general.scratch)


def _in_groups(one: Operand, groups: int) -> Operand:
    """See a value (n, c, ...) as (n, groups, c / groups, ...)."""
    each_group = one.sides[1] // groups
    return Operand(
        one.name,
        one.kind,
        (one.sides[0], groups, each_group, *one.sides[2:]),
        (one.strides[0], one.strides[1] * each_group, *one.strides[1:]),
    )


def _of_groups(one: Operand, groups: int, rank: int) -> Operand:
    """See numbers of channels, or of groups, beside (n, groups, c / groups, ...)."""
    each_group = one.size // groups
    sides = (1, groups, each_group, *(1 for _ in range(rank - 2)))
    return Operand(one.name, one.kind, sides, (0, each_group, 1, *(0 for _ in range(rank - 2))))


def _group_normalization(general: General) -> Written:
    """Write GroupNormalization and InstanceNormalization, whose groups are channels."""
    x, node = general.operand(0), general.node
    rank = len(x.sides)
    groups = groups_of(node) if node.op_type == "GroupNormalization" else x.sides[1]
    normal = _Normal(
        [
            _in_groups(x, groups),
            _in_groups(general.result, groups),
            *(_of_groups(general.operand(index), groups, rank) for index in (1, 2)),
        ],
        range(2, rank + 1),
        number(epsilon_of(node)),
        scaled=True,
        shifted=True,
    )
    return normal.written(general.scratch)


def _mean_variance(general: General) -> Written:
    normal = _Normal(
        [general.operand(0), general.result],
        mean_variance_axes(general.node),
        "0.0f",
        factor="1.0f / (sqrtf({0}) + 1e-9f)",
    )
    return normal.written(general.scratch)


# By fixed statistics, and by neighbors -----------------------------------------------------------


def _batch_normalization(general: General) -> str:
    """Write BatchNormalization: the factors of all channels first, in the scratch."""
    x = general.operand(0)
    channels = x.sides[1]
    ones = (1,) * (len(x.sides) - 2)
    beside_x = (channels, *ones)
    strides = (1, *(0 for _ in ones))

    def of_channels(name: str) -> Operand:
        return Operand(name, "float", beside_x, strides)

    factors = loop(
        [("c", channels)],
        f"factor[c] = a1[c] / sqrtf(a4[c] + {number(epsilon_of(general.node))});",
    )
    line = each(
        general.result,
        [x, of_channels("a3"), of_channels("factor"), of_channels("a2")],
        lambda y, of: f"{y} = ({of[0]} - {of[1]}) * {of[2]} + {of[3]};",
    )
    return f"float *const factor = (float *){general.scratch};\n\n{factors}\n{line}"


def _batch_scratch(general: General) -> int:
    return 4 * general.operand(0).sides[1]


def _power(beta: float) -> str:
    """Write what a sample is divided by, as roots where the power is one."""
    if beta == 0.75:
        return "(sqrtf(sum) * sqrtf(sqrtf(sum)))"
    if beta == 0.5:
        return "sqrtf(sum)"
    return "sum" if beta == 1 else f"powf(sum, {number(beta)})"


def _local_response(general: General) -> str:
    """Write LRN: the squares of neighboring channels are added up anew for each."""
    x, y = general.operand(0), general.result
    size, alpha, beta, bias = local_response(general.node)
    channels, before = x.sides[1], (size - 1) // 2
    after = size - 1 - before
    names = [f"i{axis}" for axis in range(len(x.sides))]
    source, result = f"a0[{place(names, x.strides)}]", f"y[{place(names, y.strides)}]"
    neighbor = f"a0[{place(['i0', 'j', *names[2:]], x.strides)}]"
    body = "\n".join(
        [
            f"const int first = i1 > {before} ? i1 - {before} : 0;",
            f"const int last = i1 + {after} < {channels} ? i1 + {after} : {channels - 1};",
            "float sum = 0.0f;",
            "",
            f"for (int j = first; j <= last; j++) sum += {neighbor} * {neighbor};",
            f"sum = {number(bias)} + {number(alpha / size)} * sum;",
            f"{result} = {source} / {_power(beta)};",
        ]
    )
    axes = sorted(zip(names, x.sides, x.strides, strict=True), key=lambda axis: -axis[2])
    return loop([(name, side) for name, side, _ in axes], body)


ROWS: Mapping[str, Loops] = {
    "BatchNormalization": Loops(_batch_normalization, in_place=True, scratch=_batch_scratch),
    "GroupNormalization": _row(_group_normalization),
    "Hardmax": Loops(_hard_max),
    "InstanceNormalization": _row(_group_normalization),
    "LRN": Loops(_local_response),
    "LayerNormalization": Loops(_layer, in_place=True, scratch=_layer_scratch),
    "LogSoftmax": _row(_log_softmax),
    "LpNormalization": _row(_lp_normalization),
    "MeanVarianceNormalization": _row(_mean_variance),
    "RMSNormalization": _row(_root_mean_square),
    "Softmax": _row(_softmax),
}
