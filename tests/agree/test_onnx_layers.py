"""ONNX's own files of torch's layers along one axis and along three: in NumPy and in C."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from tatami import graph
from tatami.graph.read import network_of
from tatami.importers.onnx_file import read_onnx
from tatami.program.lower import lower
from tatami.ship.c.emit import emit
from tatami.ship.c.run.network import CompiledNetwork

FOLDER = Path(onnx.__file__).parent / "backend" / "test" / "data" / "pytorch-converted"
NAME = re.compile(r"test_(Conv|MaxPool|AvgPool)[13]d.*")
CASES = sorted(path.name for path in FOLDER.iterdir() if NAME.fullmatch(path.name))
FEW = (
    *("test_Conv1d_groups", "test_Conv1d_pad2", "test_Conv3d_dilated_strided"),
    *("test_MaxPool1d_stride_padding_dilation", "test_AvgPool3d_stride"),
)
"""In C, too; the rest is for when there is time."""


def test_there_are_such_files() -> None:
    assert len(CASES) >= 26
    assert set(FEW) <= set(CASES)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in FEW else pytest.mark.slow) for name in CASES]
)
def test_a_layer_in_numpy_and_in_c(name: str, tmp_path: Path) -> None:
    network = network_of(read_onnx(FOLDER / name / "model.onnx").model)
    (given,), (expected,) = (arrays(FOLDER / name, kind) for kind in ("input", "output"))
    (found,) = graph.run(network, [given])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    program = lower(network)
    for file, content in emit(program, "net").files.items():
        (tmp_path / file).write_bytes(content)
    with CompiledNetwork(tmp_path, options=("-O1",)) as compiled:
        (found,) = compiled.run([given.reshape(program.values[program.inputs[0]].shape)])
    np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=1e-4, atol=1e-5)


def arrays(folder: Path, kind: str) -> list[np.ndarray]:
    """The first array of a kind; weights follow it where the file names them as inputs."""
    tensor = onnx.TensorProto()
    tensor.ParseFromString((folder / "test_data_set_0" / f"{kind}_0.pb").read_bytes())
    return [numpy_helper.to_array(tensor)]
