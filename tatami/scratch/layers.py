"""Layers: each goes forward, remembers what it must, and goes backward.

``forward`` takes x and gives y; ``backward`` takes dy, the derivative of the loss with respect to
y, leaves those with respect to the layer's parameters in ``grads``, and gives dx. It belongs to
the last forward. Arrays are of one type, float32 or, to check gradients, float64.
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
    """What a network is made of. params, grads: arrays by name, of the same names and shapes."""

    params: dict[str, Array]
    grads: dict[str, Array]

    def forward(self, x: Array, training: bool = False) -> Array: ...

    def backward(self, dy: Array) -> Array: ...


class Convolution:
    """Convolution by im2col. weight: (o, c / groups, kernel_h, kernel_w); bias: (o,).

    groups = c makes it depthwise, a window of 1 x 1 pointwise, one with dilation dilated.
    """

    def __init__(self, weight: Array, bias: Array, window: Window, groups: int = 1) -> None:
        self.params = {"weight": weight, "bias": bias}
        self.grads: dict[str, Array] = {}
        self.window, self.groups = window, groups

    def forward(self, x: Array, training: bool = False) -> Array:
        """(n, c, h, w) -> (n, o, out_h, out_w)."""
        self.x = x
        return convolve(x, self.params["weight"], self.params["bias"], self.window, self.groups)

    def backward(self, dy: Array) -> Array:
        weight = self.params["weight"]
        dx, dweight, dbias = convolve_backward(self.x, weight, dy, self.window, self.groups)
        self.grads = {"weight": dweight, "bias": dbias}
        return dx


class TransposedConvolution:
    """Transposed convolution. weight: (c, o / groups, kernel_h, kernel_w); bias: (o,).

    more: rows and columns that the output has beyond those that the window says, for a stride
    leaves open which of several sizes a convolution's input had (torch's output_padding).
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
        """(n, c, h, w) -> (n, o, (h - 1) * stride + span - before - after + more, ...)."""
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
        dx, dweight, dbias = convolve_transposed_backward(
            self.x, self.params["weight"], dy, self.window, self.groups
        )
        self.grads = {"weight": dweight, "bias": dbias}
        return dx


class MaxPooling:
    """The largest sample under the window; its index is kept, for backward and for Unpooling."""

    def __init__(self, window: Window) -> None:
        self.params: dict[str, Array] = {}
        self.grads: dict[str, Array] = {}
        self.window = window

    def forward(self, x: Array, training: bool = False) -> Array:
        """(n, c, h, w) -> (n, c, out_h, out_w)."""
        self.shape = x.shape
        y, self.indices = max_pool_with_indices(x, self.window)
        return y

    def backward(self, dy: Array) -> Array:
        return max_pool_backward(dy, self.indices, self.shape)


class AveragePooling:
    """The mean under the window, padding left out."""

    def __init__(self, window: Window) -> None:
        self.params: dict[str, Array] = {}
        self.grads: dict[str, Array] = {}
        self.window = window

    def forward(self, x: Array, training: bool = False) -> Array:
        """(n, c, h, w) -> (n, c, out_h, out_w)."""
        self.shape = x.shape
        return average_pool(x, self.window)

    def backward(self, dy: Array) -> Array:
        return average_pool_backward(dy, self.shape, self.window)


class SpatialPyramidPooling:
    """As many numbers from a map of any size: what lets an affine layer follow any picture.

    levels: bins along each side, as (4, 2, 1).
    """

    def __init__(self, levels: Sequence[int]) -> None:
        self.params: dict[str, Array] = {}
        self.grads: dict[str, Array] = {}
        self.levels = tuple(levels)

    def forward(self, x: Array, training: bool = False) -> Array:
        """(n, c, h, w) -> (n, c * sum of level^2)."""
        self.shape = x.shape
        y, self.indices = spatial_pyramid_pool(x, self.levels)
        return y

    def backward(self, dy: Array) -> Array:
        return spatial_pyramid_pool_backward(dy, self.indices, self.shape)


class Unpooling:
    """Each sample back to where a max pooling found its largest, among zeros.

    V. Badrinarayanan, A. Kendall and R. Cipolla, "SegNet", 2015, section 3: a decoder's step
    upwards by the indices of the encoder's pooling.
    """

    def __init__(self, pooling: MaxPooling) -> None:
        self.params: dict[str, Array] = {}
        self.grads: dict[str, Array] = {}
        self.pooling = pooling

    def forward(self, x: Array, training: bool = False) -> Array:
        """(n, c, out_h, out_w) of the pooling -> its (n, c, h, w). The pooling went forward."""
        self.indices = self.pooling.indices
        return max_unpool(x, self.indices, self.pooling.shape)

    def backward(self, dy: Array) -> Array:
        return max_unpool_backward(dy, self.indices)


class Affine:
    """Fully connected: y = x weight + bias.  weight: (inputs, outputs); bias: (outputs,)."""

    def __init__(self, weight: Array, bias: Array) -> None:
        self.params = {"weight": weight, "bias": bias}
        self.grads: dict[str, Array] = {}

    def forward(self, x: Array, training: bool = False) -> Array:
        """(n, ...), of ``inputs`` numbers a picture, -> (n, outputs)."""
        self.shape = x.shape
        self.x = x.reshape(len(x), -1)  # (n, inputs)
        y: Array = self.x @ self.params["weight"] + self.params["bias"]
        return y

    def backward(self, dy: Array) -> Array:
        self.grads = {"weight": self.x.T @ dy, "bias": dy.sum(axis=0)}
        dx: Array = dy @ self.params["weight"].T
        return dx.reshape(self.shape)


