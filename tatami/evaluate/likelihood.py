"""How well a network foretells sound: bits a sample, of all samples and of each class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tatami.types import Float64, Int64

PLAIN = 8
"""Bits of a code of the mu law, where nothing is foretold."""


@dataclass(frozen=True)
class ClassLikelihood:
    """How well the sounds of a class are foretold.

    Args:
        name: The class.
        sounds: How many there are.
        samples: In all of them.
        bits: A sample; NaN where there is none.
    """

    name: str
    sounds: int
    samples: int
    bits: float


@dataclass(frozen=True)
class Likelihood:
    """How well sounds are foretold.

    Args:
        bits: A sample, over all samples: the mean of -log2 of their probabilities.
        sounds: How many there are.
        samples: In all of them.
        classes: The same of each class.
    """

    bits: float
    sounds: int
    samples: int
    classes: tuple[ClassLikelihood, ...]

    @property
    def saved(self) -> float:
        """The share of 8 bits a sample that need not be said, 0 to 1."""
        return max(0.0, 1 - self.bits / PLAIN)

    def to_json(self) -> dict[str, Any]:
        """Give the figures as plain values; what is no number as null."""
        return {
            "bits": self.bits,
            "saved": self.saved,
            "sounds": self.sounds,
            "samples": self.samples,
            "classes": {
                one.name: {
                    "sounds": one.sounds,
                    "samples": one.samples,
                    "bits": None if math.isnan(one.bits) else one.bits,
                }
                for one in self.classes
            },
        }


def evaluate(labels: Int64, surprises: Sequence[Float64], classes: Sequence[str]) -> Likelihood:
    """Measure bits a sample.

    Args:
        labels: The class of each sound, (n,).
        surprises: -log2 of the probability of every sample, (samples,) of each sound.
        classes: The names of the classes.
    """
    bits = np.array([one.sum() for one in surprises])
    samples = np.array([len(one) for one in surprises], np.int64)
    rows = []
    for label, name in enumerate(classes):
        own = labels == label
        count = int(samples[own].sum())
        each = float(bits[own].sum() / count) if count else math.nan
        rows.append(ClassLikelihood(name, int(own.sum()), count, each))
    total = int(samples.sum())
    return Likelihood(float(bits.sum() / total), len(surprises), total, tuple(rows))
