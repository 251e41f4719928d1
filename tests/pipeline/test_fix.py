"""A repaired copy of a set: it opens without an option, and every repair is listed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tatami.data.open import format_of, open_dataset
from tatami.errors import TatamiError
from tatami.pipeline.augment import augment
from tatami.pipeline.convert import convert
from tatami.pipeline.fix import fix
from tatami.pipeline.inspect import inspect
from tatami.types import Size


def picture(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 60, 3), np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Six pictures in YOLO's form: sound, over the edge, unlabeled, truncated, flat and double."""
    root = tmp_path / "set"
    for at in range(6):
        picture(root / f"p{at}.png", at)
    whole = (root / "p3.png").read_bytes()
    (root / "p3.png").write_bytes(whole[: len(whole) // 2])
    (root / "classes.txt").write_text("ant\nbee\n")
    sound = "1 0.5 0.5 0.5 0.5\n"
    lines = {0: "", 1: "0 0.9 0.5 0.4 0.5\n", 3: "", 4: "0 0.5 0.5 0 0.5\n", 5: sound}
    for at, text in lines.items():
        (root / f"p{at}.txt").write_text(sound + text)
    return root


def test_a_copy_has_every_repair_and_opens_as_it_is(root: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in root.iterdir()}
    found = fix(root, tmp_path / "out")
    assert {path: path.read_bytes() for path in root.iterdir()} == before
    assert sorted((one.kind, one.file.name) for one, _ in found.repairs) == [
        ("box-outside-picture", "p1.txt"),
        ("degenerate-box", "p4.txt"),
        ("duplicate-box", "p5.txt"),
        ("missing-label", "p2.png"),
        ("unreadable-picture", "p3.png"),
    ]
    assert inspect(tmp_path / "out").refused == []
    data = open_dataset(tmp_path / "out").dataset
    assert format_of(tmp_path / "out") == "yolo"
    boxes = {sample.path.stem: sample.boxes for sample in data.samples}
    counts = {name: len(own) for name, own in boxes.items()}
    assert counts == {"p0": 1, "p1": 2, "p2": 0, "p4": 1, "p5": 1}
    assert boxes["p1"].xyxy[1].tolist() == pytest.approx([42, 10, 60, 30])
    assert any("p4.txt:2: degenerate-box" in line for line in found.lines())


def test_without_a_folder_it_says_what_opens_the_set(root: Path) -> None:
    found = fix(root)
    assert found.written is None
    with pytest.raises(TatamiError):
        open_dataset(root)
    assert len(open_dataset(root, skip=found.kinds).dataset) == 6  # one is not decoded yet
    assert found.to_json()["skip"] == list(found.kinds)


def test_what_needs_eyes_is_refused_and_what_is_sound_has_no_repair(
    root: Path, tmp_path: Path
) -> None:
    (root / "p0.txt").write_text("7 0.5 0.5 0.5 0.5\n")
    with pytest.raises(TatamiError, match=r"1 class-out-of-range .* cannot be repaired") as caught:
        fix(root, tmp_path / "out")
    assert (caught.value.file, caught.value.line) == (root / "p0.txt", 1)
    assert not (tmp_path / "out").exists()
    fix(root, tmp_path / "out", skip=["class-out-of-range"])
    with pytest.raises(TatamiError, match="nothing is wrong"):
        fix(tmp_path / "out", tmp_path / "again")


def test_converting_refuses_a_truncated_picture(root: Path, tmp_path: Path) -> None:
    kinds = ["clip", "background", "degenerate-box", "duplicate-box"]
    with pytest.raises(TatamiError, match="unreadable-picture"):
        convert(root, tmp_path / "out", skip=kinds)
    result = convert(root, tmp_path / "out", skip=[*kinds, "unreadable-picture"])
    assert result.skipped["unreadable-picture"] == 1
    assert result.splits == {"all": 5}


def test_a_sheet_of_variations_leaves_out_what_cannot_be_read(root: Path) -> None:
    kinds = ["clip", "background", "degenerate-box", "duplicate-box"]
    with pytest.raises(TatamiError):
        augment(root, skip=kinds, size=Size(40, 30))
    sheet = augment(root, skip=[*kinds, "unreadable-picture"], size=Size(40, 30))
    assert sheet.variations > 0
