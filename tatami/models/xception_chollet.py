"""Xception as Chollet published it, a classifier.

F. Chollet, "Xception: Deep Learning with Depthwise Separable Convolutions", CVPR 2017, figure 5.
22,855,952 parameters with 1000 classes, as its table 3 has them. xception.py is the deeper form
that DeepLabv3+ made of it.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from tatami.models.blocks import average_bins, check_min_side, init_he, scale_channels
from tatami.models.classifier import Classifier


class XceptionChollet(Classifier):
    """Turn images (n, 3, H, W) into logits (n, classes); the paper's input is 299x299.

    The first two convolutions are not padded, as in the author's own code, where the paper does not
    say it.

    Args:
        classes: How many classes.
        width: Multiplies every layer's channels.
        middle: Blocks of the middle flow.
        dropout: Of the features before the last layer (section 4.3).
    """

    min_side = 32

    def __init__(
        self, classes: int = 1000, width: float = 1.0, middle: int = 8, dropout: float = 0.5
    ) -> None:
        super().__init__()

        def channels(number: int) -> int:
            return scale_channels(number, width)

        self.conv1 = nn.Conv2d(3, channels(32), kernel_size=3, stride=2, bias=False)
        self.norm1 = nn.BatchNorm2d(channels(32))
        self.conv2 = nn.Conv2d(channels(32), channels(64), kernel_size=3, bias=False)
        self.norm2 = nn.BatchNorm2d(channels(64))
        self.entry = nn.Sequential(
            PoolBlock(channels(64), channels(128), channels(128), active=False),
            PoolBlock(channels(128), channels(256), channels(256)),
            PoolBlock(channels(256), channels(728), channels(728)),
        )
        self.middle = nn.Sequential(*(MiddleBlock(channels(728)) for _ in range(middle)))
        self.exit = PoolBlock(channels(728), channels(728), channels(1024))
        self.last1 = Separable(channels(1024), channels(1536))
        self.last2 = Separable(channels(1536), channels(2048))
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(channels(2048), classes)
        init_he(self)

    def forward(self, images: Tensor) -> Tensor:
        """Compute the logits (n, classes) of images (n, 3, H, W)."""
        check_min_side(images, self.min_side)
        x = F.relu(self.norm1(self.conv1(images)))  # (n, 32, 149, 149) of 299x299
        x = F.relu(self.norm2(self.conv2(x)))  # (n, 64, 147, 147)
        x = self.middle(self.entry(x))  # (n, 728, 19, 19)
        x = self.exit(x)  # (n, 1024, 10, 10)
        x = F.relu(self.last2(F.relu(self.last1(x))))  # (n, 2048, 10, 10)
        logits: Tensor = self.fc(self.dropout(average_bins(x, 1, 1).flatten(1)))
        return logits


class Separable(nn.Module):
    """Depthwise 3x3, pointwise, normalize: (n, inputs, h, w) -> (n, outputs, h, w).

    Nothing lies between the two convolutions (section 4.7).
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False)
        self.pointwise = nn.Conv2d(inputs, outputs, kernel_size=1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the layers' result, whose shape the class states."""
        y: Tensor = self.norm(self.pointwise(self.depthwise(x)))
        return y


class PoolBlock(nn.Module):
    """Two separable convolutions and a max pool, beside a 1x1 convolution with stride 2.

    (n, inputs, h, w) -> (n, outputs, ceil(h / 2), ceil(w / 2)). A ReLU comes before each of the
    two, where ``active`` is off before the second alone: the input is through one already.
    """

    def __init__(self, inputs: int, between: int, outputs: int, active: bool = True) -> None:
        super().__init__()
        self.active = active
        self.conv1 = Separable(inputs, between)
        self.conv2 = Separable(between, outputs)
        self.shortcut = nn.Sequential(
            nn.Conv2d(inputs, outputs, kernel_size=1, stride=2, bias=False),
            nn.BatchNorm2d(outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Compute the layers' result, whose shape the class states."""
        y = self.conv1(F.relu(x) if self.active else x)
        y = self.conv2(F.relu(y))
        pooled = F.max_pool2d(y, kernel_size=3, stride=2, padding=1)
        z: Tensor = pooled + self.shortcut(x)
        return z


class MiddleBlock(nn.Module):
    """ReLU and separable convolution, three times, beside the input: (n, c, h, w) as it was."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = Separable(channels, channels)
        self.conv2 = Separable(channels, channels)
        self.conv3 = Separable(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the layers' result, whose shape the class states."""
        y = self.conv1(F.relu(x))
        y = self.conv2(F.relu(y))
        z: Tensor = self.conv3(F.relu(y))
        return x + z
