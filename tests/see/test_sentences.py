"""What the report says of each section in words."""

from __future__ import annotations

import math

from tatami.see import sentences
from tatami.see.plots import Layer, Panel
from tatami.see.rows import ClassResult, Stage


def test_stages() -> None:
    first = Stage("torch", "run", 0.912, 4 * 2**20, 80.0)
    last = Stage("C int8", "c", 0.912, 2**20, 1.5)
    assert sentences.of_stages([first, last], "mAP@0.5") == (
        "From torch to C int8: the mAP@0.5 stays 0.912, the size goes from 4.00 MiB to 1.00 MiB "
        "and the time a picture goes from 80.0 ms to 1.5 ms."
    )
    assert sentences.of_stages([first], "mAP@0.5") == ""
    assert sentences.of_stages([Stage("a", "a"), Stage("b", "b")], "mAP") == ""


def test_mistakes() -> None:
    kinds = {"missed": 3, "false": 9}
    assert sentences.of_mistakes(20, 12, kinds) == (
        "12 of 20 pictures have no mistake; 9 of the 12 mistakes are “false”. The worst come first."
    )
    assert sentences.of_mistakes(20, 20, {"missed": 0}) == "20 of 20 pictures have no mistake."
    assert sentences.of_mistakes(0, 0, {}) == "0 of 0 pictures have no mistake."


def test_training() -> None:
    log = [
        {"step": 0.0, "loss": 8.0},
        {"step": 50.0, "loss": math.nan},
        {"step": 100.0, "loss": 0.5},
        {"step": 60.0, "mAP": 0.7},
        {"step": 100.0, "mAP": 0.6},
    ]
    panels = [Panel("Loss", ("loss",)), Panel("mAP@0.5", ("mAP",)), Panel("Both", ("a", "b"))]
    assert sentences.of_training(log, panels) == (
        "The loss falls from 8 to 0.5 in 100 steps; mAP@0.5 is best at step 60: 0.700."
    )
    assert sentences.of_training([], panels) == ""


def test_classes() -> None:
    classes = [ClassResult("a", 1, 0.5), ClassResult("b", 1, 0.9), ClassResult("c", 0, math.nan)]
    assert sentences.of_classes(classes) == "Best is b (AP 0.900), worst is a (0.500)."
    assert sentences.of_classes(classes[:1]) == ""
    same = [ClassResult("a", 1, math.nan, iou=0.5), ClassResult("b", 1, math.nan, iou=0.5)]
    assert sentences.of_classes(same) == "All classes have the same IoU: 0.500."


def test_confusions() -> None:
    assert sentences.of_confusion([[3, 0], [0, 4]], ("a", "b")) == "No class is taken for another."
    assert sentences.of_confusion([[3, 1], [0, 4]], ("a", "b")) == (
        "Most often mistaken is a for b, in 25.0 % of what is a."
    )
    assert sentences.of_confusion([], ("a",)) == ""


def test_layers() -> None:
    layers = [Layer("c1", "Conv", (1,), 900, 10, 40), Layer("c2", "Conv", (1,), 100, 90, 360)]
    assert sentences.of_layers(layers) == (
        "Of all layers, c1 does 90 % of the 1.00 k multiply-adds and c2 holds 90 % of the 100 "
        "parameters."
    )
    assert sentences.of_layers(layers[:1]) == (
        "Of all layers, c1 does 100 % of the 900 multiply-adds and holds 100 % of the 10 "
        "parameters."
    )
    assert sentences.of_layers([Layer("flat", "Flatten", (1,), 0, 0, 0)]) == ""
