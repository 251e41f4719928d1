"""PASCAL VOC annotations: what is read, and every way in which they are wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tatami.data.formats import voc
from tatami.errors import TatamiError
from tatami.types import Size

Save = Callable[..., Path]


def thing(xmin: object, ymin: object, xmax: object, ymax: object, name: str = "cat") -> str:
    return (
        f"<object><name>{name}</name><bndbox><xmin>{xmin}</xmin><ymin>{ymin}</ymin>"
        f"<xmax>{xmax}</xmax><ymax>{ymax}</ymax></bndbox></object>\n"
    )


def annotation(*things: str, size: str = "") -> str:
    return f"<annotation>\n{size}{''.join(things)}</annotation>\n"


@pytest.fixture
def root(tmp_path: Path, save_picture: Save) -> Path:
    """A set of one 20x10 picture, a.png, with one sound cat."""
    save_picture(tmp_path / "JPEGImages" / "a.png")
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "Annotations" / "a.xml").write_text(annotation(thing(1, 1, 20, 10)))
    return tmp_path


def kinds(root: Path, split: str = "all") -> list[str]:
    return [problem.kind for problem in voc.read(root, split).problems]


def test_pixels_count_from_one_and_include_both_ends(root: Path) -> None:
    reading = voc.read(root, "all")
    assert reading.problems == ()
    assert reading.dataset.classes == ("cat",)
    (sample,) = reading.dataset.samples
    assert (sample.id, sample.path.name) == ("a", "a.png")
    assert sample.boxes.xyxy.tolist() == [[0, 0, 20, 10]]
    assert sample.boxes.areas.tolist() == [200]


def test_difficult_floats_bom_and_windows_line_ends(root: Path) -> None:
    hard = thing(" 2.5 ", 3, "4.75", 5).replace("<bndbox>", "<difficult>1</difficult><bndbox>")
    size = "<size><width>20</width><height>10</height><depth>3</depth></size>"
    text = annotation(hard, size=size).replace("\n", "\r\n")
    (root / "Annotations" / "a.xml").write_bytes(b"\xef\xbb\xbf" + text.encode())
    reading = voc.read(root, "all")
    assert reading.problems == ()
    assert reading.dataset.samples[0].boxes.xyxy.tolist() == [[1.5, 2, 4.75, 5]]
    assert reading.dataset.samples[0].boxes.difficult.tolist() == [True]


def test_classes_are_sorted_names_or_the_list_beside(root: Path) -> None:
    text = annotation(thing(1, 1, 9, 9, "猫 1"), thing(2, 2, 9, 9, "ant"))
    (root / "Annotations" / "a.xml").write_text(text)
    assert voc.read(root, "all").dataset.classes == ("ant", "猫 1")
    (root / "classes.txt").write_bytes("猫 1\r\ndog\r\n\r\n".encode())
    reading = voc.read(root, "all")
    assert reading.dataset.classes == ("猫 1", "dog")
    (problem,) = reading.problems
    assert (problem.kind, problem.line) == ("unknown-class", 3)
    (root / "classes.txt").write_text("dog\ndog\n")
    with pytest.raises(TatamiError, match="'dog' appears twice"):
        voc.read(root, "all")


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        (thing(5, 5, 5, 5), "degenerate-box", r"box 2 \(cat\) is 0 wide and 0 high"),
        (thing(9, 2, 4, 5), "degenerate-box", "-5 wide"),
        (thing(0, 1, 4, 4), "box-outside-picture", "reaches 1 px over"),
        (thing(1, 1, 20.1, 4), "box-outside-picture", r"reaches 0\.1 px over the 20x10"),
        (thing(100, 1, 120, 4), "box-outside-picture", "over the 20x10 picture"),
        (thing(1, 1, 20, 10), "duplicate-box", "box 2 .* repeats box 1"),
        (thing("nan", 1, 4, 4), "bad-label", "<xmin> in line 3: 'nan' is not a finite number"),
        (thing("inf", 1, 4, 4), "bad-label", "not a finite"),
        (thing("1e999", 1, 4, 4), "bad-label", "not a finite"),
        (thing("1_0", 1, 12, 4), "bad-label", "not a finite"),
        (thing("", 1, 4, 4), "bad-label", "not a finite"),
        (thing(1, 1, 4, 4, ""), "bad-label", "not a class name"),
        (thing(1, 1, 4, 4).replace("xmin", "xmim"), "bad-label", "<bndbox> has no <xmin>"),
        ("<object><name>cat</name></object>", "bad-label", "<object> has no <bndbox>"),
        ("<object><bndbox/></object>", "bad-label", "has no <name>"),
        (
            thing(1, 1, 4, 4).replace("<bndbox>", "<difficult>7</difficult><bndbox>"),
            "bad-label",
            "difficult",
        ),
    ],
)
def test_a_faulty_box_is_reported_with_its_line_and_left_out(
    root: Path, text: str, kind: str, said: str
) -> None:
    file = root / "Annotations" / "a.xml"
    file.write_text(annotation(thing(1, 1, 20, 10), text))
    reading = voc.read(root, "all")
    (problem,) = reading.problems
    assert (problem.kind, problem.file, problem.line) == (kind, file, 3)
    assert re.search(said, str(problem))
    assert len(reading.dataset.samples[0].boxes) == 1


def test_an_edge_beyond_by_rounding_is_clipped(root: Path) -> None:
    (root / "Annotations" / "a.xml").write_text(annotation(thing(0.99, 1, 20.01, 10)))
    reading = voc.read(root, "all")
    assert reading.problems == ()
    assert reading.dataset.samples[0].boxes.xyxy.tolist() == [[0, 0, 20, 10]]


@pytest.mark.parametrize(
    ("size", "kind", "said"),
    [
        ("<size><width>21</width><height>10</height></size>", "size-mismatch", "states 21x10"),
        ("<size><width>10</width><height>20</height></size>", "size-mismatch", "EXIF"),
        ("<size><width>wide</width><height>10</height></size>", "bad-label", "'wide'"),
    ],
)
def test_a_size_that_disagrees(root: Path, size: str, kind: str, said: str) -> None:
    (root / "Annotations" / "a.xml").write_text(annotation(thing(1, 1, 2, 2), size=size))
    reading = voc.read(root, "all")
    (problem,) = reading.problems
    assert (problem.kind, problem.line) == (kind, 2)
    assert said in problem.reason
    assert len(reading.dataset) == 0


@pytest.mark.parametrize(
    "size",
    [
        "<size><width>0</width><height>0</height></size>",
        "<size><width>20</width></size>",
        "<size><width></width><height> </height></size>",
        "<size/>",
    ],
)
def test_an_unknown_size_is_that_of_the_picture(root: Path, size: str) -> None:
    (root / "Annotations" / "a.xml").write_text(annotation(thing(1, 1, 2, 2), size=size))
    reading = voc.read(root, "all")
    assert reading.problems == ()
    assert reading.dataset.samples[0].size == Size(20, 10)


def test_the_stated_size_is_that_of_the_upright_picture(root: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (10, 20)).save(root / "JPEGImages" / "a.png", exif=exif.tobytes())
    size = "<size><width>20</width><height>10</height></size>"
    (root / "Annotations" / "a.xml").write_text(annotation(thing(1, 1, 20, 10), size=size))
    assert kinds(root) == []


BOMB = '<!DOCTYPE a [<!ENTITY b "bb">' + "".join(
    f'<!ENTITY b{n} "&b{n - 1 or ""};&b{n - 1 or ""};">' for n in range(1, 30)
)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (f"{BOMB}]>\n<annotation>&b29;</annotation>", "document type"),
        ('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', "document type"),
        ('<!DOCTYPE a SYSTEM "http://127.0.0.1/a.dtd"><a/>', "document type"),
        ("<annotation><object>", "malformed"),
        ("<annotation>\n\n<object></annotation>", "a.xml:3: bad-label: malformed"),
        ("", "malformed"),
        ("\0\0\0", "malformed"),
        ('<?xml version="1.0" encoding="klingon"?><a/>', "malformed"),
        ("<a>" + "<b/>" * 200_001 + "</a>", "more than 200000 elements"),
        ("<a>" + " " * 4 * 2**20 + "</a>", "larger than"),
    ],
)
def test_hostile_and_malformed_annotations_are_one_problem(
    root: Path, content: str, said: str
) -> None:
    (root / "classes.txt").write_text("cat\n")
    (root / "Annotations" / "a.xml").write_text(content)
    reading = voc.read(root, "all")
    (problem,) = reading.problems
    assert problem.kind == "bad-label"
    assert said in str(problem)
    assert len(reading.dataset) == 0


def test_what_is_missing_without_lists(root: Path, save_picture: Save) -> None:
    save_picture(root / "JPEGImages" / "b.jpg")
    (root / "Annotations" / "c.xml").write_text(annotation())
    found = voc.read(root, "all").problems
    assert [(p.kind, p.file.name) for p in found] == [
        ("missing-label", "b.jpg"),
        ("orphan-label", "c.xml"),
    ]
    (root / "JPEGImages" / "b.jpg").write_text("no picture")
    (root / "Annotations" / "b.xml").write_text(annotation())
    assert kinds(root) == ["unreadable-picture", "orphan-label"]


def test_each_annotation_is_parsed_once_and_classes_are_those_of_all_splits(
    root: Path, save_picture: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists = root / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    for split, stem, name in (("train", "a", "zebra"), ("train", "b", "cat"), ("test", "c", "ant")):
        with (lists / f"{split}.txt").open("a") as file:
            file.write(f"{stem}\n")
        save_picture(root / "JPEGImages" / f"{stem}.png")
        things = thing(1, 1, 5, 5, name), thing(2, 2, 9, 9, "dog")
        (root / "Annotations" / f"{stem}.xml").write_text(annotation(*things))
    (root / "Annotations" / "d.xml").write_text("<annotation>")
    parsed: list[str] = []
    parse = voc.parse

    def counted(path: Path) -> voc.Element:
        parsed.append(path.name)
        return parse(path)

    monkeypatch.setattr(voc, "parse", counted)
    reading = voc.read(root, "train")
    assert sorted(parsed) == ["a.xml", "b.xml", "c.xml", "d.xml"]
    assert reading.dataset.classes == ("ant", "cat", "dog", "zebra") == voc.classes(root)
    assert [one.boxes.labels.tolist() for one in reading.dataset.samples] == [[3, 2], [1, 2]]
    (sample,) = voc.read(root, "test").dataset.samples
    assert sample.boxes.labels.tolist() == [0, 2]


def test_splits_are_lists_of_pictures_and_not_of_classes(root: Path, save_picture: Save) -> None:
    lists = root / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_bytes(b"a \r\n\r\nb\r\nc\r\na\r\n../a\r\n")
    (lists / "test.txt").write_text("")
    (lists / "cat_train.txt").write_text("a 1\nb -1\n")
    save_picture(root / "JPEGImages" / "b.png")
    assert voc.splits(root) == ("test", "train")
    reading = voc.read(root, "train")
    assert [sample.id for sample in reading.dataset.samples] == ["a"]
    assert [(p.kind, p.line, p.file.name) for p in reading.problems] == [
        ("missing-label", 3, "train.txt"),
        ("missing-picture", 4, "train.txt"),
        ("duplicate-picture", 5, "train.txt"),
        ("bad-label", 6, "train.txt"),
    ]
    (root / "Annotations" / "c.xml").write_text(annotation())
    (root / "Annotations" / "stray.xml").write_text(annotation())
    assert "missing-picture" in kinds(root, "train")
    assert [p.file.name for p in voc.strays(root)] == ["stray.xml"]


def test_the_filename_decides_only_between_two_pictures(root: Path, save_picture: Save) -> None:
    save_picture(root / "JPEGImages" / "a.bmp")
    assert voc.read(root, "all").dataset.samples[0].path.name == "a.bmp"
    text = annotation(thing(1, 1, 2, 2), size="<filename>a.png</filename>")
    (root / "Annotations" / "a.xml").write_text(text)
    assert voc.read(root, "all").dataset.samples[0].path.name == "a.png"


coordinate = st.decimals(0, 200, places=2).map(float)


@settings(max_examples=40)
@given(boxes=st.lists(st.tuples(coordinate, coordinate, coordinate, coordinate), max_size=6))
def test_written_boxes_come_back(
    tmp_path_factory: pytest.TempPathFactory,
    save_picture: Save,
    boxes: list[tuple[float, float, float, float]],
) -> None:
    root = tmp_path_factory.mktemp("set")
    save_picture(root / "JPEGImages" / "a.png", 200, 200)
    (root / "Annotations").mkdir()
    (root / "classes.txt").write_text("cat\n")
    sound = {(x, y, u, v) for x, y, u, v in boxes if u > x + 1 and v > y + 1}
    things = [thing(x + 1, y + 1, u, v) for x, y, u, v in sound]
    (root / "Annotations" / "a.xml").write_text(annotation(*things))
    reading = voc.read(root, "all")
    assert reading.problems == ()
    found = reading.dataset.samples[0].boxes.xyxy
    assert sorted(found.round(6).tolist()) == sorted([*map(list, sound)])


fragments = st.sampled_from(
    ["<annotation>", "</annotation>", "<object>", "</object>", "<name>", "</name>", "cat", "<size>",
     "</size>", "<bndbox>", "</bndbox>", "<xmin>", "</xmin>", "1", "-3", "&amp;", "<!DOCTYPE a>",
     "<?xml version='1.0'?>", "\x00", "]]>", "<![CDATA[", "\n", "é"]
)  # fmt: skip


@settings(max_examples=150)
@given(content=st.one_of(st.binary(max_size=80), st.lists(fragments).map("".join).map(str.encode)))
def test_garbage_is_a_problem_and_never_an_exception(
    tmp_path_factory: pytest.TempPathFactory, save_picture: Save, content: bytes
) -> None:
    root = tmp_path_factory.mktemp("set")
    save_picture(root / "JPEGImages" / "a.png")
    (root / "Annotations").mkdir()
    (root / "classes.txt").write_text("cat\n")
    (root / "Annotations" / "a.xml").write_bytes(content)
    reading = voc.read(root, "all")
    assert len(reading.dataset) + len(reading.problems) >= 1
    assert all("\n" not in str(problem) for problem in reading.problems)


def test_the_two_degenerate_boxes_of_bccd_are_all_that_is_wrong(shared_data: Path) -> None:
    root = shared_data / "detect" / "bccd"
    assert voc.splits(root) == ("test", "train", "trainval", "val")
    found = [
        problem for split in ("trainval", "test") for problem in voc.read(root, split).problems
    ]
    assert {(p.kind, p.file.name, p.line) for p in found} == {
        ("degenerate-box", "BloodImage_00338.xml", 163),
        ("degenerate-box", "BloodImage_00343.xml", 55),
    }
    data = voc.read(root, "trainval").dataset
    assert len(data) == 292
    assert data.classes == ("Platelets", "RBC", "WBC")


def test_voc100_is_sound(shared_data: Path) -> None:
    reading = voc.read(shared_data / "detect" / "voc100", "all")
    assert reading.problems == ()
    boxes = [sample.boxes for sample in reading.dataset.samples]
    assert (len(boxes), sum(map(len, boxes))) == (100, 273)
    assert sum(int(found.difficult.sum()) for found in boxes) == 38
    assert len(reading.dataset.classes) == 20
