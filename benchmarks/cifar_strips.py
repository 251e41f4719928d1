"""CIFAR-10 kept as lossless PNG strips, to CIFAR's binary version, which Tatami reads.

    python benchmarks/cifar_strips.py STRIPS OUT

STRIPS has cifar10_batch_0.png, ..., each of one 32x32 picture a row: 1,024 RGB pixels, line after
line; and labels_u8.bin, a byte a picture in their order. OUT gets a data_batch_N.bin a strip.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 32


def convert(strips: Path, out: Path) -> None:
    """Write OUT/data_batch_1.bin and so on. Raises ValueError where labels and rows differ."""
    labels = np.fromfile(strips / "labels_u8.bin", np.uint8)
    files = sorted(strips.glob("cifar10_batch_*.png"), key=lambda f: int(f.stem.split("_")[-1]))
    out.mkdir(parents=True, exist_ok=True)
    done = 0
    for number, file in enumerate(files, start=1):
        rows = np.asarray(Image.open(file).convert("RGB"))  # (pictures, 1024, 3)
        planes = rows.transpose(0, 2, 1).reshape(len(rows), 3 * SIDE * SIDE)
        own = labels[done : done + len(rows), None]
        if len(own) != len(rows):
            raise ValueError(f"{len(labels)} labels are too few for {file.name}")
        np.concatenate([own, planes], axis=1).tofile(out / f"data_batch_{number}.bin")
        done += len(rows)
    if done != len(labels):
        raise ValueError(f"{len(labels)} labels for {done} pictures")


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
