"""The embedded set: what tatami/data/digits.py promises of it, checked on the files it writes."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from tatami.data import digits
from tatami.data.digits import write_digits
from tatami.data.open import open_dataset
from tatami.errors import TatamiError
from tatami.types import Dataset, Size

pytest.importorskip("sklearn")
pytest.importorskip("skimage")

SIZE = Size(160, 128)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits") / "set"
    write_digits(folder, train=40, test=20, size=SIZE, seed=3)
    return folder


def split(root: Path, name: str) -> Dataset:
    opened = open_dataset(root, split=name)
    assert not opened.skipped
    return opened.dataset


def files(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_our_own_reader_opens_it_without_a_problem(root: Path) -> None:
    train, test = split(root, "train"), split(root, "test")
    assert (len(train), len(test)) == (40, 20)
    assert set(train.classes) == set("0123456789")
    for sample in (*train.samples, *test.samples):
        assert sample.size == SIZE
        assert 1 <= len(sample.boxes) <= 8
        assert (sample.boxes.xyxy == sample.boxes.xyxy.astype(int)).all()
        x1, y1, x2, y2 = sample.boxes.xyxy.T
        assert (x1 >= 0).all()
        assert (y1 >= 0).all()
        assert (x2 <= SIZE.width).all()
        assert (y2 <= SIZE.height).all()
        heights = y2 - y1
        assert (heights >= 12).all()
        assert (heights <= 0.9 * SIZE.height).all()


def test_two_boxes_share_little(root: Path) -> None:
    for sample in split(root, "train").samples:
        boxes = [tuple(int(v) for v in box) for box in sample.boxes.xyxy]
        for k, (a1, b1, a2, b2) in enumerate(boxes):
            for c1, d1, c2, d2 in boxes[:k]:
                shared = max(0, min(a2, c2) - max(a1, c1)) * max(0, min(b2, d2) - max(b1, d1))
                smaller = min((a2 - a1) * (b2 - b1), (c2 - c1) * (d2 - d1))
                assert shared <= digits.MAX_SHARED * smaller


def test_the_same_seed_gives_the_same_bytes(root: Path, tmp_path: Path) -> None:
    write_digits(tmp_path / "again", train=40, test=20, size=SIZE, seed=3)
    assert files(tmp_path / "again") == files(root)


def test_another_seed_gives_other_pictures_and_another_count_the_same(
    root: Path, tmp_path: Path
) -> None:
    write_digits(tmp_path / "fewer", train=3, test=1, size=SIZE, seed=3)
    write_digits(tmp_path / "other", train=3, test=1, size=SIZE, seed=4)
    name = "JPEGImages/train_00002.png"
    assert files(tmp_path / "fewer")[name] == files(root)[name]
    assert files(tmp_path / "other")[name] != files(root)[name]


def test_train_and_test_share_no_handwriting_and_no_photo() -> None:
    samples = digits._handwriting(0)
    train = {image.tobytes() for of_class in samples["train"] for image in of_class}
    test = {image.tobytes() for of_class in samples["test"] for image in of_class}
    assert not train & test
    counts = [len(train), len(test)]
    assert sum(counts) == 1797  # all of them, and no two alike
    assert min(len(of_class) for of_class in samples["test"]) > 30
    assert not set(digits.TRAIN_PHOTOS) & set(digits.TEST_PHOTOS)
    for names in (digits.TRAIN_PHOTOS, digits.TEST_PHOTOS):
        colored = [np.ptp(np.asarray(digits._photo(name)), axis=2).any() for name in names]
        assert any(colored)
        assert not all(colored)


def test_boxes_bound_the_ink_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a plain sheet in opaque black, the ink can be read back from the picture alone."""
    sheet = Image.new("RGB", (400, 400), (255, 255, 255))
    black = (np.zeros(3), 1.0)
    monkeypatch.setattr(digits, "_background", lambda *_: np.full((128, 160, 3), 255.0))
    monkeypatch.setattr(digits, "_ink", lambda *_: black)
    monkeypatch.setattr(digits, "_MOST_DIGITS", 1)
    samples = digits._handwriting(0)["train"]
    for seed in range(60):
        picture, boxes, labels = digits._draw([sheet], samples, SIZE, np.random.default_rng(seed))
        assert len(labels) == len(boxes) == 1
        # ink covers c of 255, so black on white leaves 255 - c
        ink = 255 - picture[..., 0] >= digits.INK
        rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
        assert boxes[0].tolist() == [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]


