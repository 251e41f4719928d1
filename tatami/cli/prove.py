"""``tatami prove``: every form of a network held to the one before, on labelled pictures."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console

from tatami import graph
from tatami.cli.artefact import open_detector
from tatami.cli.evaluate import SCORE, detect_all
from tatami.data.open import open_dataset
from tatami.data.pictures import read_picture
from tatami.detector import ForwardDetector
from tatami.errors import TatamiError
from tatami.evaluate.detections import evaluate
from tatami.picture import prepare
from tatami.ship.c.run import CompiledDetector
from tatami.ship.prove import Ledger, Row, Stage, hold_boxes, hold_maps, hold_pictures
from tatami.types import Dataset, Float32, NetworkSpec, Picture

WIDTH = 80
LOOKED_AT = 8
"""Pictures whose maps, layers and boxes are compared number by number; mAP is of all."""


def prove(
    artefacts: Annotated[
        list[Path],
        typer.Argument(help="A run folder with what came of it, or files and folders in order."),
    ],
    data: Annotated[Path | None, typer.Option(help="The labelled set.")] = None,
    split: Annotated[str | None, typer.Option(help="The set's split, as test.")] = None,
    format: Annotated[str | None, typer.Option(help="voc, coco or yolo; else recognised.")] = None,
    skip: Annotated[
        list[str] | None, typer.Option(help="Accept this kind of problem; may be repeated.")
    ] = None,
    pictures: Annotated[
        int | None, typer.Option(min=1, help="Only so many of the split's pictures.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, no table.")] = False,
) -> None:
    """Print the ledger of a network's stages; exit with 1 where one is outside its bound."""
    if data is None:
        raise TatamiError("no labelled set given", mend="name it with --data")
    paths = [path for artefact in artefacts for path in stages_of(artefact)]
    stages = [open_stage(path) for path in paths]
    opened = open_dataset(data, split=split, format=format, skip=skip or ())
    dataset = replace(opened.dataset, samples=opened.dataset.samples[:pictures])
    if not len(dataset):
        raise TatamiError("there is no picture to prove it on", mend="check --split", file=data)
    skipped = Counter(opened.skipped)
    result = ledger(stages, dataset, skip=skip or (), progress=not as_json)
    if as_json:
        answer = {"data": str(data), "split": dataset.split, "pictures": len(dataset)}
        print(json.dumps({**answer, "skipped": skipped, **result.to_json()}, indent=2))
    else:
        console = Console(width=WIDTH, highlight=False)
        console.print(result.table())
        looked_at = min(LOOKED_AT, len(dataset))
        console.print(f"mAP of {len(dataset)} pictures, differences of {looked_at}")
        for kind, count in sorted(skipped.items()):
            console.print(f"skipped {count} x {kind}", markup=False)
        for line in result.failures():
            console.print(line, markup=False, soft_wrap=True, style="red")
        console.print("proved" if result.passed else "NOT proved", markup=False)
    if not result.passed:
        raise typer.Exit(1)


def ledger(
    stages: Sequence[Stage], dataset: Dataset, *, skip: Sequence[str] = (), progress: bool = False
) -> Ledger:
    """The rows of some stages, each held to the one before. Raises TatamiError where they differ
    in what they are for: other classes, another input."""
    samples = dataset.samples[:LOOKED_AT]
    looked_at = [read_picture(sample.path) for sample in samples]
    rows: list[Row] = []
    held_to: Stage | None = None
    mean_ap: float | None = None
    for stage in stages:
        found = detect_all(
            stage.detector, dataset, SCORE, skip=skip, title=stage.name if progress else None
        )
        truths = [sample.boxes for sample in found.samples]
        result = evaluate(truths, found.detections, dataset.classes)
        row = Row(stage.name)
        if held_to is not None:
            _check_same_use(stage, held_to)
            images = (_image(picture, stage.spec) for picture in looked_at)
            row = hold_maps(stage, held_to, images)
        row = replace(
            row,
            mean_ap=result.map_voc07,
            mean_ap_held_to=mean_ap,
            size=stage.size,
            milliseconds=1000 * found.seconds / len(found.samples),
        )
        rows.append(row)
        if stage.prepare is not None:
            rule = ForwardDetector(stage.spec, stage.forward)
            expected = [_image(picture, stage.spec)[0] for picture in looked_at]
            rows.append(hold_pictures(stage, looked_at, expected))
            rows.append(hold_boxes(stage, rule, looked_at, stage.spec.decoding.score_threshold))
        held_to, mean_ap = stage, result.map_voc07
    return Ledger(tuple(rows))


def stages_of(artefact: Path) -> list[Path]:
    """An artefact itself; of a run folder, itself and what later stages left in it, in order."""
    if not (artefact / "run.json").is_file():
        return [artefact]
    files = sorted(artefact.glob("*.onnx"), key=lambda file: (len(file.stem), file.stem))
    folders = sorted(file.parent for file in artefact.glob("*/network.json"))
    return [artefact, *files, *folders]


def open_stage(path: Path) -> Stage:
    """A run folder, an ONNX file or a shipped C folder as a stage of the ledger."""
    name = path.resolve().stem
    detector = open_detector(path)
    if isinstance(detector, CompiledDetector):
        source = sum(
            file.stat().st_size
            for file in path.iterdir()
            if file.name.startswith(detector.name) and file.suffix in (".c", ".h", ".S", ".bin")
        )
        return Stage(
            "C" if name == "c" else f"C {name}",
            detector.spec,
            detector,
            detector.forward,
            detector.values,
            detector.prepare,
            source,
        )
    assert isinstance(detector, ForwardDetector)
    if path.is_dir():
        weights = path / "weights.safetensors"
        size = weights.stat().st_size if weights.is_file() else 0
        return Stage("torch", detector.spec, detector, detector.forward, None, None, size)
    network = graph.read(path)

    def values(images: Float32) -> dict[str, Float32]:
        return graph.values(network, images)

    return Stage(name, detector.spec, detector, detector.forward, values, None, path.stat().st_size)


def _image(picture: Picture, spec: NetworkSpec) -> Float32:
    """The network's input of one picture, (1, 3, H, W), by the written rule."""
    image, _ = prepare(picture, spec.input)
    return np.ascontiguousarray(image[None])


def _check_same_use(stage: Stage, held_to: Stage) -> None:
    for what in ("classes", "input", "decoding"):
        if getattr(stage.spec, what) != getattr(held_to.spec, what):
            raise TatamiError(
                f"{stage.name} and {held_to.name} differ in their {what}",
                mend="prove the stages of one network",
            )
