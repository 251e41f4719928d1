"""Train a network on labeled pictures, in a run folder; go on with one that was stopped."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tatami.errors import Stopped, TatamiError
from tatami.files import write_atomically
from tatami.pipeline.artifact import Source as Artifact
from tatami.pipeline.artifact import open_run, path_of, read_run
from tatami.pipeline.follow import Cut, Evaluations, Interruption
from tatami.pipeline.initial_weights import initial_weights
from tatami.pipeline.plan import (
    NOTHING_HELD,
    Asked,
    Source,
    check_machine,
    held_out_of,
    plan,
    reopened,
    style_of,
    validation_of,
)
from tatami.tasks.base import Evaluated
from tatami.tasks.table import task_of
from tatami.tasks.training import Training, new_model, sent
from tatami.train.events import EventFile
from tatami.train.recipe import Recipe
from tatami.train.run import (
    BEST,
    CHECKPOINTS,
    END,
    EVENTS,
    INITIAL,
    NETWORK,
    WEIGHTS,
    Run,
    held,
)
from tatami.types import Size
from tatami.types.progress import Progress, quiet
from tatami.types.table import Table

if TYPE_CHECKING:  # torch is heavy: it is imported where training really starts
    from tatami.train.distributed import Team

CHOSEN_BY = (
    "the figures are those of the pictures by which the weights were chosen: "
    "expect less on others (hold out a share for the end, as 0.2, or name a test split)"
)
"""The remark where nothing is held out but what validates."""
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
    recipe: Recipe | str | None = None,
    changes: Mapping[str, Any] | None = None,
    settings: Any = None,
    augment: Sequence[str] = (),
    initial: Artifact | None = None,
    partial: bool = False,
    train_split: str | None = None,
    test_split: str | None = None,
    hold_out: str | int | None = None,
    format: str | None = None,
    skip: Sequence[str] = (),
    validate: str | float | None = None,
    patience: int | None = None,
    tensorboard: bool = False,
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
        epochs: How often every picture is seen; None: as the recipe says, which usually goes by the
            size of the set.
        batch: Pictures a step, over all processes; None: as the recipe says.
        learning_rate: The highest, after the warm-up; None: as the recipe says.
        seed: Of weights, order and augmentation; None: as the recipe says.
        recipe: How to train: "paper", as the network's paper, or "modern", as is done today; or a
            Recipe; None: the network's usual one.
        changes: Numbers of the recipe that are to be others, as {"momentum": 0.95}.
        settings: What is particular to the task: a DetectionSettings, ClassificationSettings or
            SegmentationSettings; None: the usual ones.
        augment: How pictures are varied otherwise than is usual, as ("flip=0", "scale=0.8,1.25").
        initial: What to begin from: a run, a safetensors file or a .pth file; None: random weights.
        partial: Whether to take of ``initial``, another network, only the first layers that fit.
        train_split: The split to learn from; None: trainval, else train.
        test_split: The split to evaluate on; None: test, else val.
        hold_out: Pictures of the training split to evaluate on: 10000 of them, or "0.2" of every
            class; with a seed, "0.2:SEED".
        format: The set's format; None: it is recognized.
        skip: Kinds of problems in the data to leave out.
        validate: What the best weights are chosen by: a split, or a part of the one to learn from,
            as 0.1 or "0.1:SEED"; None: the last weights are kept, except where ``patience`` needs
            pictures: it takes the set's own validation split, or 0.1.
        patience: End after this many evaluations in a row without a better figure; None: as the
            recipe says, which usually is: never.
        tensorboard: Whether losses and figures are written for TensorBoard, too.
        threads: Of torch, in each process; 0: torch chooses.
        device: "cpu" or "cuda".
        progress: Takes up how far it is.

    Returns:
        The run folder, and how good the network is.

    Raises:
        TatamiError: For anything that cannot be trained; where it is found before the first step,
            nothing has been written.
        Stopped: For Ctrl-C: the run folder is usable then, and can be resumed.
    """
    given: dict[str, Any] = {"epochs": epochs, "batch": batch, "learning_rate": learning_rate}
    given |= {"seed": seed, "patience": patience, "size": None if size is None else str(size)}
    changed = {name: value for name, value in given.items() if value is not None}
    style = style_of(model, recipe if isinstance(recipe, str) else None)
    base = recipe if isinstance(recipe, Recipe) else style.recipe
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
        Recipe.from_json({**base.to_json(), **(changes or {}), **changed}),
        settings,
        augment,
        Source(
            root,
            train_split,
            test_split,
            format,
            tuple(skip),
            held,
            None if validate is None else str(validate),
        ),
        threads,
        device,
        style,
    )

    def prepare(team: Team, progress: Progress) -> _Prepared:
        refuse_a_second_run(folder)
        run, learned = plan(asked, team, progress)
        begins = None
        if initial is not None:
            source = path_of(initial)
            begins = initial_weights(run, source, partial=partial, progress=progress)
        return _Prepared(run, learned, held_out_of(run), validation_of(run), True, begins)

    return _carried_out(folder, prepare, tensorboard, progress)