def test_later_digits_hide_little_of_earlier_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each digit is drawn in a flat color of its own, so what still shows can be counted."""
    drawn: list[int] = []
    areas: list[int] = []
    draw_glyph = digits._glyph

    def glyph(*arguments: object) -> digits._Glyph:
        made = draw_glyph(*arguments)  # type: ignore[arg-type]
        solid = np.where(made.coverage >= digits.INK, 255, 0).astype(np.uint8)
        areas.append(int((solid > 0).sum()))
        return digits._Glyph(made.label, solid, made.box)

    def ink(*_: object) -> tuple[np.ndarray, float]:
        drawn.append(areas[-1])
        return np.full(3, 25.0 * len(drawn)), 1.0

    monkeypatch.setattr(digits, "_background", lambda *_: np.zeros((128, 160, 3)))
    monkeypatch.setattr(digits, "_glyph", glyph)
    monkeypatch.setattr(digits, "_ink", ink)
    samples = digits._handwriting(0)["train"]
    hidden = 0
    for seed in range(40):
        drawn.clear()
        picture, boxes, _ = digits._draw([], samples, SIZE, np.random.default_rng(seed))
        assert len(boxes) == len(drawn)
        for number, area in enumerate(drawn):
            left = int((picture[..., 0] == 25 * (number + 1)).sum())
            hidden += left < area
            assert area - left <= digits.MAX_HIDDEN * area
    assert hidden  # some overlap there must be, or this has tested nothing


def test_ink_is_readable_on_what_lies_under_it() -> None:
    rng = np.random.default_rng(0)
    luma = np.array([0.299, 0.587, 0.114])
    found = 0
    for _ in range(300):
        under = np.clip(rng.normal(rng.uniform(0, 255), rng.uniform(0, 80), (20, 15, 3)), 0, 255)
        ink = digits._ink(under, rng)
        if ink is None:
            continue
        found += 1
        color, opacity = ink
        drawn = under + (color - under) * opacity
        differs = np.abs((drawn - under) @ luma) >= digits.CONTRAST
        assert differs.mean() >= digits.CLEAR
    assert found > 200


def test_progress_counts_every_picture(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    write_digits(
        tmp_path / "set",
        train=2,
        test=1,
        size=Size(64, 64),
        seed=0,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(1, 3), (2, 3), (3, 3)]
    made = json.loads((tmp_path / "set" / "digits.json").read_text())
    assert made == {"train": 2, "test": 1, "size": "64x64", "seed": 0}


def test_an_older_set_is_replaced_but_nothing_else(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    with pytest.raises(TatamiError, match="something else"):
        write_digits(mine, train=1, test=1, seed=0)
    assert (mine / "thesis.txt").read_text() == "years of work"
    with pytest.raises(TatamiError, match="something else"):
        write_digits(mine / "thesis.txt", train=1, test=1, seed=0)
    old = tmp_path / "old"
    write_digits(old, train=2, test=1, size=Size(64, 64), seed=0)
    write_digits(old, train=1, test=1, size=Size(64, 64), seed=0)
    assert len(list((old / "JPEGImages").iterdir())) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "old"]


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_digits(tmp_path / "set", train=2, test=1, seed=0, progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_impossible_requests_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TatamiError, match="0 train"):
        write_digits(tmp_path / "set", train=0, test=1, seed=0)
    with pytest.raises(TatamiError, match="more room than 63x200"):
        write_digits(tmp_path / "set", train=1, test=1, size=Size(63, 200), seed=0)
    assert list(tmp_path.iterdir()) == []


def test_a_photo_that_is_missing_is_named() -> None:
    with pytest.raises(TatamiError, match=r"nowhere\.png"):
        digits._photo("nowhere.png")


def test_the_pictures_vary(root: Path) -> None:
    pictures = [np.asarray(Image.open(path)) for path in (root / "JPEGImages").iterdir()]
    assert len({picture.tobytes() for picture in pictures}) == 60
    means = [picture.mean() for picture in pictures]
    assert np.std(means) > 10
    assert_array_equal({picture.shape for picture in pictures}, {(128, 160, 3)})
