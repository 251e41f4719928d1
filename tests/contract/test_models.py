"""One suite over every detector: it learns, is saved, and every way to run it gives one answer."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor

from tatami import graph
from tatami.models.detector import Detector, as_maps
from tatami.models.export import export_onnx
from tatami.models.table import MODELS, DetectorModel
from tatami.program import interpret
from tatami.program.lower import lower
from tatami.rules.decoding import candidates
from tatami.ship.c.emit import emit
from tatami.ship.c.operator import Options
from tatami.ship.c.tasks.detection import DETECTION_IN_C, CompiledDetector
from tatami.shrink.calibrate import observe
from tatami.shrink.fold import fold
from tatami.shrink.quantize import quantize
from tatami.train.checkpoint import load_weights, save_weights
from tatami.types import Boxes, Decoding, DetectionSpec, Float32, Size
from tests.contract.rows import names

ANCHORS = ((28.8, 22.4), (51.2, 60.8))
CLASSES = ("a", "b", "c")
BOUND = 1e-5  # of a map's largest number: float32 sums in another order


@dataclass(frozen=True)
class Case:
    """size: of the input.  other: another that it may have."""

    size: Size = Size(96, 64)
    other: Size = Size(160, 96)
    width: float = 0.1
    learning_rate: float = 0.01
    steps: int = 15


CASES = {
    "yolov1": Case(Size(128, 64), Size(64, 128), width=0.05, learning_rate=0.003, steps=30),
    "yolov1-fast": Case(Size(128, 64), Size(64, 64), width=0.05, learning_rate=0.003, steps=30),
    "yolov1-tiny": Case(Size(128, 64), Size(64, 64), width=0.05),
    "yolov2": Case(Size(96, 64), Size(64, 160), width=0.05),
    "tatami-nano": Case(learning_rate=0.02, steps=30),
    "ssd300": Case(Size(96, 64), Size(163, 130), learning_rate=0.05, steps=30),
    "ssd300-bn": Case(Size(96, 64), Size(163, 130), learning_rate=0.05, steps=30),
    "mobilenet-ssd": Case(Size(96, 64), Size(163, 130), learning_rate=0.05, steps=30),
    "dssd": Case(Size(96, 64), Size(163, 130), width=0.03, learning_rate=0.1, steps=30),
    "dssd26": Case(Size(96, 64), Size(163, 130), width=0.05, learning_rate=0.05, steps=30),
}
"""Of those that differ from ``Case()``."""
NAMES = names(DetectorModel)


def case_of(name: str) -> Case:
    return CASES.get(name, Case())


def build(name: str, seed: int = 0, size: Size | None = None) -> Detector:
    torch.manual_seed(seed)
    case = case_of(name)
    model: Detector = MODELS[name].build(spec(name, size), case.width)
    return model


def spec(name: str, size: Size | None = None) -> DetectionSpec:
    row = MODELS[name]
    found: DetectionSpec = row.spec(
        CLASSES, size or case_of(name).size, ANCHORS if row.anchor_count else None
    )
    return found


def batch(size: Size, seed: int = 0) -> tuple[Tensor, list[Boxes]]:
    """Four pictures (4, 3, H, W), and boxes: none, one, two and three of them."""
    rng = np.random.default_rng(seed)
    images = rng.random((4, 3, size.height, size.width)).astype(np.float32)
    targets = []
    for count in range(4):
        corners = rng.uniform(0, 30, (count, 2))
        boxes = np.hstack((corners, corners + rng.uniform(15, 34, (count, 2))))
        targets.append(Boxes.of(boxes, rng.integers(0, 3, count)))
        for x1, y1, x2, y2 in boxes.astype(int):
            images[len(targets) - 1, :, y1:y2, x1:x2] += 1
    return torch.from_numpy(images), targets


def of_every_map(decoding: Decoding, size: Size) -> Boxes:
    """A box for each map to answer for: its first anchor, in the middle."""
    found = []
    for grid in decoding.grids:
        stride, sides = np.array(grid.stride), np.array(grid.anchors[0])
        center = (np.array([size.width, size.height]) / stride // 2 + 0.5) * stride
        found.append(np.concatenate([center - sides / 2, center + sides / 2]))
    return Boxes.of(found, np.arange(len(found)) % len(CLASSES))


def assert_close(found: Float32, expected: Float32) -> None:
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= BOUND * np.abs(expected).max()


def answers(model: Detector, images: Tensor) -> list[Float32]:
    """The raw maps."""
    with torch.no_grad():
        return [np.asarray(one.numpy(), np.float32) for one in as_maps(model(images))]


@dataclass(frozen=True)
class Trained:
    """The model after some steps on one batch, and the loss before each."""

    name: str
    model: Detector
    losses: list[float]


@dataclass(frozen=True)
class Exported:
    """An ONNX file, that file read back and folded, images (4, 3, H, W), and torch's maps."""

    path: Path
    network: graph.Network
    folded: graph.Network
    images: Float32
    maps: list[Float32]


@pytest.fixture(scope="module", params=NAMES)
def trained(request: pytest.FixtureRequest) -> Trained:
    model = build(request.param).train()
    case = case_of(request.param)
    images, targets = batch(case.size)
    optimizer = torch.optim.SGD(model.parameters(), lr=case.learning_rate, momentum=0.9)
    losses = []
    for _ in range(case.steps):
        loss = torch.stack(list(model.loss(model(images), targets).values())).sum()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 20.0)
        optimizer.step()
        losses.append(float(loss.detach()))
    with torch.no_grad():  # normalization's statistics catch up with weights that moved fast
        for _ in range(case.steps):
            model(images)
    return Trained(request.param, model.eval(), losses)


