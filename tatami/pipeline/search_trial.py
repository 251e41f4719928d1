"""One trial of a search: what it costs, which is known first; its training; what it is worth."""

from __future__ import annotations

import itertools
import json
import os
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tatami.errors import TatamiError
from tatami.pipeline.artifact import open_artifact, read_parts, read_run
from tatami.pipeline.follow import headline
from tatami.pipeline.needs import needs
from tatami.pipeline.plan import Source, plan, reopened, validation_of
from tatami.pipeline.quantize import quantize
from tatami.pipeline.run_data import FOLDED, INTEGERS, folded_of, is_one_network
from tatami.pipeline.search_space import Dimension, Value, asked
from tatami.pipeline.search_study import COSTS, OF_DEVICE, REFUSED, WORKER, Study, first_number
from tatami.pipeline.summary import summary
from tatami.pipeline.timing import compiled, milliseconds
from tatami.pipeline.train import train_in
from tatami.tasks.table import task_of
from tatami.train.run import END, EVALUATIONS, SETTINGS, read_rows
from tatami.types.progress import Progress, quiet

if TYPE_CHECKING:  # an extra, and torch, which are imported where a search really starts
    import optuna

    from tatami.train.run import Run

ACCURACIES, SPENT, FOLDER, TRIED = "accuracies", "seconds", "folder", "costs"
"""What a trial keeps of itself in its study."""
OTHERS = 4
"""Trials that cost no more which a training is compared with, at least, before it is ended."""
TIMED, ROUNDS = 8, 3
"""Pictures that the time is taken with, and how often."""


@dataclass
class Trying:
    """What all trials of this process share, and where it is.

    Args:
        study: The description.
        source: The data.
        classes: How many these have.
        out: Where run folders are written.
        threads: Of torch; 0: torch chooses.
        device: "cpu" or "cuda".
        worker: Who tries.
        progress: Takes up how far a training is.
        number: The last trial that was begun.
        broken_off: Whether Ctrl-C ended it.
        known: What networks need, by what that depends on.
    """

    study: Study
    source: Source
    classes: int
    out: Path
    threads: int
    device: str
    worker: list[str]
    progress: Progress
    number: int = -1
    broken_off: bool = False
    known: dict[str, dict[str, int]] = field(default_factory=dict)

    def __call__(self, trial: optuna.Trial) -> tuple[float, ...]:
        """Carry a trial out.

        Returns:
            The accuracy, and each cost.

        Raises:
            TatamiError: For what cannot be trained.
            TrialPruned: Where it is refused before it is trained, and where it is ended early.
        """
        self.number = trial.number
        try:
            return self._carried_out(trial)
        except KeyboardInterrupt:
            self.broken_off = True
            raise

    def _carried_out(self, trial: optuna.Trial) -> tuple[float, ...]:
        import optuna

        trial.set_user_attr(WORKER, self.worker)
        values = {**self.study.fixed, **{one.name: _drawn(trial, one) for one in self.study.space}}
        frozen = _frozen(trial)
        if self._beyond(trial, frozen):
            raise optuna.TrialPruned
        costs, limits = self._costs(values), self.study.limits
        if TRIED not in frozen.user_attrs:  # not gone on with, when it has been said
            for name, most in limits.items():
                trial.set_constraint(name, costs[name] / most - 1)
        trial.set_user_attr(TRIED, costs)
        for name, most in limits.items():
            if costs[name] > most:
                reason = f"{costs[name]:,} {COSTS[name]}, {most:,} allowed"
                trial.set_user_attr(REFUSED, reason)
                raise optuna.TrialPruned
        folder = self.out / "trials" / f"{first_number(frozen):04d}"
        trial.set_user_attr(FOLDER, str(folder.absolute()))
        watch = _Watch(self, trial, folder, costs)
        before = sum(os.times()[:4])
        try:
            run = self._trained(folder, values, watch)
        finally:
            spent = frozen.user_attrs.get(SPENT, 0.0) + sum(os.times()[:4]) - before
            trial.set_user_attr(SPENT, round(spent, 2))
        if watch.ended:
            raise optuna.TrialPruned
        accuracy = self._accuracy(folder, run, values)
        if "milliseconds" in self.study.costs:
            costs["milliseconds"] = self._milliseconds(folder, run, values)
            trial.set_user_attr(TRIED, costs)
        return (accuracy, *(costs[name] for name in self.study.costs))

    def _beyond(self, trial: optuna.Trial, frozen: Any) -> bool:
        """Say whether workers who asked at the same time have begun more trials than were wanted.

        A trial that goes on with another is wanted always.
        """
        if first_number(frozen) != trial.number:
            return False
        before = [one for one in counted(trial.study) if one.number < trial.number]
        if len(before) < self.study.trials:
            return False
        trial.set_user_attr(REFUSED, "others had begun the last trial")
        return True

    def _costs(self, values: Mapping[str, Value]) -> dict[str, Any]:
        """Say what a network costs, before it is trained: all but its time."""
        wanted = {*self.study.costs, *self.study.limits}
        if not wanted - {"milliseconds"}:
            return {}
        model, width = str(values["model"]), float(values.get("width", 1.0))
        size = asked(values, self.source).recipe.size
        on_device = wanted & {*OF_DEVICE} - {"milliseconds"}
        bits = int(values["bits"]) if on_device else 0
        key = json.dumps([model, width, str(size), bits])
        if key not in self.known:
            if on_device:
                found = needs(
                    model, size, width, classes=self.classes, bits=bits, target=self.study.target
                )
                all_of_it = {
                    name: getattr(found, name) for name in ("multiply_adds", "ram", "flash")
                }
            else:
                counts = summary(model, size=size, width=width, classes=self.classes)
                all_of_it = {"multiply_adds": counts.multiply_adds}
            self.known[key] = all_of_it
        return {name: self.known[key][name] for name in COSTS if name in self.known[key]}

    def _trained(self, folder: Path, values: Mapping[str, Value], watch: _Watch) -> Run:
        """Train, or go on with a training that was broken off."""
        from tatami.train.distributed import Team

        team, new = Team(), not (folder / SETTINGS).is_file()
        if new:
            wanted = asked(
                values,
                self.source,
                seed=self.study.seed,
                threads=self.threads,
                device=self.device,
            )
            run, data = plan(wanted, team, quiet)
        else:
            run = read_run(folder)
            data = reopened(run)
        validation = validation_of(run)
        assert validation is not None, "a study names the pictures that judge it"
        task_of(run.spec).check_classes(run.spec, validation.classes)
        train_in(folder, run, data, validation, team, new=new, progress=watch)
        watch.look()
        return run

    def _accuracy(self, folder: Path, run: Run, values: Mapping[str, Value]) -> float:
        """Give the figure of the kept weights on what was held out: of 8 bits where it ships so."""
        if values["bits"] == 32:
            return max(map(headline, read_rows(folder / EVALUATIONS)))
        quantize(folder, progress=quiet)
        task = task_of(run.spec)
        predictor = open_artifact(folder / INTEGERS).predictor
        return task.figure(task.evaluate(predictor, validation_of(run), skip=run.data.skip).result)

    def _milliseconds(self, folder: Path, run: Run, values: Mapping[str, Value]) -> float:
        """Take the processor's time for a picture, of the C program."""
        if not is_one_network(run):
            raise TatamiError(
                "the time of several networks depends on the picture",
                hint="leave milliseconds out of the costs",
                setting="costs",
            )
        if values["bits"] == 32:
            folded_of(folder)
        file = folder / (FOLDED if values["bits"] == 32 else INTEGERS)
        task, data = task_of(run.spec), validation_of(run)
        assert data is not None
        pictures = [task.picture(data, place) for place in range(min(len(data), TIMED))]
        with compiled([part.network for part in read_parts(file)]) as programs:
            return milliseconds(task.look, programs, pictures, ROUNDS)[0]


