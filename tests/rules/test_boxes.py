from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tatami.rules.boxes import (
    area_xyxy,
    best_first,
    clip_xyxy,
    cxcywh_to_xyxy,
    iou_xyxy,
    nms_per_class,
    nms_xyxy,
    soft_nms_xyxy,
    xyxy_to_cxcywh,
)
from tatami.types import Float64, Int64, Size

GRID = 12


@st.composite
def integer_boxes(draw: st.DrawFn, most: int = 12) -> Float64:
    """(n, 4) boxes on a small grid, some without area: many touch, nest or coincide."""
    count = draw(st.integers(0, most))
    corners = draw(arrays(np.int64, (count, 4), elements=st.integers(0, GRID)))
    low, high = (
        np.minimum(corners[:, :2], corners[:, 2:]),
        np.maximum(corners[:, :2], corners[:, 2:]),
    )
    return np.concatenate([low, high], axis=1).astype(np.float64)


@st.composite
def scored_boxes(draw: st.DrawFn) -> tuple[Float64, Float64, Int64]:
    """Boxes, scores with many ties, and labels of three classes."""
    boxes = draw(integer_boxes(most=20))
    scores = draw(arrays(np.float64, len(boxes), elements=st.sampled_from([0.1, 0.5, 0.7, 0.9])))
    labels = draw(arrays(np.int64, len(boxes), elements=st.integers(0, 2)))
    return boxes, scores, labels


def rasterised(box: Float64) -> np.ndarray:
    canvas = np.zeros((GRID, GRID), bool)
    x1, y1, x2, y2 = box.astype(int)
    canvas[y1:y2, x1:x2] = True
    return canvas


@given(integer_boxes(), integer_boxes())
def test_iou_counts_pixels(a: Float64, b: Float64) -> None:
    expected = np.zeros((len(a), len(b)))
    for i, first in enumerate(map(rasterised, a)):
        for j, second in enumerate(map(rasterised, b)):
            union = (first | second).sum()
            expected[i, j] = (first & second).sum() / union if union else 0
    np.testing.assert_array_equal(iou_xyxy(a, b), expected)


@given(integer_boxes(), integer_boxes())
def test_iou_is_symmetric_and_bounded(a: Float64, b: Float64) -> None:
    iou = iou_xyxy(a, b)
    np.testing.assert_array_equal(iou, iou_xyxy(b, a).T)
    assert ((iou >= 0) & (iou <= 1)).all()
    np.testing.assert_array_equal(np.diag(iou_xyxy(a, a)), area_xyxy(a) > 0)


