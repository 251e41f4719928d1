"""A siamese network on four small convolutions, a matcher.

O. Vinyals, C. Blundell, T. Lillicrap, K. Kavukcuoglu and D. Wierstra, "Matching Networks for One
Shot Learning", NIPS 2016, section 4.1.1: four times a 3x3 convolution of 64 filters, batch
normalization, ReLU and a 2x2 pool, of 28x28. It is compared as in siamese.py, and its last layer,
256 numbers that are linear in what the convolutions make, carries the weights of the distance.
"""

from __future__ import annotations

from torch import Tensor, nn

from tatami.models.blocks import scale_channels
from tatami.models.matcher import Matcher, flat_length
from tatami.types import Size


class SiameseConv4(Matcher):
    """The twin: images (n, 3, H, W), sides from 16 on -> embeddings (n, 256).

    width: multiplies every layer's channels.
    """

    min_side = 16

    def __init__(self, size: Size, width: float = 1.0) -> None:
        super().__init__(size)
        layers: list[nn.Module] = []
        inputs, filters = 3, scale_channels(64, width)
        for _ in range(4):
            layers += [
                nn.Conv2d(inputs, filters, kernel_size=3, padding=1, bias=False),
                nn.BatchNorm2d(filters),
                nn.ReLU(),
                nn.MaxPool2d(2),
            ]
            inputs = filters
        self.features = nn.Sequential(*layers)
        length = flat_length(self.features, size, self.min_side)
        self.embedding = nn.Linear(length, scale_channels(256, width))
        nn.init.normal_(self.embedding.weight, std=0.02)  # distances begin near the even one

    def forward(self, images: Tensor) -> Tensor:
        """(n, 3, H, W) -> embeddings (n, 256). Raises TatamiError for another size."""
        self.check_size(images)
        x: Tensor = self.embedding(self.features(images).flatten(1))
        return x
