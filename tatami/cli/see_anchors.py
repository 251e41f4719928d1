"""``tatami see anchors``: which anchor answers for which truth, and which truths no anchor fits."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tatami.cli.data_augment import usual_split
from tatami.pipeline.drawings import check_replaceable, save_picture
from tatami.data.open import open_dataset, splits
from tatami.data.pictures import read_picture
from tatami.errors import TatamiError, printable
from tatami.files import folder_written_atomically, write_atomically
from tatami.pipeline.artifact import open_detector, read_run
from tatami.rules.picture import letterbox, placement
from tatami.see.anchors import IN_REACH, Matches, anchor_sizes, draw_anchors, draw_matches, match
from tatami.see.report import Drawing
from tatami.types import (
    Bool,
    Boxes,
    Dataset,
    DetectionSpec,
    Float64,
    Int64,
    Picture,
    Sample,
    Spec,
    TwoStageSpec,
    detector_spec,
)

WIDTH = 80
RESULT, ALL = "anchors.json", "anchors.png"
BINS = 10
"""Of the histogram of IoU."""
SIDES = (0, 16, 32, 64, 128, 256)
"""Where the sizes part: square roots of areas, in pixels of the network's input."""


@dataclass(frozen=True)
class Truths:
    """All truths of a set, crowds left out, as a network is to find them.

    picture: (n,) places in the set.  side: (n,) square roots of areas, in pixels of the input.
    """

    picture: Int64
    labels: Int64
    side: Float64
    iou: Float64
    anchor: Int64
    crowded: Bool

    @property
    def fits(self) -> Bool:
        return (self.iou >= IN_REACH) & ~self.crowded


def anchors(
    network: Annotated[Path, typer.Argument(help="A detector: run folder, ONNX file, C folder.")],
    data: Annotated[Path, typer.Option(help="Folder, .yaml or .json of a labeled set.")],
    split: Annotated[str | None, typer.Option(help="Else trainval, train or the first.")] = None,
    pictures: Annotated[int, typer.Option(help="Draw so many, those with most misfits first.")] = 8,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the pictures.")] = Path(
        "anchors"
    ),
    format: Annotated[str | None, typer.Option(help="Else recognized.")] = None,
    skip: Annotated[
        list[str] | None, typer.Option(help="Accept this kind of problem; may be repeated.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, no table.")] = False,
) -> None:
    """Hold a set's boxes to a detector's anchors: what fits, by class and by size, as PNG too.

    A YOLO's anchor is compared by its shape, an SSD's default box where it stands. A truth is out
    of reach where no anchor has an IoU of 0.5 with it, and crowded out where an earlier one of its
    picture has the same anchor at the same cell.
    """
    if pictures < 0:
        raise TatamiError(f"--pictures {pictures}", hint="give a number from 0")
    spec = _spec(network)
    check_replaceable(out, {RESULT: _drawn_before}, "older drawing of anchors")
    split = split or usual_split(splits(data, format))
    dataset = open_dataset(data, split=split, format=format, skip=skip or ()).dataset
    truths = match_all(spec, dataset)
    if not len(truths.labels):
        raise TatamiError(
            f"no labeled box in '{dataset.split}'", file=data, hint="name a split that has some"
        )
    answer = told(spec, dataset, truths)
    answer = {"network": str(network), "data": str(data), "split": dataset.split, **answer}
    with folder_written_atomically(out) as folder:
        save_picture(draw_anchors(spec.decoding, spec.input.size), folder / ALL, out)
        for rank, index in enumerate(_worst(truths, pictures)):
            sample = dataset.samples[index]
            file = f"picture-{rank}.png"
            save_picture(draw_sample(spec, dataset, sample), folder / file, out)
            answer["pictures"].append({"id": sample.id, "file": file})
        write_atomically(folder / RESULT, json.dumps(answer, indent=1, allow_nan=False) + "\n")
    if as_json:
        print(json.dumps(answer, indent=2, allow_nan=False))
        return
    _print(answer)
    console = Console(width=WIDTH, highlight=False)
    console.print(
        f"wrote {printable(out)}: {1 + len(answer['pictures'])} pictures, {RESULT}", markup=False
    )


