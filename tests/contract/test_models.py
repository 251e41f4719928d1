"""One suite over every model: it learns, it is saved, and every way to run it gives one answer."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor

from tatami import graph
from tatami.decoding import candidates
from tatami.errors import TatamiError
from tatami.models import MODELS
from tatami.models.export import export_onnx
from tatami.models.yolov2_tiny import YoloV2Tiny
from tatami.ship.c.emit import emit
from tatami.ship.c.run import CompiledDetector
from tatami.ship.lower import lower
from tatami.shrink.fold import fold
from tatami.train.checkpoint import load_weights, save_weights
from tatami.types import Boxes, Float32, InputSpec, NetworkSpec, Size

ANCHORS = ((0.9, 0.7), (1.6, 1.9))
CLASSES = ("a", "b", "c")
SIZE = Size(96, 64)
BOUND = 1e-5  # of the map's largest number: float32 sums in another order


def build(name: str, seed: int = 0) -> YoloV2Tiny:
    torch.manual_seed(seed)
    return MODELS[name](len(CLASSES), ANCHORS, width=0.1)


def spec(model: YoloV2Tiny) -> NetworkSpec:
    return NetworkSpec("detect", CLASSES, InputSpec(SIZE), model.decoding(model.anchors))


def batch(seed: int = 0) -> tuple[Tensor, list[Boxes]]:
    """Four pictures (4, 3, 64, 96), and boxes: none, one, two and three of them."""
    rng = np.random.default_rng(seed)
    images = rng.random((4, 3, SIZE.height, SIZE.width)).astype(np.float32)
    targets = []
    for count in range(4):
        corners = rng.uniform(0, 30, (count, 2))
        boxes = np.hstack((corners, corners + rng.uniform(15, 34, (count, 2))))
        targets.append(Boxes.of(boxes, rng.integers(0, 3, count)))
        for x1, y1, x2, y2 in boxes.astype(int):
            images[len(targets) - 1, :, y1:y2, x1:x2] += 1
    return torch.from_numpy(images), targets


def assert_close(found: Float32, expected: Float32) -> None:
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= BOUND * np.abs(expected).max()


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module", params=sorted(MODELS))
def trained(request: pytest.FixtureRequest) -> tuple[str, YoloV2Tiny, list[float]]:
    """Its name, the model after some steps on one batch, and the loss before each."""
    model = build(request.param).train()
    images, targets = batch()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    losses = []
    for _ in range(15):
        loss = torch.stack(list(model.loss(model(images), targets).values())).sum()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(float(loss.detach()))
    return request.param, model.eval(), losses


@pytest.fixture(scope="module")
def network(
    trained: tuple[str, YoloV2Tiny, list[float]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, graph.Network, Float32, Float32]:
    """Its ONNX file, that file read back, images (4, 3, 64, 96), and torch's maps of them."""
    _, model, _ = trained
    path = tmp_path_factory.mktemp("onnx") / "network.onnx"
    export_onnx(model, spec(model), path)
    images, _ = batch(1)
    with torch.no_grad():
        maps = model(images).numpy()
    return path, graph.read(path), images.numpy(), maps


