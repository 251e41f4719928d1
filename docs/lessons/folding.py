"""Folding batch normalization, tried out: python docs/lessons/folding.py

A small network tells four textures apart. It is built here in NumPy, so that this runs without
torch in a few seconds: random convolutions, normalization with statistics measured on the training
pictures, and a last layer fitted by least squares. docs/folding.md explains each part.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import onnx
import onnx_ir as ir
from onnx import helper, numpy_helper

from tatami import graph
from tatami.errors import TatamiError
from tatami.graph import Network
from tatami.ops.activation import leaky_relu
from tatami.ops.conv import convolve
from tatami.ops.norm import batch_normalize
from tatami.ops.window import Window
from tatami.shrink.fold import Epsilon, fold
from tatami.types import Float32

TEXTURES = ("rows", "columns", "checks", "dots")
SIDE = 16
CHANNELS = (3, 12, 16)
EPSILON = 1e-3
STATISTICS = ("scale", "bias", "mean", "variance")

Weights = dict[str, Float32]


def pictures(count: int, rng: np.random.Generator) -> tuple[Float32, np.ndarray]:
    """Noisy textures of random period, phase and contrast: (n, 3, 16, 16) in 0..1, and classes."""
    y, x = np.mgrid[:SIDE, :SIDE]
    images = np.empty((count, 3, SIDE, SIDE), np.float32)
    classes = np.arange(count) % len(TEXTURES)
    for index, kind in enumerate(classes):
        turn = 2 * np.pi / rng.uniform(3, 6)
        rows = np.sin(turn * y + rng.uniform(0, 2 * np.pi))
        columns = np.sin(turn * x + rng.uniform(0, 2 * np.pi))
        texture = (rows, columns, rows * columns, np.minimum(rows, columns))[kind]
        noise = rng.standard_normal((3, SIDE, SIDE))
        images[index] = 0.5 + 0.2 * rng.uniform(0.5, 1) * texture + 0.05 * noise
    return images, classes


def train(images: Float32, classes: np.ndarray, rng: np.random.Generator) -> Weights:
    """The weights of two blocks conv => normalize => leaky ReLU, an average, a linear layer."""
    weights: Weights = {}
    x = images
    for block, (inputs, outputs) in enumerate(pairwise(CHANNELS), start=1):
        kernel = 0.05 * rng.standard_normal((outputs, inputs, 3, 3)).astype(np.float32)
        x = convolve(x, kernel, None, Window.square(3, pad=1))
        statistics = (
            rng.uniform(0.5, 1.5, outputs).astype(np.float32),
            rng.uniform(-1, 1, outputs).astype(np.float32),
            x.mean(axis=(0, 2, 3)),
            x.var(axis=(0, 2, 3)),
        )
        weights[f"conv{block}.weight"] = kernel
        weights |= {f"norm{block}.{k}": v for k, v in zip(STATISTICS, statistics, strict=True)}
        x = leaky_relu(batch_normalize(x, *statistics, EPSILON), 0.1)
    features = np.hstack((x.mean(axis=(2, 3)), np.ones((len(x), 1))))
    fitted = np.linalg.lstsq(features, np.eye(len(TEXTURES))[classes], rcond=None)[0].T
    weights["last.weight"] = fitted[:, :-1, None, None].astype(np.float32)
    weights["last.bias"] = fitted[:, -1].astype(np.float32)
    return weights


def network(weights: Weights, normalize: bool = True, norm_first: bool = False) -> Network:
    """The network that has these weights, as ONNX.

    normalize: with its normalization, or the same weights in a network without any.
    norm_first: normalization before the second convolution's padding and not after the convolution.
    """
    nodes, value = [], "images"

    def add(operator: str, inputs: list[str], name: str, **attributes: object) -> None:
        nonlocal value
        nodes.append(helper.make_node(operator, [value, *inputs], [name], name, **attributes))
        value = name

    for block in range(1, len(CHANNELS)):
        add("Conv", [f"conv{block}.weight"], f"conv{block}", pads=[1, 1, 1, 1])
        if normalize:
            names = [f"norm{block}.{one}" for one in STATISTICS]
            if norm_first:
                add("LeakyRelu", [], f"leaky{block}", alpha=0.1)
            add("BatchNormalization", names, f"norm{block}", epsilon=EPSILON)
        if not norm_first:
            add("LeakyRelu", [], f"leaky{block}", alpha=0.1)
    add("AveragePool", [], "average", kernel_shape=[SIDE, SIDE])
    add("Conv", ["last.weight", "last.bias"], "map")
    kind = onnx.TensorProto.FLOAT
    body = helper.make_graph(
        nodes,
        "textures",
        [helper.make_tensor_value_info("images", kind, (1, 3, SIDE, SIDE))],
        [helper.make_tensor_value_info("map", kind, (1, len(TEXTURES), 1, 1))],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return Network(ir.from_proto(onnx.shape_inference.infer_shapes(model)), None)


def right(net: Network, images: Float32, classes: np.ndarray) -> float:
    """The share of pictures whose texture the network names rightly, in percent."""
    (answers,) = graph.run(net, images)  # (n, classes, 1, 1)
    return 100 * float((answers[:, :, 0, 0].argmax(axis=1) == classes).mean())


def difference(a: Float32, b: Float32) -> float:
    """The worst |difference| over the largest |value| of the first."""
    return float(np.abs(a - b).max() / np.abs(a).max())


def border() -> tuple[float, float]:
    """Fold a normalization *forward*, into the convolution behind it: (inside, at the border)."""
    rng = np.random.default_rng(5)
    x = rng.standard_normal((1, 3, 8, 8)).astype(np.float32)
    kernel = rng.standard_normal((4, 3, 3, 3)).astype(np.float32)
    s, t = rng.uniform(0.5, 2, (2, 3)).astype(np.float32)  # normalize: s * x + t
    window = Window.square(3, pad=1)
    true = convolve(s[:, None, None] * x + t[:, None, None], kernel, None, window)
    bias = (kernel * t[:, None, None]).sum(axis=(1, 2, 3))  # W * t, as if t filled the padding too
    folded = convolve(x, kernel * s[:, None, None], bias, window)
    wrong = np.abs(true - folded).max(axis=(0, 1)) / np.abs(true).max()
    inside = float(wrong[1:-1, 1:-1].max())
    wrong[1:-1, 1:-1] = 0
    return inside, float(wrong.max())


def main() -> None:
    rng = np.random.default_rng(1)
    weights = train(*pictures(480, rng), rng)
    images, classes = pictures(120, rng)
    trained = network(weights)
    (raw,) = graph.run(trained, images)
    print(f"trained with normalization: {right(trained, images, classes):.1f} % right")

    print("\n1. folded equals unfolded")
    folded, records = fold(trained)
    for record in records:
        print(f"   {record.conv}: largest |scale| {record.largest_scale:.1f}")
    print(f"   folded: {right(folded, images, classes):.1f} % right")
    print(f"   worst relative difference: {difference(raw, *graph.run(folded, images)):.1e}")

    print("\n2. the same weights in a network without normalization, not folded")
    bare = network(weights, normalize=False)
    print(f"   bare: {right(bare, images, classes):.1f} % right, guessing gives 25.0 %")
    print(f"   worst relative difference: {difference(raw, *graph.run(bare, images)):.1e}")

    print(f"\n3. folded with the wrong epsilon; these weights were trained with {EPSILON:g}")
    for block in (1, 2):
        variance = weights[f"norm{block}.variance"]
        print(f"   variances of conv{block}: {variance.min():.1e} to {variance.max():.1e}")
    for text in ("1e-3", "1e-5", "darknet:1e-6", "1e-2", "darknet:1e-3"):
        net, _ = fold(trained, Epsilon.parse(text))
        change = difference(raw, *graph.run(net, images))
        print(f"   {text:>12}: {right(net, images, classes):5.1f} % right, difference {change:.1e}")

    print("\n4. where there is nothing to fold into")
    inside, outside = border()
    print(f"   folded forward over zero padding: inside {inside:.1e}, at the border {outside:.1e}")
    try:
        fold(network(weights, norm_first=True))
    except TatamiError as error:
        print(f"   refused: {error.reason}")


if __name__ == "__main__":
    main()
