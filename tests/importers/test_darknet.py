"""darknet's networks: layers held to torch and to darknet's loops, whole ones to its answers."""

from __future__ import annotations

import csv
import re
import struct
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from tatami import graph
from tatami.errors import TatamiError
from tatami.graph.read import network_of
from tatami.importers.darknet import LAYERS, read_darknet
from tatami.importers.darknet_cfg import read_cfg
from tatami.importers.imported import Imported
from tatami.ops.norm import Epsilon
from tatami.rules.boxes import nms_per_class, xyxy_to_cxcywh
from tatami.rules.decoding import candidates
from tatami.rules.picture import placement
from tatami.types import Size

RNG = np.random.default_rng(0)
INSIDE, ROOT = Epsilon(1e-5), Epsilon(1e-6, "root")
HEIGHT, WIDTH = 8, 12
NET = "[net]\nwidth={}\nheight={}\nchannels=3\n"


def reals(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def weights_file(
    numbers: Sequence[np.ndarray] = (), version: tuple[int, int, int] = (0, 2, 5)
) -> bytes:
    """As darknet's save_weights writes one of that version."""
    major, minor, _ = version
    wide = major * 10 + minor >= 2 and major < 1000 and minor < 1000
    content = b"".join(np.ascontiguousarray(array, "<f4").tobytes() for array in numbers)
    return struct.pack("<3i", *version) + struct.pack("<q" if wide else "<i", 32013312) + content


Read = Callable[..., Imported]


@pytest.fixture
def imported(tmp_path: Path) -> Read:
    """Read a network of these layers and these numbers; line 5 is the first of the layers."""

    def read(
        layers: str,
        numbers: Sequence[np.ndarray] = (),
        version: tuple[int, int, int] = (0, 2, 5),
        epsilon: Epsilon = INSIDE,
        size: Size | None = None,
        own: tuple[int, int] = (WIDTH, HEIGHT),
    ) -> Imported:
        (tmp_path / "net.cfg").write_text(NET.format(*own) + layers)
        (tmp_path / "net.weights").write_bytes(weights_file(numbers, version))
        return read_darknet(tmp_path / "net.cfg", tmp_path / "net.weights", epsilon, size)

    return read


@pytest.fixture
def run_map(run_model: Callable[..., dict[str, np.ndarray]]) -> Callable[..., np.ndarray]:
    """What a network of one output says of images."""

    def run(found: Imported, images: np.ndarray) -> np.ndarray:
        (result,) = run_model(found.model, images).values()
        return result

    return run


X = reals(1, 3, HEIGHT, WIDTH)
T = torch.from_numpy(X)
POINTWISE = "[convolutional]\nfilters={}\nsize=1\nactivation=linear\n"


def pointwise(channels: int) -> tuple[str, list[np.ndarray], torch.Tensor]:
    """A layer of so many channels, to put others behind: text, numbers, what it makes of X."""
    bias, kernel = reals(channels), reals(channels, 3, 1, 1)
    made = F.conv2d(T, torch.from_numpy(kernel), torch.from_numpy(bias))
    return POINTWISE.format(channels), [bias, kernel], made


# Convolutions


@pytest.mark.parametrize(
    ("said", "size", "more"),
    [
        ("size=3\nstride=1\npad=1", 3, {"padding": 1}),
        ("size=3\nstride=2\npad=1", 3, {"padding": 1, "stride": 2}),
        ("size=3", 3, {}),
        ("size=1\npad=1", 1, {}),
        ("size=5\npad=1\npadding=7", 5, {"padding": 2}),
        ("size=5\npadding=1", 5, {"padding": 1}),
        ("size=2\npad=1", 2, {"padding": 1}),
        ("size=3\npad=1\ngroups=3", 3, {"padding": 1, "groups": 3}),
        ("size=3\npad=1\ndilation=2", 3, {"padding": 2, "dilation": 2}),
        ("size=3\nstride_y=2\nstride_x=3", 3, {"stride": (2, 3)}),
        ("size=3\nstride=2\nstride_x=1", 3, {"stride": (2, 1)}),
    ],
)
@pytest.mark.parametrize("kind", ["convolutional", "conv"])
def test_convolution(kind, said, size, more, imported, run_map):
    bias, kernel = reals(6), reals(6, 3 // more.get("groups", 1), size, size)
    text = f"[{kind}]\nfilters=6\n{said}\nactivation=linear\n"
    expected = F.conv2d(T, torch.from_numpy(kernel), torch.from_numpy(bias), **more)
    found = run_map(imported(text, [bias, kernel]), X)
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-5, atol=1e-5)


def test_what_is_not_said_is_darknets_own_default(imported, run_map):
    """One filter of 1 x 1, and the logistic function."""
    bias, kernel = reals(1), reals(1, 3, 1, 1)
    expected = torch.sigmoid(F.conv2d(T, torch.from_numpy(kernel), torch.from_numpy(bias)))
    found = run_map(imported("[convolutional]\n", [bias, kernel]), X)
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-5, atol=1e-6)


