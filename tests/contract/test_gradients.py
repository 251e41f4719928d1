"""Derivatives of whole classifiers: what a logit takes from every pixel, as torch's autograd says.

Each is built narrow and short, with all its kinds of blocks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tatami import graph
from tatami.graph.gradient import gradient
from tatami.models.export import to_network
from tatami.models.table import MODELS
from tatami.see.class_activation import class_activation, last_maps, target_in_scores
from tatami.types import ClassificationSpec, InputSpec, Size

BOUND = 1e-5  # of the largest derivative: float32 against float64
CLASSES = ("a", "b", "c")
CASES: dict[str, tuple[Size, float, dict[str, Any], str]] = {
    # its input, width, fewer blocks, and the value that Grad-CAM's own code bases take
    "lenet5": (Size(32, 32), 1.0, {}, "tanh_4"),
    "resnet18": (Size(96, 64), 0.1, {"blocks": (1, 1, 1, 1)}, "layer4/0/relu_2"),
    "densenet121": (Size(96, 64), 0.1, {"blocks": (2, 2, 2, 2)}, "relu"),
    "mobilenet-v1": (Size(96, 64), 0.1, {}, "features/13/pointwise"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_classifier(name):
    size, width, short, layer = CASES[name]
    torch.manual_seed(0)
    model = MODELS[name].make()(len(CLASSES), width=width, **short)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    network = to_network(model.eval(), ClassificationSpec(CLASSES, InputSpec(size)))
    images = np.random.default_rng(0).random((1, 3, size.height, size.width), np.float32)
    computed = graph.values(network, images)
    target = target_in_scores(network, computed, CLASSES, "b")

    x = torch.from_numpy(images).double().requires_grad_()
    logits = model.double()(x)
    logits[0, 1].backward()
    expected = x.grad.numpy()
    assert target.score == pytest.approx(float(logits[0].softmax(0)[1].detach()), rel=1e-4)
    (found,) = gradient(network, images, target.seed, ["images"]).values()
    assert expected.any()
    assert np.abs(found - expected).max() <= BOUND * np.abs(expected).max()

    assert last_maps(network, target) == layer
    heat = class_activation(network, images, computed, target, layer)
    assert heat.shape == computed[layer].shape[2:]
    assert heat.min() >= 0
