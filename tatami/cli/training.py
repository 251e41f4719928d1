"""A training from the data to the run folder: the plan, its checks, and carrying it out.

``tatami train`` types the settings; here the stages meet.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import platform
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

import tatami
from tatami.cli.artefact import build_model, check_model, torch_detector
from tatami.cli.evaluate import evaluate_detector
from tatami.data.anchors import kmeans_anchors
from tatami.data.augment import Augmentation, augmented
from tatami.data.cache import PictureCache
from tatami.data.fingerprint import fingerprint
from tatami.data.open import open_dataset, splits
from tatami.data.pictures import read_picture
from tatami.errors import TatamiError, printable
from tatami.files import write_atomically
from tatami.types import Boxes, Dataset, InputSpec, NetworkSpec, Picture, Size, detector_spec

if TYPE_CHECKING:  # torch is heavy: it is imported where training really starts
    from tatami.train.distributed import Team
    from tatami.train.loop import Step
    from tatami.train.recipe import Recipe
    from tatami.train.run import Run

console = Console(stderr=True, highlight=False)


@dataclasses.dataclass(frozen=True)
class Source:
    """Where the labelled pictures are, as typed by the user."""

    root: Path
    train_split: str | None = None
    test_split: str | None = None
    format: str | None = None
    skip: tuple[str, ...] = ()


def plan(
    model: str,
    width: float,
    anchors: str,
    recipe: Recipe,
    augmentation: Augmentation,
    source: Source,
    threads: int,
    device: str,
    team: Team,
) -> tuple[Run, Dataset]:
    """Open the data, find the anchors, and write down everything the run will depend on."""
    import torch

    from tatami.models import MODELS
    from tatami.train.loop import chosen_precision
    from tatami.train.run import DataSource, Run

    check_model(model)
    if not 0 <= threads <= 1024:
        raise TatamiError(f"{threads} threads", mend="give their number, or 0 to let torch choose")
    names = splits(source.root, source.format)
    train_split = source.train_split or _first_of(("trainval", "train"), names)
    test_split = source.test_split or _first_of(("test", "val"), names)
    opened = open_dataset(source.root, split=train_split, format=source.format, skip=source.skip)
    for kind, count in sorted(opened.skipped.items()):
        console.print(f"skipped {count} x {kind}", highlight=False)
    dataset = opened.dataset
    marks = fingerprint(dataset)
    spec = NetworkSpec(
        task="detect",
        classes=dataset.classes,
        input=InputSpec(recipe.size),
        decoding=MODELS[model].decoding(_anchors(anchors, dataset, recipe)),
        provenance={
            "made by": f"tatami {tatami.__version__}",
            "model": f"{model} width {width:g}",
            "data": f"{printable(source.root.name)} {dataset.split}, sha256 {marks}",
        },
    )
    if threads:
        torch.set_num_threads(threads)
    recipe = dataclasses.replace(recipe, precision=chosen_precision(recipe, device))
    run = Run(
        model=model,
        width=width,
        spec=spec,
        recipe=recipe,
        data=DataSource(
            str(source.root.resolve()), dataset.split, source.format, source.skip, marks, test_split
        ),
        augmentation=dataclasses.asdict(augmentation),
        device=device,
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
    build_model(run)  # what cannot be built is refused before anything is written
    return run, dataset


def check_machine(run: Run, team: Team) -> None:
    """Raise TatamiError where the run cannot be carried out, or gone on with, as it was asked."""
    import torch

    from tatami.train.batches import check_shares

    check_shares(run.recipe.batch, team.world)
    if run.device not in ("cpu", "cuda"):
        raise TatamiError(f"no device '{run.device}'", mend="the devices are cpu and cuda")
    if run.device == "cuda" and not torch.cuda.is_available():
        raise TatamiError("torch finds no CUDA device", mend="use --device cpu")
    if run.processes != team.world:
        raise TatamiError(
            f"the run began with {run.processes} processes, not {team.world}",
            mend=f"torchrun --nproc-per-node {run.processes} -m tatami train --resume ...",
        )


def tell_other_versions(run: Run) -> None:
    """Say where a resumed run goes on with another torch or NumPy: its last bits may differ."""
    import torch

    for name, now in (("torch", torch.__version__), ("numpy", np.__version__)):
        then = run.versions.get(name)
        if then != now:
            text = f"the run began with {name} {then}, this is {now}: its last bits may differ"
            console.print(text, markup=False)


def refuse_a_second_run(folder: Path) -> None:
    """Raise TatamiError where the folder holds a run already."""
    if (folder / "run.json").exists():
        raise TatamiError(
            "a run is there already",
            file=folder,
            mend=f"go on with --resume {folder}, or choose another --out",
        )


@contextlib.contextmanager
def taken_back(folder: Path) -> Iterator[None]:
    """Remove a new run that fails before its first checkpoint, and nothing else.

    There is nothing to go on from, and its run.json would stand in the way of another attempt.
    """
    from tatami.train.run import CHECKPOINTS, INITIAL, LOG, SETTINGS

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


def train_in(
    folder: Path,
    run: Run,
    dataset: Dataset,
    held_out: Dataset | None,
    team: Team,
    *,
    new: bool,
    initial: Path | None = None,
) -> None:
    """Carry a run out in its folder, which is this process's own until it is over.

    new: the folder is to become the run's; else it is, and the run goes on.  initial: weights to
    begin from, which a new run's folder gets a copy of.
    """
    from tatami.train.distributed import all_or_none
    from tatami.train.run import INITIAL, held

    with contextlib.ExitStack() as stack:
        with all_or_none(team):
            if team.leads:
                if new:
                    stack.enter_context(taken_back(folder))
                folder.mkdir(parents=True, exist_ok=True)
                stack.enter_context(held(folder))
                if new:
                    refuse_a_second_run(folder)
                    if initial is not None:
                        write_atomically(folder / INITIAL, initial.read_bytes())
                    run.save(folder)
        show_progress(carry_out(run, dataset, held_out, folder, team), team)


def carry_out(
    run: Run, dataset: Dataset, held_out: Dataset | None, folder: Path, team: Team
) -> Iterator[Step]:
    """Train, evaluate now and then, and leave the weights and the ONNX file in the run folder."""
    import torch

    from tatami.models.export import export_onnx
    from tatami.train.batches import Batches
    from tatami.train.checkpoint import load_weights, save_weights
    from tatami.train.loop import train
    from tatami.train.run import EVALUATIONS, INITIAL, NETWORK, WEIGHTS, read_rows

    torch.set_num_threads(run.threads)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(run.recipe.seed)
    model, average = build_model(run).to(run.device), build_model(run).to(run.device)
    if (folder / INITIAL).is_file():
        load_weights(model, folder / INITIAL)
    usual = Augmentation(**run.augmentation)
    closing = dataclasses.replace(usual, mosaic=0.0)
    load = PictureCache(read_picture)

    def draw(
        index: int, size: Size, closing_now: bool, rng: np.random.Generator
    ) -> tuple[Picture, Boxes]:
        options = closing if closing_now else usual
        canvas, boxes = augmented(dataset, index, size, options, rng, load)
        return canvas, boxes.select(~boxes.crowd)  # a crowd is no one object to learn

    batches = Batches(len(dataset), draw, run.spec.input, run.recipe, team)
    every = run.recipe.evaluate_every if held_out and team.leads else 0
    for step in train(model, average, batches, run.recipe, folder, team):
        epoch, within = divmod(step.done, batches.steps_an_epoch)
        if held_out and every and not within and epoch % every == 0:
            result = evaluate_detector(torch_detector(average, detector_spec(run.spec)), held_out)
            rows = [row for row in read_rows(folder / EVALUATIONS) if row["step"] < step.done]
            rows.append({"step": step.done, "mAP": round(result.map_voc07, 5)})
            text = "".join(json.dumps(row) + "\n" for row in rows)
            write_atomically(folder / EVALUATIONS, text)
        yield step
    if team.leads:
        save_weights(folder / WEIGHTS, average.state_dict())
        export_onnx(average.cpu(), run.spec, folder / NETWORK)


def show_progress(steps: Iterator[Step], team: Team) -> None:
    """Run the steps to the end under a progress bar: loss, pictures' worth of time, rate."""
    columns = (
        TextColumn("Training"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}  {task.fields[loss]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    hidden = not (team.leads and console.is_terminal)
    with Progress(*columns, console=console, disable=hidden) as progress:
        bar = progress.add_task("", total=0, loss="")
        loss, shown = None, 0.0
        for step in steps:
            loss = step.row["loss"] if loss is None else 0.95 * loss + 0.05 * step.row["loss"]
            if time.monotonic() - shown > 0.2 or step.done == step.total:
                text = f"loss {loss:.3f}"
                progress.update(bar, completed=step.done, total=step.total, loss=text)
                shown = time.monotonic()


def test_data(run: Run) -> Dataset | None:
    """The split held out for evaluation, or None where the set has none."""
    if run.data.test_split is None:
        return None
    data = run.data
    return open_dataset(
        Path(data.root), split=data.test_split, format=data.format, skip=data.skip
    ).dataset


def reopen_data(run: Run) -> Dataset:
    """The split a run was trained on. Raises TatamiError where it is not the same any more."""
    data = run.data
    root = Path(data.root)
    dataset = open_dataset(root, split=data.split, format=data.format, skip=data.skip).dataset
    if fingerprint(dataset) != data.fingerprint:
        raise TatamiError(
            "the labelled set has changed since the run began",
            file=root,
            mend="restore it, or start a new run",
        )
    return dataset


def _first_of(wanted: tuple[str, ...], names: tuple[str, ...]) -> str | None:
    return next((name for name in wanted if name in names), None)


def _anchors(text: str, dataset: Dataset, recipe: Recipe) -> tuple[tuple[float, float], ...]:
    """Anchors as typed, or as many as asked for, by k-means over the boxes."""
    if text.strip().isdecimal():
        found = kmeans_anchors(dataset, recipe.size, int(text), recipe.seed)
        return tuple((round(w, 4), round(h, 4)) for w, h in found.pairs)
    try:
        pairs = [[float(side) for side in pair.split(",")] for pair in text.split()]
        given = tuple((width, height) for width, height in pairs)
    except ValueError:
        given = ()
    if not given or not all(0 < side < 1000 for pair in given for side in pair):
        raise TatamiError(
            f"'{text}' are no anchors", mend="give a number, or pairs in cells as '1.08,1.19 3,4'"
        )
    return given
