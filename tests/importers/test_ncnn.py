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


def deconvolved(
    outputs: int, kernel: tuple[int, int], groups: int, bias: bool, **more
) -> tuple[bytes, torch.Tensor]:
    """The bytes of a layer of ncnn's, whose weights have the outputs first, and what it makes."""
    weight = reals(groups, outputs // groups, 3 // groups, *kernel)
    turned = weight.transpose(0, 2, 1, 3, 4).reshape(3, outputs // groups, *kernel)
    offsets = reals(outputs) if bias else np.zeros(outputs, np.float32)
    made = F.conv_transpose2d(
        T, torch.from_numpy(turned), torch.from_numpy(offsets), groups=groups, **more
    )
    return tagged(weight) + (raw(offsets) if bias else b""), made


LAST = deconvolved(4, (2, 2), 1, False, stride=3, output_padding=(2, 1))
DECONVOLVED = [
    deconvolved(4, (2, 3), 1, True, stride=2, padding=(0, 1)),
    deconvolved(3, (2, 2), 3, True, stride=2),
    (LAST[0], F.relu(LAST[1])),
]


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
        ("BinaryOp y 1 1 data y 0=0 1=1 2=1.5", b"", T + 1.5),
        ("BinaryOp y 1 1 data y 0=1 1=1 2=1.5", b"", T - 1.5),
        ("BinaryOp y 1 1 data y 0=3 1=1 2=1.5", b"", T / 1.5),
        ("BinaryOp y 1 1 data y 0=4 1=1 2=0.5", b"", T.clamp(min=0.5)),
        ("BinaryOp y 1 1 data y 0=5 1=1 2=0.5", b"", T.clamp(max=0.5)),
        ("BinaryOp y 1 1 data y 0=6 1=1 2=2.0", b"", T**2),
        ("BinaryOp y 1 1 data y 0=7 1=1 2=1.5", b"", 1.5 - T),
        ("BinaryOp y 1 1 data y 0=8 1=1 2=1.5", b"", 1.5 / T),
        ("BinaryOp y 1 1 data y 0=9 1=1 2=1.5", b"", 1.5**T),
        ("Sigmoid s 1 1 data s\nBinaryOp y 2 1 data s y 0=7", b"", torch.sigmoid(T) - T),
        (
            "Pooling p 1 1 data p 0=1 4=1\nBinaryOp y 2 1 p data y 0=3",
            b"",
            T.mean((2, 3), keepdim=True) / T,
        ),
        (
            "Reduction r 1 1 data r 0=3 1=0 -23303=1,2 5=1\nBinaryOp y 2 1 data r y 0=1",
            b"",
            T - T.mean(3, keepdim=True),
        ),
        ("UnaryOp y 1 1 data y 0=0", b"", T.abs()),
        ("UnaryOp y 1 1 data y 0=4", b"", T * T),
        ("Sigmoid s 1 1 data s\nUnaryOp y 1 1 s y 0=6", b"", torch.sigmoid(T).rsqrt()),
        ("Sigmoid s 1 1 data s\nUnaryOp y 1 1 s y 0=17", b"", torch.sigmoid(T).log10()),
        ("UnaryOp y 1 1 data y 0=18", b"", T.round()),
        ("UnaryOp y 1 1 data y 0=19", b"", T.trunc()),
        ("UnaryOp y 1 1 data y 0=21", b"", T.expm1()),
        ("Sigmoid s 1 1 data s\nUnaryOp y 1 1 s y 0=27", b"", torch.sigmoid(T).log1p()),
        ("HardSwish y 1 1 data y 0=1.666667e-01", b"", F.hardswish(T)),
        ("HardSwish y 1 1 data y", b"", T * (0.2 * T + 0.5).clamp(0, 1)),
        ("HardSigmoid y 1 1 data y 0=1.666667e-01", b"", F.hardsigmoid(T)),
        ("Swish y 1 1 data y", b"", F.silu(T)),
        ("Mish y 1 1 data y", b"", F.mish(T)),
        ("ELU y 1 1 data y 0=0.5", b"", F.elu(T, 0.5)),
        ("SELU y 1 1 data y", b"", F.selu(T)),
        ("GELU y 1 1 data y", b"", F.gelu(T)),
        ("GELU y 1 1 data y 0=1", b"", F.gelu(T, approximate="tanh")),
        ("PReLU y 1 1 data y 0=3", raw(FACTORS[0]), F.prelu(T, COLUMN[0])),
        ("PReLU y 1 1 data y 0=1", raw(FACTORS[0][:1]), F.prelu(T, COLUMN[0][:1])),
        (
            "Slice s 1 3 data u v w -23300=3,-233,-233,-233\nConcat y 3 1 w u v y",
            b"",
            T[:, [2, 0, 1]],
        ),
        (
            "Slice s 1 2 data u v -23302=1,-4 1=2\nConcat y 2 1 v u y 0=2",
            b"",
            torch.cat([T[..., 7:], T[..., :7]], 3),
        ),
        ("Crop y 1 1 data y 0=1 1=2 2=1 3=5 4=4 5=-233", b"", T[:, 1:, 2:6, 1:6]),
        ("Crop y 1 1 data y -23309=2,1,-4 -23310=2,-1,-233 -23311=2,1,2", b"", T[..., 1:8, 7:]),
        (
            "Pooling p 1 1 data p 1=3\nCrop y 2 1 data p y 0=2 1=1",
            b"",
            T[:, :, 1:8, 2:11],
        ),
        (
            "Concat c 2 1 data data c\nShuffleChannel y 1 1 c y 0=2",
            b"",
            T[:, [0, 0, 1, 1, 2, 2]],
        ),
        (
            "Concat c 2 1 data data c\nShuffleChannel y 1 1 c y 0=2 1=1",
            b"",
            T[:, [0, 2, 1, 1, 0, 2]],
        ),
        (
            "GroupNorm y 1 1 data y 0=3 1=3 2=1e-5",
            raw(FACTORS[0], FACTORS[1]),
            F.group_norm(T, 3, COLUMN[0], COLUMN[1]),
        ),
        (
            "GroupNorm y 1 1 data y 0=1 1=3 2=1e-5",
            raw(FACTORS[0], FACTORS[1]),
            F.group_norm(T, 1, COLUMN[0], COLUMN[1]),
        ),
        (
            "InstanceNorm y 1 1 data y 0=3 1=1e-5",
            raw(FACTORS[0], FACTORS[1]),
            F.instance_norm(T, weight=COLUMN[0], bias=COLUMN[1]),
        ),
        ("LayerNorm y 1 1 data y 0=11 1=1e-5 2=0", b"", F.layer_norm(T, (11,))),
        (
            "LayerNorm y 1 1 data y 0=99 1=1e-5",
            raw(X[0, 0], X[0, 1]),
            F.layer_norm(T, (9, 11), T[0, 0], T[0, 1]),
        ),
        ("Reduction y 1 1 data y 0=0 1=0 2=2.0 -23303=2,0,2 5=1", b"", 2 * T.sum((1, 3))),
        ("Reduction y 1 1 data y 0=4 1=0 -23303=1,-1 4=1 5=1", b"", T.amax(3, keepdim=True)),
        ("Reduction y 1 1 data y 0=8 1=1", b"", T.norm().reshape(1, 1)),
        ("Reduction y 1 1 data y 0=10 1=0 -23303=1,0 5=1", b"", T.logsumexp(1)),
        ("Padding y 1 1 data y 0=1 1=2 2=3 5=1.5", b"", F.pad(T, (3, 0, 1, 2), value=1.5)),
        ("Padding y 1 1 data y 0=1 2=3 3=1 4=2", b"", F.pad(T, (3, 1, 1, 0), mode="reflect")),
        ("Padding y 1 1 data y 1=1 2=3 4=1", b"", F.pad(T, (3, 0, 0, 1), mode="replicate")),
        ("Padding y 1 1 data y 7=2 8=1", b"", F.pad(T, (0, 0, 0, 0, 2, 1))),
        ("Interp y 1 1 data y 0=1 3=13 4=17", b"", F.interpolate(T, size=(13, 17))),
        ("Pooling y 1 1 data y 0=1 7=1 8=4 18=2", b"", F.adaptive_avg_pool2d(T, (2, 4))),
        ("Pooling y 1 1 data y 7=1 8=5 18=-233", b"", F.adaptive_max_pool2d(T, (9, 5))),
        (
            "Reduction r 1 1 data r 0=3 1=0 -23303=1,1 4=1 5=1\nSqueeze y 1 1 r y 1=1",
            b"",
            T.mean(2),
        ),
        (
            "Reduction r 1 1 data r 0=3 1=0 -23303=1,1 5=1\nExpandDims y 1 1 r y -23303=1,1",
            b"",
            T.mean(2, keepdim=True),
        ),
        ("MemoryData m 0 1 m 0=11\nBinaryOp y 2 1 data m y", raw(X[0, 0, 0]), T + T[0, 0, 0]),
        ("MemoryData m 0 1 m 0=11 1=9 2=3\nBinaryOp y 2 1 data m y", raw(X), T + T),
        ("Deconvolution y 1 1 data y 0=4 1=3 11=2 3=2 4=1 14=0 5=1 6=72", *DECONVOLVED[0]),
        ("DeconvolutionDepthWise y 1 1 data y 0=3 1=2 3=2 5=1 6=12 7=3", *DECONVOLVED[1]),
        ("Deconvolution y 1 1 data y 0=4 1=2 3=3 18=1 19=2 6=48 9=1", *DECONVOLVED[2]),
        ("Eltwise y 2 1 data data y 0=2", b"", T),
        ("Bias y 1 1 data y 0=3", raw(FACTORS[0]), T + COLUMN[0][:, None, None]),
        ("Power y 1 1 data y 0=2.0 1=0.5 2=0.25", b"", (T / 2 + 0.25) ** 2),
        ("Exp y 1 1 data y 0=2.0 1=0.5 2=0.5", b"", 2 ** (T / 2 + 0.5)),
        ("TanH y 1 1 data y", b"", T.tanh()),
        ("AbsVal a 1 1 data a\nLog y 1 1 a y 2=0.5", b"", (T.abs() + 0.5).log()),
        (
            "LRN y 1 1 data y 1=3 2=0.3 3=0.5 4=2.0",
            b"",
            F.local_response_norm(T, 3, 0.3, 0.5, 2.0),
        ),
        (
            "Normalize y 1 1 data y 0=0 1=0 2=1e-12 3=3",
            raw(FACTORS[0]),
            F.normalize(T, dim=1) * COLUMN[0][:, None, None],
        ),
        ("Tile y 1 1 data y 0=1 1=2", b"", T.repeat(1, 1, 2, 1)),
        (
            "Pooling p 1 1 data p 0=1 4=1\nScale y 2 1 data p y 0=-233",
            b"",
            T * T.mean((2, 3), keepdim=True),
        ),
        ("MatMul y 2 1 data data y 0=1", b"", T @ T.transpose(2, 3)),
        (
            "Reshape r 1 1 data r 0=11 1=27\nInnerProduct y 1 1 r y 0=9 1=1 2=99",
            tagged(X[0, 0]) + raw(X[0, 0, :, 0]),
            T.reshape(1, 27, 11) @ T[0, 0].T + T[0, 0, :, 0],
        ),
        ("Noop y 1 1 data y", b"", T),
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
            area = kernel**2 if count or mode >= 2 else inside[at][:kernel, :kernel].sum()
            y[row, column] = window.max() if kind == 0 else window.sum() / area
    return y


@st.composite
def poolings(draw):
    """kind, (rows, columns), kernel, stride, pads, mode, count: a pooling that makes sense."""
    kernel = draw(st.integers(1, 4))
    side = st.integers(max(2, kernel), 9)
    mode = draw(st.integers(0, 3))
    kind = draw(st.integers(0, 1))
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


@pytest.mark.parametrize(
    ("said", "shape"),
    [("0=7 1=5 2=1", (1, 1, 5, 7)), ("0=7 1=5", (1, 3, 5, 7)), ("0=7", (1, 7))],
)
def test_an_input_of_any_channels_or_of_vectors(said, shape, run_model, tmp_path):
    text = f"7767517\n2 2\nInput in 0 1 data {said}\nReLU y 1 1 data y\n"
    (tmp_path / "net.param").write_text(text)
    (tmp_path / "net.bin").write_bytes(b"")
    found = read_ncnn(tmp_path / "net.param", tmp_path / "net.bin", None)
    images = reals(*shape)
    np.testing.assert_array_equal(run_model(found.model, images)["y"], np.maximum(images, 0))


def test_a_size_in_place_of_the_files(imported, run_model):
    found = imported("Split s 1 2 data a b\nReLU y 1 1 a y", size=Size(6, 4))
    assert {name: v.shape for name, v in run_model(found.model, reals(1, 3, 4, 6)).items()} == {
        "b": (1, 3, 4, 6),
        "y": (1, 3, 4, 6),
    }


def test_fastestdet_is_one_network_in_ncnn_and_onnx(shared_data, run_model):
    """ShuffleChannel and Slice in the one, Reshape, Transpose and Gather in the other.

    The .bin holds its weights in half precision.
    """
    folder = shared_data / "networks"
    if not folder.is_dir():
        pytest.skip(f"no real networks at {folder}")
    found = read_ncnn(folder / "fastestdet.param", folder / "fastestdet.bin", Size(352, 352))
    images = np.abs(reals(1, 3, 352, 352))
    ours, theirs = run_model(found.model, images), run_model(folder / "fastestdet.onnx", images)
    assert ours["758"].shape == (1, 85, 22, 22)
    assert ours["758"].std() > 0.1
    difference = np.abs(ours["758"] - theirs["758"])
    assert difference.mean() < 0.02 * np.abs(theirs["758"]).mean()


SSD = """Split i 1 3 data d0 d1 d2
Convolution m 1 1 d0 m 0=5 1=3 3=3 5=1 6=135
Split s 1 3 m m0 m1 m2
Convolution loc 1 1 m0 l 0=16 1=1 5=1 6=80
Permute lp 1 1 l lp 0=3
Flatten lf 1 1 lp lf
Convolution conf 1 1 m1 c 0=12 1=1 5=1 6=60
Permute cp 1 1 c cp 0=3
Flatten cf 1 1 cp cf
PriorBox p 2 1 m2 d1 p -23300=1,4.5 -23301=1,6.0 -23302=1,2.0 9=-233 10=-233 13=0.5
Concat pp 1 1 p pp 0=1
Reshape r 1 1 cf r 0=3 1=-1
Softmax sm 1 1 r sm 0=1 1=1
Flatten sf 1 1 sm sf
DetectionOutput out 3 1 lf sf pp out 0=3 1=0.45 2=400 3=50 4=0.2
Noop rest 1 1 d2 rest"""


def ssd_weights() -> list[bytes]:
    shapes = [(5, 3, 3, 3), (16, 5, 1, 1), (12, 5, 1, 1)]
    return [tagged(reals(*shape)) + raw(reals(shape[0])) for shape in shapes]


def test_an_ssd_comes_in_as_its_maps_and_their_decoding(imported, run_model):
    found = imported(SSD, b"".join(ssd_weights()))
    maps = run_model(found.model, X)
    assert {name: value.shape for name, value in maps.items()} == {
        "boxes_0": (1, 16, 3, 3), "scores_0": (1, 12, 3, 3),
    }  # fmt: skip
    assert found.classes == ("class0", "class1")
    decoding = found.decoding
    assert decoding is not None
    assert (decoding.kind, decoding.scores, decoding.variances) == ("ssd", "softmax", (0.1, 0.2))
    assert (decoding.score_threshold, decoding.iou_threshold) == (0.2, 0.45)
    assert decoding.max_detections == 50
    (grid,) = decoding.grids
    root = 2**0.5
    sides = [(4.5, 4.5), (27**0.5,) * 2, (4.5 * root, 4.5 / root), (4.5 / root, 4.5 * root)]
    np.testing.assert_allclose(grid.anchors, sides, rtol=1e-6)
    np.testing.assert_allclose(grid.stride, (11 / 3, 3), rtol=1e-6)
    assert "rest" in found.notes[0]
    assert "Softmax" not in {node.op_type for node in found.model.graph.node}


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("lp 0=3", "lp 0=4", "Transpose"),
        ("0=1 1=1", "0=0 1=1", "Softmax"),
        ("out 0=3", "out 0=4", "lies between"),
        ("13=0.5", "13=0.5 8=1", "cuts anchors"),
        ("13=0.5", "13=0.5 4=0.3", "variances"),
        ("-23301=1,6.0 ", "", "not those of 3 anchors"),
        ("pp 0=1", "pp 0=0", "joins anchors"),
        ("Noop rest 1 1 d2 rest", "ReLU rest 1 1 pp rest", "takes anchors"),
    ],
)
def test_an_ssd_that_is_another_is_refused_with_its_line(old, new, says, imported, tmp_path):
    assert SSD.count(old) == 1
    with pytest.raises(TatamiError, match=says) as caught:
        imported(SSD.replace(old, new), b"".join(ssd_weights()))
    assert caught.value.file == tmp_path / "net.param"
    assert caught.value.line is not None


