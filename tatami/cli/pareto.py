"""``tatami pareto``: what networks are worth, against what they cost."""

from __future__ import annotations

import csv
import errno
import io
import json
import math
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tatami import graph
from tatami.cli.old_evaluate import SCORE, detect_all
from tatami.data.open import open_dataset
from tatami.data.pictures import read_picture
from tatami.errors import TatamiError
from tatami.evaluate.detections import evaluate
from tatami.evaluate.pareto import pareto_front
from tatami.files import write_atomically
from tatami.graph.costs import costs, total
from tatami.graph.network import Network
from tatami.pipeline.artifact import is_quantized, network_file, open_detector
from tatami.pipeline.timing import compiled, milliseconds
from tatami.program.lower import lower
from tatami.see.plots import CostPanel, Mark, check_plots, pareto_chart
from tatami.see.text import count, readable
from tatami.ship.c.build import compiler
from tatami.shrink.fold import fold
from tatami.tasks.walk import class_order
from tatami.types import Dataset, Detector

WIDTH = 80
TIMED = 8
"""Pictures that the time is taken with."""
METRICS = {"voc07": "map_voc07", "ap50": "ap50"}
TITLES = {"voc07": "mAP (VOC 2007), %", "ap50": "AP50 (COCO), %"}
COSTS = {
    "multiply_adds": "multiply-adds",
    "milliseconds": "ms a picture, one thread",
    "weight_bytes": "bytes of weights",
}


@dataclass(frozen=True)
class Contestant:
    """A network that is measured.  shipped: as it is shipped, normalization folded."""

    name: str
    file: Path
    detector: Detector
    shipped: Network


@dataclass(frozen=True)
class Measured:
    """What a network is worth, in [0, 1], and what it costs.

    width: the factor of its channels, where its provenance tells.  milliseconds: None where no time
    was taken.  All else as graph/costs.py has it.
    """

    name: str
    file: str
    input: str
    width: float | None
    bits: int
    map_voc07: float
    ap50: float
    multiply_adds: int
    operations: int
    parameters: int
    weight_bytes: int
    milliseconds: float | None = None


def pareto(
    networks: Annotated[list[Path], typer.Argument(help="Run folders and ONNX files.")],
    data: Annotated[Path | None, typer.Option(help="The labeled set.")] = None,
    split: Annotated[str | None, typer.Option(help="The set's split, as test.")] = None,
    format: Annotated[str | None, typer.Option(help="voc, coco or yolo; else recognized.")] = None,
    skip: Annotated[
        list[str] | None, typer.Option(help="Accept this kind of problem; may be repeated.")
    ] = None,
    pictures: Annotated[
        int | None, typer.Option(min=1, help="Only so many of the split's pictures.")
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Of a run folder every ONNX file, not only network.onnx.")
    ] = False,
    metric: Annotated[str, typer.Option(help="What is good: voc07 (mAP) or ap50.")] = "voc07",
    no_time: Annotated[
        bool, typer.Option("--no-time", help="Take no time: nothing is compiled.")
    ] = False,
    rounds: Annotated[
        int, typer.Option(min=1, help=f"Turns that each network has with {TIMED} pictures.")
    ] = 5,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The folder for pareto.csv and pareto.svg.")
    ] = Path("pareto"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, no table.")] = False,
) -> None:
    """mAP against multiply-adds, milliseconds and bytes: a table, and a chart with the fronts.

    Float networks are measured as they are shipped, with their normalization folded. A time is the
    processor's for one picture, by the C program on one thread; the networks take turns.
    """
    if data is None:
        raise TatamiError("no labeled set given", hint="name it with --data")
    if metric not in METRICS:
        raise TatamiError(f"no metric '{metric}'", hint=f"give {' or '.join(METRICS)}")
    _check_folder(out)
    check_plots()
    if not no_time:
        compiler()
    opened = open_dataset(data, split=split, format=format, skip=skip or ())
    dataset = replace(opened.dataset, samples=opened.dataset.samples[:pictures])
    if not len(dataset):
        raise TatamiError("there is no picture to measure on", hint="check --split", file=data)
    ignored = [sample.boxes.difficult | sample.boxes.crowd for sample in dataset.samples]
    if np.concatenate(ignored).all():
        raise TatamiError("there is nothing to find in the pictures", hint="label some", file=data)
    files = files_of(networks, every)
    contestants = [
        contestant(name, file, dataset) for name, file in zip(names_of(files), files, strict=True)
    ]
    skipped = Counter(opened.skipped)
    rows = []
    for one in contestants:
        title = f"Evaluating {escape(readable(one.name))}"
        row, unreadable = measured(one, dataset, skip or (), None if as_json else title)
        rows.append(row)
    skipped["unreadable-picture"] += unreadable
    if not no_time:
        rows = timed(rows, contestants, dataset, rounds, progress=not as_json)
    fronts = fronts_of(rows, metric)
    # Bytes of a file's name that are no Unicode become escapes.
    write_atomically(out / "pareto.csv", to_csv(rows, fronts).encode(errors="backslashreplace"))
    write_atomically(out / "pareto.svg", chart(rows, fronts, metric))
    counts = {kind: number for kind, number in sorted(skipped.items()) if number}
    if as_json:
        answer: dict[str, Any] = {
            "data": str(data),
            "split": dataset.split,
            "pictures": len(dataset),
            "skipped": counts,
            "metric": metric,
            "output": str(out),
            "networks": [to_json(row, fronts, index) for index, row in enumerate(rows)],
        }
        print(json.dumps(answer, indent=2, allow_nan=False))
        return
    console = Console(width=WIDTH, highlight=False)
    console.print(table(rows, fronts))
    console.print(
        f"{len(dataset)} pictures; * on the front of {TITLES[metric][:-3]}: no network here is\n"
        "as good for less, or better for as much",
        markup=False,
    )
    for kind, number in counts.items():
        console.print(f"skipped {number} x {kind}", markup=False)
    for name in ("pareto.csv", "pareto.svg"):
        console.print(f"wrote {out / name}", markup=False, soft_wrap=True)


