"""What the networks of detectors in two stages learn from, beside whole pictures with boxes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np

from tatami.data.augment import Augmentation, augmented_picture
from tatami.data.cache import PictureCache
from tatami.data.pictures import read_picture
from tatami.rules.regions import warped
from tatami.tasks.proposals import judged_regions
from tatami.types import Dataset, Picture, Size, TwoStageSpec
from tatami.types.progress import Progress, tracked

if TYPE_CHECKING:  # torch is heavy: it is imported where training really starts
    from torch import nn

    from tatami.models.rcnn import RCNN
    from tatami.train.batches import Examples
    from tatami.train.run import Run

REGIONS = 8
"""Regions of a picture that R-CNN's network sees in an epoch."""
SVM_PICTURES, SVM_REGIONS = 1000, 60
"""Pictures, at most, and proposals of each that its SVMs are fitted to: their features are held in
memory."""


def region_examples(data: Dataset, run: Run) -> Examples:
    """Draw one of the warped regions of a picture, which teaches its class.

    Of every four regions one overlaps a truth by half or more, where there is one.

    Source:
        Girshick et al. 2014, section 2.3.
    """
    from tatami.train.batches import Examples, stacked

    spec = cast(TwoStageSpec, run.spec)
    load = PictureCache(read_picture)
    varied = replace(
        Augmentation(**run.augmentation), mosaic=0.0, scale=(1.0, 1.0), aspect=1.0, translate=0.0
    )
    judged = [judged_regions(sample.boxes) for sample in data.samples]

    def draw(index: int, size: Size, _: bool, rng: np.random.Generator) -> tuple[Picture, int]:
        place = index % len(data)
        regions, classes = judged[place]
        objects, others = np.flatnonzero(classes), np.flatnonzero(classes == 0)
        wanted = objects if rng.random() < 0.25 else others
        wanted = wanted if len(wanted) else np.arange(len(regions))
        which = int(rng.choice(wanted))
        context, pad = spec.decoding.context, int(spec.input.pad)
        crop = warped(load(data.samples[place]), regions[which], size, context, pad)
        return augmented_picture(crop, size, varied, rng), int(classes[which])

    return Examples(len(data) * REGIONS, draw, stacked)


def fit_svms(model: nn.Module, data: Dataset, run: Run, progress: Progress) -> None:
    """Fit what R-CNN learns when its network has learned: an SVM and a regression a class."""
    from tatami.models.svm import fit

    step = max(1, -(-len(data) // SVM_PICTURES))
    chosen = tracked(data.samples[::step], "Fitting SVMs", progress)
    pictures = ((read_picture(s.path), s.boxes.select(~s.boxes.crowd)) for s in chosen)
    spec = cast(TwoStageSpec, run.spec)
    fit(cast("RCNN", model), pictures, spec, SVM_REGIONS, run.recipe.seed)
