"""The ledger: it passes what is equal, and finds the stage, the layer and the picture at fault."""

import json
from dataclasses import replace

import numpy as np
import pytest

from tatami.cli.output import print_table
from tatami.pipeline.ledger import (
    FLOAT_BOUND,
    MIXED_BOUND,
    QUANTIZATION_LOSS,
    Ledger,
    Row,
    Stage,
    compare_answers,
    compare_integers,
    compare_maps,
    compare_pictures,
    compare_quantized,
    difference,
    first_difference,
)  # fmt: skip
from tatami.tasks.detection import BOX_BOUND, DETECTION, box_difference
from tatami.types import Decoding, Detections, DetectionSpec, InputSpec, Size

SPEC = DetectionSpec(("cup",), InputSpec(Size(4, 4)), Decoding.yolov2([(1.0, 1.0)]))
IMAGES = [np.full((1, 3, 4, 4), value, np.float32) for value in (1.0, -3.0)]


class Fixed:
    """A detector that always says the same."""

    def __init__(self, found):
        self.found = found
        self.spec = SPEC

    def detect(self, picture, score_threshold):
        return self.found


def stage(name, error=0.0, wrong_layer=None, found=None, prepare=None):
    """Doubles, then adds one; ``error`` is added in the layer ``wrong_layer`` and from there on."""

    def values(images):
        doubled = 2 * images + (error if wrong_layer == "doubled" else 0)
        return {"doubled": doubled, name + " only": images, "map": doubled + 1 + (
            error if wrong_layer == "map" else 0
        )}  # fmt: skip

    return Stage(
        name, DETECTION, SPEC, Fixed(found), lambda x: values(x)["map"], values, prepare, 9
    )


def test_equal_maps_pass_with_no_layer():
    row = compare_maps(stage("b"), stage("a"), IMAGES)
    assert (row.stage, row.reference, row.worst, row.layer, row.passed) == (
        "b",
        "a",
        0.0,
        None,
        True,
    )


@pytest.mark.parametrize("layer", ["doubled", "map"])
def test_the_first_layer_beyond_the_bound_is_named(layer):
    row = compare_maps(stage("b", 7 * 2 * FLOAT_BOUND, layer), stage("a"), IMAGES)
    assert row.layer == layer
    assert row.worst == pytest.approx(7 * 2 * FLOAT_BOUND / 3, rel=0.1)  # of the first map: 3
    assert not row.passed
    assert f"first at {layer}" in Ledger((row,)).failures()[0]


def test_a_nan_or_another_shape_never_passes():
    assert not compare_maps(stage("b", np.nan, "map"), stage("a"), IMAGES).passed
    assert not compare_maps(stage("b", np.nan, "map"), stage("a"), IMAGES[::-1] + IMAGES).passed
    assert difference(np.zeros((2, 1)), np.zeros((1, 2))) == float("inf")
    assert difference(np.ones(1), np.zeros(1)) == float("inf")
    assert difference(np.float32([1, 2]), np.float32([1, 4])) == 0.5
    assert first_difference({"x": np.float32([np.nan])}, {"x": np.float32([1])}, 1.0) == "x"


def test_the_picture_rule_is_held_bit_for_bit():
    pictures = [np.zeros((2, 2, 3), np.uint8)]
    zero = np.zeros((3, 2, 2), np.float32)

    def row(image):
        return compare_pictures(stage("C", prepare=lambda picture: image), pictures, [zero])

    assert row(zero.copy()).passed
    assert not row(zero + np.float32(1e-30)).passed
    assert not row(-zero).passed  # the same number, other bits
    assert not row(np.full_like(zero, np.nan)).passed


def test_boxes_are_the_same_in_the_same_order():
    two = Detections.of([[0, 0, 4, 4], [1, 1, 9, 9]], [0.9, 0.8], [1, 0])
    near = Detections.of(two.xyxy + BOX_BOUND / 2, two.scores, two.labels)
    pictures = [np.zeros((1, 1, 3), np.uint8)]
    assert compare_answers(stage("C", found=near), Fixed(two), pictures).passed
    assert box_difference(two.select(np.array([1, 0])), two) == float("inf")
    assert box_difference(two.select(np.array([0])), two) == float("inf")
    none = two.select(np.zeros(0, int))
    assert box_difference(none, none) == 0
    far = Detections.of(two.xyxy + 1, two.scores, two.labels)
    assert not compare_answers(stage("C", found=far), Fixed(two), pictures).passed


@pytest.mark.parametrize(
    ("figure", "reference", "passed"),
    [(0.6014, 0.6016, True), (0.601, 0.599, False), (np.nan, np.nan, True), (np.nan, 0.5, False)],
)
def test_average_precision_is_the_same_to_three_decimals(figure, reference, passed):
    row = Row("b", "a", 0.0, "", 1e-5, figure=figure, reference_figure=reference)
    assert row.passed == passed
    assert len(Ledger((row,)).failures()) == (not passed)


def test_table_and_json(capsys):
    rows = (
        Row("a very long name of a stage [bold]", size=63_470_000, figure=0.601, milliseconds=1e3),
        Row("b", "a very long name of a stage [bold]", float("inf"), "px", 1e-3, "conv" * 20,
            0.6, 0.601, 1234, 12.34),
    )  # fmt: skip
    ledger = Ledger(rows)
    print_table(ledger.table())
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    assert "63.5 MB" in text
    assert "reference" in text
    assert ledger.table().failed == {1}
    answer = json.loads(json.dumps(ledger.to_json(), allow_nan=False))
    assert answer["passed"] is False
    assert [row["passed"] for row in answer["rows"]] == [True, False]
    assert answer["rows"][1]["worst"] == "inf"
    assert {"held_to", "mean_ap", "mean_ap_held_to"} <= set(answer["rows"][1])  # of version 0.1
    page = ledger._repr_html_()
    assert "<table>" in page
    assert "a very long name of a stage [bold]" in page


