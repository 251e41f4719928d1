"""A training under way: what a structure needs to carry it out, whatever its task is."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tatami.errors import TatamiError
from tatami.models.table import model_named
from tatami.types.progress import Progress

if TYPE_CHECKING:  # torch is heavy: it is imported where training really starts
    from torch import nn

    from tatami.train.batches import Batches, Examples
    from tatami.train.distributed import Team
    from tatami.train.loop import Step
    from tatami.train.recipe import Recipe
    from tatami.train.run import Run

CELL = 32
"""Input sizes that vary are multiples of it, in pixels, or of a larger stride."""


@dataclass(frozen=True)
class Training:
    """A training under way.

    Args:
        run: What was asked of it.
        folder: Where it keeps what comes of it.
        team: The processes that share it.
        progress: Takes up how far work beside the steps is.
        examples: Says what is learned from in a split.
    """

    run: Run
    folder: Path
    team: Team
    progress: Progress
    examples: Callable[[Any, Run], Examples]

    def batches(self, data: Any, recipe: Recipe | None = None) -> Batches:
        """Give the batches of a split, by the run's recipe or another."""
        from tatami.train.batches import Batches

        cell = max(CELL, model_named(self.run.model).stride)
        examples = self.examples(data, self.run)
        return Batches(examples, self.run.spec.input, recipe or self.run.recipe, self.team, cell)


def sent(steps: Generator[Step, bool | None, None], stop: bool) -> Step | None:
    """Give the next step of a training; None where there is none.

    Args:
        steps: What the training loop gave.
        stop: Whether the last step is to be the last one indeed.
    """
    try:
        return steps.send(stop or None)
    except StopIteration:
        return None


def new_model(run: Run, more: int = 0) -> nn.Module:
    """Make a new model of a run, with random weights.

    Args:
        run: Says the network, its classes and its width.
        more: Classes that it has besides.

    Raises:
        TatamiError: Where the run's network is not of the run's task.
    """
    row = model_named(run.model)
    if not row.takes(run.spec):
        raise TatamiError(f"'{run.model}' is a {row.noun}: not this run's", hint="restore the run")
    spec = replace(run.spec, classes=(*run.spec.classes, *("",) * more))
    model: nn.Module = row.build(spec, run.width)
    return model
