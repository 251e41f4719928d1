"""YOLOv2: J. Redmon and A. Farhadi, "YOLO9000: Better, Faster, Stronger", CVPR 2017.

The paper's detector (section 2) on Darknet-19 (section 3, table 6) without its last layer, with the
passthrough layer of "Fine-Grained Features": the map of 1/16 of the input is laid out at 1/32 as
four times the channels, beside the deepest one. As the authors published it (yolov2-voc), the
passthrough goes through a 1 x 1 convolution of 64 channels first. 14.6802 G multiply-adds and
50.68 M parameters at 416x416 for VOC.

darknet's ``reorg`` orders the four samples and the channels in a way of its own; a trained network
of darknet's is imported with that (importers/darknet.py), a network trained here needs none of it.
"""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tatami.models.blocks import ConvNormLeaky, scale_channels, space_to_depth
from tatami.models.region import RegionDetector, init_near_anchors
from tatami.types import Decoding

PASSTHROUGH = 64
"""Channels of the fine map before it is laid out."""


class YoloV2(RegionDetector):
    """The network: images (n, 3, H, W) in, H and W multiples of 32, raw map out.

    decoding: as ``plan`` gives it.  width: multiplies every layer's channels, rounded to a multiple
    of 8.  Raises TatamiError for a width that is not in 0 to 8.
    """

    def __init__(self, classes: int, decoding: Decoding, width: float = 1.0) -> None:
        super().__init__(classes, decoding, width)
        channels = partial(scale_channels, width=width)
        c32, c64, c128, c256 = channels(32), channels(64), channels(128), channels(256)
        c512, c1024, fine = channels(512), channels(1024), channels(PASSTHROUGH)
        self.stage1 = ConvNormLeaky(3, c32)
        self.stage2 = ConvNormLeaky(c32, c64)
        self.stage3 = _bottlenecks(c64, c128, c64, 2)
        self.stage4 = _bottlenecks(c128, c256, c128, 2)
        self.stage5 = _bottlenecks(c256, c512, c256, 3)
        self.stage6 = _bottlenecks(c512, c1024, c512, 3)
        self.deep = nn.Sequential(ConvNormLeaky(c1024, c1024), ConvNormLeaky(c1024, c1024))
        self.passthrough = ConvNormLeaky(c512, fine, kernel=1)
        self.joined = ConvNormLeaky(4 * fine + c1024, c1024)
        self.last = nn.Conv2d(c1024, len(self.anchors) * (5 + classes), kernel_size=1)
        init_near_anchors(self.last, self.anchors)

    def forward(self, images: Tensor) -> Tensor:
        """(n, 3, H, W) -> (n, A * (5 + K), H / 32, W / 32)."""
        x = F.max_pool2d(self.stage1(images), 2)  # (n, 32, H/2, W/2)
        x = F.max_pool2d(self.stage2(x), 2)  # (n, 64, H/4, W/4)
        x = F.max_pool2d(self.stage3(x), 2)  # (n, 128, H/8, W/8)
        x = F.max_pool2d(self.stage4(x), 2)  # (n, 256, H/16, W/16)
        fine = self.stage5(x)  # (n, 512, H/16, W/16)
        x = self.deep(self.stage6(F.max_pool2d(fine, 2)))  # (n, 1024, H/32, W/32)
        passed = space_to_depth(self.passthrough(fine), 2)  # (n, 256, H/32, W/32)
        x = self.joined(torch.cat((passed, x), dim=1))  # (n, 1024, H/32, W/32)
        raw: Tensor = self.last(x)
        return raw


def _bottlenecks(inputs: int, outputs: int, between: int, count: int) -> nn.Sequential:
    """``count`` 3 x 3 convolutions to ``outputs``, with 1 x 1 ones to ``between`` between them."""
    layers = [ConvNormLeaky(inputs, outputs)]
    for _ in range(count - 1):
        layers += [ConvNormLeaky(outputs, between, kernel=1), ConvNormLeaky(between, outputs)]
    return nn.Sequential(*layers)
