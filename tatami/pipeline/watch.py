"""A training as it goes on: its losses and figures so far, read from the run folder."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

from tatami.errors import TatamiError
from tatami.files import write_atomically
from tatami.pipeline.artifact import Source, path_of, read_run, torch_predictor
from tatami.pipeline.plan import held_out_of, reopened, validation_of
from tatami.tasks.table import task_of
from tatami.tasks.training import new_model
from tatami.tasks.walk import spread
from tatami.train.run import (
    CHECKPOINTS,
    END,
    EVALUATIONS,
    LOG,
    SETTINGS,
    WEIGHTS,
    is_held,
    pace_of,
    read_rows,
)
from tatami.types import Picture

MOST = 2000
"""Rows that are given at once: of more, every second one and so on, and the last."""


@dataclass(frozen=True)
class Progressed:
    """Say how far a training is.

    Args:
        rows: Steps with their losses, learning rate and gradient norm.
        evaluations: Steps with the task's figure.
        measure: What the figure is called.
        epochs: How many there are in all.
        steps: How many are done.
        finished: Whether the weights are there.
        ending: Whether it is asked to end with the epoch that goes on.
        going: Whether a process is training now.
        total: How many steps there will be; None where that is not known yet.
        seconds_a_step: The mean since the last checkpoint but one, evaluations included; None where
            that is not known yet.
        seconds_left: How long it will take at that pace, from now; None where nothing goes on or
            the pace is not known yet.
    """

    rows: tuple[dict[str, Any], ...]
    evaluations: tuple[dict[str, Any], ...]
    measure: str
    epochs: int
    steps: int
    finished: bool
    ending: bool = False
    going: bool = False
    total: int | None = None
    seconds_a_step: float | None = None
    seconds_left: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Give it as plain values."""
        return {
            "rows": list(self.rows),
            "evaluations": list(self.evaluations),
            "measure": self.measure,
            "epochs": self.epochs,
            "steps": self.steps,
            "finished": self.finished,
            "ending": self.ending,
            "going": self.going,
            "total": self.total,
            "seconds_a_step": self.seconds_a_step,
            "seconds_left": self.seconds_left,
        }


def is_run(source: Source) -> bool:
    """Say whether this is a run folder."""
    return (path_of(source) / SETTINGS).is_file()


def is_finished(source: Source) -> bool:
    """Say whether a run has its weights."""
    return (path_of(source) / WEIGHTS).is_file()


def watch(source: Source, since: int = 0) -> Progressed:
    """Read how far a training is.

    Args:
        source: A run folder, whose training may be going on.
        since: The first step whose row is wanted.

    Raises:
        TatamiError: For anything else, and for a damaged run.
    """
    folder = path_of(source)
    run = read_run(folder)
    logged = read_rows(folder / LOG)
    rows = [row for row in logged if row["step"] >= since]
    stride = max(1, -(-len(rows) // MOST))
    kept = rows[::stride]
    if rows and kept[-1] is not rows[-1]:
        kept.append(rows[-1])
    epochs = run.recipe.whole_epochs
    ending, going = (folder / END).exists(), is_held(folder)
    pace, saved = pace_of(folder) or (None, 0.0)
    left = None
    if pace is not None and going:
        last: float = pace.total
        if ending:  # the epoch that goes on is the last one
            last = math.ceil(len(logged) * epochs / last) * last / epochs
        ahead = (last - len(logged)) * pace.seconds_a_step
        left = max(0.0, ahead - (time.time() - saved))
    return Progressed(
        tuple(kept),
        tuple(read_rows(folder / EVALUATIONS)),
        task_of(run.spec).measure,
        epochs,
        len(logged),
        is_finished(folder),
        ending,
        going,
        None if pace is None else pace.total,
        None if pace is None else pace.seconds_a_step,
        left,
    )


def end_with_epoch(source: Source) -> None:
    """Ask a training to end with the epoch that goes on, as if it were its last one.

    Raises:
        TatamiError: Where nothing is being trained.
    """
    folder = path_of(source)
    if not is_run(folder) or not is_held(folder):
        raise TatamiError("nothing is being trained in it", hint="resume it first", file=folder)
    write_atomically(folder / END, b"")


class Improving:
    """Some pictures that were held out, and what a training finds in them as it goes on.

    Args:
        source: A run folder, whose training may be going on.
        count: Pictures.

    Raises:
        TatamiError: For anything else.
    """

    def __init__(self, source: Source, count: int = 4) -> None:
        self.folder = path_of(source)
        self.run = read_run(self.folder)
        data = held_out_of(self.run)
        if data is None:
            data = validation_of(self.run)
        if data is None:
            data = reopened(self.run)
        task = task_of(self.run.spec)
        self.pictures = [task.picture(data, place) for place in spread(len(data), count)]
        self.found: dict[int, list[Picture]] = {}
        """The drawings by the step of the weights that found it."""

    def look(self) -> dict[int, list[Picture]]:
        """Let the newest checkpoint look, unless it did; give what was found so far.

        Raises:
            TatamiError: Where a checkpoint is damaged, or holds a part of the network alone.
        """
        from tatami.train.checkpoint import fill, load_latest

        latest = load_latest(self.folder / CHECKPOINTS)
        if latest is not None and latest.step not in self.found:
            model = new_model(self.run)
            fill(model, latest.part("average"), self.folder / CHECKPOINTS)
            predictor = torch_predictor(model.eval(), self.run.spec)
            task = task_of(self.run.spec)
            drawn = [task.answer(predictor, picture).drawn for picture in self.pictures]
            self.found[latest.step] = drawn
        return self.found
