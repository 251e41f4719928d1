"""Prove a network: every form of it is compared with the one before, on labeled pictures."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tatami import graph
from tatami.errors import TatamiError
from tatami.pipeline.artifact import Source, path_of, run_shipped
from tatami.pipeline.bare import (
    DRAWN,
    RANDOM,
    check_all_bare,
    is_bare,
    ledger_of,
    more_forms,
    open_bare,
    samples_of,
)
from tatami.pipeline.evaluate import open_used
from tatami.pipeline.ledger import (
    FLOAT_BOUND,
    QUANTIZATION_LOSS,
    UNPOOLED_BOUND,
    Ledger,
    Row,
    Stage,
    compare_answers,
    compare_integers,
    compare_maps,
    compare_pictures,
    compare_quantized,
)
from tatami.pipeline.run_data import measured_on
from tatami.pipeline.stages import open_stage, shipped_stage, simulated_stage, stages_of
from tatami.ship.backend import Backend, Running
from tatami.ship.table import BACKENDS, backend_of
from tatami.tasks.base import Task
from tatami.tasks.structure import Structure
from tatami.types import Float32, Picture, Spec
from tatami.types.progress import Progress, quiet
from tatami.types.table import Table

COMPARED = 8
"""Pictures whose maps, layers and answers are compared number by number; the figure is of all."""
REGIONS = 4
"""Of a picture, by which networks that look at regions are compared."""
EMULATED = 1
"""Pictures that an emulated machine is given."""


@dataclass(frozen=True)
class Proof:
    """The ledger of a network's forms, and what it was made on.

    Args:
        data: The labeled set.
        split: Which split of it.
        pictures: How many pictures the figures are of.
        compared: How many of them were compared number by number.
        skipped: How many problems of each accepted kind were left out of the set.
        ledger: The rows.
    """

    data: Path
    split: str
    pictures: int
    compared: int
    skipped: Mapping[str, int]
    ledger: Ledger

    @property
    def passed(self) -> bool:
        """Say whether every row is within its bound."""
        return self.ledger.passed

    def to_json(self) -> dict[str, Any]:
        """Give the proof as plain values."""
        return {
            "data": str(self.data),
            "split": self.split,
            "pictures": self.pictures,
            "skipped": dict(self.skipped),
            **self.ledger.to_json(),
        }

    def tables(self) -> list[Table]:
        """Lay the ledger out as a table."""
        return self.ledger.tables()

    def lines(self) -> list[str]:
        """Say what the figures are of."""
        measure = self.ledger.measure
        if not measure:
            return [f"differences of {self.compared} samples, {self.data}"]
        return [f"{measure} of {self.pictures} pictures, differences of {self.compared}"]

    def failures(self) -> list[str]:
        """Say of each row outside its bound by how much, a line each."""
        return self.ledger.failures()

    def _repr_html_(self) -> str:
        """Show the ledger in a notebook."""
        return self.ledger._repr_html_()


def prove(
    artifacts: Source | Sequence[Source],
    data: str | Path | None = None,
    *,
    split: str | None = None,
    format: str | None = None,
    hold_out: str | None = None,
    skip: Collection[str] = (),
    pictures: int | None = None,
    inputs: str | Path | None = None,
    variants: bool = False,
    on: Sequence[str] = (),
    rtl: str = "",
    trust: bool = False,
    progress: Progress = quiet,
) -> Proof:
    """Compare every form of a network with the one that it was made of.

    Args:
        artifacts: A run folder, which brings what came of it, or files and folders in order.
        data: The labeled set; None: that of the run which they are of.
        split: Its split, as "test"; None: in the set of the run what it held out.
        format: Its format, where it is not recognized.
        hold_out: For a set with one split: the pictures held out of it, as "10000".
        skip: Kinds of problems to leave out.
        pictures: Only this many of the split's pictures; None: all.
        inputs: What a network without a task is given: a .npy or .npz file, a folder of arrays or
            pictures, or "random", which is usual.
        variants: Whether to prove each kind of kernels that this processor has.
        on: Machines to run shipped folders on too, emulated, as "aarch64".
        rtl: The parameters of an engine in Verilog, as "LANES=16": the network in 8 bits is
            simulated on it, too.
        trust: Whether to run shipped folders that this installation did not write.
        progress: Takes up how far it is.

    Raises:
        TatamiError: For an artifact or a set that cannot be used, and for forms of different
            networks.
    """
    for target in on:
        _check_emulated(target)
    several: list[Source] = (
        list(artifacts)
        if isinstance(artifacts, Sequence) and not isinstance(artifacts, str)
        else [artifacts]
    )
    given = [path for artifact in several for path in stages_of(path_of(artifact))]
    paths = list({path.resolve(): path for path in given}.values())  # a run folder brings its own
    if not paths:
        raise TatamiError("there is nothing to prove", hint="give a run folder or files")
    bare = [is_bare(path) for path in paths]
    check_all_bare(paths, bare)
    if all(bare):
        if rtl:
            raise TatamiError(
                "a network without a task is proved on the engine as a shipped folder",
                hint="ship it as RTL, and name the folder",
                setting="rtl",
            )
        if data is not None:
            raise TatamiError(
                "no tatami metadata: labeled pictures say nothing about a network without a task",
                hint="give arrays or pictures as its inputs, or import it again with its task",
                file=paths[0],
                setting="data",
            )
        count = pictures or DRAWN
        return _prove_bare(paths, inputs, count, progress, variants=variants, on=on, trust=trust)
    if inputs is not None:
        raise TatamiError(
            "the network has a task: it is proved on labeled pictures",
            hint="name a set",
            setting="inputs",
        )
    used = measured_on(
        [path_of(artifact) for artifact in several],
        data,
        split=split,
        format=format,
        skip=skip,
        hold_out=hold_out,
    )
    stages = [open_stage(path, trust=trust) for path in paths]
    opened_at = zip(paths, stages, strict=True)
    folders = [_Folder.at(path, stage, trust) for path, stage in opened_at if stage.compiled]
    if rtl:
        stages.append(simulated_stage(paths, rtl))
    if variants:
        stages += [stage for folder in folders if not folder.parted for stage in _variants(folder)]
    task = stages[0].task
    if used.remark:
        progress(used.remark, 0, 0)
    opened = open_used(task, used)
    dataset = opened.data
    if pictures is not None and pictures < len(dataset):
        dataset = task.select(dataset, np.arange(pictures))
    if not len(dataset):
        hint = "name another split"
        raise TatamiError("there is no picture to prove it on", hint=hint, file=used.root)
    found = ledger(stages, dataset, skip=used.skip, progress=progress)
    rows = list(found.rows)
    few = some_pictures(task, dataset, EMULATED)
    for folder in folders:
        machines = [*([None] if variants and folder.parted else []), *on]
        for machine in machines:
            rows += _elsewhere(folder, machine, stages, few)
    return Proof(
        used.root,
        dataset.split,
        len(dataset),
        min(COMPARED, len(dataset)),
        Counter(opened.skipped),
        Ledger(tuple(rows), found.measure),
    )


def _prove_bare(
    paths: Sequence[Path],
    inputs: str | Path | None,
    count: int,
    progress: Progress,
    *,
    variants: bool,
    on: Sequence[str],
    trust: bool,
) -> Proof:
    """Compare the forms of a network without a task, number by number."""
    first = next((path for path in paths if path.is_file()), None)
    if first is None:
        raise TatamiError("a shipped folder is compared with the file that it was made of",
                          hint="name the ONNX file before the folder", file=paths[0])  # fmt: skip
    samples = samples_of(graph.read(first), inputs, count)
    forms = [open_bare(path, trust=trust) for path in paths]
    forms += more_forms(paths, variants=variants, on=on, trust=trust)
    found = ledger_of(forms, samples, progress)
    return Proof(Path(inputs or RANDOM), "", len(samples), len(samples), {}, found)


def ledger(
    stages: Sequence[Stage],
    dataset: Any,
    *,
    skip: Collection[str] = (),
    progress: Progress = quiet,
) -> Ledger:
    """Make the rows of some stages, each compared with the one that it was made of.

    Args:
        stages: What is compared, in order.
        dataset: A split of the first stage's task.
        skip: Kinds of problems to leave out.
        progress: Takes up how far it is.

    Raises:
        TatamiError: Where they differ in what they are for: other classes, another input.
    """
    task = stages[0].task
    pictures = some_pictures(task, dataset, COMPARED)
    rows: list[Row] = []
    figures: dict[str, float] = {}
    for place, stage in enumerate(stages):
        if stage.task is not task:
            raise TatamiError(f"{stage.name} is no {task.noun}", hint="prove one kind at a time")
        reference = reference_of(stage, stages[:place])
        if reference is not None:
            _check_same_use(stage, reference)
        found = task.evaluate(
            stage.predictor, dataset, skip=skip, progress=progress, stage=stage.name
        )
        figure = task.figure(found.result)
        rows.append(
            replace(
                _compare(stage, reference, pictures),
                figure=figure,
                reference_figure=None if reference is None else figures[reference.name],
                size=stage.size,
                milliseconds=found.milliseconds,
            )
        )
        figures[stage.name] = figure
        if reference is not None:
            rows += _compare_parts(stage, reference, pictures)
        rows += _compare_rules(stage, pictures)
    return Ledger(tuple(rows), task.measure)


def some_pictures(task: Task[Any, Any, Any], dataset: Any, count: int) -> list[Picture]:
    """Read the first pictures of a split that can be read: evaluating it refuses the others."""
    pictures: list[Picture] = []
    for place in range(len(dataset)):
        if len(pictures) == count:
            break
        with contextlib.suppress(TatamiError):
            pictures.append(task.picture(dataset, place))
    return pictures


def reference_of(stage: Stage, before: Sequence[Stage]) -> Stage | None:
    """Choose what a stage is compared with.

    A compiled stage has the last ONNX file of its kind, float or integer; an integer network the
    last float one; all else the one before.
    """
    kind = stage.integers is not None
    if stage.compiled:
        same = [one for one in before if not one.compiled and (one.integers is not None) == kind]
    else:
        same = [one for one in before if not one.compiled and not (kind and one.integers)]
    candidates = same or list(before)
    return candidates[-1] if candidates else None


def _compare(stage: Stage, reference: Stage | None, pictures: Sequence[Picture]) -> Row:
    """Compare a stage's raw maps; where its parts have rows of their own, only its figure."""
    if reference is None:
        return Row(stage.name)
    _check_same_use(stage, reference)
    if stage.parts or stage.spec.several_calls:
        rounded = stage.integers is not None and reference.integers is None
        return Row(stage.name, reference.name, loss=QUANTIZATION_LOSS if rounded else None)
    return _compare_maps(
        stage, reference, [stage.task.image(each, stage.spec) for each in pictures]
    )


