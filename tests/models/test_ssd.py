"""SSD300, MobileNet-SSD and DSSD against what their papers and published files count."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from tatami.errors import TatamiError
from tatami.graph.costs import costs, total
from tatami.graph.network import Network
from tatami.graph.run import run
from tatami.models.default_boxes import DefaultBoxDetector, default_boxes
from tatami.models.dssd import DSSD, DSSD26, Deconvolution
from tatami.models.export import to_model, to_network
from tatami.models.mobilenet_ssd import MobileNetSSD
from tatami.models.ssd300 import SSD300, L2Normalization, SSD300Norm
from tatami.models.table import MODELS
from tatami.types import Boxes, Decoding, Size

VOC = tuple(f"class {index}" for index in range(20))
KINDS = (SSD300, SSD300Norm, MobileNetSSD, DSSD26)


def counted(decoding: Decoding, cells: list[tuple[int, int]]) -> int:
    return len(default_boxes(decoding.grids, tuple(cells)))


def test_ssd300_has_8732_default_boxes_on_six_maps() -> None:
    cells = SSD300.cells(Size(300, 300))
    assert cells == [(38, 38), (19, 19), (10, 10), (5, 5), (3, 3), (1, 1)]
    decoding = SSD300.plan(Size(300, 300))
    assert [len(grid.anchors) for grid in decoding.grids] == [4, 6, 6, 6, 4, 4]
    assert counted(decoding, cells) == 8732
    # Section 3.1: 0.1 at conv4_3, then 0.2 to 0.9 evenly; the square box is the first.
    squares = [grid.anchors[0][0] / 300 for grid in decoding.grids]
    np.testing.assert_allclose(squares, [0.1, 0.2, 0.375, 0.55, 0.725, 0.9], atol=1e-6)


def test_mobilenet_ssd_has_1917_default_boxes_of_the_published_sides() -> None:
    cells = MobileNetSSD.cells(Size(300, 300))
    assert cells == [(19, 19), (10, 10), (5, 5), (3, 3), (2, 2), (1, 1)]
    decoding = MobileNetSSD.plan(Size(300, 300))
    assert [len(grid.anchors) for grid in decoding.grids] == [3, 6, 6, 6, 6, 6]
    assert counted(decoding, cells) == 1917
    assert [grid.anchors[0] for grid in decoding.grids] == [
        (side, side) for side in (60, 105, 150, 195, 240, 285)
    ]
    larger = [grid.anchors[1][0] for grid in decoding.grids[1:]]
    np.testing.assert_allclose(
        np.square(larger), [105 * 150, 150 * 195, 195 * 240, 240 * 285, 285 * 300], rtol=1e-5
    )


def test_dssd_has_17080_default_boxes_eight_a_cell() -> None:
    cells = DSSD.cells(Size(321, 321))
    assert cells == [(40, 40), (20, 20), (10, 10), (5, 5), (3, 3), (1, 1)]
    decoding = DSSD.plan(Size(321, 321))
    assert {len(grid.anchors) for grid in decoding.grids} == {8}
    assert counted(decoding, cells) == 17080


def network_of(name: str, classes: tuple[str, ...], size: Size, width: float = 1.0) -> Network:
    row = MODELS[name]
    spec = row.spec(classes, size)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = row.build(spec, width).eval()
    return to_network(model, spec)


@pytest.mark.slow
def test_mobilenet_ssd_takes_1_1485_g_multiply_adds() -> None:
    all_layers = total(costs(network_of("mobilenet-ssd", VOC, Size(300, 300))))
    assert all_layers.multiply_adds / 1e9 == pytest.approx(1.1485, rel=1e-3)


@pytest.mark.slow
def test_ssd300_takes_31_4_g_multiply_adds() -> None:
    """Without the six convolutions' biases 26.28 M weights: VGG's 20.48 M up to fc7 among them."""
    network = network_of("ssd300", VOC, Size(300, 300))
    all_layers = total(costs(network))
    assert all_layers.multiply_adds / 1e9 == pytest.approx(31.374, rel=1e-4)
    model = SSD300(20, SSD300.plan(Size(300, 300)))
    assert sum(one.numel() for one in model.parameters()) == 26_285_486


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "size",
    [Size(64, 64), Size(96, 64), Size(64, 200), Size(300, 100), Size(77, 333), Size(131, 162)],
    ids=str,
)
def test_maps_are_as_planned_for_any_rectangle(kind: type[SSD300], size: Size) -> None:
    decoding = kind.plan(size, ())
    cells = kind.cells(size)
    assert len(decoding.grids) == len(cells)
    for grid, (rows, columns) in zip(decoding.grids, cells, strict=True):
        assert grid.stride == (size.width / columns, size.height / rows)
    assert all(min(one) > 1 for one in cells[:-1])
    model = kind(3, decoding, width=0.05).eval()
    with torch.no_grad():
        raw = model(torch.zeros(1, 3, size.height, size.width))
    assert [tuple(one.shape[2:]) for one in raw] == [one for one in cells for _ in range(2)]
    expected = [channels for _, channels in decoding.maps(3)]
    assert [one.shape[1] for one in raw] == expected


@pytest.mark.parametrize("kind", KINDS)
def test_every_size_has_the_boxes_of_every_stage(kind: type[SSD300]) -> None:
    """Per cell of the input's area they are the same boxes, whichever map has them."""
    whole = {
        (round(w / 300, 3), round(h / 300, 3))
        for grid in kind.plan(Size(300, 300), ()).grids
        for w, h in grid.anchors
    }
    small = {
        (round(w / 96, 3), round(h / 96, 3))
        for grid in kind.plan(Size(96, 96), ()).grids
        for w, h in grid.anchors
    }
    assert whole == small


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_too_small_is_refused(kind: type[SSD300]) -> None:
    with pytest.raises(TatamiError, match="too small for this network"):
        kind.plan(Size(300, 31), ())