def of_torch(function: Callable[[torch.Tensor], torch.Tensor]) -> Callable[..., np.ndarray]:
    return lambda x: function(torch.from_numpy(x)).numpy()


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("linear", lambda x: x),
        ("leaky", lambda x: np.where(x > 0, x, 0.1 * x)),
        ("relu", lambda x: np.maximum(x, 0)),
        ("relu6", lambda x: np.clip(x, 0, 6)),
        ("logistic", lambda x: 1 / (1 + np.exp(-x))),
        ("tanh", lambda x: (np.exp(2 * x) - 1) / (np.exp(2 * x) + 1)),
        ("mish", of_torch(F.mish)),
        ("swish", of_torch(F.silu)),
        ("hardswish", of_torch(F.hardswish)),
        ("elu", of_torch(F.elu)),
        ("selu", lambda x: 1.0507 * np.where(x >= 0, x, 1.6732 * (np.exp(x) - 1))),
        ("gelu", of_torch(lambda x: F.gelu(x, approximate="tanh"))),
        ("hardtan", of_torch(F.hardtanh)),
        ("relie", lambda x: np.where(x > 0, x, 0.01 * x)),
        ("loggy", lambda x: 2 / (1 + np.exp(-x)) - 1),
        ("ramp", lambda x: np.where(x > 0, 1.1 * x, 0.1 * x)),
        ("hard_mish", lambda x: np.where(x > 0, x, np.where(x > -2, x * x / 2 + x, 0))),
        ("lhtan", lambda x: np.where(x < 0, x / 1e3, np.where(x > 1, (x - 1) / 1e3 + 1, x))),
        (
            "plse",
            lambda x: np.where(
                x < -4, 0.01 * (x + 4), np.where(x > 4, 0.01 * (x - 4) + 1, 0.125 * x + 0.5)
            ),
        ),
    ],
)
def test_activations(name, function, imported, run_map):
    kernel = np.eye(3, dtype=np.float32)
    text = f"[convolutional]\nfilters=3\nactivation={name}\n"
    images = 5 * X
    found = run_map(imported(text, [np.zeros(3), kernel]), images)
    expected = function(images.astype(np.float64))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=2e-5 if name == "gelu" else 1e-6)
    if name != "linear":
        alone = run_map(imported(f"[activation]\nactivation={name}\n"), images)
        np.testing.assert_array_equal(alone, found)


@pytest.mark.parametrize("epsilon", [INSIDE, Epsilon(1e-3), ROOT, Epsilon(0.3, "root")], ids=str)
@pytest.mark.parametrize("layer", ["convolutional", "connected"])
def test_batch_normalization(layer, epsilon, imported, run_map):
    bias, scale, mean = reals(4), reals(4), reals(4)
    variance = np.float32([1e-6, 1e-4, 1e-2, 1.0])
    connected = layer == "connected"
    kernel = reals(4, 3 * HEIGHT * WIDTH) if connected else reals(4, 3, 1, 1)
    statistics = [scale, mean, variance]
    # darknet writes a convolution's weights last, a connected layer's before the statistics
    numbers = [bias, kernel, *statistics] if connected else [bias, *statistics, kernel]
    asked = "output" if connected else "filters"
    text = f"[{layer}]\nbatch_normalize=1\n{asked}=4\nactivation=linear\n"
    found = run_map(imported(text, numbers, epsilon=epsilon), X)

    x = X.astype(np.float64).reshape(3 * HEIGHT * WIDTH, -1) if connected else X[0].reshape(3, -1)
    made = kernel.reshape(4, -1).astype(np.float64) @ x
    if epsilon.place == "root":
        deviation = np.sqrt(variance.astype(np.float64)) + epsilon.value
    else:
        deviation = np.sqrt(variance.astype(np.float64) + epsilon.value)
    expected = (made - mean[:, None]) / deviation[:, None] * scale[:, None] + bias[:, None]
    assert np.abs(found.reshape(4, -1) - expected).max() < 1e-5 * np.abs(expected).max()


# Other layers


