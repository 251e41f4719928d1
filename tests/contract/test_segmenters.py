"""One suite over every segmenter: it learns, is saved, and every way to run it gives one answer.

Each is built narrow, and those that repeat one block many times with few of them, so that all
operators and all kinds of blocks are there and the suite stays fast. tests/models/ holds the whole
networks to their papers.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from tatami import graph
from tatami.errors import TatamiError
from tatami.graph import Network
from tatami.models.export import export_onnx
from tatami.models.segmenter import Segmenter
from tatami.models.table import MODELS, SegmenterModel
from tatami.models.xception import Xception
from tatami.program import interpret
from tatami.program.lower import lower
from tatami.program.steps import Program
from tatami.rules.segmentation import ForwardSegmenter
from tatami.ship.c.emit import emit
from tatami.ship.c.operator import Options
from tatami.ship.c.tasks.segmentation import SEGMENTATION_IN_C, CompiledSegmenter
from tatami.shrink.calibrate import observe
from tatami.shrink.fold import fold
from tatami.shrink.quantize import quantize
from tatami.train.checkpoint import load_weights, save_weights
from tatami.types import VOID, Float32, InputSpec, SegmentationSpec, Size
from tests.contract.rows import names, without_dropout

CLASSES = 3
BOUND = 3e-5  # of the largest logit, the difference of larger sums: float32 in another order


@dataclass(frozen=True)
class Case:
    """margin: by how much an output's sides are smaller than the input's.  bad: a size that is
    refused.  short: fewer blocks."""

    size: Size = Size(96, 64)
    other: Size = Size(64, 96)
    bad: Size = Size(96, 72)
    short: dict[str, Any] = field(default_factory=dict)
    width: float = 0.05
    margin: int = 0


CASES = {
    "segnet-basic": Case(width=0.2),
    "unet": Case(Size(204, 188), Size(188, 220), Size(192, 192), margin=184),
    "unet-same": Case(width=0.1),
    "unet-same-bn": Case(width=0.1),
    "deeplabv3plus": Case(short={"backbone": partial(Xception, middle=1)}, width=0.1),
    "deeplabv3plus-mobilenet": Case(width=0.2),
}
"""Of those that differ from ``Case()``."""
NAMES = names(SegmenterModel)
EVERY = names(SegmenterModel, twins=())


def case_of(name: str) -> Case:
    return CASES.get(name, Case())


def build(name: str, seed: int = 0) -> Segmenter:
    torch.manual_seed(seed)
    case = case_of(name)
    model: Segmenter = MODELS[name].make()(CLASSES, width=case.width, **case.short)
    without_dropout(model)
    return model


def spec(size: Size) -> SegmentationSpec:
    return SegmentationSpec(("sky", "road", "tree"), InputSpec(size, "stretch"))


def batch(size: Size, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Four pictures of noise: a bright half of class 1, a dark one, and a blue bar of class 2."""
    rng = np.random.default_rng(seed)
    images = rng.random((4, 3, size.height, size.width)).astype(np.float32)
    masks = np.zeros((4, size.height, size.width), np.int64)
    for image, mask, row in zip(images, masks, range(4), strict=True):
        edge, bar = size.width * (2 + row) // 7, size.height * (3 + row) // 8
        image += 0.5 * row
        image[:, :, :edge] += 1
        mask[:, :edge] = 1
        image[2, bar : bar + 9] += 2
        mask[bar : bar + 9] = 2
        mask[:, edge - 1 : edge + 1] = VOID
    return torch.from_numpy(images), torch.from_numpy(masks)


def assert_close(found: Float32, expected: Float32) -> None:
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= BOUND * np.abs(expected).max()


@dataclass(frozen=True)
class Trained:
    """losses: before each step of the training, which was on one batch."""

    name: str
    model: Segmenter
    losses: list[float]


@dataclass(frozen=True)
class Exported:
    """network: from its file.  images: (2, 3, H, W).  logits: torch's, (2, CLASSES, h, w)."""

    path: Path
    network: Network
    folded: Network
    images: Float32
    logits: Float32


@pytest.fixture(scope="module", params=NAMES)
def trained(request: pytest.FixtureRequest) -> Trained:
    model = build(request.param).train()
    images, masks = batch(case_of(request.param).size)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(10 if request.param == "unet" else 20):  # it sees six times the pixels
        loss = torch.stack(list(model.loss(model(images), masks).values())).sum()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(float(loss.detach()))
    with torch.no_grad():
        for _ in range(40 if any(isinstance(m, nn.BatchNorm2d) for m in model.modules()) else 0):
            model(images)  # the running statistics catch up with the weights
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


@pytest.mark.parametrize("name", EVERY)
def test_logits_of_two_sizes_and_a_third_that_is_refused(name: str) -> None:
    model, case = build(name).eval(), case_of(name)
    stride = MODELS[name].stride
    assert case.size.width % stride == case.size.height % stride == 0
    with torch.no_grad():
        for size in (case.size, case.other):
            raw = model(torch.zeros(2, 3, size.height, size.width))
            assert raw.shape == (2, CLASSES, size.height - case.margin, size.width - case.margin)
            assert raw.dtype == torch.float32
        with pytest.raises(TatamiError, match=str(case.bad)):
            model(torch.zeros(1, 3, case.bad.height, case.bad.width))


