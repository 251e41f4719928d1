"""Draw the figures of the lessons: python docs/lessons/figures.py.

Each is a function of nothing that gives an SVG text, written by hand rather than by a plotting
library, so that it is the same bytes on every machine. What is a result is computed by Tatami. The
words are few, so that a figure serves both languages.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np

from tatami.evaluate.curve import curve
from tatami.ops.conv import convolve, multiply_adds
from tatami.ops.conv_transpose import convolve_transposed
from tatami.ops.im2col import im2col
from tatami.ops.pool import max_pool
from tatami.ops.window import Axis, Window
from tatami.rules.boxes import iou_xyxy, nms_xyxy
from tatami.scratch.neocognitron import SCells, windows

INK, GREY, PALE = "#222222", "#888888", "#eeeeee"
BLUE, ORANGE, GREEN, RED = "#0072b2", "#e69f00", "#009e73", "#d55e00"  # Okabe and Ito
LIGHT = {BLUE: "#cce3f0", ORANGE: "#fae6bf", GREEN: "#bfe6dc", RED: "#f5d3bf"}
FOUR = (BLUE, ORANGE, GREEN, RED)

X = np.array([[1, 2, 0, 1], [0, 1, 3, 2], [2, 0, 1, 1], [1, 2, 0, 3]], np.float32)
KERNEL = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]], np.float32)

Cells = Mapping[tuple[int, int], str]


class Drawing:
    """An SVG of a size in pixels, to which things are added one by one."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
            f' width="{width}" height="{height}" font-family="DejaVu Sans, Arial, sans-serif"'
            f' role="img" aria-label="{escape(title)}">',
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        ]

    def rect(
        self, x: float, y: float, w: float, h: float, fill: str = "none", edge: str = INK,
        wide: float = 1, dash: str = "",
    ) -> None:  # fmt: skip
        """Add a rectangle; ``dash`` as SVG's stroke-dasharray."""
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" fill="{fill}"'
            f' stroke="{edge}" stroke-width="{wide:g}"{dashes}/>'
        )

    def text(
        self, x: float, y: float, text: str, size: float = 14, at: str = "middle", ink: str = INK,
        bold: bool = False,
    ) -> None:  # fmt: skip
        """Add a text; ``at`` is SVG's text-anchor."""
        weight = ' font-weight="bold"' if bold else ""
        self.parts.append(
            f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" text-anchor="{at}"'
            f' fill="{ink}"{weight}>{escape(text)}</text>'
        )

    def line(
        self, points: Iterable[tuple[float, float]], ink: str = INK, wide: float = 1.5,
        dash: str = "",
    ) -> None:  # fmt: skip
        """Add a line through points."""
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        path = " ".join(f"{x:g},{y:g}" for x, y in points)
        self.parts.append(
            f'<polyline points="{path}" fill="none" stroke="{ink}" stroke-width="{wide:g}"'
            f"{dashes}/>"
        )

    def arrow(self, start: tuple[float, float], end: tuple[float, float], ink: str = INK) -> None:
        """Add an arrow."""
        (x0, y0), (x1, y1) = start, end
        length = float(np.hypot(x1 - x0, y1 - y0))
        ux, uy = (x1 - x0) / length, (y1 - y0) / length
        neck = (x1 - 8 * ux, y1 - 8 * uy)
        self.line([start, neck], ink)
        wings = [(neck[0] - 4 * uy, neck[1] + 4 * ux), (neck[0] + 4 * uy, neck[1] - 4 * ux)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in [(x1, y1), *wings])
        self.parts.append(f'<polygon points="{path}" fill="{ink}"/>')

    def dot(self, x: float, y: float, radius: float, fill: str, edge: str = INK) -> None:
        """Add a circle."""
        self.parts.append(
            f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" fill="{fill}" stroke="{edge}"/>'
        )

    def grid(
        self, x: float, y: float, values: np.ndarray, cell: float = 32, fills: Cells | None = None,
        name: str = "", size: float = 14,
    ) -> None:  # fmt: skip
        """Add a map, its numbers in its cells; fills: the color of some. NaN is an empty cell."""
        rows, columns = values.shape
        for i in range(rows):
            for j in range(columns):
                fill = (fills or {}).get((i, j), "#ffffff")
                self.rect(x + j * cell, y + i * cell, cell, cell, fill, GREY)
                if not np.isnan(values[i, j]):
                    middle = y + (i + 0.5) * cell + 0.35 * size
                    self.text(x + (j + 0.5) * cell, middle, f"{values[i, j]:g}", size)
        if name:
            self.text(x + columns * cell / 2, y - 9, name, 13)

    def svg(self) -> str:
        """Give the text of the file."""
        return "\n".join([*self.parts, "</svg>"]) + "\n"


