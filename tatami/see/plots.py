"""Plots as small SVG texts that may stand together in one page: no script, no font, no address.

The ink is ``currentColor`` and the paper is transparent, so that a plot follows its page, light or
dark. The same input gives the same text. Needs matplotlib: ``pip install tatami-nn[see]``.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from xml.etree import ElementTree

import numpy as np

from tatami.errors import TatamiError
from tatami.see.text import count, readable, shortened
from tatami.types import Float64
from tatami.types.colors import COLORS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.transforms import Bbox

MAX_POINTS = 400
MAX_LEGEND = 20
SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"
INK = "#010203"  # a color nobody chooses; it becomes currentColor
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
    """One plot of a training log.

    Args:
        title: Of the plot.
        keys: The columns it shows, over the column ``step``.
        logarithmic: Whether its vertical axis is.
    """

    title: str
    keys: tuple[str, ...]
    logarithmic: bool = False


@dataclass(frozen=True)
class Curve:
    """The precision-recall curve of one class.

    Args:
        name: The class.
        recall: (n,) float64 in [0, 1], by falling score.
        precision: (n,) float64 in [0, 1], by falling score.
        ap: Average precision, in [0, 1].
    """

    name: str
    recall: Float64
    precision: Float64
    ap: float


@dataclass(frozen=True)
class RocCurve:
    """The ROC of one class.

    Args:
        name: The class.
        false_positive_rate: (n,) float64 in [0, 1], by falling threshold.
        true_positive_rate: (n,) float64 in [0, 1], by falling threshold.
        auc: The area under it, in [0, 1].
    """

    name: str
    false_positive_rate: Float64
    true_positive_rate: Float64
    auc: float


@dataclass(frozen=True)
class ReliabilityCurve:
    """How often the scores of one class are right.

    Args:
        name: The class.
        confidence: (n,) float64 in [0, 1], of each bin of scores; NaN for an empty one.
        accuracy: (n,) float64 in [0, 1], of each bin of scores; NaN for an empty one.
        ece: The expected calibration error.
    """

    name: str
    confidence: Float64
    accuracy: Float64
    ece: float


@dataclass(frozen=True)
class Layer:
    """What one layer costs for one picture.

    Args:
        name: Its name.
        operator: Its operator in ONNX.
        output_shape: Of what it makes.
        multiply_adds: How many.
        parameters: How many.
        bytes: Of its parameters.
    """

    name: str
    operator: str
    output_shape: tuple[int, ...]
    multiply_adds: int
    parameters: int
    bytes: int


@dataclass(frozen=True)
class Mark:
    """A network among others.

    Args:
        name: Its name.
        score: What it is worth, in percent.
        integers: Whether it is quantized.
    """

    name: str
    score: float
    integers: bool


@dataclass(frozen=True)
class CostPanel:
    """What networks cost in one respect.

    Args:
        title: What it is, with its unit.
        costs: Of each network.
        on_front: Whether nothing else is both as good and as cheap.
    """

    title: str
    costs: Sequence[float]
    on_front: Sequence[bool]


@dataclass(frozen=True)
class Step:
    """A trial of a search, among those before and after it.

    Args:
        number: Its number.
        score: What it reached, in percent.
        complete: Whether it was trained to its end.
    """

    number: int
    score: float
    complete: bool


def training_curve(rows: Sequence[Mapping[str, float]], panel: Panel) -> str:
    """Plot a panel of a training log as SVG.

    Long logs are averaged in up to MAX_POINTS groups of following rows.

    Args:
        rows: As logged, each with ``step``; a row may lack a column (mAP is measured now and then).
        panel: What to plot.
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
            axes.plot(steps, values, color=_line_color(index), label=label, marker=marker, ms=3)
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
    """Plot the precision-recall curves of all classes as SVG; the legend has each one's AP."""
    lines = [(one.name, one.recall, one.precision, one.ap) for one in curves]
    return _class_lines("Precision against recall", ("recall", "precision", "AP"), lines)


