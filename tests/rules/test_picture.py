"""The picture rule against its definition in fractions, Pillow's filter, and what it promises."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from PIL import Image

from tatami.errors import TatamiError
from tatami.rules import picture as rule
from tatami.types import InputSpec, Picture, Size

sides = st.integers(1, 24)


def noise(size: Size, seed: int = 0) -> Picture:
    return np.random.default_rng(seed).integers(
        0, 256, (size.height, size.width, 3), dtype=np.uint8
    )


def triangle(n: int, m: int) -> list[list[Fraction]]:
    """Normalised weights of each of m outputs over n sources, from the definition in lengths.

    The axis is 1 long; centers lie half a pixel in; the triangle reaches one pixel of whichever
    side has the larger pixels, and what falls outside the picture does not count.
    """
    reach = Fraction(1, min(n, m))
    rows = []
    for i in range(m):
        center = Fraction(2 * i + 1, 2 * m)
        row = [
            max(Fraction(0), 1 - abs(Fraction(2 * j + 1, 2 * n) - center) / reach) for j in range(n)
        ]
        rows.append([weight / sum(row) for weight in row])
    return rows


def slowly_resized(picture: Picture, size: Size) -> Picture:
    """The exact weighted mean, rounded half up, one pixel at a time."""
    height, width, _ = picture.shape
    vertical, horizontal = triangle(height, size.height), triangle(width, size.width)
    result = np.zeros((size.height, size.width, 3), np.uint8)
    for i, column in enumerate(vertical):
        for k, row in enumerate(horizontal):
            for c in range(3):
                mean = sum(
                    wv * wh * int(picture[y, x, c])
                    for y, wv in enumerate(column)
                    if wv
                    for x, wh in enumerate(row)
                    if wh
                )
                result[i, k, c] = floor(mean + Fraction(1, 2))
    return result


@settings(max_examples=60)
@given(st.builds(Size, sides, sides), st.builds(Size, sides, sides), st.integers(0, 2**32 - 1))
def test_resize_is_the_exact_mean_rounded_once(source: Size, target: Size, seed: int) -> None:
    picture = noise(source, seed)
    assert_array_equal(rule.resize(picture, target), slowly_resized(picture, target))


def resized_in_python_integers(picture: Picture, size: Size) -> Picture:
    """The formula of docs/picture-rule.md in integers without bound, not divided by anything."""

    def weights(n: int, m: int) -> np.ndarray:
        larger = max(n, m)
        i, j = np.arange(m)[:, None], np.arange(n)
        distance = np.abs((2 * j + 1) * m - (2 * i + 1) * n)
        return np.maximum(0, 2 * larger - distance).astype(object)

    vertical = weights(picture.shape[0], size.height)
    horizontal = weights(picture.shape[1], size.width)
    weight = np.outer(vertical.sum(1), horizontal.sum(1))
    planes = []
    for c in range(3):
        total = vertical.dot(picture[..., c].astype(object)).dot(horizontal.T)
        planes.append(((total + weight // 2) // weight).astype(np.uint8))
    return np.stack(planes, axis=-1)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (Size(61, 47), Size(41, 31)),  # float32 throughout
        (Size(331, 149), Size(83, 37)),  # float32, then float64
        (Size(17, 13), Size(101, 97)),  # enlarging
        (Size(97, 5), Size(11, 53)),  # shrinking one way, enlarging the other
        (Size(1, 1), Size(7, 5)),
        (Size(7, 5), Size(1, 1)),
    ],
)
def test_resize_is_the_written_integer_formula(source: Size, target: Size) -> None:
    picture = noise(source)
    assert_array_equal(rule.resize(picture, target), resized_in_python_integers(picture, target))


@pytest.mark.parametrize("target", [Size(1, 1), Size(2, 1), Size(3, 2)])
def test_sums_beyond_a_float64_are_exact_too(target: Size) -> None:
    """A large picture with rows of two kinds, so that Python's own integers can follow."""
    width, height = 3001, 2999
    picture = np.full((height, width, 3), 255, np.uint8)
    picture[:, ::2] = 254
    picture[::2] = 253

    def weights(n: int, m: int) -> list[list[int]]:
        j = np.arange(n)
        rows = [np.maximum(0, 2 * n - np.abs((2 * j + 1) * m - (2 * i + 1) * n)) for i in range(m)]
        return [[int(weight) for weight in row] for row in rows]

    result = rule.resize(picture, target)
    for i, column in enumerate(weights(height, target.height)):
        for k, row in enumerate(weights(width, target.width)):
            odd_row = 254 * sum(row[::2]) + 255 * sum(row[1::2])
            total = sum(column[::2]) * 253 * sum(row) + sum(column[1::2]) * odd_row
            weight = sum(column) * sum(row)
            assert result[i, k].tolist() == [(total + weight // 2) // weight] * 3
    assert 255 * sum(weights(height, 1)[0]) * sum(weights(width, 1)[0]) > 2**53


def test_the_float64_and_the_uint64_path_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = noise(Size(133, 91))
    fast = rule.resize(picture, Size(50, 37))
    monkeypatch.setattr(rule, "_exact_type", lambda largest: np.uint64)
    assert_array_equal(rule.resize(picture, Size(50, 37)), fast)


def test_sums_that_do_not_fit_are_refused() -> None:
    with pytest.raises(TatamiError, match="64-bit"):
        rule.resize(np.zeros((16384, 16384, 3), np.uint8), Size(1, 1))
    with pytest.raises(TatamiError, match="longer than 16384"):
        rule.resize(np.zeros((1, 16385, 3), np.uint8), Size(4, 4))
    with pytest.raises(TatamiError, match="longer than 16384"):
        rule.placement(Size(1, 16385), InputSpec(Size(4, 4)))


@given(st.integers(1, 16384), st.integers(1, 16384))
def test_the_bound_on_a_sum_of_weights_holds(n: int, m: int) -> None:
    """docs/picture-rule.md, "Why 64 bits suffice": sum <= 2MM/m + m/2."""
    larger = max(n, m)
    j = np.arange(n)
    for i in {0, m // 2, m - 1}:
        weights = np.maximum(0, 2 * larger - np.abs((2 * j + 1) * m - (2 * i + 1) * n))
        total = int(weights.sum())
        assert total > 0
        assert 2 * m * total <= 4 * larger**2 + m * m


@given(
    st.builds(Size, st.integers(1, 90), st.integers(1, 90)),
    st.builds(Size, st.integers(1, 90), st.integers(1, 90)),
    st.integers(0, 255),
)
def test_a_plain_picture_stays_plain(source: Size, target: Size, level: int) -> None:
    picture = np.full((source.height, source.width, 3), level, np.uint8)
    assert (rule.resize(picture, target) == level).all()


def test_resizing_to_its_own_size_is_a_copy() -> None:
    picture = noise(Size(31, 17))
    same = rule.resize(picture, Size(31, 17))
    assert_array_equal(same, picture)
    assert not np.shares_memory(same, picture)


@settings(max_examples=50)
@given(st.builds(Size, sides, sides), st.builds(Size, sides, sides))
def test_a_mirrored_picture_gives_the_mirrored_result(source: Size, target: Size) -> None:
    """The weights are symmetric, and so is the one rounding, for it sees the same exact sum."""
    picture = noise(source)
    result = rule.resize(picture, target)
    assert_array_equal(rule.resize(picture[:, ::-1], target), result[:, ::-1])
    assert_array_equal(rule.resize(picture[::-1], target), result[::-1])


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (Size(640, 480), Size(416, 312)),
        (Size(100, 80), Size(416, 333)),
        (Size(301, 211), Size(96, 64)),
    ],
)
def test_pillows_bilinear_filter_agrees(source: Size, target: Size) -> None:
    """Pillow rounds its weights and twice its sums, so it is near and not equal."""
    picture = noise(source)
    theirs = Image.fromarray(picture).resize(
        (target.width, target.height), Image.Resampling.BILINEAR
    )
    difference = np.abs(rule.resize(picture, target).astype(int) - np.asarray(theirs))
    assert difference.max() <= 1


@pytest.mark.parametrize("wrong", [np.zeros((2, 2, 3)), np.zeros((2, 2), np.uint8)])
def test_what_is_not_a_picture_is_our_own_mistake(wrong: Picture) -> None:
    with pytest.raises(ValueError, match="a picture is uint8"):
        rule.resize(wrong, Size(2, 2))


@pytest.mark.parametrize(
    ("size", "canvas", "expected"),
    [
        (Size(640, 480), Size(416, 320), rule.Placement(0, 4, 416, 312)),
        (Size(480, 640), Size(416, 320), rule.Placement(88, 0, 240, 320)),
        (Size(416, 320), Size(416, 320), rule.Placement(0, 0, 416, 320)),
        (Size(3, 2), Size(5, 5), rule.Placement(0, 1, 5, 3)),  # 10/3 is nearest to 3
        (Size(2, 1), Size(5, 5), rule.Placement(0, 1, 5, 3)),  # 5/2 goes up
        (Size(16384, 1), Size(416, 320), rule.Placement(0, 159, 416, 1)),
        (Size(1, 16384), Size(416, 320), rule.Placement(207, 0, 1, 320)),
    ],
)
def test_placement_by_hand(size: Size, canvas: Size, expected: rule.Placement) -> None:
    assert rule.placement(size, InputSpec(canvas)) == expected


any_size = st.builds(Size, st.integers(1, 16384), st.integers(1, 16384))


@given(any_size, st.builds(Size, st.integers(1, 700), st.integers(1, 700)))
def test_letterbox_keeps_the_aspect_and_fits(size: Size, canvas: Size) -> None:
    place = rule.placement(size, InputSpec(canvas))
    assert place.width == canvas.width or place.height == canvas.height
    assert 1 <= place.width <= canvas.width
    assert 1 <= place.height <= canvas.height
    right = canvas.width - place.left - place.width
    below = canvas.height - place.top - place.height
    assert right - place.left in (0, 1)
    assert below - place.top in (0, 1)
    factor = min(Fraction(canvas.width, size.width), Fraction(canvas.height, size.height))
    assert abs(max(factor * size.width, 1) - place.width) <= Fraction(1, 2)
    assert abs(max(factor * size.height, 1) - place.height) <= Fraction(1, 2)


@given(any_size)
def test_stretch_fills_the_canvas(size: Size) -> None:
    place = rule.placement(size, InputSpec(Size(352, 288), resize="stretch"))
    assert place == rule.Placement(0, 0, 352, 288)


def test_letterbox_pads_around_the_resized_picture() -> None:
    picture = noise(Size(40, 10))
    canvas = rule.letterbox(picture, InputSpec(Size(32, 32), pad=7))
    assert canvas.shape == (32, 32, 3)
    assert (canvas[:12] == 7).all()
    assert (canvas[20:] == 7).all()
    assert_array_equal(canvas[12:20], rule.resize(picture, Size(32, 8)))


coordinates = st.floats(-2000, 2000, allow_nan=False)


@given(
    any_size,
    st.builds(Size, st.integers(32, 700), st.integers(32, 700)),
    st.lists(st.tuples(coordinates, coordinates, coordinates, coordinates), max_size=4),
)
def test_boxes_return_from_the_canvas(
    size: Size, canvas: Size, boxes: list[tuple[float, float, float, float]]
) -> None:
    place = rule.placement(size, InputSpec(canvas))
    there = place.to_canvas(np.array(boxes, np.float64).reshape(-1, 4), size)
    back = place.to_picture(there, size)
    # what the offset swallows of a tiny coordinate returns multiplied by the shrinking
    assert np.allclose(back, np.array(boxes).reshape(-1, 4), rtol=1e-9, atol=1e-7)


def test_the_picture_s_own_box_is_its_place_on_the_canvas() -> None:
    size = Size(640, 480)
    place = rule.placement(size, InputSpec(Size(416, 320)))
    assert_array_equal(place.to_canvas(np.array([[0, 0, 640, 480.0]]), size), [[0, 4, 416, 316]])
    assert_array_equal(place.to_picture(np.array([[0, 4, 416, 316.0]]), size), [[0, 0, 640, 480]])


@pytest.mark.parametrize("channels", ["rgb", "bgr"])
def test_normalize_rounds_to_float32_at_every_step(channels: str) -> None:
    canvas = noise(Size(5, 4))
    spec = InputSpec(
        Size(5, 4),
        channels="rgb" if channels == "rgb" else "bgr",
        mean=(123.675, 116.28, 103.53),
        scale=(0.0171, 0.0175, 0.0174),
    )
    planes = rule.normalize(canvas, spec)
    assert planes.shape == (3, 4, 5)
    assert planes.dtype == np.float32
    for plane in range(3):
        source = plane if channels == "rgb" else 2 - plane
        for y in range(4):
            for x in range(5):
                pixel = np.float32(canvas[y, x, source])
                expected = (pixel - np.float32(spec.mean[plane])) * np.float32(spec.scale[plane])
                assert planes[plane, y, x] == expected


def test_prepare_is_letterbox_then_normalize() -> None:
    picture, spec = noise(Size(50, 20)), InputSpec(Size(32, 64))
    planes, place = rule.prepare(picture, spec)
    assert place == rule.placement(Size(50, 20), spec)
    assert_array_equal(planes, rule.normalize(rule.letterbox(picture, spec), spec))
    assert planes.flags.c_contiguous


def test_the_worked_example_of_the_page() -> None:
    row = np.array([[[10] * 3, [20] * 3, [61] * 3, [200] * 3]], np.uint8)
    assert rule.resize(row, Size(3, 1))[0, :, 0].tolist() == [13, 41, 158]
