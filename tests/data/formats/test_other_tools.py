"""Sets as CVAT, VIA and DeepPCB have them, and TensorFlow's records, made by the test."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tatami.data.open import format_of, kind_of, open_dataset, splits
from tatami.errors import TatamiError


def picture(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (48, 64, 3), np.uint8)
    Image.fromarray(pixels).save(path)


CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version>
<meta><task><labels><label><name>dog</name></label><label><name>cat</name></label></labels></task>
</meta>
<image id="0" name="a.png" width="64" height="48">
  <box label="cat" occluded="0" xtl="1.5" ytl="2" xbr="20.25" ybr="30" z_order="0"></box>
  <polygon label="dog" points="5,6;30,7;9,40"><attribute name="x">y</attribute></polygon>
  <points label="dog" points="5,6"></points>
  <box label="dog" xtl="20" ytl="10" xbr="40" ybr="20" rotation="90"></box>
</image>
<image id="1" name="sub/b.png" width="64" height="48"></image>
</annotations>
"""


def test_cvat_for_images(tmp_path: Path) -> None:
    (tmp_path / "annotations.xml").write_text(CVAT)
    picture(tmp_path / "images" / "a.png")
    picture(tmp_path / "images" / "sub" / "b.png", 1)
    assert format_of(tmp_path) == "cvat"
    assert kind_of(tmp_path) == "boxes"
    opened = open_dataset(tmp_path)
    assert opened.dataset.classes == ("dog", "cat")
    first, second = opened.dataset.samples
    expected = [[1.5, 2, 20.25, 30], [5, 6, 30, 40], [25, 5, 35, 25]]
    assert first.boxes.xyxy == pytest.approx(np.array(expected))
    assert first.boxes.labels.tolist() == [1, 0, 0]
    assert len(second.boxes) == 0
    assert opened.notes == ("1 shapes that are no boxes are left out: points",)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('xtl="1.5"', 'xtl="nan"', "shape 1 of 'a.png'"),
        ('xbr="20.25"', 'xbr="1"', "degenerate-box"),
        ('label="cat"', 'label="cow"', "unknown-class"),
        ("</annotations>", "", "malformed XML"),
        ("<annotations>", '<!DOCTYPE a [<!ENTITY b "c">]><annotations>', "declares a document"),
        ('name="sub/b.png"', 'name="c.png"', "there is no picture 'c.png'"),
    ],
)
def test_a_faulty_cvat_file_is_refused(tmp_path: Path, old: str, new: str, reason: str) -> None:
    (tmp_path / "annotations.xml").write_text(CVAT.replace(old, new, 1))
    picture(tmp_path / "a.png")
    picture(tmp_path / "sub" / "b.png", 1)
    with pytest.raises(TatamiError, match=reason) as caught:
        open_dataset(tmp_path)
    assert caught.value.file == tmp_path / "annotations.xml"


def regions() -> list[dict[str, dict[str, object]]]:
    """A rectangle, a circle, a polygon and a point."""
    shapes: list[dict[str, object]] = [
        {"name": "rect", "x": 3, "y": 4, "width": 20, "height": 10},
        {"name": "circle", "cx": 30, "cy": 20, "r": 5.5},
        {"name": "polygon", "all_points_x": [5, 30, 9], "all_points_y": [6, 7, 40]},
        {"name": "point", "cx": 1, "cy": 1},
    ]
    kinds: list[object] = ["ant", "bee", {"ant": True, "bee": False}, "ant"]
    return [
        {"shape_attributes": shape, "region_attributes": {"kind": kind}}
        for shape, kind in zip(shapes, kinds, strict=True)
    ]


