"""What R-CNN learns after its network: a linear SVM a class, and a regression of its boxes.

R. Girshick et al., "Rich feature hierarchies", CVPR 2014: section 2.3 and appendix B for the SVMs,
appendix C for the boxes. scikit-learn solves the SVMs; mining hard negatives is ours.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch

from tatami.errors import TatamiError
from tatami.models.default_boxes import encode
from tatami.models.rcnn import RCNN
from tatami.models.two_stage import split
from tatami.rules.boxes import iou_xyxy, xyxy_to_cxcywh
from tatami.rules.regions import warp
from tatami.types import Bool, Boxes, Float32, Float64, Int64, Picture, TwoStageSpec

C, POSITIVE_WEIGHT = 1e-3, 2.0
"""The SVM's, and how much more a truth weighs than background: of the authors' code."""
NORM = 20.0
"""Features are scaled to this mean length first, whatever the network: so are the authors'."""
NEGATIVE_OVERLAP, BOX_OVERLAP = 0.3, 0.6
RIDGE = 1000.0
ROUNDS, FIRST_NEGATIVES = 4, 2000


@dataclass(frozen=True)
class Seen:
    """The features of the n regions that are learned from.

    pool5: (n, p).  fc7: (n, f).  overlap: (n, K), each region's best IoU with a truth of each
    class.  truth: (n,), the class of a region that is a truth, else -1.  offsets: (n, 4), from the
    region to the truth that it overlaps most.  label: (n,), that truth's class, -1 of none.
    reached: (n,), the IoU with it.
    """

    pool5: Float32
    fc7: Float32
    overlap: Float32
    truth: Int64
    offsets: Float32
    label: Int64
    reached: Float32


def fit(
    model: RCNN,
    pictures: Iterable[tuple[Picture, Boxes]],
    spec: TwoStageSpec,
    regions: int,
    seed: int,
) -> None:
    """Fit the SVMs and the boxes' regression of a network that has been fine-tuned.

    pictures: each with its truths and proposals, in its own pixels.  regions: of a picture, so many
    proposals are looked at, drawn from ``seed``.
    Raises TatamiError where scikit-learn is not installed, or a class has no truth at all.
    """
    seen = look(model, pictures, spec, regions, seed)
    scale5, scale7 = (NORM / max(_mean_norm(part), 1e-12) for part in (seen.pool5, seen.fc7))
    weights, biases = [], []
    for label, name in enumerate(spec.classes):
        own = seen.truth == label
        if not own.any():
            raise TatamiError(
                f"no truth of class '{name}' to learn from", hint="train on a split that has some"
            )
        others = seen.overlap[:, label] < NEGATIVE_OVERLAP
        weight, bias = svm(seen.fc7 * np.float32(scale7), own, others, seed)
        weights.append(torch.from_numpy((weight * scale7).astype(np.float32)))
        biases.append(bias)
        near = (seen.label == label) & (seen.reached >= BOX_OVERLAP)
        slope, start = ridge(seen.pool5[near] * np.float32(scale5), seen.offsets[near])
        model.set_boxes(
            label,
            torch.from_numpy((slope * scale5).astype(np.float32)),
            torch.from_numpy(start.astype(np.float32)),
        )
    model.set_svms(weights, biases)


def look(
    model: RCNN,
    pictures: Iterable[tuple[Picture, Boxes]],
    spec: TwoStageSpec,
    regions: int,
    seed: int,
) -> Seen:
    """Compute the features of every truth and of some proposals of every picture."""
    device = next(model.parameters()).device
    parts: list[Seen] = []
    for number, (picture, boxes) in enumerate(pictures):
        truths, proposals = split(boxes)
        rng = np.random.default_rng([seed, number])
        drawn = proposals[rng.permutation(len(proposals))[:regions]]
        every = np.concatenate([truths.xyxy.astype(np.float32), drawn])
        if not len(every):
            continue
        crops = torch.from_numpy(warp(picture, every, spec)).to(device)
        with torch.inference_mode():
            answers = [model.eval()(part) for part in torch.split(crops, 64)]
        pool5, fc7 = (np.concatenate([a[i].cpu().numpy() for a in answers]) for i in range(2))
        parts.append(_judged(every, truths, pool5, fc7, len(spec.classes)))
    fields = Seen.__dataclass_fields__
    return Seen(*(np.concatenate([getattr(part, name) for part in parts]) for name in fields))


