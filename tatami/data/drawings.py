"""What names of classes and pictures tell of alphabets and of who drew them.

A class of Omniglot is called ALPHABET/CHARACTER, and a picture NUMBER_DRAWER.png. A set of another
format has neither: then all classes are of one alphabet, and nobody knows who drew what.
"""

from __future__ import annotations

import re

from tatami.types import Int64, LabeledPictures

_DRAWN = re.compile(r"\d+_(\d+)(?:\.\w+)?", re.ASCII)


def alphabet_of(name: str) -> str:
    """Give the alphabet of a class; "" for a class without one."""
    return name.rpartition("/")[0]


def drawer_of(identity: str) -> str:
    """Give the drawer of a picture, as "07" of "0709_07.png"; "" where it does not tell."""
    found = _DRAWN.fullmatch(identity.rpartition("/")[2])
    return found[1] if found else ""


def drawers_of(data: LabeledPictures) -> list[str]:
    """Give the drawer of each picture, "" where nobody knows: of a set with alphabets alone."""
    told = any(map(alphabet_of, data.classes))
    return [drawer_of(one) if told else "" for one in data.ids]


def places_by_class(labels: Int64) -> dict[int, list[int]]:
    """List the places of each class's pictures, the classes ascending."""
    found: dict[int, list[int]] = {label: [] for label in sorted({*labels.tolist()})}
    for place, label in enumerate(labels.tolist()):
        found[label].append(place)
    return found
