"""What every detector in two stages offers, and the stage that R-CNN's successors share.

R. Girshick, "Fast R-CNN", ICCV 2015: sections 2.1 to 2.3.
"""

from __future__ import annotations

import zlib
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tatami.models.backbone import Backbone
from tatami.models.default_boxes import encode
from tatami.models.roi_pool import roi_max_pool
from tatami.rules.boxes import iou_xyxy, xyxy_to_cxcywh
from tatami.types import Boxes, Decoding, Float32, Int64, RegionDecoding, Size

PROPOSAL = -1
"""The label of a training picture's boxes that are proposals and not truths."""


class TwoStage(nn.Module):
    """Turn images into a feature map and what regions come from, and regions into boxes. Abstract.

    Attributes:
        stride: The sides of an input are multiples of it.
        channels: Of what the head takes.
        part: The module that is made of a classifier, whose weights it may begin from.
    """

    stride: ClassVar[int]
    part: ClassVar[str] = "backbone"
    channels: int

    @classmethod
    @abstractmethod
    def plan(cls, size: Size, backbone: str) -> tuple[Decoding | None, RegionDecoding]:
        """How regions are found in an input of that size, and how they are read."""

    @abstractmethod
    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Compute the feature map of images (n, 3, H, W), then the maps of the proposals, if any.

        R-CNN's are a region's features.
        """

    @abstractmethod
    def head(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """Compute what is in regions (k, channels, rows, columns).

        Returns:
            The numbers of the classes, (k, K + 1) or, without the background, (k, K); and the
            offsets of the boxes, (k, 4 K).
        """

    @abstractmethod
    def loss(self, raw: tuple[Tensor, ...], targets: Any) -> dict[str, Tensor]:
        """Compute the parts whose sum is lowered.

        Args:
            raw: What ``forward`` gave.
            targets: The boxes of n pictures, in pixels of the input, among them those labeled
                PROPOSAL; for R-CNN a class a region.
        """


class Head(nn.Module):
    """A two-stage detector's head as a network of its own: what its ONNX file holds."""

    def __init__(self, model: TwoStage) -> None:
        super().__init__()
        self.model = model

    def forward(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the layers' result, whose shape the class states."""
        return self.model.head(pooled)


@dataclass(frozen=True)
class Sampling:
    """Which regions a picture's loss is of (section 2.3, "Mini-batch sampling").

    regions: of each picture, at most; ``share`` of them at most overlap a truth by ``truth`` or
    more, the others overlap one by ``background`` to below ``truth``.
    """

    regions: int = 64
    share: float = 0.25
    truth: float = 0.5
    background: float = 0.1


class RegionHead(nn.Module):
    """The second stage: the tail of a classifier and the two layers beside each other after it."""

    def __init__(
        self, backbone: Backbone, classes: int, decoding: RegionDecoding, sampling: Sampling
    ) -> None:
        super().__init__()
        self.decoding, self.sampling, self.classes = decoding, sampling, classes
        self.scores = nn.Linear(backbone.outputs, classes + 1)
        self.offsets = nn.Linear(backbone.outputs, 4 * classes)
        # Section 2.3, "SGD hyper-parameters".
        nn.init.normal_(self.scores.weight, std=0.01)
        nn.init.normal_(self.offsets.weight, std=0.001)
        nn.init.zeros_(self.scores.bias)
        nn.init.zeros_(self.offsets.bias)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(k, outputs of the tail) -> (k, K + 1) and (k, 4 K)."""
        return self.scores(features), self.offsets(features)

    def loss(
        self,
        backbone: Backbone,
        features: Tensor,
        proposals: Sequence[Float32],
        truths: Sequence[Boxes],
    ) -> dict[str, Tensor]:
        """Equation 1: the parts ``classes`` and ``coordinates``, means over the sampled regions.

        features: (n, channels, rows, columns).  proposals: n pictures' regions, (m, 4) each, in
        pixels of the input.  truths: their labeled boxes, which are regions to learn from, too.
        """
        chosen = [
            sample(boxes, truth, self.sampling, self.decoding.variances)
            for boxes, truth in zip(proposals, truths, strict=True)
        ]
        regions = np.concatenate([one.regions for one in chosen])
        if not len(regions):
            nothing = features.sum() * 0
            return {"classes": nothing, "coordinates": nothing}
        counts = [len(one.regions) for one in chosen]
        pictures = np.repeat(np.arange(len(chosen)), counts)
        scale = 1 / self.decoding.stride
        pooled = roi_max_pool(features, regions, pictures, self.decoding.bins, scale)
        numbers, offsets = self(backbone.tail(pooled))
        labels = torch.from_numpy(np.concatenate([one.labels for one in chosen])).to(
            features.device
        )
        classes = F.cross_entropy(numbers, labels)
        (objects,) = torch.nonzero(labels, as_tuple=True)
        wanted = torch.from_numpy(np.concatenate([one.offsets for one in chosen]))
        said = offsets.view(-1, self.classes, 4)[objects, labels[objects] - 1]
        coordinates = F.smooth_l1_loss(
            said, wanted.to(features.device, said.dtype)[objects], reduction="sum"
        )
        return {"classes": classes, "coordinates": coordinates / len(labels)}


@dataclass(frozen=True)
class Chosen:
    """The m regions of one picture that its loss is of.

    regions: (m, 4).  labels: (m,), 0 the background, k + 1 class k.  offsets: (m, 4), what is to be
    said of those that are not the background.
    """

    regions: Float32
    labels: Int64
    offsets: Float32


def sample(
    proposals: Float32, truths: Boxes, sampling: Sampling, variances: tuple[float, float]
) -> Chosen:
    """Draw regions to learn from, by numbers that depend on the proposals and truths alone.

    So the same step has the same ones when a training goes on after an interruption.
    """
    boxes = truths.xyxy.astype(np.float32)
    regions = np.concatenate([proposals, boxes])
    rng = np.random.default_rng(zlib.crc32(regions.tobytes()))
    if len(boxes) and len(regions):
        overlap = iou_xyxy(regions, boxes)
        owner, reached = overlap.argmax(axis=1), overlap.max(axis=1)
    else:
        owner, reached = np.zeros(len(regions), np.int64), np.zeros(len(regions), np.float32)
    objects = np.flatnonzero(reached >= sampling.truth)
    objects = rng.permutation(objects)[: round(sampling.regions * sampling.share)]
    others = (reached < sampling.truth) & (reached >= sampling.background)
    if not others.any() or not len(boxes):  # a picture of the background alone teaches, too
        others = reached < sampling.truth
    background = rng.permutation(np.flatnonzero(others))[: sampling.regions - len(objects)]
    which = np.concatenate([objects, background])
    labels = np.zeros(len(which), np.int64)
    labels[: len(objects)] = truths.labels[owner[objects]] + 1
    offsets = np.zeros((len(which), 4), np.float32)
    if len(objects):
        own = xyxy_to_cxcywh(boxes[owner[objects]])
        offsets[: len(objects)] = encode(own, xyxy_to_cxcywh(regions[objects]), variances)
    return Chosen(regions[which], labels, offsets)


def split(targets: Boxes) -> tuple[Boxes, Float32]:
    """Tell a training picture's truths from its proposals (m, 4)."""
    given = targets.labels == PROPOSAL
    return targets.select(~given), targets.xyxy[given].astype(np.float32)
