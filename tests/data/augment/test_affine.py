"""One transform for pixels, boxes and masks: each is held to the others and to plain arithmetic."""

from dataclasses import replace
from math import cos, floor, radians, sin
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from tatami.data.augment import Augmentation, augmented, augmented_mask, augmented_picture
from tatami.data.augment.affine import Area, Transform, _clipped, _polygon_area, quarter_turned
from tatami.types import Boxes, Dataset, Picture, Sample, Size

CANVAS = Size(120, 96)
WINDOW = Area(0, 0, CANVAS.width, CANVAS.height)
NOTHING = Augmentation.none()
seeds = st.integers(0, 2**32 - 1)


@st.composite
def transforms(draw: st.DrawFn, turned: bool = True) -> Transform:
    source = Size(draw(st.integers(20, 90)), draw(st.integers(20, 90)))
    width, height = draw(st.integers(30, 150)), draw(st.integers(30, 150))
    left, top = draw(st.integers(-40, 60)), draw(st.integers(-40, 60))
    window = WINDOW if draw(st.booleans()) else Area(10, 20, 90, 70)
    return Transform(
        source,
        Area(left, top, left + width, top + height),
        window,
        draw(st.booleans()),
        draw(st.floats(0.5, 180) | st.floats(-180, -0.5)) if turned else 0.0,
    )


@st.composite
def rectangles(draw: st.DrawFn, size: Size) -> tuple[int, int, int, int]:
    x1, y1 = draw(st.integers(0, size.width - 6)), draw(st.integers(0, size.height - 6))
    x2, y2 = draw(st.integers(x1 + 6, size.width)), draw(st.integers(y1 + 6, size.height))
    return x1, y1, x2, y2


def by_hand(move: Transform, x: float, y: float) -> tuple[float, float]:
    """Where a point of the picture goes, step by step."""
    placed = move.placed
    x, y = x * placed.width / move.source.width, y * placed.height / move.source.height
    x = placed.right - x if move.mirrored else placed.left + x
    y = placed.top + y
    middle_x, middle_y = (placed.left + placed.right) / 2, (placed.top + placed.bottom) / 2
    c, s = cos(radians(move.degrees)), sin(radians(move.degrees))
    x, y = x - middle_x, y - middle_y
    return middle_x + c * x + s * y, middle_y - s * x + c * y


@given(transforms(), st.floats(0, 90), st.floats(0, 90))
def test_the_matrix_is_the_steps(move: Transform, x: float, y: float) -> None:
    assert_allclose(move.matrix @ (x, y, 1), by_hand(move, x, y), atol=1e-9)


@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 3), st.data())
def test_quarter_turns_lose_nothing(
    width: int, height: int, quarters: int, data: st.DataObject
) -> None:
    """Pixels and mask as np.rot90 has them, to the byte; a box holds the same pixels as before."""
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    mask = picture[..., 0] // 2
    turned = np.rot90(picture, quarters)
    size = Size(turned.shape[1], turned.shape[0])
    whole = Area(0, 0, size.width, size.height)
    move = Transform(size, whole, whole, by_rule=data.draw(st.booleans()), quarters=quarters)
    assert_array_equal(move.pixels(picture), turned)
    assert_array_equal(move.mask(mask, 255), np.rot90(mask, quarters))

    x1, y1 = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    x2, y2 = data.draw(st.integers(x1 + 1, width)), data.draw(st.integers(y1 + 1, height))
    boxes = quarter_turned(Boxes.of([(x1, y1, x2, y2)], [0]), size, quarters)
    left, top, right, bottom = boxes.xyxy[0].astype(int)
    expected = np.rot90(picture[y1:y2, x1:x2], quarters)
    assert_array_equal(turned[top:bottom, left:right], expected)
    wide = x2 - x1 >= 2 and y2 - y1 >= 2  # narrower is no object to learn from
    assert_array_equal(
        move.boxes(Boxes.of([(x1, y1, x2, y2)], [0]), 0.25).xyxy, boxes.xyxy[: int(wide)]
    )


