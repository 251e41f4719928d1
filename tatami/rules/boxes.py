"""Boxes as arrays: pure functions, the box format in every name.

xyxy is (left, top, right, bottom) edges, cxcywh is (center x, center y, width, height), both in
pixels and of shape (n, 4). Every function computes in the precision it is given: float32 boxes are
compared in float32, as the C program compares them, and float64 boxes in float64.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tatami.rules.neighbors import neighbors
from tatami.types import Bool, Int64, Size

Real = TypeVar("Real", np.float32, np.float64)


def xyxy_to_cxcywh(xyxy: NDArray[Real]) -> NDArray[Real]:
    """Convert boxes (n, 4) from edges to center and sides."""
    sides = xyxy[:, 2:] - xyxy[:, :2]
    return np.concatenate([xyxy[:, :2] + sides / 2, sides], axis=1)


def cxcywh_to_xyxy(cxcywh: NDArray[Real]) -> NDArray[Real]:
    """Convert boxes (n, 4) from center and sides to edges."""
    centers, halves = cxcywh[:, :2], cxcywh[:, 2:] / 2
    return np.concatenate([centers - halves, centers + halves], axis=1)


def area_xyxy(xyxy: NDArray[Real]) -> NDArray[Real]:
    """Compute the areas (...) in square pixels of boxes (..., 4).

    A box whose edges are crossed has 0.
    """
    sides = np.maximum(xyxy[..., 2:] - xyxy[..., :2], 0)
    areas: NDArray[Real] = sides[..., 0] * sides[..., 1]
    return areas


def intersection_xyxy(a: NDArray[Real], b: NDArray[Real]) -> NDArray[Real]:
    """Compute the areas (n, m) in square pixels that boxes a (n, 4) and boxes b (m, 4) share."""
    return _shared(a[:, None], b[None, :])


def iou_xyxy(a: NDArray[Real], b: NDArray[Real]) -> NDArray[Real]:
    """Compute the intersection over union (n, m) of each of a (n, 4) with each of b (m, 4).

    It lies in [0, 1]; two boxes without area have 0.
    """
    return _iou(a[:, None], b[None, :])


def _shared(a: NDArray[Real], b: NDArray[Real]) -> NDArray[Real]:
    """Compute the areas that boxes a and b (..., 4), broadcast against each other, share."""
    # One axis after the other, which needs a third of the memory of (..., 4) arrays.
    width = np.minimum(a[..., 2], b[..., 2]) - np.maximum(a[..., 0], b[..., 0])
    height = np.minimum(a[..., 3], b[..., 3]) - np.maximum(a[..., 1], b[..., 1])
    shared: NDArray[Real] = np.maximum(width, 0) * np.maximum(height, 0)
    return shared


def _iou(a: NDArray[Real], b: NDArray[Real]) -> NDArray[Real]:
    """Compute the IoU of boxes a and b (..., 4), broadcast against each other."""
    shared = _shared(a, b)
    union = area_xyxy(a) + area_xyxy(b) - shared
    iou: NDArray[Real] = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return iou


def clip_xyxy(xyxy: NDArray[Real], size: Size) -> NDArray[Real]:
    """Clip boxes (n, 4) to a picture of that size; one outside it loses its area."""
    edges = np.array([size.width, size.height, size.width, size.height], xyxy.dtype)
    return np.minimum(np.maximum(xyxy, 0), edges)


def _center_distance(a: NDArray[Real], b: NDArray[Real], size: Size) -> NDArray[Real]:
    """Compute how far the centers of boxes a lie from those of b (..., 4), in [0, 1].

    It is the square of their distance over that of the diagonal of both boxes' hull, all in shares
    of the sides of a picture of that size; 0 for two boxes that are one point.

    Source:
        Zheng et al. 2020, equation 7.
    """
    sides = np.array([size.width, size.height], a.dtype)
    centers = ((a[..., :2] + a[..., 2:]) - (b[..., :2] + b[..., 2:])) / 2 / sides
    hull = np.maximum(a[..., 2:], b[..., 2:]) - np.minimum(a[..., :2], b[..., :2])
    hull = hull / sides
    distance = centers[..., 0] * centers[..., 0] + centers[..., 1] * centers[..., 1]
    diagonal = hull[..., 0] * hull[..., 0] + hull[..., 1] * hull[..., 1]
    zero = np.zeros_like(distance)
    share: NDArray[Real] = np.divide(distance, diagonal, out=zero, where=diagonal > 0)
    return share


def nms_xyxy(
    xyxy: NDArray[Real],
    scores: NDArray[Real],
    iou_threshold: float,
    diou_size: Size | None = None,
) -> Int64:
    """Suppress boxes greedily that overlap a better one too much.

    The best box left is kept, every box whose IoU with it exceeds the threshold is dropped, and so
    on; an IoU of exactly the threshold keeps both (docs/box-rule.md). Where scores are equal the
    lower index is the better.

    Args:
        xyxy: Boxes (n, 4).
        scores: Their scores (n,).
        iou_threshold: The largest IoU of two boxes that are both kept.
        diou_size: The picture's size, where the IoU is first reduced by the 0.6th power of the
            distance of their centers, as darknet's greedynms does; None: the plain IoU.

    Returns:
        The kept indices, best first.

    Source:
        Zheng et al. 2020, equation 7, in shares of the picture's sides.
    """
    order = best_first(scores)
    boxes = xyxy.take(order, axis=0)
    left = np.arange(len(boxes))
    kept = []
    at_once = _AT_ONCE
    # Many boxes at once, so that the time goes into arithmetic on arrays: the best few dozen are
    # settled among themselves, then all that they keep is held against the rest.
    while len(left):
        if len(left) <= _FEW and diou_size is None and iou_threshold >= 0:
            kept.append(left[_kept_of_few(boxes.take(left, axis=0), iou_threshold)])
            break
        best, left = left[:at_once], left[at_once:]
        one, other = _same_objects(boxes[best], boxes[best], iou_threshold, diou_size)
        best = best[_settled(len(best), one[one < other], other[one < other])]
        kept.append(best)
        _, gone = _same_objects(boxes[best], boxes[left], iou_threshold, diou_size)
        left = np.delete(left, gone)
        at_once *= 2  # what is left is ever less alike
    return order[np.concatenate(kept)].astype(np.int64) if kept else np.zeros(0, np.int64)


def best_first(scores: NDArray[Real]) -> Int64:
    """Sort scores (n,) from the highest to the lowest; where equal, the lower index first.

    Returns:
        Their indices (n,).
    """
    if scores.dtype != np.float32 or len(scores) > _MAX_SORTED or np.isnan(scores).any():
        return np.argsort(-scores, kind="stable")
    # A stable sort by a number and its place is any sort by both in one integer, which is faster.
    # The bits of two floats compare as the floats do once those of negative ones are turned around;
    # 0 - x, and not -x, for it makes one number of 0 and -0.
    bits = (np.float32(0) - scores).view(np.uint32)
    ordered = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))
    keys = ordered.astype(np.uint64) << np.uint64(32) | np.arange(len(scores), dtype=np.uint64)
    keys.sort()
    return (keys & np.uint64(0xFFFFFFFF)).astype(np.int64)


_MAX_SORTED = 1 << 32
"""Scores whose places fit beside them in 64 bits."""
_AT_ONCE = 32
"""Boxes that ``nms_xyxy`` settles together at first."""
_MAX_PAIRS = 1 << 18
"""Pairs up to which every one is tested: beyond it, sorting boxes by place is cheaper."""
_IN_CACHE = 1 << 15
"""Pairs tested at once: temporary arrays of that length stay in the processor's cache."""


