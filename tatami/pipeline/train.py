"""A planned training carried out in its run folder.

``tatami train`` types the settings; cli/planning.py makes them a plan.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from tatami.cli.classification import classify_all
from tatami.cli.old_evaluate import evaluate_detector
from tatami.cli.segmentation import segment_all
from tatami.data.pictures import read_picture
from tatami.errors import TatamiError
from tatami.files import write_atomically
from tatami.pipeline.artifact import build_model, torch_artifact
from tatami.pipeline.plan import console
from tatami.pipeline.run_data import REGIONS, Data, drawn, drawn_boxes, warps
from tatami.rules.classification import ForwardClassifier
from tatami.rules.segmentation import ForwardSegmenter
from tatami.tasks.alternating import alternating
from tatami.tasks.proposals import with_proposals
from tatami.tasks.walk import shown_progress
from tatami.types import (
    Dataset,
    Detector,
    LabeledMasks,
    LabeledPictures,
    Spec,
    TwoStageSpec,
)

if TYPE_CHECKING:  # torch is heavy: it is imported where training really starts
    from torch import nn

    from tatami.train.batches import Batches
    from tatami.train.distributed import Team
    from tatami.train.loop import Step
    from tatami.train.run import Run

SVM_PICTURES, SVM_REGIONS = 1000, 60
"""Pictures, at most, and proposals of each that its SVMs are fitted to: their features are held in
memory."""


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
            hint=f"go on with --resume {folder}, or choose another --out",
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
    dataset: Data,
    held_out: Data | None,
    team: Team,
    *,
    new: bool,
    initial: bytes | None = None,
) -> None:
    """Carry a run out in its folder, which is this process's own until it is over.

    new: the folder is to become the run's; else it is, and the run goes on.  initial: weights to
    begin from, as a safetensors file's content, which a new run's folder keeps.
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
                        write_atomically(folder / INITIAL, initial)
                    run.save(folder)
        show_progress(carry_out(run, dataset, held_out, folder, team), team)


def carry_out(
    run: Run, dataset: Data, held_out: Data | None, folder: Path, team: Team
) -> Iterator[Step]:
    """Train, evaluate now and then, and leave the weights and the ONNX file in the run folder."""
    import torch

    from tatami.train.batches import Batches
    from tatami.train.checkpoint import load_weights, save_weights
    from tatami.train.run import INITIAL, PROPOSALS, WEIGHTS

    torch.set_num_threads(run.threads)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(run.recipe.seed)
    model, average = build_model(run).to(run.device), build_model(run).to(run.device)
    if (folder / INITIAL).is_file():
        load_weights(model, folder / INITIAL)
    if isinstance(run.spec, TwoStageSpec) and run.spec.proposals is None:
        assert isinstance(dataset, Dataset)
        dataset = with_proposals(dataset, folder / PROPOSALS, team)
    count = len(dataset) * (REGIONS if warps(run.spec) else 1)
    batches = Batches(count, drawn(dataset, run), run.spec.input, run.recipe, team)
    if run.recipe.alternating:
        assert isinstance(dataset, Dataset)
        yield from alternating(run, dataset, drawn_boxes, folder, model, average, team)
    else:
        yield from _one_training(run, batches, held_out, folder, model, average, team)
    if team.leads:
        if isinstance(dataset, Dataset) and warps(run.spec):
            _fit_svms(average, dataset, run)
        save_weights(folder / WEIGHTS, average.state_dict())
        _export(average.cpu(), run.spec, folder)


def _one_training(
    run: Run,
    batches: Batches,
    held_out: Data | None,
    folder: Path,
    model: nn.Module,
    average: nn.Module,
    team: Team,
) -> Iterator[Step]:
    """The loop, and what is held out looked at now and then."""
    from tatami.train.loop import train
    from tatami.train.run import EVALUATIONS, read_rows

    every = run.recipe.evaluate_every if held_out and team.leads else 0
    for step in train(model, average, batches, run.recipe, folder, team):
        epoch, within = divmod(step.done, batches.steps_an_epoch)
        if held_out and every and not within and epoch % every == 0:
            rows = [row for row in read_rows(folder / EVALUATIONS) if row["step"] < step.done]
            rows.append({"step": step.done, **_measured(average, run, held_out)})
            text = "".join(json.dumps(row) + "\n" for row in rows)
            write_atomically(folder / EVALUATIONS, text)
        yield step


def _export(model: nn.Module, spec: Spec, folder: Path) -> None:
    """The network, or both of a detector in two stages, as ONNX files."""
    from tatami.graph.write import write
    from tatami.models.export import export_onnx, to_head_network
    from tatami.models.two_stage import Head, TwoStage
    from tatami.train.run import HEAD, NETWORK

    if not isinstance(spec, TwoStageSpec):
        export_onnx(model, spec, folder / NETWORK)
        return
    assert isinstance(model, TwoStage)
    head = to_head_network(Head(model), spec, model.channels)
    if warps(spec):
        write(head, folder / NETWORK)
        return
    export_onnx(model, spec, folder / NETWORK)
    write(head, folder / HEAD)


def _fit_svms(model: nn.Module, dataset: Dataset, run: Run) -> None:
    """What R-CNN learns when its network has learned."""
    from tatami.models.rcnn import RCNN
    from tatami.models.svm import fit

    assert isinstance(model, RCNN)
    assert isinstance(run.spec, TwoStageSpec)
    samples = dataset.samples
    step = max(1, -(-len(samples) // SVM_PICTURES))
    chosen = shown_progress(samples[::step], "Fitting SVMs")
    pictures = ((read_picture(s.path), s.boxes.select(~s.boxes.crowd)) for s in chosen)
    fit(model, pictures, run.spec, SVM_REGIONS, run.recipe.seed)


def _measured(model: nn.Module, run: Run, held_out: Data) -> dict[str, float]:
    """What a row of evaluations.jsonl says."""
    artifact = torch_artifact(model, run.spec)
    if isinstance(held_out, LabeledPictures):
        assert isinstance(artifact, ForwardClassifier)
        found = classify_all(artifact, held_out)
        return {"top1": round(found.result.top1, 5)}
    if isinstance(held_out, LabeledMasks):
        assert isinstance(artifact, ForwardSegmenter)
        result = segment_all(artifact, held_out).result
        return {"mIoU": round(result.mean_iou, 5), "pixels": round(result.pixel_accuracy, 5)}
    detector = cast(Detector, artifact)
    return {"mAP": round(evaluate_detector(detector, held_out).map_voc07, 5)}


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
