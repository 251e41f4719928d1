"""Batches for training, each a pure function of (seed, step): that is what makes resuming exact."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from tatami.errors import TatamiError
from tatami.train.distributed import Team
from tatami.train.recipe import Recipe
from tatami.types import Boxes, InputSpec, Int64, Mask, Picture, Size

Target = Boxes | int | Mask
Draw = Callable[[int, Size, bool, np.random.Generator], tuple[Picture, Target]]
"""(sample index, canvas size, closing, random numbers) -> an augmented canvas and its target: its
boxes, its class, or its mask."""


@dataclass(frozen=True)
class Batch:
    """images: (n, 3, H, W) float32, normalized, channels last in memory.

    targets: n pictures' boxes, classes (n,) int64, or masks (n, H, W) int64.
    """

    images: Tensor
    targets: Sequence[Boxes] | Tensor


class Batches:
    """All batches of a run, numbered by step. Each process of a team sees its own share of one.

    Raises TatamiError where the team does not divide the batch: its shares must weigh the same.
    """

    def __init__(self, count: int, draw: Draw, spec: InputSpec, recipe: Recipe, team: Team) -> None:
        check_shares(recipe.batch, team.world)
        self.count, self.draw, self.spec, self.recipe, self.team = count, draw, spec, recipe, team
        self.steps_an_epoch = max(1, count // recipe.batch)
        self.steps = self.steps_an_epoch * recipe.epochs

    def batch(self, step: int) -> Batch:
        """The batch of a step, whoever asks and whenever."""
        size = self.size_at(step)
        first = step * self.recipe.batch
        places = range(first + self.team.rank, first + self.recipe.batch, self.team.world)
        drawn = [self._picture(place, size, self._closing(step)) for place in places]
        images = torch.from_numpy(np.stack([picture for picture, _ in drawn]))  # (n, H, W, 3), RGB
        if self.spec.channels == "bgr":
            images = images.flip(-1)  # first, for mean[0] then belongs to blue
        mean, scale = torch.tensor(self.spec.mean), torch.tensor(self.spec.scale)
        normalized = (images.to(torch.float32) - mean) * scale  # as tatami.rules.picture.normalize
        return Batch(normalized.permute(0, 3, 1, 2), _together([target for _, target in drawn]))

    def from_step(self, start: int) -> Iterator[tuple[int, Batch]]:
        """The batches from a step to the end, drawn a few ahead by two threads."""
        ahead = 3
        with ThreadPoolExecutor(max_workers=2) as pool:
            waiting = [
                pool.submit(self.batch, step)
                for step in range(start, min(start + ahead, self.steps))
            ]
            try:
                for step in range(start, self.steps):
                    batch = waiting.pop(0).result()
                    if step + ahead < self.steps:
                        waiting.append(pool.submit(self.batch, step + ahead))
                    yield step, batch
            finally:
                for future in waiting:
                    future.cancel()

    def size_at(self, step: int) -> Size:
        """The input size of a step: a new one every 10, in cells of 32 pixels or the stride's."""
        size, share = self.recipe.size, self.recipe.multi_scale
        if not share or self._closing(step):
            return size
        factor = _random(self.recipe.seed, 2, step // 10).uniform(1 - share, 1 + share)
        cell = max(32, self.recipe.stride)
        sides = (size.width, size.height)
        return Size(*(max(cell, cell * round(side * factor / cell)) for side in sides))

    def _picture(self, place: int, size: Size, closing: bool) -> tuple[Picture, Target]:
        """The picture at a place of the endless row of shuffled epochs."""
        epoch, rank = divmod(place, self.count)
        index = int(_epoch_order(self.recipe.seed, epoch, self.count)[rank])
        return self.draw(index, size, closing, _random(self.recipe.seed, 1, place))

    def _closing(self, step: int) -> bool:
        return step >= self.steps - self.recipe.closing_epochs * self.steps_an_epoch


def _together(targets: Sequence[Target]) -> Sequence[Boxes] | Tensor:
    """The targets of a batch, which are all of one kind."""
    boxes = [target for target in targets if isinstance(target, Boxes)]
    return boxes or torch.from_numpy(np.array(targets, np.int64))


def _random(seed: int, purpose: int, number: int) -> np.random.Generator:
    """Random numbers for one purpose (0 order, 1 augmentation, 2 size) and one place in the run."""
    return np.random.default_rng([seed, purpose, number])


@lru_cache(maxsize=4)
def _epoch_order(seed: int, epoch: int, count: int) -> Int64:
    """The order of the pictures in an epoch: (count,) int64."""
    return _random(seed, 0, epoch).permutation(count)


def check_shares(batch: int, processes: int) -> None:
    """Raise TatamiError where a batch cannot be shared evenly, and name the nearest that can."""
    if batch % processes:
        nearest = processes * max(1, round(batch / processes))
        raise TatamiError(
            f"a batch of {batch} cannot be shared evenly by {processes} processes",
            hint=f"give a --batch that {processes} divides, as {nearest}",
        )