def test_a_quarter_turn_is_numpys() -> None:
    """Counter-clockwise as seen, like np.rot90, to the byte; pixels, mask and boxes."""
    picture = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    window = Area(0, 0, 40, 40)
    move = Transform(Size(40, 40), window, window, degrees=90.0)
    turned = np.rot90(picture)
    own = move.pixels(picture)
    seen = move.visible
    canvas = np.zeros((40, 40, 3), np.uint8)
    np.copyto(canvas[seen.slices], own, where=move.covered()[..., None])
    assert np.abs(canvas.astype(int) - turned).max() <= 1
    assert_array_equal(move.mask(picture[..., 0], 7), turned[..., 0])
    boxes = move.boxes(Boxes.of([[5, 10, 15, 30]], [0]), 0.0)
    assert_allclose(boxes.xyxy, [[10, 25, 30, 35]], atol=1e-9)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_bright_pixels_lie_in_the_transformed_box(data: st.DataObject) -> None:
    """And reach its sides, as far as the window lets the rotated rectangle do so."""
    move = data.draw(transforms())
    x1, y1, x2, y2 = data.draw(rectangles(move.source))
    picture: Picture = np.zeros((move.source.height, move.source.width, 3), np.uint8)
    picture[y1:y2, x1:x2] = 255
    canvas = np.zeros((CANVAS.height, CANVAS.width), np.uint8)
    if not move.visible.empty:
        np.copyto(canvas[move.visible.slices], move.pixels(picture)[..., 0], where=move.covered())
    y, x = np.nonzero(canvas > 140)
    boxes = move.boxes(Boxes.of([[x1, y1, x2, y2]], [0]), 0.0)
    if not len(boxes):
        assert not len(x) or min(np.ptp(x), np.ptp(y)) <= 3
        return
    left, top, right, bottom = boxes.xyxy[0]
    assert len(x) or min(right - left, bottom - top) < 4
    if len(x):
        assert x.min() >= left - 1
        assert y.min() >= top - 1
        assert x.max() + 1 <= right + 1
        assert y.max() + 1 <= bottom + 1


@settings(max_examples=60, deadline=None)
@given(transforms(), seeds)
def test_a_mask_is_the_transformed_labels(move: Transform, seed: int) -> None:
    """Every pixel asked by itself where its center comes from, by the steps backwards."""
    source = move.source
    mask = np.random.default_rng(seed).integers(0, 20, (source.height, source.width), np.uint8)
    seen = move.visible
    if seen.empty:
        return
    moved = move.mask(mask, 255)
    assert moved.shape == (seen.height, seen.width)
    placed = move.placed
    middle_x, middle_y = (placed.left + placed.right) / 2, (placed.top + placed.bottom) / 2
    c, s = cos(radians(move.degrees)), sin(radians(move.degrees))
    rng = np.random.default_rng(seed)
    for _ in range(60):
        row, column = int(rng.integers(seen.height)), int(rng.integers(seen.width))
        dx, dy = seen.left + column + 0.5 - middle_x, seen.top + row + 0.5 - middle_y
        x, y = c * dx - s * dy + middle_x, s * dx + c * dy + middle_y
        x = (placed.right - x if move.mirrored else x - placed.left) * source.width / placed.width
        y = (y - placed.top) * source.height / placed.height
        if min(abs(x - round(x)), abs(y - round(y))) < 1e-6:
            continue  # on an edge between pixels: rounding may decide
        inside = 0 <= x < source.width and 0 <= y < source.height
        assert moved[row, column] == (mask[floor(y), floor(x)] if inside else 255)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_pixels_and_mask_agree(data: st.DataObject) -> None:
    """A picture of the mask's own two classes shows, away from their edges, what the mask says."""
    move = data.draw(transforms())
    x1, y1, x2, y2 = data.draw(rectangles(move.source))
    mask = np.zeros((move.source.height, move.source.width), np.uint8)
    mask[y1:y2, x1:x2] = 1
    if move.visible.empty:
        return
    pixels = move.pixels(np.repeat(mask[..., None] * np.uint8(255), 3, axis=2))[..., 0]
    moved = move.mask(mask, 255)
    # By how far enlarging spreads an edge: a picture pixel is so many canvas pixels.
    spread = max(move.placed.width / move.source.width, move.placed.height / move.source.height, 1)
    wrong = (moved == 1) & (pixels < 50) | (moved == 0) & (pixels > 205)
    boundary = 2 * (x2 - x1 + y2 - y1) * spread
    assert wrong.sum() <= 0.25 * boundary


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_hardly_turned_is_the_same_as_not_turned(data: st.DataObject) -> None:
    """The two ways of moving boxes agree where both apply."""
    straight = data.draw(transforms(turned=False))
    turned = replace(straight, degrees=1e-7)
    boxes = Boxes.of([data.draw(rectangles(straight.source)) for _ in range(3)], [0, 1, 2])
    hidden = Area(30, 30, 70, 60) if data.draw(st.booleans()) else None
    one, other = straight.boxes(boxes, 0.2, hidden), turned.boxes(boxes, 0.2, hidden)
    both = sorted(set(one.labels.tolist()) & set(other.labels.tolist()))
    for label in both:
        assert_allclose(one.xyxy[one.labels == label], other.xyxy[other.labels == label], atol=1e-4)
        assert_allclose(one.areas[one.labels == label], other.areas[other.labels == label], 1e-4)
    assert len(both) >= max(len(one), len(other)) - 1  # one may lie on the very threshold


