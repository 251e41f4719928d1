"""VGG, classifiers.

K. Simonyan and A. Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
Recognition", ICLR 2015, Table 1: configurations D (16 layers) and E (19).

Layers, names and shapes are those of torchvision's ``vgg16``, ``vgg16_bn``, ``vgg19`` and
``vgg19_bn``, so that their weights load. 138.4 M parameters and 15.5 G multiply-adds for 16 layers
at 224x224.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from tatami.models.blocks import average_bins, check_min_side, init_he, scale_channels
from tatami.models.classifier import Classifier

D = (2, 2, 3, 3, 3)
E = (2, 2, 4, 4, 4)
"""Convolutions in each of the five stages."""
CHANNELS = (64, 128, 256, 512, 512)
"""Those of each stage."""


class VGG(Classifier):
    """The network: images (n, 3, H, W). Of 224x224 the last map is 7x7; others are pooled to it.

    norm: batch normalization after every convolution, which the paper did not know.
    width: multiplies every layer's channels.
    """

    min_side = 32

    def __init__(
        self,
        classes: int = 1000,
        width: float = 1.0,
        stages: Sequence[int] = D,
        norm: bool = False,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        full = scale_channels(4096, width)
        self.features = convolutions(stages, width, norm)  # (n, 512, H / 32, W / 32)
        self.classifier = nn.Sequential(
            nn.Linear(scale_channels(CHANNELS[-1], width) * 7 * 7, full),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(full, full),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(full, classes),
        )
        init_he(self)

    def forward(self, images: Tensor) -> Tensor:
        """(n, 3, H, W) -> logits (n, classes)."""
        check_min_side(images, self.min_side)
        x = average_bins(self.features(images), 7, 7)
        logits: Tensor = self.classifier(x.flatten(1))
        return logits


def convolutions(stages: Sequence[int], width: float, norm: bool) -> nn.Sequential:
    """Make the layers up to the last pool: (n, 3, H, W) -> (n, 512, H / 32, W / 32).

    A max pool ends each stage and halves the sides. The other arguments are those of ``VGG``.
    """
    layers: list[nn.Module] = []
    inputs = 3
    for count, channels in zip(stages, CHANNELS, strict=True):
        layers += stage(inputs, scale_channels(channels, width), count, norm)
        layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
        inputs = scale_channels(channels, width)
    return nn.Sequential(*layers)


def stage(inputs: int, outputs: int, convolutions: int, norm: bool) -> list[nn.Module]:
    """Make one stage without its pool: 3x3 convolutions that keep the map's size."""
    layers: list[nn.Module] = []
    for index in range(convolutions):
        layers.append(nn.Conv2d(outputs if index else inputs, outputs, kernel_size=3, padding=1))
        if norm:
            layers.append(nn.BatchNorm2d(outputs))
        layers.append(nn.ReLU(inplace=True))
    return layers
