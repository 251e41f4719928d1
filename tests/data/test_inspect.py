"""Looking at a whole set: damage behind the header, the same picture twice, and the measures."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tatami.data.inspect import (
    ASPECT_EDGES,
    SIZE_EDGES,
    aspect_ratios,
    box_counts,
    histogram,
    inspect,
    relative_sizes,
    unique_samples,
)
from tatami.errors import TatamiError

Save = Callable[..., Path]


@pytest.fixture
def root(tmp_path: Path, save_picture: Save) -> Path:
    """A sound VOC set: a, b to train and c to validate; trainval holds all three."""
    (tmp_path / "Annotations").mkdir()
    lists = tmp_path / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    for split, names in {"train": "ab", "val": "c", "trainval": "abc"}.items():
        (lists / f"{split}.txt").write_text("\n".join(names))
    for at, name in enumerate("abc"):
        save_picture(tmp_path / "JPEGImages" / f"{name}.png", 40, 20, seed=at)
        things = "".join(
            f"<object><name>{kind}</name><bndbox><xmin>1</xmin><ymin>1</ymin>"
            f"<xmax>{width}</xmax><ymax>10</ymax></bndbox></object>"
            for kind, width in (("ant", 20), ("ant", 5 + at), ("bee", 40))[: at + 1]
        )
        (tmp_path / "Annotations" / f"{name}.xml").write_text(f"<a>{things}</a>")
    return tmp_path


def found_in(root: Path) -> list[tuple[str, str]]:
    return [(problem.kind, problem.file.name) for problem in inspect(root).problems]


def test_a_sound_set_and_its_measures(root: Path) -> None:
    calls: list[tuple[int, int]] = []
    found = inspect(root, progress=lambda done, total: calls.append((done, total)))
    assert found.problems == ()  # train and val are part of trainval: nothing is in it twice
    assert (found.format, found.classes) == ("voc", ("ant", "bee"))
    assert calls == [(1, 3), (2, 3), (3, 3)]
    samples = unique_samples(found.datasets.values())
    assert sorted(sample.id for sample in samples) == ["a", "b", "c"]
    boxes, pictures = box_counts(samples, 2)
    assert (boxes.tolist(), pictures.tolist()) == ([5, 1], [3, 1])
    assert sorted(aspect_ratios(samples)) == [0.6, 0.7, 2, 2, 2, 4]
    assert sorted(relative_sizes(samples))[-1] == pytest.approx(np.sqrt(0.5))
    assert sum(histogram(relative_sizes(samples), SIZE_EDGES)) == 6
    assert inspect(root, split="val").datasets.keys() == {"val"}


def test_bins_are_closed_below_and_the_last_above() -> None:
    assert histogram(np.array([0.0, 0.01, 0.6399, 0.64, 1.0]), SIZE_EDGES) == [
        1,
        1,
        0,
        0,
        0,
        0,
        1,
        2,
    ]
    assert histogram(np.array([1e9, 4.0, 3.9]), ASPECT_EDGES)[-2:] == [1, 2]
    assert histogram(np.zeros(0), SIZE_EDGES) == [0] * 8


def test_damage_behind_the_header_is_found_by_decoding(root: Path) -> None:
    path = root / "JPEGImages" / "a.png"
    path.write_bytes(path.read_bytes()[:500])
    found = inspect(root)
    (problem,) = found.problems
    assert (problem.kind, problem.file) == ("unreadable-picture", path)
    assert [len(found.datasets[split]) for split in ("train", "trainval", "val")] == [1, 2, 1]


def test_the_same_picture_in_two_splits(root: Path) -> None:
    shutil.copy(root / "JPEGImages" / "a.png", root / "JPEGImages" / "c.png")
    assert found_in(root) == [("duplicate-picture", "c.png")]
    (root / "ImageSets" / "Main" / "test.txt").write_text("b\n")
    assert sorted(found_in(root)) == [
        ("duplicate-picture", "b.png"),
        ("duplicate-picture", "c.png"),
    ]


def test_the_same_bytes_twice_in_one_split(root: Path) -> None:
    shutil.copy(root / "JPEGImages" / "a.png", root / "JPEGImages" / "b.png")
    assert found_in(root) == [("duplicate-picture", "b.png")]


def test_strays_and_empty_splits(root: Path) -> None:
    (root / "ImageSets" / "Main" / "test.txt").write_text("\n")
    shutil.copy(root / "Annotations" / "a.xml", root / "Annotations" / "z.xml")
    assert found_in(root) == [("missing-split", root.name), ("orphan-label", "z.xml")]


def test_one_split_that_cannot_be_read_does_not_hide_the_others(
    tmp_path: Path, save_picture: Save
) -> None:
    save_picture(tmp_path / "images" / "a.png")
    folder = tmp_path / "annotations"
    folder.mkdir()
    sound = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "annotations": [],
        "categories": [{"id": 1, "name": "ant"}],
    }
    (folder / "train.json").write_text("{")
    with pytest.raises(TatamiError, match="malformed JSON"):
        inspect(tmp_path)
    (folder / "val.json").write_text(json.dumps(sound))
    assert found_in(tmp_path) == [("bad-label", "train.json")]
    other = sound | {"categories": [{"id": 1, "name": "bee"}], "images": []}
    (folder / "train.json").write_text(json.dumps(other))
    assert found_in(tmp_path) == [
        ("missing-split", tmp_path.name),
        ("unknown-class", tmp_path.name),
    ]


def test_what_is_wrong_with_the_public_sets(shared_data: Path) -> None:
    found = inspect(shared_data / "detect" / "bccd")
    assert [problem.kind for problem in found.problems] == ["degenerate-box"] * 2
    assert len(unique_samples(found.datasets.values())) == 364
    assert inspect(shared_data / "detect" / "voc100").problems == ()