def _check_folder(path: Path) -> None:
    """Raise OSError, before the long work, where a file stands in a folder's place."""
    nearest = next((one for one in (path, *path.parents) if one.exists()), path)
    if nearest.exists() and not nearest.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(nearest))


# What is measured --------------------------------------------------------------------------------


def files_of(networks: Sequence[Path], every: bool) -> list[Path]:
    """The ONNX files that are meant, each once. every: all of a run folder's."""
    files: dict[Path, Path] = {}
    for network in networks:
        file = network_file(network)
        found = [file]
        if every and network.is_dir():
            found = sorted(network.glob("*.onnx"), key=lambda one: (len(one.stem), one.stem))
        for one in found:
            files.setdefault(one.resolve(), one)
    return list(files.values())


def names_of(files: Sequence[Path]) -> list[str]:
    """As much of each path's end as tells it from the others; network.onnx is called as its folder
    is, where that is a run's."""
    parts = []
    for file in files:
        path = file.resolve()
        own = path.name == "network.onnx" and (path.parent / "run.json").is_file()
        parts.append((path.parent if own else path.with_suffix("")).parts)
    lengths = [
        next(n for n in range(1, len(one) + 1) if sum(p[-n:] == one[-n:] for p in parts) == 1)
        if parts.count(one) == 1
        else len(one)
        for one in parts
    ]
    return ["/".join(one[-length:]) for one, length in zip(parts, lengths, strict=True)]


def contestant(name: str, file: Path, dataset: Dataset) -> Contestant:
    """A file, opened and checked before the long work. Raises TatamiError, naming it."""
    detector = open_detector(file)
    network = graph.read(file)
    try:
        class_order(detector.spec.classes, dataset.classes)
        shipped = network if is_quantized(network) else fold(network)[0]
        lower(shipped)
    except TatamiError as error:
        raise TatamiError(error.reason, hint=error.hint, file=file) from error
    return Contestant(name, file, detector, shipped)


def measured(
    one: Contestant, dataset: Dataset, skip: Sequence[str], title: str | None
) -> tuple[Measured, int]:
    """Everything but the time, and how many pictures could not be read."""
    found = detect_all(one.detector, dataset, SCORE, skip=skip, title=title)
    truths = [sample.boxes for sample in found.samples]
    result = evaluate(truths, found.detections, dataset.classes)
    whole = total(costs(one.shipped))
    spec = one.detector.spec
    width = re.search(r"\bwidth ([\d.]+)", spec.provenance.get("model", ""))
    bits = re.match(r"(\d+) bits", spec.provenance.get("quantized", ""))
    row = Measured(
        name=one.name,
        file=str(one.file),
        input=str(spec.input.size),
        width=float(width[1]) if width else None,
        bits=(int(bits[1]) if bits else 8) if is_quantized(one.shipped) else 32,
        map_voc07=result.map_voc07,
        ap50=result.coco.ap50,
        multiply_adds=whole.multiply_adds,
        operations=whole.operations,
        parameters=whole.parameters,
        weight_bytes=whole.weight_bytes,
    )
    return row, found.unreadable


