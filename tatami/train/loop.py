"""The training loop, whole. Read it from top to bottom: nothing else happens."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, cast

import torch
from torch import Tensor, nn

from tatami.errors import TatamiError
from tatami.files import write_atomically
from tatami.train import checkpoint
from tatami.train.batches import Batches
from tatami.train.distributed import (
    Team,
    average_gradients,
    mean_over_team,
    synchronize_normalization,
)
from tatami.train.layers import freeze
from tatami.train.optimizer import fill, optimizer_of, state_of
from tatami.train.recipe import Recipe
from tatami.train.run import CHECKPOINTS, LOG, Pace


class Trainable(Protocol):
    """What a model of Tatami offers to training, besides being an nn.Module."""

    def loss(self, raw: Any, targets: Any, /) -> Mapping[str, Tensor]:
        """Give the parts of the loss, whose sum is lowered.

        Args:
            raw: What forward gave.
            targets: What the batch teaches.
        """
        ...


@dataclass(frozen=True)
class Step:
    """Say what one step did.

    Args:
        done: How many steps are over.
        total: How many there are.
        row: Its line in the log.
    """

    done: int
    total: int
    row: Mapping[str, float]


def train(
    model: nn.Module, average: nn.Module, batches: Batches, recipe: Recipe, run: Path, team: Team
) -> Generator[Step, bool | None, None]:
    """Train ``model``, keep the moving mean of its weights in ``average``, yield every step.

    It goes on from the newest checkpoint in ``run`` and gives the weights, bit for bit, that it
    would have given without the interruption.

    Args:
        model: What learns.
        average: Takes up the mean of its weights; what comes of a training.
        batches: What is learned from.
        recipe: How.
        run: The run folder, which keeps the log and the checkpoints.
        team: The processes that share the batches.

    Yields:
        Every step, before its checkpoint. Whoever sends True for it makes it the last one.

    Raises:
        TatamiError: When the loss or its gradient is no longer a number (the weights are still
            sound then), and for a damaged checkpoint.
    """
    device = next(model.parameters()).device
    model.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    average.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    average.load_state_dict(model.state_dict())
    synchronize_normalization(model, team)
    freeze(model, recipe.freeze)
    loss_of = cast(Trainable, model).loss
    optimizer = optimizer_of(model, recipe)
    start = _resume(model, average, optimizer, run)
    log = Log(run / LOG, start)
    saved, since = time.monotonic(), start

    for step, batch in batches.from_step(start):
        rate = recipe.learning_rate_at(step, batches.steps_an_epoch)
        for group in optimizer.param_groups:
            group["lr"] = rate * group["share"]

        inputs = _placed(batch.images, device)
        labels = batch.targets
        targets = labels.to(device) if isinstance(labels, Tensor) else labels
        with _autocast(recipe, device):
            raw = model(*inputs)
        parts = loss_of(_in_float32(raw), targets)
        loss = torch.stack(tuple(parts.values())).sum()

        optimizer.zero_grad()
        torch.autograd.backward(loss)
        average_gradients(model, team)
        norm = float(nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm))
        row = {name: mean_over_team(float(part.detach()), team) for name, part in parts.items()}
        row |= {"loss": sum(row.values()), "learning_rate": rate, "gradient_norm": norm}
        if not (math.isfinite(row["loss"]) and math.isfinite(norm)):
            raise TatamiError(
                f"loss is not a number at step {step}", hint="lower the learning rate"
            )
        optimizer.step()
        _move_average(average, model, recipe.ema_decay, step)
        log.add(step, row)

        done = step + 1
        # Before the checkpoint, so that a kill loses no evaluation.
        last = (yield Step(done, batches.steps, row)) or done == batches.steps
        due = last or time.monotonic() - saved >= recipe.checkpoint_seconds
        if team.leads and due:
            log.write()
            pace = Pace(batches.steps, (time.monotonic() - saved) / (done - since))
            checkpoint.save(run / CHECKPOINTS, _state(done, model, average, optimizer), pace)
            saved, since = time.monotonic(), done
        if last:
            return


def _placed(images: Tensor | tuple[Tensor, ...], device: torch.device) -> tuple[Tensor, ...]:
    """Bring the inputs of a step to where the model is, images with their channels last."""
    if isinstance(images, Tensor):
        return (images.to(device, memory_format=torch.channels_last),)
    return tuple(one.to(device) for one in images)


def _in_float32(raw: Tensor | tuple[Tensor, ...]) -> Tensor | tuple[Tensor, ...]:
    return raw.float() if isinstance(raw, Tensor) else tuple(one.float() for one in raw)


def _move_average(average: nn.Module, model: nn.Module, decay: float, step: int) -> None:
    """Move to the model: average <- d * average + (1 - d) * model, d being smaller at first."""
    decay = min(decay, (1 + step) / (10 + step))
    with torch.no_grad():
        for mean, value in zip(
            average.state_dict().values(), model.state_dict().values(), strict=True
        ):
            if mean.is_floating_point():
                mean.lerp_(value, 1 - decay)
            else:
                mean.copy_(value)


def quick_bfloat16(abilities: Mapping[str, Any]) -> bool:
    """Tell whether a processor multiplies bfloat16 faster than float32.

    AMX and Arm's BF16 do, and AVX-512 BF16 on AMD's processors. Intel's without AMX, as a virtual
    machine can show them, take 1.3 to 1.8 times as long for a convolution in bfloat16.

    Args:
        abilities: What ``torch.cpu.get_capabilities`` says.
    """
    if abilities.get("amx_bf16") or abilities.get("bf16"):
        return True
    return bool(abilities.get("avx512_bf16")) and "Intel" not in abilities.get("cpu_name", "")


def chosen_precision(recipe: Recipe, device: str) -> Literal["float32", "bfloat16"]:
    """Say what ``auto`` means on this device: bfloat16 only where it is the faster one."""
    if recipe.precision != "auto":
        return recipe.precision
    quick = device != "cpu" or quick_bfloat16(torch.cpu.get_capabilities())
    return "bfloat16" if quick else "float32"


def _autocast(recipe: Recipe, device: torch.device) -> torch.autocast:
    """bfloat16 convolutions where they pay; the loss is always computed in float32."""
    wanted = chosen_precision(recipe, device.type) == "bfloat16"
    return torch.autocast(device.type, torch.bfloat16, enabled=wanted)


def _state(
    step: int, model: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer
) -> checkpoint.Checkpoint:
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= {f"average.{name}": tensor for name, tensor in average.state_dict().items()}
    tensors |= state_of(optimizer, model)
    return checkpoint.Checkpoint(step, tensors)


def _resume(
    model: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer, run: Path
) -> int:
    """Put everything back as it was after the newest checkpoint; return the steps done by then."""
    latest = checkpoint.load_latest(run / CHECKPOINTS)
    if latest is None:
        return 0
    for part, module in (("model", model), ("average", average)):
        checkpoint.fill(module, latest.part(part), run / CHECKPOINTS)
    fill(optimizer, model, latest)
    return latest.step


class Log:
    """One JSON row a step in RUN/log.jsonl, written whole, so that it never holds half a row."""

    def __init__(self, path: Path, start: int) -> None:
        self.path = path
        rows = path.read_text().splitlines() if start and path.exists() else []
        if len(rows) < start:
            raise TatamiError(
                f"holds {len(rows)} rows, though {start} steps are done",
                file=path,
                hint="restore it, or remove the checkpoints to begin again",
            )
        self.rows = rows[:start]

    def add(self, step: int, row: Mapping[str, float]) -> None:
        """Add the numbers of a step."""
        self.rows.append(
            json.dumps({"step": step, **{k: float(f"{v:.6g}") for k, v in row.items()}})
        )

    def write(self) -> None:
        """Write the rows, whole or not at all."""
        write_atomically(self.path, "\n".join(self.rows) + "\n")
