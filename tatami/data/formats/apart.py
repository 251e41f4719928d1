"""Pictures and labels in folders that the user names: ``images=DIR labels=DIR`` as the format.

The labels' form is told by their files: VOC's .xml, LabelMe's .json, YOLO's .txt. The folders are
relative to the set's. Folders in them that are named as splits are splits, else there is one,
``all``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from pathlib import Path

from tatami.data.formats import labelme, voc, yolo
from tatami.data.formats.found import Part, files_in, split_of
from tatami.data.labels import is_picture_name
from tatami.data.problems import Problem, Reading
from tatami.data.split_names import SPLITS
from tatami.errors import TatamiError

_FORM = re.compile(r"images=(?P<images>.+?) labels=(?P<labels>.+)")
_FORMS = (".xml", ".json", ".txt")
_NOT_LABELS = ("classes.txt", "labels.txt", "notes.json", "train.txt", "val.txt", "test.txt")


class Apart:
    """A set of two folders, as the other formats are.

    Args:
        images: The folder of the pictures.
        labels: The folder of the labels.
    """

    LOOKED_FOR = "the folders that are named"

    def __init__(self, images: str, labels: str) -> None:
        self.images, self.labels = images, labels

    @staticmethod
    def parse(format: str | None) -> Apart | None:
        """Read ``images=DIR labels=DIR``; None for any other format."""
        match = _FORM.fullmatch(format or "")
        return None if match is None else Apart(match["images"], match["labels"])

    def recognizes(self, root: Path, /) -> bool:
        """Tell whether the two folders are there."""
        return (root / self.images).is_dir() and (root / self.labels).is_dir()

    def splits(self, root: Path, /) -> tuple[str, ...]:
        """Name the splits.

        Raises:
            TatamiError: For a folder that is not there or holds nothing of its kind.
        """
        return tuple(self._found(root)[1])

    def strays(self, _root: Path, /) -> list[Problem]:
        """Find nothing: reading a split reports all that lies in it."""
        return []

    def read(self, root: Path, split: str, repairs: Collection[str] = (), /) -> Reading:
        """Read one split, carrying out the repairs.

        Raises:
            TatamiError: As for ``splits``, and as the reader of the labels' form does.
        """
        form, every = self._found(root)
        if form == ".xml":
            return voc.read(root, split, repairs, every)
        if form == ".json":
            return labelme.read(root, split, repairs, every)
        return yolo.read_apart(root, split, repairs, every)

    def _found(self, root: Path) -> tuple[str, dict[str, Part]]:
        """Find the form of the labels, and what lies in each split."""
        images, labels = root / self.images, root / self.labels
        for folder, what in ((images, "pictures"), (labels, "labels")):
            if not folder.is_dir():
                raise TatamiError(
                    f"no such folder of {what}",
                    hint="name it from the set's folder on, or whole",
                    file=folder,
                )
        pictures = [path for path in files_in(images) if is_picture_name(path)]
        files = [path for path in files_in(labels) if path.name not in _NOT_LABELS]
        counts = Counter(path.suffix.lower() for path in files)
        form = max(_FORMS, key=lambda ending: counts[ending])
        if not pictures or not counts[form]:
            raise TatamiError(
                "holds no labels as .xml, .json or .txt" if pictures else "holds no pictures",
                hint="name the folder that holds them",
                file=labels if pictures else images,
            )
        every: dict[str, Part] = {}
        split_by_stem: dict[str, str] = {}
        for path in pictures:
            split = split_of(images, path) or "all"
            split_by_stem.setdefault(path.stem, split)
            every.setdefault(split, Part()).pictures.append(path)
        for path in files:
            if path.suffix.lower() == form:
                split = split_of(labels, path) or split_by_stem.get(path.stem, "all")
                every.setdefault(split, Part()).labels.append(path)
        order = {name: at for at, name in enumerate(SPLITS)}
        return form, dict(sorted(every.items(), key=lambda pair: order.get(pair[0], len(order))))
