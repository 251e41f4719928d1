"""What a network takes of another one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from tatami.errors import TatamiError
from tatami.models.ssd300 import SSD300Norm
from tatami.models.table import MODELS
from tatami.models.yolov1 import TinyYoloV1
from tatami.models.yolov2_tiny import YoloV2Tiny
from tatami.train.transfer import leading_layers
from tatami.types import Size

FILE = Path("weights.safetensors")


def ssd() -> SSD300Norm:
    return SSD300Norm(3, SSD300Norm.plan(Size(96, 96)), width=0.1)


def test_an_ssd_begins_from_vggs_convolutions_and_no_more() -> None:
    torch.manual_seed(0)
    model, vgg = ssd(), MODELS["vgg16-bn"].make()(5, width=0.1)
    start, last = leading_layers(model, vgg.state_dict(), FILE)
    theirs = list(vgg.features.parameters())
    assert len(theirs) == 13 * 4  # kernel, bias, scale and shift of thirteen layers
    for (name, _), tensor in zip(model.named_parameters(), theirs, strict=False):
        assert torch.equal(start[name], tensor), name
        assert name.startswith("conv")
    taken = [name for name in start if not torch.equal(start[name], model.state_dict()[name])]
    assert last.startswith("conv5.")
    assert all(name.split(".")[0] in {f"conv{i}" for i in range(1, 6)} for name in taken)
    model.load_state_dict(start)


def test_names_do_not_matter_and_statistics_come_along() -> None:
    yolo2 = YoloV2Tiny(3, YoloV2Tiny.plan(Size(64, 64), [(9.0, 9.0)]), width=0.1)
    for part in yolo2.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.running_mean)
    model = TinyYoloV1(3, TinyYoloV1.plan(Size(64, 64), ()), width=0.1)
    start, last = leading_layers(model, yolo2.state_dict(), FILE)
    means = [t for n, t in yolo2.state_dict().items() if n.endswith("running_mean")]
    mine = [t for n, t in start.items() if n.endswith("running_mean")]
    assert last.endswith("norm")
    assert [torch.equal(a, b) for a, b in zip(mine, means, strict=False)] == [True] * 7 + [False]


def test_what_cannot_begin_so_is_refused() -> None:
    wider = MODELS["vgg16-bn"].make()(5, width=0.5)
    with pytest.raises(TatamiError, match="not even the first layer"):
        leading_layers(ssd(), wider.state_dict(), FILE)
    same = MODELS["vgg16-bn"].make()(5, width=0.1)
    nn.init.constant_(same.features[3].weight, torch.nan)
    with pytest.raises(TatamiError, match="not finite"):
        leading_layers(ssd(), same.state_dict(), FILE)
