"""Functions of one number: a table, a row a function. What ONNX calls them, and their derivatives.

A row serves everything: the reference in NumPy, the gradient, what a layer costs, and the table of
256 bytes that the function becomes in 8 bits. Only its expression in C stands elsewhere, in
ship/c/operators/functions.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tatami.ops.activation import exp, leaky_relu, relu, sigmoid, tanh

Array = NDArray[Any]


@dataclass(frozen=True)
class Function:
    """Hold a function of one number.

    Args:
        name: Its name in ONNX.
        of: Takes x, of any shape, and the parameters by name; gives y, of x's shape and kind.
        slope: Takes x, y and the parameters; gives dy/dx. None: it has no derivative of use.
        parameters: What ONNX gives its attributes where a node has none.
    """

    name: str
    of: Callable[..., Array]
    slope: Callable[..., Array] | None = None
    parameters: Mapping[str, float] = field(default_factory=dict)


_erf = np.frompyfunc(math.erf, 1, 1)


def erf(x: Array) -> Array:
    """Compute 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x."""
    return np.asarray(_erf(x), x.dtype)


def softplus(x: Array) -> Array:
    """Compute log(1 + exp(x)), written so that exp never overflows."""
    return np.asarray(np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))))


def _normal(x: Array) -> Array:
    """Compute the standard normal density."""
    return np.asarray(np.exp(-x * x / 2) / math.sqrt(2 * math.pi))


_GELU_FACTOR, _GELU_CUBE = math.sqrt(2 / math.pi), 0.044715


def gelu(x: Array, approximate: float = 0.0) -> Array:
    """Compute x times the normal distribution, or times its approximation by tanh where 1.

    Source:
        D. Hendrycks and K. Gimpel, "Gaussian Error Linear Units", 2016, section 2.
    """
    if approximate:
        return np.asarray(x * (1 + np.tanh(_gelu_inner(x))) / 2, x.dtype)
    return np.asarray(x * (1 + erf(x / np.sqrt(np.asarray(2, x.dtype)))) / 2, x.dtype)


def _gelu_inner(x: Array) -> Array:
    return np.asarray(_GELU_FACTOR * (x + _GELU_CUBE * x * x * x), x.dtype)


def _gelu_slope(x: Array, y: Array, approximate: float) -> Array:
    if approximate:
        t = np.tanh(_gelu_inner(x))
        inner = _GELU_FACTOR * (1 + 3 * _GELU_CUBE * x * x)
        return np.asarray((1 + t + x * (1 - t * t) * inner) / 2, x.dtype)
    normal = _normal(x)
    return np.asarray((1 + erf(x / np.sqrt(np.asarray(2, x.dtype)))) / 2 + x * normal, x.dtype)


def _hard_sigmoid(x: Array, alpha: float, beta: float) -> Array:
    return np.asarray(np.clip(x * x.dtype.type(alpha) + x.dtype.type(beta), 0, 1))


def _hard_swish(x: Array) -> Array:
    return np.asarray(x * _hard_sigmoid(x, 1 / 6, 0.5))


def _elu(x: Array, alpha: float) -> Array:
    return np.asarray(np.where(x > 0, x, x.dtype.type(alpha) * np.expm1(np.minimum(x, 0))))


def _celu(x: Array, alpha: float) -> Array:
    a = x.dtype.type(alpha)
    return np.asarray(np.maximum(x, 0) + np.minimum(a * np.expm1(np.minimum(x, 0) / a), 0))


def _selu(x: Array, alpha: float, gamma: float) -> Array:
    return np.asarray(x.dtype.type(gamma) * _elu(x, alpha))


def _mish_slope(x: Array, y: Array) -> Array:
    t = np.tanh(softplus(x))
    return np.asarray(t + x * (1 - t * t) * sigmoid(x))


def _swish_slope(x: Array, y: Array, alpha: float) -> Array:
    s = sigmoid(x.dtype.type(alpha) * x)
    return np.asarray(s + x.dtype.type(alpha) * x * s * (1 - s))


def _shrink(x: Array, bias: float, lambd: float) -> Array:
    return np.where(x < -lambd, x + bias, np.where(x > lambd, x - bias, 0)).astype(x.dtype)


_ROWS = (
    Function("Abs", np.abs, lambda x, y: np.sign(x)),
    Function("Acos", np.arccos, lambda x, y: -1 / np.sqrt(1 - x * x)),
    Function("Acosh", np.arccosh, lambda x, y: 1 / np.sqrt(x * x - 1)),
    Function("Asin", np.arcsin, lambda x, y: 1 / np.sqrt(1 - x * x)),
    Function("Asinh", np.arcsinh, lambda x, y: 1 / np.sqrt(x * x + 1)),
    Function("Atan", np.arctan, lambda x, y: 1 / (1 + x * x)),
    Function("Atanh", np.arctanh, lambda x, y: 1 / (1 - x * x)),
    Function("Ceil", np.ceil, lambda x, y: np.zeros_like(x)),
    Function(
        "Celu",
        _celu,
        lambda x, y, alpha: np.where(x > 0, 1, np.exp(np.minimum(x, 0) / alpha)),
        {"alpha": 1.0},
    ),
    Function("Cos", np.cos, lambda x, y: -np.sin(x)),
    Function("Cosh", np.cosh, lambda x, y: np.sinh(x)),
    Function(
        "Elu",
        _elu,
        lambda x, y, alpha: np.where(x > 0, 1, y + x.dtype.type(alpha)),
        {"alpha": 1.0},
    ),
    Function("Erf", erf, lambda x, y: 2 * _normal(x * math.sqrt(2)) * math.sqrt(2)),
    Function("Exp", exp, lambda x, y: y),
    Function("Floor", np.floor, lambda x, y: np.zeros_like(x)),
    Function("Gelu", gelu, _gelu_slope, {"approximate": 0.0}),
    Function(
        "HardSigmoid",
        _hard_sigmoid,
        lambda x, y, alpha, beta: np.where((y > 0) & (y < 1), alpha, 0),
        {"alpha": 0.2, "beta": 0.5},
    ),
    Function(
        "HardSwish",
        _hard_swish,
        lambda x, y: np.where(x <= -3, 0, np.where(x >= 3, 1, x / 3 + 0.5)),
    ),
    Function(
        "LeakyRelu",
        leaky_relu,
        lambda x, y, alpha: np.where(x > 0, 1, x.dtype.type(alpha)),
        {"alpha": 0.01},
    ),
    Function("Log", np.log, lambda x, y: 1 / x),
    Function("Mish", lambda x: x * np.tanh(softplus(x)), _mish_slope),
    Function("Neg", np.negative, lambda x, y: -np.ones_like(x)),
    Function("Reciprocal", np.reciprocal, lambda x, y: -y * y),
    Function("Relu", relu, lambda x, y: np.asarray(x > 0, x.dtype)),
    Function("Round", np.rint, lambda x, y: np.zeros_like(x)),
    Function(
        "Selu",
        _selu,
        lambda x, y, alpha, gamma: np.where(x > 0, gamma, y + x.dtype.type(gamma * alpha)),
        {"alpha": 1.67326319217681884765625, "gamma": 1.05070102214813232421875},
    ),
    Function(
        "Shrink",
        _shrink,
        lambda x, y, bias, lambd: np.asarray(np.abs(x) > lambd, x.dtype),
        {"bias": 0.0, "lambd": 0.5},
    ),
    Function("Sigmoid", sigmoid, lambda x, y: y * (1 - y)),
    Function("Sign", np.sign, lambda x, y: np.zeros_like(x)),
    Function("Sin", np.sin, lambda x, y: np.cos(x)),
    Function("Sinh", np.sinh, lambda x, y: np.cosh(x)),
    Function("Softplus", softplus, lambda x, y: sigmoid(x)),
    Function("Softsign", lambda x: x / (1 + np.abs(x)), lambda x, y: 1 / (1 + np.abs(x)) ** 2),
    Function("Sqrt", np.sqrt, lambda x, y: 1 / (2 * y)),
    Function(
        "Swish",
        lambda x, alpha: x * sigmoid(x.dtype.type(alpha) * x),
        _swish_slope,
        {"alpha": 1.0},
    ),
    Function("Tan", np.tan, lambda x, y: 1 + y * y),
    Function("Tanh", tanh, lambda x, y: 1 - y * y),
    Function(
        "ThresholdedRelu",
        lambda x, alpha: np.where(x > x.dtype.type(alpha), x, x.dtype.type(0)),
        lambda x, y, alpha: np.asarray(x > alpha, x.dtype),
        {"alpha": 1.0},
    ),
)

FUNCTIONS: Mapping[str, Function] = {row.name: row for row in _ROWS}
"""By ONNX's name."""
