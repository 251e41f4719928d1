"""COCO JSON: where its files lie, what is read, and every way in which they are wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tatami.data.formats import coco
from tatami.errors import TatamiError

Save = Callable[..., Path]
Content = dict[str, list[Any]]


def content() -> Content:
    """One 20x10 picture with one dog; category ids neither dense nor sorted."""
    return {
        "images": [{"id": 7, "file_name": "a.png", "width": 20, "height": 10}],
        "categories": [{"id": 18, "name": "dog"}, {"id": 3, "name": "car"}],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 18, "bbox": [1, 2, 3.5, 4]}],
    }


@pytest.fixture
def root(tmp_path: Path, save_picture: Save) -> Path:
    save_picture(tmp_path / "images" / "a.png")
    write(tmp_path, content())
    return tmp_path


def write(root: Path, value: object) -> Path:
    path = root / "annotations" / "instances_val.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value))
    return path


def test_classes_follow_the_category_id(root: Path) -> None:
    reading = coco.read(root, "val")
    assert reading.problems == ()
    assert reading.dataset.classes == ("car", "dog")
    (sample,) = reading.dataset.samples
    assert sample.id == "7"
    assert sample.boxes.xyxy.tolist() == [[1, 2, 4.5, 6]]
    assert sample.boxes.labels.tolist() == [1]
    assert sample.boxes.areas.tolist() == [14]
    assert sample.boxes.crowd.tolist() == [False]
    assert coco.category_ids(root, "val") == (3, 18)


def test_crowd_and_area_are_kept_and_rounding_is_clipped(root: Path) -> None:
    given = content()
    given["annotations"][0] |= {"iscrowd": 1, "area": 5.25, "bbox": [-0.01, 0, 20.02, 10]}
    write(root, given)
    reading = coco.read(root, "val")
    assert reading.problems == ()
    boxes = reading.dataset.samples[0].boxes
    assert boxes.crowd.tolist() == [True]
    assert boxes.areas.tolist() == [5.25]
    assert boxes.xyxy.tolist() == [[0, 0, 20, 10]]


def test_an_image_without_annotations_is_a_picture_without_objects(root: Path) -> None:
    write(root, content() | {"annotations": []})
    reading = coco.read(root, "val")
    assert reading.problems == ()
    assert len(reading.dataset.samples[0].boxes) == 0


@pytest.mark.parametrize("place", ["images", "images/val", "val", ".", "annotations"])
def test_the_usual_places_of_pictures(tmp_path: Path, save_picture: Save, place: str) -> None:
    save_picture(tmp_path / place / "a.png")
    file = write(tmp_path, content())
    assert len(coco.read(tmp_path, "val").dataset) == 1
    assert coco.splits(file) == ("val",)
    assert len(coco.read(file, "val").dataset) == 1


def test_names_of_files_and_splits(tmp_path: Path) -> None:
    (tmp_path / "annotations").mkdir()
    for name in ("instances_train2017", "instances_val2017", "captions_val2017"):
        (tmp_path / "annotations" / f"{name}.json").write_text("{}")
    assert coco.splits(tmp_path) == ("train2017", "val2017")
    folder = tmp_path / "other"
    for split in ("train", "valid"):
        (folder / split).mkdir(parents=True)
        (folder / split / "_annotations.coco.json").write_text("{}")
    assert coco.splits(folder) == ("train", "valid")
    single = tmp_path / "single"
    single.mkdir()
    assert not coco.recognizes(single)
    (single / "package.json").write_text("{}")
    assert not coco.recognizes(single)
    (single / "annotations.json").write_text("{}")
    assert coco.splits(single) == ("all",)


def changed(part: str, **fields: object) -> Content:
    """The sound content with fields of its one image or annotation replaced; None removes one."""
    given = content()
    entry = given[part][0] | fields
    given[part][0] = {key: value for key, value in entry.items() if value is not None}
    return given


def appended(part: str, entry: object) -> Content:
    given = content()
    given[part].append(entry)
    return given


NOTE = content()["annotations"][0]


@pytest.mark.parametrize(
    ("given", "kind", "said"),
    [
        (changed("annotations", bbox=[1, 2, 0, 4]), "degenerate-box", "annotation 1 is 0 wide"),
        (changed("annotations", bbox=[1, 2, 3, -4]), "degenerate-box", "-4 high"),
        (changed("annotations", bbox=[18, 2, 3, 4]), "box-outside-picture", "reaches 1 px"),
        (changed("annotations", bbox=[-1, 2, 3, 4]), "box-outside-picture", "reaches 1 px"),
        (changed("annotations", bbox=[float("nan"), 2, 3, 4]), "bad-label", "nan"),
        (changed("annotations", bbox=[1, 2, 3, float("inf")]), "bad-label", "inf"),
        (changed("annotations", bbox=[1, 2, 3, 10**400]), "bad-label", "not a finite"),
        (changed("annotations", bbox=["1", 2, 3, 4]), "bad-label", "'1'"),
        (changed("annotations", bbox=[True, 2, 3, 4]), "bad-label", "True"),
        (changed("annotations", bbox=[1, 2, 3]), "bad-label", "not [x, y, width, height]"),
        (changed("annotations", bbox=[]), "bad-label", "neither a bbox nor a shape"),
        (changed("annotations", bbox=None), "bad-label", "neither a bbox nor a shape"),
        (changed("annotations", iscrowd=2), "bad-label", "iscrowd is 2"),
        (changed("annotations", area=-1), "bad-label", "area is -1"),
        (changed("annotations", id=None), "bad-label", "annotations[0] has no 'id'"),
        (changed("annotations", image_id=None), "bad-label", "has no 'image_id'"),
        (changed("annotations", image_id=8), "orphan-label", "there is no image 8"),
        (changed("annotations", category_id=4), "unknown-class", "category 4"),
        (changed("annotations", category_id=None), "unknown-class", "category None"),
        (changed("annotations", category_id=[[3]]), "unknown-class", "a list"),
        (appended("annotations", NOTE), "bad-label", "annotation 1: this id appears twice"),
        (appended("annotations", NOTE | {"id": 2}), "duplicate-box", "repeats annotation 1"),
        (appended("annotations", 5), "bad-label", "annotations[1] has no 'id'"),
        (appended("images", content()["images"][0]), "bad-label", "image id 7 appears twice"),
        (appended("images", {"file_name": "b.png"}), "bad-label", "images[1] has no 'id'"),
        (appended("images", {"id": 8}), "bad-label", "file_name None"),
        (appended("images", {"id": 8, "file_name": "../b.png"}), "bad-label", "inside the set"),
        (appended("images", {"id": 8, "file_name": "/etc/passwd"}), "bad-label", "inside the set"),
        (appended("images", {"id": 8, "file_name": "\ud800"}), "bad-label", "inside the set"),
        (appended("images", {"id": 8, "file_name": "x" * 300}), "bad-label", "inside the set"),
        (appended("images", {"id": 8, "file_name": "b.png"}), "missing-picture", "named by"),
        (appended("images", {"id": 8, "file_name": "a.png"}), "duplicate-picture", "image 7 does"),
        (changed("images", width=21), "size-mismatch", "states 21x10"),
        (changed("images", width="wide"), "bad-label", "'wide' is not a finite number"),
        (changed("images", width=[20]), "bad-label", "width holds a list"),
    ],
)
def test_a_faulty_entry_is_reported_and_left_out(
    root: Path, given: Content, kind: str, said: str
) -> None:
    file = write(root, given)
    (problem,) = coco.read(root, "val").problems
    assert problem.kind == kind
    assert said in problem.reason + problem.hint
    assert kind in ("missing-picture",) or problem.file == file


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "malformed JSON"),
        ('{\n"images": [,]}', ":2: malformed JSON"),
        ("[" * 100_000, "malformed JSON"),
        ("1" * 5_000, "malformed JSON"),
        ("\xff", "malformed JSON"),
        ("[]", "no list 'images'"),
        ('{"images": [], "annotations": {}}', "no list 'annotations'"),
        ('{"images": [], "annotations": [], "categories": []}', "no class names"),
        ('{"images": [], "annotations": [], "categories": [{"id": 1}]}', r"categories\[0\]"),
        (json.dumps(appended("categories", {"id": 3, "name": "x"})), "category id 3 appears twice"),
        (json.dumps(appended("categories", {"id": 4, "name": "car"})), "'car' appears twice"),
        (json.dumps(appended("categories", {"id": 4, "name": "a\x1b"})), "not a class name"),
    ],
)
def test_a_file_without_a_class_list_is_refused(root: Path, text: str, said: str) -> None:
    path = root / "annotations" / "instances_val.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(TatamiError, match=said) as caught:
        coco.read(root, "val")
    assert caught.value.file == path


def test_a_file_beyond_the_bound_is_not_parsed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coco, "MAX_JSON_BYTES", 20)
    with pytest.raises(TatamiError, match="larger than 20 bytes"):
        coco.read(root, "val")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["id", "image_id", "category_id", "bbox", "file_name", "width", "area"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=150)
@given(images=st.lists(json_values, max_size=3), annotations=st.lists(json_values, max_size=3))
def test_garbage_is_a_problem_and_never_an_exception(
    tmp_path_factory: pytest.TempPathFactory, images: list[Any], annotations: list[Any]
) -> None:
    root = tmp_path_factory.mktemp("set")
    write(root, content() | {"images": images, "annotations": annotations})
    reading = coco.read(root, "val")
    assert len(reading.dataset) == 0
    assert all("\n" not in str(problem) for problem in reading.problems)
    write(root, images)
    with pytest.raises(TatamiError):
        coco.read(root, "val")
