"""Layers: each goes forward, remembers what it must, and goes backward.

``forward`` takes x and gives y; ``backward`` takes dy, the derivative of the loss with respect to
y, leaves those with respect to the layer's parameters in ``grads``, and gives dx. It belongs to the
last forward. Arrays are of one type, float32 or, to check gradients, float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tatami.errors import TatamiError
from tatami.ops.activation import leaky_relu, leaky_relu_backward, relu, relu_backward, softmax
from tatami.ops.conv import convolve, convolve_backward
from tatami.ops.conv_transpose import convolve_transposed, convolve_transposed_backward
from tatami.ops.norm import (
    batch_normalize,
    batch_normalize_backward,
    batch_normalize_training,
    instance_normalize,
    instance_normalize_backward,
    layer_normalize,
    layer_normalize_backward,
)
from tatami.ops.pool import (
    average_pool,
    average_pool_backward,
    max_pool_backward,
    max_pool_with_indices,
    max_unpool,
    max_unpool_backward,
)
from tatami.ops.spatial_pyramid import spatial_pyramid_pool, spatial_pyramid_pool_backward
from tatami.ops.window import Window
from tatami.types import Int64

Array = NDArray[Any]


class Layer(Protocol):
    """One layer of a network; ``params`` and ``grads`` have arrays of the same names and shapes."""

    params: dict[str, Array]
    grads: dict[str, Array]

    def forward(self, x: Array, training: bool = False) -> Array:
        """Compute y from x."""
        ...

    def backward(self, dy: Array) -> Array:
        """Compute dx from dy, and leave the gradients of the parameters in ``grads``."""
        ...


class Convolution:
    """Convolution by im2col.

    groups = c makes it depthwise, a window of 1 x 1 pointwise, one with dilation dilated.

    Args:
        weight: (o, c / groups, kernel_h, kernel_w).
        bias: (o,).
        window: Where the kernel lies.
        groups: How many parts the channels are divided into.
    """

    def __init__(self, weight: Array, bias: Array, window: Window, groups: int = 1) -> None:
        self.params = {"weight": weight, "bias": bias}
        self.grads: dict[str, Array] = {}
        self.window, self.groups = window, groups

    def forward(self, x: Array, training: bool = False) -> Array:
        """Convolve (n, c, h, w) to (n, o, out_h, out_w)."""
        self.x = x
        return convolve(x, self.params["weight"], self.params["bias"], self.window, self.groups)

    def backward(self, dy: Array) -> Array:
        """Compute dx, and the gradients of weight and bias."""
        weight = self.params["weight"]
        dx, dweight, dbias = convolve_backward(self.x, weight, dy, self.window, self.groups)
        self.grads = {"weight": dweight, "bias": dbias}
        return dx


class TransposedConvolution:
    """Transposed convolution.

    Args:
        weight: (c, o / groups, kernel_h, kernel_w).
        bias: (o,).
        window: Where the kernel lies.
        groups: How many parts the channels are divided into.
        more: Rows and columns that the output has beyond those of the window: a stride leaves open
            which of several sizes a convolution's input had (torch's output_padding).
    """

    def __init__(
        self,
        weight: Array,
        bias: Array,
        window: Window,
        groups: int = 1,
        more: tuple[int, int] = (0, 0),
    ) -> None:
        self.params = {"weight": weight, "bias": bias}
        self.grads: dict[str, Array] = {}
        self.window, self.groups, self.more = window, groups, more

    def forward(self, x: Array, training: bool = False) -> Array:
        """Spread (n, c, h, w) to (n, o, (h - 1) * stride + span - before - after + more, ...)."""
        self.x = x
        out_h, out_w = (
            (length - 1) * axis.stride + axis.span - axis.before - axis.after + more
            for length, axis, more in zip(
                x.shape[2:], (self.window.rows, self.window.columns), self.more, strict=True
            )
        )
        weight, bias = self.params["weight"], self.params["bias"]
        return convolve_transposed(x, weight, bias, self.window, (out_h, out_w), self.groups)

    def backward(self, dy: Array) -> Array:
        """Compute dx, and the gradients of weight and bias."""
        dx, dweight, dbias = convolve_transposed_backward(
            self.x, self.params["weight"], dy, self.window, self.groups
        )
        self.grads = {"weight": dweight, "bias": dbias}
        return dx


class MaxPooling:
    """Max pooling; where the largest samples lay is kept, for backward and for Unpooling.

    Args:
        window: Where it lies.
    """

    def __init__(self, window: Window) -> None:
        self.params: dict[str, Array] = {}
        self.grads: dict[str, Array] = {}
        self.window = window

    def forward(self, x: Array, training: bool = False) -> Array:
        """Pool (n, c, h, w) to (n, c, out_h, out_w)."""
        self.shape = x.shape
        y, self.indices = max_pool_with_indices(x, self.window)
        return y

    def backward(self, dy: Array) -> Array:
        """Compute dx: the largest samples get dy."""
        return max_pool_backward(dy, self.indices, self.shape)


class AveragePooling:
    """Average pooling, padding left out.

    Args:
        window: Where it lies.
    """

    def __init__(self, window: Window) -> None:
        self.params: dict[str, Array] = {}
        self.grads: dict[str, Array] = {}
        self.window = window

    def forward(self, x: Array, training: bool = False) -> Array:
        """Pool (n, c, h, w) to (n, c, out_h, out_w)."""
        self.shape = x.shape
        return average_pool(x, self.window)

    def backward(self, dy: Array) -> Array:
        """Compute dx: all samples of a place get an equal share."""
        return average_pool_backward(dy, self.shape, self.window)


class SpatialPyramidPooling:
    """The same number of outputs from a map of any size: an affine layer can follow any picture.

    Args:
        levels: Bins along each side, as (4, 2, 1).
    """

    def __init__(self, levels: Sequence[int]) -> None:
        self.params: dict[str, Array] = {}
        self.grads: dict[str, Array] = {}
        self.levels = tuple(levels)

    def forward(self, x: Array, training: bool = False) -> Array:
        """Pool (n, c, h, w) to (n, c * sum of level^2)."""
        self.shape = x.shape
        y, self.indices = spatial_pyramid_pool(x, self.levels)
        return y

    def backward(self, dy: Array) -> Array:
        """Compute dx: the largest samples get dy."""
        return spatial_pyramid_pool_backward(dy, self.indices, self.shape)


class Unpooling:
    """Each sample back to where a max pooling found its largest, among zeros.

    Args:
        pooling: The pooling, which has gone forward.

    Source:
        V. Badrinarayanan, A. Kendall and R. Cipolla, "SegNet", 2015, section 3: a decoder's step
        upwards by the indices of the encoder's pooling.
    """

    def __init__(self, pooling: MaxPooling) -> None:
        self.params: dict[str, Array] = {}
        self.grads: dict[str, Array] = {}
        self.pooling = pooling

    def forward(self, x: Array, training: bool = False) -> Array:
        """Unpool (n, c, out_h, out_w) of the pooling to its (n, c, h, w)."""
        self.indices = self.pooling.indices
        return max_unpool(x, self.indices, self.pooling.shape)

    def backward(self, dy: Array) -> Array:
        """Compute dx: dy where the samples went."""
        return max_unpool_backward(dy, self.indices)


class Affine:
    """Fully connected: y = x weight + bias.

    Args:
        weight: (inputs, outputs).
        bias: (outputs,).
    """

    def __init__(self, weight: Array, bias: Array) -> None:
        self.params = {"weight": weight, "bias": bias}
        self.grads: dict[str, Array] = {}

    def forward(self, x: Array, training: bool = False) -> Array:
        """Map (n, ...), ``inputs`` numbers a picture, to (n, outputs)."""
        self.shape = x.shape
        self.x = x.reshape(len(x), -1)  # (n, inputs)
        y: Array = self.x @ self.params["weight"] + self.params["bias"]
        return y

    def backward(self, dy: Array) -> Array:
        """Compute dx, and the gradients of weight and bias."""
        self.grads = {"weight": self.x.T @ dy, "bias": dy.sum(axis=0)}
        dx: Array = dy @ self.params["weight"].T
        return dx.reshape(self.shape)


class ReLU:
    """The activation max(x, 0)."""

    def __init__(self) -> None:
        self.params: dict[str, Array] = {}
        self.grads: dict[str, Array] = {}

    def forward(self, x: Array, training: bool = False) -> Array:
        """Compute max(x, 0)."""
        self.x = x
        return relu(x)

    def backward(self, dy: Array) -> Array:
        """Compute dx: dy where x > 0."""
        return relu_backward(self.x, dy)


class LeakyReLU:
    """The activation x where x >= 0, else slope * x.

    Args:
        slope: Of what is below 0.
    """

    def __init__(self, slope: float = 0.01) -> None:
        self.params: dict[str, Array] = {}
        self.grads: dict[str, Array] = {}
        self.slope = slope

    def forward(self, x: Array, training: bool = False) -> Array:
        """Compute x where x >= 0, else slope * x."""
        self.x = x
        return leaky_relu(x, self.slope)

    def backward(self, dy: Array) -> Array:
        """Compute dx: dy where x > 0, else slope * dy."""
        return leaky_relu_backward(self.x, dy, self.slope)


class BatchNorm:
    """Batch normalization of (n, c, ...).

    Training normalizes by the batch's own mean and variance and lets ``mean`` and ``variance``
    follow them by ``momentum``; otherwise ``mean`` and ``variance`` are used. The variance that is
    kept is the estimate with n - 1, the paper's Algorithm 2, line 10.

    Args:
        scale: (c,).
        bias: (c,).
        momentum: The share of the new in ``mean`` and ``variance``, in [0, 1].
        epsilon: Added to the variance.
    """

    def __init__(
        self, scale: Array, bias: Array, momentum: float = 0.1, epsilon: float = 1e-5
    ) -> None:
        self.params = {"scale": scale, "bias": bias}
        self.grads: dict[str, Array] = {}
        self.mean, self.variance = np.zeros_like(scale), np.ones_like(scale)
        self.momentum, self.epsilon = momentum, epsilon

    def forward(self, x: Array, training: bool = False) -> Array:
        """Normalize each channel.

        Raises:
            TatamiError: Where a channel of a batch to train on has a single number.
        """
        scale, bias = self.params["scale"], self.params["bias"]
        if not training:
            maps = x.reshape(*x.shape[:2], -1, 1)
            y = batch_normalize(maps, scale, bias, self.mean, self.variance, self.epsilon)
            return y.reshape(x.shape)
        count = x.size // x.shape[1]
        if count < 2:
            raise TatamiError("one number has no variance", hint="train on larger batches")
        self.x = x
        y, mean, variance = batch_normalize_training(x, scale, bias, self.epsilon)
        self.mean = self.mean + self.momentum * (mean - self.mean)
        estimate = variance * (count / (count - 1))
        self.variance = self.variance + self.momentum * (estimate - self.variance)
        return y

    def backward(self, dy: Array) -> Array:
        """Compute dx of the last forward that trained, and the gradients of scale and bias."""
        dx, dscale, dbias = batch_normalize_backward(self.x, self.params["scale"], dy, self.epsilon)
        self.grads = {"scale": dscale, "bias": dbias}
        return dx


class LayerNorm:
    """Layer normalization.

    Args:
        scale: The shape of x without its first axes, as (c, h, w).
        bias: The same shape.
        epsilon: Added to the variance.
    """

    def __init__(self, scale: Array, bias: Array, epsilon: float = 1e-5) -> None:
        self.params = {"scale": scale, "bias": bias}
        self.grads: dict[str, Array] = {}
        self.epsilon = epsilon

    def forward(self, x: Array, training: bool = False) -> Array:
        """Normalize each picture."""
        self.x = x
        return layer_normalize(x, self.params["scale"], self.params["bias"], self.epsilon)

    def backward(self, dy: Array) -> Array:
        """Compute dx, and the gradients of scale and bias."""
        dx, dscale, dbias = layer_normalize_backward(self.x, self.params["scale"], dy, self.epsilon)
        self.grads = {"scale": dscale, "bias": dbias}
        return dx


class InstanceNorm:
    """Instance normalization, each map by itself.

    Args:
        scale: (c,).
        bias: (c,).
        epsilon: Added to the variance.
    """

    def __init__(self, scale: Array, bias: Array, epsilon: float = 1e-5) -> None:
        self.params = {"scale": scale, "bias": bias}
        self.grads: dict[str, Array] = {}
        self.epsilon = epsilon

    def forward(self, x: Array, training: bool = False) -> Array:
        """Normalize each map."""
        self.x = x
        return instance_normalize(x, self.params["scale"], self.params["bias"], self.epsilon)

    def backward(self, dy: Array) -> Array:
        """Compute dx, and the gradients of scale and bias."""
        dx, dscale, dbias = instance_normalize_backward(
            self.x, self.params["scale"], dy, self.epsilon
        )
        self.grads = {"scale": dscale, "bias": dbias}
        return dx


class Dropout:
    """Training drops each number with probability ``ratio``, and makes up for it in the others.

    Kept numbers are divided by 1 - ratio while training (section 10), so that nothing is to be done
    afterwards.

    Args:
        ratio: In [0, 1).
        rng: What is dropped comes from it.

    Source:
        N. Srivastava et al., "Dropout", JMLR 2014.
    """

    def __init__(self, ratio: float, rng: np.random.Generator) -> None:
        if not 0 <= ratio < 1:
            raise TatamiError(
                f"the dropout ratio is {ratio:g}", hint="give a share from 0 to below 1"
            )
        self.params: dict[str, Array] = {}
        self.grads: dict[str, Array] = {}
        self.ratio, self.rng = ratio, rng

    def forward(self, x: Array, training: bool = False) -> Array:
        """Drop numbers while training; pass x on otherwise."""
        kept = self.rng.random(x.shape) >= self.ratio if training else np.ones(x.shape, bool)
        self.factor = kept / x.dtype.type(1 - self.ratio if training else 1)
        y: Array = x * self.factor
        return y

    def backward(self, dy: Array) -> Array:
        """Compute dx: dropped numbers get none."""
        dx: Array = dy * self.factor
        return dx


class SoftmaxCrossEntropy:
    """The loss of a classifier: the mean over a batch of -log softmax(x)[label]."""

    def forward(self, x: Array, labels: Int64) -> float:
        """Compute the loss in nats.

        Args:
            x: (n, classes).
            labels: (n,), indices of classes.

        Raises:
            TatamiError: For a label that is no class.
        """
        known = (labels >= 0) & (labels < x.shape[1])
        if labels.shape != x.shape[:1] or not len(labels) or not known.all():
            raise TatamiError(
                f"the labels are not {len(x)} of {x.shape[1]} classes",
                hint="give each picture one label, counted from 0",
            )
        self.y, self.labels = softmax(x, 1), labels
        highest = x.max(axis=1)
        log_sum = highest + np.log(np.exp(x - highest[:, None]).sum(axis=1))
        return float((log_sum - x[np.arange(len(x)), labels]).mean())

    def backward(self) -> Array:
        """Compute (softmax(x) - one at the label) / n: (n, classes)."""
        dx = self.y.copy()
        dx[np.arange(len(dx)), self.labels] -= 1
        dx /= len(dx)
        return dx
