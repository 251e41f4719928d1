"""ncnn's networks: real ones find faces where another network does, layers are held to torch."""

from __future__ import annotations

import re
import struct
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
from tatami.importers.imported import Imported
from tatami.importers.ncnn import read_ncnn
from tatami.importers.ncnn_bin import Weights
from tatami.rules.boxes import iou_xyxy
from tatami.types import AnchorGrid, Size

RNG = np.random.default_rng(0)


def reals(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def raw(*arrays: np.ndarray) -> bytes:
    return b"".join(np.ascontiguousarray(array, "<f4").tobytes() for array in arrays)


def tagged(array: np.ndarray) -> bytes:
    return bytes(4) + raw(array)


def param(*lines: str) -> str:
    """A .param of these lines after an Input of 11x9 called ``data``, with their counts."""
    lines = ("Input in 0 1 data 0=11 1=9 2=3", *lines)
    tops = sum(int(line.split()[3]) for line in lines)
    return "\n".join(("7767517", f"{len(lines)} {tops}", *lines)) + "\n"


@pytest.fixture
def imported(tmp_path: Path) -> Callable[..., Imported]:
    def read(lines: str, content: bytes = b"", size: Size | None = None) -> Imported:
        (tmp_path / "net.param").write_text(param(*lines.splitlines()))
        (tmp_path / "net.bin").write_bytes(content)
        return read_ncnn(tmp_path / "net.param", tmp_path / "net.bin", size)

    return read


# Whole networks


def test_yoloface_says_how_its_maps_are_decoded(weights_of):
    folder = weights_of("yoloface-500k")
    found = read_ncnn(folder / "yoloface-500k.param", folder / "yoloface-500k.bin", None)
    assert [output.name for output in found.model.graph.output] == ["64_540", "72_599", "80_658"]
    assert found.decoding is not None
    assert (found.decoding.kind, found.decoding.scores) == ("yolov3", "sigmoid")
    assert (found.decoding.score_threshold, found.decoding.iou_threshold) == (0.55, 0.45)
    # Those of its .cfg: anchors = 4,6, 7,10, 11,15, 16,24, 33,25, 26,41, 47,60, 83,97, 141,149.
    assert found.decoding.grids == (
        AnchorGrid(((47, 60), (83, 97), (141, 149)), (16, 16)),
        AnchorGrid(((16, 24), (33, 25), (26, 41)), (8, 8)),
        AnchorGrid(((4, 6), (7, 10), (11, 15)), (4, 4)),
    )


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x.astype(np.float64)))


def test_yoloface_finds_faces_where_ultraface_does(weights_of, run_model):
    """The best box of each map, if it is sure, is one of the other network's faces."""
    folder, other = weights_of("yoloface-500k"), weights_of("ultraface-rfb-320")
    found = read_ncnn(folder / "yoloface-500k.param", folder / "yoloface-500k.bin", None)
    assert found.decoding is not None
    sure = 0
    for photo in sorted((other / "images").glob("*.jpg")):
        with Image.open(photo) as image:
            rgb = image.convert("RGB")
            ours = np.asarray(rgb.resize((320, 256)), np.float32) / 255
            theirs = (np.asarray(rgb.resize((320, 240)), np.float32) - 127) / 128
        maps = run_model(found.model, np.ascontiguousarray(ours.transpose(2, 0, 1)[None]))
        faces = run_model(
            other / "version-RFB-320.onnx", np.ascontiguousarray(theirs.transpose(2, 0, 1)[None])
        )
        expected = faces["boxes"][0][faces["scores"][0, :, 1] > 0.7].astype(np.float64)
        for grid, raw_map in zip(found.decoding.grids, maps.values(), strict=True):
            anchors = raw_map.reshape(3, 6, *raw_map.shape[2:])  # (A, 5 + K, rows, columns)
            scores = sigmoid(anchors[:, 4]) * sigmoid(anchors[:, 5])
            a, row, column = np.unravel_index(scores.argmax(), scores.shape)
            if scores.max() < 0.9:
                continue
            tx, ty, tw, th = anchors[a, :4, row, column].astype(np.float64)
            x, y = (sigmoid(tx) + column) * grid.stride[0], (sigmoid(ty) + row) * grid.stride[1]
            w, h = np.exp(tw) * grid.anchors[a][0], np.exp(th) * grid.anchors[a][1]
            box = np.array([[x - w / 2, y - h / 2, x + w / 2, y + h / 2]])
            overlaps = iou_xyxy(box / [320, 256, 320, 256], expected)
            assert overlaps.max() > 0.5, (photo.name, grid.stride)
            sure += 1
    assert sure >= 8


