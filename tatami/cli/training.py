"""A training from the data to the run folder: the plan, its checks, and carrying it out.

``tatami train`` types the settings; here the stages meet.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import platform
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

import tatami
from tatami.classifier import ForwardClassifier
from tatami.cli.alternating import alternating
from tatami.cli.artefact import build_model, torch_artefact
from tatami.cli.classification import classify_all
from tatami.cli.evaluate import evaluate_detector
from tatami.cli.proposals import judged_regions, with_proposals
from tatami.cli.running import shown_progress
from tatami.cli.segmentation import segment_all
from tatami.data.anchors import kmeans_anchors
from tatami.data.augment import Augmentation, augmented, augmented_mask, augmented_picture
from tatami.data.cache import PictureCache
from tatami.data.class_weights import median_frequency
from tatami.data.fingerprint import fingerprint, labelled_fingerprint, mask_fingerprint
from tatami.data.hold_out import HoldOut, hold_out
from tatami.data.open import (
    labelled_splits,
    mask_splits,
    open_dataset,
    open_labelled,
    open_masks,
    splits,
)
from tatami.data.pictures import read_picture
from tatami.errors import TatamiError, printable
from tatami.files import write_atomically
from tatami.importers.torch_state import is_state, read_state
from tatami.segmenter import ForwardSegmenter
from tatami.two_stage import warped
from tatami.types import (
    Boxes,
    ClassifierSpec,
    Dataset,
    Detector,
    InputSpec,
    LabelledMasks,
    LabelledPictures,
    Mask,
    NetworkSpec,
    Picture,
    SegmenterSpec,
    Size,
    Spec,
    TwoStageSpec,
)

if TYPE_CHECKING:  # torch is heavy: it is imported where training really starts
    from torch import nn

    from tatami.models.detector import Detector as DetectorModel
    from tatami.train.batches import Batches, Draw
    from tatami.train.distributed import Team
    from tatami.train.loop import Step
    from tatami.train.recipe import Recipe
    from tatami.train.run import Run

console = Console(stderr=True, highlight=False)

OF_CLASSES = dataclasses.replace(
    Augmentation(), mosaic=0.0, scale=(0.8, 1.25), translate=0.1, aspect=1.1
)
"""How a classifier's pictures are varied: the one thing in them stays in sight."""

OF_MASKS = dataclasses.replace(
    Augmentation(), mosaic=0.0, scale=(0.75, 1.5), translate=0.1, aspect=1.1
)
"""How a segmenter's are, with their masks: much of the picture stays in sight."""

REGIONS = 8
"""Regions of a picture that R-CNN's network sees in an epoch."""
SVM_PICTURES, SVM_REGIONS = 1000, 60
"""Pictures, at most, and proposals of each that its SVMs are fitted to: their features are held in
memory."""


Data = Dataset | LabelledPictures | LabelledMasks


@dataclasses.dataclass(frozen=True)
class Source:
    """Where the labelled pictures are, as typed by the user."""

    root: Path
    train_split: str | None = None
    test_split: str | None = None
    format: str | None = None
    skip: tuple[str, ...] = ()
    hold_out: HoldOut | None = None


def plan(
    model: str,
    width: float,
    anchors: str | None,
    recipe: Recipe,
    augmentation: Augmentation,
    source: Source,
    threads: int,
    device: str,
    team: Team,
) -> tuple[Run, Dataset]:
    """Open the data, find the anchors, and write down everything the run will depend on."""
    from tatami.models import DETECTORS

    dataset, marks, test_split = _labelled_boxes(source)
    kind = DETECTORS[model]
    spec = NetworkSpec(
        task="detect",
        classes=dataset.classes,
        input=kind.input_spec(recipe.size),
        decoding=kind.plan(recipe.size, _anchors(anchors, kind, dataset, recipe)),
        provenance=_provenance(model, width, source, dataset.split, marks),
    )
    data = source, dataset.split, marks, test_split
    return _run(model, width, spec, recipe, augmentation, data, threads, device, team), dataset


