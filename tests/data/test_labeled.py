"""Sets with one class a picture: every format through the same door, every fault by its name."""

from __future__ import annotations

import gzip
import importlib.util
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tatami.data.fingerprint import labeled_fingerprint
from tatami.data.formats import mnist
from tatami.data.hold_out import HoldOut
from tatami.data.open import labeled_splits, open_labeled
from tatami.errors import TatamiError
from tatami.tasks.classification import CLASSIFICATION
from tatami.types import LabeledPictures

PROJECT = Path(__file__).resolve().parent.parent.parent


def save(path: Path, color: tuple[int, int, int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (6, 4), color).save(path)


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    root = tmp_path / "set"
    for name, color in (("cat", (255, 0, 0)), ("dog", (0, 255, 0))):
        save(root / "train" / name / "a.png", color)
        save(root / "train" / name / "b.png", color)
        save(root / "test" / name / "c.png", color)
    return root


@pytest.fixture
def digits(tmp_path: Path) -> tuple[Path, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (12, 5, 4), dtype=np.uint8)
    labels = (np.arange(12) % 10).astype(np.uint8)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(images))
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    return tmp_path, images, labels


def test_class_folders(folders: Path) -> None:
    assert labeled_splits(folders) == ("test", "train")
    pictures = open_labeled(folders, split="train").pictures
    assert pictures.classes == ("cat", "dog")
    assert pictures.ids == ("cat/a.png", "cat/b.png", "dog/a.png", "dog/b.png")
    assert pictures.labels.tolist() == [0, 0, 1, 1]
    assert pictures.read(2).shape == (4, 6, 3)
    assert pictures.read(2)[0, 0].tolist() == [0, 255, 0]


def test_classes_txt_says_the_order(folders: Path) -> None:
    (folders / "classes.txt").write_text("dog\ncat\n")
    assert open_labeled(folders, split="test").pictures.labels.tolist() == [1, 0]


def test_folders_without_splits(folders: Path) -> None:
    opened = open_labeled(folders / "train")
    assert (opened.pictures.split, len(opened.pictures)) == ("all", 4)


@pytest.mark.parametrize("kind", ["unknown-class", "missing-label", "unreadable-picture"])
def test_faults_of_class_folders_are_refused_or_skipped(folders: Path, kind: str) -> None:
    if kind == "unknown-class":
        (folders / "classes.txt").write_text("dog\n")
    elif kind == "missing-label":
        save(folders / "train" / "stray.png", (0, 0, 0))
    else:
        (folders / "train" / "cat" / "a.png").write_bytes(b"no picture")
    with pytest.raises(TatamiError, match=kind) as refused:
        open_labeled(folders, split="train")
    assert refused.value.file is not None
    opened = open_labeled(folders, split="train", skip=[kind])
    assert opened.skipped[kind] == 1
    assert len(opened.pictures) == {"unknown-class": 2, "missing-label": 4}.get(kind, 3)


def test_idx_plain_and_gzip(digits: tuple[Path, np.ndarray, np.ndarray]) -> None:
    root, images, labels = digits
    pictures = open_labeled(root).pictures
    assert pictures.split == "train"
    assert pictures.classes == tuple("0123456789")
    np.testing.assert_array_equal(pictures.labels, labels)
    np.testing.assert_array_equal(pictures.read(7), np.stack([images[7]] * 3, axis=2))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (idx(np.zeros((12, 5, 4), np.uint8))[:-1], "fewer"),
        (idx(np.zeros((12, 5, 4), np.uint8)) + b"x", "more"),
        (idx(np.zeros(12, np.uint8)), "3 axes"),
        (struct.pack(">BBBB3I", 0, 0, 8, 3, 2**31, 2**31, 2**31), "beyond"),
        (gzip.compress(idx(np.zeros((12, 5, 4), np.uint8)))[:-9], "cannot be read"),
        (b"", "not an idx file"),
        (idx(np.zeros((11, 5, 4), np.uint8)), "12 labels for 11 pictures"),
        (idx(np.zeros((12, 0, 4), np.uint8)), "pictures of 4x0"),
    ],
    # gzip writes the time, and a test's name must not change with it.
    ids=("short", "long", "labels", "huge", "cut gzip", "empty", "another count", "no pixels"),
)
def test_bad_idx_is_refused(
    digits: tuple[Path, np.ndarray, np.ndarray], content: bytes, reason: str
) -> None:
    root, _, _ = digits
    (root / "train-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(TatamiError, match=reason):
        open_labeled(root)


def test_a_label_beyond_the_classes(digits: tuple[Path, np.ndarray, np.ndarray]) -> None:
    root, images, labels = digits
    (root / "classes.txt").write_text("\n".join("abcdefghi"))
    with pytest.raises(TatamiError, match=r"class-out-of-range.*label 9 is 9"):
        open_labeled(root)
    opened = open_labeled(root, skip=["class-out-of-range"])
    assert len(opened.pictures) == 11
    np.testing.assert_array_equal(opened.pictures.read(9)[..., 0], images[10])
    np.testing.assert_array_equal(opened.pictures.labels, labels[labels < 9])


@given(st.lists(st.integers(0, 5), min_size=1, max_size=3), st.booleans())
def test_idx_gives_back_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, shape: list[int], packed: bool
) -> None:
    array = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    file = tmp_path_factory.mktemp("idx") / "some"
    file.write_bytes(gzip.compress(idx(array)) if packed else idx(array))
    np.testing.assert_array_equal(mnist.read_idx(file, len(shape)), array)


