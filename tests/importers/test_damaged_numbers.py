"""Numbers that are none, and weights that do not fit: one line of text, and no traceback."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from tatami.errors import TatamiError
from tatami.importers.onnx_file import read_onnx
from tatami.types.strict import finite


@pytest.mark.parametrize("value", [10**400, float("inf"), float("nan"), True, "1", None])
def test_a_number_that_is_not_finite_is_refused(value: object) -> None:
    with pytest.raises(TatamiError, match="not 1 finite number"):
        finite("tatami.input", "mean", [value], 1)
    assert finite("tatami.input", "mean", [10**30], 1) == (1e30,)


@pytest.mark.parametrize("fault", ["no type", "too short"])
def test_a_damaged_weight_is_refused(tmp_path: Path, fault: str) -> None:
    weight = helper.make_tensor("w", TensorProto.FLOAT, [1, 1, 1, 1], [2.0])
    shape = [1, 1, 4, 4]
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [weight],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    held = model.graph.initializer[0]
    if fault == "no type":
        held.data_type = TensorProto.UNDEFINED
    else:
        del held.float_data[:]
        held.raw_data = b"\0" * 8
    file = tmp_path / "net.onnx"
    file.write_bytes(model.SerializeToString())
    assert isinstance(onnx.load(file), onnx.ModelProto)
    with pytest.raises(TatamiError) as caught:
        read_onnx(file, None)
    assert caught.value.file == file
    assert "damaged" in caught.value.reason
