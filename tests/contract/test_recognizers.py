"""One suite over every recognizer: it learns, and every way to run it gives one answer."""

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
from tatami.errors import TatamiError
from tatami.models.classifier import Classifier
from tatami.models.export import export_onnx
from tatami.models.matcher import Matcher
from tatami.models.table import MODELS, RecognizerModel
from tatami.program import interpret
from tatami.program.lower import lower
from tatami.ship.c.emit import emit
from tatami.ship.c.operator import Options
from tatami.ship.c.run.network import CompiledNetwork
from tatami.shrink.calibrate import observe
from tatami.shrink.fold import fold
from tatami.shrink.quantize import quantize
from tatami.types import Size, Spec
from tests.contract.rows import names, without_dropout

CLASSES = ("along", "across", "both", "none")
NAMES = names(RecognizerModel)
WIDTH = 0.15


@dataclass(frozen=True)
class Case:
    """size: features and frames."""

    size: Size = Size(12, 25)


def case_of(name: str) -> Case:
    return Case()


def build(name: str) -> Classifier:
    torch.manual_seed(0)
    found: Classifier = MODELS[name].build(MODELS[name].spec(CLASSES, case_of(name).size), WIDTH)
    without_dropout(found)
    return found


def batch(size: Size) -> tuple[Tensor, Tensor]:
    """Eight maps of noise with stripes along time, across it, both ways, or none."""
    rng = np.random.default_rng(0)
    found = rng.normal(0, 0.3, (8, 1, size.height, size.width)).astype(np.float32)
    labels = np.arange(8) % len(CLASSES)
    for image, label in zip(found, labels, strict=True):
        image[0, ::2] += label in (1, 2)
        image[0, :, ::2] += label in (0, 2)
    return torch.from_numpy(found), torch.from_numpy(labels)


@pytest.mark.parametrize("name", NAMES)
def test_it_learns_and_every_form_gives_one_answer(name: str, tmp_path: Path) -> None:
    spec = MODELS[name].spec(CLASSES, case_of(name).size)
    check_forms(spec, build(name).train(), tmp_path)


def check_forms(
    spec: Spec,
    model: Classifier | Matcher,
    tmp_path: Path,
    given: tuple[Tensor, Tensor] | None = None,
) -> None:
    """Train a model on the batch; its ONNX, folded, int8 and C forms give one answer."""
    images, labels = given or batch(spec.input.size)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    losses = []
    for _ in range(60):
        loss = torch.stack(list(model.loss(model(images), labels).values())).sum()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        assert all(one.grad is not None and one.grad.abs().max() > 0 for one in model.parameters())
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.4 * losses[0]
    expected = model.eval()(images).detach().numpy()
    assert np.ptp(expected, axis=0).sum() > 1

    export_onnx(model, spec, tmp_path / "network.onnx")
    network = graph.read(tmp_path / "network.onnx")
    assert network.spec == spec
    folded, _ = fold(network)
    session = onnxruntime.InferenceSession(tmp_path / "network.onnx")
    seen = images.numpy()
    bound = 3e-5 * np.abs(expected).max()
    found = np.concatenate([session.run(None, {"images": image[None]})[0] for image in seen])
    assert np.abs(found - expected).max() <= bound
    for each in (network, folded):
        assert np.abs(graph.run(each, seen)[0] - expected).max() <= bound

    integers = quantize(folded, observe(folded, [image[None] for image in seen], len(seen)))
    program = lower(integers)
    in_steps = [interpret.run(program, [image])[0].reshape(-1) for image in seen]
    assert np.abs(in_steps - expected).max() < 0.1 * np.abs(expected).max()
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    for lowered, wanted in ((lower(folded), expected), (program, in_steps)):
        shipped = emit(lowered, "net", Options(weights="binary"))
        for file, content in shipped.files.items():
            (tmp_path / file).write_bytes(content)
        with CompiledNetwork(tmp_path, options=("-O1",)) as compiled:
            found = np.stack([compiled.run([image])[0].reshape(-1) for image in seen])
        assert np.abs(found - wanted).max() <= (0 if lowered is program else bound)


@pytest.mark.parametrize("name", NAMES)
def test_too_few_features(name: str) -> None:
    model = build(name)
    with pytest.raises(TatamiError, match=r"3 features of 25 frames (are too few|do not fit)"):
        model(torch.zeros(1, 1, 25, 3))
