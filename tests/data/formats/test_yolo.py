"""YOLO text labels: layouts with and without YAML, what is read, and what is wrong."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tatami.data.formats import yolo
from tatami.errors import TatamiError

Save = Callable[..., Path]


@pytest.fixture
def root(tmp_path: Path, save_picture: Save) -> Path:
    """One 20x10 picture in images/train with one sound box."""
    save_picture(tmp_path / "images" / "train" / "a.png")
    (tmp_path / "labels" / "train").mkdir(parents=True)
    (tmp_path / "labels" / "train" / "a.txt").write_text("1 0.5 0.5 1 1\n")
    (tmp_path / "data.yaml").write_text("train: images/train\nnames: [ant, bee]\n")
    return tmp_path


def boxes(root: Path, split: str = "train") -> list[list[float]]:
    reading = yolo.read(root, split)
    assert reading.problems == ()
    return reading.dataset.samples[0].boxes.xyxy.tolist()


@pytest.mark.parametrize(
    "text",
    [
        "train: images/train\nnames: [ant, bee]",
        "train: images/train/\nnames: {0: ant, 1: bee}\nnc: 2",
        "path: .\ntrain: [images/train]\nnames:\n  - ant\n  - bee",
        "path: ../nowhere\ntrain: images/train\nval:\nnames: [ant, bee]",
        "train: ../images/train\nval: ''\nnames: [ant, bee]",
        "\ufefftrain: images/train\r\nnames: [ant, bee]\r\n",
        "train: train.txt\nnames: [ant, bee]",
    ],
)
def test_the_ways_to_write_the_yaml(root: Path, text: str) -> None:
    (root / "data.yaml").write_text(text, newline="")
    (root / "train.txt").write_text("./images/train/a.png\r\n\r\n", newline="")
    for path in (root, root / "data.yaml"):
        assert yolo.recognizes(path)
        assert yolo.splits(path) == ("train",)
        assert yolo.read(path, "train").dataset.classes == ("ant", "bee")
        assert boxes(path) == [[0, 0, 20, 10]]


def test_numbers_are_fair_names(root: Path) -> None:
    (root / "data.yaml").write_text("train: images/train\nnames: [0, 1]\n")
    assert yolo.read(root, "train").dataset.classes == ("0", "1")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("train: images/train\nnames: [ant, no]", "class 1 reads as False"),
        ("train: images/train\nnames: {1: ant, 2: bee}", "number its 2 classes from 0"),
        ("train: images/train\nnames: {0: ant, a: bee}", "number its 2 classes from 0"),
        ("train: images/train\nnames: ant", "neither a list nor a mapping"),
        ("train: images/train\nnames: []", "no class names"),
        ("train: images/train\nnames: [ant, ant]", "'ant' appears twice"),
        ("train: images/train\nnames: [ant, [bee]]", r"class 1 reads as \['bee'\]"),
        ("train: images/train\nnames: [ant, bee]\nnc: 3", "nc is 3 and names has 2"),
        ("train: images/train\nnames: [ant\n", "data.yaml:3: malformed YAML"),
        ("names: !!python/object/apply:os.system [ls]", "malformed YAML"),
        ("a: &a [x, x]\nnames: [*a, *a]", "malformed YAML: holds an alias"),
        ("[" * 2000, "malformed YAML"),
        ("2024-99-99", "malformed YAML"),
        ("- names", "not a mapping"),
        ("train: images/train", "has no 'names'"),
        ("names: [ant]", "names no train, val or test"),
        ("train: nowhere\nval: [5]\nnames: [ant]", "train: there is no 'nowhere'; val: .* 5"),
    ],
)
def test_a_faulty_yaml_is_refused(root: Path, text: str, said: str) -> None:
    file = root / "data.yaml"
    file.write_text(text)
    with pytest.raises(TatamiError, match=said) as caught:
        yolo.read(file, "train")
    assert caught.value.file == file


def test_several_yaml_files_are_not_chosen_between(root: Path) -> None:
    (root / "more.yml").write_text("train: images/train\nnames: [x, y]\n")
    with pytest.raises(TatamiError, match=r"several sets: data\.yaml, more\.yml"):
        yolo.splits(root)
    assert yolo.read(root / "more.yml", "train").dataset.classes == ("x", "y")
    (root / "more.yml").write_text("lr: 0.1\n")  # not of a set
    assert yolo.splits(root) == ("train",)


def test_a_split_that_is_not_there_is_a_stray(root: Path) -> None:
    text = "train: images/train\nval: images/val\nnames: [ant, bee]\n"
    (root / "data.yaml").write_text(text)
    assert yolo.splits(root) == ("train",)
    (problem,) = yolo.strays(root)
    assert (problem.kind, problem.reason) == ("missing-split", "val: there is no 'images/val'")


def test_a_polygon_gives_the_box_around_it_and_blanks_are_fine(root: Path) -> None:
    text = "\ufeff0 0.1 0.2 0.5 0.9 0.3 0.4 \r\n\r\n1 .5 5e-1 1 1.\t\r\n  \r\n"
    (root / "labels" / "train" / "a.txt").write_text(text, newline="")
    assert np.allclose(boxes(root), [[2, 2, 10, 9], [0, 0, 20, 10]])


@pytest.mark.parametrize(
    ("line", "kind", "said"),
    [
        ("0 0.5 0.5 0 0.1", "degenerate-box", "box in line 2 (ant) is 0 wide"),
        ("0 0.5 0.5 0.1 -0.1", "degenerate-box", "-1 high"),
        ("0 0.5 0.5 1.1 0.1", "box-outside-picture", "reaches 1 px over the 20x10"),
        ("0 -0.5 0.5 0.1 0.1", "box-outside-picture", "over the 20x10"),
        ("1 0.5 0.5 1 1", "duplicate-box", "repeats box in line 1"),
        ("2 0.5 0.5 0.1 0.1", "class-out-of-range", "class 2 is not in 0 to 1"),
        ("-1 0.5 0.5 0.1 0.1", "class-out-of-range", "class -1"),
        ("0.5 0.5 0.5 0.1 0.1", "bad-label", "'0.5' is not a class number"),
        ("1e300 0.5 0.5 0.1 0.1", "bad-label", "'1e300' is not a class number"),
        ("ant 0.5 0.5 0.1 0.1", "bad-label", "'ant' is not a finite number"),
        ("0 nan 0.5 0.1 0.1", "bad-label", "'nan'"),
        ("0 0.5 0.5 inf 0.1", "bad-label", "'inf'"),
        ("0 0.5 0.5 1e999 0.1", "bad-label", "'1e999'"),
        ("0 0.5,0.5 0.1 0.1 1", "bad-label", "'0.5,0.5'"),
        ("0 0.5 0.5 0.1", "bad-label", "4 columns"),
        ("0 0.5 0.5 0.1 0.1 0.9", "bad-label", "6 columns"),
        ("0 0.1 0.1 0.2 0.2 0.3 0.3 0.4", "bad-label", "8 columns"),
    ],
)
def test_a_faulty_line_is_reported_and_left_out(
    root: Path, line: str, kind: str, said: str
) -> None:
    label = root / "labels" / "train" / "a.txt"
    label.write_text(f"1 0.5 0.5 1 1\n{line}\n")
    reading = yolo.read(root, "train")
    (problem,) = reading.problems
    assert (problem.kind, problem.file, problem.line) == (kind, label, 2)
    assert said in problem.reason
    assert len(reading.dataset.samples[0].boxes) == 1


def test_six_decimals_may_exceed_by_rounding_and_are_clipped(root: Path) -> None:
    (root / "labels" / "train" / "a.txt").write_text("0 0.500001 0.5 1.000001 1.000002\n")
    assert boxes(root) == [[pytest.approx(1e-5), 0, 20, 10]]


def test_what_is_missing_in_a_folder(root: Path, save_picture: Save) -> None:
    save_picture(root / "images" / "train" / "b.jpg")
    (root / "labels" / "train" / "c.txt").touch()
    (root / "labels" / "train" / "classes.txt").write_text("ant\n")
    save_picture(root / "images" / "train" / "a.bmp", seed=1)
    (root / "images" / "train" / "d.png").write_text("no picture")
    (root / "labels" / "train" / "d.txt").touch()
    save_picture(root / "images" / "train" / "e.png")
    (root / "labels" / "train" / "e.txt").write_bytes(b"\xff\xfe0\0")
    found = yolo.read(root, "train").problems
    assert [(p.kind, p.file.name) for p in found] == [
        ("duplicate-picture", "a.png"),  # shares a.txt with a.bmp
        ("missing-label", "b.jpg"),
        ("unreadable-picture", "d.png"),
        ("bad-label", "e.txt"),
        ("orphan-label", "c.txt"),
    ]


def test_what_is_missing_in_a_list(root: Path) -> None:
    (root / "data.yaml").write_text("train: train.txt\nnames: [ant, bee]\n")
    lines = ["images/train/a.png", "images/train/b.png", "images/train/a.png", "x" * 300]
    (root / "train.txt").write_text("\n".join(lines))
    reading = yolo.read(root, "train")
    assert [(p.kind, p.file.name, p.line) for p in reading.problems] == [
        ("missing-picture", "train.txt", 2),
        ("duplicate-picture", "train.txt", 3),
        ("bad-label", "train.txt", 4),
    ]
    assert [sample.id for sample in reading.dataset.samples] == ["a"]


def test_an_empty_label_file_is_a_picture_without_objects(root: Path) -> None:
    (root / "labels" / "train" / "a.txt").write_text("\n")
    assert boxes(root) == []


def test_the_same_stem_in_two_folders_has_two_ids(root: Path, save_picture: Save) -> None:
    save_picture(root / "images" / "train" / "more" / "a.png")
    (root / "labels" / "train" / "more").mkdir()
    (root / "labels" / "train" / "more" / "a.txt").touch()
    reading = yolo.read(root, "train")
    assert reading.problems == ()
    assert [sample.id for sample in reading.dataset.samples] == ["a", "more/a"]


def test_without_yaml_labels_beside_the_pictures(tmp_path: Path, save_picture: Save) -> None:
    assert not yolo.recognizes(tmp_path)
    save_picture(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text("0 0.5 0.5 1 1\n")
    numbered = yolo.read(tmp_path, "all")
    assert numbered.dataset.classes == ("0",)
    assert numbered.notes == ("no file names the classes: they are called 0 to 0",)
    (tmp_path / "classes.txt").write_text("ant\n")
    assert yolo.recognizes(tmp_path)
    assert yolo.splits(tmp_path) == ("all",)
    assert boxes(tmp_path, "all") == [[0, 0, 20, 10]]


def test_without_yaml_as_darknet_writes_it(tmp_path: Path, save_picture: Save) -> None:
    save_picture(tmp_path / "obj_train_data" / "a.png")
    (tmp_path / "obj_train_data" / "a.txt").write_text("0 0.5 0.5 1 1\n")
    (tmp_path / "obj.names").write_text("ant\n")
    assert boxes(tmp_path, "all") == [[0, 0, 20, 10]]
    (tmp_path / "train.txt").write_text(f"{tmp_path.name}/obj_train_data/a.png\n")
    assert yolo.splits(tmp_path) == ("train",)
    assert boxes(tmp_path) == [[0, 0, 20, 10]]


def test_without_yaml_folders_in_images(root: Path) -> None:
    (root / "data.yaml").unlink()
    (root / "classes.txt").write_text("ant\nbee\n")
    assert yolo.splits(root) == ("train",)
    assert boxes(root) == [[0, 0, 20, 10]]


share = st.integers(0, 10**6)


@settings(max_examples=60)
@given(corners=st.lists(st.tuples(share, share, share, share), max_size=6, unique=True))
def test_boxes_written_with_six_decimals_come_back(
    tmp_path_factory: pytest.TempPathFactory,
    save_picture: Save,
    corners: list[tuple[int, int, int, int]],
) -> None:
    root = tmp_path_factory.mktemp("set")
    save_picture(root / "a.png", 640, 480)
    (root / "classes.txt").write_text("ant\n")
    edges = np.array([c for c in corners if c[2] > c[0] + 4 and c[3] > c[1] + 4]) / 1e6
    edges = edges.reshape(-1, 4)
    center, sides = (edges[:, :2] + edges[:, 2:]) / 2, edges[:, 2:] - edges[:, :2]
    lines = [
        f"0 {x:.6f} {y:.6f} {w:.6f} {h:.6f}\n" for (x, y), (w, h) in zip(center, sides, strict=True)
    ]
    (root / "a.txt").write_text("".join(lines))
    reading = yolo.read(root, "all")
    assert {problem.kind for problem in reading.problems} <= {"duplicate-box"}
    found = reading.dataset.samples[0].boxes.xyxy
    if not reading.problems:
        assert np.abs(found - edges * (640, 480, 640, 480)).max(initial=0) <= 640e-6


garbage = st.one_of(
    st.binary(max_size=60),
    st.lists(st.sampled_from(["0", "1", " ", "\n", "0.5", "-", "nan", "é", "\x00", "1e9"]))
    .map("".join)
    .map(str.encode),
)


@settings(max_examples=150)
@given(label=garbage, listed=garbage, described=garbage)
def test_garbage_is_a_problem_and_never_another_exception(
    tmp_path_factory: pytest.TempPathFactory,
    save_picture: Save,
    label: bytes,
    listed: bytes,
    described: bytes,
) -> None:
    root = tmp_path_factory.mktemp("set")
    save_picture(root / "a.png")
    (root / "a.txt").write_bytes(label)
    (root / "list.txt").write_bytes(b"a.png\n" + listed)
    (root / "data.yaml").write_text("train: list.txt\nnames: [ant, bee]\n")
    with contextlib.suppress(TatamiError):  # the list itself is no text
        reading = yolo.read(root, "train")
        assert len(reading.dataset) + len(reading.problems) >= 1
        assert all("\n" not in str(problem) for problem in reading.problems)
    (root / "data.yaml").write_bytes(described)
    with pytest.raises(TatamiError):
        yolo.read(root / "data.yaml", "train")


def test_coco128_lacks_two_labels_and_has_two_without_pictures(shared_data: Path) -> None:
    root = shared_data / "detect" / "coco128"
    assert yolo.splits(root) == ("all",)  # its yaml names folders that this copy does not have
    reading = yolo.read(root, "all")
    assert Counter((p.kind, p.file.stem) for p in reading.problems) == {
        ("missing-label", "000000000250"): 1,
        ("missing-label", "000000000508"): 1,
        ("orphan-label", "000000000656"): 1,
        ("orphan-label", "000000000659"): 1,
    }
    assert len(reading.dataset) == 126
    assert sum(len(sample.boxes) for sample in reading.dataset.samples) == 929