def plan_two_stage(
    model: str,
    width: float,
    recipe: Recipe,
    augmentation: Augmentation,
    source: Source,
    threads: int,
    device: str,
    team: Team,
) -> tuple[Run, Dataset]:
    """The same of a detector in two stages, which has its own anchors, or none."""
    from tatami.models import TWO_STAGE

    dataset, marks, test_split = _labelled_boxes(source)
    kind, backbone = TWO_STAGE[model]
    proposals, decoding = kind.plan(recipe.size, backbone)
    spec = TwoStageSpec(
        dataset.classes,
        kind.input_spec(recipe.size),
        proposals,
        decoding,
        provenance=_provenance(model, width, source, dataset.split, marks),
    )
    data = source, dataset.split, marks, test_split
    return _run(model, width, spec, recipe, augmentation, data, threads, device, team), dataset


def _labelled_boxes(source: Source) -> tuple[Dataset, str, str | None]:
    """The split to train on, its fingerprint, and the name of the one that is held out."""
    if source.hold_out is not None:
        raise TatamiError(
            "--hold-out is for sets with one class a picture", mend="write another split's list"
        )
    names = splits(source.root, source.format)
    train_split = source.train_split or _first_of(("trainval", "train"), names)
    test_split = source.test_split or _first_of(("test", "val"), names)
    opened = open_dataset(source.root, split=train_split, format=source.format, skip=source.skip)
    _tell_skipped(opened.skipped)
    return opened.dataset, fingerprint(opened.dataset), test_split


def plan_classifier(
    model: str,
    width: float,
    recipe: Recipe,
    augmentation: Augmentation,
    source: Source,
    threads: int,
    device: str,
    team: Team,
) -> tuple[Run, LabelledPictures]:
    """The same of a classifier, whose data have one class a picture."""
    from tatami.models.classifier import MEAN, SCALE

    if augmentation.mosaic:
        raise TatamiError("a mosaic has no one class", mend="leave --augment mosaic out")
    names = labelled_splits(source.root, source.format)
    train_split = source.train_split or _first_of(("trainval", "train"), names)
    test_split = source.test_split or _first_of(("test", "val"), names)
    if source.hold_out is not None:
        if source.test_split is not None:
            raise TatamiError("--hold-out beside --test-split", mend="give one of them")
        test_split = None
    opened = open_labelled(source.root, split=train_split, format=source.format, skip=source.skip)
    _tell_skipped(opened.skipped)
    split = opened.pictures.split
    pictures = opened.pictures
    if source.hold_out is not None:
        pictures, _ = hold_out(pictures, source.hold_out)
    marks = labelled_fingerprint(pictures)
    spec = ClassifierSpec(
        pictures.classes,
        InputSpec(recipe.size, mean=MEAN, scale=SCALE),
        _provenance(model, width, source, pictures.split, marks),
    )
    data = source, split, marks, None if test_split == split else test_split
    return _run(model, width, spec, recipe, augmentation, data, threads, device, team), pictures


def plan_segmenter(
    model: str,
    width: float,
    class_weights: str | None,
    recipe: Recipe,
    augmentation: Augmentation,
    source: Source,
    threads: int,
    device: str,
    team: Team,
) -> tuple[Run, LabelledMasks]:
    """The same of a segmenter, whose data have a class for every pixel.

    class_weights: a number a class, with commas between, ``median`` or nothing.
    """
    from tatami.models.classifier import MEAN, SCALE

    if augmentation.mosaic:
        raise TatamiError("a mosaic is for detectors", mend="leave --augment mosaic out")
    if source.hold_out is not None:
        raise TatamiError(
            "--hold-out is for sets with one class a picture",
            mend="name the pictures of a split in masks.json",
        )
    names = mask_splits(source.root, source.format)
    train_split = source.train_split or _first_of(("trainval", "train"), names)
    test_split = source.test_split or _first_of(("test", "val"), names)
    opened = open_masks(source.root, split=train_split, format=source.format, skip=source.skip)
    _tell_skipped(opened.skipped)
    masks = opened.masks
    marks = mask_fingerprint(masks)
    spec = SegmenterSpec(
        masks.classes,
        InputSpec(recipe.size, mean=MEAN, scale=SCALE),
        _provenance(model, width, source, masks.split, marks),
    )
    recipe = dataclasses.replace(recipe, class_weights=_class_weights(class_weights, masks))
    data = source, masks.split, marks, None if test_split == masks.split else test_split
    run = _run(model, width, spec, recipe, augmentation, data, threads, device, team)
    _check_input(run)
    return run, masks


