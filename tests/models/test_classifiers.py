"""The classifiers against their papers: parameters, multiply-adds, names, and answers of others.

Names and shapes are written here from torchvision's published scheme, and some logits are those
that torchvision 0.29.1 itself computed of weights that are a function of their names and shapes.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tatami import graph
from tatami.errors import TatamiError
from tatami.graph import Network
from tatami.graph.costs import costs, total
from tatami.models.blocks import average_bins, max_bins
from tatami.models.classifier import Classifier
from tatami.models.densenet import DenseNet
from tatami.models.export import to_model
from tatami.models.googlenet import GoogLeNet
from tatami.models.lenet5 import TABLE, LeNet5
from tatami.models.mobilenet_v1 import MobileNetV1
from tatami.models.sppnet import SPPNet, spatial_pyramid
from tatami.models.table import MODELS, model_named, names
from tatami.models.xception import Xception
from tatami.models.xception_chollet import XceptionChollet
from tatami.pipeline.summary import summary
from tatami.types import Size

Shapes = dict[str, tuple[int, ...]]


pytestmark = pytest.mark.usefixtures("one_thread")


def on_paper(name: str, classes: int = 1000, **options: object) -> Classifier:
    """The whole network without memory for its weights."""
    with torch.device("meta"):
        return MODELS[name].make()(classes, **options).eval()


def multiply_adds(model: nn.Module, *shape: int) -> int:
    """Of all convolutions and fully connected layers, on the meta device."""
    found = 0

    def count(layer: nn.Module, _: object, output: Tensor) -> None:
        nonlocal found
        assert isinstance(layer, nn.Conv2d | nn.Linear)
        found += output.numel() * layer.weight[0].numel()

    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
    with torch.no_grad():
        model(torch.zeros(1, *shape, device="meta"))
    return found


# Counts ------------------------------------------------------------------------------------------

PUBLISHED = {
    # name: (parameters, multiply-adds in G at 224x224, to the digits that are published)
    "alexnet": (61_100_840, "0.71"),
    "vgg16": (138_357_544, "15.5"),
    "vgg16-bn": (138_365_992, "15.5"),
    "vgg19": (143_667_240, "19.6"),
    "vgg19-bn": (143_678_248, "19.6"),
    "googlenet": (13_004_888, "1.5"),
    "resnet18": (11_689_512, "1.8"),
    "resnet34": (21_797_672, "3.7"),
    "resnet50": (25_557_032, "4.1"),
    "resnet101": (44_549_160, "7.8"),
    "resnet152": (60_192_808, "11.5"),
    "densenet121": (7_978_856, "2.83"),
    "densenet169": (14_149_480, "3.36"),
    "densenet201": (20_013_928, "4.29"),
    "densenet264": (33_337_704, "5.8"),
    "mobilenet-v1": (4_231_976, "0.569"),
    "xception-chollet": (22_855_952, "4.6"),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_and_multiply_adds_are_those_published(name: str) -> None:
    parameters, giga = PUBLISHED[name]
    model = on_paper(name)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters
    found = multiply_adds(model, 3, 224, 224) / 1e9
    digits = len(giga.split(".")[1])
    assert f"{found:.{digits}f}" == giga


def test_every_classifier_is_held_to_a_paper() -> None:
    assert set(names("classify")) == {
        *PUBLISHED,
        "resnet18-small",
        "lenet5",
        "sppnet",
        "xception-deeplab",
        "yolov1-classifier",
    }


def test_googlenet_without_its_auxiliary_classifiers() -> None:
    model = on_paper("googlenet", auxiliary=False)
    assert sum(parameter.numel() for parameter in model.parameters()) == 6_624_904


@pytest.mark.parametrize(
    ("width", "side", "millions", "parameters"),
    [
        # MobileNet's Tables 6 and 7: millions of multiply-adds and of parameters.
        (1.0, 224, 569, 4.2),
        (0.75, 224, 325, 2.6),
        (0.5, 224, 149, 1.3),
        (0.25, 224, 41, 0.5),
        (1.0, 192, 418, 4.2),
        (1.0, 160, 291, 4.2),  # 290 in the paper, which is 290.6 cut
        (1.0, 128, 186, 4.2),
    ],
)
def test_mobilenet_with_both_multipliers(
    width: float, side: int, millions: int, parameters: float
) -> None:
    assert MobileNetV1.side(side / 224) == side
    model = on_paper("mobilenet-v1", width=width)
    assert round(sum(p.numel() for p in model.parameters()) / 1e6, 1) == parameters
    assert round(multiply_adds(model, 3, side, side) / 1e6) == millions


@pytest.mark.parametrize("resolution", [0.0, -1.0, float("nan"), float("inf")])
def test_a_resolution_out_of_its_range(resolution: float) -> None:
    with pytest.raises(TatamiError, match="resolution is"):
        MobileNetV1.side(resolution)


def test_a_small_resnet_keeps_small_pictures() -> None:
    """The last stage sees 4x4 cells of CIFAR-10's pictures, where the original stem leaves 1."""
    sides: dict[str, list[int]] = {}
    for name in ("resnet18-small", "resnet18"):
        model = on_paper(name)
        seen = sides.setdefault(name, [])
        for part in (model.conv1, model.layer1, model.layer2, model.layer3, model.layer4):
            assert isinstance(part, nn.Module)
            part.register_forward_hook(lambda _, __, y, seen=seen: seen.append(y.shape[-1]))
        model(torch.zeros(1, 3, 32, 32, device="meta"))
    assert sides == {"resnet18-small": [32, 32, 16, 8, 4], "resnet18": [16, 8, 4, 2, 1]}
    model = on_paper("resnet18-small")
    names = on_paper("resnet18").state_dict().keys()
    assert model.state_dict().keys() == names
    assert f"{multiply_adds(model, 3, 32, 32) / 1e9:.2f}" == "0.56"


