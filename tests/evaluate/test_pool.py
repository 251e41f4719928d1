from __future__ import annotations

import math

import numpy as np
import pytest

from tatami.evaluate import pool as pool_module
from tatami.evaluate.pool import pool
from tatami.rules.boxes import iou_xyxy
from tatami.types import Boxes, Detections


def random_pictures(seed: int) -> tuple[list[Boxes], list[Detections]]:
    rng = np.random.default_rng(seed)
    truths, found = [], []
    for _ in range(20):
        n, m = rng.integers(0, 8, 2)
        a, b = rng.uniform(0, 40, (n, 2)), rng.uniform(0, 40, (m, 2))
        truths.append(
            Boxes.of(np.hstack([a, a + rng.uniform(1, 30, (n, 2))]), rng.integers(0, 3, n))
        )
        found.append(
            Detections.of(
                np.hstack([b, b + rng.uniform(1, 30, (m, 2))]),
                rng.random(m).round(1),
                rng.integers(0, 3, m),
            )
        )
    return truths, found


@pytest.mark.parametrize("block", [1, 5, 1 << 16])
def test_pairs_are_the_overlaps_within_a_picture_and_class(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "_BLOCK", block)
    table = pool(*random_pictures(block), 3)
    iou = iou_xyxy(table.detections.xyxy, table.truths.xyxy)
    iou[table.detection_picture[:, None] != table.truth_picture] = 0
    iou[table.detections.labels[:, None] != table.truths.labels] = 0
    detection, truth = np.nonzero(iou)
    assert len(detection) > 5
    np.testing.assert_array_equal(table.pairs.detection, detection)
    np.testing.assert_array_equal(table.pairs.truth, truth)
    np.testing.assert_allclose(table.pairs.iou, iou[detection, truth])


def test_detections_are_by_class_then_score_then_as_given() -> None:
    _, found = random_pictures(1)
    table = pool([Boxes.of([], [])] * len(found), found, 3)
    rows = [
        (int(label), -score, picture, i)
        for picture, d in enumerate(found)
        for i, (label, score) in enumerate(zip(d.labels, d.scores, strict=True))
    ]
    rows.sort()
    np.testing.assert_array_equal(table.detection_picture, [r[2] for r in rows])
    np.testing.assert_array_equal(table.detections.xyxy, [found[r[2]].xyxy[r[3]] for r in rows])
    assert table.detections.labels[table.detections_of(1)].tolist() == [1] * sum(
        r[0] == 1 for r in rows
    )


def test_nothing_at_all() -> None:
    table = pool([], [], 2)
    assert len(table.truths) == len(table.detections) == len(table.pairs.iou) == 0


@pytest.mark.parametrize(
    ("truths", "found", "message"),
    [
        ([Boxes.of([], [])], [], "1 pictures have truths but 0"),
        ([Boxes.of([[0, 0, 1, 1]], [2])], [Detections.of([], [], [])], "labels 2 to 2"),
        ([Boxes.of([], [])], [Detections.of([[0, 0, 1, 1]], [0.5], [-1])], "labels -1"),
        ([Boxes.of([], [])], [Detections.of([[0, 0, 1, 1]], [math.nan], [0])], "NaN"),
        ([Boxes.of([[0, 0, math.inf, 1]], [0])], [Detections.of([], [], [])], "infinite"),
    ],
)
def test_senseless_input_is_refused(
    truths: list[Boxes], found: list[Detections], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        pool(truths, found, 2)