def block(top: int, left: int, rows: int, columns: int, fill: str) -> dict[tuple[int, int], str]:
    """Give one fill to a rectangle of cells."""
    return {(top + i, left + j): fill for i in range(rows) for j in range(columns)}


def empty(rows: int, columns: int) -> np.ndarray:
    """Give a map without numbers."""
    return np.full((rows, columns), np.nan)


def convolution() -> str:
    """Draw a window on a map, and what it gives."""
    y = convolve(X[None, None], KERNEL[None, None], None, Window.square(3))[0, 0]
    d = Drawing(520, 190, "a window of 3 x 3 on a map of 4 x 4")
    d.grid(20, 40, X, fills=block(0, 0, 3, 3, LIGHT[ORANGE]), name="x (4 x 4)")
    d.rect(20, 40, 96, 96, edge=ORANGE, wide=3)
    d.text(177, 110, "*", 26)
    d.grid(205, 56, KERNEL, name="w (3 x 3)")
    d.text(330, 110, "=", 24)
    d.grid(360, 72, y, cell=40, fills={(0, 0): LIGHT[ORANGE]}, name="y (2 x 2)")
    d.rect(360, 72, 40, 40, edge=ORANGE, wide=3)
    return d.svg()


def padding_stride() -> str:
    """Draw padding and a stride of 2."""
    d = Drawing(560, 290, "padding 1, stride 2: nine places of the window")
    cells = block(1, 1, 5, 5, LIGHT[BLUE])
    d.grid(20, 40, empty(7, 7), fills={**block(0, 0, 7, 7, PALE), **cells}, name="5 x 5, pad 1")
    for i in range(3):
        for j in range(3):
            d.dot(20 + (2 * j + 1.5) * 32, 40 + (2 * i + 1.5) * 32, 5, ORANGE)
    d.rect(20, 40, 96, 96, edge=ORANGE, wide=3)
    d.rect(84, 40, 96, 96, edge=RED, wide=3, dash="6 4")
    d.arrow((68, 282), (132, 282), RED)
    d.text(142, 287, "stride 2", 13, "start")
    d.arrow((265, 152), (325, 152))
    d.grid(350, 104, empty(3, 3), fills={(0, 0): LIGHT[ORANGE], (0, 1): LIGHT[RED]}, name="3 x 3")
    d.text(398, 230, "(5 + 1 + 1 - 3) / 2 + 1 = 3", 13)
    return d.svg()


