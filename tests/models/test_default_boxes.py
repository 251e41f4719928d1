"""Default boxes, matching, encoding and the MultiBox loss against plain loops and the decoding."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tatami.errors import TatamiError
from tatami.models.default_boxes import (
    BACKGROUND,
    NEITHER,
    check_input_size,
    default_boxes,
    encode,
    grids_of,
    hard_negatives,
    match,
    multibox_loss,
    scales,
    shapes,
    targets_of,
)
from tatami.rules.boxes import cxcywh_to_xyxy, iou_xyxy, xyxy_to_cxcywh
from tatami.rules.decoding import candidates
from tatami.types import AnchorGrid, Boxes, Decoding, Float32, Int64, Size

GRIDS = (
    AnchorGrid(((12.0, 12.0), (20.0, 10.0)), (8.0, 10.0)),
    AnchorGrid(((40.0, 40.0), (20.0, 60.0), (64.0, 30.0)), (32.0, 30.0)),
)
CELLS = ((6, 8), (2, 2))
DECODING = Decoding("ssd", GRIDS, "softmax", (0.1, 0.2))
CLASSES = 3
COUNT = 2 * 48 + 3 * 4
seeds = st.integers(0, 2**32 - 1)


def some_boxes(
    rng: np.random.Generator, count: int, width: float = 64, height: float = 60
) -> Boxes:
    corner = rng.uniform(0, 0.7, (count, 2)) * (width, height)
    far = corner + rng.uniform(0.05, 0.8, (count, 2)) * (width, height)
    return Boxes.of(np.hstack((corner, far)), rng.integers(0, CLASSES, count))


def raw_maps(rng: np.random.Generator, pictures: int) -> list[torch.Tensor]:
    found = []
    for grid, (rows, columns) in zip(GRIDS, CELLS, strict=True):
        for channels in (4 * len(grid.anchors), (CLASSES + 1) * len(grid.anchors)):
            shape = (pictures, channels, rows, columns)
            found.append(torch.from_numpy(rng.normal(size=shape).astype(np.float32)))
    return found


def test_boxes_lie_at_the_centers_of_cells_in_the_order_of_the_decoding_rule() -> None:
    boxes = default_boxes(GRIDS, CELLS)
    assert boxes.shape == (COUNT, 4)
    expected = [
        ((column + 0.5) * grid.stride[0], (row + 0.5) * grid.stride[1], width, height)
        for grid, (rows, columns) in zip(GRIDS, CELLS, strict=True)
        for width, height in grid.anchors
        for row in range(rows)
        for column in range(columns)
    ]
    np.testing.assert_allclose(boxes, expected)
    with pytest.raises(ValueError, match="read-only"):
        boxes[0] = 0

    # A map that says 0 is the boxes themselves.
    raw = [
        np.zeros((channels, *cells), np.float32)
        for grid, cells in zip(GRIDS, CELLS, strict=True)
        for channels in DECODING.channels(grid, 1)
    ]
    found = candidates(raw, DECODING, 0.4, 1)
    np.testing.assert_allclose(found.xyxy, cxcywh_to_xyxy(boxes), rtol=1e-6, atol=1e-5)


def test_the_papers_scales_and_shapes() -> None:
    """Equation 4 with 0.2 and 0.9, and the widths and heights after it, at 300 pixels."""
    found = scales(0.2, 0.9, 5)
    np.testing.assert_allclose(found, [0.2, 0.375, 0.55, 0.725, 0.9, 1.075])
    boxes = np.array(shapes(found[0], found[1], (2, 3), Size(300, 300)))
    between = 300 * math.sqrt(0.2 * 0.375)
    root = math.sqrt(2), math.sqrt(3)
    expected = [(60, 60), (between, between), (60 * root[0], 60 / root[0])]
    expected += [(60 / root[0], 60 * root[0]), (60 * root[1], 60 / root[1])]
    expected += [(60 / root[1], 60 * root[1])]
    np.testing.assert_allclose(boxes, expected)
    wide = np.array(shapes(0.5, 0.6, (2,), Size(400, 100)))
    np.testing.assert_allclose(wide.prod(axis=1)[[0, 2, 3]], 0.25 * 400 * 100)
    np.testing.assert_allclose(wide[2, 0] / wide[2, 1], 2)


def test_the_last_map_has_what_maps_that_are_left_out_would_have() -> None:
    boxes = [[(1.0, 2.0)], [(3.0, 4.0)], [(5.0, 6.0), (7.0, 8.0)]]
    grids = grids_of(Size(60, 30), [(3, 6), (1, 1)], boxes)
    assert grids[0] == AnchorGrid(((1.0, 2.0),), (10.0, 10.0))
    assert grids[1] == AnchorGrid(((3.0, 4.0), (5.0, 6.0), (7.0, 8.0)), (60.0, 30.0))
    assert len(grids_of(Size(60, 30), [(3, 6), (2, 2), (1, 1)], boxes)) == 3


def by_hand(boxes: Float32, truths: Float32, threshold: float) -> Int64:
    """Section 2.2, "Matching strategy", pair by pair."""
    found = np.full(len(boxes), BACKGROUND)
    if not len(truths):
        return found
    overlap = iou_xyxy(boxes, truths)
    for box in range(len(boxes)):
        best = max(range(len(truths)), key=lambda truth: (overlap[box, truth], -truth))
        if overlap[box, best] > threshold:
            found[box] = best
    free_boxes, free_truths = set(range(len(boxes))), set(range(len(truths)))
    while free_boxes and free_truths:
        value, truth, box = max(
            (overlap[box, truth], -truth, -box) for box in free_boxes for truth in free_truths
        )
        if value <= 0:
            break
        found[-box] = -truth
        free_boxes.remove(-box)
        free_truths.remove(-truth)
    return found


@settings(max_examples=60, deadline=None)
@given(seed=seeds, count=st.integers(0, 9), threshold=st.sampled_from([0.3, 0.5, 0.7]))
def test_matching_is_the_papers(seed: int, count: int, threshold: float) -> None:
    rng = np.random.default_rng(seed)
    boxes = cxcywh_to_xyxy(default_boxes(GRIDS, CELLS))
    truths = some_boxes(rng, count).xyxy.astype(np.float32)
    if count > 2:
        truths[1] = truths[0]  # two truths that want the same box
    before = boxes.copy()
    found = match(boxes, truths, threshold)
    np.testing.assert_array_equal(found, by_hand(boxes, truths, threshold))
    assert set(range(count)) <= set(found.tolist())  # each truth has a box of its own
    np.testing.assert_array_equal(boxes, before)


def test_more_truths_than_boxes_and_truths_that_overlap_nothing() -> None:
    boxes = np.array([[0, 0, 10, 10], [20, 0, 30, 10]], np.float32)
    truths = np.array(
        [[0, 0, 9, 10], [1, 0, 10, 10], [50, 50, 60, 60], [22, 0, 30, 10]], np.float32
    )
    assert match(boxes, truths).tolist() == [0, 3]
    assert match(boxes, truths[2:3]).tolist() == [BACKGROUND, BACKGROUND]
    assert match(boxes, np.zeros((0, 4), np.float32)).tolist() == [BACKGROUND, BACKGROUND]


def test_between_background_and_a_match_is_neither() -> None:
    """A region proposal network's thresholds: 0.7 and 0.3."""
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 8], [0, 0, 10, 5], [0, 0, 10, 2]], np.float32)
    truth = np.array([[0, 0, 10, 10]], np.float32)
    assert match(boxes, truth, 0.7, 0.3).tolist() == [0, 0, NEITHER, BACKGROUND]
    assert match(boxes[2:], truth, 0.7, 0.3).tolist() == [0, BACKGROUND]  # the best of them


