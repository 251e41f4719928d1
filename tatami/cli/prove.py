"""``tatami prove``: every form of a network held to the one before, on labeled pictures."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, cast

import numpy as np
import typer
from rich.console import Console

from tatami.cli.classification import classify_all
from tatami.cli.old_evaluate import SCORE, detect_all
from tatami.cli.labeled import open_part
from tatami.cli.segmentation import segment_all
from tatami.data.open import open_dataset, open_masks
from tatami.data.pictures import read_picture
from tatami.data.selective_search import selective_search
from tatami.errors import TatamiError
from tatami.evaluate.detections import evaluate
from tatami.pipeline.artifact import proposer
from tatami.pipeline.ledger import (
    FLOAT_BOUND,
    QUANTIZATION_LOSS,
    UNPOOLED_BOUND,
    Ledger,
    Measure,
    Row,
    Stage,
    hold_boxes,
    hold_integers,
    hold_labels,
    hold_maps,
    hold_pictures,
    hold_quantized,
    hold_scores,
)
from tatami.pipeline.stages import (
    compiled_stage,
    compiled_two_stage,
    each_variant,
    open_stage,
    stages_of,
)
from tatami.rules.classification import ForwardClassifier
from tatami.rules.detection import ForwardDetector
from tatami.rules.picture import prepare
from tatami.rules.regions import TwoStageDetector
from tatami.rules.segmentation import ForwardSegmenter
from tatami.ship.c.run import HOST, describe, native, open_compiled
from tatami.ship.c.run_two_stage import CompiledTwoStage
from tatami.ship.c.targets import TARGETS, target_of, variants_for
from tatami.types import (
    ClassificationSpec,
    Classifier,
    Dataset,
    Detector,
    Float32,
    LabeledMasks,
    LabeledPictures,
    Picture,
    SegmentationSpec,
    Segmenter,
    Spec,
    TwoStageSpec,
    detector_spec,
)

WIDTH = 80
Data = Dataset | LabeledPictures | LabeledMasks

LOOKED_AT = 8
"""Pictures whose maps, layers and boxes are compared number by number; mAP is of all."""
REGIONS = 4
"""Of a picture, by which heads of detectors in two stages are compared."""
EMULATED = 1
"""Pictures that an emulated machine is given."""


def prove(
    artifacts: Annotated[
        list[Path],
        typer.Argument(help="A run folder with what came of it, or files and folders in order."),
    ],
    data: Annotated[Path | None, typer.Option(help="The labeled set.")] = None,
    split: Annotated[str | None, typer.Option(help="The set's split, as test.")] = None,
    format: Annotated[
        str | None, typer.Option(help="As voc, coco, folders, masks, voc-masks; else recognized.")
    ] = None,
    hold_out: Annotated[
        str | None, typer.Option(help="Of a classifier's one split: those held out, as 10000.")
    ] = None,
    skip: Annotated[
        list[str] | None, typer.Option(help="Accept this kind of problem; may be repeated.")
    ] = None,
    pictures: Annotated[
        int | None, typer.Option(min=1, help="Only so many of the split's pictures.")
    ] = None,
    variants: Annotated[
        bool, typer.Option("--variants", help="Each kind of kernels that this processor has.")
    ] = False,
    on: Annotated[
        list[str] | None,
        typer.Option(help="Run C on this machine too, emulated, as aarch64; may be repeated."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, no table.")] = False,
) -> None:
    """Print the ledger of a network's stages; exit with 1 where one is outside its bound."""
    if data is None:
        raise TatamiError("no labeled set given", hint="name it with --data")
    for target in on or ():
        if target_of(target).runner == ():
            raise TatamiError(
                f"'{target}' is no machine that is emulated here",
                hint=f"give one of {', '.join(t.name for t in TARGETS.values() if t.runner)}",
            )
    given = [path for artifact in artifacts for path in stages_of(artifact)]
    paths = list({path.resolve(): path for path in given}.values())  # a run folder brings its own
    stages = [open_stage(path) for path in paths]
    shipped = [(path, one) for path, one in zip(paths, stages, strict=True) if one.compiled]
    folders = [path for path, stage in shipped if not stage.parts]
    two_staged = [stage.detector for _, stage in shipped if stage.parts]
    if variants:
        stages += [stage for folder in folders for stage in each_variant(folder)]
    dataset: Data
    if hold_out is not None and not (stages and isinstance(stages[0].spec, ClassificationSpec)):
        raise TatamiError("--hold-out is for classifiers", hint="leave it out")
    if stages and isinstance(stages[0].spec, ClassificationSpec):
        part = open_part(data, split, format, skip or (), hold_out)
        chosen = np.arange(min(len(part.pictures), pictures or len(part.pictures)))
        dataset, skipped = part.pictures.select(chosen), Counter(part.skipped)
    elif stages and isinstance(stages[0].spec, SegmentationSpec):
        masks = open_masks(data, split=split, format=format, skip=skip or ())
        chosen = np.arange(min(len(masks.masks), pictures or len(masks.masks)))
        dataset, skipped = masks.masks.select(chosen), Counter(masks.skipped)
    else:
        opened = open_dataset(data, split=split, format=format, skip=skip or ())
        dataset = replace(opened.dataset, samples=opened.dataset.samples[:pictures])
        skipped = Counter(opened.skipped)
    if not len(dataset):
        raise TatamiError("there is no picture to prove it on", hint="check --split", file=data)
    result = ledger(stages, dataset, skip=skip or (), progress=not as_json)
    rows = [row for folder in folders for row in emulated(folder, on or (), stages, dataset)]
    machines = [*([HOST] if variants else []), *(on or ())]
    for detector in two_staged:
        rows += halves_on(cast(CompiledTwoStage, detector), machines, stages, dataset)
    result = Ledger((*result.rows, *rows), result.measure)
    if as_json:
        answer = {"data": str(data), "split": dataset.split, "pictures": len(dataset)}
        print(json.dumps({**answer, "skipped": skipped, **result.to_json()}, indent=2))
    else:
        console = Console(width=WIDTH, highlight=False)
        console.print(result.table())
        looked_at = min(LOOKED_AT, len(dataset))
        console.print(f"{result.measure} of {len(dataset)} pictures, differences of {looked_at}")
        for kind, count in sorted(skipped.items()):
            console.print(f"skipped {count} x {kind}", markup=False)
        for line in result.failures():
            console.print(line, markup=False, soft_wrap=True, style="red")
        console.print("proved" if result.passed else "NOT proved", markup=False)
    if not result.passed:
        raise typer.Exit(1)


