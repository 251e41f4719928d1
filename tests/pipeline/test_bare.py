"""Networks without a task: calibrated and proved on arrays, from files or drawn."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from tatami import graph
from tatami.errors import TatamiError
from tatami.pipeline.bare import samples_of
from tatami.pipeline.prove import prove
from tatami.pipeline.quantize import quantize
from tatami.pipeline.ship import ship

needs_cc = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")


def keywords(path: Path, scale: float = 1.0) -> Path:
    """Write a network of a line of 24 samples: a convolution along it, and a dense layer."""
    rng = np.random.default_rng(0)
    weights = {
        "w": rng.normal(size=(4, 2, 3)) * 0.5 * scale,
        "b": rng.normal(size=4),
        "d": rng.normal(size=(48, 5)),
    }
    weights["s"] = np.array([1, 2, 12])
    nodes = [
        helper.make_node("Reshape", ["line", "s"], ["two"]),
        helper.make_node("Conv", ["two", "w", "b"], ["conv"], pads=[1, 1]),
        helper.make_node("Relu", ["conv"], ["relu"]),
        helper.make_node("Flatten", ["relu"], ["flat"]),
        helper.make_node("MatMul", ["flat", "d"], ["answer"]),
    ]
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "keywords",
            [helper.make_tensor_value_info("line", TensorProto.FLOAT, (1, 24))],
            [helper.make_tensor_value_info("answer", TensorProto.FLOAT, (1, 5))],
            [
                numpy_helper.from_array(array if name == "s" else array.astype(np.float32), name)
                for name, array in weights.items()
            ],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=9,
    )
    onnx.save(model, path)
    return path


def sums(path: Path) -> Path:
    """Write a network of two inputs, one of them indices."""
    nodes = [helper.make_node("Add", ["a", "b"], ["c"])]
    ends = [("a", (2, 3)), ("b", (3,))]
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "sums",
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, side) for name, side in ends],
            [helper.make_tensor_value_info("c", TensorProto.FLOAT, (2, 3))],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=9,
    )
    onnx.save(model, path)
    return path


@needs_cc
def test_from_a_file_to_proved_integers(tmp_path: Path) -> None:
    network = keywords(tmp_path / "keywords.onnx")
    lines = tmp_path / "lines.npy"
    np.save(lines, np.random.default_rng(1).normal(size=(20, 24)).astype(np.float32))
    integers = quantize(network, inputs=lines)
    assert integers.pictures == 20
    assert integers.path == tmp_path / "keywords-int8.onnx"
    ship(network, tmp_path / "c")
    ship(integers, tmp_path / "c8")
    proof = prove(
        [network, integers.path, tmp_path / "c", tmp_path / "c8"], inputs=lines, pictures=5
    )
    assert proof.passed
    rows = {row.stage: row for row in proof.ledger.rows}
    assert (rows["C c"].reference, rows["C c8"].reference) == ("keywords", "keywords-int8")
    assert rows["C c8"].worst == 0
    assert rows["keywords-int8"].worst is not None
    assert rows["keywords-int8"].worst > 20
    assert "mAP" not in str(proof.tables()[0].columns)


def test_another_network_is_not_proved(tmp_path: Path) -> None:
    proof = prove([keywords(tmp_path / "a.onnx"), keywords(tmp_path / "b.onnx", scale=1.01)])
    assert not proof.passed
    assert "conv" in proof.failures()[0]


def test_what_it_is_calibrated_with_must_be_named(tmp_path: Path) -> None:
    with pytest.raises(TatamiError, match="how pictures go in is unknown") as caught:
        quantize(keywords(tmp_path / "keywords.onnx"))
    assert caught.value.setting == "inputs"


def test_several_inputs_by_name(tmp_path: Path) -> None:
    network = graph.read(sums(tmp_path / "sums.onnx"))
    file = tmp_path / "both.npz"
    np.savez(file, a=np.ones((4, 2, 3)), b=np.zeros((4, 3)))
    found = samples_of(network, file, 3)
    assert [[array.shape for array in sample] for sample in found] == [[(2, 3), (3,)]] * 3
    assert all(array.dtype == np.float32 for sample in found for array in sample)
    drawn = samples_of(network, None, 2)
    assert [array.shape for array in drawn[1]] == [(2, 3), (3,)]
    np.testing.assert_array_equal(drawn[0][0], samples_of(network, "random", 1)[0][0])


def _named(path: Path, **arrays: Any) -> None:
    with path.open("wb") as file:
        np.savez(file, **arrays)


@pytest.mark.parametrize(
    ("write", "match"),
    [
        (lambda folder: np.save(folder / "x.npy", np.ones((7, 23))), "does not fit the input"),
        (lambda folder: (folder / "x.npy").write_bytes(b"no"), "not an array"),
        (lambda folder: (folder / "x.npy").mkdir(), "no arrays and no pictures"),
        (
            lambda folder: np.save(folder / "x.npy", np.array([{}]), allow_pickle=True),
            "not an array",
        ),
        (lambda folder: _named(folder / "x.npy", b=np.ones(24)), "inputs are line"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, write: Any, match: str) -> None:
    network = graph.read(keywords(tmp_path / "keywords.onnx"))
    write(tmp_path)
    with pytest.raises(TatamiError, match=match):
        samples_of(network, tmp_path / "x.npy", 8)


def test_a_folder_of_pictures(tmp_path: Path) -> None:
    from tests.operators.example import Example, network_from

    network = network_from("Relu", Example([(1, 3, 4, 6)]))
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.new("RGB", (30, 20), (255, 0, 51)).save(folder / "a.png")
    ((found,),) = samples_of(network, folder, 8)
    assert found.shape == (1, 3, 4, 6)
    np.testing.assert_allclose(found[0, :, 2, 3], [1, 0, 0.2], atol=1e-6)


@needs_cc
def test_an_output_that_no_input_changes_ships(tmp_path: Path) -> None:
    """As the anchors that some detectors give beside their boxes."""
    path = keywords(tmp_path / "keywords.onnx")
    model = onnx.load(path)
    anchors = np.arange(6, dtype=np.float32).reshape(1, 2, 3)
    model.graph.initializer.append(numpy_helper.from_array(anchors, "anchors"))
    model.graph.output.append(
        helper.make_tensor_value_info("anchors", TensorProto.FLOAT, (1, 2, 3))
    )
    onnx.save(model, path)
    (_, found) = graph.run(graph.read(path), np.ones((1, 24), np.float32))
    np.testing.assert_array_equal(found, anchors)
    ship(path, tmp_path / "c")
    assert prove([path, tmp_path / "c"], pictures=2).passed
