"""Small detectors as ONNX, built node by node."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tatami.graph import Network, read
from tatami.graph.metadata import to_metadata
from tatami.rules.picture import normalize
from tatami.shrink.calibrate import observe
from tatami.shrink.quantize import quantize
from tatami.types import Decoding, DetectionSpec, InputSpec, Size


class _Builder:
    """Collects nodes and weights; ``seed`` decides every weight."""

    def __init__(self, seed=0):
        self.rng = np.random.default_rng(seed)
        self.nodes = []
        self.weights = []

    def constant(self, array):
        name = f"w{len(self.weights)}.weight"
        self.weights.append(numpy_helper.from_array(np.asarray(array, np.float32), name))
        return name

    def shape(self, *sides):
        """Whole numbers, as Reshape and Pad take them."""
        self.weights.append(
            numpy_helper.from_array(np.asarray(sides, np.int64), f"s{len(self.weights)}")
        )
        return self.weights[-1].name

    def node(self, op, *inputs, **attributes):
        output = f"v{len(self.nodes)}_{op.lower()}"
        self.nodes.append(helper.make_node(op, list(inputs), [output], **attributes))
        return output

    def conv(self, x, channels, outputs, kernel=(3, 3), group=1, bias=True, **attributes):
        shape = (outputs, channels // group, *kernel)
        spread = (2.0 / np.prod(shape[1:])) ** 0.5
        inputs = [x, self.constant(self.rng.normal(0, spread, shape))]
        if bias:
            inputs.append(self.constant(self.rng.normal(0, 0.1, outputs)))
        return self.node("Conv", *inputs, group=group, **attributes)

    def network(
        self, path: Path, spec: DetectionSpec | None, output, size: Size, result
    ) -> Network:
        """Write the file, whose map ``output`` has the shape ``result``, and read it back."""
        graph = helper.make_graph(
            self.nodes,
            "small",
            [
                helper.make_tensor_value_info(
                    "images", TensorProto.FLOAT, (1, 3, size.height, size.width)
                )
            ],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, (1, *result))],
            self.weights,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
        if spec is not None:
            for key, text in to_metadata(spec).items():
                entry = model.metadata_props.add()
                entry.key, entry.value = key, text
        onnx.save(model, path)
        return read(path)


def _spec(size=Size(64, 32), classes=("cat", "dog", 'a "b" \\ ??/ 畳 net_x'), stride=8, **changes):
    """A spec for the small detector below."""
    pictures = {
        name: changes.pop(name) for name in list(changes) if name in InputSpec.__annotations__
    }
    return DetectionSpec(
        tuple(classes),
        InputSpec(size, **pictures),
        replace(Decoding.yolov2(((1.5, 1.0), (3.0, 4.0)), stride), **changes),
    )


def _detector(path: Path, spec=None, seed=0, spread=0.5) -> Network:
    """conv, pool, conv, pool, conv, size-2 stride-1 pool, conv: YOLOv2-tiny in small, stride 8."""
    spec = spec or _spec()
    size = spec.input.size
    b = _Builder(seed)
    x = b.conv("images", 3, 6, pads=[1, 1, 1, 1])
    x = b.node("MaxPool", b.node("LeakyRelu", x, alpha=0.1), kernel_shape=[2, 2], strides=[2, 2])
    x = b.conv(x, 6, 9, pads=[1, 1, 1, 1], bias=False)
    x = b.node("MaxPool", b.node("LeakyRelu", x, alpha=0.1), kernel_shape=[2, 2], strides=[2, 2])
    x = b.conv(x, 9, 12, pads=[1, 1, 1, 1], strides=[2, 2])
    x = b.node("MaxPool", b.node("LeakyRelu", x, alpha=0.1), kernel_shape=[2, 2], pads=[0, 0, 1, 1])
    ((_, channels),) = spec.decoding.maps(len(spec.classes))
    x = b.node(
        "Conv",
        x,
        b.constant(b.rng.normal(0, spread, (channels, 12, 1, 1))),
        b.constant(b.rng.normal(1, 1, channels)),
    )
    rows, columns = size.height // 8, size.width // 8
    return b.network(path, spec, x, size, (channels, rows, columns))


def _quantized(network: Network, seed=0) -> Network:
    """The same in integers, calibrated with pictures of noise."""
    size = network.spec.input.size
    rng = np.random.default_rng(seed)
    pictures = [rng.integers(0, 256, (size.height, size.width, 3), np.uint8) for _ in range(3)]
    images = [normalize(picture, network.spec.input)[None] for picture in pictures]
    return quantize(network, observe(network, images, len(images)))


@pytest.fixture(scope="session")
def quantized():
    """``quantized(network)``: what `tatami quantize` makes of it."""
    return _quantized


@pytest.fixture
def builder():
    """Makes a builder of networks: ``b = builder(seed)``."""
    return _Builder


@pytest.fixture(scope="session")
def module_builder():
    """The same, for networks that a module's tests share."""
    return _Builder


@pytest.fixture(scope="session")
def small_spec():
    """``small_spec(size, classes, **changes)``, of InputSpec or Decoding."""
    return _spec


@pytest.fixture(scope="session")
def small_detector():
    """``small_detector(path, spec, seed, spread)``: an ONNX file at path, read back."""
    return _detector
