"""Many samples to one, places of extremes, and running sums."""

from __future__ import annotations

from collections.abc import Mapping

from tatami.graph.attributes import integer, reduced_axes
from tatami.graph.operators.reduction import running_axis
from tatami.ship.c.general.kinds import is_real, is_unsigned, least, most
from tatami.ship.c.general.lines import Fold, Lines, beside, lines_of, summed
from tatami.ship.c.general.loops import Loops
from tatami.ship.c.general.nest import General, loop, place


def _lines(general: General) -> Lines:
    x, axes = general.operand(0), reduced_axes(general.node)
    return lines_of([x, beside(general.result, x, axes)], axes, general.scratch)


def _number_kind(general: General) -> str:
    """Say what is added up in: a sum of whole numbers wraps around, as NumPy's does."""
    kind = general.operand(0).kind
    if is_real(kind) or general.node.op_type in ("ReduceMax", "ReduceMin"):
        return kind
    return "uint64_t"


def _magnitude(x: str, kind: str) -> str:
    if is_real(kind):
        return f"fabsf({x})" if kind == "float" else f"fabs({x})"
    return x if is_unsigned(kind) else f"(uint64_t)({x} < 0 ? -(int64_t){x} : {x})"


def _fold_of(name: str, kind: str) -> Fold:
    """Say how a reduction folds samples of a kind."""
    wide = "" if is_real(kind) else "(uint64_t)"
    match name:
        case "ReduceL1":
            return summed(lambda x: _magnitude(x, kind))
        case "ReduceL2" | "ReduceSumSquare":
            return summed(lambda x: f"{wide}{x} * {wide}{x}")
        case "ReduceProd":
            return Fold("1", lambda x: f"{wide}{x}", lambda a, b: f"{a} * ({b})")
        case "ReduceMax":
            return largest(kind)
        case "ReduceMin":
            return smallest(kind)
    return summed(lambda x: f"{wide}{x}")


def largest(kind: str) -> Fold:
    """Find the largest sample; a NaN is larger than all, as in NumPy."""
    return Fold(least(kind), lambda x: x, lambda a, b: _chosen(a, b, ">", kind))


def smallest(kind: str) -> Fold:
    """Find the smallest sample; a NaN is smaller than all, as in NumPy."""
    return Fold(most(kind), lambda x: x, lambda a, b: _chosen(a, b, "<", kind))


def _chosen(a: str, b: str, sign: str, kind: str) -> str:
    if not is_real(kind):
        return f"{a} {sign} {b} ? {a} : {b}"
    return f"(({a} {sign} {b}) | ({a} != {a})) ? {a} : {b}"  # without a branch: for vectors


def _finished(general: General, number: str, count: int) -> str:
    """Write what becomes of the folded number."""
    kind = general.operand(0).kind
    real = is_real(kind)
    end = "f" if kind == "float" else ""
    value = number if real else f"(double)(int64_t){number}"
    match general.node.op_type:
        case "ReduceMean":
            signed = number if is_unsigned(kind) else f"(int64_t){number}"
            return f"{number} / {count}" if real else f"{signed} / {count}"
        case "ReduceL2":
            return f"sqrt{end}({value})"
        case "ReduceLogSum":
            return f"log{end}({value})"
    return number


def _reduce(general: General) -> str:
    """Write a reduction."""
    lines, kind = _lines(general), _number_kind(general)
    fold = _fold_of(general.node.op_type, general.operand(0).kind)
    finished = _finished(general, lines.number("sum"), lines.length)
    result = f"{lines.sample(1)} = ({general.result.kind})({finished});"
    body = f"{lines.fold('sum', kind, fold)}\n{lines.once(result)}"
    return lines.whole({"sum": kind}, body)


def _reduce_scratch(general: General) -> int:
    return _lines(general).scratch_bytes({"sum": _number_kind(general)})


