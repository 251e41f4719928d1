"""MNIST's idx files (LeCun, Cortes and Burges), plain or gzip: grayscale, repeated to RGB.

train-images-idx3-ubyte and train-labels-idx1-ubyte are the split ``train``, t10k-... ``test``; each
may end in .gz, and a dot may stand before idx. Big-endian: two zero bytes, the type (8: bytes), the
number of axes, the length of each as four bytes, and the bytes themselves, the last axis fastest.

Classes: the lines of classes.txt beside them where there is one, else the digits.
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tatami.data.labels import read_class_names
from tatami.data.problems import LabeledReading, Problem
from tatami.errors import TatamiError
from tatami.rules.picture import MAX_SIDE
from tatami.types import LabeledPictures, Picture

LOOKED_FOR = "train-images-idx3-ubyte[.gz] or t10k-..."
MAX_BYTES = 2**30
"""Of one file's numbers, unpacked."""

_PREFIXES = {"train": "train", "test": "t10k"}


def recognizes(root: Path) -> bool:
    """Tell whether a folder holds MNIST's files."""
    return bool(_present(root))


def splits(root: Path) -> tuple[str, ...]:
    """Name the splits that are there: train, test, or both."""
    return tuple(_present(root))


def read(root: Path, split: str) -> LabeledReading:
    """Read one split, whole, into memory, as bytes.

    Raises:
        TatamiError: For a file that is not as above.
    """
    images_file = _file(root, split, "images-idx3", "images.idx3")
    labels_file = _file(root, split, "labels-idx1", "labels.idx1")
    if images_file is None or labels_file is None:
        what = "images" if images_file is None else "labels"
        raise TatamiError(f"split '{split}' has no {what}", hint="add the file", file=root)
    images, labels = read_idx(images_file, 3), read_idx(labels_file, 1)
    if len(images) != len(labels):
        raise TatamiError(
            f"{len(labels)} labels for {len(images)} pictures",
            hint="take the two files of one set",
            file=labels_file,
        )
    if not 1 <= images.shape[1] <= MAX_SIDE or not 1 <= images.shape[2] <= MAX_SIDE:
        raise TatamiError(
            f"pictures of {images.shape[2]}x{images.shape[1]}",
            hint=f"give sides from 1 to {MAX_SIDE}",
            file=images_file,
        )
    listed = root / "classes.txt"
    names = read_class_names(listed) if listed.is_file() else tuple("0123456789")
    problems = [
        Problem(
            "class-out-of-range",
            labels_file,
            None,
            f"label {index} is {labels[index]}, and there are {len(names)} classes",
            "fix it, or name the classes in classes.txt",
        )
        for index in np.flatnonzero(labels >= len(names)).tolist()
    ]
    kept = np.flatnonzero(labels < len(names))

    def picture(index: int) -> Picture:
        return np.repeat(images[kept[index]][:, :, None], 3, axis=2)

    pictures = LabeledPictures(
        root,
        split,
        names,
        tuple(f"{split}-{index:06d}" for index in kept.tolist()),
        labels[kept].astype(np.int64),
        picture,
    )
    return LabeledReading(pictures, tuple(problems))


def read_idx(file: Path, axes: int) -> NDArray[np.uint8]:
    """Read the bytes of an idx file, plain or gzip.

    Args:
        file: The file.
        axes: How many axes it must have.

    Returns:
        The array, with the axes that the header states.

    Raises:
        TatamiError: For another type or number of axes, for more than MAX_BYTES, and where there
            are more or fewer numbers than the header says.
    """
    try:
        with file.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
        with gzip.open(file) if packed else file.open("rb") as content:
            head = content.read(4 + 4 * axes)
            if head[:4] != bytes((0, 0, 8, axes)) or len(head) < 4 + 4 * axes:
                raise _bad(file, f"not an idx file of bytes along {axes} axes")
            shape = tuple(int(side) for side in np.frombuffer(head, ">u4", axes, 4))
            count = math.prod(shape)
            if count > MAX_BYTES:
                raise _bad(file, f"says {shape}, beyond {MAX_BYTES} bytes")
            numbers = content.read(count + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise _bad(file, f"cannot be read: {error}") from error
    if len(numbers) != count:
        more = "more" if len(numbers) > count else f"{len(numbers)}, fewer"
        raise _bad(file, f"says {count} numbers and holds {more}")
    return np.frombuffer(numbers, np.uint8).reshape(shape)


def _present(root: Path) -> dict[str, Path]:
    """Find the splits whose images are there."""
    found = {split: _file(root, split, "images-idx3", "images.idx3") for split in _PREFIXES}
    return {split: file for split, file in found.items() if file is not None}


def _file(root: Path, split: str, *kinds: str) -> Path | None:
    candidates = [
        root / f"{_PREFIXES[split]}-{kind}-ubyte{ending}"
        for kind in kinds
        for ending in ("", ".gz")
    ]
    return next((file for file in candidates if file.is_file()), None)


def _bad(file: Path, reason: str) -> TatamiError:
    return TatamiError(reason, hint="download it again", file=file)
