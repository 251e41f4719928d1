"""The labelled pictures of a run: opened again, held out, and drawn at random for its batches."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tatami.cli.proposals import judged_regions
from tatami.data.augment import Augmentation, augmented, augmented_mask, augmented_picture
from tatami.data.cache import PictureCache
from tatami.data.fingerprint import fingerprint, labelled_fingerprint, mask_fingerprint
from tatami.data.hold_out import HoldOut, hold_out
from tatami.data.open import (
    open_dataset,
    open_labelled,
    open_masks,
)
from tatami.data.pictures import read_picture
from tatami.errors import TatamiError
from tatami.two_stage import warped
from tatami.types import (
    Boxes,
    ClassifierSpec,
    Dataset,
    LabelledMasks,
    LabelledPictures,
    Mask,
    Picture,
    SegmenterSpec,
    Size,
    Spec,
    TwoStageSpec,
)

if TYPE_CHECKING:  # torch is heavy: it is imported where training really starts
    from tatami.train.batches import Draw
    from tatami.train.run import Run

Data = Dataset | LabelledPictures | LabelledMasks

REGIONS = 8
"""Regions of a picture that R-CNN's network sees in an epoch."""


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


def _changed(root: Path) -> TatamiError:
    return TatamiError(
        "the labelled set has changed since the run began",
        file=root,
        mend="restore it, or start a new run",
    )


def drawn(dataset: Data, run: Run) -> Draw:
    """How a run's pictures are drawn with what they teach, whatever its network is for."""
    if isinstance(dataset, LabelledPictures):
        return _drawn_pictures(dataset, run)
    if isinstance(dataset, LabelledMasks):
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


def warps(spec: Spec) -> bool:
    """Whether it is R-CNN, whose network sees regions one by one."""
    return isinstance(spec, TwoStageSpec) and spec.decoding.kind == "warp"
