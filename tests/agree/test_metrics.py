"""The metrics against other people's evaluators: pycocotools, and published figures."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import fields
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from tatami.evaluate.bootstrap import resampled_maps
from tatami.evaluate.coco import Coco, coco
from tatami.evaluate.detections import Evaluation, evaluate
from tatami.evaluate.pool import pool
from tatami.types import Boxes, Detections, Float64

NUMBERS = [f.name for f in fields(Coco) if f.name != "class_ap"]


def pycocotools(
    truths: list[Boxes],
    found: list[Detections],
    classes: int,
    ids: Sequence[int] | None = None,
) -> tuple[Float64, Float64]:
    """pycocotools' twelve numbers and its average precision of each class and threshold.

    ids: of the pictures; from 1 where they are left out.
    """
    ids = ids or range(1, len(truths) + 1)
    annotations = [
        {
            "id": 0,
            "image_id": ids[picture],
            "category_id": int(label) + 1,
            "bbox": [*xyxy[:2].tolist(), *(xyxy[2:] - xyxy[:2]).tolist()],
            "area": float(area),
            "iscrowd": int(crowd),
        }
        for picture, boxes in enumerate(truths)
        for xyxy, label, area, crowd in zip(
            boxes.xyxy, boxes.labels, boxes.areas, boxes.crowd, strict=True
        )
    ]
    for number, annotation in enumerate(annotations):
        annotation["id"] = number + 1  # 0 would read as "not matched"
    results = [
        {
            "image_id": ids[picture],
            "category_id": int(label) + 1,
            "bbox": [*xyxy[:2].tolist(), *(xyxy[2:] - xyxy[:2]).tolist()],
            "score": float(score),
        }
        for picture, boxes in enumerate(found)
        for xyxy, label, score in zip(boxes.xyxy, boxes.labels, boxes.scores, strict=True)
    ]
    truth = COCO()
    truth.dataset = {
        "info": {},
        "images": [{"id": i} for i in ids],
        "categories": [{"id": i + 1, "name": str(i)} for i in range(classes)],
        "annotations": annotations,
    }
    truth.createIndex()
    return twelve_numbers(truth, truth.loadRes(results) if results else empty(truth))


def empty(truth: COCO) -> COCO:
    """loadRes refuses an empty list."""
    none = COCO()
    none.dataset = {**truth.dataset, "annotations": []}
    none.createIndex()
    return none


def twelve_numbers(truth: COCO, found: COCO) -> tuple[Float64, Float64]:
    run = COCOeval(truth, found, "bbox")
    run.evaluate()
    run.accumulate()
    run.summarize()
    precision = run.eval["precision"][:, :, :, 0, 2]  # (10, 101, K), all areas, 100 detections
    return nan_for_none(run.stats), nan_for_none(precision.mean(axis=1).T)


def nan_for_none(values: Float64) -> Float64:
    return np.where(values == -1, np.nan, values)


def random_set(seed: int) -> tuple[list[Boxes], list[Detections], int]:
    """Pictures with crowds, ties of scores and of IoU, and classes and pictures without anything.

    Coordinates are whole numbers, so that an IoU is the same double from corners and from sides.
    """
    rng = np.random.default_rng(seed)
    classes, most = int(rng.integers(1, 6)), int(rng.choice([2, 10, 40]))
    spread = int(rng.choice([20, 200, 600]))
    truths, found = [], []
    for _ in range(rng.integers(1, 25)):
        count = int(rng.integers(0, most))
        xyxy = boxes(rng, count, spread)
        labels = rng.integers(0, rng.integers(1, classes + 1), count)
        # The area of an annotation is its mask's, smaller than its box's.
        areas = (xyxy[:, 2] - xyxy[:, 0]) * (xyxy[:, 3] - xyxy[:, 1]) * rng.uniform(0.4, 1, count)
        truths.append(Boxes.of(xyxy, labels, None, rng.random(count) < 0.2, areas))

        copies = (
            rng.integers(0, count, int(rng.integers(0, 3 * most))) if count else np.empty(0, int)
        )
        moved = xyxy[copies] + rng.integers(-spread // 15 - 1, spread // 15 + 2, (len(copies), 4))
        moved[:, 2:] = np.maximum(moved[:, 2:], moved[:, :2] + 1)
        stray = boxes(rng, int(rng.integers(0, most)), spread)
        guesses = np.where(rng.random(len(copies)) < 0.9, labels[copies], 0)
        scores = np.round(rng.random(len(copies) + len(stray)), int(rng.choice([1, 2, 9])))
        found.append(
            Detections.of(
                np.concatenate([moved, stray]),
                scores,
                np.concatenate([guesses, rng.integers(0, classes, len(stray))]),
            )
        )
    return truths, found, classes


def boxes(rng: np.random.Generator, count: int, spread: int) -> Float64:
    corners = rng.integers(0, spread, (count, 2))
    sides = np.maximum(1, rng.geometric(4 / spread, (count, 2)))
    return np.concatenate([corners, corners + sides], axis=1).astype(np.float64)


@pytest.mark.parametrize("seed", range(40))
def test_coco_numbers_are_those_of_pycocotools(
    seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    truths, found, classes = random_set(seed)
    expected, expected_classes = pycocotools(truths, found, classes)
    result = coco(pool(truths, found, classes))
    capsys.readouterr()
    np.testing.assert_allclose([getattr(result, n) for n in NUMBERS], expected, atol=1e-12, rtol=0)
    np.testing.assert_allclose(result.class_ap, expected_classes, atol=1e-12, rtol=0)


@pytest.mark.parametrize("seed", range(40))
def test_ties_are_settled_by_the_ids_of_the_pictures(
    seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """pycocotools goes through the pictures by their ids, in whatever order a file lists them."""
    truths, found, classes = random_set(seed)
    ids = (np.random.default_rng(seed).permutation(len(truths)) + 7).tolist()
    expected, expected_classes = pycocotools(truths, found, classes, ids)
    names = [f"class {label}" for label in range(classes)]
    result = evaluate(truths, found, names, image_ids=ids).coco
    np.testing.assert_allclose([getattr(result, n) for n in NUMBERS], expected, atol=1e-12, rtol=0)
    np.testing.assert_allclose(result.class_ap, expected_classes, atol=1e-12, rtol=0)


def test_more_than_a_hundred_detections_of_a_picture(capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    truths, found = [], []
    for _ in range(3):
        xyxy, moved = boxes(rng, 150, 600), rng.integers(0, 4, (150, 2))
        truths.append(Boxes.of(xyxy, np.zeros(150)))
        moved = xyxy + np.concatenate([moved, moved], axis=1)
        found.append(Detections.of(moved, rng.random(150).round(2), np.zeros(150)))
    expected, _ = pycocotools(truths, found, 1)
    result = coco(pool(truths, found, 1))
    assert result.ar100 < 0.7
    np.testing.assert_allclose([getattr(result, n) for n in NUMBERS], expected, atol=1e-12, rtol=0)


def test_nothing_found_and_nothing_to_find(capsys: pytest.CaptureFixture[str]) -> None:
    one, none = Boxes.of([[0, 0, 9, 9]], [0]), Boxes.of([], [])
    wrong, silent = Detections.of([[50, 50, 60, 60]], [0.5], [0]), Detections.of([], [], [])
    for truths, found in (([one], [silent]), ([none], [wrong]), ([one, none], [wrong, wrong])):
        expected, _ = pycocotools(truths, found, 2)
        result = coco(pool(truths, found, 2))
        np.testing.assert_array_equal([getattr(result, n) for n in NUMBERS], expected)


def test_of_truths_that_fit_equally_the_last_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    """The first detection lies half-way between two truths, the second fits the left one alone."""
    left, right = [0, 0, 10, 10], [4, 0, 14, 10]
    found = [Detections.of([[2, 0, 12, 10], [0, 0, 9, 10]], [0.9, 0.8], [0, 0])]
    recalls = []
    for pair in ([left, right], [right, left]):
        truths = [Boxes.of(pair, [0, 0])]
        expected, _ = pycocotools(truths, found, 1)
        result = coco(pool(truths, found, 1))
        np.testing.assert_allclose([getattr(result, n) for n in NUMBERS], expected, atol=1e-9)
        recalls.append(result.ar100)
    assert recalls[0] > recalls[1]


def test_the_ends_of_an_area_range_belong_to_it(capsys: pytest.CaptureFixture[str]) -> None:
    squares = [[0, 0, 32, 32], [100, 100, 196, 196]]
    truths = [Boxes.of(squares, [0, 0])]
    found = [
        Detections.of(
            [*squares, [200, 0, 232, 32], [300, 0, 396, 96]], [0.5, 0.5, 0.9, 0.9], [0] * 4
        )
    ]
    expected, _ = pycocotools(truths, found, 1)
    result = coco(pool(truths, found, 1))
    np.testing.assert_allclose([getattr(result, n) for n in NUMBERS], expected, atol=1e-9)
    assert result.ar_small == result.ar_medium == result.ar_large == 1


@pytest.fixture(scope="module")
def metrics(shared_data: Path) -> Path:
    return shared_data / "metrics"


@pytest.fixture(scope="module")
def expected(metrics: Path) -> dict[str, Any]:
    """Figures as they are printed there, so that the last digit given is known."""
    return json.loads((metrics / "expected.json").read_text(), parse_float=Decimal)


def to_the_digit(printed: Decimal) -> Any:
    """What rounds to a printed figure; 0.0 is meant to be 0."""
    half = 0.5 * 10.0 ** int(printed.as_tuple().exponent)
    return pytest.approx(float(printed), abs=half * 1.000001 if printed else 1e-9)


def test_coco100(metrics: Path, expected: dict[str, Any]) -> None:
    truth = json.loads((metrics / "coco100/gts/sampled_gts_bbox_area.json").read_text())
    results = json.loads((metrics / "coco100/dets/sampled_bbox_results.json").read_text())
    results = results["annotations"] if isinstance(results, dict) else results
    pictures = sorted(picture["id"] for picture in truth["images"])
    categories = sorted(category["id"] for category in truth["categories"])

    def grouped(rows: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
        groups = defaultdict(list)
        for row in rows:
            groups[row["image_id"]].append(row)
        return [groups[picture] for picture in pictures]

    def corners(row: dict[str, Any]) -> list[float]:
        x, y, width, height = row["bbox"]
        return [x, y, x + width, y + height]

    truths = [
        Boxes.of(
            [corners(r) for r in rows],
            [categories.index(r["category_id"]) for r in rows],
            None,
            [r["iscrowd"] for r in rows],
            [r["area"] for r in rows],
        )
        for rows in grouped(truth["annotations"])
    ]
    found = [
        Detections.of(
            [corners(r) for r in rows],
            [r["score"] for r in rows],
            [categories.index(r["category_id"]) for r in rows],
        )
        for rows in grouped(results)
    ]
    table = pool(truths, found, len(categories))
    result = coco(table)
    once_each = resampled_maps(table, np.ones((1, len(pictures)), np.int64))
    assert once_each[0, 2] == to_the_digit(expected["coco100"]["AP50"])
    for name, value in expected["coco100"].items():
        if name != "source":
            ours = {"AP": "ap", "AR": "ar"}[name[:2]] + name[2:].lower().replace(
                "small", "_small"
            ).replace("medium", "_medium").replace("large", "_large")
            assert getattr(result, ours) == to_the_digit(value), name


def text_boxes(folder: Path, sizes: bool, inclusive: bool) -> dict[str, list[tuple[Any, ...]]]:
    """Rows of 'name [score] a b c d': a corner and sides, or two corners, perhaps inclusive."""
    rows = {}
    for file in sorted(folder.glob("*.txt")):
        rows[file.stem] = []
        for line in file.read_text().split("\n"):
            if not line.strip():
                continue
            name, *numbers = line.split()
            *score, a, b, c, d = map(float, numbers)
            end = (a + c, b + d) if sizes else (c, d)
            if inclusive:
                end = (end[0] + 1, end[1] + 1)
            rows[file.stem].append((name, score[0] if score else 1.0, (a, b, *end)))
    return rows


def evaluate_text(truth: Path, found: Path, sizes: bool, inclusive: bool, iou: float) -> Evaluation:
    truths, detections = (text_boxes(f, sizes, inclusive) for f in (truth, found))
    assert list(truths) == list(detections)
    names = sorted({r[0] for f in (truths, detections) for rows in f.values() for r in rows})
    return evaluate(
        [Boxes.of([r[2] for r in t], [names.index(r[0]) for r in t]) for t in truths.values()],
        [
            Detections.of([r[2] for r in d], [r[1] for r in d], [names.index(r[0]) for r in d])
            for d in detections.values()
        ],
        names,
        iou_threshold=iou,
    )


@pytest.mark.parametrize("iou", ["0.1", "0.3", "0.5", "0.75"])
def test_voc_case1(metrics: Path, expected: dict[str, Any], iou: str) -> None:
    """x, y, width, height of inclusive pixels."""
    folder = metrics / "voc-case1"
    result = evaluate_text(folder / "gts", folder / "dets", True, True, float(iou))
    figures = expected["voc-case1"]
    assert result.map_voc07 == to_the_digit(figures["eleven_point"][iou])
    assert result.map_voc10 == to_the_digit(figures["every_point"][iou])


def test_cartucho(metrics: Path, expected: dict[str, Any]) -> None:
    """Corners of inclusive pixels; all points, at IoU 0.5."""
    folder = metrics / "cartucho"
    result = evaluate_text(folder / "ground-truth", folder / "detection-results", False, True, 0.5)
    assert 100 * result.map_voc10 == to_the_digit(expected["cartucho"]["mAP_percent"])
    printed = {}
    for line in (folder / "expected.txt").read_text().splitlines():
        if line.endswith(" AP "):
            percent, name = line.removesuffix(" AP ").split("% = ")
            printed[name] = float(percent)
    ours = {c.name: 100 * c.ap_voc10 for c in result.classes if c.truths}
    assert ours == pytest.approx(printed, abs=0.005)