def test_yolov2s_last_layer_has_its_anchors_in_cells(imported, run_model):
    """YoloDetectionOutput: the sides of a box are anchors times cells."""
    text = (
        "Convolution m 1 1 data m 0=12 1=3 3=3 6=324\n"
        "YoloDetectionOutput y 1 1 m y 0=1 1=2 2=0.3 3=0.5 -23304=4,1.5,2.0,0.5,0.25"
    )
    found = imported(text, tagged(reals(12, 3, 3, 3)))
    assert list(run_model(found.model, X)) == ["m"]
    decoding = found.decoding
    assert decoding is not None
    assert (decoding.kind, decoding.scores, decoding.score_threshold) == ("yolov2", "softmax", 0.3)
    (grid,) = decoding.grids
    np.testing.assert_allclose(grid.stride, (11 / 3, 3))
    np.testing.assert_allclose(grid.anchors, [(5.5, 6), (5.5 / 3, 0.75)])


# What is refused


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("Embed y 1 1 data y", "type 'Embed'"),
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
        ("Convolution y 1 1 data y 0=2 1=1 6=6 9=7", "activation 7"),
        ("Convolution y 1 1 data y 0=2 1=1 6=6 9=2", "needs 1"),
        ("ConvolutionDepthWise y 1 1 data y 0=2 1=1 6=6 7=2", "in 2 groups"),
        ("Eltwise y 2 1 data data y 0=3", "way 3"),
        ("Eltwise y 2 1 data data y 0=2 -23301=2,1.0,1.0", "2 coefficients"),
        ("BinaryOp y 2 1 data data y 0=10", "way 10"),
        ("BinaryOp y 1 1 data y 0=1", "no number"),
        ("BinaryOp y 1 1 data y 0=3 1=1 2=0.0", "divides by 0"),
        ("BinaryOp y 2 1 data data y 1=1", "yet two bottoms"),
        ("Interp y 1 1 data y 0=3 1=2.0 2=2.0", "way 3"),
        ("Interp y 1 1 data y 0=1 1=2 2=2", "makes 0x0"),  # the bits of nothing
        ("Interp y 1 1 data y 0=1 1=65536.0 2=65536.0", "beyond"),
        ("Softmax y 1 1 data y 0=1", "old form"),
        ("Permute y 1 1 data y 0=6", "way 6"),
        ("Reshape y 1 1 data y 0=-1 1=-1", "makes"),
        ("Reshape y 1 1 data y 0=5", "makes"),
        ("Scale y 1 1 data y 0=-233", "says -233 weights"),
        ("Pooling y 1 1 data y 7=1 8=12", "pools 9 samples to 12"),
        ("Pooling y 1 1 data y 1=20", "does not fit"),
        ("Pooling y 1 1 data y 0=1 1=2 2=2 3=1 5=2", "padding of two kinds"),
        ("UnaryOp y 1 1 data y 0=28", "way 28"),
        ("HardSigmoid y 1 1 data y 0=0.0", "slope 0"),
        ("PReLU y 1 1 data y 0=2", "2 slopes for 3 channels"),
        ("ShuffleChannel y 1 1 data y 0=2", "out of 2 groups"),
        ("Slice y 1 2 data u v -23300=2,3,-233", "cuts 3 samples"),
        ("Crop y 1 1 data y 0=11 3=-233 4=-233 5=-233", "keeps 11 to 11"),
        ("Crop y 1 1 data y -23309=1,2 -23310=2,1,2", "1 starts, 2 ends"),
        ("GroupNorm y 1 1 data y 0=2 1=3", "3 channels in 2 groups"),
        ("LayerNorm y 1 1 data y 0=5", "normalizes 5 numbers"),
        ("Reduction y 1 1 data y 0=11", "way 11"),
        ("Reduction y 1 1 data y 1=0 -23303=1,1", "old form"),
        ("Padding y 1 1 data y 4=3", "way 3"),
        ("Padding y 1 1 data y 0=20 4=2", "pads a value"),
        ("Deconvolution y 1 1 data y 0=2 1=1 6=7", "says 7 weights, where its shapes need 6"),
        ("Deconvolution y 1 1 data y 0=2 1=1 4=9 6=6", "makes a map"),
        ("Deconvolution y 1 1 data y 0=2 1=1 6=6 20=9", "a width"),
        ("MemoryData y 0 1 y 0=0 1=2", "has the sides"),
        ("ExpandDims y 1 1 data y -23303=1,0", "adds the axes"),
        ("Tile y 1 1 data y 1=0", "0 times"),
        ("MatMul y 2 1 data data y", "multiplies values"),
        ("DetectionOutput y 3 1 data data data y 0=2", "no map that was turned"),
        ("PriorBox y 2 1 data data y -23300=1,4.0 9=-233 10=-233", "middle of cells"),
        ("PriorBox y 1 1 data y -23300=1,4.0 9=-233 10=-233 13=0.5", "another form"),
        ("YoloDetectionOutput y 1 1 data y 0=1 1=1 -23304=2,1.0,1.0", "need 6 channels"),
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
        ("7767517\n1 1\nInput in 0 1 data 0=4 1=4 2=-1\n", 3),
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
