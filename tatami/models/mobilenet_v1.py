"""MobileNet: A. Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile
Vision Applications", 2017, Table 1.

4.2 M parameters and 569 M multiply-adds at 224x224; both multipliers of section 3.3 and 3.4: the
width multiplier alpha is ``width``, the resolution multiplier rho is the input's size.
"""

from __future__ import annotations

from torch import Tensor, nn

from tatami.errors import TatamiError
from tatami.models.blocks import ConvNormRelu, average_bins, check_size, start_for_relu, wide
from tatami.models.classifier import Classifier, Ranking, cross_entropy, rankings

LAYERS = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *((512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1)),
)
"""(outputs, stride) of each depthwise separable convolution. The last stride is 2 in Table 1, but
so that its own sizes come out it must be 1."""


class MobileNetV1(Classifier):
    """The network: images (n, 3, H, W). width: multiplies every layer's channels (section 3.3)."""

    smallest = 32

    def __init__(self, classes: int = 1000, width: float = 1.0, dropout: float = 0.001) -> None:
        super().__init__()
        channels = wide(32, width)
        layers: list[nn.Module] = [ConvNormRelu(3, channels, stride=2)]  # (n, 32, H/2, W/2)
        for outputs, stride in LAYERS:
            layers.append(Separable(channels, wide(outputs, width), stride))
            channels = wide(outputs, width)
        self.features = nn.Sequential(*layers)  # (n, 1024, H/32, W/32)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(channels, classes)
        start_for_relu(self)

    def forward(self, images: Tensor) -> Tensor:
        """(n, 3, H, W) -> logits (n, classes)."""
        check_size(images, self.smallest)
        x = average_bins(self.features(images), 1, 1).flatten(1)  # (n, 1024)
        logits: Tensor = self.fc(self.dropout(x))
        return logits

    def loss(self, raw: Tensor, labels: Tensor, label_smoothing: float = 0.0) -> dict[str, Tensor]:
        """Cross-entropy."""
        return {"classes": cross_entropy(raw, labels, label_smoothing)}

    def decode(self, raw: Tensor, count: int = 5) -> list[Ranking]:
        """The likeliest classes of each picture."""
        return rankings(raw, count)

    @classmethod
    def side(cls, resolution: float) -> int:
        """The input's side in pixels for the resolution multiplier rho of section 3.4.

        The paper's 224, 192, 160 and 128 are 1, 6/7, 5/7 and 4/7: multiples of 32. Raises
        TatamiError for a multiplier that is not in 0 to 8.
        """
        if not 0 < resolution <= 8:
            raise TatamiError(
                f"resolution is {resolution:g}", mend="give a factor as 0.714, at most 8"
            )
        return max(32, 32 * round(cls.size * resolution / 32))


class Separable(nn.Module):
    """A depthwise 3x3 and a pointwise convolution (figure 3, right).

    (n, inputs, h, w) -> (n, outputs, ceil(h / stride), ceil(w / stride)).
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.depthwise = ConvNormRelu(inputs, inputs, stride=stride, groups=inputs)
        self.pointwise = ConvNormRelu(inputs, outputs, kernel=1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.pointwise(self.depthwise(x))
        return y
