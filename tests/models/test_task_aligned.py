"""The loss of today: who answers for what, by a plain loop; and what it pulls towards."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from tatami.models.overlap import complete_iou
from tatami.models.region import aligned_region_loss
from tatami.models.task_aligned import (
    OVERLAP_POWER,
    SCORE_POWER,
    TOP,
    Truths,
    assign,
    cell_middles,
    task_aligned_loss,
)
from tatami.rules.boxes import iou_xyxy
from tatami.types import Boxes, Float64


def random_boxes(rng: np.random.Generator, count: int, side: float = 30.0) -> Float64:
    corner = rng.uniform(0, 60, (count, 2))
    return np.hstack((corner, corner + rng.uniform(4, side, (count, 2))))


def by_hand(
    scores: Float64, boxes: Float64, able: Float64, truths: Float64, labels: Float64
) -> tuple[Float64, list[int | None]]:
    """TOOD's section 3.2 for one picture, a place at a time: the scores (p, k), and whose."""
    overlap = iou_xyxy(truths, boxes)
    aligned = scores[:, labels].T ** SCORE_POWER * overlap**OVERLAP_POWER * able
    owner: list[int | None] = [None] * len(boxes)
    for truth in range(len(truths)):
        for place in np.argsort(-aligned[truth], kind="stable")[:TOP].tolist():
            held = owner[place]
            if aligned[truth, place] > 0 and (
                held is None or overlap[held, place] < overlap[truth, place]
            ):
                owner[place] = truth
    wanted = np.zeros_like(scores)
    for truth in range(len(truths)):
        mine = [place for place, one in enumerate(owner) if one == truth]
        for place in mine:
            share = aligned[truth, place] / max(aligned[truth, mine].max(), 1e-9)
            wanted[place, labels[truth]] = share * overlap[truth, mine].max()
    return wanted, owner


def test_the_assignment_is_that_of_a_plain_loop() -> None:
    rng = np.random.default_rng(0)
    for _ in range(40):
        counts = [int(rng.integers(0, 6)) for _ in range(2)]
        truths = [random_boxes(rng, count) for count in counts]
        labels = [rng.integers(0, 3, count) for count in counts]
        scores, boxes = rng.random((2, 50, 3)), np.stack([random_boxes(rng, 50) for _ in range(2)])
        able = rng.random((2, max(1, *counts), 50)) < 0.5
        there = Truths.of(truths, labels, torch.device("cpu"))
        as_double = Truths(there.xyxy.double(), there.labels, there.there)
        given = assign(*map(torch.from_numpy, (scores, boxes, able)), as_double)
        for picture, count in enumerate(counts):
            exact = as_double.xyxy[picture, :count].numpy()
            wanted, owner = by_hand(
                scores[picture], boxes[picture], able[picture, :count], exact, labels[picture]
            )
            np.testing.assert_allclose(given.scores[picture], wanted, atol=1e-6)
            assert given.positive[picture].tolist() == [one is not None for one in owner]
            for place, one in enumerate(owner):
                if one is not None:
                    np.testing.assert_array_equal(given.boxes[picture, place], exact[one])


def test_complete_iou_is_its_formula() -> None:
    rng = np.random.default_rng(1)
    a, b = random_boxes(rng, 200), random_boxes(rng, 200)
    found = complete_iou(torch.from_numpy(a), torch.from_numpy(b)).numpy()
    for one, other, value in zip(a, b, found, strict=True):
        overlap = float(iou_xyxy(one[None], other[None])[0, 0])
        hull = np.maximum(one[2:], other[2:]) - np.minimum(one[:2], other[:2])
        away = (one[:2] + one[2:] - other[:2] - other[2:]) / 2
        angles = [math.atan((box[2] - box[0]) / (box[3] - box[1])) for box in (one, other)]
        shape = 4 / math.pi**2 * (angles[0] - angles[1]) ** 2
        trade = shape / (1 - overlap + shape)
        wanted = overlap - (away**2).sum() / (hull**2).sum() - trade * shape
        assert value == pytest.approx(wanted, abs=1e-6)
    assert complete_iou(torch.from_numpy(a), torch.from_numpy(a)).numpy() == pytest.approx(1.0)


TARGETS = [Boxes.of([[10, 12, 40, 50], [30, 30, 62, 60]], [2, 0]), Boxes.of([], [])]


def test_free_points_learn_the_boxes_and_their_classes() -> None:
    """Numbers without a network in front of them come to the truth, and to silence elsewhere."""
    torch.manual_seed(0)
    points = 8 * cell_middles(8, 8, torch.device("cpu"))
    far = torch.full((2, 64, 4), 16.0, requires_grad=True)
    logits = torch.full((2, 64, 3), -4.0, requires_grad=True)

    def boxes() -> Tensor:
        return torch.cat((points - far[..., :2], points + far[..., 2:]), -1)

    optimizer = torch.optim.Adam([{"params": [far], "lr": 0.5}, {"params": [logits], "lr": 0.1}])
    for _ in range(400):
        parts = task_aligned_loss(logits, boxes(), points, TARGETS)
        optimizer.zero_grad()
        torch.stack(list(parts.values())).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    scores = logits.detach().sigmoid()
    assert scores[1].max() < 0.01
    for truth, label in zip(TARGETS[0].xyxy, TARGETS[0].labels.tolist(), strict=True):
        best = int(scores[0, :, label].argmax())
        assert scores[0, best, label] > 0.8
        found = boxes()[0, best].detach().double().numpy()
        assert iou_xyxy(truth[None], found[None]).item() > 0.9


def test_a_region_map_learns_boxes_whose_centers_are_in_the_cells_around() -> None:
    """The cell that holds a center is kept from answering; one beside it can."""
    torch.manual_seed(0)
    anchors = ((1.0, 1.0), (2.0, 2.0))
    raw = (0.1 * torch.randn(1, 2 * (5 + 3), 4, 4)).requires_grad_()
    truth, labels = [np.array([[0.6, 0.7, 2.6, 2.1]])], [np.array([1])]  # its center: 1.6, 1.4
    optimizer = torch.optim.Adam([raw], lr=0.05)
    for _ in range(300):
        parts = aligned_region_loss(raw, truth, labels, anchors, 2.0)
        optimizer.zero_grad()
        torch.stack(list(parts.values())).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    maps = raw.detach().view(2, 8, 4, 4)
    sure = maps[:, 4].sigmoid()
    assert (sure.amax(0)[1:3, 1:3] > 0.5).sum() >= 2  # not of one cell alone
    assert float(sure[:, 3].max()) < 0.1
    assert float(sure[:, :, 3].max()) < 0.1
    anchor, row, column = np.unravel_index(int(sure.argmax()), sure.shape)
    x, y, w, h = maps[anchor, :4, row, column].tolist()
    center = [2 / (1 + math.exp(-t)) - 0.5 + at for t, at in ((x, column), (y, row))]
    sides = [anchors[anchor][0] * math.exp(w), anchors[anchor][1] * math.exp(h)]
    assert center == pytest.approx([1.6, 1.4], abs=0.1)
    assert sides == pytest.approx([2.0, 1.4], abs=0.15)
    assert int(maps[anchor, 5:, row, column].argmax()) == 1
