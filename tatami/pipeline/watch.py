"""A training as it goes on: its losses and figures so far, read from the run folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tatami.pipeline.artifact import Source, path_of, read_run
from tatami.train.run import EVALUATIONS, LOG, SETTINGS, WEIGHTS, read_rows

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
    """

    rows: tuple[dict[str, Any], ...]
    evaluations: tuple[dict[str, Any], ...]
    measure: str
    epochs: int
    steps: int
    finished: bool

    def to_json(self) -> dict[str, Any]:
        """Give it as plain values."""
        return {
            "rows": list(self.rows),
            "evaluations": list(self.evaluations),
            "measure": self.measure,
            "epochs": self.epochs,
            "steps": self.steps,
            "finished": self.finished,
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
    from tatami.tasks.table import task_of

    folder = path_of(source)
    run = read_run(folder)
    logged = read_rows(folder / LOG)
    rows = [row for row in logged if row["step"] >= since]
    stride = max(1, -(-len(rows) // MOST))
    kept = rows[::stride]
    if rows and kept[-1] is not rows[-1]:
        kept.append(rows[-1])
    return Progressed(
        tuple(kept),
        tuple(read_rows(folder / EVALUATIONS)),
        task_of(run.spec).measure,
        run.recipe.epochs or 0,  # the number is known where a run is
        len(logged),
        is_finished(folder),
    )
