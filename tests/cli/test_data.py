"""``tatami data``: what is printed, drawn and returned."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tatami.cli.commands import Command
from tatami.cli.main import load
from tatami.cli.main import root as command
from tatami.data.formats.table import FORMATS
from tatami.data.pictures import read_picture
from tatami.errors import TatamiError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Four pictures without YAML, class names that need care, and one faulty line."""
    root = tmp_path / "set"
    root.mkdir()
    (root / "classes.txt").write_text("[red]ant\n蜂\n", encoding="utf-8")
    for at in range(4):
        pixels = np.random.default_rng(at).integers(0, 256, (40, 60, 3), np.uint8)
        Image.fromarray(pixels).save(root / f"p{at}.png")
        (root / f"p{at}.txt").write_text("0 0.5 0.5 0.5 0.5\n1 0.25 0.25 0.1 0.3\n")
    (root / "p2.txt").write_text("0 0.5 0.5 0.5 0.5\n7 0.5 0.5 0.5 0.5\n")
    return root


def run(*arguments: object) -> tuple[int, str]:
    """The exit code of a command of ``tatami data``, and what it prints; errors are raised."""
    out, typed = io.StringIO(), ["data", *map(str, arguments)]
    with contextlib.redirect_stdout(out):
        code = command().main(typed, prog_name="tatami", standalone_mode=False)
    return int(code or 0), out.getvalue()


def test_everything_is_printed_and_a_problem_is_exit_code_2(root: Path) -> None:
    code, text = run("show", root)
    assert code == 2
    assert f"{root}: yolo, 4 pictures, 7 boxes, 2 classes" in text
    assert "0  [red]ant      4         4" in text
    assert "1  蜂            3         3" in text
    assert f"{root / 'p2.txt'}:2: class-out-of-range: class 7 is not in 0 to 1 (" in text
    assert "1 class-out-of-range: a class number" in text
    assert "60x40" in text
    tables = text[: text.index(f"{root / 'p2.txt'}")].split("\n")[1:]
    assert max(map(len, tables)) <= 80


def test_an_accepted_kind_is_counted_and_exit_code_0(root: Path) -> None:
    code, text = run("show", root, "--skip", "class-out-of-range", "--format", "yolo")
    assert code == 0
    assert "skipped 1 class-out-of-range" in text
    assert "p2.txt:2" not in text
    with pytest.raises(TatamiError, match="'nonsense' is not a kind"):
        run("show", root, "--skip", "nonsense")


def test_json_says_the_same(root: Path) -> None:
    code, text = run("show", root, "--json", "--skip", "class-out-of-range")
    found = json.loads(text)
    assert code == 0
    assert found["classes"] == ["[red]ant", "蜂"]
    assert found["splits"]["all"]["classes"]["蜂"] == {"boxes": 3, "pictures": 3}
    assert sum(found["box_size"]["counts"]) == sum(found["box_aspect"]["counts"]) == 7
    (problem,) = found["problems"]
    assert (problem["kind"], problem["line"], problem["skipped"]) == ("class-out-of-range", 2, True)


def test_a_contact_sheet_is_drawn(root: Path) -> None:
    sheet = root.parent / "sheet.png"
    code, _ = run("show", root, "--draw", sheet)
    assert code == 2  # the problem still counts
    assert read_picture(sheet).shape[1] > 4 * 320
    with pytest.raises(TatamiError, match="not a name for a picture"):
        run("show", root, "--draw", root.parent / "sheet.txt")


def test_a_set_of_damaged_pictures_only(root: Path) -> None:
    for path in root.glob("*.png"):
        path.write_bytes(path.read_bytes()[:200])
    code, text = run("show", root)
    assert code == 2
    assert "4 unreadable-picture: a picture that cannot be decoded" in text
    with pytest.raises(TatamiError, match="no sound picture to draw"):
        run("show", root, "--draw", root.parent / "sheet.png")


def test_what_is_no_set_is_refused(tmp_path: Path) -> None:
    for path, said in ((tmp_path / "absent", "no such folder"), (tmp_path, "looked for")):
        with pytest.raises(TatamiError, match=said):
            run("show", path)


def test_the_embedded_set_is_written_and_sound(tmp_path: Path) -> None:
    pytest.importorskip("skimage")
    pytest.importorskip("sklearn")
    out = tmp_path / "digits"
    asked = ("digits", out, "--train", 3, "--test", 2, "--size", "128x96", "--seed", 1)
    assert run(*asked)[0] == 0
    code, text = run("show", out)
    assert code == 0
    assert "128x96" in text
    assert "nothing is wrong" in text


def test_bccd_trains_without_its_two_degenerate_boxes(shared_data: Path) -> None:
    code, text = run("show", shared_data / "detect" / "bccd", "--skip", "degenerate-box")
    assert code == 0
    assert "voc, 364 pictures, 4886 boxes, 3 classes" in text
    assert "skipped 2 degenerate-box" in text


