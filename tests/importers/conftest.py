"""What the tests of every importer share: ONNX Runtime, and pictures to feed it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest


def run(model: onnx.ModelProto | Path, images: np.ndarray) -> dict[str, np.ndarray]:
    """Every output by its name, from ONNX Runtime on one thread; it writes no warnings."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    source = str(model) if isinstance(model, Path) else model.SerializeToString()
    session = onnxruntime.InferenceSession(source, options)
    names = [output.name for output in session.get_outputs()]
    values = session.run(names, {session.get_inputs()[0].name: images})
    return dict(zip(names, values, strict=True))


@pytest.fixture(scope="session")
def run_model() -> Callable[..., dict[str, np.ndarray]]:
    return run


@pytest.fixture(scope="session")
def weights_of(shared_data: Path) -> Callable[[str], Path]:
    """A folder of real networks; the test is skipped where it is not there."""

    def folder(name: str) -> Path:
        found = shared_data / "weights" / name
        if not found.is_dir():
            pytest.skip(f"no real network at {found}")
        return found

    return folder
