"""One suite over every generator: it learns, and every way to run it gives one answer.

Given a sample a call it gives what it gives for all samples at once: every layer and every sample,
floats and integers, bit for bit.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from tatami import graph
from tatami.graph.network import Network
from tatami.models.export import export_onnx
from tatami.models.table import MODELS, GeneratorModel
from tatami.program import interpret
from tatami.program.lower import lower
from tatami.program.steps import Program
from tatami.program.stream import receptive_field, streamed
from tatami.rules.generation import UNHEARD
from tatami.ship.c.emit import emit
from tatami.ship.c.run.network import CompiledNetwork
from tatami.shrink.calibrate import observe
from tatami.shrink.fold import fold
from tatami.shrink.quantize import quantize
from tatami.types import Float32, Size
from tests.contract.rows import names

CLASSES = ("low", "high", "both")
NAMES = names(GeneratorModel)
WIDTH = 0.5


@dataclass(frozen=True)
class Case:
    """size: samples, x 1."""

    size: Size = Size(96, 1)


def case_of(name: str) -> Case:
    return Case()


def build(name: str) -> nn.Module:
    torch.manual_seed(0)
    return MODELS[name].build(MODELS[name].spec(CLASSES, case_of(name).size), WIDTH)


def batch(size: Size) -> tuple[Tensor, Tensor]:
    """Six tones of three classes, each to be told from its beginning."""
    rng = np.random.default_rng(0)
    at = np.arange(size.width + 1)
    images = np.zeros((6, 1 + len(CLASSES), 1, size.width), np.float32)
    targets = np.full((6, size.width), UNHEARD, np.int64)
    for number in range(6):
        label = number % len(CLASSES)
        low, high = np.sin(0.2 * at + rng.uniform(0, 6)), np.sin(0.9 * at + rng.uniform(0, 6))
        tone = (low, high, (low + high) / 2)[label]
        codes = np.round(128 + 60 * tone + rng.normal(0, 0.5, len(at))).astype(np.int64)
        images[number, 0, 0] = (codes[:-1] - 128) / 128
        images[number, 1 + label] = 127 / 128
        targets[number] = codes[1:]
    targets[:, :3] = UNHEARD
    return torch.from_numpy(images), torch.from_numpy(targets)


@pytest.mark.parametrize("name", NAMES)
def test_it_learns_and_every_form_gives_one_answer(name: str, tmp_path: Path) -> None:
    spec = MODELS[name].spec(CLASSES, case_of(name).size)
    model = build(name).train()
    images, targets = batch(spec.input.size)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(60):
        loss = model.loss(model(images), targets)["samples"]  # type: ignore[operator]
        optimizer.zero_grad()
        loss.backward()
        assert all(one.grad is not None and one.grad.abs().max() > 0 for one in model.parameters())
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0]
    with torch.no_grad():
        expected = model.eval()(images).numpy()

    export_onnx(model, spec, tmp_path / "network.onnx")
    network = graph.read(tmp_path / "network.onnx")
    assert network.spec == spec
    folded, _ = fold(network)
    session = onnxruntime.InferenceSession(tmp_path / "network.onnx")
    given = images.numpy()
    bound = 3e-5 * np.abs(expected).max()
    found = np.concatenate([session.run(None, {"images": image[None]})[0] for image in given])
    assert np.abs(found - expected).max() <= bound
    for each in (network, folded):
        assert np.abs(graph.run(each, given)[0] - expected).max() <= bound
    integers = quantize(folded, observe(folded, [image[None] for image in given], len(given)))
    for number, each in enumerate((folded, integers)):
        whole, step = programs(each)
        assert receptive_field(step) == spec.input.receptive
        answer = interpret.values(whole, [given[1]])
        assert np.abs(answer["logits"] - expected[1]).max() < (0.3 if number else 1e-4) * 30
        in_calls = joined(step, interpret.values_of_calls(step, columns(given[1])))
        check_equal(answer, in_calls, bound if each is folded else 0)
        if shutil.which("cc") is None:
            continue
        at_once = in_c(whole, tmp_path / f"whole{number}", [[given[1]]])[0]
        in_c_calls = joined(step, in_c(step, tmp_path / f"step{number}", columns(given[1])))
        check_equal(at_once, in_c_calls, 0)
        check_equal(answer, in_c_calls, bound if each is folded else 0)


def programs(network: Network) -> tuple[Program, Program]:
    whole = lower(network)
    return whole, streamed(whole)


def columns(image: Float32) -> list[list[Float32]]:
    return [[image[:, :, at : at + 1]] for at in range(image.shape[2])]


def joined(program: Program, calls: list[dict[str, Float32]]) -> dict[str, Float32]:
    """Put the columns of calls together."""
    return {
        name: np.concatenate([one[name] for one in calls], axis=2)
        if name in program.moments
        else calls[-1][name]
        for name in calls[0]
    }


def in_c(program: Program, folder: Path, calls: list[list[Float32]]) -> list[dict[str, Float32]]:
    folder.mkdir()
    shipped = emit(program, "net")
    for file, content in shipped.files.items():
        (folder / file).write_bytes(content)
    with CompiledNetwork(folder, options=("-O1",)) as compiled:
        return compiled.values_of_calls(calls)


def check_equal(whole: dict[str, Float32], calls: dict[str, Float32], bound: float) -> None:
    """Check every layer: floats within a bound, bytes, and all where it is 0, bit for bit."""
    shared = [name for name in whole if name in calls]
    assert shared[-1] == "logits"
    for name in shared:
        if bound and whole[name].dtype == np.float32:
            np.testing.assert_allclose(calls[name], whole[name], rtol=0, atol=bound)
        else:
            np.testing.assert_array_equal(calls[name], whole[name], err_msg=name)
