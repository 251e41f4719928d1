"""A network that finds coloured squares without training, and pictures of such squares."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from PIL import Image

from tatami.cli.main import main
from tatami.graph.metadata import to_metadata
from tatami.types import Decoding, InputSpec, NetworkSpec, Size

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0)}
CELL = 32

Command = Callable[..., int]
WriteSquares = Callable[[Path, Sequence[tuple[str, int, int]]], None]
WriteLabels = Callable[[Path, Sequence[tuple[str, int, int]]], None]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run ``tatami`` with these arguments and give its exit code."""

    def run(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["tatami", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit:
            main()
        return int(exit.value.code or 0)

    return run


@pytest.fixture
def square_finder(tmp_path: Path) -> Path:
    """An ONNX file: red and green squares in the cells of a 96x64 input, anchor one cell."""
    weights = np.zeros((7, 3, CELL, CELL), np.float32)  # tx, ty, tw, th, to, red, green
    weights[4, :2] = 40 / CELL**2  # the cell's mean of red and green, 0 to 1, times 40
    weights[5, 0] = weights[6, 1] = 20 / CELL**2
    bias = np.array([0, 0, 0, 0, -20, 0, 0], np.float32)
    kind = onnx.TensorProto.FLOAT
    strides = {"kernel_shape": [CELL, CELL], "strides": [CELL, CELL]}
    content = helper.make_graph(
        [helper.make_node("Conv", ["images", "weights", "bias"], ["map"], **strides)],
        "squares",
        [helper.make_tensor_value_info("images", kind, [1, 3, 64, 96])],
        [helper.make_tensor_value_info("map", kind, [1, 7, 2, 3])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(bias, "bias")],
    )
    model = helper.make_model(content, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    spec = NetworkSpec(
        "detect", tuple(COLOURS), InputSpec(Size(96, 64)), Decoding("yolov2", ((1.0, 1.0),))
    )
    helper.set_model_props(model, to_metadata(spec))
    path = tmp_path / "squares.onnx"
    onnx.save(model, path)
    return path


@pytest.fixture
def write_squares() -> WriteSquares:
    """Write a 96x64 JPEG with squares of these (colour, row, column) on black."""

    def write(path: Path, squares: Sequence[tuple[str, int, int]]) -> None:
        picture = np.zeros((64, 96, 3), np.uint8)
        for colour, row, column in squares:
            picture[row * CELL : (row + 1) * CELL, column * CELL : (column + 1) * CELL] = COLOURS[
                colour
            ]
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path, quality=95, subsampling=0)

    return write


@pytest.fixture
def write_labels() -> WriteLabels:
    """Write the PASCAL VOC annotation of such a picture."""

    def write(path: Path, squares: Sequence[tuple[str, int, int]]) -> None:
        objects = "".join(
            f"<object><name>{colour}</name><difficult>0</difficult><bndbox>"
            f"<xmin>{column * CELL + 1}</xmin><ymin>{row * CELL + 1}</ymin>"
            f"<xmax>{(column + 1) * CELL}</xmax><ymax>{(row + 1) * CELL}</ymax>"
            "</bndbox></object>"
            for colour, row, column in squares
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            f"<annotation><filename>{path.stem}.jpg</filename>"
            "<size><width>96</width><height>64</height><depth>3</depth></size>"
            f"{objects}</annotation>"
        )

    return write


@pytest.fixture
def squares_set(tmp_path: Path, write_squares: WriteSquares, write_labels: WriteLabels) -> Path:
    """A labelled set of four pictures and five squares, one of which has a stray square."""
    root = tmp_path / "set"
    labelled = [
        [("red", 0, 0), ("green", 1, 2)],
        [("red", 1, 1)],
        [("green", 0, 1), ("green", 1, 0)],
        [],
    ]
    for number, squares in enumerate(labelled):
        stray = [("red", 1, 2)] if number == 3 else []
        write_squares(root / "JPEGImages" / f"{number:06}.jpg", [*squares, *stray])
        write_labels(root / "Annotations" / f"{number:06}.xml", squares)
    return root
