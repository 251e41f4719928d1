"""Search for a good training: a study of many, each a run folder, judged on pictures held out."""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tatami.data.split_names import training_split
from tatami.errors import Stopped, TatamiError, choose_from
from tatami.files import write_atomically
from tatami.models.table import model_named
from tatami.pipeline.needs import TARGET
from tatami.pipeline.plan import Source
from tatami.pipeline.search_result import PAGE, SearchResult, result_of, trial_of
from tatami.pipeline.search_space import (
    Dimension,
    Value,
    asked,
    check_sizes,
    parse,
    usual,
    variables,
)
from tatami.pipeline.search_study import (
    COSTS,
    OF_DEVICE,
    PRUNERS,
    SAMPLERS,
    Study,
    Worker,
    calm,
    connected,
    give_back,
    hidden,
    joined,
    pruner_of,
    recover,
    sampler_of,
)
from tatami.pipeline.search_trial import Trying, counted
from tatami.pipeline.ship import parse_bytes
from tatami.see.plots import check_plots
from tatami.ship.c.targets import target_of
from tatami.tasks.base import Task
from tatami.tasks.table import task_named
from tatami.train.run import held
from tatami.types.progress import Progress, quiet

if TYPE_CHECKING:  # an extra, which is imported where a search really starts
    import optuna

VALIDATE = "0.2"
"""The part of the pictures to learn from by which trials are judged."""
REFUSALS = 100
"""Points in a row that need too much of the device, after which there seems to be no other."""
FAILURES = 3
"""Trainings in a row that cannot begin, after which the reason is no trial's own."""
WAIT = 1.0
"""Seconds between two looks at what other workers do."""
STUDY = "study.db"