def match_all(spec: DetectionSpec, dataset: Dataset) -> Truths:
    """Every truth of a set and what answers for it."""
    found: list[tuple[int, Boxes, Float64, Matches]] = []
    for index, sample in enumerate(dataset.samples):
        boxes, on_canvas = _on_canvas(spec, sample)
        found.append((index, boxes, on_canvas, match(on_canvas, spec.decoding, spec.input.size)))
    sides = [np.sqrt((xyxy[:, 2:] - xyxy[:, :2]).clip(0).prod(axis=1)) for _, _, xyxy, _ in found]
    return Truths(
        np.repeat([index for index, *_ in found], [len(boxes) for _, boxes, _, _ in found]),
        np.concatenate([boxes.labels for _, boxes, _, _ in found]),
        np.concatenate(sides),
        np.concatenate([one.iou for *_, one in found]),
        np.concatenate([one.anchor for *_, one in found]),
        np.concatenate([one.crowded for *_, one in found]),
    )


def told(spec: DetectionSpec, dataset: Dataset, truths: Truths) -> dict[str, Any]:
    """The numbers of it: what ``--json`` prints."""
    edges = np.arange(BINS + 1) / BINS
    counts, _ = np.histogram(truths.iou.clip(0, 1), edges)
    ends = (*SIDES[1:], None)
    by_anchor = [truths.anchor == index for index in range(len(anchor_sizes(spec.decoding)))]
    grids = [g for g, grid in enumerate(spec.decoding.grids) for _ in grid.anchors]
    return {
        "kind": spec.decoding.kind,
        "input": str(spec.input.size),
        "truths": len(truths.labels),
        "fit": int(truths.fits.sum()),
        "out_of_reach": int((truths.iou < IN_REACH).sum()),
        "crowded_out": int((truths.crowded & (truths.iou >= IN_REACH)).sum()),
        "mean_iou": float(truths.iou.mean()),
        "histogram": [
            {"from": float(edges[i]), "to": float(edges[i + 1]), "truths": int(counts[i])}
            for i in range(BINS)
        ],
        "classes": [
            {"name": name, **_recall(truths, truths.labels == label)}
            for label, name in enumerate(dataset.classes)
        ],
        "sizes": [
            {"from": start, "to": end, **_recall(truths, _between(truths.side, start, end))}
            for start, end in zip(SIDES, ends, strict=True)
        ],
        "anchors": [
            {
                "grid": grid,
                "width": float(width),
                "height": float(height),
                "truths": int(mine.sum()),
                "mean_iou": float(truths.iou[mine].mean()) if mine.any() else None,
            }
            for grid, (width, height), mine in zip(
                grids, anchor_sizes(spec.decoding), by_anchor, strict=True
            )
        ],
        "pictures": [],
    }


def anchors_seen(spec: DetectionSpec, dataset: Dataset, sample: Sample) -> Drawing:
    """For a report: what answers for the truths of a picture, and how many of the set's have it."""
    fits = match_all(spec, dataset).fits
    text = f"what answers for each box (dashed); {fits.sum()} of {len(fits)} boxes have an anchor"
    return Drawing(f"{sample.id}: {text}", draw_sample(spec, dataset, sample))


def draw_sample(spec: DetectionSpec, dataset: Dataset, sample: Sample) -> Picture:
    """The network's input of a sample, with its truths and what answers for each."""
    boxes, on_canvas = _on_canvas(spec, sample)
    canvas = letterbox(read_picture(sample.path), spec.input)
    found = match(on_canvas, spec.decoding, spec.input.size)
    return draw_matches(canvas, Boxes.of(on_canvas, boxes.labels), found, dataset.classes)


