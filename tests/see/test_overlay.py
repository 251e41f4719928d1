"""Classes of pixels as colors."""

from __future__ import annotations

import numpy as np
import pytest

from tatami.see.overlay import VOID_COLOR, colored, overlay, palette
from tatami.types import VOID

COLORS = ((10, 20, 30), (200, 100, 0))
MASK = np.array([[0, 1, VOID]], np.uint8)


def test_each_class_has_its_color() -> None:
    assert colored(MASK, COLORS).tolist() == [[[10, 20, 30], [200, 100, 0], [*VOID_COLOR]]]
    assert palette(COLORS)[:6] == [10, 20, 30, 200, 100, 0]
    assert palette(COLORS)[-3:] == [*VOID_COLOR]
    assert len(palette(COLORS)) == 768


def test_half_of_an_overlay_is_the_picture_and_void_is_all_of_it() -> None:
    picture = np.full((1, 3, 3), 100, np.uint8)
    expected = [[[55, 60, 65], [150, 100, 50], [100, 100, 100]]]
    assert overlay(picture, MASK, COLORS).tolist() == expected
    assert picture.min() == 100


def test_white_over_white_stays_white() -> None:
    white = np.full((1, 3, 3), 255, np.uint8)
    assert overlay(white, MASK * 0, ((255, 255, 255),)).min() == 255


def test_a_mask_of_another_size() -> None:
    with pytest.raises(ValueError, match="a mask"):
        overlay(np.zeros((2, 3, 3), np.uint8), MASK, COLORS)
