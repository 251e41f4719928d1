"""COCO JSON: one file a split, with its images, categories and annotations.

A folder holds annotations/instances_SPLIT.json (or SPLIT/_annotations.coco.json, or SPLIT.json, or
any one .json file with COCO's three lists); a .json file may be named directly. Pictures are looked
for in images/SPLIT, images, SPLIT, the folder itself, beside the JSON, and in other folders of
usual names. A box that is left out is the one around its polygons. The file is the list of the set:
pictures that it does not name are no part of it, and an image without annotations is a picture
without objects. Classes follow the category id; a sample's id is its image id.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from tatami.data.formats.found import PICTURE_FOLDERS
from tatami.data.labels import (
    Row,
    checked_boxes,
    checked_names,
    checked_size,
    class_name,
    names_a_path,
    number,
    read_bytes,
    stays_inside,
)
from tatami.data.problems import LABELS_ALONE, Problem, Reading, in_order
from tatami.data.shapes import run_pixels, runs_of
from tatami.data.split_names import SPLITS, split_named
from tatami.errors import TatamiError
from tatami.files import parse_json
from tatami.types import Dataset, Sample, Size

LOOKED_FOR = "annotations/*.json, SPLIT/_annotations.coco.json, SPLIT.json or a .json file"

MAX_JSON_BYTES = 2**30
"""More than twice the largest file of COCO itself (instances_train2017.json, 448 MB)."""

_OTHER_TASKS = ("captions_", "image_info_", "panoptic_", "person_keypoints_", "stuff_")


def recognizes(root: Path) -> bool:
    """Tell whether a folder holds COCO's JSON files, or a file is one."""
    return bool(split_files(root))


def splits(root: Path) -> tuple[str, ...]:
    """Name the splits by their files.

    instances_train2017.json is the split train2017; annotations.json alone is ``all``.
    """
    return tuple(sorted(split_files(root)))


def category_ids(root: Path, split: str) -> tuple[int, ...]:
    """Give the category id of each class, in the order of the classes.

    Detections in COCO's results format have these, and not our class numbers.

    Raises:
        TatamiError: As for ``read``.
    """
    file = split_files(root)[split]
    content = read_content(file)
    return tuple(categories_of(content["categories"], file, content["annotations"]))


def strays(_root: Path) -> list[Problem]:
    """Find nothing: each file lists its split, and reading it reports the rest."""
    return []


def read(root: Path, split: str, repairs: Collection[str] = ()) -> Reading:
    """Read one split of the set.

    Args:
        root: The set's folder, or its file.
        split: One of ``splits(root)``.
        repairs: Keys of REPAIRS to carry out.

    Raises:
        TatamiError: For a file that is not JSON, lacks one of its three lists, or whose categories
            are not (id, name) pairs that differ.
    """
    file = split_files(root)[split]
    content = read_content(file)
    notes: list[str] = []
    categories = categories_of(content["categories"], file, content["annotations"], notes)
    names = tuple(categories.values())
    index_of = {identity: at for at, identity in enumerate(categories)}
    problems: list[Problem] = []
    bases = picture_folders(root, file, split)
    alone = LABELS_ALONE in repairs
    images = images_of(content["images"], file, problems, bases, alone=alone)
    rows: dict[int | str, list[Row]] = {identity: [] for identity in images}
    sizes = {identity: image[1] for identity, image in images.items() if image is not None}
    seen: set[int | str] = set()
    for at, entry in enumerate(content["annotations"]):
        _add(entry, at, rows, sizes, index_of, seen, file, problems)

    taken: dict[Path, int | str] = {}
    samples = []
    for identity, image in images.items():
        if image is None:
            continue
        name, stated = image
        picture = picture_at(bases, name)
        if picture in taken:
            reason = f"image {identity} names {name}, as image {taken[picture]} does"
            problems.append(Problem("duplicate-picture", file, None, reason, "delete one"))
            continue
        taken[picture] = identity
        size = checked_size(picture, stated, file, None, problems, repairs)
        if size is not None:
            boxes = checked_boxes(rows[identity], size, file, problems, repairs)
            samples.append(Sample(str(identity), picture, size, boxes))
    dataset = Dataset(root, split, names, tuple(samples), tuple(categories))
    return Reading(dataset, in_order(problems), tuple(notes))


