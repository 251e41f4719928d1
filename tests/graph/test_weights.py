"""Large weights apart from their file: the same network, in little more memory than the file."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tatami import graph
from tatami.errors import TatamiError
from tatami.graph import weights
from tatami.graph.read import network_of


def model(rows: int = 64, columns: int = 64, opset: int = 18) -> onnx.ModelProto:
    """Three products of matrices, two of whose weights are large, a small one between them."""
    rng = np.random.default_rng(0)
    shapes = {"a": (8, columns), "b": (columns, 3), "c": (3, rows * columns), "d": (3,)}
    held = [
        numpy_helper.from_array(rng.normal(size=shape).astype(np.float32), name)
        for name, shape in shapes.items()
    ]
    nodes = [
        helper.make_node("MatMul", ["x", "a"], ["xa"]),
        helper.make_node("MatMul", ["xa", "b"], ["xb"]),
        helper.make_node("Add", ["xb", "d"], ["sum"]),
        helper.make_node("MatMul", ["sum", "c"], ["y"]),
    ]
    made = helper.make_graph(
        nodes,
        "products",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 8))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, rows * columns))],
        held,
    )
    return helper.make_model(
        made, opset_imports=[helper.make_opsetid("", opset)], ir_version=10, producer_name="a test"
    )


@pytest.mark.parametrize("opset", [13, 18, 21])
def test_it_is_the_network_that_is_read_whole(tmp_path: Path, opset: int) -> None:
    file = tmp_path / "n.onnx"
    onnx.save(model(opset=opset), file)
    assert weights.without_weights(file) is not None
    apart, whole = graph.read(file), network_of(onnx.load(file))
    graph.write(apart, tmp_path / "apart.onnx")
    graph.write(whole, tmp_path / "whole.onnx")
    assert (tmp_path / "apart.onnx").read_bytes() == (tmp_path / "whole.onnx").read_bytes()
    assert [value.name for value in apart.graph.inputs] == ["x"]


def test_what_is_left_is_the_file_without_their_bytes(tmp_path: Path) -> None:
    file = tmp_path / "n.onnx"
    proto = model()
    onnx.save(proto, file)
    found = weights.without_weights(file)
    assert found is not None
    assert list(found.places) == [2]  # of four, the one from LARGE bytes on
    assert len(found.content) < file.stat().st_size - 3 * 64 * 64 * 4 + 16
    left = onnx.ModelProto.FromString(found.content)
    held = weights.read_weights(file, found, left)
    np.testing.assert_array_equal(held["c"], numpy_helper.to_array(proto.graph.initializer[2]))
    proto.graph.initializer[2].ClearField("raw_data")
    assert left == proto


def test_damaged_files_are_refused_as_before(tmp_path: Path) -> None:
    """Cut short and bytes changed: the same words, or the same network, as when read whole."""
    content = model().SerializeToString()
    rng = random.Random(0)
    file = tmp_path / "n.onnx"
    for turn in range(300):
        damaged = bytearray(content)
        if turn % 3:
            for _ in range(rng.randint(1, 4)):
                place = rng.choice([rng.randrange(len(content)), rng.randrange(400)])
                damaged[place] = rng.randrange(256)
        else:
            del damaged[rng.randrange(len(content)) :]
        file.write_bytes(damaged)
        told = []
        for apart in (True, False):
            with pytest.MonkeyPatch.context() as patch:
                if not apart:
                    patch.setattr(
                        sys.modules["tatami.graph.read"], "without_weights", lambda path: None
                    )
                try:
                    network = graph.read(file)
                    told.append(str([node.op_type for node in network.graph]))
                except TatamiError as error:
                    told.append(error.reason)
        assert told[0] == told[1]


@pytest.mark.parametrize("dims", [(1 << 40,), (-1, -3 * 64 * 64), (3, 64 * 64 - 1), (0,)])
def test_a_shape_that_lies_takes_no_memory(tmp_path: Path, dims: tuple[int, ...]) -> None:
    proto = model()
    del proto.graph.initializer[2].dims[:]
    proto.graph.initializer[2].dims.extend(dims)
    file = tmp_path / "n.onnx"
    onnx.save(proto, file)
    with pytest.raises(TatamiError):
        graph.read(file)


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux alone")
def test_memory_is_little_more_than_the_file(tmp_path: Path) -> None:
    """A network of 96 MiB, in a process of its own: 1.5 times that, beside Python and NumPy."""
    file, small = tmp_path / "n.onnx", tmp_path / "small.onnx"
    onnx.save(model(2048, 4096), file)
    onnx.save(model(), small)
    code = (
        "import sys, resource, pathlib; from tatami import graph; "
        "graph.read(pathlib.Path(sys.argv[1])); "
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    peaks = [
        1024 * int(subprocess.check_output([sys.executable, "-c", code, str(each)], text=True))
        for each in (file, small)
    ]
    assert peaks[0] - peaks[1] < 1.5 * file.stat().st_size
