"""Detectors are recognized by their ends, and decoded as their authors' programs decode them.

The networks are small, and random; what lies behind their last convolutions is as the programs of
YOLOv5, YOLOv8, NanoDet, SCRFD and CenterNet export it, and each is decoded here once more in a few
lines, from what the file itself makes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from tatami import graph
from tatami.errors import TatamiError
from tatami.pipeline.import_network import import_network
from tatami.rules.decoding import candidates

torch = pytest.importorskip("torch", reason="it exports the networks")
runtime = pytest.importorskip("onnxruntime", reason="it runs them as they are")

Array = NDArray[Any]
WIDTH, HEIGHT, STRIDES = 96, 64, (8, 16, 32)
ANCHORS = [[11, 14, 17, 31, 34, 22], [31, 60, 63, 44, 58, 118], [115, 91, 155, 199, 372, 327]]
SIDES = [(HEIGHT // stride, WIDTH // stride) for stride in STRIDES]
"""Not those that YOLOv5 is usually trained with."""


class Scales(torch.nn.Module):
    """Three maps, one for each stride, of 8 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Conv2d(3, 8, 3, 8, 1)
        self.next = torch.nn.ModuleList([torch.nn.Conv2d(8, 8, 3, 2, 1) for _ in STRIDES[1:]])

    def forward(self, images: Any) -> list[Any]:
        found = [torch.nn.functional.silu(self.first(images))]
        for conv in self.next:
            found.append(torch.nn.functional.silu(conv(found[-1])))
        return found


def heads(*channels: int) -> Any:
    """A convolution for each scale, and for each number of channels."""
    return torch.nn.ModuleList(
        [torch.nn.ModuleList([torch.nn.Conv2d(8, one, 1) for one in channels]) for _ in STRIDES]
    )


class Yolov5(torch.nn.Module):
    def __init__(self, classes: int, decoded: bool, anchors: list[list[int]]) -> None:
        super().__init__()
        self.body, self.width, self.decoded = Scales(), classes + 5, decoded
        self.ends = heads(3 * self.width)
        self.anchors = [torch.tensor(row).float().view(1, 3, 1, 1, 2) for row in anchors]

    def forward(self, images: Any) -> Any:
        lines = []
        for index, x in enumerate(self.body(images)):
            rows, columns = SIDES[index]
            x = self.ends[index][0](x).view(1, 3, self.width, rows, columns)
            x = x.permute(0, 1, 3, 4, 2).contiguous()
            if not self.decoded:
                lines.append(x)
                continue
            y, x_ = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
            grid = torch.stack((x_, y), 2).view(1, 1, rows, columns, 2).float() - 0.5
            xy, wh, rest = x.sigmoid().split((2, 2, self.width - 4), 4)
            xy = (xy * 2 + grid) * STRIDES[index]
            wh = (wh * 2) ** 2 * self.anchors[index].expand(1, 3, rows, columns, 2)
            lines.append(torch.cat((xy, wh, rest), 4).view(1, 3 * rows * columns, self.width))
        return torch.cat(lines, 1) if self.decoded else tuple(lines)


class Yolov8(torch.nn.Module):
    def __init__(self, classes: int, decoded: bool) -> None:
        super().__init__()
        self.body, self.classes, self.decoded = Scales(), classes, decoded
        self.ends = heads(4 * 16, classes)
        self.mean = torch.nn.Conv2d(16, 1, 1, bias=False)
        self.mean.weight.data[:] = torch.arange(16.0).view(1, 16, 1, 1)

    def forward(self, images: Any) -> Any:
        both = [
            torch.cat([end(x) for end in self.ends[index]], 1)
            for index, x in enumerate(self.body(images))
        ]
        if not self.decoded:
            return tuple(both)
        joined = torch.cat([x.view(1, 64 + self.classes, -1) for x in both], 2)
        box, scores = joined.split((64, self.classes), 1)
        box = self.mean(box.view(1, 4, 16, -1).transpose(2, 1).softmax(1)).view(1, 4, -1)
        points, strides = [], []
        for (rows, columns), stride in zip(SIDES, STRIDES, strict=True):
            y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
            points.append(torch.stack((x.flatten() + 0.5, y.flatten() + 0.5)))
            strides.append(torch.full((1, rows * columns), float(stride)))
        near, far = box.chunk(2, 1)
        anchors = torch.cat(points, 1)[None]
        low, high = anchors - near, anchors + far
        placed = torch.cat(((low + high) / 2, high - low), 1) * torch.cat(strides, 1)
        return torch.cat((placed, scores.sigmoid()), 1)