@settings(max_examples=60, deadline=None)
@given(
    boxes=st.lists(
        st.tuples(*[st.floats(1, 60)] * 2, *[st.floats(4, 90)] * 2), min_size=1, max_size=5
    ),
    variances=st.sampled_from([(0.1, 0.2), (1.0, 1.0), (0.3, 0.05)]),
)
def test_what_is_encoded_is_decoded(
    boxes: list[tuple[float, ...]], variances: tuple[float, float]
) -> None:
    """Through the decoding rule itself: every default box says the truth in its place."""
    defaults = default_boxes(GRIDS[:1], CELLS[:1])
    decoding = Decoding("ssd", GRIDS[:1], "softmax", variances, max_candidates=10000)
    for truth in boxes:
        truths = np.broadcast_to(np.array(truth, np.float32), defaults.shape)
        offsets = encode(truths, defaults, variances)
        rows, columns = CELLS[0]
        maps = offsets.reshape(2, rows, columns, 4).transpose(0, 3, 1, 2).reshape(8, rows, columns)
        scores = np.zeros((4, rows, columns), np.float32)
        found = candidates([maps, scores], decoding, 0.1, 1)
        assert len(found.scores) == len(defaults)
        expected = cxcywh_to_xyxy(truths)
        np.testing.assert_allclose(found.xyxy, expected, rtol=1e-4, atol=2e-3)


@settings(max_examples=40, deadline=None)
@given(seed=seeds, pictures=st.integers(1, 4))
def test_hard_negatives_are_three_for_each_match_and_the_hardest(seed: int, pictures: int) -> None:
    rng = np.random.default_rng(seed)
    scores = torch.from_numpy(rng.normal(size=(pictures, 50, 4)).astype(np.float32))
    labels = torch.from_numpy(
        np.where(rng.random((pictures, 50)) < rng.choice([0, 0.05, 0.5]), 2, 0)
    )
    chosen = hard_negatives(scores, labels)
    assert not (chosen & (labels > 0)).any()
    loss = -scores.log_softmax(2)[..., 0]
    for picture in range(pictures):
        matched = int((labels[picture] > 0).sum())
        assert int(chosen[picture].sum()) == min(3 * matched, 50 - matched)
        rest = ~chosen[picture] & (labels[picture] == 0)
        if chosen[picture].any() and rest.any():
            assert loss[picture][chosen[picture]].min() >= loss[picture][rest].max() - 1e-6


