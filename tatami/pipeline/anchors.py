"""Which anchor of a detector answers for which truth of a set, and which truths no anchor fits."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tatami.data.open import open_dataset, splits
from tatami.data.pictures import read_picture
from tatami.errors import TatamiError, printable
from tatami.files import folder_written_atomically, write_atomically
from tatami.pipeline.artifact import Source, open_artifact, path_of, read_run
from tatami.pipeline.drawings import check_replaceable, save_picture
from tatami.pipeline.inspect import usual_split
from tatami.rules.picture import letterbox, placement
from tatami.see.anchors import IN_REACH, Matches, anchor_sizes, draw_anchors, draw_matches, match
from tatami.see.embed import as_html
from tatami.see.report import Drawing
from tatami.tasks.table import task_of
from tatami.types import Bool, Boxes, Dataset, DetectionSpec, Float64, Int64, Picture, Sample
from tatami.types.table import Column, Table, numbers, words

RESULT, ALL = "anchors.json", "anchors.png"
BINS = 10
"""Bins of the histogram of IoU."""
BAR = 40
"""Letters of the longest bar of the histogram."""
SIDES = (0, 16, 32, 64, 128, 256)
"""Where the sizes part: square roots of areas, in pixels of the network's input."""
NAME = 30
"""Letters of a class's name in a table."""


@dataclass(frozen=True)
class Truths:
    """All truths of a set, crowds left out, as a network is to find them.

    Args:
        picture: Places of their pictures in the set, (n,).
        labels: Their classes, (n,).
        side: Square roots of their areas, in pixels of the input, (n,).
        iou: Of each truth and its anchor, (n,).
        anchor: Which anchor answers, numbered over all grids, (n,).
        crowded: Whether an earlier truth of the picture has that anchor at that cell, (n,).
    """

    picture: Int64
    labels: Int64
    side: Float64
    iou: Float64
    anchor: Int64
    crowded: Bool

    @property
    def fits(self) -> Bool:
        """Whether an anchor fits, and is not another's, (n,)."""
        return (self.iou >= IN_REACH) & ~self.crowded


@dataclass(frozen=True)
class Anchors:
    """How a set's boxes fit the anchors of a detector.

    Args:
        content: The figures, as plain values.
        all: All anchors, drawn: (height, width, 3).
        pictures: Pictures with what answers for their truths, each with its id.
        path: The folder that the pictures were written to.
    """

    content: dict[str, Any]
    all: Picture
    pictures: tuple[tuple[str, Picture], ...]
    path: Path | None = None

    def save(self, out: str | Path) -> None:
        """Write the pictures and anchors.json to a folder, whole or not at all.

        Raises:
            TatamiError: For a folder that holds anything else.
        """
        folder = Path(out)
        check_writable(folder)
        with folder_written_atomically(folder) as made:
            save_picture(self.all, made / ALL, folder)
            for rank, (_, drawn) in enumerate(self.pictures):
                save_picture(drawn, made / _file(rank), folder)
            content = json.dumps(self.to_json(), indent=1, allow_nan=False)
            write_atomically(made / RESULT, content + "\n")

    def to_json(self) -> dict[str, Any]:
        """Give the figures, and the names of the pictures."""
        files = [{"id": one, "file": _file(rank)} for rank, (one, _) in enumerate(self.pictures)]
        return {**self.content, "pictures": files}

    def tables(self) -> list[Table]:
        """Count what fits by class and by size; by IoU and by anchor where there are anchors."""
        named = [(one["name"], one) for one in self.content["classes"]]
        sized = [(_size(one), one) for one in self.content["sizes"]]
        found = [
            _table(
                (title, "truths", "fit"),
                [
                    (name, one["truths"], f"{one['fit'] / one['truths']:.1%}")
                    for name, one in parts
                    if one["truths"]
                ],
            )
            for title, parts in (("class", named), ("side in the input", sized))
        ]
        if self.content["kind"] == "yolov1":  # which has boxes of any size
            return found
        most = max(one["truths"] for one in self.content["histogram"])
        bars = [
            (
                f"{one['from']:.1f} to {one['to']:.1f}",
                one["truths"],
                "#" * round(BAR * one["truths"] / most),
            )
            for one in self.content["histogram"]
        ]
        anchors = [
            (f"{one['width']:.4g}x{one['height']:.4g}", one["truths"], _iou(one["mean_iou"]))
            for one in self.content["anchors"]
        ]
        return [
            *found,
            _table(("IoU", "truths", ""), bars),
            _table(("anchor", "truths", "mean IoU"), anchors),
        ]

    def lines(self) -> list[str]:
        """Say how many truths have an anchor, and what was written."""
        content = self.content
        share = content["fit"] / content["truths"]
        found = [
            f"{content['fit']} of {content['truths']} truths of '{printable(content['split'])}' "
            f"have an anchor ({share:.1%}) at {content['input']}; {content['out_of_reach']} are "
            f"out of reach, {content['crowded_out']} crowded out; mean IoU "
            f"{content['mean_iou']:.3f}"
        ]
        if self.path is not None:
            found.append(
                f"wrote {printable(self.path)}: {1 + len(self.pictures)} pictures, {RESULT}"
            )
        return found

    def _repr_html_(self) -> str:
        """Show the anchors and the pictures in a notebook."""
        return as_html([("all anchors", self.all), *self.pictures])


