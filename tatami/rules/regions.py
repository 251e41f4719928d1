"""A detector in two stages: where anything may be, then what is there. The rule between the two.

S. Ren, K. He, R. Girshick and J. Sun, "Faster R-CNN", NIPS 2015, R. Girshick, "Fast R-CNN", ICCV
2015, and R. Girshick, J. Donahue, T. Darrell and J. Malik, "Rich feature hierarchies", CVPR 2014
(R-CNN), as one rule. In float32 and in a fixed order, as rules/decoding.py is, for C to follow:

1. Of ``pool``, the picture is prepared by the picture rule, and the first network makes a feature
   map of it and, where the spec has ``proposals``, the raw maps of an SSD of one class, "anything":
   its anchors' candidates, best first, are the regions. Else regions come from the caller, in the
   picture's pixels, best first, and are laid onto the input by the picture's placement. Of ``warp``
   there is no such network, and regions stay in the picture's pixels.
2. Regions are cut to the input (of ``warp``, to the picture); one with a side below ``least_side``
   goes. Those that the network proposed are thinned by greedy NMS. The first ``max_regions`` stay.
3. Of ``pool``, the feature map within each region is max-pooled (tatami/ops/roi_pool.py). Of
   ``warp``, the picture within it, with ``context`` pixels around, is warped to the input.
4. The head says, of each region, the numbers of the classes (of ``softmax`` the background's first)
   and, class after class, offsets tx, ty, tw, th, which move and grow the region as an SSD's do its
   default boxes.
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
"""A picture to regions (n, 4) in its pixels, the likelier first."""

_AT_ONCE = 64
"""Regions that the head sees together: 64 warped pictures are some 40 MB."""


@dataclass(frozen=True)
class TwoStageDetector:
    """A ``types.Detector`` around the two networks: torch, NumPy, ONNX Runtime or compiled C.

    features: images (n, 3, H, W) to the feature map and the maps of the proposals; None of
    ``warp``.  head: pooled or warped regions (k, channels, rows, columns) to the classes' numbers
    and the offsets, (k, K + 1) and (k, 4 K).  propose: where the spec has no proposals.
    """

    spec: TwoStageSpec
    features: Forward | None
    head: Forward
    propose: Propose | None = None

    def detect(self, picture: Picture, score_threshold: float) -> Detections:
        """Boxes in the pixels of the picture (height, width, 3), best first.

        Raises TatamiError where regions must come from elsewhere and do not.
        """
        size = Size(picture.shape[1], picture.shape[0])
        return self.detect_in(self.regions_of(picture), size, score_threshold)

    def detect_in(self, seen: Regions, size: Size, score_threshold: float) -> Detections:
        """Steps 4 and 5 for the regions of a picture of that size."""
        if not len(seen.regions):
            return Detections.of([], [], [])
        decoding = self.spec.decoding
        best = region_candidates(seen.regions, *self.score(seen), decoding, score_threshold)
        return suppress(best, decoding, seen.placement, size)

    def score(self, seen: Regions) -> tuple[Float32, Float32]:
        """Step 4 for the regions of a picture, one at least: the numbers of the classes (n, K + 1)
        and the offsets (n, 4 K)."""
        said = [self.head(part) for part in _in_parts(seen.regions, seen.cut)]
        numbers, offsets = (
            np.concatenate(each).reshape(len(seen.regions), -1)  # of a program it has four axes
            for each in zip(*said, strict=True)
        )
        return numbers, offsets

    def regions_of(self, picture: Picture) -> Regions:
        """Steps 1 to 3 for a picture (height, width, 3). Raises TatamiError as ``detect``."""
        decoding = self.spec.decoding
        size = Size(picture.shape[1], picture.shape[0])
        if self.features is None:
            placement = Placement(0, 0, size.width, size.height)
            regions = given_regions(self._proposed(picture), placement, size, size, decoding)
            return Regions(regions, placement, lambda some: warp(picture, some, self.spec))
        image, placement = prepare(picture, self.spec.input)
        features, *maps = self.features(image[None])
        if self.spec.proposals is None:
            boxes = self._proposed(picture)
            regions = given_regions(boxes, placement, size, self.spec.input.size, decoding)
        else:
            one = [each[0] for each in maps]
            regions = proposed_regions(one, self.spec.proposals, decoding, self.spec.input.size)
        return Regions(regions, placement, lambda some: pool(features, some, decoding))

    def _proposed(self, picture: Picture) -> Float64:
        if self.propose is None:
            raise TatamiError(
                "the network finds no regions by itself", hint="give it those of selective search"
            )
        return self.propose(picture)


@dataclass(frozen=True)
class Regions:
    """Where anything may be in one picture.

    regions: (n, 4), the best first, in pixels of the input, or of ``warp`` of the picture.
    placement: where the picture lies on what they are of.  cut: some of the regions (k, 4) to what
    the head is given of them, (k, channels, rows, columns), k at least 1.
    """

    regions: Float32
    placement: Placement
    cut: Callable[[Float32], Float32]

    def sample(self, limit: int) -> Float32 | None:
        """What the head is given of at most so many, evenly from the best to the last; None where
        there is no region."""
        which = np.unique(np.linspace(0, len(self.regions) - 1, limit).astype(np.int64))
        return self.cut(self.regions[which]) if len(self.regions) else None


def _in_parts(regions: Float32, make: Callable[[Float32], Float32]) -> Iterator[Float32]:
    for start in range(0, len(regions), _AT_ONCE):
        yield make(regions[start : start + _AT_ONCE])


def proposed_regions(
    maps: Sequence[Float32], proposals: Decoding, decoding: RegionDecoding, size: Size
) -> Float32:
    """Steps 1 and 2 for one picture's maps of the proposals: regions (n, 4), pixels of the input.

    size: of the input. Raises TatamiError where the maps are not those that ``proposals`` says.
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
    """Steps 1 and 2 for regions (n, 4) in the picture's pixels: those on the input of ``size``.

    picture: the picture's size, which ``placement`` laid onto the input.
    """
    placed = placement.to_canvas(boxes, picture).astype(np.float32)
    inside = clip_xyxy(placed, size)
    regions: Float32 = inside[_large(inside, decoding)][: decoding.max_regions]
    return regions


