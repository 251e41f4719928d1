"""Which networks a suite is about: all rows of the table that are of its kind.

A network that is added to the table is in every suite of its kind without a word here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import pytest
from _pytest.mark import ParameterSet
from torch import nn

from tatami.models.table import MODELS, Model

TWINS = frozenset(
    (
        *("vgg19", "vgg19-bn", "resnet34", "resnet101", "resnet152"),
        *("densenet169", "densenet201", "densenet264"),
        *("fcn-32s", "fcn-16s", "fcn-8s", "segnet", "unet-same", "deeplabv3plus"),
        *("ds-cnn-large", "tatami-small", "wavenet"),
        *("fast-rcnn", "fast-rcnn-vgg16-bn", "fast-rcnn-resnet50", "fast-rcnn-mobilenet-v1"),
        *("faster-rcnn", "faster-rcnn-resnet18", "faster-rcnn-resnet50", "faster-rcnn-resnet101"),
    )
)
"""Those that are made of what another row is made of, too: the slow tests have them."""


def names(
    kind: type[Model[Any]] | None = None,
    twins: Collection[str] = TWINS,
    table: Mapping[str, Model[Any]] = MODELS,
) -> list[ParameterSet]:
    """The names of a kind of network, or of all with one input, as a test's parameters.

    Translators, which have two networks of several inputs, have tests/tasks/test_translation.py.
    """
    return [
        pytest.param(name, marks=pytest.mark.slow if name in twins else ())
        for name, row in table.items()
        if (kind is None and not row.several_inputs) or (kind and isinstance(row, kind))
    ]


def without_dropout(model: nn.Module) -> None:
    """At the width of these suites dropout would leave nothing."""
    for part in model.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
