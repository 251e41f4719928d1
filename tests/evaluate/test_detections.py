from __future__ import annotations

import json
import math

import numpy as np
import pytest

from tatami.evaluate.bootstrap import bootstrap
from tatami.evaluate.detections import evaluate
from tatami.evaluate.diagnosis import similar_classes
from tatami.evaluate.pool import pool
from tatami.types import Boxes, Detections

CUP, HAT = [0, 0, 40, 40], [100, 100, 140, 140]
NOTHING = Detections.of([], [], [])


def test_a_perfect_detector_has_ones_everywhere() -> None:
    truths = [Boxes.of([CUP, HAT], [0, 1]), Boxes.of([], []), Boxes.of([HAT], [0])]
    found = [Detections.of(t.xyxy, np.full(len(t), 0.9), t.labels) for t in truths]
    result = evaluate(truths, found, ["cup", "hat"])
    assert result.pictures == 3
    assert (result.map_voc07, result.map_voc10) == (1, 1)
    assert (result.coco.ap, result.coco.ap50, result.coco.ar100) == pytest.approx((1, 1, 1))
    assert (result.at.precision, result.at.recall, result.at.f1) == (1, 1, 1)
    assert [(c.name, c.truths, c.detections) for c in result.classes] == [
        ("cup", 2, 2),
        ("hat", 1, 1),
    ]
    assert [c.ap50_coco for c in result.classes] == pytest.approx([1, 1])


def test_figures_of_a_detector_with_faults() -> None:
    truths = [Boxes.of([CUP, HAT], [0, 1], difficult=[False, True]), Boxes.of([CUP], [0])]
    found = [
        Detections.of([CUP, HAT, HAT], [0.9, 0.8, 0.2], [0, 1, 0]),  # right, not counted, wrong
        Detections.of([HAT], [0.6], [0]),  # wrong
    ]
    result = evaluate(truths, found, ["cup", "hat"], at=0.25)
    cup, hat = result.classes
    assert (cup.truths, cup.difficult, cup.detections) == (2, 0, 3)
    assert (hat.truths, hat.difficult, hat.detections) == (0, 1, 1)
    assert math.isnan(hat.ap_voc07)
    assert math.isnan(hat.ap_coco)
    assert result.map_voc10 == cup.ap_voc10 == pytest.approx(0.5)
    assert (result.at.true_positives, result.at.false_positives) == (1, 1)
    assert (result.at.precision, result.at.recall) == (0.5, 0.5)
    assert result.best.threshold == pytest.approx(0.75)


def test_the_iou_threshold_moves_voc_and_not_coco() -> None:
    truths = [Boxes.of([CUP], [0])]
    found = [Detections.of([[0, 0, 40, 24]], [0.9], [0])]  # IoU 0.6
    loose, strict = (evaluate(truths, found, ["cup"], iou_threshold=t) for t in (0.5, 0.7))
    assert (loose.map_voc10, strict.map_voc10) == (1, 0)
    assert (loose.at.recall, strict.at.recall) == (1, 0)
    assert loose.coco.ap == strict.coco.ap == pytest.approx(0.3)


def test_crowds_do_not_count_in_any_family() -> None:
    truths = [Boxes.of([CUP, [100, 100, 200, 200]], [0, 0], crowd=[False, True])]
    in_crowd = [[100, 100, 160, 160], [140, 140, 200, 200]]
    found = [Detections.of([CUP, *in_crowd], [0.9, 0.95, 0.94], [0, 0, 0])]
    result = evaluate(truths, found, ["cup"], iou_threshold=0.3)
    assert (result.map_voc10, result.at.precision) == (1, 1)
    assert result.coco.ap50 == pytest.approx(1)


def test_json_has_no_nan_and_gives_the_same_figures() -> None:
    truths = [Boxes.of([CUP], [0])]
    found = [Detections.of([CUP], [0.9], [0])]
    result = evaluate(truths, found, ["cup", "hat"])
    tree = json.loads(json.dumps(result.to_json(with_curves=True), allow_nan=False))
    assert tree["map_voc07"] == 1
    assert tree["coco"]["ap_large"] is None
    assert tree["classes"][1]["ap_voc07"] is None
    assert tree["classes"][0]["curve"] == {"scores": [0.9], "true_positives": [1], "truths": 1}
    assert "curve" not in result.to_json()


def test_no_picture_at_all() -> None:
    result = evaluate([], [], ["cup"])
    assert math.isnan(result.map_voc07)
    assert math.isnan(result.coco.ap)


def test_what_was_not_asked_for_is_not_there() -> None:
    result = evaluate([Boxes.of([CUP], [0])], [Detections.of([CUP], [0.9], [0])], ["cup"])
    assert result.intervals is None
    assert result.diagnostics is None
    tree = result.to_json()
    assert not {"intervals", "diagnostics"} & set(tree)
    assert "kinds" not in tree["classes"][0]


def test_intervals_and_diagnostics_in_json() -> None:
    truths = [Boxes.of([CUP], [0]), Boxes.of([HAT], [1]), Boxes.of([], [])]
    found = [Detections.of([CUP], [0.9], [0]), Detections.of([HAT], [0.7], [0]), NOTHING]
    similar = similar_classes(["cup", "hat"], [["cup", "hat"]])
    result = evaluate(truths, found, ["cup", "hat"], resamples=50, similar=similar)
    assert result.intervals == bootstrap(pool(truths, found, 2), resamples=50)
    tree = json.loads(json.dumps(result.to_json(), allow_nan=False))
    intervals = tree["intervals"]
    assert (intervals["resamples"], intervals["seed"], intervals["confidence"]) == (50, 0, 0.95)
    for key in ("map_voc07", "map_voc10", "ap50"):
        low, high = intervals[key]
        assert 0 <= low < high <= 1
    cup, hat = tree["classes"]
    kinds = {"correct": 1, "localization": 0, "similar": 0, "other": 0, "background": 0}
    assert cup["kinds"] == kinds  # one truth, so the hat that was taken for a cup is not looked at
    assert hat["kinds"] == {**kinds, "correct": 0}
    assert (cup["roc_auc"], hat["roc_auc"]) == (1, 0.5)
    assert cup["ece"] == pytest.approx((0.1 + 0.7) / 2)
    assert hat["ece"] is None
    assert tree["diagnostics"]["kinds"] == kinds
    assert tree["diagnostics"]["roc_auc"] == 0.75
    assert tree["diagnostics"]["ece"] == cup["ece"]


def test_nothing_at_all_has_no_interval_and_no_diagnosis() -> None:
    result = evaluate([], [], ["cup"], resamples=5, similar=similar_classes(["cup"]))
    tree = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert tree["intervals"]["ap50"] == [None, None]
    assert tree["diagnostics"]["kinds"]["correct"] is None
