"""VOC's figures on sets full of ties against other people's evaluators, each as its program goes.

What a program does is written here anew, box after box, from its published description: VOC's
development kit (VOCevaldet), ``voc_eval`` of py-faster-rcnn and detectron, ``detector map`` of
AlexeyAB's darknet, and review_object_detection_metrics. docs/metrics-rule.md has the orders.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from tatami.evaluate.detections import Evaluation, evaluate
from tatami.types import Boxes, Detections, Float64

Box = Sequence[float]


@dataclass(frozen=True)
class Line:
    """A detection as a line of a results file."""

    picture: int
    label: int
    score: float
    box: Box


@dataclass(frozen=True)
class Case:
    """A set with ties, and the detections in the order of their file."""

    truths: list[Boxes]
    lines: list[Line]
    classes: int


def random_case(seed: int, *, shuffled: bool) -> Case:
    """Draw pictures, difficult truths, classes without truths, and scores of few values.

    Edges are whole numbers, so that an IoU is the same double whatever it is computed from; an IoU
    of exactly 1/2, of which the programs think differently, does not occur.
    """
    rng = np.random.default_rng(seed)
    classes = int(rng.integers(2, 6))
    truths, lines = [], []
    for picture in range(int(rng.integers(2, 15))):
        count = int(rng.integers(0, 6))
        corners = rng.integers(0, 60, (count, 2))
        xyxy = np.hstack((corners, corners + rng.integers(10, 50, (count, 2))))
        labels = rng.integers(0, classes - 1, count)  # the last class has no truth
        truths.append(Boxes.of(xyxy, labels, rng.random(count) < 0.2))
        for at in range(count):
            for _ in range(int(rng.integers(0, 5))):
                moved = xyxy[at] + rng.integers(-6, 7, 4)
                label = int(labels[at] if rng.random() < 0.8 else rng.integers(0, classes))
                lines.append(Line(picture, label, float(rng.integers(1, 5)) / 4, moved.tolist()))
    kept = [line for line in lines if not _on_the_threshold(line, truths[line.picture])]
    order = rng.permutation(len(kept)) if shuffled else np.arange(len(kept))
    return Case(truths, [kept[at] for at in order], classes)


def _on_the_threshold(line: Line, truths: Boxes) -> bool:
    return any(
        2 * shared == union
        for truth in truths.xyxy.tolist()
        for margin in (0, 1)
        for shared, union in [overlap(line.box, truth, margin)]
    )


def overlap(a: Box, b: Box, margin: int = 0) -> tuple[float, float]:
    """Give the areas of intersection and union; margin: 1 where both edge pixels are inside."""
    width = max(0, min(a[2], b[2]) - max(a[0], b[0]) + margin)
    height = max(0, min(a[3], b[3]) - max(a[1], b[1]) + margin)
    first, second = ((box[2] - box[0] + margin) * (box[3] - box[1] + margin) for box in (a, b))
    return width * height, first + second - width * height


def ours(case: Case, margin: int, **options: Any) -> Evaluation:
    """Evaluate; with a margin the right and lower edges are those of the last pixels inside."""
    more = [0, 0, margin, margin]
    pictures = range(len(case.truths))
    rows = [[(n, one) for n, one in enumerate(case.lines) if one.picture == p] for p in pictures]
    found = [
        Detections.of(
            [np.array(one.box) + more for _, one in own],
            [one.score for _, one in own],
            [one.label for _, one in own],
        )
        for own in rows
    ]
    truths = [Boxes.of(boxes.xyxy + more, boxes.labels, boxes.difficult) for boxes in case.truths]
    ranks = [np.array([n for n, _ in own], np.int64) for own in rows]
    names = [f"class {label}" for label in range(case.classes)]
    return evaluate(truths, found, names, ranks=ranks, **options)


# The programs ------------------------------------------------------------------------------------


def devkit(case: Case, label: int, *, strict: bool, margin: int) -> tuple[list[bool], int]:
    """VOCevaldet (not strict) and voc_eval (strict): a stable sort of the file of one class."""
    own = [line for line in case.lines if line.label == label]
    order = sorted(range(len(own)), key=lambda at: -own[at].score)  # Python's sort is stable
    taken: set[tuple[int, int]] = set()
    verdicts = []
    for line in (own[at] for at in order):
        truths = case.truths[line.picture]
        best, place = -1.0, -1
        for at in range(len(truths)):
            if truths.labels[at] != label:
                continue
            shared, union = overlap(line.box, truths.xyxy[at].tolist(), margin)
            if shared / union > best:
                best, place = shared / union, at
        if best > 0.5 or (best == 0.5 and not strict):
            if truths.difficult[place]:
                continue
            verdicts.append((line.picture, place) not in taken)
            taken.add((line.picture, place))
        else:
            verdicts.append(False)
    whole = sum(int(((boxes.labels == label) & ~boxes.difficult).sum()) for boxes in case.truths)
    return verdicts, whole


def area_under(verdicts: Sequence[bool], whole: int) -> float:
    """VOC 2010's average precision, as its loop over the points of the envelope has it."""
    hits = np.cumsum(verdicts)
    recall = [0.0, *(hits / whole), 1.0]
    precision = [0.0, *(hits / np.arange(1, len(verdicts) + 1)), 0.0]
    for at in range(len(precision) - 2, -1, -1):
        precision[at] = max(precision[at], precision[at + 1])
    return float(sum((recall[i] - recall[i - 1]) * precision[i] for i in range(1, len(recall))))


