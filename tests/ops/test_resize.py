"""Where a resized map looks, against the coordinate formulas of ONNX Resize in fractions."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tatami.ops.resize import ResizeTaps, resize, resize_taps

HALF = Fraction(1, 2)
COORDINATES = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]
ROUNDINGS = {
    "round_prefer_floor": lambda place: math.ceil(place - HALF),
    "round_prefer_ceil": lambda place: math.floor(place + HALF),
    "floor": math.floor,
    "ceil": math.ceil,
}
lengths = st.integers(1, 40)


def place_of(i, length, outputs, coordinates):
    """The table of coordinate_transformation_mode in ONNX Resize."""
    scale = Fraction(outputs, length)
    if coordinates == "asymmetric":
        return i / scale
    if coordinates == "align_corners":
        return Fraction(i * (length - 1), outputs - 1) if outputs > 1 else Fraction(0)
    if coordinates == "pytorch_half_pixel" and outputs == 1:
        return Fraction(0)
    return (i + HALF) / scale - HALF


@given(lengths, lengths, st.sampled_from(COORDINATES), st.sampled_from(list(ROUNDINGS)))
def test_nearest(length, outputs, coordinates, rounding):
    found = resize_taps(length, outputs, outputs / length, "nearest", coordinates, rounding)
    assert not found.weight.any()
    assert np.array_equal(found.first, found.second)
    for i, index in enumerate(found.first):
        place = place_of(i, length, outputs, coordinates)
        step = ROUNDINGS[rounding]
        choices = {step(place + tiny) for tiny in (Fraction(-1, 2**40), 0, Fraction(1, 2**40))}
        assert index in {min(max(choice, 0), length - 1) for choice in choices}


@given(lengths, lengths, st.sampled_from(COORDINATES))
def test_linear(length, outputs, coordinates):
    found = resize_taps(length, outputs, outputs / length, "linear", coordinates, "")
    assert found.first.dtype == found.second.dtype == np.int32
    assert found.weight.dtype == np.float32
    assert found.weight.min() >= 0
    assert found.weight.max() <= 1
    for i, (first, second, weight) in enumerate(
        zip(found.first, found.second, found.weight, strict=True)
    ):
        assert 0 <= first <= second <= min(first + 1, length - 1)
        place = min(max(place_of(i, length, outputs, coordinates), 0), length - 1)
        assert abs(int(first) + float(weight) * (int(second) - int(first)) - place) < 1e-5


def test_the_scale_of_the_network_is_obeyed_where_it_is_not_the_ratio():
    found = resize_taps(4, 2, 0.6, "linear", "asymmetric", "")
    assert found.first.tolist() == [0, 1]
    assert found.weight.tolist() == [0, np.float32(1 / 0.6 - 1)]


def test_examples():
    assert resize_taps(2, 4, 2, "nearest", "asymmetric", "floor").first.tolist() == [0, 0, 1, 1]
    assert resize_taps(4, 2, 0.5, "nearest", "half_pixel", "round_prefer_floor").first.tolist() == [
        0,
        2,
    ]
    assert resize_taps(4, 2, 0.5, "nearest", "half_pixel", "round_prefer_ceil").first.tolist() == [
        1,
        3,
    ]
    doubled = resize_taps(2, 4, 2, "linear", "half_pixel", "")
    assert doubled.first.tolist() == [0, 0, 0, 1]
    assert doubled.weight.tolist() == [0, 0.25, 0.75, 0]


@pytest.mark.parametrize(
    ("mode", "coordinates", "rounding"),
    [
        ("cubic", "half_pixel", ""),
        ("linear", "tf_crop_and_resize", ""),
        ("nearest", "half_pixel", "up"),
    ],
)
def test_other_kinds_are_refused(mode, coordinates, rounding):
    with pytest.raises(ValueError, match=r"mode|coordinates|rounding"):
        resize_taps(2, 4, 2, mode, coordinates, rounding)


@settings(max_examples=30)
@given(*[st.integers(1, 5)] * 4, st.integers(0, 2**32 - 1))
def test_resize_equals_its_formula(h, w, out_h, out_w, seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((2, 3, h, w)).astype(np.float32)

    def random_looks(length, outputs):
        first, second = rng.integers(0, length, (2, outputs)).astype(np.int32)
        return ResizeTaps(first, second, rng.random(outputs, np.float32))

    rows, columns = random_looks(h, out_h), random_looks(w, out_w)
    y = resize(x, rows, columns)
    assert y.dtype == np.float32
    for n, c, i, j in itertools.product(range(2), range(3), range(out_h), range(out_w)):
        down, across = float(rows.weight[i]), float(columns.weight[j])
        top, bottom = x[n, c, rows.first[i]].astype(float), x[n, c, rows.second[i]].astype(float)
        line = top * (1 - down) + bottom * down
        expected = line[columns.first[j]] * (1 - across) + line[columns.second[j]] * across
        assert abs(y[n, c, i, j] - expected) < 1e-5


def test_nearest_copies_what_is_no_number_too():
    x = np.array([[[[np.inf, -np.inf], [np.nan, 1]]]], np.float32)
    twice = resize_taps(2, 4, 2, "nearest", "asymmetric", "floor")
    np.testing.assert_array_equal(resize(x, twice, twice), x.repeat(2, 2).repeat(2, 3))