@settings(max_examples=100, deadline=None)
@given(transforms())
def test_a_clipped_polygon_has_the_area_that_points_find(move: Transform) -> None:
    polygon = _clipped(
        np.array([by_hand(move, x, y) for x, y in ((0, 0), (20, 0), (20, 20), (0, 20))]),
        move.window,
    )
    grid = (np.arange(200) + 0.5) / 10
    points = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
    moved = points @ move.matrix[:, :2].T + move.matrix[:, 2]
    window = move.window
    inside = (moved >= (window.left, window.top)) & (moved < (window.right, window.bottom))
    scale = abs(np.linalg.det(move.matrix[:, :2]))
    expected = inside.all(axis=1).mean() * 400 * scale
    assert abs(_polygon_area(polygon) - expected) <= 0.02 * 400 * scale


def gray(sample: Sample) -> Picture:
    return np.full((sample.size.height, sample.size.width, 3), 200, np.uint8)


def one_box(xyxy: tuple[float, float, float, float]) -> Dataset:
    sample = Sample("0", Path("0"), CANVAS, Boxes.of([xyxy], [0]))
    return Dataset(Path("set"), "train", ("a",), (sample,))


@settings(max_examples=100, deadline=None)
@given(seeds, st.sampled_from([0.0, 25.0]))
def test_occlusion_drops_what_it_hides_and_nothing_else(seed: int, rotate: float) -> None:
    """What is left of the object is counted in pixels: its place on the canvas is bright."""
    options = replace(
        NOTHING, occlusion=1.0, occlusion_size=(0.05, 0.6), rotate=rotate, min_visible=0.4
    )
    dataset = one_box((30, 30, 90, 70))

    def lit(sample: Sample) -> Picture:
        picture = np.zeros((sample.size.height, sample.size.width, 3), np.uint8)
        picture[30:70, 30:90] = 255
        return picture

    def seen(options: Augmentation) -> tuple[int, Boxes]:
        options = replace(options, pad=0)
        canvas, boxes = augmented(dataset, 0, CANVAS, options, np.random.default_rng(seed), lit)
        return int((canvas[..., 0] > 127).sum()), boxes

    (left, boxes), (_, whole) = seen(options), seen(replace(options, occlusion=0.0))
    share = left / (60 * 40)
    if abs(share - 0.4) > 0.03:
        assert len(boxes) == (share > 0.4)
    if len(boxes):
        assert_array_equal(boxes.xyxy, whole.xyxy)


@settings(max_examples=40, deadline=None)
@given(seeds, st.floats(0.01, 1))
def test_occlusion_hides_the_share_that_it_says(seed: int, share: float) -> None:
    options = replace(NOTHING, occlusion=1.0, occlusion_size=(share, share), pad=7)
    picture = np.full((96, 120, 3), 200, np.uint8)
    canvas = augmented_picture(picture, CANVAS, options, np.random.default_rng(seed))
    hidden = (canvas == 7).all(axis=2)
    y, x = np.nonzero(hidden)
    assert hidden.sum() == (np.ptp(x) + 1) * (np.ptp(y) + 1)
    assert hidden.sum() <= (share + 0.03) * hidden.size
    if share < 0.25:  # a larger one may be cut to the canvas's sides
        assert hidden.mean() == pytest.approx(share, abs=0.02)
    assert (canvas[~hidden] == 200).all()


