"""``tatami data augment`` and ``tatami data katakana``."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tatami.cli.main import root as command
from tatami.data.augment import Augmentation
from tatami.data.katakana import usable_fonts
from tatami.data.pictures import read_picture
from tatami.errors import TatamiError
from tatami.pipeline.augment import NAMES, _row
from tatami.types import Boxes, Picture


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "set"
    root.mkdir()
    (root / "classes.txt").write_text("ant\nbee\n", encoding="utf-8")
    for at in range(3):
        pixels = np.random.default_rng(at).integers(0, 256, (40, 60, 3), np.uint8)
        Image.fromarray(pixels).save(root / f"p{at}.png")
        (root / f"p{at}.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    return root


def run(*arguments: object) -> str:
    """What a command of ``tatami data`` prints; its TatamiError is raised."""
    out, typed = io.StringIO(), ["data", *map(str, arguments)]
    with contextlib.redirect_stdout(out):
        assert not command().main(typed, prog_name="tatami", standalone_mode=False)
    return out.getvalue()


def test_the_sheet_has_a_row_for_each_variation(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"
    text = run("augment", root, "-o", out, "--size", "96x64", "--augment", "rotate=10")
    assert "15 variations, and all together" in text
    sheet = read_picture(out)
    assert sheet.shape[0] == (15 + 1) * (64 + 20 + 8) + 8
    assert sheet.shape[1] == 4 * (96 + 8) + 8
    first = out.read_bytes()
    run("augment", root, "-o", out, "--size", "96x64", "--augment", "rotate=10")
    assert out.read_bytes() == first
    run("augment", root, "-o", out, "--size", "96x64", "--augment", "rotate=10", "--seed", "1")
    assert out.read_bytes() != first


def test_class_folders_have_no_mosaic(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for name in ("ant", "bee"):
            (tmp_path / "set" / split / name).mkdir(parents=True)
            pixels = np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "set" / split / name / "0.png")
    out = tmp_path / "sheet.png"
    text = run("augment", tmp_path / "set", "-o", out, "--size", "32")
    assert "15 variations, and all together" in text
    assert read_picture(out).shape[0] == 16 * (32 + 20 + 8) + 8


def test_every_setting_that_varies_has_a_row() -> None:
    beside = {"mosaic_scale", "occlusion_size", "min_visible", "pad", "expand_most"}
    assert set(NAMES) == set(vars(Augmentation())) - beside


@pytest.mark.parametrize("name", NAMES)
def test_a_row_varies_one_thing_only(name: str) -> None:
    def draw(number: int, options: Augmentation, rng: np.random.Generator) -> tuple[Picture, Boxes]:
        return rng.integers(0, 256, (4, 4, 3), np.uint8), Boxes.of([], [])

    for used in (Augmentation(), Augmentation.none()):
        cells = _row(name, used, 0, [0, 1, 2], draw)
        assert len(cells) == 4
        plain = vars(Augmentation.none())
        allowed = {name, "mosaic_scale", "occlusion_size", "min_visible", "expand_most"}
        for cell in cells:
            changed = {key for key, value in vars(cell.options).items() if value != plain[key]}
            assert changed <= allowed
        assert vars(cells[-1].options)[name] != plain[name]
        off = vars(used)[name] == plain[name]
        assert ("(off)" in cells[-1].caption) == off


def test_wrong_requests_are_told(root: Path, tmp_path: Path) -> None:
    with pytest.raises(TatamiError, match="not a name for the sheet"):
        run("augment", root, "-o", tmp_path / "sheet.gif")
    with pytest.raises(TatamiError, match="augment: 'rotate=a' is not understood"):
        run("augment", root, "-o", tmp_path / "sheet.png", "--augment", "rotate=a")
    with pytest.raises(TatamiError, match="rotate=270"):
        run("augment", root, "-o", tmp_path / "sheet.png", "--augment", "rotate=270")


def test_katakana_by_the_command(tmp_path: Path) -> None:
    try:
        fonts = usable_fonts()
    except TatamiError as error:
        pytest.skip(str(error))
    text = run("katakana", tmp_path / "k", "--per-class", 1, "--fonts", fonts[0])
    assert f"1 pictures of each of 15 classes, from {fonts[0].name}" in text
    assert len(list((tmp_path / "k" / "train").rglob("*.png"))) == 15
