"""Measure what a network is worth on labeled pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from tatami.data.split_names import training_split
from tatami.errors import TatamiError
from tatami.pipeline.artifact import Source, open_artifact, path_of
from tatami.pipeline.run_data import UsedData, measured_on
from tatami.see.html import result_html
from tatami.tasks.base import Opened, Result, Task
from tatami.tasks.table import TASKS, task_of_data
from tatami.types.progress import Progress, quiet
from tatami.types.table import Table

AnyTask = Task[Any, Any, Any]


@dataclass(frozen=True)
class EvaluateResult:
    """What a network is worth on a split.

    Args:
        evaluated: What was measured: an artifact, or a file of detections.
        data: The labeled set.
        split: The split of it.
        task: What the network is for.
        result: The metrics: what they are depends on the task.
        skipped: How many problems of each accepted kind were left out.
        pictures_per_second: From pixels to answers; None where nothing was run.
        facts: How it was measured, where the task has a choice.
        files: What was written.
    """

    evaluated: Path
    data: Path
    split: str
    task: AnyTask
    result: Result
    skipped: Mapping[str, int]
    pictures_per_second: float | None
    facts: Mapping[str, Any]
    files: tuple[Path, ...] = ()

    @property
    def figure(self) -> float:
        """The headline figure, in 0 to 1: mAP, top-1 accuracy or mIoU."""
        return self.task.figure(self.result)

    def to_json(self) -> dict[str, Any]:
        """Give everything that was measured as plain values."""
        return {
            "evaluated": str(self.evaluated),
            "data": str(self.data),
            "split": self.split,
            **self.facts,
            "skipped": dict(self.skipped),
            "pictures_per_second": self.pictures_per_second,
            **self.result.to_json(),
        }

    def tables(self) -> list[Table]:
        """Lay the metrics out: a row a class."""
        return self.task.tables(self.result)

    def lines(self) -> list[str]:
        """Say the figures over all classes, a line each."""
        speed = self.pictures_per_second
        finds = self.task.finds
        told = [] if speed is None else [f"{speed:.1f} pictures a second, from pixels to {finds}"]
        return [*self.task.lines(self.result), *told]

    def _repr_html_(self) -> str:
        """Show the tables and the lines in a notebook."""
        return result_html(self.tables(), self.lines())


def evaluate(
    artifact: Source | None = None,
    data: str | Path | None = None,
    *,
    detections: str | Path | None = None,
    split: str | None = None,
    format: str | None = None,
    skip: Collection[str] = (),
    hold_out: str | None = None,
    tiling: int | None = None,
    tta: bool = False,
    options: Any = None,
    trust: bool = False,
    progress: Progress = quiet,
) -> EvaluateResult:
    """Measure an artifact, or detections in a file, on a split of a labeled set.

    Args:
        artifact: A run folder, an ONNX file or a shipped folder.
        data: The labeled set: its folder, or the file that describes it; None: that of the run
            which the artifact is of.
        detections: In place of an artifact, a file in COCO's results format. The pictures of the
            set need not be there where its labels state their sizes, as VOC's and COCO's do.
        split: The split of the set; None: the only one, and in the set of the run what it held out.
        format: The format of the set; None: it is recognized.
        skip: Kinds of problems to leave out, as unreadable-picture.
        hold_out: Measure on pictures held out of the split that is trained on: "10000" of them,
            "0.2" of every class, or with a seed "0.2:7".
        tiling: For segmentation, run in tiles at full resolution, overlapping by this many pixels.
        tta: For segmentation, average over flips and 90-degree rotations.
        options: What else may be chosen, by name: for detection "score", "at", "iou", "difficult",
            "absent_classes", "bootstrap", "diagnose", "similar", "curves" and "save", as
            DetectionOptions describes them; for translation "beam" and "penalty".
        trust: Whether to run a shipped folder that this installation did not write.
        progress: Takes up how far it is.

    Raises:
        TatamiError: For a bad artifact or set, for classes that are not the same, and for an option
            of another task.
    """
    options = _by_name(options)
    paths = () if artifact is None else (path_of(artifact),)
    used = measured_on(paths, data, split=split, format=format, skip=skip, hold_out=hold_out)
    root = used.root
    if detections is not None:
        if artifact is not None:
            raise TatamiError(
                "one thing is evaluated at a time",
                hint="give an artifact or a file of detections",
                setting="detections",
            )
        task = task_of_data(root, used.format)
        task.adapted(None, tiling, tta)
        opened = open_used(task, used, labels_alone=True)
        chosen = options_of(task, options)
        found = task.evaluate_file(Path(detections), opened.data, chosen)
        evaluated = Path(detections)
    else:
        if artifact is None:
            raise TatamiError(
                "nothing to evaluate is given",
                hint="give an artifact, or a file of detections",
                setting="artifact",
            )
        network = open_artifact(artifact, trust=trust)
        task, evaluated = network.task, network.path
        predictor = task.adapted(network.predictor, tiling, tta)
        chosen = options_of(task, options)
        if used.remark:
            progress(used.remark, 0, 0)
        opened = open_used(task, used)
        found = task.evaluate(
            predictor, opened.data, options=chosen, skip=used.skip, progress=progress
        )
    files = task.write(opened.data, found, chosen)
    skipped = Counter(opened.skipped) + Counter({"unreadable-picture": found.unreadable})
    return EvaluateResult(
        evaluated,
        root,
        opened.data.split,
        task,
        found.result,
        {kind: count for kind, count in sorted(skipped.items()) if count},
        found.pictures_per_second,
        task.facts(chosen),
        tuple(files),
    )


def open_used(task: AnyTask, used: UsedData, *, labels_alone: bool = False) -> Opened[Any]:
    """Open the part of a labeled set that a stage uses: a split, or what is held out of it.

    Args:
        task: What the set is for.
        used: The part.
        labels_alone: Whether nobody will look at the pictures, which then need not be there.

    Raises:
        TatamiError: As open_split does.
    """
    return open_split(
        task,
        used.root,
        split=used.split,
        format=used.format,
        skip=used.skip,
        hold_out=used.hold_out,
        labels_alone=labels_alone,
    )


def open_split(
    task: AnyTask,
    root: Path,
    *,
    split: str | None = None,
    format: str | None = None,
    skip: Collection[str] = (),
    hold_out: str | None = None,
    labels_alone: bool = False,
) -> Opened[Any]:
    """Open a split of a task's labeled set, or what is held out of its only one.

    Args:
        task: What the set is for.
        root: The set: its folder, or the file that describes it.
        split: The split of the set; None: the only one.
        format: The format of the set; None: it is recognized.
        skip: Kinds of problems to leave out.
        hold_out: How many pictures are held out, as "10000" or "10000:7"; None: the whole split.
        labels_alone: Whether nobody will look at the pictures, which then need not be there.

    Raises:
        TatamiError: For a set that is not sound, and where nothing can be held out.
    """
    if hold_out is not None and split is None:
        split = training_split(task.splits(root, format))  # what a training holds it out of
    opening = task.open_labels if labels_alone else task.open
    opened: Opened[Any] = opening(root, split=split, format=format, skip=skip)
    if hold_out is None:
        return opened
    return Opened(task.hold_out(opened.data, hold_out)[1], opened.skipped, opened.notes)


def _by_name(given: Any) -> Any:
    """Make options of their names where one task has them all: values are checked before a file."""
    if not isinstance(given, Mapping):
        return given
    owner = next((one for one in TASKS if set(given) <= _names(one.options)), None)
    return given if owner is None else owner.options(**given)


def options_of(task: AnyTask, given: Any) -> Any:
    """Give a task's options: those that are given, else the usual ones.

    Args:
        task: The task.
        given: The options of a task, or the same by name; None: the usual ones.

    Raises:
        TatamiError: Where something was chosen that another task has; it names the option.
    """
    if given is None:
        return task.options()
    if type(given) is task.options:
        return given
    if isinstance(given, Mapping):
        foreign = [name for name in given if name not in _names(task.options)]
        if not foreign:
            return task.options(**given)
    else:
        foreign = [one.name for one in fields(given) if getattr(given, one.name) != one.default]
        if not foreign:
            return task.options()
    owner = next((one for one in TASKS if foreign[0] in _names(one.options)), None)
    whose = "no task" if owner is None else f"a {owner.noun}"
    raise TatamiError(
        f"it is an option of {whose}, and this is a {task.noun}",
        hint="leave it out",
        setting=foreign[0],
    )


def _names(options: type) -> set[str]:
    return {one.name for one in fields(options)}
