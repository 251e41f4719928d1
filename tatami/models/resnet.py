"""ResNet, classifiers.

K. He, X. Zhang, S. Ren and J. Sun, "Deep Residual Learning for Image Recognition", CVPR
2016, Table 1: 18, 34, 50, 101 and 152 layers.

Layers, names and shapes are those of torchvision's ``resnet18`` to ``resnet152``, so that their
weights load: in bottlenecks the 3x3 convolution has the stride, not the 1x1 before it. 25.6 M
parameters and 4.1 G multiply-adds for 50 layers at 224x224.

For pictures of some 32 pixels the stem is that of the paper's networks for CIFAR-10 (section 4.2):
one 3x3 convolution that keeps the size, and no pool. The original stem leaves such a picture a
single cell before the last stage.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from tatami.models.blocks import average_bins, check_min_side, init_he, scale_channels
from tatami.models.classifier import Classifier


class ResNet(Classifier):
    """The network: images (n, 3, H, W).

    blocks: in each of the four stages.  bottleneck: blocks of three convolutions, whose output has
    four times the channels, rather than of two.  width: multiplies every layer's channels.
    small: whether the stem keeps the size of the picture, as section 4.2 has it.
    """

    min_side = 32

    def __init__(
        self,
        classes: int = 1000,
        width: float = 1.0,
        blocks: Sequence[int] = (3, 4, 6, 3),
        bottleneck: bool = True,
        small: bool = False,
    ) -> None:
        super().__init__()
        kind = Bottleneck if bottleneck else BasicBlock
        channels = scale_channels(64, width)
        kernel, stride = (3, 1) if small else (7, 2)
        self.conv1 = nn.Conv2d(3, channels, kernel, stride, padding=kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.maxpool = nn.Identity() if small else nn.MaxPool2d(3, stride=2, padding=1)
        first, second, third, fourth = blocks
        self.layer1 = stage(kind, channels, scale_channels(64, width), first, stride=1)
        outputs = [kind.expansion * scale_channels(own, width) for own in (64, 128, 256, 512)]
        self.layer2 = stage(kind, outputs[0], scale_channels(128, width), second, stride=2)
        self.layer3 = stage(kind, outputs[1], scale_channels(256, width), third, stride=2)
        self.layer4 = stage(kind, outputs[2], scale_channels(512, width), fourth, stride=2)
        self.fc = nn.Linear(outputs[3], classes)
        init_he(self)

    def forward(self, images: Tensor) -> Tensor:
        """(n, 3, H, W) -> logits (n, classes)."""
        check_min_side(images, self.min_side)
        x = self.maxpool(F.relu(self.bn1(self.conv1(images)), inplace=True))  # (n, 64, H/4, W/4)
        x = self.layer2(self.layer1(x))  # (n, 128, H/8, W/8), in bottlenecks four times that
        x = self.layer4(self.layer3(x))  # (n, 512, H/32, W/32); small: all four times as fine
        logits: Tensor = self.fc(average_bins(x, 1, 1).flatten(1))
        return logits


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and the shortcut around them (figure 5, left)."""

    expansion = 1

    def __init__(self, inputs: int, channels: int, stride: int, dilation: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, channels, 3, stride, dilation, dilation, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, dilation, dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = _projection(inputs, channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the layers' result, whose shape the class states."""
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)), inplace=True)


class Bottleneck(nn.Module):
    """1x1 to fewer channels, 3x3, 1x1 to four times as many, and the shortcut (figure 5, right)."""

    expansion = 4

    def __init__(self, inputs: int, channels: int, stride: int, dilation: int = 1) -> None:
        super().__init__()
        outputs = self.expansion * channels
        self.conv1 = nn.Conv2d(inputs, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, dilation, dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = _projection(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the layers' result, whose shape the class states."""
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        y = self.bn3(self.conv3(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)), inplace=True)


def stage(
    kind: type[BasicBlock] | type[Bottleneck],
    inputs: int,
    channels: int,
    blocks: int,
    stride: int,
    dilation: int = 1,
) -> nn.Sequential:
    """Blocks of (n, inputs, h, w) to (n, expansion * channels, ceil(h / stride), ceil(w / stride)).

    dilation: of the 3x3 convolutions, where a stage keeps the size of its map that had a stride.
    """
    outputs = kind.expansion * channels
    layers = [
        kind(outputs if i else inputs, channels, 1 if i else stride, dilation)
        for i in range(blocks)
    ]
    return nn.Sequential(*layers)


def _projection(inputs: int, outputs: int, stride: int) -> nn.Sequential | None:
    """Make the shortcut where shapes differ (section 3.3, option B), else None."""
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel_size=1, stride=stride, bias=False),
        nn.BatchNorm2d(outputs),
    )