def naive_loss(raw: list[torch.Tensor], pictures: list[Boxes]) -> tuple[float, float]:
    """Equations 1 to 3 with plain numbers, box by box."""
    defaults = default_boxes(GRIDS, CELLS)
    coordinates = classes = 0.0
    matches = 0
    for picture, truth in enumerate(pictures):
        offsets, scores = [], []
        for index, (grid, (rows, columns)) in enumerate(zip(GRIDS, CELLS, strict=True)):
            one, other = (raw[2 * index + half][picture].numpy() for half in (0, 1))
            for anchor in range(len(grid.anchors)):
                for row in range(rows):
                    for column in range(columns):
                        offsets.append(one[4 * anchor : 4 * anchor + 4, row, column])
                        first = (CLASSES + 1) * anchor
                        scores.append(other[first : first + CLASSES + 1, row, column])
        found = by_hand(cxcywh_to_xyxy(defaults), truth.xyxy.astype(np.float32), 0.5)
        negatives = []
        for box, index in enumerate(found):
            numbers = scores[box].astype(np.float64)
            logs = numbers - math.log(sum(math.exp(number) for number in numbers))
            if index == BACKGROUND:
                negatives.append(-logs[0])
                continue
            x, y, w, h = xyxy_to_cxcywh(truth.xyxy[index : index + 1])[0]
            bx, by, bw, bh = defaults[box].astype(np.float64)
            wanted = ((x - bx) / bw / 0.1, (y - by) / bh / 0.1)
            wanted += (math.log(w / bw) / 0.2, math.log(h / bh) / 0.2)
            for said, wants in zip(offsets[box], wanted, strict=True):
                away = abs(float(said) - wants)
                coordinates += 0.5 * away**2 if away < 1 else away - 0.5
            classes -= logs[truth.labels[index] + 1]
        matched = len(found) - len(negatives)
        matches += matched
        classes += sum(sorted(negatives, reverse=True)[: 3 * matched])
    return coordinates / max(1, matches), classes / max(1, matches)


@pytest.mark.parametrize("seed", range(5))
def test_the_loss_is_the_naive_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pictures = [some_boxes(rng, count) for count in (0, 1, 4)]
    raw = raw_maps(rng, 3)
    parts = multibox_loss(raw, pictures, DECODING)
    coordinates, classes = naive_loss(raw, pictures)
    assert float(parts["coordinates"]) == pytest.approx(coordinates, rel=1e-5)
    assert float(parts["classes"]) == pytest.approx(classes, rel=1e-5)


@pytest.mark.parametrize("part", ["coordinates", "classes"])
def test_the_gradient_of_a_part_is_its_finite_difference(part: str) -> None:
    rng = np.random.default_rng(7)
    pictures = [some_boxes(rng, count) for count in (2, 3)]
    raw = [one.double().requires_grad_() for one in raw_maps(rng, 2)]
    loss = multibox_loss(raw, pictures, DECODING)[part]
    loss.backward()  # type: ignore[no-untyped-call]
    for index, one in enumerate(raw):
        if (index % 2 == 0) != (part == "coordinates"):
            assert one.grad is None or not one.grad.any()
            continue
        assert one.grad is not None
        assert one.grad.any()
        direction = torch.from_numpy(rng.normal(size=one.shape))
        with torch.no_grad():
            ends = []
            for step in (1e-6, -1e-6):
                moved = [own + step * direction if own is one else own for own in raw]
                ends.append(float(multibox_loss(moved, pictures, DECODING)[part]))
        slope = (ends[0] - ends[1]) / 2e-6
        assert float((one.grad * direction).sum()) == pytest.approx(slope, rel=1e-4, abs=1e-7)


def test_pictures_without_objects_teach_nothing() -> None:
    raw = [one.requires_grad_() for one in raw_maps(np.random.default_rng(0), 2)]
    parts = multibox_loss(raw, [Boxes.of([], [])] * 2, DECODING)
    assert {name: float(part.detach()) for name, part in parts.items()} == {
        "coordinates": 0,
        "classes": 0,
    }
    sum(parts.values(), torch.zeros(())).backward()  # type: ignore[no-untyped-call]
    assert all(one.grad is not None and not one.grad.any() for one in raw)


def test_targets_say_the_class_after_the_background() -> None:
    rng = np.random.default_rng(0)
    pictures = [some_boxes(rng, 3), Boxes.of([], [])]
    boxes = default_boxes(GRIDS, CELLS)
    targets = targets_of(pictures, boxes, DECODING)
    assert targets.labels.shape == (2, COUNT)
    assert not targets.labels[1].any()
    picture, box = targets.places
    assert (picture == 0).all()
    assert len(box) == len(targets.offsets) == int((targets.labels > 0).sum())
    assert set(targets.labels[0, box].tolist()) == {int(k) + 1 for k in pictures[0].labels}


def test_an_input_that_is_too_small() -> None:
    check_input_size(Size(64, 64), 64)
    with pytest.raises(TatamiError, match="an input of 64x63 is too small"):
        check_input_size(Size(64, 63), 64)
