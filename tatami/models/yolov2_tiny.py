"""YOLOv2-tiny: J. Redmon and A. Farhadi, "YOLO9000: Better, Faster, Stronger", CVPR 2017.

The paper's detector (section 2) on the small body that the authors published with it
(tiny-yolo-voc): nine convolutions, six max pools, one raw map of ``anchors x (5 + classes)``
channels at 1/32 of the input. 3.4855 G multiply-adds and 15.87 M parameters at 416x416 for VOC.
"""

from __future__ import annotations

from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

from tatami.models.blocks import ConvNormLeaky, max_pool_same, scale_channels
from tatami.models.region import RegionDetector, init_near_anchors
from tatami.types import Decoding


class YoloV2Tiny(RegionDetector):
    """The network: images (n, 3, H, W) in, H and W multiples of 32, raw map out.

    decoding: as ``plan`` gives it.  width: multiplies every layer's channels, rounded to a multiple
    of 8 so that vector units stay full.  Raises TatamiError for a width that is not in 0 to 8.
    """

    def __init__(self, classes: int, decoding: Decoding, width: float = 1.0) -> None:
        super().__init__(classes, decoding, width)
        channels = partial(scale_channels, width=width)
        self.conv1 = ConvNormLeaky(3, channels(16))
        self.conv2 = ConvNormLeaky(channels(16), channels(32))
        self.conv3 = ConvNormLeaky(channels(32), channels(64))
        self.conv4 = ConvNormLeaky(channels(64), channels(128))
        self.conv5 = ConvNormLeaky(channels(128), channels(256))
        self.conv6 = ConvNormLeaky(channels(256), channels(512))
        self.conv7 = ConvNormLeaky(channels(512), channels(1024))
        self.conv8 = ConvNormLeaky(channels(1024), channels(1024))
        self.conv9 = nn.Conv2d(channels(1024), len(self.anchors) * (5 + classes), kernel_size=1)
        init_near_anchors(self.conv9, self.anchors)

    def forward(self, images: Tensor) -> Tensor:
        """(n, 3, H, W) -> (n, A * (5 + K), H / 32, W / 32)."""
        x = F.max_pool2d(self.conv1(images), 2)  # (n, 16, H/2, W/2)
        x = F.max_pool2d(self.conv2(x), 2)  # (n, 32, H/4, W/4)
        x = F.max_pool2d(self.conv3(x), 2)  # (n, 64, H/8, W/8)
        x = F.max_pool2d(self.conv4(x), 2)  # (n, 128, H/16, W/16)
        x = F.max_pool2d(self.conv5(x), 2)  # (n, 256, H/32, W/32)
        x = max_pool_same(self.conv6(x))  # (n, 512, H/32, W/32)
        x = self.conv7(x)  # (n, 1024, H/32, W/32)
        x = self.conv8(x)  # (n, 1024, H/32, W/32)
        raw: Tensor = self.conv9(x)
        return raw
