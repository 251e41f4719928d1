"""Xception as modified for DeepLabv3+, a classifier.

F. Chollet, "Xception: Deep Learning with Depthwise Separable Convolutions", CVPR 2017,
as modified for DeepLabv3+: L.-C. Chen et al., "Encoder-Decoder with Atrous Separable Convolution
for Semantic Image Segmentation", ECCV 2018, figure 4 ("aligned Xception").

The modifications: 16 blocks in the middle; strided separable convolutions for all pools, so that
any convolution can be made atrous; normalization and ReLU after each depthwise convolution too.
39.9 M parameters with 1000 classes. Chollet's own network is in xception_chollet.py.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from tatami.errors import TatamiError
from tatami.models.blocks import ConvNormRelu, average_bins, check_min_side, init_he, scale_channels
from tatami.models.classifier import Classifier


class Xception(Classifier):
    """The network: images (n, 3, H, W); as a backbone, ``maps`` gives two of its maps.

    output_stride: pixels of the input a sample of the last map, 32, 16 or 8: strides that would
    go beyond it become dilations of what follows (section 3.1).  middle: blocks of the middle flow.
    width: multiplies every layer's channels.  Raises TatamiError for another output stride.
    """

    min_side = 32

    def __init__(
        self,
        classes: int = 1000,
        width: float = 1.0,
        output_stride: int = 32,
        middle: int = 16,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        if output_stride not in (8, 16, 32):
            raise TatamiError(f"output_stride is {output_stride}", hint="give 8, 16 or 32")

        def channels(number: int) -> int:
            return scale_channels(number, width)

        third_stride, third_dilation = (1, 2) if output_stride == 8 else (2, 1)
        last_stride, last_dilation = (2, 1) if output_stride == 32 else (1, 2)
        dilation = third_dilation
        self.conv1 = ConvNormRelu(3, channels(32), stride=2)
        self.conv2 = ConvNormRelu(channels(32), channels(64))
        self.block1 = Block(channels(64), (channels(128),) * 3, stride=2)
        self.block2 = Block(channels(128), (channels(256),) * 3, stride=2)
        self.block3 = Block(channels(256), (channels(728),) * 3, stride=third_stride)
        self.middle = nn.Sequential(
            *(Block(channels(728), (channels(728),) * 3, dilation=dilation) for _ in range(middle))
        )
        exit_channels = (channels(728), channels(1024), channels(1024))
        self.block20 = Block(channels(728), exit_channels, last_stride, dilation)
        dilation *= last_dilation
        self.conv3 = Separable(channels(1024), channels(1536), dilation=dilation)
        self.conv4 = Separable(channels(1536), channels(1536), dilation=dilation)
        self.conv5 = Separable(channels(1536), channels(2048), dilation=dilation)
        self.low_channels, self.high_channels = channels(256), channels(2048)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(self.high_channels, classes)
        init_he(self)

    def forward(self, images: Tensor) -> Tensor:
        """(n, 3, H, W) -> logits (n, classes)."""
        _, x = self.maps(images)
        logits: Tensor = self.fc(self.dropout(average_bins(x, 1, 1).flatten(1)))
        return logits

    def maps(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Compute what a decoder reads: (n, 3, H, W) -> two maps, each after a ReLU.

        (n, low_channels, H/4, W/4), where block 2 is about to halve it, for fine edges, and
        (n, high_channels, H/s, W/s), the last one, s the output stride. Sides are rounded up.
        """
        check_min_side(images, self.min_side)
        x = self.block1(self.conv2(self.conv1(images)))  # (n, 128, H/4, W/4)
        low = F.relu(self.block2.before_the_stride(x))  # (n, 256, H/4, W/4)
        x = self.block2.after(low, x)  # (n, 256, H/8, W/8)
        x = self.middle(self.block3(x))  # (n, 728, H/16, W/16)
        x = F.relu(self.block20(x))  # (n, 1024, H/s, W/s)
        for layer in (self.conv3, self.conv4, self.conv5):
            x = F.relu(layer(x))
        return low, x


class Block(nn.Module):
    """ReLU and separable convolution, three times, and a shortcut around all of it.

    (n, inputs, h, w) -> (n, channels[2], ceil(h / stride), ceil(w / stride)): the third convolution
    has the stride. Where the shape changes, the shortcut is a 1x1 convolution.
    """

    def __init__(
        self, inputs: int, channels: tuple[int, int, int], stride: int = 1, dilation: int = 1
    ) -> None:
        super().__init__()
        first, second, third = channels
        self.conv1 = Separable(inputs, first, dilation=dilation)
        self.conv2 = Separable(first, second, dilation=dilation)
        self.conv3 = Separable(second, third, stride, dilation)
        self.shortcut: nn.Sequential | None = None
        if inputs != third or stride > 1:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, third, kernel_size=1, stride=stride, bias=False),
                nn.BatchNorm2d(third),
            )

    def forward(self, x: Tensor) -> Tensor:
        """Compute the layers' result, whose shape the class states."""
        return self.after(F.relu(self.before_the_stride(x)), x)

    def before_the_stride(self, x: Tensor) -> Tensor:
        """Compute the first two convolutions: (n, inputs, h, w) -> (n, channels[1], h, w)."""
        y: Tensor = self.conv2(F.relu(self.conv1(F.relu(x))))
        return y

    def after(self, activated: Tensor, x: Tensor) -> Tensor:
        """Compute the third convolution of what two gave, ReLU done, and the shortcut of x."""
        y: Tensor = self.conv3(activated)
        return y + (x if self.shortcut is None else self.shortcut(x))


class Separable(nn.Module):
    """Depthwise 3x3, normalize, ReLU, pointwise, normalize: (n, inputs, h, w) -> (n, outputs, ...).

    Padding keeps the size, but for the stride.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(
            inputs, inputs, 3, stride, dilation, dilation, groups=inputs, bias=False
        )
        self.norm1 = nn.BatchNorm2d(inputs)
        self.pointwise = nn.Conv2d(inputs, outputs, kernel_size=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the layers' result, whose shape the class states."""
        x = F.relu(self.norm1(self.depthwise(x)))
        y: Tensor = self.norm2(self.pointwise(x))
        return y
