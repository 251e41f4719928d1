"""Detection: the boxes of the objects in a picture, with their classes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from tatami.data.anchors import kmeans_anchors
from tatami.data.augment import Augmentation, augmented
from tatami.data.cache import PictureCache
from tatami.data.fingerprint import fingerprint
from tatami.data.hold_out import rarest
from tatami.data.inspect import inspect
from tatami.data.open import open_dataset, splits
from tatami.data.pictures import read_picture
from tatami.errors import TatamiError
from tatami.evaluate.curve import Curve
from tatami.evaluate.detections import Evaluation, evaluate
from tatami.evaluate.diagnosis import similar_classes
from tatami.evaluate.difficult import treat_difficult
from tatami.evaluate.results import read_results, write_results
from tatami.models.table import DetectorModel, Model
from tatami.program.forward import numpy_forward
from tatami.rules.decoding import detections
from tatami.rules.detection import ForwardDetector
from tatami.rules.regions import Regions, TwoStageDetector
from tatami.see.class_activation import Target, target_in_boxes, target_in_regions
from tatami.see.draw import draw_detections
from tatami.see.report import Report, Shown
from tatami.ship.c.tasks.detection import DETECTION_IN_C
from tatami.tasks.base import Answer, Difference, Evaluated, Merit, Opened, Task
from tatami.tasks.detection_curves import write_curves
from tatami.tasks.detection_report import (
    box_confusion,
    box_mistakes,
    detection_page,
    shown_sample,
)
from tatami.tasks.detection_settings import DetectionOptions, DetectionSettings
from tatami.tasks.detection_tables import diagnostics_table, figures_lines, figures_table
from tatami.tasks.inside import Inside
from tatami.tasks.inspected import Inspected, InspectedBoxes
from tatami.tasks.mistake import Mistake
from tatami.tasks.settings import check_size
from tatami.tasks.structure import Structure
from tatami.tasks.style import Style
from tatami.tasks.two_stage import TwoStages, proposer
from tatami.tasks.walk import class_order, timed, walk
from tatami.train.recipe import Recipe
from tatami.types import (
    Bool,
    Boxes,
    Dataset,
    Detections,
    DetectionSpec,
    Detector,
    Forward,
    Int64,
    Picture,
    Size,
    TwoStageSpec,
    detector_spec,
)
from tatami.types.progress import Progress, quiet
from tatami.types.table import Table

if TYPE_CHECKING:
    from tatami.train.batches import Examples
    from tatami.train.run import Run

BOX_BOUND = 0.0
"""Largest difference of an edge, in pixels: the decoding rule is the same operations everywhere."""

MODERN = Style(
    Recipe(
        optimizer="adamw",
        learning_rate=0.0015,
        weight_decay=0.05,
        batch=8,
        multi_scale=0.0,
    ),
    settings={"loss": "aligned"},
)
"""How detectors are trained today; chosen on held-out parts of training splits: docs/results.md."""


class Detection(Task[Dataset, Detector, Evaluation]):
    """Find the boxes of objects. Detectors in two stages are a structure of it."""

    name = "detect"
    noun = "detector"
    measure = "mAP"
    specs = (DetectionSpec, TwoStageSpec)
    augmentation = Augmentation()
    styles: ClassVar[Mapping[str, Style]] = {"paper": Style(), "modern": MODERN}
    settings = DetectionSettings
    options = DetectionOptions
    c = DETECTION_IN_C
    labels = "boxes"
    judged_by = "mistakes"
    judging = DetectionOptions(diagnose=True)
    doing = "Detecting"
    finds = "boxes"
    merits = (
        Merit("voc07", "map_voc07", "mAP (VOC 2007)", "mAP", lambda result: result.map_voc07),
        Merit("ap50", "ap50", "AP50 (COCO)", "AP50", lambda result: result.coco.ap50),
    )
    sure = DetectionOptions.at
    answers_file = "detections.json"
    unvaried = ("elastic",)

    # Data ----------------------------------------------------------------------------------------

    def splits(self, root: Path, format: str | None) -> tuple[str, ...]:
        """Name the splits of a set with boxes."""
        return splits(root, format)

    def open(
        self, root: Path, *, split: str | None, format: str | None, skip: Collection[str] = ()
    ) -> Opened[Dataset]:
        """Open one split of a set with boxes."""
        opened = open_dataset(root, split=split, format=format, skip=skip)
        return Opened(opened.dataset, opened.skipped, opened.notes)

    def open_labels(
        self, root: Path, *, split: str | None, format: str | None, skip: Collection[str] = ()
    ) -> Opened[Dataset]:
        """Open one split; of a picture that is not there the label states the size."""
        opened = open_dataset(root, split=split, format=format, skip=skip, labels_alone=True)
        return Opened(opened.dataset, opened.skipped, opened.notes)

    def fingerprint(self, data: Dataset) -> str:
        """Give one number for the names, the pictures and the boxes of a split."""
        return fingerprint(data)

    def select(self, data: Dataset, places: Int64) -> Dataset:
        """Give the pictures at these places as a split."""
        return replace(data, samples=tuple(data.samples[place] for place in places.tolist()))

    def strata(self, data: Dataset) -> Sequence[int]:
        """Give each picture the rarest class in it."""
        return rarest([sample.boxes.labels.tolist() for sample in data.samples])

    def picture(self, data: Dataset, place: int) -> Picture:
        """Read the picture at a place."""
        return read_picture(data.samples[place].path)

    def identity(self, data: Dataset, place: int) -> str:
        """Name the picture at a place."""
        return data.samples[place].id

    def inspect(
        self,
        root: Path,
        *,
        split: str | None,
        format: str | None,
        repairs: Collection[str] = (),
        progress: Progress = quiet,
    ) -> Inspected:
        """Read all of a set with boxes, and find everything that is wrong with it."""
        told = partial(progress, "Checking")
        return InspectedBoxes(
            inspect(root, split=split, format=format, repairs=repairs, progress=told)
        )

    def varied(
        self,
        data: Dataset,
        place: int,
        canvas: Size,
        options: Augmentation,
        rng: np.random.Generator,
    ) -> tuple[Picture, Boxes]:
        """Draw a picture as training would vary it."""
        return augmented(
            data, place, canvas, options, rng, lambda sample: read_picture(sample.path)
        )

    # Training ------------------------------------------------------------------------------------

    def check_training(
        self,
        model: Model[Any],
        recipe: Recipe,
        settings: DetectionSettings,
        augmentation: Augmentation,
    ) -> None:
        """Refuse variations and settings that such networks have no use for."""
        if augmentation.elastic:
            raise TatamiError(
                "elastic deformation is not supported for boxes",
                hint="leave out elastic",
                setting="augment",
            )
        if recipe.size is not None and model.spec_type is DetectionSpec:
            check_size(recipe.size, model.stride)
        if settings.anchors is not None and not model.anchor_count:
            raise TatamiError(
                "the network has its own boxes", hint="leave it out", setting="anchors"
            )
        if settings.min_scale is not None and not model.default_boxes:
            raise TatamiError("it is for an SSD", hint="leave it out", setting="min_scale")
        if settings.alternating and not model.finds_regions:
            raise TatamiError("it is for Faster R-CNN", hint="leave it out", setting="alternating")
        if settings.loss == "aligned" and not model.alignable:
            raise TatamiError("the network has its own loss", hint="leave it out", setting="loss")
        if recipe.evaluate_every and (settings.alternating or model.whole_at_last):
            raise TatamiError(
                "the network is whole only when the training is over",
                hint="leave it out",
                setting="evaluate_every",
            )

    def plan(
        self,
        model: Model[Any],
        data: Dataset,
        recipe: Recipe,
        settings: DetectionSettings,
        progress: Progress = quiet,
    ) -> tuple[DetectionSpec | TwoStageSpec, DetectionSettings]:
        """Make the spec, with anchors in pixels of the input, found by k-means unless given."""
        assert recipe.size is not None
        assert not isinstance(settings.anchors, str)
        anchors = None
        if model.anchor_count:
            asked = model.anchor_count if settings.anchors is None else settings.anchors
            if isinstance(asked, int):
                found = kmeans_anchors(data, recipe.size, asked, recipe.seed).pairs
                asked = tuple((round(width, 4), round(height, 4)) for width, height in found)
            stride = model.stride
            anchors = tuple((width * stride, height * stride) for width, height in asked)
        spec = model.spec(data.classes, recipe.size, anchors, settings.min_scale)
        decoding = replace(spec.decoding, agnostic=settings.nms == "agnostic")
        if not model.alignable:
            settings = replace(settings, loss=None)  # a recipe may say "aligned" of all detectors
        if settings.loss == "aligned":
            assert isinstance(model, DetectorModel), "as the table has it"
            decoding = model.make().aligned(decoding)
        return replace(spec, decoding=decoding), settings

    def examples(self, data: Dataset, run: Run) -> Examples:
        """Draw a picture, which teaches its boxes; a crowd is no one object to learn."""
        from tatami.train.batches import Examples

        usual = Augmentation(**run.augmentation)
        closing = replace(usual, mosaic=0.0)
        load, resize = PictureCache(read_picture), cast(DetectionSpec, run.spec).input.resize

        def draw(
            index: int, size: Size, closing_now: bool, rng: np.random.Generator
        ) -> tuple[Picture, Boxes]:
            varied = closing if closing_now else usual
            canvas, boxes = augmented(data, index, size, varied, rng, load, resize)
            return canvas, boxes.select(~boxes.crowd)

        return Examples(len(data), draw)

    # Answers -------------------------------------------------------------------------------------

    def predictor(self, spec: Any, forward: Forward, answer: Size | None = None) -> Detector:
        """Put the written rule around a function from images to raw maps."""
        return ForwardDetector(detector_spec(spec), forward)

    def structure(self, spec: Any) -> Structure:
        """Say whether the detector is one network or has two stages."""
        return TwoStages() if isinstance(spec, TwoStageSpec) else super().structure(spec)

    def look(self, predictor: Detector, picture: Picture) -> Detections:
        """Find the boxes of a picture."""
        return predictor.detect(picture, predictor.spec.decoding.score_threshold)

    def answer(self, predictor: Detector, picture: Picture, score: float | None = None) -> Answer:
        """Draw the boxes that are found in a picture, and say what they are."""
        classes = predictor.spec.classes
        threshold = predictor.spec.decoding.score_threshold if score is None else score
        found, seconds = timed(lambda: predictor.detect(picture, threshold))
        counts = Counter(classes[label] for label in found.labels.tolist())
        boxes = zip(found.xyxy.tolist(), found.scores.tolist(), found.labels.tolist(), strict=True)
        content = {
            "size": str(Size(picture.shape[1], picture.shape[0])),
            "detections": [
                {"class": classes[label], "score": confidence, "box": xyxy}
                for xyxy, confidence, label in boxes
            ],
        }
        line = ", ".join(f"{count} {name}" for name, count in counts.most_common()) or "nothing"
        return Answer(draw_detections(picture, found, classes), content, line, seconds)

    def heading(self, spec: Any, score: float | None = None) -> dict[str, Any]:
        """Give the classes, and what the answers are read with."""
        threshold = spec.decoding.score_threshold if score is None else score
        return {**super().heading(spec), "score": threshold}

    # Looking inside ------------------------------------------------------------------------------

    def explained(self, inside: Inside, label: str | None) -> Target:
        """Choose what a class activation explains."""
        spec, network = inside.network.spec, inside.network
        if isinstance(spec, DetectionSpec):
            return target_in_boxes(network, inside.computed, spec.decoding, spec.classes, label)
        if len(inside.parts) < 2:
            raise TatamiError(
                "what is in a picture is said by the head, of its regions",
                hint="give the folder that holds both networks; of R-CNN look at its feature maps",
            )
        detector, regions = _regions(inside)
        name = str(network.graph.outputs[0].name)
        features = name, inside.computed[name]
        return target_in_regions(detector, inside.parts[-1].network, features, regions, label)

    def boxes(self, inside: Inside, size: Size, min_score: float | None) -> Detections | None:
        """Find the boxes that a network's values mean."""
        spec = inside.network.spec
        if isinstance(spec, DetectionSpec):
            threshold = spec.decoding.score_threshold if min_score is None else min_score
            raw = [one[0] for one in inside.raw]
            return detections(raw, spec, inside.place, size, threshold)
        if not isinstance(spec, TwoStageSpec) or len(inside.parts) < 2:
            return None
        detector, regions = _regions(inside)
        threshold = spec.decoding.score_threshold if min_score is None else min_score
        return detector.detect_in(regions, size, threshold)

    def anchored(self, spec: Any) -> DetectionSpec | None:
        """Give the part of a spec whose boxes begin from anchors."""
        if isinstance(spec, TwoStageSpec) and spec.proposals is not None:
            return DetectionSpec(spec.classes, spec.input, spec.proposals)
        return spec if isinstance(spec, DetectionSpec) else None

    def resized_merits(self) -> tuple[Merit[Any], ...]:
        """Name mAP by both rules of VOC, and COCO's AP50."""
        voc10 = Merit[Evaluation](
            "voc10", "map_voc10", "mAP (VOC 2010)", "VOC 2010", lambda result: result.map_voc10
        )
        voc07, ap50 = self.merits
        return replace(voc07, short="VOC 2007"), voc10, ap50

    # Metrics -------------------------------------------------------------------------------------

    def check_findable(self, data: Dataset) -> None:
        """Refuse a split in which every object is difficult or in a crowd."""
        ignored = [sample.boxes.difficult | sample.boxes.crowd for sample in data.samples]
        if np.concatenate(ignored).all():
            raise TatamiError(
                "there is nothing to find in the pictures", hint="label some", file=data.root
            )

    def evaluate(
        self,
        predictor: Detector,
        data: Dataset,
        *,
        options: DetectionOptions | None = None,
        skip: Collection[str] = (),
        progress: Progress = quiet,
        stage: str = "",
    ) -> Evaluated[Evaluation]:
        """Run a predictor over a split and measure its boxes."""
        options = options or DetectionOptions()
        if options.at < options.score:
            raise TatamiError(
                f"nothing is reported below the score of {options.score:g}, and this is "
                f"{options.at:g}",
                hint="lower the score, or raise this",
                setting="at",
            )
        to_data = class_order(predictor.spec.classes, data.classes)
        alike = _similar(data, options)
        places, found, seconds = [], [], 0.0
        unreadable: list[int] = []
        for one in walk(
            lambda picture: predictor.detect(picture, options.score),
            range(len(data)),
            lambda place: self.picture(data, place),
            unreadable,
            file=data.root,
            skip=skip,
            stage=stage or self.doing,
            progress=progress,
        ):
            places.append(one.item)
            found.append(replace(one.found, labels=to_data[one.found.labels]))
            seconds += one.seconds
        chosen = np.array(places, np.int64)
        result = _measure(self.select(data, chosen), found, options, alike)
        return Evaluated(result, found, chosen, len(unreadable), seconds)

    def evaluate_file(
        self, file: Path, data: Dataset, options: DetectionOptions | None = None
    ) -> Evaluated[Evaluation]:
        """Measure detections in COCO's results format."""
        options = options or DetectionOptions()
        alike = _similar(data, options)
        ids = [sample.id for sample in data.samples]
        found, ranks = read_results(file, ids, data.category_ids)
        result = _measure(data, found, options, alike, ranks)
        return Evaluated(result, found, np.arange(len(data)), 0, 0.0)

    def write(
        self, data: Dataset, evaluated: Evaluated[Evaluation], options: DetectionOptions
    ) -> list[Path]:
        """Write the detections and the curves that are asked for."""
        if options.curves is not None:
            write_curves(options.curves, evaluated.result)
        if options.save is not None:
            ids = [self.identity(data, place) for place in evaluated.places.tolist()]
            write_results(options.save, ids, evaluated.answers, data.category_ids)
        return [path for path in (options.save, options.curves) if path is not None]

    def facts(self, options: DetectionOptions) -> dict[str, Any]:
        """Give the rules for difficult truths, and for classes without truths."""
        return {"difficult": options.difficult, "absent_classes": options.absent_classes}

    def figure(self, result: Evaluation) -> float:
        """Give the mAP of VOC 2007."""
        return result.map_voc07

    def row(self, result: Evaluation) -> dict[str, float]:
        """Give the mAP of VOC 2007 for evaluations.jsonl."""
        return {"mAP": round(result.map_voc07, 5)}

    def tables(self, result: Evaluation) -> list[Table]:
        """Lay out a row a class, and what else there is."""
        found = result.diagnostics
        diagnosis = [] if found is None else [diagnostics_table(result, found)]
        return [figures_table(result), *diagnosis]

    def lines(self, result: Evaluation) -> list[str]:
        """Say the figures over all classes."""
        return figures_lines(result)

    def exemplar(self, data: Dataset, places: Int64) -> int:
        """Choose the first picture with boxes."""
        labeled = (at for at in range(len(data)) if len(data.samples[at].boxes))
        return next(labeled, 0)

    def curves(self, data: Dataset, evaluated: Evaluated[Evaluation]) -> Mapping[str, Curve]:
        """Give the curves of which precision, recall and F1 are points."""
        result = evaluated.result
        return {"": result.curve, **{one.name: one.curve for one in result.classes}}

    def mistakes(
        self, data: Dataset, evaluated: Evaluated[Evaluation], score: float
    ) -> Sequence[Sequence[Mistake]]:
        """List the boxes that are wrong, and the truths that are missed."""
        return [
            box_mistakes(data.samples[place].boxes, found.select(found.scores > score))
            for place, found in zip(evaluated.places.tolist(), evaluated.answers, strict=True)
        ]

    def confusion(self, data: Dataset, evaluated: Evaluated[Evaluation], score: float) -> Int64:
        """Count boxes, and truths that no box is at."""
        return box_confusion(
            [data.samples[place].boxes for place in evaluated.places.tolist()],
            [found.select(found.scores > score) for found in evaluated.answers],
            len(data.classes),
        )

    def shown(
        self, data: Dataset, evaluated: Evaluated[Evaluation], number: int, score: float
    ) -> Shown:
        """Draw the labeled and the found boxes, each mistake with its kind."""
        found = evaluated.answers[number]
        return shown_sample(data, int(evaluated.places[number]), found.select(found.scores > score))

    def page(
        self, page: Report, predictor: Detector, data: Dataset, evaluated: Evaluated[Evaluation]
    ) -> Report:
        """Add the figures, the pictures and the classes to a report's page."""
        return detection_page(page, predictor, data, evaluated)

    def compare(
        self, predictor: Detector, reference: Detector, pictures: Sequence[Picture]
    ) -> Difference:
        """Compare the boxes of a predictor with those of its reference."""
        threshold = reference.spec.decoding.score_threshold
        worst = 0.0
        for picture in pictures:
            found = predictor.detect(picture, threshold)
            apart = box_difference(found, reference.detect(picture, threshold))
            worst = apart if math.isnan(apart) else max(worst, apart)
        return Difference("boxes", worst, "px", BOX_BOUND)


