"""A split made of what a file says of each picture: for formats that list pictures by name."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tatami.data.formats.found import files_in, split_of
from tatami.data.labels import (
    Row,
    checked_boxes,
    checked_names,
    checked_size,
    class_name,
    degenerate,
    is_picture_name,
    stays_inside,
)
from tatami.data.problems import LABELS_ALONE, Problem, Reading, in_order
from tatami.data.split_names import SPLITS
from tatami.errors import TatamiError
from tatami.types import Dataset, Sample

Edges = tuple[float, float, float, float]


@dataclass(frozen=True)
class Stated:
    """One box as a file states it.

    Args:
        edges: x1, y1, x2, y2 in pixels.
        name: Its class.
        title: What a message calls it.
        line: Its line in the file, from 1.
    """

    edges: Edges
    name: str
    title: str
    line: int | None = None


@dataclass(frozen=True)
class Entry:
    """What a file says of one picture.

    Args:
        name: The picture as it is named.
        file: The file that says it.
        boxes: The boxes.
        split: The split that the file states; None: that of the picture's folder.
        size: (width, height); None where it is not said.
        line: The line of the file, from 1.
    """

    name: str
    file: Path
    boxes: list[Stated] = field(default_factory=list)
    split: str | None = None
    size: tuple[float, float] | None = None
    line: int | None = None


def splits_of(root: Path, entries: Iterable[Entry]) -> tuple[str, ...]:
    """Name the splits of entries, in the usual order; ``all`` where nothing names one."""
    found = {_split(root, entry) for entry in entries}
    order = {name: at for at, name in enumerate(SPLITS)}
    return tuple(sorted(found, key=lambda name: (order.get(name, len(order)), name))) or ("all",)


def read_entries(
    root: Path,
    split: str,
    entries: Sequence[Entry],
    problems: list[Problem],
    repairs: Collection[str],
    *,
    classes: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> Reading:
    """Make a split of its entries.

    Args:
        root: The set's folder, or its file.
        split: The split.
        entries: Those of all splits.
        problems: What is wrong already; gets the rest.
        repairs: Keys of REPAIRS to carry out.
        classes: The classes; none: the names of all boxes, sorted.
        notes: What was understood otherwise than may be expected.

    Raises:
        TatamiError: Where there are no classes.
    """
    stated = {box.name for entry in entries for box in entry.boxes}
    names = checked_names(classes or sorted(stated), root)
    top = root.parent if root.is_file() else root
    pictures: dict[str, list[Path]] = {}
    for path in files_in(top):
        if is_picture_name(path):
            pictures.setdefault(path.name, []).append(path)
    samples: list[Sample] = []
    taken: set[str] = set()
    seen: set[Path] = set()
    for entry in entries:
        if _split(root, entry) != split:
            continue
        picture = _picture(entry, pictures, top, repairs, problems)
        if picture is None:
            continue
        if picture in seen:
            reason = f"'{entry.name}' is listed twice"
            problems.append(
                Problem("duplicate-picture", entry.file, entry.line, reason, "delete one")
            )
            continue
        seen.add(picture)
        size = checked_size(picture, entry.size, entry.file, entry.line, problems, repairs)
        if size is None:
            continue
        rows = []
        for box in entry.boxes:
            x1, y1, x2, y2 = box.edges
            title = f"{box.title} of '{entry.name}' ({box.name})"
            if box.name not in names:
                reason, hint = f"{title}: its class is not known", f"one of {', '.join(names[:20])}"
                problems.append(Problem("unknown-class", entry.file, box.line, reason, hint))
            elif x2 <= x1 or y2 <= y1:
                problems.append(degenerate(title, x2 - x1, y2 - y1, entry.file, box.line))
            else:
                rows.append(Row(box.edges, names.index(box.name), title, box.line))
        identity = picture.stem
        if identity in taken:
            identity = picture.relative_to(top).with_suffix("").as_posix()
        taken.add(identity)
        boxes = checked_boxes(rows, size, entry.file, problems, repairs)
        samples.append(Sample(identity, picture, size, boxes))
    samples.sort(key=lambda sample: sample.path)
    return Reading(Dataset(root, split, names, tuple(samples)), in_order(problems), tuple(notes))


def named(text: object, file: Path) -> str:
    """Check a class name that a file states.

    Raises:
        ValueError: For anything else.
    """
    try:
        return class_name(text if isinstance(text, str) else "", file)
    except TatamiError as error:
        raise ValueError(error.reason) from error


def _split(root: Path, entry: Entry) -> str:
    if entry.split is not None:
        return entry.split
    name = Path("x", *Path(entry.name.replace("\\", "/")).parts)
    by_file = None if root.is_file() else split_of(root, entry.file)
    return split_of(Path("x"), name) or by_file or "all"


def _picture(
    entry: Entry,
    pictures: dict[str, list[Path]],
    top: Path,
    repairs: Collection[str],
    problems: list[Problem],
) -> Path | None:
    """Find the one picture that an entry may mean: by its path's end, then by its place."""
    name = entry.name.strip().replace("\\", "/")
    last = name.rpartition("/")[2]
    found = pictures.get(last, [])
    if len(found) > 1 and "/" in name:
        found = [one for one in found if one.as_posix().endswith("/" + name)] or found
    if len(found) > 1:
        near = [one for one in found if one.parent == entry.file.parent]
        found = near or [one for one in found if split_of(top, one) == entry.split] or found
    if not found and LABELS_ALONE in repairs and stays_inside(last):
        return entry.file.parent / last
    if len(found) == 1:
        return found[0]
    reason = f"there is no picture {entry.name!r:.80}"
    if found:
        reason = f"{entry.name!r:.80} may be {' or '.join(map(str, found[:3]))}"
    hint = "add it, or take it out of the file"
    problems.append(Problem("missing-picture", entry.file, entry.line, reason, hint))
    return None
