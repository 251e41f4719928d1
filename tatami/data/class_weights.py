"""What a pixel of each class weighs in a loss, so that rare classes are learned too."""

from __future__ import annotations

import numpy as np

from tatami.types import VOID, Int64, LabeledMasks, Mask


def pixel_counts(mask: Mask, classes: int) -> Int64:
    """Count the pixels of each class in a mask.

    Args:
        mask: (height, width); void is not counted.
        classes: How many classes there are.

    Returns:
        (classes,) int64.
    """
    return np.bincount(mask.ravel(), minlength=VOID + 1)[:classes]


def median_frequency(masks: LabeledMasks) -> tuple[float, ...]:
    """Weigh each class by the median of all classes' frequencies over its own.

    The frequency of a class is its share of the pixels of those pictures that hold it, void left
    out. A class that no picture holds weighs 1, which changes nothing.

    Raises:
        TatamiError: For a pair that cannot be read.

    Source:
        Eigen and Fergus 2015, "Predicting depth, surface normals and semantic labels", section
        4.3.2.
    """
    classes = len(masks.classes)
    own: Int64 = np.zeros(classes, np.int64)  # pixels of the class
    whole: Int64 = np.zeros(classes, np.int64)  # all stated pixels of the pictures that hold it
    for index in range(len(masks)):
        counts = pixel_counts(masks.read(index)[1], classes)
        own += counts
        whole[counts > 0] += counts.sum()
    held = own > 0
    if not held.any():
        return (1.0,) * classes
    frequency = own[held] / whole[held]
    weights = np.ones(classes)
    weights[held] = np.median(frequency) / frequency
    return tuple(weights.tolist())
