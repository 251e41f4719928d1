"""The networks that the benchmark runs, as plain ONNX with random weights of sane size."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17


class Builder:
    """Nodes and weights of a network in the making; He's initialisation keeps signals alive."""

    def __init__(self, width: int, height: int, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.channels = {"images": 3}
        self.sides = {"images": (height, width)}

    def constant(self, array: np.ndarray, name: str) -> str:
        self.weights.append(numpy_helper.from_array(array.astype(np.float32), name))
        return name

    def node(self, kind: str, *inputs: str, channels: int | None = None, **attributes) -> str:
        output = f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        self.channels[output] = self.channels[inputs[0]] if channels is None else channels
        rows, columns = self.sides[inputs[0]]
        if kind == "MaxPool" and attributes["strides"] == [2, 2]:
            rows, columns = rows // 2, columns // 2
        self.sides[output] = (1, 1) if kind == "GlobalAveragePool" else (rows, columns)
        return output

    def conv(self, x: str, outputs: int, kernel: int, stride: int = 1, group: int = 1) -> str:
        channels = self.channels[x]
        name = f"conv{len(self.nodes)}"
        taps = channels // group * kernel * kernel
        shape = (outputs, channels // group, kernel, kernel)
        weight = self.constant(self.rng.normal(0, (2 / taps) ** 0.5, shape), f"{name}.weight")
        bias = self.constant(self.rng.normal(0, 0.1, outputs), f"{name}.bias")
        # Padding as TensorFlow's SAME: every peer knows it.
        totals = [
            max(0, (-(-side // stride) - 1) * stride + kernel - side) for side in self.side(x)
        ]
        pads = [total // 2 for total in totals] + [total - total // 2 for total in totals]
        output = self.node(
            *("Conv", x, weight, bias), channels=outputs, kernel_shape=[kernel, kernel],
            strides=[stride, stride], pads=pads, group=group,
        )  # fmt: skip
        self.sides[output] = tuple(-(-side // stride) for side in self.side(x))
        return output

    def side(self, x: str) -> tuple[int, int]:
        """(rows, columns) of a value."""
        return self.sides[x]

    def model(self, outputs: list[str]) -> onnx.ModelProto:
        height, width = self.sides["images"]
        image = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, height, width])
        results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
        graph = helper.make_graph(self.nodes, "network", [image], results, self.weights)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9
        )
        return onnx.shape_inference.infer_shapes(model)


def yolov2_tiny(width: int, height: int) -> onnx.ModelProto:
    """YOLOv2-tiny for VOC: 125 channels at 1/32."""
    b = Builder(width, height)
    x = "images"
    for channels in (16, 32, 64, 128, 256):
        x = b.node("LeakyRelu", b.conv(x, channels, 3), alpha=0.1)
        x = b.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = b.node("LeakyRelu", b.conv(x, 512, 3), alpha=0.1)
    x = b.node("MaxPool", x, kernel_shape=[2, 2], strides=[1, 1], pads=[0, 0, 1, 1])
    for _ in range(2):
        x = b.node("LeakyRelu", b.conv(x, 1024, 3), alpha=0.1)
    return b.model([b.conv(x, 125, 1)])


BODY = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5)
"""MobileNet-v1: (outputs, stride) of each depthwise separable pair up to conv11."""


def _separable(b: Builder, x: str, outputs: int, stride: int) -> str:
    x = b.node("Relu", b.conv(x, b.channels[x], 3, stride, group=b.channels[x]))
    return b.node("Relu", b.conv(x, outputs, 1))


def mobilenet_v1() -> onnx.ModelProto:
    """MobileNet-v1 1.0 at 224x224, to 1,000 logits."""
    b = Builder(224, 224)
    x = b.node("Relu", b.conv("images", 32, 3, 2))
    for outputs, stride in (*BODY, (1024, 2), (1024, 1)):
        x = _separable(b, x, outputs, stride)
    x = b.node("GlobalAveragePool", x)
    return b.model([b.conv(x, 1000, 1)])


def mobilenet_ssd() -> onnx.ModelProto:
    """MobileNet-SSD 300 in chuanqi305's layout for VOC: raw class and box maps of six levels."""
    b = Builder(300, 300)
    x = b.node("Relu", b.conv("images", 32, 3, 2))
    for outputs, stride in BODY:
        x = _separable(b, x, outputs, stride)
    levels = [x]
    for outputs, stride in ((1024, 2), (1024, 1)):
        x = _separable(b, x, outputs, stride)
    levels.append(x)
    for narrow, wide in ((256, 512), (128, 256), (128, 256), (64, 128)):
        x = b.node("Relu", b.conv(x, narrow, 1))
        x = b.node("Relu", b.conv(x, wide, 3, 2))
        levels.append(x)
    outputs = []
    for level, boxes in zip(levels, (3, 6, 6, 6, 6, 6), strict=True):
        outputs += [b.conv(level, boxes * 4, 1), b.conv(level, boxes * 21, 1)]
    return b.model(outputs)


NETWORKS = {
    "yolov2-tiny-416": lambda: yolov2_tiny(416, 416),
    "yolov2-tiny-352x288": lambda: yolov2_tiny(352, 288),
    "mobilenet-v1-224": mobilenet_v1,
    "mobilenet-ssd-300": mobilenet_ssd,
}