@pytest.mark.parametrize(("name", "head", "classes"), [("data_batch_1", 1, 10), ("train", 2, 100)])
def test_cifar_records(tmp_path: Path, name: str, head: int, classes: int) -> None:
    rng = np.random.default_rng(0)
    planes = rng.integers(0, 256, (4, 3, 32, 32), dtype=np.uint8)
    labels = np.array([3, 0, classes - 1, 5], np.uint8)
    heads = np.zeros((4, head), np.uint8)
    heads[:, -1] = labels
    records = np.concatenate([heads, planes.reshape(4, -1)], axis=1)
    file = tmp_path / f"{name}.bin"
    file.write_bytes(records.tobytes())
    pictures = open_labeled(tmp_path, split="train").pictures
    assert len(pictures.classes) == classes
    np.testing.assert_array_equal(pictures.labels, labels)
    np.testing.assert_array_equal(pictures.read(2), planes[2].transpose(1, 2, 0))
    file.write_bytes(records.tobytes()[:-1])
    with pytest.raises(TatamiError, match="not a whole number of records"):
        open_labeled(tmp_path, split="train")


def test_a_set_of_no_format(tmp_path: Path) -> None:
    with pytest.raises(TatamiError, match="not a labeled set"):
        open_labeled(tmp_path)
    with pytest.raises(TatamiError, match="formats are omniglot, folders, mnist, cifar"):
        open_labeled(tmp_path, format="voc")


def numbered(count: int) -> LabeledPictures:
    return LabeledPictures(
        Path("set"),
        "train",
        ("a",),
        tuple(map(str, range(count))),
        np.zeros(count, np.int64),
        lambda index: np.full((1, 1, 3), index, np.uint8),
    )


@given(st.integers(2, 60).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n - 1))))
def test_a_hold_out_parts_the_split_in_two(sizes: tuple[int, int]) -> None:
    total, count = sizes
    rest, held = CLASSIFICATION.hold_out(numbered(total), str(count))
    assert len(held) == count
    assert sorted(int(name) for name in rest.ids + held.ids) == list(range(total))
    assert all(
        int(part.read(i)[0, 0, 0]) == int(part.ids[i]) for part in (rest, held) for i in (0,)
    )


def test_hold_outs_are_the_same_every_time_and_differ_by_seed() -> None:
    first, again = (CLASSIFICATION.hold_out(numbered(50), "10")[1].ids for _ in range(2))
    assert first == again != CLASSIFICATION.hold_out(numbered(50), "10:1")[1].ids
    for text in ("0", "-1", "many", "5:x"):
        with pytest.raises(TatamiError, match="is not a number"):
            HoldOut.parse(text)
    with pytest.raises(TatamiError, match="none would be left"):
        CLASSIFICATION.hold_out(numbered(5), "5")


def test_the_fingerprint_sees_pixels_labels_and_names(folders: Path) -> None:
    before = labeled_fingerprint(open_labeled(folders, split="train").pictures)
    assert before == labeled_fingerprint(open_labeled(folders, split="train").pictures)
    save(folders / "train" / "dog" / "b.png", (0, 254, 0))
    assert before != labeled_fingerprint(open_labeled(folders, split="train").pictures)


def test_real_mnist_and_cifar(shared_data: Path, tmp_path: Path) -> None:
    digits = open_labeled(shared_data / "classify" / "mnist").pictures
    assert (len(digits), digits.labels[:5].tolist()) == (60000, [5, 0, 4, 1, 9])
    where = PROJECT / "benchmarks" / "cifar_strips.py"
    spec = importlib.util.spec_from_file_location("cifar_strips", where)
    assert spec is not None
    assert spec.loader is not None
    strips = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(strips)
    strips.convert(shared_data / "classify" / "cifar10", tmp_path)
    pictures = open_labeled(tmp_path).pictures
    assert len(pictures) == 8000
    row = np.asarray(Image.open(shared_data / "classify" / "cifar10" / "cifar10_batch_1.png"))[3]
    np.testing.assert_array_equal(pictures.read(1003), row.reshape(32, 32, 3)[..., :3])
    assert pictures.classes[pictures.labels[0]] == "frog"