def anchors(
    network: Source,
    data: str | Path,
    *,
    split: str | None = None,
    pictures: int = 8,
    out: str | Path | None = None,
    format: str | None = None,
    skip: Collection[str] = (),
) -> Anchors:
    """Compare the boxes of a set with a detector's anchors.

    A YOLO's anchor is compared by its shape, an SSD's default box where it stands. A truth is out
    of reach where no anchor has an IoU of 0.5 with it, and crowded out where an earlier one of its
    picture has the same anchor at the same cell.

    Args:
        network: A detector.
        data: The labeled set.
        split: The split; None: trainval, train or the first.
        pictures: Pictures to draw, those with most misfits first.
        out: A folder to write the pictures and anchors.json to; None: nothing is written.
        format: The set's format; None: it is recognized.
        skip: Kinds of problems to leave out.

    Raises:
        TatamiError: For a network without anchors, and a split without boxes.
    """
    if pictures < 0:
        raise TatamiError(f"{pictures} pictures", hint="give a number from 0", setting="pictures")
    source, root = path_of(network), Path(data)
    spec = _spec(source)
    if out is not None:
        check_writable(Path(out))
    split = split or usual_split(splits(root, format))
    dataset = open_dataset(root, split=split, format=format, skip=skip).dataset
    truths = match_all(spec, dataset)
    if not len(truths.labels):
        raise TatamiError(
            f"no labeled box in '{dataset.split}'", file=root, hint="name a split that has some"
        )
    found = Anchors(
        {
            "network": str(source),
            "data": str(data),
            "split": dataset.split,
            **figures(spec, dataset, truths),
        },
        draw_anchors(spec.decoding, spec.input.size),
        tuple(
            (dataset.samples[index].id, draw_sample(spec, dataset, dataset.samples[index]))
            for index in _worst(truths, pictures)
        ),
        None if out is None else Path(out),
    )
    if out is not None:
        found.save(out)
    return found


def check_writable(out: Path) -> None:
    """Raise TatamiError for a folder that holds anything but an older drawing of anchors."""
    check_replaceable(out, {RESULT: _drawn_before}, "older drawing of anchors")


def match_all(spec: DetectionSpec, dataset: Dataset) -> Truths:
    """Find what answers for every truth of a set."""
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


def figures(spec: DetectionSpec, dataset: Dataset, truths: Truths) -> dict[str, Any]:
    """Count what fits, by class, size, IoU and anchor, as plain values."""
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
    }


def anchors_seen(spec: DetectionSpec, dataset: Dataset, sample: Sample) -> Drawing:
    """Draw what a report shows: what answers for a picture's truths, and how many of all fit."""
    fits = match_all(spec, dataset).fits
    text = f"what answers for each box (dashed); {fits.sum()} of {len(fits)} boxes have an anchor"
    return Drawing(f"{sample.id}: {text}", draw_sample(spec, dataset, sample))


def draw_sample(spec: DetectionSpec, dataset: Dataset, sample: Sample) -> Picture:
    """Draw the network's input of a sample, with its truths and what answers for each."""
    boxes, on_canvas = _on_canvas(spec, sample)
    canvas = letterbox(read_picture(sample.path), spec.input)
    found = match(on_canvas, spec.decoding, spec.input.size)
    return draw_matches(canvas, Boxes.of(on_canvas, boxes.labels), found, dataset.classes)


def _on_canvas(spec: DetectionSpec, sample: Sample) -> tuple[Boxes, Float64]:
    """Give a sample's boxes, crowds left out, and where they are on the input."""
    boxes = sample.boxes.select(~sample.boxes.crowd)
    return boxes, placement(sample.size, spec.input).to_canvas(boxes.xyxy, sample.size)


def _recall(truths: Truths, which: Bool) -> dict[str, int]:
    return {"truths": int(which.sum()), "fit": int(truths.fits[which].sum())}


def _between(side: Float64, start: int, end: int | None) -> Bool:
    found: Bool = (side >= start) & (side < (np.inf if end is None else end))
    return found


def _worst(truths: Truths, count: int) -> list[int]:
    """Give the places of pictures with most truths that nothing fits; among equals the first."""
    misfits = np.bincount(truths.picture[~truths.fits], minlength=int(truths.picture.max()) + 1)
    have = np.unique(truths.picture)
    order = np.argsort(-misfits[have], kind="stable")
    return [int(place) for place in have[order][:count]]


def _spec(path: Path) -> DetectionSpec:
    """Read a detector's spec, without building it where its run says enough."""
    is_run = (path / "run.json").is_file()
    spec = read_run(path).spec if is_run else open_artifact(path).spec
    task = task_of(spec)
    found = task.anchored(spec)
    if found is None:
        raise TatamiError(
            f"the {task.noun} has no anchors", file=path, hint="give a detector that has some"
        )
    return found


def _file(rank: int) -> str:
    return f"picture-{rank}.png"


def _drawn_before(older: Any) -> list[str]:
    """Name the pictures that an older RESULT lists."""
    return [ALL, *(one["file"] for one in older["pictures"])]


def _size(one: dict[str, Any]) -> str:
    return f"{one['from']} and more" if one["to"] is None else f"{one['from']} to {one['to']}"


def _iou(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _table(titles: tuple[str, str, str], rows: Sequence[tuple[str, int, str]]) -> Table:
    last = Column(titles[2]) if titles[2] else words("")
    cells = tuple((_short(printable(name)), str(count), text) for name, count, text in rows)
    return Table((words(titles[0]), *numbers(titles[1]), last), cells)


def _short(name: str) -> str:
    return name if len(name) <= NAME else f"{name[: NAME - 1]}…"
