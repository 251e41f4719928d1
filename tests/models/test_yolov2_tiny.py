"""YOLOv2-tiny against the paper's counts and against darknet's deltas, written out one by one."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tatami.models.yolov2_tiny import YoloV2Tiny
from tatami.rules.boxes import iou_xyxy
from tatami.rules.decoding import candidates
from tatami.types import Boxes, Decoding, Float64

VOC_ANCHORS = [(1.08, 1.19), (3.42, 4.41), (6.63, 11.38), (9.42, 5.11), (16.62, 10.52)]


def test_the_published_network_has_15_87_million_parameters_and_3_4855_g_multiply_adds() -> None:
    model = YoloV2Tiny(20, Decoding.yolov2(VOC_ANCHORS)).eval()
    multiply_adds = 0

    def count(layer: torch.nn.Module, _: object, output: torch.Tensor) -> None:
        nonlocal multiply_adds
        assert isinstance(layer, torch.nn.Conv2d)
        multiply_adds += output.numel() * layer.weight[0].numel()

    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(count)
    with torch.no_grad():
        raw = model(torch.zeros(1, 3, 416, 416))
    assert raw.shape == (1, 125, 13, 13)
    assert round(multiply_adds / 1e9, 4) == 3.4855
    # darknet's weight file counts the running means and variances too: 15,867,885 floats.
    floats = [t.numel() for t in model.state_dict().values() if t.is_floating_point()]
    assert sum(floats) == 15_867_885


@pytest.mark.parametrize(("height", "width"), [(288, 352), (32, 32), (64, 160)])
def test_any_input_whose_sides_divide_by_32(height: int, width: int) -> None:
    model = YoloV2Tiny(3, Decoding.yolov2(VOC_ANCHORS[:2]), width=0.25).eval()
    with torch.no_grad():
        assert model(torch.zeros(2, 3, height, width)).shape == (2, 16, height // 32, width // 32)


def _boxes(rng: np.random.Generator, count: int, width: float, height: float) -> Boxes:
    corner = rng.uniform(0, 0.8, (count, 2)) * (width, height)
    sides = rng.uniform(0.05, 0.6, (count, 2)) * (width, height)
    far = np.minimum(corner + sides, (width, height))
    return Boxes.of(np.hstack((corner, far)), rng.integers(0, 3, count))


def _darknet_deltas(
    raw: Float64, targets: list[Boxes], anchors: list[tuple[float, float]]
) -> Float64:
    """-gradient of the summed loss by raw, predictor by predictor, as region_layer.c reasons."""

    def sigmoid(value: float) -> float:
        return 1 / (1 + math.exp(-value))

    pictures, _, rows, columns = raw.shape
    maps = raw.reshape(pictures, len(anchors), -1, rows, columns)
    delta = np.zeros_like(maps)

    def box(picture: int, anchor: int, row: int, column: int) -> Float64:
        tx, ty, tw, th = maps[picture, anchor, :4, row, column]
        x, y = sigmoid(tx) + column, sigmoid(ty) + row
        w, h = anchors[anchor][0] * math.exp(tw), anchors[anchor][1] * math.exp(th)
        return np.array([[x - w / 2, y - h / 2, x + w / 2, y + h / 2]])

    for picture, boxes in enumerate(targets):
        truths = boxes.xyxy / 32
        for anchor in range(len(anchors)):
            for row in range(rows):
                for column in range(columns):
                    own = box(picture, anchor, row, column)
                    if len(boxes) and iou_xyxy(own, truths).max() > 0.6:
                        continue
                    o = sigmoid(maps[picture, anchor, 4, row, column])
                    delta[picture, anchor, 4, row, column] = -o * o * (1 - o)
        for truth, label in zip(truths, boxes.labels, strict=True):
            w, h = truth[2:] - truth[:2]
            x, y = (truth[:2] + truth[2:]) / 2
            row, column = int(y), int(x)
            shapes = [
                iou_xyxy(np.array([[0, 0, w, h]]), np.array([[0, 0, *pair]]))[0, 0]
                for pair in anchors
            ]
            anchor = int(np.argmax(shapes))
            t = maps[picture, anchor, :, row, column]
            d = delta[picture, anchor, :, row, column]
            weight = 2 - w * h / (rows * columns)
            for i, goal in enumerate((x - column, y - row)):
                s = sigmoid(t[i])
                d[i] = weight * (goal - s) * s * (1 - s)
            for i, goal in enumerate((w, h)):
                d[2 + i] = weight * (math.log(goal / anchors[anchor][i]) - t[2 + i])
            o = sigmoid(t[4])
            reached = iou_xyxy(box(picture, anchor, row, column), truth[None])[0, 0]
            d[4] = 5 * (reached - o) * o * (1 - o)
            exponents = np.exp(t[5:] - t[5:].max())
            d[5:] = np.eye(len(t) - 5)[label] - exponents / exponents.sum()
    return delta.reshape(raw.shape)


@pytest.mark.parametrize("seed", range(6))
def test_the_gradient_of_the_loss_is_darknets_delta(seed: int) -> None:
    rng = np.random.default_rng(seed)
    anchors = [(0.8, 0.7), (2.0, 1.5), (3.0, 3.5)]
    model = YoloV2Tiny(3, Decoding.yolov2(anchors), width=0.25)
    targets = [_boxes(rng, count, 160, 128) for count in (0, 3, 7)]
    raw = torch.tensor(rng.normal(0, 0.8, (3, 24, 4, 5)), requires_grad=True)
    parts = model.loss(raw, targets)
    torch.stack(tuple(parts.values())).sum().backward()  # type: ignore[no-untyped-call]
    assert raw.grad is not None
    expected = _darknet_deltas(raw.detach().numpy(), targets, anchors)
    np.testing.assert_allclose(-3 * raw.grad.numpy(), expected, rtol=1e-9, atol=1e-12)


def test_two_truths_that_want_one_predictor_leave_it_to_the_later() -> None:
    model = YoloV2Tiny(3, Decoding.yolov2([(1.0, 1.0)]), width=0.25)
    raw = torch.zeros(1, 8, 2, 2)
    both = Boxes.of([[0, 0, 30, 30], [1, 1, 31, 31]], [0, 2])
    later = Boxes.of([[1, 1, 31, 31]], [2])
    for one, other in zip(
        model.loss(raw, [both]).values(), model.loss(raw, [later]).values(), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=0.05, atol=0)  # the overlap test sees both
    torch.testing.assert_close(
        model.loss(raw, [both])["coordinates"], model.loss(raw, [later])["coordinates"]
    )


def test_decode_inverts_the_targets_of_the_loss() -> None:
    """A raw map that holds a truth's own targets has no coordinate loss and decodes to the box."""
    model = YoloV2Tiny(3, Decoding.yolov2([(1.0, 1.5), (2.0, 2.0)]), width=0.25)
    truth = np.array([[20.0, 40.0, 100.0, 90.0]])  # center (60, 65): column 1, row 2
    w, h = 80 / 32, 50 / 32
    raw = torch.full((1, 16, 4, 4), -20.0)
    values = [math.log((60 / 32 - 1) / (2 - 60 / 32)), math.log((65 / 32 - 2) / (3 - 65 / 32))]
    values += [math.log(w / 2), math.log(h / 2), 20.0, -20.0, 20.0, -20.0]
    raw[0, 8:, 2, 1] = torch.tensor(values)
    parts = model.loss(raw, [Boxes.of(truth, [1])])
    assert float(sum(parts.values())) < 1e-6
    found = candidates((raw[0].numpy(),), model.decoding, 0.5, 3)
    np.testing.assert_allclose(found.xyxy, truth, atol=1e-3)
    assert found.labels.tolist() == [1]