def ledger(
    stages: Sequence[Stage],
    dataset: Data,
    *,
    skip: Sequence[str] = (),
    progress: bool = False,
) -> Ledger:
    """The rows of some stages, each held to the one that it was made of. Raises TatamiError where
    they differ in what they are for: other classes, another input."""
    looked_at = _pictures(dataset, LOOKED_AT)
    rows: list[Row] = []
    measured: dict[str, float] = {}
    for index, stage in enumerate(stages):
        held_to = reference_of(stage, stages[:index])
        if held_to is not None:
            _check_same_use(stage, held_to)
        found = _measured(stage, dataset, skip, stage.name if progress else None)
        row = _hold(stage, held_to, [] if stage.parts else looked_at)
        rows.append(
            replace(
                row,
                mean_ap=found.figure,
                mean_ap_held_to=None if held_to is None else measured[held_to.name],
                size=stage.size,
                milliseconds=found.milliseconds,
            )
        )
        measured[stage.name] = found.figure
        if held_to is not None:
            rows += _hold_parts(stage, held_to, looked_at)
        rows += _hold_rules(stage, looked_at)
    measures: dict[type[Data], Measure] = {LabeledPictures: "top-1", LabeledMasks: "mIoU"}
    return Ledger(tuple(rows), measures.get(type(dataset), "mAP"))


@dataclass(frozen=True)
class _Measured:
    """figure: mAP, top-1 or mIoU.  milliseconds: a picture."""

    figure: float
    milliseconds: float


