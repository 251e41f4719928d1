"""Thinning and drawing: what a thinned line must be, and a pen that gives the width back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from tatami.data.strokes import drawn, parts, thinned
from tatami.types import Bool, Size


@st.composite
def scribbles(draw: st.DrawFn) -> Bool:
    """A few thick lines."""
    image = Image.new("1", (48, 40))
    pen = ImageDraw.Draw(image)
    at = st.tuples(st.integers(6, 41), st.integers(6, 33))
    for _ in range(draw(st.integers(1, 4))):
        pen.line([draw(at), draw(at)], fill=1, width=draw(st.integers(3, 7)))
    ink = np.asarray(image)
    return ink if ink.any() else np.ones((40, 48), np.bool_)


def flooded(ink: Bool) -> int:
    """How many parts hang together, corners included: found by walking from pixel to pixel."""
    left = set(zip(*np.nonzero(ink), strict=True))
    count = 0
    while left:
        count += 1
        walk = [left.pop()]
        while walk:
            y, x = walk.pop()
            for step in ((y + b, x + a) for a in (-1, 0, 1) for b in (-1, 0, 1)):
                if step in left:
                    left.remove(step)
                    walk.append(step)
    return count


@settings(max_examples=40, deadline=None)
@given(scribbles())
def test_thinning_keeps_the_parts_and_takes_only_away(ink: Bool) -> None:
    line = thinned(ink)
    assert not (line & ~ink).any()
    assert flooded(line) == flooded(ink)
    assert parts(line).max() == flooded(line)
    assert ((parts(line) > 0) == line).all()
    assert (thinned(line) == line).all()
    # nowhere 3 pixels thick any more
    solid = np.all([np.roll(line, (y, x), (0, 1)) for y in (0, 1, 2) for x in (0, 1, 2)], axis=0)
    assert not solid.any()


def test_a_bar_becomes_its_middle() -> None:
    ink = np.zeros((20, 60), np.bool_)
    ink[8:13, 5:55] = True
    y, x = np.nonzero(thinned(ink))
    assert set(y.tolist()) <= {9, 10, 11}
    assert np.mean(y == 10) > 0.9
    assert x.min() <= 9
    assert x.max() >= 50


@pytest.mark.parametrize("radius", [1.0, 2.5, 4.0])
def test_a_pen_draws_a_disc_at_each_point(radius: float) -> None:
    ink = drawn(np.array([[10.5, 12.5], [29.5, 0.5], [-5.0, 3.0]]), radius, Size(30, 25))
    assert ink.shape == (25, 30)
    for y in range(25):
        for x in range(30):
            near = min((x - 10) ** 2 + (y - 12) ** 2, (x - 29) ** 2 + y**2)
            assert ink[y, x] == (255 if near <= radius**2 else 0)
