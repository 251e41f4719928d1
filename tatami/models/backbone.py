"""The two halves of a classifier that two-stage detectors use: before the regions, and after.

A trunk makes the feature map at 1/16 of the input; a tail makes features of what a region of that
map is pooled to. Both keep the classifier's own names for its weights, so that those of a trained
classifier go in as they are: ``features.0.weight`` is ``backbone.features.0.weight`` here.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

from tatami.models.blocks import average_bins, scale_channels
from tatami.models.mobilenet_v1 import MobileNetV1
from tatami.models.resnet import ResNet
from tatami.models.vgg import VGG, D
from tatami.types import Size


class Backbone(nn.Module):
    """Both halves. Abstract.

    bins: what a region is pooled to.  channels: of the feature map.  outputs: of the tail.
    trunk_parts: how the names of the trunk's weights begin.
    """

    trunk_parts: tuple[str, ...]
    bins: Size
    channels: int
    outputs: int

    @abstractmethod
    def trunk(self, images: Tensor) -> Tensor:
        """(n, 3, H, W) -> the feature map (n, channels, H / 16, W / 16)."""

    @abstractmethod
    def tail(self, pooled: Tensor) -> Tensor:
        """(k, channels, bins.height, bins.width) -> (k, outputs)."""


class VGGBackbone(Backbone):
    """To the last map before the last pool, and fc6 and fc7 (Girshick 2015, section 2.2)."""

    trunk_parts = ("features",)
    bins = Size(7, 7)

    def __init__(self, width: float, stages: Sequence[int] = D, norm: bool = False) -> None:
        super().__init__()
        whole = VGG(1, width, stages, norm)
        self.features = whole.features[:-1]
        self.classifier = whole.classifier[:-1]
        self.channels = _inputs(whole.classifier[0]) // (7 * 7)
        self.outputs = _inputs(whole.classifier[-1])

    def trunk(self, images: Tensor) -> Tensor:
        """Compute the feature map of images."""
        features: Tensor = self.features(images)
        return features

    def tail(self, pooled: Tensor) -> Tensor:
        """Compute the features of pooled regions."""
        features: Tensor = self.classifier(pooled.flatten(1))
        return features


class ResNetBackbone(Backbone):
    """Three stages, and the fourth on each region (He et al. 2016, appendix A), from 7x7 bins."""

    trunk_parts = ("conv1", "bn1", "layer1", "layer2", "layer3")
    bins = Size(7, 7)

    def __init__(self, width: float, blocks: Sequence[int], bottleneck: bool = True) -> None:
        super().__init__()
        whole = ResNet(1, width, blocks, bottleneck)
        self.conv1, self.bn1, self.maxpool = whole.conv1, whole.bn1, whole.maxpool
        self.layer1, self.layer2 = whole.layer1, whole.layer2
        self.layer3, self.layer4 = whole.layer3, whole.layer4
        first = whole.layer4[0].get_submodule("conv1")
        assert isinstance(first, nn.Conv2d)
        self.channels = first.in_channels
        self.outputs = _inputs(whole.fc)

    def trunk(self, images: Tensor) -> Tensor:
        """Compute the feature map of images."""
        x = self.maxpool(F.relu(self.bn1(self.conv1(images)), inplace=True))
        features: Tensor = self.layer3(self.layer2(self.layer1(x)))
        return features

    def tail(self, pooled: Tensor) -> Tensor:
        """Compute the features of pooled regions."""
        return average_bins(self.layer4(pooled), 1, 1).flatten(1)


class MobileNetV1Backbone(Backbone):
    """To the last map of stride 16, and the last two separable convolutions on each region."""

    trunk_parts = tuple(f"features.{index}" for index in range(12))
    bins = Size(7, 7)

    def __init__(self, width: float) -> None:
        super().__init__()
        whole = MobileNetV1(1, width)
        self.features = whole.features
        self.channels = scale_channels(512, width)
        self.outputs = _inputs(whole.fc)

    def trunk(self, images: Tensor) -> Tensor:
        """Compute the feature map of images."""
        features: Tensor = self.features[:-2](images)
        return features

    def tail(self, pooled: Tensor) -> Tensor:
        """Compute the features of pooled regions."""
        return average_bins(self.features[-2:](pooled), 1, 1).flatten(1)


def _inputs(layer: nn.Module) -> int:
    assert isinstance(layer, nn.Linear)
    return layer.in_features


BACKBONES: dict[str, Callable[[float], Backbone]] = {
    "vgg16": VGGBackbone,
    "vgg16-bn": partial(VGGBackbone, norm=True),
    "resnet18": partial(ResNetBackbone, blocks=(2, 2, 2, 2), bottleneck=False),
    "resnet50": partial(ResNetBackbone, blocks=(3, 4, 6, 3)),
    "resnet101": partial(ResNetBackbone, blocks=(3, 4, 23, 3)),
    "mobilenet-v1": MobileNetV1Backbone,
}
"""Each takes ``(width)``."""


def bins_of(name: str) -> Size:
    """Give what a region is pooled to for a backbone of the table."""
    maker = BACKBONES[name]
    kind = maker.func if isinstance(maker, partial) else maker
    bins: Size = kind.bins  # type: ignore[union-attr]
    return bins
