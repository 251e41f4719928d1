"""Compare what networks are worth with what they cost: a table, and a chart with the fronts."""

from __future__ import annotations

import csv
import errno
import io
import math
import os
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tatami.errors import TatamiError
from tatami.evaluate.pareto import pareto_front
from tatami.files import write_atomically
from tatami.graph.costs import costs, total
from tatami.graph.network import Network
from tatami.pipeline.artifact import Artifact, Source, network_file, open_artifact, path_of
from tatami.pipeline.artifact import read_parts as parts_of
from tatami.pipeline.evaluate import AnyTask, open_split
from tatami.pipeline.timing import compiled, milliseconds
from tatami.program.forward import is_quantized
from tatami.program.lower import lower
from tatami.see.html import result_html
from tatami.see.plots import CostPanel, Mark, check_plots, pareto_chart
from tatami.see.text import count, readable
from tatami.ship.c.build import compiler
from tatami.shrink.fold import fold
from tatami.tasks.base import Merit
from tatami.types.progress import Progress, quiet
from tatami.types.table import Table, numbers, words

TIMED = 8
"""Pictures that the time is taken with."""
COSTS = {
    "multiply_adds": "multiply-adds",
    "milliseconds": "ms a picture, one thread",
    "weight_bytes": "bytes of weights",
}
CSV, CHART = "pareto.csv", "pareto.svg"
"""What is written to the folder."""


@dataclass(frozen=True)
class Compared:
    """What a network is worth, and what it costs.

    Args:
        name: What tells it from the others.
        file: Its ONNX file.
        input: The size of its input.
        width: The factor of its channels, where its provenance says it.
        bits: Of its weights.
        merits: Its figures in 0 to 1, by name.
        multiply_adds: Of a picture.
        operations: Of a picture.
        parameters: Weights and biases.
        weight_bytes: What these take.
        milliseconds: The processor's time for a picture; None where it was not taken.
        on_front: For each cost that was measured, whether the network is on the front: no network
            here is as good for less, or better for as much.
    """

    name: str
    file: str
    input: str
    width: float | None
    bits: int
    merits: Mapping[str, float]
    multiply_adds: int
    operations: int
    parameters: int
    weight_bytes: int
    milliseconds: float | None
    on_front: Mapping[str, bool]

    def to_json(self) -> dict[str, Any]:
        """Give the numbers as plain values; what does not exist is None."""
        return {
            "name": self.name,
            "file": self.file,
            "input": self.input,
            "width": self.width,
            "bits": self.bits,
            **{key: None if math.isnan(value) else value for key, value in self.merits.items()},
            "multiply_adds": self.multiply_adds,
            "operations": self.operations,
            "parameters": self.parameters,
            "weight_bytes": self.weight_bytes,
            "milliseconds": self.milliseconds,
            "on_front": dict(self.on_front),
        }


@dataclass(frozen=True)
class CompareResult:
    """Networks of one task, compared on a split.

    Args:
        data: The labeled set.
        split: The split of it.
        pictures: How many the networks were evaluated on.
        skipped: How many problems of each accepted kind were left out.
        merits: The figures that were taken; the first is the one of the fronts.
        networks: Each network's numbers.
        chart: The first figure against each cost, as SVG.
        path: The folder that was written; None where none was asked for.
    """

    data: Path
    split: str
    pictures: int
    skipped: Mapping[str, int]
    merits: tuple[Merit[Any], ...]
    networks: tuple[Compared, ...]
    chart: str
    path: Path | None = None

    def to_json(self) -> dict[str, Any]:
        """Give everything that was measured as plain values."""
        return {
            "data": str(self.data),
            "split": self.split,
            "pictures": self.pictures,
            "skipped": dict(self.skipped),
            "metric": self.merits[0].name,
            "output": None if self.path is None else str(self.path),
            "networks": [one.to_json() for one in self.networks],
        }

    def tables(self) -> list[Table]:
        """Lay the numbers out: a row a network, a star beside a cost on its front."""
        merits = sorted(self.merits, key=lambda one: list(self.networks[0].merits).index(one.key))
        columns = (
            words("network", flexible=True),
            *numbers("input", "width", "bits", *(f"{one.short}\n%" for one in merits)),
            *numbers("mult.-\nadds ", "para-\nmeters", "weight\nbytes ", "ms "),
        )
        rows = tuple(
            (
                readable(one.name),
                one.input,
                "-" if one.width is None else f"{one.width:g}",
                str(one.bits),
                *(_percent(one.merits[merit.key]) for merit in merits),
                _starred(one, "multiply_adds", count(one.multiply_adds)),
                count(one.parameters),
                _starred(one, "weight_bytes", count(one.weight_bytes)),
                _starred(
                    one,
                    "milliseconds",
                    "-" if one.milliseconds is None else f"{one.milliseconds:.3g}",
                ),
            )
            for one in self.networks
        )
        return [Table(columns, rows)]

    def lines(self) -> list[str]:
        """Say what the stars mean."""
        title = self.merits[0].title
        return [
            f"{self.pictures} pictures; * on the front of {title}: no network here is",
            "as good for less, or better for as much",
        ]

    def to_csv(self) -> str:
        """Give a line a network; on a front is 1 or 0, what was not measured is empty."""
        text = io.StringIO()
        rows = []
        for one in self.networks:
            row = one.to_json()
            fronts = row.pop("on_front")
            rows.append({**row, **{f"front_{cost}": int(on) for cost, on in fronts.items()}})
        names = [*(key for key in rows[0] if not key.startswith("front_"))]
        names += [f"front_{cost}" for cost in COSTS]
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue()

    def _repr_html_(self) -> str:
        """Show the chart and the table in a notebook."""
        svg = self.chart[self.chart.index("<svg") :]
        return svg + result_html(self.tables(), self.lines())