@given(
    integer_boxes(),
    integer_boxes(),
    st.floats(-1000, 1000),
    st.floats(-1000, 1000),
    st.floats(0.01, 100),
)
def test_iou_does_not_change_with_place_or_scale(
    a: Float64, b: Float64, dx: float, dy: float, scale: float
) -> None:
    move = np.array([dx, dy, dx, dy])
    np.testing.assert_allclose(
        iou_xyxy(a * scale + move, b * scale + move), iou_xyxy(a, b), atol=1e-8
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_precision_given_is_the_precision_used(dtype: type) -> None:
    boxes = np.array([[0, 0, 3, 1], [1, 0, 7, 1]], dtype)
    for result in (
        iou_xyxy(boxes, boxes),
        xyxy_to_cxcywh(boxes),
        cxcywh_to_xyxy(boxes),
        clip_xyxy(boxes, Size(2, 2)),
        area_xyxy(boxes),
    ):
        assert result.dtype == dtype


@given(integer_boxes())
def test_formats_round_trip(boxes: Float64) -> None:
    np.testing.assert_array_equal(cxcywh_to_xyxy(xyxy_to_cxcywh(boxes)), boxes)


def test_center_and_sides_of_a_known_box() -> None:
    box = np.array([[10.0, 20, 30, 60]])
    np.testing.assert_array_equal(xyxy_to_cxcywh(box), [[20, 40, 20, 40]])


def test_crossed_edges_have_no_area() -> None:
    np.testing.assert_array_equal(area_xyxy(np.array([[5.0, 5, 2, 2], [5.0, 5, 2, 9]])), [0, 0])


@given(integer_boxes(), st.integers(1, GRID), st.integers(1, GRID))
def test_clipping_keeps_exactly_the_part_inside(boxes: Float64, width: int, height: int) -> None:
    clipped = clip_xyxy(boxes - 3, Size(width, height))
    picture = np.array([[0.0, 0, width, height]])
    assert (clipped >= 0).all()
    assert (clipped <= picture[0, 2:].tolist() * 2).all()
    for box, part in zip(boxes - 3, clipped, strict=True):
        inside = [
            max(0, min(box[2], width) - max(box[0], 0)),
            max(0, min(box[3], height) - max(box[1], 0)),
        ]
        assert area_xyxy(part[None])[0] == inside[0] * inside[1]


@given(scored_boxes(), st.sampled_from([0.0, 0.3, 0.5, 1.0]))
def test_nms_keeps_no_overlap_and_drops_nothing_without_cause(
    scored: tuple[Float64, Float64, Int64], threshold: float
) -> None:
    boxes, scores, labels = scored
    kept = nms_per_class(boxes, scores, labels, threshold)
    iou = iou_xyxy(boxes, boxes)
    rank = np.empty(len(boxes), int)
    rank[np.lexsort((np.arange(len(boxes)), -scores))] = np.arange(len(boxes))

    assert (np.diff(rank[kept]) > 0).all()  # best first, ties by the lower index
    for position, i in enumerate(kept):
        rivals = kept[position + 1 :]
        assert not (iou[i, rivals] > threshold)[labels[rivals] == labels[i]].any()
    for i in set(range(len(boxes))) - set(kept.tolist()):
        suppressors = kept[(labels[kept] == labels[i]) & (rank[kept] < rank[i])]
        assert (iou[i, suppressors] > threshold).any()


@given(scored_boxes())
def test_nms_of_one_class_is_nms(scored: tuple[Float64, Float64, Int64]) -> None:
    boxes, scores, _ = scored
    together = nms_per_class(boxes, scores, np.zeros(len(boxes), np.int64), 0.4)
    np.testing.assert_array_equal(together, nms_xyxy(boxes, scores, 0.4))


def test_nms_is_greedy() -> None:
    # The second box goes with the first, so that it cannot suppress the third.
    boxes = np.array([[0.0, 0, 10, 1], [4, 0, 14, 1], [8, 0, 18, 1]])
    assert nms_xyxy(boxes, np.array([0.9, 0.8, 0.7]), 0.4).tolist() == [0, 2]


def test_nms_at_the_threshold_itself_keeps() -> None:
    boxes = np.array([[0.0, 0, 2, 1], [0, 0, 1, 1]])
    assert nms_xyxy(boxes, np.array([0.9, 0.8]), 0.5).tolist() == [0, 1]
    assert nms_xyxy(boxes, np.array([0.9, 0.8]), 0.499).tolist() == [0]


EXACT = [Fraction(p, q) for p, q in ((0, 1), (1, 2), (1, 3), (2, 3), (3, 10), (2, 5), (7, 10))]


def _exactly(boxes: Int64, threshold: Fraction) -> tuple[list[int], int]:
    """Suppress boxes in whole numbers; and how many pairs of kept boxes lie on the threshold."""
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = np.maximum(high - low, 0).prod(axis=2)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    union = areas[:, None] + areas - shared
    excess = shared * threshold.denominator - union * threshold.numerator
    kept: list[int] = []
    for i in range(len(boxes)):
        if not (excess[i, kept] > 0).any():
            kept.append(i)
    return kept, int(np.triu(excess[np.ix_(kept, kept)] == 0, 1).sum())


@pytest.mark.parametrize("threshold", EXACT, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("count", "span"), [(40, 4), (60, 10), (400, 60), (900, 90)])
def test_an_iou_of_exactly_the_threshold_keeps_both(
    count: int, span: int, dtype: type, threshold: Fraction
) -> None:
    """Whole edges, so that IoUs are fractions: 1/2, 1/3, 3/10 occur, and must not be exceeded."""
    touched = 0
    for seed in range(4):
        rng = np.random.default_rng(seed)
        corners = rng.integers(0, span, (count, 2))
        boxes = np.hstack((corners, corners + rng.integers(1, 11, (count, 2))))
        expected, touching = _exactly(boxes, threshold)
        scores = np.arange(count, 0, -1).astype(dtype)
        kept = nms_xyxy(boxes.astype(dtype), scores, float(threshold))
        assert kept.tolist() == expected
        touched += touching
    assert touched or count < 400


def test_the_threshold_is_that_of_torchvision_in_float64() -> None:
    """Its kernel's arithmetic, box after box, with a threshold of float64."""
    rng = np.random.default_rng(3)
    corners = rng.integers(0, 12, (300, 2))
    boxes = np.hstack((corners, corners + rng.integers(1, 7, (300, 2)))).astype(np.float64)
    x1, y1, x2, y2 = boxes.T
    areas = (x2 - x1) * (y2 - y1)
    for threshold in (0.1, 0.2, 0.25, 0.3, 1 / 3, 0.4, 0.5, 0.6, 2 / 3, 0.7, 0.75):
        gone = np.zeros(300, bool)
        for i in range(300):
            if not gone[i]:
                width = np.maximum(0.0, np.minimum(x2[i], x2) - np.maximum(x1[i], x1))
                height = np.maximum(0.0, np.minimum(y2[i], y2) - np.maximum(y1[i], y1))
                shared = width * height
                gone[i + 1 :] |= (shared / (areas[i] + areas - shared) > threshold)[i + 1 :]
        expected = np.flatnonzero(~gone).tolist()
        falling = np.arange(300, 0, -1)
        assert nms_xyxy(boxes, falling.astype(np.float64), threshold).tolist() == expected
        same = nms_xyxy(boxes.astype(np.float32), falling.astype(np.float32), threshold)
        assert same.tolist() == expected


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("place", ["spread", "crowded", "flat", "clustered", "turned"])
def test_nms_of_a_thousand_boxes_is_that_of_one_at_a_time(
    place: str, dtype: type, threshold: float
) -> None:
    """Boxes that are sorted by place, along either axis, and boxes that are not worth it."""
    rng = np.random.default_rng(11)
    corners, sides = rng.uniform(0, 900, (1000, 2)), rng.uniform(1, 60, (1000, 2))
    if place == "crowded":
        corners = corners / 9
    if place == "flat":  # all in one row
        corners[:, 1], sides[:, 0] = corners[:, 1] / 1e3, sides[:, 0] * 3
    if place == "clustered":
        corners = np.repeat(corners[:20], 50, axis=0) + rng.normal(0, 4, (1000, 2))
    if place == "turned":  # edges crossed here and there, and points
        sides *= rng.choice([-1, 0, 1, 1, 1], (1000, 2))
    boxes = np.hstack((corners, corners + sides)).astype(dtype)
    scores = np.round(rng.random(1000), 2).astype(dtype)
    kept = nms_xyxy(boxes, scores, threshold)
    assert kept.tolist() == _one_at_a_time(boxes, scores, dtype(threshold))


@given(scored_boxes(), st.sampled_from([0.0, 0.3, 0.5]))
def test_diou_nms_is_the_iou_less_a_power_of_the_distance(
    scored: tuple[Float64, Float64, Int64], threshold: float
) -> None:
    boxes, scores, _ = scored
    size = Size(9, 17)
    left = sorted(range(len(boxes)), key=lambda i: (-scores[i], i))
    expected = []
    while left:
        best, *left = left
        expected.append(best)
        left = [i for i in left if not _darknet_diou(boxes[best], boxes[i], size) > threshold]
    assert nms_xyxy(boxes, scores, threshold, size).tolist() == expected


def _darknet_diou(a: Float64, b: Float64, size: Size) -> float:
    """IoU - (d / c) ** 0.6, a number at a time."""
    shared_x, shared_y = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(shared_x, 0) * max(shared_y, 0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    iou = shared / union if union > 0 else 0.0
    width = (max(a[2], b[2]) - min(a[0], b[0])) / size.width
    height = (max(a[3], b[3]) - min(a[1], b[1])) / size.height
    x = (a[0] + a[2] - b[0] - b[2]) / 2 / size.width
    y = (a[1] + a[3] - b[1] - b[3]) / 2 / size.height
    diagonal = width**2 + height**2
    return float(iou - ((x**2 + y**2) / diagonal) ** 0.6) if diagonal > 0 else float(iou)


def test_diou_nms_spares_a_box_whose_center_is_elsewhere() -> None:
    boxes = np.array([[0.0, 0, 10, 10], [2, 0, 12, 10]])  # IoU 2/3, centers 2 apart
    assert nms_xyxy(boxes, np.array([0.9, 0.8]), 0.6).tolist() == [0]
    assert nms_xyxy(boxes, np.array([0.9, 0.8]), 0.6, Size(20, 20)).tolist() == [0, 1]


def _one_at_a_time(boxes: Float64, scores: Float64, threshold: float) -> list[int]:
    """The suppression as a course writes it: the best, without all that overlap it, and again."""
    left = sorted(range(len(boxes)), key=lambda i: (-scores[i], i))
    kept = []
    while left:
        best, *left = left
        kept.append(best)
        iou = iou_xyxy(boxes[best][None], boxes[left])[0] if left else []
        left = [i for i, overlap in zip(left, iou, strict=True) if not overlap > threshold]
    return kept


@pytest.mark.parametrize("side", [20, 200])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nms_of_many_boxes_is_that_of_one_at_a_time(side: int, dtype: type) -> None:
    rng = np.random.default_rng(side)
    corners = rng.uniform(0, 300, (500, 2))  # several times what is settled together
    boxes = np.hstack((corners, corners + rng.uniform(0, side, (500, 2)))).astype(dtype)
    scores = np.round(rng.random(500), 2).astype(dtype)  # with ties
    kept = nms_xyxy(boxes, scores, 0.4)
    assert 10 < len(kept) < 490
    assert kept.tolist() == _one_at_a_time(boxes, scores, 0.4)


@pytest.mark.parametrize("threshold", [0.0, 0.45, 1.0])
@pytest.mark.parametrize("place", ["apart", "in crowds", "far out"])
def test_nms_of_so_many_boxes_that_they_are_sorted_by_place(place: str, threshold: float) -> None:
    rng = np.random.default_rng(7)
    corners, sides = rng.uniform(0, 900, (2000, 2)), rng.uniform(1, 30, (2000, 2))
    if place == "in crowds":
        corners, sides = np.repeat(corners[:200], 10, axis=0), np.repeat(sides[:200], 10, axis=0)
        corners = corners + rng.normal(0, 2, corners.shape)
    if place == "far out":  # all sizes and distances that decoding can give
        corners = corners * np.exp(rng.uniform(-9, 7, (2000, 1))) - 2.0**19
        sides = np.exp(rng.uniform(-9, 14, (2000, 2)))
    boxes = np.hstack((corners, corners + sides)).clip(-(2.0**20), 2.0**20).astype(np.float32)
    boxes[1000:1100] = boxes[:100]  # the same once more
    scores = np.round(rng.random(2000), 3).astype(np.float32)
    kept = nms_xyxy(boxes, scores, threshold)
    assert kept.tolist() == _one_at_a_time(boxes, scores, threshold)


@given(
    arrays(
        np.float32,
        st.integers(0, 60),
        elements=st.floats(width=32) | st.sampled_from([0.0, -0.0, 0.5, -0.5]),
    )
)
def test_the_best_first_and_of_equal_scores_the_lower_index(scores: Float64) -> None:
    expected = np.argsort(-scores, kind="stable")
    np.testing.assert_array_equal(best_first(scores), expected)
    np.testing.assert_array_equal(best_first(scores.astype(np.float64)), expected)


def test_nms_keeps_what_is_not_finite() -> None:
    """Such a box overlaps nothing; neither do two of them."""
    odd = [[np.nan, 0, 9, 9], [-np.inf, 0, np.inf, 9], [0, 0, np.inf, 9]]
    boxes = np.array([[0, 0, 9, 9], *odd, [0, 0, 9, 8]])
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    with np.errstate(invalid="ignore"):
        assert nms_xyxy(boxes, scores, 0.5).tolist() == [0, 1, 2, 3]
        many = np.vstack([np.tile(boxes, (400, 1)), np.tile(boxes[:1] + 1e4, (800, 1))])
        assert len(nms_xyxy(many, np.ones(len(many)), 0.5)) == 1 + 3 * 400 + 1


def test_soft_nms_lowers_what_overlaps_and_keeps_it() -> None:
    boxes = np.array([[0.0, 0, 10, 10], [0, 0, 10, 5], [20, 0, 30, 10]])  # IoU 1/2, 0
    kept, scores = soft_nms_xyxy(boxes, np.array([0.9, 0.8, 0.7]), sigma=0.5)
    assert kept.tolist() == [0, 2, 1]
    np.testing.assert_allclose(scores, [0.9, 0.7, 0.8 * np.exp(-0.25 / 0.5)])
    kept, _ = soft_nms_xyxy(boxes, np.array([0.9, 0.8, 0.7]), score_threshold=0.6)
    assert kept.tolist() == [0, 2]
    with pytest.raises(ValueError, match="sigma"):
        soft_nms_xyxy(boxes, np.ones(3), sigma=0)


@given(scored_boxes(), st.sampled_from([0.1, 0.5, 2.0]))
def test_soft_nms_is_the_papers_algorithm(
    scored: tuple[Float64, Float64, Int64], sigma: float
) -> None:
    boxes, scores, _ = scored
    left, expected = dict(enumerate(scores.tolist())), []
    left = {i: score for i, score in left.items() if score > 0.05}
    while left:
        best = min(left, key=lambda i: (-left[i], i))
        expected.append((best, left.pop(best)))
        for i in list(left):
            overlap = iou_xyxy(boxes[best][None], boxes[i][None])[0, 0]
            left[i] *= np.exp(-(overlap**2) / sigma)
            if left[i] <= 0.05:
                del left[i]
    kept, new = soft_nms_xyxy(boxes, scores, sigma=sigma, score_threshold=0.05)
    assert kept.tolist() == [i for i, _ in expected]
    np.testing.assert_allclose(new, [score for _, score in expected], rtol=1e-12)
