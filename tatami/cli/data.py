"""``tatami data``: look at a labeled set before training on it, or make one."""

from __future__ import annotations

import io
import itertools
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import typer
from PIL import Image
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from tatami.cli.data_augment import augment
from tatami.cli.data_masks import mask_cell, masks_as_json, print_masks
from tatami.data.digits import write_digits
from tatami.data.inspect import (
    ASPECT_EDGES,
    SIZE_EDGES,
    Inspection,
    LabeledInspection,
    aspect_ratios,
    box_counts,
    histogram,
    inspect,
    inspect_labeled,
    relative_sizes,
    unique_samples,
)
from tatami.data.inspect_masks import MaskInspection, inspect_masks
from tatami.data.katakana import CLASSES as KATAKANA
from tatami.data.katakana import write_katakana
from tatami.data.open import kind_of
from tatami.data.pictures import read_picture
from tatami.data.problems import KINDS, Problem, check_kinds
from tatami.errors import TatamiError
from tatami.files import write_atomically
from tatami.see.contact_sheet import contact_sheet
from tatami.tasks.walk import plain_table
from tatami.types import Boxes, LabeledPictures, Picture, Sample, Size

Looked = Inspection | LabeledInspection | MaskInspection

data_app = typer.Typer(
    help="Look at a labeled set and its variations, or make one.", no_args_is_help=True
)
data_app.command("augment")(augment)

_WIDTH = 80
_SHEET_PICTURES = 24


