"""One suite over every classifier: it learns, is saved, and every way to run it gives one answer.

Each is built narrow, and those that repeat one block many times with few of them, so that all
operators and all kinds of blocks are there and the suite stays fast. tests/models/ holds the whole
networks to their papers.
"""

from __future__ import annotations

import copy
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor

from tatami import graph
from tatami.errors import TatamiError
from tatami.graph import Network
from tatami.models.classifier import Classifier
from tatami.models.export import export_onnx, to_model
from tatami.models.table import MODELS, ClassifierModel
from tatami.program import interpret
from tatami.program.lower import lower
from tatami.ship.c.emit import emit
from tatami.ship.c.operator import Options
from tatami.ship.c.run.network import CompiledNetwork
from tatami.shrink.calibrate import observe
from tatami.shrink.fold import fold
from tatami.shrink.quantize import quantize
from tatami.train.checkpoint import load_weights, save_weights
from tatami.types import ClassificationSpec, Float32, InputSpec, Size
from tests.contract.rows import names, without_dropout

CLASSES = 4
BOUND = 3e-5  # of the largest logit, the difference of larger sums: float32 in another order


@dataclass(frozen=True)
class Case:
    """size: of an input that can be exported.  other: one that need not be.  short: fewer blocks
    and the like."""

    size: Size = Size(96, 64)
    other: Size = Size(75, 130)
    short: dict[str, Any] = field(default_factory=dict)
    width: float = 0.1


CASES = {
    "lenet5": Case(Size(32, 32), Size(52, 40), width=1.0),
    "alexnet": Case(Size(95, 95), Size(127, 191)),
    "vgg16": Case(Size(32, 32), Size(64, 96), {"stages": (1, 1, 1, 1, 1)}),
    "vgg16-bn": Case(Size(32, 32), Size(64, 96), {"stages": (1, 1, 2, 1, 1)}),
    "vgg19": Case(Size(32, 32), Size(64, 96), {"stages": (1, 1, 1, 1, 2)}),
    "vgg19-bn": Case(Size(32, 32), Size(64, 96), {"stages": (1, 1, 1, 2, 2)}),
    "resnet18": Case(short={"blocks": (1, 1, 1, 1)}),
    "resnet18-small": Case(Size(32, 32), Size(52, 40), {"blocks": (1, 1, 1, 1)}),
    "resnet34": Case(short={"blocks": (1, 1, 2, 1)}),
    "resnet50": Case(short={"blocks": (2, 1, 1, 1)}),
    "resnet101": Case(short={"blocks": (1, 1, 2, 1)}),
    "resnet152": Case(short={"blocks": (1, 2, 1, 1)}),
    "densenet121": Case(short={"blocks": (2, 2, 3, 2)}),
    "densenet169": Case(short={"blocks": (2, 2, 2, 3)}),
    "densenet201": Case(short={"blocks": (2, 3, 2, 2)}),
    "densenet264": Case(short={"blocks": (3, 2, 2, 2)}),
    "sppnet": Case(Size(112, 112), Size(100, 131)),
    "xception-chollet": Case(short={"middle": 1}, width=0.05),
    "xception-deeplab": Case(short={"middle": 1, "output_stride": 16}, width=0.05),
}
"""Of those that differ from ``Case()``."""
NAMES = names(ClassifierModel)


def case_of(name: str) -> Case:
    return CASES.get(name, Case())


WHOLE = (
    *("densenet121", "densenet169", "densenet201", "densenet264"),
    *("googlenet", "mobilenet-v1", "resnet18", "resnet34", "resnet50", "vgg16-bn"),
    *("xception-chollet", "xception-deeplab"),
)
"""Those that are also run with all of their layers, by hand."""
OWN = 4
"""Random weights in a deep network make much of a rounding: an answer may be so many times as far
from torch's in float64 as torch's own in float32 is."""


def build(name: str, seed: int = 0) -> Classifier:
    torch.manual_seed(seed)
    case = case_of(name)
    model: Classifier = MODELS[name].make()(CLASSES, width=case.width, **case.short)
    without_dropout(model)
    return model


def spec(size: Size) -> ClassificationSpec:
    return ClassificationSpec(("a", "b", "c", "d"), InputSpec(size))


