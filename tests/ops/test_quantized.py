"""The integer operations against loops in Python's integers, fractions and decimals."""

from __future__ import annotations

import itertools
import math
import re
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tatami.errors import TatamiError
from tatami.ops import quantized
from tatami.ops.fixed_point import (
    multiplier_of,
    negative_multiplier_of,
    requantize,
    sum_bounds,
)
from tatami.ops.pool import max_pool
from tatami.ops.window import Axis, Window

HALF = Fraction(1, 2)
axes = st.builds(
    Axis,
    kernel=st.integers(1, 4),
    stride=st.integers(1, 3),
    before=st.integers(0, 2),
    after=st.integers(0, 2),
    dilation=st.integers(1, 2),
)
zero_points = st.one_of(st.integers(0, 255), st.sampled_from([0, 128, 255]))
scales = st.floats(2.0**-12, 2.0**4, width=32)
seeds = st.integers(0, 2**32 - 1)
groupings = st.sampled_from([(1, 1, 2), (1, 3, 2), (2, 1, 1), (3, 2, 2), (4, 1, 1)])
"""(groups, channels a group, outputs a group): plain, depthwise, with a multiplier, grouped."""


def clamp(y):
    return min(max(y, 0), 255)


def random_bytes(rng, shape):
    """Samples of which a third are extreme."""
    x = rng.integers(0, 256, shape)
    return np.where(rng.random(shape) < 0.3, rng.choice([0, 255], shape), x).astype(np.uint8)


def random_weights(rng, shape):
    w = rng.integers(-127, 128, shape)
    return np.where(rng.random(shape) < 0.3, rng.choice([-127, 127], shape), w).astype(np.int8)


def at(x, channel, row, column, outside):
    """A sample of a (c, h, w) map, or ``outside`` beyond its border."""
    inside = 0 <= row < x.shape[1] and 0 <= column < x.shape[2]
    return int(x[channel, row, column]) if inside else outside


def places(window, shape):
    """Every output place with what its taps see: ((i, j), [(u, v, row, column), ...])."""
    rows, columns = window.rows, window.columns
    for i, j in itertools.product(range(rows.output(shape[0])), range(columns.output(shape[1]))):
        top, left = i * rows.stride - rows.before, j * columns.stride - columns.before
        yield (
            (i, j),
            [
                (u, v, top + u * rows.dilation, left + v * columns.dilation)
                for u, v in itertools.product(range(rows.kernel), range(columns.kernel))
            ],
        )


# Sums --------------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(axes, axes, groupings, zero_points, seeds)
def test_convolution_equals_its_formula(rows, columns, grouping, zero_point, seed):
    groups, per_group, outputs = grouping
    rng = np.random.default_rng(seed)
    window = Window(rows, columns)
    x = random_bytes(rng, (2, groups * per_group, 7, 8))
    weights = random_weights(rng, (groups * outputs, per_group, rows.kernel, columns.kernel))
    bias = rng.integers(-(2**31), 2**31, groups * outputs).astype(np.int32)
    sums = quantized.convolve(x, weights, bias, zero_point, window, groups)
    assert sums.dtype == np.int64
    for picture, o in itertools.product(range(2), range(groups * outputs)):
        first = o // outputs * per_group
        for (i, j), seen in places(window, (7, 8)):
            expected = int(bias[o]) + sum(
                int(weights[o, c, u, v])
                * (at(x[picture], first + c, row, column, zero_point) - zero_point)
                for c in range(per_group)
                for u, v, row, column in seen
            )
            assert sums[picture, o, i, j] == expected


