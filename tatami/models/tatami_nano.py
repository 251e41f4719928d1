"""Tatami-nano and Tatami-small, detectors designed from the integer end.

No paper but docs/decisions/0021: dense 3x3 convolutions, ReLU and additions are what 8 bits, the
kernels of ``ship`` and the RTL engine do exactly and at full speed, so the network has nothing
else. No anchors: a point of three maps says how far the sides of its box are (FCOS, Tian et al.
2019, section 3.1), and how sure it is of each class.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tatami.models.blocks import ConvNormRelu, init_he, scale_channels
from tatami.models.detector import Detector
from tatami.models.task_aligned import cell_middles, task_aligned_loss
from tatami.types import AnchorGrid, Boxes, Decoding, Size

STRIDES = (8, 16, 32)
BEGIN = 4.0
"""Cells that a box is wide and high before anything is learned."""


class TatamiNano(Detector):
    """The network: images (n, 3, H, W), H and W multiples of 32, to three pairs of maps.

    Of the strides 8, 16 and 32 each: distances (n, 4, H / stride, W / stride) in cells, and class
    numbers (n, K, H / stride, W / stride).

    width: multiplies every layer's channels.
    """

    stride = 32
    channels: ClassVar[tuple[int, ...]] = (16, 32, 64, 128, 192)
    """Of the maps at strides 2, 4, 8, 16 and 32."""
    depths: ClassVar[tuple[int, ...]] = (1, 2, 2, 1)
    """Residual blocks at strides 4, 8, 16 and 32."""
    neck: ClassVar[int] = 64
    """Channels of the three maps that the heads see."""

    def __init__(self, classes: int, decoding: Decoding, width: float = 1.0) -> None:
        super().__init__(classes, decoding, width)
        stem, *wide = (scale_channels(channels, width) for channels in self.channels)
        neck = scale_channels(self.neck, width)
        self.stem = ConvNormRelu(3, stem, stride=2)
        stages = []
        for inputs, outputs, depth in zip((stem, *wide), wide, self.depths, strict=False):
            blocks = [Residual(outputs) for _ in range(depth)]
            stages.append(nn.Sequential(ConvNormRelu(inputs, outputs, stride=2), *blocks))
        self.stages = nn.ModuleList(stages)
        self.lateral = nn.ModuleList(ConvNormRelu(c, neck, kernel=1) for c in wide[1:])
        self.smooth = nn.ModuleList(ConvNormRelu(neck, neck) for _ in STRIDES)
        heads = [Head(neck, classes) for _ in STRIDES]
        self.heads = nn.ModuleList(heads)
        init_he(self)
        for head, stride in zip(heads, STRIDES, strict=True):
            head.begin(stride)

    @classmethod
    def plan(cls, size: Size, anchors: Sequence[tuple[float, float]]) -> Decoding:
        """Lay one point in the middle of every cell of the three maps."""
        sides = [float(stride) for stride in STRIDES]
        grids = tuple(AnchorGrid(((BEGIN * side, BEGIN * side),), (side, side)) for side in sides)
        return Decoding("distance", grids, "sigmoid", iou_threshold=0.6)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """(n, 3, H, W) -> distances and class numbers of each of the three maps."""
        x = self.stem(images)  # (n, 16, H/2, W/2)
        maps = []
        for stage in self.stages:
            x = stage(x)  # (n, 32, H/4, W/4) to (n, 192, H/32, W/32)
            maps.append(x)
        seen = [lateral(one) for lateral, one in zip(self.lateral, maps[1:], strict=True)]
        for finer in (1, 0):  # what the coarser map knows, the finer one is told
            seen[finer] = seen[finer] + F.interpolate(seen[finer + 1], scale_factor=2.0)
        raw: list[Tensor] = []
        for smooth, head, one in zip(self.smooth, self.heads, seen, strict=True):
            raw.extend(head(smooth(one)))
        return tuple(raw)

    def loss(self, raw: Sequence[Tensor], targets: Sequence[Boxes]) -> dict[str, Tensor]:
        """``task_aligned_loss`` of the points of all maps."""
        points, boxes, logits = [], [], []
        for distances, numbers, stride in zip(raw[::2], raw[1::2], STRIDES, strict=True):
            rows, columns = distances.shape[2:]
            at = stride * cell_middles(rows, columns, distances.device)  # (p, 2)
            far = distances.flatten(2).transpose(1, 2) * stride  # (n, p, 4)
            points.append(at)
            boxes.append(torch.cat((at - far[..., :2], at + far[..., 2:]), -1))
            logits.append(numbers.flatten(2).transpose(1, 2))
        return task_aligned_loss(
            torch.cat(logits, 1), torch.cat(boxes, 1), torch.cat(points), targets
        )


class TatamiSmall(TatamiNano):
    """The same with more channels and more layers."""

    channels = (24, 48, 96, 192, 256)
    depths = (1, 2, 3, 2)
    neck = 96


class Residual(nn.Module):
    """Add what two convolutions find to what they saw: (n, c, h, w) to the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = ConvNormRelu(channels, channels)
        self.second = ConvNormRelu(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the layers' result, whose shape the class states."""
        y: Tensor = x + self.second(self.first(x))
        return y


class Head(nn.Module):
    """Say the distances and the class numbers of every point of one map.

    (n, c, h, w) -> (n, 4, h, w), (n, K, h, w): each from a convolution of its own.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.sides = ConvNormRelu(channels, channels)
        self.names = ConvNormRelu(channels, channels)
        self.distances = nn.Conv2d(channels, 4, kernel_size=1)
        self.numbers = nn.Conv2d(channels, classes, kernel_size=1)

    def begin(self, stride: int) -> None:
        """Begin with boxes of ``BEGIN`` cells a side, and sure of little."""
        for last in (self.distances, self.numbers):
            nn.init.normal_(last.weight, std=0.01)
        assert self.distances.bias is not None
        assert self.numbers.bias is not None
        nn.init.constant_(self.distances.bias, BEGIN / 2)
        # A few objects in a picture of 640 pixels: the share of the points that see one.
        share = 5 / (640 / stride) ** 2
        nn.init.constant_(self.numbers.bias, math.log(share / len(self.numbers.bias)))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the layers' result, whose shape the class states."""
        return self.distances(self.sides(x)), self.numbers(self.names(x))