def _compare_parts(stage: Stage, reference: Stage, pictures: Sequence[Picture]) -> list[Row]:
    """Compare each part by what the reference's parts give it."""
    alike = _compare_tokens(stage, reference, pictures)
    if alike and not (stage.parts and reference.parts):
        return alike
    if len(stage.parts) != len(reference.parts):
        raise TatamiError(
            f"{stage.name} and {reference.name} are not of one kind",
            hint="prove the stages of one network",
        )
    if not stage.parts:
        return []
    structure = _structure(reference)
    calls = structure.calls(reference.spec, reference.parts, pictures[:REGIONS])
    if calls is not None:
        several = zip(stage.parts, reference.parts, calls, strict=True)
        return [*(_compare_maps(part, other, given) for part, other, given in several), *alike]
    forwards = [part.forward for part in reference.parts]
    inputs = structure.inputs(reference.spec, forwards, pictures, REGIONS)
    return [
        _compare_maps(part, other, [one[None] for several in given for one in several])
        for part, other, given in zip(stage.parts, reference.parts, inputs, strict=True)
    ]


def _compare_tokens(stage: Stage, reference: Stage, pictures: Sequence[Picture]) -> list[Row]:
    """Compare the answers of two forms of a predictor that answers by many calls.

    Where one of them is in integers and the other is not, answers may differ: the figure is
    bounded.
    """
    if not stage.spec.several_calls or stage.predictor is None:  # a board reads no lines
        return []
    found = stage.task.compare(stage.predictor, reference.predictor, pictures)
    rounded = (stage.integers is None) != (reference.integers is None)
    bound = None if rounded else found.bound
    return [Row(f"{stage.name} {found.what}", reference.name, found.worst, found.unit, bound)]


