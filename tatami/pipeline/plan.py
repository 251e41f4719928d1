"""What a training will be: data opened, and all that it depends on written down."""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import tatami
from tatami.data.split_names import held_split, training_split
from tatami.errors import TatamiError, printable
from tatami.models.table import model_named
from tatami.pipeline.validation import is_part, parted, rule_for
from tatami.tasks.base import Task
from tatami.tasks.recognition import RecognitionSettings, heard
from tatami.tasks.settings import names_of
from tatami.tasks.style import Style
from tatami.tasks.table import TASKS, task_named, task_of
from tatami.tasks.training import new_model
from tatami.train.recipe import Recipe, epochs_for
from tatami.train.run import DataSource, Run
from tatami.types.progress import Progress

if TYPE_CHECKING:  # torch is heavy: it is imported where training really starts
    from tatami.train.distributed import Team


NOTHING_HELD = (
    "nothing is held out, so nothing tells how good the network is on other pictures "
    "(hold out a share, as 0.2, or name a test split)"
)
"""The remark where there is nothing to evaluate on."""
CURVE = 10
"""Evaluations of a training whose epochs are chosen by the size of the set."""


@dataclasses.dataclass(frozen=True)
class Source:
    """Say where labeled pictures are, and which of them are learned from.

    Args:
        root: The set's folder, or the file that describes it.
        train_split: The split to learn from; None: trainval, else train, else the only one.
        test_split: The split to evaluate on; None: test, else val or valid, else none.
        format: The set's format; None: it is recognized.
        skip: Kinds of problems to leave out.
        hold_out: How many pictures of the split to evaluate on, as "10000" or "10000:SEED", or the
            share of every class, as "0.2".
        validate: What the best weights are chosen by: a split, or a part of the one to learn from,
            as "0.1" or "0.1:SEED"; None: only for patience, as is usual.
    """

    root: Path
    train_split: str | None = None
    test_split: str | None = None
    format: str | None = None
    skip: tuple[str, ...] = ()
    hold_out: str | None = None
    validate: str | None = None


@dataclasses.dataclass(frozen=True)
class Asked:
    """Say what a training is asked to be.

    Args:
        model: The network's name.
        width: Multiplies every layer's channels.
        recipe: How to train.
        settings: The settings of the network's task; None: the usual ones.
        augment: What is varied otherwise than the task does, as "flip=0".
        source: The data.
        threads: Threads of torch; 0: torch chooses.
        device: "cpu" or "cuda".
        style: Says what the settings leave open.
    """

    model: str
    width: float
    recipe: Recipe
    settings: Any
    augment: Sequence[str]
    source: Source
    threads: int = 0
    device: str = "cpu"
    style: Style = Style()


def style_of(model: str, name: str | None) -> Style:
    """Give the way in which a network is trained unless told otherwise.

    Args:
        model: The network's name.
        name: The way's; None: the network's usual one.

    Raises:
        TatamiError: Where there is none of that name for its task.
    """
    row = model_named(model)
    styles = task_named(row.task).styles
    wanted = row.recipe if name is None else name
    if wanted not in styles:
        raise TatamiError(
            f"no recipe '{wanted}' for a {row.noun}",
            hint=f"give {' or '.join(styles)}",
            setting="recipe",
        )
    return styles[wanted]


def settings_for(model: str, asked: Mapping[str, object], hearing: Sequence[str] = ()) -> Any:
    """Give the settings of a network's task by their names.

    Args:
        model: The network's name.
        asked: The settings; those that are None keep their defaults.
        hearing: More of them, for sounds, as typed: ``window=40``.

    Returns:
        An instance of the task's dataclass of settings.

    Raises:
        TatamiError: For a setting of another task, and for a value that it does not take.
    """
    kind = task_named(model_named(model).task).settings
    given = {name: value for name, value in asked.items() if value is not None}
    if hearing:
        if kind is not RecognitionSettings:
            raise TatamiError("it is for sounds", hint="leave it out", setting="hearing")
        given |= heard(hearing)
    for name in given:
        if name not in names_of(kind):
            owners = [f"{task.noun}s" for task in TASKS if name in names_of(task.settings)]
            raise TatamiError(
                f"it is for {' and '.join(owners) or 'no network'}",
                hint="leave it out",
                setting=name,
            )
    return kind(**given)


