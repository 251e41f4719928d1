"""Activations: any shape in, the same shape out; all but softmax go sample by sample."""

from __future__ import annotations

import numpy as np

from tatami.types import Float32


def relu(x: Float32) -> Float32:
    """max(x, 0)."""
    return np.maximum(x, np.float32(0))


def leaky_relu(x: Float32, alpha: float = 0.01) -> Float32:
    """x where x >= 0, else alpha * x; darknet's and YOLO's alpha is 0.1."""
    return np.where(x < 0, np.float32(alpha) * x, x)


def clip(x: Float32, low: float, high: float) -> Float32:
    """x held between ``low`` and ``high``; ReLU6 is clip(x, 0, 6)."""
    return np.minimum(np.maximum(x, np.float32(low)), np.float32(high))


def exp(x: Float32) -> Float32:
    """e to the power of x; infinity where that passes float32."""
    with np.errstate(over="ignore", under="ignore"):
        return np.exp(x)


def tanh(x: Float32) -> Float32:
    """(exp(x) - exp(-x)) / (exp(x) + exp(-x))."""
    return np.tanh(x)


def softmax(x: Float32, axis: int) -> Float32:
    """exp(x) / sum of exp(x) along ``axis``, written so that exp never overflows."""
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    y: Float32 = e / e.sum(axis=axis, keepdims=True)
    return y


def sigmoid(x: Float32) -> Float32:
    """1 / (1 + exp(-x)), written so that exp never overflows."""
    small = np.exp(-np.abs(x))  # in (0, 1]
    y: Float32 = np.where(x < 0, small, np.float32(1)) / (1 + small)
    return y