def _class_weights(typed: str | None, masks: LabelledMasks) -> tuple[float, ...]:
    """Raises TatamiError for what are no weights of these classes."""
    if typed is None:
        return ()
    if typed == "median":
        weights = median_frequency(masks)
        told = ", ".join(f"{n} {w:.3g}" for n, w in zip(masks.classes, weights, strict=True))
        console.print(f"classes weigh {told}", markup=False)
        return weights
    try:
        weights = tuple(float(weight) for weight in typed.split(","))
    except ValueError:
        weights = ()
    if len(weights) != len(masks.classes):
        raise TatamiError(
            f"--class-weights {typed} are no weights of {len(masks.classes)} classes",
            mend="give median, or a number a class, as 1,0.5,2",
        )
    return weights


def _check_input(run: Run) -> None:
    """Raise TatamiError where a segmenter does not take such an input, before a step is made."""
    import torch

    size = run.recipe.size
    with torch.inference_mode():
        build_model(run).eval()(torch.zeros(1, 3, size.height, size.width))


def _tell_skipped(skipped: Mapping[str, int]) -> None:
    for kind, count in sorted(skipped.items()):
        console.print(f"skipped {count} x {kind}", highlight=False)


def _provenance(model: str, width: float, source: Source, split: str, marks: str) -> dict[str, str]:
    return {
        "made by": f"tatami {tatami.__version__}",
        "model": f"{model} width {width:g}",
        "data": f"{printable(source.root.name)} {split}, sha256 {marks}",
    }


