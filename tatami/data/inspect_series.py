"""Look at a whole set of vectors or series: read every one, compare the splits, measure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tatami.data.formats.table import SERIES_FORMATS
from tatami.data.inspect import readings
from tatami.data.open import chosen_split, series_format_of
from tatami.data.problems import Problem
from tatami.types import Float64, Int64, LabeledSeries

NAMED = 8
"""Constant columns that a note names at most."""


@dataclass(frozen=True)
class Channels:
    """What the numbers of each channel are like, over all steps of all series of a set.

    Args:
        low: (channels,) the least.
        high: (channels,) the largest.
        mean: (channels,).
        deviation: (channels,) the standard deviation.
    """

    low: Float64
    high: Float64
    mean: Float64
    deviation: Float64

    @property
    def constant(self) -> Int64:
        """The places of the channels that have one number only."""
        return np.flatnonzero(self.low == self.high)


@dataclass(frozen=True)
class SeriesInspection:
    """A set's splits, and everything that is wrong with them.

    Args:
        root: The folder or file of the set.
        format: A key of SERIES_FORMATS.
        classes: The names of the classes.
        splits: The splits by name.
        channels: What the numbers are like; None without a series.
        problems: What is wrong, file by file.
        notes: What was understood otherwise than a reader of the files may expect.
    """

    root: Path
    format: str
    classes: tuple[str, ...]
    splits: dict[str, LabeledSeries]
    channels: Channels | None
    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()


def inspect_series(
    root: Path,
    *,
    split: str | None = None,
    format: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> SeriesInspection:
    """Read the series of every split, measure them, and find what is there twice.

    Args:
        root: The folder or file of the set.
        split: The only split to look at; None: all.
        format: A key of SERIES_FORMATS; None: whichever recognizes the set.
        progress: Called with (splits done, splits in all) after each.

    Raises:
        TatamiError: Only for a set that cannot be recognized, or of which no split can be read.
    """
    name = series_format_of(root, format)
    reader = SERIES_FORMATS[name]
    every = reader.splits(root)
    asked = every if split is None else (chosen_split(root, split, every),)
    problems: list[Problem] = []
    found: dict[str, LabeledSeries] = {}
    seen: dict[bytes, str] = {}
    for wanted, reading in readings(reader.read, root, asked, problems):
        found[wanted] = reading.series
        problems += _twice(reading.series, seen)
        if progress is not None:
            progress(len(found), len(asked))
    splits = [one for one in found.values() if len(one)]
    channels = channels_of(splits) if splits else None
    notes = () if channels is None else _constant(channels, splits[0].channels)
    classes = next(iter(found.values())).classes
    return SeriesInspection(root, name, classes, found, channels, tuple(problems), notes)


def channels_of(splits: list[LabeledSeries]) -> Channels:
    """Measure the channels of splits, of which none is empty."""
    steps = np.concatenate([one for split in splits for one in split.series]).astype(np.float64)
    return Channels(steps.min(axis=0), steps.max(axis=0), steps.mean(axis=0), steps.std(axis=0))


def _twice(data: LabeledSeries, seen: dict[bytes, str]) -> list[Problem]:
    """Find the series of a split whose numbers were seen before."""
    problems = []
    for identity, (file, line), one in zip(data.ids, data.places, data.series, strict=True):
        here = f"'{identity}' of split '{data.split}'"
        # + 0.0: -0 is 0
        key = hashlib.sha256(repr(one.shape).encode() + (one + 0.0).tobytes()).digest()
        twin = seen.setdefault(key, here)
        if twin != here:
            reason = f"series {here} is also {twin}"
            hint = "keep it in one split only, or its figures mean nothing"
            problems.append(Problem("duplicate-series", file, line, reason, hint))
    return problems


def _constant(channels: Channels, names: tuple[str, ...]) -> tuple[str, ...]:
    """Name the constant channels in a note."""
    places = channels.constant.tolist()
    if not places:
        return ()
    shown = ", ".join(f"{names[at]} ({channels.low[at]:g})" for at in places[:NAMED])
    more = f" and {len(places) - NAMED} more" if len(places) > NAMED else ""
    which = "1 column is" if len(places) == 1 else f"{len(places)} columns are"
    return (f"{which} the same everywhere: {shown}{more}",)
