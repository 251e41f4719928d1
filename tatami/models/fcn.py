"""FCN, segmenters.

E. Shelhamer, J. Long and T. Darrell, "Fully Convolutional Networks for Semantic
Segmentation", PAMI 2017: FCN-32s, FCN-16s and FCN-8s on VGG-16.

VGG-16 with its fully connected layers as convolutions, scores of each class at 1/32 of the input,
and sums with those of earlier, finer maps (figure 3). 134.5 M parameters for 21 classes.

The paper pads pictures by 100 pixels, because its 7x7 convolution has no padding, and crops what
comes out by offsets of its own. Here that convolution is padded by 3. A sample of its map then has
the center of its window where it has it in the paper, on the sample of the map before, so that
inside the picture every weight sees what it saw; the border sees zeros behind the last pool instead
of zeros around the picture. No crop is left: where sides divide by 32, every map is exactly 1/2,
1/4, ... of the input, and a transposed convolution of 2 f taps and stride f that cuts f / 2 at each
end makes exactly f samples of one.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tatami.errors import TatamiError
from tatami.models.blocks import check_stride, init_he, scale_channels
from tatami.models.segmenter import Segmenter
from tatami.models.vgg import CHANNELS, D, convolutions


class FCN(Segmenter):
    """The network: images (n, 3, H, W), H and W multiples of 32.

    finest: pixels of the input a sample of the finest scores: 32, 16 or 8.  norm: batch
    normalization after every convolution but those that score, which the paper did not know.
    width: multiplies every layer's channels.  Raises TatamiError for another ``finest``.
    """

    stride = 32

    def __init__(
        self,
        classes: int = 21,
        width: float = 1.0,
        finest: int = 8,
        norm: bool = False,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        if finest not in (8, 16, 32):
            raise TatamiError(f"the finest scores are at 1/{finest}", hint="give 8, 16 or 32")
        full = scale_channels(4096, width)
        self.features = convolutions(D, width, norm)  # (n, 512, H / 32, W / 32)
        self.fc6 = nn.Conv2d(scale_channels(CHANNELS[4], width), full, kernel_size=7, padding=3)
        self.norm6 = nn.BatchNorm2d(full) if norm else nn.Identity()
        self.fc7 = nn.Conv2d(full, full, kernel_size=1)
        self.norm7 = nn.BatchNorm2d(full) if norm else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        init_he(self)
        self.score_fr = _score(full, classes)
        self.score_pool4: nn.Conv2d | None = None
        self.score_pool3: nn.Conv2d | None = None
        if finest <= 16:
            self.upscore2 = upsampling(classes, 2)
            self.score_pool4 = _score(scale_channels(CHANNELS[3], width), classes)
        if finest == 8:
            self.upscore_pool4 = upsampling(classes, 2)
            self.score_pool3 = _score(scale_channels(CHANNELS[2], width), classes)
        self.upscore = upsampling(classes, finest)
        self.upscore.weight.requires_grad_(False)  # section 4.3: the last one stays bilinear

    def forward(self, images: Tensor) -> Tensor:
        """(n, 3, H, W) -> logits (n, classes, H, W). Raises TatamiError for other sides."""
        check_stride(images, self.stride)
        x, pooled = images, []
        for layer in self.features:
            x = layer(x)
            if isinstance(layer, nn.MaxPool2d):
                pooled.append(x)
        x = self.dropout(F.relu(self.norm6(self.fc6(x))))  # (n, 4096, H / 32, W / 32)
        x = self.dropout(F.relu(self.norm7(self.fc7(x))))
        x = self.score_fr(x)  # (n, classes, H / 32, W / 32)
        if self.score_pool4 is not None:
            x = self.upscore2(x) + self.score_pool4(pooled[3])  # H / 16
        if self.score_pool3 is not None:
            x = self.upscore_pool4(x) + self.score_pool3(pooled[2])  # H / 8
        logits: Tensor = self.upscore(x)
        return logits


def _score(inputs: int, classes: int) -> nn.Conv2d:
    """Make a 1x1 convolution to scores that begin at zero (section 4.1)."""
    layer = nn.Conv2d(inputs, classes, kernel_size=1)
    nn.init.zeros_(layer.weight)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer


def upsampling(channels: int, factor: int) -> nn.ConvTranspose2d:
    """Make a transposed convolution that begins as bilinear interpolation (section 4.3).

    (n, channels, h, w) -> (n, channels, factor h, factor w); factor is even. Half a sample from the
    border on, it fades to zero.
    """
    taps = 2 * factor
    layer = nn.ConvTranspose2d(channels, channels, taps, factor, factor // 2, bias=False)
    line = 1 - (torch.arange(taps) - (taps - 1) / 2).abs() / factor
    with torch.no_grad():
        layer.weight.zero_()
        for channel in range(channels):
            layer.weight[channel, channel] = line[:, None] * line
    return layer