DETECTION = Detection()


def _regions(inside: Inside) -> tuple[TwoStageDetector, Regions]:
    """Find the regions of a picture whose features are computed already."""
    head = numpy_forward(inside.parts[-1].network)
    spec = inside.network.spec
    assert isinstance(spec, TwoStageSpec)
    detector = TwoStageDetector(spec, lambda _: inside.raw, head, proposer(spec))
    return detector, detector.regions_of(inside.picture)


def box_difference(found: Detections, expected: Detections) -> float:
    """Give the largest difference of an edge in pixels; infinite unless the labels are the same."""
    if len(found) != len(expected) or not np.array_equal(found.labels, expected.labels):
        return math.inf
    return float(np.abs(found.xyxy - expected.xyxy).max()) if len(found) else 0.0


def _measure(
    data: Dataset,
    found: Sequence[Detections],
    options: DetectionOptions,
    similar: Bool | None,
    ranks: Sequence[Int64] | None = None,
) -> Evaluation:
    if similar is not None:
        _check_scores(found)
    return evaluate(
        [treat_difficult(sample.boxes, options.difficult) for sample in data.samples],
        found,
        data.classes,
        iou_threshold=options.iou,
        at=options.at,
        resamples=options.bootstrap,
        similar=similar,
        image_ids=_image_ids(data),
        ranks=ranks,
        absent_classes=options.absent_classes,
    )