def test_the_loss_falls_on_one_batch(trained: Trained) -> None:
    assert all(np.isfinite(trained.losses))
    assert trained.losses[-1] < 0.7 * trained.losses[0]


def test_every_weight_has_a_gradient(trained: Trained) -> None:
    """Trained, for scores that begin at zero let nothing through at first."""
    images, masks = batch(case_of(trained.name).size)
    trained.model.zero_grad()
    trained.model.class_weights = (1.0, 2.0, 0.5)
    parts = trained.model.loss(trained.model(images), masks)
    assert all(part.ndim == 0 and part > 0 for part in parts.values())
    torch.stack(list(parts.values())).sum().backward()  # type: ignore[no-untyped-call]
    for key, parameter in trained.model.named_parameters():
        if not parameter.requires_grad:
            assert key == "upscore.weight"
            continue
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key
        assert parameter.grad.abs().max() > 0, key


@pytest.mark.parametrize("name", EVERY)
def test_void_weighs_nothing_and_a_mask_of_it_alone_is_no_nan(name: str) -> None:
    model, case = build(name).eval(), case_of(name)
    images, masks = batch(case.size)
    with torch.no_grad():
        raw = model(images) + torch.rand(1)
        other = masks.clone()
        other[:, 100:120] = VOID
        inner = case.margin // 2
        rows = slice(100 - inner, 120 - inner)
        changed = raw.clone()
        changed[:, :, rows] += torch.randn_like(changed[:, :, rows])
        for one, two in zip(
            model.loss(raw, other).values(), model.loss(changed, other).values(), strict=True
        ):
            torch.testing.assert_close(one, two)
        nothing = model.loss(raw, torch.full_like(masks, VOID))
    assert all(float(part) == 0 for part in nothing.values())


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
    unpools = sum(node.op_type == "MaxUnpool" for node in exported.network.graph)
    assert unpools == {"segnet": 5, "segnet-basic": 4}.get(trained.name, 0)


def test_folded_it_agrees(exported: Exported) -> None:
    kinds = {node.op_type for node in exported.folded.graph}
    assert "BatchNormalization" not in kinds
    assert_close(graph.run(exported.folded, exported.images)[0], exported.logits)


def test_the_c_program_agrees(exported: Exported, tmp_path: Path) -> None:
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    program = replace(lower(exported.folded), spec=exported.network.spec)
    assert not any(value.quantized for value in program.values.values())
    shipped = emit(program, "net", Options(weights="binary"), SEGMENTATION_IN_C)
    for file, content in shipped.files.items():
        (tmp_path / file).write_bytes(content)
    with CompiledSegmenter(tmp_path, variant="portable") as compiled:
        found = np.stack([compiled.network.run([image])[0] for image in exported.images])
        agreement = labels_agree(compiled, program)
    assert_close(found, exported.logits)
    assert agreement > 0.999  # two logits may be as near as float32 can tell


def labels_agree(compiled: CompiledSegmenter, program: Program) -> float:
    """The part of a picture's pixels that have one label in C and in NumPy."""
    spec = compiled.spec
    if program.values[program.outputs[0]].shape[1] < spec.input.size.height:
        return 1.0  # NumPy takes minutes for its tiles; tests/ship/test_c_segment.py has them
    picture = np.random.default_rng(5).integers(0, 256, (75, 50, 3), np.uint8)
    rule = ForwardSegmenter(
        spec, lambda images: (np.stack([interpret.run(program, [x])[0] for x in images]),)
    )
    return float((compiled.segment(picture) == rule.segment(picture)).mean())


def test_the_integer_c_program_gives_the_bits_of_numpy(exported: Exported, tmp_path: Path) -> None:
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    seen = observe(exported.folded, list(exported.images[:, None]), len(exported.images))
    program = replace(lower(quantize(exported.folded, seen)), spec=exported.network.spec)
    in_bytes = [program.values[step.output].quantization is not None for step in program.steps]
    assert all(in_bytes[: len(in_bytes) - 3])  # all but the last, and an upsampling behind it
    shipped = emit(program, "net", Options(weights="binary"), SEGMENTATION_IN_C)
    for file, content in shipped.files.items():
        (tmp_path / file).write_bytes(content)
    with CompiledSegmenter(tmp_path, variant="portable") as compiled:
        assert labels_agree(compiled, program) == 1
        for image, logits in zip(exported.images, exported.logits, strict=True):
            expected = interpret.values(program, [image])
            for name, value in compiled.network.values([image]).items():
                if name in program.rounded():
                    assert_close(value, expected[name])
                else:
                    np.testing.assert_array_equal(value, expected[name], err_msg=name)
            found = expected[program.outputs[0]]
            agree = (found.argmax(axis=0) == logits.argmax(axis=0)).mean()
            assert agree > 0.9
