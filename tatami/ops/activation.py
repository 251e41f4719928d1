"""Activations, sample by sample: any shape in, the same shape out."""

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


def sigmoid(x: Float32) -> Float32:
    """1 / (1 + exp(-x)), written so that exp never overflows."""
    small = np.exp(-np.abs(x))  # in (0, 1]
    y: Float32 = np.where(x < 0, small, np.float32(1)) / (1 + small)
    return y
