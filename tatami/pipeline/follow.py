"""What is done beside the steps of a training: evaluations, the best weights, Ctrl-C."""

from __future__ import annotations

import json
import math
import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

from tatami.files import write_atomically
from tatami.pipeline.validation import named
from tatami.tasks.table import task_of
from tatami.train.run import BEST, END, EVALUATIONS, Run, read_rows
from tatami.types.progress import Progress

if TYPE_CHECKING:  # torch is heavy: it is imported where training really starts
    from torch import nn

    from tatami.train.distributed import Team

TWICE = 1.0
"""Seconds within which a team is told of one Ctrl-C twice: torchrun passes it on."""
RISING = 0.01
"""From which gain in its last quarter on a training is said to have been too short."""


@dataclass(frozen=True)
class Best:
    """Say which weights of a training were the best.

    Args:
        step: Steps that were over.
        name: The figure by which they were chosen, as "mAP".
        value: That figure.
        pictures: Where it was measured, in words, as "0.1 of train".
    """

    step: int
    name: str
    value: float
    pictures: str

    def __str__(self) -> str:
        return f"step {self.step}, the best {self.name} on {self.pictures}: {self.value:.4g}"


class Evaluations:
    """The evaluations of a training while it runs.

    Where pictures validate, the best weights are kept in RUN/best.safetensors.

    Args:
        run: What was asked of the training.
        folder: Its run folder.
        data: The pictures that are evaluated on; None where there are none.
    """

    def __init__(self, run: Run, folder: Path, data: Any | None) -> None:
        self.run, self.folder, self.data = run, folder, data
        self.keeps = run.data.validate is not None and data is not None
        self.every = 0 if data is None else run.recipe.evaluate_every
        self.rows = read_rows(folder / EVALUATIONS) if self.every else []

    def due(self, step: int, total: int) -> bool:
        """Say whether there is an evaluation after so many steps: at the end of some epochs."""
        epoch, within = _epochs(self.run, step, total)
        return bool(self.every) and not within and epoch % self.every == 0

    def asked_to_end(self, step: int, total: int) -> bool:
        """Say whether the file END asks to end the training with the epoch that this step ends."""
        _, within = _epochs(self.run, step, total)
        return not within and step < total and (self.folder / END).exists()

    def add(self, step: int, model: nn.Module, watch: Progress) -> Mapping[str, float]:
        """Evaluate, write a row of evaluations.jsonl, and keep the weights if they are the best.

        Args:
            step: Steps that are over.
            model: The averaged weights.
            watch: Takes up how far the evaluation is, and may raise Cut.

        Raises:
            Cut: Where ``watch`` does; nothing is written then.
        """
        from tatami.train.checkpoint import save_weights

        task = task_of(self.run.spec)
        structure = task.structure(self.run.spec)
        predictor = structure.predictor(self.run.spec, structure.forwards(model, self.run.spec))
        found = task.row(task.evaluate(predictor, self.data, progress=watch).result)
        file = self.folder / EVALUATIONS
        rows = [row for row in read_rows(file) if row["step"] < step]
        value = headline(found)
        if self.keeps and value > max(map(headline, rows), default=-math.inf):
            # Before the row: a kill between the two has the step evaluated once more.
            about = {"step": str(step), "figure": next(iter(found)), "value": repr(value)}
            save_weights(self.folder / BEST, model.state_dict(), about)
        rows.append({"step": step, **found})
        write_atomically(file, "".join(json.dumps(row) + "\n" for row in rows))
        self.rows = rows
        return found

    def note(self, step: int) -> str:
        """Say the last figure in a few words, and the best one where that is another."""
        rows = [row for row in self.rows if row["step"] <= step]
        if not rows:
            return ""
        (name, value), *_ = [pair for pair in rows[-1].items() if pair[0] != "step"]
        best = max(map(headline, rows))
        return f"  {name} {value:.3f}" + (f", best {best:.3f}" if best > value else "")

    def rising(self, total: int) -> str:
        """Say how much the figure rose in the last quarter of a whole training.

        Args:
            total: The steps of the training.

        Returns:
            A remark; empty where it rose by less than ``RISING``, or was measured too rarely.
        """
        late = [row for row in self.rows if row["step"] > 0.75 * total]
        early = [row for row in self.rows if row["step"] <= 0.75 * total]
        if not late or len(early) < 3:
            return ""
        rose = max(map(headline, late)) - max(map(headline, early))
        if not rose >= RISING:
            return ""
        name = next(key for key in late[0] if key != "step")
        longer = 2 * self.run.recipe.whole_epochs
        return (
            f"{name} was still rising, by {rose:.3f} in the last quarter: more epochs would help "
            f"(resume the run with {longer})"
        )

    def exhausted(self, step: int) -> bool:
        """Say whether the evaluation after this step is the last one that patience allows."""
        rows = [row for row in self.rows if row["step"] <= step]
        if not (self.run.recipe.patience and rows and rows[-1]["step"] == step):
            return False
        best = max(rows, key=headline)["step"]  # the first of equal ones
        since = max([best, *(at for at, _ in self.run.lengthened)])
        return sum(row["step"] > since for row in rows) >= self.run.recipe.patience

    def best(self) -> Best | None:
        """Say which weights RUN/best.safetensors holds; None where none are kept.

        Raises:
            TatamiError: For a damaged file.
        """
        from tatami.train.checkpoint import read_about

        if not self.keeps or not (self.folder / BEST).is_file():
            return None
        about = read_about(self.folder / BEST)
        pictures = named(str(self.run.data.validate), self.run.data.split)
        return Best(int(about["step"]), about["figure"], float(about["value"]), pictures)


def _epochs(run: Run, step: int, total: int) -> tuple[int, int]:
    """Give the epochs that are over after so many steps; and 0 where one just ended."""
    return divmod(step * run.recipe.whole_epochs, total)


def headline(row: Mapping[str, float]) -> float:
    """Give the headline figure of a row, the first; one that is no number is the worst."""
    value = next(value for name, value in row.items() if name != "step")
    return -math.inf if math.isnan(value) else value


class Cut(Exception):
    """An evaluation that is cut short by Ctrl-C."""


class Interruption:
    """Ctrl-C within a ``with``: the first is noted in ``asked``, the second stops at once.

    Args:
        team: The processes that train.
    """

    def __init__(self, team: Team) -> None:
        self.asked, self._first = False, 0.0
        self._deaf = TWICE if team.world > 1 else 0.0
        self._mine = False

    def watch(self, stage: str, done: int, total: int, note: str = "") -> None:
        """Take up the progress of an evaluation.

        Raises:
            Cut: Where Ctrl-C was noted.
        """
        if self.asked:
            raise Cut

    def _note(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.asked and now - self._first >= self._deaf:
            signal.default_int_handler(number, frame)
        if not self.asked:
            self.asked, self._first = True, now

    def __enter__(self) -> Interruption:
        """Take Ctrl-C over, where it would raise KeyboardInterrupt."""
        here = threading.current_thread() is threading.main_thread()
        self._mine = here and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._mine:
            signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give Ctrl-C back."""
        if self._mine:
            signal.signal(signal.SIGINT, signal.default_int_handler)
