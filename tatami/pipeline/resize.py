"""A trained network at another input size, fine-tuned there.

A convolution's operations go with its pixels. How much accuracy goes with them, and how much of it
a short training brings back, is measured and not guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tatami import graph
from tatami.errors import TatamiError
from tatami.graph.costs import costs, total
from tatami.graph.network import Network
from tatami.models.table import model_named
from tatami.pipeline.artifact import Source, open_artifact, path_of, read_run
from tatami.pipeline.plan import held_out_of, reopened
from tatami.pipeline.train import refuse_a_second_run, train_in
from tatami.shrink.resize import resize as resize_network
from tatami.tasks.base import Task
from tatami.tasks.settings import check_size
from tatami.train.run import NETWORK, WEIGHTS, Run
from tatami.types import Size
from tatami.types.progress import Progress, quiet
from tatami.types.table import Table, numbers, words

LOWERED = "lowered.onnx"
GENTLER = 5
"""Fine-tuning begins with the training's learning rate divided by this."""


@dataclass(frozen=True)
class Stage:
    """What a network costs and is worth at one stage.

    Args:
        stage: "before", "lowered" or "fine-tuned".
        size: Its input.
        multiply_adds: Of one picture.
        task: What it is for.
        result: Its metrics.
        file: Where it is.
    """

    stage: str
    size: str
    multiply_adds: int
    task: Task[Any, Any, Any]
    result: Any
    file: str

    def to_json(self) -> dict[str, Any]:
        """Give it as plain values."""
        figures = {each.key: each.value(self.result) for each in self.task.resized_merits()}
        return {
            "stage": self.stage,
            "size": self.size,
            "multiply_adds": self.multiply_adds,
            **figures,
            "file": self.file,
        }


@dataclass(frozen=True)
class ResizeResult:
    """What became of a network at another input size.

    Args:
        path: The new run folder, or the new file.
        stages: What it costs and is worth, before and after.
    """

    path: Path
    stages: tuple[Stage, ...]

    def to_json(self) -> dict[str, Any]:
        """Give the result as plain values."""
        return {"output": str(self.path), "stages": [stage.to_json() for stage in self.stages]}

    def tables(self) -> list[Table]:
        """Lay the stages out, a row each."""
        merits = self.stages[0].task.resized_merits()
        titles = ("input", "G multiply-adds", *(each.short for each in merits))
        rows = []
        for one in self.stages:
            figures = (f"{each.value(one.result):.4f}" for each in merits)
            rows.append((one.stage, one.size, f"{one.multiply_adds / 1e9:.4g}", *figures))
        return [Table((words(""), *numbers(*titles)), tuple(rows))]

    def lines(self) -> list[str]:
        """Say what was saved and what was lost."""
        first, last = self.stages[0], self.stages[-1]
        task = first.task
        gained = task.figure(last.result) - task.figure(first.result)
        return [
            f"{last.multiply_adds / first.multiply_adds:.0%} of the operations, "
            f"{100 * gained:+.2f} points of {task.measure}"
        ]


def resize(
    network: Source,
    size: str | Size,
    out: str | Path | None = None,
    *,
    epochs: int = 20,
    learning_rate: float | None = None,
    threads: int | None = None,
    data: str | Path | None = None,
    split: str | None = None,
    format: str | None = None,
    skip: Sequence[str] = (),
    progress: Progress = quiet,
) -> ResizeResult:
    """Change the input size of a network, and measure what it costs and is worth before and after.

    Args:
        network: A run folder, whose network is fine-tuned; or an ONNX file, whose is not.
        size: The new input, width by height, as "352x288".
        out: The new run folder, or file; None: beside the old one, with the size in its name.
        epochs: Of fine-tuning, on the run's own data; 0: none.
        learning_rate: Of fine-tuning; None: a fifth of the run's.
        threads: Of torch; None: those of the run.
        data: The labeled set to measure a file on; a run knows its own.
        split: The split of ``data``.
        format: The format of ``data``; None: it is recognized.
        skip: Kinds of problems in ``data`` to leave out.
        progress: Takes up how far it is.

    Returns:
        Where the network is, and what it costs and is worth.

    Raises:
        TatamiError: For a network that fixes a shape on the way, and where a run is not over or has
            nothing to measure on.
    """
    path = path_of(network)
    wanted = Size.parse(size) if isinstance(size, str) else size
    if path.is_dir():
        given = {"data": data, "split": split, "format": format, "skip": skip}
        for setting, value in given.items():
            if value:
                raise TatamiError("a run knows its own data", hint="leave it out", setting=setting)
        target = path.with_name(f"{path.resolve().name}-{wanted}") if out is None else Path(out)
        tuning = _Tuning(epochs, learning_rate, threads)
        return ResizeResult(target, _of_run(path, wanted, target, tuning, progress))
    if data is None:
        raise TatamiError("no pictures to measure on", hint="name a labeled set", setting="data")
    target = path.with_name(f"{path.stem}-{wanted}.onnx") if out is None else Path(out)
    task = open_artifact(path).task
    held_out = task.open(Path(data), split=split, format=format, skip=skip).data
    return ResizeResult(target, _of_file(path, wanted, target, held_out, progress))


