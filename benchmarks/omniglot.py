"""Write Omniglot from packed bits as the pictures that its authors publish.

    python benchmarks/omniglot.py ../shared/data/oneshot/omniglot OUT

OUT/images_background (30 alphabets) and OUT/images_evaluation (10), black on white, 105x105.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

FILES = {"images_background": "background_30", "images_evaluation": "evaluation_10_not_in_runs"}


def write(file: Path, folder: Path) -> None:
    """Write every drawing of a file at the place that its name says."""
    held = np.load(file)
    height, width = held["shape"].tolist()
    for name, bits in zip(held["names"].tolist(), held["packed"], strict=True):
        ink = np.unpackbits(bits)[: height * width].reshape(height, width)
        path = folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((255 * (1 - ink)).astype(np.uint8)).convert("1").save(path)


def main() -> None:
    for folder, file in FILES.items():
        write(Path(sys.argv[1]) / f"{file}.npz", Path(sys.argv[2]) / folder)


if __name__ == "__main__":
    main()