def _compare_maps(stage: Stage, reference: Stage, images: Sequence[Float32]) -> Row:
    """Compare by inputs (1, channels, rows, columns), one after another."""
    if stage.integers is None:
        unpools = stage.unpools or reference.unpools
        return compare_maps(stage, reference, images, UNPOOLED_BOUND if unpools else FLOAT_BOUND)
    if reference.integers is not None:
        return compare_integers(stage, reference, images)
    if reference.values is None:
        return Row(stage.name, reference.name, loss=QUANTIZATION_LOSS)
    return compare_quantized(stage, reference, images)


def _compare_rules(stage: Stage, pictures: Sequence[Picture]) -> list[Row]:
    """Compare a stage's own rules for pictures and answers with the written ones."""
    if not stage.compiled or stage.spec.several_calls:
        return []  # its answers are compared with those of its reference
    rows = []
    if stage.prepare is not None and stage.taken is not None:
        expected = [stage.taken(stage.task.image(each, stage.spec)[0]) for each in pictures]
        rows.append(compare_pictures(stage, pictures, expected))
    forwards = [part.forward for part in stage.parts or (stage,)]
    rule = _structure(stage).predictor(stage.spec, forwards)
    return [*rows, compare_answers(stage, rule, pictures)]


def _structure(stage: Stage) -> Structure:
    return stage.task.structure(stage.spec)