def _run(
    model: str,
    width: float,
    spec: Spec,
    recipe: Recipe,
    augmentation: Augmentation,
    data: tuple[Source, str, str, str | None],
    threads: int,
    device: str,
    team: Team,
) -> Run:
    """data: where they are, the split, its fingerprint, and the split held out."""
    import torch

    from tatami.train.layers import freeze
    from tatami.train.loop import chosen_precision
    from tatami.train.run import DataSource, Run

    source, split, marks, test_split = data
    if not 0 <= threads <= 1024:
        raise TatamiError(f"{threads} threads", mend="give their number, or 0 to let torch choose")
    if threads:
        torch.set_num_threads(threads)
    recipe = dataclasses.replace(recipe, precision=chosen_precision(recipe, device))
    run = Run(
        model=model,
        width=width,
        spec=spec,
        recipe=recipe,
        data=DataSource(
            str(source.root.resolve()),
            split,
            source.format,
            source.skip,
            marks,
            test_split,
            None if source.hold_out is None else str(source.hold_out),
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
    # What cannot be built is refused before anything is written.
    freeze(build_model(run), recipe.freeze)
    return run


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
    if isinstance(dataset, LabelledPictures):
        draw = _drawn_pictures(dataset, run)
    elif isinstance(dataset, LabelledMasks):
        draw = _drawn_masks(dataset, run)
    else:
        if isinstance(run.spec, TwoStageSpec) and run.spec.proposals is None:
            dataset = with_proposals(dataset, folder / PROPOSALS, team)
        draw = _drawn_regions(dataset, run) if _warps(run.spec) else _drawn_boxes(dataset, run)
    count = len(dataset) * (REGIONS if _warps(run.spec) else 1)
    batches = Batches(count, draw, run.spec.input, run.recipe, team)
    if run.recipe.alternating:
        assert isinstance(dataset, Dataset)
        yield from alternating(run, dataset, _drawn_boxes, folder, model, average, team)
    else:
        yield from _one_training(run, batches, held_out, folder, model, average, team)
    if team.leads:
        if isinstance(dataset, Dataset) and _warps(run.spec):
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
    if _warps(spec):
        write(head, folder / NETWORK)
        return
    export_onnx(model, spec, folder / NETWORK)
    write(head, folder / HEAD)


def _drawn_boxes(dataset: Dataset, run: Run) -> Draw:
    """How a detector's training pictures are drawn, with their boxes."""
    usual = Augmentation(**run.augmentation)
    closing = dataclasses.replace(usual, mosaic=0.0)
    load = PictureCache(read_picture)

    def draw(
        index: int, size: Size, closing_now: bool, rng: np.random.Generator
    ) -> tuple[Picture, Boxes]:
        options = closing if closing_now else usual
        resize = run.spec.input.resize
        canvas, boxes = augmented(dataset, index, size, options, rng, load, resize)
        return canvas, boxes.select(~boxes.crowd)  # a crowd is no one object to learn

    return draw


def _warps(spec: Spec) -> bool:
    """Whether it is R-CNN, whose network sees regions one by one."""
    return isinstance(spec, TwoStageSpec) and spec.decoding.kind == "warp"


def _drawn_regions(dataset: Dataset, run: Run) -> Draw:
    """How R-CNN's training regions are drawn, REGIONS of each picture an epoch, with their classes:
    of every four one that overlaps a truth by half or more (section 2.3), where there is one."""
    spec = run.spec
    assert isinstance(spec, TwoStageSpec)
    load = PictureCache(read_picture)
    options = dataclasses.replace(
        Augmentation(**run.augmentation), mosaic=0.0, scale=(1.0, 1.0), aspect=1.0, translate=0.0
    )
    judged = [judged_regions(sample.boxes) for sample in dataset.samples]

    def draw(index: int, size: Size, _: bool, rng: np.random.Generator) -> tuple[Picture, int]:
        number = index % len(dataset)
        regions, classes = judged[number]
        objects, others = np.flatnonzero(classes), np.flatnonzero(classes == 0)
        wanted = objects if rng.random() < 0.25 else others
        wanted = wanted if len(wanted) else np.arange(len(regions))
        which = int(rng.choice(wanted))
        context, pad = spec.decoding.context, int(spec.input.pad)
        crop = warped(load(dataset.samples[number]), regions[which], size, context, pad)
        return augmented_picture(crop, size, options, rng), int(classes[which])

    return draw


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


def _drawn_pictures(pictures: LabelledPictures, run: Run) -> Draw:
    """How a classifier's are, with their classes."""
    options = Augmentation(**run.augmentation)

    def draw(index: int, size: Size, _: bool, rng: np.random.Generator) -> tuple[Picture, int]:
        canvas = augmented_picture(pictures.read(index), size, options, rng)
        return canvas, int(pictures.labels[index])

    return draw


def _drawn_masks(masks: LabelledMasks, run: Run) -> Draw:
    """How a segmenter's are, with their masks."""
    options = Augmentation(**run.augmentation)

    def draw(index: int, size: Size, _: bool, rng: np.random.Generator) -> tuple[Picture, Mask]:
        return augmented_mask(*masks.read(index), size, options, rng)

    return draw


def _measured(model: nn.Module, run: Run, held_out: Data) -> dict[str, float]:
    """What a row of evaluations.jsonl says."""
    artefact = torch_artefact(model, run.spec)
    if isinstance(held_out, LabelledPictures):
        assert isinstance(artefact, ForwardClassifier)
        found = classify_all(artefact, held_out)
        return {"top1": round(found.result.top1, 5)}
    if isinstance(held_out, LabelledMasks):
        assert isinstance(artefact, ForwardSegmenter)
        result = segment_all(artefact, held_out).result
        return {"mIoU": round(result.mean_iou, 5), "pixels": round(result.pixel_accuracy, 5)}
    detector = cast(Detector, artefact)
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


def test_data(run: Run) -> Dataset | None:
    """A detector's split held out for evaluation, or None where the set has none."""
    if run.data.test_split is None:
        return None
    data = run.data
    return open_dataset(
        Path(data.root), split=data.test_split, format=data.format, skip=data.skip
    ).dataset


def reopen_data(run: Run) -> Dataset:
    """The split a detector was trained on. Raises TatamiError where it is not the same any more."""
    data = run.data
    root = Path(data.root)
    dataset = open_dataset(root, split=data.split, format=data.format, skip=data.skip).dataset
    if fingerprint(dataset) != data.fingerprint:
        raise _changed(root)
    return dataset


def held_out_pictures(run: Run) -> LabelledPictures | None:
    """A classifier's pictures held out for evaluation, or None where there are none."""
    data = run.data
    split = data.split if data.hold_out is not None else data.test_split
    if split is None:
        return None
    opened = open_labelled(Path(data.root), split=split, format=data.format, skip=data.skip)
    if data.hold_out is None:
        return opened.pictures
    return hold_out(opened.pictures, HoldOut.parse(data.hold_out))[1]


def reopen_pictures(run: Run) -> LabelledPictures:
    """As ``reopen_data``, of a classifier."""
    data = run.data
    root = Path(data.root)
    pictures = open_labelled(root, split=data.split, format=data.format, skip=data.skip).pictures
    if data.hold_out is not None:
        pictures, _ = hold_out(pictures, HoldOut.parse(data.hold_out))
    if labelled_fingerprint(pictures) != data.fingerprint:
        raise _changed(root)
    return pictures


def held_out_masks(run: Run) -> LabelledMasks | None:
    """A segmenter's pictures held out for evaluation, or None where there are none."""
    data = run.data
    if data.test_split is None:
        return None
    return open_masks(
        Path(data.root), split=data.test_split, format=data.format, skip=data.skip
    ).masks


def reopen_masks(run: Run) -> LabelledMasks:
    """As ``reopen_data``, of a segmenter."""
    data = run.data
    root = Path(data.root)
    masks = open_masks(root, split=data.split, format=data.format, skip=data.skip).masks
    if mask_fingerprint(masks) != data.fingerprint:
        raise _changed(root)
    return masks


def reopened(run: Run) -> Data:
    """What a run learns from, whatever its network is for. Raises TatamiError where it is not the
    same any more."""
    if isinstance(run.spec, ClassifierSpec):
        return reopen_pictures(run)
    return reopen_masks(run) if isinstance(run.spec, SegmenterSpec) else reopen_data(run)


def held_out_of(run: Run) -> Data | None:
    """What a run is evaluated on, or None where there is nothing."""
    if isinstance(run.spec, ClassifierSpec):
        return held_out_pictures(run)
    return held_out_masks(run) if isinstance(run.spec, SegmenterSpec) else test_data(run)


def _changed(root: Path) -> TatamiError:
    return TatamiError(
        "the labelled set has changed since the run began",
        file=root,
        mend="restore it, or start a new run",
    )


def initial_weights(run: Run, source: Path) -> bytes:
    """A safetensors file's content: the weights of ``source``, a run folder, a safetensors file or
    a state_dict that torch saved, with a new head where the classes are others, which is said.

    Raises TatamiError where anything else does not match.
    """
    import torch

    from tatami.models.classifier import Classifier
    from tatami.models.two_stage import TwoStage
    from tatami.train.checkpoint import read_weights
    from tatami.train.run import WEIGHTS, load_run
    from tatami.train.transfer import as_part, head_of, to_bytes, transferred

    is_run = (source / "run.json").is_file()
    classes = load_run(source).spec.classes if is_run else run.spec.classes
    file = source / WEIGHTS if is_run else source
    if not file.is_file():
        raise TatamiError(
            "no weights there", file=file, mend="give a run, a safetensors or a .pth file"
        )
    torch.manual_seed(run.recipe.seed)
    model = build_model(run)
    if is_state(file):
        tensors = {name: torch.from_numpy(array) for name, array in read_state(file).items()}
    else:
        tensors = read_weights(file)
    if isinstance(model, Classifier):
        tensors = {model.current_name(name): tensor for name, tensor in tensors.items()}
    if isinstance(model, TwoStage):
        tensors = dict(as_part(model, model.part, tensors))
    head = head_of(model, build_model(run, more=1))
    start, made = transferred(model, tensors, head, file, anew=classes != run.spec.classes)
    said = f"the head is new: {', '.join(made)}" if made else "the head too"
    console.print(f"begins from {file}: {len(start) - len(made)} weights; {said}", markup=False)
    return to_bytes(start)


def _first_of(wanted: tuple[str, ...], names: tuple[str, ...]) -> str | None:
    return next((name for name in wanted if name in names), None)


def _anchors(
    text: str | None, kind: type[DetectorModel], dataset: Dataset, recipe: Recipe
) -> tuple[tuple[float, float], ...]:
    """Anchors in pixels of the input: as typed, in cells, or as many as asked for, by k-means over
    the boxes; none for a network that has its own boxes."""
    if not kind.anchor_count:
        if text is not None:
            raise TatamiError("the network has its own boxes", mend="leave --anchors out")
        return ()
    in_cells = _anchors_in_cells(str(kind.anchor_count) if text is None else text, dataset, recipe)
    return tuple((width * kind.stride, height * kind.stride) for width, height in in_cells)


def _anchors_in_cells(
    text: str, dataset: Dataset, recipe: Recipe
) -> tuple[tuple[float, float], ...]:
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
