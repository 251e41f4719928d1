"""``tatami predict``: run a detector on pictures; write them with the boxes drawn, and JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, cast

import numpy as np
import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tatami.cli.drawings import check_replaceable, free_name, save_picture
from tatami.data.class_weights import pixel_counts
from tatami.data.masks import usual_colors
from tatami.data.pictures import SUFFIXES, read_picture
from tatami.errors import TatamiError, printable
from tatami.files import folder_written_atomically, write_atomically
from tatami.pipeline.artifact import check_seen, is_classifier, is_segmenter, open_artifact, seen
from tatami.see.draw import draw_classes, draw_detections
from tatami.see.overlay import overlay as overlay_of
from tatami.see.overlay import palette
from tatami.tasks.walk import WIDTH, answers, check_share
from tatami.types import (
    Classifier,
    Detections,
    DetectionSpec,
    Detector,
    Segmenter,
    Size,
    TwoStageSpec,
)

RESULT, CLASSES, SEGMENTS = "detections.json", "classes.json", "segments.json"
TOP = 5
"""Classes that are told of a picture."""


def predict(
    artifact: Annotated[
        Path, typer.Argument(help="A run folder, an ONNX file or a shipped C folder.")
    ],
    pictures: Annotated[list[Path], typer.Argument(help="Pictures, or folders of pictures.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for the drawn pictures and the JSON.")
    ] = Path("predictions"),
    score: Annotated[
        float | None,
        typer.Option(help="Report what scores above this; the network's own if left out."),
    ] = None,
    overlap: Annotated[
        int | None,
        typer.Option(help="Of a segmenter: in tiles at the pictures' own size, so many pixels."),
    ] = None,
    turned: Annotated[
        bool, typer.Option("--turned", help="Of a segmenter: the mean of every turn of a picture.")
    ] = False,
    skip: Annotated[
        list[str] | None, typer.Option(help="Accept a kind of problem: unreadable-picture.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, no table.")] = False,
) -> None:
    """Find boxes in pictures; write OUT/detections.json and the pictures with the boxes drawn.

    A classifier's likeliest classes go to OUT/classes.json and are written on the pictures. A
    segmenter's classes are laid over the pictures, and lie beside them as index pictures; what they
    make up goes to OUT/segments.json.
    """
    if score is not None:
        check_share("--score", score)
    for kind in skip or []:
        if kind != "unreadable-picture":
            raise TatamiError(
                f"'{kind}' cannot be skipped here", hint="only unreadable-picture can"
            )
    opened = open_artifact(artifact)
    check_seen(opened, overlap, turned=turned)
    paths = listed(pictures)
    lists = (RESULT, CLASSES, SEGMENTS)
    check_replaceable(out, dict.fromkeys(lists, _drawn_before), "older prediction")
    if is_classifier(opened):
        _name_all(opened, artifact, paths, out, skip or (), as_json)
        return
    if is_segmenter(opened):
        segmenter = seen(opened, overlap, turned=turned)
        _segment_all(segmenter, artifact, paths, out, skip or (), as_json)
        return
    detector = cast(Detector, opened)
    threshold = detector.spec.decoding.score_threshold if score is None else score

    predictions: list[Prediction] = []
    unreadable: list[Path] = []
    names = _drawn_names(paths)
    # Everything is written beside OUT and moved there at the end: an error leaves nothing behind.
    with folder_written_atomically(out) as folder:
        for answer in answers(
            lambda picture: detector.detect(picture, threshold),
            paths,
            read_picture,
            unreadable,
            file=paths[0],
            skip=skip or (),
            title="Detecting",
        ):
            path, picture, found = answer.item, answer.picture, answer.found
            drawn = draw_detections(picture, found, detector.spec.classes)
            save_picture(drawn, folder / names[path], out)
            size = Size(picture.shape[1], picture.shape[0])
            predictions.append(Prediction(path, names[path], size, found, answer.seconds))
        told = to_json(artifact, detector.spec, threshold, predictions, unreadable)
        write_atomically(folder / RESULT, json.dumps(told, indent=1, allow_nan=False) + "\n")

    if as_json:
        print(json.dumps(told, indent=2, allow_nan=False))
        return
    console = Console(width=WIDTH, highlight=False)
    console.print(table(predictions, detector.spec.classes))
    if unreadable:
        console.print(f"skipped {len(unreadable)} x unreadable-picture", markup=False)
    console.print(f"wrote {printable(out)}: {len(predictions)} pictures, {RESULT}", markup=False)


def _name_all(
    classifier: Classifier,
    artifact: Path,
    paths: list[Path],
    out: Path,
    skip: Collection[str],
    as_json: bool,
) -> None:
    """The likeliest classes of every picture, to OUT/classes.json, and onto the pictures."""
    classes = classifier.spec.classes
    names = _drawn_names(paths)
    told: list[dict[str, Any]] = []
    unreadable: list[Path] = []
    with folder_written_atomically(out) as folder:
        for one in answers(
            classifier.classify,
            paths,
            read_picture,
            unreadable,
            file=paths[0],
            skip=skip,
            title="Classifying",
        ):
            path, picture, scores = one.item, one.picture, one.found
            best = np.argsort(-scores, kind="stable")[:TOP].tolist()
            drawn = draw_classes(picture, best, scores[best].tolist(), classes)
            save_picture(drawn, folder / names[path], out)
            told.append(
                {
                    "picture": str(path),
                    "drawn": names[path],
                    "size": str(Size(picture.shape[1], picture.shape[0])),
                    "seconds": one.seconds,
                    "classes": [
                        {"class": classes[label], "score": float(scores[label])} for label in best
                    ],
                }
            )
        answer = {
            "artifact": str(artifact),
            "classes": list(classes),
            "unreadable": [str(path) for path in unreadable],
            "pictures": told,
        }
        write_atomically(folder / CLASSES, json.dumps(answer, indent=1, allow_nan=False) + "\n")
    if as_json:
        print(json.dumps(answer, indent=2, allow_nan=False))
        return
    lines = [
        ", ".join(f"{each['class']} {each['score']:.2f}" for each in one["classes"][:3])
        for one in told
    ]
    _print_told(told, lines, unreadable, f"{printable(out)}: {len(told)} pictures, {CLASSES}")


def _segment_all(
    segmenter: Segmenter,
    artifact: Path,
    paths: list[Path],
    out: Path,
    skip: Collection[str],
    as_json: bool,
) -> None:
    """The classes of every picture's pixels, laid over the picture, and as a palette picture each;
    what they make up, to OUT/segments.json."""
    classes = segmenter.spec.classes
    colors = usual_colors(len(classes))
    taken: set[str] = set()
    names = {path: free_name(path.stem, taken) for path in paths}
    masks = {path: free_name(f"{path.stem}-mask", taken) for path in paths}
    told: list[dict[str, Any]] = []
    unreadable: list[Path] = []
    with folder_written_atomically(out) as folder:
        for one in answers(
            segmenter.segment,
            paths,
            read_picture,
            unreadable,
            file=paths[0],
            skip=skip,
            title="Segmenting",
        ):
            path, picture, mask = one.item, one.picture, one.found
            save_picture(overlay_of(picture, mask, colors), folder / names[path], out)
            save_picture(mask, folder / masks[path], out, palette(colors))
            shares = pixel_counts(mask, len(classes)) / mask.size
            order = np.argsort(-shares, kind="stable").tolist()
            told.append(
                {
                    "picture": str(path),
                    "drawn": names[path],
                    "mask": masks[path],
                    "size": str(Size(picture.shape[1], picture.shape[0])),
                    "seconds": one.seconds,
                    "classes": [
                        {"class": classes[label], "share": float(shares[label])}
                        for label in order
                        if shares[label]
                    ],
                }
            )
        answer = {
            "artifact": str(artifact),
            "classes": list(classes),
            "colors": [list(color) for color in colors],
            "unreadable": [str(path) for path in unreadable],
            "pictures": told,
        }
        write_atomically(folder / SEGMENTS, json.dumps(answer, indent=1, allow_nan=False) + "\n")
    if as_json:
        print(json.dumps(answer, indent=2, allow_nan=False))
        return
    lines = [
        ", ".join(f"{each['class']} {each['share']:.0%}" for each in one["classes"][:4])
        for one in told
    ]
    _print_told(told, lines, unreadable, f"{printable(out)}: {len(told)} pictures, {SEGMENTS}")


def _print_told(
    told: list[dict[str, Any]], lines: list[str], unreadable: list[Path], wrote: str
) -> None:
    """A row a picture, with its line about the classes."""
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0), width=WIDTH)
    table.add_column("picture", overflow="ellipsis", no_wrap=True, ratio=1)
    table.add_column("ms", justify="right", no_wrap=True)
    table.add_column("classes", overflow="ellipsis", no_wrap=True, ratio=2)
    for one, line in zip(told, lines, strict=True):
        name = printable(Path(one["picture"]).name)
        table.add_row(escape(name), f"{1000 * one['seconds']:.1f}", escape(line))
    console = Console(width=WIDTH, highlight=False)
    console.print(table)
    if unreadable:
        console.print(f"skipped {len(unreadable)} x unreadable-picture", markup=False)
    console.print(f"wrote {wrote}", markup=False)


@dataclass(frozen=True)
class Prediction:
    """What was found in one picture. drawn: the name of its file in the output folder."""

    path: Path
    drawn: str
    size: Size
    detections: Detections
    seconds: float


def listed(inputs: list[Path]) -> list[Path]:
    """The pictures named, and those directly in the folders named, each once, in order.

    Raises TatamiError for a path that is not there and for a folder without pictures.
    """
    found: dict[Path, None] = {}
    for path in inputs:
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES)
            if not inside:
                raise TatamiError(
                    "no picture in this folder", hint="name the folder that holds them", file=path
                )
            found.update(dict.fromkeys(inside))
        elif path.exists():
            found[path] = None
        else:
            raise TatamiError("no such picture or folder", hint="check the path", file=path)
    return list(found)


def to_json(
    artifact: Path,
    spec: DetectionSpec | TwoStageSpec,
    score: float,
    predictions: list[Prediction],
    unreadable: list[Path],
) -> dict[str, Any]:
    """What detections.json holds; a box is [x1, y1, x2, y2], edges in the picture's pixels."""
    return {
        "artifact": str(artifact),
        "classes": list(spec.classes),
        "score": score,
        "unreadable": [str(path) for path in unreadable],
        "pictures": [
            {
                "picture": str(p.path),
                "drawn": p.drawn,
                "size": str(p.size),
                "detections": [
                    {"class": spec.classes[label], "score": confidence, "box": xyxy}
                    for xyxy, confidence, label in zip(
                        p.detections.xyxy.tolist(),
                        p.detections.scores.tolist(),
                        p.detections.labels.tolist(),
                        strict=True,
                    )
                ],
            }
            for p in predictions
        ],
    }


def table(predictions: list[Prediction], classes: tuple[str, ...]) -> Table:
    """A row a picture, at most 80 columns wide."""
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0), width=WIDTH)
    table.add_column("picture", overflow="ellipsis", no_wrap=True, ratio=1)
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("ms", justify="right", no_wrap=True)
    table.add_column("found", overflow="ellipsis", no_wrap=True, ratio=1)
    for p in predictions:
        counts = Counter(classes[label] for label in p.detections.labels.tolist())
        found = ", ".join(f"{count} {name}" for name, count in counts.most_common()) or "nothing"
        table.add_row(
            escape(printable(p.path.name)), str(p.size), f"{1000 * p.seconds:.0f}", escape(found)
        )
    return table


def _drawn_names(paths: list[Path]) -> dict[Path, str]:
    """A file name for each picture's drawing; of equal stems, the later ones are numbered."""
    taken: set[str] = set()
    return {path: free_name(path.stem, taken) for path in paths}


def _drawn_before(older: Any) -> list[str]:
    """The pictures that an older list tells of."""
    return [entry[key] for entry in older["pictures"] for key in ("drawn", "mask") if key in entry]