@pytest.mark.parametrize("name", sorted(MODELS))
@pytest.mark.parametrize(("width", "height"), [(64, 64), (160, 96)])
def test_the_map_has_the_shape_that_is_stated(name: str, width: int, height: int) -> None:
    model = build(name).eval()
    with torch.no_grad():
        raw = model(torch.zeros(2, 3, height, width))
    channels = len(ANCHORS) * (5 + len(CLASSES))
    assert raw.shape == (2, channels, height // model.stride, width // model.stride)
    assert raw.dtype == torch.float32


def test_the_loss_falls_on_one_batch(trained: tuple[str, YoloV2Tiny, list[float]]) -> None:
    _, _, losses = trained
    assert all(np.isfinite(losses))
    assert losses[-1] < 0.6 * losses[0]


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_part_of_the_loss_is_a_number_and_every_weight_has_a_gradient(name: str) -> None:
    model = build(name).train()
    images, targets = batch()
    parts = model.loss(model(images), targets)
    assert all(part.ndim == 0 and part >= 0 for part in parts.values())
    torch.stack(list(parts.values())).sum().backward()  # type: ignore[no-untyped-call]
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key
        assert parameter.grad.abs().max() > 0, key
    nothing = model.loss(model(images), [Boxes.of([], [])] * 4)
    assert all(part.isfinite() for part in nothing.values())


def test_saved_and_loaded_it_answers_the_same(
    trained: tuple[str, YoloV2Tiny, list[float]], tmp_path: Path
) -> None:
    name, model, _ = trained
    save_weights(tmp_path / "w.safetensors", model.state_dict())
    other = build(name, seed=1).eval()
    images, _ = batch(1)
    with torch.no_grad():
        expected = model(images)
        assert not torch.equal(other(images), expected)
        load_weights(other, tmp_path / "w.safetensors")
        assert torch.equal(other(images), expected)


def test_numpy_and_onnx_runtime_agree_with_torch(
    network: tuple[Path, graph.Network, Float32, Float32],
) -> None:
    path, read, images, maps = network
    assert_close(graph.run(read, images)[0], maps)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert_close(np.concatenate([session.run(None, {"images": i[None]})[0] for i in images]), maps)


def test_the_file_says_how_it_is_used(
    trained: tuple[str, YoloV2Tiny, list[float]],
    network: tuple[Path, graph.Network, Float32, Float32],
) -> None:
    assert network[1].spec == spec(trained[1])


def test_folded_it_agrees(network: tuple[Path, graph.Network, Float32, Float32]) -> None:
    _, read, images, maps = network
    folded, records = fold(read)
    assert records
    assert not [node for node in folded.graph if node.op_type == "BatchNormalization"]
    assert_close(graph.run(folded, images)[0], maps)


def test_the_c_program_agrees(
    network: tuple[Path, graph.Network, Float32, Float32], tmp_path: Path
) -> None:
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    _, read, images, maps = network
    folded, _ = fold(read)
    for file, content in emit(lower(folded), "net", "array").files.items():
        (tmp_path / file).write_bytes(content)
    with CompiledDetector(tmp_path) as compiled:
        assert_close(compiled.forward(images)[0], graph.run(folded, images)[0])
        assert_close(compiled.forward(images)[0], maps)


def test_candidates_are_those_of_the_rule_and_within_bounds(
    trained: tuple[str, YoloV2Tiny, list[float]],
) -> None:
    _, model, _ = trained
    images, _ = batch()
    with torch.no_grad():
        raw = model(images)
    answers = model.decode(raw, 0.01)
    assert sum(len(answer.scores) for answer in answers) > 10
    for one, answer in zip(raw.numpy(), answers, strict=True):
        rule = candidates([one], spec(model).decoding, 0.01, len(CLASSES))
        np.testing.assert_array_equal(answer.xyxy, rule.xyxy)
        np.testing.assert_array_equal(answer.scores, rule.scores)
        assert ((answer.scores > 0.01) & (answer.scores <= 1)).all()
        assert (np.diff(answer.scores) <= 0).all()
        assert ((answer.labels >= 0) & (answer.labels < len(CLASSES))).all()
        centres = (answer.xyxy[:, :2] + answer.xyxy[:, 2:]) / 2
        assert (centres >= 0).all()
        assert (centres <= (SIZE.width, SIZE.height)).all()
        assert (answer.xyxy[:, 2:] > answer.xyxy[:, :2]).all()
        assert np.abs(answer.xyxy).max() < 10 * SIZE.width


@pytest.mark.parametrize("name", sorted(MODELS))
@pytest.mark.parametrize("width", [0.0, -1.0, float("nan"), float("inf"), 1e6])
def test_a_width_out_of_its_range(name: str, width: float) -> None:
    with pytest.raises(TatamiError, match="width is"):
        MODELS[name](3, ANCHORS, width)
