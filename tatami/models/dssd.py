"""DSSD, a detector.

C. Fu, W. Liu, A. Ranga, A. Tyagi and A. Berg, "DSSD: Deconvolutional Single Shot
Detector", 2017.

An SSD on ResNet-101, whose last map goes back up, doubled and multiplied with the map that it came
from, stage by stage (figure 1, below). Every map is read through a residual block (figure 2 (c)).
17,080 default boxes at 321x321.
"""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from tatami.models.blocks import ConvNormRelu, init_he, scale_channels
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
from tatami.models.resnet import Bottleneck, stage
from tatami.models.ssd300 import MEAN
from tatami.types import Decoding, InputSpec, Size

RATIOS = (1.6, 2.0, 3.0)
"""Of the boxes of every map, beside 1: section 3.2, by k-means over VOC's. Eight boxes a cell."""
MAPS = 6
"""conv3_x, conv5_x and four residual stages after it (table 1)."""
UP = 512
"""Channels on the way up (figure 3)."""


class DSSD(DefaultBoxDetector):
    """The network: images (n, 3, H, W) of any sides from 64 up.

    blocks: of the four stages of the residual body.  width: multiplies every layer's channels.
    """

    min_scale = 0.1
    blocks: ClassVar[tuple[int, int, int, int]] = (3, 4, 23, 3)

    def __init__(self, classes: int, decoding: Decoding, width: float = 1.0) -> None:
        super().__init__(classes, decoding, width)
        first, second, third, fourth = self.blocks
        own = [scale_channels(channels, width) for channels in (64, 128, 256, 512)]
        made = [Bottleneck.expansion * channels for channels in own]
        self.conv1 = nn.Conv2d(3, own[0], kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(own[0])
        self.layer1 = stage(Bottleneck, own[0], own[0], first, stride=1)
        self.layer2 = stage(Bottleneck, made[0], own[1], second, stride=2)
        self.layer3 = stage(Bottleneck, made[1], own[2], third, stride=2)
        # The stride of conv5 is 1, its holes are filled by dilation (section 3.1).
        self.layer4 = stage(Bottleneck, made[2], own[3], fourth, stride=1, dilation=2)
        maps = len(decoding.grids)
        half = scale_channels(256, width)
        extra = Bottleneck.expansion * half
        stages: list[nn.Module] = [Bottleneck(made[3], half, stride=2)]  # conv6_x
        stages += [Bottleneck(extra, half, stride=2) for _ in range(2)]
        stages += [Last(extra, half, extra)]  # conv9_x
        self.extra = nn.ModuleList(stages[: maps - 2])

        down = [made[1], made[3], *[extra] * (maps - 2)]
        up = scale_channels(UP, width)
        coarser = [*[up] * (maps - 2), down[-1]]  # than each map but the last
        self.up = nn.ModuleList(
            Deconvolution(below, beside, up)
            for below, beside in zip(coarser, down[:-1], strict=True)
        )
        self.predict = nn.ModuleList(
            Prediction(inputs, half, extra) for inputs in (*[up] * (maps - 1), down[-1])
        )
        init_he(self)
        for part in self.up:
            assert isinstance(part, Deconvolution)
            part.start()
        self.heads = Heads([extra] * maps, decoding, classes, kernel=3)

    @classmethod
    def input_spec(cls, size: Size) -> InputSpec:
        """Stretched, and less the mean of ImageNet's pixels, as in an SSD."""
        return InputSpec(size, resize="stretch", mean=MEAN, scale=(1 / 58, 1 / 58, 1 / 58))

    @classmethod
    def boxes_from(cls, min_scale: float, size: Size) -> Decoding:
        """Lay the default boxes: the scales are an SSD's."""
        steps = ssd_scales(min_scale, MAPS)
        boxes = [shapes(steps[at], steps[at + 1], RATIOS, size) for at in range(MAPS)]
        grids = grids_of(size, cls.cells(size), boxes)
        return Decoding("ssd", grids, "softmax", VARIANCES, iou_threshold=0.45, max_detections=200)

    @staticmethod
    def cells(size: Size) -> list[tuple[int, int]]:
        """(rows, columns) of the maps: 40, 20, 10, 5, 3 and 1 either way for 321x321.

        The extra stages end with the first map that has one cell along a side.
        Raises TatamiError for a side of less than 64 pixels.
        """
        check_input_size(size, 64)
        pooled = (((side + 1) // 2 - 3) // 2 + 1 for side in (size.height, size.width))
        rows, columns = ((side + 1) // 2 for side in pooled)
        found = [(rows, columns)]
        while len(found) < MAPS and min(found[-1]) > 1:
            last = len(found) == MAPS - 1
            rows, columns = (
                (side + 2 * (last_padding(side) if last else 1) - 3) // 2 + 1 for side in found[-1]
            )
            found.append((rows, columns))
        return found

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """(n, 3, H, W) -> boxes and scores of each map, the finest first."""
        check_batch(images, self)
        x = F.relu(self.bn1(self.conv1(images)), inplace=True)  # (n, 64, H/2, W/2)
        # Not padded, as in Caffe: 161 cells become 80, and 40 then.
        x = self.layer2(self.layer1(F.max_pool2d(x, 3, stride=2)))
        maps = [x]  # (n, 512, H/8, W/8): conv3_x
        maps.append(self.layer4(self.layer3(x)))  # (n, 2048, H/16, W/16): conv5_x
        for part in self.extra:
            maps.append(part(maps[-1]))  # (n, 1024, ...): half as many cells
        read = maps[-1:]
        for up, beside in zip(reversed(self.up), reversed(maps[:-1]), strict=True):
            read.insert(0, up(read[0], beside))  # (n, 512, ...): as many cells as beside
        read = [part(x) for part, x in zip(self.predict, read, strict=True)]
        raw: tuple[Tensor, ...] = self.heads(read)
        return raw


class DSSD26(DSSD):
    """The same on 26 layers in place of 101: two blocks a stage, for small sets and machines."""

    blocks = (2, 2, 2, 2)


class Last(nn.Module):
    """conv9_x: a bottleneck without a shortcut, for its 3x3 window leaves the map's rim away.

    (n, inputs, 3, 3) -> (n, outputs, 1, 1); even sides are halved.
    """

    def __init__(self, inputs: int, between: int, outputs: int) -> None:
        super().__init__()
        self.reduce = ConvNormRelu(inputs, between, kernel=1)
        self.conv = nn.Conv2d(between, between, 3, stride=2, bias=False)
        self.norm = nn.BatchNorm2d(between)
        self.widen = ConvNormRelu(between, outputs, kernel=1)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the layers' result, whose shape the class states."""
        x = self.reduce(x)
        padding = [last_padding(int(side)) for side in x.shape[2:]]
        x = self.norm(F.conv2d(x, self.conv.weight, None, stride=2, padding=padding))
        y: Tensor = self.widen(F.relu(x, inplace=True))
        return y


class Deconvolution(nn.Module):
    """The deconvolution module (figure 3): a coarse map, doubled, times the map beside it.

    (n, below, h, w) and (n, beside, 2 h, 2 w) -> (n, outputs, 2 h, 2 w); one row or column more or
    less than the double is made by what the 2x2 kernels' outputs are cut by, or added to.
    """

    def __init__(self, below: int, beside: int, outputs: int) -> None:
        super().__init__()
        self.deconv = nn.ConvTranspose2d(below, outputs, kernel_size=2, stride=2)
        self.below = nn.Conv2d(outputs, outputs, kernel_size=3, padding=1, bias=False)
        self.below_norm = nn.BatchNorm2d(outputs)
        self.first = ConvNormRelu(beside, outputs)
        self.beside = nn.Conv2d(outputs, outputs, kernel_size=3, padding=1, bias=False)
        self.beside_norm = nn.BatchNorm2d(outputs)

    def start(self) -> None:
        """Begin as almost the finer map alone, as an SSD's.

        The product of two random maps teaches neither, and the paper begins from a trained SSD.
        Here the coarser map joins in as it learns.
        """
        nn.init.kaiming_normal_(self.deconv.weight, mode="fan_out", nonlinearity="linear")
        nn.init.constant_(self.below_norm.weight, 0.1)
        nn.init.ones_(self.below_norm.bias)

    def forward(self, below: Tensor, beside: Tensor) -> Tensor:
        """Compute the layers' result, whose shape the class states."""
        more = [int(b) - 2 * int(a) for a, b in zip(below.shape[2:], beside.shape[2:], strict=True)]
        doubled = F.conv_transpose2d(
            below,
            self.deconv.weight,
            self.deconv.bias,
            stride=2,
            padding=[max(0, -one) for one in more],  # one off at the start and at the end,
            output_padding=[abs(one) for one in more],  # and one more at the end
        )
        product = self.below_norm(self.below(doubled)) * self.beside_norm(
            self.beside(self.first(beside))
        )
        return F.relu(product, inplace=True)


class Prediction(nn.Module):
    """The prediction module (c) of figure 2: (n, inputs, h, w) -> (n, outputs, h, w).

    A residual block of 1x1 convolutions, whose shortcut has one too.
    """

    def __init__(self, inputs: int, between: int, outputs: int) -> None:
        super().__init__()
        self.reduce = ConvNormRelu(inputs, between, kernel=1)
        self.middle = ConvNormRelu(between, between, kernel=1)
        self.widen = nn.Conv2d(between, outputs, kernel_size=1, bias=False)
        self.widen_norm = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Conv2d(inputs, outputs, kernel_size=1, bias=False)
        self.shortcut_norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the layers' result, whose shape the class states."""
        y = self.widen_norm(self.widen(self.middle(self.reduce(x))))
        return F.relu(y + self.shortcut_norm(self.shortcut(x)), inplace=True)


def last_padding(length: int) -> int:
    """Of conv9_x along a side of so many cells: none where they are odd, 3 or more of them."""
    return 0 if length % 2 and length >= 3 else 1
