"""Classifiers and segmenters of other programs: their ends become what Tatami's rules read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import tatami
from tatami import graph
from tatami.errors import TatamiError
from tatami.pipeline.import_network import PIXELS, import_network

Shape = tuple[int, ...]


def network(folder: Path, image: Shape, nodes: list[onnx.NodeProto], **weights: Any) -> Path:
    """Write a network from ``x`` to ``y``."""
    graph_ = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, image)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()],
    )
    path = folder / "net.onnx"
    onnx.save(
        helper.make_model(graph_, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path
    )
    return path


def numbers(*shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def classifier(folder: Path, image: Shape, channels: int, *tail: str) -> Path:
    """Write one convolution, the mean of each map, and what follows."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("GlobalAveragePool", ["c"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
    ]
    for place, name in enumerate(tail):
        nodes.append(helper.make_node(name, [nodes[-1].output[0]], [f"t{place}"]))
    nodes[-1].output[0] = "y"
    return network(folder, image, nodes, w=numbers(4, channels, 3, 3))


def test_a_softmax_is_left_to_the_rules(tmp_path: Path) -> None:
    path = classifier(tmp_path, (1, 3, 8, 10), 3, "Softmax")
    found = import_network(path, task="classify", pixels="imagenet", out=tmp_path / "t.onnx")
    assert found.use is not None
    assert found.use.task == "classify"
    assert found.use.classes == ("class0", "class1", "class2", "class3")
    assert found.use.input.mean == PIXELS["imagenet"][0]
    assert any("Softmax" in note for note in found.notes)
    picture = np.random.default_rng(1).integers(0, 256, (8, 10, 3)).astype(np.uint8)
    answer = tatami.open(tmp_path / "t.onnx").predict(picture).to_json()
    runtime = pytest.importorskip("onnxruntime").InferenceSession(path)
    mean, scale = (np.array(each, np.float32) for each in PIXELS["imagenet"])
    planes = ((picture - mean) * scale).transpose(2, 0, 1)[None].astype(np.float32)
    (expected,) = runtime.run(None, {"x": planes})
    scores = {one["class"]: one["score"] for one in answer["classes"]}
    for index, score in enumerate(expected[0]):
        assert scores[f"class{index}"] == pytest.approx(float(score), abs=1e-5)


def test_gray_and_channels_last(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Transpose", ["x"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "w"], ["c"]),
        helper.make_node("GlobalMaxPool", ["c"], ["y"]),
    ]
    path = network(tmp_path, (1, 6, 5, 1), nodes, w=numbers(3, 1, 2, 2))
    out = tmp_path / "t.onnx"
    found = import_network(path, task="classify", pixels="0..255", out=out)
    assert len(found.notes) == 3  # gray, channels last, and an output of four axes
    image = numbers(1, 3, 6, 5)
    gray = np.einsum("nchw,c->nhw", image, [0.299, 0.587, 0.114])[..., None].astype(np.float32)
    runtime = pytest.importorskip("onnxruntime").InferenceSession(path)
    (expected,) = runtime.run(None, {"x": gray})
    (logits,) = graph.run(graph.read(out), image)
    np.testing.assert_allclose(logits, expected.reshape(1, 3), atol=1e-5)


def test_a_segmenter_with_channels_last(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Transpose", ["c"], ["last"], perm=[0, 2, 3, 1]),
        helper.make_node("Softmax", ["last"], ["y"], axis=3),
    ]
    path = network(tmp_path, (1, 3, 8, 12), nodes, w=numbers(2, 3, 3, 3))
    out = tmp_path / "t.onnx"
    found = import_network(path, task="segment", pixels="0..1", out=out)
    assert any("put first" in note for note in found.notes)
    image = numbers(1, 3, 8, 12)
    runtime = pytest.importorskip("onnxruntime").InferenceSession(path)
    (expected,) = runtime.run(None, {"x": image})
    (logits,) = graph.run(graph.read(out), image)
    np.testing.assert_array_equal(logits[0].argmax(0), expected[0].argmax(2))


def test_a_smaller_map_is_enlarged(tmp_path: Path) -> None:
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"], strides=[2, 2], pads=[1, 1, 0, 0])]
    path = network(tmp_path, (1, 3, 8, 12), nodes, w=numbers(2, 3, 3, 3))
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps({"classes": ["cell", "rest"], "input": {"channels": "bgr"}}))
    out = tmp_path / "t.onnx"
    found = import_network(path, task="segment", spec=spec, out=out)
    assert found.use is not None
    assert (found.use.classes, found.use.input.channels) == (("cell", "rest"), "bgr")
    (logits,) = graph.run(graph.read(out), numbers(1, 3, 8, 12))
    assert logits.shape == (1, 2, 8, 12)


@pytest.mark.parametrize(
    ("settings", "match", "setting"),
    [
        ({"task": "classify"}, "what the network's input holds", "pixels"),
        ({"task": "classify", "pixels": "0..2"}, "'0..2' is not known", "pixels"),
        ({"task": "segment", "pixels": "0..1"}, "not \\(1, classes, rows, columns\\)", "task"),
        ({"task": "translate"}, "'translate' is not known", "task"),
        ({"task": "detect"}, "do not say how the network detects", "spec"),
    ],
)
def test_what_cannot_be_that(
    tmp_path: Path, settings: dict[str, str], match: str, setting: str
) -> None:
    path = classifier(tmp_path, (1, 3, 8, 10), 3)
    with pytest.raises(TatamiError, match=match) as caught:
        import_network(path, out=tmp_path / "t.onnx", **settings)
    assert caught.value.setting == setting
    assert not (tmp_path / "t.onnx").exists()


def test_none_is_a_network_without_a_task(tmp_path: Path) -> None:
    found = import_network(
        classifier(tmp_path, (1, 3, 8, 10), 3), task="none", out=tmp_path / "t.onnx"
    )
    assert found.use is None