def batch(size: Size, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Eight pictures of noise, each with a bright quarter, which is its class."""
    rng = np.random.default_rng(seed)
    images = rng.random((8, 3, size.height, size.width)).astype(np.float32)
    labels = np.arange(8) % CLASSES
    half_height, half_width = size.height // 2, size.width // 2
    for image, label in zip(images, labels, strict=True):
        top, left = (label // 2) * half_height, (label % 2) * half_width
        image[:, top : top + half_height, left : left + half_width] += 1
    return torch.from_numpy(images), torch.from_numpy(labels)


def assert_close(found: Float32, expected: Float32, bound: float = BOUND) -> None:
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= bound * np.abs(expected).max()


@dataclass(frozen=True)
class Trained:
    """losses: before each step of the training, which was on one batch."""

    name: str
    model: Classifier
    losses: list[float]


@dataclass(frozen=True)
class Exported:
    """network: from its file.  images: (2, 3, H, W).  logits: torch's, (2, CLASSES)."""

    path: Path
    network: Network
    folded: Network
    images: Float32
    logits: Float32


@pytest.fixture(scope="module", params=NAMES)
def trained(request: pytest.FixtureRequest) -> Trained:
    model = build(request.param).train()
    images, labels = batch(case_of(request.param).size)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    losses = []
    for _ in range(20):
        loss = torch.stack(list(model.loss(model(images), labels).values())).sum()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(float(loss.detach()))
    with torch.no_grad():
        for _ in range(60):  # the running statistics catch up with the weights
            model(images)
    return Trained(request.param, model.eval(), losses)


@pytest.fixture(scope="module")
def exported(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    path = tmp_path_factory.mktemp("onnx") / "network.onnx"
    size = case_of(trained.name).size
    export_onnx(trained.model, spec(size), path)
    network = graph.read(path)
    # Without the spec: it says pixels of 0 to 255, and these images go beyond.
    folded, _ = fold(Network(network.model, None), depthwise=True)
    images = batch(size)[0][:2]
    with torch.no_grad():
        logits = trained.model(images).numpy()
    return Exported(path, network, folded, images.numpy(), logits)


@pytest.mark.parametrize("name", NAMES)
def test_logits_of_any_size(name: str) -> None:
    model = build(name).eval()
    for size in (case_of(name).size, case_of(name).other):
        with torch.no_grad():
            raw = model(torch.zeros(2, 3, size.height, size.width))
        assert raw.shape == (2, CLASSES)
        assert raw.dtype == torch.float32


def test_the_loss_falls_on_one_batch(trained: Trained) -> None:
    assert all(np.isfinite(trained.losses))
    assert trained.losses[-1] < 0.7 * trained.losses[0]


@pytest.mark.parametrize("name", NAMES)
def test_every_part_of_the_loss_is_a_number_and_every_weight_has_a_gradient(name: str) -> None:
    model = build(name).train()
    images, labels = batch(case_of(name).size)
    model.label_smoothing = 0.1
    parts = model.loss(model(images), labels)
    assert all(part.ndim == 0 and part > 0 for part in parts.values())
    torch.stack(list(parts.values())).sum().backward()  # type: ignore[no-untyped-call]
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key
        assert parameter.grad.abs().max() > 0, key


def test_saved_and_loaded_it_answers_the_same(trained: Trained, tmp_path: Path) -> None:
    save_weights(tmp_path / "w.safetensors", trained.model.state_dict())
    other = build(trained.name, seed=1).eval()
    images, _ = batch(case_of(trained.name).size, seed=1)
    with torch.no_grad():
        expected = trained.model(images)
        assert not torch.equal(other(images), expected)
        load_weights(other, tmp_path / "w.safetensors")
        assert torch.equal(other(images), expected)


def test_numpy_and_onnx_runtime_agree_with_torch(exported: Exported) -> None:
    first, second = exported.logits
    assert np.abs(first - second).max() > 0.3 * np.abs(exported.logits).max()  # it looks
    assert_close(graph.run(exported.network, exported.images)[0], exported.logits)
    session = onnxruntime.InferenceSession(exported.path, providers=["CPUExecutionProvider"])
    found = [session.run(None, {"images": image[None]})[0] for image in exported.images]
    assert_close(np.concatenate(found), exported.logits)


def test_the_file_says_how_it_is_used(exported: Exported, trained: Trained) -> None:
    assert exported.network.spec == spec(case_of(trained.name).size)
    assert [value.name for value in exported.network.graph.outputs] == ["logits"]


def test_folded_it_agrees(exported: Exported) -> None:
    kinds = {node.op_type for node in exported.folded.graph}
    assert "BatchNormalization" not in kinds
    assert_close(graph.run(exported.folded, exported.images)[0], exported.logits)


def test_its_own_file_folds_without_an_option(exported: Exported) -> None:
    """Also where no convolution can take a normalization up, as in a DenseNet."""
    folded, records = fold(exported.network)
    assert {node.op_type for node in folded.graph} == {
        node.op_type for node in exported.folded.graph
    }
    is_dense = any("Concat" in record.alone for record in records)
    assert is_dense == any(
        node.op_type == "BatchNormalization"
        and (before := node.inputs[0]) is not None
        and (maker := before.producer()) is not None
        and maker.op_type == "Concat"
        for node in exported.network.graph
    )


def test_the_c_program_agrees(exported: Exported, tmp_path: Path) -> None:
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    shipped = emit(lower(exported.folded), "net", Options(weights="binary"))
    for file, content in shipped.files.items():
        (tmp_path / file).write_bytes(content)
    with CompiledNetwork(tmp_path, options=("-O1",)) as compiled:
        found = np.stack([compiled.run([image])[0].reshape(-1) for image in exported.images])
    assert_close(found, exported.logits)


def test_the_integer_c_program_gives_the_bits_of_numpy(exported: Exported, tmp_path: Path) -> None:
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    seen = observe(exported.folded, list(exported.images[:, None]), len(exported.images))
    program = lower(quantize(exported.folded, seen))
    for file, content in emit(program, "net", Options(weights="binary")).files.items():
        (tmp_path / file).write_bytes(content)
    with CompiledNetwork(tmp_path, options=("-O1",)) as compiled:
        for image, logits in zip(exported.images, exported.logits, strict=True):
            expected = interpret.values(program, [image])
            for name, value in compiled.values([image]).items():
                np.testing.assert_array_equal(value, expected[name], err_msg=name)
            found = expected[program.outputs[0]].reshape(-1)
            # Weights at random, few channels: 0.265 of Xception's logits on a processor without
            # AVX-512 BF16, below 0.25 elsewhere.
            assert np.abs(found - logits).max() < 0.3 * np.abs(logits).max()


@pytest.mark.slow
@pytest.mark.parametrize("name", WHOLE)
def test_every_depth_is_one_answer_to_the_last_integer(name: str, tmp_path: Path) -> None:
    """All layers of the paper, narrow: torch, NumPy, folded, and C in float and in integers."""
    torch.manual_seed(0)
    case = case_of(name)
    model = MODELS[name].make()(CLASSES, width=case.width).train()
    size = case.size
    images, _ = batch(size)
    with torch.no_grad():
        for _ in range(60):
            model(images)
        logits = model.eval()(images[:2]).numpy()
        exact = copy.deepcopy(model).double()(images[:2].double()).numpy()
    own = float(np.abs(logits - exact).max() / np.abs(exact).max())
    bound = max(BOUND, OWN * own)
    assert bound < 0.01
    network = Network(to_model(model, size), None)
    folded, _ = fold(network, depthwise=True)
    pictures = images[:2].numpy()
    assert_close(graph.run(network, pictures)[0], exact, bound)
    assert_close(graph.run(folded, pictures)[0], exact, bound)
    seen = observe(folded, list(pictures[:, None]), 2)
    for kind, program in (("float", lower(folded)), ("bytes", lower(quantize(folded, seen)))):
        (tmp_path / kind).mkdir()
        for file, content in emit(program, "net", Options(weights="binary")).files.items():
            (tmp_path / kind / file).write_bytes(content)
        with CompiledNetwork(tmp_path / kind, options=("-O1",)) as compiled:
            found = np.stack([compiled.run([picture])[0].reshape(-1) for picture in pictures])
        if kind == "float":
            assert_close(found, exact, bound)
        else:
            bits = [interpret.run(program, [picture])[0].reshape(-1) for picture in pictures]
            np.testing.assert_array_equal(found, np.stack(bits))


@pytest.mark.parametrize("name", NAMES)
def test_an_input_too_small_is_refused_and_the_smallest_is_taken(name: str) -> None:
    model = build(name).eval()
    side = model.min_side
    with torch.no_grad():
        assert model(torch.zeros(1, 3, side, side)).shape == (1, CLASSES)
        with pytest.raises(TatamiError, match=f"an input of {side + 9}x{side - 1} is too small"):
            model(torch.zeros(1, 3, side - 1, side + 9))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_whole_network_of_the_paper_in_c(name: str, tmp_path: Path) -> None:
    """Full width, full depth, the paper's input: folded and compiled, it says what torch says."""
    torch.manual_seed(0)
    model = MODELS[name].make()(CLASSES).train()
    size = MODELS[name].size
    images = torch.rand(4, 3, size.height, size.width)
    with torch.no_grad():
        for _ in range(12):
            model(images)
        logits = model.eval()(images[:1]).numpy()
    folded, _ = fold(Network(to_model(model, size), None), depthwise=True)
    for file, content in emit(lower(folded), "net", Options(weights="binary")).files.items():
        (tmp_path / file).write_bytes(content)
    with CompiledNetwork(tmp_path, options=("-O2",)) as compiled:
        found = compiled.run([images[0].numpy()])[0].reshape(logits.shape)
    assert_close(found, logits)
