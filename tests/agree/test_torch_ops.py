"""tatami.ops and the exporter against torch. Bound: 1e-5 of the largest |value|."""

from __future__ import annotations

import warnings

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from tatami import graph  # noqa: E402
from tatami.errors import TatamiError  # noqa: E402
from tatami.models.export import export_onnx  # noqa: E402
from tatami.models.yolov2_tiny import YoloV2Tiny  # noqa: E402
from tatami.ops import activation, quantized  # noqa: E402
from tatami.ops.conv import convolve  # noqa: E402
from tatami.ops.conv_transpose import convolve_transposed  # noqa: E402
from tatami.ops.norm import batch_normalize  # noqa: E402
from tatami.ops.pool import average_pool, global_average_pool, max_pool  # noqa: E402
from tatami.ops.resize import resize, resize_taps  # noqa: E402
from tatami.ops.window import Axis, Window  # noqa: E402
from tatami.types import Decoding, DetectionSpec, InputSpec, Size  # noqa: E402

BOUND = 1e-5
rng = np.random.default_rng(2)


def normal(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def close(ours, theirs):
    theirs = theirs.detach().numpy()
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= BOUND * np.abs(theirs).max()


@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("groups", [1, 2, 6])
def test_convolution(kernel, stride, dilation, groups):
    x, weight, bias = normal(2, 6, 13, 11), normal(12, 6 // groups, kernel, kernel), normal(12)
    ours = convolve(x, weight, bias, Window.square(kernel, stride, 2, dilation), groups)
    tensors = [torch.from_numpy(array) for array in (x, weight, bias)]
    close(ours, F.conv2d(*tensors, stride, 2, dilation, groups))


@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize(
    ("kernel", "stride", "pad", "more", "dilation"),
    [(1, 1, 0, 0, 1), (2, 2, 0, 0, 1), (3, 2, 1, 1, 1), (4, 2, 1, 0, 1), (3, 3, 2, 2, 2)],
)
def test_transposed_convolution(kernel, stride, pad, more, dilation, groups):
    x, weight, bias = normal(2, 6, 5, 4), normal(6, 12 // groups, kernel, kernel), normal(12)
    tensors = [torch.from_numpy(array) for array in (x, weight, bias)]
    theirs = F.conv_transpose2d(*tensors, stride, pad, more, groups, dilation)
    window = Window.square(kernel, stride, pad, dilation)
    close(convolve_transposed(x, weight, bias, window, theirs.shape[2:], groups), theirs)


@pytest.mark.parametrize("kernel", [1, 3, 4])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize("zero_point", [0, 117, 255])
def test_integer_convolutions_equal_torchs_in_float64(kernel, stride, dilation, groups, zero_point):
    x = rng.integers(0, 256, (2, 6, 13, 11), np.uint8)
    bias = rng.integers(-(2**20), 2**20, 12).astype(np.int32)
    window = Window.square(kernel, stride, 2, dilation)
    centered, added = torch.from_numpy(x).double() - zero_point, torch.from_numpy(bias).double()

    def weights(*shape):
        return rng.integers(-127, 128, (*shape, kernel, kernel)).astype(np.int8)

    straight = weights(12, 6 // groups)
    theirs = F.conv2d(
        centered, torch.from_numpy(straight).double(), added, stride, 2, dilation, groups
    )
    ours = quantized.convolve(x, straight, bias, zero_point, window, groups)
    assert np.array_equal(ours, theirs.numpy())
    turned = weights(6, 12 // groups)
    theirs = F.conv_transpose2d(
        centered, torch.from_numpy(turned).double(), added, stride, 2, 0, groups, dilation
    )
    output = tuple(theirs.shape[2:])
    ours = quantized.convolve_transposed(x, turned, bias, zero_point, window, output, groups)
    assert np.array_equal(ours, theirs.numpy())


@pytest.mark.parametrize(("h", "w"), [(26, 22), (13, 11), (5, 7), (40, 1), (1, 30)])
def test_resize(h, w):
    x = normal(2, 3, 13, 11)
    t = torch.from_numpy(x)

    def sides(mode, coordinates):
        return (
            resize_taps(length, outputs, outputs / length, mode, coordinates, "floor")
            for length, outputs in ((13, h), (11, w))
        )

    close(resize(x, *sides("nearest", "asymmetric")), F.interpolate(t, (h, w)))
    linear = resize(x, *sides("linear", "half_pixel"))
    close(linear, F.interpolate(t, (h, w), mode="bilinear"))
    corners = F.interpolate(t, (h, w), mode="bilinear", align_corners=True)
    close(resize(x, *sides("linear", "align_corners")), corners)


def test_activations_and_the_mean_of_a_map():
    x = normal(2, 3, 5, 6) * 5
    t = torch.from_numpy(x)
    close(activation.relu(x), t.relu())
    close(activation.leaky_relu(x, 0.1), F.leaky_relu(t, 0.1))
    close(activation.clip(x, 0, 6), F.relu6(t))
    close(activation.sigmoid(x), t.sigmoid())
    close(activation.tanh(x), t.tanh())
    close(activation.exp(x), t.exp())
    for axis in (0, 1, 2, 3):
        close(activation.softmax(x, axis), t.softmax(axis))
    close(global_average_pool(x), F.adaptive_avg_pool2d(t, 1))


@pytest.mark.parametrize(("kernel", "stride", "pad"), [(2, 2, 0), (2, 1, 1), (3, 2, 1), (5, 3, 2)])
def test_pools(kernel, stride, pad):
    x = normal(2, 3, 13, 11)
    t = torch.from_numpy(x)
    window = Window.square(kernel, stride, pad)
    close(max_pool(x, window), F.max_pool2d(t, kernel, stride, pad))
    close(average_pool(x, window), F.avg_pool2d(t, kernel, stride, pad, count_include_pad=False))
    close(average_pool(x, window, True), F.avg_pool2d(t, kernel, stride, pad))


def test_the_pool_of_yolov2_tiny_pads_on_one_side():
    x = normal(2, 3, 13, 11) - 5
    window = Window(Axis(2, after=1), Axis(2, after=1))
    padded = F.pad(torch.from_numpy(x), (0, 1, 0, 1), value=float("-inf"))
    close(max_pool(x, window), F.max_pool2d(padded, 2, 1))


def test_batch_normalization():
    x, scale, bias, mean = normal(2, 3, 5, 6), normal(3), normal(3), normal(3)
    variance = np.abs(normal(3))
    tensors = [torch.from_numpy(array) for array in (x, mean, variance, scale, bias)]
    ours = batch_normalize(x, scale, bias, mean, variance, 1e-3)
    close(ours, F.batch_norm(*tensors, eps=1e-3))


def test_no_in_place_surprise():
    """Operations leave what they are given as it was."""
    x = normal(1, 2, 4, 4)
    kept = x.copy()
    max_pool(x, Window.square(2))
    average_pool(x, Window.square(2))
    convolve(x, normal(3, 2, 1, 1), normal(3), Window.square(1))
    assert np.array_equal(x, kept)


ANCHORS = ((1.0, 2.0), (3.0, 1.5))
SPEC = DetectionSpec(
    ("a", "b", "c"), InputSpec(Size(96, 64)), Decoding.yolov2(ANCHORS), {"by": "test"}
)


def trained_looking(module):
    """Statistics and scales far from the 0 and 1 that an untrained network has."""
    generator = torch.Generator().manual_seed(7)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            for tensor in (part.running_mean, part.bias.data):
                tensor.normal_(generator=generator)
            for tensor in (part.running_var, part.weight.data):
                tensor.uniform_(0.3, 3, generator=generator)
    return module


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A narrow YOLOv2-tiny in training mode and its ONNX file."""
    torch.manual_seed(0)
    model = trained_looking(YoloV2Tiny(3, Decoding.yolov2(ANCHORS), width=0.25)).train()
    path = tmp_path_factory.mktemp("export") / "net.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        export_onnx(model, SPEC, path)
    return model, path


def test_yolov2_tiny_is_exported_as_its_paper_says(exported):
    _, path = exported
    network = graph.read(path)
    operators = [one.op_type for one in network.graph]
    block = ["Conv", "BatchNormalization", "LeakyRelu"]
    assert operators == [*[*block, "MaxPool"] * 6, *block * 2, "Conv"]
    names = [one.outputs[0].name for one in network.graph]
    assert names[:4] == ["conv1/conv", "conv1/norm", "conv1", "max_pool_1"]
    assert names[-1] == "map"
    assert [value.name for value in network.graph.inputs] == ["images"]
    pool = [one for one in network.graph if one.op_type == "MaxPool"][-1]
    assert tuple(pool.attributes["pads"].as_ints()) == (0, 0, 1, 1)
    assert network.spec == SPEC


def test_the_file_passes_onnxs_checker_and_holds_no_path_of_this_machine(exported):
    _, path = exported
    onnx.checker.check_model(onnx.load(path), full_check=True)
    content = path.read_bytes()
    assert b".py" not in content
    assert b"pkg.torch" not in content


def test_torch_numpy_and_onnx_runtime_give_the_same_map(exported):
    onnxruntime = pytest.importorskip("onnxruntime")
    model, path = exported
    images = np.random.default_rng(0).random((2, 3, 64, 96), np.float32)
    training = model.training
    with torch.no_grad():
        expected = model.eval()(torch.from_numpy(images))
    model.train(training)
    close(graph.run(graph.read(path), images)[0], expected)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    close(np.concatenate([session.run(None, {"images": one[None]})[0] for one in images]), expected)


def test_exporting_leaves_the_module_as_it_was(exported):
    model, _ = exported
    assert model.training
    assert all(part.training for part in model.modules())


def test_exporting_says_nothing(tmp_path, capfd):
    conv = nn.Conv2d(3, 16, 32, 32)
    conv.eval()
    export_onnx(conv, SPEC, tmp_path / "net.onnx")
    assert capfd.readouterr() == ("", "")
    assert not conv.training
    assert [one.op_type for one in graph.read(tmp_path / "net.onnx").graph] == ["Conv"]


def test_a_module_that_tatami_cannot_run_is_refused_and_nothing_is_written(tmp_path):
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 16, 32, 32)

        def forward(self, x):
            return torch.nonzero(self.conv(x))

    with pytest.raises(TatamiError, match="NonZero"):
        export_onnx(Odd(), SPEC, tmp_path / "net.onnx")
    broken = nn.Conv2d(3, 16, 32, 32)
    broken.weight.data[0] = float("nan")
    with pytest.raises(TatamiError, match="NaN"):
        export_onnx(broken, SPEC, tmp_path / "net.onnx")
    with pytest.raises(TatamiError, match="raw map"):
        export_onnx(nn.Conv2d(3, 15, 32, 32), SPEC, tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())
