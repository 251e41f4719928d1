"""Feature maps, filters and heat as pictures: what a color says, and where it lies."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tatami.errors import TatamiError
from tatami.rules.picture import placement
from tatami.see.features import (
    GAP,
    NOT_A_NUMBER,
    STRIP,
    colors,
    diverging,
    draw_filters,
    draw_heat,
    draw_maps,
    titled,
    value_range,
)
from tatami.types import InputSpec, Size

LUMA = np.array([0.299, 0.587, 0.114])


def test_a_larger_number_is_a_lighter_color():
    ramp = colors(np.linspace(0, 1, 256))
    luma = ramp @ LUMA
    assert (np.diff(luma) > -1e-9).all()  # each color is rounded to bytes
    assert (np.diff(luma[::4]) > 0).all()
    assert tuple(ramp[0]) == (0, 0, 0)
    assert tuple(ramp[-1]) == (255, 255, 255)
    held = colors(np.array([-3.0, 7.0, np.nan]))
    assert [tuple(one) for one in held] == [(0, 0, 0), (255, 255, 255), NOT_A_NUMBER]


def test_signs_have_colors_of_their_own():
    below, zero, above = diverging(np.array([-0.5, 0.0, 0.5])).astype(int)
    assert below[2] > below[0]
    assert above[0] > above[2]
    assert zero[0] == zero[1] == zero[2]
    ramp = diverging(np.linspace(0, 1, 50)) @ LUMA
    assert (np.diff(ramp) < 0).all()


def tile(sheet: np.ndarray, column: int, row: int, cell: tuple[int, int]) -> np.ndarray:
    """The tile of a sheet whose cells are (width, height)."""
    top = STRIP + GAP + row * (cell[1] + GAP)
    left = GAP + column * (cell[0] + GAP)
    return sheet[top : top + cell[1], left : left + cell[0]]


def test_every_map_goes_from_black_to_white_and_keeps_its_shape():
    rng = np.random.default_rng(0)
    maps = (rng.random((6, 3, 4)) * [[[1e3]], [[1]], [[1e-3]], [[5]], [[1]], [[1]]]).astype("f4")
    sheet = draw_maps("conv3", maps)
    columns = next(
        c for c in range(1, 7) if 6 % c == 0 and (sheet.shape[1] - GAP) // c <= 1024 // 2
    )
    cell_w = (sheet.shape[1] - GAP) // columns - GAP
    cell_h = (sheet.shape[0] - STRIP - GAP) // (6 // columns) - GAP
    assert cell_w * 3 == cell_h * 4
    for index, one in enumerate(maps):
        drawn = tile(sheet, index % columns, index // columns, (cell_w, cell_h))
        step = cell_w // 4
        luma = drawn[step // 2 :: step, step // 2 :: step] @ LUMA  # each number's middle pixel
        assert luma.shape == (3, 4)
        assert luma.min() == 0
        assert luma.max() > 254
        assert np.array_equal(luma.argsort(axis=None), one.argsort(axis=None))


def test_a_flat_map_a_lost_map_and_lost_numbers():
    maps = np.ones((3, 5, 5), np.float32)
    maps[1] = np.nan
    maps[2, 2, 2], maps[2, 0, 0] = np.inf, 3
    sheet = draw_maps("x", maps)
    colors_in = {tuple(one) for one in sheet[STRIP:].reshape(-1, 3).tolist()}
    assert NOT_A_NUMBER in colors_in
    assert (0, 0, 0) in colors_in
    assert (255, 255, 255) in colors_in
    assert value_range(maps) == "1 ... 3, 26 not finite"
    assert value_range(maps[1]) == "not one finite number"


@pytest.mark.parametrize("shape", [(10,), (10, 1, 1), (1, 1), (3, 4), (2, 3, 4, 5), (1, 1, 7)])
def test_values_of_any_number_of_axes_are_drawn(shape):
    sheet = draw_maps("value", np.arange(np.prod(shape), dtype=np.float32).reshape(shape))
    assert sheet.dtype == np.uint8
    assert sheet.ndim == 3


def test_only_so_many_maps_are_drawn():
    maps = np.random.default_rng(0).random((200, 6, 6)).astype(np.float32)
    few, more = draw_maps("x", maps, 4), draw_maps("x", maps, 200)
    assert few.shape[1] > 4
    assert more.shape[0] * more.shape[1] > few.shape[0] * few.shape[1]
    with pytest.raises(TatamiError, match="0 maps asked for"):
        draw_maps("x", maps, 0)


def test_a_sheet_too_large_for_a_viewer_is_refused_before_it_is_made():
    weight = np.broadcast_to(np.float32(0), (3000, 3000, 1, 1))
    with pytest.raises(TatamiError, match=r"9000000 pictures together would be 18002x18002 pixels"):
        draw_filters("x", weight, limit=3000)


@pytest.mark.parametrize("shape", [(64, 4420, 2), (64, 2, 4420), (3, 1, 5000), (7, 900, 900)])
def test_long_maps_are_shrunk(shape):
    sheet = draw_maps("x", np.zeros(shape, np.float32))
    assert max(sheet.shape) < 4000


def test_filters_that_see_colors_are_pictures():
    weight = np.zeros((2, 3, 2, 2), np.float32)
    weight[0, 0], weight[1, 2] = 4, -1  # red; what is left without blue
    for bgr, expected in ((False, (255, 128, 128)), (True, (128, 128, 255))):
        sheet = draw_filters("conv1", weight, pictures=True, bgr=bgr)
        found = {tuple(one) for one in sheet[STRIP + GAP :].reshape(-1, 3).tolist()}
        assert expected in found
        assert ((0, 128, 128) if bgr else (128, 128, 0)) in found


def test_other_filters_are_a_matrix_of_kernels():
    weight = np.zeros((3, 5, 3, 3), np.float32)
    weight[2, 4] = 1
    sheet = draw_filters("conv2", weight)
    side = (sheet.shape[0] - STRIP - GAP) // 3 - GAP
    red = np.argwhere((sheet == diverging(np.array(1.0))).all(axis=2))
    assert red[:, 0].min() == STRIP + GAP + 2 * (side + GAP)
    assert red[:, 1].min() == GAP + 4 * (side + GAP)
    assert np.array_equal(draw_filters("conv2", weight * 7), sheet) is False  # the text tells
    assert np.array_equal(draw_filters("conv2", weight * 7)[STRIP:], sheet[STRIP:])


@pytest.mark.parametrize("shape", [(64, 1, 3, 3), (64, 3, 5, 5), (1, 64, 1, 1), (64, 64, 7, 7)])
def test_filters_of_every_shape_have_room(shape):
    sheet = draw_filters("depthwise", np.zeros(shape, np.float32))
    assert max(sheet.shape) < 2200


def test_a_title_is_never_cut_and_never_breaks():
    sheet = titled("カタカナ " + "long " * 40, np.zeros((4, 4, 3), np.uint8))
    assert sheet.shape[1] > 600
    assert sheet.shape[0] == STRIP + 4
    assert sheet[:STRIP].min() < 128  # something is written


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_heat_lies_where_the_cell_is_in_the_picture(data):
    """One hot cell, for any picture, input, grid and way to resize: it is hottest in its place."""
    side = st.integers(24, 120)
    picture_size = Size(data.draw(side), data.draw(side))
    canvas = Size(data.draw(side), data.draw(side))
    how = data.draw(st.sampled_from(["letterbox", "stretch"]))
    place = placement(picture_size, InputSpec(canvas, how))
    rows, columns = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 6))
    row, column = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, columns - 1))
    heat = np.zeros((rows, columns), np.float32)
    heat[row, column] = 2
    gray = np.full((picture_size.height, picture_size.width, 3), 90, np.uint8)
    drawn = draw_heat(gray, heat, place, canvas)
    assert drawn.shape == gray.shape

    # The cell's center, if it lies on the picture, in the picture's pixels.
    center = np.array([(column + 0.5) / columns * canvas.width, (row + 0.5) / rows * canvas.height])
    ((x, y, _, _),) = place.to_picture(np.tile(center, 2)[None], picture_size)
    margin = 1.5
    inside_x = margin < x < picture_size.width - margin
    inside_y = margin < y < picture_size.height - margin
    luma = drawn.astype(float) @ LUMA
    if inside_x and inside_y:
        hottest = np.argwhere(luma >= luma.max() - 1e-6)
        assert (np.abs(hottest + 0.5 - [y, x]).min(axis=0) <= [1.5, 1.5]).all()
    # A cell away from it, there is none of its heat left.
    across = canvas.width / columns * picture_size.width / place.width
    down = canvas.height / rows * picture_size.height / place.height
    far_x = np.abs(np.arange(picture_size.width) + 0.5 - x) > across + 1e-6
    far_y = np.abs(np.arange(picture_size.height) + 0.5 - y) > down + 1e-6
    far = luma[far_y[:, None] | far_x]
    assert not far.size or np.ptp(far) == 0
    assert not far.size or far.min() == luma.min()


def test_without_heat_the_picture_is_cold_all_over():
    picture = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    place = placement(Size(30, 20), InputSpec(Size(30, 20), "stretch"))
    cold = draw_heat(picture, np.zeros((2, 3), np.float32), place, Size(30, 20))
    hot = draw_heat(picture, np.ones((2, 3), np.float32), place, Size(30, 20))
    assert ((hot.astype(int) - cold).sum(axis=2) > 0).all()
