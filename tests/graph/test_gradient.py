"""Derivatives of every operator and of whole networks, held to torch's autograd in float64."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from onnx import helper
from torch import Tensor

from tatami import graph
from tatami.errors import TatamiError
from tatami.graph.gradient import gradient
from tatami.models import blocks
from tatami.models.export import to_network
from tatami.models.table import MODELS
from tatami.types import Decoding, DetectionSpec, InputSpec, Size

BOUND = 1e-5  # of a gradient's largest number: float32 against float64
rng = np.random.default_rng(11)


def numbers(*shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


def assert_close(found: np.ndarray, expected: np.ndarray, where: str = "") -> None:
    assert found.shape == expected.shape, where
    assert np.abs(found - expected).max() <= BOUND * max(np.abs(expected).max(), 1e-6), where
    assert np.abs(expected).max() > 0, f"{where}: nothing is compared"


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


NORM = {
    "scale": numbers(3),
    "bias": numbers(3),
    "mean": numbers(3),
    "variance": np.abs(numbers(3)) + np.float32(0.1),
}
DENSE, WEIGHT, GROUPED, TURNED = (
    numbers(192, 10),
    numbers(4, 3, 3, 2),
    numbers(6, 1, 3, 3),
    numbers(3, 2, 3, 3),
)
GEMM, TILE, CHANNELS, DOWN = numbers(10, 192), numbers(8, 5), numbers(1, 3, 1, 1), numbers(8, 1)

Case = tuple[list[onnx.NodeProto], dict[str, np.ndarray], Callable[[Tensor], Tensor]]
node = helper.make_node


def t(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array).double()


def alone(kind: str, function: Callable[[Tensor], Tensor], **attributes: object) -> Case:
    return [node(kind, ["images"], ["map"], **attributes)], {}, function


def beside(kind: str, function: Callable[[Tensor], Tensor], **weights: np.ndarray) -> Case:
    return [node(kind, ["images", *weights], ["map"])], weights, function


def resized(size: tuple[int, int], function: Callable[[Tensor], Tensor], **how: str) -> Case:
    sizes = ints(1, 3, *size)
    return [node("Resize", ["images", "", "", "sizes"], ["map"], **how)], {"sizes": sizes}, function


def unpooled(x: Tensor) -> Tensor:
    y, at = F.max_pool2d(x, 2, return_indices=True)
    return F.max_unpool2d(y * y, at, 2)


CASES: dict[str, Case] = {
    "Add": beside("Add", lambda x: x + t(CHANNELS), w=CHANNELS),
    "Add of a value to itself": ([node("Add", ["images", "images"], ["map"])], {}, lambda x: x + x),
    "Add of a smaller value": (
        [node("GlobalAveragePool", ["images"], ["a"]), node("Add", ["a", "images"], ["map"])],
        {},
        lambda x: x + x.mean((2, 3), keepdim=True),
    ),
    "AveragePool": alone(
        "AveragePool",
        lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
        kernel_shape=[3, 3],
        strides=[2, 2],
        pads=[1, 1, 1, 1],
    ),
    "AveragePool, padding counted": alone(
        "AveragePool",
        lambda x: F.avg_pool2d(x, (2, 3), 1, (1, 0), count_include_pad=True),
        kernel_shape=[2, 3],
        pads=[1, 0, 1, 0],
        count_include_pad=1,
    ),
    "BatchNormalization": (
        [node("BatchNormalization", ["images", *NORM], ["map"], epsilon=1e-3)],
        NORM,
        lambda x: F.batch_norm(
            x, t(NORM["mean"]), t(NORM["variance"]), t(NORM["scale"]), t(NORM["bias"]), eps=1e-3
        ),
    ),
    "Clip": beside(
        "Clip",
        lambda x: x.clip(-0.5, 0.75),
        low=np.array(-0.5, np.float32),
        high=np.array(0.75, np.float32),
    ),
    "Clip on one side": (
        [node("Clip", ["images", "", "high"], ["map"])],
        {"high": np.array(0.5, np.float32)},
        lambda x: x.clip(max=0.5),
    ),
    "Concat": (
        [
            node("Relu", ["images"], ["a"]),
            node("Concat", ["a", "images", "a"], ["map"], axis=1),
        ],
        {},
        lambda x: torch.cat([x.relu(), x, x.relu()], 1),
    ),
    "Concat of rows, axis from the end": (
        [node("Tanh", ["images"], ["a"]), node("Concat", ["a", "images"], ["map"], axis=-2)],
        {},
        lambda x: torch.cat([x.tanh(), x], 2),
    ),
    "Conv": (
        [
            node(
                "Conv",
                ["images", "w"],
                ["map"],
                strides=[2, 1],
                pads=[1, 0, 2, 1],
                dilations=[1, 2],
            )
        ],
        {"w": WEIGHT},
        lambda x: F.conv2d(F.pad(x, (0, 1, 1, 2)), t(WEIGHT), None, (2, 1), 0, (1, 2)),
    ),
    "Conv with a stride that leaves samples over": (
        [node("Conv", ["images", "w"], ["map"], strides=[3, 3])],
        {"w": WEIGHT},
        lambda x: F.conv2d(x, t(WEIGHT), None, 3),
    ),
    "Conv in groups": (
        [node("Conv", ["images", "w"], ["map"], group=3, pads=[1, 1, 1, 1])],
        {"w": GROUPED},
        lambda x: F.conv2d(x, t(GROUPED), None, 1, 1, 1, 3),
    ),
    "ConvTranspose": (
        [node("ConvTranspose", ["images", "w"], ["map"], strides=[2, 2], pads=[1, 0, 0, 1])],
        {"w": TURNED},
        lambda x: F.conv_transpose2d(x, t(TURNED), None, 2)[:, :, 1:, :-1],
    ),
    "ConvTranspose, more output": (
        [
            node(
                "ConvTranspose",
                ["images", "w"],
                ["map"],
                strides=[3, 2],
                pads=[1, 1, 1, 1],
                output_padding=[2, 1],
                dilations=[1, 2],
            )
        ],
        {"w": TURNED},
        lambda x: F.conv_transpose2d(x, t(TURNED), None, (3, 2), 1, (2, 1), 1, (1, 2)),
    ),
    "ConvTranspose in groups": (
        [node("ConvTranspose", ["images", "w"], ["map"], strides=[2, 2], group=3)],
        {"w": TURNED},
        lambda x: F.conv_transpose2d(x, t(TURNED), None, 2, groups=3),
    ),
    "Div": (
        [
            node("Exp", ["images"], ["a"]),
            node("Add", ["a", "w"], ["b"]),
            node("Div", ["images", "b"], ["map"]),
        ],
        {"w": np.abs(CHANNELS)},
        lambda x: x / (x.exp() + t(np.abs(CHANNELS))),
    ),
    "Dropout": alone("Dropout", lambda x: x * 1),
    "Exp": alone("Exp", torch.exp),
    "Gemm": (
        [
            node("Flatten", ["images"], ["a"]),
            node("Gemm", ["a", "w", "c"], ["b"], alpha=0.5, beta=2.0, transB=1),
            node("Reshape", ["b", "shape"], ["map"]),
        ],
        {"w": GEMM, "c": numbers(10), "shape": ints(1, 10, 1, 1)},
        lambda x: (0.5 * x.flatten(1) @ t(GEMM).T).reshape(1, 10, 1, 1),
    ),
    "GlobalAveragePool": alone("GlobalAveragePool", lambda x: x.mean((2, 3), keepdim=True)),
    "GlobalMaxPool": alone("GlobalMaxPool", lambda x: x.amax((2, 3), keepdim=True)),
    "Identity": alone("Identity", lambda x: x * 1),
    "LeakyRelu": alone("LeakyRelu", lambda x: F.leaky_relu(x, 0.1), alpha=0.1),
    "MatMul": (
        [
            node("Flatten", ["images"], ["a"]),
            node("MatMul", ["a", "w"], ["b"]),
            node("Unsqueeze", ["b", "axes"], ["map"]),
        ],
        {"w": DENSE, "axes": ints(2, 3)},
        lambda x: (x.flatten(1) @ t(DENSE))[..., None, None],
    ),
    "MatMul along the last axis": beside("MatMul", lambda x: x @ t(TILE), w=TILE),
    "MaxPool": alone(
        "MaxPool",
        lambda x: F.max_pool2d(x, 3, 2, 1),
        kernel_shape=[3, 3],
        strides=[2, 2],
        pads=[1, 1, 1, 1],
    ),
    "MaxPool of darknet": alone(
        "MaxPool",
        lambda x: F.max_pool2d(F.pad(x, (0, 1, 0, 1), value=-torch.inf), 2, 1),
        kernel_shape=[2, 2],
        pads=[0, 0, 1, 1],
    ),
    "Mul": beside("Mul", lambda x: x * t(DOWN), w=DOWN),
    "Mul of two values": (
        [node("Sigmoid", ["images"], ["a"]), node("Mul", ["images", "a"], ["map"])],
        {},
        lambda x: x * x.sigmoid(),
    ),
    "Pad": beside("Pad", lambda x: F.pad(x, (2, 0, 1, 3)), pads=ints(0, 0, 1, 2, 0, 0, 3, 0)),
    "Pad, edge": (
        [node("Pad", ["images", "pads"], ["map"], mode="edge")],
        {"pads": ints(0, 0, 1, 2, 0, 0, 3, 0)},
        lambda x: F.pad(x, (2, 0, 1, 3), mode="replicate"),
    ),
    "Pad, reflect": (
        [node("Pad", ["images", "pads"], ["map"], mode="reflect")],
        {"pads": ints(0, 0, 1, 2, 0, 0, 3, 0)},
        lambda x: F.pad(x, (2, 0, 1, 3), mode="reflect"),
    ),
    "ReduceL2": alone("ReduceL2", lambda x: torch.linalg.vector_norm(x, dim=None).view(1, 1, 1, 1)),
    "ReduceL2 over channels": beside(
        "ReduceL2", lambda x: torch.linalg.vector_norm(x, dim=1, keepdim=True), axes=ints(1)
    ),
    "ReduceL2 without its axis": (
        [
            node("ReduceL2", ["images", "axes"], ["a"], keepdims=0),
            node("Reshape", ["a", "shape"], ["map"]),
        ],
        {"axes": ints(-1, 1), "shape": ints(1, 1, 1, 8)},
        lambda x: torch.linalg.vector_norm(x, dim=(1, 3)).view(1, 1, 1, 8),
    ),
    "Relu": alone("Relu", torch.relu),
    "Reshape": beside("Reshape", lambda x: x.reshape(1, 12, 4, 4), shape=ints(1, 12, 4, 4)),
    "Resize, nearest": resized(
        (16, 24),
        lambda x: F.interpolate(x, (16, 24)),
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    ),
    "Resize, nearest and smaller": resized(
        (3, 5),
        lambda x: F.interpolate(x, (3, 5)),
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    ),
    "Resize, linear": resized(
        (13, 16), lambda x: F.interpolate(x, (13, 16), mode="bilinear"), mode="linear"
    ),
    "Sigmoid": alone("Sigmoid", torch.sigmoid),
    "Softmax": alone("Softmax", lambda x: x.softmax(1), axis=1),
    "Softmax along the last axis": alone("Softmax", lambda x: x.softmax(-1)),
    "SpaceToDepth": alone(
        "SpaceToDepth",
        lambda x: torch.cat([x[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)], 1),
        blocksize=2,
    ),
    "Squeeze": (
        [
            node("Flatten", ["images"], ["a"], axis=3),
            node("Unsqueeze", ["a", "axes"], ["b"]),
            node("Squeeze", ["b", "one"], ["c"]),
            node("Reshape", ["c", "shape"], ["map"]),
        ],
        {"axes": ints(0, 3), "one": ints(3), "shape": ints(1, 1, 24, 8)},
        lambda x: x.reshape(1, 1, 24, 8),
    ),
    "MaxUnpool": (
        [
            node("MaxPool", ["images"], ["y", "at"], kernel_shape=[2, 2], strides=[2, 2]),
            node("Mul", ["y", "y"], ["square"]),
            node("MaxUnpool", ["square", "at"], ["map"], kernel_shape=[2, 2], strides=[2, 2]),
        ],
        {},
        unpooled,
    ),
    "Slice": (
        [node("Slice", ["images", "starts", "ends", "axes", "steps"], ["map"])],
        {"starts": ints(6, 1), "ends": ints(-99, -1), "axes": ints(-1, 2), "steps": ints(-2, 3)},
        lambda x: x[:, :, 1:7:3].flip(3)[..., 1::2],
    ),
    "Sub": beside("Sub", lambda x: x - t(DOWN), w=DOWN),
    "Sub from a constant": (
        [node("Sub", ["w", "images"], ["map"])],
        {"w": CHANNELS},
        lambda x: t(CHANNELS) - x,
    ),
    "Tanh": alone("Tanh", torch.tanh),
    "Transpose": alone("Transpose", lambda x: x.permute(0, 2, 3, 1), perm=[0, 2, 3, 1]),
}


@pytest.mark.parametrize("name", CASES)
def test_an_operator_is_as_in_autograd(name, network_of):
    nodes, weights, function = CASES[name]
    network = network_of(nodes, weights)
    images = numbers(2, 3, 8, 8)
    x = t(images).requires_grad_()
    y = torch.cat([function(one[None]) for one in x])
    seed = numbers(*y.shape)
    y.backward(t(seed))
    assert x.grad is not None
    (found,) = gradient(network, images, {"map": seed}, ["images"]).values()
    assert_close(found, x.grad.numpy())


def test_every_value_of_residual_and_dense_blocks(network_of):
    """Values with several readers: what each says of them is added up."""
    a, b, c = numbers(3, 3, 3, 3), numbers(4, 3, 1, 1), numbers(5, 7, 3, 3)
    network = network_of(
        [
            node("Conv", ["images", "a.weight"], ["a"], pads=[1, 1, 1, 1]),
            node("Relu", ["a"], ["r"]),
            node("Add", ["r", "images"], ["sum"]),  # a residual block: He et al. 2015
            node("Conv", ["sum", "b.weight"], ["b"]),
            node("Sigmoid", ["b"], ["gate"]),
            node("Mul", ["b", "gate"], ["swish"]),
            node("Concat", ["swish", "sum"], ["dense"], axis=1),  # Huang et al. 2016
            node("MaxPool", ["dense"], ["pool"], kernel_shape=[2, 2], strides=[2, 2]),
            node("Conv", ["pool", "c.weight"], ["map"]),
            node("GlobalAveragePool", ["dense"], ["mean"]),
        ],
        {"a.weight": a, "b.weight": b, "c.weight": c},
        outputs=("map", "mean"),
    )
    images = numbers(1, 3, 8, 8)
    x: dict[str, Tensor] = {"images": t(images).requires_grad_()}
    x["a"] = F.conv2d(x["images"], t(a), padding=1)
    x["r"] = x["a"].relu()
    x["sum"] = x["r"] + x["images"]
    x["b"] = F.conv2d(x["sum"], t(b))
    x["gate"] = x["b"].sigmoid()
    x["swish"] = x["b"] * x["gate"]
    x["dense"] = torch.cat([x["swish"], x["sum"]], 1)
    x["pool"] = F.max_pool2d(x["dense"], 2)
    x["map"] = F.conv2d(x["pool"], t(c))
    x["mean"] = x["dense"].mean((2, 3), keepdim=True)
    for value in x.values():
        value.retain_grad()
    seed = {name: numbers(*x[name].shape) for name in ("map", "mean", "swish")}
    sum((x[name] * t(seed[name])).sum() for name in seed).backward()
    found = gradient(network, images, seed, list(x))
    assert list(found) == list(x)
    for name, value in x.items():
        assert value.grad is not None
        assert_close(found[name], value.grad.numpy(), name)


def test_every_value_of_yolov2_tiny(monkeypatch):
    torch.manual_seed(0)
    decoding = Decoding.yolov2(((0.9, 0.7), (1.6, 1.9)))
    model = MODELS["yolov2-tiny"].make()(3, decoding, width=0.1).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    network = to_network(model, DetectionSpec(("a", "b", "c"), InputSpec(Size(96, 64)), decoding))
    leaky_relu = F.leaky_relu  # not in place, for autograd to keep what goes in
    monkeypatch.setattr(blocks.F, "leaky_relu", lambda x, slope, inplace: leaky_relu(x, slope))
    made: list[Tensor] = []

    def keep(module, inputs, output):
        for value in (*inputs, output):
            if all(value is not one for one in made):
                value.retain_grad()
                made.append(value)

    for module in model.modules():
        module.register_forward_hook(keep)
    model = model.double()
    images = rng.random((1, 3, 64, 96)).astype(np.float32)
    y = model(t(images).requires_grad_())
    seed = numbers(*y.shape)
    y.backward(t(seed))

    values = graph.values(network, images)
    found = gradient(network, images, {"map": seed}, list(values))
    for name, value in values.items():
        same = [one for one in made if one.shape == value.shape]
        far = [np.abs(one.detach().numpy() - value).max() for one in same]
        assert min(far) < 1e-4 * np.abs(value).max(), f"torch makes no '{name}'"
        grad = same[int(np.argmin(far))].grad
        assert grad is not None
        assert_close(found[name], grad.numpy(), name)
    assert len(values) > 25


def test_a_picture_of_several_is_as_alone(network_of):
    network = network_of(*CASES["Conv"][:2])
    images = numbers(3, 3, 8, 8)
    (shape,) = (one.shape for one in graph.run(network, images))
    seed = numbers(*shape)
    (together,) = gradient(network, images, {"map": seed}, ["images"]).values()
    for at in range(3):
        part = slice(at, at + 1)
        (one,) = gradient(network, images[part], {"map": seed[part]}, ["images"]).values()
        assert np.array_equal(together[part], one)


def test_what_has_no_part_in_the_sum_is_zero(network_of):
    network = network_of(
        [node("Relu", ["images"], ["a"]), node("Exp", ["images"], ["map"])],
        {},
        outputs=("map", "a"),
    )
    images = numbers(1, 3, 8, 8)
    found = gradient(network, images, {"map": np.ones_like(images)}, ["a", "map", "images"])
    assert not found["a"].any()
    assert np.array_equal(found["map"], np.ones_like(images))
    np.testing.assert_allclose(found["images"], np.exp(images), rtol=1e-6)


def rounded(network_of):
    scale = {"s": np.float32(0.1), "z": np.uint8(128)}
    return network_of(
        [
            node("Relu", ["images"], ["a"]),
            node("QuantizeLinear", ["a", "s", "z"], ["bytes"]),
            node("DequantizeLinear", ["bytes", "s", "z"], ["b"]),
            node("Exp", ["b"], ["map"]),
        ],
        {name: np.asarray(value) for name, value in scale.items()},
    )


def test_an_operator_without_derivative_is_refused_by_name(network_of):
    network = rounded(network_of)
    images = numbers(1, 3, 8, 8)
    seed = {"map": np.ones_like(images)}
    with pytest.raises(TatamiError, match="DequantizeLinear 'b' has no derivative"):
        gradient(network, images, seed, ["images"])
    # Behind the rounding there is one.
    found = gradient(network, images, seed, ["b"])
    np.testing.assert_allclose(found["b"], graph.values(network, images)["map"], rtol=1e-6)


def test_what_does_not_fit_is_refused(network_of):
    network = network_of(*CASES["Relu"][:2])
    images = numbers(2, 3, 8, 8)
    seed = {"map": np.ones_like(images)}
    with pytest.raises(TatamiError, match="no value 'mop'"):
        gradient(network, images, {"mop": seed["map"]}, ["images"])
    with pytest.raises(TatamiError, match="no value 'image'"):
        gradient(network, images, seed, ["image"])
    for wrong in (seed["map"][:1], seed["map"][:, :1]):
        with pytest.raises(TatamiError, match=r"a seed of shape .* does not fit 'map'"):
            gradient(network, images, {"map": wrong}, ["images"])
    for other in (images[:0], images[:, :, :4]):
        with pytest.raises(TatamiError, match="do not fit a network"):
            gradient(network, other, {"map": other}, ["images"])
