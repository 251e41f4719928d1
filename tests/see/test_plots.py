"""Plots: well-formed, apart from one another, the same every time, and true to their numbers."""

from __future__ import annotations

import re
import sys
from xml.etree import ElementTree

import numpy as np
import pytest

from tatami.errors import TatamiError
from tatami.see.plots import (
    MAX_LEGEND,
    CostPanel,
    Curve,
    Layer,
    Mark,
    Panel,
    ReliabilityCurve,
    RocCurve,
    layer_bars,
    pareto_chart,
    precision_recall,
    reliability_curves,
    roc_curves,
    training_curve,
)

HOSTILE = ("<script>alert(1)</script>", "_hidden", "$x^$", "猫\x00\ud800", '"&url(#a)', "")
SVG = "{http://www.w3.org/2000/svg}"


def curve(name: str, points: int = 50) -> Curve:
    recall = np.linspace(0, 1, points)
    return Curve(name, recall, 1 - recall**2, 2 / 3)


def roc(name: str) -> RocCurve:
    rate = np.linspace(0, 1, 50)
    return RocCurve(name, rate, np.sqrt(rate), 2 / 3)


def bins(name: str) -> ReliabilityCurve:
    return ReliabilityCurve(name, np.array([0.1, np.nan, 0.9]), np.array([0.3, np.nan, 0.8]), 0.125)