def _measured(stage: Stage, dataset: Data, skip: Sequence[str], title: str | None) -> _Measured:
    if isinstance(dataset, LabeledPictures):
        if not isinstance(stage.spec, ClassificationSpec):
            raise TatamiError(f"{stage.name} is no classifier", hint="prove one kind at a time")
        classifier = cast(Classifier, stage.detector)
        named = classify_all(classifier, dataset, skip=skip, title=title)
        return _Measured(named.result.top1, 1000 * named.seconds / len(named.places))
    if isinstance(dataset, LabeledMasks):
        if not isinstance(stage.spec, SegmentationSpec):
            raise TatamiError(f"{stage.name} is no segmenter", hint="prove one kind at a time")
        segmenter = cast(Segmenter, stage.detector)
        segmented = segment_all(segmenter, dataset, skip=skip, title=title)
        milliseconds = 1000 * segmented.seconds / len(segmented.places)
        return _Measured(segmented.result.mean_iou, milliseconds)
    if not stage.parts:
        detector_spec(stage.spec)
    found = detect_all(cast(Detector, stage.detector), dataset, SCORE, skip=skip, title=title)
    truths = [sample.boxes for sample in found.samples]
    result = evaluate(truths, found.detections, dataset.classes)
    return _Measured(result.map_voc07, 1000 * found.seconds / len(found.samples))


def _pictures(dataset: Data, count: int) -> list[Picture]:
    """The first pictures of a set."""
    if isinstance(dataset, LabeledPictures):
        return [dataset.read(index) for index in range(min(count, len(dataset)))]
    if isinstance(dataset, LabeledMasks):
        return [dataset.read(index)[0] for index in range(min(count, len(dataset)))]
    return [read_picture(sample.path) for sample in dataset.samples[:count]]


def reference_of(stage: Stage, before: Sequence[Stage]) -> Stage | None:
    """What a stage is held to: compiled ones to the last ONNX file of their kind, float or integer;
    an integer network to the last float one; all else to the one before."""
    kind = stage.integers is not None
    if stage.compiled:
        same = [one for one in before if not one.compiled and (one.integers is not None) == kind]
    else:
        same = [one for one in before if not one.compiled and not (kind and one.integers)]
    candidates = same or list(before)
    return candidates[-1] if candidates else None


def _hold(stage: Stage, held_to: Stage | None, pictures: Sequence[Picture]) -> Row:
    """Of a detector in two stages its mAP alone: its networks have rows of their own."""
    if held_to is None:
        return Row(stage.name)
    _check_same_use(stage, held_to)
    if stage.parts:
        rounded = stage.integers is not None and held_to.integers is None
        return Row(stage.name, held_to.name, loss=QUANTIZATION_LOSS if rounded else None)
    return _hold_maps(stage, held_to, [_image(picture, stage.spec) for picture in pictures])


def _hold_parts(stage: Stage, held_to: Stage, pictures: Sequence[Picture]) -> list[Row]:
    """The networks of a detector in two stages: the first by the pictures, the head by the regions
    that the other one finds in them."""
    if not stage.parts:
        return []
    if len(stage.parts) != len(held_to.parts):
        raise TatamiError(
            f"{stage.name} and {held_to.name} are not of one kind",
            hint="prove the stages of one network",
        )
    rule = held_to.detector if isinstance(held_to.detector, TwoStageDetector) else _by_rule(held_to)
    some = [rule.regions_of(picture).sample(REGIONS) for picture in pictures]
    inputs = [[region[None] for regions in some if regions is not None for region in regions]]
    if len(stage.parts) > 1:
        inputs.insert(0, [_image(picture, stage.spec) for picture in pictures])
    return [
        _hold_maps(part, other, images)
        for part, other, images in zip(stage.parts, held_to.parts, inputs, strict=True)
    ]


def _by_rule(stage: Stage) -> TwoStageDetector:
    """The written rule around the networks of a stage."""
    assert isinstance(stage.spec, TwoStageSpec)
    *features, head = (part.forward for part in stage.parts)
    return TwoStageDetector(
        stage.spec, features[0] if features else None, head, proposer(stage.spec)
    )