def eleven_points(verdicts: Sequence[bool], whole: int) -> float:
    """VOC 2007's average precision."""
    hits = np.cumsum(verdicts)
    recall, precision = hits / whole, hits / np.arange(1, len(verdicts) + 1)
    total = 0.0
    for step in np.arange(0.0, 1.1, 0.1):
        total += float(max(precision[recall >= step], default=0.0)) / 11
    return total


def darknets(case: Case) -> Float64:
    """``detector map -points 0``: all classes in one list, and precision at every rank of it.

    Pictures come in the order of their list. glibc's qsort is a merge sort, so ties stay. Its label
    files lack difficult truths. A class without truths has a recall and a precision of 0.
    """
    listed = sorted(case.lines, key=lambda line: line.picture)
    listed.sort(key=lambda line: -line.score)
    taken: set[tuple[int, int]] = set()
    right, wrong = np.zeros(case.classes), np.zeros(case.classes)
    truths = np.zeros(case.classes)
    for boxes in case.truths:
        np.add.at(truths, boxes.labels[~boxes.difficult], 1)
    curve = []
    for line in listed:
        boxes = case.truths[line.picture]
        best, place = 0.0, -1
        for at in range(len(boxes)):
            if boxes.difficult[at] or boxes.labels[at] != line.label:
                continue
            shared, union = overlap(line.box, boxes.xyxy[at].tolist())
            if shared / union > 0.5 and shared / union > best:
                best, place = shared / union, at
        if place >= 0 and (line.picture, place) not in taken:
            taken.add((line.picture, place))
            right[line.label] += 1
        else:
            wrong[line.label] += 1
        seen = right + wrong
        curve.append(
            (
                np.divide(right, seen, out=np.zeros_like(right), where=seen > 0),
                np.divide(right, truths, out=np.zeros_like(right), where=truths > 0),
            )
        )
    found = np.zeros(case.classes)
    if not curve:
        return found
    best_precision, last_recall = curve[-1][0], curve[-1][1]
    for precision, recall in reversed(curve[:-1]):
        found += (last_recall - recall) * best_precision
        last_recall = recall
        best_precision = np.maximum(best_precision, precision)
    return found + last_recall * best_precision


def reviews(case: Case) -> dict[int, tuple[list[bool], int]]:
    """review_object_detection_metrics: Python's sort, descending; classes of the truths alone.

    It knows no difficult truths, and counts edge pixels as inside.
    """
    labels = sorted({int(label) for boxes in case.truths for label in boxes.labels})
    result = {}
    for label in labels:
        own = [line for line in case.lines if line.label == label]
        free = {
            (picture, at)
            for picture, boxes in enumerate(case.truths)
            for at in range(len(boxes))
            if boxes.labels[at] == label
        }
        whole, verdicts = len(free), []
        for line in sorted(own, key=lambda one: one.score, reverse=True):
            boxes = case.truths[line.picture]
            ious = [
                (shared / union, -at)
                for at in range(len(boxes))
                if boxes.labels[at] == label
                for shared, union in [overlap(line.box, boxes.xyxy[at].tolist(), 1)]
            ]
            best, at = max(ious, default=(0.0, 0))
            verdicts.append(best >= 0.5 and (line.picture, -at) in free)
            if verdicts[-1]:
                free.remove((line.picture, -at))
        result[label] = (verdicts, whole)
    return result


