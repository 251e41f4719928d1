"""The layouts that people have, one small set each: what opens, with what in it, and what not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tatami.data.formats.table import BOX_FORMATS
from tatami.data.open import format_of, kind_of, open_dataset, open_labeled, splits
from tatami.errors import TatamiError
from tatami.pipeline.inspect import inspect
from tatami.types import Dataset

Save = Callable[..., Path]
Files = dict[str, str | None]


def xml(*boxes: tuple[int, int, int, int], name: str = "dog", file: str = "a.jpg") -> str:
    things = "".join(
        f"<object><name>{name}</name><bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin>"
        f"<xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object>"
        for x1, y1, x2, y2 in boxes or ((6, 3, 15, 8),)
    )
    return f"<annotation><filename>{file}</filename>{things}</annotation>"


def coco(*files: str, **changed: object) -> str:
    images = [{"id": at, "file_name": name} for at, name in enumerate(files)]
    entry: dict[str, object] = {"category_id": 1, "bbox": [5, 2, 10, 6], "iscrowd": 0} | changed
    entries = [{"id": at, "image_id": at, **entry} for at in range(len(files))]
    categories = [{"id": 1, "name": "dog"}]
    return json.dumps({"images": images, "annotations": entries, "categories": categories})


def labelme(file: str = "a.jpg", kind: str = "rectangle") -> str:
    points = [[5, 2], [15, 8]] if kind == "rectangle" else [[5, 2], [15, 2], [15, 8], [5, 8]]
    shape = {"label": "dog", "points": points, "shape_type": kind}
    return json.dumps({"version": "5", "shapes": [shape], "imagePath": file, "imageData": None})


TABLE = "filename,width,height,class,xmin,ymin,xmax,ymax\n"
LINE = "20,10,dog,5,2,15,8\n"
YOLO = "0 0.5 0.5 0.5 0.6\n"


LAYOUTS: dict[str, tuple[str, tuple[str, ...], Files]] = {
    # the six public sets that the first day was tried with
    "raccoon": (
        "voc",
        ("all",),
        {"annotations/a.xml": xml(), "images/a.jpg": None, "data/raccoon_labels.csv": TABLE}
        | {"README.md": "raccoons"},
    ),
    "kangaroo": ("voc", ("all",), {"annots/a.xml": xml(), "images/a.jpg": None}),
    "steel, as first given out": (
        "voc",
        ("all",),
        {"ANNOTATIONS/a.xml": xml(), "IMAGES/a.jpg": None},
    ),
    "steel, in two splits": (
        "voc",
        ("train", "validation"),
        {"train/annotations/a.xml": xml(), "train/images/crazing/a.jpg": None}
        | {"validation/annotations/b.xml": xml(), "validation/images/crazing/b.jpg": None},
    ),
    "cards": (
        "voc",
        ("train", "test"),
        {"images/train/a.jpg": None, "images/train/a.xml": xml()}
        | {"images/test/b.jpg": None, "images/test/b.xml": xml()}
        | {"images/train_labels.csv": TABLE + "a.jpg," + LINE, "images/test_labels.csv": TABLE},
    ),
    "fruit": (
        "voc",
        ("train", "test"),
        {"train_zip/train/a.jpg": None, "train_zip/train/a.xml": xml()}
        | {"test_zip/test/b.jpg": None, "test_zip/test/b.xml": xml()},
    ),
    # VOC
    "as labelImg leaves it": ("voc", ("all",), {"a.jpg": None, "a.xml": xml()}),
    "Roboflow's VOC": (
        "voc",
        ("train", "valid", "test"),
        {f"{split}/{name}.jpg": None for split, name in (("train", "a"), ("valid", "b"))}
        | {"train/a.xml": xml(), "valid/b.xml": xml(), "test/c.jpg": None, "test/c.xml": xml()},
    ),
    "lists in lower case": (
        "voc",
        ("train", "val"),
        {"annotations/a.xml": xml(), "annotations/b.xml": xml()}
        | {"images/a.jpg": None, "images/b.jpg": None}
        | {"imagesets/main/train.txt": "a\n", "imagesets/main/val.txt": "b\n"},
    ),
    "pictures in splits, annotations in one folder": (
        "voc",
        ("train", "val"),
        {"annotations/a.xml": xml(), "annotations/b.xml": xml()}
        | {"images/train/a.jpg": None, "images/val/b.jpg": None},
    ),
    "in a folder of its own": (
        "voc",
        ("train",),
        {"VOCdevkit/VOC2007/Annotations/a.xml": xml(), "VOCdevkit/VOC2007/JPEGImages/a.jpg": None}
        | {"VOCdevkit/VOC2007/ImageSets/Main/train.txt": "a\n"},
    ),
    # COCO
    "MMDetection": (
        "coco",
        ("train", "val"),
        {"train.json": coco("a.jpg"), "val.json": coco("b.jpg")}
        | {"images/a.jpg": None, "images/b.jpg": None},
    ),
    "Roboflow's COCO": (
        "coco",
        ("train", "valid"),
        {"train/_annotations.coco.json": coco("a.jpg"), "train/a.jpg": None}
        | {"valid/_annotations.coco.json": coco("b.jpg"), "valid/b.jpg": None},
    ),
    "Label Studio's COCO": (
        "coco",
        ("all",),
        {"result.json": coco("images\\a.jpg", "images\\1/b.jpg")}
        | {"images/a.jpg": None, "images/b.jpg": None},
    ),
    "CVAT's COCO": (
        "coco",
        ("default",),
        {"annotations/instances_default.json": coco("a.jpg"), "images/default/a.jpg": None},
    ),
    "another machine's paths": (
        "coco",
        ("train",),
        {"annotations/instances_train.json": coco("/home/me/set/a.jpg"), "images/a.jpg": None},
    ),
    # YOLO
    "Ultralytics": (
        "yolo",
        ("train", "val"),
        {"data.yaml": "path: /datasets/d\ntrain: images/train\nval: images/val\nnames: [dog]\n"}
        | {"images/train/a.jpg": None, "labels/train/a.txt": YOLO}
        | {"images/val/b.jpg": None, "labels/val/b.txt": YOLO},
    ),
    "Roboflow's YOLO": (
        "yolo",
        ("train", "val"),
        {"data.yaml": "train: ../train/images\nval: ../valid/images\nnc: 1\nnames: ['dog']\n"}
        | {"train/images/a.jpg": None, "train/labels/a.txt": YOLO}
        | {"valid/images/b.jpg": None, "valid/labels/b.txt": YOLO},
    ),
    "Colab's paths": (
        "yolo",
        ("train",),
        {"data.yaml": "train: /content/d/train/images\nnames: [dog]\n"}
        | {"train/images/a.jpg": None, "train/labels/a.txt": YOLO},
    ),
    "splits without yaml": (
        "yolo",
        ("train", "valid"),
        {"classes.txt": "dog\n", "train/images/a.jpg": None, "train/labels/a.txt": YOLO}
        | {"valid/images/b.jpg": None, "valid/labels/b.txt": YOLO},
    ),
    "Roboflow's darknet": (
        "yolo",
        ("train", "valid"),
        {"train/_darknet.labels": "dog\n", "train/a.jpg": None, "train/a.txt": YOLO}
        | {"valid/_darknet.labels": "dog\n", "valid/b.jpg": None, "valid/b.txt": YOLO},
    ),
    "CVAT's YOLO": (
        "yolo",
        ("train",),
        {"obj.data": "classes = 1\ntrain = data/train.txt\nnames = data/obj.names\n"}
        | {"obj.names": "dog\n", "train.txt": "data/obj_train_data/a.jpg\n"}
        | {"obj_train_data/a.jpg": None, "obj_train_data/a.txt": YOLO},
    ),
    "darknet's": (
        "yolo",
        ("train", "valid"),
        {"data/obj.data": "train  = data/train.txt\nvalid=data/test.txt\nnames = data/obj.names"}
        | {"data/train.txt": "data/obj/a.jpg\n", "data/test.txt": "data\\obj\\b.jpg\n"}
        | {"data/obj/a.jpg": None, "data/obj/a.txt": YOLO}
        | {"data/obj/b.jpg": None, "data/obj/b.txt": YOLO, "data/obj.names": "dog\n"},
    ),
    "Label Studio's YOLO": (
        "yolo",
        ("all",),
        {"classes.txt": "dog\n", "notes.json": '{"categories": [], "info": {}}'}
        | {"images/a.jpg": None, "labels/a.txt": YOLO},
    ),
    # LabelMe, and tables
    "LabelMe": ("labelme", ("all",), {"imgs/a.json": labelme(), "imgs/a.jpg": None}),
    "LabelMe's polygons in splits": (
        "labelme",
        ("train", "val"),
        {"train/a.json": labelme(kind="polygon"), "train/a.jpg": None}
        | {"val/b.json": labelme("..\\images\\b.jpg"), "val/b.jpg": None},
    ),
    "LabelMe in a folder called annotations": (
        "labelme",
        ("all",),
        {"annotations/a.json": labelme(), "images/a.jpg": None},
    ),
    "a tutorial's tables": (
        "csv",
        ("train", "test"),
        {"data/train_labels.csv": TABLE + "a.jpg," + LINE, "images/a.jpg": None}
        | {"data/test_labels.csv": TABLE + "b.jpg," + LINE, "images/b.jpg": None},
    ),
    "AutoML's table": (
        "csv",
        ("train", "validation"),
        {"all.csv": "TRAIN,gs://bucket/a.jpg,dog,0.25,0.2,,,0.75,0.8,,\n"
            "VALIDATE,gs://bucket/b.jpg,dog,0.25,0.2,0.75,0.2,0.75,0.8,0.25,0.8\n"}
        | {"a.jpg": None, "b.jpg": None},
    ),
    "a table without header": (
        "csv",
        ("all",),
        {"annotations.csv": "images/a.jpg,5,2,15,8,dog\nimages/b.jpg,,,,,\n"}
        | {"images/a.jpg": None, "images/b.jpg": None},
    ),
    "Kaggle's table": (
        "csv",
        ("train",),
        {"train.csv": 'image_id,width,height,bbox\na,20,10,"[5.0, 2.0, 10.0, 6.0]"\n'}
        | {"train/a.jpg": None},
    ),
}  # fmt: skip


def made(root: Path, files: Files, save: Save) -> Path:
    """Write the files of a set: texts, and pictures of 20x10 that differ."""
    for at, (name, text) in enumerate(files.items()):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            save(path, seed=at)
        else:
            path.write_text(text)
    return root


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_opens_without_an_option(name: str, tmp_path: Path, save_picture: Save) -> None:
    format, expected, files = LAYOUTS[name]
    root = made(tmp_path / "set", files, save_picture)
    assert format_of(root) == format
    assert kind_of(root) == "boxes"
    assert splits(root) == expected
    found = inspect(root)
    assert found.refused == []
    assert found.skipped == {}
    total = 0
    for split in expected:
        data = open_dataset(root, split=split).dataset
        for sample in data.samples:
            if len(sample.boxes):
                assert sample.boxes.xyxy.round(6).tolist() == [[5, 2, 15, 8]]
                total += 1
        assert data.classes in (("dog",), ("object",))
    assert total == sum(text is None for text in files.values()) - ("header" in name)


NO_CLASSES: dict[str, tuple[str, Files]] = {
    "VOC": ("labels boxes, in the format voc", {"annotations/a.xml": xml(), "images/a.jpg": None}),
    "VOC, whole": (
        "labels boxes, in the format voc",
        {"Annotations/a.xml": xml(), "JPEGImages/a.jpg": None, "ImageSets/Main/train.txt": "a"},
    ),
    "LabelMe": ("labels boxes, in the format labelme", {"x/a.json": labelme(), "x/a.jpg": None}),
    "COCO of a name of its own": (
        "labels boxes, in the format coco",
        {"boxes.json": coco("a.jpg"), "pics/a.jpg": None},
    ),
    "VIA": (
        "labels boxes, in the format via",
        {"via.json": '{"a": {"regions": [{"shape_attributes": {}}]}}', "pics/a.jpg": None},
    ),
    "CVAT's own": (
        r"labels as CVAT's XML \(annotations.xml\) stand here",
        {"annotations.xml": "<annotations><version>1.1</version></annotations>"}
        | {"mine/a.jpg": None},
    ),
    "corners in text, as DeepPCB's": (
        "labels boxes, in the format deeppcb",
        {"group00041/00041/00041000_test.jpg": None, "group00041/00041/00041000_temp.jpg": None}
        | {"group00041/00041_not/00041000.txt": "466 441 493 470 3\n454 300 493 396 4\n"}
        | {"group00041/whole.jpg": None}
        | {"trainval.txt": "group00041/00041/00041000.jpg group00041/00041_not/00041000.txt\n"},
    ),
    "pictures alone": ("'images' is the name of a folder of pictures", {"images/a.jpg": None}),
    "pictures and masks": (
        "'images' is the name of a folder of pictures",
        {"images/a.png": None, "masks/a.png": None},
    ),
    "pictures and masks in splits": (
        "not a labeled set that is recognized: it holds 1 .png in test",
        {f"{split}{kind}/a.png": None for split in ("train", "test") for kind in ("", "annot")},
    ),
    "records": ("TensorFlow's records", {"pics/a.jpg": None, "train.tfrecord": "x"}),
}


@pytest.mark.parametrize("name", NO_CLASSES)
def test_a_set_with_labels_is_never_class_folders(
    name: str, tmp_path: Path, save_picture: Save
) -> None:
    said, files = NO_CLASSES[name]
    root = made(tmp_path / "set", files, save_picture)
    with pytest.raises(TatamiError, match=said):
        open_labeled(root)
    if "labels boxes" not in said:
        with pytest.raises(TatamiError, match=said):
            kind_of(root)


def test_class_folders_that_are_named_as_such_are_opened_all_the_same(
    tmp_path: Path, save_picture: Save
) -> None:
    root = made(tmp_path / "set", {"images/a.jpg": None, "photos/b.jpg": None}, save_picture)
    with pytest.raises(TatamiError, match="'images' is the name of a folder"):
        open_labeled(root)
    assert open_labeled(root, format="folders").pictures.classes == ("images", "photos")


def test_what_is_not_recognized_is_said_with_what_lies_there(
    tmp_path: Path, save_picture: Save
) -> None:
    files: Files = {"a.jpg": None, "b.jpg": None, "notes/x.csv": "id,label\n"}
    root = made(tmp_path / "set", files, save_picture)
    with pytest.raises(TatamiError, match=r"it holds 2 \.jpg, 1 \.csv in notes"):
        kind_of(root)


def test_two_forms_in_one_folder_are_not_chosen_between(tmp_path: Path, save_picture: Save) -> None:
    files: Files = {"a.jpg": None, "a.xml": xml(), "a.txt": YOLO, "classes.txt": "dog"}
    root = made(tmp_path / "set", files, save_picture)
    with pytest.raises(TatamiError, match="looks like voc and yolo"):
        format_of(root)
    for name in ("voc", "yolo"):
        assert len(open_dataset(root, format=name).dataset) == 1


def test_several_sets_of_voc_are_not_chosen_between(tmp_path: Path, save_picture: Save) -> None:
    files: Files = {
        f"VOC{year}/{name}": text
        for year in (2007, 2012)
        for name, text in (
            ("Annotations/a.xml", xml()),
            ("JPEGImages/a.jpg", None),
            ("ImageSets/Main/test.txt", "a"),
        )
    }
    root = made(tmp_path / "set", files, save_picture)
    with pytest.raises(TatamiError, match="holds several sets: VOC2007, VOC2012"):
        open_dataset(root)


def test_a_split_without_one_label_is_left_out_and_said(tmp_path: Path, save_picture: Save) -> None:
    files: Files = {"train/a.jpg": None, "train/a.xml": xml(), "test/b.jpg": None}
    root = made(tmp_path / "set", files, save_picture)
    assert splits(root) == ("train",)
    assert open_dataset(root).notes == ("split 'test' has pictures and no label: it is left out",)


@pytest.mark.parametrize("name", ["valid", "validation", "Valid", "TEST", "val"])
def test_class_folders_of_every_usual_split(name: str, tmp_path: Path, save_picture: Save) -> None:
    files: Files = {
        f"{split}/{label}/{split}{label}.jpg": None
        for split in ("train", name)
        for label in ("cat", "dog")
    }
    root = made(tmp_path / "set", files | {"extra/cat/x.jpg": None}, save_picture)
    other = open_labeled(root, split=name.lower())
    assert len(other.pictures) == 2
    assert other.notes == ("folders beside the splits are not read: extra",)


def test_a_class_may_be_called_as_a_split(tmp_path: Path, save_picture: Save) -> None:
    root = made(tmp_path / "set", {"valid/a.jpg": None, "invalid/b.jpg": None}, save_picture)
    assert open_labeled(root).pictures.classes == ("invalid", "valid")


def test_another_word_for_validation_names_the_split(tmp_path: Path, save_picture: Save) -> None:
    root = made(tmp_path / "set", LAYOUTS["Roboflow's COCO"][2], save_picture)
    assert open_dataset(root, split="val").dataset.split == "valid"
    with pytest.raises(TatamiError, match="no split 'test'"):
        open_dataset(root, split="test")


# Repairs and readings -----------------------------------------------------------------------------


def only(root: Path, skip: tuple[str, ...] = ()) -> tuple[Dataset, tuple[str, ...]]:
    opened = open_dataset(root, skip=skip)
    assert not opened.skipped
    return opened.dataset, opened.notes


def test_voc_counted_from_zero_is_said_and_clipped(tmp_path: Path, save_picture: Save) -> None:
    files: Files = {
        "Annotations/a.xml": xml((0, 0, 12, 8), (5, 5, 20, 10)),
        "JPEGImages/a.jpg": None,
    }
    root = made(tmp_path / "set", files, save_picture)
    with pytest.raises(TatamiError, match="1 of 2 boxes start at 0: the set counts pixels from 0"):
        open_dataset(root)
    with pytest.raises(TatamiError, match="or mend them by clip"):
        open_dataset(root)
    data, notes = only(root, ("clip",))
    assert data.samples[0].boxes.xyxy.tolist() == [[0, 0, 12, 8], [5, 5, 20, 10]]
    assert notes == ("the set counts pixels from 0, VOC from 1: its boxes are read from 0",)
    assert inspect(root, skip=("clip",)).refused == []
    # Skipping leaves the box out, and a box that lies outside whole cannot be clipped.
    assert len(open_dataset(root, skip=("box-outside-picture",)).dataset.samples[0].boxes) == 1
    (root / "Annotations" / "a.xml").write_text(xml((30, 2, 40, 8)))
    with pytest.raises(TatamiError, match="box-outside-picture"):
        open_dataset(root, skip=("clip",))


def test_boxes_over_the_edge_are_clipped_in_every_format(
    tmp_path: Path, save_picture: Save
) -> None:
    sets: dict[str, Files] = {
        "voc": {"a.xml": xml((6, 3, 24, 8)), "a.jpg": None},
        "coco": {"train.json": coco("a.jpg", bbox=[5, 2, 18.6, 6]), "a.jpg": None},
        "yolo": {"a.txt": "0 0.8 0.5 1.1 0.6\n", "classes.txt": "dog", "a.jpg": None},
        "labelme": {"a.json": labelme().replace("15", "20.5"), "a.jpg": None},
        "csv": {"a.csv": TABLE + "a.jpg,20,10,dog,5,2,21,8\n", "a.jpg": None},
        "cvat": {
            "a.xml": '<annotations><image name="a.jpg" width="20" height="10"><box label="dog" '
            'xtl="5" ytl="2" xbr="21" ybr="8"/></image></annotations>',
            "a.jpg": None,
        },
        "via": {
            "v.json": '{"a": {"filename": "a.jpg", "regions": [{"shape_attributes": {"name": '
            '"rect", "x": 5, "y": 2, "width": 16, "height": 6}, "region_attributes": {}}]}}',
            "a.jpg": None,
        },
        "deeppcb": {
            "test.txt": "p/a.jpg p_not/a.txt\n",
            "p/a.jpg": None,
            "p_not/a.txt": "5 2 21 8 1\n",
        },
    }
    assert {*sets} == {*BOX_FORMATS}
    for name, files in sets.items():
        root = made(tmp_path / name, files, save_picture)
        with pytest.raises(TatamiError, match="box-outside-picture"):
            open_dataset(root)
        data, _ = only(root, ("clip",))
        assert data.samples[0].boxes.xyxy.round(6).tolist() == [[5, 2, 20, 8]]


def test_pictures_without_labels_are_background_where_asked(
    tmp_path: Path, save_picture: Save
) -> None:
    sets: dict[str, Files] = {
        "voc": {"a.xml": xml(), "a.jpg": None, "b.jpg": None},
        "folders": {"Annotations/a.xml": xml(), "JPEGImages/a.jpg": None, "JPEGImages/b.jpg": None},
        "yolo": {"a.txt": YOLO, "classes.txt": "dog", "a.jpg": None, "b.jpg": None},
        "labelme": {"a.json": labelme(), "a.jpg": None, "b.jpg": None},
    }
    for name, files in sets.items():
        root = made(tmp_path / name, files, save_picture)
        with pytest.raises(TatamiError, match="missing-label"):
            open_dataset(root)
        data, notes = only(root, ("background",))
        assert [len(sample.boxes) for sample in data.samples] == [1, 0]
        assert "mended 1 x missing-label" in notes[-1]
        assert len(open_dataset(root, skip=("missing-label",)).dataset) == 1


@pytest.mark.parametrize(
    ("changed", "crowd"),
    [
        ({"iscrowd": True}, True),
        ({"iscrowd": False}, False),
        ({"iscrowd": None}, False),
        ({"iscrowd": 0, "area": None}, False),
        ({"iscrowd": "1"}, True),
        ({"bbox": [], "segmentation": [[5, 2, 15, 2, 15, 8, 5, 8]]}, False),
        ({"bbox": None, "segmentation": [[5, 2, 9, 2, 9, 8], [15, 3, 15, 8, 9, 8]]}, False),
        ({"category_id": "1"}, False),
        ({"category_id": 1.0}, False),
    ],
)
def test_what_tools_write_into_coco(
    changed: dict[str, object], crowd: bool, tmp_path: Path, save_picture: Save
) -> None:
    files: Files = {"train.json": coco("a.jpg", **changed), "a.jpg": None}
    data, _ = only(made(tmp_path / "set", files, save_picture))
    boxes = data.samples[0].boxes
    assert boxes.xyxy.tolist() == [[5, 2, 15, 8]]
    assert boxes.crowd.tolist() == [crowd]
    assert boxes.areas.tolist() == [60]


@pytest.mark.parametrize("size", [(0, 0), (None, None), ("", ""), ("20", "10"), (20, None)])
def test_an_unknown_size_of_coco_is_that_of_the_picture(
    size: tuple[object, object], tmp_path: Path, save_picture: Save
) -> None:
    content = json.loads(coco("a.jpg"))
    content["images"][0] |= {"width": size[0], "height": size[1]}
    files: Files = {"train.json": json.dumps(content), "a.jpg": None}
    data, _ = only(made(tmp_path / "set", files, save_picture))
    assert str(data.samples[0].size) == "20x10"


def test_a_root_category_of_a_classs_name_is_left_out_and_said(
    tmp_path: Path, save_picture: Save
) -> None:
    content = json.loads(coco("a.jpg"))
    above = {"id": 0, "name": "dog", "supercategory": "none"}
    content["categories"] = [above, {"id": 1, "name": "dog", "supercategory": "dog"}]
    files: Files = {"train/_annotations.coco.json": json.dumps(content), "train/a.jpg": None}
    root = made(tmp_path / "set", files, save_picture)
    data, notes = only(root)
    assert (data.classes, data.category_ids) == (("dog",), (1,))
    assert "category 0, 'dog', is left out" in notes[0]
    content["annotations"].append({"id": 9, "image_id": 0, "category_id": 0, "bbox": [1, 1, 2, 2]})
    (root / "train" / "_annotations.coco.json").write_text(json.dumps(content))
    with pytest.raises(TatamiError, match="'dog' appears twice"):
        open_dataset(root)


@pytest.mark.parametrize(
    ("shape", "points"),
    [("[2, 2]", "0.45 0.45 0.55 0.55"), ("[1, 3]", "0.45 0.45 2"), ("[2, 3]", "0 0 0 .5 .5 2")],
)
def test_key_points_are_left_out_and_said(
    shape: str, points: str, tmp_path: Path, save_picture: Save
) -> None:
    files: Files = {
        "data.yaml": f"train: images\nkpt_shape: {shape}\nnames: [person]\n",
        "images/a.jpg": None,
        "labels/a.txt": f"0 0.5 0.5 0.5 0.6 {points}\n",
    }
    root = made(tmp_path / "set", files, save_picture)
    data, notes = only(root)
    assert data.samples[0].boxes.xyxy.tolist() == [[5, 2, 15, 8]]
    assert "key points" in notes[0]
    (root / "data.yaml").write_text("train: images\nkpt_shape: [17]\nnames: [person]\n")
    with pytest.raises(TatamiError, match="kpt_shape"):
        open_dataset(root)


def test_key_points_that_nothing_states_are_no_polygon(tmp_path: Path, save_picture: Save) -> None:
    line = "0 0.5 0.5 0.5 0.6 0.45 0.45 2 0.1 0.2 0\n"
    files: Files = {"classes.txt": "person", "a.jpg": None, "a.txt": line}
    root = made(tmp_path / "set", files, save_picture)
    with pytest.raises(TatamiError, match="no kpt_shape"):
        open_dataset(root)


def test_every_annotation_refused_says_why(tmp_path: Path, save_picture: Save) -> None:
    files: Files = {"a.jpg": None, "a.xml": "<!DOCTYPE annotation>\n" + xml()}
    root = made(tmp_path / "set", files, save_picture)
    with pytest.raises(TatamiError, match="declares a document type") as caught:
        open_dataset(root)
    assert (caught.value.file, caught.value.line) == (root / "a.xml", 1)


def test_a_polygon_of_voc_gives_its_box(tmp_path: Path, save_picture: Save) -> None:
    polygon = "".join(f"<x{at}>{x}</x{at}><y{at}>{y}</y{at}>" for at, (x, y) in
                      enumerate(((6, 3), (15, 3), (15, 8), (6, 8)), 1))  # fmt: skip
    text = f"<annotation><object><name>dog</name><polygon>{polygon}</polygon></object></annotation>"
    root = made(tmp_path / "set", {"a.jpg": None, "a.xml": text}, save_picture)
    data, _ = only(root)
    assert data.samples[0].boxes.xyxy.tolist() == [[5, 2, 15, 8]]


def test_shapes_of_labelme_without_area_are_left_out_and_said(
    tmp_path: Path, save_picture: Save
) -> None:
    content = json.loads(labelme())
    content["shapes"] += [
        {"label": "dog", "points": [[1, 1]], "shape_type": "point"},
        {"label": "dog", "points": [[10, 5], [13, 9]], "shape_type": "circle"},
    ]
    root = made(tmp_path / "set", {"a.jpg": None, "a.json": json.dumps(content)}, save_picture)
    data, notes = only(root)
    assert data.samples[0].boxes.xyxy.tolist() == [[5, 2, 15, 8], [5, 0, 15, 10]]
    assert notes == ("1 shapes without an area are left out: point",)
    content["shapes"].append({"label": "dog", "points": [["x", 1]], "shape_type": "rectangle"})
    (root / "a.json").write_text(json.dumps(content))
    with pytest.raises(TatamiError, match=r"shape 4 \(dog\): a point is not"):
        open_dataset(root)


def test_marks_at_the_beginning_of_files(tmp_path: Path, save_picture: Save) -> None:
    root = made(tmp_path / "set", {"a.jpg": None}, save_picture)
    (root / "a.txt").write_bytes(YOLO.encode("utf-16"))
    (root / "classes.txt").write_bytes(b"\xef\xbb\xbfdog\r\n")
    assert only(root)[0].classes == ("dog",)


@pytest.mark.parametrize(
    ("ending", "text"), [("xml", xml()), ("json", labelme()), ("txt", YOLO)], ids=str
)
def test_pictures_and_labels_where_the_user_says(
    ending: str, text: str, tmp_path: Path, save_picture: Save
) -> None:
    files: Files = {
        "a b/x/a.jpg": None,
        f"other/a.{ending}": text,
        "third/a.xml": xml((1, 1, 3, 3)),
    }
    root = made(tmp_path / "set", files | {"train/z.txt": "0 1"}, save_picture)
    format = "images=a b/x labels=other"
    assert kind_of(root, format) == "boxes"
    assert splits(root, format) == ("all",)
    (sample,) = open_dataset(root, format=format).dataset.samples
    assert sample.boxes.xyxy.round(6).tolist() == [[5, 2, 15, 8]]
    assert inspect(root, format=format).refused == []
    with pytest.raises(TatamiError, match="nowhere: no such folder of labels"):
        open_dataset(root, format="images=a b/x labels=nowhere")
    with pytest.raises(TatamiError, match="third: holds no pictures"):
        open_dataset(root, format="images=third labels=other")


def test_splits_of_pictures_where_the_user_says(tmp_path: Path, save_picture: Save) -> None:
    files: Files = {"p/train/a.jpg": None, "p/val/b.jpg": None, "q/a.txt": YOLO, "q/b.txt": YOLO}
    root = made(tmp_path / "set", files | {"q/classes.txt": "dog"}, save_picture)
    format = "images=p labels=q"
    assert splits(root, format) == ("train", "val")
    for split in ("train", "val"):
        data = open_dataset(root, split=split, format=format).dataset
        assert (len(data), data.classes) == (1, ("dog",))


@pytest.mark.parametrize(
    "line", ["a.jpg", "JPEGImages/a.jpg", "images\\a.jpg", "a 1", "i/a.jpg a.xml"]
)
def test_lists_of_voc_as_tools_write_them(line: str, tmp_path: Path, save_picture: Save) -> None:
    files: Files = {"Annotations/a.xml": xml(), "JPEGImages/a.jpg": None}
    root = made(tmp_path / "set", files | {"ImageSets/Main/train.txt": line}, save_picture)
    assert [sample.id for sample in only(root)[0].samples] == ["a"]


def test_links_to_folders_are_followed_once(tmp_path: Path, save_picture: Save) -> None:
    root = made(tmp_path / "set", {"train/a.xml": xml()}, save_picture)
    made(tmp_path / "store", {"a.jpg": None}, save_picture)
    (root / "train" / "pictures").symlink_to(tmp_path / "store")
    (root / "train" / "again").symlink_to(root)
    assert len(only(root)[0]) == 1


def test_labels_in_pixels_are_said_to_be(tmp_path: Path, save_picture: Save) -> None:
    files: Files = {"a.jpg": None, "a.txt": "0 10 5 10 6\n", "classes.txt": "dog"}
    root = made(tmp_path / "set", files, save_picture)
    with pytest.raises(TatamiError, match="are pixels, as it seems"):
        open_dataset(root)


def test_a_category_above_the_classes_is_said(tmp_path: Path, save_picture: Save) -> None:
    content = json.loads(coco("a.jpg"))
    content["categories"] = [
        {"id": 0, "name": "animals", "supercategory": "none"},
        {"id": 1, "name": "dog", "supercategory": "animals"},
    ]
    files: Files = {"train.json": json.dumps(content), "a.jpg": None}
    data, notes = only(made(tmp_path / "set", files, save_picture))
    assert data.classes == ("animals", "dog")
    assert notes == ("'animals' is the category above others and has no box: it stays a class",)
