"""The studio's lessons: what the page computes is what tatami's operations compute."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from tatami.graph.attributes import weight
from tatami.ops.conv import convolve
from tatami.ops.im2col import im2col
from tatami.ops.norm import batch_normalize
from tatami.ops.pool import average_pool, max_pool
from tatami.ops.window import Window
from tatami.shrink.fold import fold
from tests.browser import check_reach

EDGE = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], np.float32)


def texts(tab, grid):
    """The cells of a table of numbers, as they are shown."""
    return tab.evaluate(
        "id => [...document.querySelectorAll(`#${id} tr`)].map((row) =>"
        "[...row.children].map((cell) => cell.textContent))",
        grid,
    )


def maps(tab, grid):
    return np.array(texts(tab, grid), np.float32)[None, None]


def shown(values):
    """Numbers as the page writes them, which has no -0."""
    rows = (values + 0.0).tolist()
    return [[f"{x:.0f}" if x == round(x) else f"{x:.2f}" for x in row] for row in rows]


def slide(tab, **settings):
    for name, value in settings.items():
        tab.locator(f"#with-{name}").fill(str(value))


@pytest.fixture
def lessons(tab):
    tab.locator("nav a[data-page=lessons]").click()
    tab.wait_for_selector("#out")
    return tab


def test_each_lesson_computes_what_the_operations_do(lessons, network_of):
    tab = lessons
    image = maps(tab, "in")
    for stride, pad, dilation, bias in ((1, 1, 1, 0), (2, 2, 1, -7), (3, 0, 2, 40)):
        slide(tab, stride=stride, pad=pad, dilation=dilation, bias=bias)
        window = Window.square(3, stride, pad, dilation)
        found = convolve(image, EDGE[None, None], np.array([bias], np.float32), window)
        assert texts(tab, "out") == shown(found[0, 0])
    tab.locator("#lesson").select_option("pooling")
    for kind, pool in (("max", max_pool), ("average", average_pool)):
        tab.locator("#pool").select_option(kind)
        for kernel, stride, pad in ((2, 2, 0), (3, 2, 1), (4, 1, 1)):
            slide(tab, kernel=kernel, stride=stride, pad=pad)
            found = pool(image.astype(np.float64), Window.square(kernel, stride, pad))
            assert texts(tab, "out") == shown(found[0, 0])
    tab.locator("#lesson").select_option("im2col")
    for stride, pad in ((2, 0), (3, 1)):
        slide(tab, stride=stride, pad=pad)
        window = Window.square(3, stride, pad)
        assert texts(tab, "matrix") == shown(im2col(image, window).reshape(9, -1))
        found = convolve(image, EDGE[None, None], None, window)
        assert texts(tab, "out") == shown(found.reshape(1, -1))
    tab.locator("#lesson").select_option("folding")
    slide(tab, gamma=-1.2, beta=2.5, mean=-20, variance=225)
    norm = {
        name: np.array([value], np.float32)
        for name, value in (("gamma", -1.2), ("beta", 2.5), ("mean", -20), ("variance", 225))
    }
    network = network_of(
        [
            helper.make_node("Conv", ["images", "w"], ["a"], pads=[1] * 4),
            helper.make_node("BatchNormalization", ["a", *norm], ["map"], epsilon=1e-5),
        ],
        {"w": EDGE[None, None], **norm},
        (1, 1, 8, 8),
    )
    (conv,) = fold(network)[0].graph
    taken, bias = weight(conv, 1), weight(conv, 2)
    assert texts(tab, "taken") == shown(taken[0, 0].astype(np.float64))
    assert f"{bias[0]:.2f}" in tab.locator("#taken caption").inner_text()
    plain = convolve(image, EDGE[None, None], None, Window.square(3, 1, 1))
    apart = batch_normalize(plain, *norm.values(), 1e-5)
    for grid in ("apart", "out"):
        np.testing.assert_allclose(maps(tab, grid), apart, atol=0.0051)
    assert "10⁻⁹" in tab.locator("#worst").inner_text()


def test_a_place_is_explained_and_the_kernel_typed(lessons, picture):
    tab = lessons
    tab.locator("#step").focus()
    tab.keyboard.press("ArrowRight")
    assert tab.locator("#out td.marked").count() == 1
    assert tab.locator("#in td.marked").count() == 6  # the others lie in the padding
    said, value = tab.locator("#sum").inner_text(), texts(tab, "out")[0][1]
    assert said.endswith(f"= {value}")
    tab.locator("#kernel input >> nth=4").fill("100")
    tab.locator("#kernel input >> nth=4").dispatch_event("change")
    assert int(texts(tab, "out")[0][1]) == int(value) + 100 * int(texts(tab, "in")[0][1])
    check_reach(tab)
    tab.locator("#language").click()
    assert "ストライド" in tab.locator("#controls").inner_text()
    before = texts(tab, "in")
    tab.locator("#file").set_input_files(picture)
    tab.wait_for_selector("#drawn figure:nth-of-type(4)", state="attached")
    tab.locator("nav a[data-page=network]").click()
    tab.locator("nav a[data-page=lessons]").click()
    tab.wait_for_function(
        "before => document.querySelector('#in td').textContent !== before", arg=before[0][0]
    )
