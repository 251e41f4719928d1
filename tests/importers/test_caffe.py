"""Caffe's networks: whole ones held to the same network as ONNX, layers held to torch.

The files of the small networks are written here by hand, byte by byte, so that no descriptor of
ours is its own witness.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tatami import graph
from tatami.errors import TatamiError
from tatami.importers.caffe import read_caffe
from tatami.importers.caffemodel import read_caffemodel
from tatami.importers.imported import Imported
from tatami.rules.decoding import candidates
from tatami.types import Size

RNG = np.random.default_rng(0)
Blobs = dict[str, list[np.ndarray]]


def reals(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def varint(number: int) -> bytes:
    found = b""
    while number > 0x7F:
        found += bytes([number & 0x7F | 0x80])
        number >>= 7
    return found + bytes([number])


def part(number: int, content: bytes) -> bytes:
    """A field of protobuf with a length."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def blob(array: np.ndarray, packed: bool = True) -> bytes:
    """A BlobProto: data = 5, shape = 7 with dim = 1."""
    data = np.ascontiguousarray(array, "<f4")
    shape = part(7, part(1, b"".join(map(varint, array.shape))))
    if packed:
        return part(5, data.tobytes()) + shape
    return b"".join(varint(5 << 3 | 5) + number.tobytes() for number in data.ravel()) + shape


def caffemodel(blobs: Blobs, packed: bool = True) -> bytes:
    """A NetParameter: name = 1, layer = 100 with name = 1, type = 2, blobs = 7."""
    found = part(1, b"net")
    for name, arrays in blobs.items():
        layer = part(1, name.encode()) + part(2, b"Any")
        found += part(100, layer + b"".join(part(7, blob(array, packed)) for array in arrays))
    return found


INPUT = 'layer { name: "in" type: "Input" top: "data" input_param { shape { dim: [%s] } } }\n'


@pytest.fixture
def imported(tmp_path: Path) -> Callable[..., Imported]:
    """Read a network of these layers (after an Input of ``shape``) and these blobs."""

    def read(
        layers: str,
        blobs: Blobs | None = None,
        shape: str = "1, 3, 9, 11",
        size: Size | None = None,
    ) -> Imported:
        (tmp_path / "net.prototxt").write_text(INPUT % shape + layers)
        (tmp_path / "net.caffemodel").write_bytes(caffemodel(blobs or {"": []}))
        return read_caffe(tmp_path / "net.prototxt", tmp_path / "net.caffemodel", size)

    return read


def layer(kind: str, said: str = "", bottoms: str = "data", top: str = "y") -> str:
    names = "".join(f'bottom: "{name}" ' for name in bottoms.split())
    return f'layer {{ name: "{top}" type: "{kind}" {names} top: "{top}" {said} }}\n'


def tops(names: str, text: str) -> str:
    """The layer with these tops in place of its one."""
    return re.sub('top: "[^"]*"', " ".join(f'top: "{name}"' for name in names), text)


# Whole networks


def picture(path: Path, size: Size) -> np.ndarray:
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB").resize((size.width, size.height)), np.float32)
    return np.ascontiguousarray(((pixels - 127) / 128).transpose(2, 0, 1)[None])


def test_ultraface_says_what_the_same_network_as_onnx_says(weights_of, run_model):
    folder = weights_of("ultraface-rfb-320")
    found = read_caffe(folder / "RFB-320.prototxt", folder / "RFB-320.caffemodel", None)
    assert [output.name for output in found.model.graph.output] == ["boxes", "scores"]
    assert (found.decoding, found.classes, found.notes) == (None, None, ())
    other = folder / "version-RFB-320_without_postprocessing.onnx"
    photos = sorted((folder / "images").glob("*.jpg"))
    assert len(photos) == 5
    for photo in photos[:3]:
        images = picture(photo, Size(320, 240))
        ours, theirs = run_model(found.model, images), run_model(other, images)
        assert ours["boxes"].shape == (1, 4420, 4)
        assert ours["scores"].shape == (1, 4420, 2)
        assert ours["scores"][..., 1].max() > 0.99
        by_width = {value.shape[-1]: value for value in theirs.values()}
        np.testing.assert_allclose(ours["boxes"], by_width[4], rtol=0, atol=5e-5)
        np.testing.assert_allclose(ours["scores"], by_width[2], rtol=0, atol=5e-6)


