"""The contact sheet: where its cells lie, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from tatami.errors import TatamiError
from tatami.see.contact_sheet import CAPTION_HEIGHT, MARGIN, contact_sheet
from tatami.types import Boxes, Detections, Size
from tatami.types.colors import class_color

NONE = Boxes.of([], [])


def test_pictures_lie_in_cells_row_by_row() -> None:
    pictures = [(f"{value}.png", np.full((30, 40, 3), value, np.uint8), NONE) for value in range(5)]
    sheet = contact_sheet(pictures, ("cat",), columns=2, cell=Size(40, 30))
    pitch = 30 + CAPTION_HEIGHT + MARGIN
    assert sheet.shape == (3 * pitch + MARGIN, 2 * (40 + MARGIN) + MARGIN, 3)
    for index in range(5):
        top, left = MARGIN + index // 2 * pitch, MARGIN + index % 2 * (40 + MARGIN)
        assert (sheet[top : top + 30, left : left + 40] == index).all()


def test_boxes_move_with_their_picture() -> None:
    found = Detections.of([[0, 0, 10, 10]], [0.5], [0])
    sheet = contact_sheet(
        [("a", np.zeros((10, 10, 3), np.uint8), found)], ("x",), cell=Size(40, 20)
    )
    rows, columns = np.nonzero((sheet == class_color(0)).all(axis=2))
    # A square picture in a 40x20 cell: 20x20, ten pixels of the cell left of it.
    assert (columns.min() - MARGIN, columns.max() + 1 - MARGIN) == (10, 30)
    assert (rows.min() - MARGIN, rows.max() + 1 - MARGIN) == (0, 20)


def test_captions_stay_in_their_column() -> None:
    pictures = [("w" * 200, np.zeros((9, 9, 3), np.uint8), NONE)] * 2
    sheet = contact_sheet(pictures, (), cell=Size(60, 40))
    captions = sheet[MARGIN + 40 : MARGIN + 40 + CAPTION_HEIGHT]
    assert (captions < 100).any()
    assert (captions[:, MARGIN + 61 : 2 * MARGIN + 60] > 200).all()  # the gap between two columns


def test_an_odd_caption_is_drawn() -> None:
    pictures = [("猫\n\x00<script>", np.zeros((9, 9, 3), np.uint8), NONE)]
    assert contact_sheet(pictures, ()).shape[2] == 3


def test_refusals() -> None:
    with pytest.raises(TatamiError, match="no pictures"):
        contact_sheet([], ())
    with pytest.raises(TatamiError, match="choose fewer pictures"):
        contact_sheet([("a", np.zeros((9, 9, 3), np.uint8), NONE)] * 400, ())