def resume(
    run: Artifact,
    *,
    epochs: int | None = None,
    tensorboard: bool = False,
    progress: Progress = quiet,
) -> TrainResult:
    """Go on with a training that was stopped, as it would have gone on.

    Args:
        run: The run folder.
        epochs: Lengthen the run to this many, be it finished or stopped. From here on the learning
            rate is that of a training of as many epochs; the steps before had their own, so the
            weights are not those of one that was as long from the beginning. None: go on exactly.
        tensorboard: Whether losses and figures are written for TensorBoard, too.
        progress: Takes up how far it is.

    Returns:
        The run folder, and how good the network is: without ``epochs`` the same, bit for bit, as
        without the stop.

    Raises:
        TatamiError: Where the folder holds no run, where its data have changed, and where it cannot
            be lengthened.
        Stopped: For Ctrl-C, as ``train`` does.
    """
    folder = path_of(run)

    def prepare(team: Team, progress: Progress) -> _Prepared:
        begun = read_run(folder)
        check_machine(begun, team)
        _tell_other_versions(begun, progress)
        run = begun if epochs is None else _lengthened(begun, folder, epochs, progress)
        return _Prepared(run, reopened(run), held_out_of(run), validation_of(run), False)

    return _carried_out(folder, prepare, tensorboard, progress)


def _lengthened(run: Run, folder: Path, epochs: int, progress: Progress) -> Run:
    """Give a run more epochs, from its newest checkpoint on.

    Raises:
        TatamiError: For fewer epochs than it has, and where its parts are trained in turns.
    """
    from tatami.train.checkpoint import steps_done

    before = run.recipe.whole_epochs
    if epochs == before:  # lengthened already, perhaps, and stopped then
        return run
    if epochs < before:
        raise TatamiError(
            f"the run has {before} epochs already", hint="give more of them", setting="epochs"
        )
    if task_of(run.spec).structure(run.spec).in_turns(run):
        raise TatamiError(
            "its parts are trained in turns, which cannot be made longer",
            hint="start a new run",
            setting="epochs",
        )
    done = steps_done(folder / CHECKPOINTS)
    progress(
        f"{epochs} epochs in place of {before}: from step {done} on, the learning rate is that of "
        f"a training of {epochs} epochs",
        0,
        0,
    )
    recipe = dataclasses.replace(run.recipe, epochs=epochs)
    return dataclasses.replace(run, recipe=recipe, lengthened=(*run.lengthened, (done, before)))


@dataclass(frozen=True)
class _Prepared:
    """A training about to begin, or to go on.

    Args:
        run: What was asked of it.
        data: The split that it learns from.
        held_out: The split that it is evaluated on, if there is one.
        validation: The pictures by which its best weights are chosen, if there are any.
        new: Whether the folder is to become the run's.
        initial: Weights to begin from, as a safetensors file's content, which the folder keeps.
    """

    run: Run
    data: Any
    held_out: Any | None
    validation: Any | None
    new: bool
    initial: bytes | None = None


def _carried_out(
    folder: Path,
    prepare: Callable[[Team, Progress], _Prepared],
    tensorboard: bool,
    progress: Progress,
) -> TrainResult:
    """Prepare a training in all processes, carry it out, and evaluate what came of it."""
    from tatami.train.distributed import all_or_none, join_team, leave_team

    team = join_team()
    voice = progress if team.leads else quiet  # a team speaks with one voice
    try:
        with all_or_none(team):
            ready = prepare(team, voice)
            for one in (ready.held_out, ready.validation):
                if one:  # now, and not when the training is over
                    task_of(ready.run.spec).check_classes(ready.run.spec, one.classes)
        train_in(
            folder,
            ready.run,
            ready.data,
            ready.validation or ready.held_out,
            team,
            new=ready.new,
            initial=ready.initial,
            tensorboard=tensorboard,
            progress=voice,
        )
        found, measured = None, ready.held_out or ready.validation
        if measured and team.leads:
            task = task_of(ready.run.spec)
            found = task.evaluate(open_run(folder), measured, progress=voice, stage="Evaluating")
        if not measured:
            voice(NOTHING_HELD, 0, 0)
        elif not ready.held_out:
            voice(CHOSEN_BY, 0, 0)
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
    watched: Any | None,
    team: Team,
    *,
    new: bool,
    initial: bytes | None = None,
    tensorboard: bool = False,
    progress: Progress = quiet,
) -> None:
    """Carry a run out in its folder, which is this process's own until it is over.

    Args:
        folder: The run folder.
        run: What was asked.
        data: The split to learn from.
        watched: The pictures to evaluate on now and then, if there are any.
        team: The processes that train.
        new: Whether the folder is to become the run's; else it is, and the run goes on.
        initial: Weights to begin from, as a safetensors file's content, which a new run's folder
            keeps.
        tensorboard: Whether to write event files for TensorBoard, too.
        progress: Takes up how far it is.

    Raises:
        TatamiError: As the training loop does, and where another process trains in the folder.
        Stopped: For Ctrl-C, when the averaged weights are exported.
    """
    from tatami.train.distributed import all_or_none

    events = None
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
                if new or run.lengthened:
                    run.save(folder)
                if tensorboard:
                    events = stack.enter_context(EventFile(folder / EVENTS))
        hand = stack.enter_context(Interruption(team))
        stack.enter_context(_deterministic())
        _carry_out(run, data, watched, folder, team, hand, events, progress)


