"""What is in a set of sounds, as tables, as plain values and as spectrograms."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from tatami.data.inspect_sounds import SoundInspection, SplitOfSounds
from tatami.see.spectrogram import spectrogram
from tatami.tasks.inspected import Cell, Inspected
from tatami.types import Boxes, LabeledSounds, Picture
from tatami.types.sound import SoundInput
from tatami.types.table import Table, numbers, words


class InspectedSounds(Inspected):
    """What is in a set of sounds."""

    def __init__(self, found: SoundInspection) -> None:
        self.found = found
        self.root, self.format, self.classes = found.root, found.format, found.classes
        self.problems, self.notes = found.problems, found.notes

    def heading(self) -> str:
        """Say how many sounds and classes there are, and how fine they are."""
        count = sum(len(split.sounds) for split in self.found.splits.values())
        rates = {split.sounds.rate for split in self.found.splits.values()}
        said = " and ".join(f"{rate:,}" for rate in sorted(rates))
        return (
            f"{self.root}: {self.format}, {count} sounds, {len(self.classes)} classes, "
            f"{said} samples a second"
        )

    def tables(self) -> list[Table]:
        """Count classes and splits, with lengths, silence and clipping."""
        splits = self.found.splits.values()
        counts = np.sum([_counts(split.sounds) for split in splits], axis=0)
        rows = tuple((str(at), one, str(counts[at])) for at, one in enumerate(self.classes))
        parts = tuple(
            (
                name,
                str(len(split.sounds)),
                *(f"{seconds:.2f}" for seconds in _seconds(split)),
                str(split.silent),
                str(split.clipped),
            )
            for name, split in self.found.splits.items()
        )
        columns = numbers("sounds", "shortest", "median", "longest", "silent", "clipped")
        return [
            Table((*numbers("class"), words("name"), *numbers("sounds")), rows, title="Classes"),
            Table((words("split"), *columns), parts, title="Splits, lengths in seconds"),
        ]

    def to_json(self) -> dict[str, Any]:
        """Give the counts of the set and of each split."""
        return {
            "root": str(self.root),
            "format": self.format,
            "classes": list(self.classes),
            "sounds": sum(len(split.sounds) for split in self.found.splits.values()),
            "splits": {
                name: {
                    "sounds": len(split.sounds),
                    "rate": split.sounds.rate,
                    "seconds": dict(
                        zip(("shortest", "median", "longest"), _seconds(split), strict=True)
                    ),
                    "silent": split.silent,
                    "clipped": split.clipped,
                    "classes": dict(
                        zip(self.classes, map(int, _counts(split.sounds)), strict=True)
                    ),
                }
                for name, split in self.found.splits.items()
            },
        }

    def cells(self) -> list[Cell]:
        """Give the spectrogram of every sound."""
        return [
            partial(_drawn, split.sounds, place)
            for split in self.found.splits.values()
            for place in range(len(split.sounds))
        ]


def _counts(sounds: LabeledSounds) -> list[int]:
    found: list[int] = np.bincount(sounds.labels, minlength=len(sounds.classes)).tolist()
    return found


def _seconds(split: SplitOfSounds) -> tuple[float, float, float]:
    """Give the shortest, the middle and the longest length, in seconds; 0 without a sound."""
    lengths = split.lengths / split.sounds.rate if len(split.lengths) else np.zeros(1)
    return float(lengths.min()), float(np.median(lengths)), float(lengths.max())


def _drawn(sounds: LabeledSounds, place: int) -> tuple[str, Picture, Boxes]:
    rate = sounds.rate
    rule = SoundInput(rate=rate, window=rate // 25, step=rate // 50, high=rate // 2)
    picture = spectrogram(sounds.read(place), rule)
    whole = [[0, 0, picture.shape[1], picture.shape[0]]]
    return sounds.ids[place], picture, Boxes.of(whole, [sounds.labels[place]])
