"""The ledger: it passes what is equal, and finds the stage, the layer and the picture at fault."""

import json

import numpy as np
import pytest
from rich.console import Console

from tatami.ship.prove import (
    BOX_BOUND,
    FLOAT_BOUND,
    Ledger,
    Row,
    Stage,
    box_difference,
    difference,
    first_difference,
    hold_boxes,
    hold_maps,
    hold_pictures,
)  # fmt: skip
from tatami.types import Detections

IMAGES = [np.full((1, 3, 4, 4), value, np.float32) for value in (1.0, -3.0)]


class Fixed:
    """A detector that always says the same."""

    def __init__(self, found):
        self.found = found
        self.spec = None

    def detect(self, picture, score_threshold):
        return self.found


def stage(name, error=0.0, wrong_layer=None, found=None, prepare=None):
    """Doubles, then adds one; ``error`` is added in the layer ``wrong_layer`` and from there on."""

    def values(images):
        doubled = 2 * images + (error if wrong_layer == "doubled" else 0)
        return {"doubled": doubled, name + " only": images, "map": doubled + 1 + (
            error if wrong_layer == "map" else 0
        )}  # fmt: skip

    return Stage(name, None, Fixed(found), lambda x: values(x)["map"], values, prepare, 9)


def test_equal_maps_pass_with_no_layer():
    row = hold_maps(stage("b"), stage("a"), IMAGES)
    assert (row.stage, row.held_to, row.worst, row.layer, row.passed) == ("b", "a", 0.0, None, True)


@pytest.mark.parametrize("layer", ["doubled", "map"])
def test_the_first_layer_beyond_the_bound_is_named(layer):
    row = hold_maps(stage("b", 7 * 2 * FLOAT_BOUND, layer), stage("a"), IMAGES)
    assert row.layer == layer
    assert row.worst == pytest.approx(7 * 2 * FLOAT_BOUND / 3, rel=0.1)  # of the first map: 3
    assert not row.passed
    assert f"first at {layer}" in Ledger((row,)).failures()[0]


def test_a_nan_or_another_shape_never_passes():
    assert not hold_maps(stage("b", np.nan, "map"), stage("a"), IMAGES).passed
    assert not hold_maps(stage("b", np.nan, "map"), stage("a"), IMAGES[::-1] + IMAGES).passed
    assert difference(np.zeros((2, 1)), np.zeros((1, 2))) == float("inf")
    assert difference(np.ones(1), np.zeros(1)) == float("inf")
    assert difference(np.float32([1, 2]), np.float32([1, 4])) == 0.5
    assert first_difference({"x": np.float32([np.nan])}, {"x": np.float32([1])}, 1.0) == "x"


def test_the_picture_rule_is_held_bit_for_bit():
    pictures = [np.zeros((2, 2, 3), np.uint8)]
    zero = np.zeros((3, 2, 2), np.float32)

    def row(image):
        return hold_pictures(stage("C", prepare=lambda picture: image), pictures, [zero])

    assert row(zero.copy()).passed
    assert not row(zero + np.float32(1e-30)).passed
    assert not row(-zero).passed  # the same number, other bits
    assert not row(np.full_like(zero, np.nan)).passed


def test_boxes_are_the_same_in_the_same_order():
    two = Detections.of([[0, 0, 4, 4], [1, 1, 9, 9]], [0.9, 0.8], [1, 0])
    near = Detections.of(two.xyxy + BOX_BOUND / 2, two.scores, two.labels)
    pictures = [np.zeros((1, 1, 3), np.uint8)]
    assert hold_boxes(stage("C", found=near), Fixed(two), pictures, 0.5).passed
    assert box_difference(two.select(np.array([1, 0])), two) == float("inf")
    assert box_difference(two.select(np.array([0])), two) == float("inf")
    none = two.select(np.zeros(0, int))
    assert box_difference(none, none) == 0
    far = Detections.of(two.xyxy + 1, two.scores, two.labels)
    assert not hold_boxes(stage("C", found=far), Fixed(two), pictures, 0.5).passed


@pytest.mark.parametrize(
    ("mean_ap", "held_to", "passed"),
    [(0.6014, 0.6016, True), (0.601, 0.599, False), (np.nan, np.nan, True), (np.nan, 0.5, False)],
)
def test_average_precision_is_the_same_to_three_decimals(mean_ap, held_to, passed):
    row = Row("b", "a", 0.0, "", 1e-5, mean_ap=mean_ap, mean_ap_held_to=held_to)
    assert row.passed == passed
    assert len(Ledger((row,)).failures()) == (not passed)


def test_table_and_json():
    rows = (
        Row("a very long name of a stage [bold]", size=63_470_000, mean_ap=0.601, milliseconds=1e3),
        Row("b", "a very long name of a stage [bold]", float("inf"), "px", 1e-3, "conv" * 20,
            0.6, 0.601, 1234, 12.34),
    )  # fmt: skip
    ledger = Ledger(rows)
    console = Console(width=120, record=True, file=None, force_terminal=False, quiet=False)
    with console.capture() as capture:
        console.print(ledger.table())
    lines = capture.get().splitlines()
    assert max(map(len, lines)) <= 80
    assert "63.5 MB" in capture.get()
    answer = json.loads(json.dumps(ledger.to_json(), allow_nan=False))
    assert answer["passed"] is False
    assert [row["passed"] for row in answer["rows"]] == [True, False]
    assert answer["rows"][1]["worst"] == "inf"