@pytest.fixture(scope="module")
def exported(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    path = tmp_path_factory.mktemp("onnx") / "network.onnx"
    export_onnx(trained.model, spec(trained.name), path)
    images, _ = batch(case_of(trained.name).size, seed=1)
    network = graph.read(path)
    folded, _ = fold(network)
    return Exported(path, network, folded, images.numpy(), answers(trained.model, images))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("which", ["size", "other"])
def test_the_maps_have_the_shapes_that_are_stated(name: str, which: str) -> None:
    size: Size = getattr(case_of(name), which)
    model = build(name, size=size).eval()
    maps = answers(model, torch.zeros(2, 3, size.height, size.width))
    expected = model.decoding.maps(len(CLASSES))
    assert len(maps) == len(expected)
    for found, (grid, channels) in zip(maps, expected, strict=True):
        rows, columns = size.height / grid.stride[1], size.width / grid.stride[0]
        assert found.shape == (2, channels, round(rows), round(columns))
        assert found.dtype == np.float32


def test_the_loss_falls_on_one_batch(trained: Trained) -> None:
    assert all(np.isfinite(trained.losses))
    assert trained.losses[-1] < 0.6 * trained.losses[0]


@pytest.mark.parametrize("name", NAMES)
def test_every_part_of_the_loss_is_a_number_and_every_weight_has_a_gradient(name: str) -> None:
    model = build(name).train()
    images, targets = batch(case_of(name).size)
    if model.decoding.kind in ("ssd", "distance"):
        targets[0] = of_every_map(model.decoding, case_of(name).size)
    parts = model.loss(model(images), targets)
    assert all(part.ndim == 0 and part >= 0 for part in parts.values())
    torch.stack(list(parts.values())).sum().backward()  # type: ignore[no-untyped-call]
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key
        assert parameter.grad.abs().max() > 0, key
    nothing = model.loss(model(images), [Boxes.of([], [])] * 4)
    assert all(part.isfinite() for part in nothing.values())


def test_saved_and_loaded_it_answers_the_same(trained: Trained, tmp_path: Path) -> None:
    save_weights(tmp_path / "w.safetensors", trained.model.state_dict())
    other = build(trained.name, seed=1).eval()
    images, _ = batch(case_of(trained.name).size, seed=1)
    expected = answers(trained.model, images)
    assert any((a != b).any() for a, b in zip(answers(other, images), expected, strict=True))
    load_weights(other, tmp_path / "w.safetensors")
    for found, map_ in zip(answers(other, images), expected, strict=True):
        np.testing.assert_array_equal(found, map_)


def test_numpy_and_onnx_runtime_agree_with_torch(exported: Exported) -> None:
    for found, expected in zip(
        graph.run(exported.network, exported.images), exported.maps, strict=True
    ):
        assert_close(found, expected)
    session = onnxruntime.InferenceSession(exported.path, providers=["CPUExecutionProvider"])
    one_by_one = [session.run(None, {"images": image[None]}) for image in exported.images]
    for maps, expected in zip(zip(*one_by_one, strict=True), exported.maps, strict=True):
        assert_close(np.concatenate(maps), expected)


def test_the_file_says_how_it_is_used(trained: Trained, exported: Exported) -> None:
    assert exported.network.spec == spec(trained.name)


def test_folded_it_agrees(exported: Exported) -> None:
    left = [node for node in exported.folded.graph if node.op_type == "BatchNormalization"]
    assert not left
    for found, expected in zip(
        graph.run(exported.folded, exported.images), exported.maps, strict=True
    ):
        assert_close(found, expected)


def test_the_c_program_agrees(exported: Exported, tmp_path: Path) -> None:
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    shipped = emit(lower(exported.folded), "net", Options(weights="array"), DETECTION_IN_C)
    for file, content in shipped.files.items():
        (tmp_path / file).write_bytes(content)
    with CompiledDetector(tmp_path) as compiled:
        of_c = compiled.forward(exported.images)
    of_numpy = graph.run(exported.folded, exported.images)
    for found, numpy, expected in zip(of_c, of_numpy, exported.maps, strict=True):
        assert_close(found, numpy)
        assert_close(found, expected)


def test_in_8_bits_c_is_the_program_to_the_bit(exported: Exported, tmp_path: Path) -> None:
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    seen = observe(exported.folded, list(exported.images[:, None]), len(exported.images))
    program = lower(quantize(exported.folded, seen))
    shipped = emit(program, "net", Options(weights="array"), DETECTION_IN_C)
    for file, content in shipped.files.items():
        (tmp_path / file).write_bytes(content)
    with CompiledDetector(tmp_path) as compiled:
        of_c = compiled.forward(exported.images)
    for index, image in enumerate(exported.images):
        for found, expected in zip(of_c, interpret.run(program, [image]), strict=True):
            np.testing.assert_array_equal(found[index], expected)


def test_candidates_of_the_rule_are_within_bounds(trained: Trained) -> None:
    size = case_of(trained.name).size
    images, _ = batch(size)
    maps = zip(*answers(trained.model, images), strict=True)
    found = [candidates(each, trained.model.decoding, 0.01, len(CLASSES)) for each in maps]
    assert sum(len(answer.scores) for answer in found) > 5
    for answer in found:
        assert ((answer.scores > 0.01) & (answer.scores <= 1)).all()
        assert (np.diff(answer.scores) <= 0).all()
        assert ((answer.labels >= 0) & (answer.labels < len(CLASSES))).all()
        assert (answer.xyxy[:, 2:] > answer.xyxy[:, :2]).all()
        assert np.abs(answer.xyxy).max(initial=0) < 10 * size.width
