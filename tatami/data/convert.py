"""Write a set with boxes anew, in YOLO's, COCO's or VOC's form: what was understood of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from xml.sax.saxutils import escape

from tatami.data.split_names import HELD, TRAIN
from tatami.errors import TatamiError
from tatami.files import write_atomically
from tatami.types import Dataset, Sample
from tatami.types.progress import Progress, quiet

_YOLO_KEYS = ("train", "val", "test")


def write_set(
    splits: Mapping[str, Dataset], form: str, out: Path, progress: Progress = quiet
) -> tuple[str, ...]:
    """Write the splits of a set into a new folder, with copies of the pictures.

    Args:
        splits: The splits by name, of equal classes.
        form: A key of WRITERS.
        out: The folder, which does not exist or is empty.
        progress: Takes up how far it is.

    Returns:
        What the form cannot say and was left out, a line each.

    Raises:
        TatamiError: For another form, a folder with something in it, splits of different classes,
            and a picture that cannot be copied.
    """
    if form not in WRITERS:
        raise TatamiError(
            f"no format '{form}' is written", hint=f"give one of {', '.join(WRITERS)}", setting="to"
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise TatamiError("is there already", hint="name a new folder", file=out, setting="out")
    classes = {data.classes for data in splits.values()}
    if len(classes) != 1:
        raise TatamiError(
            "the splits have different classes", hint="give all of them one list", file=out
        )
    names = _file_names(splits)
    total, done = sum(map(len, splits.values())), 0
    folder_of = {
        split: out / "JPEGImages" if form == "voc" else out / "images" / split for split in splits
    }
    for split, data in splits.items():
        folder_of[split].mkdir(parents=True, exist_ok=True)
        for sample in data.samples:
            target = folder_of[split] / (names[sample.path] + sample.path.suffix.lower())
            try:
                if not target.exists():  # VOC's trainval has the pictures of train
                    shutil.copyfile(sample.path, target)
            except OSError as error:
                raise TatamiError(
                    f"cannot be copied: {error.strerror or error}",
                    hint="check it",
                    file=sample.path,
                ) from error
            done += 1
            progress("Copying", done, total)
    return WRITERS[form](splits, names, out)


def _file_names(splits: Mapping[str, Dataset]) -> dict[Path, str]:
    """Name every picture's new file, without its ending: no two are the same in any case."""
    taken: set[str] = set()
    names: dict[Path, str] = {}
    for split, data in splits.items():
        for sample in data.samples:
            if sample.path in names:
                continue
            stem = sample.path.stem
            wanted = [stem, sample.id.replace("/", "_"), f"{split}_{stem}"]
            wanted += [f"{stem}_{number}" for number in range(2, len(taken) + 3)]
            name = next(one for one in wanted if one.lower() not in taken)
            taken.add(name.lower())
            names[sample.path] = name
    return names


def _voc(splits: Mapping[str, Dataset], names: Mapping[Path, str], out: Path) -> tuple[str, ...]:
    crowds = 0
    for split, data in splits.items():
        stems = []
        for sample in data.samples:
            name = names[sample.path]
            stems.append(name)
            things = []
            boxes = sample.boxes
            crowds += int(boxes.crowd.sum())
            for at in (~boxes.crowd).nonzero()[0].tolist():
                x1, y1, x2, y2 = boxes.xyxy[at].tolist()
                edges = zip(("xmin", "ymin", "xmax", "ymax"), (x1 + 1, y1 + 1, x2, y2), strict=True)
                box = "".join(f"<{key}>{_written(value)}</{key}>" for key, value in edges)
                things.append(
                    f"  <object><name>{escape(data.classes[int(boxes.labels[at])])}</name>"
                    f"<difficult>{int(boxes.difficult[at])}</difficult><bndbox>{box}</bndbox>"
                    "</object>\n"
                )
            size = f"<width>{sample.size.width}</width><height>{sample.size.height}</height>"
            file = escape(name + sample.path.suffix.lower())
            text = (
                f"<annotation>\n  <filename>{file}</filename>\n"
                f"  <size>{size}<depth>3</depth></size>\n{''.join(things)}</annotation>\n"
            )
            write_atomically(out / "Annotations" / f"{name}.xml", text)
        lists = out / "ImageSets" / "Main" / f"{split}.txt"
        write_atomically(lists, "".join(f"{stem}\n" for stem in stems))
    classes = next(iter(splits.values())).classes
    write_atomically(out / "labels.txt", "".join(f"{name}\n" for name in classes))
    return _lost(crowds, "crowds, which VOC has no mark for")


