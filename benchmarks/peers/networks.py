"""The networks that the benchmark runs, as plain ONNX with random weights of sane size."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17


class Builder:
    """Nodes and weights of a network in the making; He's initialisation keeps signals alive."""

    def __init__(self, width: int, height: int, seed: int = 0, channels: int = 3) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.channels = {"images": channels}
        self.sides = {"images": (height, width)}

    def constant(self, array: np.ndarray, name: str) -> str:
        self.weights.append(numpy_helper.from_array(array.astype(np.float32), name))
        return name

    def node(self, kind: str, *inputs: str, channels: int | None = None, **attributes) -> str:
        output = f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        self.channels[output] = self.channels[inputs[0]] if channels is None else channels
        rows, columns = self.sides[inputs[0]]
        if kind in ("MaxPool", "AveragePool") and attributes["strides"] == [2, 2]:
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

    def relu6(self, x: str) -> str:
        """x held between 0 and 6."""
        low, high = (self.constant(np.float32(end), f"{x}_{end}") for end in (0, 6))
        return self.node("Clip", x, low, high)

    def twice(self, x: str, outputs: int) -> str:
        """A transposed convolution of 2x2 at stride 2."""
        channels, name = self.channels[x], f"twice{len(self.nodes)}"
        shape = (channels, outputs, 2, 2)
        weight = self.constant(self.rng.normal(0, channels**-0.5, shape), f"{name}.weight")
        bias = self.constant(self.rng.normal(0, 0.1, outputs), f"{name}.bias")
        output = self.node(
            *("ConvTranspose", x, weight, bias), channels=outputs, kernel_shape=[2, 2],
            strides=[2, 2],
        )  # fmt: skip
        rows, columns = self.sides[x]
        self.sides[output] = (2 * rows, 2 * columns)
        return output

    def side(self, x: str) -> tuple[int, int]:
        """(rows, columns) of a value."""
        return self.sides[x]

    def model(self, outputs: list[str]) -> onnx.ModelProto:
        height, width = self.sides["images"]
        image = helper.make_tensor_value_info(
            "images", TensorProto.FLOAT, [1, self.channels["images"], height, width]
        )
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


def _inverted(b: Builder, x: str, outputs: int, stride: int, wider: int) -> str:
    inputs, y = b.channels[x], x
    if wider > 1:
        y = b.relu6(b.conv(x, wider * inputs, 1))
    y = b.relu6(b.conv(y, wider * inputs, 3, stride, group=wider * inputs))
    y = b.conv(y, outputs, 1)
    return b.node("Add", x, y) if stride == 1 and inputs == outputs else y


def mobilenet_v2() -> onnx.ModelProto:
    """MobileNet-v2 1.0 at 224x224, to 1,000 logits."""
    b = Builder(224, 224)
    x = b.relu6(b.conv("images", 32, 3, 2))
    for wider, outputs, count, stride in (
        *((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2)),
        *((6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)),
    ):
        for index in range(count):
            x = _inverted(b, x, outputs, 1 if index else stride, wider)
    x = b.node("GlobalAveragePool", b.relu6(b.conv(x, 1280, 1)))
    return b.model([b.conv(x, 1000, 1)])


def depthwise() -> onnx.ModelProto:
    """Six depthwise layers of 5x5, 64 channels of 80x80, behind a convolution of 320x320."""
    b = Builder(320, 320)
    x = b.relu6(b.conv("images", 64, 3, 4))
    for _ in range(6):
        x = b.relu6(b.conv(x, 64, 5, group=64))
    return b.model([b.conv(x, 16, 1)])


def resnet(counts: tuple[int, ...], bottleneck: bool) -> onnx.ModelProto:
    """A residual network at 224x224, to 1,000 logits; pools where the paper's begins with 2x2."""
    b = Builder(224, 224)
    x = b.node("Relu", b.conv("images", 64, 7, 2))
    x = b.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    for level, count in enumerate(counts):
        inner = 64 << level
        outputs = 4 * inner if bottleneck else inner
        for index in range(count):
            stride = 2 if level and not index else 1
            if bottleneck:
                y = b.node("Relu", b.conv(x, inner, 1))
                y = b.node("Relu", b.conv(y, inner, 3, stride))
                y = b.conv(y, outputs, 1)
            else:
                y = b.node("Relu", b.conv(x, inner, 3, stride))
                y = b.conv(y, outputs, 3)
            if stride > 1 or b.channels[x] != outputs:
                x = b.conv(x, outputs, 1, stride)
            x = b.node("Relu", b.node("Add", y, x))
    return b.model([b.conv(b.node("GlobalAveragePool", x), 1000, 1)])