def timed(
    rows: Sequence[Measured],
    contestants: Sequence[Contestant],
    dataset: Dataset,
    rounds: int,
    *,
    progress: bool,
) -> list[Measured]:
    """The rows with their times."""
    pictures = []
    for sample in dataset.samples:
        try:
            pictures.append(read_picture(sample.path))
        except TatamiError:
            continue  # told already
        if len(pictures) == TIMED:
            break
    titles = ("Compiling", "Taking the time") if progress else (None, None)
    with compiled([one.shipped for one in contestants], title=titles[0]) as detectors:
        found = milliseconds(detectors, pictures, rounds, title=titles[1])
    return [replace(row, milliseconds=one) for row, one in zip(rows, found, strict=True)]


Fronts = Mapping[str, Sequence[bool]]
"""By the cost: whether each network is on the front."""


def fronts_of(rows: Sequence[Measured], metric: str) -> Fronts:
    """Of the costs that were measured."""
    scores = np.array([getattr(row, METRICS[metric]) for row in rows], float)
    found = {}
    for cost in COSTS:
        values = [getattr(row, cost) for row in rows]
        if None not in values:
            found[cost] = [bool(one) for one in pareto_front(np.array(values, float), scores)]
    return found


# What is told ------------------------------------------------------------------------------------


def table(rows: Sequence[Measured], fronts: Fronts) -> Table:
    """A row a network, at most 80 columns wide; a star beside a cost means its front."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), width=WIDTH)
    table.add_column("network", overflow="ellipsis", no_wrap=True, ratio=1)
    for title in ("input", "width", "bits", "mAP\n%", "AP50\n%", "mult.-\nadds ", "para-\nmeters"):
        table.add_column(title, justify="right", no_wrap=True)
    for title in ("weight\nbytes ", "ms "):
        table.add_column(title, justify="right", no_wrap=True)

    def cost(name: str, index: int, text: str) -> str:
        return text + ("*" if fronts.get(name, [False] * len(rows))[index] else " ")

    for index, row in enumerate(rows):
        ms = "- " if row.milliseconds is None else f"{row.milliseconds:.3g}"
        table.add_row(
            escape(readable(row.name)),
            row.input,
            "-" if row.width is None else f"{row.width:g}",
            str(row.bits),
            _percent(row.map_voc07),
            _percent(row.ap50),
            cost("multiply_adds", index, count(row.multiply_adds)),
            count(row.parameters),
            cost("weight_bytes", index, count(row.weight_bytes)),
            cost("milliseconds", index, ms),
        )
    return table


def _percent(share: float) -> str:
    return "-" if math.isnan(share) else f"{100 * share:.2f}"


def to_json(row: Measured, fronts: Fronts, index: int) -> dict[str, Any]:
    """A network's numbers; NaN, for what does not exist, becomes None."""
    values = {key: None if value != value else value for key, value in asdict(row).items()}
    return {**values, "on_front": {cost: on_front[index] for cost, on_front in fronts.items()}}


def to_csv(rows: Sequence[Measured], fronts: Fronts) -> str:
    """A line a network; whether it is on a front is 1 or 0, what was not measured is empty."""
    text = io.StringIO()
    names = [*asdict(rows[0]), *(f"front_{cost}" for cost in COSTS)]
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    for index, row in enumerate(rows):
        known = to_json(row, fronts, index)
        for cost, on_front in known.pop("on_front").items():
            known[f"front_{cost}"] = int(on_front)
        writer.writerow(known)
    return text.getvalue()


def chart(rows: Sequence[Measured], fronts: Fronts, metric: str) -> str:
    """The SVG: a panel for each cost that was measured."""
    marks = [Mark(row.name, 100 * getattr(row, METRICS[metric]), row.bits < 32) for row in rows]
    panels = [
        CostPanel(COSTS[cost], [float(getattr(row, cost)) for row in rows], on_front)
        for cost, on_front in fronts.items()
    ]
    return pareto_chart(marks, panels, TITLES[metric])