@pytest.mark.parametrize("size", [None, Size(352, 224)])
def test_nano_voc_is_read_and_runs(size, weights_of, run_model, tmp_path):
    folder, name = weights_of("nano-voc"), "MobileNetV2-YOLOv3-Nano-voc"
    found = read_caffe(folder / f"{name}.prototxt", folder / f"{name}.caffemodel", size)
    width, height = (320, 320) if size is None else (size.width, size.height)
    shapes = {
        "layer69-conv": (1, 75, height // 32, width // 32),
        "layer79-conv": (1, 75, height // 16, width // 16),
    }
    maps = run_model(found.model, reals(1, 3, height, width))
    assert {key: value.shape for key, value in maps.items()} == shapes
    assert all(np.isfinite(value).all() for value in maps.values())
    onnx.save(found.model, tmp_path / "net.onnx")
    assert len(graph.read(tmp_path / "net.onnx").graph.outputs) == 2


# Layers, held to torch


@pytest.mark.parametrize(
    ("said", "kernel", "more"),
    [
        ("kernel_size: 3", (3, 3), {}),
        ("kernel_size: 3 pad: 1 stride: 2", (3, 3), {"padding": 1, "stride": 2}),
        ("kernel_size: [3, 5] pad: [1, 2]", (3, 5), {"padding": (1, 2)}),
        (
            "kernel_h: 1 kernel_w: 3 pad_w: 1 stride_h: 2 stride_w: 3",
            (1, 3),
            {"padding": (0, 1), "stride": (2, 3)},
        ),
        ("kernel_size: 3 dilation: 2 pad: 2", (3, 3), {"padding": 2, "dilation": 2}),
        ("kernel_size: 2 group: 3 weight_filler { type: 'xavier' }", (2, 2), {"groups": 3}),
    ],
)
@pytest.mark.parametrize("bias", [True, False])
def test_convolution(said, kernel, more, bias, imported, run_model):
    weight, offset = reals(6, 3 // more.get("groups", 1), *kernel), reals(6)
    blobs = {"y": [weight, offset] if bias else [weight]}
    term = "" if bias else "bias_term: false"
    text = layer("Convolution", f"convolution_param {{ num_output: 6 {said} {term} }}")
    images = reals(1, 3, 9, 11)
    expected = F.conv2d(
        *map(torch.from_numpy, (images, weight)),
        torch.from_numpy(offset) if bias else None,
        **more,
    )
    found = run_model(imported(text, blobs).model, images)["y"]
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["DepthwiseConvolution", "ConvolutionDepthwise"])
@pytest.mark.parametrize("group", ["", "group: 3"])
def test_depthwise_convolution(kind, group, imported, run_model):
    weight, images = reals(3, 1, 3, 3), reals(1, 3, 9, 11)
    said = f"convolution_param {{ num_output: 3 kernel_size: 3 bias_term: false {group} }}"
    found = run_model(imported(layer(kind, said), {"y": [weight]}).model, images)["y"]
    expected = F.conv2d(torch.from_numpy(images), torch.from_numpy(weight), groups=3)
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("said", "groups", "more"),
    [
        ("kernel_size: 4 stride: 2 pad: 1", 1, {"stride": 2, "padding": 1}),
        ("kernel_size: 4 stride: 2 pad: 1 group: 3", 3, {"stride": 2, "padding": 1}),
        ("kernel_h: 2 kernel_w: 3 dilation: 2", 1, {"dilation": 2}),
        ("kernel_size: 2 stride: 3 bias_term: false", 1, {"stride": 3}),
    ],
)
def test_deconvolution(said, groups, more, imported, run_model):
    kernel = (2, 3) if "kernel_h" in said else (int(said[13]),) * 2
    weight, bias = reals(3, 6 // groups, *kernel), reals(6)
    blobs = [weight] if "false" in said else [weight, bias]
    text = layer("Deconvolution", f"convolution_param {{ num_output: 6 {said} }}")
    expected = F.conv_transpose2d(T, *map(torch.from_numpy, blobs), groups=groups, **more)
    found = run_model(imported(text, {"y": blobs}).model, X)["y"]
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_a_deconvolution_that_enlarges_needs_no_weights_in_the_file(factor, imported, run_model):
    """As Caffe's BilinearFiller is used: far from the edges it is bilinear interpolation."""
    kernel, pad = 2 * factor - factor % 2, (factor - 1 + 1) // 2
    said = (
        f"num_output: 3 group: 3 kernel_size: {kernel} stride: {factor} pad: {pad} "
        'bias_term: false weight_filler { type: "bilinear" }'
    )
    text = layer("Deconvolution", f"convolution_param {{ {said} }}")
    found = run_model(imported(text, {"other": [reals(1)]}).model, X)["y"]
    expected = F.interpolate(T, scale_factor=factor, mode="bilinear").numpy()
    middle = (..., slice(factor, -factor), slice(factor, -factor))
    shift = expected.shape[-1] - found.shape[-1]
    assert shift == 0
    np.testing.assert_allclose(found[middle], expected[middle], rtol=1e-4, atol=1e-4)


@st.composite
def pooled_axes(draw):
    """Length, kernel, stride and padding of an axis: the window fits, by torch's bounds too."""
    kernel = draw(st.integers(1, 5))
    pad = draw(st.integers(0, kernel // 2))
    length = draw(st.integers(max(1, kernel - 2 * pad), 12))
    return length, kernel, draw(st.integers(1, 6)), pad


@settings(max_examples=80)
@given(
    kind=st.sampled_from(["MAX", "AVE"]),
    rows=pooled_axes(),
    columns=pooled_axes(),
    floor=st.booleans(),
)
def test_pooling_rounds_and_divides_as_caffe_does(
    kind, rows, columns, floor, run_model, tmp_path_factory
):
    (height, width), kernel, stride, pad = zip(rows, columns, strict=True)
    folder = tmp_path_factory.getbasetemp()
    said = (
        f"pooling_param {{ pool: {kind} kernel_h: {kernel[0]} kernel_w: {kernel[1]} "
        f"stride_h: {stride[0]} stride_w: {stride[1]} pad_h: {pad[0]} pad_w: {pad[1]} "
        f"{'round_mode: FLOOR' if floor else ''} }}"
    )
    (folder / "pool.prototxt").write_text(
        INPUT % f"1, 3, {height}, {width}" + layer("Pooling", said)
    )
    (folder / "pool.caffemodel").write_bytes(caffemodel({"": []}))
    images = reals(1, 3, height, width)
    # torch always drops a last window that begins in the padding. Caffe does so only where there
    # is padding; elsewhere it divides nothing by nothing, which is refused.
    empty = pad == (0, 0) and any(
        -(-(n - k) // s) * s >= n for n, k, s in zip((height, width), kernel, stride, strict=True)
    )
    files = (folder / "pool.prototxt", folder / "pool.caffemodel")
    if empty and not floor:
        with pytest.raises(TatamiError, match="outside the map"):
            read_caffe(*files, None)
        return
    pool = F.max_pool2d if kind == "MAX" else F.avg_pool2d
    x = torch.from_numpy(images)
    expected = pool(x, kernel, stride, pad, ceil_mode=not floor).numpy()
    found = run_model(read_caffe(*files, None).model, images)["y"]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_pooling_of_the_whole_map(imported, run_model):
    images = reals(1, 3, 9, 11)
    for kind, pool in (("MAX", np.max), ("AVE", np.mean)):
        text = layer("Pooling", f"pooling_param {{ pool: {kind} global_pooling: true }}")
        found = run_model(imported(text).model, images)["y"]
        expected = pool(images, axis=(2, 3), keepdims=True)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("divisor", [1.0, 999.98, 0.0])
@pytest.mark.parametrize("epsilon", [None, 1e-3])
def test_batch_norm_divides_its_statistics_and_scale_follows_in_place(
    divisor, epsilon, imported, run_model
):
    mean, variance = reals(3), np.abs(reals(3))
    factor, offset = reals(3), reals(3)
    said = "" if epsilon is None else f"batch_norm_param {{ eps: {epsilon} }}"
    text = (
        layer("ReLU", top="x")
        + layer("BatchNorm", said, "x", "x").replace('name: "x"', 'name: "norm"')
        + layer("Scale", "scale_param { bias_term: true }", "x", "x")
    )
    blobs = {"norm": [mean, variance, np.array([divisor], np.float32)], "x": [factor, offset]}
    images = reals(1, 3, 9, 11)
    by = 0 if divisor == 0 else 1 / divisor
    expected = F.batch_norm(
        F.relu(torch.from_numpy(images)),
        *(torch.from_numpy(np.float32(by) * each) for each in (mean, variance)),
        torch.from_numpy(factor),
        torch.from_numpy(offset),
        eps=epsilon or 1e-5,
    )
    found = run_model(imported(text, blobs).model, images)
    assert list(found) == ["x"]
    np.testing.assert_allclose(found["x"], expected.numpy(), rtol=1e-4, atol=1e-4)


X = reals(1, 3, 9, 11)
T = torch.from_numpy(X)
MATRIX, OFFSET = reals(7, 297), reals(7)


@pytest.mark.parametrize(
    ("text", "blobs", "expected"),
    [
        (layer("ReLU"), {}, F.relu(T)),
        (layer("ReLU", "relu_param { negative_slope: 0.1 }"), {}, F.leaky_relu(T, 0.1)),
        (layer("ReLU6"), {}, F.relu6(T)),
        (layer("Sigmoid"), {}, torch.sigmoid(T)),
        (layer("Softmax"), {}, torch.softmax(T, 1)),
        (layer("Softmax", "softmax_param { axis: -1 }"), {}, torch.softmax(T, 3)),
        (layer("Concat", "", "data data"), {}, torch.cat([T, T], 1)),
        (layer("Concat", "concat_param { axis: 2 }", "data data"), {}, torch.cat([T, T], 2)),
        (layer("Concat", "concat_param { concat_dim: 3 }", "data data"), {}, torch.cat([T, T], 3)),
        (layer("Eltwise", "", "data data data"), {}, T * 3),
        (layer("Eltwise", "eltwise_param { operation: PROD }", "data data"), {}, T * T),
        (layer("Eltwise", "eltwise_param { coeff: [1, -0.5] }", "data data"), {}, T / 2),
        (layer("Permute", "permute_param { order: [0, 2, 3, 1] }"), {}, T.permute(0, 2, 3, 1)),
        (layer("Permute", "permute_param { order: [0, 3] }"), {}, T.permute(0, 3, 1, 2)),
        (
            layer("Reshape", "reshape_param { shape { dim: [0, -1, 11] } }"),
            {},
            T.reshape(1, 27, 11),
        ),
        (
            layer("Reshape", "reshape_param { shape { dim: [9, -1] } axis: 1 num_axes: 2 }"),
            {},
            T.reshape(1, 9, 3, 11),
        ),
        (
            layer("Reshape", "reshape_param { shape { dim: 1 } axis: -1 num_axes: 0 }"),
            {},
            T[..., None],
        ),
        (layer("Flatten"), {}, T.flatten(1)),
        (layer("Flatten", "flatten_param { axis: 2 end_axis: -1 }"), {}, T.flatten(2)),
        (layer("Dropout", "dropout_param { dropout_ratio: 0.9 }"), {}, T),
        (
            layer("Upsample", "upsample_param { scale: 2 }"),
            {},
            F.interpolate(T, scale_factor=2, mode="nearest"),
        ),
        (layer("Eltwise", "eltwise_param { operation: MAX }", "data data"), {}, T),
        (layer("AbsVal"), {}, T.abs()),
        (layer("TanH"), {}, T.tanh()),
        (layer("BNLL"), {}, F.softplus(T)),
        (layer("Mish"), {}, F.mish(T)),
        (layer("Swish"), {}, F.silu(T)),
        (layer("Swish", "swish_param { beta: 0.5 }"), {}, T * torch.sigmoid(T / 2)),
        (layer("ELU", "elu_param { alpha: 0.7 }"), {}, F.elu(T, 0.7)),
        (layer("Clip", "clip_param { min: -0.5 max: 0.25 }"), {}, T.clip(-0.5, 0.25)),
        (layer("Power", "power_param { power: 2 scale: 0.5 shift: 1 }"), {}, (T / 2 + 1) ** 2),
        (layer("Exp", "exp_param { base: 2 scale: 0.5 shift: 1 }"), {}, 2 ** (T / 2 + 1)),
        (layer("Exp"), {}, T.exp()),
        (
            layer("AbsVal", top="a") + layer("Log", "log_param { base: 10 shift: 1 }", "a"),
            {},
            torch.log10(T.abs() + 1),
        ),
        (layer("PReLU"), {"y": [OFFSET[:3]]}, F.prelu(T, torch.from_numpy(OFFSET[:3]))),
        (
            layer("PReLU", "prelu_param { channel_shared: true }"),
            {"y": [OFFSET[:1]]},
            F.prelu(T, torch.from_numpy(OFFSET[:1])),
        ),
        (layer("Bias"), {"y": [OFFSET[:3]]}, T + torch.from_numpy(OFFSET[:3])[:, None, None]),
        (
            layer("BN", "bn_param { bn_mode: INFERENCE }"),
            {"y": [OFFSET[:3], OFFSET[3:6]]},
            T * torch.from_numpy(OFFSET[:3])[:, None, None]
            + torch.from_numpy(OFFSET[3:6])[:, None, None],
        ),
        (layer("Reduction", "reduction_param { axis: 1 coeff: 2 }"), {}, 2 * T.sum((1, 2, 3))),
        (
            layer("Reduction", "reduction_param { axis: 2 operation: MEAN }"),
            {},
            T.mean((2, 3)),
        ),
        (layer("Reduction", "reduction_param { axis: 3 operation: ASUM }"), {}, T.abs().sum(3)),
        (layer("Reduction", "reduction_param { axis: 3 operation: 3 }"), {}, (T * T).sum(3)),
        (layer("Tile", "tile_param { axis: 1 tiles: 3 }"), {}, T.repeat(1, 3, 1, 1)),
        (layer("MVN", "mvn_param { eps: 1e-9 }"), {}, F.instance_norm(T, eps=1e-12)),
        (
            layer("MVN", "mvn_param { across_channels: true normalize_variance: false }"),
            {},
            T - T.mean(),
        ),
        (layer("LRN"), {}, F.local_response_norm(T, 5, 1.0, 0.75, 1.0)),
        (
            layer("LRN", "lrn_param { local_size: 3 alpha: 0.2 beta: 0.5 k: 2 }"),
            {},
            F.local_response_norm(T, 3, 0.2, 0.5, 2.0),
        ),
        (
            layer("LRN", "lrn_param { local_size: 3 beta: 2 norm_region: WITHIN_CHANNEL }"),
            {},
            T / (1 + F.avg_pool2d(T * T, 3, 1, 1)) ** 2,
        ),
        (
            layer("Normalize", "norm_param { across_spatial: false channel_shared: false }"),
            {"y": [OFFSET[:3]]},
            F.normalize(T, dim=1) * torch.from_numpy(OFFSET[:3])[:, None, None],
        ),
        (layer("Normalize"), {"y": [OFFSET[:1]]}, T / T.norm() * float(OFFSET[0])),
        (
            layer("Interp", "interp_param { height: 5 width: 21 }"),
            {},
            F.interpolate(T, (5, 21), mode="bilinear", align_corners=True),
        ),
        (
            layer("Interp", "interp_param { shrink_factor: 2 }"),
            {},
            F.interpolate(T, (5, 6), mode="bilinear", align_corners=True),
        ),
        (
            layer("Interp", "interp_param { zoom_factor: 2 }"),
            {},
            F.interpolate(T, (17, 21), mode="bilinear", align_corners=True),
        ),
        (
            layer("Pooling", "pooling_param { kernel_size: 3 }", top="p")
            + layer("Crop", "crop_param { axis: 2 offset: 1 offset: 2 }", "data p"),
            {},
            T[:, :, 1:8, 2:11],
        ),
        (
            tops("uv", layer("Slice", "slice_param { axis: 3 slice_point: 4 }"))
            + layer("Concat", "concat_param { axis: 3 }", "v u"),
            {},
            torch.cat([T[..., 4:], T[..., :4]], 3),
        ),
        (
            tops("uvw", layer("Slice")) + layer("Concat", "", "w u v"),
            {},
            T[:, [2, 0, 1]],
        ),
        (
            layer("Concat", "", "data data", "c")
            + layer("ShuffleChannel", "shuffle_channel_param { group: 2 }", "c"),
            {},
            T[:, [0, 0, 1, 1, 2, 2]],
        ),
        (
            layer("Pooling", "pooling_param { pool: AVE global_pooling: true }", top="p")
            + layer("TanH", top="t")
            + layer("Axpy", "", "p data t"),
            {},
            T.mean((2, 3), keepdim=True) * T + T.tanh(),
        ),
        (
            layer("Pooling", "pooling_param { pool: AVE global_pooling: true }", top="p")
            + layer("Flatten", "", "p", "f")
            + layer("Scale", "scale_param { axis: 0 }", "data f"),
            {},
            T.mean((2, 3), keepdim=True) * T,
        ),
        (
            layer("InnerProduct", "inner_product_param { num_output: 7 axis: 2 }"),
            {"y": [MATRIX[:, :99], OFFSET]},
            T.flatten(2) @ torch.from_numpy(MATRIX[:, :99].T) + torch.from_numpy(OFFSET),
        ),
        (
            layer("InnerProduct", "inner_product_param { num_output: 7 axis: -1 }"),
            {"y": [MATRIX[:, :11], OFFSET]},
            T @ torch.from_numpy(MATRIX[:, :11].T) + torch.from_numpy(OFFSET),
        ),
        (layer("Scale"), {"y": [OFFSET[:3]]}, T * torch.from_numpy(OFFSET[:3])[:, None, None]),
        (
            layer("InnerProduct", "inner_product_param { num_output: 7 }"),
            {"y": [MATRIX, OFFSET]},
            T.flatten(1) @ torch.from_numpy(MATRIX.T) + torch.from_numpy(OFFSET),
        ),
        (
            layer(
                "InnerProduct",
                "inner_product_param { num_output: 7 transpose: true bias_term: false }",
            ),
            {"y": [MATRIX.reshape(297, 7)]},
            T.flatten(1) @ torch.from_numpy(MATRIX.reshape(297, 7)),
        ),
    ],
)
def test_other_layers(text, blobs, expected, imported, run_model):
    found = run_model(imported(text, blobs).model, X)["y"]
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-4, atol=1e-4)


# The end of an SSD

SSD_INPUT = "1, 3, 32, 48"
PRIORS = (
    "min_size: 8.5 max_size: 12 aspect_ratio: 2 aspect_ratio: 1 variance: [0.1, 0.1, 0.2, 0.2]",
    "min_size: 16 min_size: 20 max_size: 20 max_size: 30 aspect_ratio: 3 flip: false "
    "variance: [0.1, 0.1, 0.2, 0.2] step: 16",
)
COUNTS = (4, 6)
LAST = "num_classes: 3 code_type: CENTER_SIZE keep_top_k: 50 confidence_threshold: 0.2 "
LAST += "nms_param { nms_threshold: 0.5 top_k: 400 }"


def convolution(name: str, bottom: str, outputs: int, kernel: int, stride: int = 1) -> str:
    said = f"num_output: {outputs} kernel_size: {kernel} stride: {stride}"
    return layer("Convolution", f"convolution_param {{ {said} }}", bottom, name)


def ssd(
    priors: tuple[str, ...] = PRIORS,
    last: str = LAST,
    order: str = "[0, 2, 3, 1]",
    axis: int = 2,
    counts: tuple[int, ...] = COUNTS,
) -> tuple[str, Blobs]:
    """A detector as MobileNet-SSD's deploy.prototxt has it: two maps, of 2 classes."""
    text, blobs = "", {}
    bottom, channels = "data", 3
    for index, (prior, count) in enumerate(zip(priors, counts, strict=True)):
        text += convolution(
            f"map{index}", bottom, 5, 8 if index == 0 else 2, 8 if index == 0 else 2
        )
        kernel = 8 if index == 0 else 2
        blobs[f"map{index}"] = [reals(5, channels, kernel, kernel) / 9, reals(5)]
        bottom, channels = f"map{index}", 5
        for kind, depth in (("loc", 4), ("conf", 3)):
            name = f"{kind}{index}"
            text += convolution(name, bottom, count * depth, 1)
            blobs[name] = [reals(count * depth, 5, 1, 1), reals(count * depth)]
            text += layer("Permute", f"permute_param {{ order: {order} }}", name, f"{name}p")
            text += layer("Flatten", "flatten_param { axis: 1 }", f"{name}p", f"{name}f")
        text += layer(
            "PriorBox", f"prior_box_param {{ {prior} }}", f"{bottom} data", f"prior{index}"
        )
    for kind in ("loc", "conf"):
        text += layer("Concat", "concat_param { axis: 1 }", f"{kind}0f {kind}1f", kind)
    text += layer("Concat", "concat_param { axis: 2 }", "prior0 prior1", "priors")
    text += layer("Reshape", "reshape_param { shape { dim: [0, -1, 3] } }", "conf", "rows")
    text += layer("Softmax", f"softmax_param {{ axis: {axis} }}", "rows", "sure")
    text += layer("Flatten", "flatten_param { axis: 1 }", "sure", "flat")
    text += layer(
        "DetectionOutput", f"detection_output_param {{ {last} }}", "loc flat priors", "out"
    )
    return text, blobs


def caffes_boxes(loc: np.ndarray, priors: np.ndarray, variances: list[float]) -> np.ndarray:
    """DecodeBBox of bbox_util.cpp for CENTER_SIZE: corners as parts of the picture."""
    sides = priors[:, 2:] - priors[:, :2]
    middle = (priors[:, :2] + priors[:, 2:]) / 2
    centers = variances[0] * loc[:, :2] * sides + middle
    made = np.exp(variances[2] * loc[:, 2:]) * sides
    return np.concatenate([centers - made / 2, centers + made / 2], 1)


def caffes_priors(rows: int, columns: int, sides: list[tuple[float, float]], step) -> np.ndarray:
    """PriorBoxLayer's loops, for a picture of 48x32."""
    found = []
    for row, column in np.ndindex(rows, columns):
        x, y = (column + 0.5) * step[0], (row + 0.5) * step[1]
        for w, h in sides:
            found.append([(x - w / 2) / 48, (y - h / 2) / 32, (x + w / 2) / 48, (y + h / 2) / 32])
    return np.array(found)


def test_an_ssd_comes_in_as_its_maps_and_their_decoding(imported, run_model):
    """What the file's last layers compute, written out as in Caffe, is what our rule computes."""
    text, blobs = ssd()
    found = imported(text, blobs, SSD_INPUT)
    assert found.classes == ("class0", "class1")
    assert found.notes == ()
    decoding = found.decoding
    assert decoding is not None
    assert (decoding.kind, decoding.scores, decoding.variances) == ("ssd", "softmax", (0.1, 0.2))
    assert (decoding.score_threshold, decoding.iou_threshold) == (0.2, 0.5)
    assert decoding.max_detections == 50
    assert "Softmax" not in {node.op_type for node in found.model.graph.node}
    images = reals(1, 3, 32, 48)
    maps = run_model(found.model, images)
    assert list(maps) == ["boxes_0", "scores_0", "boxes_1", "scores_1"]
    assert [value.shape for value in maps.values()] == [
        (1, 16, 4, 6), (1, 12, 4, 6), (1, 24, 2, 3), (1, 18, 2, 3),
    ]  # fmt: skip
    # Sizes are whole numbers in Caffe: 8.5 is 8.
    first = [(8, 8), (96**0.5,) * 2, (8 * 2**0.5, 8 / 2**0.5), (8 / 2**0.5, 8 * 2**0.5)]
    second = [
        (16, 16), (320**0.5,) * 2, (16 * 3**0.5, 16 / 3**0.5),
        (20, 20), (600**0.5,) * 2, (20 * 3**0.5, 20 / 3**0.5),
    ]  # fmt: skip
    priors = np.concatenate(
        [caffes_priors(4, 6, first, (8, 8)), caffes_priors(2, 3, second, (16, 16))]
    )
    rows = [
        np.concatenate([maps[f"{kind}_{i}"].transpose(0, 2, 3, 1).reshape(-1, n) for i in (0, 1)])
        for kind, n in (("boxes", 4), ("scores", 3))
    ]
    expected = caffes_boxes(rows[0].astype(np.float64), priors, [0.1, 0.1, 0.2, 0.2])
    sure = torch.softmax(torch.from_numpy(rows[1]), 1).numpy()[:, 1:]
    ours = candidates([value[0] for value in maps.values()], decoding, 0.0, 2)
    corners = ours.xyxy / np.array([48, 32, 48, 32])
    theirs = [
        (float(sure[row, label]), *box, label)
        for row, box in enumerate(expected)
        for label in range(2)
    ]
    found_rows = [
        (float(score), *box, int(label))
        for score, box, label in zip(ours.scores, corners, ours.labels, strict=True)
    ]
    assert len(found_rows) == len(theirs) == 2 * (24 * 4 + 6 * 6)
    key = lambda one: (one[-1], *np.round(one[1:5], 3))  # noqa: E731
    np.testing.assert_allclose(
        np.array(sorted(found_rows, key=key)), np.array(sorted(theirs, key=key)), atol=1e-4
    )


CORNERS = LAST.replace("CENTER_SIZE", "CORNER")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"last": CORNERS}, "'code_type'"),
        ({"last": LAST.replace("num_classes: 3", "")}, "'num_classes' is 0"),
        ({"last": LAST.replace("num_classes: 3", "num_classes: 4")}, "lies between"),
        ({"last": f"{LAST} share_location: false"}, "differ by class"),
        ({"last": f"{LAST} background_label_id: 1"}, "not the first"),
        ({"last": LAST.replace("top_k: 400", "eta: 0.9")}, "'eta' is not 1"),
        ({"last": LAST.replace("0.2", "2")}, "'confidence_threshold' is 2"),
        ({"order": "[0, 1, 2, 3]"}, "Transpose"),
        ({"axis": 1}, "Softmax"),
        ({"priors": (PRIORS[0], f"{PRIORS[1]} clip: true")}, "'clip' is true"),
        ({"priors": (PRIORS[0], f"{PRIORS[1]} offset: 0")}, "'offset' is not 0.5"),
        ({"priors": (PRIORS[0], PRIORS[1].replace("16 ", "0.5 "))}, "without a size"),
        ({"priors": (PRIORS[0], PRIORS[1].replace("0.2, 0.2", "0.3, 0.3"))}, "variances"),
        ({"priors": (PRIORS[0], PRIORS[1].replace("0.2, 0.2", "0.2, 0.3"))}, "has variances"),
        ({"priors": (PRIORS[0], PRIORS[1].replace("max_size: 20 ", ""))}, "2 min_size and 1"),
        ({"priors": (PRIORS[0], PRIORS[1].replace("step: 16", "step_h: 16"))}, "together"),
        ({"counts": (4, 5)}, "are not those of 6 anchors"),
    ],
)
def test_an_ssd_that_is_another_is_refused_with_its_line(change, says, imported, tmp_path):
    text, blobs = ssd(**change)
    with pytest.raises(TatamiError, match=re.escape(says)) as caught:
        imported(text, blobs, SSD_INPUT)
    assert caught.value.file == tmp_path / "net.prototxt"
    assert caught.value.line is not None