def split_files(root: Path) -> dict[str, Path]:
    """Find the JSON file of each split."""
    if root.is_file():
        of_masks = root.name.endswith("masks.json")  # data/mask_folders.py's
        return {_split_of(root): root} if root.suffix.lower() == ".json" and not of_masks else {}
    if not root.is_dir():
        return {}
    found = [
        path
        for folder in sorted(root.iterdir())
        if folder.is_dir() and folder.name.lower() in ("annotations", "annotation")
        for path in sorted(folder.glob("*.json"))
    ]
    found = [path for path in found if not path.name.startswith(_OTHER_TASKS)]
    if found and found[0].parent.name != "annotations":
        found = [path for path in found if _is_coco(path)]
    if found and not any(map(_may_be_coco, found)):
        found = []  # LabelMe's files, one a picture
    if not found:
        found = sorted(root.glob("*/_annotations.coco.json"))
        found += sorted({*root.glob("instances*.json"), *root.glob("annotations.json")})
        found += sorted(root.glob("_annotations.coco.json"))
    if not found:
        found = [path for path in sorted(root.glob("*.json")) if _is_coco(path)]
        found = [path for path in found if not path.name.startswith(_OTHER_TASKS)]
        if len(found) == 1 and _short(found[0]) not in SPLITS:
            return {"all": found[0]}
        named = {_short(path): path for path in found}
        if found:
            return named if len(named) == len(found) else {_split_of(one): one for one in found}
        for folder in sorted(root.iterdir()):
            if folder.is_dir() and split_named(folder.name):
                inner = [path for path in sorted(folder.rglob("*.json")) if _is_coco(path)]
                found += inner[:1]
        return {split_named(path.relative_to(root).parts[0]) or "all": path for path in found}
    return {_split_of(path): path for path in found}


def _split_of(path: Path) -> str:
    if path.name == "_annotations.coco.json":
        return split_named(path.parent.name) or path.parent.name or "all"
    name = path.stem.removeprefix("instances_")
    if name in ("annotations", "instances"):
        return "all"
    return name


def _short(path: Path) -> str:
    """Give the split of a file that is known by its content: ``train`` of set_train.json."""
    name = _split_of(path)
    named = [word for word in re.split(r"[-_. ]", name.lower()) if word in SPLITS]
    return named[0] if len(named) == 1 else name


def _may_be_coco(path: Path) -> bool:
    """Tell whether a JSON file may be COCO's: it is not one picture's labels in LabelMe's form."""
    try:
        with path.open("rb") as file:
            head = file.read(2**16)
    except OSError:
        return True
    return not (b'"shapes"' in head and b'"images"' not in head)


def _is_coco(path: Path) -> bool:
    """Tell whether a JSON file names COCO's three lists."""
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            return False
        content = path.read_bytes()
    except OSError:
        return False
    return all(f'"{name}"'.encode() in content for name in ("images", "annotations", "categories"))


def picture_folders(root: Path, file: Path, split: str) -> list[Path]:
    """List the folders that a file_name may be relative to, the likeliest first."""
    top = root
    if root.is_file():
        top = file.parent.parent if file.parent.name.lower() == "annotations" else file.parent
    likely = [top / "images" / split, top / "images", top / split, top, file.parent]
    inner = sorted(path for path in top.iterdir() if path.is_dir()) if top.is_dir() else []
    usual = [path for path in inner if path.name.lower() in (*PICTURE_FOLDERS, "data")]
    named = [path for path in inner if split_named(path.name) == split or path.name == split]
    deeper = [one / part for one in usual for part in (split, "default")]
    deeper += [one / part for one in named for part in ("images", "data")]
    several = [*likely, *deeper, *usual, *named, *(one / top.name for one in usual)]
    return list(dict.fromkeys(path for path in several if path in likely or path.is_dir()))


def picture_at(bases: Sequence[Path], name: str) -> Path:
    """Find a picture by the name that the file has for it; the likeliest place where none is."""
    near = [base / name for base in bases]
    last = name.rpartition("/")[2]
    near += [base / last for base in bases] if "/" in name else []
    return next((path for path in near if path.is_file()), bases[0] / name)


def read_content(file: Path) -> dict[str, list[object]]:
    """Read the file's three lists.

    Raises:
        TatamiError: For a file that is not JSON, or lacks one of them.
    """
    content = parse_json(read_bytes(file, MAX_JSON_BYTES), file)
    for name in ("images", "annotations", "categories"):
        if not isinstance(content, dict) or not isinstance(content.get(name), list):
            raise TatamiError(f"has no list '{name}'", hint="give a COCO detection file", file=file)
    return content  # type: ignore[no-any-return]  # its shape was just checked


