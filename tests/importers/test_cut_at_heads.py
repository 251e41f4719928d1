"""Detectors whose file decodes its boxes itself are cut at their raw maps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import tatami
from tatami.errors import TatamiError
from tatami.pipeline.import_network import import_network

CLASSES, BINS = ("cat", "dog"), 4
SPEC: dict[str, Any] = {
    "classes": list(CLASSES),
    "input": {"size": "32x16", "resize": "stretch"},
    "decoding": {
        "kind": "distance",
        "scores": "sigmoid",
        "bins": BINS,
        "grids": [{"stride": [s, s], "anchors": [[1, 1]]} for s in (4, 8)],
    },
}


class Net:
    """A network in the making."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def constant(self, array: Any) -> str:
        name = f"c{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        name = f"{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def conv(self, x: str, given: int, made: int, kernel: int = 3, stride: int = 1) -> str:
        weight = self.rng.normal(size=(made, given, kernel, kernel)) * 0.4
        bias = self.rng.normal(size=made)
        pad = kernel // 2
        return self.add(
            "Conv",
            x,
            self.constant(weight.astype(np.float32)),
            self.constant(bias.astype(np.float32)),
            strides=[stride] * 2,
            pads=[pad] * 4,
        )

    def silu(self, x: str) -> str:
        return self.add("Mul", x, self.add("Sigmoid", x))


def yolov8_like(folder: Path) -> Path:
    """Write a detector with two scales, whose distances are decoded by softmax and a product."""
    net = Net()
    x = net.silu(net.conv("images", 3, 8, stride=4))
    parts = []
    for channels in (8, 12):
        if channels == 12:
            x = net.silu(net.conv(x, 8, 12, stride=2))
        hidden = net.silu(net.conv(x, channels, 4 * BINS))  # as many channels as the head has
        box = net.conv(hidden, 4 * BINS, 4 * BINS, kernel=1)
        score = net.conv(net.silu(net.conv(x, channels, 6)), 6, len(CLASSES), kernel=1)
        both = net.add("Concat", box, score, axis=1)
        shape = net.constant(np.array([1, 4 * BINS + len(CLASSES), -1]))
        parts.append(net.add("Reshape", both, shape))
    joined = net.add("Concat", *parts, axis=2)
    start, middle = net.constant(np.array([0])), net.constant(np.array([4 * BINS]))
    end, axis = net.constant(np.array([4 * BINS + len(CLASSES)])), net.constant(np.array([1]))
    numbers = net.add("Slice", joined, start, middle, axis)
    numbers = net.add("Reshape", numbers, net.constant(np.array([1, 4, BINS, -1])))
    share = net.add("Softmax", numbers, axis=2)
    places = net.constant(np.arange(BINS, dtype=np.float32).reshape(1, 1, BINS, 1))
    sides = net.add("ReduceSum", net.add("Mul", share, places), net.constant(np.array([2])),
                    keepdims=0)  # fmt: skip
    scores = net.add("Sigmoid", net.add("Slice", joined, middle, end, axis))
    net.nodes.append(helper.make_node("Concat", [sides, scores], ["found"], axis=1))
    graph = helper.make_graph(
        net.nodes,
        "net",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, (1, 3, 16, 32))],
        [helper.make_tensor_value_info("found", TensorProto.FLOAT, None)],
        net.weights,
    )
    path = folder / "net.onnx"
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, path)
    return path


def test_boxes_are_those_of_the_file(tmp_path: Path) -> None:
    path, spec = yolov8_like(tmp_path), tmp_path / "spec.json"
    spec.write_text(json.dumps(SPEC))
    imported = import_network(path, spec=spec, out=tmp_path / "t.onnx")
    shapes = [[int(side) for side in out.shape] for out in imported.network.graph.outputs]
    assert shapes == [[1, 16, 4, 8], [1, 2, 4, 8], [1, 16, 2, 4], [1, 2, 2, 4]]
    picture = np.random.default_rng(1).integers(0, 256, (16, 32, 3)).astype(np.uint8)
    found = tatami.open(tmp_path / "t.onnx").predict(picture, min_score=0.01).to_json()
    runtime = pytest.importorskip("onnxruntime").InferenceSession(path)
    planes = (picture.transpose(2, 0, 1)[None] / np.float32(255)).astype(np.float32)
    (answer,) = runtime.run(None, {"images": planes})
    cells = [(x + 0.5, y + 0.5, s) for s in (4, 8) for y in range(16 // s) for x in range(32 // s)]
    every = []
    for (x, y, s), (left, top, right, bottom, *scores) in zip(cells, answer[0].T, strict=True):
        box = [(x - left) * s, (y - top) * s, (x + right) * s, (y + bottom) * s]
        inside = np.clip(box, 0, [32, 16, 32, 16])
        every += [(score, name, inside) for score, name in zip(scores, CLASSES, strict=True)]
    score, name, box = max(every, key=lambda one: one[0])
    best = found["detections"][0]
    assert best["class"] == name
    assert best["score"] == pytest.approx(float(score), abs=1e-5)
    np.testing.assert_allclose(best["box"], box, atol=1e-3)


def test_heads_that_are_not_there(tmp_path: Path) -> None:
    path, spec = yolov8_like(tmp_path), tmp_path / "spec.json"
    spec.write_text(json.dumps({**SPEC, "classes": ["cat", "dog", "owl"]}))
    with pytest.raises(TatamiError, match=r"no head has \(3, 4, 8\).*\(16, 4, 8\), \(2, 4, 8\)"):
        import_network(path, spec=spec, out=tmp_path / "t.onnx")
