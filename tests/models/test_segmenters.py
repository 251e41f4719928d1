"""The segmenters against their papers: parameters, shapes, alignment, and U-Net's loss."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.ndimage import distance_transform_edt
from skimage.measure import label
from torch import Tensor, nn

from tatami.errors import TatamiError
from tatami.models.deeplabv3plus import DeepLabV3Plus
from tatami.models.fcn import FCN, upsampling
from tatami.models.pixel_losses import dice
from tatami.models.segmenter import Segmenter
from tatami.models.segnet import SegNet, SegNetBasic
from tatami.models.table import MODELS, names
from tatami.models.unet import UNet, border_weights, numbered_cells
from tatami.models.vgg import VGG
from tatami.tasks.segmentation import SEGMENTATION
from tatami.train.run import Run
from tatami.types import VOID

pytestmark = pytest.mark.usefixtures("one_thread")


def on_paper(name: str, classes: int, **options: object) -> Segmenter:
    """The whole network without memory for its weights."""
    with torch.device("meta"):
        return MODELS[name].make()(classes, **options).eval()


def count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def shapes_of(model: nn.Module, *wanted: nn.Module) -> list[tuple[int, ...]]:
    """The output shapes of some parts, filled as the model runs."""
    found: list[tuple[int, ...]] = []
    for part in wanted:
        part.register_forward_hook(lambda _, __, output: found.append(tuple(output.shape[1:])))
    return found


# Counts ------------------------------------------------------------------------------------------

PUBLISHED = {
    # name: classes, parameters, millions as published
    "fcn-32s": (21, 136_152_917, "136"),  # with 1.8 M of a 64x64 kernel between 21 scores
    "fcn-16s": (21, 134_815_994, "135"),
    "fcn-8s": (21, 134_489_759, "134"),  # Table 1: 134 M
    "segnet": (37, 29_464_357, "29.46"),  # SUN RGB-D's classes; of CamVid's 11 it is 29.45 M
    "segnet-basic": (11, 1_416_075, "1.42"),  # Table 1: 1.425 M
    "unet": (2, 31_031_810, "31.03"),
    "unet-same": (2, 31_031_810, "31.03"),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_are_those_published(name: str) -> None:
    classes, parameters, millions = PUBLISHED[name]
    found = count(on_paper(name, classes))
    assert found == parameters
    digits = len(millions.partition(".")[2])
    assert f"{found / 1e6:.{digits}f}" == millions


def test_every_segmenter_is_counted() -> None:
    counted = {*PUBLISHED, "deeplabv3plus", "deeplabv3plus-mobilenet"}
    assert set(names("segment")) == {*counted, "fcn-8s-bn", "unet-same-bn"}


def conv(inputs: int, outputs: int, kernel: int) -> int:
    """A convolution without bias and its normalization."""
    return kernel * kernel * inputs * outputs + 2 * outputs


def separable(inputs: int, outputs: int) -> int:
    return 9 * inputs + 2 * inputs + conv(inputs, outputs, 1)


def xception() -> int:
    """Figure 4: three blocks of the entry flow, sixteen of the middle, the exit."""
    total = conv(3, 32, 3) + conv(32, 64, 3)
    inputs = 64
    for outputs in (128, 256, 728):
        total += separable(inputs, outputs) + 2 * separable(outputs, outputs)
        total += conv(inputs, outputs, 1)  # the shortcut
        inputs = outputs
    total += 16 * 3 * separable(728, 728)
    total += separable(728, 728) + separable(728, 1024) + separable(1024, 1024)
    total += conv(728, 1024, 1)
    return total + separable(1024, 1536) + separable(1536, 1536) + separable(1536, 2048)


def mobilenet() -> int:
    outputs = (64, 128, 128, 256, 256, *(512,) * 6, 1024, 1024)
    inputs = (32, *outputs[:-1])
    return conv(3, 32, 3) + sum(map(separable, inputs, outputs))


@pytest.mark.parametrize(
    ("name", "backbone", "low", "high"),
    [
        ("deeplabv3plus", xception, 256, 2048),
        ("deeplabv3plus-mobilenet", mobilenet, 128, 1024),
    ],
)
def test_deeplab_layer_by_layer(name, backbone, low, high) -> None:
    """The pyramid is 1x1, three atrous and the whole picture; the decoder 48 fine channels."""
    pyramid = 2 * conv(high, 256, 1) + 3 * separable(high, 256) + conv(5 * 256, 256, 1)
    decoder = conv(low, 48, 1) + separable(256 + 48, 256) + separable(256, 256)
    scores = 256 * 21 + 21
    assert count(on_paper(name, 21)) == backbone() + pyramid + decoder + scores


@pytest.mark.parametrize("name", names("segment"))
@pytest.mark.parametrize("width", [0.0, float("nan"), 1e6])
def test_a_width_out_of_its_range(name: str, width: float) -> None:
    with pytest.raises(TatamiError, match="width is"):
        MODELS[name].make()(3, width=width)


# FCN ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [2, 8, 16, 32])
def test_upsampling_begins_bilinear(factor: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 3, 5, 4)
    with torch.no_grad():
        found = upsampling(3, factor)(x)
    expected = F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)
    assert found.shape == expected.shape
    inner = slice(factor // 2, -(factor // 2))
    torch.testing.assert_close(found[..., inner, inner], expected[..., inner, inner])


def test_fcn_is_vgg_16_at_every_place() -> None:
    """Section 3.1: its fully connected layers are convolutions that see 7x7 of the last map."""
    torch.manual_seed(0)
    vgg = VGG(5, width=0.05).eval()
    model = FCN(5, width=0.05, finest=32).eval()
    weights = {
        name: value for name, value in vgg.state_dict().items() if name.startswith("features")
    }
    for old, new in (("0", "fc6"), ("3", "fc7"), ("6", "score_fr")):
        target = model.get_parameter(f"{new}.weight")
        weights[f"{new}.weight"] = vgg.get_parameter(f"classifier.{old}.weight").view_as(target)
        weights[f"{new}.bias"] = vgg.get_parameter(f"classifier.{old}.bias")
    missing, unknown = model.load_state_dict(weights, strict=False)
    assert (missing, unknown) == (["upscore.weight"], [])
    scores: list[Tensor] = []
    model.upscore.register_forward_pre_hook(lambda _, given: scores.append(given[0]))
    images = torch.rand(2, 3, 224, 224)
    with torch.no_grad():
        logits = model(images)
        torch.testing.assert_close(scores[0][:, :, 3, 3], vgg(images), rtol=1e-4, atol=1e-5)
    assert scores[0].shape[2:] == (7, 7)
    assert logits.shape == (2, 5, 224, 224)


@pytest.mark.parametrize("finest", [8, 16, 32])
def test_fcn_puts_each_score_over_the_pixels_that_it_is_of(finest: int) -> None:
    """A score at 1/32 spreads evenly around the middle of its 32 x 32 pixels, whatever it meets."""
    model = FCN(2, width=0.05, finest=finest).eval()
    with torch.no_grad():
        model.score_fr.register_forward_hook(lambda _, __, output: output.zero_().index_put_(
            tuple(map(torch.tensor, (0, 1, 2, 3))), torch.tensor(1.0)))  # fmt: skip
        logits = model(torch.rand(1, 3, 192, 192))[0]
    assert not logits[0].any()
    total = logits[1].sum()
    places = torch.arange(192.0)
    assert float((logits[1].sum(1) * places).sum() / total) == pytest.approx(2 * 32 + 15.5)
    assert float((logits[1].sum(0) * places).sum() / total) == pytest.approx(3 * 32 + 15.5)
    assert float(total) == pytest.approx(32 * 32)


def test_fcns_last_interpolation_is_not_learnt_and_its_scores_begin_at_zero() -> None:
    model = FCN(2, width=0.05)
    held = [name for name, p in model.named_parameters() if not p.requires_grad]
    assert held == ["upscore.weight"]
    with torch.no_grad():
        assert not model(torch.rand(1, 3, 32, 32)).any()
    with pytest.raises(TatamiError, match="finest scores are at 1/4"):
        FCN(2, width=0.05, finest=4)


# SegNet ------------------------------------------------------------------------------------------


def test_segnets_decoder_is_the_mirror_of_its_encoder() -> None:
    model = on_paper("segnet", 11)
    assert isinstance(model, SegNet)
    convolutions = [part for part in model.modules() if isinstance(part, nn.Conv2d)]
    down = [(part.in_channels, part.out_channels) for part in convolutions[:13]]
    up = [(part.out_channels, part.in_channels) for part in convolutions[13:]]
    assert len(up) == 13
    assert up[::-1][1:] == down[1:]
    assert (up[-1], down[0]) == ((11, 64), (3, 64))
    assert sum(isinstance(part, nn.BatchNorm2d) for part in model.modules()) == 25


def test_segnet_basic_has_no_relu_and_no_bias_in_its_decoder() -> None:
    model = on_paper("segnet-basic", 11)
    assert isinstance(model, SegNetBasic)
    assert sum(isinstance(part, nn.ReLU) for part in model.modules()) == 4
    for part in (*model.encoders.modules(), *model.decoders.modules()):
        if isinstance(part, nn.Conv2d):
            assert part.kernel_size == (7, 7)
            assert part.bias is None


# U-Net -------------------------------------------------------------------------------------------


def test_unets_maps_are_those_of_figure_1() -> None:
    model = on_paper("unet", 2)
    assert isinstance(model, UNet)
    found = shapes_of(model, *model.down, *model.upward, *model.up)
    with torch.no_grad():
        assert model(torch.zeros(1, 3, 572, 572, device="meta")).shape == (1, 2, 388, 388)
    sides = [568, 280, 136, 64, 28, 56, 52, 104, 100, 200, 196, 392, 388]
    channels = [64, 128, 256, 512, 1024, 512, 512, 256, 256, 128, 128, 64, 64]
    assert found == [(c, side, side) for c, side in zip(channels, sides, strict=True)]
    weights = [part for part in model.modules() if isinstance(part, nn.Conv2d | nn.ConvTranspose2d)]
    assert len(weights) == 23  # "In total the network has 23 convolutional layers."


def test_unets_tiles_meet_without_a_seam() -> None:
    """What two tiles, moved by a multiple of 16, say of the same pixels is the same."""
    torch.manual_seed(0)
    model = UNet(2, width=0.05).eval()
    picture = torch.rand(1, 3, 220, 252)
    with torch.no_grad():
        whole = model(picture)  # (1, 2, 36, 68)
        for left in (0, 16, 32):
            tile = model(picture[..., left : left + 220])
            torch.testing.assert_close(tile, whole[..., left : left + 36], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("side", [172, 187, 190, 192, 568])
def test_unet_refuses_tiles_with_odd_maps(side: int) -> None:
    model = on_paper("unet", 2)
    with pytest.raises(TatamiError, match=f"a tile of 188x{side} has odd sides"):
        model(torch.zeros(1, 3, side, 188, device="meta"))


def brute_force(mask: np.ndarray, w0: float, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """Equation 2 by the distance to every cell, and the cells."""
    cells = np.zeros(mask.shape, np.int64)
    for value in np.unique(mask):
        if value not in (0, VOID):
            parts = label(mask == value, connectivity=1)
            cells[parts > 0] = parts[parts > 0] + cells.max()
    if cells.max() < 2:
        return np.zeros(mask.shape), cells
    distances = [distance_transform_edt(cells != cell) for cell in range(1, cells.max() + 1)]
    d1, d2 = np.sort(distances, axis=0)[:2]
    return w0 * np.exp(-((d1 + d2) ** 2) / (2 * sigma**2)), cells


def masks_of_cells() -> np.ndarray:
    rng = np.random.default_rng(4)
    sparse = rng.choice([0, 1, 2, VOID], (40, 55), p=[0.9, 0.06, 0.03, 0.01])
    dense = rng.choice([0, 1, 2], (40, 55), p=[0.45, 0.45, 0.1])
    lanes = np.zeros((40, 55), np.int64)
    lanes[:, 5:8] = lanes[:, 20:22] = lanes[3:5, 6:21] = lanes[30:, 40:] = 1
    spiral = np.zeros((40, 55), np.int64)
    for turn in range(0, 18, 4):
        spiral[turn : 39 - turn, turn] = spiral[38 - turn, turn : 54 - turn] = 1
        spiral[turn : 39 - turn, 53 - turn] = spiral[turn, turn + 4 : 54 - turn] = 1
        spiral[turn + 4, turn : turn + 4] = 1
    one = (np.indices((40, 55)).sum(0) < 20).astype(np.int64)
    return np.stack([sparse, dense, lanes, spiral, one, np.zeros_like(one)])


@pytest.mark.parametrize("sigma", [5.0, 1.5])
def test_border_weights_are_those_of_every_cells_distance(sigma: float) -> None:
    masks = masks_of_cells()
    found = border_weights(torch.from_numpy(masks), 10.0, sigma)
    assert found.dtype == torch.float32
    for one, mask in zip(found.numpy(), masks, strict=True):
        expected, _ = brute_force(mask, 10.0, sigma)
        np.testing.assert_allclose(one, expected, atol=1e-5)
    assert found[:2].amax((1, 2)).min() > 1
    assert not found[4:].any()


def test_cells_are_numbered_as_connected_parts() -> None:
    masks = masks_of_cells()
    found = numbered_cells(torch.from_numpy(masks)).numpy()
    for one, mask in zip(found, masks, strict=True):
        _, cells = brute_force(mask, 1, 1)
        assert ((one > 0) == (cells > 0)).all()
        pairs = np.unique(np.stack([one.ravel(), cells.ravel()]), axis=1)
        assert len(pairs[0]) == len(set(pairs[0])) == len(set(pairs[1]))


def test_unets_loss_is_equations_1_and_2() -> None:
    torch.manual_seed(0)
    masks = torch.from_numpy(masks_of_cells()[:2]).clamp(max=VOID)
    masks[masks == 2] = 1
    raw = torch.randn(2, 2, 36, 51)  # of the middle
    of_classes = (0.5, 2.0)
    bordered, usual = UNet(2, width=0.05, border=10.0), UNet(2, width=0.05)
    bordered.class_weights = usual.class_weights = (0.5, 2.0)
    (found,) = bordered.loss(raw, masks).values()
    surprise, weights, base = 0.0, np.stack([brute_force(m, 10, 5)[0] for m in masks.numpy()]), 0.0
    log = raw.double().log_softmax(1).numpy()
    for n in range(2):
        for y in range(36):
            for x in range(51):
                k = int(masks[n, y + 2, x + 2])
                if k != VOID:
                    base += float(of_classes[k])
                    weight = float(of_classes[k]) + weights[n, y + 2, x + 2]
                    surprise -= weight * log[n, k, y, x]
    assert float(found) == pytest.approx(surprise / base, rel=1e-5)
    plain = usual.loss(raw, masks)
    shared = Segmenter.loss(usual, raw, masks)
    assert float(plain["pixels"]) == float(shared["pixels"])


def test_a_run_says_which_loss_is_lowered() -> None:
    masks = torch.from_numpy(masks_of_cells()[:2]).clamp(max=1)
    raw = torch.randn(2, 2, 40, 55)
    model = UNet(2, width=0.05, border=10.0)
    run = cast("Run", SimpleNamespace(settings={"loss": "dice", "class_weights": [0.5, 2.0]}))
    SEGMENTATION.prepare_model(model, run)
    found = model.loss(raw, masks)["pixels"]
    assert float(found) == float(dice(raw, masks, torch.tensor([0.5, 2.0])))


# DeepLabv3+ --------------------------------------------------------------------------------------


def test_deeplab_looks_at_three_distances_and_at_the_whole_picture() -> None:
    model = on_paper("deeplabv3plus", 21)
    assert isinstance(model, DeepLabV3Plus)
    atrous = [part.depthwise for part in model.pyramid.atrous]
    assert [(part.dilation, part.padding) for part in atrous] == [
        ((r, r), (r, r)) for r in (6, 12, 18)
    ]
    found = shapes_of(model, model.pyramid.image, model.pyramid, model.low, model.scores)
    with torch.no_grad():
        assert model(torch.zeros(1, 3, 512, 480, device="meta")).shape == (1, 21, 512, 480)
    assert found == [(256, 1, 1), (256, 32, 30), (48, 128, 120), (21, 128, 120)]


@pytest.mark.parametrize("name", names("segment"))
def test_the_size_that_a_paper_trains_with_is_one_that_its_network_takes(name: str) -> None:
    row = MODELS[name]
    model = row.build(row.spec(("a", "b")), 0.05)
    images = torch.zeros(1, 3, row.size.height, row.size.width, device="meta")
    assert model.eval().to("meta")(images).shape[:2] == (1, 2)