@pytest.mark.parametrize("form", ["1", "2", "project", "csv"])
def test_via(tmp_path: Path, form: str) -> None:
    picture(tmp_path / "a.png")
    picture(tmp_path / "b.png", 1)
    own = regions()
    listed = {str(at): one for at, one in enumerate(own)} if form == "1" else own
    content: dict[str, object] = {
        "a.png123": {"filename": "a.png", "size": 123, "regions": listed, "file_attributes": {}},
        "b.png9": {"filename": "b.png", "size": 9, "regions": [], "file_attributes": {}},
    }
    if form == "csv":
        heads = ["filename", "file_size", "file_attributes", "region_count", "region_id"]
        heads += ["region_shape_attributes", "region_attributes"]
        with (tmp_path / "via.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(heads)
            for at, one in enumerate(own):
                shape, kind = (json.dumps(part) for part in one.values())
                rows.writerow(["a.png", 123, "{}", 4, at, shape, kind])
            rows.writerow(["b.png", 9, "{}", 0, 0, "{}", "{}"])
    else:
        whole = {"_via_settings": {}, "_via_img_metadata": content}
        (tmp_path / "via.json").write_text(json.dumps(whole if form == "project" else content))
    assert format_of(tmp_path) == "via"
    opened = open_dataset(tmp_path)
    first, second = opened.dataset.samples
    assert opened.dataset.classes == ("ant", "bee")
    assert first.boxes.xyxy.tolist() == [[3, 4, 23, 14], [24.5, 14.5, 35.5, 25.5], [5, 6, 30, 40]]
    assert first.boxes.labels.tolist() == [0, 1, 0]
    assert len(second.boxes) == 0
    assert opened.notes == ("1 regions without an area are left out: point",)


@pytest.mark.parametrize("form", ["cvat", "via"])
def test_every_file_of_a_folder_is_read(tmp_path: Path, form: str) -> None:
    count = 45
    for at in range(count):
        name = f"{at:02}.png"
        picture(tmp_path / "images" / name, at)
        if form == "cvat":
            box = '<box label="dog" xtl="1" ytl="2" xbr="20" ybr="30"></box>'
            image = f'<image id="{at}" name="{name}" width="64" height="48">{box}</image>'
            (tmp_path / f"{at:02}.xml").write_text(f"<annotations>{image}</annotations>")
        else:
            shape = {"name": "rect", "x": 1, "y": 2, "width": 19, "height": 28}
            region = {"shape_attributes": shape, "region_attributes": {"class": "dog"}}
            content = {name: {"filename": name, "size": 1, "regions": [region]}}
            (tmp_path / f"{at:02}.json").write_text(json.dumps(content))
    assert format_of(tmp_path) == form
    dataset = open_dataset(tmp_path).dataset
    assert [len(sample.boxes) for sample in dataset.samples] == [1] * count


def test_via_with_several_attributes_and_no_class_is_refused(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    shape = {"name": "rect", "x": 3, "y": 4, "width": 20, "height": 10}
    both = {"shape_attributes": shape, "region_attributes": {"hue": "red", "age": "old"}}
    content = {"a": {"filename": "a.png", "regions": [both]}}
    (tmp_path / "via.json").write_text(json.dumps(content))
    with pytest.raises(TatamiError, match="several attributes"):
        open_dataset(tmp_path)


@pytest.mark.parametrize("separator", [" ", ","])
def test_deeppcb_as_it_is_cloned(tmp_path: Path, separator: str) -> None:
    top = tmp_path / "PCBData"
    for at in range(3):
        stem = f"0004100{at}"
        for kind in ("test", "temp"):
            picture(top / "group00041" / "00041" / f"{stem}_{kind}.jpg", at)
        label = top / "group00041" / "00041_not" / f"{stem}.txt"
        label.parent.mkdir(exist_ok=True)
        lines = [("10", "5", "30", "25", "1"), ("1", "2", "9", "8", str(at + 4))]
        label.write_text("\n".join(separator.join(one) for one in lines) + "\n")
    pairs = [
        f"group00041/00041/0004100{at}.jpg group00041/00041_not/0004100{at}.txt" for at in range(3)
    ]
    picture(tmp_path / "fig" / "result.png", 9)
    (top / "trainval.txt").write_text("\n".join(pairs[:2]) + "\n")
    (top / "test.txt").write_text(pairs[2] + "\n")
    for root in (tmp_path, top):
        assert format_of(root) == "deeppcb"
        assert {*splits(root)} == {"trainval", "test"}
        data = open_dataset(root, split="test").dataset
        assert data.classes == ("open", "short", "mousebite", "spur", "copper", "pin-hole")
        assert [sample.path.name for sample in data.samples] == ["00041002_test.jpg"]
        assert data.samples[0].boxes.xyxy.tolist() == [[10, 5, 30, 25], [1, 2, 9, 8]]
        assert data.samples[0].boxes.labels.tolist() == [0, 5]
    group = open_dataset(top / "group00041").dataset
    assert (group.split, len(group)) == ("all", 3)
    label = top / "group00041" / "00041_not" / "00041002.txt"
    label.write_text("1 2 9 8 7\n")
    with pytest.raises(TatamiError, match="class 7 is not in 1 to 6"):
        open_dataset(top, split="test")


@pytest.mark.parametrize("beside", [False, True])
def test_records_are_refused_and_it_is_said_how_to_unpack_them(
    tmp_path: Path, beside: bool
) -> None:
    (tmp_path / "train.tfrecord").write_bytes(b"\0" * 20)
    if beside:
        picture(tmp_path / "images" / "a.png")
    for root in (tmp_path, tmp_path / "train.tfrecord"):
        with pytest.raises(TatamiError, match="TensorFlow's records") as caught:
            kind_of(root)
        assert "TFRecordDataset" in caught.value.hint