def _image_ids(data: Dataset) -> list[int] | list[str] | None:
    """Give the ids of a COCO set's pictures, as numbers where they are; of others None."""
    names = [sample.id for sample in data.samples]
    if not data.own_ids:
        return None
    numbers = [int(name) for name in names if name.isascii() and name.isdecimal()]
    return numbers if len(numbers) == len(names) else names


def _similar(data: Dataset, options: DetectionOptions) -> Bool | None:
    """Give the classes that are alike (classes, classes), where a diagnosis asks for them.

    Raises:
        TatamiError: For a name that is no class.
    """
    if not options.diagnoses:
        return None
    groups = [group.split(",") for group in options.similar]
    try:
        return similar_classes(data.classes, groups or None)
    except ValueError as error:
        raise TatamiError(
            str(error), hint="give names of the data's classes, as cat,dog", setting="similar"
        ) from error


def _check_scores(found: Sequence[Detections]) -> None:
    """Raise TatamiError where a score is not in 0 to 1, and so has no calibration."""
    for one in found:
        wrong = one.scores[(one.scores < 0) | (one.scores > 1)]
        if len(wrong):
            raise TatamiError(
                f"a score of {wrong[0]:g} is no probability",
                hint="leave out the diagnosis and the curves, or scale the scores to 0 to 1",
            )
