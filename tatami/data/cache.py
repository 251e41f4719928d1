"""Decoded pictures kept in memory, up to a bound, for readers that come back every epoch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tatami.types import Picture, Sample


class PictureCache:
    """Reads a picture once and remembers it while ``limit`` bytes last.

    Safe to call from several threads: at worst two read the same picture at once.

    Args:
        read: Reads the picture of a file.
        limit: Bytes of pixels that are remembered.
    """

    def __init__(self, read: Callable[[Path], Picture], limit: int = 2**30) -> None:
        self._read, self._room = read, limit
        self._pictures: dict[Path, Picture] = {}

    def __call__(self, sample: Sample) -> Picture:
        """Give a sample's picture, from memory where it is there."""
        picture = self._pictures.get(sample.path)
        if picture is None:
            picture = self._read(sample.path)
            if picture.nbytes <= self._room:
                self._room -= picture.nbytes
                picture.flags.writeable = False  # shared: nobody may draw on it
                self._pictures[sample.path] = picture
        return picture
