"""The losses of a matcher, each against a loop over its pairs."""

from __future__ import annotations

import math

import numpy as np
import torch

from tatami.models.siamese_conv4 import SiameseConv4
from tatami.rules.matching import EVEN
from tatami.types import Size

LABELS = (3, 5, 3, 8)


def test_each_loss_is_its_loop() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(0, 1, (2, len(LABELS), 6))
    model = SiameseConv4(Size(16, 16), width=0.125)
    raw = torch.from_numpy(np.concatenate([first, second]))
    labels = torch.tensor(LABELS)
    assert list(model.loss(raw, labels)) == ["pairs"]
    model.ranked = True
    found = model.loss(raw, labels)

    apart = np.abs(first[:, None] - second[None]).sum(-1)
    surprise: dict[bool, list[float]] = {True: [], False: []}
    for i, one in enumerate(LABELS):
        for j, other in enumerate(LABELS):
            sign = 1 if one == other else -1
            surprise[one == other].append(math.log1p(math.exp(-sign * (EVEN - apart[i, j]))))
    pairs = (np.mean(surprise[True]) + np.mean(surprise[False])) / 2
    assert abs(float(found["pairs"]) - pairs) < 1e-5

    lost = []
    for table in (apart, apart.T):
        for i, one in enumerate(LABELS):
            rivals = [table[i, j] for j, other in enumerate(LABELS) if j == i or other != one]
            lost.append(math.log(sum(math.exp(-each) for each in rivals)) + table[i, i])
    assert abs(float(found["nearest"]) - np.mean(lost)) < 1e-5