# One class a picture


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Seven pictures in folders of classes: two are one picture in two splits, one is damaged."""
    root = tmp_path / "classes"
    for at, name in enumerate(("train/cat/a", "train/cat/b", "train/[red]dog/c", "test/cat/d")):
        pixels = np.random.default_rng(at).integers(0, 256, (20, 30 + at // 3, 3), np.uint8)
        file = root / f"{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(file)
    (root / "test/[red]dog").mkdir()
    Image.open(root / "train/cat/a.png").save(root / "test/[red]dog/copy.bmp")
    cut = (root / "test/cat/d.png").read_bytes()
    (root / "test/cat/e.png").write_bytes(cut[: len(cut) // 2])
    (root / "stray.txt").write_text("no picture")
    (root / "train/stray.png").write_bytes(cut)
    return root


def test_classes_of_pictures_are_counted_and_faults_are_found(folders: Path) -> None:
    code, text = run("show", folders)
    assert code == 2
    assert f"{folders}: folders, 5 pictures, 2 classes" in text
    lines = [line.split() for line in text.splitlines()]
    assert ["class", "name", "test", "train"] in lines
    assert ["0", "[red]dog", "1", "1"] in lines
    assert ["1", "cat", "1", "2"] in lines
    assert ["all", "2", "3"] in lines
    assert ["30x20", "4"] in lines
    assert ["31x20", "1"] in lines
    assert f"{folders / 'test/cat/e.png'}: unreadable-picture: " in text
    assert f"{folders / 'train/stray.png'}: missing-label: " in text
    assert "'cat/a.png' of split 'train' is also '[red]dog/copy.bmp' of split 'test'" in text
    assert text.count("duplicate-picture: ") == 2  # the finding, and what the kind means


def test_classes_as_json_and_as_a_sheet(folders: Path, tmp_path: Path) -> None:
    kinds = ("unreadable-picture", "missing-label", "duplicate-picture")
    skipped = [word for kind in kinds for word in ("--skip", kind)]
    code, text = run("show", folders, "--json", *skipped, "--draw", tmp_path / "sheet.png")
    found = json.loads(text)
    assert code == 0
    assert found["format"] == "folders"
    assert found["pictures"] == 5
    assert found["splits"]["train"] == {"pictures": 3, "classes": {"[red]dog": 1, "cat": 2}}
    assert found["picture_sizes"] == {"30x20": 4, "31x20": 1}
    assert sorted(problem["kind"] for problem in found["problems"]) == sorted(kinds)
    assert all(problem["skipped"] for problem in found["problems"])
    assert read_picture(tmp_path / "sheet.png").shape[1] > 4 * 320
    code, text = run("show", folders, "--split", "train", "--json", "--skip", "missing-label")
    assert list(json.loads(text)["splits"]) == ["train"]
    assert code == 0  # the copy lies in the other split


def test_sets_in_one_file_are_shown(tmp_path: Path) -> None:
    def idx(array: np.ndarray) -> bytes:
        head = bytes((0, 0, 8, array.ndim)) + np.array(array.shape, ">u4").tobytes()
        return head + array.tobytes()

    images = np.random.default_rng(0).integers(0, 256, (6, 5, 4), np.uint8)
    digits = tmp_path / "digits"
    digits.mkdir()
    (digits / "train-images-idx3-ubyte").write_bytes(idx(images))
    labels = np.array([3, 3, 3, 1, 11, 0], np.uint8)
    (digits / "train-labels-idx1-ubyte").write_bytes(idx(labels))
    code, text = run("show", digits, "--json")
    found = json.loads(text)
    assert code == 2
    assert (found["format"], found["picture_sizes"]) == ("mnist", {"4x5": 5})
    assert found["splits"]["train"]["classes"]["3"] == 3
    (problem,) = found["problems"]
    assert problem["kind"] == "class-out-of-range"

    records = np.random.default_rng(1).integers(0, 10, (4, 1 + 3072), np.uint8)
    (tmp_path / "cifar").mkdir()
    (tmp_path / "cifar" / "test_batch.bin").write_bytes(records.tobytes())
    code, text = run("show", tmp_path / "cifar")
    assert code == 0
    assert "cifar, 4 pictures, 10 classes" in text
    with pytest.raises(TatamiError, match=r"no format 'cifra' \(did you mean cifar\?\)"):
        run("show", tmp_path / "cifar", "--format", "cifra")
    with pytest.raises(TatamiError, match="no format 'zip'") as caught:
        run("show", tmp_path / "cifar", "--format", "zip")
    for name in (name for formats in FORMATS.values() for name in formats):
        assert name in str(caught.value)
    (tmp_path / "empty").mkdir()
    with pytest.raises(TatamiError, match="not a labeled set") as caught:
        run("show", tmp_path / "empty")
    assert "mnist: train-images" in str(caught.value)


def test_every_format_is_listed() -> None:
    code, text = run("formats")
    assert code == 0
    code, content = run("formats", "--json")
    listed = json.loads(content)
    assert list(listed) == [name for formats in FORMATS.values() for name in formats]
    for name, one in listed.items():
        assert f"{name} ({one['labels']}): {one['looked_for']}" in text


def test_boxes_come_first(root: Path) -> None:
    """YOLO's pictures beside a folder of pictures are no class's."""
    (root / "looked-at").mkdir()
    (root / "p0.png").rename(root / "looked-at" / "p0.png")
    (root / "p0.txt").rename(root / "looked-at" / "p0.txt")
    _, text = run("show", root)
    assert f"{root}: yolo, " in text


def test_repairs_are_options_of_every_command_that_reads_a_set(root: Path) -> None:
    (root / "p2.txt").write_text("0 0.9 0.5 0.4 0.5\n")
    (root / "p3.txt").unlink()
    code, text = run("show", root, "--clip")
    assert code == 2
    assert "mended 1 x box-outside-picture" in text
    code, text = run("show", root, "--clip", "--background")
    assert code == 0
    assert "mended 1 x missing-label" in text
    assert "nothing is wrong" in text
    code, text = run("show", root, "--background", "--json", "--clip")
    found = json.loads(text)
    assert [one.get("repaired") for one in found["problems"]] == ["clip", "background"]
    assert len(found["notes"]) == 2


def test_folders_are_named_where_nothing_is_recognized(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (40, 60, 3), np.uint8)
    for folder in ("photos", "boxes/a", "boxes/b"):
        (tmp_path / folder).mkdir(parents=True)
    Image.fromarray(pixels).save(tmp_path / "photos" / "p.png")
    (tmp_path / "boxes" / "b" / "p.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    with pytest.raises(TatamiError, match="YOLO's form"):
        run("show", tmp_path)
    for labels in ("boxes/b", tmp_path / "boxes" / "b"):
        code, text = run("show", tmp_path, "--images", "photos", f"--labels={labels}")
        assert (code, "1 pictures, 1 boxes" in text) == (0, True)
    with pytest.raises(TatamiError, match="--images is not given"):
        run("show", tmp_path, "--labels", "boxes")


def test_a_set_is_converted_and_parted(root: Path, tmp_path: Path) -> None:
    code, text = run("convert", root, "--to", "voc", "-o", tmp_path / "voc", "--skip",
                     "class-out-of-range")  # fmt: skip
    assert code == 0
    assert "voc, pictures: all 4; 7 boxes" in text
    code, text = run("split", tmp_path / "voc", "--hold-out", "0.25:3", "-o", tmp_path / "parted")
    assert code == 0
    assert "yolo, pictures: train 3, val 1; 7 boxes" in text
    code, text = run("show", tmp_path / "parted", "--json")
    assert {name: one["pictures"] for name, one in json.loads(text)["splits"].items()} == {
        "train": 3,
        "val": 1,
    }


def test_fix_lists_repairs_and_writes_a_copy(root: Path, tmp_path: Path) -> None:
    (root / "p2.txt").write_text("0 0.5 0.5 0.5 0.5\n0 0.5 0.5 0.5 0\n1 0.9 0.5 0.4 0.5\n")
    code, text = run("show", root, "--fix")
    assert code == 0
    assert "p2.txt:2: degenerate-box" in text
    assert "nothing was written" in text
    assert "--skip degenerate-box" in text
    assert "--clip" in text
    assert run("show", root, "--skip", "degenerate-box", "--skip", "clip")[0] == 0
    assert run("show", root, "--fix", "--out", tmp_path / "out")[0] == 0
    assert run("show", tmp_path / "out")[0] == 0
    with pytest.raises(TatamiError, match="nothing is wrong"):
        run("show", tmp_path / "out", "--fix")
    with pytest.raises(TatamiError, match="writes a repaired copy"):
        run("show", root, "--out", tmp_path / "other")


@pytest.mark.parametrize(("typed", "offered"), [("--cl", {"--clip"}), ("--ima", {"--images"})])
def test_short_forms_are_completed_where_sets_are_opened(typed: str, offered: set[str]) -> None:
    show = load("show", Command("data", "show"))
    context = show.make_context("show", ["set"], resilient_parsing=True)
    assert {item.value for item in show.shell_complete(context, typed)} == offered
    formats = load("formats", Command("data", "formats"))
    context = formats.make_context("formats", [], resilient_parsing=True)
    assert formats.shell_complete(context, typed) == []
