"""Batches for training, each a pure function of (seed, step): that is what makes resuming exact."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tatami.errors import TatamiError
from tatami.train.distributed import Team
from tatami.train.recipe import Recipe
from tatami.types import InputSpec, Int64, Size
from tatami.types.inputs import Input

Draw = Callable[[int, Size, bool, np.random.Generator], tuple[Any, Any]]
"""(index of an example, canvas size, closing, random numbers) -> an augmented canvas, and what it
teaches."""
GROUP = 40
"""Batches that are drawn together, where examples of like length share one."""


def stacked(targets: Sequence[Any]) -> Tensor:
    """Put the targets of a batch, numbers or arrays of one shape, into one tensor of int64."""
    return torch.from_numpy(np.array(targets, np.int64))


def normalized(canvases: Sequence[NDArray[Any]], rule: Any) -> Tensor:
    """Make images of a batch's canvases, as rules/picture.py's ``normalize`` does.

    Args:
        canvases: Pictures (H, W, 3) of one size.
        rule: How a picture becomes an input.

    Returns:
        (n, 3, H, W) float32, channels last in memory.
    """
    pictures: InputSpec = rule
    images = torch.from_numpy(np.stack(canvases))  # (n, H, W, 3), RGB
    if pictures.channels == "bgr":
        images = images.flip(-1)  # first, for mean[0] then belongs to blue
    mean, scale = torch.tensor(pictures.mean), torch.tensor(pictures.scale)
    return ((images.to(torch.float32) - mean) * scale).permute(0, 3, 1, 2)


@dataclass(frozen=True)
class Examples:
    """What a training learns from.

    Args:
        count: How many examples an epoch has.
        draw: Draws one of them.
        together: Makes a batch's targets of those of its pictures.
        images: Makes a batch's images of its canvases, by the rule of the network's input; or all
            inputs of a network that has several.
        lengths: Of the examples, (count,), where those of like length are to share a batch; None:
            any may.
    """

    count: int
    draw: Draw
    together: Callable[[Sequence[Any]], Sequence[Any] | Tensor] = list
    images: Callable[[Sequence[Any], Any], Tensor | tuple[Tensor, ...]] = normalized
    lengths: Int64 | None = None


@dataclass(frozen=True)
class Batch:
    """What a step learns from.

    Args:
        images: (n, planes, H, W) float32, normalized; or the inputs of a network that has several.
        targets: What they teach: n values, or a tensor (n, ...).
    """

    images: Tensor | tuple[Tensor, ...]
    targets: Sequence[Any] | Tensor


class Batches:
    """All batches of a run, numbered by step. Each process of a team sees its own share of one.

    Args:
        examples: What is learned from.
        spec: How an input is made.
        recipe: The recipe.
        team: The processes that share the batches.
        cell: Where input sizes vary, their sides are multiples of it, in pixels.

    Raises:
        TatamiError: Where the team does not divide the batch: its shares must weigh the same.
    """

    def __init__(
        self, examples: Examples, spec: Input, recipe: Recipe, team: Team, cell: int = 32
    ) -> None:
        check_shares(recipe.batch, team.world)
        self.examples, self.spec, self.recipe, self.team = examples, spec, recipe, team
        self.cell, count = cell, examples.count
        self.steps_an_epoch = max(1, count // recipe.batch)
        # A batch of two epochs would mix lengths.
        whole = self.steps_an_epoch * recipe.batch
        self.count = count if examples.lengths is None else min(count, whole)
        self._sorted: tuple[int, Int64] | None = None
        self.steps = self.steps_an_epoch * recipe.whole_epochs

    def batch(self, step: int) -> Batch:
        """Give the batch of a step: the same one, whoever asks and whenever."""
        size = self.size_at(step)
        first = step * self.recipe.batch
        places = range(first + self.team.rank, first + self.recipe.batch, self.team.world)
        drawn = [self._picture(place, size, self._closing(step)) for place in places]
        images = self.examples.images([canvas for canvas, _ in drawn], self.spec)
        targets = self.examples.together([target for _, target in drawn])
        return Batch(images, targets)

    def from_step(self, start: int) -> Iterator[tuple[int, Batch]]:
        """Yield the batches from a step to the end, drawn a few ahead by two threads."""
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
        """Give the input size of a step: a new one every 10, in cells."""
        size, share, cell = self.spec.size, self.recipe.multi_scale, self.cell
        if not share or self._closing(step):
            return size
        factor = _random(self.recipe.seed, 2, step // 10).uniform(1 - share, 1 + share)
        sides = (size.width, size.height)
        return Size(*(max(cell, cell * round(side * factor / cell)) for side in sides))

    def _picture(self, place: int, size: Size, closing: bool) -> tuple[NDArray[Any], Any]:
        """Draw the picture at a place of the endless row of shuffled epochs."""
        epoch, rank = divmod(place, self.count)
        index = int(self._order(epoch)[rank])
        return self.examples.draw(index, size, closing, _random(self.recipe.seed, 1, place))

    def _order(self, epoch: int) -> Int64:
        """Give the order of the examples in an epoch: (count,) int64."""
        order = _epoch_order(self.recipe.seed, epoch, self.examples.count)
        if self.examples.lengths is None:
            return order
        if self._sorted is None or self._sorted[0] != epoch:
            batch = self.recipe.batch
            order = like_lengths(order[: self.count], self.examples.lengths, batch)
            starts = _random(self.recipe.seed, 3, epoch).permutation(range(0, self.count, batch))
            parts = [order[start : start + batch] for start in starts]
            self._sorted = (epoch, np.concatenate(parts))
        return self._sorted[1]

    def _closing(self, step: int) -> bool:
        return step >= self.steps - self.recipe.closing_epochs * self.steps_an_epoch


def like_lengths(order: Int64, lengths: Int64, batch: int) -> Int64:
    """Sort examples by their lengths within GROUP batches: (n,) to (n,)."""
    span = GROUP * batch
    groups = [order[start : start + span] for start in range(0, len(order), span)]
    return np.concatenate([one[np.argsort(lengths[one], kind="stable")] for one in groups])


def _random(seed: int, purpose: int, number: int) -> np.random.Generator:
    """Random numbers for one purpose (0 order, 1 augmentation, 2 size, 3 batches) and one place."""
    return np.random.default_rng([seed, purpose, number])


@lru_cache(maxsize=4)
def _epoch_order(seed: int, epoch: int, count: int) -> Int64:
    """Draw the order of the pictures in an epoch: (count,) int64."""
    return _random(seed, 0, epoch).permutation(count)


def check_shares(batch: int, processes: int) -> None:
    """Check that a batch can be shared evenly.

    Raises:
        TatamiError: Where it cannot; it names the nearest that can.
    """
    if batch % processes:
        nearest = processes * max(1, round(batch / processes))
        raise TatamiError(
            f"a batch of {batch} cannot be shared evenly by {processes} processes",
            hint=f"give a batch that {processes} divides, as {nearest}",
            setting="batch",
        )