class ReLU:
    """max(x, 0)."""

    def __init__(self) -> None:
        self.params: dict[str, Array] = {}
        self.grads: dict[str, Array] = {}

    def forward(self, x: Array, training: bool = False) -> Array:
        self.x = x
        return relu(x)

    def backward(self, dy: Array) -> Array:
        return relu_backward(self.x, dy)


class LeakyReLU:
    """x where x >= 0, else slope * x."""

    def __init__(self, slope: float = 0.01) -> None:
        self.params: dict[str, Array] = {}
        self.grads: dict[str, Array] = {}
        self.slope = slope

    def forward(self, x: Array, training: bool = False) -> Array:
        self.x = x
        return leaky_relu(x, self.slope)

    def backward(self, dy: Array) -> Array:
        return leaky_relu_backward(self.x, dy, self.slope)


class BatchNorm:
    """Batch normalization. scale, bias: (c,); x: (n, c, ...).

    Training normalizes by the batch's own mean and variance and lets ``mean`` and ``variance``
    follow them by ``momentum``, a share of the new; otherwise by these. The variance that is kept
    is the estimate with n - 1, the paper's Algorithm 2, line 10.
    """

    def __init__(
        self, scale: Array, bias: Array, momentum: float = 0.1, epsilon: float = 1e-5
    ) -> None:
        self.params = {"scale": scale, "bias": bias}
        self.grads: dict[str, Array] = {}
        self.mean, self.variance = np.zeros_like(scale), np.ones_like(scale)
        self.momentum, self.epsilon = momentum, epsilon

    def forward(self, x: Array, training: bool = False) -> Array:
        """Raises TatamiError where a channel of a batch to train on has a single number."""
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
        """Of the last forward that trained."""
        dx, dscale, dbias = batch_normalize_backward(self.x, self.params["scale"], dy, self.epsilon)
        self.grads = {"scale": dscale, "bias": dbias}
        return dx


class LayerNorm:
    """Layer normalization. scale, bias: the shape of x without its first axes, as (c, h, w)."""

    def __init__(self, scale: Array, bias: Array, epsilon: float = 1e-5) -> None:
        self.params = {"scale": scale, "bias": bias}
        self.grads: dict[str, Array] = {}
        self.epsilon = epsilon

    def forward(self, x: Array, training: bool = False) -> Array:
        self.x = x
        return layer_normalize(x, self.params["scale"], self.params["bias"], self.epsilon)

    def backward(self, dy: Array) -> Array:
        dx, dscale, dbias = layer_normalize_backward(self.x, self.params["scale"], dy, self.epsilon)
        self.grads = {"scale": dscale, "bias": dbias}
        return dx


class InstanceNorm:
    """Instance normalization, each map by itself. scale, bias: (c,)."""

    def __init__(self, scale: Array, bias: Array, epsilon: float = 1e-5) -> None:
        self.params = {"scale": scale, "bias": bias}
        self.grads: dict[str, Array] = {}
        self.epsilon = epsilon

    def forward(self, x: Array, training: bool = False) -> Array:
        self.x = x
        return instance_normalize(x, self.params["scale"], self.params["bias"], self.epsilon)

    def backward(self, dy: Array) -> Array:
        dx, dscale, dbias = instance_normalize_backward(
            self.x, self.params["scale"], dy, self.epsilon
        )
        self.grads = {"scale": dscale, "bias": dbias}
        return dx


class Dropout:
    """Training drops each number with probability ``ratio``, and makes up for it in the others.

    N. Srivastava et al., "Dropout", JMLR 2014; kept numbers are divided by 1 - ratio while
    training (its section 10), so that nothing is to be done afterwards.
    """

    def __init__(self, ratio: float, rng: np.random.Generator) -> None:
        if not 0 <= ratio < 1:
            raise TatamiError(f"dropout of {ratio:g}", hint="give a share from 0 to below 1")
        self.params: dict[str, Array] = {}
        self.grads: dict[str, Array] = {}
        self.ratio, self.rng = ratio, rng

    def forward(self, x: Array, training: bool = False) -> Array:
        kept = self.rng.random(x.shape) >= self.ratio if training else np.ones(x.shape, bool)
        self.factor = kept / x.dtype.type(1 - self.ratio if training else 1)
        y: Array = x * self.factor
        return y

    def backward(self, dy: Array) -> Array:
        dx: Array = dy * self.factor
        return dx


class SoftmaxCrossEntropy:
    """The loss of a classifier: the mean over a batch of -log softmax(x)[label]."""

    def forward(self, x: Array, labels: Int64) -> float:
        """x: (n, classes); labels: (n,), indices of classes. In nats.

        Raises TatamiError for a label that is no class.
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
        """(softmax(x) - one at the label) / n: (n, classes)."""
        dx = self.y.copy()
        dx[np.arange(len(dx)), self.labels] -= 1
        dx /= len(dx)
        return dx
