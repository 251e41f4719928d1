"""The series rule: how a series of numbers becomes a network's input.

docs/series-rule.md is the rule in words, for whoever writes it in another language; this file is
the rule in NumPy. The C that Tatami writes gives the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tatami.errors import TatamiError
from tatami.ops.exponential import softmax
from tatami.types import Float32, Forward, SeriesInput, SeriesSpec

LARGEST = 1e30
"""No number of a series is larger: what is taken off it stays finite in float32."""


def fitted(series: Float32, rule: SeriesInput) -> Float32:
    """Bring a series to the steps that the network looks at, around its middle.

    A shorter one gets the means before and behind it, which become zeros; a longer one loses its
    ends. Where the difference is odd, one step more at the end.

    Args:
        series: (any steps, channels).
        rule: The rule's parameters.

    Returns:
        (steps, channels).

    Raises:
        TatamiError: For a series of other channels, or of none.
    """
    given = np.asarray(series, np.float32)
    if given.ndim != 2 or given.shape[1] != len(rule.channels) or not len(given):
        raise TatamiError(
            f"an array {given.shape} is no series of {len(rule.channels)} channels",
            hint=f"give steps of {', '.join(rule.channels[:8])}"
            + (" and so on" if len(rule.channels) > 8 else ""),
        )
    missing = rule.steps - len(given)
    if missing < 0:
        start = -missing // 2
        return given[start : start + rule.steps]
    found: Float32 = np.tile(np.array(rule.mean, np.float32), (rule.steps, 1))
    found[missing // 2 : missing // 2 + len(given)] = given
    return found


def standardize(series: Float32, rule: SeriesInput) -> Float32:
    """Compute (number - mean) * scale of each channel, in float32."""
    found: Float32 = series.astype(np.float32)
    found -= np.array(rule.mean, np.float32)
    found *= np.array(rule.scale, np.float32)
    return found


def prepare(series: Float32, rule: SeriesInput) -> Float32:
    """Follow the whole rule: a series (any steps, channels) to an input (1, steps, channels)."""
    return standardize(fitted(series, rule), rule)[None]


@dataclass(frozen=True)
class ForwardSeriesClassifier:
    """A ``types.SeriesClassifier`` around any ``forward``: torch, NumPy or compiled C.

    Args:
        spec: What the network is for.
        forward: Inputs (n, 1, steps, channels) to one output, the logits (n, classes), which may be
            written as maps of one sample, (n, classes, 1, 1).
    """

    spec: SeriesSpec
    forward: Forward

    def classify_series(self, series: Float32) -> Float32:
        """Give the probabilities (classes,) of a series (steps, channels)."""
        (logits,) = self.forward(prepare(series, self.spec.input)[None])
        scores: Float32 = softmax(logits.reshape(1, len(self.spec.classes)))[0]
        return scores
