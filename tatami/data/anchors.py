"""Anchors from the user's own boxes: k-means with 1 - IoU as distance.

Boxes are compared as if they shared a corner, so that only width and height count, and large boxes
do not outweigh small ones.

Source:
    Redmon and Farhadi 2017 (YOLO9000), section 2, "Dimension clusters".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tatami.errors import TatamiError
from tatami.rules.picture import placement
from tatami.types import Dataset, Float64, InputSpec, Int64, Size

_RESTARTS = 8
_ROUNDS = 300  # an upper bound; a run ends when no box changes its cluster


@dataclass(frozen=True)
class Anchors:
    """Anchors, and how well they fit.

    Args:
        pairs: (width, height) in cells, the smallest area first.
        mean_iou: The mean IoU of every box with the anchor that fits it best, in [0, 1].
    """

    pairs: tuple[tuple[float, float], ...]
    mean_iou: float


def kmeans_anchors(
    dataset: Dataset, size: Size, count: int, seed: int, stride: int = 32
) -> Anchors:
    """Cluster the dataset's boxes, as letterboxed to ``size``, into anchors.

    Crowds are left out. The best of several seeded starts is kept, so the same arguments give the
    same anchors.

    Args:
        dataset: The split whose boxes are clustered.
        size: The network's input.
        count: How many anchors.
        seed: Of the random starts.
        stride: Pixels of the input that a cell is wide and high.

    Raises:
        TatamiError: Where there are fewer different boxes than anchors.
    """
    if count < 1:
        raise TatamiError(f"{count} anchors asked for", hint="ask for at least 1")
    sides, weights = _distinct_sides(dataset, size, stride)
    if len(sides) < count:
        raise TatamiError(
            f"{len(sides)} different box sizes in '{dataset.split}' cannot make {count} anchors",
            hint=f"ask for at most {len(sides)} anchors" if len(sides) else "label some boxes",
            file=dataset.root,
        )
    rng = np.random.default_rng(seed)
    best: Float64 | None = None
    best_iou = -1.0
    for _ in range(_RESTARTS):
        anchors, mean_iou = _kmeans(sides, weights, _start(sides, weights, count, rng))
        if mean_iou > best_iou:
            best, best_iou = anchors, mean_iou
    assert best is not None
    by_area = best[np.lexsort((best[:, 0], best.prod(axis=1)))]
    pairs = tuple((float(width), float(height)) for width, height in by_area)
    return Anchors(pairs, best_iou)


def _distinct_sides(dataset: Dataset, size: Size, stride: int) -> tuple[Float64, Int64]:
    """List the different (width, height) of boxes in cells (n, 2), and count each (n,)."""
    spec = InputSpec(size)
    found = [np.zeros((0, 2))]
    for sample in dataset.samples:
        fit = placement(sample.size, spec)
        boxes = fit.to_canvas(sample.boxes.xyxy[~sample.boxes.crowd], sample.size)
        found.append((boxes[:, 2:] - boxes[:, :2]) / stride)
    sides = np.concatenate(found)
    sides = sides[(sides > 0).all(axis=1)]
    # to a millionth of a cell: the same box at another place is not another size
    distinct, weights = np.unique(np.round(sides, 6), axis=0, return_counts=True)
    return distinct, weights.astype(np.int64)


def _iou(sides: Float64, anchors: Float64) -> Float64:
    """Compute the IoU (n, k) of sides (n, 2) and anchors (k, 2) that share a corner."""
    shared: Float64 = np.minimum(sides[:, None], anchors).prod(axis=2)
    union: Float64 = sides.prod(axis=1)[:, None] + anchors.prod(axis=1) - shared
    return shared / union


def _start(sides: Float64, weights: Int64, count: int, rng: np.random.Generator) -> Float64:
    """Choose the first anchors: each next one is drawn by its cost under the others.

    The cost of a box is 1 - IoU itself here, because that is what is summed.

    Source:
        k-means++, Arthur and Vassilvitskii 2007.
    """
    chosen = [int(rng.choice(len(sides), p=weights / weights.sum()))]
    for _ in range(count - 1):
        cost = weights * (1 - _iou(sides, sides[chosen]).max(axis=1))
        cost[chosen] = 0  # whatever rounding left there
        chosen.append(int(rng.choice(len(sides), p=cost / cost.sum())))
    return sides[chosen]


def _kmeans(sides: Float64, weights: Int64, anchors: Float64) -> tuple[Float64, float]:
    """Run Lloyd's rounds from a start, and keep the best anchors met.

    A mean of sides need not raise the mean IoU, so the last anchors need not be the best.
    """
    best, best_iou = anchors, -1.0
    before: Int64 | None = None
    for _ in range(_ROUNDS):
        ious = _iou(sides, anchors)
        nearest = ious.argmax(axis=1)
        mean_iou = float(np.average(ious.max(axis=1), weights=weights))
        if mean_iou > best_iou:
            best, best_iou = anchors, mean_iou
        if before is not None and (nearest == before).all():
            break
        before = nearest
        anchors = anchors.copy()
        for k in range(len(anchors)):
            mine = nearest == k
            if mine.any():  # one that nobody is nearest to stays where it is
                anchors[k] = np.average(sides[mine], axis=0, weights=weights[mine])
    return best, best_iou
