"""Regions of a whole split, found once, for detectors in two stages that find none themselves."""

from __future__ import annotations

import dataclasses
import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tatami.data.pictures import read_picture
from tatami.data.selective_search import selective_search
from tatami.errors import TatamiError
from tatami.files import write_atomically
from tatami.rules.boxes import iou_xyxy
from tatami.types import Boxes, Dataset, Float32, Int64
from tatami.types.progress import Progress, quiet, tracked

if TYPE_CHECKING:
    from tatami.train.distributed import Team

PROPOSAL = -1
"""The label of a box that is a proposal and not a truth: models/two_stage.py's."""


def with_proposals(
    dataset: Dataset, file: Path, team: Team | None = None, progress: Progress = quiet
) -> Dataset:
    """Put selective search's regions among each picture's boxes, labeled PROPOSAL.

    Args:
        dataset: The split.
        file: Keeps the regions from one start of a run to the next.
        team: The processes of the run, of which one writes the file.
        progress: Takes up how far the search is.

    Raises:
        TatamiError: Where the file is damaged, or is not of this split.
    """
    if not file.exists():
        found = [
            selective_search(read_picture(sample.path)).astype(np.float32)
            for sample in tracked(dataset.samples, "Finding regions", progress)
        ]
        if team is None or team.leads:
            write_proposals(file, found)
    else:
        found = read_proposals(file, len(dataset))
    return joined(dataset, found)


def joined(dataset: Dataset, proposals: list[Float32]) -> Dataset:
    """Put regions (m, 4) of each picture among its boxes, labeled PROPOSAL."""
    samples = []
    for sample, regions in zip(dataset.samples, proposals, strict=True):
        own, more = sample.boxes, len(regions)
        boxes = Boxes.of(
            np.concatenate([own.xyxy, regions]),
            np.concatenate([own.labels, np.full(more, PROPOSAL)]),
            np.concatenate([own.difficult, np.zeros(more, bool)]),
            np.concatenate([own.crowd, np.zeros(more, bool)]),
        )
        samples.append(dataclasses.replace(sample, boxes=boxes))
    return dataclasses.replace(dataset, samples=tuple(samples))


def judged_regions(boxes: Boxes) -> tuple[Float32, Int64]:
    """Give a picture's truths and proposals as regions, and the class of each.

    Returns:
        The regions (n, 4), and (n,) for each of them 0 for the background, or k + 1 for class k,
        where it overlaps a truth of it by half or more.
    """
    given = boxes.labels == PROPOSAL
    truths = boxes.select(~given & ~boxes.crowd)
    regions = np.concatenate([truths.xyxy, boxes.xyxy[given]]).astype(np.float32)
    if not len(regions):  # nothing was found: a corner of the picture is background
        return np.array([[0, 0, 32, 32]], np.float32), np.zeros(1, np.int64)
    if not len(truths):
        return regions, np.zeros(len(regions), np.int64)
    overlap = iou_xyxy(regions, truths.xyxy.astype(np.float32))
    labels = truths.labels[overlap.argmax(axis=1)] + 1
    return regions, np.where(overlap.max(axis=1) >= 0.5, labels, 0)


def write_proposals(file: Path, proposals: list[Float32]) -> None:
    """Write all pictures' regions as two arrays: how many each has, and all of them."""
    content = io.BytesIO()
    counts = np.array([len(one) for one in proposals], np.int64)
    np.savez_compressed(content, counts=counts, boxes=np.concatenate(proposals))
    write_atomically(file, content.getvalue())


def read_proposals(file: Path, pictures: int) -> list[Float32]:
    """Read what ``write_proposals`` wrote.

    Raises:
        TatamiError: For a file that is not as it was written, or of another number of pictures.
    """
    hint = "remove it: they are found again"
    try:
        with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as arrays:
            counts, boxes = arrays["counts"], arrays["boxes"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise TatamiError(f"not proposals: {error}", file=file, hint=hint) from error
    if len(counts) != pictures or boxes.shape != (counts.sum(), 4):
        raise TatamiError("proposals of other pictures", file=file, hint=hint)
    return np.split(boxes.astype(np.float32), np.cumsum(counts)[:-1])
