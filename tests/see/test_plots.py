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
    Curve,
    Layer,
    Panel,
    ReliabilityCurve,
    RocCurve,
    layer_bars,
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
    with pytest.raises(TatamiError, match=r"pip install 'tatami\[see\]'"):
        precision_recall([])
