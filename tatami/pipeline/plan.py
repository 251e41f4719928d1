"""What a training will be: data opened, anchors found, all that it depends on written down."""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console

import tatami
from tatami.data.anchors import kmeans_anchors
from tatami.data.augment import Augmentation
from tatami.data.class_weights import median_frequency
from tatami.data.fingerprint import fingerprint, labeled_fingerprint, mask_fingerprint
from tatami.data.hold_out import HoldOut, hold_out
from tatami.data.open import (
    labeled_splits,
    mask_splits,
    open_dataset,
    open_labeled,
    open_masks,
    splits,
)
from tatami.errors import TatamiError, printable
from tatami.pipeline.artifact import build_model
from tatami.types import (
    ClassificationSpec,
    Dataset,
    Decoding,
    DetectionSpec,
    InputSpec,
    LabeledMasks,
    LabeledPictures,
    SegmentationSpec,
    Spec,
    TwoStageSpec,
)

if TYPE_CHECKING:  # torch is heavy: it is imported where training really starts
    from tatami.models.detector import Detector as DetectorModel
    from tatami.train.distributed import Team
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


@dataclasses.dataclass(frozen=True)
class Source:
    """Where the labeled pictures are, as typed by the user."""

    root: Path
    train_split: str | None = None
    test_split: str | None = None
    format: str | None = None
    skip: tuple[str, ...] = ()
    hold_out: HoldOut | None = None


@dataclasses.dataclass(frozen=True)
class Asked:
    """A training as it was asked for, whatever the network."""

    model: str
    width: float
    recipe: Recipe
    augmentation: Augmentation
    source: Source
    threads: int
    device: str


@dataclasses.dataclass(frozen=True)
class Opened:
    """The data of a training: the split to train on, its fingerprint, and the name of the one that
    is held out."""

    split: str
    marks: str
    test_split: str | None


def plan(
    asked: Asked, anchors: str | None, least_scale: float | None, nms: str | None, team: Team
) -> tuple[Run, Dataset]:
    """Open the data, find the anchors, and write down everything the run will depend on.

    nms: ``agnostic``: boxes suppress those of other classes, too.
    """
    from tatami.models import DETECTORS

    agnostic = _is_agnostic(nms)
    dataset, opened = _labeled_boxes(asked)
    kind, size = DETECTORS[asked.model], asked.recipe.size
    decoding = _decoding(kind, anchors, least_scale, dataset, asked.recipe)
    spec = DetectionSpec(
        task="detect",
        classes=dataset.classes,
        input=kind.input_spec(size),
        decoding=dataclasses.replace(decoding, agnostic=agnostic),
        provenance=_provenance(asked, opened),
    )
    return _run(asked, spec, opened, team), dataset


def plan_two_stage(asked: Asked, nms: str | None, team: Team) -> tuple[Run, Dataset]:
    """The same of a detector in two stages, which has its own anchors, or none."""
    from tatami.models import TWO_STAGE

    agnostic = _is_agnostic(nms)
    dataset, opened = _labeled_boxes(asked)
    (kind, backbone), size = TWO_STAGE[asked.model], asked.recipe.size
    proposals, decoding = kind.plan(size, backbone)
    spec = TwoStageSpec(
        dataset.classes,
        kind.input_spec(size),
        proposals,
        dataclasses.replace(decoding, agnostic=agnostic),
        provenance=_provenance(asked, opened),
    )
    return _run(asked, spec, opened, team), dataset


def _is_agnostic(nms: str | None) -> bool:
    if nms not in (None, "class", "agnostic"):
        raise TatamiError(f"--nms {nms} is no way to suppress", hint="give class or agnostic")
    return nms == "agnostic"


def _labeled_boxes(asked: Asked) -> tuple[Dataset, Opened]:
    source = asked.source
    if asked.augmentation.elastic:
        raise TatamiError("a bent box is none", hint="leave --augment elastic out")
    if source.hold_out is not None:
        raise TatamiError(
            "--hold-out is for sets with one class a picture", hint="write another split's list"
        )
    train_split, test_split = _usual_splits(source, splits(source.root, source.format))
    opened = open_dataset(source.root, split=train_split, format=source.format, skip=source.skip)
    _tell_skipped(opened.skipped)
    dataset = opened.dataset
    return dataset, Opened(dataset.split, fingerprint(dataset), test_split)


def plan_classifier(asked: Asked, team: Team) -> tuple[Run, LabeledPictures]:
    """The same of a classifier, whose data have one class a picture."""
    from tatami.models.classifier import MEAN, SCALE

    source = asked.source
    if asked.augmentation.mosaic:
        raise TatamiError("a mosaic has no one class", hint="leave --augment mosaic out")
    train_split, test_split = _usual_splits(source, labeled_splits(source.root, source.format))
    if source.hold_out is not None:
        if source.test_split is not None:
            raise TatamiError("--hold-out beside --test-split", hint="give one of them")
        test_split = None
    opened = open_labeled(source.root, split=train_split, format=source.format, skip=source.skip)
    _tell_skipped(opened.skipped)
    split = opened.pictures.split
    pictures = opened.pictures
    if source.hold_out is not None:
        pictures, _ = hold_out(pictures, source.hold_out)
    data = Opened(split, labeled_fingerprint(pictures), None if test_split == split else test_split)
    spec = ClassificationSpec(
        pictures.classes,
        InputSpec(asked.recipe.size, mean=MEAN, scale=SCALE),
        _provenance(asked, dataclasses.replace(data, split=pictures.split)),
    )
    return _run(asked, spec, data, team), pictures


