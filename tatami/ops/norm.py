"""Batch normalization as a trained network runs it: with fixed statistics."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tatami.errors import TatamiError
from tatami.types import Float, Float32


@dataclass(frozen=True)
class Epsilon:
    """The small number that keeps a normalization from dividing by zero, and where it is added.

    place "variance": sqrt(variance + value), the paper's, ONNX's, torch's and Keras's way.
    place "root": sqrt(variance) + value, the way of pjreddie's darknet (value 1e-6).
    """

    value: float
    place: Literal["variance", "root"] = "variance"

    @staticmethod
    def parse(text: str) -> Epsilon:
        """``1e-5`` or ``inside:1e-5``; ``darknet`` is ``darknet:1e-6``, added to the square root.

        Raises TatamiError for anything else.
        """
        plain = text.strip()
        if plain == "darknet":
            return Epsilon(1e-6, "root")
        match = re.fullmatch(r"(darknet:|inside:)?(\d+(?:\.\d*)?(?:[eE]-?\d+)?)", plain)
        if match is None or not np.isfinite(float(match[2])):
            raise TatamiError(
                f"'{text}' is not an epsilon",
                mend="give inside:1e-5, or darknet for 1e-6 added to the square root",
            )
        return Epsilon(float(match[2]), "root" if match[1] == "darknet:" else "variance")

    def __str__(self) -> str:
        return f"{'darknet:' if self.place == 'root' else ''}{self.value:.6g}"

    def deviation(self, variance: Float) -> Float:
        """What the normalization divides by; NaN where it would be a root of less than nothing."""
        with np.errstate(invalid="ignore"):
            if self.place == "root":
                return np.asarray(np.sqrt(variance) + self.value)
            return np.asarray(np.sqrt(variance + self.value))


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