def test_lenet_5_layer_by_layer() -> None:
    """The counts of trainable numbers that section II.B gives."""
    model = LeNet5(10, channels=1)
    layers = {
        name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()
    }
    published = {"c1": 156, "s2": 12, "c3": 1516, "s4": 32, "c5": 48_120, "f6": 10_164}
    assert layers == {**published, "output": 850}
    assert sum(published.values()) == 60_000
    assert [len(maps) for maps in TABLE] == [3] * 6 + [4] * 9 + [6]


def test_lenet_5_sees_the_maps_of_table_i_and_no_others() -> None:
    torch.manual_seed(0)
    layer = LeNet5(10).c3
    zero = layer(torch.zeros(1, 6, 5, 5))[0, :, 0, 0]
    for source in range(6):
        one = torch.zeros(1, 6, 5, 5)
        one[0, source] = 1
        moved = (layer(one)[0, :, 0, 0] - zero).abs() > 0
        assert moved.tolist() == [source in maps for maps in TABLE]


def test_xception_of_chollet() -> None:
    """Figure 5 of the paper, counted by hand: parameters, and maps and multiply-adds at 299x299."""
    model = on_paper("xception-chollet")
    weights, products = 0, 0

    def convolution(inputs: int, outputs: int, taps: int, side: int) -> None:
        nonlocal weights, products
        weights += taps * inputs * outputs + 2 * outputs  # and the normalization's two a channel
        products += taps * inputs * outputs * side**2

    def separable(inputs: int, outputs: int, side: int) -> None:
        nonlocal weights, products
        weights += 9 * inputs + inputs * outputs + 2 * outputs
        products += (9 * inputs + inputs * outputs) * side**2

    convolution(3, 32, 9, 149)
    convolution(32, 64, 9, 147)
    pools = ((64, 128, 128, 147), (128, 256, 256, 74), (256, 728, 728, 37), (728, 728, 1024, 19))
    for inputs, between, outputs, side in pools:
        separable(inputs, between, side)
        separable(between, outputs, side)
        convolution(inputs, outputs, 1, -(-side // 2))
    for _ in range(3 * 8):
        separable(728, 728, 19)
    separable(1024, 1536, 10)
    separable(1536, 2048, 10)
    weights, products = weights + 2048 * 1000 + 1000, products + 2048 * 1000
    assert sum(parameter.numel() for parameter in model.parameters()) == weights == 22_855_952
    assert multiply_adds(model, 3, 299, 299) == products
    assert 8.3e9 < products < 8.5e9
    assert isinstance(model, XceptionChollet)
    with torch.device("meta"):
        features = model.entry(torch.zeros(1, 64, 147, 147))
        assert features.shape == (1, 728, 19, 19)
        assert model.exit(model.middle(features)).shape == (1, 1024, 10, 10)


def test_runs_of_xception_open_as_they_were() -> None:
    """What was called xception is DeepLab's: the name goes on meaning it."""
    assert model_named("xception") is MODELS["xception-deeplab"]
    assert model_named("xception").make() is Xception
    assert "xception" not in MODELS
    costs = [summary(name).parts[0].learned for name in ("xception", "xception-deeplab")]
    assert costs == [39_916_312, 39_916_312]
    assert summary("xception-chollet").parts[0].learned == 22_855_952


def test_xception_65() -> None:
    """39.92 M parameters, counted again by the figure."""
    model = on_paper("xception-deeplab")
    assert sum(parameter.numel() for parameter in model.parameters()) == 39_916_312

    # By the figure: 3 flows of separable convolutions, each 3x3 depthwise and pointwise, no bias,
    # two numbers a channel for each normalization.
    def separable(inputs: int, outputs: int) -> int:
        return 9 * inputs + 2 * inputs + inputs * outputs + 2 * outputs

    def block(inputs: int, a: int, b: int, c: int, shortcut: bool) -> int:
        convolutions = separable(inputs, a) + separable(a, b) + separable(b, c)
        return convolutions + (inputs * c + 2 * c if shortcut else 0)

    entry = 27 * 32 + 64 + 9 * 32 * 64 + 128 + block(64, 128, 128, 128, True)
    entry += block(128, 256, 256, 256, True) + block(256, 728, 728, 728, True)
    middle = 16 * block(728, 728, 728, 728, False)
    last = block(728, 728, 1024, 1024, True) + separable(1024, 1536) + separable(1536, 1536)
    last += separable(1536, 2048)
    assert entry + middle + last + 2048 * 1000 + 1000 == 39_916_312


# Names and shapes --------------------------------------------------------------------------------


def convolution(name: str, outputs: int, inputs: int, kernel: int, bias: bool = False) -> Shapes:
    found: Shapes = {f"{name}.weight": (outputs, inputs, kernel, kernel)}
    return {**found, f"{name}.bias": (outputs,)} if bias else found


def normalization(name: str, channels: int) -> Shapes:
    parts = ("weight", "bias", "running_mean", "running_var")
    return {**{f"{name}.{part}": (channels,) for part in parts}, f"{name}.num_batches_tracked": ()}


def linear(name: str, outputs: int, inputs: int) -> Shapes:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def alexnet() -> Shapes:
    shapes: Shapes = {}
    layers = (
        (0, 64, 3, 11),
        (3, 192, 64, 5),
        (6, 384, 192, 3),
        (8, 256, 384, 3),
        (10, 256, 256, 3),
    )
    for index, outputs, inputs, kernel in layers:
        shapes |= convolution(f"features.{index}", outputs, inputs, kernel, bias=True)
    for index, outputs, inputs in ((1, 4096, 9216), (4, 4096, 4096), (6, 1000, 4096)):
        shapes |= linear(f"classifier.{index}", outputs, inputs)
    return shapes


def vgg(plan: str, norm: bool) -> Shapes:
    """plan: channels, and M for a pool, as torchvision's ``cfgs`` writes them."""
    shapes: Shapes = {}
    index, inputs = 0, 3
    for part in plan.split():
        if part == "M":
            index += 1
            continue
        shapes |= convolution(f"features.{index}", int(part), inputs, 3, bias=True)
        if norm:
            shapes |= normalization(f"features.{index + 1}", int(part))
        index, inputs = index + (3 if norm else 2), int(part)
    for index, outputs, inputs in ((0, 4096, 25_088), (3, 4096, 4096), (6, 1000, 4096)):
        shapes |= linear(f"classifier.{index}", outputs, inputs)
    return shapes


VGG16 = "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M"
VGG19 = "64 64 M 128 128 M 256 256 256 256 M 512 512 512 512 M 512 512 512 512 M"


def googlenet() -> Shapes:
    shapes: Shapes = {}

    def basic(name: str, outputs: int, inputs: int, kernel: int) -> None:
        shapes.update(convolution(f"{name}.conv", outputs, inputs, kernel))
        shapes.update(normalization(f"{name}.bn", outputs))

    basic("conv1", 64, 3, 7)
    basic("conv2", 64, 64, 1)
    basic("conv3", 192, 64, 3)
    inputs = 192
    for name, one, reduce3, three, reduce5, five, pool in (
        ("3a", 64, 96, 128, 16, 32, 32),
        ("3b", 128, 128, 192, 32, 96, 64),
        ("4a", 192, 96, 208, 16, 48, 64),
        ("4b", 160, 112, 224, 24, 64, 64),
        ("4c", 128, 128, 256, 24, 64, 64),
        ("4d", 112, 144, 288, 32, 64, 64),
        ("4e", 256, 160, 320, 32, 128, 128),
        ("5a", 256, 160, 320, 32, 128, 128),
        ("5b", 384, 192, 384, 48, 128, 128),
    ):
        basic(f"inception{name}.branch1", one, inputs, 1)
        basic(f"inception{name}.branch2.0", reduce3, inputs, 1)
        basic(f"inception{name}.branch2.1", three, reduce3, 3)
        basic(f"inception{name}.branch3.0", reduce5, inputs, 1)
        basic(f"inception{name}.branch3.1", five, reduce5, 3)
        basic(f"inception{name}.branch4.1", pool, inputs, 1)
        inputs = one + three + five + pool
    for name, channels in (("aux1", 512), ("aux2", 528)):
        basic(f"{name}.conv", 128, channels, 1)
        shapes.update(linear(f"{name}.fc1", 1024, 2048))
        shapes.update(linear(f"{name}.fc2", 1000, 1024))
    return {**shapes, **linear("fc", 1000, 1024)}


def resnet(blocks: tuple[int, ...], bottleneck: bool) -> Shapes:
    shapes = {**convolution("conv1", 64, 3, 7), **normalization("bn1", 64)}
    inputs = 64
    for stage, count in enumerate(blocks):
        channels = 64 << stage
        outputs = 4 * channels if bottleneck else channels
        kernels = (1, 3, 1) if bottleneck else (3, 3)
        sides = (channels, channels, outputs) if bottleneck else (channels, channels)
        for index in range(count):
            name, seen = f"layer{stage + 1}.{index}", inputs
            for number, (kernel, side) in enumerate(zip(kernels, sides, strict=True), start=1):
                shapes |= convolution(f"{name}.conv{number}", side, seen, kernel)
                shapes |= normalization(f"{name}.bn{number}", side)
                seen = side
            if index == 0 and (stage > 0 or bottleneck):
                shapes |= convolution(f"{name}.downsample.0", outputs, inputs, 1)
                shapes |= normalization(f"{name}.downsample.1", outputs)
            inputs = outputs
    return {**shapes, **linear("fc", 1000, inputs)}


def densenet(blocks: tuple[int, ...], growth: int = 32) -> Shapes:
    channels = 2 * growth
    shapes = convolution("features.conv0", channels, 3, 7)
    shapes |= normalization("features.norm0", channels)
    for block, layers in enumerate(blocks, start=1):
        for layer in range(1, layers + 1):
            name = f"features.denseblock{block}.denselayer{layer}"
            shapes |= normalization(f"{name}.norm1", channels)
            shapes |= convolution(f"{name}.conv1", 4 * growth, channels, 1)
            shapes |= normalization(f"{name}.norm2", 4 * growth)
            shapes |= convolution(f"{name}.conv2", growth, 4 * growth, 3)
            channels += growth
        if block < 4:
            shapes |= normalization(f"features.transition{block}.norm", channels)
            shapes |= convolution(f"features.transition{block}.conv", channels // 2, channels, 1)
            channels //= 2
    shapes |= normalization("features.norm5", channels)
    return {**shapes, **linear("classifier", 1000, channels)}


TORCHVISION = {
    "alexnet": alexnet(),
    "vgg16": vgg(VGG16, norm=False),
    "vgg16-bn": vgg(VGG16, norm=True),
    "vgg19": vgg(VGG19, norm=False),
    "vgg19-bn": vgg(VGG19, norm=True),
    "googlenet": googlenet(),
    "resnet18": resnet((2, 2, 2, 2), bottleneck=False),
    "resnet34": resnet((3, 4, 6, 3), bottleneck=False),
    "resnet50": resnet((3, 4, 6, 3), bottleneck=True),
    "resnet101": resnet((3, 4, 23, 3), bottleneck=True),
    "resnet152": resnet((3, 8, 36, 3), bottleneck=True),
    "densenet121": densenet((6, 12, 24, 16)),
    "densenet169": densenet((6, 12, 32, 32)),
    "densenet201": densenet((6, 12, 48, 32)),
    "densenet264": densenet((6, 12, 64, 48)),
}


@pytest.mark.parametrize("name", TORCHVISION)
def test_names_and_shapes_are_torchvisions(name: str) -> None:
    found = {key: tuple(value.shape) for key, value in on_paper(name).state_dict().items()}
    assert found == TORCHVISION[name]


def test_densenets_old_names_load() -> None:
    """The published files write norm.1 for norm1, and know no num_batches_tracked."""
    torch.manual_seed(0)
    model = DenseNet(3, width=0.25, blocks=(1, 1, 1, 1))
    old = {
        key.replace("norm1", "norm.1").replace("norm2", "norm.2")
        .replace("conv1", "conv.1").replace("conv2", "conv.2"): value
        for key, value in model.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }  # fmt: skip
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    other = DenseNet(3, width=0.25, blocks=(1, 1, 1, 1))
    other.load_state_dict(old, strict=True)
    images = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(model.eval()(images), other.eval()(images))


# Answers -----------------------------------------------------------------------------------------


def fill(state: dict[str, Tensor]) -> None:
    """Weights as a function of their names and shapes: He's spread, statistics near 0 and 1."""
    for name, value in state.items():
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        if name.endswith("num_batches_tracked"):
            continue
        if value.ndim > 1:
            spread = (2 / np.prod(value.shape[1:])) ** 0.5
            array = rng.standard_normal(value.shape, np.float32) * np.float32(spread)
        elif name.endswith("running_var"):
            array = rng.uniform(0.8, 1.2, value.shape).astype(np.float32)
        elif name.endswith("weight"):
            array = rng.uniform(0.4, 0.8, value.shape).astype(np.float32)
        else:
            array = rng.uniform(-0.1, 0.1, value.shape).astype(np.float32)
        value.copy_(torch.from_numpy(array))


def pictures(height: int, width: int) -> Tensor:
    rng = np.random.default_rng(1)
    return torch.from_numpy(rng.standard_normal((1, 3, height, width), np.float32))


ANSWERS: dict[str, list[float]] = {
    "alexnet": [-5.12079, 1.874656, 0.990316, 6.446167, -2.598614],
    "vgg16-bn": [-0.018109, 0.328955, 0.10045, 0.082238, -0.057655],
    "googlenet": [0.203272, -0.146432, 0.020105, -0.182058, -0.0358],
    "resnet18": [-0.257255, 0.716818, 1.781807, -0.435787, 0.087108],
    "resnet50": [0.104355, -1.065057, -0.048986, 0.602186, 0.860368],
    "densenet121": [-0.064454, 0.070609, -0.074773, -0.044944, 0.002097],
}
"""The first five logits that torchvision 0.29.1 finds of ``pictures(97, 130)`` after ``fill``."""


@pytest.mark.parametrize("name", ANSWERS)
def test_torchvision_finds_the_same(name: str) -> None:
    model = MODELS[name].make()(1000).eval()
    with torch.no_grad():
        fill(model.state_dict())
        found = model(pictures(97, 130))[0, :5].numpy()
    np.testing.assert_allclose(found, ANSWERS[name], rtol=1e-4, atol=1e-4 * np.abs(found).max())


def test_googlenet_takes_images_normalized_by_imagenet() -> None:
    torch.manual_seed(0)
    plain = GoogLeNet(5, width=0.1, auxiliary=False).eval()
    other = GoogLeNet(5, width=0.1, auxiliary=False, transform_input=True).eval()
    other.load_state_dict(plain.state_dict())
    pixels = torch.rand(2, 3, 64, 64)
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    deviation = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    with torch.no_grad():
        found = other((pixels - mean) / deviation)
        torch.testing.assert_close(found, plain((pixels - 0.5) / 0.5), rtol=1e-4, atol=1e-5)
    network = Network(to_model(other, Size(64, 64)), None)
    image = ((pixels - mean) / deviation)[:1].numpy()
    np.testing.assert_allclose(graph.run(network, image)[0], found[:1], rtol=1e-4, atol=1e-5)


def test_googlenets_auxiliary_losses_weigh_0_3_in_training_and_nothing_after() -> None:
    torch.manual_seed(0)
    model = GoogLeNet(5, width=0.1, dropout=0.0, auxiliary_dropout=0.0).train()
    images, labels = torch.rand(4, 3, 64, 64), torch.tensor([0, 1, 2, 3])
    logits: dict[str, Tensor] = {}
    assert model.aux1 is not None
    assert model.aux2 is not None
    for name, part in (("auxiliary 1", model.aux1), ("auxiliary 2", model.aux2)):
        part.register_forward_hook(lambda *of, name=name: logits.__setitem__(name, of[2]))
    raw = model(images)
    model.label_smoothing = 0.1
    parts = model.loss(raw, labels)
    assert list(parts) == ["classes", "auxiliary 1", "auxiliary 2"]
    for name, value in logits.items():
        expected = 0.3 * F.cross_entropy(value, labels, label_smoothing=0.1)
        torch.testing.assert_close(parts[name], expected)
    model.loss(model(images), labels)
    model(images)
    model.eval()
    assert list(model.loss(model(images), labels)) == ["classes"]


def test_label_smoothing_is_the_papers() -> None:
    raw = torch.tensor([[2.0, -1.0, 0.5], [0.0, 3.0, 1.0]])
    labels = torch.tensor([2, 1])
    log = torch.log_softmax(raw, dim=1)
    target = torch.full((2, 3), 0.3 / 3)
    target[[0, 1], labels] += 0.7
    expected = -(target * log).sum(dim=1).mean()
    model = LeNet5(3)
    model.label_smoothing = 0.3
    found = model.loss(raw, labels)
    torch.testing.assert_close(found["classes"], expected)


# Bins, pyramids, strides -------------------------------------------------------------------------


@pytest.mark.parametrize("rows", range(1, 15))
def test_bins_are_those_of_adaptive_pools(rows: int) -> None:
    x = pictures(rows, 13)
    for bins in ((1, 1), (2, 3), (6, 6), (7, 7), (4, 4), (14, 26), (13, 13)):
        torch.testing.assert_close(average_bins(x, *bins), F.adaptive_avg_pool2d(x, bins))
        assert torch.equal(max_bins(x, *bins), F.adaptive_max_pool2d(x, bins))


@pytest.mark.parametrize(
    ("side", "levels"),
    [(13, (6, 3, 2, 1)), (10, (3, 2, 1)), (13, (4, 3, 2, 1)), (12, (6, 3, 2, 1))],
)
def test_the_pyramid_is_the_papers_sliding_window(side: int, levels: tuple[int, ...]) -> None:
    """ceil(a / n) samples by floor(a / n), where that makes n windows."""
    x = pictures(side, side)
    expected = [F.max_pool2d(x, -(-side // n), side // n).flatten(1) for n in levels]
    assert torch.equal(spatial_pyramid(x, levels), torch.cat(expected, dim=1))


def test_sppnets_maps_are_the_papers() -> None:
    model = on_paper("sppnet")
    assert isinstance(model, SPPNet)
    for side, maps in ((224, 13), (180, 10)):  # Table 1 and section 2.3
        assert model.features(torch.zeros(1, 3, side, side, device="meta")).shape[2:] == (
            maps,
            maps,
        )
    weights = model.classifier[0].weight
    assert isinstance(weights, Tensor)
    assert weights.shape == (4096, 256 * 50)


def test_sppnet_learns_from_pictures_of_two_sizes() -> None:
    """Section 2.3: each epoch of another size, the weights shared."""
    torch.manual_seed(0)
    model = SPPNet(2, width=0.05, dropout=0.0)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    labels = torch.tensor([0, 1, 0, 1])
    losses: dict[int, list[float]] = {112: [], 90: []}
    for step in range(24):
        side = (112, 90)[step % 2]
        images = torch.rand(4, 3, side, side) * 0.2 + labels.view(-1, 1, 1, 1) * 0.5
        loss = model.loss(model(images), labels)["classes"]
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses[side].append(float(loss.detach()))
    for found in losses.values():
        assert found[-1] < 0.5 * found[0]


@pytest.mark.parametrize("stride", [8, 16, 32])
@pytest.mark.parametrize(
    "backbone", [partial(Xception, middle=1), MobileNetV1], ids=["xception", "mobilenet"]
)
def test_a_backbone(backbone: Callable[..., Xception | MobileNetV1], stride: int) -> None:
    """The same weights at every output stride; the last maps agree where the coarse ones look."""
    torch.manual_seed(0)
    model = backbone(5, width=0.05, output_stride=stride).eval()
    images = pictures(97, 129)
    with torch.no_grad():
        low, high = model.maps(images)
    assert low.shape == (1, model.low_channels, 25, 33)
    assert high.shape == (1, model.high_channels, -(-97 // stride), -(-129 // stride))
    assert (low >= 0).all()
    coarse = backbone(5, width=0.05, output_stride=32).eval()
    coarse.load_state_dict(model.state_dict(), strict=True)
    with torch.no_grad():
        _, expected = coarse.maps(images)
    step = 32 // stride
    torch.testing.assert_close(high[:, :, ::step, ::step], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("backbone", [Xception, MobileNetV1])
def test_another_output_stride_is_refused(backbone: type[Xception | MobileNetV1]) -> None:
    with pytest.raises(TatamiError, match="output_stride is 4"):
        backbone(5, output_stride=4)


@pytest.mark.parametrize(
    ("name", "size", "words"),
    [
        ("alexnet", Size(127, 191), "a map of 3x5 does not fall into 6x6 bins"),
        ("vgg16", Size(64, 96), "a map of 2x3 does not fall into 7x7 bins"),
        ("sppnet", Size(100, 131), "a map of 5x7 does not fall into 6x6 bins"),
        ("resnet18", Size(31, 64), "an input of 31x64 is too small"),
    ],
)
def test_what_cannot_be_exported_says_why(name: str, size: Size, words: str) -> None:
    torch.manual_seed(0)
    with pytest.raises(TatamiError, match=words):
        to_model(MODELS[name].make()(3, width=0.1), size)


# What the ONNX file costs ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "classes", "side"), [("mobilenet-v1", 1000, 224), ("resnet18", 1000, 224)]
)
def test_the_exported_file_costs_what_the_paper_says(name: str, classes: int, side: int) -> None:
    torch.manual_seed(0)
    network = Network(to_model(MODELS[name].make()(classes), Size(side, side)), None)
    whole = total(costs(network))
    assert whole.multiply_adds == multiply_adds(on_paper(name, classes), 3, side, side)
