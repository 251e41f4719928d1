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
    """rocs, reliabilities: of each class.  reliability: over the detections of all classes."""

    diagnosis: Diagnosis
    rocs: tuple[Roc, ...]
    reliabilities: tuple[Reliability, ...]
    reliability: Reliability

    @property
    def mean_auc(self) -> float:
        """Over the classes that have both positive and negative pictures; NaN if none has."""
        present = [roc.auc for roc in self.rocs if not np.isnan(roc.auc)]
        return sum(present) / len(present) if present else np.nan


def diagnostics(pool: Pool, curves: Sequence[Curve], similar: Bool) -> Diagnostics:
    """Of a pool and the curve of each class; similar: (K, K), from ``similar_classes``.

    Raises ValueError where a score is not in 0 to 1, and so is no probability.
    """
    return Diagnostics(
        diagnose(pool, similar),
        class_rocs(pool),
        tuple(curve_reliability(curve) for curve in curves),
        curve_reliability(merged(curves)),
    )