def _judged(every: Float32, truths: Boxes, pool5: Float32, fc7: Float32, classes: int) -> Seen:
    count = len(every)
    overlap = np.zeros((count, classes), np.float32)
    offsets = np.zeros((count, 4), np.float32)
    label, reached = np.full(count, -1, np.int64), np.zeros(count, np.float32)
    truth = np.full(count, -1, np.int64)
    if len(truths):
        own = truths.xyxy.astype(np.float32)
        with_each = iou_xyxy(every, own)
        for index, of_class in enumerate(truths.labels.tolist()):
            overlap[:, of_class] = np.maximum(overlap[:, of_class], with_each[:, index])
        best = with_each.argmax(axis=1)
        reached, label = with_each.max(axis=1), truths.labels[best]
        offsets = encode(xyxy_to_cxcywh(own[best]), xyxy_to_cxcywh(every), (1.0, 1.0))
        truth[: len(truths)] = truths.labels
    return Seen(pool5, fc7, overlap, truth, offsets, label, reached)


def _mean_norm(features: Float32) -> float:
    return float(np.linalg.norm(features, axis=1).mean())


def svm(features: Float32, positive: Bool, negative: Bool, seed: int) -> tuple[Float64, float]:
    """Find the weights (f,) and the bias that tell positive from negative features (n, f).

    Negatives are mined (section 2.3): a few are drawn at first, then those that the SVM does not
    keep outside its margin are added, until there are none.
    """
    try:
        from sklearn.svm import LinearSVC
    except ImportError as error:
        raise TatamiError(
            "scikit-learn, which fits the SVMs, is not installed",
            hint="pip install 'tatami-nn[demo]'",
        ) from error
    (own,), (others,) = np.nonzero(positive), np.nonzero(negative)
    if not len(others):
        raise TatamiError("no region that is background", hint="train on more pictures")
    used = np.random.default_rng(seed).permutation(others)[:FIRST_NEGATIVES]
    for _ in range(ROUNDS):
        rows = np.concatenate([own, used])
        solver = LinearSVC(
            C=C,
            loss="squared_hinge",  # which liblinear solves without sampling, the same every time
            dual=False,
            class_weight={1: POSITIVE_WEIGHT, 0: 1.0},
            intercept_scaling=10.0,
        )
        solver.fit(features[rows], (np.arange(len(rows)) < len(own)).astype(int))
        weight, bias = solver.coef_[0], float(solver.intercept_[0])
        hard = others[features[others] @ weight.astype(np.float32) + bias > -1]
        more = np.setdiff1d(hard, used)
        if not len(more):
            break
        used = np.concatenate([used, more])
    return np.asarray(weight, np.float64), bias


def ridge(features: Float32, wanted: Float32) -> tuple[Float64, Float64]:
    """Find the line from features (n, p) to ``wanted`` (n, 4), by least squares with RIDGE.

    Returns:
        The slope (4, p) and the start (4,); zeros where there are no features.

    Source: Appendix C.
    """
    if not len(features):
        return np.zeros((4, features.shape[1])), np.zeros(4)
    x, y = features.astype(np.float64), wanted.astype(np.float64)
    mean_x, mean_y = x.mean(axis=0), y.mean(axis=0)
    x, y = x - mean_x, y - mean_y
    if len(x) < x.shape[1]:  # the same by the smaller matrix
        slope = x.T @ np.linalg.solve(x @ x.T + RIDGE * np.eye(len(x)), y)
    else:
        slope = np.linalg.solve(x.T @ x + RIDGE * np.eye(x.shape[1]), x.T @ y)
    return slope.T, mean_y - mean_x @ slope