@dataclass(frozen=True)
class _Folder:
    """A shipped folder.

    Args:
        path: Where it is.
        backend: What wrote it.
        parted: Whether its networks have rows of their own.
        trust: Whether it is run whoever wrote it.
    """

    path: Path
    backend: Backend[Any, Any]
    parted: bool
    trust: bool

    @staticmethod
    def at(path: Path, stage: Stage, trust: bool) -> _Folder:
        backend = backend_of(path)
        assert backend is not None
        return _Folder(path, backend, bool(stage.parts), trust)

    @property
    def kind(self) -> str:
        return self.backend.name.upper()


def _variants(folder: _Folder) -> list[Stage]:
    """Open a folder with each kind of kernels that its program and this processor have."""
    found = [_variant(folder, kind) for kind in reversed(folder.backend.variants(folder.path))]
    return [
        shipped_stage(*one, f"{folder.kind} {_numbers(one[1])} {_kernels(one[1])}")
        for one in found
        if one is not None
    ]


def _variant(
    folder: _Folder, variant: str, target: str | None = None
) -> tuple[Spec, Running] | None:
    """Run a folder with a kind of kernels; None where this processor has not got them."""
    spec, running = run_shipped(folder.path, variant=variant, target=target, trust=folder.trust)
    try:
        _kernels(running)
    except TatamiError:
        running.close()
        if target is not None:
            raise
        return None
    return spec, running


def _numbers(running: Running) -> str:
    """Say what a program computes in."""
    return "int8" if any(one.quantized for one in running.networks.values()) else "float"


def _kernels(running: Running) -> str:
    return next(iter(running.networks.values())).kernels


def _elsewhere(
    folder: _Folder, target: str | None, references: Sequence[Stage], pictures: Sequence[Picture]
) -> list[Row]:
    """Run a folder with each kind of kernels of a machine by a few pictures, without the figure.

    Args:
        folder: What is run.
        target: The machine, emulated; None: this one.
        references: The stages that it is compared with.
        pictures: By which.
    """
    rows: list[Row] = []
    for place, variant in enumerate(folder.backend.variants(folder.path, target)):
        found = _variant(folder, variant, target)
        if found is None:
            continue
        spec, running = found
        with running:
            where = target or _numbers(running)
            name = f"{folder.kind} {where} {variant}"
            stage = shipped_stage(spec, running, name)
            reference = reference_of(stage, references)
            assert reference is not None  # the folder itself, at least
            if not stage.parts:
                rows.append(_compare(stage, reference, pictures))
                rows += [row for row in _compare_rules(stage, pictures) if not row.passed]
                continue
            rows += _compare_parts(stage, reference, pictures)
            # The first kind is what the program chooses itself; a board reads no pictures.
            if target is not None and place == 0 and running.predictor is not None:
                rows += _compare_rules(stage, pictures)
    return rows


def _check_emulated(target: str) -> None:
    known = [name for backend in BACKENDS.values() for name in backend.emulated()]
    if target not in known:
        raise TatamiError(
            f"'{target}' is no machine that is emulated here",
            hint=f"give one of {', '.join(known)}",
            setting="on",
        )


def _check_same_use(stage: Stage, reference: Stage) -> None:
    for what in ("classes", "input", "decoding"):
        if getattr(stage.spec, what, None) != getattr(reference.spec, what, None):
            raise TatamiError(
                f"{stage.name} and {reference.name} differ in their {what}",
                hint="prove the stages of one network",
            )