_FEW = 1 << 12
"""Boxes up to which ``nms_xyxy`` has its quickest way."""
_BYTES = 1 << 15
"""Of an array of pairs in that way: larger ones are new memory of the system's every time."""
_WORTH_SORTING = 80_000
"""Pairs to test above which it is worth while to sort boxes by place."""


def _kept_of_few(boxes: NDArray[Real], iou_threshold: float) -> Int64:
    """Suppress boxes (n, 4) that are sorted, best first; give those that are kept.

    The best boxes are held against all that are left, a few of them at once. How many they drop
    tells how many pairs that will take: if many, those that meet are found by sorting.
    """
    threshold = boxes.dtype.type(iou_threshold)
    edges = np.ascontiguousarray(boxes.T)  # one coordinate after the other
    sides = np.maximum(edges[2:] - edges[:2], 0)
    areas = sides[0] * sides[1]
    left = np.arange(len(boxes))
    kept = []
    expected: int | None = None  # pairs
    with np.errstate(all="ignore"):
        while len(left):
            if expected is not None and expected > _WORTH_SORTING:
                most = min(expected // 4, 1 << 20)
                pairs = _same_by_place(edges, areas, threshold, most)
                if pairs is not None:
                    kept.append(left[_settled(len(left), *pairs)])
                    break
                expected = 0
            count = min(len(left), max(8, _BYTES // boxes.itemsize // len(left)))
            shared = np.minimum(edges[2:, :count, None], edges[2:, None])
            shared -= np.maximum(edges[:2, :count, None], edges[:2, None])
            same = _too_much(shared[0], shared[1], areas[:count, None], areas, threshold)
            gone = np.zeros(len(left), bool)
            best = []
            for row in range(count):
                if not gone[row]:
                    best.append(row)
                    np.logical_or(gone, same[row], out=gone)
            kept.append(left[best])
            stays = (~gone[count:]).nonzero()[0] + count
            if expected is None:
                tested, dropped = count * len(left), len(left) - count - len(stays)
                expected = min(tested * len(stays) // max(1, dropped), len(stays) ** 2 // 2)
            left, areas = left.take(stays), areas.take(stays)
            edges = edges.take(stays, axis=1)
    return np.concatenate(kept) if kept else left


def _same_by_place(
    edges: NDArray[Real], areas: NDArray[Real], threshold: Real, most: int
) -> tuple[Int64, Int64] | None:
    """Find the pairs of boxes whose IoU exceeds the threshold, by sorting along one axis.

    Along either axis, an IoU of t needs an overlap of t times either side. So the box that begins
    later does so within 1 - t of the side of the other.

    Args:
        edges: (4, n), best first.
        areas: (n,).
        threshold: Not below 0.
        most: Pairs beyond which it is not worth while.

    Returns:
        The better and the worse of each pair; None where there are more than ``most`` to test.
    """
    sides, spread = edges[2:] - edges[:2], np.ptp(edges[:2], axis=1)
    axis = int(spread[0] * sides[1].sum() < spread[1] * sides[0].sum())
    begins = edges[axis].astype(np.float64)
    order = np.argsort(begins, kind="stable")
    begins, reach = begins[order], (edges[axis + 2] - begins)[order] * (1.001 - float(threshold))
    first = np.arange(1, len(order) + 1)
    counts = np.maximum(begins.searchsorted(begins + reach + 1e-15) - first, 0)
    if counts.sum() > most:
        return None
    ends = np.cumsum(counts)
    one = np.repeat(first - 1, counts)
    other = np.arange(len(one)) + np.repeat(first - ends + counts, counts)

    low, high = edges[1 - axis].take(order), edges[3 - axis].take(order)
    across = np.minimum(np.repeat(high, counts), high.take(other))
    across -= np.maximum(np.repeat(low, counts), low.take(other))
    least = (high - low) * edges.dtype.type(0.999 * float(threshold))
    near = (across > np.repeat(least, counts)).nonzero()[0]
    one, other, across = order.take(one.take(near)), order.take(other.take(near)), across.take(near)
    low, high = edges[axis], edges[axis + 2]
    along = np.minimum(high.take(one), high.take(other))
    along -= np.maximum(low.take(one), low.take(other))
    same = _too_much(along, across, areas.take(one), areas.take(other), threshold).nonzero()[0]
    one, other = one.take(same), other.take(same)
    return np.minimum(one, other), np.maximum(one, other)


def _too_much(
    along: NDArray[Real],
    across: NDArray[Real],
    area: NDArray[Real],
    other: NDArray[Real],
    threshold: Real,
) -> Bool:
    """Tell whether the IoU exceeds the threshold: the arithmetic of ``_iou``, in place.

    Args:
        along: By how much two boxes overlap along one axis, below 0 where they are apart; it is
            written over.
        across: The same along the other.
        area: The area of one.
        other: The area of the other.
        threshold: Not below 0.
    """
    np.maximum(along, 0, out=along)
    across *= along  # where one is below 0, so is the product, or it is 0
    union = area + other
    union -= across
    across /= union  # 0 / 0 is NaN, which exceeds nothing
    exceeds: Bool = across > threshold
    return exceeds


def _settled(count: int, better: Int64, worse: Int64) -> Bool:
    """Tell which of ``count`` boxes are kept, (count,), where box better[i] drops box worse[i]."""
    kept, open_ = np.zeros(count, bool), np.ones(count, bool)
    while len(better):
        certain = open_.copy()
        certain[worse] = False  # whether these are kept is up to a better one
        kept |= certain
        open_[certain] = False
        open_[worse[certain[better]]] = False
        pending = open_[better] & open_[worse]
        better, worse = better[pending], worse[pending]
    return kept | open_


def _same_objects(
    a: NDArray[Real], b: NDArray[Real], iou_threshold: float, diou_size: Size | None
) -> tuple[Int64, Int64]:
    """Find the indices of the pairs of a (n, 4) and b (m, 4) too alike to be two objects."""
    # Cheap and a little generous first; the IoU itself is computed of few.
    rows, columns = _alike(a, b, iou_threshold)
    one, other = a[rows], b[columns]
    excess = _iou(one, other) - a.dtype.type(iou_threshold)
    too_much = excess > 0
    if diou_size is not None:
        # x > y ** 0.6 where x ** 5 > y ** 3, which needs no pow and is the same bits in C.
        away = _center_distance(one, other, diou_size)
        square = excess * excess
        too_much &= square * square * excess > away * away * away
    return rows[too_much], columns[too_much]


def _alike(a: NDArray[Real], b: NDArray[Real], iou_threshold: float) -> tuple[Int64, Int64]:
    """Find the pairs whose IoU exceeds the threshold (not below 0), and maybe a few more."""
    if len(a) * len(b) > _MAX_PAIRS:
        # An IoU of t needs one of t along each axis. Then the intervals' hull is at most a's side
        # over t, and the centers are apart by at most half of what the hull has beyond the overlap.
        sides_a, sides_b = (box[:, 2:].astype(np.float64) - box[:, :2] for box in (a, b))
        reach = (sides_a + sides_b.max(axis=0)) / 2  # where they touch
        if iou_threshold > 0:
            reach = np.minimum(reach, sides_a * (1 - iou_threshold) / (2 * iou_threshold))
        centers_a, centers_b = ((box[:, :2].astype(np.float64) + box[:, 2:]) / 2 for box in (a, b))
        spread = np.ptp(centers_b, axis=0)
        looked_at = np.minimum(2 * reach, spread).prod(axis=1).mean()
        if looked_at < 0.05 * spread.prod() < np.inf:
            rows, columns = neighbors(centers_a, 1.001 * reach, centers_b)
            sharing = _share_enough(a[rows], b[columns], iou_threshold)
            return rows[sharing], columns[sharing]
    lying = np.asfortranarray(b)  # one coordinate after the other
    step = max(1, _IN_CACHE // max(1, len(a)))
    rows, columns = np.zeros((2, 0), np.int64)
    found = [(rows, columns)]
    for start in range(0, len(b), step):
        part = lying[None, start : start + step]
        rows, columns = _share_enough(a[:, None], part, iou_threshold).nonzero()
        found.append((rows, start + columns))
    return np.hstack([rows for rows, _ in found]), np.hstack([columns for _, columns in found])


def _share_enough(a: NDArray[Real], b: NDArray[Real], iou_threshold: float) -> Bool:
    """Tell whether boxes a and b (..., 4), broadcast, share what an IoU of the threshold needs.

    shared / (a + b - shared) > t where shared > t / (1 + t) * (a + b); a little less is asked for,
    because either is rounded.
    """
    least = a.dtype.type(0.999 * iou_threshold / (1 + iou_threshold))
    enough: Bool = _shared(a, b) > least * (area_xyxy(a) + area_xyxy(b))
    return enough


def soft_nms_xyxy(
    xyxy: NDArray[Real],
    scores: NDArray[Real],
    *,
    sigma: float = 0.5,
    score_threshold: float = 0.001,
) -> tuple[Int64, NDArray[Real]]:
    """Reduce the scores of boxes that overlap a better one (Soft-NMS).

    Instead of being dropped, a box that overlaps a kept one by the IoU u has its score multiplied
    by exp(-u^2 / sigma); one that falls to ``score_threshold`` or below is dropped. Where scores
    are equal the lower index is the better.

    Args:
        xyxy: Boxes (n, 4).
        scores: Their scores (n,).
        sigma: How fast scores fall with overlap; above 0.
        score_threshold: The score at which a box is dropped.

    Returns:
        The kept indices, best first, and their new scores.

    Raises:
        ValueError: For a sigma that is not above 0.

    Source:
        Bodla et al. 2017, equation 3.
    """
    if not sigma > 0:
        raise ValueError(f"sigma is {sigma}, not above 0")
    left = np.flatnonzero(scores > score_threshold)
    now = scores[left]
    kept, kept_scores = [], []
    while len(left):
        best = int(now.argmax())
        kept.append(left[best])
        kept_scores.append(now[best])
        overlap = iou_xyxy(xyxy[left[best]][None], xyxy[left])[0]
        now = now * np.exp(-overlap * overlap / xyxy.dtype.type(sigma))
        stays = now > score_threshold
        stays[best] = False
        left, now = left[stays], now[stays]
    return np.array(kept, np.int64), np.array(kept_scores, scores.dtype)


def nms_per_class(
    xyxy: NDArray[Real],
    scores: NDArray[Real],
    labels: Int64,
    iou_threshold: float,
    diou_size: Size | None = None,
) -> Int64:
    """Suppress boxes greedily within each class, as ``nms_xyxy`` does.

    Args:
        xyxy: Boxes (n, 4).
        scores: Their scores (n,).
        labels: Their classes (n,).
        iou_threshold: The largest IoU of two boxes of a class that are both kept.
        diou_size: As for ``nms_xyxy``.

    Returns:
        The kept indices of all classes, best first.
    """
    kept = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        of_class = np.flatnonzero(labels == label)
        best = nms_xyxy(xyxy[of_class], scores[of_class], iou_threshold, diou_size)
        kept[of_class[best]] = True
    indices = np.flatnonzero(kept)
    return indices[np.argsort(-scores[indices], kind="stable")].astype(np.int64)