def search(
    model: str | None,
    data: str | Path,
    out: str | Path = "search",
    *,
    vary: Sequence[str] = (),
    fixed: Sequence[str] = (),
    costs: Sequence[str] = (),
    trials: int | None = None,
    minutes: float | None = None,
    target: str | None = None,
    ram: str | int | None = None,
    flash: str | int | None = None,
    study: str | None = None,
    validate: str | None = None,
    sampler: str | None = None,
    pruner: str | None = None,
    seed: int | None = None,
    train_split: str | None = None,
    format: str | None = None,
    skip: Sequence[str] = (),
    threads: int = 0,
    device: str = "cpu",
    progress: Progress = quiet,
) -> SearchResult:
    """Search for good trainings: vary what they depend on, and judge each on pictures held out.

    The same call joins a study that is there, or goes on with it: then it says the whole search
    again, or nothing of it. The pictures of a test split are never looked at.

    Args:
        model: The network's name, as "yolov2-tiny"; None: it is varied, or the study says it.
        data: The labeled set: its folder, or the file that describes it.
        out: The folder to write: trials/0007 is a run folder, front.html shows the best.
        vary: What is varied, as "learning_rate=1e-4..1e-1", "width=0.25,0.5,1" or "model=a,b": a
            number of the recipe, a setting of the task, a variation of its pictures, "model",
            "width", "size", "bits" (32,8), "recipe" (paper,modern) or "augment" (usual,off).
        fixed: What is otherwise than usual in every trial, as "epochs=8" or "flip=0".
        costs: What is to be low beside a high accuracy: "multiply_adds", and, of the shipped C,
            "ram", "flash" or "milliseconds".
        trials: How many trainings there shall be, those of other workers too; None: as the study
            says, or 20.
        minutes: Begin no training later than this; None: whenever one is wanted.
        target: The machine for which code is measured; None: a Cortex-M7.
        ram: Train nothing that needs more, as "512K" or in bytes.
        flash: Train nothing whose weights and code need more, as "2M" or in bytes.
        study: The URL of the study's data base, as "postgresql://host/base#NAME"; None: a file of
            SQLite in ``out``.
        validate: What trials are judged by: a split, or a part of the one to learn from; None:
            "0.2" of it.
        sampler: How the next point is chosen: "tpe", "cmaes", "nsga2" or "random"; None: "tpe".
        pruner: Which trainings end early: "halving", "hyperband", "median" or "none"; with costs
            "median" or "none". None: "halving", with costs "median".
        seed: Of what is drawn, and of every training; None: 0.
        train_split: The split to learn from; None: trainval, else train.
        format: The set's format; None: it is recognized.
        skip: Kinds of problems in the data to leave out.
        threads: Of torch; 0: torch chooses.
        device: "cpu" or "cuda".
        progress: Takes up how far it is.

    Returns:
        Every trial of the study, and which of them are on the front.

    Raises:
        TatamiError: For what cannot be searched; for a study that searches otherwise; where optuna
            or matplotlib is missing.
        Stopped: For Ctrl-C: the trial is gone on with by whoever joins next.
    """
    check_plots()
    folder, source = Path(out), Source(Path(data), train_split, None, format, tuple(skip))
    options = (target, ram, flash, validate, sampler, pruner, seed)
    joins = not (model or vary or fixed or costs or any(one is not None for one in options))
    url = study or f"sqlite:///{(folder / STUDY).absolute()}"
    with calm():
        wanted = labeled = None
        if not joins:  # what is asked for is checked before a data base is made
            limits = parse_bytes(ram, "ram"), parse_bytes(flash, "flash")
            of_device = any(limits) or any(cost in OF_DEVICE for cost in costs)
            space, same = _space(model, vary, fixed, 8 if of_device else 32)
            wanted = Study(
                space,
                same,
                tuple(costs),
                validate or VALIDATE,
                target or TARGET,
                *limits,
                sampler or "tpe",
                pruner or ("median" if costs else "halving"),
                seed or 0,
            )
            _check(wanted, source)
            labeled = _labeled(wanted.task, source)
            wanted = wanted.on(len(labeled), wanted.task.fingerprint(labeled))
        with _joined(url, wanted, trials) as (joint, found, begun):
            if labeled is None:
                labeled = _labeled(found.task, source)
            if found.fingerprint != found.task.fingerprint(labeled):
                raise TatamiError(
                    "it is not the labeled set of the study",
                    hint="name that one, or begin another study",
                    file=source.root,
                )
            worker = Worker(folder)
            trying = Trying(
                found,
                replace(source, validate=found.validate),
                len(labeled.classes),
                folder,
                threads,
                device,
                worker.name,
                progress,
            )
            joint.sampler = sampler_of(found, 0 if begun else os.getpid())
            joint.pruner = pruner_of(found)
            worker.folder.mkdir(parents=True)
            try:
                with held(worker.folder):
                    _go_on(joint, found, trying, worker, minutes, progress)
            finally:
                worker.folder.rmdir()
                result = result_of(folder, hidden(url), joint, found)
                write_atomically(folder / PAGE, result.page())
    return result


@contextlib.contextmanager
def _joined(
    url: str, wanted: Study | None, trials: int | None
) -> Iterator[tuple[optuna.Study, Study, bool]]:
    """Join a study for the time being, or begin it with the network's own recipe."""
    with contextlib.ExitStack() as stack:
        with _undisturbed(url):
            storage, name = stack.enter_context(connected(url))
            joint, found, begun = joined(storage, name, wanted, trials)
            if begun and (point := usual(found.fixed, found.space)):
                joint.enqueue_trial(point)
        yield joint, found, begun


def _go_on(
    joint: optuna.Study,
    found: Study,
    trying: Trying,
    worker: Worker,
    minutes: float | None,
    progress: Progress,
) -> None:
    """Carry out trials until there are enough, or it is too late for another.

    Raises:
        TatamiError: Where several in a row fail, and where nothing fits the device.
        Stopped: For Ctrl-C.
    """
    end = math.inf if minutes is None else time.monotonic() + 60 * minutes
    refused = failed = 0
    try:
        while True:
            recover(joint, worker)
            every = counted(joint)
            over = sum(one.state.is_finished() for one in every)
            progress("Trials", min(over, found.trials), found.trials)
            if over >= found.trials or time.monotonic() >= end:
                return
            if len(every) >= found.trials and all(one.state.name != "WAITING" for one in every):
                time.sleep(WAIT)  # one of the others may die, and its trial be left
                continue
            try:
                joint.optimize(trying, n_trials=1)
            except TatamiError as error:
                failed += 1
                if failed >= FAILURES:
                    raise
                progress(f"trial {trying.number} cannot be trained: {error}", 0, 0)
                continue
            one = trial_of(joint.get_trials(deepcopy=False)[trying.number], False)
            refused, failed = refused + 1 if one.reason else 0, 0
            if refused >= REFUSALS:
                raise TatamiError(
                    f"{REFUSALS} points in a row were refused, the last one for {one.reason}",
                    hint="let it vary what makes networks smaller, or allow more",
                )
            if not one.reason:
                progress(f"trial {one.number}: {one.line(found.task.measure)}", 0, 0)
    except KeyboardInterrupt as stop:
        if trying.broken_off:
            give_back(joint, trying.number, failed=True, retries=None)
        raise Stopped("stopped; the same command goes on with the study") from stop