class NanoDet(torch.nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.body, self.classes, self.ends = Scales(), classes, heads(classes + 32)

    def forward(self, images: Any) -> Any:
        lines = []
        for index, x in enumerate(self.body(images)):
            scores, boxes = self.ends[index][0](x).split([self.classes, 32], 1)
            lines.append(torch.cat((scores.sigmoid(), boxes), 1).flatten(2))
        return torch.cat(lines, 2).permute(0, 2, 1)


class Scrfd(torch.nn.Module):
    def __init__(self, points: bool) -> None:
        super().__init__()
        self.body, self.points = Scales(), points
        self.ends = heads(2, 8, 20) if points else heads(2, 8)
        self.scales = torch.nn.ParameterList([torch.tensor(1.0 + at) for at in range(3)])

    def forward(self, images: Any) -> Any:
        found: list[list[Any]] = [[], [], []]
        for index, x in enumerate(self.body(images)):
            for place, end in enumerate(self.ends[index]):
                y = end(x) * self.scales[index] if place == 1 else end(x)
                y = y.permute(0, 2, 3, 1).reshape(-1, (1, 4, 10)[place])
                found[place].append(y.sigmoid() if place == 0 else y)
        return tuple(one for part in found for one in part)


class CenterNet(torch.nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.body = torch.nn.Conv2d(3, 8, 3, 4, 1)
        self.ends = torch.nn.ModuleList([torch.nn.Conv2d(8, one, 1) for one in (classes, 2, 2)])

    def forward(self, images: Any) -> Any:
        x = torch.relu(self.body(images))
        heat, sides, offsets = (end(x) for end in self.ends)
        return heat.sigmoid(), sides, offsets


# Decoded once more, in a few lines ---------------------------------------------------------------


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def cells(offset: float) -> Array:
    """The points of all cells, (n, 3): x, y and the stride."""
    return np.array([
        (x + offset, y + offset, stride)
        for (rows, columns), stride in zip(SIDES, STRIDES, strict=True)
        for y in range(rows)
        for x in range(columns)
    ])  # fmt: skip


def of_yolov5(outputs: list[Array]) -> tuple[Array, Array]:
    if len(outputs) == 1:
        (lines,) = outputs[0]
    else:
        parts = []
        for x, row, stride in zip(outputs, ANCHORS_OF_RAW, STRIDES, strict=True):
            s = sigmoid(x[0])
            y, across = np.mgrid[: s.shape[1], : s.shape[2]]
            s[..., 0] = (s[..., 0] * 2 + across - 0.5) * stride
            s[..., 1] = (s[..., 1] * 2 + y - 0.5) * stride
            s[..., 2:4] = (s[..., 2:4] * 2) ** 2 * np.reshape(row, (3, 1, 1, 2))
            parts.append(s.reshape(-1, s.shape[-1]))
        lines = np.concatenate(parts)
    return lines[:, :4], lines[:, 4:5] * lines[:, 5:]


ANCHORS_OF_RAW = [
    [10, 13, 16, 30, 33, 23], [30, 61, 62, 45, 59, 119], [116, 90, 156, 198, 373, 326],
]  # fmt: skip


def placed(points: Array, distances: Array) -> Array:
    """From distances to four sides, in cells, to centers and sides in pixels."""
    x, y, stride = points.T
    left, top, right, bottom = distances.T
    return np.stack(
        [(x + (right - left) / 2) * stride, (y + (bottom - top) / 2) * stride,
         (left + right) * stride, (top + bottom) * stride], 1,
    )  # fmt: skip


def mean_of_bins(numbers: Array, bins: int) -> Array:
    parts = numbers.reshape(len(numbers), 4, bins)
    share = np.exp(parts - parts.max(-1, keepdims=True))
    return (share / share.sum(-1, keepdims=True)) @ np.arange(bins)


def of_yolov8(outputs: list[Array]) -> tuple[Array, Array]:
    if len(outputs) == 1:
        (lines,) = outputs[0].transpose(0, 2, 1)
        return lines[:, :4], lines[:, 4:]
    lines = np.concatenate([x[0].reshape(x.shape[1], -1).T for x in outputs])
    return placed(cells(0.5), mean_of_bins(lines[:, :64], 16)), sigmoid(lines[:, 64:])


def of_nanodet(outputs: list[Array]) -> tuple[Array, Array]:
    (lines,) = outputs[0]
    return placed(cells(0), mean_of_bins(lines[:, -32:], 8)), lines[:, :-32]


def of_scrfd(outputs: list[Array]) -> tuple[Array, Array]:
    points = np.repeat(cells(0), 2, axis=0)
    return placed(points, np.concatenate(outputs[3:6])), np.concatenate(outputs[:3])


def of_centernet(outputs: list[Array]) -> tuple[Array, Array]:
    (heat,), (sides,), (offsets,) = outputs
    around = np.pad(heat, ((0, 0), (1, 1), (1, 1)), constant_values=-1)
    rows, columns = heat.shape[1:]
    near = [around[:, y : y + rows, x : x + columns] for y in range(3) for x in range(3)]
    heat = np.where(heat == np.max(near, axis=0), heat, 0)
    y, x = np.mgrid[:rows, :columns]
    boxes = np.stack([(x + offsets[0]) * 4, (y + offsets[1]) * 4, sides[0] * 4, sides[1] * 4], -1)
    return boxes.reshape(-1, 4), heat.reshape(len(heat), -1).T


CASES: dict[str, tuple[Callable[[], Any], Callable[[list[Array]], tuple[Array, Array]], str]] = {
    "yolov5": (lambda: Yolov5(6, True, ANCHORS), of_yolov5, "YOLOv5"),
    "yolov5 undecoded": (lambda: Yolov5(6, False, ANCHORS), of_yolov5, "YOLOv5"),
    "yolov8": (lambda: Yolov8(5, True), of_yolov8, "YOLOv8"),
    "yolov8 undecoded": (lambda: Yolov8(64, False), of_yolov8, "YOLOv8"),
    "nanodet": (lambda: NanoDet(7), of_nanodet, "NanoDet"),
    "scrfd": (lambda: Scrfd(points=False), of_scrfd, "SCRFD"),
    "scrfd with points": (lambda: Scrfd(points=True), of_scrfd, "SCRFD"),
    "centernet": (lambda: CenterNet(3), of_centernet, "CenterNet"),
}


def exported(make: Callable[[], Any], path: Path, names: list[str] | None = None) -> Path:
    torch.manual_seed(0)
    net = make().eval()
    for parameter in net.parameters():
        if parameter.ndim == 4 and parameter.shape[1] != 16:
            parameter.data *= 3
    torch.onnx.export(
        net, (torch.zeros(1, 3, HEIGHT, WIDTH),), path, dynamo=False, opset_version=17,
        input_names=["images"], output_names=names,
    )  # fmt: skip
    return path


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("name", CASES)
def test_a_detector_is_recognized_and_decoded_as_its_authors_do(name: str, tmp_path: Path) -> None:
    make, plain, said = CASES[name]
    names = ["hm", "wh", "reg"] if name == "centernet" else None
    path = exported(make, tmp_path / "net.onnx", names)
    imported = import_network(path, task="detect", out=tmp_path / "out.onnx")
    assert any(note.startswith(f"recognized: heads of {said}") for note in imported.notes)
    image = np.random.default_rng(0).uniform(-2, 2, (1, 3, HEIGHT, WIDTH)).astype(np.float32)
    boxes, scores = plain(runtime.InferenceSession(path).run(None, {"images": image}))
    spec = graph.read(tmp_path / "out.onnx").spec
    assert spec is not None
    assert len(spec.classes) == scores.shape[1]
    maps = [one[0] for one in graph.run(imported.network, image)]
    decoding = spec.decoding
    found = candidates(maps, decoding, 0.05, scores.shape[1])
    cell, label = np.nonzero(scores > 0.05)
    order = np.argsort(-scores[cell, label], kind="stable")[: decoding.max_candidates]
    assert len(found.scores) == len(order) > 40
    np.testing.assert_allclose(found.scores, scores[cell, label][order], atol=2e-5)
    # Scores may be equal, or nearly: boxes are found by their class and score.
    x, y, w, h = boxes[cell[order]].T
    xyxy = np.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], 1)
    for box, score, kind in zip(xyxy, scores[cell, label][order], label[order], strict=True):
        same = (np.abs(found.scores - score) < 4e-5) & (found.labels == kind)
        assert np.abs(found.xyxy[same] - box).max(axis=1).min() < 2e-2


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
def test_names_of_the_metadata_make_a_detector_without_asking(tmp_path: Path) -> None:
    path = exported(CASES["yolov8"][0], tmp_path / "net.onnx")
    bare = import_network(path, out=tmp_path / "bare.onnx")
    assert bare.use is None
    assert any("heads of YOLOv8" in note for note in bare.notes)
    model = onnx.load(path)
    onnx.helper.set_model_props(
        model, {"names": "{0: 'cat', 1: 'dog', 2: 'owl', 3: 'fox', 4: 'a hen'}"}
    )
    onnx.save(model, path)
    imported = import_network(path, out=tmp_path / "out.onnx")
    assert imported.use is not None
    assert imported.use.classes == ("cat", "dog", "owl", "fox", "a hen")
    assert any("letterbox, rgb, (pixel - (0, 0, 0)) / (255, 255, 255)" in n for n in imported.notes)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
def test_what_is_no_detector_is_none(tmp_path: Path) -> None:
    path = exported(
        lambda: torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, 4), torch.nn.Sigmoid()),
        tmp_path / "net.onnx",
    )
    with pytest.raises(TatamiError, match="do not say how the network detects"):
        import_network(path, task="detect", out=tmp_path / "out.onnx")