# Held to them ------------------------------------------------------------------------------------


@pytest.mark.parametrize("strict", [False, True], ids=["VOCevaldet", "voc_eval"])
@pytest.mark.parametrize("seed", range(30))
def test_the_devkits_order_is_that_of_the_file(seed: int, strict: bool) -> None:
    case = random_case(seed, shuffled=True)
    result = ours(case, margin=1)
    for label, one in enumerate(result.classes):
        verdicts, whole = devkit(case, label, strict=strict, margin=1)
        assert one.truths == whole
        if not whole:
            assert np.isnan(one.ap_voc10)
            continue
        assert one.ap_voc10 == pytest.approx(area_under(verdicts, whole), abs=1e-12)
        assert one.ap_voc07 == pytest.approx(eleven_points(verdicts, whole), abs=1e-12)


@pytest.mark.parametrize("seed", range(30))
def test_darknets_order_is_that_of_the_pictures_and_all_classes_count(seed: int) -> None:
    case = random_case(seed, shuffled=False)
    without = [boxes.select(~boxes.difficult) for boxes in case.truths]
    result = ours(Case(without, case.lines, case.classes), margin=0, absent_classes="zero")
    expected = darknets(case)
    for one, average in zip(result.classes, expected, strict=True):
        assert one.ap_voc10 == pytest.approx(average, abs=1e-12) or not one.truths
    if any(one.truths for one in result.classes):
        assert result.map_voc10 == pytest.approx(expected.mean(), abs=1e-12)


@pytest.mark.parametrize("seed", range(30))
def test_the_reviews_order_is_that_of_the_file_too(seed: int) -> None:
    case = random_case(seed, shuffled=True)
    plain = [Boxes.of(boxes.xyxy, boxes.labels) for boxes in case.truths]
    case = Case(plain, case.lines, case.classes)
    result = ours(case, margin=1)
    expected = reviews(case)
    areas = {label: area_under(*found) for label, found in expected.items()}
    for label, found in expected.items():
        assert result.classes[label].ap_voc10 == pytest.approx(areas[label], abs=1e-12)
        assert result.classes[label].ap_voc07 == pytest.approx(eleven_points(*found), abs=1e-12)
    if areas:
        mean = sum(areas.values()) / len(areas)
        assert result.map_voc10 == pytest.approx(mean, abs=1e-12)


@pytest.mark.parametrize(
    ("shuffled", "differ"),
    [(True, lambda a, b: a != b), (False, lambda a, b: a == b)],
    ids=["shuffled", "by picture"],
)
def test_the_order_matters_where_a_file_is_not_in_the_order_of_the_pictures(
    shuffled: bool, differ: Callable[[float, float], bool]
) -> None:
    """Without ranks, ties go by picture: on these sets that is another figure, or none is lost."""
    moved = 0
    for seed in range(30):
        case = random_case(seed, shuffled=shuffled)
        by_file = ours(case, margin=1).map_voc10
        by_picture = ours(
            Case(case.truths, sorted(case.lines, key=lambda line: line.picture), case.classes), 1
        ).map_voc10
        moved += differ(by_file, by_picture)
    assert moved > 10


def test_a_class_without_truths_is_left_out_or_counts_as_zero() -> None:
    truths = [Boxes.of([[0, 0, 10, 10]], [0])]
    found = [Detections.of([[0, 0, 10, 10], [0, 0, 9, 9]], [0.9, 0.8], [0, 1])]
    names = ["here", "absent", "neither"]
    skipped = evaluate(truths, found, names, resamples=5)
    counted = evaluate(truths, found, names, absent_classes="zero", resamples=5)
    assert (skipped.map_voc07, skipped.map_voc10) == (1, 1)
    assert (counted.map_voc07, counted.map_voc10) == pytest.approx((1 / 3, 1 / 3))
    assert counted.absent == ("absent", "neither")
    assert counted.coco.ap == skipped.coco.ap == pytest.approx(1)
    assert counted.intervals is not None
    assert counted.intervals.map_voc10.high == pytest.approx(1 / 3)
    assert counted.intervals.ap50.high == pytest.approx(1)
    nothing = evaluate([Boxes.of([], [])], found, names, absent_classes="zero")
    assert np.isnan(nothing.map_voc10)
