"""Comparisons, logic, bits, and choosing between two values, in C."""

from __future__ import annotations

from collections.abc import Mapping

from tatami.graph.attributes import integer, text
from tatami.ship.c.general.kinds import bits_of, is_unsigned
from tatami.ship.c.general.loops import Loops
from tatami.ship.c.general.nest import General, each

_EXPRESSIONS: Mapping[str, str] = {
    "And": "{0} && {1}",
    "BitwiseAnd": "{0} & {1}",
    "BitwiseNot": "~{0}",
    "BitwiseOr": "{0} | {1}",
    "BitwiseXor": "{0} ^ {1}",
    "Equal": "{0} == {1}",
    "Greater": "{0} > {1}",
    "GreaterOrEqual": "{0} >= {1}",
    "IsNaN": "{0} != {0}",
    "Less": "{0} < {1}",
    "LessOrEqual": "{0} <= {1}",
    "Not": "!{0}",
    "Or": "{0} || {1}",
    "Xor": "({0} != 0) != ({1} != 0)",
}
"""Of samples of the inputs, in their order."""


def _where(general: General) -> str:
    """Write Where: both samples are read, so that a compiler makes vectors of the choice."""
    kind = general.result.kind
    return each(
        general.result,
        list(general.operands.values()),
        lambda y, x: (
            f"const {kind} first = {x[1]}, second = {x[2]};\n\n{y} = {x[0]} ? first : second;"
        ),
    )


def written(general: General, expression: str) -> str:
    """Write an expression of samples of all inputs for every sample of the result."""
    kind = general.result.kind
    return each(
        general.result,
        list(general.operands.values()),
        lambda y, x: f"{y} = ({kind})({expression.format(*x)});",
    )


def _expression(general: General) -> str:
    return written(general, _EXPRESSIONS[general.node.op_type])


def _shift(general: General) -> str:
    """Write a shift; by as many bits as there are, or by less than none, all of them fall out."""
    kind = general.operand(0).kind
    signed = not is_unsigned(kind)
    outside = f"{{1}} >= {bits_of(kind)}" + (" || {1} < 0" if signed else "")
    if text(general.node, "direction", "LEFT") == "RIGHT":
        rest = "{0} < 0 ? -1 : 0" if signed else "0"
        return written(general, f"({outside}) ? ({rest}) : {{0}} >> {{1}}")
    wide = "uint64_t" if bits_of(kind) == 64 else "uint32_t"
    return written(general, f"({outside}) ? 0 : ({wide}){{0}} << {{1}}")


def _is_infinite(general: General) -> str:
    found = []
    if integer(general.node, "detect_positive", 1):
        found.append("{0} == INFINITY")
    if integer(general.node, "detect_negative", 1):
        found.append("{0} == -INFINITY")
    return written(general, " || ".join(found) or "0 && {0} == 0")


ROWS: Mapping[str, Loops] = {
    **{name: Loops(_expression, in_place=True) for name in _EXPRESSIONS},
    "BitShift": Loops(_shift, in_place=True),
    "IsInf": Loops(_is_infinite),
    "Where": Loops(_where, in_place=True),
}
