"""Write a set with boxes anew, in another form, or parted in splits to train and to evaluate on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tatami.data.convert import write_set
from tatami.data.split_names import training_split
from tatami.errors import TatamiError
from tatami.tasks.table import task_of_data
from tatami.types.progress import Progress, quiet

BOXES_ONLY = (
    "boxes and their classes are written; outlines and key points, where the set has any, are left"
    " out"
)
"""What a copy never has."""


@dataclass(frozen=True)
class ConvertResult:
    """What was written.

    Args:
        path: The folder.
        format: Its format.
        splits: How many pictures each split has.
        boxes: How many boxes there are in all.
        skipped: How many problems of each accepted kind were left out.
        notes: What was mended, understood otherwise than may be expected, or could not be written.
    """

    path: Path
    format: str
    splits: dict[str, int]
    boxes: int
    skipped: dict[str, int]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Give the same as plain values."""
        return {
            "output": str(self.path),
            "format": self.format,
            "splits": self.splits,
            "boxes": self.boxes,
            "skipped": self.skipped,
            "notes": list(self.notes),
        }

    def lines(self) -> list[str]:
        """Say what was written, what was left out, and what was mended."""
        splits = ", ".join(f"{name} {count}" for name, count in self.splits.items())
        skipped = [f"skipped {count} {kind}" for kind, count in self.skipped.items()]
        written = f"{self.path}: {self.format}, pictures: {splits}; {self.boxes} boxes"
        return [*self.notes, *skipped, BOXES_ONLY, written]


def convert(
    data: str | Path,
    out: str | Path,
    *,
    to: str = "yolo",
    hold_out: str | None = None,
    format: str | None = None,
    skip: Collection[str] = (),
    progress: Progress = quiet,
) -> ConvertResult:
    """Write a set with boxes into a new folder: what was understood of it.

    Args:
        data: The set's folder, or the file that describes it.
        out: The folder to write.
        to: The form: "yolo", "coco" or "voc".
        hold_out: How much of the training split becomes the split val, as "0.2" or "0.2:SEED";
            None: the splits stay as they are.
        format: The name of the set's format; None: it is recognized.
        skip: Kinds of problems to leave out, and repairs to carry out.
        progress: Takes up how far it is.

    Raises:
        TatamiError: For a set that is not sound or has no boxes, for a picture that cannot be read,
            and for a folder that is not empty.
    """
    root = Path(data)
    task = task_of_data(root, format)
    if task.labels != "boxes":
        raise TatamiError(
            f"it labels {task.labels}: only sets with boxes are written anew",
            hint="give a set with boxes",
            file=root,
        )
    names = task.splits(root, format)
    splits, skipped, notes = {}, Counter[str](), []
    for name in names:
        opened = task.open(root, split=name, format=format, skip=skip)
        splits[name], unreadable = task.readable(opened.data, skip, progress)
        skipped += opened.skipped
        if unreadable:
            skipped["unreadable-picture"] += unreadable
        notes += [note for note in opened.notes if note not in notes]
    if hold_out is not None:
        source = training_split(names) or names[0]
        if "val" in splits and source != "val":
            raise TatamiError(
                "the set has a split 'val' already", hint="leave it out", setting="hold_out"
            )
        rest, held = task.hold_out(splits.pop(source), hold_out)
        splits = {"train": rest, "val": held, **splits}
    lost = write_set(splits, to, Path(out), progress)
    counts = {name: len(split) for name, split in splits.items()}
    boxes = sum(len(sample.boxes) for split in splits.values() for sample in split.samples)
    return ConvertResult(Path(out), to, counts, boxes, dict(skipped), (*notes, *lost))