def roc_curves(curves: Sequence[RocCurve], title: str = "ROC of pictures") -> str:
    """Plot the ROC of all classes as SVG; the legend has each one's AUC, the dots are chance."""
    lines = [(one.name, one.false_positive_rate, one.true_positive_rate, one.auc) for one in curves]
    axes = ("false positive rate", "true positive rate", "AUC")
    return _class_lines(title, axes, lines, diagonal=True)


def reliability_curves(curves: Sequence[ReliabilityCurve]) -> str:
    """Plot how often scores are right as SVG; the legend has each ECE, the dots are perfect."""
    lines = []
    for one in curves:
        there = np.isfinite(one.confidence)
        lines.append((one.name, one.confidence[there], one.accuracy[there], one.ece))
    axes = ("mean score", "part that is right", "ECE")
    return _class_lines("Reliability", axes, lines, diagonal=True)


def _class_lines(
    title: str,
    axes_and_figure: tuple[str, str, str],
    lines: Sequence[tuple[str, Float64, Float64, float]],
    diagonal: bool = False,
) -> str:
    """Plot a line a class: (name, x, y, figure).

    Args:
        title: Of the plot.
        axes_and_figure: What x, y and the figure are called.
        lines: A line each.
        diagonal: Whether to draw it.
    """
    listed = min(len(lines), MAX_LEGEND)
    figure, axes = _figure(4.0, 3.4 + 0.17 * -(-listed // 2), title)
    with _style():
        drawn = []
        for index, (class_name, x, y, value) in enumerate(lines):
            written = "-" if np.isnan(value) else f"{value:.3f}"
            label = f"{written}  {shortened(readable(class_name), 22)}"
            dashes = ("-", "--", ":")[index // len(COLORS) % 3]
            shown = np.linspace(0, len(x) - 1, min(len(x), MAX_POINTS)).round().astype(int)
            color = _line_color(index)
            drawn += axes.plot(x[shown], y[shown], color=color, ls=dashes, label=label)
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


def pareto_chart(marks: Sequence[Mark], panels: Sequence[CostPanel], score: str) -> str:
    """Plot networks' scores against each of their costs as SVG, both axes logarithmic.

    Circles are float networks, squares integer ones; those on the front are filled, and the line is
    the best score that each cost can buy. An axis with a value that has no logarithm is linear.

    Args:
        marks: The networks.
        panels: Their costs.
        score: What the scores are called.
    """
    title = f"{score} against cost"
    figure, every = _panels(4.0 * len(panels), 3.6, [panel.title for panel in panels])
    with _style():
        scores = [mark.score for mark in marks]
        for axes, panel in zip(every, panels, strict=True):
            _logarithmic(axes, "x", panel.costs)
            _logarithmic(axes, "y", scores)
            axes.set_xlabel(panel.title)
            axes.set_ylabel(score)
            axes.set_title("")
            front = sorted(
                (cost, mark.score)
                for cost, mark, on_front in zip(panel.costs, marks, panel.on_front, strict=True)
                if on_front
            )
            if front:  # to the edge: what costs more buys as much
                x, y = zip(*front, strict=True)
                steps = ([*x, axes.get_xlim()[1]], [*y, y[-1]])
                axes.plot(*steps, color=INK, lw=1, alpha=0.6, drawstyle="steps-post", zorder=1)
            for cost, mark, on_front in zip(panel.costs, marks, panel.on_front, strict=True):
                _draw_mark(axes, cost, mark.score, mark.integers, on_front)
        listed = [_draw_mark(every[0], None, None, integers, True) for integers in (False, True)]
        figure.legend(
            listed,
            ["float32", "8 bits"],
            loc="outside lower left",
            title="filled: on the front",
            alignment="left",
            ncols=2,
        )
        with _any_letters():
            figure.draw_without_rendering()  # the layout: then it is known where there is room
            for axes, panel in zip(every, panels, strict=True):
                _label_points(axes, panel.costs, scores, [mark.name for mark in marks])
    return _svg(figure, title)


def search_chart(steps: Sequence[Step], score: str) -> str:
    """Plot what the trials of a search reached, one after the other, as SVG.

    Filled circles were trained to their end; the line is the best of these so far.

    Args:
        steps: The trials, by number.
        score: What the scores are called.
    """
    title = f"{score}, trial by trial"
    figure, axes = _figure(6.0, 3.2, title)
    from matplotlib.ticker import MaxNLocator

    color = _line_color(4)
    with _style():
        for complete, name in ((True, "to the end"), (False, "ended early")):
            x = [step.number for step in steps if step.complete is complete]
            y = [step.score for step in steps if step.complete is complete]
            fill = color if complete else "none"
            axes.plot(x, y, ls="", marker="o", ms=5.5, mec=color, mfc=fill, label=name, zorder=2)
        done = [step for step in steps if step.complete]
        if done:
            numbers = [*(step.number for step in done), steps[-1].number]
            best = np.maximum.accumulate([step.score for step in done])
            axes.plot(
                numbers, [*best, best[-1]], color=INK, lw=1, alpha=0.6, drawstyle="steps-post"
            )
        axes.set_xlabel("trial")
        axes.set_ylabel(score)
        axes.set_title("")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(loc="lower right")
    return _svg(figure, title)


def _draw_mark(
    axes: Axes, x: float | None, y: float | None, integers: bool, on_front: bool
) -> Line2D:
    """Draw one network's mark; without a place it is for the legend alone."""
    color = _line_color(5 if integers else 4)
    (mark,) = axes.plot(
        [] if x is None else [x],
        [] if y is None else [y],
        ls="",
        marker="s" if integers else "o",
        ms=5.5 if integers else 8,  # both are seen where they are at one place
        mec=color,
        mfc=color if on_front else "none",
        zorder=2,
    )
    return mark


def _logarithmic(axes: Axes, which: Literal["x", "y"], values: Sequence[float]) -> None:
    """Make a logarithmic axis around these values, with plain numbers at round places."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

    axis = axes.xaxis if which == "x" else axes.yaxis
    low, high = min(values), max(values)
    locator: LogLocator | MaxNLocator
    locator = MaxNLocator(4, steps=[1, 2, 2.5, 5, 10])
    if low > 0:
        ends = {"x": (low / 1.25, high * 1.6), "y": (low / 1.15, high * 1.15)}[which]
        if which == "x":
            axes.set_xscale("log")
        else:
            axes.set_yscale("log")
        if high / low > 3:
            locator = LogLocator(subs=(1.0, 2.0, 5.0) if high / low < 40 else (1.0,))
    else:
        ends = (low - 0.1 * (high - low) - 1e-9, high + 0.2 * (high - low) + 1e-9)
    (axes.set_xlim if which == "x" else axes.set_ylim)(*ends)
    axis.set_major_locator(locator)
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(lambda value, _: count(round(value, 6)))


_BESIDE: tuple[tuple[float, float, Literal["left", "center", "right"]], ...] = (
    *((7, 3, "left"), (-7, 3, "right"), (7, -10, "left"), (-7, -10, "right")),
    *((0, 8, "center"), (0, -15, "center"), (7, 12, "left"), (-7, 12, "right")),
)
"""Where a point's name may stand: points to the right and up, and how it is aligned there."""


def _label_points(axes: Axes, x: Sequence[float], y: Sequence[float], names: Sequence[str]) -> None:
    """Write a name beside each point, where it hides least of the other points and names."""
    from matplotlib.transforms import Bbox

    places = axes.transData.transform(np.column_stack((x, y)))
    taken = [Bbox.from_bounds(px - 5, py - 5, 10, 10) for px, py in places.tolist()]
    frame = axes.get_window_extent()
    for place, name in zip(zip(x, y, strict=True), names, strict=True):
        text = axes.annotate(
            shortened(readable(name), 22),
            place,
            xytext=(0, 0),
            textcoords="offset points",
            fontsize=7.5,
        )
        best = None
        for right, up, aligned in _BESIDE:
            text.set_position((right, up))
            text.set_horizontalalignment(aligned)
            extent = text.get_window_extent()
            hidden = sum(_overlap(extent, other) for other in taken)
            outside = extent.width * extent.height - _overlap(extent, frame)
            badness = hidden + outside
            if best is None or badness < best[0] - 1e-6:
                best = (badness, (right, up), aligned, extent)
        assert best is not None
        text.set_position(best[1])
        text.set_horizontalalignment(best[2])
        taken.append(best[3])


def _overlap(a: Bbox, b: Bbox) -> float:
    """Compute the area that two boxes share."""
    width = min(a.x1, b.x1) - max(a.x0, b.x0)
    height = min(a.y1, b.y1) - max(a.y0, b.y0)
    return float(max(0, width) * max(0, height))


def layer_bars(layers: Sequence[Layer], cost: Literal["multiply_adds", "parameters"]) -> str:
    """Plot what each layer costs, as horizontal bars in SVG, without those that cost nothing."""
    costs = [(shortened(readable(layer.name), 28), getattr(layer, cost)) for layer in layers]
    costly = [(name, value) for name, value in costs if value]
    total = sum(value for _, value in costly)
    title = f"{'Multiply-adds' if cost == 'multiply_adds' else 'Parameters'}: {count(total)}"
    figure, axes = _figure(4.6, 0.8 + 0.21 * max(4, len(costly)), title)
    with _style():
        places = range(len(costly))
        values = [value for _, value in costly]
        color = _line_color(4 if cost == "multiply_adds" else 2)
        bars = axes.barh(places, values, color=color, height=0.72)
        axes.bar_label(bars, [count(value) for value in values], padding=3, fontsize=8)
        axes.set_yticks(places, [name for name, _ in costly])
        axes.invert_yaxis()
        axes.set_xlim(0, 1.18 * max(values, default=1))
        axes.set_xticks([])
        axes.grid(visible=False)
        axes.spines["bottom"].set_visible(False)
    return _svg(figure, title)


def _style() -> Any:
    """Give matplotlib's settings as a context: ours, whatever the user's own file says."""
    import matplotlib as mpl

    settings: Any = {**mpl.rcParamsDefault, **STYLE}
    return mpl.rc_context(settings)


@contextlib.contextmanager
def _any_letters() -> Iterator[None]:
    """Rely on the reader's browser for letters that matplotlib's own font lacks."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        yield


def check_plots() -> None:
    """Check that matplotlib is there: before long work whose end is a plot.

    Raises:
        TatamiError: Where it is missing.
    """
    _panels(1.0, 1.0, ["nothing"])


def _figure(width: float, height: float, title: str) -> tuple[Figure, Axes]:
    """Make an empty plot, inches wide and high.

    Raises:
        TatamiError: Where matplotlib is missing.
    """
    figure, (axes,) = _panels(width, height, [title])
    return figure, axes


def _panels(width: float, height: float, titles: Sequence[str]) -> tuple[Figure, list[Axes]]:
    """Make empty plots side by side, inches wide and high together.

    Raises:
        TatamiError: Where matplotlib is missing.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise TatamiError(
            "plots need matplotlib", hint="install it with: pip install 'tatami-nn[see]'"
        ) from error
    with _style():
        figure = Figure(figsize=(width, height), layout="constrained")
        every = []
        for index, title in enumerate(titles, start=1):
            axes = figure.add_subplot(1, len(titles), index)
            axes.set_title(shortened(readable(title), 44))
            every.append(axes)
    return figure, every


def _svg(figure: Figure, title: str) -> str:
    """Write the figure as an SVG element, its ids unlike those of any other plot in the page."""
    out = io.StringIO()
    with _style(), _any_letters():
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


def _line_color(index: int) -> tuple[float, float, float]:
    """Give the color of a class's boxes, with yellow darkened."""
    red, green, blue = (
        DARK_YELLOW if COLORS[index % len(COLORS)] == YELLOW else COLORS[index % len(COLORS)]
    )
    return red / 255, green / 255, blue / 255