def densenet121() -> onnx.ModelProto:
    """DenseNet-121 at 224x224; a normalization is a depthwise 1x1, as folding has it."""
    b = Builder(224, 224)
    x = b.node("Relu", b.conv("images", 64, 7, 2))
    x = b.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    for level, count in enumerate((6, 12, 24, 16)):
        for _ in range(count):
            y = b.node("Relu", b.conv(x, b.channels[x], 1, group=b.channels[x]))
            y = b.conv(b.node("Relu", b.conv(y, 128, 1)), 32, 3)
            x = b.node("Concat", x, y, channels=b.channels[x] + 32, axis=1)
        x = b.node("Relu", b.conv(x, b.channels[x], 1, group=b.channels[x]))
        if level < 3:
            x = b.conv(x, b.channels[x] // 2, 1)
            x = b.node("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
    return b.model([b.conv(b.node("GlobalAveragePool", x), 1000, 1)])


def _vgg16(b: Builder) -> tuple[str, str]:
    """The layers up to conv5_3, and what conv4_3 gives."""
    x = fourth = "images"
    for level, (channels, count) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))):
        if level:
            x = b.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
        for _ in range(count):
            x = b.node("Relu", b.conv(x, channels, 3))
        fourth = x if level == 3 else fourth
    return x, fourth


def vgg16() -> onnx.ModelProto:
    """VGG-16 at 224x224, its connected layers as convolutions."""
    b = Builder(224, 224)
    x, _ = _vgg16(b)
    x = b.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = b.node("Relu", b.conv(x, 4096, 7, 7))
    x = b.node("Relu", b.conv(x, 4096, 1))
    return b.model([b.conv(x, 1000, 1)])


def ssd300() -> onnx.ModelProto:
    """SSD300 for VOC without its L2 normalization: raw class and box maps of six levels."""
    b = Builder(304, 304)  # all sides even down to 19
    x, fourth = _vgg16(b)
    x = b.node("Relu", b.conv(x, 1024, 3))
    levels = [fourth, b.node("Relu", b.conv(x, 1024, 1))]
    for narrow, wide in ((256, 512), (128, 256), (128, 256), (128, 256)):
        x = b.node("Relu", b.conv(levels[-1], narrow, 1))
        levels.append(b.node("Relu", b.conv(x, wide, 3, 2)))
    outputs = []
    for level, boxes in zip(levels, (4, 6, 6, 6, 4, 4), strict=True):
        outputs += [b.conv(level, boxes * 4, 3), b.conv(level, boxes * 21, 3)]
    return b.model(outputs)


def unet() -> onnx.ModelProto:
    """U-Net at 256x256, half as wide as the paper's, padded."""
    b = Builder(256, 256)
    x, left = "images", []
    for channels in (32, 64, 128, 256, 512):
        for _ in range(2):
            x = b.node("Relu", b.conv(x, channels, 3))
        if channels < 512:
            left.append(x)
            x = b.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    for beside in reversed(left):
        channels = b.channels[beside]
        x = b.node("Concat", beside, b.twice(x, channels), channels=2 * channels, axis=1)
        for _ in range(2):
            x = b.node("Relu", b.conv(x, channels, 3))
    return b.model([b.conv(x, 2, 1)])


def lenet5() -> onnx.ModelProto:
    """LeNet-5 at 32x32: tanh and average pools; windows are padded where the paper's are not."""
    b = Builder(32, 32, channels=1)
    x = b.node("Tanh", b.conv("images", 6, 5))
    x = b.node("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = b.node("Tanh", b.conv(x, 16, 5))
    x = b.node("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = b.node("Tanh", b.conv(x, 120, 8, 8))
    x = b.node("Tanh", b.conv(x, 84, 1))
    return b.model([b.conv(x, 10, 1)])


NETWORKS = {
    "yolov2-tiny-416": lambda: yolov2_tiny(416, 416),
    "yolov2-tiny-352x288": lambda: yolov2_tiny(352, 288),
    "mobilenet-v1-224": mobilenet_v1,
    "mobilenet-ssd-300": mobilenet_ssd,
    "mobilenet-v2-224": mobilenet_v2,
    "depthwise-5x5-320": depthwise,
    "resnet-18-224": lambda: resnet((2, 2, 2, 2), bottleneck=False),
    "resnet-50-224": lambda: resnet((3, 4, 6, 3), bottleneck=True),
    "densenet-121-224": densenet121,
    "vgg-16-224": vgg16,
    "ssd-304": ssd300,
    "unet-256": unet,
    "lenet-5-32": lenet5,
}