def test_noise_has_its_deviation_and_leaves_the_padding() -> None:
    options = replace(NOTHING, noise=12.0, pad=77)
    picture = np.full((100, 400, 3), 128, np.uint8)
    canvas = augmented_picture(picture, Size(400, 300), options, np.random.default_rng(0))
    assert (canvas[:100] == 77).all()
    assert (canvas[200:] == 77).all()
    noise = canvas[100:200].astype(float) - 128
    assert noise.std() == pytest.approx(12, rel=0.02)
    assert abs(noise.mean()) < 0.2
    assert abs(np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1]) < 0.02
    black = augmented_picture(picture * 0, Size(400, 100), options, np.random.default_rng(0))
    assert black.max() < 100  # held at 0, not wrapped round to 255


def test_the_newer_settings_at_zero_draw_nothing() -> None:
    """The random numbers of a run from before they came are the same ones."""
    dataset, options = one_box((30, 30, 90, 70)), Augmentation()
    assert (options.rotate, options.noise, options.occlusion) == (0, 0, 0)
    rng = np.random.default_rng(3)
    augmented(dataset, 0, CANVAS, replace(options, mosaic=0.0), rng, gray)
    counted = np.random.default_rng(3)
    counted.random(9)  # mosaic, scale, aspect, a shift of two, flip, three of color
    assert rng.random() == counted.random()


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_a_picture_alone_and_with_its_mask_are_the_same(seed: int) -> None:
    options = Augmentation(rotate=30, noise=5, occlusion=0.5)
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, 256, (50, 70, 3), np.uint8)
    mask = rng.integers(0, 5, (50, 70), np.uint8)
    alone = augmented_picture(picture, CANVAS, options, np.random.default_rng(seed))
    sample = Sample("0", Path("0"), Size(70, 50), Boxes.of([], []))
    dataset = Dataset(Path("set"), "train", ("a",), (sample,))
    in_a_set, _ = augmented(
        dataset,
        0,
        CANVAS,
        replace(options, mosaic=0.0),
        np.random.default_rng(seed),
        lambda _: picture,
    )
    assert_array_equal(alone, in_a_set)
    again, moved = augmented_mask(picture, mask, CANVAS, options, np.random.default_rng(seed))
    assert_array_equal(alone, again)
    assert moved.shape == (96, 120)
    assert set(np.unique(moved)) <= {0, 1, 2, 3, 4, 255}


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_void_is_where_no_picture_is_seen(seed: int) -> None:
    options = replace(
        NOTHING, scale=(0.4, 2.0), translate=0.3, rotate=90, occlusion=0.5, pad=0, flip=0.5
    )
    picture, mask = np.full((50, 70, 3), 255, np.uint8), np.ones((50, 70), np.uint8)
    for more in (options, replace(options, crop=0.7, expand=0.7)):
        rng = np.random.default_rng(seed)
        canvas, moved = augmented_mask(picture, mask, CANVAS, more, rng, 9)
        assert_array_equal(moved == 1, canvas[..., 0] == 255)
        assert_array_equal(moved == 9, canvas[..., 0] == 0)


def test_a_mask_is_cropped_as_its_picture() -> None:
    picture = np.zeros((60, 60, 3), np.uint8)
    picture[..., 0], picture[..., 1] = np.arange(60) * 4, np.arange(60)[:, None] * 4
    mask = (picture[..., 0] // 60 + 4 * (picture[..., 1] // 60)).astype(np.uint8)
    options = replace(NOTHING, crop=1.0, expand=0.5, flip=0.5)
    empty = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        canvas, moved = augmented_mask(picture, mask, CANVAS, options, rng)
        known = moved != 255
        if not known.any():
            empty += 1  # a patch beside a picture that is zoomed out
            continue
        says = canvas[..., 0] // 60 + 4 * (canvas[..., 1] // 60)
        assert (says[known] == moved[known]).mean() > 0.8  # but where two classes are blended
    assert empty < 10


def test_a_mask_of_another_size_is_refused() -> None:
    picture, rng = np.zeros((50, 70, 3), np.uint8), np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"a mask is uint8 \(50, 70\)"):
        augmented_mask(picture, np.zeros((70, 50), np.uint8), CANVAS, NOTHING, rng)
