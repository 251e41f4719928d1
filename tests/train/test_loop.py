"""The loop: it learns, decays what it should, averages as it says, and stops before a NaN."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tatami.errors import TatamiError
from tatami.models.yolov2_tiny import YoloV2Tiny
from tatami.train import checkpoint
from tatami.train.batches import Batches, Examples
from tatami.train.distributed import Team
from tatami.train.loop import Step, quick_bfloat16, train
from tatami.train.recipe import Optimizer, Recipe
from tatami.train.run import CHECKPOINTS, LOG, read_rows
from tatami.types import Boxes, Decoding, InputSpec, Picture, Size

RECIPE = Recipe(
    Size(64, 64),
    epochs=12,
    batch=4,
    multi_scale=0.0,
    learning_rate=0.02,
    precision="float32",
    checkpoint_seconds=0,
)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def draw(index: int, size: Size, *_: Any) -> tuple[Picture, Boxes]:
    """A bright square that the index places."""
    canvas = np.full((size.height, size.width, 3), 40, np.uint8)
    x, y = 8 * (index % 4), 8 * (index // 4)
    canvas[y : y + 24, x : x + 24, index % 2] = 250
    return canvas, Boxes.of([[x, y, x + 24, y + 24]], [index % 2])


def batches(recipe: Recipe = RECIPE, count: int = 8) -> Batches:
    assert recipe.size is not None
    return Batches(Examples(count, draw), InputSpec(recipe.size), recipe, Team())


def network(seed: int = 0) -> YoloV2Tiny:
    torch.manual_seed(seed)
    return YoloV2Tiny(2, Decoding.yolov2([(0.8, 0.8), (1.5, 1.5)]), width=0.1)


def steps(run: Path, recipe: Recipe = RECIPE, model: nn.Module | None = None) -> Iterator[Step]:
    return train(model or network(), network(1), batches(recipe), recipe, run, Team())


@pytest.mark.parametrize(("optimizer", "rate"), [("sgd", 0.02), ("adamw", 0.002)])
def test_the_loss_falls_on_one_batch_repeated(
    tmp_path: Path, optimizer: Optimizer, rate: float
) -> None:
    learns = replace(RECIPE, optimizer=optimizer, learning_rate=rate)
    recipe = replace(learns, epochs=60, batch=8, checkpoint_seconds=1e6)
    losses = [step.row["loss"] for step in steps(tmp_path, recipe)]
    assert len(losses) == 60
    assert np.mean(losses[-5:]) < 0.2 * np.mean(losses[:5])


def test_the_log_says_each_step(tmp_path: Path) -> None:
    given = list(steps(tmp_path))
    rows = read_rows(tmp_path / LOG)
    assert [step.done for step in given] == list(range(1, 25))
    assert {step.total for step in given} == {24}
    assert [row["step"] for row in rows] == list(range(24))
    for step, row in zip(given, rows, strict=True):
        assert row["loss"] == pytest.approx(step.row["loss"], rel=1e-5)
        parts = [row[name] for name in ("coordinates", "objectness", "background", "classes")]
        assert sum(parts) == pytest.approx(row["loss"], rel=1e-4)
        assert row["learning_rate"] == pytest.approx(
            RECIPE.learning_rate_at(step.done - 1, 2), rel=1e-5
        )
        assert row["gradient_norm"] > 0


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_stopped_anywhere_and_gone_on_with_gives_the_same(
    tmp_path: Path, optimizer: Optimizer
) -> None:
    recipe = replace(RECIPE, optimizer=optimizer)
    for _ in steps(tmp_path / "whole", recipe):
        pass
    for stop in (1, 2, 7, 24):
        run = tmp_path / f"stop{stop}"
        for step in steps(run, recipe):
            if step.done > stop:
                break
        for _ in steps(run, recipe, network(seed=99)):  # the weights it starts with do not matter
            pass
        for name in (LOG, f"{CHECKPOINTS}/step-00000024/state.safetensors"):
            assert (run / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_the_callers_turn_is_before_the_checkpoint(tmp_path: Path) -> None:
    """So whoever is killed in its turn, evaluating, meets the same step again."""
    for step in steps(tmp_path):
        saved = checkpoint.load_latest(tmp_path / CHECKPOINTS)
        assert (saved.step if saved else 0) == step.done - 1
    saved = checkpoint.load_latest(tmp_path / CHECKPOINTS)
    assert saved is not None
    assert saved.step == 24


@pytest.mark.parametrize(("seconds", "count"), [(0.0, 2), (1e6, 1)])
def test_how_often_a_checkpoint(tmp_path: Path, seconds: float, count: int) -> None:
    for _ in steps(tmp_path, replace(RECIPE, checkpoint_seconds=seconds)):
        pass
    assert len(list((tmp_path / CHECKPOINTS).iterdir())) == count


def test_weight_decay_pulls_on_convolution_weights_alone(tmp_path: Path) -> None:
    """Without momentum and at gradients cut to nothing, a step is w <- w - lr * decay * w."""
    recipe = replace(
        RECIPE, epochs=1, batch=8, warmup_epochs=0, momentum=0, weight_decay=0.1, clip_norm=1e-30
    )
    model, before = network(), network().state_dict()
    for _ in steps(tmp_path, recipe, model):
        pass
    for name, parameter in model.named_parameters():
        factor = 1 - 0.02 * 0.1 if parameter.ndim == 4 else 1.0
        torch.testing.assert_close(parameter.detach(), before[name] * factor, rtol=1e-6, atol=1e-12)
    assert any(parameter.ndim == 1 for parameter in model.parameters())


def test_the_average_is_what_it_says(tmp_path: Path) -> None:
    recipe = replace(RECIPE, ema_decay=0.5)
    model, average = network(), network(1)
    expected = {name: value.double() for name, value in model.state_dict().items()}
    for step in train(model, average, batches(recipe), recipe, tmp_path, Team()):
        decay = min(0.5, step.done / (9 + step.done))
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                expected[name] = decay * expected[name] + (1 - decay) * value.double()
    assert decay == 0.5
    for name, value in average.state_dict().items():
        if value.is_floating_point():
            torch.testing.assert_close(value.double(), expected[name], rtol=1e-4, atol=1e-6)
        else:
            assert value == 24  # normalizations count their batches
    assert not average.training


def test_momentum_and_clipping_are_those_of_sgd(tmp_path: Path) -> None:
    """Two steps by hand on the gradients of torch, from the same weights and batches."""
    recipe = replace(RECIPE, clip_norm=1.0)
    model, by_hand = network(), network().train()
    velocity = {name: torch.zeros_like(p) for name, p in by_hand.named_parameters()}
    for step in steps(tmp_path, recipe, model):
        batch = batches(recipe).batch(step.done - 1)
        loss = sum(by_hand.loss(by_hand(batch.images), batch.targets).values())
        assert isinstance(loss, Tensor)
        by_hand.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        gradients = {n: p.grad for n, p in by_hand.named_parameters() if p.grad is not None}
        norm = math.sqrt(sum(float((g.double() ** 2).sum()) for g in gradients.values()))
        assert step.row["gradient_norm"] == pytest.approx(norm, rel=1e-4)
        assert norm > 1
        with torch.no_grad():
            for name, parameter in by_hand.named_parameters():
                decay = recipe.weight_decay if parameter.ndim > 1 else 0.0
                velocity[name] = 0.9 * velocity[name] + gradients[name] / norm + decay * parameter
                parameter -= recipe.learning_rate_at(step.done - 1, 2) * velocity[name]
        for name, parameter in model.named_parameters():
            torch.testing.assert_close(parameter, by_hand.get_parameter(name), rtol=1e-3, atol=1e-5)
        if step.done == 2:
            break


class Watched(YoloV2Tiny):
    """Notes the type of what it is given, and may answer NaN."""

    def __init__(self, poison: str = "", at: int = 0) -> None:
        super().__init__(2, Decoding.yolov2([(0.8, 0.8), (1.5, 1.5)]), width=0.1)
        self.seen: list[tuple[torch.dtype, torch.dtype]] = []
        self.poison, self.at = poison, at

    def forward(self, images: Tensor) -> Tensor:
        raw = super().forward(images)
        self.computed = raw.dtype
        return raw

    def loss(self, raw: Tensor, targets: Any) -> dict[str, Tensor]:
        self.seen.append((self.computed, raw.dtype))
        parts = super().loss(raw, targets)
        if self.poison and len(self.seen) == self.at:
            weight = self.conv9.weight.sum()
            finite = parts["classes"] + (weight - weight).abs().sqrt()  # its gradient is NaN
            nan = parts["classes"] * float("nan")
            parts["classes"] = finite if self.poison == "gradient" else nan
        return parts


@pytest.mark.parametrize(
    ("precision", "inside"), [("bfloat16", torch.bfloat16), ("float32", torch.float32)]
)
def test_precision_of_the_network_and_of_the_loss(
    tmp_path: Path, precision: Any, inside: torch.dtype
) -> None:
    model = Watched()
    losses = [s.row["loss"] for s in steps(tmp_path, replace(RECIPE, precision=precision), model)]
    assert set(model.seen) == {(inside, torch.float32)}
    assert all(p.dtype == torch.float32 for p in model.parameters())
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("poison", ["loss", "gradient"])
def test_a_loss_that_is_no_number_stops_with_sound_weights(tmp_path: Path, poison: str) -> None:
    model = Watched(poison, at=6)
    with pytest.raises(TatamiError, match="at step 5") as refused:
        list(steps(tmp_path, model=model))
    assert "learning rate" in refused.value.hint
    saved = checkpoint.load_latest(tmp_path / CHECKPOINTS)
    assert saved is not None
    assert saved.step == 5
    assert all(tensor.isfinite().all() for tensor in saved.tensors.values())
    assert all(tensor.isfinite().all() for tensor in model.state_dict().values())
    assert len(read_rows(tmp_path / LOG)) == 5


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    next(it := steps(tmp_path))
    next(it)
    torch.manual_seed(0)
    other = YoloV2Tiny(2, Decoding.yolov2([(0.8, 0.8), (1.5, 1.5)]), width=0.5)
    with pytest.raises(TatamiError, match="in the file and"):
        next(train(other, other, batches(), RECIPE, tmp_path, Team()))


def test_a_log_that_lost_rows_is_refused(tmp_path: Path) -> None:
    for step in steps(tmp_path):
        if step.done == 5:
            break
    (tmp_path / LOG).write_text(json.dumps({"step": 0}) + "\n")
    with pytest.raises(TatamiError, match="holds 1 rows, though 4 steps are done"):
        next(steps(tmp_path))


@pytest.mark.parametrize(
    ("abilities", "quick"),
    [
        ({"cpu_name": "AMD EPYC", "avx512_bf16": True}, True),
        ({"cpu_name": "Intel Xeon", "avx512_bf16": True, "amx_bf16": False}, False),
        ({"cpu_name": "Intel Xeon", "avx512_bf16": True, "amx_bf16": True}, True),
        ({"bf16": True}, True),
        ({"avx2": True}, False),
    ],
)
def test_bfloat16_only_where_it_is_faster(abilities: dict[str, Any], quick: bool) -> None:
    assert quick_bfloat16(abilities) == quick
