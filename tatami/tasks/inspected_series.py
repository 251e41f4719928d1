"""What is in a set of vectors or series, as tables, as plain values and as pictures."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from tatami.data.inspect_series import SeriesInspection
from tatami.see.series import series_picture
from tatami.tasks.inspected import Cell, Inspected
from tatami.types import Boxes, LabeledSeries, Picture
from tatami.types.table import Table, numbers, words

SHOWN = 40
"""Channels that are rows of a table; JSON has them all."""
_LENGTHS = ("shortest", "median", "longest")


class InspectedSeries(Inspected):
    """What is in a set of vectors or series."""

    def __init__(self, found: SeriesInspection) -> None:
        self.found = found
        self.root, self.format, self.classes = found.root, found.format, found.classes
        self.problems, self.notes = found.problems, found.notes
        first = next(iter(found.splits.values()))
        self.names = first.channels

    def heading(self) -> str:
        """Say how many series, channels and classes there are."""
        count = sum(map(len, self.found.splits.values()))
        channels = f"{len(self.names)} channel{'s' * (len(self.names) > 1)}"
        steps = {len(one) for split in self.found.splits.values() for one in split.series}
        what = f"vectors of {len(self.names)} numbers" if steps == {1} else f"series of {channels}"
        return f"{self.root}: {self.format}, {count} {what}, {len(self.classes)} classes"

    def tables(self) -> list[Table]:
        """Count classes and splits, with lengths, and give the range of every channel."""
        splits = self.found.splits
        counts = np.sum([_counts(split) for split in splits.values()], axis=0)
        rows = tuple((str(at), one, str(counts[at])) for at, one in enumerate(self.classes))
        parts = tuple(
            (name, str(len(split)), *(f"{one:g}" for one in _lengths(split)))
            for name, split in splits.items()
        )
        tables = [
            Table((*numbers("class"), words("name"), *numbers("series")), rows, title="Classes"),
            Table((words("split"), *numbers("series", *_LENGTHS)), parts,
                  title="Splits, lengths in steps"),
        ]  # fmt: skip
        channels = self._channels()
        if channels:
            heads = numbers("least", "largest", "mean", "deviation")
            shown = tuple(
                (name, *(f"{value:.6g}" for value in one.values()))
                for name, one in list(channels.items())[:SHOWN]
            )
            left = len(channels) - len(shown)
            caption = f"and {left} more" if left else ""
            tables.append(
                Table((words("channel", flexible=True), *heads), shown, title="Channels",
                      caption=caption)
            )  # fmt: skip
        return tables

    def to_json(self) -> dict[str, Any]:
        """Give the counts of the set and of each split, and the range of every channel."""
        found = self.found.channels
        constant = [] if found is None else [self.names[at] for at in found.constant]
        return {
            "root": str(self.root),
            "format": self.format,
            "classes": list(self.classes),
            "series": sum(map(len, self.found.splits.values())),
            "channels": self._channels(),
            "constant": constant,
            "splits": {
                name: {
                    "series": len(split),
                    "steps": dict(zip(_LENGTHS, _lengths(split), strict=True)),
                    "classes": dict(zip(self.classes, map(int, _counts(split)), strict=True)),
                }
                for name, split in self.found.splits.items()
            },
        }

    def cells(self) -> list[Cell]:
        """Draw every series."""
        return [
            partial(_drawn, split, place)
            for split in self.found.splits.values()
            for place in range(len(split))
        ]

    def _channels(self) -> dict[str, dict[str, float]]:
        found = self.found.channels
        if found is None:
            return {}
        return {
            name: {
                "least": float(found.low[at]),
                "largest": float(found.high[at]),
                "mean": float(found.mean[at]),
                "deviation": float(found.deviation[at]),
            }
            for at, name in enumerate(self.names)
        }


def _counts(split: LabeledSeries) -> list[int]:
    found: list[int] = np.bincount(split.labels, minlength=len(split.classes)).tolist()
    return found


def _lengths(split: LabeledSeries) -> tuple[float, float, float]:
    """Give the shortest, the middle and the longest length, in steps; 0 without a series."""
    lengths = [len(one) for one in split.series] or [0]
    return float(min(lengths)), float(np.median(lengths)), float(max(lengths))


def _drawn(split: LabeledSeries, place: int) -> tuple[str, Picture, Boxes]:
    picture = series_picture(split.read(place))
    whole = [[0, 0, picture.shape[1], picture.shape[0]]]
    return split.ids[place], picture, Boxes.of(whole, [split.labels[place]])