@data_app.command("show")
def show(
    data: Path = typer.Argument(..., help="Folder, .yaml or .json of a labeled set."),
    split: str | None = typer.Option(None, help="One split; else all."),
    format: str | None = typer.Option(
        None, help="As voc, coco, yolo, folders, masks, voc-masks; else recognized."
    ),
    skip: list[str] = typer.Option([], help="Accept this kind of problem; may be repeated."),
    draw: Path | None = typer.Option(None, help="Write a contact sheet, as sheet.png."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON instead of tables."),
) -> None:
    """Print classes, counts, sizes and everything wrong; exit with 2 if anything is."""
    check_kinds(skip)
    if draw is not None and draw.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise TatamiError("not a name for a picture", hint="name it sheet.png", file=draw)
    looks: dict[str, Callable[..., Looked]] = {
        "boxes": inspect,
        "classes": inspect_labeled,
        "masks": inspect_masks,
    }
    look = looks[kind_of(data, format)]
    with _progress("Checking") as progress:
        found = look(data, split=split, format=format, progress=progress)
    refused = [problem for problem in found.problems if problem.kind not in skip]
    skipped = Counter(problem.kind for problem in found.problems if problem.kind in skip)
    if as_json:
        told = masks_as_json(found) if isinstance(found, MaskInspection) else _as_json(found)
        told["problems"] = _problems_as_json(found.problems, skip)
        print(json.dumps(told, indent=2, ensure_ascii=True))
    else:
        console = Console(width=min(_WIDTH, Console().width), highlight=False)
        if isinstance(found, MaskInspection):
            print_masks(console, found)
        elif isinstance(found, LabeledInspection):
            _print_labeled(console, found)
        else:
            _print_tables(console, found)
        print()
        _print_problems(refused, skipped)
    if draw is not None:
        _write_sheet(found, draw)
    if refused:
        text = "1 problem" if len(refused) == 1 else f"{len(refused)} problems"
        verdict = TatamiError(text, hint="fix the set, or accept kinds with --skip", file=data)
        sys.stdout.flush()  # a full disk is told in place of the verdict, not after it
        typer.echo(f"tatami: {verdict}", err=True)  # the list itself is what was asked for
        raise typer.Exit(2)


@data_app.command("digits")
def digits(
    out: Path = typer.Argument(..., help="Folder to write, in PASCAL VOC layout."),
    train: int = typer.Option(3000, help="Pictures to train on."),
    test: int = typer.Option(300, help="Pictures to test on."),
    size: str = typer.Option("128x128", help="Of every picture, width x height."),
    seed: int = typer.Option(0, help="The same seed writes the same bytes."),
) -> None:
    """Write the embedded set: real handwritten digits drawn onto real photos."""
    with _progress("Drawing") as progress:
        write_digits(
            out, train=train, test=test, size=Size.parse(size), seed=seed, progress=progress
        )
    print(f"{out}: {train} pictures to train on, {test} to test on")


@data_app.command("katakana")
def katakana(
    out: Path = typer.Argument(..., help="Folder to write: train/CLASS and test/CLASS."),
    per_class: int = typer.Option(500, help="Of each class to train on; a fifth more to test."),
    fonts: list[Path] = typer.Option([], help="A font or a folder of them; may be repeated."),
    seed: int = typer.Option(0, min=0, help="The same seed and fonts write the same bytes."),
) -> None:
    """Render fifteen katakana, ア to ソ, from Japanese fonts: 28x28, one class a picture."""
    with _progress("Rendering") as progress:
        used = write_katakana(out, per_class=per_class, fonts=fonts, seed=seed, progress=progress)
    names = ", ".join(path.name for path in used)
    print(f"{out}: {per_class} pictures of each of {len(KATAKANA)} classes, from {names}")


@contextmanager
def _progress(title: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error, only where that is a terminal."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _print_tables(console: Console, found: Inspection) -> None:
    samples = unique_samples(found.datasets.values())
    boxes, pictures = box_counts(samples, len(found.classes))
    console.print(
        f"{escape(str(found.root))}: {found.format}, {len(samples)} pictures, "
        f"{boxes.sum()} boxes, {len(found.classes)} classes",
        soft_wrap=True,
    )
    table = plain_table("class", "name", "boxes", "pictures", title="Classes")
    for at, name in enumerate(found.classes):
        table.add_row(str(at), escape(name), str(boxes[at]), str(pictures[at]))
    console.print(table)

    table = plain_table(
        "split", "pictures", "without boxes", "boxes", "difficult", "crowd", title="Splits"
    )
    for split, dataset in found.datasets.items():
        own = dataset.samples
        table.add_row(
            escape(split),
            str(len(own)),
            str(sum(len(sample.boxes) == 0 for sample in own)),
            str(sum(len(sample.boxes) for sample in own)),
            str(sum(int(sample.boxes.difficult.sum()) for sample in own)),
            str(sum(int(sample.boxes.crowd.sum()) for sample in own)),
        )
    console.print(table)

    console.print(_sizes_table(_picture_sizes(sample.size for sample in samples)))

    shares = histogram(relative_sizes(samples), SIZE_EDGES)
    names = [f"{low:.0%} to {high:.0%}" for low, high in _bins(SIZE_EDGES)]
    _print_histogram(console, "Box size: square root of its share of the picture", names, shares)
    ratios = histogram(aspect_ratios(samples), ASPECT_EDGES)
    names = [f"{low:.2f} to {high:.2f}" for low, high in _bins(ASPECT_EDGES)]
    names[-1] = f"{ASPECT_EDGES[-2]:.2f} and more"
    _print_histogram(console, "Box aspect: width over height", names, ratios)


def _print_labeled(console: Console, found: LabeledInspection) -> None:
    console.print(
        f"{escape(str(found.root))}: {found.format}, {len(found.sizes)} pictures, "
        f"{len(found.classes)} classes",
        soft_wrap=True,
    )
    table = plain_table("class", "name", *map(escape, found.splits), title="Classes")
    counts = [_class_counts(pictures) for pictures in found.splits.values()]
    for at, name in enumerate(found.classes):
        table.add_row(str(at), escape(name), *(str(of_split[at]) for of_split in counts))
    table.add_section()
    table.add_row("", "all", *(str(sum(of_split)) for of_split in counts))
    console.print(table)
    console.print(_sizes_table(_picture_sizes(found.sizes)))


def _class_counts(pictures: LabeledPictures) -> list[int]:
    """Pictures of each class."""
    counts: list[int] = np.bincount(pictures.labels, minlength=len(pictures.classes)).tolist()
    return counts


def _sizes_table(sizes: dict[str, int]) -> Table:
    table = plain_table("size", "pictures", title="Picture sizes")
    for size, count in list(sizes.items())[:10]:
        table.add_row(size, str(count))
    if len(sizes) > 10:
        table.add_row(f"and {len(sizes) - 10} more", str(sum(list(sizes.values())[10:])))
    return table


def _print_histogram(
    console: Console, title: str, names: Sequence[str], counts: Sequence[int]
) -> None:
    longest = max(*counts, 1)
    ink = "█" if console.encoding.startswith("utf") else "#"
    table = plain_table("bin", "count", "bar", title=title)
    table.show_header = False
    for name, count in zip(names, counts, strict=True):
        # a bin that holds anything shows a bar
        table.add_row(name, str(count), ink * -(-count * 44 // longest))
    console.print(table)


def _bins(edges: Sequence[float]) -> list[tuple[float, float]]:
    return list(itertools.pairwise(edges))


def _picture_sizes(sizes: Iterable[Size]) -> dict[str, int]:
    """Pictures of each size, the commonest first."""
    return dict(Counter(map(str, sizes)).most_common())


def _print_problems(refused: Sequence[Problem], skipped: Counter[str]) -> None:
    """One line a problem, as a compiler prints them, then what the kinds mean."""
    for problem in refused:
        print(problem)
    for kind, count in Counter(problem.kind for problem in refused).items():
        print(f"{count} {kind}: {KINDS[kind]}")
    for kind, count in skipped.items():
        print(f"skipped {count} {kind}: {KINDS[kind]}")
    if not refused:
        print("nothing else is wrong" if skipped else "nothing is wrong")


def _as_json(found: Inspection | LabeledInspection) -> dict[str, object]:
    if isinstance(found, LabeledInspection):
        return {
            "root": str(found.root),
            "format": found.format,
            "classes": list(found.classes),
            "pictures": len(found.sizes),
            "splits": {
                split: {
                    "pictures": len(pictures),
                    "classes": dict(zip(found.classes, _class_counts(pictures), strict=True)),
                }
                for split, pictures in found.splits.items()
            },
            "picture_sizes": _picture_sizes(found.sizes),
        }
    samples = unique_samples(found.datasets.values())
    shares, ratios = relative_sizes(samples), aspect_ratios(samples)
    return {
        "root": str(found.root),
        "format": found.format,
        "classes": list(found.classes),
        "pictures": len(samples),
        "boxes": sum(len(sample.boxes) for sample in samples),
        "splits": {
            split: {
                "pictures": len(dataset),
                "boxes": sum(len(sample.boxes) for sample in dataset.samples),
                "classes": {
                    name: {"boxes": int(boxes), "pictures": int(pictures)}
                    for name, boxes, pictures in zip(
                        dataset.classes,
                        *box_counts(dataset.samples, len(dataset.classes)),
                        strict=True,
                    )
                },
            }
            for split, dataset in found.datasets.items()
        },
        "picture_sizes": _picture_sizes(sample.size for sample in samples),
        "box_size": {"edges": SIZE_EDGES, "counts": histogram(shares, SIZE_EDGES)},
        "box_aspect": {
            "edges": [*ASPECT_EDGES[:-1], None],
            "counts": histogram(ratios, ASPECT_EDGES),
        },
    }


def _problems_as_json(problems: Sequence[Problem], skip: Sequence[str]) -> list[dict[str, object]]:
    return [
        {
            "kind": problem.kind,
            "file": str(problem.file),
            "line": problem.line,
            "reason": problem.reason,
            "mend": problem.hint,
            "skipped": problem.kind in skip,
        }
        for problem in problems
    ]


def _write_sheet(found: Looked, path: Path) -> None:
    """A contact sheet of at most 24 pictures, evenly over the set."""
    read: list[Callable[[], tuple[str, Picture, Boxes]]]
    if isinstance(found, LabeledInspection):
        read = [
            partial(_labeled_cell, pictures, index)
            for pictures in found.splits.values()
            for index in range(len(pictures))
        ]
    elif isinstance(found, MaskInspection):
        read = [
            partial(mask_cell, split.masks, index)
            for split in found.splits.values()
            for index in range(len(split.masks))
        ]
    else:
        read = [partial(_cell, one) for one in unique_samples(found.datasets.values())]
    if not read:
        raise TatamiError("no sound picture to draw", hint="fix the set first", file=found.root)
    count = min(_SHEET_PICTURES, len(read))
    sheet = contact_sheet(
        [read[at * len(read) // count]() for at in range(count)],
        found.classes,
        columns=4,
        cell=Size(320, 240),
    )
    out = io.BytesIO()
    Image.fromarray(sheet).save(out, "PNG" if path.suffix.lower() == ".png" else "JPEG")
    write_atomically(path, out.getvalue())
    print(f"{path}: {count} pictures drawn", file=sys.stderr)


def _cell(sample: Sample) -> tuple[str, Picture, Boxes]:
    return sample.id, read_picture(sample.path), sample.boxes


def _labeled_cell(pictures: LabeledPictures, index: int) -> tuple[str, Picture, Boxes]:
    """A picture's class stands around all of it."""
    picture = pictures.read(index)
    whole = [[0, 0, picture.shape[1], picture.shape[0]]]
    return pictures.ids[index], picture, Boxes.of(whole, [pictures.labels[index]])
