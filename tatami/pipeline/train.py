"""Train a network on labeled pictures, in a run folder; go on with one that was stopped."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tatami.errors import TatamiError
from tatami.files import write_atomically
from tatami.pipeline.artifact import Source as Artifact
from tatami.pipeline.artifact import open_run, path_of, read_run
from tatami.pipeline.initial_weights import initial_weights
from tatami.pipeline.plan import Asked, Source, check_machine, held_out_of, plan, reopened
from tatami.tasks.base import Evaluated
from tatami.tasks.table import task_of
from tatami.tasks.training import Training, new_model
from tatami.tasks.walk import class_order
from tatami.train.recipe import Recipe
from tatami.train.run import EVALUATIONS, INITIAL, NETWORK, WEIGHTS, Run, held, read_rows
from tatami.types import Size
from tatami.types.progress import Progress, quiet
from tatami.types.table import Table

if TYPE_CHECKING:  # torch is heavy: it is imported where training really starts
    from torch import nn

    from tatami.train.distributed import Team
    from tatami.train.loop import Step

EVERY = 0.2
"""Seconds between two words about the loss, at least."""


@dataclass(frozen=True)
class TrainResult:
    """What a training left behind.

    Args:
        path: The run folder.
        run: What was asked of it.
        evaluation: How good the network is on what was held out; None where nothing was, and in
            the processes of a team that do not lead it.
    """

    path: Path
    run: Run
    evaluation: Evaluated[Any] | None

    @property
    def network(self) -> Path:
        """The network's ONNX file."""
        return self.path / NETWORK

    @property
    def weights(self) -> Path:
        """The weights, a safetensors file."""
        return self.path / WEIGHTS

    def to_json(self) -> dict[str, Any]:
        """Give the result as plain values."""
        found = None if self.evaluation is None else self.evaluation.result.to_json()
        return {"output": str(self.path), "model": self.run.model, "evaluation": found}

    def tables(self) -> list[Table]:
        """Lay out the metrics on what was held out."""
        found = self.evaluation
        return [] if found is None else task_of(self.run.spec).tables(found.result)

    def lines(self) -> list[str]:
        """Say the figures over all classes, a line each."""
        found = self.evaluation
        return [] if found is None else task_of(self.run.spec).lines(found.result)


def train(
    model: str,
    data: str | Path,
    out: str | Path | None = None,
    *,
    size: str | Size | None = None,
    width: float = 1.0,
    epochs: int | None = None,
    batch: int | None = None,
    learning_rate: float | None = None,
    seed: int | None = None,
    recipe: Recipe | None = None,
    settings: Any = None,
    augment: Sequence[str] = (),
    initial: Artifact | None = None,
    partial: bool = False,
    train_split: str | None = None,
    test_split: str | None = None,
    hold_out: str | int | None = None,
    format: str | None = None,
    skip: Sequence[str] = (),
    threads: int = 0,
    device: str = "cpu",
    progress: Progress = quiet,
) -> TrainResult:
    """Train a network on labeled pictures, evaluate it, and leave it as an ONNX file.

    Started by torchrun, its processes train as one.

    Args:
        model: The network's name, as "yolov2-tiny".
        data: The labeled set: its folder, or the file that describes it.
        out: The run folder to write; None: runs/MODEL-DATA.
        size: The input, width by height, as "416x320"; None: the network's own.
        width: Multiplies every layer's channels.
        epochs: How often every picture is seen; None: as the recipe says.
        batch: Pictures a step, over all processes; None: as the recipe says.
        learning_rate: The highest, after the warm-up; None: as the recipe says.
        seed: Of weights, order and augmentation; None: as the recipe says.
        recipe: All else of how to train; None: the usual one.
        settings: What is particular to the task: a DetectionSettings, ClassificationSettings or
            SegmentationSettings; None: the usual ones.
        augment: How pictures are varied otherwise than is usual, as ("flip=0", "scale=0.8,1.25").
        initial: What to begin from: a run, a safetensors file or a .pth file; None: random weights.
        partial: Whether to take of ``initial``, another network, only the first layers that fit.
        train_split: The split to learn from; None: trainval, else train.
        test_split: The split to evaluate on; None: test, else val.
        hold_out: Pictures of the only split to evaluate on, as 10000 or "10000:SEED".
        format: The set's format; None: it is recognized.
        skip: Kinds of problems in the data to leave out.
        threads: Of torch, in each process; 0: torch chooses.
        device: "cpu" or "cuda".
        progress: Takes up how far it is.

    Returns:
        The run folder, and how good the network is.

    Raises:
        TatamiError: For anything that cannot be trained; where it is found before the first step,
            nothing has been written.
    """
    given = {"epochs": epochs, "batch": batch, "learning_rate": learning_rate, "seed": seed}
    changed: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if size is not None:
        changed["size"] = Size.parse(size) if isinstance(size, str) else size
    if partial and initial is None:
        raise TatamiError(
            "it says what to take of other weights",
            hint="name those to begin from, or leave it out",
            setting="partial",
        )
    root, held = Path(data), None if hold_out is None else str(hold_out)
    folder = Path("runs") / f"{model}-{root.resolve().name}" if out is None else Path(out)
    asked = Asked(
        model,
        width,
        dataclasses.replace(recipe or Recipe(), **changed),
        settings,
        augment,
        Source(root, train_split, test_split, format, tuple(skip), held),
        threads,
        device,
    )

    def prepare(team: Team, progress: Progress) -> _Prepared:
        refuse_a_second_run(folder)
        run, learned = plan(asked, team, progress)
        begins = None
        if initial is not None:
            source = path_of(initial)
            begins = initial_weights(run, source, partial=partial, progress=progress)
        return _Prepared(run, learned, held_out_of(run), True, begins)

    return _carried_out(folder, prepare, progress)


