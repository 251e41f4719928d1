"""Functions of single samples, in C."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tatami.graph.operators.elementwise import parameters_of
from tatami.ops.elementwise import FUNCTIONS
from tatami.ship.c.general.kinds import is_unsigned, literal
from tatami.ship.c.general.loops import Loops
from tatami.ship.c.general.nest import General, each
from tatami.ship.c.operator import number

EXPRESSIONS: Mapping[str, str] = {
    "Abs": "{x} < 0 ? -{x} : {x}",
    "Acos": "acosf({x})",
    "Acosh": "acoshf({x})",
    "Asin": "asinf({x})",
    "Asinh": "asinhf({x})",
    "Atan": "atanf({x})",
    "Atanh": "atanhf({x})",
    "Ceil": "ceilf({x})",
    "Celu": "{x} > 0 ? {x} : {alpha} * expm1f({x} / {alpha})",
    "Cos": "cosf({x})",
    "Cosh": "coshf({x})",
    "Elu": "{x} > 0 ? {x} : {alpha} * expm1f({x})",
    "Erf": "net_erf({x})",
    "Exp": "net_exp({x})",
    "Floor": "floorf({x})",
    "Gelu": (
        "{approximate} > 0.0f"
        " ? {x} * net_sigmoid(1.59576917f * ({x} + 0.044715f * {x} * {x} * {x}))"
        " : 0.5f * {x} * (1.0f + net_erf({x} * 0.707106769f))"
    ),
    "HardSigmoid": "net_unit({x} * {alpha} + {beta})",
    "HardSwish": "{x} * net_unit({x} * 0.166666667f + 0.5f)",
    "LeakyRelu": "{x} < 0 ? {alpha} * {x} : {x}",
    "Log": "logf({x})",
    "Mish": "net_mish({x})",
    "Neg": "-{x}",
    "Reciprocal": "1.0f / {x}",
    "Relu": "{x} > 0 ? {x} : 0",
    "Round": "nearbyintf({x})",
    "Selu": "{gamma} * ({x} > 0 ? {x} : {alpha} * expm1f({x}))",
    "Shrink": "{x} < -{lambd} ? {x} + {bias} : {x} > {lambd} ? {x} - {bias} : 0",
    "Sigmoid": "net_sigmoid({x})",
    "Sign": "({x} > 0) - ({x} < 0)",
    "Sin": "sinf({x})",
    "Sinh": "sinhf({x})",
    "Softplus": "fmaxf({x}, 0.0f) + log1pf(net_exp(-fabsf({x})))",
    "Softsign": "{x} / (1.0f + fabsf({x}))",
    "Sqrt": "sqrtf({x})",
    "Swish": "{x} * net_sigmoid({alpha} * {x})",
    "Tan": "tanf({x})",
    "Tanh": "net_tanh({x})",
    "ThresholdedRelu": "{x} > {alpha} ? {x} : 0.0f",
}
"""Of every function of ops/elementwise.py, {x} being its sample and the rest its parameters."""

_KERNELS: Mapping[str, tuple[str, ...]] = {"Erf": ("erf",), "Gelu": ("erf",), "Mish": ("mish",)}
"""What expressions call that not every program has."""

_UNSIGNED: Mapping[str, str] = {"Abs": "{x}", "Relu": "{x}", "Sign": "{x} > 0"}
"""Of whole numbers that are never below 0, which a compiler would say."""


def _function(general: General) -> str:
    """Write a function of one number."""
    function = FUNCTIONS[general.node.op_type]
    given = {name: number(value) for name, value in parameters_of(general.node, function).items()}
    kind = general.result.kind
    expression = EXPRESSIONS[function.name]
    if is_unsigned(kind):
        expression = _UNSIGNED.get(function.name, expression)

    def body(y: str, samples: Sequence[str]) -> str:
        value = expression.format(x="x", **given)
        return f"const {kind} x = {samples[0]};\n\n{y} = ({kind})({value});"

    return each(general.result, [general.operand(0)], body)


def _clip(general: General) -> str:
    """Write Clip, whose bounds are constants or one sample of a value."""
    kind = general.result.kind
    lines, tests = [], []
    for index, name, sign in ((1, "low", "<"), (2, "high", ">")):
        inputs = general.node.inputs
        if index >= len(inputs) or inputs[index] is None:
            continue
        given = general.setting(index)
        bound = f"a{index}[0]" if given is None else literal(given.reshape(-1)[0], kind)
        lines.append(f"const {kind} {name} = {bound};")
        tests.append(f"x = x {sign} {name} ? {name} : x;")

    def body(y: str, samples: Sequence[str]) -> str:
        return "\n".join([f"{kind} x = {samples[0]};", "", *tests, f"{y} = x;"])

    return "\n".join([*lines, each(general.result, [general.operand(0)], body)])


ROWS: Mapping[str, Loops] = {
    **{
        name: Loops(_function, in_place=True, kernels=_KERNELS.get(name, ()))
        for name in EXPRESSIONS
    },
    "Clip": Loops(_clip, in_place=True),
}
