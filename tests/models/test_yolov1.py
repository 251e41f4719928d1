"""YOLO against its paper: the layers of figure 3, and equation 3 once more, a number at a time."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tatami.errors import TatamiError
from tatami.models.yolov1 import FastYoloV1, TinyYoloV1, YoloV1, YoloV1Classifier
from tatami.rules.decoding import candidates
from tatami.train.transfer import leading_layers
from tatami.types import Boxes, Float64, Size

# Figure 3: (kernel, outputs, side of the output at 448); then the fully connected layers.
PAPER = [
    (7, 64, 224), (3, 192, 112),
    (1, 128, 56), (3, 256, 56), (1, 256, 56), (3, 512, 56),
    *[(1, 256, 28), (3, 512, 28)] * 4, (1, 512, 28), (3, 1024, 28),
    *[(1, 512, 14), (3, 1024, 14)] * 2, (3, 1024, 14), (3, 1024, 7),
    (3, 1024, 7), (3, 1024, 7),
]  # fmt: skip
FAST = [
    *((3, 16, 448), (3, 32, 224), (3, 64, 112), (3, 128, 56), (3, 256, 28), (3, 512, 14)),
    *[(3, 1024, 7)] * 3,
]
TINY = [*FAST[:7], (3, 256, 7)]
CASES = {
    "paper": (YoloV1, PAPER, (4096, 1470), 24, 20.29, 271.70),
    "fast": (FastYoloV1, FAST, (256, 4096, 1470), 9, 2.42, 45.09),
    "tiny": (TinyYoloV1, TINY, (1470,), 8, 1.61, 27.09),
}


@pytest.mark.parametrize("case", CASES)
def test_the_networks_of_the_paper(case: str) -> None:
    kind, convolutions, connected, layers, giga, mega = CASES[case]
    products = parameters = 0
    channels = 3
    for kernel, outputs, side in convolutions:
        products += side * side * channels * outputs * kernel**2
        parameters += channels * outputs * kernel**2 + outputs
        channels = outputs
    inputs = 7 * 7 * channels
    for outputs in connected:
        products += inputs * outputs
        parameters += inputs * outputs + outputs
        inputs = outputs
    with torch.device("meta"):  # a gigabyte of weights need not be there to be counted
        model = kind(20, kind.plan(Size(448, 448), ()), norm=False).eval()
        found = 0

        def count(layer: nn.Module, _: object, output: torch.Tensor) -> None:
            nonlocal found
            assert isinstance(layer, nn.Conv2d | nn.Linear)
            found += output.numel() * layer.weight[0].numel()

        made = [part for part in model.modules() if isinstance(part, nn.Conv2d | nn.Linear)]
        for part in made:
            part.register_forward_hook(count)
        assert model(torch.zeros(1, 3, 448, 448)).shape == (1, 30, 7, 7)
    assert sum(isinstance(part, nn.Conv2d) for part in made) == len(convolutions) == layers
    assert found == products
    assert sum(p.numel() for p in model.parameters()) == parameters
    assert round(products / 1e9, 2) == giga
    assert round(parameters / 1e6, 2) == mega


def test_the_classifier_that_the_24_layers_begin_from() -> None:
    """The authors publish one with a 1x1 convolution to the classes in place of the fully connected
    layer, at 8.52 G operations; by figure 3 it is the same but for that."""
    products, parameters, channels = 0, 0, 3
    for kernel, outputs, side in PAPER[:20]:  # at 224, half of the figure's 448
        products += (side // 2) ** 2 * channels * outputs * kernel**2
        parameters += channels * outputs * kernel**2 + 2 * outputs  # normalization's two
        channels = outputs
    assert round(2 * (products + 7 * 7 * 1024 * 1000) / 1e9, 2) == 8.52
    with torch.device("meta"):
        model = YoloV1Classifier().eval()
        assert model(torch.zeros(1, 3, 224, 224)).shape == (1, 1000)
    assert sum(p.numel() for p in model.parameters()) == parameters + 1025 * 1000


@pytest.mark.parametrize(("norm", "twentieth"), [(True, "23.norm"), (False, "23.0")])
def test_the_24_layers_begin_from_it(norm: bool, twentieth: str) -> None:
    torch.manual_seed(0)
    classifier = YoloV1Classifier(5, width=0.05, norm=norm)
    model = YoloV1(3, YoloV1.plan(Size(128, 64), ()), width=0.05, norm=norm)
    start, last = leading_layers(model, classifier.state_dict(), Path("classifier.safetensors"))
    assert last == f"convolutions.{twentieth}"  # the 20th, of which four stand before a pool
    model.load_state_dict(start)
    images = torch.rand(2, 3, 64, 128)
    with torch.no_grad():
        theirs = classifier.eval().convolutions(images)
        assert torch.equal(
            model.eval().convolutions[: len(classifier.convolutions)](images), theirs
        )


def test_the_grid_is_the_papers_and_grows_with_the_input() -> None:
    def cells(width: int, height: int) -> tuple[float, float]:
        (grid,) = YoloV1.plan(Size(width, height), ()).grids
        assert grid.anchors == ((width, height),) * 2
        return width / grid.stride[0], height / grid.stride[1]

    assert cells(448, 448) == cells(256, 256) == (7, 7)
    assert cells(640, 128) == (10, 4)
    model = FastYoloV1(3, FastYoloV1.plan(Size(640, 64), ()), width=0.05).eval()
    with torch.no_grad():
        assert model(torch.zeros(2, 3, 64, 640)).shape == (2, 13, 2, 10)
    with pytest.raises(TatamiError, match="an input of 64x64 for a network of 640x64"):
        model(torch.zeros(1, 3, 64, 64))
    with pytest.raises(TatamiError, match="does not divide by 64"):
        YoloV1(3, YoloV1.plan(Size(96, 64), ()), width=0.05)


# The loss ----------------------------------------------------------------------------------------

SIZE = Size(128, 192)
S_X, S_Y, B, K = 4, 6, 2, 3


def small() -> FastYoloV1:
    torch.manual_seed(0)
    return FastYoloV1(K, FastYoloV1.plan(SIZE, ()), width=0.05)


def overlap(a: list[float], b: list[float]) -> float:
    """IoU of two (x, y, w, h), by their centers."""
    across = min(a[0] + a[2] / 2, b[0] + b[2] / 2) - max(a[0] - a[2] / 2, b[0] - b[2] / 2)
    down = min(a[1] + a[3] / 2, b[1] + b[3] / 2) - max(a[1] - a[3] / 2, b[1] - b[3] / 2)
    shared = max(across, 0) * max(down, 0)
    return shared / (a[2] * a[3] + b[2] * b[3] - shared)


def equation_3(raw: Float64, targets: list[Boxes], held: Float64) -> tuple[Float64, int]:
    """The five lines of equation 3, a picture, cell and predictor at a time; and how many truths.

    held: the raw map by which predictors are made responsible and overlaps are taken: raw itself,
    or where raw is moved by a little, what it was.
    """
    lines, answered = np.zeros(5), 0
    for picture, boxes in enumerate(targets):
        for row in range(S_Y):
            for column in range(S_X):
                truth = None
                for box, label in zip(boxes.xyxy, boxes.labels, strict=True):
                    x = (box[0] + box[2]) / 2 / SIZE.width * S_X
                    y = (box[1] + box[3]) / 2 / SIZE.height * S_Y
                    if truth is None and (int(x), int(y)) == (column, row):
                        w, h = (box[2] - box[0]) / SIZE.width, (box[3] - box[1]) / SIZE.height
                        truth = (x - column, y - row, w, h, label)
                responsible, target = None, 0.0
                if truth is not None:
                    answered += 1
                    where = [(truth[0]) / S_X, (truth[1]) / S_Y, truth[2], truth[3]]
                    overlaps = []
                    for j in range(B):
                        x, y, w, h = held[picture, 5 * j : 5 * j + 4, row, column]
                        overlaps.append(overlap([x / S_X, y / S_Y, w * w, h * h], where))
                    responsible = int(np.argmax(overlaps))
                    target = max(overlaps)
                    assert target > 0
                    said = raw[picture, 10:, row, column]
                    lines[4] += sum((said[c] - (c == truth[4])) ** 2 for c in range(K))
                for j in range(B):
                    x, y, w, h, confidence = raw[picture, 5 * j : 5 * j + 5, row, column]
                    if j == responsible:
                        assert truth is not None
                        lines[0] += 5 * ((x - truth[0]) ** 2 + (y - truth[1]) ** 2)
                        lines[1] += 5 * (w - math.sqrt(truth[2])) ** 2
                        lines[1] += 5 * (h - math.sqrt(truth[3])) ** 2
                        lines[2] += (confidence - target) ** 2
                    else:
                        lines[3] += 0.5 * confidence**2
    return lines / len(targets), answered


def scene(seed: int) -> tuple[Float64, list[Boxes]]:
    """A raw map whose boxes lie within reach of the truths, and three pictures' truths."""
    rng = np.random.default_rng(seed)
    raw = rng.normal(0.5, 0.15, (3, 5 * B + K, S_Y, S_X))
    targets = []
    for count in (0, 3, 12):  # twelve: some share a cell
        corners = rng.uniform(0, 0.7, (count, 2)) * (SIZE.width, SIZE.height)
        sides = rng.uniform(0.1, 0.3, (count, 2)) * (SIZE.width, SIZE.height)
        targets.append(Boxes.of(np.hstack((corners, corners + sides)), rng.integers(0, K, count)))
    return raw, targets