@settings(max_examples=60)
@given(axes, axes, groupings, zero_points, seeds, st.tuples(st.integers(0, 2), st.integers(0, 2)))
def test_transposed_convolution_equals_its_formula(rows, columns, grouping, zero_point, seed, more):
    groups, per_group, outputs = grouping
    rng = np.random.default_rng(seed)
    x = random_bytes(rng, (2, groups * per_group, 4, 3))
    weights = random_weights(rng, (groups * per_group, outputs, rows.kernel, columns.kernel))
    bias = rng.integers(-(2**31), 2**31, groups * outputs).astype(np.int32)
    shape = [
        max(1, (length - 1) * axis.stride + axis.span - axis.before - axis.after + extra)
        for length, axis, extra in zip((4, 3), (rows, columns), more, strict=True)
    ]
    window, output = Window(rows, columns), (shape[0], shape[1])
    sums = quantized.convolve_transposed(x, weights, bias, zero_point, window, output, groups)
    assert sums.dtype == np.int64
    expected = np.zeros((2, groups * outputs, *shape), object) + bias[:, None, None].astype(object)
    for n, c, i, j in np.ndindex(x.shape):
        for o, u, v in np.ndindex(weights.shape[1:]):
            row = i * rows.stride + u * rows.dilation - rows.before
            column = j * columns.stride + v * columns.dilation - columns.before
            if 0 <= row < shape[0] and 0 <= column < shape[1]:
                product = int(weights[c, o, u, v]) * (int(x[n, c, i, j]) - zero_point)
                expected[n, c // per_group * outputs + o, row, column] += product
    assert np.array_equal(sums, expected)


def test_a_fully_connected_layer_is_a_convolution_over_the_whole_map():
    rng = np.random.default_rng(3)
    x, weights = random_bytes(rng, (1, 5, 3, 4)), random_weights(rng, (7, 5, 3, 4))
    bias = rng.integers(-1000, 1000, 7).astype(np.int32)
    sums = quantized.convolve(x, weights, bias, 100, Window(Axis(3), Axis(4)))
    flat, rows = x.astype(int).ravel() - 100, weights.astype(int).reshape(7, -1)
    assert sums.ravel().tolist() == (rows @ flat + bias).tolist()
    sums = quantized.convolve(
        x.reshape(1, 60, 1, 1), weights.reshape(7, 60, 1, 1), bias, 100, Window.square(1)
    )
    assert sums.ravel().tolist() == (rows @ flat + bias).tolist()


def test_the_float_of_a_product_is_the_faster_one_that_is_exact():
    assert quantized.exact_type(0) is np.float32
    assert quantized.exact_type(2**24) is np.float32
    assert quantized.exact_type(2**24 + 1) is np.float64
    assert quantized.exact_type(2**53) is np.float64
    with pytest.raises(AssertionError):
        quantized.exact_type(2**53 + 1)
    assert int(np.float32(2**24)) == 2**24
    assert int(np.float32(2**24 + 1)) == 2**24  # so the border lies where it must


@pytest.mark.parametrize(
    ("last", "kind", "largest"), [(8, np.float32, 2**24), (9, np.float64, 2**24 + 128)]
)
@pytest.mark.parametrize("transposed", [False, True])
def test_at_the_border_of_float32_the_choice_is_made_and_right(
    monkeypatch, last, kind, largest, transposed
):
    """1032 weights of 127 and one of 8, times 128, is 2^24; with a 9 there is a 2^24 + 1."""
    chosen = []

    def spy(bound, choose=quantized.exact_type):
        chosen.append(choose(bound))
        return chosen[-1]

    monkeypatch.setattr(quantized, "exact_type", spy)
    weights = np.full((1, 1033, 1, 1), 127, np.int8)
    weights[0, -1] = last
    bias = np.array([7], np.int32)
    window = Window.square(1)

    def total(x):
        if not transposed:
            return quantized.convolve(x, weights, bias, 128, window).item()
        turned = weights.reshape(1033, 1, 1, 1)
        return quantized.convolve_transposed(x, turned, bias, 128, window, (1, 1)).item()

    x = np.zeros((1, 1033, 1, 1), np.uint8)
    assert total(x) == 7 - largest
    x[0, 0] = 1  # 127 less: an odd number
    assert total(x) == 7 - largest + 127
    assert chosen == [kind] * 2


def test_a_deep_sum_of_extremes():
    """Beyond 2^24 a term at a time, down to where int32 ends: 2^31 / (127 * 255) terms."""
    channels = 66_311
    weights = np.full((2, channels, 1, 1), 127, np.int8)
    weights[1] = -127
    x = np.full((1, channels, 1, 1), 255, np.uint8)
    x[0, 0] = 254
    sums = quantized.convolve(x, weights, np.zeros(2, np.int32), 0, Window.square(1))
    expected = 127 * 255 * channels - 127
    assert 2**31 - 2**15 < expected < 2**31
    assert sums.ravel().tolist() == [expected, -expected]


def test_the_worked_example_of_the_page():
    """docs/integer-arithmetic.md, section 3."""
    weights, bias = (
        np.array([90, -127, 40], np.int8).reshape(1, 3, 1, 1),
        np.array([-160], np.int32),
    )
    factor = np.float64(1 / 16) * (1 / 64) / (5 / 64)
    multiplier, shift = multiplier_of([factor])
    alpha = np.float64(np.float32(0.1))
    negative = negative_multiplier_of(multiplier, shift, [alpha * factor])
    assert (multiplier[0], negative[0], shift[0]) == (1717986918, 171798694, 37)
    assert sum_bounds(weights, bias, 100).tolist() == [65995]
    page = (Path(__file__).parents[2] / "docs" / "integer-arithmetic.md").read_text("utf-8")
    rows = re.findall(
        r"^\| ([\d, ]+) \| (-?\d+) \| (-?\d+) \| (-?\d+) \| (-?\d+) \| (\d+)", page, re.M
    )
    assert len(rows) == 6
    for samples, *numbers in rows:
        x = np.array(samples.split(", "), np.uint8).reshape(1, 3, 1, 1)
        sums = quantized.convolve(x, weights, bias, 100, Window.square(1))
        y = requantize(sums, multiplier, negative, shift, 20)
        total = int(sums.item())
        product = total * int((negative if total < 0 else multiplier)[0])
        more = product + 2**36
        assert [total, product, more, more >> 37, y.item()] == [int(number) for number in numbers]
    exponentials = quantized.softmax_table(0.1)
    assert exponentials[[0, 10, 50]].tolist() == [1048576, 385750, 7065]
    x = np.array([200, 190, 150], np.uint8).reshape(1, 3, 1, 1)
    y = quantized.softmax(x, exponentials, quantized.softmax_ratio(1 / 256), 0, axis=1)
    assert y.ravel().tolist() == [186, 69, 1]


# Pools -------------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(axes, axes, seeds)
def test_max_pool_takes_the_largest_byte_and_never_the_padding(rows, columns, seed):
    rng = np.random.default_rng(seed)
    x = random_bytes(rng, (2, 3, 7, 8))
    kept, window = x.copy(), Window(rows, columns)
    y = quantized.max_pool(x, window)
    assert y.dtype == np.uint8
    assert np.array_equal(x, kept)
    for n, c in np.ndindex(2, 3):
        for (i, j), seen in places(window, (7, 8)):
            expected = max(at(x[n], c, row, column, 0) for _, _, row, column in seen)
            assert y[n, c, i, j] == expected
    real = max_pool(x.astype(np.float32), window)  # a place wholly outside: 0 for -infinity
    assert np.array_equal(y, np.maximum(real, 0))


@settings(max_examples=60)
@given(axes, axes, st.booleans(), scales, scales, zero_points, zero_points, seeds)
def test_average_pool_equals_its_formula_and_the_mean(
    rows, columns, count_padding, scale, result_scale, zero_point, result_zero_point, seed
):
    rng = np.random.default_rng(seed)
    x, window = random_bytes(rng, (1, 2, 7, 8)), Window(rows, columns)
    area = rows.kernel * columns.kernel
    multiplier, shift = quantized.average_multipliers(scale / result_scale, area)
    y = quantized.average_pool(
        x, window, count_padding, multiplier, shift, zero_point, result_zero_point
    )
    assert y.dtype == np.uint8
    ratio = Fraction(scale / result_scale)
    for c in range(2):
        for (i, j), seen in places(window, (7, 8)):
            inside = [
                at(x[0], c, row, column, 0) - zero_point
                for _, _, row, column in seen
                if 0 <= row < 7 and 0 <= column < 8
            ]
            n, total = area if count_padding else len(inside), sum(inside)
            rounded = math.floor(Fraction(total * int(multiplier[n]), 2**shift) + HALF)
            assert y[0, c, i, j] == clamp(result_zero_point + rounded)
            exact = ratio * Fraction(total, n) + HALF if n else HALF
            if abs(exact - round(exact)) > abs(exact) / 2**20:
                assert y[0, c, i, j] == clamp(result_zero_point + math.floor(exact))


@given(st.floats(2.0**-40, 2.0**29, exclude_max=True), st.integers(1, 300))
def test_the_multipliers_of_an_average_share_a_shift(factor, area):
    multiplier, shift = quantized.average_multipliers(factor, area)
    assert multiplier.dtype == np.int32
    assert multiplier.shape == (area + 1,)
    assert multiplier[0] == 0
    first, its_shift = multiplier_of(factor)
    assert (multiplier[1], shift) == (first, its_shift)
    for n in range(1, area + 1):
        expected = math.floor(Fraction(factor / n) * 2**shift + HALF)
        assert multiplier[n] == expected


def test_an_average_whose_sum_could_overflow_is_refused():
    area = (2**31 - 1) // 255
    multiplier, shift = quantized.average_multipliers(1.0, area)
    assert (multiplier[1], multiplier[area], shift) == (2**30, 128, 30)
    with pytest.raises(TatamiError, match="could leave 32 bits"):
        quantized.average_multipliers(1.0, area + 1)
    with pytest.raises(TatamiError, match="cannot be held"):
        quantized.average_multipliers(2.0**29, 4)


def test_a_global_average_of_extremes():
    x = np.full((1, 1, 300, 300), 255, np.uint8)
    multiplier, shift = quantized.average_multipliers(1.0, 90_000)
    whole = Window(Axis(300), Axis(300))
    assert quantized.average_pool(x, whole, False, multiplier, shift, 0, 0).item() == 255
    assert quantized.average_pool(x, whole, False, multiplier, shift, 255, 9).item() == 9
    assert quantized.average_pool(255 - x, whole, True, multiplier, shift, 255, 255).item() == 0


# Add, tables, concat -----------------------------------------------------------------------------


@given(
    st.tuples(*[st.one_of(st.integers(0, 2**21), st.sampled_from([0, 2**20, 2**21]))] * 2),
    st.one_of(st.integers(1, 30), st.sampled_from([1, 30])),
    st.tuples(zero_points, zero_points, zero_points),
    st.tuples(zero_points, zero_points).map(sorted),
    seeds,
)
def test_add_equals_its_formula_within_int32(multipliers, shift, points, bounds, seed):
    rng = np.random.default_rng(seed)
    a, b = (random_bytes(rng, (1, 2, 3, 4)) for _ in range(2))
    y = quantized.add(a, b, multipliers, shift, points, *bounds)
    assert y.dtype == np.uint8
    for index in np.ndindex(a.shape):
        left, right = int(a[index]) - points[0], int(b[index]) - points[1]
        total = left * multipliers[0] + right * multipliers[1] + 2 ** (shift - 1)
        assert -(2**31) <= total < 2**31
        rounded = points[2] + math.floor(Fraction(total, 2**shift))
        assert y[index] == min(max(rounded, bounds[0]), bounds[1])


def test_the_largest_sum_of_an_addition_fits_int32():
    assert 2 * 255 * 2**21 + 2**29 < 2**31
    whole = np.full((1, 1, 1, 1), 255, np.uint8)
    y = quantized.add(whole, whole, (2**21, 2**21), 30, (0, 0, 0))
    assert y.item() == 1  # 0.996 of a step, which rounds to 1
    y = quantized.add(255 - whole, 255 - whole, (2**21, 2**21), 30, (255, 255, 255))
    assert y.item() == 254


@given(st.tuples(*[st.floats(2.0**-14, 2.0**19, exclude_max=True)] * 2))
def test_the_factors_of_an_addition(factors):
    multipliers, shift = quantized.add_multipliers(factors)
    assert 2 <= shift <= 30
    assert max(multipliers) <= 2**21
    assert max(multipliers) >= 2**20 or shift == 30
    for factor, multiplier in zip(factors, multipliers, strict=True):
        assert multiplier == math.floor(Fraction(factor) * 2**shift + HALF)


def test_the_factors_of_an_addition_at_the_ends():
    below = math.nextafter(1, 0)
    assert quantized.add_multipliers((1.0, 0.0)) == ((2**20, 0), 20)
    assert quantized.add_multipliers((below, 1e-30)) == ((2**21, 0), 21)
    assert quantized.add_multipliers((2.0**-10, 2.0**-11)) == ((2**20, 2**19), 30)
    assert quantized.add_multipliers((2.0**-11, 2.0**-31)) == ((2**19, 1), 30)
    for wrong in ((2.0**19, 1.0), (0.0, 0.0), (-1.0, 1.0), (math.nan, 1.0), (1.0, math.inf)):
        with pytest.raises(ValueError, match="out of range"):
            quantized.add_multipliers(wrong)


@given(scales, scales, zero_points, zero_points)
def test_an_addition_is_within_a_step_of_the_real_sum(scale, other, zero_point, result_zero_point):
    result_scale = max(scale, other)
    multipliers, shift = quantized.add_multipliers((scale / result_scale, other / result_scale))
    a, b = (np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8)[::-1])
    points = (zero_point, 255 - zero_point, result_zero_point)
    y = quantized.add(a, b, multipliers, shift, points)
    real = (a.astype(float) - points[0]) * scale + (b.astype(float) - points[1]) * other
    held = np.clip(real / result_scale + result_zero_point, 0, 255)
    assert np.abs(y - held).max() <= 0.5 + 2 * 255 * 2.0**-21