def categories_of(
    entries: list[object],
    file: Path,
    annotations: Sequence[object] = (),
    notes: list[str] | None = None,
) -> dict[int, str]:
    """Give class names by category id, ascending.

    Args:
        entries: The file's categories.
        file: The file, which an error names.
        annotations: The file's annotations: a root category whose name is a class's, too, and that
            none of them has, is left out.
        notes: Gets a line for a category that is left out.

    Raises:
        TatamiError: Where they are not (id, name) pairs that differ.
    """
    found: dict[int, str] = {}
    above: dict[int, object] = {}
    for at, entry in enumerate(entries):
        identity = whole(entry.get("id")) if isinstance(entry, dict) else None
        name = entry.get("name") if isinstance(entry, dict) else None
        if identity is None or not isinstance(name, str) or not isinstance(entry, dict):
            raise TatamiError(
                f"categories[{at}] has no whole number 'id' or no 'name'", hint="add it", file=file
            )
        if identity in found:
            raise TatamiError(
                f"category id {identity} appears twice", hint="renumber one", file=file
            )
        found[identity] = class_name(name, file)
        above[identity] = entry.get("supercategory")
    used = {whole(entry.get("category_id")) for entry in annotations if isinstance(entry, dict)}
    counts = Counter(found.values())
    for identity in sorted(found):
        name = found[identity]
        others = [one for one in found if found[one] == name and one != identity]
        root = above[identity] in (None, "", "none") and all(
            above[one] not in (None, "", "none") for one in others
        )
        if counts[name] > 1 and identity not in used and (root or used & {*others}):
            counts[name] -= 1
            del found[identity]
            if notes is not None:
                notes.append(
                    f"category {identity}, '{name}', is left out: no annotation has it, and "
                    "another category has its name"
                )
    found = dict(sorted(found.items()))
    tops = {name for name in above.values() if isinstance(name, str)}
    for identity, name in found.items():
        if (
            identity not in used
            and above[identity] == "none"
            and name in tops
            and notes is not None
        ):
            notes.append(f"'{name}' is the category above others and has no box: it stays a class")
    checked_names(found.values(), file)
    return found


def images_of(
    entries: list[object],
    file: Path,
    problems: list[Problem],
    bases: Sequence[Path] = (),
    *,
    alone: bool = False,
) -> dict[int | str, tuple[str, tuple[float, float] | None] | None]:
    """Give each image's file name and stated size by its id, in the file's order.

    Args:
        entries: The file's images.
        file: The file, which a problem names.
        problems: Gets what is wrong.
        bases: Folders in which a picture may lie whose path is another machine's.
        alone: Whether a picture need not be there.

    Returns:
        None for an image that is faulty.
    """
    found: dict[int | str, tuple[str, tuple[float, float] | None] | None] = {}
    for at, entry in enumerate(entries):
        identity = identity_of(entry, "id")
        if identity is None or not isinstance(entry, dict):
            problems.append(_bad(file, f"images[{at}] has no 'id'", "number it"))
            continue
        if identity in found:
            problems.append(_bad(file, f"image id {identity} appears twice", "renumber one"))
            continue
        found[identity] = None
        name = entry.get("file_name")
        if isinstance(name, str):
            name = name.replace("\\", "/")
            if names_a_path(name) and not stays_inside(name):
                last = name.rpartition("/")[2]
                there = alone or any((base / last).is_file() for base in bases)
                name = last if there and stays_inside(last) else name
        if not isinstance(name, str) or not stays_inside(name):
            reason = f"image {identity}: file_name {shown(name)} is not a path inside the set"
            problems.append(_bad(file, reason, "name the picture"))
            continue
        try:
            stated = _side(entry, "width"), _side(entry, "height")
        except ValueError as error:
            problems.append(_bad(file, f"image {identity}: {error}", "fix or leave out both"))
            continue
        found[identity] = (name, None if 0 in stated else stated)
    return found


def _side(image: dict[str, object], key: str) -> float:
    """Read a side of an image; 0 where it is not known, and a number in quotes as a number."""
    value = image.get(key)
    if value is None or value == "":
        return 0.0
    if isinstance(value, str):
        return number(value.strip())
    return max(0.0, finite(value, key))


def _add(
    entry: object,
    at: int,
    rows: dict[int | str, list[Row]],
    sizes: Mapping[int | str, tuple[float, float] | None],
    index_of: dict[int, int],
    seen: set[int | str],
    file: Path,
    problems: list[Problem],
) -> None:
    """Put one annotation into its image's rows, or report it."""
    identity = identity_of(entry, "id")
    title = f"annotations[{at}]" if identity is None else f"annotation {identity}"
    image = identity_of(entry, "image_id")
    if identity is None or image is None or not isinstance(entry, dict):
        missing = "id" if identity is None else "image_id"
        problems.append(_bad(file, f"{title} has no '{missing}'", "add it"))
        return
    if identity in seen:
        problems.append(_bad(file, f"{title}: this id appears twice", "renumber one"))
        return
    seen.add(identity)
    if image not in rows:
        reason = f"{title}: there is no image {image}"
        problems.append(Problem("orphan-label", file, None, reason, "delete it or add the image"))
        return
    category = whole(entry.get("category_id"))
    if category is None or category not in index_of:
        reason = f"{title}: category {shown(entry.get('category_id'))} is not among the categories"
        problems.append(Problem("unknown-class", file, None, reason, "declare it or correct it"))
        return
    try:
        x, y, width, height = _bbox(entry, sizes.get(image))
        crowd = is_crowd(entry)
        area = None if entry.get("area") is None else _number(entry, "area")
        if area is not None and area < 0:
            raise ValueError(f"area is {area:g}")
    except ValueError as error:
        problems.append(_bad(file, f"{title}: {error}", "fix the annotation"))
        return
    edges = (x, y, x + width, y + height)
    rows[image].append(Row(edges, index_of[category], title, crowd=crowd, area=area))


