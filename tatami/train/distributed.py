"""Several processes that train as one: gradients and normalization statistics over the whole batch.

Started by ``torchrun --nproc-per-node N -m tatami train ...``; the gloo back end needs no GPU.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from tatami.errors import TatamiError


@dataclass(frozen=True)
class Team:
    """Say which process this is of those that train as one. One process is a team, too.

    Args:
        rank: Its number, from 0.
        world: How many there are.
    """

    rank: int = 0
    world: int = 1

    @property
    def leads(self) -> bool:
        """Tell whether this process writes files and talks to the user."""
        return self.rank == 0


def join_team() -> Team:
    """Join the processes that torchrun started, or be a team of one."""
    if "WORLD_SIZE" not in os.environ or int(os.environ["WORLD_SIZE"]) == 1:
        return Team()
    if not dist.is_initialized():
        dist.init_process_group("gloo")
    return Team(dist.get_rank(), dist.get_world_size())


def leave_team(team: Team) -> None:
    """Take leave of the other processes."""
    if team.world > 1 and dist.is_initialized():
        dist.destroy_process_group()


@contextlib.contextmanager
def all_or_none(team: Team) -> Iterator[None]:
    """Let every process prepare something: where one fails, none goes on, and one says why.

    The lowest rank that met a TatamiError or OSError raises it; the others leave in silence with
    exit code 0, for torchrun ends its other processes when one fails, even one about to speak.
    """
    error: TatamiError | OSError | None = None
    try:
        yield
    except (TatamiError, OSError) as met:
        error = met
    first = torch.tensor(team.world if error is None else team.rank)
    if team.world > 1:
        _all_reduce(first, dist.ReduceOp.MIN)
    if error is not None and int(first) == team.rank:
        raise error
    if int(first) < team.world:
        raise SystemExit(0)


def average_gradients(model: nn.Module, team: Team) -> None:
    """Replace each gradient by its mean over the team: one all-reduce of all of them in a row."""
    if team.world == 1:
        return
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    _all_reduce(flat)
    flat /= team.world
    for gradient, part in zip(
        gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True
    ):
        gradient.copy_(part.view_as(gradient))


def mean_over_team(value: float, team: Team) -> float:
    """Give the mean of a number over the team."""
    if team.world == 1:
        return value
    total = torch.tensor([value], dtype=torch.float64)
    _all_reduce(total)
    return float(total) / team.world


def synchronize_normalization(model: nn.Module, team: Team) -> None:
    """Let every batch normalization see the statistics of the whole team's batch."""
    if team.world == 1:
        return
    for module in model.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = _TeamBatchNorm2d


class _TeamBatchNorm2d(nn.BatchNorm2d):
    """Batch normalization over all processes (torch's own SyncBatchNorm wants a GPU)."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        count = x.numel() // x.shape[1] * dist.get_world_size()
        wide = x.to(self.running_mean.dtype)  # bfloat16's 8 bits are too few for statistics
        mean = _sum_over_team(wide.sum((0, 2, 3))) / count
        centered = wide - mean[:, None, None]
        variance = _sum_over_team((centered * centered).sum((0, 2, 3))) / count
        with torch.no_grad():
            momentum = 0.1 if self.momentum is None else self.momentum
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, momentum)
            self.running_var.lerp_(variance * count / (count - 1), momentum)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        normalized: Tensor = centered * scale[:, None, None] + self.bias[:, None, None]
        return normalized.to(x.dtype)


def _all_reduce(value: Tensor, operation: Any = dist.ReduceOp.SUM) -> None:
    try:
        dist.all_reduce(value, operation)
    except RuntimeError as error:
        raise TatamiError(
            "another process of the team has stopped", hint="fix what it names, then resume the run"
        ) from error


def _sum_over_team(value: Tensor) -> Tensor:
    total: Tensor = _SumOverTeam.apply(value)  # type: ignore[no-untyped-call]
    return total


class _SumOverTeam(torch.autograd.Function):
    """all-reduce; its gradient is an all-reduce too, since every process used the sum."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        total = value.clone()
        _all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        _all_reduce(total)
        return total