@contextlib.contextmanager
def _deterministic() -> Iterator[None]:
    """Let torch take algorithms of one result alone, and whatever it took before when this ends."""
    import torch

    memory: Any = torch.utils.deterministic  # whose attributes are made at run time
    before = torch.are_deterministic_algorithms_enabled(), memory.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True)
    # torch would write NaN into all that it allocates, to show operations that read it unwritten.
    # None of ours does, and the writing takes time: 4% of a translator's step.
    memory.fill_uninitialized_memory = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        memory.fill_uninitialized_memory = before[1]


def _carry_out(
    run: Run,
    data: Any,
    watched: Any | None,
    folder: Path,
    team: Team,
    hand: Interruption,
    events: EventFile | None,
    progress: Progress,
) -> None:
    """Train, evaluate now and then, and leave the weights and the ONNX file in the run folder."""
    import torch

    from tatami.train.checkpoint import fill, load_latest, load_weights, save_weights, steps_done
    from tatami.train.distributed import mean_over_team

    task = task_of(run.spec)
    structure = task.structure(run.spec)
    torch.set_num_threads(run.threads)
    torch.manual_seed(run.recipe.seed)
    model, average = new_model(run).to(run.device), new_model(run).to(run.device)
    task.prepare_model(model, run)
    if (folder / INITIAL).is_file():
        load_weights(model, folder / INITIAL)

    def examples(data: Any, run: Run) -> Any:
        return structure.examples(data, run, task.examples)

    training = Training(run, folder, team, progress, examples)
    data = structure.prepare_data(data, training)
    evaluations = Evaluations(run, folder, watched)

    def agreed(stop: bool) -> bool:
        """Let the team stop at the same step, whichever of it wants to."""
        return mean_over_team(float(stop), team) > 0

    over = agreed(evaluations.exhausted(steps_done(folder / CHECKPOINTS)))
    if over:  # a resumed run that had ended before its last epoch
        latest = load_latest(folder / CHECKPOINTS)
        assert latest is not None
        fill(average, latest.part("average"), folder / CHECKPOINTS)
    if team.leads:
        (folder / END).unlink(missing_ok=True)  # of a training before this one
    steps = structure.train(training, data, model, average)
    step, stop, asked, loss, told = None, False, False, None, 0.0
    while not over and (following := sent(steps, stop)):
        step = following
        loss = step.row["loss"] if loss is None else 0.95 * loss + 0.05 * step.row["loss"]
        if events:
            events.add(step.done, {f"train/{name}": value for name, value in step.row.items()})
        evaluated = team.leads and evaluations.due(step.done, step.total)
        if evaluated:
            try:
                found = evaluations.add(step.done, average, hand.watch)
            except Cut:  # no checkpoint here: resumed, the run comes by and evaluates again
                over = agreed(True)
                steps.close()
                break
            if events:
                events.add(step.done, {f"evaluation/{name}": found[name] for name in found})
        if evaluated or time.monotonic() - told > EVERY or step.done == step.total:
            note = f"loss {loss:.3f}{evaluations.note(step.done)}"
            progress("Training", step.done, step.total, note)
            told = time.monotonic()
        asked = team.leads and evaluations.asked_to_end(step.done, step.total)
        stop = agreed(hand.asked or asked or (team.leads and evaluations.exhausted(step.done)))
    ended = step is not None and evaluations.exhausted(step.done)  # in the process that leads
    by_hand = hand.asked or (team.leads and stop and not (ended or asked))
    where = f"step {step.done} of {step.total}" if step and step.done < step.total else ""
    if team.leads:
        if where and ended:
            count = run.recipe.patience
            progress(f"no better figure in {count} evaluations: ended after {where}", 0, 0)
        if where and asked:
            (folder / END).unlink(missing_ok=True)
            progress(f"asked to end with its epoch: ended after {where}", 0, 0)
        if step and not where and (remark := evaluations.rising(step.total)):
            progress(remark, 0, 0)
        best, spec = evaluations.best(), run.spec
        if best:
            load_weights(average, folder / BEST)
        structure.complete(training, data, average)
        save_weights(folder / WEIGHTS, average.state_dict())
        halted = where and (by_hand or asked)
        whose = str(best) if best else f"{where}, where it was stopped" if halted else ""
        if whose:
            spec = spec.changed(provenance={**spec.provenance, "weights": whose})
            progress(f"{NETWORK} has the averaged weights of {whose}", 0, 0)
        structure.export(average.cpu(), spec, folder)
    if by_hand and where:
        raise Stopped(f"stopped after {where}; {folder} can be used (resume it to go on)")
    if by_hand or hand.asked:
        raise Stopped(f"stopped when the training was over; {folder} can be used")


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
