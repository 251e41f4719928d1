"""Faster R-CNN, a detector in two stages.

S. Ren, K. He, R. Girshick and J. Sun, "Faster R-CNN: Towards Real-Time Object
Detection with Region Proposal Networks", NIPS 2015.

Fast R-CNN whose regions come from a region proposal network on the same feature map (section 3.1).
The backbone is VGG-16 unless another is named.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from math import sqrt
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tatami.models.backbone import BACKBONES, bins_of
from tatami.models.blocks import scale_channels
from tatami.models.default_boxes import BACKGROUND, default_boxes, encode, match
from tatami.models.two_stage import RegionHead, Sampling, TwoStage, split
from tatami.rules.boxes import cxcywh_to_xyxy, xyxy_to_cxcywh
from tatami.rules.regions import proposed_regions
from tatami.types import AnchorGrid, Boxes, Decoding, Float32, RegionDecoding, Size

SHORTER_SIDE = 600
"""Pixels of a picture's shorter side, for which the paper states its anchors."""
SCALES, RATIOS = (128, 256, 512), (0.5, 1.0, 2.0)
"""Sides of the anchors' squares in pixels, and heights over widths (section 3.3)."""
SAMPLED = 256
"""Anchors of a picture that its loss is of, at most half of them objects (section 3.1.3)."""
BETA = 1 / 9
"""Where smooth L1 becomes linear for the anchors' offsets: sigma 3 of the authors' code."""

Learning = Literal["all", "proposals", "regions"]


class FasterRCNN(TwoStage):
    """The network: images (n, 3, H, W), H and W multiples of 16, to a feature map and proposals.

    Its head says what is in a region.

    Args:
        classes: How many.
        proposals: As ``plan`` gives them.
        decoding: As ``plan`` gives it.
        width: Multiplies every layer's channels.
        backbone: The classifier that it is made of.

    Attributes:
        learning: Which parts the loss is of. ``regions`` takes proposals that come with the
            pictures, where there are any, for one step of the alternating training (section 3.2).
    """

    stride = 16

    def __init__(
        self,
        classes: int,
        proposals: Decoding | None,
        decoding: RegionDecoding,
        width: float = 1.0,
        backbone: str = "vgg16",
    ) -> None:
        super().__init__()
        assert proposals is not None
        self.proposals, self.decoding = proposals, decoding
        self.learning: Learning = "all"
        self.backbone = BACKBONES[backbone](width)
        self.channels = self.backbone.channels
        self.rpn = RegionProposals(
            self.backbone.channels, scale_channels(512, width), len(proposals.grids[0].anchors)
        )
        self.regions = RegionHead(self.backbone, classes, decoding, Sampling(background=0.0))

    @classmethod
    def plan(cls, size: Size, backbone: str) -> tuple[Decoding | None, RegionDecoding]:
        """Nine anchors at every cell, in the proportion to the input that the paper's have."""
        share = min(size.width, size.height) / SHORTER_SIDE
        anchors = tuple(
            (round(share * scale / sqrt(ratio), 4), round(share * scale * sqrt(ratio), 4))
            for scale in SCALES
            for ratio in RATIOS
        )
        cell = (float(cls.stride), float(cls.stride))
        proposals = Decoding(
            "ssd",
            (AnchorGrid(anchors, cell),),
            "softmax",
            score_threshold=0.0,
            iou_threshold=0.7,
            max_candidates=6000,
            max_detections=300,
        )
        return proposals, RegionDecoding(
            bins=bins_of(backbone), stride=cls.stride, min_side=round(16 * share, 2)
        )

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Compute the feature map of images (n, 3, H, W), and what its anchors say.

        Returns:
            The map (n, channels, H / 16, W / 16), the anchors' offsets (n, 4 A, H / 16, W / 16) and
            their scores (n, 2 A, H / 16, W / 16).
        """
        features = self.backbone.trunk(images)
        return features, *self.rpn(features)

    def head(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the numbers of the classes and the offsets of pooled regions."""
        numbers, offsets = self.regions(self.backbone.tail(pooled))
        return numbers, offsets

    def loss(self, raw: tuple[Tensor, ...], targets: Sequence[Boxes]) -> dict[str, Tensor]:
        """Compute the parts whose sum is lowered: approximate joint training.

        ``objectness`` and ``anchors`` are the region proposal network's; ``classes`` and
        ``coordinates`` those of the regions that it finds.
        """
        features, offsets, scores = raw
        truths, given = zip(*(split(each) for each in targets), strict=True)
        rows, columns = features.shape[2:]
        size = Size(columns * self.stride, rows * self.stride)
        parts: dict[str, Tensor] = {}
        if self.learning != "regions":
            parts |= anchor_loss(offsets, scores, truths, self.proposals, size)
        if self.learning != "proposals":
            found = given if any(map(len, given)) else self._proposed(offsets, scores, size)
            parts |= self.regions.loss(self.backbone, features, found, truths)
        return parts

    def _proposed(self, offsets: Tensor, scores: Tensor, size: Size) -> list[Float32]:
        """Propose as the network will when it is used; nothing flows back."""
        maps = [one.detach().float().cpu().numpy() for one in (offsets, scores)]
        return [
            proposed_regions(of_picture, self.proposals, self.decoding, size)
            for of_picture in zip(*maps, strict=True)
        ]