def _hold_maps(stage: Stage, held_to: Stage, images: Sequence[Float32]) -> Row:
    """images: (1, 3, H, W), or what the network takes, one after another."""
    if stage.integers is None:
        unpools = stage.unpools or held_to.unpools
        return hold_maps(stage, held_to, images, UNPOOLED_BOUND if unpools else FLOAT_BOUND)
    if held_to.integers is not None:
        return hold_integers(stage, held_to, images)
    if held_to.values is None:
        return replace(Row(stage.name, held_to.name), loss=QUANTIZATION_LOSS)
    return hold_quantized(stage, held_to, images)


def _hold_rules(stage: Stage, pictures: Sequence[Picture]) -> list[Row]:
    """A stage's own picture rule and decoding rule, held to the written ones."""
    if stage.parts and stage.compiled:
        assert isinstance(stage.spec, TwoStageSpec)
        threshold = stage.spec.decoding.score_threshold
        return [hold_boxes(stage, _by_rule(stage), pictures, threshold)]
    if stage.prepare is None:
        return []
    taken = getattr(stage.detector, "input", None)
    images = [_image(picture, stage.spec)[0] for picture in pictures]
    expected = images if taken is None else [native(image, taken) for image in images]
    rows = [hold_pictures(stage, pictures, expected)]
    if isinstance(stage.spec, ClassificationSpec):
        named = ForwardClassifier(stage.spec, stage.forward)
        return [*rows, hold_scores(stage, named, pictures)]
    if isinstance(stage.spec, SegmentationSpec):
        by_rule = ForwardSegmenter(stage.spec, stage.forward)
        return [*rows, hold_labels(stage, by_rule, pictures)]
    spec = detector_spec(stage.spec)
    rule = ForwardDetector(spec, stage.forward)
    return [*rows, hold_boxes(stage, rule, pictures, spec.decoding.score_threshold)]


def emulated(
    folder: Path,
    targets: Sequence[str],
    references: Sequence[Stage],
    dataset: Data,
) -> list[Row]:
    """A shipped folder on other machines, by emulation: a few pictures, and no mAP."""
    pictures = _pictures(dataset, EMULATED)
    rows = []
    for target in targets:
        for variant in variants_for(describe(folder).target, target):
            with open_compiled(folder, target=target, variant=variant) as detector:
                stage = compiled_stage(detector, f"C {target} {variant}")
                rows.append(_hold(stage, reference_of(stage, references), pictures))
                rows += [row for row in _hold_rules(stage, pictures) if not row.passed]
    return rows


def halves_on(
    detector: CompiledTwoStage,
    targets: Sequence[str],
    references: Sequence[Stage],
    dataset: Data,
) -> list[Row]:
    """Both networks of a shipped detector in two stages, with each kind of kernels of some
    machines, by a few pictures and without mAP; and its boxes, where another machine runs them."""
    pictures = _pictures(dataset, EMULATED)
    shipped_for = describe(detector.folder, detector.parts[0]).target
    rows = []
    for target in targets:
        here = target == HOST
        runs_whole = not here and not target_of(target).board
        there = detector
        if runs_whole:
            there = CompiledTwoStage(detector.folder, selective_search, target=target)
        variants = variants_for(shipped_for, "any" if here else target)
        for variant in variants:
            name = f"C {variant}" if here else f"C {target} {variant}"
            try:
                stage = compiled_two_stage(there, name, variant=variant, target=target)
            except TatamiError:
                if not here:
                    raise
                continue  # this processor lacks it
            held_to = reference_of(stage, references)
            assert held_to is not None  # itself, as it was shipped, at least
            rows += _hold_parts(stage, held_to, pictures)
            if runs_whole and variant == variants[0]:  # which it chooses itself
                rows += _hold_rules(stage, pictures)
    return rows


def _image(picture: Picture, spec: Spec) -> Float32:
    """The network's input of one picture, (1, 3, H, W), by the written rule."""
    image, _ = prepare(picture, spec.input)
    return np.ascontiguousarray(image[None])


def _check_same_use(stage: Stage, held_to: Stage) -> None:
    for what in ("classes", "input", "decoding"):
        if getattr(stage.spec, what, None) != getattr(held_to.spec, what, None):
            raise TatamiError(
                f"{stage.name} and {held_to.name} differ in their {what}",
                hint="prove the stages of one network",
            )