@pytest.mark.parametrize("kind", [SSD300Norm, MobileNetSSD, DSSD26])
def test_a_batch_of_one_is_not_trained_on(kind: type[SSD300]) -> None:
    model = kind(3, kind.plan(Size(64, 64), ()), width=0.05)
    image = torch.zeros(1, 3, 64, 64)
    with pytest.raises(TatamiError, match="a batch of 1 cannot be normalized"):
        model.train()(image)
    model.eval()(image)


def test_the_paper_has_no_normalization_and_its_sister_has() -> None:
    size = Size(64, 64)

    def norms(kind: type[SSD300]) -> int:
        model = kind(3, kind.plan(size, ()), width=0.05)
        return sum(isinstance(part, nn.BatchNorm2d) for part in model.modules())

    assert norms(SSD300) == 0
    assert norms(SSD300Norm) == 13 + 2 + 4  # VGG's, fc6 and fc7, and two of each of two stages


def test_l2_normalization_makes_every_cell_as_long() -> None:
    layer = L2Normalization(512)
    x = torch.randn(2, 512, 3, 5, generator=torch.Generator().manual_seed(0)).relu()
    x[0, :, 1, 1] = 0  # a cell in which nothing is seen
    x.requires_grad_()
    y = layer(x)
    lengths = y.detach().square().sum(1).sqrt()
    assert lengths[0, 1, 1] == 0
    lengths[0, 1, 1] = 20
    torch.testing.assert_close(lengths, torch.full((2, 3, 5), 20.0), rtol=1e-5, atol=0)
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    # Of fewer channels a sample is as large as of 512.
    narrow = L2Normalization(32)(torch.ones(1, 32, 1, 1))
    torch.testing.assert_close(narrow, layer(torch.ones(1, 512, 1, 1))[:, :32], rtol=1e-5, atol=0)


@pytest.mark.parametrize(("coarse", "fine"), [(1, 3), (3, 5), (5, 10), (2, 3), (1, 1), (4, 9)])
def test_a_deconvolution_meets_the_map_beside_it(coarse: int, fine: int) -> None:
    torch.manual_seed(0)
    module = Deconvolution(4, 6, 8).eval()
    below, beside = torch.randn(2, 4, coarse, 3), torch.randn(2, 6, fine, 6)
    with torch.no_grad():
        y = module(below, beside)
        assert y.shape == (2, 8, fine, 6)
        assert (y >= 0).all()
        # It is a product: nothing on one side leaves nothing.
        module.beside_norm.weight.zero_()
        module.beside_norm.bias.zero_()
        assert not module(below, beside).any()


def test_dssd_reads_every_map_through_a_block_and_doubles_five_times() -> None:
    model = DSSD26(3, DSSD26.plan(Size(321, 321)), width=0.05)
    assert len(model.predict) == 6
    assert len(model.up) == 5
    strides = {part.stride for part in model.layer4.modules() if isinstance(part, nn.Conv2d)}
    dilations = {
        part.dilation for part in model.layer4.modules() if isinstance(part, nn.Conv2d)
        and part.kernel_size == (3, 3)
    }  # fmt: skip
    assert strides == {(1, 1)}
    assert dilations == {(2, 2)}


def test_the_normalization_is_the_same_in_numpy() -> None:
    """Through ReduceL2, Add, Div and Mul."""

    class Alone(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 12, 3)
            self.norm = L2Normalization(12)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y: torch.Tensor = self.norm(self.conv(x).relu())
            return y

    torch.manual_seed(0)
    module = Alone().eval()
    model = to_model(module, Size(9, 7))
    assert [node.op_type for node in model.graph][-4:] == ["ReduceL2", "Add", "Div", "Mul"]
    images = torch.randn(1, 3, 7, 9)
    with torch.no_grad():
        expected = module(images).numpy()
    found = run(Network(model, None), images.numpy())[0]
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


def test_a_truth_of_any_size_is_matched_and_learned() -> None:
    """From a small one to one as large as the picture, each finds a box of its own."""
    size = Size(128, 128)
    model = SSD300Norm(2, SSD300Norm.plan(size), width=0.05).train()
    truths = [[8, 8, 20, 20], [40, 40, 100, 100], [0, 0, 128, 128], [60, 0, 120, 30]]
    targets = [Boxes.of(truths, [0, 1, 0, 1]), Boxes.of([], [])]
    parts = model.loss(model(torch.zeros(2, 3, 128, 128)), targets)
    assert float(parts["coordinates"].detach()) > 0
    assert float(parts["classes"].detach()) > 0


@pytest.mark.parametrize("kind", [SSD300Norm, MobileNetSSD, DSSD])
def test_smaller_objects_get_smaller_boxes(kind: type[DefaultBoxDetector]) -> None:
    size = Size(320, 240)
    usual, small = kind.plan(size), kind.plan(size, min_scale=0.05)
    sides = [np.sqrt(np.prod(grid.anchors[0])) for grid in small.grids]
    assert sides[0] == pytest.approx(0.05 * np.sqrt(320 * 240), rel=1e-4)
    assert sides == sorted(sides)
    assert [len(grid.anchors) for grid in small.grids] == [len(g.anchors) for g in usual.grids]
    assert kind.plan(size, min_scale=kind.min_scale) == usual
    for min_scale in (0.0, 0.4, math.nan):
        with pytest.raises(TatamiError, match="smallest default boxes"):
            kind.plan(size, min_scale=min_scale)
