"""COCO JSON: one file a split, with its images, categories and annotations.

A folder holds annotations/instances_SPLIT.json (or SPLIT/_annotations.coco.json, or one file named
annotations.json or instances*.json); a .json file may be named directly. Pictures are looked for
in images/SPLIT, images, SPLIT, the folder itself, and beside the JSON. The file is the list of the
set: pictures that it does not name are no part of it, and an image without annotations is a
picture without objects. Classes follow the category id; a sample's id is its image id.
"""

from __future__ import annotations

import math
from pathlib import Path

from tatami.data.labels import (
    Row,
    checked_boxes,
    checked_names,
    checked_size,
    class_name,
    read_bytes,
    stays_inside,
)
from tatami.data.problems import Problem, Reading, in_order
from tatami.errors import TatamiError
from tatami.files import parse_json
from tatami.types import Dataset, Sample

LOOKED_FOR = "annotations/*.json, SPLIT/_annotations.coco.json or a .json file"

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
    return tuple(categories_of(read_content(file)["categories"], file))


def strays(_root: Path) -> list[Problem]:
    """Find nothing: each file lists its split, and reading it reports the rest."""
    return []


def read(root: Path, split: str) -> Reading:
    """Read one split of the set.

    Raises:
        TatamiError: For a file that is not JSON, lacks one of its three lists, or whose categories
            are not (id, name) pairs that differ.
    """
    file = split_files(root)[split]
    content = read_content(file)
    categories = categories_of(content["categories"], file)
    names = tuple(categories.values())
    index_of = {identity: at for at, identity in enumerate(categories)}
    problems: list[Problem] = []
    images = images_of(content["images"], file, problems)
    rows: dict[int | str, list[Row]] = {identity: [] for identity in images}
    seen: set[int | str] = set()
    for at, entry in enumerate(content["annotations"]):
        _add(entry, at, rows, index_of, seen, file, problems)

    bases = picture_folders(root, file, split)
    taken: dict[Path, int | str] = {}
    samples = []
    for identity, image in images.items():
        if image is None:
            continue
        name, stated = image
        picture = next((base / name for base in bases if (base / name).is_file()), bases[0] / name)
        if picture in taken:
            reason = f"image {identity} names {name}, as image {taken[picture]} does"
            problems.append(Problem("duplicate-picture", file, None, reason, "delete one"))
            continue
        taken[picture] = identity
        size = checked_size(picture, stated, file, None, problems)
        if size is not None:
            boxes = checked_boxes(rows[identity], size, file, problems)
            samples.append(Sample(str(identity), picture, size, boxes))
    dataset = Dataset(root, split, names, tuple(samples), tuple(categories))
    return Reading(dataset, in_order(problems))


def split_files(root: Path) -> dict[str, Path]:
    """Find the JSON file of each split."""
    if root.is_file():
        of_masks = root.name.endswith("masks.json")  # data/mask_folders.py's
        return {_split_of(root): root} if root.suffix.lower() == ".json" and not of_masks else {}
    found = sorted((root / "annotations").glob("*.json"))
    found = [path for path in found if not path.name.startswith(_OTHER_TASKS)]
    if not found:
        found = sorted(root.glob("*/_annotations.coco.json"))
        found += sorted({*root.glob("instances*.json"), *root.glob("annotations.json")})
        found += sorted(root.glob("_annotations.coco.json"))
    return {_split_of(path): path for path in found}


def _split_of(path: Path) -> str:
    if path.name == "_annotations.coco.json":
        return path.parent.name or "all"
    name = path.stem.removeprefix("instances_")
    return "all" if name in ("annotations", "instances") else name


def picture_folders(root: Path, file: Path, split: str) -> list[Path]:
    """List the folders that a file_name may be relative to, the likeliest first."""
    top = root
    if root.is_file():
        top = file.parent.parent if file.parent.name == "annotations" else file.parent
    return [top / "images" / split, top / "images", top / split, top, file.parent]


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


