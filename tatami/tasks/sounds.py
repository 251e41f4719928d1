"""What tasks share whose data are sounds, a class each."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tatami.data.fingerprint import sound_fingerprint
from tatami.data.inspect_sounds import inspect_sounds
from tatami.data.open import open_sounds, sound_splits
from tatami.data.sounds import is_sound_name, read_sound
from tatami.tasks.base import Opened, P, R, Task
from tatami.tasks.inspected import Inspected
from tatami.tasks.inspected_sounds import InspectedSounds
from tatami.types import Int64, LabeledSounds, Samples
from tatami.types.progress import Progress, quiet


class OfSounds(Task[LabeledSounds, P, R]):
    """A task that learns from sounds. Abstract."""

    labels = "sounds"
    units = "sounds"

    def splits(self, root: Path, format: str | None) -> tuple[str, ...]:
        """Name the splits of a set of sounds."""
        return sound_splits(root, format)

    def open(
        self, root: Path, *, split: str | None, format: str | None, skip: Collection[str] = ()
    ) -> Opened[LabeledSounds]:
        """Open one split of a set of sounds."""
        opened = open_sounds(root, split=split, format=format, skip=skip)
        return Opened(opened.sounds, opened.skipped, opened.notes)

    def strata(self, data: LabeledSounds) -> Sequence[int]:
        """Give each sound its class."""
        return [int(label) for label in data.labels]

    def fingerprint(self, data: LabeledSounds) -> str:
        """Give one number for the names, the sounds and the classes of a split."""
        return sound_fingerprint(data)

    def select(self, data: LabeledSounds, places: Int64) -> LabeledSounds:
        """Give the sounds at these places as a split."""
        return data.select(places)

    def picture(self, data: LabeledSounds, place: int) -> Samples:
        """Read the sound at a place."""
        return data.read(place)

    def identity(self, data: LabeledSounds, place: int) -> str:
        """Name the sound at a place."""
        return data.ids[place]

    def is_input(self, file: Path) -> bool:
        """Tell whether a file's name is a sound's."""
        return is_sound_name(file)

    def read(self, file: Path, spec: Any) -> Samples:
        """Read a sound file."""
        return read_sound(file)

    def inspect(
        self,
        root: Path,
        *,
        split: str | None,
        format: str | None,
        repairs: Collection[str] = (),
        progress: Progress = quiet,
    ) -> Inspected:
        """Read all of a set of sounds, and find everything that is wrong with it."""
        told = partial(progress, "Checking")
        return InspectedSounds(inspect_sounds(root, split=split, format=format, progress=told))
