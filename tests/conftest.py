"""Fixtures that every room's tests share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import settings
from onnx import helper, numpy_helper

from tatami import graph
from tatami.graph import Network

PROJECT = Path(__file__).resolve().parent.parent

# No deadline: how long an example takes is the affair of the machine, and some compile C. Where
# the environment says CI, the examples are the same every time: a red run can be run again.
settings.register_profile("tatami", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "tatami")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data and weights, read in place; the test is skipped without it."""
    folder = Path(os.environ.get("TATAMI_DATA", PROJECT / ".." / "shared" / "data")).resolve()
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}: set TATAMI_DATA to its folder")
    return folder


@pytest.fixture(scope="session")
def model_of() -> Callable[..., onnx.ModelProto]:
    """Build an ONNX model of nodes and weights; shapes, all of four axes, are left to inference."""

    def build(
        nodes: list[onnx.NodeProto],
        weights: dict[str, np.ndarray],
        image: tuple[object, ...] = (1, 3, 8, 8),
        outputs: tuple[str, ...] = ("map",),
        opset: int = 18,
    ) -> onnx.ModelProto:
        kind = onnx.TensorProto.FLOAT
        content = helper.make_graph(
            nodes,
            "net",
            [helper.make_tensor_value_info("images", kind, image)],
            [helper.make_tensor_value_info(name, kind, [None] * 4) for name in outputs],
            [numpy_helper.from_array(array, name) for name, array in weights.items()],
        )
        opsets = [helper.make_opsetid("", opset)]
        return helper.make_model(content, opset_imports=opsets, ir_version=10)

    return build


@pytest.fixture
def network_of(model_of: Callable[..., onnx.ModelProto], tmp_path: Path) -> Callable[..., Network]:
    """Build a network of nodes and weights by way of a file, as a user's comes."""

    def build(*parts: object, **more: object) -> Network:
        path = tmp_path / "built.onnx"
        onnx.save(model_of(*parts, **more), path)
        return graph.read(path)

    return build
