"""SPP-net, a classifier.

K. He, X. Zhang, S. Ren and J. Sun, "Spatial Pyramid Pooling in Deep Convolutional
Networks for Visual Recognition", ECCV 2014 and TPAMI 2015: ZF-5 with the pyramid 6, 3, 2, 1.

The fully connected layers read 50 bins of any map, so one set of weights takes pictures of any
size, and is trained with several in turn (section 2.3). Left out is the local response
normalization of ZF-5, which VGG's authors found not to help.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tatami.models.blocks import check_min_side, init_he, max_bins, scale_channels
from tatami.models.classifier import Classifier


class SPPNet(Classifier):
    """The network: images (n, 3, H, W) of any size: 13x13 maps of 224x224, 10x10 of 180x180.

    pyramid: bins a side on each level (section 3.1).  width: multiplies every layer's channels.
    """

    min_side = 64

    def __init__(
        self,
        classes: int = 1000,
        width: float = 1.0,
        pyramid: Sequence[int] = (6, 3, 2, 1),
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        first, second, third = (
            scale_channels(96, width),
            scale_channels(256, width),
            scale_channels(384, width),
        )
        full = scale_channels(4096, width)
        self.pyramid = tuple(pyramid)
        self.features = nn.Sequential(
            nn.Conv2d(3, first, kernel_size=7, stride=2, padding=1),  # (n, 96, 110, 110) of 224x224
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True),  # (n, 96, 55, 55)
            nn.Conv2d(first, second, kernel_size=5, stride=2, padding=1),  # (n, 256, 27, 27)
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True),  # (n, 256, 13, 13)
            nn.Conv2d(second, third, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(third, third, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(third, second, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
        )
        bins = sum(level**2 for level in self.pyramid)
        self.classifier = nn.Sequential(
            nn.Linear(second * bins, full),
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
        logits: Tensor = self.classifier(spatial_pyramid(self.features(images), self.pyramid))
        return logits


def spatial_pyramid(x: Tensor, pyramid: Sequence[int]) -> Tensor:
    """(n, c, h, w) -> (n, c * sum of level^2): the largest sample of each bin, level by level.

    Section 2.3 slides windows of ceil(h / level) samples by floor(h / level). That gives ``level``
    of them for the paper's maps, and more for others; the bins here are the same for the first and
    always ``level`` in number: floor(i h / level) to ceil((i + 1) h / level).
    """
    return torch.cat([max_bins(x, level, level).flatten(1) for level in pyramid], dim=1)
