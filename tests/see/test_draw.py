"""Drawn boxes, held to their pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tatami.see.draw import draw_boxes, draw_detections, draw_fitted, fit, ink_on
from tatami.types import Boxes, Detections, Picture, Size
from tatami.types.colors import COLORS, class_color

CLASSES = ("cat", "dog", "猫")

CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
# Machado et al. 2009, "A Physiologically-based Model for Simulation of Color Vision Deficiency".
DEUTERANOPIA = np.array(
    [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ]
)
PROTANOPIA = np.array(
    [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ]
)


def gray(width: int, height: int) -> Picture:
    return np.full((height, width, 3), 127, np.uint8)


def painted(drawn: Picture, label: int) -> tuple[int, int, int, int]:
    """The pixel edges (x1, y1, x2, y2) of everything in the color of a class."""
    rows, columns = np.nonzero((drawn == class_color(label)).all(axis=2))
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


def test_a_box_is_painted_from_edge_to_edge() -> None:
    boxes = Boxes.of([[10, 20, 50, 70]], [1])
    drawn = draw_boxes(gray(100, 90), boxes, CLASSES, labels=False)
    assert painted(drawn, 1) == (10, 20, 50, 70)
    assert (drawn[45, 30] == 127).all()  # not filled
    changed = (drawn != 127).any(axis=2)
    changed[20:70, 10:50] = False
    assert not changed.any()  # nothing outside the box


def test_the_whole_picture_is_a_box() -> None:
    drawn = draw_boxes(gray(40, 30), Boxes.of([[0, 0, 40, 30]], [0]), CLASSES, labels=False)
    assert painted(drawn, 0) == (0, 0, 40, 30)


def test_a_box_that_hangs_out_is_drawn_at_the_border() -> None:
    drawn = draw_boxes(gray(40, 30), Boxes.of([[-9, 5, 500, 20]], [0]), CLASSES, labels=False)
    assert painted(drawn, 0) == (0, 5, 40, 20)


@pytest.mark.parametrize("box", [[900, 900, 950, 950], [-9, -9, -5, -5], [7, 7, 7, 7]])
def test_a_box_with_no_pixel_of_its_own_still_shows(box: list[float]) -> None:
    drawn = draw_boxes(gray(40, 30), Boxes.of([box], [0]), CLASSES, labels=False)
    assert (drawn == class_color(0)).all(axis=2).sum() == 1


def test_the_line_is_wider_on_a_larger_picture() -> None:
    boxes = Boxes.of([[100, 100, 600, 600]], [0])
    drawn = draw_boxes(gray(1400, 1400), boxes, CLASSES, labels=False)
    line = (drawn[300, 100:200] == class_color(0)).all(axis=1).sum()
    assert line == 8
    small = draw_boxes(gray(100, 100), Boxes.of([[10, 10, 60, 60]], [0]), CLASSES, labels=False)
    assert (small[30, 10:50] == class_color(0)).all(axis=1).sum() == 1


def test_nothing_to_draw_leaves_the_picture() -> None:
    picture = gray(20, 10)
    assert (draw_detections(picture, Detections.of([], [], []), CLASSES) == picture).all()
    assert (draw_boxes(picture, Boxes.of([], []), CLASSES) == picture).all()


def test_the_given_picture_is_untouched() -> None:
    picture = gray(60, 60)
    picture.setflags(write=False)
    drawn = draw_detections(picture, Detections.of([[1, 1, 50, 50]], [0.5], [0]), CLASSES)
    assert (picture == 127).all()
    assert drawn.flags.c_contiguous
    assert (drawn != 127).any()


def test_one_pixel() -> None:
    picture = np.zeros((1, 1, 3), np.uint8)
    drawn = draw_detections(picture, Detections.of([[0, 0, 1, 1]], [0.9], [2]), CLASSES)
    assert drawn.tolist() == [[list(class_color(2))]]


def test_the_best_is_on_top() -> None:
    same = [[10, 10, 50, 50], [10, 10, 50, 50]]
    found = Detections.of(same, [0.9, 0.3], [0, 1])
    drawn = draw_detections(gray(64, 64), found, CLASSES, labels=False)
    assert painted(drawn, 0) == (10, 10, 50, 50)
    assert not (drawn == class_color(1)).all(axis=2).any()


def test_a_label_is_a_box_of_text_above_or_inside() -> None:
    label_alone = draw_boxes(gray(300, 300), Boxes.of([[50, 100, 200, 200]], [0]), CLASSES)
    assert painted(label_alone, 0)[1] < 100  # above its box
    at_top = draw_boxes(gray(300, 300), Boxes.of([[50, 0, 200, 200]], [0]), CLASSES)
    assert (at_top[1:9, 53:70] < 60).all(axis=2).any()  # inside, in black ink
    at_right = draw_boxes(gray(300, 300), Boxes.of([[295, 100, 300, 200]], [0]), CLASSES)
    assert painted(at_right, 0)[0] < 290  # moved in from the right border


def test_what_the_font_cannot_write_is_written_as_a_number() -> None:
    box = [[50, 100, 200, 200]]
    japanese = draw_boxes(gray(300, 300), Boxes.of(box, [2]), ("cat", "dog", "猫"))
    numbered = draw_boxes(gray(300, 300), Boxes.of(box, [2]), ("cat", "dog", "class 2"))
    unnamed = draw_boxes(gray(300, 300), Boxes.of(box, [2]), ("cat", "dog"))
    assert (japanese == numbered).all()
    assert (unnamed == numbered).all()


def test_marks_of_a_truth_show() -> None:
    plain = draw_boxes(gray(300, 300), Boxes.of([[50, 100, 200, 200]], [0]), CLASSES)
    marked = draw_boxes(gray(300, 300), Boxes.of([[50, 100, 200, 200]], [0], [True]), CLASSES)
    assert (plain != marked).any()


def test_ink_reads_on_every_color() -> None:
    def luminance(color: tuple[int, int, int]) -> float:  # WCAG 2.2, relative luminance
        linear = (np.array(color) / 255) ** 2.2
        return float(linear @ [0.2126, 0.7152, 0.0722])

    for color in COLORS:
        dark, light = sorted([luminance(color), luminance(ink_on(color))])
        assert (light + 0.05) / (dark + 0.05) > 3  # WCAG's floor for graphics


def test_ten_classes_have_ten_colors_that_can_be_told_apart() -> None:
    def oklab(color: tuple[int, int, int], seen_as: np.ndarray) -> np.ndarray:  # Ottosson 2020
        part = np.array(color) / 255
        linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
        cones = np.cbrt(CONES @ np.clip(seen_as @ linear, 0, 1))
        return LAB @ cones

    assert len(set(COLORS)) == 10
    for seen_as, least in ((np.eye(3), 0.15), (DEUTERANOPIA, 0.075), (PROTANOPIA, 0.075)):
        places = [oklab(color, seen_as) for color in COLORS]
        apart = [np.linalg.norm(a - b) for i, a in enumerate(places) for b in places[:i]]
        assert min(apart) > least
    assert class_color(10) == class_color(0)


def test_labels_give_way_to_each_other() -> None:
    box = [[100.0, 100.0, 200.0, 200.0]]
    both = Detections.of(box * 2, [0.9, 0.8], [0, 4])
    drawn = draw_detections(gray(300, 300), both, CLASSES)
    alone = draw_detections(gray(300, 300), Detections.of(box, [0.9], [0]), CLASSES)
    assert (drawn[80:100] == alone[80:100]).all()  # the better one stands above its box
    assert (drawn[103:197, 110:190] == class_color(4)).all(axis=2).sum() > 300  # this one inside


def test_a_note_is_written_behind_the_label() -> None:
    boxes = Boxes.of([[50, 100, 200, 200], [50, 220, 200, 290]], [0, 0])
    plain = draw_boxes(gray(300, 300), boxes, CLASSES)
    noted = draw_boxes(gray(300, 300), boxes, CLASSES, notes=("", "missed"))
    assert (plain[:200] == noted[:200]).all()
    assert (noted[200:220] == class_color(0)).all(axis=2).sum() > (
        (plain[200:220] == class_color(0)).all(axis=2).sum() + 200
    )
    large = draw_boxes(gray(300, 300), boxes, CLASSES, text_height=40)
    assert painted(large, 0)[1] < painted(plain, 0)[1]


def test_fit_keeps_the_shape() -> None:
    canvas, scale_x, scale_y = fit(gray(100, 50), Size(320, 240))
    assert canvas.shape == (160, 320, 3)
    assert (scale_x, scale_y) == (3.2, 3.2)
    assert fit(gray(1000, 1), Size(32, 24))[0].shape == (1, 32, 3)


def test_drawing_after_fitting_scales_the_boxes() -> None:
    boxes = Boxes.of([[10, 10, 30, 40]], [0])
    drawn = draw_fitted(gray(50, 50), boxes, ("",), Size(20, 20))  # no room for a label
    assert painted(drawn, 0) == (4, 4, 12, 16)


@given(
    width=st.integers(1, 40),
    height=st.integers(1, 40),
    box=st.tuples(*[st.floats(-1e9, 1e9)] * 4),
    label=st.integers(-3, 9),
)
def test_any_box_on_any_picture(
    width: int, height: int, box: tuple[float, ...], label: int
) -> None:
    drawn = draw_detections(gray(width, height), Detections.of([box], [0.5], [label]), CLASSES)
    assert drawn.shape == (height, width, 3)
    assert (drawn != 127).any()
