"""The kinds of detections: each known case, and a naive reading of the rule on random sets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tatami.evaluate.diagnosis import (
    KINDS,
    VOC_ALONE,
    VOC_SIMILAR,
    Diagnosis,
    diagnose,
    similar_classes,
)
from tatami.evaluate.pool import pool
from tatami.types import Boxes, Detections

CLASSES = ("cat", "dog", "car")
SIMILAR = similar_classes(CLASSES, [("cat", "dog")])
BOX = [0, 0, 100, 100]


def only(box: list[float], label: int, truth: Boxes) -> str:
    """The kind of a lone detection; the truths of its class make room for it."""
    room = Boxes.of([[900, 900, 901, 901]], [label])
    table = pool([truth, room], [Detections.of([box], [0.9], [label]), nothing()], len(CLASSES))
    counts = diagnose(table, SIMILAR).counts
    assert counts.sum() == 1
    return KINDS[int(counts[label].argmax())]


def nothing() -> Detections:
    return Detections.of([], [], [])


@pytest.mark.parametrize(
    ("height", "label", "kind"),
    [
        (51, 0, "correct"),
        (50, 0, "localization"),
        (11, 0, "localization"),
        (10, 0, "background"),
        (100, 1, "similar"),
        (11, 1, "similar"),
        (10, 1, "background"),
        (100, 2, "other"),
        (11, 2, "other"),
        (10, 2, "background"),
    ],
)
def test_a_detection_of_a_part_of_a_cat(height: int, label: int, kind: str) -> None:
    """IoU is the height in hundredths; 0.5 and 0.1 themselves are not above."""
    assert only([0, 0, 100, height], label, Boxes.of([BOX], [0])) == kind


def test_the_best_explanation_is_taken() -> None:
    truths = Boxes.of([BOX, BOX, [0, 0, 100, 20]], [2, 1, 0])
    assert only(BOX, 0, truths) == "localization"  # IoU 0.2 with its own class goes first
    assert only(BOX, 0, truths.select(np.array([0, 1]))) == "similar"
    assert only(BOX, 0, truths.select(np.array([0]))) == "other"


def test_a_duplicate_is_a_localization_error() -> None:
    truths = [Boxes.of([BOX, [200, 0, 300, 100]], [0, 0])]
    found = [Detections.of([BOX, [0, 0, 100, 90]], [0.9, 0.8], [0, 0])]
    assert diagnose(pool(truths, found, 3), SIMILAR).counts[0].tolist() == [1, 1, 0, 0, 0]


def test_only_as_many_are_looked_at_as_there_are_truths() -> None:
    truths = [Boxes.of([BOX], [0]), Boxes.of([], [])]
    found = [Detections.of([BOX], [0.8], [0]), Detections.of([BOX, BOX], [0.9, 0.95], [0, 1])]
    result = diagnose(pool(truths, found, 3), SIMILAR)
    assert result.counts.tolist() == [[0, 0, 0, 0, 1], [0] * 5, [0] * 5]
    assert result.mean.tolist() == [0, 0, 0, 0, 1]
    assert np.isnan(result.fractions[1:]).all()


def test_difficult_truths() -> None:
    """Found, they do not count; in the way of another class they do."""
    truths = [Boxes.of([BOX, [200, 0, 300, 100]], [0, 0], difficult=[True, False])]
    found = [Detections.of([BOX], [0.9], [0])]
    assert diagnose(pool(truths, found, 3), SIMILAR).counts.sum() == 0
    assert only(BOX, 2, truths[0]) == "other"


def test_the_mean_is_over_classes_not_over_detections() -> None:
    result = Diagnosis(np.array([[3, 1, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 1]]))
    assert result.mean.tolist() == [0.375, 0.125, 0, 0, 0.5]
    assert np.isnan(Diagnosis(np.zeros((2, 5), np.int64)).mean).all()


def test_hoiems_groups_are_for_vocs_classes() -> None:
    voc = sorted({name for group in VOC_SIMILAR for name in group} | {*VOC_ALONE})
    assert len(voc) == 20
    similar = similar_classes(voc)
    assert (similar == similar.T).all()
    for a, b, expected in (
        ("cat", "person", True),
        ("car", "boat", True),
        ("aeroplane", "bird", True),
        ("car", "cat", False),
        ("bird", "car", False),
        ("sofa", "chair", True),
        ("bottle", "tvmonitor", False),
        ("cat", "cat", False),
    ):
        assert similar[voc.index(a), voc.index(b)] == expected, (a, b)
    assert similar_classes(("dog", "cat"))[0, 1]
    assert not similar_classes(("dog", "cat", "digit")).any()
    with pytest.raises(ValueError, match="'wolf' is not a class"):
        similar_classes(CLASSES, [("cat", "wolf")])


@given(st.integers(0, 2**32))
def test_a_naive_reading_of_the_rule(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truths, found = [], []
    for _ in range(4):
        n, m = rng.integers(0, 6), rng.integers(0, 10)
        truths.append(Boxes.of(grid_boxes(rng, n), rng.integers(0, 3, n), rng.random(n) < 0.2))
        found.append(
            Detections.of(grid_boxes(rng, m), rng.integers(0, 5, m) / 5, rng.integers(0, 3, m))
        )
    ours = diagnose(pool(truths, found, 3), SIMILAR).counts
    np.testing.assert_array_equal(ours, [naive(truths, found, label) for label in range(3)])


def grid_boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    corners = rng.integers(0, 4, (count, 2))
    return np.concatenate([corners, corners + rng.integers(1, 5, (count, 2))], axis=1)


def naive(truths: list[Boxes], found: list[Detections], label: int) -> list[int]:
    queue = [
        (float(d.scores[i]), picture, d.xyxy[i].tolist())
        for picture, d in enumerate(found)
        for i in range(len(d))
        if d.labels[i] == label
    ]
    queue.sort(key=lambda entry: -entry[0])
    left = sum(int((t.labels[~t.difficult] == label).sum()) for t in truths)
    counts = [0] * 5
    used = set()
    for _, picture, box in queue:
        if left == 0:
            break
        its = truths[picture]
        overlap = [iou(box, truth) for truth in its.xyxy.tolist()]
        own = [i for i in range(len(its)) if its.labels[i] == label]
        best = max(own, key=lambda i: overlap[i], default=-1)
        near = [int(its.labels[i]) for i in range(len(its)) if overlap[i] > 0.1]
        kind = 4
        if best >= 0 and overlap[best] > 0.5:
            if its.difficult[best]:
                continue
            kind = 1 if (picture, best) in used else 0
            used.add((picture, best))
        elif label in near:
            kind = 1
        elif any(SIMILAR[label, other] for other in near):
            kind = 2
        elif near:
            kind = 3
        counts[kind] += 1
        left -= 1
    return counts


def iou(a: list[float], b: list[float]) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)