# What is asked for --------------------------------------------------------------------------------


def _space(
    model: str | None, vary: Sequence[str], fixed: Sequence[str], bits: int
) -> tuple[tuple[Dimension, ...], dict[str, Value]]:
    """Read what is varied, and what is the same in every trial; of the bits ``bits``, if open.

    Raises:
        TatamiError: For a name that there is not, and for one that is given twice.
    """
    models = [text.partition("=")[2].split(",") for text in vary if text.startswith("model=")]
    names = [*([model] if model else []), *(one for names in models for one in names)]
    if not names:
        raise TatamiError("no network is named", hint="name one, or vary model", setting="model")
    tasks = {name: model_named(name).task for name in names}
    if len({*tasks.values()}) > 1:
        raise TatamiError(
            f"networks of several tasks: {', '.join(tasks)}",
            hint="choose among those of one task",
            setting="vary",
        )
    known = variables(task_named(tasks[names[0]]))
    space = tuple(parse(text, known) for text in vary)
    same = [parse(text, known, one=True) for text in fixed]
    values = {one.name: one.choices[0] for one in same}
    if model:
        values["model"] = model
    given = [*(one.name for one in (*space, *same)), *(["model"] if model else [])]
    twice = next((name for name in given if given.count(name) > 1), None)
    if twice is not None:
        raise TatamiError(f"{twice} is given twice", hint="give it once", setting="vary")
    if "bits" not in given:
        values["bits"] = bits
    return space, values


def _labeled(task: Task[Any, Any, Any], source: Source) -> Any:
    """Open the split to learn from."""
    split = source.train_split or training_split(task.splits(source.root, source.format))
    return task.open(source.root, split=split, format=source.format, skip=source.skip).data


def _check(study: Study, source: Source) -> None:
    """Check all that a study says, before anything is written.

    Raises:
        TatamiError: For what it cannot be.
    """
    choices = (
        ("sampler", study.sampler, SAMPLERS),
        ("pruner", study.pruner, PRUNERS),
        *(("costs", cost, (*COSTS,)) for cost in study.costs),
    )
    for name, value, known in choices:
        if value not in known:
            raise TatamiError(
                f"no {name} '{value}'", hint=choose_from(value, known, "give one of"), setting=name
            )
    if not study.space:
        raise TatamiError(
            "nothing is varied",
            hint="give what is, as learning_rate=1e-4..1e-1",
            setting="vary",
        )
    if study.costs and study.pruner not in ("median", "none"):
        raise TatamiError(
            f"{study.pruner} ends trainings by their accuracy alone, and a search with costs wants "
            "less accurate networks, too, where they are cheaper",
            hint="give median, which compares with networks that cost no more, or none",
            setting="pruner",
        )
    if study.sampler == "cmaes" and (study.costs or study.limits):
        raise TatamiError(
            "cmaes knows one figure and no limits", hint="give tpe or nsga2", setting="sampler"
        )
    target_of(study.target)
    check_sizes(study.space, study.fixed)
    point = {**study.fixed, **{one.name: one.ends[0] for one in study.space}}
    for dimension in study.space:
        for end in dimension.ends:
            asked({**point, dimension.name: end}, source)


# Where the study is -------------------------------------------------------------------------------


@contextlib.contextmanager
def _undisturbed(url: str) -> Iterator[None]:
    """Let one process alone make the tables of a data base that is a file.

    The system ends the hold with the process.
    """
    address = url.partition("#")[0]
    if not address.startswith("sqlite:///"):
        yield
        return
    folder = Path(address.removeprefix("sqlite:///")).parent
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
