"""The layouts on the guide's page of data: every tree there opens, in the format it stands by."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tatami.data.formats.table import FORMATS
from tatami.data.open import kind_of
from tatami.data.sounds import write_sound
from tatami.tasks.table import task_of_data

PAGE = Path(__file__).resolve().parents[2] / "docs" / "guide" / "01-data.md"

XML = (
    "<annotation><object><name>cat</name><bndbox><xmin>2</xmin><ymin>2</ymin><xmax>9</xmax>"
    "<ymax>8</ymax></bndbox></object></annotation>"
)
CVAT = (
    '<annotations><version>1.1</version><image id="0" name="a.jpg" width="20" height="10">'
    '<box label="cat" xtl="1" ytl="1" xbr="8" ybr="7"/></image></annotations>'
)
VIA_REGION = {
    "shape_attributes": {"name": "rect", "x": 1, "y": 1, "width": 7, "height": 6},
    "region_attributes": {"name": "cat"},
}
VIA = {"a.jpg9": {"filename": "a.jpg", "size": 9, "regions": [VIA_REGION], "file_attributes": {}}}
TEXTS = {
    "annotations.xml": CVAT,
    "via_project.json": json.dumps({"_via_img_metadata": VIA}),
    "trainval.txt": "",
    "test.txt": "group1/1/a.jpg group1/1_not/a.txt\n",
    "group1/1_not/a.txt": "1 1 8 7 1\n",
    "data.yaml": "train: images/train\nnames: [cat]\n",
    "classes.txt": "cat\n",
    "labels.txt": "background\ncat\n",
    "obj.names": "cat\n",
    "obj.data": "train = data/train.txt\nnames = data/obj.names\n",
    "labelmap.txt": "background:0,0,0::\ncat:9,9,9::\n",
    "train.csv": "a,b,class\n1,2,x\n",
    "test.csv": "a,b,class\n3,4,x\n",
    "GunPoint_TRAIN.tsv": "1\t0.5\t0.25\n",
    "GunPoint_TEST.tsv": "1\t0.5\t0.5\n",
    **dict.fromkeys(
        ("train/circle/a.csv", "train/line/b.csv", "test/circle/c.csv"), "x,y\n1,2\n3,4\n"
    ),
    "train_labels.csv": "filename,width,height,class,xmin,ymin,xmax,ymax\n"
    "a.jpg,20,10,cat,1,1,8,7\n",
}


def trees() -> list[tuple[str, str, list[str]]]:
    """Each tree on the page: its heading, its format where that is named, its files."""
    found, heading = [], ""
    for part in re.split(r"^(### .*)$", PAGE.read_text("utf-8"), flags=re.MULTILINE):
        if part.startswith("### "):
            heading = part[4:]
            continue
        for block in re.findall(r"```text\nset/\n(.*?)```", part, flags=re.DOTALL):
            names = [line.split()[0] for line in block.splitlines()]
            found.append((f"{heading} {len(found)}", heading, names))
    return found


def written(root: Path, name: str, names: list[str]) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if name in TEXTS:
        path.write_text(TEXTS[name])
        return
    pictures = [Path(one).name for one in names if one.endswith(".jpg")]
    if path.suffix == ".jpg":
        pixels = np.random.default_rng(len(name)).integers(0, 256, (10, 20, 3), np.uint8)
        Image.fromarray(pixels).save(path)
    elif path.suffix == ".wav":
        write_sound(path, np.arange(len(name), dtype=np.int16), 8000)
    elif path.suffix == ".png":
        mask = np.zeros((10, 20, 3), np.uint8)
        mask[2:5] = (9, 9, 9) if "labelmap.txt" in names else (128, 0, 0)
        Image.fromarray(mask).save(path)
    elif path.suffix == ".json" and name == "a.json":
        shape = {"label": "cat", "points": [[1, 1], [8, 7]], "shape_type": "rectangle"}
        path.write_text(json.dumps({"shapes": [shape], "imagePath": "a.jpg", "imageData": None}))
    elif path.suffix == ".json":
        own = pictures[1:] if "val" in name and len(pictures) > 1 else pictures[:1]
        content = {
            "images": [{"id": 1, "file_name": own[0]}],
            "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 7, 6]}],
            "categories": [{"id": 1, "name": "cat"}],
        }
        path.write_text(json.dumps(content))
    elif path.suffix == ".xml":
        path.write_text(XML)
    elif name == "train.txt":
        path.write_text("data/obj_train_data/a.jpg\n")
    elif name.startswith("ImageSets"):
        path.write_text("a\n")
    else:
        path.write_text("0 0.5 0.5 0.5 0.5\n")


@pytest.mark.parametrize(("heading", "names"), [tree[1:] for tree in trees()], ids=str)
def test_a_tree_of_the_page_opens(heading: str, names: list[str], tmp_path: Path) -> None:
    for name in names:
        written(tmp_path, name, names)
    task = task_of_data(tmp_path)
    kind = kind_of(tmp_path)
    stated = re.findall(r"`(\w+)`", heading)
    recognized = [name for name, one in FORMATS[kind].items() if one.recognizes(tmp_path)]
    if stated:
        assert recognized[0] in stated
    else:
        assert kind == heading.lower()
    splits = task.splits(tmp_path, None)
    endings = (".csv", ".tsv") if kind == "series" else (".jpg", ".wav")  # a row, or a file each
    assert sum(len(task.open(tmp_path, split=split, format=None).data) for split in splits) == len(
        [name for name in names if name.endswith(endings)]
    )


def test_every_format_of_boxes_stands_on_the_page() -> None:
    headings = " ".join(heading for _, heading, _ in trees())
    assert all(f"`{name}`" in headings for name in FORMATS["boxes"])