def _coco(splits: Mapping[str, Dataset], names: Mapping[Path, str], out: Path) -> tuple[str, ...]:
    difficult = 0
    for split, data in splits.items():
        numbered = all(sample.id.isdecimal() and sample.id.isascii() for sample in data.samples)
        images: list[dict[str, object]] = []
        annotations: list[dict[str, object]] = []
        for at, sample in enumerate(data.samples, 1):
            identity = int(sample.id) if numbered and str(int(sample.id)) == sample.id else at
            images.append(
                {
                    "id": identity,
                    "file_name": names[sample.path] + sample.path.suffix.lower(),
                    "width": sample.size.width,
                    "height": sample.size.height,
                }
            )
            boxes = sample.boxes
            difficult += int(boxes.difficult.sum())
            for place in range(len(boxes)):
                x1, y1, x2, y2 = boxes.xyxy[place].tolist()
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": identity,
                        "category_id": data.category_ids[int(boxes.labels[place])],
                        "bbox": [x1, y1, x2 - x1, y2 - y1],
                        "area": float(boxes.areas[place]),
                        "iscrowd": int(boxes.crowd[place]),
                    }
                )
        categories = [
            {"id": number, "name": name}
            for number, name in zip(data.category_ids, data.classes, strict=True)
        ]
        content = {"images": images, "annotations": annotations, "categories": categories}
        file = out / "annotations" / f"instances_{split}.json"
        write_atomically(file, json.dumps(content, ensure_ascii=False) + "\n")
    return _lost(difficult, "marks of difficult boxes, which COCO does not have")


def _yolo(splits: Mapping[str, Dataset], names: Mapping[Path, str], out: Path) -> tuple[str, ...]:
    crowds = difficult = 0
    for split, data in splits.items():
        for sample in data.samples:
            boxes = sample.boxes
            crowds += int(boxes.crowd.sum())
            difficult += int(boxes.difficult.sum())
            lines = [_yolo_line(sample, at) for at in (~boxes.crowd).nonzero()[0].tolist()]
            write_atomically(out / "labels" / split / f"{names[sample.path]}.txt", "".join(lines))
    keys: dict[str, str] = {}
    for split in splits:
        role = "train" if split in (*TRAIN, "all") else "test" if split in HELD[:2] else "val"
        free = [key for key in (split, role, *_YOLO_KEYS) if key in _YOLO_KEYS and key not in keys]
        if free:
            keys[free[0]] = split
    listed = json.dumps(list(next(iter(splits.values())).classes), ensure_ascii=False)
    entries = "".join(f"{key}: {json.dumps('images/' + split)}\n" for key, split in keys.items())
    write_atomically(out / "data.yaml", f"{entries}names: {listed}\n")
    return (
        *_lost(crowds, "crowds, which YOLO has no mark for"),
        *_lost(difficult, "marks of difficult boxes, which YOLO does not have"),
        *_lost(
            len(splits) - len(keys),
            "splits beyond train, val and test, which data.yaml does not name",
        ),
    )


def _yolo_line(sample: Sample, at: int) -> str:
    x1, y1, x2, y2 = sample.boxes.xyxy[at].tolist()
    width, height = sample.size.width, sample.size.height
    values = ((x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height)
    return f"{int(sample.boxes.labels[at])} {' '.join(map(repr, values))}\n"


def _written(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)


def _lost(count: int, what: str) -> tuple[str, ...]:
    return (f"left out {count} {what}",) if count else ()


WRITERS: dict[str, Callable[[Mapping[str, Dataset], Mapping[Path, str], Path], tuple[str, ...]]] = {
    "yolo": _yolo,
    "coco": _coco,
    "voc": _voc,
}
"""The forms that are written."""
