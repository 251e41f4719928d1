"""DeepLabv3+, a segmenter.

L.-C. Chen, Y. Zhu, G. Papandreou, F. Schroff and H. Adam, "Encoder-Decoder with
Atrous Separable Convolution for Semantic Image Segmentation", ECCV 2018.

A backbone at output stride 16, atrous separable spatial pyramid pooling with image pooling, and a
decoder that adds a fine map (figure 2). Upsampling keeps the corners of samples where they are
(half-pixel centers), so that sides are multiples of 16; the authors' own code keeps the centers of
the outermost samples instead, and so needs sides as 513.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tatami.models.blocks import ConvNormRelu, average_bins, check_stride, init_he, scale_channels
from tatami.models.mobilenet_v1 import MobileNetV1
from tatami.models.segmenter import Segmenter
from tatami.models.xception import Separable, Xception

RATES = (6, 12, 18)
"""The dilations of the pyramid at output stride 16 (section 3.1)."""


class DeepLabV3Plus(Segmenter):
    """The network: images (n, 3, H, W), H and W multiples of 16.

    backbone: makes what gives the two maps, of ``(width=..., output_stride=16)``.
    width: multiplies every layer's channels.
    """

    stride = 16

    def __init__(
        self,
        classes: int = 21,
        width: float = 1.0,
        backbone: Callable[..., Xception | MobileNetV1] = Xception,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        channels, fine = scale_channels(256, width), scale_channels(48, width)
        self.backbone = backbone(width=width, output_stride=16)
        del self.backbone.fc  # nobody asks for the class of the whole picture
        self.pyramid = Pyramid(self.backbone.high_channels, channels, dropout)
        self.low = ConvNormRelu(self.backbone.low_channels, fine, kernel=1)
        self.decoder1 = Separable(channels + fine, channels)
        self.decoder2 = Separable(channels, channels)
        self.scores = nn.Conv2d(channels, classes, kernel_size=1)
        init_he(self)

    def forward(self, images: Tensor) -> Tensor:
        """(n, 3, H, W) -> logits (n, classes, H, W). Raises TatamiError for other sides."""
        check_stride(images, self.stride)
        low, high = self.backbone.maps(images)
        x = upsampled(self.pyramid(high), low)  # (n, 256, H / 4, W / 4)
        x = torch.cat((x, self.low(low)), dim=1)
        x = F.relu(self.decoder1(x))
        x = F.relu(self.decoder2(x))
        return upsampled(self.scores(x), images)


class Pyramid(nn.Module):
    """What each place sees at once, at three distances and in the whole picture, side by side.

    (n, inputs, h, w) -> (n, outputs, h, w).
    """

    def __init__(self, inputs: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.point = ConvNormRelu(inputs, outputs, kernel=1)
        self.atrous = nn.ModuleList(Separable(inputs, outputs, dilation=rate) for rate in RATES)
        self.image = ConvNormRelu(inputs, outputs, kernel=1)
        self.project = ConvNormRelu((2 + len(RATES)) * outputs, outputs, kernel=1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the layers' result, whose shape the class states."""
        whole = self.image(average_bins(x, 1, 1))  # (n, outputs, 1, 1)
        parts = [F.interpolate(whole, x.shape[-2:], mode="nearest"), self.point(x)]
        parts += [F.relu(layer(x)) for layer in self.atrous]
        y: Tensor = self.dropout(self.project(torch.cat(parts, dim=1)))
        return y


def upsampled(x: Tensor, like: Tensor) -> Tensor:
    """(n, c, h, w) to the rows and columns of another map, bilinear."""
    return F.interpolate(x, like.shape[-2:], mode="bilinear", align_corners=False)