def resume(run: Artifact, *, progress: Progress = quiet) -> TrainResult:
    """Go on with a training that was stopped, as it would have gone on.

    Args:
        run: The run folder.
        progress: Takes up how far it is.

    Returns:
        The run folder, and how good the network is: the same, bit for bit, as without the stop.

    Raises:
        TatamiError: Where the folder holds no run, and where its data have changed.
    """
    folder = path_of(run)

    def prepare(team: Team, progress: Progress) -> _Prepared:
        begun = read_run(folder)
        check_machine(begun, team)
        _tell_other_versions(begun, progress)
        return _Prepared(begun, reopened(begun), held_out_of(begun), False)

    return _carried_out(folder, prepare, progress)


@dataclass(frozen=True)
class _Prepared:
    """A training about to begin, or to go on.

    Args:
        run: What was asked of it.
        data: The split that it learns from.
        held_out: The split that it is evaluated on, if there is one.
        new: Whether the folder is to become the run's.
        initial: Weights to begin from, as a safetensors file's content, which the folder keeps.
    """

    run: Run
    data: Any
    held_out: Any | None
    new: bool
    initial: bytes | None = None


def _carried_out(
    folder: Path, prepare: Callable[[Team, Progress], _Prepared], progress: Progress
) -> TrainResult:
    """Prepare a training in all processes, carry it out, and evaluate what came of it."""
    from tatami.train.distributed import all_or_none, join_team, leave_team

    team = join_team()
    voice = progress if team.leads else quiet  # a team speaks with one voice
    try:
        with all_or_none(team):
            ready = prepare(team, voice)
            if ready.held_out:  # now, and not when the training is over
                class_order(ready.run.spec.classes, ready.held_out.classes)
        train_in(
            folder,
            ready.run,
            ready.data,
            ready.held_out,
            team,
            new=ready.new,
            initial=ready.initial,
            progress=voice,
        )
        found = None
        if ready.held_out and team.leads:
            task = task_of(ready.run.spec)
            found = task.evaluate(
                open_run(folder), ready.held_out, progress=voice, stage="Evaluating"
            )
        voice(f"wrote {folder}", 0, 0)
    finally:
        leave_team(team)
    return TrainResult(folder, ready.run, found)


def refuse_a_second_run(folder: Path) -> None:
    """Check that a folder holds no run yet.

    Raises:
        TatamiError: Where it does.
    """
    if (folder / "run.json").exists():
        raise TatamiError(
            "a run is there already", file=folder, hint="resume it, or write to another folder"
        )


