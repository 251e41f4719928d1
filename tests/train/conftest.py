"""A labeled set so small that training on it takes a second, and the command as a process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

TRAIN, TEST = 12, 4
SETTINGS = (
    *("--size", "64x64", "--width", "0.1", "--batch", "4", "--anchors", "2", "--threads", "1"),
    *("--checkpoint-seconds", "0"),
)
"""Of ``tatami train``: 3 steps an epoch, each with its checkpoint."""


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """One thread, for a test that runs beside others, and no colors."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "NO_COLOR": "1", "COLUMNS": "200"}


@pytest.fixture(scope="session")
def tatami(environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run ``python -m tatami`` to its end; standard output and error are text."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tatami", *map(str, arguments)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def training(rectangles: Path) -> Callable[..., list[str]]:
    """``training(run, *more)``: the arguments of a small training."""

    def arguments(run: Path, *more: object) -> list[str]:
        asked = ("train", "yolov2-tiny", "--data", rectangles, "-o", run, *SETTINGS, *more)
        return [str(argument) for argument in asked]

    return arguments


@pytest.fixture(scope="session")
def rectangles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """PASCAL VOC: pictures of 64x64 with one red and one green rectangle on dark noise."""
    root = tmp_path_factory.mktemp("rectangles")
    rng = np.random.default_rng(0)
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (root / folder).mkdir(parents=True)
    names = [f"{number:04}" for number in range(TRAIN + TEST)]
    for split, ids in (("train", names[:TRAIN]), ("test", names[TRAIN:])):
        (root / "ImageSets" / "Main" / f"{split}.txt").write_text("\n".join(ids) + "\n")
    for name in names:
        canvas = rng.integers(0, 60, (64, 64, 3), dtype=np.uint8)
        objects = ""
        for channel, color in enumerate(("red", "green")):
            width, height = rng.integers(12, 30, 2)
            x, y = rng.integers(0, 64 - width), rng.integers(0, 64 - height)
            canvas[y : y + height, x : x + width, channel] = 255
            objects += (
                f"<object><name>{color}</name><bndbox><xmin>{x + 1}</xmin><ymin>{y + 1}</ymin>"
                f"<xmax>{x + width}</xmax><ymax>{y + height}</ymax></bndbox></object>"
            )
        Image.fromarray(canvas).save(root / "JPEGImages" / f"{name}.png")
        (root / "Annotations" / f"{name}.xml").write_text(
            f"<annotation><filename>{name}.png</filename><size><width>64</width>"
            f"<height>64</height><depth>3</depth></size>{objects}</annotation>"
        )
    return root
