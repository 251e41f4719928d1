"""Pictures of a set that look alike: near-duplicates, which files' digests do not find.

Each picture is looked at from afar, as 16 by 16 gray cells without their mean and contrast; two are
alike as far as these correlate, 1 being the same but for light.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from tatami.types import Float64, Picture

CELLS = 16
ALIKE = 0.95
"""The correlation from which two pictures are near-duplicates."""


def from_afar(picture: Picture) -> Float64:
    """Look at a picture (height, width, 3) from afar: (256,) with mean 0 and length 1, or zeros."""
    gray = Image.fromarray(picture).convert("L").resize((CELLS, CELLS), Image.Resampling.BOX)
    cells = np.asarray(gray, np.float64).reshape(-1)
    cells = cells - cells.mean()
    length = np.linalg.norm(cells)
    view: Float64 = cells / length if length > 0 else cells
    return view


def near_duplicates(views: Sequence[Float64], most: int) -> list[tuple[int, int, float]]:
    """Find the pairs of pictures that are most alike.

    Args:
        views: What ``from_afar`` gives of each.
        most: Pairs that are given.

    Returns:
        The places of both and their correlation from ALIKE on, the most alike first.
    """
    if not views:
        return []
    stacked = np.stack(views)
    pairs = []
    for first in range(len(stacked) - 1):
        alike = stacked[first + 1 :] @ stacked[first]
        for offset in np.flatnonzero(alike >= ALIKE).tolist():
            pairs.append((first, first + 1 + offset, float(alike[offset])))
    return sorted(pairs, key=lambda pair: -pair[2])[:most]