def _on_canvas(spec: DetectionSpec, sample: Sample) -> tuple[Boxes, Float64]:
    """A sample's boxes, crowds left out, and where they are on the input."""
    boxes = sample.boxes.select(~sample.boxes.crowd)
    return boxes, placement(sample.size, spec.input).to_canvas(boxes.xyxy, sample.size)


def _recall(truths: Truths, which: Bool) -> dict[str, int]:
    return {"truths": int(which.sum()), "fit": int(truths.fits[which].sum())}


def _between(side: Float64, start: int, end: int | None) -> Bool:
    found: Bool = (side >= start) & (side < (np.inf if end is None else end))
    return found


def _worst(truths: Truths, count: int) -> list[int]:
    """The places of pictures with most truths that nothing fits; among equals the first."""
    misfits = np.bincount(truths.picture[~truths.fits], minlength=int(truths.picture.max()) + 1)
    have = np.unique(truths.picture)
    order = np.argsort(-misfits[have], kind="stable")
    return [int(place) for place in have[order][:count]]


def _spec(path: Path) -> DetectionSpec:
    """A detector's, without building it where its run says enough."""
    is_run = (path / "run.json").is_file()
    spec = read_run(path).spec if is_run else open_detector(path).spec
    return with_anchors(spec) or detector_spec(spec)


def with_anchors(spec: Spec) -> DetectionSpec | None:
    """What has the anchors: a detector, or the proposals of one in two stages; None without."""
    if isinstance(spec, TwoStageSpec) and spec.proposals is not None:
        return DetectionSpec(spec.classes, spec.input, spec.proposals)
    return spec if isinstance(spec, DetectionSpec) else None


def _drawn_before(older: Any) -> list[str]:
    """The pictures that an older RESULT tells of."""
    return [ALL, *(one["file"] for one in older["pictures"])]


def _print(answer: dict[str, Any]) -> None:
    console = Console(width=WIDTH, highlight=False)
    share = answer["fit"] / answer["truths"]
    console.print(
        f"{answer['fit']} of {answer['truths']} truths of '{printable(answer['split'])}' have an "
        f"anchor ({share:.1%}) at {answer['input']}; {answer['out_of_reach']} are out of reach, "
        f"{answer['crowded_out']} crowded out; mean IoU {answer['mean_iou']:.3f}",
        markup=False,
    )
    named = [(one["name"], one) for one in answer["classes"]]
    sized = [(_size(one), one) for one in answer["sizes"]]
    for title, parts in (("class", named), ("side in the input", sized)):
        rows = [
            (name, one["truths"], f"{one['fit'] / one['truths']:.1%}")
            for name, one in parts
            if one["truths"]
        ]
        console.print(_table((title, "truths", "fit"), rows))
    if answer["kind"] != "yolov1":  # which has boxes of any size
        most = max(one["truths"] for one in answer["histogram"])
        rows = [
            (
                f"{one['from']:.1f} to {one['to']:.1f}",
                one["truths"],
                "#" * round(40 * one["truths"] / most),
            )
            for one in answer["histogram"]
        ]
        console.print(_table(("IoU", "truths", ""), rows))
        rows = [
            (f"{one['width']:.4g}x{one['height']:.4g}", one["truths"], _iou(one["mean_iou"]))
            for one in answer["anchors"]
        ]
        console.print(_table(("anchor", "truths", "mean IoU"), rows))


def _size(one: dict[str, Any]) -> str:
    return f"{one['from']} and more" if one["to"] is None else f"{one['from']} to {one['to']}"


def _iou(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _table(titles: Sequence[str], rows: Sequence[tuple[str, int, str]]) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(titles[0], max_width=30, overflow="ellipsis", no_wrap=True)
    table.add_column(titles[1], justify="right")
    table.add_column(titles[2], justify="right" if titles[2] else "left", no_wrap=True)
    for name, count, text in rows:
        table.add_row(escape(printable(name)), str(count), text)
    return table
