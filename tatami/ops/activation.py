"""Activations: any shape in, the same shape out; all but softmax go sample by sample."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tatami.types import Real


def relu(x: NDArray[Real]) -> NDArray[Real]:
    """Compute max(x, 0)."""
    return np.maximum(x, x.dtype.type(0))


def leaky_relu(x: NDArray[Real], alpha: float = 0.01) -> NDArray[Real]:
    """Compute x where x >= 0, else alpha * x; darknet's and YOLO's alpha is 0.1."""
    return np.where(x < 0, x.dtype.type(alpha) * x, x)


def clip(x: NDArray[Real], low: float, high: float) -> NDArray[Real]:
    """Clip x to the range from ``low`` to ``high``; ReLU6 clips it to that from 0 to 6."""
    return np.minimum(np.maximum(x, x.dtype.type(low)), x.dtype.type(high))


def exp(x: NDArray[Real]) -> NDArray[Real]:
    """Compute e to the power of x; infinity where that passes float32."""
    with np.errstate(over="ignore", under="ignore"):
        return np.exp(x)


def tanh(x: NDArray[Real]) -> NDArray[Real]:
    """Compute (exp(x) - exp(-x)) / (exp(x) + exp(-x))."""
    return np.tanh(x)


def softmax(x: NDArray[Real], axis: int) -> NDArray[Real]:
    """Compute exp(x) / sum of exp(x) along ``axis``, written so that exp never overflows."""
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    y: NDArray[Real] = e / e.sum(axis=axis, keepdims=True)
    return y


def log_softmax(x: NDArray[Real], axis: int) -> NDArray[Real]:
    """Compute log of ``softmax``, without its exp being rounded to 0."""
    held = x - x.max(axis=axis, keepdims=True)
    y: NDArray[Real] = held - np.log(np.exp(held).sum(axis=axis, keepdims=True))
    return y


def hard_max(x: NDArray[Real], axis: int) -> NDArray[Real]:
    """Give 1 at the largest sample along ``axis``, the first of equal ones, and 0 elsewhere."""
    y = np.zeros_like(x)
    np.put_along_axis(y, x.argmax(axis=axis, keepdims=True), x.dtype.type(1), axis=axis)
    return y


def sigmoid(x: NDArray[Real]) -> NDArray[Real]:
    """Compute 1 / (1 + exp(-x)), written so that exp never overflows."""
    small = np.exp(-np.abs(x))  # in (0, 1]
    y: NDArray[Real] = np.where(x < 0, small, x.dtype.type(1)) / (1 + small)
    return y


def relu_backward(x: NDArray[Real], dy: NDArray[Real]) -> NDArray[Real]:
    """Give dy where x > 0; at 0, where there is no derivative, 0."""
    return np.where(x > 0, dy, dy.dtype.type(0))


def leaky_relu_backward(x: NDArray[Real], dy: NDArray[Real], slope: float = 0.01) -> NDArray[Real]:
    """Give dy where x > 0, else slope * dy, at 0 too."""
    return np.where(x > 0, dy, dy.dtype.type(slope) * dy)


def clip_backward(x: NDArray[Real], dy: NDArray[Real], low: float, high: float) -> NDArray[Real]:
    """Give dy where low < x < high; 0 elsewhere, at both ends too."""
    inside = (x > x.dtype.type(low)) & (x < x.dtype.type(high))
    return np.where(inside, dy, dy.dtype.type(0))


def sigmoid_backward(y: NDArray[Real], dy: NDArray[Real]) -> NDArray[Real]:
    """Compute dy * y * (1 - y), from y = sigmoid(x)."""
    return np.asarray(dy * y * (1 - y), dy.dtype)


def tanh_backward(y: NDArray[Real], dy: NDArray[Real]) -> NDArray[Real]:
    """Compute dy * (1 - y^2), from y = tanh(x)."""
    return np.asarray(dy * (1 - y * y), dy.dtype)


def softmax_backward(y: NDArray[Real], dy: NDArray[Real], axis: int) -> NDArray[Real]:
    """Compute y * (dy - sum of dy * y along ``axis``), from y = softmax(x, axis)."""
    return np.asarray(y * (dy - (dy * y).sum(axis=axis, keepdims=True)), dy.dtype)


def log_softmax_backward(y: NDArray[Real], dy: NDArray[Real], axis: int) -> NDArray[Real]:
    """Compute dy - exp(y) * sum of dy along ``axis``, from y = log_softmax(x, axis)."""
    return np.asarray(dy - np.exp(y) * dy.sum(axis=axis, keepdims=True), dy.dtype)