@pytest.mark.parametrize("size", [None, Size(352, 288)])
def test_yolo_fastest_is_read_and_runs(size, weights_of, run_model, tmp_path):
    folder = weights_of("yolo-fastest-1.1")
    found = read_ncnn(folder / "yolo-fastest-1.1.param", folder / "yolo-fastest-1.1.bin", size)
    width, height = (320, 320) if size is None else (size.width, size.height)
    maps = run_model(found.model, reals(1, 3, height, width))
    assert [value.shape for value in maps.values()] == [
        (1, 255, height // 32, width // 32),
        (1, 255, height // 16, width // 16),
    ]
    assert found.decoding is not None
    assert [grid.stride for grid in found.decoding.grids] == [(32, 32), (16, 16)]
    assert found.decoding.grids[1].anchors == ((12, 18), (37, 49), (52, 132))
    onnx.save(found.model, tmp_path / "net.onnx")
    assert len(graph.read(tmp_path / "net.onnx").graph.outputs) == 2


def test_scales_that_are_not_the_strides_are_those_of_ncnn(imported):
    """ncnn takes scale x cells for the input's side: anchors shrink by as much as it is wrong."""
    text = (
        "Convolution c 1 1 data c 0=6 1=1 3=3 6=18\n"  # 11x9 to 4x3 cells
        "Yolov3DetectionOutput d 1 1 c d 0=1 1=1 -23304=4,9.0,9.0,6.0,12.0 -23305=1,1065353216 "
        "-23306=1,5.5"
    )
    found = imported(text, tagged(reals(6, 3)))
    assert found.decoding is not None
    (grid,) = found.decoding.grids
    assert grid.stride == (11 / 4, 9 / 3)
    np.testing.assert_allclose(grid.anchors, [(6 * 11 / 22, 12 * 9 / 16)])


# Layers, held to torch

X = reals(1, 3, 9, 11)
T = torch.from_numpy(X)


@pytest.mark.parametrize(
    ("said", "kernel", "pads", "more"),
    [
        ("1=3", (3, 3), (0, 0, 0, 0), {}),
        ("1=3 2=2 3=2 4=1", (3, 3), (1, 1, 1, 1), {"stride": 2, "dilation": 2}),
        # Pads of torch: left, right, top, bottom.
        ("1=3 11=2 4=1 15=2 14=0 16=3", (2, 3), (1, 2, 0, 3), {}),
        (
            "1=3 11=1 2=2 12=1 3=1 13=2",
            (1, 3),
            (0, 0, 0, 0),
            {"stride": (2, 1), "dilation": (1, 2)},
        ),
        ("1=4 3=2 4=-233", (4, 4), (1, 2, 1, 2), {"stride": 2}),
        ("1=4 3=2 4=-234", (4, 4), (2, 1, 2, 1), {"stride": 2}),
    ],
)
@pytest.mark.parametrize("groups", [1, 3])
def test_convolution(said, kernel, pads, more, groups, imported, run_model):
    weight, bias = reals(6, 3 // groups, *kernel), reals(6)
    kind = "Convolution" if groups == 1 else "ConvolutionDepthWise"
    more_said = f"0=6 5=1 6={weight.size}" + ("" if groups == 1 else " 7=3")
    found = imported(f"{kind} y 1 1 data y {more_said} {said}", tagged(weight) + raw(bias))
    padded = F.pad(T, pads)
    expected = F.conv2d(
        padded, torch.from_numpy(weight), torch.from_numpy(bias), groups=groups, **more
    )
    actual = run_model(found.model, X)["y"]
    np.testing.assert_allclose(actual, expected.numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("9=1", F.relu),
        ("9=2 -23310=1,1.000000e-01", lambda x: F.leaky_relu(x, 0.1)),
        ("9=3 -23310=2,-5.000000e-01,1.0", lambda x: x.clamp(-0.5, 1)),
        ("9=4", torch.sigmoid),
    ],
)
def test_activations_that_are_part_of_a_layer(said, expected, imported, run_model):
    found = imported(
        f"InnerProduct y 1 1 data y 0=5 2=1485 {said}", tagged(weight := reals(5, 297))
    )
    dense = T.flatten(1) @ torch.from_numpy(weight.T)
    actual = run_model(found.model, X)["y"]
    np.testing.assert_allclose(actual, expected(dense).numpy(), rtol=1e-4, atol=1e-4)


def test_weights_in_each_of_ncnns_ways(tmp_path):
    values = np.array([0.5, -2, 0.25, 8, 1], np.float32)  # halves hold them; 5 of them need filling
    table = np.concatenate([values, np.zeros(251, np.float32)])
    ways = {
        "raw": tagged(values),
        "scaled": struct.pack("<I", 0x0002C056) + raw(values),
        "half": struct.pack("<I", 0x01306B47) + values.astype("<f2").tobytes() + bytes(2),
        "table": struct.pack("<I", 0x00000100) + raw(table) + bytes(range(5)) + bytes(3),
    }
    for way, content in ways.items():
        (tmp_path / "net.bin").write_bytes(content + raw(values))
        weights = Weights(tmp_path / "net.bin")
        np.testing.assert_array_equal(weights.tagged("x", (5, 1)), values[:, None], way)
        np.testing.assert_array_equal(weights.bare("x", 5), values, way)
        weights.end()
    (tmp_path / "net.bin").write_bytes(struct.pack("<I", 0x000D4B38) + bytes(8))
    with pytest.raises(TatamiError, match="int8"):
        Weights(tmp_path / "net.bin").tagged("x", (5,))


FACTORS = [reals(3), reals(3), np.abs(reals(3)), reals(3)]  # slope, mean, variance, bias
COLUMN = [torch.from_numpy(each) for each in FACTORS]


@pytest.mark.parametrize(
    ("line", "content", "expected"),
    [
        ("ReLU y 1 1 data y", b"", F.relu(T)),
        ("ReLU y 1 1 data y 0=2.000000e-01", b"", F.leaky_relu(T, 0.2)),
        ("Clip y 1 1 data y 0=-1.0 1=5.000000e-01", b"", T.clamp(-1, 0.5)),
        ("Clip y 1 1 data y 1=1065353216", b"", T.clamp(max=1)),  # the bits of 1.0
        ("Sigmoid y 1 1 data y", b"", torch.sigmoid(T)),
        ("Dropout y 1 1 data y", b"", T),
        ("Dropout y 1 1 data y 0=0.5", b"", T / 2),
        ("Softmax y 1 1 data y", b"", torch.softmax(T, 1)),
        ("Softmax y 1 1 data y 0=-1 1=1", b"", torch.softmax(T, 3)),
        ("Concat y 2 1 data data y", b"", torch.cat([T, T], 1)),
        ("Concat y 2 1 data data y 0=1", b"", torch.cat([T, T], 2)),
        ("Concat y 2 1 data data y 0=-1", b"", torch.cat([T, T], 3)),
        ("Eltwise y 2 1 data data y", b"", T * T),
        ("Eltwise y 3 1 data data data y 0=1", b"", T * 3),
        ("Eltwise y 2 1 data data y 0=1 -23301=2,1.0,-0.5", b"", T / 2),
        ("BinaryOp y 2 1 data data y 0=0", b"", T + T),
        ("BinaryOp y 2 1 data data y 0=2", b"", T * T),
        ("Interp y 1 1 data y 0=1 1=2.0 2=3.0", b"", F.interpolate(T, scale_factor=(2, 3))),
        ("Interp y 1 1 data y 0=1 3=18 4=11", b"", F.interpolate(T, size=(18, 11))),
        (
            "Interp y 1 1 data y 0=2 1=2.0 2=2.0",
            b"",
            F.interpolate(T, scale_factor=2, mode="bilinear"),
        ),
        (
            "Interp y 1 1 data y 0=2 3=5 4=30 6=1",
            b"",
            F.interpolate(T, size=(5, 30), mode="bilinear", align_corners=True),
        ),
        ("Pooling y 1 1 data y 4=1", b"", T.amax((2, 3))),
        ("Pooling y 1 1 data y 0=1 4=1", b"", T.mean((2, 3))),
        ("Reshape y 1 1 data y 0=-1", b"", T.flatten(1)),
        ("Reshape y 1 1 data y 0=11 1=-1", b"", T.reshape(1, 27, 11)),
        ("Reshape y 1 1 data y 0=0 1=3 2=9", b"", T.reshape(1, 9, 3, 11)),
        ("Flatten y 1 1 data y", b"", T.flatten(1)),
        ("BatchNorm y 1 1 data y 0=3", raw(*FACTORS), F.batch_norm(
            T, COLUMN[1], COLUMN[2], COLUMN[0], COLUMN[3], eps=0
        )),
        ("BatchNorm y 1 1 data y 0=3 1=1e-3", raw(*FACTORS), F.batch_norm(
            T, COLUMN[1], COLUMN[2], COLUMN[0], COLUMN[3], eps=1e-3
        )),
        ("Scale y 1 1 data y 0=3", raw(FACTORS[0]), T * COLUMN[0][:, None, None]),
        (
            "Scale y 1 1 data y 0=3 1=1",
            raw(FACTORS[0], FACTORS[1]),
            T * COLUMN[0][:, None, None] + COLUMN[1][:, None, None],
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_other_layers(line, content, expected, imported, run_model):
    found = run_model(imported(line, content).model, X)["y"]
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", range(6))
def test_permute_follows_ncnns_own_names(kind, imported, run_model):
    """layer/permute.h names the orders "w h c", "h w c", ...: the fastest axis first."""
    name = ("w h c", "h w c", "w c h", "c w h", "h c w", "c h w")[kind].split()
    order = [0, *("_chw".index(axis) for axis in reversed(name))]
    found = run_model(imported(f"Permute y 1 1 data y 0={kind}").model, X)["y"]
    np.testing.assert_array_equal(found, X.transpose(order))


def pooled(x: np.ndarray, kind: int, kernel: int, stride: int, pads, mode: int, count: int):
    """What ncnn's pooling.cpp does, over one channel (h, w); pads left, right, top, bottom."""
    left, right, top, bottom = pads
    if mode >= 2:
        total = [max(0, (n - 1) // stride * stride + kernel - n) for n in x.shape]
        before = [t // 2 if mode == 2 else t - t // 2 for t in total]
        top, left = before
        bottom, right = total[0] - top, total[1] - left
    tail = [0, 0]
    if mode == 0:
        room = (x.shape[0] + top + bottom - kernel, x.shape[1] + left + right - kernel)
        tail = [stride - r % stride if r % stride else 0 for r in room]
    sides = ((top, bottom + tail[0]), (left, right + tail[1]))
    padded = np.pad(x, sides, constant_values=-np.inf if kind == 0 else 0)
    inside = np.pad(np.ones_like(x), sides)
    rows, columns = ((side - kernel) // stride + 1 for side in padded.shape)
    y = np.zeros((rows, columns), np.float32)
    for row in range(rows):
        for column in range(columns):
            at = np.s_[row * stride :, column * stride :]
            window = padded[at][:kernel, :kernel]
            area = kernel**2 if count else inside[at][:kernel, :kernel].sum()
            y[row, column] = window.max() if kind == 0 else window.sum() / area
    return y


@st.composite
def poolings(draw):
    """kind, (rows, columns), kernel, stride, pads, mode, count: a pooling that makes sense."""
    kernel = draw(st.integers(1, 4))
    side = st.integers(max(2, kernel), 9)
    mode = draw(st.integers(0, 3))
    kind = draw(st.integers(0, 1)) if mode < 2 else 0  # only a maximum is padded as SAME
    pad = st.integers(0, min(2, kernel - 1) if mode < 2 else 0)
    shape, pads = draw(st.tuples(side, side)), draw(st.tuples(pad, pad, pad, pad))
    return kind, shape, kernel, draw(st.integers(1, 3)), pads, mode, draw(st.integers(0, 1))


@settings(max_examples=60)
@given(pooling=poolings())
def test_pooling_in_each_of_ncnns_ways(pooling, run_model, tmp_path_factory):
    kind, shape, kernel, stride, pads, mode, count = pooling
    left, right, top, bottom = pads
    height, width = shape
    folder = tmp_path_factory.getbasetemp()
    (folder / "net.param").write_text(
        f"7767517\n2 2\nInput in 0 1 data 0={width} 1={height}\nPooling y 1 1 data y 0={kind} "
        f"1={kernel} 2={stride} 3={left} 14={right} 13={top} 15={bottom} 5={mode} 6={count}"
    )
    (folder / "net.bin").write_bytes(b"")
    images = reals(1, 3, height, width)
    files = (folder / "net.param", folder / "net.bin")
    if np.isinf(pooled(images[0, 0], 0, kernel, stride, pads, mode, count)).any():
        with pytest.raises(TatamiError, match="whole window"):  # a place that sees only padding
            read_ncnn(*files, None)
        return
    found = run_model(read_ncnn(*files, None).model, images)["y"]
    expected = [pooled(channel, kind, kernel, stride, pads, mode, count) for channel in images[0]]
    np.testing.assert_allclose(found[0], expected, rtol=1e-5, atol=1e-6)


def test_a_size_in_place_of_the_files(imported, run_model):
    found = imported("Split s 1 2 data a b\nReLU y 1 1 a y", size=Size(6, 4))
    assert {name: v.shape for name, v in run_model(found.model, reals(1, 3, 4, 6)).items()} == {
        "b": (1, 3, 4, 6),
        "y": (1, 3, 4, 6),
    }


# What is refused


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("Mish y 1 1 data y", "type 'Mish'"),
        ("ReLU y 1 1 data y 7=1", "parameter 7=1"),
        ("ReLU y 1 1 data y 0=x", "0=x"),
        ("ReLU y 1 1 data y 0=1 0=1", "twice"),
        ("ReLU y 1 1 data y -23300=1,1.0", "an array as its parameter 0"),
        ("ReLU y 1 1 data y -23300=2,1.0", "of 1 numbers"),
        ("ReLU y 1 1 data", "fewer blobs"),
        ("ReLU y 1 1", "fewer blobs"),
        ("ReLU y 1 1 x y", "takes 'x'"),
        ("ReLU y 2 1 data data y", "2 bottoms"),
        ("ReLU y 1 1 data data", "another layer has made"),
        ("Convolution y 1 1 data y 0=2 1=1 6=7", "says 7 weights, where its shapes need 6"),
        ("Convolution y 1 1 data y 0=2 1=0 6=6", "window"),
        ("Convolution y 1 1 data y 0=2 1=1 6=6 8=1", "int8"),
        ("Convolution y 1 1 data y 0=2 1=1 6=6 18=1.0", "pads with"),
        ("Convolution y 1 1 data y 0=2 1=1 6=6 9=5", "activation 5"),
        ("Convolution y 1 1 data y 0=2 1=1 6=6 9=2", "needs 1"),
        ("ConvolutionDepthWise y 1 1 data y 0=2 1=1 6=6 7=2", "in 2 groups"),
        ("Eltwise y 2 1 data data y 0=2", "way 2"),
        ("BinaryOp y 2 1 data data y 0=1", "way 1"),
        ("BinaryOp y 2 1 data data y 1=1", "a number"),
        ("Interp y 1 1 data y 0=3 1=2.0 2=2.0", "way 3"),
        ("Interp y 1 1 data y 0=1 1=2 2=2", "whole number of times"),  # the bits of nothing
        ("Interp y 1 1 data y 0=1 1=65536.0 2=65536.0", "beyond"),
        ("Softmax y 1 1 data y 0=1", "old form"),
        ("Permute y 1 1 data y 0=6", "way 6"),
        ("Reshape y 1 1 data y 0=-1 1=-1", "makes"),
        ("Reshape y 1 1 data y 0=5", "makes"),
        ("Scale y 1 1 data y 0=-233", "says -233 weights"),
        ("Pooling y 1 1 data y 1=2 7=1", "a size of its output"),
        ("Pooling y 1 1 data y 1=20", "does not fit"),
        ("Pooling y 1 1 data y 0=1 1=2 2=2 5=2", "SAME"),
        ("Yolov3DetectionOutput y 1 1 data y 0=1 1=1", "0 masks"),
        (
            "Yolov3DetectionOutput y 1 1 data y 0=1 1=1 -23304=2,4.0,4.0 -23305=1,3 -23306=1,8.0",
            "has a mask",
        ),
        (
            "Yolov3DetectionOutput y 1 1 data y 0=1 1=1 -23304=2,4.0,4.0 -23305=1,0 -23306=1,8.0",
            "need 6 channels",
        ),
        (
            "Yolov3DetectionOutput y 1 1 data y 0=1 1=1 -23304=2,4.0,4 -23305=1,0 -23306=1,8.0",
            "no sizes in pixels",
        ),
    ],
)
def test_what_is_not_known_is_refused_with_its_line(line, says, imported, tmp_path):
    with pytest.raises(TatamiError, match=re.escape(says)) as caught:
        imported(f"Dropout d 1 1 data e\n{line}", tagged(reals(6)))
    assert (caught.value.file, caught.value.line) == (tmp_path / "net.param", 5)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("7767516\n", 1),
        ("7767517\n", 2),
        ("7767517\n1\n", 2),
        ("7767517\n2 1\nInput in 0 1 data 0=4 1=4\n", 2),
        ("7767517\n1 2\nInput in 0 1 data 0=4 1=4\n", 2),
        ("7767517\n1 1\nInput in 0 1 data\n", 3),
        ("7767517\n1 1\nInput in 0 1 data 0=4 1=4 2=1\n", 3),
        ("7767517\n1 1\nInput in 0 1 data 0=99999 1=99999\n", 3),
        ("7767517\n2 2\nInput a 0 1 a 0=4 1=4\nInput b 0 1 b 0=4 1=4\n", 4),
        ("7767517\n1 1\nInput in 0\n", 3),
    ],
)
def test_a_param_that_is_none_is_refused_with_its_line(text, line, tmp_path):
    (tmp_path / "net.param").write_text(text)
    (tmp_path / "net.bin").write_bytes(b"")
    with pytest.raises(TatamiError) as caught:
        read_ncnn(tmp_path / "net.param", tmp_path / "net.bin", None)
    assert (caught.value.file, caught.value.line) == (tmp_path / "net.param", line)


CONVOLUTION = "Convolution y 1 1 data y 0=2 1=1 5=1 6=6"
GOOD = tagged(reals(6)) + raw(reals(2))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (GOOD[:-1], "bytes 28 to 36, the file has 35"),
        (GOOD[:2], "bytes 0 to 4, the file has 2"),
        (b"", "bytes 0 to 4, the file has 0"),
        (GOOD + bytes(4), "needs 36 bytes, the file has 40"),
        (GOOD[:-4] + raw(np.array([np.nan])), "NaN"),
    ],
)
def test_a_bin_that_is_not_used_up_is_refused_with_both_counts(content, says, imported, tmp_path):
    with pytest.raises(TatamiError, match=says) as caught:
        imported(CONVOLUTION, content)
    assert caught.value.file == tmp_path / "net.bin"


@settings(max_examples=200)
@given(data=st.data())
def test_damaged_files_are_refused_and_nothing_else_happens(data, tmp_path_factory):
    """Cut short, or with bytes changed, in either file: a TatamiError that names a file."""
    folder = tmp_path_factory.getbasetemp()
    detection = "Yolov3DetectionOutput z 1 1 x z 0=1 1=1 -23304=2,9.0,9.0 -23305=1,0 -23306=1,2.0"
    text = param(
        "Convolution y 1 1 data y 0=6 1=1 5=1 6=18 9=2 -23310=1,0.1",
        "Pooling x 1 1 y x 1=2 2=2",
        detection,
    )
    files = {"net.param": text.encode(), "net.bin": tagged(reals(18)) + raw(reals(6))}
    name = data.draw(st.sampled_from(sorted(files)))
    content = bytearray(files[name])
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    else:
        for at in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
            content[at] = data.draw(st.integers(0, 255) | st.sampled_from(list(b"0123456789.-=, ")))
    for file, good in files.items():
        (folder / file).write_bytes(bytes(content) if file == name else good)
    blamed = folder / name
    try:
        read_ncnn(folder / "net.param", folder / "net.bin", None)
    except TatamiError as error:
        blamed = error.file
    assert blamed in (folder / "net.param", folder / "net.bin")


@settings(max_examples=100)
@given(content=st.binary(max_size=len(GOOD) - 1) | st.binary(min_size=len(GOOD) + 1, max_size=60))
def test_garbage_is_refused(content, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp()
    (folder / "good.param").write_text(param(CONVOLUTION))
    (folder / "garbage").write_bytes(content)
    with pytest.raises(TatamiError) as caught:
        read_ncnn(folder / "good.param", folder / "garbage", None)
    assert caught.value.file == folder / "garbage"
    for start in (b"", b"7767517\n", b"7767517\n1 1\nInput in 0 1 data "):
        (folder / "garbage").write_bytes(start + content)
        with pytest.raises(TatamiError) as caught:
            read_ncnn(folder / "garbage", folder / "garbage", None)
        assert caught.value.file == folder / "garbage"