def _large(regions: Float32, decoding: RegionDecoding) -> Bool:
    sides = (regions[:, 2:] - regions[:, :2]).min(axis=1)
    large: Bool = (sides >= np.float32(decoding.least_side)) & (sides > 0)
    return large


def pool(features: Float32, regions: Float32, decoding: RegionDecoding) -> Float32:
    """Step 3 of ``pool``: (k, channels, rows, columns) of regions (k, 4) on one picture's map."""
    bins = (decoding.bins.height, decoding.bins.width)
    on = np.zeros(len(regions), np.int64)
    pooled, _ = roi_max_pool(features, regions.astype(np.float64), on, bins, 1 / decoding.stride)
    return pooled


def pool_backward(
    slope: Float32, features: Float32, regions: Float32, decoding: RegionDecoding
) -> Float32:
    """What ``pool`` makes of the gradient of its results (k, channels, rows, columns): that of the
    feature map, of its shape."""
    bins = (decoding.bins.height, decoding.bins.width)
    on = np.zeros(len(regions), np.int64)
    scale = 1 / decoding.stride
    _, indices = roi_max_pool(features, regions.astype(np.float64), on, bins, scale)
    _, channels, rows, columns = features.shape
    return roi_max_pool_backward(slope, indices, on, (1, channels, rows, columns))


def warp(picture: Picture, regions: Float32, spec: TwoStageSpec) -> Float32:
    """Step 3 of ``warp``: (k, 3, H, W), normalized, of regions (k, 4) in the picture's pixels."""
    size, context, pad = spec.input.size, spec.decoding.context, int(spec.input.pad)
    crops = [warped(picture, region, size, context, pad) for region in regions]
    return np.stack([normalize(crop, spec.input) for crop in crops])


def warped(picture: Picture, region: Float32, size: Size, context: int, pad: int) -> Picture:
    """A region (4,) and its surroundings as a picture of ``size``, whatever the region's shape.

    The region is grown about its center so that, warped, ``context`` pixels at every edge are not
    of it (Girshick et al. 2014, appendix A: "tightest square without" is (C), "warp" is (D), this
    one, with p = 16). Its edges go to the nearest pixels'; beyond the picture there is ``pad``.
    """
    grow = np.array([size.width, size.height]) / (np.array([size.width, size.height]) - 2 * context)
    box = region.astype(np.float64)
    center, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2 * grow
    sides = np.array([size.width, size.height])
    edges = np.array([picture.shape[1], picture.shape[0]])
    # However thin, and rounded away from the picture's edge or not: one pixel of it is seen.
    first = np.minimum(np.floor(center - half + 0.5).astype(int), edges - 1)
    last = np.maximum(np.floor(center + half + 0.5).astype(int), np.maximum(first + 1, 1))
    seen_first, seen_last = np.maximum(first, 0), np.minimum(last, edges)
    # Where the part that is seen lies on the canvas, to the nearest pixel and at least one wide.
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
    """The scores (k, K) of the classes, the background left out, of the head's numbers."""
    return softmax(numbers)[:, 1:] if decoding.scores == "softmax" else sigmoid(numbers)


def region_candidates(
    regions: Float32,
    numbers: Float32,
    offsets: Float32,
    decoding: RegionDecoding,
    score_threshold: float,
) -> Candidates:
    """Steps 4 and 5: regions (k, 4), the head's numbers (k, K + 1) and offsets (k, 4 K)."""
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
