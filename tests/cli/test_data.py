"""``tatami data``: what is printed, drawn and returned."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from tatami.cli.data import data_app
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
    result = CliRunner(env={"COLUMNS": "80"}).invoke(data_app, [str(a) for a in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout


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
