"""AlexNet, a classifier.

A. Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014:
the network of "ImageNet Classification with Deep Convolutional Neural Networks" (NIPS 2012) for one
processor, without its groups and its local response normalization.

Layers, names and shapes are those of torchvision's ``alexnet``, so that its weights load. 61.1 M
parameters and 0.71 G multiply-adds at 224x224.
"""

from __future__ import annotations

from torch import Tensor, nn

from tatami.models.blocks import average_bins, check_min_side, scale_channels
from tatami.models.classifier import Classifier


class AlexNet(Classifier):
    """The network: images (n, 3, H, W). Of 224x224 the last map is 6x6; others are pooled to it.

    width: multiplies every layer's channels.
    """

    min_side = 63

    def __init__(self, classes: int = 1000, width: float = 1.0, dropout: float = 0.5) -> None:
        super().__init__()
        first, second, third = (
            scale_channels(64, width),
            scale_channels(192, width),
            scale_channels(384, width),
        )
        fourth, full = scale_channels(256, width), scale_channels(4096, width)
        self.features = nn.Sequential(
            nn.Conv2d(3, first, kernel_size=11, stride=4, padding=2),  # (n, 64, 55, 55) of 224x224
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),  # (n, 64, 27, 27)
            nn.Conv2d(first, second, kernel_size=5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),  # (n, 192, 13, 13)
            nn.Conv2d(second, third, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(third, fourth, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(fourth, fourth, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),  # (n, 256, 6, 6)
        )
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(fourth * 6 * 6, full),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(full, full),
            nn.ReLU(inplace=True),
            nn.Linear(full, classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        """(n, 3, H, W) -> logits (n, classes)."""
        check_min_side(images, self.min_side)
        x = average_bins(self.features(images), 6, 6)
        logits: Tensor = self.classifier(x.flatten(1))
        return logits