def exact_sigmoid(x):
    return 1 / (1 + (-x).exp())


def exact_tanh(x):
    return (x.exp() - (-x).exp()) / (x.exp() + (-x).exp())


FUNCTIONS = {
    "relu": (lambda x: np.maximum(x, 0), lambda x: max(x, Decimal(0))),
    "relu6": (lambda x: np.clip(x, 0, 6), lambda x: min(max(x, Decimal(0)), Decimal(6))),
    "leaky": (lambda x: np.where(x < 0, 0.125 * x, x), lambda x: x / 8 if x < 0 else x),
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), exact_sigmoid),
    "tanh": (np.tanh, exact_tanh),
    "exp": (np.exp, Decimal.exp),
    "rescale": (lambda x: x, lambda x: x),
}


@settings(max_examples=20)
@pytest.mark.parametrize("name", FUNCTIONS)
@given(scales, scales, zero_points, zero_points)
def test_tables(name, scale, result_scale, zero_point, result_zero_point):
    function, exact = FUNCTIONS[name]
    table = quantized.table(function, scale, zero_point, result_scale, result_zero_point)
    assert table.dtype == np.uint8
    assert table.shape == (256,)
    for x in range(0, 256, 5):
        real = exact(Decimal(scale) * (x - zero_point)) / Decimal(result_scale)
        if abs(real) > 1000:
            assert table[x] == (255 if real > 0 else 0)
            continue
        place = Fraction(real) + HALF
        if abs(place - round(place)) > Fraction(1, 2**40):
            assert table[x] == clamp(math.floor(place) + result_zero_point)