def test_anchors_that_nothing_takes_are_left_out_and_that_is_said(imported, run_model):
    text = layer("ReLU") + layer("PriorBox", "prior_box_param { min_size: 4 }", "y data", "prior")
    found = imported(text)
    assert list(run_model(found.model, X)) == ["y"]
    assert found.decoding is None
    assert "anchors prior" in found.notes[0]


def test_anchors_are_no_value_for_other_layers(imported):
    text = layer("PriorBox", "prior_box_param { min_size: 4 }", "data data", "p")
    with pytest.raises(TatamiError, match="takes anchors, 'p'"):
        imported(text + layer("ReLU", bottoms="p"))


def test_outputs_are_the_blobs_that_no_layer_takes(imported, run_model):
    split = 'layer { name: "s" type: "Split" bottom: "data" top: "a" top: "b" }'
    text = split + layer("ReLU", "", "a", "a") + layer("Sigmoid", "", "a", "c")
    assert sorted(run_model(imported(text).model, X)) == ["b", "c"]


def test_the_older_ways_to_say_an_input_and_a_blob(tmp_path, run_model):
    weight = reals(2, 3, 1, 1)
    said = "convolution_param { num_output: 2 kernel_size: 1 bias_term: false }"
    (tmp_path / "net.caffemodel").write_bytes(caffemodel({"y": [weight]}, packed=False))
    found = []
    for line in (
        'input: "data" input_dim: 1 input_dim: 3 input_dim: 9 input_dim: 11',
        'input: "data" input_shape { dim: 1 dim: 3 dim: 9 dim: 11 }',
    ):
        (tmp_path / "net.prototxt").write_text(line + "\n" + layer("Convolution", said))
        read = read_caffe(tmp_path / "net.prototxt", tmp_path / "net.caffemodel", None)
        found.append(run_model(read.model, X)["y"])
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_allclose(found[0], F.conv2d(T, torch.from_numpy(weight)), atol=1e-5)


