"""A detector in two stages: where anything may be, then what is there. The rule between the two.

S. Ren, K. He, R. Girshick and J. Sun, "Faster R-CNN", NIPS 2015, R. Girshick, "Fast R-CNN", ICCV
2015, and R. Girshick, J. Donahue, T. Darrell and J. Malik, "Rich feature hierarchies", CVPR 2014
(R-CNN), as one rule. In float32 and in a fixed order, as rules/decoding.py is, for C to follow:

1. With ``pool``, the picture is prepared by the picture rule, and the first network makes a feature
   map of it and, where the spec has ``proposals``, the raw maps of an SSD of one class, "anything":
   its anchors' candidates, best first, are the regions. Else regions come from the caller, in the
   picture's pixels, best first, and are laid onto the input by the picture's placement. With
   ``warp`` there is no such network, and regions stay in the picture's pixels.
2. Regions are cut to the input (with ``warp``, to the picture). One with a side below
   ``min_side`` is dropped. Those that the network proposed are thinned by greedy NMS. The first
   ``max_regions`` stay.
3. With ``pool``, the feature map within each region is max-pooled (tatami/ops/roi_pool.py). With
   ``warp``, the picture within it, with ``context`` pixels around, is warped to the input.
4. For each region the head gives the numbers of the classes (with ``softmax`` the background's
   first) and, class after class, offsets tx, ty, tw, th, which move and grow the region as an SSD's
   do its default boxes.
5. Candidates are numbered by (region, class). One is dropped unless its score exceeds the threshold
   and none of its numbers is NaN. Best first, ties by that order, at most ``max_candidates``; then
   steps 4 to 6 of tatami/rules/decoding.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tatami.errors import TatamiError
from tatami.ops.exponential import sigmoid, softmax
from tatami.ops.roi_pool import roi_max_pool, roi_max_pool_backward
from tatami.rules.boxes import clip_xyxy, cxcywh_to_xyxy, nms_xyxy, xyxy_to_cxcywh
from tatami.rules.decoding import Candidates, apply_offsets, candidates, suppress
from tatami.rules.picture import Placement, normalize, prepare, resize
from tatami.types import (
    Bool,
    Decoding,
    Detections,
    Float32,
    Float64,
    Forward,
    Picture,
    RegionDecoding,
    Size,
    TwoStageSpec,
)

Propose = Callable[[Picture], Float64]
"""From a picture to regions (n, 4) in its pixels, the likelier first."""

_BATCH = 64
"""Regions that go through the head together: 64 warped pictures are some 40 MB."""


@dataclass(frozen=True)
class TwoStageDetector:
    """A ``types.Detector`` around the two networks: torch, NumPy, ONNX Runtime or compiled C.

    Args:
        spec: What the networks are for.
        features: Images (n, 3, H, W) to the feature map and the maps of the proposals; None with
            ``warp``.
        head: Pooled or warped regions (k, channels, rows, columns) to the classes' numbers (k, K +
            1) and the offsets (k, 4 K).
        propose: Gives the regions of a picture, where the spec has no proposals.
    """

    spec: TwoStageSpec
    features: Forward | None
    head: Forward
    propose: Propose | None = None

    def detect(self, picture: Picture, score_threshold: float) -> Detections:
        """Find boxes in a picture.

        Args:
            picture: (height, width, 3).
            score_threshold: Boxes must score above it.

        Returns:
            Boxes in the picture's pixels, best first.

        Raises:
            TatamiError: Where regions must come from elsewhere and do not.
        """
        size = Size(picture.shape[1], picture.shape[0])
        return self.detect_in(self.regions_of(picture), size, score_threshold)

    def detect_in(self, regions: Regions, size: Size, score_threshold: float) -> Detections:
        """Follow steps 4 and 5 for the regions of a picture.

        Args:
            regions: Where anything may be.
            size: The picture's size.
            score_threshold: Boxes must score above it.
        """
        if not len(regions.regions):
            return Detections.of([], [], [])
        decoding = self.spec.decoding
        best = region_candidates(regions.regions, *self.score(regions), decoding, score_threshold)
        return suppress(best, decoding, regions.placement, size)

    def score(self, regions: Regions) -> tuple[Float32, Float32]:
        """Follow step 4 for the regions of a picture, at least one.

        Returns:
            The numbers of the classes (n, K + 1) and the offsets (n, 4 K).
        """
        outputs = [self.head(part) for part in _in_batches(regions.regions, regions.cut)]
        numbers, offsets = (
            np.concatenate(each).reshape(
                len(regions.regions), -1
            )  # a compiled program gives four axes
            for each in zip(*outputs, strict=True)
        )
        return numbers, offsets

    def regions_of(self, picture: Picture) -> Regions:
        """Follow steps 1 to 3 for a picture (height, width, 3).

        Raises:
            TatamiError: Where regions must come from elsewhere and do not.
        """
        decoding = self.spec.decoding
        size = Size(picture.shape[1], picture.shape[0])
        if self.features is None:
            placement = Placement(0, 0, size.width, size.height)
            regions = given_regions(self._proposed(picture), placement, size, size, decoding)
            return Regions(regions, placement, lambda chosen: warp(picture, chosen, self.spec))
        image, placement = prepare(picture, self.spec.input)
        features, *maps = self.features(image[None])
        if self.spec.proposals is None:
            boxes = self._proposed(picture)
            regions = given_regions(boxes, placement, size, self.spec.input.size, decoding)
        else:
            one = [each[0] for each in maps]
            regions = proposed_regions(one, self.spec.proposals, decoding, self.spec.input.size)
        return Regions(regions, placement, lambda chosen: pool(features, chosen, decoding))

    def _proposed(self, picture: Picture) -> Float64:
        if self.propose is None:
            raise TatamiError(
                "the network finds no regions by itself", hint="give it those of selective search"
            )
        return self.propose(picture)


@dataclass(frozen=True)
class Regions:
    """Where anything may be in one picture.

    Args:
        regions: (n, 4), the best first, in pixels of the input or, with ``warp``, of the picture.
        placement: Where the picture lies on what they are measured in.
        cut: Gives what the head sees of some of the regions: from (k, 4), k at least 1, to (k,
            channels, rows, columns).
    """

    regions: Float32
    placement: Placement
    cut: Callable[[Float32], Float32]

    def sample(self, limit: int) -> Float32 | None:
        """Give what the head sees of some regions, evenly from the best to the last.

        Args:
            limit: The largest number of regions.

        Returns:
            (k, channels, rows, columns); None where there is no region.
        """
        which = np.unique(np.linspace(0, len(self.regions) - 1, limit).astype(np.int64))
        return self.cut(self.regions[which]) if len(self.regions) else None


def _in_batches(regions: Float32, make: Callable[[Float32], Float32]) -> Iterator[Float32]:
    for start in range(0, len(regions), _BATCH):
        yield make(regions[start : start + _BATCH])


def proposed_regions(
    maps: Sequence[Float32], proposals: Decoding, decoding: RegionDecoding, size: Size
) -> Float32:
    """Follow steps 1 and 2 for what the network proposes.

    Args:
        maps: The raw maps of the proposals, (channels, rows, cols) each, of one picture.
        proposals: How they are read.
        decoding: How many regions stay, and how small they may be.
        size: The input's size.

    Returns:
        Regions (n, 4) in pixels of the input, best first.

    Raises:
        TatamiError: Where the maps are not those of ``proposals``.
    """
    best = candidates(maps, proposals, proposals.score_threshold, 1)
    inside = clip_xyxy(best.xyxy, size)
    large = _large(inside, decoding)
    inside, scores = inside[large], best.scores[large]
    kept = nms_xyxy(inside, scores, proposals.iou_threshold)
    regions: Float32 = inside[kept[: decoding.max_regions]]
    return regions


def given_regions(
    boxes: Float64, placement: Placement, picture: Size, size: Size, decoding: RegionDecoding
) -> Float32:
    """Follow steps 1 and 2 for regions that come from elsewhere.

    Args:
        boxes: Regions (n, 4) in the picture's pixels, best first.
        placement: Where the picture lies on the input.
        picture: The picture's size.
        size: The input's size.
        decoding: How many regions stay, and how small they may be.

    Returns:
        Regions (m, 4) in pixels of the input, best first.
    """
    placed = placement.to_canvas(boxes, picture).astype(np.float32)
    inside = clip_xyxy(placed, size)
    regions: Float32 = inside[_large(inside, decoding)][: decoding.max_regions]
    return regions


def _large(regions: Float32, decoding: RegionDecoding) -> Bool:
    sides = (regions[:, 2:] - regions[:, :2]).min(axis=1)
    large: Bool = (sides >= np.float32(decoding.min_side)) & (sides > 0)
    return large


def pool(features: Float32, regions: Float32, decoding: RegionDecoding) -> Float32:
    """Follow step 3 with ``pool``.

    Args:
        features: The feature map of one picture, (1, channels, rows, columns).
        regions: (k, 4), in pixels of the input.
        decoding: Bins and stride.

    Returns:
        (k, channels, bins.height, bins.width).
    """
    bins = (decoding.bins.height, decoding.bins.width)
    on = np.zeros(len(regions), np.int64)
    pooled, _ = roi_max_pool(features, regions.astype(np.float64), on, bins, 1 / decoding.stride)
    return pooled


def pool_backward(
    slope: Float32, features: Float32, regions: Float32, decoding: RegionDecoding
) -> Float32:
    """Compute the gradient of the feature map from that of ``pool``.

    Args:
        slope: The gradient of what ``pool`` gave, (k, channels, rows, columns).
        features: The feature map, (1, channels, rows, columns).
        regions: (k, 4), in pixels of the input.
        decoding: Bins and stride.

    Returns:
        The gradient of the feature map, of its shape.
    """
    bins = (decoding.bins.height, decoding.bins.width)
    on = np.zeros(len(regions), np.int64)
    scale = 1 / decoding.stride
    _, indices = roi_max_pool(features, regions.astype(np.float64), on, bins, scale)
    _, channels, rows, columns = features.shape
    return roi_max_pool_backward(slope, indices, on, (1, channels, rows, columns))


def warp(picture: Picture, regions: Float32, spec: TwoStageSpec) -> Float32:
    """Follow step 3 with ``warp``.

    Args:
        picture: (height, width, 3).
        regions: (k, 4), in the picture's pixels.
        spec: Size, context and normalization.

    Returns:
        (k, 3, H, W), normalized.
    """
    size, context, pad = spec.input.size, spec.decoding.context, int(spec.input.pad)
    crops = [warped(picture, region, size, context, pad) for region in regions]
    return np.stack([normalize(crop, spec.input) for crop in crops])


def warped(picture: Picture, region: Float32, size: Size, context: int, pad: int) -> Picture:
    """Cut a region and its surroundings out of a picture and warp them to ``size``.

    The region is grown about its center so that, warped, ``context`` pixels at every edge lie
    outside it. Its edges go to the nearest pixels'; beyond the picture there is ``pad``. Its shape
    is not kept.

    Args:
        picture: (height, width, 3).
        region: (4,), in the picture's pixels.
        size: What the region is warped to.
        context: Pixels of ``size`` at every edge that show the surroundings.
        pad: The value beyond the picture.

    Source:
        Girshick et al. 2014, appendix A: this is "warp", (D), with p = 16.
    """
    grow = np.array([size.width, size.height]) / (np.array([size.width, size.height]) - 2 * context)
    box = region.astype(np.float64)
    center, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2 * grow
    sides = np.array([size.width, size.height])
    edges = np.array([picture.shape[1], picture.shape[0]])
    # However thin, and rounded away from the picture's edge or not: one pixel of it is in sight.
    first = np.minimum(np.floor(center - half + 0.5).astype(int), edges - 1)
    last = np.maximum(np.floor(center + half + 0.5).astype(int), np.maximum(first + 1, 1))
    seen_first, seen_last = np.maximum(first, 0), np.minimum(last, edges)
    # Where the visible part lies on the canvas, to the nearest pixel and at least one wide.
    ratio = sides / (last - first)
    left, top = np.minimum(np.floor((seen_first - first) * ratio + 0.5).astype(int), sides - 1)
    right, bottom = np.floor((seen_last - first) * ratio + 0.5).astype(int)
    right, bottom = max(right, left + 1), max(bottom, top + 1)
    canvas: Picture = np.full((size.height, size.width, 3), pad, np.uint8)
    seen = picture[seen_first[1] : seen_last[1], seen_first[0] : seen_last[0]]
    canvas[top:bottom, left:right] = resize(
        np.ascontiguousarray(seen), Size(int(right - left), int(bottom - top))
    )
    return canvas


def class_scores(numbers: Float32, decoding: RegionDecoding) -> Float32:
    """Compute the scores (k, K) of the classes, without the background, from the head's numbers."""
    return softmax(numbers)[:, 1:] if decoding.scores == "softmax" else sigmoid(numbers)


def region_candidates(
    regions: Float32,
    numbers: Float32,
    offsets: Float32,
    decoding: RegionDecoding,
    score_threshold: float,
) -> Candidates:
    """Follow steps 4 and 5 for the regions of one picture.

    Args:
        regions: (k, 4).
        numbers: The head's numbers of the classes (k, K + 1).
        offsets: The head's offsets (k, 4 K).
        decoding: How both are read.
        score_threshold: Candidates must score above it.
    """
    scores = class_scores(numbers, decoding)
    with np.errstate(invalid="ignore"):
        region, label = np.nonzero(scores > np.float32(score_threshold))
    chosen = offsets.reshape(len(regions), -1, 4)[region, label]
    with np.errstate(over="ignore", invalid="ignore"):  # infinities and NaN: sorted out below
        cxcywh = apply_offsets(xyxy_to_cxcywh(regions)[region], chosen, decoding.variances)
    score = scores[region, label]
    sound = np.flatnonzero(~np.isnan(cxcywh).any(axis=1))
    best = sound[np.argsort(-score[sound], kind="stable")][: decoding.max_candidates]
    return Candidates(cxcywh_to_xyxy(cxcywh[best]), score[best], label[best].astype(np.int64))
