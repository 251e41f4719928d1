"""MLP, a classifier of vectors and series.

Z. Wang, W. Yan and T. Oates, "Time Series Classification from Scratch with Deep Neural Networks: A
Strong Baseline", IJCNN 2017, section II.A and figure 1(a): three connected layers of 500 with ReLU,
and dropout before each and before the last.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from tatami.errors import TatamiError
from tatami.models.blocks import init_he, scale_channels
from tatami.models.classifier import Classifier


class Mlp(Classifier):
    """Numbers (n, 1, steps, channels), all in one row, to logits (n, classes).

    Args:
        classes: How many classes.
        width: Multiplies every layer's neurons.
        numbers: Steps times channels.
        dropouts: Before each connected layer.
    """

    min_side = 1
    layers = (500, 500, 500)
    """Neurons, layer by layer."""

    def __init__(
        self,
        classes: int = 2,
        width: float = 1.0,
        numbers: int = 150,
        dropouts: tuple[float, ...] = (0.1, 0.2, 0.2, 0.3),
    ) -> None:
        super().__init__()
        self.numbers = inputs = numbers
        for index, neurons in enumerate(self.layers, start=1):
            outputs = scale_channels(neurons, width)
            self.add_module(f"dropout{index}", nn.Dropout(dropouts[index - 1]))
            self.add_module(f"fc{index}", nn.Linear(inputs, outputs))
            inputs = outputs
        self.dropout = nn.Dropout(dropouts[-1])
        self.fc = nn.Linear(inputs, classes)
        init_he(self)

    def forward(self, images: Tensor) -> Tensor:
        """(n, 1, steps, channels) -> logits (n, classes).

        Raises:
            TatamiError: For more or fewer numbers.
        """
        x = images.flatten(1)
        if x.shape[1] != self.numbers:
            steps, channels = images.shape[-2:]
            raise TatamiError(
                f"{channels} channels of {steps} steps do not fit a network of {self.numbers}",
                hint="a connected network is made for its numbers: train another one",
            )
        for index in range(1, len(self.layers) + 1):
            dropout, fc = getattr(self, f"dropout{index}"), getattr(self, f"fc{index}")
            x = F.relu(fc(dropout(x)))
        logits: Tensor = self.fc(self.dropout(x))
        return logits