def test_layers_of_training_are_left_out(imported, run_model):
    text = layer("HDF5Data", "include { phase: TRAIN }", "", "z") + layer("ReLU")
    text += layer("Accuracy", "exclude { phase: TEST }", "y", "z")
    assert list(run_model(imported(text).model, X)) == ["y"]


def test_what_is_not_used_is_said(imported):
    found = imported(layer("ReLU"), {"loss": [reals(2)]}, shape="10, 3, 9, 11")
    assert len(found.notes) == 2
    assert "batch of 10" in found.notes[0]
    assert "loss" in found.notes[1]


# What is refused

CONVOLUTION = layer("Convolution", "convolution_param { num_output: 2 kernel_size: 1 }")
GOOD = {"y": [reals(2, 3, 1, 1), reals(2)]}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (layer("Embed"), "type 'Embed'"),
        (layer("Eltwise", "eltwise_param { operation: MIN }", "data data"), "by 'MIN'"),
        (layer("Eltwise", "eltwise_param { operation: MAX coeff: 2 }", "data data"), "coeffi"),
        (layer("Deconvolution", "convolution_param { kernel_size: 2 }"), "makes 0 maps"),
        (layer("Power", "power_param { scale: 0 }"), "one number"),
        (layer("Log", "log_param { base: 1 }"), "'base' is 1"),
        (layer("Reduction", "reduction_param { operation: MAX axis: 1 }"), "'MAX'"),
        (layer("Reduction"), "axis of the pictures"),
        (layer("Crop", "crop_param { axis: 2 offset: 3 }", "data data"), "cuts 9 samples from 3"),
        (
            tops("uv", layer("Slice", "slice_param { slice_point: 3 }")),
            "cuts 3 samples",
        ),
        (layer("ShuffleChannel", "shuffle_channel_param { group: 2 }"), "3 channels out of 2"),
        (layer("LRN", "lrn_param { local_size: 4 }"), "not odd"),
        (layer("Interp", "interp_param { height: 3 }"), "makes a map of 0x3"),
        (layer("Interp", "interp_param { pad_beg: 1 }"), "'pad_beg' is 1"),
        (layer("BN"), "statistics"),
        (layer("Clip", "clip_param { min: 1 }"), "no max"),
        (layer("Tile"), "0 times"),
        (layer("ReLU", "relu_param { negative_slop: 1 }"), "'negative_slop'"),
        (layer("ReLU", "pooling_param { }"), "'pooling_param'"),
        (layer("ReLU", "include { stage: 'x' }"), "'stage'"),
        (layer("ReLU", bottoms="nothing"), "takes 'nothing'"),
        (layer("ReLU", bottoms="data data"), "2 bottoms"),
        (layer("ReLU", top=""), "no top"),
        (layer("ReLU") + layer("ReLU"), "another layer has made"),
        (layer("Concat", "concat_param { axis: 9 }", "data data"), "axis 9"),
        (layer("Concat", "", "data y").replace("data", "data", 1), "takes 'y'"),
        (layer("Pooling", "pooling_param { pool: STOCHASTIC kernel_size: 2 }"), "STOCHASTIC"),
        (layer("Pooling", "pooling_param { }"), "'kernel_size' 0 times"),
        (layer("Pooling", "pooling_param { kernel_size: 30 }"), "does not fit"),
        (layer("Pooling", "pooling_param { kernel_size: 2 pad: 2 }"), "outside the map"),
        (layer("BatchNorm", "batch_norm_param { use_global_stats: false }"), "statistics"),
        (layer("Scale", "scale_param { axis: 2 }"), "'axis' is 2"),
        (layer("Scale", bottoms="data data"), "scales (1, 3, 9, 11)"),
        (layer("Permute", "permute_param { order: [0, 0] }"), "orders the axes"),
        (layer("Reshape", "reshape_param { shape { dim: [-1, -1] } }"), "more than once"),
        (layer("Reshape", "reshape_param { shape { dim: [1, 5] } }"), "makes"),
        (layer("Reshape", "reshape_param { axis: 9 }"), "'axis' is 9"),
        (layer("Upsample", "upsample_param { scale: 100000 }"), "beyond"),
        (layer("Convolution", "convolution_param { kernel_h: 1 num_output: 1 }"), "only one of"),
        (layer("Convolution", "convolution_param { kernel_size: 1 }"), "makes 0 maps"),
        (layer("Convolution", "convolution_param { kernel_size: 0 num_output: 2 }"), "window"),
        (
            layer("Convolution", "convolution_param { kernel_size: 1 num_output: 2 axis: 2 }"),
            "'axis' is 2",
        ),
    ],
)
def test_what_is_not_known_is_refused_with_its_line(text, says, imported, tmp_path):
    with pytest.raises(TatamiError, match=re.escape(says)) as caught:
        imported("\n" + text, GOOD)
    assert caught.value.file == tmp_path / "net.prototxt"
    assert caught.value.line == (4 if text.count("\n") > 1 else 3)