def _bad(file: Path, reason: str, hint: str) -> Problem:
    return Problem("bad-label", file, None, reason, hint)


def identity_of(entry: object, key: str) -> int | str | None:
    """Read an id, which COCO numbers and some tools name; None where there is none."""
    value = entry.get(key) if isinstance(entry, dict) else None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int | str) and not isinstance(value, bool) else None


def whole(value: object) -> int | None:
    """Read a whole number, which some tools write with a point or in quotes; None for the rest."""
    if isinstance(value, str) and re.fullmatch(r"\d{1,15}", value, re.ASCII):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def is_crowd(entry: Mapping[str, object]) -> bool:
    """Read ``iscrowd``: 0 or 1, false or true, null or left out.

    Raises:
        ValueError: For anything else.
    """
    value = entry.get("iscrowd")
    if value is None or isinstance(value, bool):
        return bool(value)
    crowd = number(value) if isinstance(value, str) else finite(value, "iscrowd")
    if crowd not in (0.0, 1.0):
        raise ValueError(f"iscrowd is {crowd:g}, not 0 or 1")
    return crowd == 1.0


def _bbox(entry: Mapping[str, object], stated: tuple[float, float] | None) -> list[float]:
    """Read the box of an annotation; of one without, the box around its shape."""
    values = entry.get("bbox")
    if values is None or values == []:
        return _around(entry.get("segmentation"), stated)
    if not isinstance(values, list) or len(values) != 4:
        raise ValueError("bbox is not [x, y, width, height]")
    return [finite(value, "bbox") for value in values]


def _around(shape: object, stated: tuple[float, float] | None) -> list[float]:
    """Give [x, y, width, height] around polygons or run lengths.

    Raises:
        ValueError: For anything else.
    """
    missing = "it has neither a bbox nor a shape that could give one"
    if isinstance(shape, dict):
        counts, sides = shape.get("counts"), shape.get("size")
        if not isinstance(sides, list) or len(sides) != 2 or stated is None:
            raise ValueError(missing)
        size = Size(int(stated[0]), int(stated[1]))
        runs: Any = runs_of(counts) if isinstance(counts, str) else counts
        sound = isinstance(runs, list) and all(type(one) is int for one in runs)
        if not sound or sides != [size.height, size.width] or min(runs, default=-1) < 0:
            raise ValueError(missing)
        if sum(runs) != size.width * size.height:
            raise ValueError("its run lengths do not add up to the pixels of the picture")
        down, across = run_pixels(tuple(runs), size).nonzero()
        if not len(across):
            raise ValueError("its shape covers no pixel")
        x, y = float(across.min()), float(down.min())
        return [x, y, float(across.max()) + 1 - x, float(down.max()) + 1 - y]
    polygons = shape if isinstance(shape, list) else []
    if polygons and not any(isinstance(one, list) for one in polygons):
        polygons = [polygons]
    values = [value for one in polygons if isinstance(one, list) for value in one]
    numbers = [finite(value, "segmentation") for value in values]
    if len(numbers) < 6 or len(numbers) % 2:
        raise ValueError(missing)
    across_, down_ = numbers[::2], numbers[1::2]
    x, y = min(across_), min(down_)
    return [x, y, max(across_) - x, max(down_) - y]


def _number(entry: dict[str, object], key: str) -> float:
    return finite(entry.get(key), key)


def finite(value: object, what: str) -> float:
    """Read a JSON number.

    Raises:
        ValueError: For anything else, NaN and infinity included.
    """
    try:
        found = float(value) if isinstance(value, int | float) else math.nan
    except OverflowError:
        found = math.nan
    if isinstance(value, bool) or not math.isfinite(found):
        raise ValueError(f"{what} holds {shown(value)}, which is not a finite number")
    return found


def shown(value: object) -> str:
    """Write a JSON value into a message: short, whatever it is."""
    simple = value is None or isinstance(value, str | int | float)
    return repr(value)[:60] if simple else f"a {type(value).__name__}"
