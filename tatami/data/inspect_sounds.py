"""Look at a whole set of sounds: read every one, compare the splits, measure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tatami.data.formats.table import SOUND_FORMATS
from tatami.data.inspect import readings
from tatami.data.open import chosen_split, sound_format_of
from tatami.data.problems import Problem
from tatami.errors import TatamiError
from tatami.types import Int64, LabeledSounds, Samples

SILENT = 32
"""A sound is silent whose loudest sample is smaller: 60 dB below the loudest there is."""
CLIPPED = 4
"""A sound is clipped that stays at one end of the range for so many samples."""


@dataclass(frozen=True)
class SplitOfSounds:
    """The part of a split that is in order, and what its sounds are like.

    Args:
        sounds: The split.
        lengths: (n,) samples of each.
        peaks: (n,) the size of the loudest sample of each.
        clipped: How many are clipped.
    """

    sounds: LabeledSounds
    lengths: Int64
    peaks: Int64
    clipped: int

    @property
    def silent(self) -> int:
        """How many are silent."""
        return int((self.peaks < SILENT).sum())


@dataclass(frozen=True)
class SoundInspection:
    """A set's splits, and everything that is wrong with them.

    Args:
        root: The folder of the set.
        format: A key of SOUND_FORMATS.
        classes: The names of the classes.
        splits: The splits by name.
        problems: What is wrong, file by file.
        notes: What was understood otherwise than a reader of the files may expect.
    """

    root: Path
    format: str
    classes: tuple[str, ...]
    splits: dict[str, SplitOfSounds]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()


def inspect_sounds(
    root: Path,
    *,
    split: str | None = None,
    format: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> SoundInspection:
    """Read the sounds of every split, measure them, and find what is there twice.

    Args:
        root: The folder of the set.
        split: The only split to look at; None: all.
        format: A key of SOUND_FORMATS; None: whichever recognizes the set.
        progress: Called with (sounds done, sounds in all) after each.

    Raises:
        TatamiError: Only for a set that cannot be recognized, or of which no split can be read.
    """
    name = sound_format_of(root, format)
    reader = SOUND_FORMATS[name]
    every = reader.splits(root)
    asked = every if split is None else (chosen_split(root, split, every),)
    problems: list[Problem] = []
    read = {one: got.sounds for one, got in readings(reader.read, root, asked, problems)}
    total, done = sum(map(len, read.values())), 0
    seen: dict[bytes, str] = {}
    found = {}
    for wanted, sounds in read.items():
        kept, lengths, peaks, clipped = [], [], [], 0
        for index, identity in enumerate(sounds.ids):
            done += 1
            if progress is not None:
                progress(done, total)
            try:
                samples = sounds.read(index)
            except TatamiError as error:
                problems.append(Problem.of("unreadable-sound", error, root))
                continue
            kept.append(index)
            lengths.append(len(samples))
            peaks.append(int(np.abs(samples.astype(np.int64)).max()))
            clipped += _is_clipped(samples)
            here = f"'{identity}' of split '{wanted}'"
            twin = seen.setdefault(hashlib.sha256(samples.tobytes()).digest(), here)
            if twin != here:
                reason = f"sound {here} is also {twin}"
                hint = "keep it in one split only, or its figures mean nothing"
                problems.append(Problem("duplicate-sound", root, None, reason, hint))
        found[wanted] = SplitOfSounds(
            sounds.select(np.array(kept, np.int64)),
            np.array(lengths, np.int64),
            np.array(peaks, np.int64),
            clipped,
        )
    classes = next(iter(read.values())).classes
    return SoundInspection(root, name, classes, found, tuple(problems))


def _is_clipped(samples: Samples) -> bool:
    """Tell whether a sound stays at an end of its range for CLIPPED samples."""
    if len(samples) < CLIPPED:
        return False
    stretches = np.lib.stride_tricks.sliding_window_view(samples, CLIPPED)
    ends = (stretches == 32767).all(axis=1) | (stretches == -32768).all(axis=1)
    return bool(ends.any())
