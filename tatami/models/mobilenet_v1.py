"""MobileNet, a classifier.

A. Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile
Vision Applications", 2017, Table 1.

4.2 M parameters and 569 M multiply-adds at 224x224; both multipliers of section 3.3 and 3.4: the
width multiplier alpha is ``width``, the resolution multiplier rho is the input's size.
"""

from __future__ import annotations

from torch import Tensor, nn

from tatami.errors import TatamiError
from tatami.models.blocks import ConvNormRelu, average_bins, check_min_side, init_he, scale_channels
from tatami.models.classifier import Classifier

SIDE = 224
"""The side of the paper's squares."""
LAYERS = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *((512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1)),
)
"""(outputs, stride) of each depthwise separable convolution. The last stride is 2 in Table 1, but
so that its own sizes come out it must be 1."""


class MobileNetV1(Classifier):
    """The network: images (n, 3, H, W); as a backbone, ``maps`` gives two of its maps.

    width: multiplies every layer's channels (section 3.3).  output_stride: pixels of the input a
    sample of the last map, 32, 16 or 8: strides that would go beyond it become dilations of what
    follows, as in Xception's.  Raises TatamiError for another output stride.
    """

    min_side = 32

    def __init__(
        self,
        classes: int = 1000,
        width: float = 1.0,
        output_stride: int = 32,
        dropout: float = 0.001,
    ) -> None:
        super().__init__()
        if output_stride not in (8, 16, 32):
            raise TatamiError(f"output_stride is {output_stride}", hint="give 8, 16 or 32")
        channels, reached, dilation = scale_channels(32, width), 2, 1
        layers: list[nn.Module] = [ConvNormRelu(3, channels, stride=2)]  # (n, 32, H/2, W/2)
        for outputs, stride in LAYERS:
            strides = stride if reached * stride <= output_stride else 1
            layers.append(Separable(channels, scale_channels(outputs, width), strides, dilation))
            reached *= strides
            dilation *= stride // strides
            channels = scale_channels(outputs, width)
        self.features = nn.Sequential(*layers)  # (n, 1024, H/s, W/s), s the output stride
        self.low_channels, self.high_channels = scale_channels(128, width), channels
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(channels, classes)
        init_he(self)

    def forward(self, images: Tensor) -> Tensor:
        """(n, 3, H, W) -> logits (n, classes)."""
        _, x = self.maps(images)
        logits: Tensor = self.fc(self.dropout(average_bins(x, 1, 1).flatten(1)))
        return logits

    def maps(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Compute what a decoder reads: (n, 3, H, W) -> two maps, each after a ReLU.

        (n, low_channels, H/4, W/4), which the next layer is about to halve, for fine edges, and
        (n, high_channels, H/s, W/s), the last one, s the output stride. Sides are rounded up.
        """
        check_min_side(images, self.min_side)
        low: Tensor = self.features[:4](images)
        return low, self.features[4:](low)

    @staticmethod
    def side(resolution: float) -> int:
        """Give the input's side in pixels for the resolution multiplier rho of section 3.4.

        The paper's 224, 192, 160 and 128 are 1, 6/7, 5/7 and 4/7: multiples of 32. Raises
        TatamiError for a multiplier that is not in 0 to 8.
        """
        if not 0 < resolution <= 8:
            raise TatamiError(
                f"resolution is {resolution:g}", hint="give a factor as 0.714, at most 8"
            )
        return max(32, 32 * round(SIDE * resolution / 32))


class Separable(nn.Module):
    """A depthwise 3x3 and a pointwise convolution (figure 3, right).

    (n, inputs, h, w) -> (n, outputs, ceil(h / stride), ceil(w / stride)).
    """

    def __init__(self, inputs: int, outputs: int, stride: int, dilation: int = 1) -> None:
        super().__init__()
        self.depthwise = ConvNormRelu(
            inputs, inputs, stride=stride, groups=inputs, dilation=dilation
        )
        self.pointwise = ConvNormRelu(inputs, outputs, kernel=1)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the layers' result, whose shape the class states."""
        y: Tensor = self.pointwise(self.depthwise(x))
        return y