def test_a_table_rounds_halves_up_and_holds_what_is_no_number():
    entries = quantized.table(lambda x: x, 0.5, 128, 1.0, 100)
    assert entries[123:134].tolist() == [98, 98, 99, 99, 100, 100, 101, 101, 102, 102, 103]
    same = quantized.table(lambda x: x, 0.1, 7, 0.1, 7)
    assert same.tolist() == list(range(256))
    wide = quantized.table(np.exp, 10.0, 100, 1.0, 0)  # e^1550: infinity in float64
    assert (wide[0], wide[100], wide[255]) == (0, 1, 255)
    odd = quantized.table(np.sqrt, 1.0, 128, 1.0, 50)
    assert odd[:129].tolist() == [50] * 129


def test_concat_is_a_table_for_each_and_no_other_arithmetic():
    """A value at scale 0.5 beside one at 0.25, both at the scale of the result."""
    first = quantized.table(lambda x: x, 0.5, 10, 0.5, 20)
    second = quantized.table(lambda x: x, 0.25, 0, 0.5, 20)
    x = np.array([[[[0, 10, 255]]]], np.uint8)
    joined = np.concatenate([first[x], second[x]], axis=1)
    assert joined.tolist() == [[[[10, 20, 255]], [[20, 25, 148]]]]


