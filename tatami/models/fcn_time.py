"""FCN over time, a recognizer of sounds and a classifier of series.

Z. Wang, W. Yan and T. Oates, "Time Series Classification from Scratch with Deep Neural Networks: A
Strong Baseline", IJCNN 2017, section II.B and figure 1(b): three convolutions along time, each with
batch normalization and ReLU, and the mean over all of the time.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from tatami.errors import TatamiError
from tatami.models.blocks import average_bins, init_he, scale_channels
from tatami.models.classifier import Classifier


class FcnTime(Classifier):
    """Features (n, 1, frames, features) to logits (n, classes): what a frame holds is its channels.

    A convolution along time is one whose kernel is as wide as the map. Such a network is not tied
    to a length of time.

    Args:
        classes: How many classes.
        width: Multiplies every layer's channels.
        features: Numbers of a frame.
        dropout: Before the last layer; the paper has none.
    """

    min_side = 1
    layers = ((128, 8), (256, 5), (128, 3))
    """Channels and frames of the kernel, layer by layer."""

    def __init__(
        self, classes: int = 12, width: float = 1.0, features: int = 10, dropout: float = 0.2
    ) -> None:
        super().__init__()
        self.features = features
        inputs, across = 1, features
        for index, (channels, length) in enumerate(self.layers, start=1):
            outputs = scale_channels(channels, width)
            kernel, padding = (length, across), (length // 2, 0)
            conv = nn.Conv2d(inputs, outputs, kernel, padding=padding, bias=False)
            self.add_module(f"conv{index}", conv)
            self.add_module(f"norm{index}", nn.BatchNorm2d(outputs))
            inputs, across = outputs, 1
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(inputs, classes)
        init_he(self)

    def forward(self, images: Tensor) -> Tensor:
        """(n, 1, frames, features) -> logits (n, classes).

        Raises:
            TatamiError: For another number of features.
        """
        frames, features = images.shape[-2:]
        if features != self.features:
            raise TatamiError(
                f"{features} features of {frames} frames do not fit a network of {self.features}",
                hint="a network over time is made for its number of features: train another one",
            )
        x = images
        for index in range(1, len(self.layers) + 1):
            conv, norm = getattr(self, f"conv{index}"), getattr(self, f"norm{index}")
            x = F.relu(norm(conv(x)))  # (n, channels, frames, 1)
        logits: Tensor = self.fc(self.dropout(average_bins(x, 1, 1).flatten(1)))
        return logits