class _Watch:
    """The progress of a training, which looks at its evaluations and may end it.

    Args:
        trying: What all trials share.
        trial: The trial.
        folder: Its run folder.
        costs: What is known of its costs.
    """

    def __init__(
        self, trying: Trying, trial: optuna.Trial, folder: Path, costs: Mapping[str, float]
    ) -> None:
        self.trying, self.trial, self.folder, self.costs = trying, trial, folder, costs
        self.told = len(_frozen(trial).user_attrs.get(ACCURACIES, ()))  # of a training before
        self.every, self.ended = 0, False

    def __call__(self, stage: str, done: int, total: int, note: str = "") -> None:
        """Take up how far the training is; its remarks are those of its run folder."""
        if total and stage == "Training":
            if not self.ended and self.look() and done < total:
                # As the studio's button: the training ends with the epoch that is over now.
                (self.folder / END).write_bytes(b"")
                self.ended = True
            self.trying.progress(stage, done, total, f"trial {self.trial.number}  {note}")

    def look(self) -> bool:
        """Tell the study of new evaluations; say whether the training had better end."""
        rows = read_rows(self.folder / EVALUATIONS)
        if len(rows) <= self.told:
            return False
        if not self.every:
            self.every = read_run(self.folder).recipe.evaluate_every
        best = list(itertools.accumulate((max(0.0, headline(row)) for row in rows), max))
        alone = not self.trying.study.costs  # optuna ends no trainings for several figures
        for place in range(self.told, len(rows) if alone else 0):
            self.trial.report(best[place], (place + 1) * self.every)
        self.told = len(rows)
        self.trial.set_user_attr(ACCURACIES, best)
        if alone:
            return bool(self.trial.should_prune())
        return self.trying.study.pruner == "median" and self._behind(best)

    def _behind(self, best: list[float]) -> bool:
        """Say whether trials that cost no more were better by now: the median of them.

        A pruner of one figure would end cheap networks, for they are less accurate than large ones.
        """
        at = len(best) - 1
        if 3 * len(best) * self.every < self.trying.study.epochs:
            return False
        figures = [
            one.user_attrs[ACCURACIES][at]
            for one in counted(self.trial.study)
            if one.state.is_finished()
            and len(one.user_attrs.get(ACCURACIES, ())) > at
            and all(one.user_attrs[TRIED].get(name, 0) <= most for name, most in self.costs.items())
        ]
        return len(figures) >= OTHERS and best[at] < statistics.median(figures)


def counted(study: optuna.Study) -> list[Any]:
    """Give the trials that are trainings: over, going on, or to be gone on with."""
    return [
        one
        for one in study.get_trials(deepcopy=False)
        if one.state.name != "FAIL" and REFUSED not in one.user_attrs
    ]


def _drawn(trial: optuna.Trial, dimension: Dimension) -> Value:
    """Let a study choose a value."""
    if dimension.choices:
        chosen = trial.suggest_categorical(dimension.name, dimension.choices)
        return next(value for value in dimension.choices if value == chosen)
    low, high = dimension.low, dimension.high
    if dimension.kind == "int":
        return trial.suggest_int(dimension.name, int(low), int(high))
    return trial.suggest_float(dimension.name, low, high, log=dimension.logarithmic)


def _frozen(trial: optuna.Trial) -> Any:
    """Give what the study holds of a trial."""
    return trial.study.get_trials(deepcopy=False)[trial.number]