def maxpool(x: np.ndarray, size: int, strides: tuple[int, int], padding: int) -> np.ndarray:
    """forward_maxpool_layer of maxpool_layer.c, for x (channels, rows, columns)."""
    channels, height, width = x.shape
    rows = int((height + padding - size) / strides[0]) + 1
    columns = int((width + padding - size) / strides[1]) + 1
    made = np.full((channels, rows, columns), -np.finfo(np.float32).max, np.float32)
    offset = -(padding // 2)
    for i, j, n, m in np.ndindex(rows, columns, size, size):
        row, column = offset + i * strides[0] + n, offset + j * strides[1] + m
        if 0 <= row < height and 0 <= column < width:
            made[:, i, j] = np.maximum(made[:, i, j], x[:, row, column])
    return made


@settings(max_examples=60)
@given(
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    size=st.integers(1, 5),
    strides=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    padding=st.none() | st.integers(0, 6),
)
def test_maxpool(height, width, size, strides, padding, run_model, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp()
    said = "" if padding is None else f"padding={padding}\n"
    text = f"[maxpool]\nsize={size}\nstride_y={strides[0]}\nstride_x={strides[1]}\n{said}"
    (folder / "pool.cfg").write_text(NET.format(width, height) + text)
    (folder / "pool.weights").write_bytes(weights_file())
    images = reals(1, 3, height, width)
    files = folder / "pool.cfg", folder / "pool.weights"
    padding = size - 1 if padding is None else padding
    if min(height, width) + padding < size:
        with pytest.raises(TatamiError, match="larger than its map"):
            read_darknet(*files, INSIDE)
        return
    expected = maxpool(images[0], size, strides, padding)
    if (expected == -np.finfo(np.float32).max).any():  # a place that sees nothing but padding
        with pytest.raises(TatamiError, match="whole window"):
            read_darknet(*files, INSIDE)
        return
    found = read_darknet(*files, INSIDE)
    np.testing.assert_array_equal(run_model(found.model, images)["map"][0], expected)


def test_the_maxpool_of_size_2_and_stride_1_keeps_its_map(imported, run_map):
    expected = F.max_pool2d(F.pad(T, (0, 1, 0, 1), value=-np.inf), 2, 1)
    found = run_map(imported("[maxpool]\nsize=2\nstride=1\n"), X)
    np.testing.assert_array_equal(found, expected.numpy())


def test_route_and_shortcut_by_number_and_from_the_end(imported, run_map):
    one, numbers, a = pointwise(4)
    bias, kernel = reals(4), reals(4, 4, 1, 1)
    b = F.conv2d(a, torch.from_numpy(kernel), torch.from_numpy(bias))
    text = one + POINTWISE.format(4)
    routes = {
        "layers=0": a,
        "layers=-2": a,
        "layers = -1, 0": torch.cat([b, a], 1),
        "layers=0,1,-1": torch.cat([a, b, b], 1),
    }
    numbers += [bias, kernel]
    for said, expected in routes.items():
        found = run_map(imported(f"{text}[route]\n{said}\n", numbers), X)
        np.testing.assert_allclose(found, expected.numpy(), rtol=1e-5, atol=1e-5)
    for said, function in (
        ("", lambda x: x),
        ("activation=leaky\n", lambda x: F.leaky_relu(x, 0.1)),
    ):
        for source in ("-2", "0"):
            layer = f"[shortcut]\nfrom={source}\n{said}"
            found = run_map(imported(text + layer, numbers), X)
            np.testing.assert_allclose(found, function(a + b).numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_upsample(stride, imported, run_map):
    found = run_map(imported(f"[upsample]\nstride={stride}\n"), X)
    np.testing.assert_array_equal(found, X.repeat(stride, 2).repeat(stride, 3))


def reorg(x: np.ndarray, stride: int) -> np.ndarray:
    """reorg_cpu of blas.c, not reversed, for x (channels, rows, columns)."""
    channels, height, width = x.shape
    source, made = x.ravel(), np.empty(x.size, np.float32)
    depth = channels // (stride * stride)
    for k, j, i in np.ndindex(channels, height, width):
        row = j * stride + k // depth // stride
        column = i * stride + k // depth % stride
        place = column + width * stride * (row + height * stride * (k % depth))
        made[i + width * (j + height * k)] = source[place]
    return made.reshape(channels * stride * stride, height // stride, width // stride)


@pytest.mark.parametrize(("channels", "stride"), [(8, 2), (4, 2), (16, 4), (5, 1)])
def test_reorg(channels, stride, imported, run_map):
    text, numbers, made = pointwise(channels)
    found = run_map(imported(f"{text}[reorg]\nstride={stride}\n", numbers), X)
    expected = reorg(made[0].numpy(), stride)
    np.testing.assert_allclose(found[0], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("said", "groups"), [("groups=2", 2), ("groups=4\ngroup_id=3", 4)])
def test_route_takes_the_same_part_of_each_layer(said, groups, imported, run_map):
    """groups and group_id of YOLOv4-tiny."""
    one, numbers, a = pointwise(4)
    bias, kernel = reals(8), reals(8, 4, 1, 1)
    b = F.conv2d(a, torch.from_numpy(kernel), torch.from_numpy(bias))
    part = int(said[-1]) if "group_id" in said else 0
    expected = torch.cat([a.chunk(groups, 1)[part], b.chunk(groups, 1)[part]], 1)
    text = one + POINTWISE.format(8) + f"[route]\nlayers=0,-1\n{said}\n"
    found = run_map(imported(text, [*numbers, bias, kernel]), X)
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["per_feature", "per_channel"])
@pytest.mark.parametrize("normalization", ["none", "relu", "softmax"])
def test_shortcut_adds_layers_by_weight(kind, normalization, imported, run_map):
    text, numbers, a = pointwise(4)
    more = [reals(4), reals(4, 4, 1, 1)]
    b = F.conv2d(a, *map(torch.from_numpy, more[::-1]))
    weights = np.abs(reals(3, 4 if kind == "per_channel" else 1)) + np.float32(0.1)
    weights[1, 0] *= -1
    parts = weights.astype(np.float64)
    if normalization == "relu":
        parts = np.maximum(parts, 0) / (np.maximum(parts, 0).sum(0) + 1e-4)
    elif normalization == "softmax":
        parts = np.exp(parts - parts.max(0))
        parts /= parts.sum(0) + 1e-4
    layers = np.stack([value[0].numpy() for value in (b, a, b)])  # the last, then those it names
    expected = (layers * parts[:, :, None, None]).sum(0)
    said = f"from=0,1\nweights_type={kind}\nweights_normalization={normalization}\n"
    text += POINTWISE.format(4) + "[shortcut]\n" + said
    found = run_map(imported(text, [*numbers, *more, weights]), X)
    np.testing.assert_allclose(found[0], expected, rtol=1e-5, atol=1e-5)


def test_sam_and_scale_channels(imported, run_map):
    text, numbers, a = pointwise(4)
    said = "[activation]\nactivation=logistic\n"
    found = run_map(imported(f"{text}{said}[sam]\nfrom=0\nactivation=relu\n", numbers), X)
    np.testing.assert_allclose(found, F.relu(a * a.sigmoid()).numpy(), rtol=1e-5, atol=1e-5)
    found = run_map(imported(f"{text}[avgpool]\n[scale_channels]\nfrom=-2\n", numbers), X)
    expected = a * a.mean((2, 3), keepdim=True)
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-5, atol=1e-5)
    one = [*numbers, reals(1), reals(1, 4, 1, 1)]
    place = F.conv2d(a, torch.from_numpy(one[3]), torch.from_numpy(one[2]))
    text += POINTWISE.format(1) + "[scale_channels]\nfrom=0\nscale_wh=1\n"
    np.testing.assert_allclose(run_map(imported(text, one), X), a * place, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("size", "stride", "pad"), [(3, 1, 1), (3, 2, 1), (3, 2, 0), (2, 3, 0)])
def test_local_has_weights_of_its_own_at_every_place(size, stride, pad, imported, run_map):
    """Each place by itself: the part of the picture under the window, and that place's kernel."""
    padded = F.pad(T, [pad] * 4)
    rows, columns = ((side + 2 * pad - size) // stride + 1 for side in (HEIGHT, WIDTH))
    bias, kernel = reals(5, rows, columns), reals(rows, columns, 5, 3, size, size)
    expected = np.empty((5, rows, columns), np.float32)
    for row, column in np.ndindex(rows, columns):
        top, left = row * stride, column * stride
        seen = padded[..., top : top + size, left : left + size]
        one = F.conv2d(seen, torch.from_numpy(kernel[row, column]))
        expected[:, row, column] = one.reshape(5).numpy() + bias[:, row, column]
    text = f"[local]\nfilters=5\nsize={size}\nstride={stride}\npad={pad}\nactivation=leaky\n"
    found = run_map(imported(text, [bias, kernel]), X)
    expected = np.where(expected > 0, expected, 0.1 * expected)
    np.testing.assert_allclose(found[0], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_reorg3d_lays_out_all_channels_of_each_sample(stride, imported, run_map):
    made = run_map(imported(f"[reorg3d]\nstride={stride}\n"), X)[0]
    parts = [X[0, :, row::stride, column::stride] for row, column in np.ndindex(stride, stride)]
    np.testing.assert_array_equal(made, np.concatenate(parts))


def test_crop_takes_the_middle(imported, run_map):
    said = "[crop]\ncrop_height=5\ncrop_width=9\n"
    middle = X[:, :, 1:6, 1:10]
    np.testing.assert_array_equal(run_map(imported(f"{said}noadjust=1\n"), X), middle)
    np.testing.assert_allclose(run_map(imported(said), X), 2 * middle - 1, rtol=1e-6, atol=1e-6)


def test_an_average_pool_divides_by_what_is_there(imported, run_map):
    expected = F.avg_pool2d(T, 3, 2, 1, count_include_pad=False)
    found = run_map(imported("[local_avgpool]\nsize=3\nstride=2\n"), X)
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-5, atol=1e-6)


def test_upsample_has_a_scale_and_softmax_its_forms(imported, run_map):
    found = run_map(imported("[upsample]\nstride=2\nscale=.25\n"), X)
    np.testing.assert_array_equal(found, X.repeat(2, 2).repeat(2, 3) / 4)
    found = run_map(imported("[softmax]\nspatial=1\n"), X)
    np.testing.assert_allclose(found, torch.softmax(T, 1).numpy(), rtol=1e-5, atol=1e-6)
    text, numbers, made = pointwise(6)
    vector = made.mean((2, 3))
    found = run_map(imported(f"{text}[avgpool]\n[softmax]\ntemperature=.5\ngroups=2\n", numbers), X)
    expected = torch.softmax(2 * vector.reshape(2, 3), 1).reshape(1, 6, 1, 1)
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("version", [(0, 2, 5), (0, 1001, 0), (1001, 0, 0)])
def test_a_classifier(version, imported, run_map):
    """avgpool, dropout, connected, softmax and cost; files of 1001 hold the matrix transposed."""
    text, numbers, made = pointwise(5)
    bias, matrix = reals(7), reals(7, 5)
    text += (
        "[dropout]\nprobability=.5\n[avgpool]\n[connected]\noutput=7\nactivation=linear\n"
        "[softmax]\ngroups=1\n[cost]\ntype=sse\n"
    )
    numbers += [bias, matrix.T if max(version) > 1000 else matrix]
    vector = made.mean((2, 3)) @ torch.from_numpy(matrix).T + torch.from_numpy(bias)
    found = imported(text, numbers, version)
    assert (found.decoding, found.classes, found.notes) == (None, None, ())
    expected = torch.softmax(vector, 1).numpy()
    np.testing.assert_allclose(run_map(found, X).reshape(1, 7), expected, rtol=1e-5, atol=1e-6)


def test_a_connected_layer_reads_a_map_as_darknet_lays_it_out(imported, run_map):
    bias, matrix = reals(7), reals(7, 3 * HEIGHT * WIDTH)
    found = run_map(imported("[connected]\noutput=7\nactivation=relu\n", [bias, matrix]), X)
    expected = np.maximum(matrix @ X.ravel() + bias, 0)
    np.testing.assert_allclose(found.ravel(), expected, rtol=1e-4, atol=1e-4)


ANCHORS = "1.5,2, 3,4.25"


@pytest.mark.parametrize(("softmax", "scores"), [(1, "softmax"), (0, "sigmoid")])
def test_region(softmax, scores, imported, run_map):
    text, numbers, made = pointwise(2 * (5 + 3))
    said = f"[region]\nanchors={ANCHORS}\nnum=2\nclasses=3\nsoftmax={softmax}\njitter=.2\n"
    pool = "[maxpool]\nsize=2\nstride=2\n"
    found = imported(text + pool + said, numbers)
    np.testing.assert_allclose(
        run_map(found, X), F.max_pool2d(made, 2).numpy(), rtol=1e-5, atol=1e-5
    )
    assert found.decoding is not None
    assert (found.decoding.kind, found.decoding.scores) == ("yolov2", scores)
    (grid,) = found.decoding.grids
    assert (grid.stride, grid.anchors) == ((2, 2), ((3, 4), (6, 8.5)))  # of cells, in pixels
    assert found.classes == ("class0", "class1", "class2")
    assert found.notes == ()


def test_yolo_takes_the_anchors_of_its_mask_and_the_maps_in_order(imported, run_model):
    text, numbers, made = pointwise(6)
    both = (
        f"{text}[yolo]\nmask=1\nanchors=10,14, 23.5,27\nnum=2\nclasses=1\nscale_x_y=1.05\n"
        "[route]\nlayers=-2\n[maxpool]\nsize=2\nstride=2\n"
        "[yolo]\nmask=0\nanchors=10,14, 23.5,27\nnum=2\nclasses=1\n"
    )
    found = imported(both, numbers)
    maps = run_model(found.model, X)
    assert list(maps) == ["map0", "map1"]
    np.testing.assert_allclose(maps["map0"], made.numpy(), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(maps["map1"], F.max_pool2d(made, 2).numpy(), rtol=1e-5, atol=1e-5)
    assert found.decoding is not None
    assert (found.decoding.kind, found.decoding.scores) == ("yolov3", "sigmoid")
    first, second = found.decoding.grids
    assert (first.anchors, first.stride, first.xy_scale) == (((23.5, 27),), (1, 1), 1.05)
    assert (second.anchors, second.stride, second.xy_scale) == (((10, 14),), (2, 2), 1)


DETECTION = "[detection]\nclasses=3\ncoords=4\nnum=2\nside=4\nsqrt=1\nrescore=1\njitter=.2\n"


def detected(said: np.ndarray, size: tuple[int, int]) -> list[tuple[float, ...]]:
    """As darknet's loop reads what is said of 4x4 cells of 2 boxes and 3 classes: the class, its
    probability and the center and sides, of all above 0.1."""
    side, boxes, classes = 4, 2, 3
    found = []
    for cell in range(side * side):
        row, column = divmod(cell, side)
        for box in range(boxes):
            sure = said[side * side * classes + cell * boxes + box]
            at = side * side * (classes + boxes) + (cell * boxes + box) * 4
            x, y, w, h = said[at : at + 4]
            place = ((x + column) / side, (y + row) / side, w**2, h**2)
            for label in range(classes):
                probability = sure * said[cell * classes + label]
                if probability > 0.1:
                    inside = [share * whole for share, whole in zip(place, size * 2, strict=True)]
                    found.append((label, probability, *inside))
    return sorted(found, key=lambda one: -one[1])


@pytest.mark.parametrize("normalized", [False, True])
def test_detection(normalized, imported, run_map):
    outputs, inputs = 4 * 4 * (2 * 5 + 3), 3 * HEIGHT * WIDTH
    matrix = reals(outputs, inputs) / inputs
    # Between 0 and 1, to which Tatami's rule cuts confidences and classes.
    bias = RNG.uniform(0.3, 0.7, outputs).astype(np.float32)
    statistics = [reals(outputs) / 30 + 1, reals(outputs) / 30, np.abs(reals(outputs)) + 1]
    numbers = [bias, matrix, *(statistics if normalized else [])]
    layer = f"[connected]\noutput={outputs}\nactivation=linear\nbatch_normalize={normalized:d}\n"
    found = imported(layer + DETECTION, numbers)
    said = matrix @ X.ravel()
    if normalized:
        scale, mean, variance = statistics
        said = scale * (said - mean) / np.sqrt(variance + 1e-5)
    assert found.decoding is not None
    assert (found.decoding.kind, found.notes) == ("yolov1", ())
    best = candidates([run_map(found, X)[0]], found.decoding, 0.1, 3)
    expected = detected(said + bias, (WIDTH, HEIGHT))
    assert len(expected) > 20
    assert best.labels.tolist() == [one[0] for one in expected]
    np.testing.assert_allclose(best.scores, [one[1] for one in expected], rtol=1e-4)
    boxes = xyxy_to_cxcywh(best.xyxy)
    np.testing.assert_allclose(boxes, [one[2:] for one in expected], rtol=1e-4, atol=1e-4)


CONNECTED = "[connected]\noutput=208\nactivation=linear\n"


@pytest.mark.parametrize(
    ("layers", "says"),
    [
        (CONNECTED + DETECTION.replace("sqrt=1", "sqrt=0"), "not their square roots"),
        (CONNECTED + DETECTION.replace("sqrt=1\n", ""), "not their square roots"),
        (CONNECTED + DETECTION.replace("num=2", "num=3"), "288 outputs, the layer before it"),
        (CONNECTED + "[dropout]\n" + DETECTION, "not lie behind a connected layer"),
        (CONNECTED + DETECTION + "[dropout]\n", "not the last layer"),
        ("[connected]\noutput=208\n[maxpool]\n" + DETECTION, "not lie behind"),
    ],
)  # fmt: skip
def test_a_detection_that_is_not_yolov1s_is_refused(layers, says, imported):
    with pytest.raises(TatamiError, match=says):
        imported(layers)


def test_another_size_than_the_cfgs(imported):
    text, numbers, _ = pointwise(8)
    found = imported(f"{text}[region]\nanchors=1,1\nnum=1\nclasses=3\n", numbers, size=Size(20, 16))
    assert found.input is not None
    assert (found.input.size, found.input.resize) == (Size(20, 16), "letterbox")
    shape = found.model.graph.output[0].type.tensor_type.shape.dim
    assert [side.dim_value for side in shape] == [1, 8, 16, 20]


def test_pictures_of_one_channel(run_map, tmp_path):
    (tmp_path / "net.cfg").write_text(
        "[net]\nwidth=12\nheight=8\nchannels=1\n[maxpool]\nstride=2\n"
    )
    (tmp_path / "net.weights").write_bytes(weights_file())
    found = read_darknet(tmp_path / "net.cfg", tmp_path / "net.weights", INSIDE)
    assert found.input is None
    images = reals(1, 1, HEIGHT, WIDTH)
    expected = F.max_pool2d(torch.from_numpy(images), 2)
    np.testing.assert_array_equal(run_map(found, images), expected.numpy())


# What is refused: the text, from line 5 of the cfg on, what is said, and the line of the fault


CONV = "[convolutional]\nfilters=4\nsize=1\nactivation=linear\n"


@pytest.mark.parametrize(
    ("text", "says", "line"),
    [
        ("[lstm]\n", "[lstm] is not supported", 5),
        ("[local]\nfilters=2\nsize=5\npad=1\n", "another size than 3", 8),
        ("[local]\nsize=9\n", "larger than its map", 5),
        ("[crop]\ncrop_height=9\ncrop_width=2\n", "crop_height=9 of a map of 12x8", 6),
        (f"{CONV}[sam]\n", "names other than one layer", 9),
        (f"{CONV}[maxpool]\nstride=2\n[sam]\nfrom=0\n", "combines values of shapes", 11),
        (
            f"{CONV}[scale_channels]\nfrom=0\n",
            "scales a map of (4, 8, 12) by one",
            10,
        ),
        (f"{CONV}[route]\nlayers=0\ngroups=3\n", "3 groups do not divide 4 channels", 11),
        (f"{CONV}[route]\nlayers=0\ngroups=2\ngroup_id=2\n", "part 2 of 2", 12),
        (f"{CONV}[Yolo]\n", "[Yolo] is not supported", 9),
        ("[convolutional]\nactivation=stair\n", "activation=stair", 6),
        ("[shortcut\n", "is not a section", 5),
        ("[maxpool]\nsize\n", "not key=value", 6),
        ("[maxpool]\n=2\n", "not key=value", 6),
        ("[convolutional]\nfilters=four\n", "filters=four is not a whole", 6),
        ("[convolutional]\nfilters=0\n", "filters=0 is not a whole", 6),
        ("[convolutional]\nfilters=-3\n", "filters=-3 is not a whole", 6),
        ("[convolutional]\nfilters=99999999999\n", "is not a whole", 6),
        ("[convolutional]\n# no\n\nsize=1e3\n", "size=1e3 is not a whole", 8),
        ("[convolutional]\nstride=0\n", "stride=0 is not a whole", 6),
        ("[convolutional]\nfilters=4\ngroups=2\n", "2 groups do not divide 3 channels", 5),
        ("[convolutional]\nsize=9\n", "window of 9", 5),
        ("[convolutional]\nsize=3\ndilation=2\n", "not padded by half", 7),
        ("[maxpool]\nsize=9\npadding=0\n", "larger than its map of 12x8", 5),
        ("[route]\n", "names 0 layers", 5),
        ("[route]\nlayers=-1\n", "refers to layer -1", 5),
        (f"{CONV}[route]\nlayers=1\n", "refers to layer 1", 9),
        (f"{CONV}[route]\nlayers=0.5\n", "whole numbers", 10),
        (f"{CONV}[route]\nlayers=0,x\n", "'x' is not a number", 10),
        (f"{CONV}[route]\nlayers={'9' * 400}\n", "is too large", 10),
        (f"{CONV}[route]\nlayers=1e99\n", "is too large", 10),
        (f"{CONV}[maxpool]\nsize=2\nstride=2\n[route]\nlayers=0,1\n", "joins", 12),
        (f"{CONV}[convolutional]\nfilters=5\n[shortcut]\nfrom=-2\n", "adds maps of", 12),
        ("[shortcut]\n", "names 0 layers", 5),
        ("[reorg]\nstride=2\n", "stride 2 does not fit", 5),
        ("[upsample]\nstride=-2\n", "stride=-2 is not a whole", 6),
        ("[softmax]\n", "not of a vector", 5),
        (f"{CONV}[region]\nnum=1\nclasses=3\nanchors=1,1\n", "ask for 8 channels", 9),
        (f"{CONV}[region]\nnum=2\nanchors=1,1\n", "needs 4 positive numbers", 11),
        (f"{CONV}[region]\nnum=1\nanchors=1,0\n", "needs 2 positive numbers", 11),
        (f"{CONV}[region]\n", "needs 2 positive numbers", 9),
        (f"{CONV}[yolo]\nnum=1\nanchors=1,1\nmask=1\n", "not among its 1", 12),
        (f"{CONV}[yolo]\nnum=1\nanchors=1,1\nscale_x_y=-1\n", "scale_x_y", 12),
        (f"{CONV}[yolo]\nnum=1\nanchors=1,nan\n", "'nan' is not a number", 11),
        ("[convolutional]\nfilters=9999999\n", "is not a whole number", 6),
        ("[upsample]\nstride=64\n" * 2, "beyond", 7),
        ("[maxpool]\n" * 4097, "4097 layers", None),
    ],
)
def test_what_does_not_fit_is_refused_with_its_line(text, says, line, imported, tmp_path):
    with pytest.raises(TatamiError, match=re.escape(says)) as caught:
        imported(text)
    assert (caught.value.file, caught.value.line) == (tmp_path / "net.cfg", line)


@pytest.mark.parametrize(
    ("kind", "setting"),
    [
        *(
            ("convolutional", f"{key}=1")
            for key in (
                "binary", "xnor", "bin_output", "flipped", "antialiasing", "reverse", "cbn",
                "deform", "sway", "rotate", "stretch", "stretch_sway", "coordconv", "dontload",
                "dontloadscales",
            )
        ),
        ("convolutional", "share_index=0"),
        ("maxpool", "maxpool_depth=1"),
        ("maxpool", "antialiasing=1"),
        ("softmax", "tree=9k.tree"),
        ("shortcut", "alpha=.5"),
        ("shortcut", "beta=2"),
        ("shortcut", "weights_type=per_pixel\nfrom=0"),
        ("shortcut", "weights_normalization=max\nfrom=0"),
        ("reorg3d", "reverse=1"),
        ("reorg", "reverse=1"),
        ("reorg", "flatten=1"),
        ("reorg", "extra=3"),
        ("region", "background=1"),
        ("region", "tree=9k.tree"),
        ("region", "map=9k.map"),
        ("region", "coords=5"),
        ("detection", "coords=5"),
        ("detection", "softmax=1"),
        ("detection", "reorg=1"),
        ("yolo", "new_coords=1"),
        ("connected", "dontload=1"),
    ],
)  # fmt: skip
def test_settings_that_change_what_a_layer_computes_are_refused(kind, setting, imported, tmp_path):
    with pytest.raises(TatamiError, match=re.escape(f"[{kind}]")) as caught:
        imported(f"{CONV}[{kind}]\n{setting}\n")
    assert setting.partition("=")[0] in caught.value.reason + caught.value.hint or "coord" in str(
        caught.value
    )
    assert (caught.value.file, caught.value.line) == (tmp_path / "net.cfg", 10)


def test_settings_that_say_what_is_so_anyway_are_taken(imported, run_map):
    text, numbers, made = pointwise(4)
    said = "[route]\nlayers=-1\ngroups=1\ngroup_id=0\n[upsample]\nstride=1\nscale=1.\n"
    found = imported(text.replace("size=1", "size=1\nbinary=0\nflipped=0") + said, numbers)
    np.testing.assert_allclose(run_map(found, X), made.numpy(), rtol=1e-5, atol=1e-5)
    assert found.notes == ()


def test_a_setting_that_nobody_knows_is_told(imported):
    found = imported("[maxpool]\nsize=2\nmomentum=.9\nfancy=1\n")
    assert found.notes == ("line 8: [maxpool] fancy is not known, and not read",)


def test_short_names_are_names_of_the_same_layers():
    short = {"conv": "convolutional", "max": "maxpool", "avg": "avgpool", "conn": "connected"}
    for name, whole in {**short, "soft": "softmax"}.items():
        assert LAYERS[name] is LAYERS[whole]


# The cfg itself


def test_a_cfg_is_read_as_darknet_reads_it(tmp_path):
    """Spaces anywhere, comments, the first of two values, and either name of the first section."""
    text = "# a\n; b\n[network]\n\n wid th = 3 2 \n[maxpool]\r\nsize=2 # two\nsize=3\n"
    (tmp_path / "net.cfg").write_bytes(text.replace("wid th", "width").encode())
    net, pool = read_cfg(tmp_path / "net.cfg")
    assert (net.kind, net.line, net.integer("width", 0)) == ("network", 3, 32)
    assert (pool.kind, pool.line, pool.integer("size", 0)) == ("maxpool", 6, 2)


@pytest.mark.parametrize(
    ("content", "says", "line"),
    [
        (b"", "first section is not", None),
        (b"[convolutional]\n", "first section is not", None),
        (b"size=3\n[net]\n", "before any section", 1),
        (b"[net]\n", "0 layers", None),
        (b"[net]\n\xff\xfe\n", "not UTF-8 text", 2),
        (b"[net]\nchannels=0\n[maxpool]\n", "not a whole number from 1", 2),
        (b"[net]\nwidth=0\n[maxpool]\n", "width=0", 2),
        (b"[net]\nwidth=99999\n[maxpool]\n", "width=99999", 2),
        (b"[net]\n" + b"#" * (1 << 20), "more than", None),
    ],
)
def test_what_is_no_cfg_is_refused(content, says, line, tmp_path):
    (tmp_path / "net.cfg").write_bytes(content)
    (tmp_path / "net.weights").write_bytes(weights_file())
    with pytest.raises(TatamiError, match=re.escape(says)) as caught:
        read_darknet(tmp_path / "net.cfg", tmp_path / "net.weights", INSIDE)
    assert (caught.value.file, caught.value.line) == (tmp_path / "net.cfg", line)


# The weights file


@pytest.mark.parametrize(
    "version", [(0, 1, 0), (0, 2, 0), (0, 2, 5), (1, 0, 0), (2, 3, 4), (0, 1500, 0)]
)
def test_every_header(version, imported, run_map):
    """pictures seen are 4 bytes before 0.2 (and in files of 1001 and later), 8 bytes since."""
    text, numbers, made = pointwise(4)
    found = run_map(imported(text, numbers, version), X)
    np.testing.assert_allclose(found, made.numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("version", [(-1, 2, 0), (0, 2000, 0), (1 << 30, 0, 0)])
def test_a_version_of_no_darknet_is_refused(version, imported, tmp_path):
    with pytest.raises(TatamiError, match="not a version of darknet") as caught:
        imported("[maxpool]\n", (), version)
    assert caught.value.file == tmp_path / "net.weights"


@pytest.mark.parametrize(
    ("held", "says"),
    [
        (16 - 1, "the file has 15 weights, the cfg asks for 16"),
        (16 + 1, "the file has 17 weights, the cfg asks for 16"),
        (0, "the file has 0 weights, the cfg asks for 16"),
    ],
)
def test_too_few_and_too_many_numbers_are_refused_with_both_counts(held, says, imported, tmp_path):
    text, _, _ = pointwise(4)
    with pytest.raises(TatamiError, match=says) as caught:
        imported(text, [reals(held)])
    assert caught.value.file == tmp_path / "net.weights"


@pytest.mark.parametrize(
    ("numbers", "says"),
    [
        ([np.float32([1, np.nan, 1, 1])], "NaN"),
        ([np.float32([1, 1, np.inf, 1])], "infinity"),
        ([reals(1), reals(1), reals(1), np.float32([-1]), reals(3)], "negative"),
    ],
)
@pytest.mark.parametrize("epsilon", [INSIDE, ROOT], ids=str)
def test_numbers_that_are_none_are_refused(numbers, says, epsilon, imported):
    normalize = "batch_normalize=1\n" if len(numbers) > 1 else ""
    with pytest.raises(TatamiError, match=says):
        imported(f"[convolutional]\n{normalize}", numbers, epsilon=epsilon)


@pytest.mark.parametrize(
    "layers",
    [
        CONV + "[convolutional]\nfilters=65536\nsize=3\npad=1\n" * 3,
        "[connected]\noutput=65536\n",
        CONV + "[convolutional]\nbatch_normalize=1\nfilters=65536\n" * 50,
    ],
)
@pytest.mark.parametrize("version", [(0, 2, 5), (0, 1001, 0)])
def test_a_cfg_gets_no_memory_that_its_weights_do_not_have(layers, version, imported):
    tracemalloc.start()
    try:
        with pytest.raises(TatamiError, match=r"the file has 16 weights, the cfg asks for \d{7,}"):
            imported(layers, [reals(16)], version)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 << 20


GOOD = (
    NET.format(WIDTH, HEIGHT) + "[convolutional]\nbatch_normalize=1\nfilters=16\nsize=1\n"
    "activation=leaky\n[maxpool]\nsize=2\nstride=2\n[route]\nlayers=-1,-1\n[convolutional]\n"
    f"filters=16\nactivation=linear\n[region]\nanchors={ANCHORS}\nnum=2\nclasses=3\nsoftmax=1\n"
)
GOOD_NUMBERS = [reals(16)] * 3 + [np.abs(reals(16)), reals(48), reals(16), reals(32 * 16)]


@settings(max_examples=150)
@given(data=st.data())
def test_damaged_files_are_refused_and_nothing_else_happens(data, tmp_path_factory):
    """Cut short, or with bytes changed, in either file: a network, or a TatamiError."""
    folder = tmp_path_factory.getbasetemp()
    files = {"bad.cfg": GOOD.encode(), "bad.weights": weights_file(GOOD_NUMBERS)}
    name = data.draw(st.sampled_from(sorted(files)))
    content = bytearray(files[name])
    cut = data.draw(st.booleans())
    if cut:
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    else:
        for at in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
            content[at] = data.draw(st.integers(0, 255))
    for file, good in files.items():
        (folder / file).write_bytes(bytes(content) if file == name else good)
    blamed = None
    try:
        read_darknet(folder / "bad.cfg", folder / "bad.weights", INSIDE)
    except TatamiError as error:
        blamed = error.file
    # Where a changed text is still a network, it may be the weights that do not fit.
    cut_weights = cut and name == "bad.weights"
    sound = () if cut_weights else (None,)
    assert blamed in (folder / "bad.cfg", folder / "bad.weights", *sound)


def test_the_network_that_is_damaged_above_is_sound(imported):
    assert imported(GOOD.removeprefix(NET.format(WIDTH, HEIGHT)), GOOD_NUMBERS).decoding is not None


@settings(max_examples=60)
@given(content=st.binary(max_size=60))
def test_garbage_is_refused(content, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp()
    (folder / "good.cfg").write_text(GOOD)
    (folder / "garbage").write_bytes(content)
    with pytest.raises(TatamiError) as caught:
        read_darknet(folder / "good.cfg", folder / "garbage", INSIDE)
    assert caught.value.file == folder / "garbage"
    with pytest.raises(TatamiError) as caught:
        read_darknet(folder / "garbage", folder / "garbage", INSIDE)
    assert caught.value.file == folder / "garbage"


# Real networks


def test_every_layer_of_trial3_is_darknets(weights_of, shared_data):
    """From darknet's own input tensor, each layer against what darknet made there."""
    files = [weights_of("yolo-lite") / f"tiny-yolov2-trial3.{kind}" for kind in ("cfg", "weights")]
    found = read_darknet(*files, ROOT)
    folder = shared_data / "reference/darknet/yolo-lite-trial3-dog"
    network = network_of(found.model)
    images = np.fromfile(folder / "yololite3_dog_input_3x224x224.f32", "<f4")
    values = graph.values(network, images.reshape(1, 3, 224, 224))
    compared = 0
    for path in sorted(folder.glob("yololite3_dog_layer*.f32")):
        layer, shape = re.fullmatch(r"\w+_(layer\d\d)_type\d+_([\dx]+)\.f32", path.name).groups()
        if layer == "layer12":  # region: decoded there, a raw map here
            continue
        names = [layer, f"{layer}.norm", f"{layer}.conv"] if layer != "layer11" else ["map"]
        name = next(name for name in names if name in values)
        theirs = np.fromfile(path, "<f4").reshape([1, *map(int, shape.split("x"))])
        assert values[name].shape == theirs.shape
        assert np.abs(values[name] - theirs).max() < 1e-5 * np.abs(theirs).max(), path.name
        compared += 1
    assert compared == 12

    assert found.decoding is not None
    assert found.input is not None
    best = candidates([values["map"][0]], found.decoding, 0.1, 20)
    size = Size(768, 576)
    boxes = placement(size, found.input).to_picture(best.xyxy.astype(np.float64), size)
    kept = nms_per_class(boxes.astype(np.float32), best.scores, best.labels, 0.45)
    ours = np.column_stack(
        [best.labels[kept], best.scores[kept], xyxy_to_cxcywh(boxes[kept]) / [768, 576, 768, 576]]
    )
    with (folder / "yololite3_dog_dets.csv").open() as opened:
        theirs = np.array(list(csv.reader(opened))[1:], np.float64)
    assert len(theirs) > 3
    order = [np.lexsort((one[:, 1], one[:, 0])) for one in (ours, theirs)]
    np.testing.assert_allclose(ours[order[0]], theirs[order[1]], rtol=0, atol=1e-4)


def test_trial8_is_refused_with_both_counts(weights_of):
    files = [weights_of("yolo-lite") / f"tiny-yolov2-trial8.{kind}" for kind in ("cfg", "weights")]
    with pytest.raises(TatamiError, match="has 572317 weights, the cfg asks for 574189") as caught:
        read_darknet(*files, ROOT)
    assert caught.value.file == files[1]


@pytest.mark.parametrize(
    "name",
    [
        "yolo-lite/tiny-yolov2-trial3-noBatch",
        "nano-voc/MobileNetV2-YOLOv3-Nano-voc",
        "yoloface-500k/yoloface-500k",
        "yolo-fastest-1.1/yolo-fastest-1.1",
    ],
)
def test_real_networks_are_read_whole_and_in_silence(name, weights_of):
    folder, _, name = name.partition("/")
    files = [weights_of(folder) / f"{name}.{kind}" for kind in ("cfg", "weights")]
    found = read_darknet(*files, INSIDE)
    assert found.decoding is not None
    assert found.notes == ()


def test_half_of_a_real_weights_file_is_refused(weights_of, tmp_path):
    folder = weights_of("nano-voc")
    cfg = folder / "MobileNetV2-YOLOv3-Nano-voc.cfg"
    whole = cfg.with_suffix(".weights").read_bytes()
    for length in (len(whole) // 2 // 4 * 4, len(whole) - 1):
        (tmp_path / "half.weights").write_bytes(whole[:length])
        with pytest.raises(TatamiError) as caught:
            read_darknet(cfg, tmp_path / "half.weights", INSIDE)
        assert caught.value.file == tmp_path / "half.weights"
