"""Public sets as they are cloned or unpacked, in miniature: each opens, with at most one option.

Names, nesting and oddities are those of the real trees; pictures and numbers are made here.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tatami.data.inspect import inspect
from tatami.data.open import format_of, kind_of, open_dataset

Make = Callable[[Path], None]
Box = tuple[str, int, int, int, int]
HEADER = "filename,width,height,class,xmin,ymin,xmax,ymax\n"


def picture(path: Path, size: tuple[int, int] = (40, 30), mode: str = "RGB") -> None:
    """Save a picture that no other is like."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(list(str(path).encode()))
    values = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(values).convert(mode).save(path)


def text(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def xml(path: Path, name: str, boxes: list[Box], size: tuple[int, int] = (40, 30)) -> None:
    things = "".join(
        f"\t<object>\n\t\t<name>{label}</name>\n\t\t<pose>Unspecified</pose>\n"
        f"\t\t<difficult>0</difficult>\n\t\t<bndbox>\n\t\t\t<xmin>{x1}</xmin>\n"
        f"\t\t\t<ymin>{y1}</ymin>\n\t\t\t<xmax>{x2}</xmax>\n\t\t\t<ymax>{y2}</ymax>\n"
        "\t\t</bndbox>\n\t</object>\n"
        for label, x1, y1, x2, y2 in boxes
    )
    text(
        path,
        f'<annotation verified="yes">\n\t<folder>else</folder>\n\t<filename>{name}</filename>\n'
        f"\t<path>C:\\elsewhere\\{name}</path>\n\t<size>\n\t\t<width>{size[0]}</width>\n"
        f"\t\t<height>{size[1]}</height>\n\t\t<depth>3</depth>\n\t</size>\n{things}</annotation>\n",
    )


def raccoon(root: Path) -> None:
    rows = {}
    for number in (1, 10, 100):
        boxes: list[Box] = [("raccoon", 13, 2, 39, 28)]
        boxes += [("raccoon", 1, 1, 40, 30)] if number == 100 else []
        named = f"raccoon-{number}.{'png' if number == 10 else 'jpg'}"  # the picture is a .jpg
        picture(root / f"images/raccoon-{number}.jpg")
        xml(root / f"annotations/raccoon-{number}.xml", named, boxes)
        rows[number] = "".join(
            f"raccoon-{number}.jpg,40,30,{','.join(map(str, box))}\n" for box in boxes
        )
    text(root / "data/raccoon_labels.csv", HEADER + "".join(rows.values()))
    text(root / "data/train_labels.csv", HEADER + rows[1] + rows[10])
    text(root / "data/test_labels.csv", HEADER + rows[100])
    text(root / "data/train.record", "packed")
    text(root / "training/object-detection.pbtxt", "item {\n id: 1\n name: 'raccoon'\n}\n")
    text(root / "xml_to_csv.py", "pass\n")
    text(root / "README.md", "raccoons\n")


def kangaroo(root: Path) -> None:
    for number, size in ((1, (40, 30)), (5, (32, 44)), (163, (40, 30))):
        picture(root / f"images/{number:05}.jpg", size)
        boxes: list[Box] = [("kangaroo", 2, 3, 20, 25), ("kangaroo", 10, 5, 30, 28)]
        xml(root / f"annots/{number:05}.xml", f"{number:05}.jpg", boxes, size)
    text(root / "README.md", "kangaroos\n")


def steel(root: Path) -> None:
    for split, numbers in (("train", (1, 2)), ("validation", (241,))):
        for name in ("crazing", "pitted_surface", "rolled-in_scale"):
            for number in numbers:
                stem = f"{name}_{number}"
                picture(root / f"{split}/images/{name}/{stem}.jpg", (20, 20), "L")
                stated = stem if number == 2 else f"{stem}.jpg"
                boxes = [(name, 1, 2, 18, 20)]
                xml(root / f"{split}/annotations/{stem}.xml", stated, boxes, (20, 20))
    # a pair that lies in two splits
    picture(root / "train/images/crazing/crazing_240.jpg", (20, 20), "L")
    boxes = [("crazing", 1, 1, 20, 9)]
    xml(root / "validation/annotations/crazing_240.xml", "crazing_240.jpg", boxes, (20, 20))


def cards(root: Path) -> None:
    for split, numbers in (("train", (2401, 2402)), ("test", (2383,))):
        table = HEADER
        for number in numbers:
            boxes: list[Box] = [("ace", 9, 13, 27, 28), ("king", 1, 1, 9, 9)]
            picture(root / f"images/{split}/IMG_{number}.JPG")
            xml(root / f"images/{split}/IMG_{number}.xml", f"IMG_{number}.JPG", boxes)
            table += "".join(f"IMG_{number}.JPG,40,30,{','.join(map(str, b))}\n" for b in boxes)
        text(root / f"images/{split}_labels.csv", table)
    picture(root / "images/train/cam_image1.jpg")
    xml(root / "images/train/cam_image1.xml", "cam_image1.jpg", [("queen", 1, 1, 9, 9)])
    for name in ("collage.jpg", "test1.JPG", "doc/detector2.jpg"):
        picture(root / name)
    text(root / "images/foo.txt", "")
    text(root / "bustling-kayak.json", '{"type": "account"}')
    text(root / "training/labelmap.pbtxt", "item {\n id: 1\n name: 'ace'\n}\n")
    text(root / "docker/readme.txt", "docker\n")
    text(root / "generate_tfrecord.py", "pass\n")


def fruit(root: Path) -> None:
    for split, numbers in (("train", (1, 2)), ("test", (77,))):
        for number in numbers:
            for name in ("apple", "banana", "orange"):
                place = root / f"{split}_zip" / split / f"{name}_{number}"
                picture(place.with_suffix(".jpg"))
                size = (0, 0) if number == 1 else (40, 30)  # unknown to the tool
                xml(place.with_suffix(".xml"), f"{place.name}.jpg", [(name, 2, 2, 20, 20)], size)
    place = root / "train_zip/train/mixed_5"
    picture(place.with_suffix(".jpg"))
    boxes = [("apple", 2, 2, 20, 20), ("orange", 3, 3, 20, 20)]
    xml(place.with_suffix(".xml"), "mixed_5.png", boxes)


def boards(root: Path) -> None:
    lists = {"trainval": "", "test": ""}
    for split, group, stem in (
        ("trainval", "00041", "00041000"),
        ("trainval", "00041", "00041001"),
        ("test", "20085", "20085000"),
        ("test", "44000", "44000037"),
    ):
        folder = f"group{group}"
        for kind in ("temp", "test"):
            picture(root / f"PCBData/{folder}/{group}/{stem}_{kind}.jpg", (64, 64), "L")
        text(root / f"PCBData/{folder}/{group}_not/{stem}.txt", "10 20 30 40 1\n1 2 9 9 6\n")
        lists[split] += f"{folder}/{group}/{stem}.jpg {folder}/{group}_not/{stem}.txt\n"
    for split, content in lists.items():
        text(root / f"PCBData/{split}.txt", content)
    for name in ("fig/test.jpg", "fig/template.jpg", "fig/result/result_test1.jpg"):
        picture(root / name)
    text(root / "evaluation/gt/44000037.txt", "10,20,30,40,1\n")
    text(root / "tools/README.md", "tools\n")


PCB = ("open", "short", "mousebite", "spur", "copper", "pin-hole")
SETS = {
    raccoon: ("voc", {"all": (3, 4)}, ("raccoon",)),
    kangaroo: ("voc", {"all": (3, 6)}, ("kangaroo",)),
    steel: (
        "voc",
        {"train": (7, 7), "validation": (3, 3)},
        ("crazing", "pitted_surface", "rolled-in_scale"),
    ),
    cards: ("voc", {"train": (3, 5), "test": (1, 2)}, ("ace", "king", "queen")),
    fruit: ("voc", {"train": (7, 8), "test": (3, 3)}, ("apple", "banana", "orange")),
    boards: ("deeppcb", {"trainval": (2, 4), "test": (2, 4)}, PCB),
}
"""The format, pictures and boxes of each split, and the classes."""


@pytest.mark.parametrize("make", SETS, ids=lambda make: make.__name__)
def test_a_public_set_opens_without_an_option(make: Make, tmp_path: Path) -> None:
    make(tmp_path)
    form, splits, classes = SETS[make]
    assert (kind_of(tmp_path), format_of(tmp_path)) == ("boxes", form)
    found = inspect(tmp_path)
    assert (found.classes, found.problems) == (classes, ())
    assert {
        name: (len(split), sum(len(sample.boxes) for sample in split.samples))
        for name, split in found.datasets.items()
    } == splits


@pytest.mark.parametrize("make", [raccoon, cards])
def test_of_two_forms_the_one_that_is_read_is_named(make: Make, tmp_path: Path) -> None:
    make(tmp_path)
    said = "labels stand here as voc and as csv: voc is read"
    assert said in inspect(tmp_path).notes
    split = next(iter(SETS[make][1]))
    assert said in open_dataset(tmp_path, split=split).notes
    # and the other one by its name, which needs no word
    assert said not in inspect(tmp_path, format="csv").notes


def test_the_table_has_the_splits_that_the_annotations_lack(tmp_path: Path) -> None:
    raccoon(tmp_path)
    splits = inspect(tmp_path, format="csv").datasets
    assert {name: len(splits[name]) for name in ("train", "test")} == {"train": 2, "test": 1}


def test_a_label_in_another_split_belongs_to_its_picture_and_is_said(tmp_path: Path) -> None:
    steel(tmp_path)
    opened = open_dataset(tmp_path, split="train")
    moved = {sample.id: sample for sample in opened.dataset.samples}["crazing_240"]
    np.testing.assert_array_equal(moved.boxes.xyxy, [[0, 0, 20, 9]])
    assert any("crazing_240.xml lies in another split's folder" in note for note in opened.notes)
    others = open_dataset(tmp_path, split="validation").dataset.samples
    assert "crazing_240" not in {sample.id for sample in others}


def test_a_label_of_a_stem_that_two_splits_have_is_not_moved(tmp_path: Path) -> None:
    steel(tmp_path)
    picture(tmp_path / "test/images/crazing/crazing_240.jpg", (20, 20), "L")
    xml(tmp_path / "test/annotations/crazing_9.xml", "crazing_9.jpg", [("crazing", 1, 1, 9, 9)])
    kinds = {problem.kind for problem in inspect(tmp_path).problems}
    assert {"orphan-label", "missing-label"} <= kinds


@pytest.mark.parametrize("make", [kangaroo, fruit])
def test_a_wrong_size_and_an_absent_picture_are_refused_each_with_its_option(
    make: Make, tmp_path: Path
) -> None:
    make(tmp_path)
    pictures = sum(count for count, _ in SETS[make][1].values())
    label = sorted(tmp_path.rglob("*.xml"))[0]
    good = label.read_text()
    label.write_text(good.replace("<width>40<", "<width>41<"))
    found = inspect(tmp_path)
    assert [problem.kind for problem in found.problems] == ["size-mismatch"]
    assert sum(map(len, found.datasets.values())) == pictures - 1
    label.write_text(good)
    next(path for path in tmp_path.rglob(f"{label.stem}.jpg")).unlink()
    kinds = {problem.kind for problem in inspect(tmp_path).problems}
    assert len(kinds) == 1
    assert kinds <= {"orphan-label", "missing-picture"}
