"""Sets with boxes written anew: what is opened again is what was opened before."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tatami.data.convert import WRITERS, write_set
from tatami.data.fingerprint import fingerprint
from tatami.data.open import format_of, open_dataset, splits
from tatami.errors import TatamiError
from tatami.pipeline.convert import convert
from tatami.types import Boxes, Dataset


def picture(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (10, 20, 3), np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Twelve pictures in YOLO's form, of two classes; an odd name among both."""
    root = tmp_path / "set"
    for at in range(12):
        split = "valid" if at % 4 == 3 else "train"
        picture(root / "images" / split / f"p{at}.png", at)
        label = root / "labels" / split / f"p{at}.txt"
        label.parent.mkdir(parents=True, exist_ok=True)
        label.write_text(f"{at % 2} 0.5 0.5 0.{at % 5 + 1} 0.3\n1 0.25 0.5 0.1 0.2\n" * (at > 0))
        if at:
            label.write_text(f"{at % 2} 0.5 0.5 0.{at % 5 + 1} 0.3\n")
    (root / "classes.txt").write_text('zebra & "ant"\nno\n')
    return root


@pytest.mark.parametrize("form", WRITERS)
def test_what_is_written_opens_as_the_same_set(form: str, root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = convert(root, out, to=form)
    assert result.splits == {"train": 9, "valid": 3}
    assert result.notes == ()
    assert any("outlines and key points" in line for line in result.lines())
    assert format_of(out) == form
    names = {"yolo": ("train", "val")}.get(form, ("train", "valid"))
    assert {*splits(out)} == {*names}
    for before, after in zip(("train", "valid"), names, strict=True):
        one, other = (open_dataset(r, split=s).dataset for r, s in ((root, before), (out, after)))
        assert other.classes == one.classes
        if form != "coco":  # whose pictures have numbers
            assert [sample.id for sample in other.samples] == [s.id for s in one.samples]
        by_name = {sample.path.name: sample.boxes for sample in other.samples}
        for sample in one.samples:
            found = by_name[sample.path.name]
            assert np.abs(found.xyxy - sample.boxes.xyxy).max(initial=0) < 1e-9
            assert np.array_equal(found.labels, sample.boxes.labels)
    with pytest.raises(TatamiError, match="is there already"):
        convert(root, out, to=form)


def test_a_coco_set_keeps_its_fingerprint(root: Path, tmp_path: Path) -> None:
    convert(root, tmp_path / "one", to="coco")
    convert(tmp_path / "one", tmp_path / "two", to="coco")
    one, two = (open_dataset(tmp_path / name, split="train").dataset for name in ("one", "two"))
    assert fingerprint(one) == fingerprint(two)


def test_what_a_form_cannot_say_is_said(root: Path, tmp_path: Path) -> None:
    data = open_dataset(root, split="valid").dataset
    marked = Boxes.of(
        [[1, 1, 5, 5], [2, 2, 6, 6]], [0, 1], difficult=[True, False], crowd=[False, True]
    )
    samples = (dataclasses.replace(data.samples[0], boxes=marked), *data.samples[1:])
    data = dataclasses.replace(data, samples=samples)
    left = {form: write_set({"all": data}, form, tmp_path / form) for form in WRITERS}
    assert left["voc"] == ("left out 1 crowds, which VOC has no mark for",)
    assert left["coco"] == ("left out 1 marks of difficult boxes, which COCO does not have",)
    assert len(left["yolo"]) == 2
    assert open_dataset(tmp_path / "voc").dataset.samples[0].boxes.difficult.tolist() == [True]
    crowd = json.loads((tmp_path / "coco" / "annotations" / "instances_all.json").read_text())
    assert [entry["iscrowd"] for entry in crowd["annotations"]][:2] == [0, 1]


def test_pictures_of_one_name_do_not_overwrite_one_another(tmp_path: Path) -> None:
    for at, split in enumerate(("train", "val")):
        picture(tmp_path / "set" / split / "a.png", at)
        (tmp_path / "set" / split / "a.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    convert(tmp_path / "set", tmp_path / "out", to="voc")
    found: list[Dataset] = [
        open_dataset(tmp_path / "out", split=split).dataset for split in ("train", "val")
    ]
    names = [one.samples[0].path.read_bytes() for one in found]
    assert names == [(tmp_path / "set" / s / "a.png").read_bytes() for s in ("train", "val")]


def test_a_set_is_parted(root: Path, tmp_path: Path) -> None:
    (root / "images" / "valid").rename(root / "images" / "test")
    (root / "labels" / "valid").rename(root / "labels" / "test")
    result = convert(root, tmp_path / "out", to="coco", hold_out="0.3")
    assert result.splits == {"train": 6, "val": 3, "test": 3}
    again = convert(root, tmp_path / "again", to="coco", hold_out="0.3")
    assert again.splits == result.splits
    one, two = (
        [s.path.name for s in open_dataset(tmp_path / name, split="val").dataset.samples]
        for name in ("out", "again")
    )
    assert one == two


def test_what_cannot_be_converted(root: Path, tmp_path: Path) -> None:
    with pytest.raises(TatamiError, match="no format 'pascal' is written"):
        convert(root, tmp_path / "out", to="pascal")
    (root / "labels" / "train" / "p1.txt").write_text("0 0.9 0.5 0.4 0.4\n")
    with pytest.raises(TatamiError, match="box-outside-picture"):
        convert(root, tmp_path / "out", to="voc")
    assert not (tmp_path / "out").exists()
    assert "mended 1" in convert(root, tmp_path / "out", to="voc", skip=["clip"]).notes[0]
    for name in ("x", "y"):
        picture(tmp_path / "classes" / name / "a.png", 3)
    with pytest.raises(TatamiError, match="it labels classes"):
        convert(tmp_path / "classes", tmp_path / "no")