@pytest.mark.parametrize("seed", range(6))
def test_the_loss_is_equation_3(seed: int) -> None:
    raw, targets = scene(seed)
    found = small().loss(torch.from_numpy(raw), targets)
    expected, answered = equation_3(raw, targets, raw)
    assert answered > 8
    parts = [float(found[name]) for name in ("coordinates", "objectness", "background", "classes")]
    lines = [expected[0] + expected[1], *expected[2:]]
    np.testing.assert_allclose(parts, lines, rtol=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_its_gradient_is_the_slope_of_equation_3(seed: int) -> None:
    """By central differences, with the overlaps that are targets held."""
    raw, targets = scene(seed)
    moving = torch.from_numpy(raw.copy()).requires_grad_()
    torch.stack(list(small().loss(moving, targets).values())).sum().backward()  # type: ignore[no-untyped-call]
    assert moving.grad is not None
    found = moving.grad.numpy()
    rng = np.random.default_rng(seed)
    strong = [tuple(int(i) for i in place) for place in np.argwhere(np.abs(found) > 0.3)]
    places = [strong[i] for i in rng.permutation(len(strong))[:12]]
    places += [tuple(int(rng.integers(side)) for side in raw.shape) for _ in range(12)]
    for place in places:
        sums = []
        for step in (1e-5, -1e-5):
            moved = raw.copy()
            moved[place] += step
            sums.append(equation_3(moved, targets, raw)[0].sum())
        assert found[place] == pytest.approx((sums[0] - sums[1]) / 2e-5, rel=1e-6, abs=1e-8)


def test_a_truth_that_no_box_meets_is_answered_by_the_nearest() -> None:
    raw = torch.zeros(1, 5 * B + K, S_Y, S_X, dtype=torch.float64)
    raw[:, 2:4], raw[:, 7:9] = 0.05, 0.1  # two tiny boxes at the corner of every cell
    truth = Boxes.of([[100, 100, 118, 127]], [1])
    raw.requires_grad_()
    torch.stack(list(small().loss(raw, [truth]).values())).sum().backward()  # type: ignore[no-untyped-call]
    assert raw.grad is not None
    row, column = int(113.5 / 192 * S_Y), int(109 / 128 * S_X)
    assert raw.grad[0, 5:9, row, column].abs().min() > 0  # the larger of the two is nearer
    assert not raw.grad[0, :4].any()
    assert raw.grad[0, 5:9].count_nonzero() == 4


def test_decode_inverts_the_targets_of_the_loss() -> None:
    model = small()
    box = np.array([[20.0, 40.0, 100.0, 90.0]])
    x, y = 60 / 128 * S_X, 65 / 192 * S_Y
    raw = torch.zeros(1, 5 * B + K, S_Y, S_X)
    values = [x - int(x), y - int(y), math.sqrt(80 / 128), -math.sqrt(50 / 192), 1.0]
    raw[0, 5:10, int(y), int(x)] = torch.tensor(values)
    raw[0, 10 + 1, int(y), int(x)] = 1.0
    for sign, coordinates in ((1, 0.0), (-1, 5 * (2 * math.sqrt(50 / 192)) ** 2)):
        raw[0, 8, int(y), int(x)] = sign * math.sqrt(50 / 192)
        parts = model.loss(raw, [Boxes.of(box, [1])])
        assert float(parts["coordinates"]) == pytest.approx(coordinates, abs=1e-6)
        for part in ("objectness", "background", "classes"):
            assert float(parts[part]) == pytest.approx(0, abs=1e-6)
        found = candidates([raw[0].numpy()], model.decoding, 0.5, K)
        np.testing.assert_allclose(found.xyxy, box, atol=1e-3)
        assert found.labels.tolist() == [1]
        assert found.scores.tolist() == [1]


@pytest.mark.parametrize("size", [Size(576, 448), Size(512, 384), Size(128, 192)], ids=str)
def test_the_small_ones_last_layer_begins_as_a_convolution(size: Size) -> None:
    model = TinyYoloV1(3, TinyYoloV1.plan(size, ()), 0.25).requires_grad_(False)
    down, across, depth = size.height // 64, size.width // 64, 64
    bias = model.last.bias.view(-1, model.rows, model.columns)
    numbers = torch.Generator().manual_seed(0)
    one = torch.randn(depth, generator=numbers)
    everywhere = one[:, None, None].expand(depth, down, across)
    said = model.last(everywhere.flatten()).view_as(bias) - bias
    assert float(said.std(dim=(1, 2)).max()) < 1e-5  # of one feature everywhere all say the same
    assert float(said[:, 0, 0].abs().max()) > 0.01
    assert [float(bias[channel].unique()) for channel in (2, 3, 7, 8)] == [1 / 4] * 2 + [1 / 2] * 2
    for y, x in np.ndindex(down, across):
        here = torch.zeros(depth, down, across)
        here[:, y, x] = one
        moved = (model.last(here.flatten()).view_as(bias) - bias).abs().amax(0) > 1e-5
        for row, column in np.ndindex(model.rows, model.columns):
            # the middle of the cell, in places of the map
            lies = (row + 0.5) / model.rows * down, (column + 0.5) / model.columns * across
            assert bool(moved[row, column]) == ((y, x) == tuple(int(at) for at in lies))


def test_a_feature_begins_without_a_mean_and_its_squares_add_up_to_one() -> None:
    torch.manual_seed(0)
    for size in (Size(512, 384), Size(192, 128)):
        model = TinyYoloV1(3, TinyYoloV1.plan(size, ()), 0.25).requires_grad_(False)
        features = model.convolutions(torch.randn(4, 3, size.height, size.width))
        assert float(features.mean() / features.std()) == pytest.approx(0, abs=0.1)
        assert float((features**2).sum() / len(features) / 64) == pytest.approx(1, rel=0.15)


def test_dropout_and_normalization_are_where_they_belong() -> None:
    kinds = [type(part) for part in YoloV1(K, YoloV1.plan(SIZE, ()), width=0.05).modules()]
    assert kinds.count(nn.BatchNorm2d) == 24
    assert kinds.count(nn.Dropout) == 1
    model = YoloV1(K, YoloV1.plan(SIZE, ()), width=0.05, norm=False)
    parts = list(model.modules())
    assert not [part for part in parts if isinstance(part, nn.BatchNorm2d)]
    assert all(part.bias is not None for part in parts if isinstance(part, nn.Conv2d))
    slopes = [part.negative_slope for part in parts if isinstance(part, nn.LeakyReLU)]
    assert slopes == [0.1] * 25  # of every layer but the last
