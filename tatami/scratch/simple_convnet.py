"""SimpleConvNet: convolution, ReLU, pooling, affine, ReLU, affine, softmax.

The first network of a course, as in K. Saito, "Deep Learning from Scratch", chapter 7.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tatami.ops.window import Window
from tatami.scratch.layers import (
    Affine,
    Array,
    Convolution,
    Layer,
    MaxPooling,
    ReLU,
    SoftmaxCrossEntropy,
)
from tatami.types import Int64


class SimpleConvNet:
    """A classifier of pictures (channels, rows, columns), ready to be trained.

    ``params`` holds the layers' own arrays.

    Args:
        channels: Of a picture.
        rows: Of a picture.
        columns: Of a picture.
        filters: Channels of the convolution.
        kernel: Rows and columns of its kernel.
        hidden: Outputs of the first affine layer.
        classes: Outputs of the last one.
        seed: Of the weights.
        dtype: Of all arrays.

    Source:
        K. He et al., "Delving Deep into Rectifiers", 2015, equation 10: weights are normal with a
        deviation of sqrt(2 / inputs); biases are 0.
    """

    def __init__(
        self,
        channels: int = 1,
        rows: int = 28,
        columns: int = 28,
        filters: int = 30,
        kernel: int = 5,
        hidden: int = 100,
        classes: int = 10,
        seed: int = 0,
        dtype: DTypeLike = np.float32,
    ) -> None:
        rng = np.random.default_rng(seed)

        def drawn(inputs: int, *shape: int) -> NDArray[Any]:
            return (rng.standard_normal(shape) * math.sqrt(2 / inputs)).astype(dtype)

        convolution, pooling = Window.square(kernel), Window.square(2, stride=2)
        pooled_h = pooling.rows.output(convolution.rows.output(rows))
        pooled_w = pooling.columns.output(convolution.columns.output(columns))
        taps, pooled = channels * kernel * kernel, filters * pooled_h * pooled_w
        conv1 = drawn(taps, filters, channels, kernel, kernel)
        affine1, affine2 = drawn(pooled, pooled, hidden), drawn(hidden, hidden, classes)
        self.layers: dict[str, Layer] = {
            "conv1": Convolution(conv1, np.zeros(filters, dtype), convolution),
            "relu1": ReLU(),
            "pool1": MaxPooling(pooling),
            "affine1": Affine(affine1, np.zeros(hidden, dtype)),
            "relu2": ReLU(),
            "affine2": Affine(affine2, np.zeros(classes, dtype)),
        }
        self.last = SoftmaxCrossEntropy()

    @property
    def params(self) -> dict[str, Array]:
        """Every parameter as LAYER.NAME, to be changed in place."""
        return {
            f"{layer}.{name}": array
            for layer, one in self.layers.items()
            for name, array in one.params.items()
        }

    def predict(self, images: Array, training: bool = False) -> Array:
        """Compute the logits (n, classes) of images (n, channels, rows, columns)."""
        x = images
        for layer in self.layers.values():
            x = layer.forward(x, training)
        return x

    def loss(self, images: Array, labels: Int64) -> float:
        """Compute the mean cross-entropy of a batch, in nats; labels are (n,)."""
        return self.last.forward(self.predict(images, training=True), labels)

    def gradient(self, images: Array, labels: Int64) -> tuple[float, dict[str, Array]]:
        """Compute the loss of a batch and its derivatives, by the names of ``params``."""
        loss = self.loss(images, labels)
        dy = self.last.backward()
        for layer in reversed(self.layers.values()):
            dy = layer.backward(dy)
        return loss, {
            f"{layer}.{name}": array
            for layer, one in self.layers.items()
            for name, array in one.grads.items()
        }

    def accuracy(self, images: Array, labels: Int64, batch: int = 100) -> float:
        """Compute the share of pictures whose largest output is their label's."""
        right = 0
        for first in range(0, len(images), batch):
            found = self.predict(images[first : first + batch]).argmax(axis=1)
            right += int((found == labels[first : first + batch]).sum())
        return right / len(images)