def integers(name, changes=(), rounded=None, dtype=np.uint8, missing=()):
    """A stage of bytes and a float map; changes: (layer, index, value) each."""

    def values(images):
        found = {
            "first": np.arange(24, dtype=dtype).reshape(1, 2, 3, 4),
            "second": np.full((1, 2, 2, 2), 7, np.uint8),
            "map": np.linspace(-1, 1, 8, dtype=np.float32).reshape(1, 2, 2, 2),
        }
        for layer, index, value in changes:
            found[layer][index] = value
        return {key: value for key, value in found.items() if key not in missing}

    return Stage(name, DETECTION, SPEC, Fixed(None), None, None, None, 9, values, rounded=rounded)


def test_equal_integers_pass():
    row = compare_integers(integers("C"), integers("int8"), IMAGES)
    assert (row.worst, row.unit, row.bound, row.layer, row.passed) == (0, "", 0, None, True)


def test_the_first_integer_that_differs_is_named():
    changes = [("second", (0, 1, 0, 1), 9), ("second", (0, 1, 1, 1), 0), ("map", (0, 0, 0, 0), 3)]
    row = compare_integers(integers("C", changes), integers("int8"), IMAGES)
    assert row.layer == "second [1,0,1]: 9, not 7"
    assert (row.worst, row.unit, row.passed) == (7, "steps", False)
    assert "7 steps exceeds 0, first at second [1,0,1]: 9, not 7" in Ledger((row,)).failures()[0]


def test_equal_numbers_of_other_bits_do_not_pass():
    zero = integers("C", [("map", (0, 0, 0, 0), 0.0)])
    negative = integers("int8", [("map", (0, 0, 0, 0), -0.0)])
    row = compare_integers(zero, negative, IMAGES)
    assert not row.passed
    assert row.layer == "map [0,0,0]: 0, not -0"
    nan = [("map", (0, 0, 0, 0), np.nan)]
    assert compare_integers(
        integers("C", nan), integers("int8", nan), IMAGES
    ).passed  # the same bits
    assert not compare_integers(integers("C", nan), integers("int8"), IMAGES).passed


@pytest.mark.parametrize("missing", [("first", "second", "map"), ("map",)])
def test_nothing_to_compare_is_no_proof(missing):
    for one, other in ((missing, ()), ((), missing)):
        found, expected = integers("C", missing=one), integers("int8", missing=other)
        row = compare_integers(found, expected, IMAGES)
        assert row.passed == (other == ("map",))  # the reference may say less, not other things


def test_another_type_is_another_layer():
    row = compare_integers(integers("C", dtype=np.int8), integers("int8"), IMAGES)
    assert not row.passed
    assert row.layer == "first"


def test_layers_kept_in_floats_are_held_to_a_bound():
    kept = frozenset({"second", "map"})
    near = [("second", (0, 0, 0, 0), 8), ("map", (0, 0, 0, 0), -1 + MIXED_BOUND / 2)]
    row = compare_integers(integers("C", near), integers("int8", rounded=kept), IMAGES)
    assert row.passed
    assert 0 < row.worst <= row.bound == MIXED_BOUND
    far = [("map", (0, 0, 0, 0), -1 + 2 * MIXED_BOUND)]
    assert not compare_integers(integers("C", far), integers("int8", rounded=kept), IMAGES).passed
    early = [("first", (0, 0, 0, 0), 8)]  # integers before them are exact still
    row = compare_integers(integers("C", early), integers("int8", rounded=kept), IMAGES)
    assert row.layer == "first [0,0,0]: 8, not 0"
    assert not row.passed


def test_the_noisiest_layer_is_named_and_bounds_nothing():
    row = compare_quantized(stage("b", 0.5, "map"), stage("a"), IMAGES)
    assert (row.layer, row.unit, row.bound, row.passed) == ("map", "dB", None, True)
    # The maps are 3 and -5: signal 9 + 25, noise 2 * 0.25, of each sample.
    assert row.worst == pytest.approx(10 * np.log10(34 / 0.5))
    assert compare_quantized(stage("b"), stage("a"), IMAGES).worst is None  # no noise at all


def test_of_equalized_layers_the_factor_of_each_channel_is_no_noise():
    rng = np.random.default_rng(0)
    right, noise = rng.normal(size=(2, 1, 3, 9, 9))
    factors = np.array([0.1, 1.0, 50.0]).reshape(3, 1, 1)

    def of(values, provenance):
        spec = replace(SPEC, provenance=provenance)
        return Stage("s", DETECTION, spec, Fixed(None), None, lambda _: {"a": values}, None, 9)

    found = (right + 0.01 * noise) * factors
    plain = compare_quantized(of(found, {}), of(right, {}), IMAGES[:1])
    row = compare_quantized(of(found, {"equalized": "a pair"}), of(right, {}), IMAGES[:1])
    assert plain.worst < 0
    assert row.worst == pytest.approx(40, abs=1)


@pytest.mark.parametrize(("lost", "passed"), [(-0.05, True), (0.0099, True), (0.0101, False)])
def test_integers_may_lose_a_point_of_average_precision(lost, passed):
    row = Row(
        "int8", "folded", 30.0, "dB", figure=0.6 - lost, reference_figure=0.6,
        loss=QUANTIZATION_LOSS,
    )  # fmt: skip
    assert row.passed == passed
    assert all("less at most 0.01" in line for line in Ledger((row,)).failures())
