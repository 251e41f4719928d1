"""Arithmetic of two and more values, sample by sample, in C."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tatami.graph.attributes import integer, real
from tatami.ship.c.general.comparison import written
from tatami.ship.c.general.kinds import bits_of, is_real, is_unsigned
from tatami.ship.c.general.loops import Loops
from tatami.ship.c.general.nest import General, each
from tatami.ship.c.operator import number


def wide_of(kind: str) -> str:
    """Name the type in which whole numbers wrap around: C leaves signed ones open."""
    return "uint64_t" if bits_of(kind) == 64 else "uint32_t"


_BINARY: Mapping[str, str] = {"Add": "+", "Sub": "-", "Mul": "*"}


def _binary(general: General) -> str:
    """Write a sum, difference or product of two values."""
    sign, kind = _BINARY[general.node.op_type], general.result.kind
    wide = "" if is_real(kind) else f"({wide_of(kind)})"
    return written(general, f"{wide}{{0}} {sign} {wide}{{1}}")


def _divide(general: General) -> str:
    """Write a quotient; of whole numbers it is cut, and 0 where the divisor is 0."""
    kind = general.result.kind
    if is_real(kind):
        return written(general, "{0} / {1}")
    if is_unsigned(kind):
        return written(general, "{1} ? {0} / {1} : 0")
    turned = f"({kind})(0 - ({wide_of(kind)}){{0}})"
    return written(general, f"{{1}} == 0 ? 0 : {{1}} == -1 ? {turned} : {{0}} / {{1}}")


def _remainder(general: General) -> str:
    """Write the rest of a division."""
    kind, like_c = general.result.kind, bool(integer(general.node, "fmod", 0))
    if is_real(kind):
        of = "fmodf" if kind == "float" else "fmod"
        if like_c:
            return written(general, f"{of}({{0}}, {{1}})")

        def body(y: str, x: Sequence[str]) -> str:
            return (
                f"{kind} rest = {of}({x[0]}, {x[1]});\n\n"
                f"if (rest == 0) rest = copysign{of[4:]}(0, {x[1]});\n"
                f"else if ((rest < 0) != ({x[1]} < 0)) rest += {x[1]};\n{y} = rest;"
            )

        return each(general.result, list(general.operands.values()), body)
    if is_unsigned(kind):
        return written(general, "{1} ? {0} % {1} : 0")
    safe = "({1} == 0 || {1} == -1)"
    if like_c:
        return written(general, f"{safe} ? 0 : {{0}} % {{1}}")
    turned = "{0} % {1} != 0 && ({0} < 0) != ({1} < 0)"
    return written(general, f"{safe} ? 0 : {{0}} % {{1}} + (({turned}) ? {{1}} : 0)")


def _power(general: General) -> str:
    """Write a power; where it is the same for all and small, as products or roots."""
    kind, given = general.result.kind, general.setting(1)
    shape = general.node.inputs[1]
    known = float(given.reshape(-1)[0]) if given is not None and given.size == 1 else None
    of_one = known is not None and shape is not None and is_real(kind)
    simple = {
        1.0: "{0}",
        2.0: "{0} * {0}",
        3.0: "{0} * {0} * {0}",
        0.5: "sqrtf({0})" if kind == "float" else "sqrt({0})",
        -1.0: "1 / {0}",
    }
    if of_one and known in simple:
        return "(void)a1;\n" + each(
            general.result,
            [general.operand(0)],
            lambda y, x: f"{y} = {simple[known].format(x[0])};",
        )
    if kind == "float":
        return written(general, "powf({0}, (float){1})")
    if kind == "double" or is_real(general.operand(1).kind):
        return written(general, "pow((double){0}, (double){1})")

    def body(y: str, x: Sequence[str]) -> str:
        """Multiply by squaring, 64 bits of the exponent at most."""
        return (
            f"uint64_t base = (uint64_t){x[0]}, power = 1, left = (uint64_t){x[1]};\n\n"
            "for (int bit = 0; bit < 64 && left != 0; bit++, left >>= 1) {\n"
            "    if (left & 1) power *= base;\n    base *= base;\n}\n"
            f"{y} = ({kind})power;"
        )

    return each(general.result, list(general.operands.values()), body)


def _extreme(general: General) -> str:
    """Write the largest or smallest of any number of samples; a NaN stays one."""
    sign = ">" if general.node.op_type == "Max" else "<"
    kind = general.result.kind
    nan = " | (m != m)" if is_real(kind) else ""

    def body(y: str, x: Sequence[str]) -> str:
        lines = [f"{kind} m = {x[0]};", ""]
        lines += [f"m = ((m {sign} {one}){nan}) ? m : {one};" for one in x[1:]]
        return "\n".join([*lines, f"{y} = m;"])

    return each(general.result, list(general.operands.values()), body)


def _sum(general: General) -> str:
    """Write the sum or mean of any number of samples."""
    count = len(general.operands)
    total = " + ".join(f"{{{index}}}" for index in range(count))
    return written(general, total if general.node.op_type == "Sum" else f"({total}) / {count}")


def _prelu(general: General) -> str:
    """Write a ReLU with a slope of each channel."""
    kind = general.result.kind
    if is_unsigned(kind):
        return "(void)a1;\n" + written(general, "{0}")
    return written(general, "{0} < 0 ? {1} * {0} : {0}")


def _swiglu(general: General) -> str:
    alpha = number(real(general.node, "alpha", 1.0))
    return written(general, f"{{0}} * net_sigmoid({alpha} * {{0}}) * {{1}}")


ROWS: Mapping[str, Loops] = {
    **{name: Loops(_binary, in_place=True) for name in _BINARY},
    "Div": Loops(_divide, in_place=True),
    "Max": Loops(_extreme, in_place=True),
    "Mean": Loops(_sum, in_place=True),
    "Min": Loops(_extreme, in_place=True),
    "Mod": Loops(_remainder, in_place=True),
    "PRelu": Loops(_prelu, in_place=True),
    "Pow": Loops(_power, in_place=True),
    "Sum": Loops(_sum, in_place=True),
    "SwiGLU": Loops(_swiglu, in_place=True),
}
