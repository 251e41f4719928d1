"""Small sets that were read wrong, kept apart from the project and read in place where they lie."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tatami.data.open import kind_of
from tatami.errors import TatamiError
from tatami.pipeline.inspect import inspect

PROJECT = Path(__file__).resolve().parents[2]
CASES = Path(os.environ.get("TATAMI_DATA", PROJECT.parent / "shared" / "data")).parent / "cases"

SOUND = {
    "02-voc-size-0-0": ("boxes", 1),
    "04-voc-lowercase-folders": ("boxes", 1),
    "14-yolo-pose-0": ("boxes", 1),
    "14-yolo-pose-2": ("boxes", 1),
    "19-cvat-yolo11": ("boxes", 2),
    "31-coco-roboflow-root-same-name": ("boxes", 1),
    "32-coco-labelstudio-backslash": ("boxes", 2),
    "38-coco-odd-fields-0": ("boxes", 1),
    "39-coco-bbox-empty-polygon": ("boxes", 1),
    "42-coco-size-0": ("boxes", 1),
    "150-class-folders-valid": ("classes", 6),
    "155-labelme-json-beside": ("boxes", 1),
    "161-masks-voc-rgb-png-labelme": ("masks", 1),
    "180-coco-roboflow-train-valid-no-test": ("boxes", 2),
}
"""What is sound as it is: what it labels, and the pictures."""

MENDED = {
    "01-voc-xmin-zero": "clip",
    "12-yolo-background-no-label": "background",
    "13-yolo-box-over-edge": "clip",
}
"""What a repair makes sound."""


def folder(name: str) -> Path:
    if not (CASES / name / "D").is_dir():
        pytest.skip(f"no case {name} beside TATAMI_DATA")
    return CASES / name / "D"


@pytest.mark.parametrize("name", SOUND)
def test_a_case_that_is_sound(name: str) -> None:
    root = folder(name)
    found = inspect(root)
    assert (kind_of(root), found.refused) == (SOUND[name][0], [])
    splits = found.to_json()["splits"].values()
    assert sum(split["pictures"] for split in splits) == SOUND[name][1]


@pytest.mark.parametrize("name", MENDED)
def test_a_case_that_is_mended(name: str) -> None:
    root = folder(name)
    assert inspect(root).refused
    assert inspect(root, skip=(MENDED[name],)).refused == []


def test_a_case_that_is_refused_says_where() -> None:
    root = folder("07-voc-doctype")
    with pytest.raises(TatamiError, match=r"a\.xml:1: declares a document type"):
        inspect(root)
