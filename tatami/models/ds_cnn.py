"""DS-CNN, recognizers of keywords.

Y. Zhang, N. Suda, L. Lai and V. Chandra, "Hello Edge: Keyword Spotting on Microcontrollers", 2017,
section 4.4 and Table 5: a convolution over time and pitch, depthwise separable convolutions, a mean
over the whole map, one connected layer.
"""

from __future__ import annotations

from torch import Tensor, nn

from tatami.errors import TatamiError
from tatami.models.blocks import average_bins, init_he, scale_channels
from tatami.models.classifier import Classifier
from tatami.models.mobilenet_v1 import Separable


class DsCnn(Classifier):
    """The network of the small size: features (n, 1, frames, features) to logits (n, classes).

    width: multiplies every layer's channels; the paper's three sizes have 64, 172 and 276.

    Attributes:
        channels: Of every layer.
        depth: Depthwise separable convolutions.
        strides: Of the first convolution and the first separable one, (time, pitch).
    """

    min_side = 4
    channels = 64
    depth = 4
    strides = ((2, 2), 1)

    def __init__(self, classes: int = 12, width: float = 1.0, dropout: float = 0.2) -> None:
        super().__init__()
        channels = scale_channels(self.channels, width)
        first, second = self.strides
        self.conv = nn.Conv2d(1, channels, (10, 4), first, padding=(5, 1), bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.layers = nn.Sequential(
            *(Separable(channels, channels, second if i == 0 else 1) for i in range(self.depth))
        )
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(channels, classes)
        init_he(self)

    def forward(self, images: Tensor) -> Tensor:
        """(n, 1, frames, features) -> logits (n, classes).

        Raises:
            TatamiError: For fewer than 4 features or frames.
        """
        frames, features = images.shape[-2:]
        if min(frames, features) < self.min_side:
            raise TatamiError(
                f"{features} features of {frames} frames are too few for this network",
                hint=f"give at least {self.min_side} of each",
            )
        x = nn.functional.relu(self.norm(self.conv(images)))  # (n, channels, frames/2, features/2)
        x = self.layers(x)
        logits: Tensor = self.fc(self.dropout(average_bins(x, 1, 1).flatten(1)))
        return logits


class DsCnnMedium(DsCnn):
    """The network of the medium size."""

    channels = 172
    strides = ((2, 1), 2)


class DsCnnLarge(DsCnn):
    """The network of the large size."""

    channels = 276
    depth = 5
    strides = ((2, 1), 2)
