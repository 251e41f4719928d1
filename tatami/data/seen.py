"""What lies in a folder that was not understood: pictures, and labels in any form."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tatami.data.formats import boxes_csv, labelme, voc, yolo
from tatami.data.formats.found import files_in
from tatami.data.labels import is_picture_name, number, printable, read_lines
from tatami.errors import TatamiError

_LOOKED = 20
"""Files of each ending that are looked into."""
_HEAD = 2**16
RECORD_ENDINGS = (".tfrecord", ".tfrecords", ".record")
RECORDS = "TensorFlow's records"
"""How labels_seen names such files."""


def labels_seen(root: Path) -> list[str]:
    """Say which labels of boxes lie in a folder: a line each form, with a file as an example."""
    forms: dict[str, Path] = {}
    counts: Counter[str] = Counter()
    for path in files_in(root):
        ending = path.suffix.lower()
        counts[ending] += 1
        if counts[ending] <= _LOOKED or ending in RECORD_ENDINGS:
            form = _form(path, ending)
            if form is not None:
                forms.setdefault(form, path)
    return [f"{form} ({path.relative_to(root)})" for form, path in forms.items()]


def files_seen(root: Path) -> str:
    """Say which kinds of files lie in a folder, and in which folders: "163 .jpg in images"."""
    counts: Counter[tuple[str, str]] = Counter()
    for path in files_in(root):
        inner = path.parent.relative_to(root).as_posix()
        counts[(inner if printable(inner) else "a folder", path.suffix.lower() or path.name)] += 1
    common = [
        f"{count} {ending[:20]}" + ("" if folder == "." else f" in {folder[:60]}")
        for (folder, ending), count in counts.most_common(4)
    ]
    return ", ".join(common) + (" and more" if len(counts) > len(common) else "")


def _form(path: Path, ending: str) -> str | None:
    """Name the form of a file that holds labels of boxes; None for any other."""
    if ending == ".xml":
        if voc.is_annotation(path):
            return "labels in VOC's form"
        return "labels as CVAT's XML" if b"<annotations" in _head(path) else None
    if ending == ".json":
        return _json_form(path)
    if ending == ".csv":
        return "a table of boxes" if boxes_csv.is_table(path) else None
    if ending == ".txt":
        if yolo.is_label(path):
            return "labels in YOLO's form"
        return "lines of five numbers and more" if _is_of_numbers(path) else None
    return RECORDS if ending in RECORD_ENDINGS else None


def _json_form(path: Path) -> str | None:
    head = _head(path)
    if labelme.is_label(path):
        return "labels in LabelMe's form"
    if b'"annotations"' in head and (b'"images"' in head or b'"bbox"' in head):
        return "labels in COCO's form"
    for mark, form in (
        (b'"region_attributes"', "labels in VIA's form"),
        (b'"shape_attributes"', "labels in VIA's form"),
        (b'"rectanglelabels"', "labels in Label Studio's own form"),
        (b'"boundingBox"', "labels in VoTT's form"),
        (b'"bbox"', "boxes as JSON"),
        (b'"xmin"', "boxes as JSON"),
    ):
        if mark in head:
            return form
    return None


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD)
    except OSError:
        return b""


def _is_of_numbers(path: Path) -> bool:
    """Tell whether every line is five numbers and more, a class's name perhaps among them."""
    try:
        lines = [text for text in read_lines(path) if text][:10]
    except TatamiError:
        return False
    return bool(lines) and all(_numbers(text) >= 4 for text in lines)


def _numbers(text: str) -> int:
    count = 0
    for word in text.replace(",", " ").split():
        try:
            number(word)
        except ValueError:
            continue
        count += 1
    return count


def picture_count(root: Path) -> int:
    """Count the pictures in a folder and in its folders."""
    return sum(is_picture_name(path) for path in files_in(root))
