"""Normalization: batch, layer and instance normalization, and the Euclidean norm.

They differ in what shares a mean and a variance: all samples of a channel in a batch, all of a
picture, or all of a channel in a picture. Batch normalization takes fixed statistics or the batch's
own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tatami.errors import TatamiError
from tatami.types import Float64, Real


@dataclass(frozen=True)
class Epsilon:
    """The small number that keeps a normalization from dividing by zero, and where it is added.

    Args:
        value: The number.
        place: "variance": sqrt(variance + value), the paper's, ONNX's, torch's and Keras's way;
            "root": sqrt(variance) + value, the way of pjreddie's darknet (value 1e-6).
    """

    value: float
    place: Literal["variance", "root"] = "variance"

    @staticmethod
    def parse(text: str) -> Epsilon:
        """Read ``1e-5`` or ``inside:1e-5``.

        ``darknet`` is ``darknet:1e-6``, which is added to the square root.

        Raises:
            TatamiError: For anything else.
        """
        plain = text.strip()
        if plain == "darknet":
            return Epsilon(1e-6, "root")
        match = re.fullmatch(r"(darknet:|inside:)?(\d+(?:\.\d*)?(?:[eE]-?\d+)?)", plain)
        if match is None or not np.isfinite(float(match[2])):
            raise TatamiError(
                f"'{text}' is not an epsilon",
                hint="give inside:1e-5, or darknet for 1e-6 added to the square root",
            )
        return Epsilon(float(match[2]), "root" if match[1] == "darknet:" else "variance")

    def __str__(self) -> str:
        return f"{'darknet:' if self.place == 'root' else ''}{self.value:.6g}"

    def deviation(self, variance: Float64) -> Float64:
        """Compute what the normalization divides by; NaN where the root would be of less than 0."""
        with np.errstate(invalid="ignore"):
            if self.place == "root":
                return np.asarray(np.sqrt(variance) + self.value)
            return np.asarray(np.sqrt(variance + self.value))


def batch_normalize(
    x: NDArray[Real],
    scale: NDArray[Real],
    bias: NDArray[Real],
    mean: NDArray[Real],
    variance: NDArray[Real],
    epsilon: float = 1e-5,
) -> NDArray[Real]:
    """Compute y = scale * (x - mean) / sqrt(variance + epsilon) + bias, channel by channel.

    Args:
        x: (n, c, ...).
        scale: (c,).
        bias: (c,).
        mean: (c,).
        variance: (c,).
        epsilon: Added to the variance.

    Returns:
        x's shape.

    Source:
        S. Ioffe and C. Szegedy, "Batch Normalization", ICML 2015, Algorithm 2, line 11.
    """
    factor = scale / np.sqrt(variance + variance.dtype.type(epsilon))  # (c,)
    y: NDArray[Real] = (x - _beside(mean, x, 1)) * _beside(factor, x, 1) + _beside(bias, x, 1)
    return y


def batch_normalize_training(
    x: NDArray[Real], scale: NDArray[Real], bias: NDArray[Real], epsilon: float = 1e-5
) -> tuple[NDArray[Real], NDArray[Real], NDArray[Real]]:
    """Normalize by the statistics of the batch itself.

    Args:
        x: (n, c, ...), also (n, c) alone.
        scale: (c,).
        bias: (c,).
        epsilon: Added to the variance.

    Returns:
        (y, mean, variance), the last two (c,). The variance is the mean square deviation, not the
        estimate with n - 1.

    Source:
        The same paper, Algorithm 1.
    """
    axes = _all_but_channels(x)
    y = _scaled(_normalized(x, axes, epsilon)[0], scale, bias, 1)
    return y, np.asarray(x.mean(axis=axes), x.dtype), np.asarray(x.var(axis=axes), x.dtype)


def batch_normalize_backward(
    x: NDArray[Real], scale: NDArray[Real], dy: NDArray[Real], epsilon: float = 1e-5
) -> tuple[NDArray[Real], NDArray[Real], NDArray[Real]]:
    """Compute the gradients of ``batch_normalize_training``, its statistics' included.

    Args:
        x: (n, c, ...).
        scale: (c,).
        dy: (n, c, ...).
        epsilon: Added to the variance.

    Returns:
        (dx, dscale, dbias).

    Source:
        The same paper, section 3.
    """
    axes = _all_but_channels(x)
    return _backward(x, _beside(scale, x, 1), dy, axes, axes, epsilon)


def normalize(
    x: NDArray[Real], axes: tuple[int, ...], epsilon: float
) -> tuple[NDArray[Real], NDArray[Real], NDArray[Real]]:
    """Normalize to mean 0 and variance 1 over some axes.

    Args:
        x: Any shape.
        axes: The axes.
        epsilon: Added to the variance.

    Returns:
        x, the mean that was taken from it and the deviation that it was divided by, both of which
        keep the axes with length 1.
    """
    mean = np.asarray(x.mean(axis=axes, keepdims=True), x.dtype)
    centered = x - mean
    variance = np.square(centered).mean(axis=axes, keepdims=True)
    deviation = np.asarray(np.sqrt(variance + epsilon), x.dtype)
    return np.asarray(centered / deviation, x.dtype), mean, deviation


def layer_normalize(
    x: NDArray[Real], scale: NDArray[Real], bias: NDArray[Real], epsilon: float = 1e-5
) -> NDArray[Real]:
    """Normalize over the last axes, those that ``scale`` has: of a map all of a picture's.

    Args:
        x: (n, ...).
        scale: The shape of x without its first axes, as (c, h, w).
        bias: The shape of ``scale``.
        epsilon: Added to the variance.

    Returns:
        x's shape.

    Source:
        J. Ba, J. Kiros and G. Hinton, "Layer Normalization", 2016, equations 3 and 4.
    """
    axes = tuple(range(x.ndim - scale.ndim, x.ndim))
    return _scaled(_normalized(x, axes, epsilon)[0], scale, bias, x.ndim - scale.ndim)


def layer_normalize_backward(
    x: NDArray[Real], scale: NDArray[Real], dy: NDArray[Real], epsilon: float = 1e-5
) -> tuple[NDArray[Real], NDArray[Real], NDArray[Real]]:
    """Compute the gradients (dx, dscale, dbias) of ``layer_normalize``."""
    first = x.ndim - scale.ndim
    axes, shared = tuple(range(first, x.ndim)), tuple(range(first))
    return _backward(x, scale, dy, axes, shared, epsilon)


def instance_normalize(
    x: NDArray[Real], scale: NDArray[Real], bias: NDArray[Real], epsilon: float = 1e-5
) -> NDArray[Real]:
    """Normalize each map by itself. ONNX InstanceNormalization.

    Args:
        x: (n, c, ...).
        scale: (c,).
        bias: (c,).
        epsilon: Added to the variance.

    Source:
        D. Ulyanov, A. Vedaldi and V. Lempitsky, "Instance Normalization", 2016, equation 2.
    """
    axes = tuple(range(2, x.ndim))
    return _scaled(_normalized(x, axes, epsilon)[0], scale, bias, 1)


def instance_normalize_backward(
    x: NDArray[Real], scale: NDArray[Real], dy: NDArray[Real], epsilon: float = 1e-5
) -> tuple[NDArray[Real], NDArray[Real], NDArray[Real]]:
    """Compute the gradients (dx, dscale, dbias) of ``instance_normalize``."""
    axes = tuple(range(2, x.ndim))
    return _backward(x, _beside(scale, x, 1), dy, axes, _all_but_channels(x), epsilon)


def root_mean_square_normalize(
    x: NDArray[Real], axes: tuple[int, ...], epsilon: float = 1e-5
) -> NDArray[Real]:
    """Divide by the root of the mean square over some axes.

    Args:
        x: Any shape.
        axes: The axes.
        epsilon: Added to the mean square.

    Source:
        B. Zhang and R. Sennrich, "Root Mean Square Layer Normalization", 2019, equation 4.
    """
    square = np.square(x).mean(axis=axes, keepdims=True)
    return np.asarray(x / np.sqrt(square + epsilon), x.dtype)


def mean_variance_normalize(x: NDArray[Real], axes: tuple[int, ...]) -> NDArray[Real]:
    """Normalize to mean 0 and variance 1 over some axes. ONNX MeanVarianceNormalization."""
    centered = x - x.mean(axis=axes, keepdims=True)
    deviation = np.sqrt(np.square(centered).mean(axis=axes, keepdims=True))
    return np.asarray(centered / (deviation + 1e-9), x.dtype)


def lp_normalize(x: NDArray[Real], axis: int, p: int) -> NDArray[Real]:
    """Divide by the sum of magnitudes (p = 1) or the Euclidean norm (2); where it is 0, give 0."""
    if p == 1:
        norm = np.abs(x).sum(axis=axis, keepdims=True)
    else:
        norm = np.sqrt(np.square(x).sum(axis=axis, keepdims=True))
    return np.asarray(np.divide(x, norm, out=np.zeros_like(x), where=norm != 0), x.dtype)


def local_response_normalize(
    x: NDArray[Real], size: int, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0
) -> NDArray[Real]:
    """Divide a sample by a power of the sum of squares of its neighbors in other channels.

    Args:
        x: (n, c, ...).
        size: Channels that are added up, those that there are not counting as 0.
        alpha: Factor of their mean.
        beta: The power.
        bias: Added to the mean.

    Returns:
        x's shape.

    Source:
        A. Krizhevsky, I. Sutskever and G. Hinton, "ImageNet Classification with Deep Convolutional
        Neural Networks", 2012, section 3.3.
    """
    return np.asarray(x * _responses(x, size, alpha, bias) ** -x.dtype.type(beta), x.dtype)


def local_response_normalize_backward(
    x: NDArray[Real],
    dy: NDArray[Real],
    size: int,
    alpha: float = 1e-4,
    beta: float = 0.75,
    bias: float = 1.0,
) -> NDArray[Real]:
    """Compute the gradient dx of ``local_response_normalize``."""
    responses = _responses(x, size, alpha, bias)
    shares = dy * x * responses ** -x.dtype.type(beta + 1)
    of_neighbors = _neighbors(shares[:, ::-1], size)[:, ::-1]
    factor = x.dtype.type(2 * alpha * beta / size)
    return np.asarray(dy * responses ** -x.dtype.type(beta) - factor * x * of_neighbors, x.dtype)


def _responses(x: NDArray[Real], size: int, alpha: float, bias: float) -> NDArray[Real]:
    mean = _neighbors(np.square(x), size) * x.dtype.type(alpha / size)
    return np.asarray(x.dtype.type(bias) + mean, x.dtype)


def _neighbors(x: NDArray[Real], size: int) -> NDArray[Real]:
    """Add up ``size`` channels around each; of an even number one more lies behind."""
    before = (size - 1) // 2
    widths = [(before, size - 1 - before) if axis == 1 else (0, 0) for axis in range(x.ndim)]
    padded = np.pad(x, widths)
    channels = x.shape[1]
    parts = [padded[:, start : start + channels] for start in range(size)]
    return np.asarray(sum(parts[1:], parts[0]), x.dtype)


def l2_norm(x: NDArray[Real], axes: tuple[int, ...]) -> NDArray[Real]:
    """Compute the square root of the sum of squares over ``axes``, which stay with the length 1."""
    return np.asarray(np.sqrt(np.square(x).sum(axis=axes, keepdims=True)), x.dtype)


def l2_norm_backward(x: NDArray[Real], y: NDArray[Real], dy: NDArray[Real]) -> NDArray[Real]:
    """Compute dy * x / y, from y = ``l2_norm(x)``; where y is 0, which has no derivative, 0."""
    share = np.divide(dy, y, out=np.zeros_like(y), where=y > 0)
    return np.asarray(x * share, x.dtype)


def _all_but_channels(x: NDArray[Real]) -> tuple[int, ...]:
    return tuple(axis for axis in range(x.ndim) if axis != 1)


def _beside(of_channels: NDArray[Real], x: NDArray[Real], axis: int) -> NDArray[Real]:
    """Shape an array of the axes of x from ``axis`` on so that it broadcasts along them."""
    return of_channels.reshape(of_channels.shape + (1,) * (x.ndim - axis - of_channels.ndim))


def _normalized(
    x: NDArray[Real], axes: tuple[int, ...], epsilon: float
) -> tuple[NDArray[Real], NDArray[Real]]:
    """Normalize x to mean 0 and variance 1 over ``axes``.

    Returns:
        x, and the deviation that it was divided by.
    """
    normal, _, deviation = normalize(x, axes, epsilon)
    return normal, deviation


def _scaled(
    normal: NDArray[Real],
    scale: NDArray[Real],
    bias: NDArray[Real],
    axis: int,
) -> NDArray[Real]:
    return np.asarray(_beside(scale, normal, axis) * normal + _beside(bias, normal, axis))


def _backward(
    x: NDArray[Real],
    scale: NDArray[Real],
    dy: NDArray[Real],
    axes: tuple[int, ...],
    shared: tuple[int, ...],
    epsilon: float,
) -> tuple[NDArray[Real], NDArray[Real], NDArray[Real]]:
    """Run back any of the three: axes share a mean and a variance, ``shared`` a scale and a bias.

    What moves the mean and what moves the variance changes nothing in the normalized values, and is
    taken out of their gradient.
    """
    normal, deviation = _normalized(x, axes, epsilon)
    dnormal = dy * scale
    moves_mean = dnormal.mean(axis=axes, keepdims=True)
    moves_variance = (dnormal * normal).mean(axis=axes, keepdims=True)
    dx = (dnormal - moves_mean - normal * moves_variance) / deviation
    dscale, dbias = (dy * normal).sum(axis=shared), dy.sum(axis=shared)
    return np.asarray(dx, x.dtype), np.asarray(dscale, x.dtype), np.asarray(dbias, x.dtype)
