"""VOC's difficult truths: three ways in which evaluators treat them."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from tatami.types import Boxes

Difficult = Literal["ignore", "drop", "count"]
"""ignore: neither rewarded nor punished, which is VOC's rule and the default.  drop: not there, so
that a detection on one is wrong; darknet's ``map`` does that, as its label files lack them.
count: like any other truth."""
RULES: tuple[Difficult, ...] = ("ignore", "drop", "count")


def treat_difficult(truths: Boxes, rule: Difficult) -> Boxes:
    """Mark or remove a picture's difficult truths as an evaluator does.

    Args:
        truths: What is labeled in a picture.
        rule: One of RULES.
    """
    if rule == "drop":
        return truths.select(~truths.difficult)
    if rule == "count":
        return replace(truths, difficult=np.zeros(len(truths), np.bool_))
    return truths
