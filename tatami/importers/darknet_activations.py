"""darknet's activations as ONNX operators (src/activations.h of AlexeyAB/darknet)."""

from __future__ import annotations

from collections.abc import Callable

from tatami.importers.build import Builder

LEAK = 0.1
"""The slope of darknet's leaky ReLU."""


def _piecewise(
    builder: Builder,
    name: str,
    x: str,
    limits: tuple[float, float],
    inner: tuple[float, float],
    outer: float,
) -> str:
    """Add a line (slope, offset) between two limits, and lines of another slope beyond them."""
    middle = builder.clip(f"{name}/middle", x, *limits)
    beyond = builder.elementwise("Sub", f"{name}/beyond", x, middle)
    beyond = builder.number("Mul", f"{name}/outer", beyond, outer)
    if inner != (1.0, 0.0):
        middle = builder.number("Mul", f"{name}/slope", middle, inner[0])
        middle = builder.number("Add", f"{name}/offset", middle, inner[1])
    return builder.elementwise("Add", name, middle, beyond)


def _ramp(builder: Builder, name: str, x: str) -> str:
    tenth = builder.number("Mul", f"{name}/tenth", x, 0.1)
    return builder.elementwise("Add", name, builder.relu(f"{name}/relu", x), tenth)


def _loggy(builder: Builder, name: str, x: str) -> str:
    twice = builder.number("Mul", f"{name}/twice", builder.sigmoid(f"{name}/sigmoid", x), 2.0)
    return builder.number("Sub", name, twice, 1.0)


def _gelu(builder: Builder, name: str, x: str) -> str:
    square = builder.elementwise("Mul", f"{name}/square", x, x)
    inner = builder.number("Mul", f"{name}/cubic", square, 0.035677)
    inner = builder.number("Add", f"{name}/linear", inner, 0.797885)
    inner = builder.elementwise("Mul", f"{name}/inner", inner, x)
    half = builder.number("Mul", f"{name}/half", builder.function("Tanh", name, inner), 0.5)
    return builder.elementwise("Mul", name, builder.number("Add", f"{name}/part", half, 0.5), x)


def _hard_mish(builder: Builder, name: str, x: str) -> str:
    """Add x above 0, x * x / 2 + x from -2 to 0, and 0 below."""
    low = builder.clip(f"{name}/low", x, -2.0, 0.0)
    part = builder.number("Mul", f"{name}/half", low, 0.5)
    part = builder.number("Add", f"{name}/one", part, 1.0)
    part = builder.elementwise("Mul", f"{name}/part", part, low)
    return builder.elementwise("Add", name, builder.relu(f"{name}/high", x), part)


ACTIVATIONS: dict[str, Callable[[Builder, str, str], str]] = {
    "linear": lambda builder, name, x: x,
    "leaky": lambda builder, name, x: builder.leaky_relu(name, x, LEAK),
    "relu": Builder.relu,
    "relu6": lambda builder, name, x: builder.clip(name, x, 0.0, 6.0),
    "relie": lambda builder, name, x: builder.leaky_relu(name, x, 0.01),
    "logistic": Builder.sigmoid,
    "tanh": lambda builder, name, x: builder.function("Tanh", name, x),
    "mish": lambda builder, name, x: builder.function("Mish", name, x),
    "hard_mish": _hard_mish,
    "swish": Builder.swish,
    "hardswish": lambda builder, name, x: builder.function("HardSwish", name, x),
    "elu": lambda builder, name, x: builder.function("Elu", name, x, {"alpha": 1.0}),
    "selu": lambda builder, name, x: builder.function(
        "Selu", name, x, {"alpha": 1.6732, "gamma": 1.0507}
    ),
    "gelu": _gelu,
    "loggy": _loggy,
    "ramp": _ramp,
    "hardtan": lambda builder, name, x: builder.clip(name, x, -1.0, 1.0),
    "lhtan": lambda builder, name, x: _piecewise(builder, name, x, (0, 1), (1.0, 0.0), 0.001),
    "plse": lambda builder, name, x: _piecewise(builder, name, x, (-4, 4), (0.125, 0.5), 0.01),
}
"""How each is added to a network; darknet takes an unknown name for relu, which is not done here.

"hardswish" is of the kin of darknet that other programs read.
"""
