"""The range of every activation, observed on calibration pictures.

A byte has 256 steps, so a range must be chosen: what lies outside is clipped, and the wider it is,
the coarser the steps. There are three methods: everything observed (min-max), all but a share
(percentile), or the range that loses least in squared error (MSE). Observations are kept as
histograms, so memory does not grow with the pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tatami.errors import TatamiError
from tatami.graph.network import Network
from tatami.graph.run import Given, values
from tatami.types import Float32, Float64, Int64

Method = Literal["minmax", "percentile", "mse"]
METHODS: tuple[Method, ...] = ("minmax", "percentile", "mse")
BINS = 2048
PERCENTILE = 99.99
"""The share of all samples, in percent, that stays inside, half of the rest at each end."""
CANDIDATES = 80
"""Ranges that MSE tries at each end."""


@dataclass(frozen=True)
class Observation:
    """The values of one activation on all calibration pictures.

    Args:
        low: The smallest value, or 0.
        high: The largest value, or 0.
        counts: (BINS,) int64: a histogram between the two.
        means: (channels,) float64: the mean of each channel, the first axis after the batch; (1,)
            where there is none.
    """

    low: float
    high: float
    counts: Int64
    means: Float64


@dataclass(frozen=True)
class Range:
    """What eight bits are spread over; 0 is always inside.

    Args:
        low: The value of the lowest byte.
        high: The value of the highest byte.
    """

    low: float
    high: float


def observe(
    network: Network,
    images: Iterable[Given],
    count: int,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Observation]:
    """Run calibration pictures through a network and observe every activation.

    They run twice: first for the extremes, then for the histograms between them.

    Args:
        network: The float network.
        images: Arrays (1, 3, H, W); of a network with several inputs, a sequence of arrays each.
        count: How many there are, for ``progress``.
        progress: Called with (images done, images in all, both turns counted) after each.

    Returns:
        An observation of every activation, by name: of values in float32 that are no single number.

    Raises:
        TatamiError: Where there is no picture, and where an activation is not finite.
    """
    pictures = list(images)
    if not pictures:
        raise TatamiError("no picture to calibrate with", hint="give at least one")
    low: dict[str, float] = {}
    high: dict[str, float] = {}
    sums: dict[str, Float64] = {}
    counts: dict[str, Int64] = {}
    for turn in range(2):
        for done, image in enumerate(pictures):
            for name, array in values(network, image).items():
                if array.dtype != np.float32 or array.ndim == 0 or array.size == 0:
                    continue  # indices, shapes and masks are no activations
                if turn == 0:
                    low[name] = min(low.get(name, 0.0), float(array.min()))
                    high[name] = max(high.get(name, 0.0), float(array.max()))
                    if not np.isfinite(low[name] + high[name]):
                        raise TatamiError(
                            f"the activation '{name}' is not finite on a calibration picture",
                            hint="train again with a lower learning rate",
                        )
                    axes = tuple(axis for axis in range(array.ndim) if axis != 1)
                    mean = np.atleast_1d(array.mean(axis=axes, dtype=np.float64))
                    sums[name] = sums.get(name, np.zeros_like(mean)) + mean
                else:
                    width = max(high[name] - low[name], 1e-30)
                    found, _ = np.histogram(array, BINS, (low[name], low[name] + width))
                    counts[name] = counts.get(name, np.zeros(BINS, np.int64)) + found
            if progress is not None:
                progress(turn * count + done + 1, 2 * count)
    return {
        name: Observation(low[name], high[name], counts[name], sums[name] / len(pictures))
        for name in counts
    }


def observation_of(array: Float32) -> Observation:
    """Observe the numbers of a constant.

    Args:
        array: Of any shape.
    """
    low, high = min(0.0, float(array.min())), max(0.0, float(array.max()))
    counts, _ = np.histogram(array, BINS, (low, low + max(high - low, 1e-30)))
    return Observation(low, high, counts, np.array([float(array.mean())]))


def merge(observations: Iterable[Observation]) -> Observation:
    """Merge the observations of activations that must share one range."""
    given = list(observations)
    if len(given) == 1:
        return given[0]
    low, high = min(one.low for one in given), max(one.high for one in given)
    counts = np.zeros(BINS, np.int64)
    for one in given:
        found, _ = np.histogram(
            _centers(one), BINS, (low, max(high, low + 1e-30)), weights=one.counts
        )
        counts += found.astype(np.int64)
    return Observation(low, high, counts, given[0].means)


def choose_range(observation: Observation, method: Method) -> Range:
    """Choose the range of one activation; it holds 0, and is never empty.

    Args:
        observation: The activation's values.
        method: How it is chosen: a member of METHODS.
    """
    low, high = min(observation.low, 0.0), max(observation.high, 0.0)
    if high - low <= 0:
        return Range(0.0, 1.0)
    if method == "percentile":
        share = np.cumsum(observation.counts) / observation.counts.sum()
        outside = (100 - PERCENTILE) / 200
        edges = np.linspace(observation.low, observation.high, BINS + 1)
        low = max(low, min(0.0, float(edges[np.searchsorted(share, outside)])))
        high = min(high, max(0.0, float(edges[np.searchsorted(share, 1 - outside) + 1])))
    if method == "mse":
        low, high = _least_squares(observation, low, high)
    return (
        Range(low, high)
        if high > low
        else Range(min(observation.low, 0.0), max(observation.high, 0.0))
    )


def _least_squares(observation: Observation, low: float, high: float) -> tuple[float, float]:
    """Try narrower ranges, both ends together and then each, and keep the least squared error."""
    centers, weights = _centers(observation), observation.counts.astype(np.float64)

    def error(low: float, high: float) -> float:
        scale = (high - low) / 255
        zero = np.round(-low / scale)
        steps = np.clip(np.round(centers / scale) + zero, 0, 255)
        return float((weights * (centers - (steps - zero) * scale) ** 2).sum())

    factors = np.linspace(1.0, 0.2, CANDIDATES)
    _, best = min((error(low * f, high * f), -f) for f in factors)
    low, high = low * -best, high * -best
    if high > 0:
        high = -min((error(low, high * f), -high * f) for f in np.linspace(1.3, 0.6, CANDIDATES))[1]
        high = min(high, max(observation.high, 0.0))
    if low < 0:
        low = min((error(low * f, high), low * f) for f in np.linspace(1.3, 0.6, CANDIDATES))[1]
        low = max(low, min(observation.low, 0.0))
    return low, high


def _centers(observation: Observation) -> Float64:
    edges = np.linspace(observation.low, max(observation.high, observation.low + 1e-30), BINS + 1)
    centers: Float64 = (edges[:-1] + edges[1:]) / 2
    return centers
