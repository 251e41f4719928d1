"""Measure what every network needs of a device in 8 bits, for `tatami models`.

    python benchmarks/model_needs.py

Writes tatami/models/needs.csv, a row for each network and form: those of measured.csv beside it,
that of the paper, and one a quarter as wide at an input of at most 160 pixels a side. Rows that are
there already are kept: delete what is to be measured again. Needs arm-none-eabi-gcc.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from tatami.errors import TatamiError
from tatami.models.table import MODELS, names
from tatami.pipeline.needs import needs
from tatami.types import Size

FOLDER = Path(__file__).parents[1] / "tatami" / "models"
FILE, MEASURED = FOLDER / "needs.csv", FOLDER / "measured.csv"
COLUMNS = (
    *("model", "width", "size", "parameters", "multiply_adds"),
    *("arena", "weights", "ram", "flash"),
)
NARROW, SIDE = 0.25, 160
ORDER = ("classify", "detect", "segment", "recognize", "classify-series", "match", "generate")


def small(size: Size, stride: int) -> Size:
    """Give a small input of about the same shape, in steps of the network's stride."""
    share = min(1.0, SIDE / max(size.width, size.height))
    width, height = (
        stride * max(1, round(side * share / stride)) for side in (size.width, size.height)
    )
    return Size(width, height)


def forms() -> Iterator[tuple[str, float, Size]]:
    """Say which networks are measured, at which width and size: the small ones first."""
    for row in csv.DictReader(MEASURED.read_text().splitlines()):
        yield row["model"], float(row["width"]), Size.parse(row["size"])
    for width in (NARROW, 1.0):
        for task in ORDER:
            for name in names(task):
                model = MODELS[name]
                yield name, width, model.size if width == 1.0 else small(model.size, model.stride)


def main() -> None:
    rows = list(csv.DictReader(FILE.read_text().splitlines())) if FILE.exists() else []
    known = {(row["model"], row["width"], row["size"]) for row in rows}
    order = {name: place for place, name in enumerate(names())}
    for name, width, size in forms():
        key = (name, f"{width:g}", str(size))
        if key in known:
            continue
        known.add(key)
        try:
            found = needs(name, size, width)
        except TatamiError as error:  # as of an input that the network does not take
            print(*key, error, flush=True)
            continue
        print(*key, found, flush=True)
        rows.append({**dict(zip(COLUMNS, key, strict=False)), **asdict(found)})
        rows.sort(key=lambda row: (order[row["model"]], -float(row["width"]), row["size"]))
        with FILE.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