def plan_segmenter(asked: Asked, class_weights: str | None, team: Team) -> tuple[Run, LabeledMasks]:
    """The same of a segmenter, whose data have a class for every pixel.

    class_weights: a number a class, with commas between, ``median`` or nothing.
    """
    from tatami.models.classifier import MEAN, SCALE

    source = asked.source
    if asked.augmentation.mosaic:
        raise TatamiError("a mosaic is for detectors", hint="leave --augment mosaic out")
    if source.hold_out is not None:
        raise TatamiError(
            "--hold-out is for sets with one class a picture",
            hint="name the pictures of a split in masks.json",
        )
    train_split, test_split = _usual_splits(source, mask_splits(source.root, source.format))
    opened = open_masks(source.root, split=train_split, format=source.format, skip=source.skip)
    _tell_skipped(opened.skipped)
    masks = opened.masks
    split = masks.split
    data = Opened(split, mask_fingerprint(masks), None if test_split == split else test_split)
    spec = SegmentationSpec(
        masks.classes,
        InputSpec(asked.recipe.size, mean=MEAN, scale=SCALE),
        _provenance(asked, data),
    )
    weights = _class_weights(class_weights, masks)
    recipe = dataclasses.replace(asked.recipe, class_weights=weights)
    run = _run(dataclasses.replace(asked, recipe=recipe), spec, data, team)
    _check_input(run)
    return run, masks


def _class_weights(typed: str | None, masks: LabeledMasks) -> tuple[float, ...]:
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
            hint="give median, or a number a class, as 1,0.5,2",
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


def _provenance(asked: Asked, data: Opened) -> dict[str, str]:
    return {
        "made by": f"tatami {tatami.__version__}",
        "model": f"{asked.model} width {asked.width:g}",
        "data": f"{printable(asked.source.root.name)} {data.split}, sha256 {data.marks}",
    }


def _run(asked: Asked, spec: Spec, data: Opened, team: Team) -> Run:
    import torch

    from tatami.train.layers import freeze
    from tatami.train.loop import chosen_precision
    from tatami.train.run import DataSource, Run

    source, threads = asked.source, asked.threads
    if not 0 <= threads <= 1024:
        raise TatamiError(f"{threads} threads", hint="give their number, or 0 to let torch choose")
    if threads:
        torch.set_num_threads(threads)
    precision = chosen_precision(asked.recipe, asked.device)
    recipe = dataclasses.replace(asked.recipe, precision=precision)
    run = Run(
        model=asked.model,
        width=asked.width,
        spec=spec,
        recipe=recipe,
        data=DataSource(
            str(source.root.resolve()),
            data.split,
            source.format,
            source.skip,
            data.marks,
            data.test_split,
            None if source.hold_out is None else str(source.hold_out),
        ),
        augmentation=dataclasses.asdict(asked.augmentation),
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
    freeze(build_model(run), recipe.freeze)
    return run


def check_machine(run: Run, team: Team) -> None:
    """Raise TatamiError where the run cannot be carried out, or gone on with, as it was asked."""
    import torch

    from tatami.train.batches import check_shares

    check_shares(run.recipe.batch, team.world)
    if run.device not in ("cpu", "cuda"):
        raise TatamiError(f"no device '{run.device}'", hint="the devices are cpu and cuda")
    if run.device == "cuda" and not torch.cuda.is_available():
        raise TatamiError("torch finds no CUDA device", hint="use --device cpu")
    if run.processes != team.world:
        raise TatamiError(
            f"the run began with {run.processes} processes, not {team.world}",
            hint=f"torchrun --nproc-per-node {run.processes} -m tatami train --resume ...",
        )


def _usual_splits(source: Source, names: tuple[str, ...]) -> tuple[str | None, str | None]:
    """The split to train on and the one to evaluate on: as typed, else by their names."""
    train_split = source.train_split or _first_of(("trainval", "train"), names)
    return train_split, source.test_split or _first_of(("test", "val"), names)


def _first_of(wanted: tuple[str, ...], names: tuple[str, ...]) -> str | None:
    return next((name for name in wanted if name in names), None)


def _decoding(
    kind: type[DetectorModel],
    anchors: str | None,
    least_scale: float | None,
    dataset: Dataset,
    recipe: Recipe,
) -> Decoding:
    """The boxes that the network says its answers by."""
    from tatami.models.default_boxes import DefaultBoxDetector

    found = _anchors(anchors, kind, dataset, recipe)
    if issubclass(kind, DefaultBoxDetector):
        return kind.plan(recipe.size, found, least_scale)
    if least_scale is not None:
        raise TatamiError("--least-scale is for an SSD", hint="leave it out")
    return kind.plan(recipe.size, found)


def _anchors(
    text: str | None, kind: type[DetectorModel], dataset: Dataset, recipe: Recipe
) -> tuple[tuple[float, float], ...]:
    """Anchors in pixels of the input: as typed, in cells, or as many as asked for, by k-means over
    the boxes; none for a network that has its own boxes."""
    if not kind.anchor_count:
        if text is not None:
            raise TatamiError("the network has its own boxes", hint="leave --anchors out")
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
            f"'{text}' are no anchors", hint="give a number, or pairs in cells as '1.08,1.19 3,4'"
        )
    return given