@pytest.mark.parametrize(("shape", "axis"), [("1, 1, 9, 7", 3), ("1, 12, 5, 5", 2), ("4, 6", 1)])
def test_an_input_of_any_channels_or_of_vectors(shape, axis, imported, run_model):
    found = imported(layer("Softmax", f"softmax_param {{ axis: {axis} }}"), shape=shape)
    images = reals(1, *map(int, shape.split(",")[1:]))
    expected = torch.softmax(torch.from_numpy(images), axis).numpy()
    np.testing.assert_allclose(run_model(found.model, images)["y"], expected, rtol=1e-5, atol=1e-6)


def test_a_size_is_one_of_pictures(imported, run_model):
    found = imported(layer("ReLU"), shape="1, 1, 9, 7", size=Size(5, 4))
    assert run_model(found.model, reals(1, 1, 4, 5))["y"].shape == (1, 1, 4, 5)
    with pytest.raises(TatamiError, match="no other size"):
        imported(layer("ReLU"), shape="1, 9", size=Size(5, 4))


@pytest.mark.parametrize("shape", ["9", "1, 3, 2, 9, 9", "1, 3, 0, 9", "1, 3, 99999, 99999"])
def test_an_input_that_is_no_picture_is_refused(shape, imported):
    with pytest.raises(TatamiError) as caught:
        imported(layer("ReLU"), shape=shape)
    assert caught.value.line == 1


