"""The labeled pictures of a run: opened again, held out, and drawn at random for its batches."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tatami.data.augment import Augmentation, augmented, augmented_mask, augmented_picture
from tatami.data.cache import PictureCache
from tatami.data.fingerprint import any_fingerprint
from tatami.data.hold_out import HoldOut, hold_out
from tatami.data.open import (
    open_dataset,
    open_labeled,
    open_masks,
)
from tatami.data.pictures import read_picture
from tatami.errors import TatamiError
from tatami.rules.regions import warped
from tatami.tasks.proposals import judged_regions
from tatami.types import (
    Boxes,
    ClassificationSpec,
    Dataset,
    LabeledMasks,
    LabeledPictures,
    Mask,
    Picture,
    SegmentationSpec,
    Size,
    Spec,
    TwoStageSpec,
)

if TYPE_CHECKING:  # torch is heavy: it is imported where training really starts
    from tatami.train.batches import Draw
    from tatami.train.run import Run

Data = Dataset | LabeledPictures | LabeledMasks

REGIONS = 8
"""Regions of a picture that R-CNN's network sees in an epoch."""


def reopened(run: Run) -> Data:
    """What a run learns from, whatever its network is for. Raises TatamiError where it is not the
    same any more."""
    opened = _opened(run, run.data.split)
    if run.data.hold_out is not None:
        opened, _ = _parts(opened, run.data.hold_out)
    if any_fingerprint(opened) != run.data.fingerprint:
        raise TatamiError(
            "the labeled set has changed since the run began",
            file=Path(run.data.root),
            hint="restore it, or start a new run",
        )
    return opened


def held_out_of(run: Run) -> Data | None:
    """What a run is evaluated on, or None where there is nothing."""
    if run.data.hold_out is not None:
        return _parts(_opened(run, run.data.split), run.data.hold_out)[1]
    return None if run.data.test_split is None else _opened(run, run.data.test_split)


def _opened(run: Run, split: str) -> Data:
    root, format, skip = Path(run.data.root), run.data.format, run.data.skip
    if isinstance(run.spec, ClassificationSpec):
        return open_labeled(root, split=split, format=format, skip=skip).pictures
    if isinstance(run.spec, SegmentationSpec):
        return open_masks(root, split=split, format=format, skip=skip).masks
    return open_dataset(root, split=split, format=format, skip=skip).dataset


def _parts(opened: Data, typed: str) -> tuple[LabeledPictures, LabeledPictures]:
    """What is learned from and what is held out, of a classifier's one split."""
    assert isinstance(opened, LabeledPictures)
    return hold_out(opened, HoldOut.parse(typed))


def drawn(dataset: Data, run: Run) -> Draw:
    """How a run's pictures are drawn with what they teach, whatever its network is for."""
    if isinstance(dataset, LabeledPictures):
        return _drawn_pictures(dataset, run)
    if isinstance(dataset, LabeledMasks):
        return _drawn_masks(dataset, run)
    return _drawn_regions(dataset, run) if warps(run.spec) else drawn_boxes(dataset, run)


def drawn_boxes(dataset: Dataset, run: Run) -> Draw:
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


def _drawn_pictures(pictures: LabeledPictures, run: Run) -> Draw:
    """How a classifier's are, with their classes."""
    options = Augmentation(**run.augmentation)

    def draw(index: int, size: Size, _: bool, rng: np.random.Generator) -> tuple[Picture, int]:
        canvas = augmented_picture(pictures.read(index), size, options, rng)
        return canvas, int(pictures.labels[index])

    return draw


def _drawn_masks(masks: LabeledMasks, run: Run) -> Draw:
    """How a segmenter's are, with their masks."""
    options = Augmentation(**run.augmentation)

    def draw(index: int, size: Size, _: bool, rng: np.random.Generator) -> tuple[Picture, Mask]:
        return augmented_mask(*masks.read(index), size, options, rng)

    return draw


def warps(spec: Spec) -> bool:
    """Whether it is R-CNN, whose network sees regions one by one."""
    return isinstance(spec, TwoStageSpec) and spec.decoding.kind == "warp"