# Resize ------------------------------------------------------------------------------------------

looks = st.integers(1, 6).flatmap(
    lambda length: st.tuples(
        st.just(length),
        st.lists(
            st.tuples(
                st.integers(0, length - 1),
                st.integers(0, length - 1),
                st.one_of(st.integers(0, 2048), st.sampled_from([0, 1, 1024, 2047, 2048])),
            ),
            min_size=1,
            max_size=5,
        ),
    )
)


@given(looks, looks, seeds)
def test_resize_equals_its_formula_within_int32(rows, columns, seed):
    x = random_bytes(np.random.default_rng(seed), (1, 2, rows[0], columns[0]))
    sides = [
        tuple(np.array(column, np.int32) for column in zip(*axis[1], strict=True))
        for axis in (rows, columns)
    ]
    y = quantized.resize(x, *sides)
    assert y.dtype == np.uint8
    for c, (i, down), (j, across) in itertools.product(
        range(2), enumerate(rows[1]), enumerate(columns[1])
    ):
        total = sum(
            row_weight * column_weight * int(x[0, c, row, column])
            for row, row_weight in ((down[0], 2048 - down[2]), (down[1], down[2]))
            for column, column_weight in ((across[0], 2048 - across[2]), (across[1], across[2]))
        )
        assert total + 2**21 < 2**31
        assert y[0, c, i, j] == (total + 2**21) >> 22
        if down[2] == across[2] == 0:
            assert y[0, c, i, j] == x[0, c, down[0], across[0]]