def test_old_layers_are_refused(tmp_path):
    (tmp_path / "net.prototxt").write_text('input: "data"\nlayers { name: "x" }')
    (tmp_path / "net.caffemodel").write_bytes(part(2, b""))
    with pytest.raises(TatamiError, match=r":2: .*V1"):
        read_caffe(tmp_path / "net.prototxt", tmp_path / "net.caffemodel", None)
    with pytest.raises(TatamiError, match="V1"):
        read_caffemodel(tmp_path / "net.caffemodel")


@pytest.mark.parametrize(
    ("blobs", "says"),
    [
        ({}, "0 layers"),
        ({"other": [reals(2)]}, "has no numbers .* needs 6 and 2"),
        ({"y": [reals(2, 3, 1, 1)]}, "has 6 numbers .* needs 6 and 2"),
        ({"y": [reals(2, 4, 1, 1), reals(2)]}, "has 8 and 2 numbers .* needs 6 and 2"),
        ({"y": [reals(3, 2, 1, 1), reals(2)]}, r"shape \(3, 2, 1, 1\)"),
        ({"y": [reals(2, 3, 1, 1), np.array([1, np.nan], np.float32)]}, "NaN"),
        ({"y": [reals(1)] * 20}, "20 blobs"),
    ],
)
def test_weights_that_do_not_fit_are_refused_with_both_counts(blobs, says, imported, tmp_path):
    (tmp_path / "net.prototxt").write_text(INPUT % "1, 3, 9, 11" + CONVOLUTION)
    (tmp_path / "net.caffemodel").write_bytes(caffemodel(blobs))
    with pytest.raises(TatamiError, match=says) as caught:
        read_caffe(tmp_path / "net.prototxt", tmp_path / "net.caffemodel", None)
    assert caught.value.file == tmp_path / "net.caffemodel"