def categories_of(entries: list[object], file: Path) -> dict[int, str]:
    """Give class names by category id, ascending.

    Args:
        entries: The file's categories.
        file: The file, which an error names.

    Raises:
        TatamiError: Where they are not (id, name) pairs that differ.
    """
    found: dict[int, str] = {}
    for at, entry in enumerate(entries):
        identity = entry.get("id") if isinstance(entry, dict) else None
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(identity, int) or isinstance(identity, bool) or not isinstance(name, str):
            raise TatamiError(
                f"categories[{at}] has no whole number 'id' or no 'name'", hint="add it", file=file
            )
        if identity in found:
            raise TatamiError(
                f"category id {identity} stands twice", hint="renumber one", file=file
            )
        found[identity] = class_name(name, file)
    found = dict(sorted(found.items()))
    checked_names(found.values(), file)
    return found


def images_of(
    entries: list[object], file: Path, problems: list[Problem]
) -> dict[int | str, tuple[str, tuple[float, float] | None] | None]:
    """Give each image's file name and stated size by its id, in the file's order.

    Args:
        entries: The file's images.
        file: The file, which a problem names.
        problems: Gets what is wrong.

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
            problems.append(_bad(file, f"image id {identity} stands twice", "renumber one"))
            continue
        found[identity] = None
        name = entry.get("file_name")
        if not isinstance(name, str) or not stays_inside(name):
            reason = f"image {identity}: file_name {shown(name)} is no path inside the set"
            problems.append(_bad(file, reason, "name the picture"))
            continue
        try:
            known = "width" in entry or "height" in entry
            stated = (_number(entry, "width"), _number(entry, "height")) if known else None
        except ValueError as error:
            problems.append(_bad(file, f"image {identity}: {error}", "fix or leave out both"))
            continue
        found[identity] = (name, stated)
    return found


def _add(
    entry: object,
    at: int,
    rows: dict[int | str, list[Row]],
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
        problems.append(_bad(file, f"{title}: this id stands twice", "renumber one"))
        return
    seen.add(identity)
    if image not in rows:
        reason = f"{title}: there is no image {image}"
        problems.append(Problem("orphan-label", file, None, reason, "delete it or add the image"))
        return
    category = entry.get("category_id")
    number = isinstance(category, int) and not isinstance(category, bool)
    if not number or category not in index_of:
        reason = f"{title}: category {shown(category)} is not among the categories"
        problems.append(Problem("unknown-class", file, None, reason, "declare it or correct it"))
        return
    try:
        x, y, width, height = _bbox(entry)
        crowd = _number(entry, "iscrowd") if "iscrowd" in entry else 0.0
        if crowd not in (0.0, 1.0):
            raise ValueError(f"iscrowd is {crowd:g}, not 0 or 1")
        area = _number(entry, "area") if "area" in entry else None
        if area is not None and area < 0:
            raise ValueError(f"area is {area:g}")
    except ValueError as error:
        problems.append(_bad(file, f"{title}: {error}", "fix the annotation"))
        return
    edges = (x, y, x + width, y + height)
    rows[image].append(Row(edges, index_of[category], title, crowd=crowd == 1.0, area=area))


def _bad(file: Path, reason: str, hint: str) -> Problem:
    return Problem("bad-label", file, None, reason, hint)


def identity_of(entry: object, key: str) -> int | str | None:
    """Read an id, which COCO numbers and some tools name; None where there is none."""
    value = entry.get(key) if isinstance(entry, dict) else None
    return value if isinstance(value, int | str) and not isinstance(value, bool) else None


def _bbox(entry: dict[str, object]) -> list[float]:
    values = entry.get("bbox")
    if not isinstance(values, list) or len(values) != 4:
        raise ValueError("bbox is not [x, y, width, height]")
    return [finite(value, "bbox") for value in values]


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