class RegionProposals(nn.Module):
    """The region proposal network (section 3.1), on a feature map.

    A 3x3 convolution and two layers beside each other.
    """

    def __init__(self, inputs: int, channels: int, anchors: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, channels, kernel_size=3, padding=1)
        self.offsets = nn.Conv2d(channels, 4 * anchors, kernel_size=1)
        self.scores = nn.Conv2d(channels, 2 * anchors, kernel_size=1)
        for layer in (self.conv, self.offsets, self.scores):
            nn.init.normal_(layer.weight, std=0.01)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(n, inputs, h, w) -> offsets (n, 4 A, h, w) and scores (n, 2 A, h, w)."""
        x = F.relu(self.conv(features))
        return self.offsets(x), self.scores(x)


def anchor_loss(
    offsets: Tensor, scores: Tensor, truths: Sequence[Boxes], proposals: Decoding, size: Size
) -> dict[str, Tensor]:
    """Equation 1: ``objectness`` and ``anchors``, means over the sampled anchors of all pictures.

    offsets: (n, 4 A, rows, columns).  scores: (n, 2 A, rows, columns).  size: of the input.
    An anchor is an object where it overlaps a truth by 0.7, or a truth most of all; background
    where it overlaps none by 0.3; those that cross the border of the input say nothing.
    """
    n, _, rows, columns = offsets.shape
    count = len(proposals.grids[0].anchors)
    boxes = default_boxes(proposals.grids, ((rows, columns),))  # (A * rows * columns, 4)
    edges = cxcywh_to_xyxy(boxes)
    (inside,) = np.nonzero(
        (edges[:, :2] >= 0).all(axis=1) & (edges[:, 2:] <= (size.width, size.height)).all(axis=1)
    )
    places, labels, wanted = [], [], []
    for picture, truth in enumerate(truths):
        own = truth.xyxy.astype(np.float32)
        found = match(edges[inside], own, 0.7, 0.3)
        rng = np.random.default_rng(zlib.crc32(own.tobytes() + bytes([picture % 256])))
        objects = rng.permutation(np.flatnonzero(found >= 0))[: SAMPLED // 2]
        rest = rng.permutation(np.flatnonzero(found == BACKGROUND))[: SAMPLED - len(objects)]
        which = inside[np.concatenate([objects, rest])]
        places.append(picture * len(boxes) + which)
        labels.append(np.arange(len(which)) < len(objects))
        wanted.append(
            encode(xyxy_to_cxcywh(own[found[objects]]), boxes[inside[objects]], proposals.variances)
            if len(objects)
            else np.zeros((0, 4), np.float32)
        )
    at = torch.from_numpy(np.concatenate(places)).to(offsets.device)
    is_object = torch.from_numpy(np.concatenate(labels)).to(offsets.device)

    def by_anchor(maps: Tensor, numbers: int) -> Tensor:
        split_ = maps.view(n, count, numbers, rows, columns).permute(0, 1, 3, 4, 2)
        return split_.reshape(-1, numbers)[at]

    total = max(1, len(at))
    objectness = F.cross_entropy(by_anchor(scores, 2), is_object.long(), reduction="sum") / total
    target = torch.from_numpy(np.concatenate(wanted)).to(offsets.device, offsets.dtype)
    moved = F.smooth_l1_loss(by_anchor(offsets, 4)[is_object], target, reduction="sum", beta=BETA)
    return {"objectness": objectness, "anchors": moved / total}
