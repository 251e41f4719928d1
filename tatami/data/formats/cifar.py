"""CIFAR's binary version (Krizhevsky 2009): records of a label and a 32x32 picture.

CIFAR-10: data_batch_*.bin are the split ``train``, test_batch.bin ``test``; a record is one byte of
label and 3,072 of pixels, the red plane first, row by row. CIFAR-100: train.bin and test.bin, with
a byte for the coarse label before that for the fine one, which is the one that counts here.

Classes: the lines of batches.meta.txt or fine_label_names.txt beside them, else CIFAR-10's own
names, or CIFAR-100's numbers.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tatami.data.labels import read_bytes, read_class_names
from tatami.data.problems import LabeledReading, Problem
from tatami.errors import TatamiError
from tatami.types import LabeledPictures, Picture

LOOKED_FOR = "data_batch_*.bin, test_batch.bin, or train.bin and test.bin"
SIDE = 32
PIXELS = 3 * SIDE * SIDE
MAX_BYTES = 2**29
"""Of one file; CIFAR's largest has 154 MB."""
MAX_FILES = 64

NAMES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)


def recognizes(root: Path) -> bool:
    """Tell whether a folder holds CIFAR's binary files."""
    return bool(splits(root))


def splits(root: Path) -> tuple[str, ...]:
    """Name the splits that are there: train, test, or both."""
    return tuple(split for split in ("train", "test") if _files(root, split))


def read(root: Path, split: str) -> LabeledReading:
    """Read one split, whole, into memory.

    Raises:
        TatamiError: Where a file does not consist of whole records.
    """
    head = 1 if _is_ten(root) else 2
    names = _names(root)
    problems: list[Problem] = []
    ids: list[str] = []
    labels: list[NDArray[np.uint8]] = []
    planes: list[NDArray[np.uint8]] = []
    files = _files(root, split)
    if len(files) > MAX_FILES:
        raise TatamiError(f"{len(files)} files", hint=f"join them to {MAX_FILES}", file=root)
    for file in files:
        content = read_bytes(file, MAX_BYTES)
        if not content or len(content) % (head + PIXELS):
            raise TatamiError(
                f"{len(content)} bytes are not a whole number of records of {head + PIXELS}",
                hint="download it again",
                file=file,
            )
        records = np.frombuffer(content, np.uint8).reshape(-1, head + PIXELS)
        found = records[:, head - 1]
        for index in np.flatnonzero(found >= len(names)).tolist():
            reason = f"record {index} has the label {found[index]} of {len(names)} classes"
            problems.append(Problem("class-out-of-range", file, None, reason, "fix its label"))
        kept = np.flatnonzero(found < len(names))
        ids += [f"{file.stem}-{index:05d}" for index in kept.tolist()]
        labels.append(found[kept])
        planes.append(records[kept, head:])
    pixels = np.concatenate(planes).reshape(-1, 3, SIDE, SIDE)

    def picture(index: int) -> Picture:
        return np.ascontiguousarray(pixels[index].transpose(1, 2, 0))

    pictures = LabeledPictures(
        root, split, names, tuple(ids), np.concatenate(labels).astype(np.int64), picture
    )
    return LabeledReading(pictures, tuple(problems))


def _is_ten(root: Path) -> bool:
    return any(root.glob("data_batch_*.bin")) or (root / "test_batch.bin").is_file()


def _files(root: Path, split: str) -> list[Path]:
    if _is_ten(root):
        return sorted(root.glob("data_batch_*.bin" if split == "train" else "test_batch.bin"))
    whole = root / f"{split}.bin"
    return [whole] if whole.is_file() else []


def _names(root: Path) -> tuple[str, ...]:
    ten = _is_ten(root)
    listed = root / ("batches.meta.txt" if ten else "fine_label_names.txt")
    if listed.is_file():
        return read_class_names(listed)
    return NAMES if ten else tuple(str(label) for label in range(100))
