"""Fixtures that every room's tests share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import settings
from onnx import helper, numpy_helper

from tatami import graph
from tatami.graph import Network

PROJECT = Path(__file__).resolve().parent.parent

pytest_plugins = ["tests.small_networks"]

# No deadline: how long an example takes is the affair of the machine, and some compile C. Where
# the environment says CI, the examples are the same every time: a red run can be run again.
settings.register_profile("tatami", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "tatami")


@pytest.fixture(scope="session", autouse=True)
def own_records(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is shipped by tests is recorded apart from what the user ships."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Torch on one thread for all tests of a file."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def exact_sums() -> Any:
    """For ONNX Runtime as an oracle of integers: without them it adds pairs of 8-bit products in 16
    bits that saturate, where an x86 processor has no VNNI, and its sums are far off."""
    options = pytest.importorskip("onnxruntime").SessionOptions()
    options.add_session_config_entry("session.x64quantprecision", "1")
    return options


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


@pytest.fixture(scope="session")
def check_gradients() -> Callable[..., None]:
    """Hold gradients to central differences of the function itself, number by number, in float64.

    forward takes the arrays and gives y; gradients are those of the sum of y * dy, one an array.
    The arrays are changed while it runs, and put back.
    """

    def check(
        forward: Callable[..., np.ndarray],
        arrays: tuple[np.ndarray, ...],
        dy: np.ndarray,
        gradients: tuple[np.ndarray, ...],
        step: float = 1e-5,
        bound: float = 1e-7,
    ) -> None:
        for array, gradient in zip(arrays, gradients, strict=True):
            assert array.dtype == gradient.dtype == np.float64
            assert array.shape == gradient.shape
            expected = np.empty_like(array)
            for at in np.ndindex(array.shape):
                kept = array[at]
                array[at] = kept + step
                above = float((forward(*arrays) * dy).sum())
                array[at] = kept - step
                below = float((forward(*arrays) * dy).sum())
                array[at] = kept
                expected[at] = (above - below) / (2 * step)
            scale = max(1.0, float(np.abs(expected).max(initial=0)))
            assert np.abs(gradient - expected).max(initial=0) <= bound * scale

    return check
