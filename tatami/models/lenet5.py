"""LeNet-5, a classifier.

Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, "Gradient-Based Learning Applied to
Document Recognition", Proceedings of the IEEE 86, 1998, section II.B.

The paper's layers C1 to F6, with their 60,000 trainable numbers for one channel of 32x32: also the
trainable subsampling of S2 and S4, and Table I, which says which maps C3 sees. Three things differ.
Pictures have three channels, unless ``channels`` says one. The squashing function is tanh itself:
its factors A and S (appendix A) are taken up by the weights around it. And the output is a layer of
trained weights under a softmax: the distance of the paper's radial basis functions to a prototype w
is |x|^2 - 2 w x + |w|^2, of which the softmax does not see the first part.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tatami.models.blocks import average_bins, check_min_side, scale_channels
from tatami.models.classifier import Classifier

TABLE = (
    *((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (4, 5, 0), (5, 0, 1)),
    *((0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (3, 4, 5, 0), (4, 5, 0, 1), (5, 0, 1, 2)),
    *((0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5), (0, 1, 2, 3, 4, 5)),
)
"""Table I: the maps of S2 that each of the 16 maps of C3 sees."""


class LeNet5(Classifier):
    """The network: images (n, channels, H, W), 32x32 or larger.

    Of a larger picture it makes several answers in F6's place, as section VII's replicated
    networks do; here C5's maps are averaged. width: multiplies every layer's maps.
    """

    min_side = 32

    def __init__(self, classes: int = 10, width: float = 1.0, channels: int = 3) -> None:
        super().__init__()
        first, second = scale_channels(6, width), scale_channels(16, width)
        third, fourth = scale_channels(120, width), scale_channels(84, width)
        self.c1 = nn.Conv2d(channels, first, kernel_size=5)
        self.s2 = Subsampling(first)
        self.c3 = PartialConvolution(first, second)
        self.s4 = Subsampling(second)
        self.c5 = nn.Conv2d(second, third, kernel_size=5)
        self.f6 = nn.Linear(third, fourth)
        self.output = nn.Linear(fourth, classes)
        for layer in (self.c1, self.c5, self.f6):
            nn.init.xavier_uniform_(layer.weight)

    def forward(self, images: Tensor) -> Tensor:
        """(n, channels, H, W) -> logits (n, classes)."""
        check_min_side(images, self.min_side)
        x = torch.tanh(self.c1(images))  # (n, 6, 28, 28) of 32x32
        x = torch.tanh(self.s2(x))  # (n, 6, 14, 14)
        x = torch.tanh(self.c3(x))  # (n, 16, 10, 10)
        x = torch.tanh(self.s4(x))  # (n, 16, 5, 5)
        x = average_bins(torch.tanh(self.c5(x)), 1, 1).flatten(1)  # (n, 120)
        x = torch.tanh(self.f6(x))  # (n, 84)
        logits: Tensor = self.output(x)
        return logits


class Subsampling(nn.Module):
    """S2 and S4: the mean of 2x2 samples, times a trained number a map, plus another.

    (n, c, h, w) -> (n, c, h // 2, w // 2).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(2)
        self.line = nn.Conv2d(channels, channels, kernel_size=1, groups=channels)
        nn.init.ones_(self.line.weight)
        assert self.line.bias is not None
        nn.init.zeros_(self.line.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the layers' result, whose shape the class states."""
        y: Tensor = self.line(self.pool(x))
        return y


class PartialConvolution(nn.Module):
    """C3: a 5x5 convolution each of whose maps sees some of the maps before, by Table I.

    (n, inputs, h, w) -> (n, outputs, h - 4, w - 4). weight: (connections, 5, 5), only the kernels
    that there are. With other counts of maps than the paper's 6 and 16 the table repeats.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.shape = (outputs, inputs, 5, 5)
        places = [
            output * inputs + source
            for output in range(outputs)
            for source in range(inputs)
            if source % 6 in TABLE[output % len(TABLE)]
        ]
        # (outputs * inputs, connections): a product puts every kernel where it belongs, exactly.
        place = torch.zeros(outputs * inputs, len(places))
        place[places, range(len(places))] = 1
        self.register_buffer("place", place, persistent=False)
        self.place: Tensor
        spread = (6 / (25 * len(places) * (1 / inputs + 1 / outputs))) ** 0.5  # Xavier's
        self.weight = nn.Parameter(torch.empty(len(places), 5, 5).uniform_(-spread, spread))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Compute the layers' result, whose shape the class states."""
        weight = (self.place @ self.weight.view(-1, 25)).view(self.shape)
        return nn.functional.conv2d(x, weight, self.bias)
