"""The siamese network for one-shot recognition, a matcher.

G. Koch, R. Zemel and R. Salakhutdinov, "Siamese Neural Networks for One-shot Image Recognition",
ICML Deep Learning Workshop 2015, figure 4.

Four convolutions, each with ReLU, the first three with a pool, and a fully connected layer of 4,096
sigmoids, of 105x105. Two things differ. Pictures have three channels. And the probability that two
pictures show the same is sigmoid(4 - sum |f - f'|), where f is a sigmoid times its trained weight:
of the paper's weights alpha the sign is lost, so that more difference is never taken for likeness,
and its bias is the 4, which the trained weights scale.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tatami.models.blocks import scale_channels
from tatami.models.matcher import Matcher, flat_length
from tatami.rules.matching import EVEN
from tatami.types import Size

LAYERS = ((64, 10), (128, 7), (128, 4), (256, 4))
"""Filters and their side of each convolution."""


class Siamese(Matcher):
    """The twin: images (n, 3, H, W), sides from 65 on -> embeddings (n, 4096).

    width: multiplies every layer's channels.
    """

    min_side = 65

    def __init__(self, size: Size, width: float = 1.0) -> None:
        super().__init__(size)
        layers: list[nn.Module] = []
        inputs = 3
        for number, (filters, side) in enumerate(LAYERS):
            outputs = scale_channels(filters, width)
            layers += [nn.Conv2d(inputs, outputs, side), nn.ReLU()]
            if number < 3:
                layers.append(nn.MaxPool2d(2))
            inputs = outputs
        self.features = nn.Sequential(*layers)
        numbers = scale_channels(4096, width)
        self.sigmoids = nn.Linear(flat_length(self.features, size, self.min_side), numbers)
        self.weight = nn.Parameter(torch.full((numbers,), 4 * EVEN / numbers))
        for layer in self.modules():  # section 3.2, but for convolutions' deviation of 0.01
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> Tensor:
        """(n, 3, H, W) -> embeddings (n, 4096). Raises TatamiError for another size."""
        self.check_size(images)
        x: Tensor = torch.sigmoid(self.sigmoids(self.features(images).flatten(1)))
        return x * self.weight