def train_in(
    folder: Path,
    run: Run,
    data: Any,
    held_out: Any | None,
    team: Team,
    *,
    new: bool,
    initial: bytes | None = None,
    progress: Progress = quiet,
) -> None:
    """Carry a run out in its folder, which is this process's own until it is over.

    Args:
        folder: The run folder.
        run: What was asked.
        data: The split to learn from.
        held_out: The split to evaluate on now and then, if there is one.
        team: The processes that train.
        new: Whether the folder is to become the run's; else it is, and the run goes on.
        initial: Weights to begin from, as a safetensors file's content, which a new run's folder
            keeps.
        progress: Takes up how far it is.

    Raises:
        TatamiError: As the training loop does, and where another process trains in the folder.
    """
    from tatami.train.distributed import all_or_none

    with contextlib.ExitStack() as stack:
        with all_or_none(team):
            if team.leads:
                if new:
                    stack.enter_context(_taken_back(folder))
                folder.mkdir(parents=True, exist_ok=True)
                stack.enter_context(held(folder))
                if new:
                    refuse_a_second_run(folder)
                    if initial is not None:
                        write_atomically(folder / INITIAL, initial)
                    run.save(folder)
        loss, told = None, 0.0
        for step in _steps(run, data, held_out, folder, team, progress):
            loss = step.row["loss"] if loss is None else 0.95 * loss + 0.05 * step.row["loss"]
            if time.monotonic() - told > EVERY or step.done == step.total:
                progress("Training", step.done, step.total, f"loss {loss:.3f}")
                told = time.monotonic()


def _steps(
    run: Run, data: Any, held_out: Any | None, folder: Path, team: Team, progress: Progress
) -> Iterator[Step]:
    """Train, evaluate now and then, and leave the weights and the ONNX file in the run folder."""
    import torch

    from tatami.train.checkpoint import load_weights, save_weights

    task = task_of(run.spec)
    structure = task.structure(run.spec)
    torch.set_num_threads(run.threads)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(run.recipe.seed)
    model, average = new_model(run).to(run.device), new_model(run).to(run.device)
    task.prepare_model(model, run)
    if (folder / INITIAL).is_file():
        load_weights(model, folder / INITIAL)

    def examples(data: Any, run: Run) -> Any:
        return structure.examples(data, run, task.examples)

    training = Training(run, folder, team, progress, examples)
    data = structure.prepare_data(data, training)
    every = run.recipe.evaluate_every if held_out and team.leads else 0
    for step in structure.train(training, data, model, average):
        epoch, within = divmod(step.done * run.recipe.epochs, step.total)
        if every and not within and epoch % every == 0:
            _keep_evaluation(folder, step.done, average, run, held_out)
        yield step
    if team.leads:
        structure.complete(training, data, average)
        save_weights(folder / WEIGHTS, average.state_dict())
        structure.export(average.cpu(), run.spec, folder)


def _keep_evaluation(folder: Path, step: int, model: nn.Module, run: Run, held_out: Any) -> None:
    """Write a row of evaluations.jsonl."""
    task = task_of(run.spec)
    structure = task.structure(run.spec)
    predictor = structure.predictor(run.spec, structure.forwards(model, run.spec))
    found = task.row(task.evaluate(predictor, held_out).result)
    rows = [row for row in read_rows(folder / EVALUATIONS) if row["step"] < step]
    rows.append({"step": step, **found})
    write_atomically(folder / EVALUATIONS, "".join(json.dumps(row) + "\n" for row in rows))


def _tell_other_versions(run: Run, progress: Progress) -> None:
    """Say where a resumed run goes on with another torch or NumPy: its last bits may differ."""
    import torch

    for name, now in (("torch", torch.__version__), ("numpy", np.__version__)):
        then = run.versions.get(name)
        if then != now:
            text = f"the run began with {name} {then}, this is {now}: its last bits may differ"
            progress(text, 0, 0)


@contextlib.contextmanager
def _taken_back(folder: Path) -> Iterator[None]:
    """Remove a new run that fails before its first checkpoint, and nothing else.

    There is nothing to go on from, and its run.json would stand in the way of another attempt.
    """
    from tatami.train.run import CHECKPOINTS, LOG, SETTINGS

    new = [each for each in (folder, *folder.parents) if not each.exists()]
    files = [folder / name for name in (SETTINGS, LOG, INITIAL)]
    files = [file for file in files if not file.exists()]
    try:
        yield
    except (TatamiError, OSError):
        with contextlib.suppress(OSError):
            if not any((folder / CHECKPOINTS).glob("step-*")):
                for file in files:
                    file.unlink(missing_ok=True)
        for each in new:
            with contextlib.suppress(OSError):  # never made, or with something in it
                each.rmdir()
        raise
