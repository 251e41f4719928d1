"""Plots as small SVG texts that may stand together in one page: no script, no font, no address.

The ink is ``currentColor`` and the paper is transparent, so that a plot follows its page, light or
dark. The same input gives the same text. Needs matplotlib: ``pip install tatami[see]``.
"""

from __future__ import annotations

import hashlib
import io
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from xml.etree import ElementTree

import numpy as np

from tatami.errors import TatamiError
from tatami.see.draw import COLOURS
from tatami.see.text import count, readable, shortened
from tatami.types import Float

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_POINTS = 400
MAX_LEGEND = 20
SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"
INK = "#010203"  # a colour nobody chooses; it becomes currentColor
YELLOW, DARK_YELLOW = (240, 228, 66), (184, 170, 0)  # a line, unlike a box, may lie on white
FONT = "DejaVu Sans"  # comes with matplotlib, which measures with it; the page's own is shown
STYLE: dict[str, Any] = {
    "backend": "svg",
    "svg.fonttype": "none",
    "svg.hashsalt": "tatami",
    "text.parse_math": False,  # a class may be called "$x$"
    "font.family": FONT,
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.15,
    "grid.color": INK,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.5,
}


@dataclass(frozen=True)
class Panel:
    """One plot of a training log: which columns it shows, over the column ``step``."""

    title: str
    keys: tuple[str, ...]
    logarithmic: bool = False


@dataclass(frozen=True)
class Curve:
    """The precision-recall curve of one class.

    recall, precision: (n,) float64 in [0, 1], by falling score.  ap: average precision, in [0, 1].
    """

    name: str
    recall: Float
    precision: Float
    ap: float


@dataclass(frozen=True)
class RocCurve:
    """The ROC of one class.

    false_positive_rate, true_positive_rate: (n,) float64 in [0, 1], by falling threshold.
    auc: the area under it, in [0, 1].
    """

    name: str
    false_positive_rate: Float
    true_positive_rate: Float
    auc: float


@dataclass(frozen=True)
class ReliabilityCurve:
    """How often the scores of one class are right.

    confidence, accuracy: (n,) float64 in [0, 1], of each bin of scores, NaN for an empty one.
    ece: the expected calibration error.
    """

    name: str
    confidence: Float
    accuracy: Float
    ece: float


@dataclass(frozen=True)
class Layer:
    """What one layer costs: for one picture its multiply-adds, and the bytes of its parameters."""

    name: str
    operator: str
    output_shape: tuple[int, ...]
    multiply_adds: int
    parameters: int
    bytes: int


def training_curve(rows: Sequence[Mapping[str, float]], panel: Panel) -> str:
    """A panel of a training log as SVG.

    rows: as logged, each with ``step``; a row may lack a column (mAP is measured now and then).
    Long logs are averaged in up to MAX_POINTS groups of following rows.
    """
    figure, axes = _figure(4.0, 2.6, panel.title)
    with _style():
        for index, key in enumerate(panel.keys):
            points = [(row["step"], row[key]) for row in rows if key in row]
            finite = np.array([p for p in points if np.isfinite(p).all()], float).reshape(-1, 2)
            if len(finite) == 0:
                continue
            groups = np.array_split(finite, min(len(finite), MAX_POINTS))
            steps, values = np.array([group.mean(axis=0) for group in groups]).T
            marker = "o" if len(values) < 25 else ""
            label = (
                f" {shortened(readable(key), 22)}"  # matplotlib hides a label that begins with "_"
            )
            axes.plot(steps, values, color=_line_colour(index), label=label, marker=marker, ms=3)
        if panel.logarithmic:
            axes.set_yscale("log")
        axes.set_xlabel("step")
        axes.margins(x=0.02)
        if len(axes.lines) > 1:
            axes.legend(loc="best")
        for axis in (axes.xaxis, axes.yaxis):  # plain numbers, not powers in TeX
            axis.set_major_formatter(
                lambda value, _: f"{value:g}" if abs(value) < 1e4 else count(value)
            )
            axis.set_minor_formatter(lambda value, _: "")
    return _svg(figure, panel.title)


def precision_recall(curves: Sequence[Curve]) -> str:
    """The precision-recall curves of all classes as SVG; the legend gives each one's AP."""
    lines = [(one.name, one.recall, one.precision, one.ap) for one in curves]
    return _class_lines("Precision against recall", ("recall", "precision", "AP"), lines)


def roc_curves(curves: Sequence[RocCurve]) -> str:
    """The ROC of all classes as SVG; the legend gives each one's AUC, the dots are chance."""
    lines = [(one.name, one.false_positive_rate, one.true_positive_rate, one.auc) for one in curves]
    axes = ("false positive rate", "true positive rate", "AUC")
    return _class_lines("ROC of pictures", axes, lines, diagonal=True)


def reliability_curves(curves: Sequence[ReliabilityCurve]) -> str:
    """How often scores are right as SVG; the legend gives each one's ECE, the dots are perfect."""
    lines = []
    for one in curves:
        there = np.isfinite(one.confidence)
        lines.append((one.name, one.confidence[there], one.accuracy[there], one.ece))
    axes = ("mean score", "part that is right", "ECE")
    return _class_lines("Reliability", axes, lines, diagonal=True)