def layer(name: str, cost: int) -> Layer:
    return Layer(name, "Conv", (1, 16, 13, 13), cost, cost // 10, cost // 10 * 4)


def fronts(names: tuple[str, ...], panels: int = 2) -> str:
    """A chart of networks that cost and are worth ever more; every second is of integers."""
    marks = [Mark(name, 10.0 * (index + 1), index % 2 == 1) for index, name in enumerate(names)]
    costs = [10.0**index for index in range(len(names))]
    panel = CostPanel("multiply-adds", costs, [True] * len(names))
    return pareto_chart(marks, [panel] * panels, "mAP, %")


def marks_of(svg: str) -> list[tuple[float, float, str]]:
    """Where every mark within a plot is, and its style: ticks are not clipped to it."""
    return [
        (float(mark.attrib["x"]), float(mark.attrib["y"]), mark.attrib["style"])
        for group in ElementTree.fromstring(svg).iter(f"{SVG}g")
        if "clip-path" in group.attrib
        for mark in group.iter(f"{SVG}use")
    ]


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def plots() -> list[str]:
    rows = [{"step": float(step), "loss": 1 / (step + 1)} for step in range(30)]
    return [
        training_curve(rows, Panel("Loss", ("loss",))),
        precision_recall([curve(name) for name in HOSTILE]),
        roc_curves([roc(name) for name in HOSTILE[:2]]),
        reliability_curves([bins(name) for name in HOSTILE[:2]]),
        layer_bars([layer("a", 1000)], "multiply_adds"),
        layer_bars([layer("a", 1000)], "parameters"),
        fronts(HOSTILE),
    ]


def test_well_formed_and_closed_to_the_outside() -> None:
    for svg in plots():
        root = ElementTree.fromstring(svg)
        assert root.tag == f"{SVG}svg"
        assert not re.search(r"https?://(?!www\.w3\.org/(2000/svg|1999/xlink)\")", svg)
        assert not list(root.iter(f"{SVG}style"))
        assert not list(root.iter(f"{SVG}script"))
        assert "<path id=" not in svg
        assert len(svg) < 40_000


def test_every_reference_is_met_and_no_id_is_shared() -> None:
    seen: set[str] = set()
    for svg in plots():
        root = ElementTree.fromstring(svg)
        ids = [element.attrib["id"] for element in root.iter() if "id" in element.attrib]
        references = set()
        for element in root.iter():
            for name, value in element.items():
                if name.endswith("href"):
                    references.add(value.removeprefix("#"))
                elif name == "clip-path":
                    references.add(value.removeprefix("url(#").removesuffix(")"))
        assert references == set(ids)
        assert len(ids) == len(set(ids))
        assert not seen & set(ids)
        seen |= set(ids)


def test_the_same_input_gives_the_same_text() -> None:
    assert plots() == plots()


def test_the_users_settings_change_nothing() -> None:
    import matplotlib as mpl

    before = plots()
    with mpl.rc_context({"svg.fonttype": "path", "font.size": 30, "axes.facecolor": "red"}):
        assert plots() == before


def test_names_of_any_kind_are_in_the_legend() -> None:
    shown = texts(precision_recall([curve(name) for name in HOSTILE]))
    for name in ("<script>alert(1)</scr…", "_hidden", "$x^$", "猫\ufffd\ufffd", '"&url(#a)'):
        assert any(text.endswith(f"0.667  {name}") for text in shown), (name, shown)


def test_other_curves_name_their_figure() -> None:
    assert {"AUC, class", "0.667  cat"} <= set(texts(roc_curves([roc("cat")])))
    shown = texts(reliability_curves([bins("cat")]))
    assert {"ECE, class", "0.125  cat", "mean score", "part that is right"} <= set(shown)


def test_a_figure_that_does_not_exist_is_a_dash() -> None:
    undefined = np.full(3, np.nan)
    assert "-  cat" in texts(roc_curves([RocCurve("cat", undefined, undefined, np.nan)]))
    assert "-  cat" in texts(
        reliability_curves([ReliabilityCurve("cat", *[undefined] * 2, np.nan)])
    )


def test_a_long_legend_is_cut_and_says_so() -> None:
    svg = precision_recall([curve(str(index)) for index in range(MAX_LEGEND + 5)])
    assert sum("0.667" in text for text in texts(svg)) == MAX_LEGEND
    assert "AP, class, 5 more" in texts(svg)


def test_a_long_curve_stays_small() -> None:
    noise = np.random.default_rng(0).random(50_000)
    svg = precision_recall([Curve("a", np.linspace(0, 1, 50_000), noise, 0.5)])
    assert len(svg) < 40_000
    rows = [{"step": float(step), "loss": value} for step, value in enumerate(noise.tolist())]
    assert len(training_curve(rows, Panel("Loss", ("loss",)))) < 40_000


def test_columns_that_come_and_go_and_numbers_that_are_none() -> None:
    rows = [{"step": 0.0, "loss": float("nan")}, {"step": 1.0, "map": 0.5}, {"step": 2.0}]
    for keys in (("map",), ("loss",), ("absent", "map"), ()):
        ElementTree.fromstring(training_curve(rows, Panel("mAP", keys, logarithmic=True)))
    ElementTree.fromstring(training_curve([], Panel("mAP", ("map",))))
    empty = np.array([])
    ElementTree.fromstring(precision_recall([Curve("none found", empty, empty, 0.0)]))
    ElementTree.fromstring(precision_recall([]))
    ElementTree.fromstring(layer_bars([], "parameters"))


def test_bars_are_as_long_as_their_costs() -> None:
    svg = layer_bars([layer("a", 1000), layer("free", 0), layer("b", 3000)], "multiply_adds")
    assert "free" not in texts(svg)
    assert {"a", "b", "1.00 k", "3.00 k", "Multiply-adds: 4.00 k"} <= set(texts(svg))
    widths = []
    for path in ElementTree.fromstring(svg).iter(f"{SVG}path"):
        if "fill: #" in path.attrib.get("style", ""):
            across = [float(x) for x in re.findall(r"[ML] (\S+) \S+", path.attrib["d"])]
            widths.append(max(across) - min(across))
    assert widths[1] / widths[0] == pytest.approx(3, rel=1e-3)


def test_without_matplotlib_the_mend_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(TatamiError, match=r"pip install 'tatami-nn\[see\]'"):
        precision_recall([])


def test_a_mark_a_network_and_a_name_beside_it() -> None:
    svg = fronts(("a", "b", "c"), panels=3)
    found = marks_of(svg)
    assert len(found) == 3 * 3
    # Up and to the right: what costs more is worth more; a logarithm makes even steps of tens.
    x, y = np.array([mark[:2] for mark in found[:3]]).T
    assert x[0] < x[1] < x[2]
    assert y[0] > y[1] > y[2]
    assert x[1] - x[0] == pytest.approx(x[2] - x[1], rel=1e-3)
    assert y[0] - y[1] == pytest.approx((y[0] - y[2]) * np.log(2) / np.log(3), rel=1e-3)
    for name in ("a", "b", "c"):
        assert texts(svg).count(name) == 3
    assert texts(svg).count("multiply-adds") == 3
    assert {"float32", "8 bits"} <= set(texts(svg))


def test_only_marks_on_the_front_are_filled() -> None:
    marks = [Mark(name, 50.0, False) for name in ("a", "b")]
    panel = CostPanel("ms", [1.0, 2.0], [True, False])
    on_front, beaten = (style for *_, style in marks_of(pareto_chart(marks, [panel], "mAP")))
    assert "fill-opacity: 0" in beaten
    assert "fill-opacity: 0" not in on_front
    assert "fill: #" in on_front


def test_float_and_integer_networks_have_other_shapes_and_colors() -> None:
    svg = fronts(("a", "b"), panels=1)
    root = ElementTree.fromstring(svg)
    shapes = {path.attrib["id"]: path.attrib["d"] for path in root.iter(f"{SVG}path")
              if "id" in path.attrib}  # fmt: skip
    used = [
        mark.attrib["{http://www.w3.org/1999/xlink}href"][1:]
        for group in root.iter(f"{SVG}g")
        if "clip-path" in group.attrib
        for mark in group.iter(f"{SVG}use")
    ]
    assert shapes[used[0]] != shapes[used[1]]
    first, second = marks_of(svg)
    assert first[2] != second[2]


def test_a_single_network_and_numbers_without_a_logarithm() -> None:
    alone = pareto_chart([Mark("a", 0.0, False)], [CostPanel("ms", [0.0], [True])], "mAP")
    assert len(marks_of(alone)) == 1
    marks = [Mark("a", 0.0, False), Mark("b", 40.0, True)]
    both = pareto_chart(marks, [CostPanel("ms", [3.0, 3.0], [False, True])], "mAP")
    (x, lower, _), (other_x, higher, _) = marks_of(both)
    assert x == other_x
    assert lower > higher


def test_names_of_near_points_do_not_hide_one_another() -> None:
    names = [f"network {index}" for index in range(4)]
    marks = [Mark(name, 50 + 0.01 * index, False) for index, name in enumerate(names)]
    svg = pareto_chart(marks, [CostPanel("ms", [10.0] * 4, [False] * 4)], "mAP")
    boxes = []
    for text in ElementTree.fromstring(svg).iter(f"{SVG}text"):
        if text.text in names:
            x, y = float(text.attrib["x"]), float(text.attrib["y"])
            anchor = re.search(r"text-anchor: (\w+)", text.attrib["style"])
            assert anchor is not None
            width = 7.5 * 0.55 * len(text.text)
            left = x - {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor[1]] * width
            boxes.append((left, left + width, y - 6, y))
    assert len(boxes) == 4
    for index, (left, right, top, bottom) in enumerate(boxes):
        for other_left, other_right, other_top, other_bottom in boxes[:index]:
            beside = right <= other_left or other_right <= left
            assert beside or bottom <= other_top or other_bottom <= top
