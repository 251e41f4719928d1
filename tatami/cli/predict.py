"""``tatami predict``: run a detector on pictures; write them with the boxes drawn, and JSON."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, cast

import numpy as np
import typer
from PIL import Image
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tatami.cli.artefact import in_tiles, is_classifier, is_segmenter, open_artefact
from tatami.cli.running import WIDTH, check_share, shown_progress
from tatami.data.class_weights import pixel_counts
from tatami.data.masks import usual_colours
from tatami.data.pictures import SUFFIXES, read_picture
from tatami.errors import TatamiError, printable
from tatami.files import folder_written_atomically, write_atomically
from tatami.see.draw import draw_classes, draw_detections
from tatami.see.overlay import overlay as overlay_of
from tatami.see.overlay import palette
from tatami.types import Classifier, Detections, Detector, NetworkSpec, Picture, Segmenter, Size

RESULT, CLASSES, SEGMENTS = "detections.json", "classes.json", "segments.json"
MASKS = "masks"
"""A folder in the output for the masks themselves."""
TOP = 5
"""Classes that are told of a picture."""


def predict(
    artefact: Annotated[
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
    skip: Annotated[
        list[str] | None, typer.Option(help="Accept a kind of problem: unreadable-picture.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, no table.")] = False,
) -> None:
    """Find boxes in pictures; write OUT/detections.json and the pictures with the boxes drawn.

    A classifier's likeliest classes go to OUT/classes.json and are written on the pictures. A
    segmenter's classes are laid over the pictures, and are themselves in OUT/masks; what they make
    up goes to OUT/segments.json.
    """
    if score is not None:
        check_share("--score", score)
    for kind in skip or []:
        if kind != "unreadable-picture":
            raise TatamiError(
                f"'{kind}' cannot be skipped here", mend="only unreadable-picture can"
            )
    opened = open_artefact(artefact)
    if overlap is not None and not is_segmenter(opened):
        raise TatamiError("--overlap is for segmenters", mend="leave it out")
    paths = listed(pictures)
    _check_replaceable(out)
    if is_classifier(opened):
        _name_all(opened, artefact, paths, out, bool(skip), as_json)
        return
    if is_segmenter(opened):
        _segment_all(in_tiles(opened, overlap), artefact, paths, out, bool(skip), as_json)
        return
    detector = cast(Detector, opened)
    if score is None:
        score = detector.spec.decoding.score_threshold

    predictions: list[Prediction] = []
    unreadable: list[Path] = []
    names = _drawn_names(paths)
    # Everything is written beside OUT and moved there at the end: an error leaves nothing behind.
    with folder_written_atomically(out) as folder:
        for path in shown_progress(paths, "Detecting"):
            try:
                picture = read_picture(path)
            except TatamiError:
                if not skip:
                    raise
                unreadable.append(path)
                continue
            started = time.perf_counter()
            found = detector.detect(picture, score)
            seconds = time.perf_counter() - started
            drawn = draw_detections(picture, found, detector.spec.classes)
            _save(drawn, folder / names[path], out)
            size = Size(picture.shape[1], picture.shape[0])
            predictions.append(Prediction(path, names[path], size, found, seconds))
        if not predictions:
            raise TatamiError("not one picture can be read", mend="check them", file=paths[0])
        answer = to_json(artefact, detector.spec, score, predictions, unreadable)
        write_atomically(folder / RESULT, json.dumps(answer, indent=1, allow_nan=False) + "\n")

    if as_json:
        print(json.dumps(answer, indent=2, allow_nan=False))
        return
    console = Console(width=WIDTH, highlight=False)
    console.print(table(predictions, detector.spec.classes))
    if unreadable:
        console.print(f"skipped {len(unreadable)} x unreadable-picture", markup=False)
    console.print(f"wrote {printable(out)}: {len(predictions)} pictures, {RESULT}", markup=False)


def _name_all(
    classifier: Classifier, artefact: Path, paths: list[Path], out: Path, skip: bool, as_json: bool
) -> None:
    """The likeliest classes of every picture, to OUT/classes.json, and onto the pictures."""
    classes = classifier.spec.classes
    names = _drawn_names(paths)
    told: list[dict[str, Any]] = []
    unreadable: list[Path] = []
    with folder_written_atomically(out) as folder:
        for path in shown_progress(paths, "Classifying"):
            try:
                picture = read_picture(path)
            except TatamiError:
                if not skip:
                    raise
                unreadable.append(path)
                continue
            started = time.perf_counter()
            scores = classifier.classify(picture)
            seconds = time.perf_counter() - started
            best = np.argsort(-scores, kind="stable")[:TOP].tolist()
            drawn = draw_classes(picture, best, scores[best].tolist(), classes)
            _save(drawn, folder / names[path], out)
            told.append(
                {
                    "picture": str(path),
                    "drawn": names[path],
                    "size": str(Size(picture.shape[1], picture.shape[0])),
                    "seconds": seconds,
                    "classes": [
                        {"class": classes[label], "score": float(scores[label])} for label in best
                    ],
                }
            )
        if not told:
            raise TatamiError("not one picture can be read", mend="check them", file=paths[0])
        answer = {
            "artefact": str(artefact),
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
    segmenter: Segmenter, artefact: Path, paths: list[Path], out: Path, skip: bool, as_json: bool
) -> None:
    """The classes of every picture's pixels, as a palette picture each, laid over the picture, and
    to OUT/segments.json."""
    classes = segmenter.spec.classes
    colours = usual_colours(len(classes))
    names = _drawn_names(paths)
    told: list[dict[str, Any]] = []
    unreadable: list[Path] = []
    with folder_written_atomically(out) as folder:
        (folder / MASKS).mkdir()
        for path in shown_progress(paths, "Segmenting"):
            try:
                picture = read_picture(path)
            except TatamiError:
                if not skip:
                    raise
                unreadable.append(path)
                continue
            started = time.perf_counter()
            mask = segmenter.segment(picture)
            seconds = time.perf_counter() - started
            _save(overlay_of(picture, mask, colours), folder / names[path], out)
            indexed = Image.fromarray(mask)
            indexed.putpalette(palette(colours))
            indexed.save(folder / MASKS / names[path], "PNG")
            shares = pixel_counts(mask, len(classes)) / mask.size
            order = np.argsort(-shares, kind="stable").tolist()
            told.append(
                {
                    "picture": str(path),
                    "drawn": names[path],
                    "mask": f"{MASKS}/{names[path]}",
                    "size": str(Size(picture.shape[1], picture.shape[0])),
                    "seconds": seconds,
                    "classes": [
                        {"class": classes[label], "share": float(shares[label])}
                        for label in order
                        if shares[label]
                    ],
                }
            )
        if not told:
            raise TatamiError("not one picture can be read", mend="check them", file=paths[0])
        answer = {
            "artefact": str(artefact),
            "classes": list(classes),
            "colours": [list(colour) for colour in colours],
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
                    "no picture in this folder", mend="name the folder that holds them", file=path
                )
            found.update(dict.fromkeys(inside))
        elif path.exists():
            found[path] = None
        else:
            raise TatamiError("no such picture or folder", mend="check the path", file=path)
    return list(found)


def to_json(
    artefact: Path,
    spec: NetworkSpec,
    score: float,
    predictions: list[Prediction],
    unreadable: list[Path],
) -> dict[str, Any]:
    """What detections.json holds; a box is [x1, y1, x2, y2], edges in the picture's pixels."""
    return {
        "artefact": str(artefact),
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


def _save(drawn: Picture, file: Path, out: Path) -> None:
    try:
        Image.fromarray(drawn).save(file, "PNG", compress_level=1)
    except OSError as error:
        error.filename = str(out)  # the name that the user knows
        raise


def _drawn_names(paths: list[Path]) -> dict[Path, str]:
    """A file name for each picture's drawing; of equal stems, the later ones are numbered."""
    names: dict[Path, str] = {}
    taken: set[str] = set()
    for path in paths:
        name, number = f"{path.stem}.png", 1
        while name.lower() in taken:  # some file systems do not tell upper case from lower
            number += 1
            name = f"{path.stem}-{number}.png"
        taken.add(name.lower())
        names[path] = name
    return names


def _check_replaceable(out: Path) -> None:
    """Raise TatamiError if replacing the folder would lose anything but older predictions."""
    if not out.exists():
        return
    if not out.is_dir():
        raise TatamiError("is a file", mend="name a folder with --out", file=out)
    held = {path.name for path in out.iterdir()}
    if (out / MASKS).is_dir():
        held |= {f"{MASKS}/{path.name}" for path in (out / MASKS).iterdir()}
    ours: set[str] = set()
    for name in (RESULT, CLASSES, SEGMENTS):
        try:
            older = json.loads((out / name).read_bytes())
            ours |= {name, *(entry["drawn"] for entry in older["pictures"])}
            if name == SEGMENTS:
                ours |= {MASKS, *(entry["mask"] for entry in older["pictures"])}
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            pass  # not written by us: then nothing in the folder is
    if held - ours:
        raise TatamiError(
            f"the folder holds '{min(held - ours)}', which is no older prediction",
            mend="name a new folder with --out",
            file=out,
        )
