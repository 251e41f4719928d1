"""COCO's polygons and run lengths as masks: the JSON that coco.py reads for its boxes.

The classes are the categories, and before them ``background``, the class of every pixel that no
annotation covers. Where annotations overlap, the smaller one is on top, and of equal ones the
later; a crowd (``iscrowd``), whose outline is not exact, makes void what it alone covers. A picture
with one annotation that cannot be understood is left out, because its pixels would be wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tatami.data.formats import coco
from tatami.data.labels import checked_names, checked_size
from tatami.data.masks import usual_colors
from tatami.data.pictures import read_picture
from tatami.data.problems import MaskReading, Problem, in_order
from tatami.data.shapes import polygon_pixels, run_pixels, runs_of
from tatami.errors import TatamiError
from tatami.types import VOID, Bool, Float64, LabeledMasks, Mask, Picture, Size

LOOKED_FOR = coco.LOOKED_FOR
BACKGROUND = "background"

recognizes = coco.recognizes
splits = coco.splits


@dataclass(frozen=True)
class _Shape:
    """One annotation: polygons (n, 2) of x, y, or the run lengths of a whole picture."""

    label: int
    crowd: bool
    polygons: tuple[Float64, ...]
    runs: tuple[int, ...]

    def pixels(self, size: Size) -> Bool:
        """Find the shape's pixels, (height, width).

        Raises:
            ValueError: For runs of another picture's size.
        """
        if self.runs:
            return run_pixels(self.runs, size)
        covered: Bool = np.zeros((size.height, size.width), np.bool_)
        for polygon in self.polygons:
            covered |= polygon_pixels(polygon, size)
        return covered


@dataclass(frozen=True)
class _Labeled:
    """A picture, and its annotations in the order of the file."""

    id: str
    path: Path
    size: Size
    shapes: tuple[_Shape, ...]


def read(root: Path, split: str) -> MaskReading:
    """Read one split of the set.

    Raises:
        TatamiError: As for ``coco.read``.
    """
    file = coco.split_files(root)[split]
    content = coco.read_content(file)
    notes: list[str] = []
    categories = coco.categories_of(content["categories"], file, content["annotations"], notes)
    names = checked_names((BACKGROUND, *categories.values()), file)
    label_of = {identity: label for label, identity in enumerate(categories, 1)}
    problems: list[Problem] = []
    bases = coco.picture_folders(root, file, split)
    images = coco.images_of(content["images"], file, problems, bases)
    entries: dict[int | str, list[dict[str, object]]] = {identity: [] for identity in images}
    for at, entry in enumerate(content["annotations"]):
        image = coco.identity_of(entry, "image_id")
        if image is None or not isinstance(entry, dict):
            problems.append(_bad(file, f"annotations[{at}] has no 'image_id'"))
        elif image not in entries:
            reason = f"annotations[{at}]: there is no image {image}"
            hint = "delete it or add the image"
            problems.append(Problem("orphan-label", file, None, reason, hint))
        else:
            entries[image].append(entry)

    found = []
    for identity, known in images.items():
        if known is None:
            continue
        name, stated = known
        picture = coco.picture_at(bases, name)
        size = checked_size(picture, stated, file, None, problems)
        shapes = (
            None if size is None else _shapes(entries[identity], size, label_of, file, problems)
        )
        if size is not None and shapes is not None:
            found.append(_Labeled(str(identity), picture, size, shapes))

    def labeled(index: int) -> tuple[Picture, Mask]:
        one = found[index]
        pixels = read_picture(one.path)
        if pixels.shape[:2] != (one.size.height, one.size.width):
            raise TatamiError(
                "the picture has changed its size", hint="open the set again", file=one.path
            )
        return pixels, _mask(one)

    ids = tuple(one.id for one in found)
    masks = LabeledMasks(root, split, names, usual_colors(len(names)), ids, labeled)
    return MaskReading(masks, in_order(problems), tuple(notes))


def _mask(one: _Labeled) -> Mask:
    """Find the class of every pixel, by the rule above."""
    mask: Mask = np.zeros((one.size.height, one.size.width), np.uint8)
    drawn = [(shape, shape.pixels(one.size)) for shape in one.shapes]
    # Crowds lie lowest, then the largest; the sort keeps the file's order among equals.
    for shape, pixels in sorted(drawn, key=lambda pair: (not pair[0].crowd, -int(pair[1].sum()))):
        mask[pixels] = VOID if shape.crowd else shape.label
    return mask


def _shapes(
    entries: Sequence[dict[str, object]],
    size: Size,
    label_of: dict[int, int],
    file: Path,
    problems: list[Problem],
) -> tuple[_Shape, ...] | None:
    """Read the annotations of a picture; None, with what is wrong reported, for a faulty one."""
    shapes = []
    before = len(problems)
    for at, entry in enumerate(entries):
        identity = coco.identity_of(entry, "id")
        title = f"annotation {at if identity is None else identity} of {entry.get('image_id')}"
        stated = entry.get("category_id")
        category = coco.whole(stated)
        if category is None or category not in label_of:
            reason = f"{title}: category {coco.shown(stated)} is not among the categories"
            hint = "declare it or correct it"
            problems.append(Problem("unknown-class", file, None, reason, hint))
            continue
        try:
            crowd = entry.get("iscrowd") not in (0, False, None, "0")
            polygons, runs = _segmentation(entry.get("segmentation"), size)
            shapes.append(_Shape(label_of[category], crowd, polygons, runs))
        except ValueError as error:
            problems.append(_bad(file, f"{title}: {error}"))
    return tuple(shapes) if len(problems) == before else None


def _segmentation(value: object, size: Size) -> tuple[tuple[Float64, ...], tuple[int, ...]]:
    """Read polygons or runs.

    Raises:
        ValueError: For anything that is neither.
    """
    if isinstance(value, dict):
        stated, counts = value.get("size"), value.get("counts")
        if stated != [size.height, size.width]:
            raise ValueError(f"its run lengths are of {coco.shown(stated)}, the picture is {size}")
        if isinstance(counts, str):
            counts = runs_of(counts)
        whole = isinstance(counts, list) and all(type(one) is int for one in counts)
        if not isinstance(counts, list) or not whole or not counts:
            raise ValueError("its counts are no run lengths")
        if min(counts) < 0 or sum(counts) != size.width * size.height:
            raise ValueError(f"its run lengths do not add up to the pixels of {size}")
        return (), tuple(counts)
    if not isinstance(value, list) or not value:
        raise ValueError("it has no 'segmentation' of polygons or run lengths")
    return tuple(_polygon(one, size) for one in value), ()


def _polygon(value: object, size: Size) -> Float64:
    """Read the corners (n, 2) of a polygon.

    Raises:
        ValueError: For fewer than three, and for those that lie further from the picture than its
            longer side.
    """
    if not isinstance(value, list) or len(value) < 6 or len(value) % 2:
        raise ValueError("a polygon is not a list of at least three corners, x and y in turns")
    numbers = np.array([coco.finite(one, "a polygon") for one in value], np.float64).reshape(-1, 2)
    longer = max(size.width, size.height)
    if (numbers < -longer).any() or (numbers > 2 * longer).any():
        raise ValueError(f"a polygon lies far outside of the {size} picture")
    return numbers


def _bad(file: Path, reason: str) -> Problem:
    hint = "fix the annotation, or skip its picture"
    return Problem("bad-label", file, None, reason, hint)