def test_a_blob_whose_shape_lies_is_refused(tmp_path):
    lie = part(5, reals(4).tobytes()) + part(7, part(1, varint(2**40) + varint(2**40)))
    (tmp_path / "net.caffemodel").write_bytes(part(100, part(1, b"y") + part(7, lie)))
    with pytest.raises(TatamiError, match="4 numbers, whose shape"):
        read_caffemodel(tmp_path / "net.caffemodel")


@settings(max_examples=150)
@given(data=st.data())
def test_damaged_files_are_refused_and_nothing_else_happens(data, tmp_path_factory):
    """Cut short, or with bytes changed, in either file: a TatamiError that names a file."""
    folder = tmp_path_factory.getbasetemp()
    files = {
        "net.prototxt": (
            INPUT % "1, 3, 9, 11" + CONVOLUTION + layer("ReLU", "", "y", "y")
        ).encode(),
        "net.caffemodel": caffemodel(GOOD),
    }
    name = data.draw(st.sampled_from(sorted(files)))
    content = bytearray(files[name])
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    else:
        for at in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
            content[at] = data.draw(st.integers(0, 255))
    for file, good in files.items():
        (folder / file).write_bytes(bytes(content) if file == name else good)
    blamed = folder / name
    try:
        read_caffe(folder / "net.prototxt", folder / "net.caffemodel", None)
    except TatamiError as error:
        blamed = error.file
    # Where a changed text is still a network, it may be the weights that do not fit.
    assert blamed in (folder / "net.prototxt", folder / "net.caffemodel")


@settings(max_examples=100)
@given(content=st.binary(max_size=60))
def test_garbage_is_refused(content, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp()
    (folder / "good.prototxt").write_text(INPUT % "1, 3, 9, 11" + CONVOLUTION)
    (folder / "garbage").write_bytes(content)
    with pytest.raises(TatamiError) as caught:
        read_caffe(folder / "good.prototxt", folder / "garbage", None)
    assert caught.value.file == folder / "garbage"
    with pytest.raises(TatamiError) as caught:
        read_caffe(folder / "garbage", folder / "garbage", None)
    assert caught.value.file == folder / "garbage"


def test_half_of_a_real_caffemodel_is_refused(weights_of, tmp_path):
    folder = weights_of("ultraface-rfb-320")
    whole = (folder / "RFB-320.caffemodel").read_bytes()
    for length in (len(whole) // 2, len(whole) - 1000):
        (tmp_path / "half.caffemodel").write_bytes(whole[:length])
        with pytest.raises(TatamiError) as caught:
            read_caffe(folder / "RFB-320.prototxt", tmp_path / "half.caffemodel", None)
        assert caught.value.file == tmp_path / "half.caffemodel"
