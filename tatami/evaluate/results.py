"""Detections as a file: COCO's results format, a list of one object a detection.

``{"image_id": ..., "category_id": ..., "bbox": [x, y, width, height], "score": ...}``, in pixels.
Its sides come from subtracting edges, so an edge that is read back may differ in its last bit.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tatami.errors import TatamiError
from tatami.files import parse_json, write_atomically
from tatami.types import Detections, Int64

MAX_JSON_BYTES = 2**30
"""Ten million detections of four figures a number."""


def write_results(
    path: Path,
    pictures: Sequence[str],
    detections: Sequence[Detections],
    categories: Sequence[int],
) -> None:
    """Write the detections of pictures, whole or not at all.

    An id that is a plain whole number is written as one, as COCO has them.

    Args:
        path: The file.
        pictures: The id of each picture.
        detections: What was found in each.
        categories: The category id of each class.
    """
    rows = []
    for picture, found in zip(pictures, detections, strict=True):
        number = picture.isascii() and picture.isdigit() and str(int(picture)) == picture
        for xyxy, score, label in zip(
            found.xyxy.tolist(), found.scores.tolist(), found.labels.tolist(), strict=True
        ):
            x1, y1, x2, y2 = xyxy
            rows.append(
                {
                    "image_id": int(picture) if number else picture,
                    "category_id": categories[label],
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "score": score,
                }
            )
    write_atomically(path, json.dumps(rows, allow_nan=False) + "\n")


def read_results(
    path: Path, pictures: Sequence[str], categories: Sequence[int]
) -> tuple[tuple[Detections, ...], tuple[Int64, ...]]:
    """Read the detections of each picture; most may have none.

    An ``image_id`` is a picture's id or, for ids such as 000012, its number.

    Args:
        path: The file.
        pictures: The id of each picture, which orders the result.
        categories: The category id of each class.

    Returns:
        The detections of each picture, and the place of each in the file: devkits settle ties by
        it.

    Raises:
        TatamiError: For a file that is not such a list, or has another picture or category.
    """
    place: dict[object, int] = {}
    for index, picture in enumerate(pictures):
        place[picture] = index
        if picture.isascii() and picture.isdigit():
            place.setdefault(int(picture), index)
    label = {category: index for index, category in enumerate(categories)}
    rows: list[list[tuple[list[float], float, int, int]]] = [[] for _ in pictures]
    for number, row in enumerate(_rows(path)):
        try:
            index, box, score, category = _parsed(row, place, label)
        except ValueError as error:
            raise TatamiError(
                f"detection {number}: {error}", hint="write it in COCO's results format", file=path
            ) from error
        rows[index].append((box, score, category, number))
    detections = tuple(
        Detections.of([r[0] for r in found], [r[1] for r in found], [r[2] for r in found])
        for found in rows
    )
    return detections, tuple(np.array([r[3] for r in found], np.int64) for found in rows)


def _rows(path: Path) -> list[object]:
    if not path.is_file():
        raise TatamiError("no such file", hint="check the path", file=path)
    if path.stat().st_size > MAX_JSON_BYTES:
        raise TatamiError(
            f"larger than {MAX_JSON_BYTES >> 20} MiB", hint="leave out low scores", file=path
        )
    rows = parse_json(path.read_bytes(), path)
    if not isinstance(rows, list):
        raise TatamiError("not a list of detections", hint="give COCO's results format", file=path)
    return rows


def _parsed(
    row: object, place: Mapping[object, int], label: Mapping[int, int]
) -> tuple[int, list[float], float, int]:
    """Read picture index, xyxy, score and class of one row.

    Raises:
        ValueError: For a faulty row; it says what is wrong.
    """
    if not isinstance(row, dict):
        raise ValueError("not an object")
    picture, category = row.get("image_id"), row.get("category_id")
    if isinstance(picture, bool) or not isinstance(picture, int | str) or picture not in place:
        raise ValueError(f"image_id {_shown(picture)} is not a picture of the data")
    if isinstance(category, bool) or not isinstance(category, int) or category not in label:
        raise ValueError(f"category_id {_shown(category)} is not one of {_some(label)}")
    bbox = row.get("bbox")
    if not isinstance(bbox, list) or len(bbox) != 4:
        raise ValueError("bbox is not [x, y, width, height]")
    x, y, width, height = (_finite(value, "bbox") for value in bbox)
    if width < 0 or height < 0:
        raise ValueError("bbox has a negative side")
    return (
        place[picture],
        [x, y, x + width, y + height],
        _finite(row.get("score"), "score"),
        label[category],
    )


def _finite(value: object, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{what} holds {_shown(value)}, not a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{what} is not finite")
    return number


def _shown(value: object) -> str:
    simple = value is None or isinstance(value, str | int | float)
    return repr(value)[:60] if simple else f"a {type(value).__name__}"


def _some(values: Mapping[int, int]) -> str:
    shown = [str(value) for value in sorted(values)]
    return ", ".join(shown if len(shown) <= 10 else [*shown[:4], "...", shown[-1]])