def plan(asked: Asked, team: Team, progress: Progress) -> tuple[Run, Any]:
    """Open the data and write down everything that a training will depend on.

    Args:
        asked: What was asked for.
        team: The processes that train.
        progress: Takes up remarks.

    Returns:
        The run, and the split that it learns from.

    Raises:
        TatamiError: For anything that cannot be carried out; nothing has been written then.
    """
    row, source = model_named(asked.model), asked.source
    task = task_named(row.task)
    settings = task.settings() if asked.settings is None else asked.settings
    if not isinstance(settings, task.settings):
        raise TatamiError(
            f"{type(settings).__name__} are of another task",
            hint=f"give {task.settings.__name__}",
            setting="settings",
        )
    usual = asked.recipe.multi_scale
    recipe = dataclasses.replace(
        asked.recipe,
        size=asked.recipe.size or row.size,
        multi_scale=row.multi_scale if usual is None else usual,
    )
    augmentation = task.augmentation.with_settings((*asked.style.augment, *asked.augment))
    task.check_training(row, recipe, settings, augmentation)
    settings = asked.style.completed(settings)
    if source.hold_out is not None and source.test_split is not None:
        raise TatamiError(
            "a test split is named, too", hint="give one of the two", setting="hold_out"
        )
    train_split, test_split = _splits(task, source)
    opened = task.open(source.root, split=train_split, format=source.format, skip=source.skip)
    tell_skipped(opened.skipped, progress)
    for note in opened.notes:
        progress(note, 0, 0)
    split, data = opened.data.split, opened.data
    if source.hold_out is not None:
        data, _ = task.hold_out(data, source.hold_out)
        test_split = None
    validate = rule_for(
        source.validate, recipe.patience, task.splits(source.root, source.format), split, test_split
    )
    if validate is not None:
        recipe = dataclasses.replace(recipe, evaluate_every=recipe.evaluate_every or 1)
        if is_part(validate):
            data, _ = parted(task, data, validate)
    # A picture that cannot be read is found now, and not when the training comes to it.
    data, unreadable = task.readable(data, source.skip, progress)
    if unreadable:
        tell_skipped({"unreadable-picture": unreadable}, progress)
    if validate is None and source.hold_out is None and test_split in (None, split):
        progress(NOTHING_HELD, 0, 0)
    if recipe.epochs is None:
        recipe = dataclasses.replace(recipe, epochs=epochs_for(len(data)))
    marks = task.fingerprint(data)
    spec, settings = task.plan(row, data, recipe, settings, progress)
    provenance = {
        "made by": f"tatami {tatami.__version__}",
        "model": f"{asked.model} width {asked.width:g}",
        "data": f"{printable(source.root.name)} {data.split}, sha256 {marks}",
    }
    spec = spec.changed(provenance=provenance)
    if source.test_split is None and test_split in (split, validate):
        test_split = None
    origin = DataSource(
        str(source.root.resolve()),
        split,
        source.format,
        source.skip,
        marks,
        test_split,
        source.hold_out,
        validate,
    )
    run = _run(asked, recipe, spec, settings, augmentation, team, origin)
    if validate is not None and task.structure(spec).in_turns(run):
        raise TatamiError(
            "its parts are trained in turns: no figure says before the end how good they are",
            hint="leave it out",
            setting="patience" if source.validate is None else "validate",
        )
    if asked.recipe.epochs is None:
        progress(f"{run.recipe.epochs} epochs, for {len(data)} to learn from", 0, 0)
        if not (recipe.evaluate_every or row.whole_at_last or task.structure(spec).in_turns(run)):
            # Whoever leaves the epochs open is told whether there were enough of them.
            often = max(1, run.recipe.whole_epochs // CURVE)
            run = dataclasses.replace(
                run, recipe=dataclasses.replace(run.recipe, evaluate_every=often)
            )
    return run, data


def _run(
    asked: Asked,
    recipe: Recipe,
    spec: Any,
    settings: Any,
    augmentation: Any,
    team: Team,
    data: DataSource,
) -> Run:
    """Write down a training.

    Args:
        asked: What was asked for.
        recipe: The recipe, with what it left open.
        spec: What the network is for.
        settings: Those of the task.
        augmentation: How pictures are varied.
        team: The processes that train.
        data: What is learned from, and what is evaluated on.
    """
    import torch

    from tatami.train.layers import freeze
    from tatami.train.loop import chosen_precision

    threads = asked.threads
    if not 0 <= threads <= 1024:
        raise TatamiError(f"{threads} threads", hint="give their number, or 0 to let torch choose")
    if threads:
        torch.set_num_threads(threads)
    run = Run(
        model=asked.model,
        width=asked.width,
        spec=spec,
        recipe=dataclasses.replace(recipe, precision=chosen_precision(recipe, asked.device)),
        settings=dataclasses.asdict(settings),
        data=data,
        augmentation=dataclasses.asdict(augmentation),
        device=asked.device,
        processes=team.world,
        threads=torch.get_num_threads(),
        versions={
            "tatami": tatami.__version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    )
    check_machine(run, team)
    # What cannot be built is refused before anything is written.
    model = new_model(run)
    freeze(model, run.recipe.freeze)
    task_of(spec).check_model(model, run)
    return run


def check_machine(run: Run, team: Team) -> None:
    """Check that a run can be carried out, or gone on with, as it was asked.

    Raises:
        TatamiError: Where the device is not there, or the processes are of another number.
    """
    import torch

    from tatami.train.batches import check_shares

    check_shares(run.recipe.batch, team.world)
    if run.device not in ("cpu", "cuda"):
        raise TatamiError(f"no device '{run.device}'", hint="the devices are cpu and cuda")
    if run.device == "cuda" and not torch.cuda.is_available():
        raise TatamiError("torch finds no CUDA device", hint="use cpu", setting="device")
    if run.processes != team.world:
        raise TatamiError(
            f"the run began with {run.processes} processes, not {team.world}",
            hint=f"start as many, with torchrun --nproc-per-node {run.processes}",
        )


def tell_skipped(skipped: Mapping[str, int], progress: Progress) -> None:
    """Say how many problems of each accepted kind were left out."""
    for kind, count in sorted(skipped.items()):
        progress(f"skipped {count} x {kind}", 0, 0)


def reopened(run: Run) -> Any:
    """Open what a run learns from again.

    Raises:
        TatamiError: Where it is not the same any more.
    """
    task = task_of(run.spec)
    data = _learned(run)
    if run.data.validate is not None and is_part(run.data.validate):
        data, _ = parted(task, data, run.data.validate)
    if "unreadable-picture" in run.data.skip:
        data, _ = task.readable(data, run.data.skip)
    if task.fingerprint(data) != run.data.fingerprint:
        raise TatamiError(
            "the labeled set has changed since the run began",
            file=Path(run.data.root),
            hint="restore it, or start a new run",
        )
    return data


def held_out_of(run: Run) -> Any | None:
    """Open what a run is evaluated on; None where there is nothing.

    Raises:
        TatamiError: Where it cannot be opened, or holds a picture that cannot be read, unless the
            run accepts such.
    """
    task = task_of(run.spec)
    if run.data.hold_out is not None:
        found = task.hold_out(_opened(run, run.data.split), run.data.hold_out)[1]
    elif run.data.test_split is not None:
        found = _opened(run, run.data.test_split)
    else:
        return None
    return task.readable(found, run.data.skip)[0]


def validation_of(run: Run) -> Any | None:
    """Open what the best weights of a run are chosen by; None where there is nothing."""
    rule = run.data.validate
    if rule is None or not is_part(rule):
        return None if rule is None else _opened(run, rule)
    return parted(task_of(run.spec), _learned(run), rule)[1]


def _learned(run: Run) -> Any:
    """Open the split that a run learns from, without what is held out of it."""
    data = _opened(run, run.data.split)
    if run.data.hold_out is not None:
        data, _ = task_of(run.spec).hold_out(data, run.data.hold_out)
    return data


def _opened(run: Run, split: str) -> Any:
    root, format, skip = Path(run.data.root), run.data.format, run.data.skip
    return task_of(run.spec).open(root, split=split, format=format, skip=skip).data


def _splits(task: Task[Any, Any, Any], source: Source) -> tuple[str | None, str | None]:
    """Name the split to learn from and the one to evaluate on, as given or as is usual."""
    names = task.splits(source.root, source.format)
    train_split = source.train_split or training_split(names)
    return train_split, source.test_split or held_split(names)