def _log_sum_exp(general: General) -> str:
    """Write the logarithm of a sum of exponentials, the largest of them taken out first."""
    lines, kind = _lines(general), general.result.kind
    top, total = lines.number("top"), lines.number("sum")
    body = [
        lines.fold("top", kind, largest(kind)),
        lines.once(f"if ({top} - {top} != 0) {top} = 0;"),
        lines.fold("sum", kind, summed(lambda x: f"net_exp({x} - {top})")),
        lines.once(f"{lines.sample(1)} = ({kind})(logf({total}) + {top});"),
    ]
    return lines.whole({"top": kind, "sum": kind}, "\n".join(body))


def _log_sum_exp_scratch(general: General) -> int:
    kind = general.result.kind
    return _lines(general).scratch_bytes({"top": kind, "sum": kind})


def place_of_extreme(
    lines: Lines, kind: str, sign: str, last: bool = False, name: str = "best"
) -> str:
    """Write the search of a line for its extreme: ``at`` becomes its place.

    Args:
        lines: The loops; a line is one axis, and one line is searched at a time.
        kind: Of samples.
        sign: > or <.
        last: Whether the last of equal ones is meant.
        name: What the extreme is called.
    """
    axis = lines.inner[0] if lines.inner else None
    first = lines.sample(0, {axis.name: "0"} if axis else None)
    nan = f" || ({{x}} != {{x}} && {name} == {name})" if is_real(kind) else ""
    search = ""
    if axis is not None:
        x = lines.sample(0)
        test = f"{x} {sign}{'=' if last else ''} {name}{nan.format(x=x)}"
        search = (
            f"for (int {axis.name} = 1; {axis.name} < {axis.side}; {axis.name}++) {{\n"
            f"    if ({test}) {{\n        {name} = {x};\n        at = {axis.name};\n    }}\n}}"
        )
    return f"{kind} {name} = {first};\nint at = 0;\n\n{search}\n(void){name};"


def _extreme(general: General) -> str:
    """Write the place of the largest or smallest sample."""
    x, node = general.operand(0), general.node
    axis = integer(node, "axis", 0) % len(x.sides)
    lines = lines_of([x, beside(general.result, x, [axis])], [axis], side_by_side=False)
    sign = ">" if node.op_type == "ArgMax" else "<"
    last = bool(integer(node, "select_last_index", 0))
    search = place_of_extreme(lines, x.kind, sign, last)
    return lines.whole({}, f"{search}\n{lines.sample(1)} = at;")


def _running(general: General) -> str:
    """Write a running sum or product."""
    x, y, node = general.operand(0), general.result, general.node
    axis, side = running_axis(node), x.sides[running_axis(node)]
    sign, start = ("+", "0") if node.op_type == "CumSum" else ("*", "1")
    kind = x.kind if is_real(x.kind) else "uint64_t"
    names = [f"i{index}" for index in range(len(x.sides))]
    if integer(node, "reverse", 0):
        names[axis] = f"{side - 1} - i{axis}"
    source, result = f"a0[{place(names, x.strides)}]", f"y[{place(names, y.strides)}]"
    add = f"sum = sum {sign} ({kind}){source};"
    store = f"{result} = ({y.kind})sum;"
    order = [store, add] if integer(node, "exclusive", 0) else [add, store]
    others = [(f"i{index}", n) for index, n in enumerate(x.sides) if index != axis]
    line = loop([(f"i{axis}", side)], "\n".join(order))
    return loop(others, f"{kind} sum = {start};\n\n{line}")


ROWS: Mapping[str, Loops] = {
    **{
        name: Loops(_reduce, scratch=_reduce_scratch)
        for name in (
            *("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceMax", "ReduceMean", "ReduceMin"),
            *("ReduceProd", "ReduceSum", "ReduceSumSquare"),
        )
    },
    "ReduceLogSumExp": Loops(_log_sum_exp, scratch=_log_sum_exp_scratch),
    "ArgMax": Loops(_extreme),
    "ArgMin": Loops(_extreme),
    "CumProd": Loops(_running),
    "CumSum": Loops(_running),
}
