"""The table of formats: what each offers, and their names by what they label.

A new format is one file in this folder and one row here: help texts, hints and pages ask the table.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

from tatami.data.formats import (
    boxes_csv,
    cifar,
    class_folders,
    coco,
    coco_masks,
    cvat,
    deeppcb,
    labelme,
    mask_folders,
    mnist,
    omniglot,
    parallel,
    series_folders,
    series_table,
    via,
    voc,
    voc_masks,
    wav,
    yolo,
)
from tatami.data.problems import (
    LabeledReading,
    MaskReading,
    Problem,
    Reading,
    SeriesReading,
    SoundReading,
    TextReading,
)

R_co = TypeVar("R_co", covariant=True)
"""What a format reads a split as."""


class Format(Protocol[R_co]):
    """What the module of every format offers.

    ``root`` is the folder or file that the user named, a split is one of ``splits(root)``.
    """

    @property
    def LOOKED_FOR(self) -> str:
        """The files that make a folder one of this format."""
        ...

    def recognizes(self, root: Path, /) -> bool:
        """Tell whether a path holds a set of this format."""
        ...

    def splits(self, root: Path, /) -> tuple[str, ...]:
        """Name the splits of a set."""
        ...

    def read(self, root: Path, split: str, /) -> R_co:
        """Read one split: what is sound, and what was left out and why."""
        ...


class BoxFormat(Format[Reading], Protocol):
    """What the module of a format of boxes offers besides."""

    def read(self, root: Path, split: str, repairs: Collection[str] = (), /) -> Reading:
        """Read one split, carrying out the repairs, keys of REPAIRS."""
        ...

    def strays(self, root: Path, /) -> list[Problem]:
        """Find what a set names or holds that belongs to none of its splits."""
        ...


BOX_FORMATS: dict[str, BoxFormat] = {
    "voc": voc,
    "coco": coco,
    "yolo": yolo,
    "labelme": labelme,
    "cvat": cvat,
    "via": via,
    "deeppcb": deeppcb,
    "csv": boxes_csv,
}
"""Formats of boxes."""

DERIVED = ("csv",)
"""Formats that tools write beside the labels that they make them of: where a set is of another
format, too, it is of that one."""

CLASS_FORMATS: dict[str, Format[LabeledReading]] = {
    "omniglot": omniglot,
    "folders": class_folders,
    "mnist": mnist,
    "cifar": cifar,
}
"""Formats of one class a picture."""

MASK_FORMATS: dict[str, Format[MaskReading]] = {
    "masks": mask_folders,
    "voc-masks": voc_masks,
    "coco-masks": coco_masks,
}
"""Formats of a class for every pixel."""

SOUND_FORMATS: dict[str, Format[SoundReading]] = {"wav": wav}
"""Formats of one class a sound."""

SERIES_FORMATS: dict[str, Format[SeriesReading]] = {
    "table": series_table,
    "series": series_folders,
}
"""Formats of one class a vector or a series."""

TEXT_FORMATS: dict[str, Format[TextReading]] = {"parallel": parallel}
"""Formats of sentences with their translations; which way is named as en-de."""

Labels = Literal["boxes", "masks", "classes", "sounds", "texts", "series"]
"""What a set labels."""

FORMATS: dict[Labels, Mapping[str, Format[Any]]] = {
    "boxes": BOX_FORMATS,
    "masks": MASK_FORMATS,
    "classes": CLASS_FORMATS,
    "sounds": SOUND_FORMATS,
    "texts": TEXT_FORMATS,
    "series": SERIES_FORMATS,
}
"""Every format, by what it labels, in the order in which a set is tried for them: VOC's photos lie
in a folder, too."""
