"""Opening a set: recognizing it, refusing it, accepting a kind, and its fingerprint."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tatami.data.fingerprint import fingerprint
from tatami.data.formats.table import BOX_FORMATS
from tatami.data.open import format_of, open_dataset, splits
from tatami.errors import TatamiError
from tatami.types import Dataset

Save = Callable[..., Path]


def write_voc(root: Path, dataset: Dataset) -> None:
    for name in ("Annotations", "JPEGImages"):
        (root / name).mkdir(parents=True)
    (root / "classes.txt").write_text("".join(f"{name}\n" for name in dataset.classes))
    for sample in dataset.samples:
        shutil.copy(sample.path, root / "JPEGImages")
        things = "".join(
            f"<object><name>{dataset.classes[label]}</name><bndbox><xmin>{x1 + 1}</xmin>"
            f"<ymin>{y1 + 1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object>"
            for (x1, y1, x2, y2), label in zip(
                sample.boxes.xyxy.tolist(), sample.boxes.labels, strict=True
            )
        )
        text = f"<annotation>{things}</annotation>"
        (root / "Annotations" / f"{sample.path.stem}.xml").write_text(text)


def write_coco(root: Path, dataset: Dataset) -> None:
    content: dict[str, list[dict[str, object]]] = {
        "images": [], "annotations": [],
        "categories": [{"id": 10 * at, "name": name} for at, name in enumerate(dataset.classes)],
    }  # fmt: skip
    (root / "images").mkdir(parents=True)
    for sample in dataset.samples:
        shutil.copy(sample.path, root / "images")
        content["images"].append({"id": sample.id, "file_name": sample.path.name})
        for xyxy, label in zip(sample.boxes.xyxy, sample.boxes.labels, strict=True):
            entry = {"id": len(content["annotations"]), "image_id": sample.id}
            bbox = [*xyxy[:2].tolist(), *(xyxy[2:] - xyxy[:2]).tolist()]
            content["annotations"].append(entry | {"category_id": 10 * int(label), "bbox": bbox})
    (root / "annotations").mkdir()
    (root / "annotations" / "all.json").write_text(json.dumps(content))


def write_yolo(root: Path, dataset: Dataset) -> None:
    for name in ("images", "labels"):
        (root / name).mkdir(parents=True)
    (root / "set.yaml").write_text(json.dumps({"train": "images", "names": list(dataset.classes)}))
    for sample in dataset.samples:
        shutil.copy(sample.path, root / "images")
        scale = np.array([sample.size.width, sample.size.height])
        lines = [
            f"{label} {' '.join(map(repr, [*c.tolist(), *s.tolist()]))}\n"
            for label, c, s in zip(
                sample.boxes.labels,
                (sample.boxes.xyxy[:, :2] + sample.boxes.xyxy[:, 2:]) / 2 / scale,
                (sample.boxes.xyxy[:, 2:] - sample.boxes.xyxy[:, :2]) / scale,
                strict=True,
            )
        ]
        (root / "labels" / f"{sample.path.stem}.txt").write_text("".join(lines))


def write_labelme(root: Path, dataset: Dataset) -> None:
    root.mkdir()
    (root / "labels.txt").write_text("".join(f"{name}\n" for name in dataset.classes))
    for sample in dataset.samples:
        shutil.copy(sample.path, root)
        shapes = [
            {"label": dataset.classes[label], "points": [[x1, y1], [x2, y2]]}
            | {"shape_type": "rectangle"}
            for (x1, y1, x2, y2), label in zip(
                sample.boxes.xyxy.tolist(), sample.boxes.labels, strict=True
            )
        ]
        content = {"shapes": shapes, "imagePath": sample.path.name, "imageHeight": 0}
        (root / f"{sample.path.stem}.json").write_text(json.dumps(content))


def write_csv(root: Path, dataset: Dataset) -> None:
    (root / "images").mkdir(parents=True)
    lines = ["filename,width,height,class,xmin,ymin,xmax,ymax"]
    for sample in dataset.samples:
        shutil.copy(sample.path, root / "images")
        size = f"{sample.path.name},{sample.size.width},{sample.size.height}"
        for xyxy, label in zip(sample.boxes.xyxy.tolist(), sample.boxes.labels, strict=True):
            lines.append(f"{size},{dataset.classes[label]},{','.join(map(repr, xyxy))}")
    (root / "boxes.csv").write_text("\n".join(lines))


def test_one_set_in_every_format_is_the_same_set(shared_data: Path, tmp_path: Path) -> None:
    whole = open_dataset(shared_data / "detect" / "bccd", split="test").dataset
    part = dataclasses.replace(whole, samples=whole.samples[:8])
    write_voc(tmp_path / "voc", part)
    write_coco(tmp_path / "coco", part)
    write_yolo(tmp_path / "yolo", part)
    write_labelme(tmp_path / "labelme", part)
    write_csv(tmp_path / "csv", part)
    written = sorted(path.name for path in tmp_path.iterdir())
    assert {*written} <= BOX_FORMATS.keys()
    for name in written:
        assert format_of(tmp_path / name) == name
        found = open_dataset(tmp_path / name).dataset
        assert found.classes == part.classes
        assert len(found) == 8
        for sample, expected in zip(found.samples, part.samples, strict=True):
            assert sample.id == expected.id
            assert sample.size == expected.size
            assert np.array_equal(sample.boxes.labels, expected.boxes.labels)
            assert np.abs(sample.boxes.xyxy - expected.boxes.xyxy).max() < 1e-9
    voc = open_dataset(tmp_path / "voc").dataset
    assert fingerprint(voc) == fingerprint(open_dataset(tmp_path / "coco").dataset)
    assert fingerprint(voc) == fingerprint(part)


@pytest.fixture
def root(tmp_path: Path, save_picture: Save) -> Path:
    """Two splits by YAML: train with a faulty line and a missing label; val sound."""
    for at, name in enumerate(("train/a", "train/b", "train/c", "val/d")):
        save_picture(tmp_path / "images" / f"{name}.png", seed=at)
        if name != "train/c":
            label = tmp_path / "labels" / f"{name}.txt"
            label.parent.mkdir(parents=True, exist_ok=True)
            label.write_text("0 0.5 0.5 0.5 0.5\n")
    (tmp_path / "labels" / "train" / "a.txt").write_text("0 0.5 0.5 0 0\n1 .5 .5 0 0\n9 1 1 1 1\n")
    text = "train: images/train\nval: images/val\nnames: [ant, bee]\n"
    (tmp_path / "data.yaml").write_text(text)
    return tmp_path


def test_the_first_problem_is_raised_and_the_rest_counted(root: Path) -> None:
    with pytest.raises(TatamiError) as caught:
        open_dataset(root, split="train")
    error = caught.value
    assert (error.file, error.line) == (root / "labels" / "train" / "a.txt", 1)
    assert error.reason.startswith("degenerate-box: box in line 1 (ant)")
    assert "3 more: 1 class-out-of-range, 1 degenerate-box, 1 missing-label" in error.hint
    assert "inspect the set to list them all" in error.hint
    assert "skip degenerate-box" in error.hint


def test_accepted_kinds_are_left_out_and_counted(root: Path) -> None:
    kinds = ("degenerate-box", "class-out-of-range", "missing-label")
    opened = open_dataset(root, split="train", skip=kinds)
    counts = {"degenerate-box": 2, "class-out-of-range": 1, "missing-label": 1}
    assert opened.skipped == Counter(counts)
    assert [(s.id, len(s.boxes)) for s in opened.dataset.samples] == [("a", 0), ("b", 1)]
    with pytest.raises(TatamiError, match="missing-label"):
        open_dataset(root, split="train", skip=kinds[:2])
    with pytest.raises(TatamiError, match="'degenerate' is not a kind of problem"):
        open_dataset(root, split="train", skip=["degenerate"])


def test_the_split_is_named_unless_there_is_one(root: Path) -> None:
    assert splits(root) == ("train", "val")
    assert open_dataset(root, split="val").dataset.split == "val"
    with pytest.raises(TatamiError, match=r"several splits \(name one of train, val\)"):
        open_dataset(root)
    with pytest.raises(TatamiError, match=r"no split 'test' \(name one of train, val\)"):
        open_dataset(root, split="test")


def test_a_set_is_recognized_or_refused(tmp_path: Path, root: Path) -> None:
    with pytest.raises(TatamiError, match="no such folder"):
        open_dataset(tmp_path / "absent")
    with pytest.raises(TatamiError, match="no format 'pascal'"):
        open_dataset(root, format="pascal")
    with pytest.raises(TatamiError, match=r"voc: annotations as \.xml"):
        open_dataset(root, format="voc")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(TatamiError, match=r"looked for voc: .*; coco: .*; yolo: "):
        open_dataset(empty)
    (root / "annotations").mkdir()
    (root / "annotations" / "instances_val.json").write_text("{}")
    with pytest.raises(TatamiError, match="looks like coco and yolo"):
        open_dataset(root)
    assert splits(root, "yolo") == ("train", "val")


def test_a_split_of_nothing_is_refused(root: Path) -> None:
    (root / "images" / "val" / "d.png").unlink()
    (root / "labels" / "val" / "d.txt").unlink()
    with pytest.raises(TatamiError, match="split 'val' holds no labeled picture"):
        open_dataset(root, split="val")


def test_the_fingerprint_changes_with_anything_learnt_from(
    root: Path, tmp_path_factory: pytest.TempPathFactory, save_picture: Save
) -> None:
    before = fingerprint(open_dataset(root, split="val").dataset)
    assert len(before) == 64
    moved = tmp_path_factory.mktemp("elsewhere") / "set"
    shutil.copytree(root, moved)
    assert fingerprint(open_dataset(moved, split="val").dataset) == before
    seen = {before}
    label = root / "labels" / "val" / "d.txt"
    for text in ("0 0.5 0.5 0.5 0.6\n", "1 0.5 0.5 0.5 0.6\n", ""):
        label.write_text(text)
        seen.add(fingerprint(open_dataset(root, split="val").dataset))
    save_picture(root / "images" / "val" / "d.png", seed=9)
    seen.add(fingerprint(open_dataset(root, split="val").dataset))
    (root / "data.yaml").write_text("val: images/val\nnames: [ant, wasp]\n")
    opened = open_dataset(root, split="val").dataset
    seen.add(fingerprint(opened))
    assert len(seen) == 6
    (root / "images" / "val" / "d.png").unlink()
    with pytest.raises(TatamiError, match="cannot be read"):
        fingerprint(opened)