@dataclass(frozen=True)
class _Contestant:
    """A network that is measured.

    Args:
        name: What tells it from the others.
        artifact: It, as it is.
        shipped: As it is shipped: its normalization folded.
    """

    name: str
    artifact: Artifact
    shipped: Network


def compare(
    networks: Sequence[Source],
    data: str | Path | None = None,
    *,
    out: str | Path | None = None,
    split: str | None = None,
    format: str | None = None,
    skip: Collection[str] = (),
    hold_out: str | None = None,
    pictures: int | None = None,
    every: bool = False,
    metric: str | None = None,
    time: bool = True,
    rounds: int = 5,
    progress: Progress = quiet,
) -> CompareResult:
    """Compare what networks of one task are worth with what they cost.

    Float networks are measured as they are shipped, with their normalization folded. A time is the
    processor's for one picture, by the C program on one thread; the networks take turns.

    Args:
        networks: Run folders and ONNX files.
        data: The labeled set: its folder, or the file that describes it.
        out: A folder for pareto.csv and pareto.svg; None: nothing is written.
        split: The split of the set; None: the only one.
        format: The format of the set; None: it is recognized.
        skip: Kinds of problems to leave out.
        hold_out: Measure on pictures held out: "10000" of them, or "0.2" of every class.
        pictures: Evaluate on the first of the pictures only; None: on all.
        every: Whether to take every ONNX file of a run folder, not only network.onnx.
        metric: What is good: for detection "voc07" (mAP) or "ap50"; None: the task's first.
        time: Whether to take the time, for which the networks are compiled.
        rounds: How many turns each network has with the pictures that the time is taken with.
        progress: Takes up how far it is.

    Raises:
        TatamiError: For a bad network or set, for networks of several tasks, for a split with
            nothing to find, and where matplotlib or a compiler is missing.
    """
    if data is None:
        raise TatamiError("no labeled set is given", hint="name one", setting="data")
    root, folder = Path(data), None if out is None else Path(out)
    if folder is not None:
        _check_folder(folder)
    check_plots()
    if time:
        compiler()
    files = files_of([path_of(each) for each in networks], every)
    artifacts = [open_artifact(file) for file in files]
    task = _shared_task(artifacts)
    merits = _with_first(task.merits, metric)
    opened = open_split(task, root, split=split, format=format, skip=skip, hold_out=hold_out)
    chosen = np.arange(min(len(opened.data), pictures or len(opened.data)))
    labeled = task.select(opened.data, chosen)
    if not len(labeled):
        raise TatamiError("there is no picture to measure on", hint="choose another", file=root)
    task.check_findable(labeled)
    contestants = [
        _contestant(name, artifact, labeled.classes)
        for name, artifact in zip(names_of(files), artifacts, strict=True)
    ]
    rows, unreadable = [], 0
    for one in contestants:
        stage = f"Evaluating {readable(one.name)}"
        found = task.evaluate(
            one.artifact.predictor, labeled, skip=skip, progress=progress, stage=stage
        )
        unreadable = found.unreadable
        figures = {merit.key: merit.value(found.result) for merit in task.merits}
        rows.append(_measured(one, figures))
    if time:
        rows = _timed(rows, contestants, task, labeled, rounds, progress)
    rows = _with_fronts(rows, merits[0])
    skipped = Counter(opened.skipped) + Counter({"unreadable-picture": unreadable})
    result = CompareResult(
        root,
        labeled.split,
        len(labeled),
        {kind: number for kind, number in sorted(skipped.items()) if number},
        merits,
        tuple(rows),
        _chart(rows, merits[0]),
        folder,
    )
    if folder is not None:
        # Bytes of a file's name that are no Unicode become escapes.
        write_atomically(folder / CSV, result.to_csv().encode(errors="backslashreplace"))
        write_atomically(folder / CHART, result.chart)
    return result


def _check_folder(path: Path) -> None:
    """Raise OSError, before the long work, where a file stands in a folder's place."""
    nearest = next((one for one in (path, *path.parents) if one.exists()), path)
    if nearest.exists() and not nearest.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(nearest))


# What is measured --------------------------------------------------------------------------------


