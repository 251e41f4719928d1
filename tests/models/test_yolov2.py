"""YOLOv2 against the published configuration: its counts, its order of layers, its passthrough."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from tatami.models.blocks import space_to_depth
from tatami.models.yolov2 import YoloV2
from tatami.types import Decoding, Float32

VOC_ANCHORS = [
    (1.3221, 1.73145), (3.19275, 4.00944), (5.05587, 8.09892), (9.47112, 4.84053),
    (11.2364, 10.0071),
]  # fmt: skip
# yolov2-voc.cfg: filters and size of each convolution; "M" a max pool; "R" the way to the
# passthrough: 64 of size 1 at the map of 512 before the last pool, laid out and put in front.
PUBLISHED = [
    *((32, 3), "M", (64, 3), "M", (128, 3), (64, 1), (128, 3), "M", (256, 3), (128, 1), (256, 3)),
    *("M", (512, 3), (256, 1), (512, 3), (256, 1), (512, 3), "M", (1024, 3), (512, 1), (1024, 3)),
    *((512, 1), (1024, 3), (1024, 3), (1024, 3), "R", (1024, 3)),
]


def counted() -> tuple[int, int]:
    """Multiply-adds at 416x416 and the floats of the weights file, layer by layer."""
    side, channels, fine = 416, 3, 0
    products = floats = 0
    for layer in PUBLISHED:
        if layer == "M":
            side, fine = side // 2, channels
            continue
        if layer == "R":
            products += (2 * side) ** 2 * fine * 64
            floats += fine * 64 + 4 * 64
            channels += 4 * 64
            continue
        filters, size = layer
        products += side * side * channels * filters * size * size
        floats += channels * filters * size * size + 4 * filters
        channels = filters
    products += side * side * channels * 125
    return products, floats + channels * 125 + 125


def test_the_published_network_has_so_many_parameters_and_multiply_adds() -> None:
    model = YoloV2(20, Decoding.yolov2(VOC_ANCHORS)).eval()
    products = 0

    def count(layer: nn.Module, _: object, output: torch.Tensor) -> None:
        nonlocal products
        assert isinstance(layer, nn.Conv2d)
        products += output.numel() * layer.weight[0].numel()

    layers = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    for module in layers:
        module.register_forward_hook(count)
    with torch.no_grad():
        assert model(torch.zeros(1, 3, 416, 416)).shape == (1, 125, 13, 13)
    floats = sum(t.numel() for t in model.state_dict().values() if t.is_floating_point())
    assert (products, floats) == counted()
    assert len(layers) == 23
    assert round(products / 1e9, 4) == 14.6802
    assert round(floats / 1e6, 2) == 50.68


@pytest.mark.parametrize(("height", "width"), [(288, 352), (32, 32), (64, 160)])
def test_any_input_whose_sides_divide_by_32(height: int, width: int) -> None:
    model = YoloV2(3, Decoding.yolov2(VOC_ANCHORS[:2]), width=0.1).eval()
    with torch.no_grad():
        assert model(torch.zeros(2, 3, height, width)).shape == (2, 16, height // 32, width // 32)


@pytest.mark.parametrize("block", [1, 2, 3])
def test_space_to_depth_sample_by_sample(block: int) -> None:
    x = np.arange(2 * 3 * 6 * 12, dtype=np.float32).reshape(2, 3, 6, 12)
    found: Float32 = space_to_depth(torch.from_numpy(x), block).numpy()
    for n, c, row, column in np.ndindex(*x.shape):
        within = row % block * block + column % block
        assert found[n, within * 3 + c, row // block, column // block] == x[n, c, row, column]


def test_the_passthrough_reaches_the_answer() -> None:
    """A sample of the fine map changes the answer by two ways: through the pool, and past it."""
    torch.manual_seed(0)
    model = YoloV2(3, Decoding.yolov2(VOC_ANCHORS[:2]), width=0.1).eval()
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        before = model(images)
        model.deep[1].norm.weight.zero_()  # the deep way says nothing any more
        without = model(images)
        model.passthrough.norm.weight.zero_()
        silent = model(images)
    assert (before != without).any()
    assert (without != silent).any()
    assert torch.equal(silent, model(torch.rand(1, 3, 64, 64)).detach())