def _class_lines(
    title: str,
    axes_and_figure: tuple[str, str, str],
    lines: Sequence[tuple[str, Float, Float, float]],
    diagonal: bool = False,
) -> str:
    """A line a class: (name, x, y, figure). axes_and_figure: what these three are called."""
    listed = min(len(lines), MAX_LEGEND)
    figure, axes = _figure(4.0, 3.4 + 0.17 * -(-listed // 2), title)
    with _style():
        drawn = []
        for index, (class_name, x, y, value) in enumerate(lines):
            told = "-" if np.isnan(value) else f"{value:.3f}"
            label = f"{told}  {shortened(readable(class_name), 22)}"
            dashes = ("-", "--", ":")[index // len(COLOURS) % 3]
            shown = np.linspace(0, len(x) - 1, min(len(x), MAX_POINTS)).round().astype(int)
            colour = _line_colour(index)
            drawn += axes.plot(x[shown], y[shown], color=colour, ls=dashes, label=label)
        if diagonal:
            axes.plot([0, 1], [0, 1], color=INK, ls=":", lw=0.8)
        x_name, y_name, figure_name = axes_and_figure
        axes.set(xlim=(0, 1.005), ylim=(0, 1.02), xlabel=x_name, ylabel=y_name)
        if lines:
            more = f", {len(lines) - listed} more" if len(lines) > listed else ""
            figure.legend(
                drawn[:listed],
                [str(line.get_label()) for line in drawn[:listed]],
                loc="outside lower left",
                title=f"{figure_name}, class{more}",
                alignment="left",
                ncols=2,
            )
    return _svg(figure, title)


def layer_bars(layers: Sequence[Layer], cost: Literal["multiply_adds", "parameters"]) -> str:
    """What each layer costs, as horizontal bars in SVG; layers that cost nothing are left out."""
    costs = [(shortened(readable(layer.name), 28), getattr(layer, cost)) for layer in layers]
    costly = [(name, value) for name, value in costs if value]
    total = sum(value for _, value in costly)
    title = f"{'Multiply-adds' if cost == 'multiply_adds' else 'Parameters'}: {count(total)}"
    figure, axes = _figure(4.6, 0.8 + 0.21 * max(4, len(costly)), title)
    with _style():
        places = range(len(costly))
        values = [value for _, value in costly]
        colour = _line_colour(4 if cost == "multiply_adds" else 2)
        bars = axes.barh(places, values, color=colour, height=0.72)
        axes.bar_label(bars, [count(value) for value in values], padding=3, fontsize=8)
        axes.set_yticks(places, [name for name, _ in costly])
        axes.invert_yaxis()
        axes.set_xlim(0, 1.18 * max(values, default=1))
        axes.set_xticks([])
        axes.grid(visible=False)
        axes.spines["bottom"].set_visible(False)
    return _svg(figure, title)


def _style() -> Any:
    """matplotlib's settings as a context: ours, whatever the user's own file says."""
    import matplotlib as mpl

    settings: Any = {**mpl.rcParamsDefault, **STYLE}
    return mpl.rc_context(settings)


def _figure(width: float, height: float, title: str) -> tuple[Figure, Axes]:
    """An empty plot, inches wide and high. Raises TatamiError where matplotlib is missing."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise TatamiError(
            "plots need matplotlib", mend="install it with: pip install 'tatami[see]'"
        ) from error
    with _style():
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.add_subplot()
        axes.set_title(shortened(readable(title), 44))
    return figure, axes


def _svg(figure: Figure, title: str) -> str:
    """The figure as an SVG element, its ids unlike those of any other plot in the page."""
    out = io.StringIO()
    with _style(), warnings.catch_warnings():
        # The reader's browser has the letters that matplotlib's own font lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    root = ElementTree.fromstring(out.getvalue())
    _remove(root, "metadata")
    _remove(root, "style")  # it would style the whole page
    for size in ("width", "height"):  # the page decides; viewBox keeps the shape
        root.attrib.pop(size)
    root.set("role", "img")
    root.set("aria-label", readable(title))
    root.set("style", "stroke-linejoin: round; stroke-linecap: butt")
    prefix = f"p{hashlib.sha256(out.getvalue().encode()).hexdigest()[:8]}-"
    referred = set(re.findall(r'(?:url\(#|href="#)([^")]+)', out.getvalue()))
    for element in root.iter():
        own = element.attrib.pop("id", "")
        if own in referred:
            element.set("id", prefix + own)
        for name, value in element.items():
            if name == "style":
                value = value.replace(INK, "currentColor").replace(f"'{FONT}'", "inherit")
            elif name == "clip-path":
                value = value.replace("url(#", f"url(#{prefix}")
            elif name == f"{{{XLINK}}}href":
                value = f"#{prefix}{value[1:]}"
            element.set(name, value)
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", XLINK)
    return ElementTree.tostring(root, encoding="unicode")


def _remove(root: ElementTree.Element, tag: str) -> None:
    for parent in list(root.iter()):
        for child in parent.findall(f"{{{SVG}}}{tag}"):
            parent.remove(child)


def _line_colour(index: int) -> tuple[float, float, float]:
    """The colour of a class's boxes, with yellow darkened."""
    red, green, blue = (
        DARK_YELLOW if COLOURS[index % len(COLOURS)] == YELLOW else COLOURS[index % len(COLOURS)]
    )
    return red / 255, green / 255, blue / 255
