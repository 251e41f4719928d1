"""Draw docs/figures/ledger.png: python docs/figures/ledger.py [DEMO].

On the left test pictures with the boxes that the shipped program in integers finds, on the right
the ledger that proves it; both of the folder that `make demo` writes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt

import tatami

FOLDER = Path(__file__).resolve().parent
PICTURES = 6
SCORE = 0.35
INK, QUIET, LINE = "#1f2933", "#616e7c", "#cbd2d9"


def draw(demo: Path, output: Path) -> None:
    """Draw the figure of a demo.

    Args:
        demo: The folder that `make demo` wrote.
        output: The picture to write.
    """
    run, data = demo / "run", demo / "digits"
    program = tatami.open(run / "c-int8")
    names = (data / "ImageSets" / "Main" / "test.txt").read_text().split()[:PICTURES]
    (ledger,) = tatami.prove(run, data, split="test").tables()
    kept = [at for at, column in enumerate(ledger.columns) if column.name != "ms"]
    columns = [ledger.columns[at] for at in kept]
    rows = [[row[at] for at in kept] for row in ledger.rows]

    plt.rcParams["font.family"] = "DejaVu Sans Mono"
    figure = plt.figure(figsize=(12.6, 3.25), dpi=110, facecolor="white")
    for place, name in enumerate(names):
        row, column = divmod(place, 3)
        axes = figure.add_axes((0.005 + 0.105 * column, 0.47 - 0.455 * row, 0.1, 0.43))
        found = program.predict(data / "JPEGImages" / f"{name}.png", min_score=SCORE)
        axes.imshow(found.drawn)
        axes.set_axis_off()
    text = figure.add_axes((0.335, 0, 0.66, 1))
    text.set_axis_off()
    text.set_xlim(0, 1)
    text.set_ylim(0, 1)
    figure.text(
        0.005, 0.94, f"boxes of the shipped C in 8 bits, score above {SCORE}", color=QUIET, size=9
    )
    figure.text(0.335, 0.94, "the ledger that proves it", color=QUIET, size=9)

    widths = [
        max(len(cell) for cell in (*column.name.split("\n"), *(row[at] for row in rows)))
        for at, column in enumerate(columns)
    ]
    total = sum(widths) + 2 * len(widths)
    step = 0.9 / (len(rows) + 2)
    heights = [0.88 - step * n for n in range(len(rows) + 1)]
    at = 0
    for number, column in enumerate(columns):
        right = column.align == "right"
        x = (at + (widths[number] if right else 0)) / total
        head = column.name.replace("\n", " ")
        for y, cell in zip(heights, (head, *(row[number] for row in rows)), strict=True):
            weight = "bold" if y == heights[0] else "normal"
            align = "right" if right else "left"
            text.text(x, y, cell, ha=align, va="center", color=INK, size=8.6, weight=weight)
        at += widths[number] + 2
    text.axhline(heights[0] - step / 2, color=LINE, linewidth=1)
    figure.savefig(output)
    plt.close(figure)


if __name__ == "__main__":
    draw(Path(sys.argv[1] if len(sys.argv) > 1 else "demo"), FOLDER / "ledger.png")