def pooling() -> str:
    """Draw max and average pools."""
    y = max_pool(X[None, None], Window.square(2, stride=2))[0, 0]
    fills: dict[tuple[int, int], str] = {}
    for n, color in enumerate(FOUR):
        fills |= block(2 * (n // 2), 2 * (n % 2), 2, 2, LIGHT[color])
    d = Drawing(380, 185, "max pooling, window 2 x 2, stride 2")
    d.grid(20, 40, X, fills=fills, name="x")
    d.arrow((170, 104), (225, 104))
    d.text(197, 92, "max", 13)
    small = {(n // 2, n % 2): LIGHT[color] for n, color in enumerate(FOUR)}
    d.grid(250, 72, y, fills=small, name="y")
    return d.svg()


def pooling_shift() -> str:
    """Draw what a pool makes of a shifted map."""
    d = Drawing(560, 215, "a spot, moved by one sample three times, before and after a max pool")
    window = Window(Axis(1), Axis(2, stride=2))
    for n in range(4):
        x = np.zeros((1, 1, 1, 8), np.float32)
        x[..., 2 + n] = 9
        y = max_pool(x, window)[0, 0]
        top = 34 + 44 * n
        d.grid(70, top, x[0, 0], cell=30, fills={(0, 2 + n): LIGHT[ORANGE]})
        d.arrow((325, top + 15), (375, top + 15))
        d.grid(395, top, y, cell=30, fills={(0, (2 + n) // 2): LIGHT[BLUE]})
        d.text(58, top + 20, f"+{n}", 13, "end")
    d.text(190, 22, "x", 13)
    d.text(455, 22, "max pool, 2 wide, stride 2", 13)
    return d.svg()


def unrolled() -> str:
    """Draw im2col."""
    columns = im2col(X[None, None], Window.square(3))[0]
    y = convolve(X[None, None], KERNEL[None, None], None, Window.square(3))[0].reshape(1, 4)
    d = Drawing(720, 385, "im2col: each place of the window becomes a column")
    d.grid(20, 60, X, cell=30, fills=block(0, 0, 3, 3, LIGHT[BLUE]), name="x (4 x 4)")
    d.rect(20, 60, 90, 90, edge=BLUE, wide=3)
    d.rect(51, 91, 88, 88, edge=RED, wide=3, dash="6 4")
    d.arrow((150, 120), (205, 120))
    d.text(177, 108, "im2col", 13)
    fills = {(i, j): LIGHT[color] for i in range(9) for j, color in enumerate(FOUR)}
    d.grid(500, 40, columns, cell=30, fills=fills, name="columns (9 x 4)")
    d.grid(215, 145, KERNEL.reshape(1, 9), cell=28, name="w as a row (1 x 9)")
    d.text(482, 166, "@", 20)
    d.grid(500, 340, y, cell=30, fills={(0, j): LIGHT[c] for j, c in enumerate(FOUR)})
    d.text(490, 361, "y = w @ columns", 13, "end")
    d.arrow((560, 312), (560, 338))
    return d.svg()


def backward() -> str:
    """Draw how derivatives go back through a convolution."""
    d = Drawing(640, 190, "what comes back through a convolution and a max pool")
    dy = np.array([[1, 0], [0, 2]], np.float32)
    spread = convolve_transposed(dy[None, None], KERNEL[None, None], None, Window.square(3), (4, 4))
    d.grid(20, 60, dy, cell=36, fills={(0, 0): LIGHT[BLUE], (1, 1): LIGHT[RED]}, name="dy")
    d.arrow((105, 96), (150, 96))
    d.grid(165, 40, spread[0, 0], name="dx of a convolution")
    d.rect(165, 40, 96, 96, edge=BLUE, wide=3)
    d.rect(197, 72, 96, 96, edge=RED, wide=3, dash="6 4")
    y = max_pool(X[None, None], Window.square(2, stride=2))[0, 0]
    routed = np.zeros((4, 4))
    fills: dict[tuple[int, int], str] = {}
    given = np.array([[1, 2], [3, 4]])
    for n, color in enumerate(FOUR):
        i, j = n // 2, n % 2
        patch = X[2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
        u, v = divmod(int(patch.argmax()), 2)
        assert patch[u, v] == y[i, j]
        routed[2 * i + u, 2 * j + v] = given[i, j]
        fills[2 * i + u, 2 * j + v] = LIGHT[color]
    small = {(n // 2, n % 2): LIGHT[color] for n, color in enumerate(FOUR)}
    d.grid(360, 60, given, cell=36, fills=small, name="dy")
    d.arrow((445, 96), (485, 96))
    d.grid(495, 40, routed, fills=fills, name="dx of a max pool")
    return d.svg()


def boxes_in_a_row(d: Drawing, y: float, labels: Sequence[tuple[str, str]], x: float = 30) -> None:
    """Add labeled boxes with arrows between them."""
    for n, (label, color) in enumerate(labels):
        d.rect(x, y, 120, 44, LIGHT.get(color, PALE), color)
        d.text(x + 60, y + 27, label, 13)
        if n + 1 < len(labels):
            d.arrow((x + 120, y + 22), (x + 150, y + 22))
        x += 150


def folding() -> str:
    """Draw a normalization that goes into a convolution."""
    d = Drawing(500, 190, "convolution and normalization become one convolution")
    before = [("conv  W, b", BLUE), ("norm  m, v, g, t", ORANGE), ("leaky ReLU", GREY)]
    boxes_in_a_row(d, 20, before)
    d.line([(30, 78), (30, 86), (300, 86), (300, 78)], GREY)
    d.arrow((165, 88), (165, 118))
    d.text(175, 109, "k = g / sqrt(v + epsilon)", 13, "start")
    boxes_in_a_row(d, 124, [("conv  W', b'", GREEN), ("leaky ReLU", GREY)], 105)
    return d.svg()


def separable() -> str:
    """Draw a depthwise separable convolution beside a usual one."""
    places, channels = 14 * 14, 512
    full = multiply_adds((channels, channels, 3, 3), places)
    depthwise = multiply_adds((channels, 1, 3, 3), places)
    pointwise = multiply_adds((channels, channels, 1, 1), places)
    d = Drawing(620, 170, "multiply-adds of a layer of MobileNet, 14 x 14, 512 to 512 channels")
    d.text(20, 26, "14 x 14, 512 → 512, million multiply-adds", 13, "start")
    for y, name, parts in (
        (50, "3 x 3", ((full, BLUE),)),
        (105, "3 x 3 depthwise + 1 x 1", ((depthwise, RED), (pointwise, ORANGE))),
    ):
        d.text(20, y - 4, name, 13, "start")
        x = 20.0
        for value, color in parts:
            wide = round(500 * value / full, 1)
            d.rect(x, y + 4, wide, 24, color, "none")
            x += wide
        told = " + ".join(f"{value / 1e6:.1f}" for value, _ in parts)
        d.text(x + 8, y + 21, told, 13, "start")
    return d.svg()


def receptive() -> str:
    """Draw which samples an output sees."""
    step = 26
    d = Drawing(680, 270, "what one output sees through three layers, dilations 1 1 1 and 1 2 4")
    for left, dilations in ((10, (1, 1, 1)), (250, (1, 2, 4))):
        count = 2 * sum(dilations) + 1
        half = count // 2

        def place(
            index: int, level: int, left: int = left, half: int = half
        ) -> tuple[float, float]:
            return left + 20 + (index + half) * step, 40 + 60 * level

        seen = {0}
        for level, dilation in enumerate(reversed(dilations)):
            below = {i + t * dilation for i in seen for t in (-1, 0, 1)}
            for i in sorted(seen):
                for t in (-1, 0, 1):
                    d.line([place(i, level), place(i + t * dilation, level + 1)], GREY, 1)
            seen = below
        seen = {0}
        for level, dilation in enumerate((*reversed(dilations), 0)):
            for i in range(-half, half + 1):
                d.dot(*place(i, level), 7, ORANGE if i in seen else "#ffffff", GREY)
            seen = {i + t * dilation for i in seen for t in (-1, 0, 1)}
        d.text(
            left + 20 + half * step,
            254,
            f"{dilations[0]}, {dilations[1]}, {dilations[2]}: {count}",
            14,
        )
    return d.svg()


def causal() -> str:
    """Draw which samples an output of dilated causal convolutions sees."""
    step, count, dilations = 34, 16, (1, 2, 4, 8)
    d = Drawing(680, 330, "an output sees sixteen samples through four causal layers of two taps")

    def place(index: int, level: int) -> tuple[float, float]:
        return 150 + index * step, 40 + 60 * level

    seen = {count - 1}
    levels = [seen]
    for level, dilation in enumerate(reversed(dilations)):
        for i in sorted(seen):
            for t in (0, dilation):
                d.line([place(i, level), place(i - t, level + 1)], GREY, 1)
        seen = {i - t for i in seen for t in (0, dilation)}
        levels.append(seen)
    for level, seen in enumerate(levels):
        for i in range(count):
            d.dot(*place(i, level), 7, ORANGE if i in seen else "#ffffff", GREY)
        said = f"dilation {dilations[-1 - level]}" if level < len(dilations) else "sound"
        d.text(20, place(0, level)[1] + 5, said, 14, "start")
    d.arrow((place(0, 0)[0], 316), (place(count - 1, 0)[0], 316))
    d.text(20, 321, "time", 14, "start")
    return d.svg()


def transposed() -> str:
    """Draw how samples spread kernels."""
    x = np.array([[1, 2], [3, 4]], np.float32)
    ones = np.ones((1, 1, 3, 3), np.float32)
    window = Window.square(3, stride=2)
    y = convolve_transposed(x[None, None], ones, None, window, (5, 5))[0, 0]
    d = Drawing(480, 230, "each sample spreads a kernel of ones; stride 2")
    small = {(n // 2, n % 2): LIGHT[color] for n, color in enumerate(FOUR)}
    d.grid(20, 80, x, cell=40, fills=small, name="x (2 x 2)")
    d.arrow((125, 120), (180, 120))
    d.text(152, 106, "stride 2", 13)
    d.grid(210, 45, y, cell=34, name="y (5 x 5)")
    for n, color in enumerate(FOUR):
        inset = 1.5 * n
        d.rect(
            210 + 68 * (n % 2) + inset, 45 + 68 * (n // 2) + inset,
            102 - 2 * inset, 102 - 2 * inset, edge=color, wide=2.5,
        )  # fmt: skip
    return d.svg()


def normalizations() -> str:
    """Draw which samples share statistics."""
    d = Drawing(640, 190, "which samples share a mean and a variance")
    kinds: dict[str, Callable[[int, int], bool]] = {
        "batch": lambda n, c: c == 0,
        "layer": lambda n, c: n == 0,
        "instance": lambda n, c: n == 0 and c == 0,
        "group (2)": lambda n, c: n == 0 and c < 2,
    }
    for index, (name, shares) in enumerate(kinds.items()):
        left = 50 + 150 * index
        fills = {(n, c): LIGHT[ORANGE] for n in range(3) for c in range(4) if shares(n, c)}
        d.grid(left, 50, empty(3, 4), cell=28, fills=fills)
        d.text(left + 56, 32, name, 15, bold=True)
        d.text(left + 56, 154, "channel", 12)
    d.text(42, 97, "n", 14, "end")
    d.text(320, 180, "each cell: one map of h x w samples", 12, ink=GREY)
    return d.svg()


def overlap() -> str:
    """Draw the intersection and the union of two boxes."""
    a, b = np.array([[0.0, 0, 6, 4]]), np.array([[4.0, 1, 10, 5]])
    d = Drawing(420, 230, "two boxes and what they share")
    scale, left, top = 36, 25, 20
    for box, color in ((a[0], BLUE), (b[0], RED)):
        x1, y1, x2, y2 = (scale * box).tolist()
        d.rect(left + x1, top + y1, x2 - x1, y2 - y1, LIGHT[color], color, 2)
    x1, y1 = (scale * np.maximum(a, b)[0, :2]).tolist()
    x2, y2 = (scale * np.minimum(a, b)[0, 2:]).tolist()
    d.rect(left + x1, top + y1, x2 - x1, y2 - y1, LIGHT[ORANGE], ORANGE, 3)
    d.text(left + x1 + (x2 - x1) / 2, top + y1 + (y2 - y1) / 2 + 5, "2 x 3 = 6")
    d.text(left + 70, top + 76, "a: 6 x 4 = 24")
    d.text(left + 288, top + 112, "b: 6 x 4 = 24")
    d.text(205, 222, f"IoU = 6 / (24 + 24 - 6) = {iou_xyxy(a, b)[0, 0]:.3f}")
    return d.svg()


def suppression() -> str:
    """Draw boxes before and after suppression."""
    xyxy = np.array(
        [
            [10, 10, 50, 50],
            [14, 12, 54, 52],
            [30, 10, 70, 50],
            [80, 20, 110, 60],
            [82, 26, 112, 66],
        ],
        np.float64,
    )
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.95])
    kept = set(nms_xyxy(xyxy, scores, 0.5).tolist())
    d = Drawing(640, 220, "non-maximum suppression, before and after")
    for left, only_kept in ((0, False), (325, True)):
        for index, (box, score) in enumerate(zip(xyxy.tolist(), scores, strict=True)):
            if only_kept and index not in kept:
                continue
            color = (BLUE, BLUE, ORANGE, RED, RED)[index]
            x1, y1, x2, y2 = (2.6 * side for side in box)
            d.rect(left + x1, y1 + 5, x2 - x1, y2 - y1, edge=color, wide=2.5)
            y = y1 if index in (0, 2, 3) else y2 + 21
            d.text(left + x1 + 4 if index != 2 else left + x2 - 4, y, f"{index}: {score:g}", 13,
                   "start" if index != 2 else "end", color)  # fmt: skip
    d.arrow((300, 95), (340, 95))
    return d.svg()


def average_precision() -> str:
    """Draw precision over recall, by 11 points and by all."""
    hits = np.array([True, False, True, True, False, False])
    one = curve(np.linspace(1, 0, 6), hits, 4)
    d = Drawing(380, 345, "precision against recall, made falling")
    left, top, side = 60, 34, 260

    def place(recall: float, precision: float) -> tuple[float, float]:
        return round(left + side * recall, 1), round(top + side * (1 - precision), 1)

    best = np.maximum.accumulate(one.precision[::-1])[::-1]
    recall_before = 0.0
    for recall, precision in zip(one.recall, best, strict=True):
        if recall > recall_before:
            x, y = place(recall_before, precision)
            wide = round(side * (recall - recall_before), 1)
            d.rect(x, y, wide, round(top + side - y, 1), LIGHT[BLUE], BLUE)
            recall_before = float(recall)
    d.line([place(0, 1), place(0, 0), place(1, 0)])
    for tick in (0, 0.25, 0.5, 0.75, 1):
        d.text(place(tick, 0)[0], top + side + 18, f"{tick:g}", 12)
        d.text(left - 8, place(0, tick)[1] + 4, f"{tick:g}", 12, "end")
    points = list(zip(one.recall, one.precision, strict=True))
    d.line([place(r, p) for r, p in points], GREY, 1.5, "4 3")
    for r, p in points:
        d.dot(*place(r, p), 4, GREY, GREY)
    for step in range(11):
        reached = best[one.recall >= step / 10]
        d.dot(*place(step / 10, float(reached[0]) if len(reached) else 0.0), 5, ORANGE)
    d.text(left + side / 2, top + side + 40, "recall", 13)
    d.text(14, top - 16, "precision", 13, "start")
    return d.svg()


def banks() -> str:
    """Draw which bank holds each pixel, and that a window meets each bank once."""
    rows, columns = 6, 9
    numbers = np.array([[3 * (y % 3) + x % 3 for x in range(columns)] for y in range(rows)], float)
    d = Drawing(620, 250, "nine banks of memory, by row and column mod 3")
    fills = block(0, 0, 3, 3, LIGHT[BLUE]) | block(2, 4, 3, 3, LIGHT[ORANGE])
    d.grid(20, 40, numbers, fills=fills, name="the bank of each pixel")
    d.rect(20, 40, 96, 96, edge=BLUE, wide=3)
    d.rect(20 + 4 * 32, 40 + 2 * 32, 96, 96, edge=ORANGE, wide=3)
    for index in range(9):
        x, y = 350 + index % 3 * 88, 48 + index // 3 * 62
        d.rect(x, y, 76, 48, PALE)
        d.text(x + 38, y + 30, f"bank {index}", 13)
    d.text(476, 245, "a word of each, every cycle", 13)
    return d.svg()


def engine() -> str:
    """Draw the engine and its wrapper."""
    d = Drawing(900, 470, "the engine: memory, streams, banks, array and requantizers")

    def box(x: float, y: float, w: float, h: float, name: str, more: str, fill: str) -> None:
        d.rect(x, y, w, h, fill)
        d.text(x + w / 2, y + h / 2 + (-3 if more else 5), name, 13, bold=True)
        if more:
            d.text(x + w / 2, y + h / 2 + 14, more, 10.5)

    d.rect(118, 14, 772, 446, edge=GREY, dash="6 4")
    d.text(880, 450, "tatami_axi", 12, "end", GREY)
    d.rect(392, 84, 488, 348, edge=GREY, dash="6 4")
    d.text(870, 424, "tatami_core", 12, "end", GREY)
    box(10, 84, 78, 348, "DDR", "memory", PALE)
    box(10, 24, 78, 44, "processor", "", PALE)
    box(140, 24, 130, 44, "registers", "AXI-Lite", LIGHT[RED])
    box(140, 100, 96, 190, "read port", "AXI4, bursts", LIGHT[GREEN])
    box(140, 350, 96, 64, "write port", "AXI4, bursts", LIGHT[GREEN])
    box(270, 100, 100, 44, "program", "", LIGHT[GREEN])
    box(270, 170, 100, 44, "constants", "FIFO", LIGHT[GREEN])
    box(270, 240, 100, 44, "maps in", "FIFO", LIGHT[GREEN])
    box(410, 100, 130, 44, "commands", "a layer each", LIGHT[RED])
    box(580, 100, 130, 44, "sequencer", "loops", LIGHT[RED])
    box(410, 170, 130, 44, "ring", "rows of weights", LIGHT[BLUE])
    box(410, 240, 130, 64, "maps", "nine banks", LIGHT[BLUE])
    box(580, 250, 90, 44, "window", "3 x 3 or 1 x 9", LIGHT[BLUE])
    box(710, 170, 160, 124, "array", "lanes x 36 products", LIGHT[ORANGE])
    box(710, 330, 160, 44, "requantizers", "pool, round, clamp", LIGHT[ORANGE])
    box(470, 330, 110, 44, "writer", "", LIGHT[BLUE])
    box(410, 384, 90, 36, "outlet", "", LIGHT[BLUE])
    for start, end in (
        ((88, 46), (140, 46)), ((205, 68), (205, 100)), ((88, 195), (140, 195)),
        ((236, 122), (270, 122)), ((236, 192), (270, 192)), ((236, 262), (270, 262)),
        ((370, 122), (410, 122)), ((370, 192), (410, 192)), ((370, 262), (410, 262)),
        ((540, 122), (580, 122)), ((540, 272), (580, 272)), ((670, 272), (710, 272)),
        ((540, 192), (710, 192)), ((645, 144), (645, 250)), ((790, 294), (790, 330)),
        ((710, 352), (580, 352)), ((525, 330), (525, 304)), ((410, 402), (236, 402)),
        ((140, 382), (88, 382)),
    ):  # fmt: skip
        d.arrow(start, end)
    d.line([(790, 374), (790, 402), (508, 402)])
    d.arrow((520, 402), (500, 402))
    return d.svg()


def attention() -> str:
    """Draw who looks at what: words that are written at themselves, and at words that are read."""
    drawing = Drawing(560, 240, "Attention: rows look at columns")
    written, read = ("ein", "roter", "Hund"), ("a", "red", "dog")
    looks = np.array([[0.8, 0.1, 0.1], [0.1, 0.7, 0.2], [0.05, 0.15, 0.8]])
    for left, columns, shares in ((90, written, None), (360, read, looks)):
        for i, word in enumerate(written):
            drawing.text(left - 10, 85 + 50 * i, word, 14, "end")
            for j in range(3):
                hidden = shares is None and j > i
                share = 1 / (i + 1) if shares is None else shares[i, j]
                shade = 255 - round(155 * (0 if hidden else share))
                fill = PALE if hidden else f"#{shade - 30:02x}{shade:02x}ff"
                drawing.rect(left + 50 * j, 55 + 50 * i, 50, 50, fill, GREY)
                text = "–" if hidden else f"{share:.2f}"
                middle = (left + 50 * j + 25, 85 + 50 * i)
                drawing.text(*middle, text, 13, ink=GREY if hidden else INK)
        for j, word in enumerate(columns):
            drawing.text(left + 50 * j + 25, 45, word, 14)
    drawing.text(165, 228, "Q: decoder   K, V: decoder", 13, ink=GREY)
    drawing.text(435, 228, "Q: decoder   K, V: encoder", 13, ink=GREY)
    return drawing.svg()


def bleu() -> str:
    """Draw the runs of a translation that stand in the reference."""
    drawing = Drawing(640, 230, "Runs of words that stand in the reference")
    written = ("a", "man", "rides", "a", "bike", "in", "a", "park", ".")
    runs = {
        1: (0, 1, 2, 3, 4, 5, 7, 8),
        2: (0, 1, 2, 4, 7),
        3: (0, 1),
        4: (0,),
    }
    for at, word in enumerate(written):
        drawing.text(75 + 62 * at, 30, word, 15, bold=True)
    heights = {1: (50,), 2: (75, 90), 3: (115, 130), 4: (155,)}
    for n, color in zip(runs, FOUR, strict=True):
        drawing.text(30, heights[n][0] + 6, str(n), 14, ink=color, bold=True)
        for number, start in enumerate(runs[n]):
            y = heights[n][number % len(heights[n])]
            ends = (50 + 62 * start, 100 + 62 * (start + n - 1))
            drawing.line([(ends[0], y), (ends[1], y)], color, 5)
    found = "8/9   5/8   2/7   1/6"
    drawing.text(320, 205, found, 15)
    return drawing.svg()


def described() -> str:
    """Draw a digit, and the directions in which the cells of its HOG change."""
    digit = np.zeros((16, 16))
    digit[3:5, 4:12] = 1
    for row in range(5, 14):  # the slanted stroke of a 7
        digit[row, 14 - row // 2 - 5 : 16 - row // 2 - 4] = 1
    down, across = np.zeros((2, 16, 16))
    down[1:-1] = digit[2:] - digit[:-2]
    across[:, 1:-1] = digit[:, 2:] - digit[:, :-2]
    which = np.minimum(np.degrees(np.arctan2(down, across)) % 180 // 20, 8).astype(int)
    votes = np.eye(9)[which] * np.hypot(down, across)[..., None]
    cells = votes.reshape(4, 4, 4, 4, 9).mean((1, 3))
    d = Drawing(560, 290, "a digit of 16 x 16 pixels, and the edges that its 16 cells hold")
    side, top, right = 15, 40, 300
    for row, column in zip(*np.nonzero(digit), strict=True):
        d.rect(20 + side * column, top + side * row, side, side, INK, GREY, 0.5)
    for row in range(4):
        for column in range(4):
            x, y = right + 60 * column, top + 60 * row
            d.rect(20 + 60 * column, y, 60, 60, edge=GREY)
            d.rect(x, y, 60, 60, PALE, GREY)
            for turn, share in enumerate(cells[row, column] / cells.max()):
                along = math.radians(20 * turn + 10 + 90)  # an edge runs across the change
                a, b = 27 * share * math.cos(along), 27 * share * math.sin(along)
                if share > 0:
                    ends = [(x + 30 - a, y + 30 - b), (x + 30 + a, y + 30 + b)]
                    d.line([(round(u, 1), round(v, 1)) for u, v in ends], BLUE, 3)
    d.text(140, 24, "16 x 16", 13)
    d.text(right + 120, 24, "4 x 4 x 9", 13)
    return d.svg()


def silent() -> str:
    """Draw four pictures, and where cells are added that no cell before answered to."""
    d = Drawing(650, 215, "four pictures; a frame stands where a cell is added")
    cells = SCells(side=3, threshold=0.7)
    places = {
        "a bar": [(row, 2) for row in (1, 2, 3, 4)],
        "moved": [(row, 4) for row in (2, 3, 4, 5)],
        "across": [(2, column) for column in (1, 2, 3, 4)],
        "a corner": [(4, 1), (4, 2), (4, 3), (4, 4), (1, 1), (2, 1), (3, 1)],
    }
    for at, (name, ink) in enumerate(places.items()):
        picture = np.zeros((1, 6, 6), np.float32)
        for place in ink:
            picture[0][place] = 1
        before = len(cells.patterns)
        cells.add_if_silent(picture)
        seen = windows(picture[None], 3)[0]
        likest = seen @ cells.patterns.T / np.maximum(np.linalg.norm(seen, axis=2), 1)[..., None]
        left, side = 20 + 160 * at, 22
        for row in range(6):
            for column in range(6):
                fill = INK if (row, column) in ink else PALE
                d.rect(left + side * column, 40 + side * row, side, side, fill, GREY, 0.5)
        for cell in range(before, len(cells.patterns)):
            row, column = divmod(int(likest[..., cell].argmax()), 6)
            d.rect(left + side * column + 3, 43 + side * row, 16, 16, edge=ORANGE, wide=3)
        d.text(left + 66, 26, name, 13)
        d.text(left + 66, 195, f"+{len(cells.patterns) - before}", 14, ink=RED, bold=True)
    return d.svg()


FIGURES: dict[str, Callable[[], str]] = {
    "convolution": convolution,
    "padding-stride": padding_stride,
    "pooling": pooling,
    "pooling-shift": pooling_shift,
    "im2col": unrolled,
    "backward": backward,
    "folding": folding,
    "separable": separable,
    "receptive-field": receptive,
    "causal-convolution": causal,
    "transposed": transposed,
    "normalizations": normalizations,
    "iou": overlap,
    "nms": suppression,
    "average-precision": average_precision,
    "banks": banks,
    "engine": engine,
    "attention": attention,
    "bleu": bleu,
    "hog": described,
    "silent": silent,
}


def main() -> None:
    """Write every figure."""
    folder = Path(__file__).resolve().parent / "figures"
    folder.mkdir(exist_ok=True)
    for name, draw in FIGURES.items():
        (folder / f"{name}.svg").write_text(draw(), "utf-8")


if __name__ == "__main__":
    main()