def files_of(networks: Sequence[Path], every: bool) -> list[Path]:
    """Name the ONNX files that are meant, each once.

    Args:
        networks: Run folders and ONNX files.
        every: Whether to take all of a run folder's.
    """
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
    """Give as much of each path's end as tells it from the others.

    A network.onnx is called as its folder is, where that is a run's.
    """
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


def _shared_task(artifacts: Sequence[Artifact]) -> AnyTask:
    """Give the task of all networks.

    Raises:
        TatamiError: Where there is no network, and where they have several tasks.
    """
    if not artifacts:
        raise TatamiError("no network is given", hint="name some", setting="networks")
    task = artifacts[0].task
    for one in artifacts[1:]:
        if one.task is not task:
            raise TatamiError(
                f"a {one.task.noun} beside a {task.noun}",
                hint="compare networks of one task",
                file=one.path,
            )
    return task


def _with_first(merits: Sequence[Merit[Any]], metric: str | None) -> tuple[Merit[Any], ...]:
    """Put the figure that was asked for first.

    Raises:
        TatamiError: Where there is none of this name.
    """
    names = [one.name for one in merits]
    if metric is not None and metric not in names:
        raise TatamiError(
            f"no metric '{metric}'", hint=f"give {' or '.join(names)}", setting="metric"
        )
    return tuple(sorted(merits, key=lambda one: one.name != (metric or names[0])))


def _contestant(name: str, artifact: Artifact, classes: Sequence[str]) -> _Contestant:
    """Check a network before the long work.

    Raises:
        TatamiError: For a bad one; it names the file.
    """
    parts = parts_of(artifact.path)
    if len(parts) > 1:
        raise TatamiError(
            "what one of several networks costs depends on the picture",
            hint="compare predictors that are one network",
            file=artifact.path,
        )
    network = parts[0].network
    try:
        artifact.task.check_classes(artifact.spec, classes)
        shipped = network if is_quantized(network) else fold(network)[0]
        lower(shipped)
    except TatamiError as error:
        raise error.at(artifact.path) from error
    return _Contestant(name, artifact, shipped)


def _measured(one: _Contestant, merits: Mapping[str, float]) -> Compared:
    """Give everything but the time and the fronts."""
    whole = total(costs(one.shipped))
    spec = one.artifact.spec
    width = re.search(r"\bwidth ([\d.]+)", spec.provenance.get("model", ""))
    bits = re.match(r"(\d+) bits", spec.provenance.get("quantized", ""))
    return Compared(
        name=one.name,
        file=str(one.artifact.path),
        input=str(spec.input.size),
        width=float(width[1]) if width else None,
        bits=(int(bits[1]) if bits else 8) if is_quantized(one.shipped) else 32,
        merits=merits,
        multiply_adds=whole.multiply_adds,
        operations=whole.operations,
        parameters=whole.parameters,
        weight_bytes=whole.weight_bytes,
        milliseconds=None,
        on_front={},
    )


def _timed(
    rows: Sequence[Compared],
    contestants: Sequence[_Contestant],
    task: AnyTask,
    labeled: Any,
    rounds: int,
    progress: Progress,
) -> list[Compared]:
    """Add the times."""
    pictures = []
    for place in range(len(labeled)):
        try:
            pictures.append(task.picture(labeled, place))
        except TatamiError:
            continue  # it is among what was skipped
        if len(pictures) == TIMED:
            break
    with compiled([one.shipped for one in contestants], progress=progress) as programs:
        found = milliseconds(task.look, programs, pictures, rounds, progress=progress)
    return [replace(row, milliseconds=one) for row, one in zip(rows, found, strict=True)]


def _with_fronts(rows: Sequence[Compared], merit: Merit[Any]) -> list[Compared]:
    """Add for each cost that was measured who is on the front."""
    scores = np.array([row.merits[merit.key] for row in rows], float)
    fronts: list[dict[str, bool]] = [{} for _ in rows]
    for cost in COSTS:
        values = [getattr(row, cost) for row in rows]
        if None in values:
            continue
        on_front = pareto_front(np.array(values, float), scores)
        for own, on in zip(fronts, on_front.tolist(), strict=True):
            own[cost] = on
    return [replace(row, on_front=own) for row, own in zip(rows, fronts, strict=True)]


# What is shown -----------------------------------------------------------------------------------


def _starred(one: Compared, cost: str, text: str) -> str:
    return text + ("*" if one.on_front.get(cost) else " ")


def _percent(share: float) -> str:
    return "-" if math.isnan(share) else f"{100 * share:.2f}"


def _chart(rows: Sequence[Compared], merit: Merit[Any]) -> str:
    """Draw a panel for each cost that was measured, as SVG."""
    marks = [Mark(row.name, 100 * row.merits[merit.key], row.bits < 32) for row in rows]
    panels = [
        CostPanel(
            title,
            [float(getattr(row, cost)) for row in rows],
            [row.on_front[cost] for row in rows],
        )
        for cost, title in COSTS.items()
        if cost in rows[0].on_front
    ]
    return pareto_chart(marks, panels, f"{merit.title}, %")
