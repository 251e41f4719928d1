"""What detectors in two stages learn from: sampled regions and anchors, and what is left alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tatami.models.backbone import BACKBONES
from tatami.models.default_boxes import default_boxes
from tatami.models.faster_rcnn import BETA, FasterRCNN, anchor_loss
from tatami.models.two_stage import PROPOSAL, Sampling, sample, split
from tatami.rules.boxes import cxcywh_to_xyxy, iou_xyxy
from tatami.types import Boxes, Size

TRUTHS = Boxes.of([[10, 10, 50, 60], [60, 5, 90, 40]], [2, 0])


def proposals(rng, count=200):
    corners = rng.uniform(0, 60, (count, 2))
    near = np.repeat(TRUTHS.xyxy, 15, axis=0) + rng.uniform(-4, 4, (30, 4))
    away = np.hstack([corners, corners + rng.uniform(8, 40, (count, 2))])
    return np.concatenate([near, away]).astype(np.float32)


def test_a_quarter_of_the_regions_are_objects_and_the_rest_overlap_a_little():
    boxes = proposals(np.random.default_rng(0))
    chosen = sample(boxes, TRUTHS, Sampling(), (0.1, 0.2))
    overlap = iou_xyxy(chosen.regions, TRUTHS.xyxy.astype(np.float32))
    assert len(chosen.regions) == 64
    assert (chosen.labels > 0).sum() == 16
    objects = chosen.labels > 0
    assert (overlap.max(axis=1)[objects] >= 0.5).all()
    assert (chosen.labels[objects] == TRUTHS.labels[overlap.argmax(axis=1)[objects]] + 1).all()
    background = overlap.max(axis=1)[~objects]
    assert ((background >= 0.1) & (background < 0.5)).all()


def test_what_is_to_be_said_leads_from_the_region_to_its_truth():
    boxes = proposals(np.random.default_rng(1))
    chosen = sample(boxes, TRUTHS, Sampling(), (0.1, 0.2))
    for region, label, (tx, ty, tw, th) in zip(
        chosen.regions.astype(float), chosen.labels, chosen.offsets.astype(float), strict=True
    ):
        if label == 0:
            continue
        x, y = (region[:2] + region[2:]) / 2
        w, h = region[2:] - region[:2]
        x, y = x + 0.1 * tx * w, y + 0.1 * ty * h
        w, h = w * np.exp(0.2 * tw), h * np.exp(0.2 * th)
        owner = TRUTHS.xyxy[TRUTHS.labels == label - 1][0]
        np.testing.assert_allclose([x - w / 2, y - h / 2, x + w / 2, y + h / 2], owner, atol=1e-3)


def test_the_draw_hangs_on_what_is_drawn_from_alone():
    boxes = proposals(np.random.default_rng(2))
    once, again = (sample(boxes, TRUTHS, Sampling(), (0.1, 0.2)) for _ in range(2))
    assert np.array_equal(once.regions, again.regions)
    other = sample(boxes[:-1], TRUTHS, Sampling(), (0.1, 0.2))
    assert not np.array_equal(once.regions, other.regions)


def test_a_picture_of_the_background_alone_teaches_too():
    boxes = proposals(np.random.default_rng(3))
    chosen = sample(boxes, Boxes.of([], []), Sampling(), (0.1, 0.2))
    assert len(chosen.regions) == 64
    assert not chosen.labels.any()
    nothing = sample(np.zeros((0, 4), np.float32), Boxes.of([], []), Sampling(), (0.1, 0.2))
    assert len(nothing.regions) == 0


def test_truths_and_proposals_come_apart():
    both = Boxes.of([[0, 0, 9, 9], [1, 1, 5, 5], [2, 2, 8, 8]], [1, PROPOSAL, 0])
    truths, given = split(both)
    assert truths.labels.tolist() == [1, 0]
    assert given.tolist() == [[1, 1, 5, 5]]


def test_the_anchors_are_the_papers_at_the_papers_size():
    anchors, decoding = FasterRCNN.plan(Size(800, 600), "vgg16")
    assert anchors is not None
    (grid,) = anchors.grids
    found = np.array(grid.anchors)
    areas, ratios = found.prod(axis=1), found[:, 1] / found[:, 0]
    np.testing.assert_allclose(np.sqrt(areas), np.repeat([128, 256, 512], 3), rtol=1e-4)
    np.testing.assert_allclose(ratios, [0.5, 1, 2] * 3, rtol=1e-4)
    assert decoding.min_side == 16
    smaller, _ = FasterRCNN.plan(Size(160, 128), "vgg16")
    assert smaller is not None
    np.testing.assert_allclose(np.array(smaller.grids[0].anchors), found * 128 / 600, rtol=1e-4)


def naive_anchor_loss(offsets, scores, truths, grid, size):
    """Which anchors may speak and what they are, by loops: labels (-1: nothing) and truths."""
    rows, columns = offsets.shape[1:]
    labels, owners = [], []
    boxes = cxcywh_to_xyxy(default_boxes((grid,), ((rows, columns),))).astype(np.float64)
    overlap = iou_xyxy(boxes, truths.xyxy)
    inside = [
        box[0] >= 0 and box[1] >= 0 and box[2] <= size.width and box[3] <= size.height
        for box in boxes
    ]
    for index in range(len(boxes)):
        best = overlap[index].max()
        owners.append(int(overlap[index].argmax()))
        label = 1 if best > 0.7 else 0 if best < 0.3 else -1
        labels.append(label if inside[index] else -1)
    for truth in range(len(truths)):  # a truth's best anchor of those that may speak
        best = max((i for i in range(len(boxes)) if inside[i]), key=lambda i: overlap[i, truth])
        labels[best], owners[best] = 1, truth
    return np.array(labels), np.array(owners), boxes


def test_the_anchors_loss_is_that_of_loops():
    size = Size(160, 128)
    anchors, _ = FasterRCNN.plan(size, "vgg16")
    assert anchors is not None
    (grid,) = anchors.grids
    torch.manual_seed(0)
    offsets = torch.randn(1, 36, 8, 10, dtype=torch.float64)
    scores = torch.randn(1, 18, 8, 10, dtype=torch.float64)
    truths = Boxes.of([[20, 20, 75, 74], [90, 40, 120, 66]], [0, 1])
    parts = anchor_loss(offsets, scores, [truths], anchors, size)
    labels, owners, boxes = naive_anchor_loss(offsets[0], scores[0], truths, grid, size)
    spoken, objects = (labels >= 0).sum(), np.flatnonzero(labels == 1)
    assert len(objects) >= 2
    # All anchors that may speak are fewer than are drawn: the loss is of every one of them.
    assert len(objects) <= 128
    assert spoken <= 256
    each_score = scores[0].view(9, 2, 80).permute(0, 2, 1).reshape(-1, 2)
    each_offset = offsets[0].view(9, 4, 80).permute(0, 2, 1).reshape(-1, 4)
    objectness = coordinates = 0.0
    for index in np.flatnonzero(labels >= 0):
        objectness += float(F.cross_entropy(each_score[index], torch.tensor(labels[index])))
        if labels[index] == 1:
            box, own = boxes[index], truths.xyxy[owners[index]]
            w, h = box[2:] - box[:2]
            wanted = torch.tensor(
                [
                    ((own[0] + own[2]) - (box[0] + box[2])) / 2 / w,
                    ((own[1] + own[3]) - (box[1] + box[3])) / 2 / h,
                    np.log((own[2] - own[0]) / w),
                    np.log((own[3] - own[1]) / h),
                ]
            )
            for difference in (each_offset[index] - wanted).abs().tolist():
                linear = difference >= BETA
                coordinates += difference - BETA / 2 if linear else difference**2 / (2 * BETA)
    assert float(parts["objectness"]) == pytest.approx(objectness / spoken, rel=1e-5)
    assert float(parts["anchors"]) == pytest.approx(coordinates / spoken, rel=1e-4)


@pytest.mark.parametrize("name", sorted(set(BACKBONES) - {"resnet50", "resnet101"}))
def test_a_backbone_keeps_the_names_and_gives_what_it_says(name):
    from tatami.models.table import MODELS

    backbone = BACKBONES[name](0.1).eval()
    with torch.no_grad():
        features = backbone.trunk(torch.zeros(1, 3, 96, 64))
        assert features.shape == (1, backbone.channels, 6, 4)
        bins = (backbone.bins.height, backbone.bins.width)
        tail = backbone.tail(torch.zeros(2, backbone.channels, *bins))
    assert tail.shape == (2, backbone.outputs)
    whole = MODELS[name].make()(5, width=0.1).state_dict()
    mine = backbone.state_dict()
    assert set(mine) <= set(whole)
    assert all(mine[key].shape == whole[key].shape for key in mine)
    assert len(whole) - len(mine) == 2  # the last layer
    for key in mine:
        of_trunk = any(key.startswith(f"{part}.") for part in backbone.trunk_parts)
        of_tail = key.startswith(("classifier.", "layer4.", "features.12.", "features.13."))
        assert of_trunk or of_tail, key


def test_the_proposals_of_another_network_are_learned_from():
    size = Size(96, 64)
    anchors, decoding = FasterRCNN.plan(size, "mobilenet-v1")
    model = FasterRCNN(3, anchors, decoding, 0.1, "mobilenet-v1")
    images = torch.randn(1, 3, 64, 96)
    given = Boxes.of([[5, 5, 40, 40], [8, 6, 38, 44]], [1, PROPOSAL])
    model.learning = "regions"
    assert set(model.loss(model(images), [given])) == {"classes", "coordinates"}
    model.learning = "proposals"
    assert set(model.loss(model(images), [given])) == {"objectness", "anchors"}