def test_resizing_what_is_level_keeps_it_level():
    side = (np.zeros(2049, np.int32), np.ones(2049, np.int32), np.arange(2049, dtype=np.int32))
    few = tuple(array[::137] for array in side)
    for value in (0, 1, 127, 255):
        y = quantized.resize(np.full((1, 1, 2, 2), value, np.uint8), side, few)
        assert np.all(y == value)


# Softmax -----------------------------------------------------------------------------------------


@given(st.integers(1, 12), st.sampled_from([1, 2, 3]), scales, scales, zero_points, seeds)
def test_softmax_equals_its_formula(length, axis, scale, result_scale, zero_point, seed):
    shape = [2, 2, 2, 2]
    shape[axis] = length
    x = random_bytes(np.random.default_rng(seed), shape)
    table, ratio = quantized.softmax_table(scale), quantized.softmax_ratio(result_scale)
    y = quantized.softmax(x, table, ratio, zero_point, axis)
    assert y.dtype == np.uint8
    for line in np.ndindex(*(n for i, n in enumerate(shape) if i != axis)):
        index = (*line[:axis], slice(None), *line[axis:])
        samples = [int(sample) for sample in x[index]]
        e = [int(table[max(samples) - sample]) for sample in samples]
        for got, one in zip(y[index], e, strict=True):
            assert got == clamp(zero_point + (one * ratio + sum(e) * 2**15) // (sum(e) * 2**16))


@given(scales)
@settings(max_examples=30)
def test_the_table_of_exponentials(scale):
    table = quantized.softmax_table(scale)
    assert table.dtype == np.uint32
    assert table[0] == 2**20
    for d in range(0, 256, 3):
        real = (Decimal(-d) * Decimal(scale)).exp() * 2**20
        assert abs(Decimal(int(table[d])) - real) <= Decimal("0.500001")


@given(st.lists(st.integers(0, 255), min_size=1, max_size=20), st.floats(2.0**-10, 0.5, width=32))
def test_softmax_is_within_a_step_of_the_real_one(samples, scale):
    x = np.array(samples, np.uint8).reshape(1, -1, 1, 1)
    y = quantized.softmax(
        x, quantized.softmax_table(scale), quantized.softmax_ratio(2.0**-8), 0, axis=1
    )
    e = np.exp((x.astype(float) - x.max()) * scale)
    exact = np.minimum(256 * e / e.sum(), 255)
    assert np.abs(y - exact).max() <= 0.5 + 20 * 2.0**-12


def test_softmax_where_its_integers_are_largest():
    assert 2**20 * quantized.MAX_RATIO + 2**20 * quantized.MAX_SOFTMAX * 2**15 < 2**63
    assert 2**20 * quantized.MAX_SOFTMAX * 2**16 < 2**63
    table = quantized.softmax_table(1.0)
    for length in (1, 2, 3, 1000):
        x = np.full((1, length, 1, 1), 200, np.uint8)
        for ratio in (quantized.MAX_RATIO, 2**24, 1, 0):
            expected = clamp(3 + (2**20 * ratio + length * 2**35) // (length * 2**36))
            assert np.all(quantized.softmax(x, table, ratio, 3, axis=1) == expected)


def test_the_ratio_of_softmax():
    assert quantized.softmax_ratio(1 / 256) == 2**24
    assert quantized.softmax_ratio(np.float32(1 / 255)) == round(2**16 / float(np.float32(1 / 255)))
    assert quantized.softmax_ratio(2.0**-26) == 2**42
    assert quantized.softmax_ratio(2.0**20) == 0
    with pytest.raises(TatamiError, match="too small"):
        quantized.softmax_ratio(2.0**-27)
