"""What lies behind the figures, class by class: kinds of error, ROC of pictures, calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tatami.evaluate.calibration import Reliability, curve_reliability
from tatami.evaluate.curve import Curve, merged
from tatami.evaluate.diagnosis import Diagnosis, diagnose
from tatami.evaluate.pool import Pool
from tatami.evaluate.roc import Roc, class_rocs
from tatami.types import Bool


@dataclass(frozen=True)
class Diagnostics:
    """What lies behind a detector's figures.

    Args:
        diagnosis: Kinds of error.
        rocs: The ROC of each class over the pictures.
        reliabilities: The calibration of each class.
        reliability: The calibration over the detections of all classes.
    """

    diagnosis: Diagnosis
    rocs: tuple[Roc, ...]
    reliabilities: tuple[Reliability, ...]
    reliability: Reliability

    @property
    def mean_auc(self) -> float:
        """The mean over the classes that have positive and negative pictures; NaN if none has."""
        present = [roc.auc for roc in self.rocs if not np.isnan(roc.auc)]
        return sum(present) / len(present) if present else np.nan


def diagnostics(pool: Pool, curves: Sequence[Curve], similar: Bool) -> Diagnostics:
    """Compute what lies behind the figures of a pool.

    Args:
        pool: Truths and detections.
        curves: The curve of each class.
        similar: (K, K), from ``similar_classes``.

    Raises:
        ValueError: Where a score is not in 0 to 1, and so is no probability.
    """
    return Diagnostics(
        diagnose(pool, similar),
        class_rocs(pool),
        tuple(curve_reliability(curve) for curve in curves),
        curve_reliability(merged(curves)),
    )
