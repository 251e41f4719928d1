"""The table of operators that are written as loops: a row each, of all families."""

from __future__ import annotations

from collections.abc import Mapping

from tatami.ship.c.general import (
    arithmetic,
    comparison,
    convolution,
    elementwise,
    gathering,
    kinds,
    matrix,
    moving,
    normalization,
    pooling,
    quantization,
    recurrent,
    reduction,
    regions,
    resize,
    selection,
    signal,
)
from tatami.ship.c.general.loops import Loops

FAMILIES = (
    arithmetic,
    comparison,
    convolution,
    elementwise,
    gathering,
    kinds,
    normalization,
    pooling,
    quantization,
    reduction,
    matrix,
    moving,
    recurrent,
    regions,
    resize,
    selection,
    signal,
)

LOOPS: Mapping[str, Loops] = {name: row for family in FAMILIES for name, row in family.ROWS.items()}
"""By ONNX's name."""
