"""Batch normalization as a trained network runs it: with fixed statistics."""

from __future__ import annotations

import numpy as np

from tatami.types import Float32


def batch_normalize(
    x: Float32,
    scale: Float32,
    bias: Float32,
    mean: Float32,
    variance: Float32,
    epsilon: float = 1e-5,
) -> Float32:
    """y = scale * (x - mean) / sqrt(variance + epsilon) + bias, channel by channel.

    x: (n, c, h, w); scale, bias, mean, variance: (c,). Returns (n, c, h, w).
    S. Ioffe and C. Szegedy, "Batch Normalization", ICML 2015, Algorithm 2, line 11.
    """
    factor = scale / np.sqrt(variance + np.float32(epsilon))  # (c,)
    y: Float32 = (x - mean[:, None, None]) * factor[:, None, None] + bias[:, None, None]
    return y
