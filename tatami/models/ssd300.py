"""SSD: W. Liu et al., "SSD: Single Shot MultiBox Detector", ECCV 2016, section 3 and figure 2.

VGG-16 up to conv5_3, fc6 and fc7 as convolutions, four extra stages, and convolutions that predict
boxes and classes from six maps: 8,732 default boxes at 300x300. Boxes, matching and loss are
models/default_boxes.py's.
"""

from __future__ import annotations

from math import sqrt
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tatami.models.blocks import init_he, scale_channels
from tatami.models.default_boxes import (
    VARIANCES,
    DefaultBoxDetector,
    Heads,
    check_batch,
    check_input_size,
    grids_of,
    shapes,
    ssd_scales,
)
from tatami.models.vgg import stage
from tatami.types import Decoding, InputSpec, Size

RATIOS: tuple[tuple[float, ...], ...] = ((2,), (2, 3), (2, 3), (2, 3), (2,), (2,))
"""Aspect ratios of each map's boxes beside 1: 4, 6, 6, 6, 4 and 4 boxes a cell."""
EXTRA = ((256, 512), (128, 256), (128, 256), (128, 256))
"""Channels of conv8_1 and conv8_2 to conv11_1 and conv11_2."""


class SSD300(DefaultBoxDetector):
    """The network as the paper has it: images (n, 3, H, W) of any sides from 64 up.

    width: multiplies every layer's channels.

    The paper begins from a VGG-16 that was trained on ImageNet; VGG does not learn so many layers
    from nothing. ``SSD300Norm`` does, for it normalizes.
    """

    min_scale = 0.1
    norm: ClassVar[bool] = False

    def __init__(self, classes: int, decoding: Decoding, width: float = 1.0) -> None:
        super().__init__(classes, decoding, width)
        channels = [scale_channels(own, width) for own in (64, 128, 256, 512, 512)]
        full = scale_channels(1024, width)
        inputs = 3
        stages = []
        for outputs, convolutions in zip(channels, (2, 2, 3, 3, 3), strict=True):
            stages.append(nn.Sequential(*stage(inputs, outputs, convolutions, self.norm)))
            inputs = outputs
        self.conv1, self.conv2, self.conv3, self.conv4, self.conv5 = stages
        self.normalize = L2Normalization(channels[3])
        self.conv6 = Conv(channels[4], full, 3, self.norm, dilation=6)  # fc6, decimated
        self.conv7 = Conv(full, full, 1, self.norm)  # fc7
        extra = []
        inputs = full
        stages_made = EXTRA[: len(decoding.grids) - 2]
        for between, outputs in stages_made:
            extra.append(Conv(inputs, scale_channels(between, width), 1, self.norm))
            extra.append(
                Conv(scale_channels(between, width), scale_channels(outputs, width), 3, self.norm)
            )
            inputs = scale_channels(outputs, width)
        self.extra = nn.ModuleList(extra)
        maps = [channels[3], full, *(scale_channels(outputs, width) for _, outputs in stages_made)]
        init_he(self)
        self.heads = Heads(maps, decoding, classes, kernel=3)

    @classmethod
    def input_spec(cls, size: Size) -> InputSpec:
        """Stretch the picture and subtract the mean of ImageNet's pixels.

        Then, as the paper does not, divide by about their deviation: its first layer knew pixels, a
        new one had to learn small steps.
        """
        return InputSpec(size, resize="stretch", mean=MEAN, scale=(1 / 58, 1 / 58, 1 / 58))

    @classmethod
    def boxes_from(cls, min_scale: float, size: Size) -> Decoding:
        """Lay the default boxes of section 3.1."""
        steps = ssd_scales(min_scale, len(RATIOS))
        boxes = [shapes(steps[at], steps[at + 1], RATIOS[at], size) for at in range(len(RATIOS))]
        grids = grids_of(size, cls.cells(size), boxes)
        return Decoding("ssd", grids, "softmax", VARIANCES, iou_threshold=0.45, max_detections=200)

    @staticmethod
    def cells(size: Size) -> list[tuple[int, int]]:
        """(rows, columns) of the maps: 38, 19, 10, 5, 3 and 1 either way for 300x300.

        The extra stages end with the first map that has one cell along a side.
        Raises TatamiError for a side of less than 64 pixels.
        """
        check_input_size(size, 64)
        rows, columns = (-(-(side // 4) // 2) for side in (size.height, size.width))
        found = [(rows, columns), (rows // 2, columns // 2)]  # pool3 alone rounds up
        while len(found) < 2 + len(EXTRA) and min(found[-1]) > 1:
            window = [(side, *step_of(len(found) - 2, side)) for side in found[-1]]
            rows, columns = ((side + 2 * pad - 3) // step + 1 for side, step, pad in window)
            found.append((rows, columns))
        return found

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """(n, 3, H, W) -> boxes and scores of each map."""
        check_batch(images, self)
        x = F.max_pool2d(self.conv1(images), 2)
        x = F.max_pool2d(self.conv2(x), 2)
        x = F.max_pool2d(self.conv3(x), 2, ceil_mode=True)  # 75 cells become 38
        x = self.conv4(x)
        maps = [self.normalize(x)]  # (n, 512, H/8, W/8)
        x = self.conv5(F.max_pool2d(x, 2))
        x = F.max_pool2d(x, 3, stride=1, padding=1)  # pool5, which keeps the size
        x = self.conv7(self.conv6(x))
        maps.append(x)  # (n, 1024, H/16, W/16)
        for index in range(len(self.extra) // 2):
            rows, columns = (step_of(index, int(side)) for side in x.shape[2:])
            window = (rows[0], columns[0]), (rows[1], columns[1])
            x = self.extra[2 * index + 1](self.extra[2 * index](x), *window)
            maps.append(x)  # (n, 512 or 256, ...), half as many cells, or two less
        raw: tuple[Tensor, ...] = self.heads(maps)
        return raw


class SSD300Norm(SSD300):
    """The same with batch normalization after each convolution but the heads'.

    Learns from nothing, in minutes where it is narrow: R. Zhu et al., "ScratchDet: Training
    Single-Shot Object Detectors from Scratch", CVPR 2019, section 3.2, find that it is what an SSD
    without ImageNet needs, in the body and in the heads' maps.
    """

    norm = True


class Conv(nn.Module):
    """A convolution, perhaps a normalization, ReLU. The padding keeps the size unless given."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, norm: bool, dilation: int = 1
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            inputs,
            outputs,
            kernel,
            padding=kernel // 2 * dilation,
            dilation=dilation,
            bias=not norm,
        )
        self.norm = nn.BatchNorm2d(outputs) if norm else nn.Identity()

    def forward(
        self,
        x: Tensor,
        stride: tuple[int, int] = (1, 1),
        padding: tuple[int, int] | None = None,
    ) -> Tensor:
        """Compute the layers' result, whose shape the class states."""
        conv = self.conv
        around = conv.padding if padding is None else padding
        y = F.conv2d(x, conv.weight, conv.bias, stride, around, conv.dilation)
        return F.relu(self.norm(y), inplace=True)


class L2Normalization(nn.Module):
    """Bring the channels of each cell to length 1, times a learned scale each.

    (n, channels, h, w) as it came. The scales begin at the paper's 20 where there are its 512
    channels; where there are fewer, so that a sample is as large.

    Source: W. Liu et al., "ParseNet", 2015, section 3.3, equations 1 and 3.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        scale = 20 * sqrt(channels / 512)
        self.scale = nn.Parameter(torch.full((1, channels, 1, 1), scale))

    def forward(self, x: Tensor) -> Tensor:
        """Compute the layers' result, whose shape the class states."""
        length = torch.linalg.vector_norm(x, dim=1, keepdim=True) + 1e-10  # a cell may be all 0
        y: Tensor = x / length * self.scale
        return y


def step_of(index: int, length: int) -> tuple[int, int]:
    """(stride, padding) of an extra stage's 3x3 window along a side of ``length`` cells.

    conv8_2 and conv9_2 halve; conv10_2 and conv11_2 take two cells away, without padding, where
    there are three. Where a smaller input comes to two, they become one.
    """
    return (2, 1) if index < 2 or length < 3 else (1, 0)


MEAN = (123.0, 117.0, 104.0)
"""Of red, green and blue: what the paper's code takes off."""