@dataclass(frozen=True)
class _Tuning:
    """How a network is fine-tuned, as ``resize`` says it."""

    epochs: int
    learning_rate: float | None
    threads: int | None


def _of_file(
    file: Path, size: Size, target: Path, held_out: Any, progress: Progress
) -> tuple[Stage, ...]:
    lowered = _lowered(file, size)
    if target.resolve() == file.resolve():
        raise TatamiError(
            "the output would replace its source", hint="name another file", setting="out"
        )
    before = _measured("before", file, held_out, progress)
    graph.write(lowered, target)
    return before, _measured("lowered", target, held_out, progress)


def _of_run(
    folder: Path, size: Size, target: Path, tuning: _Tuning, progress: Progress
) -> tuple[Stage, ...]:
    """Lower a run's network, and fine-tune it as a new run that begins with the old weights."""
    from tatami.train.distributed import Team

    run = read_run(folder)
    for name in (NETWORK, WEIGHTS):
        if not (folder / name).is_file():
            raise TatamiError(
                f"the run is not over: it has no {name} yet",
                file=folder,
                hint="resume its training",
            )
    held_out = held_out_of(run)
    if held_out is None:
        raise TatamiError(
            "the run's data have no split to measure on",
            file=folder,
            hint=f"give {folder / NETWORK}, and a labeled set with a split",
        )
    check_size(size, model_named(run.model).stride)
    lowered = _lowered(folder / NETWORK, size)
    refuse_a_second_run(target)
    data = reopened(run)
    before = _measured("before", folder / NETWORK, held_out, progress)
    target.mkdir(parents=True, exist_ok=True)
    graph.write(lowered, target / LOWERED)
    stages = [before, _measured("lowered", target / LOWERED, held_out, progress)]
    if tuning.epochs:
        train_in(
            target,
            _tuned(run, lowered, size, tuning),
            data,
            held_out,
            Team(),
            new=True,
            initial=(folder / WEIGHTS).read_bytes(),
            progress=progress,
        )
        stages.append(_measured("fine-tuned", target / NETWORK, held_out, progress))
    return tuple(stages)


def _tuned(run: Run, lowered: Network, size: Size, tuning: _Tuning) -> Run:
    """Make the run that fine-tunes another one's network."""
    assert lowered.spec is not None
    epochs = tuning.epochs
    recipe = replace(
        run.recipe,
        size=size,
        epochs=epochs,
        learning_rate=tuning.learning_rate or run.recipe.learning_rate / GENTLER,
        warmup_epochs=min(run.recipe.warmup_epochs, epochs / 10),
        closing_epochs=epochs,  # whole pictures at the exact size: that is what is to be learned
        evaluate_every=0,
    )
    threads = tuning.threads or run.threads
    return replace(run, spec=lowered.spec, recipe=recipe, processes=1, threads=threads)


def _lowered(file: Path, size: Size) -> Network:
    network = graph.read(file)
    try:
        return resize_network(network, size)
    except TatamiError as error:
        raise error.at(file) from error


def _measured(stage: str, file: Path, held_out: Any, progress: Progress) -> Stage:
    artifact = open_artifact(file)
    found = artifact.task.evaluate(
        artifact.predictor, held_out, progress=progress, stage=f"Evaluating, {stage}"
    )
    size, work = str(artifact.spec.input.size), total(costs(graph.read(file))).multiply_adds
    return Stage(stage, size, work, artifact.task, found.result, str(file))
