"""DenseNet, classifiers.

G. Huang, Z. Liu, L. van der Maaten and K. Weinberger, "Densely Connected Convolutional
Networks", CVPR 2017, Table 1: 121, 169, 201 and 264 layers (DenseNet-BC).

Layers, names and shapes are those of torchvision's ``densenet121`` to ``densenet201``, so that
their weights load, also the files of before 2018, which write ``norm.1`` for ``norm1``. 8.0 M
parameters and 2.83 G multiply-adds for 121 layers at 224x224.

A layer normalizes what it reads, so most normalizations follow no convolution: folding makes them
depthwise convolutions of their own.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tatami.models.blocks import average_bins, check_min_side, init_he, scale_channels
from tatami.models.classifier import Classifier


class DenseNet(Classifier):
    """The network: images (n, 3, H, W).

    blocks: layers in each of the four dense blocks.  growth: the channels that a layer adds, the
    paper's k.  width: multiplies growth, and with it every layer's channels.
    """

    min_side = 32

    def __init__(
        self,
        classes: int = 1000,
        width: float = 1.0,
        blocks: Sequence[int] = (6, 12, 24, 16),
        growth: int = 32,
    ) -> None:
        super().__init__()
        added = scale_channels(growth, width)
        channels = 2 * added
        features: OrderedDict[str, nn.Module] = OrderedDict()
        features["conv0"] = nn.Conv2d(3, channels, 7, stride=2, padding=3, bias=False)
        features["norm0"] = nn.BatchNorm2d(channels)
        features["relu0"] = nn.ReLU(inplace=True)
        features["pool0"] = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)  # (n, 2k, H/4, W/4)
        for number, layers in enumerate(blocks, start=1):
            features[f"denseblock{number}"] = DenseBlock(channels, layers, added)
            channels += layers * added
            if number < len(blocks):
                features[f"transition{number}"] = Transition(channels, channels // 2)
                channels //= 2
        features["norm5"] = nn.BatchNorm2d(channels)
        self.features = nn.Sequential(features)
        self.classifier = nn.Linear(channels, classes)
        init_he(self)
        self.register_load_state_dict_pre_hook(_rename_old)  # type: ignore[no-untyped-call]

    def current_name(self, name: str) -> str:
        """``denselayer1.norm.1.weight`` is ``denselayer1.norm1.weight`` in old files."""
        return _OLD.sub(r"\1\2", name)

    def forward(self, images: Tensor) -> Tensor:
        """(n, 3, H, W) -> logits (n, classes)."""
        check_min_side(images, self.min_side)
        x = F.relu(self.features(images), inplace=True)  # (n, c, H/32, W/32)
        logits: Tensor = self.classifier(average_bins(x, 1, 1).flatten(1))
        return logits


class DenseBlock(nn.Module):
    """Layers each of which reads the block's input and all that the layers before have made.

    (n, inputs, h, w) -> (n, inputs + layers * growth, h, w).
    """

    def __init__(self, inputs: int, layers: int, growth: int) -> None:
        super().__init__()
        for index in range(layers):
            layer = DenseLayer(inputs + index * growth, growth)
            self.add_module(f"denselayer{index + 1}", layer)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the layers' result, whose shape the class states."""
        for layer in self.children():
            x = torch.cat((x, layer(x)), dim=1)
        return x


class DenseLayer(nn.Module):
    """Normalize, ReLU, 1x1 to 4 k channels, normalize, ReLU, 3x3 to k channels (section 3).

    (n, inputs, h, w) -> (n, growth, h, w).
    """

    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, 4 * growth, kernel_size=1, bias=False)
        self.norm2 = nn.BatchNorm2d(4 * growth)
        self.conv2 = nn.Conv2d(4 * growth, growth, kernel_size=3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the layers' result, whose shape the class states."""
        x = self.conv1(F.relu(self.norm1(x), inplace=True))
        y: Tensor = self.conv2(F.relu(self.norm2(x), inplace=True))
        return y


class Transition(nn.Module):
    """Normalize, ReLU, 1x1 to half of the channels, mean of 2x2: (n, c, h, w) -> half of each."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(inputs)
        self.conv = nn.Conv2d(inputs, outputs, kernel_size=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the layers' result, whose shape the class states."""
        return F.avg_pool2d(self.conv(F.relu(self.norm(x), inplace=True)), 2)


_OLD = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)")


def _rename_old(module: DenseNet, state: dict[str, Any], *_: object) -> None:
    for name in list(state):
        new = module.current_name(name)
        if new != name:
            state[new] = state.pop(name)
