"""The table of operators: a row each, of all families."""

from __future__ import annotations

from collections.abc import Mapping

from tatami.graph.operators import (
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
    selection,
    signal,
)
from tatami.graph.operators.row import Operator, Role

FAMILIES = (
    reduction,
    kinds,
    comparison,
    arithmetic,
    convolution,
    elementwise,
    gathering,
    matrix,
    moving,
    normalization,
    pooling,
    quantization,
    recurrent,
    regions,
    selection,
    signal,
)

OPERATORS: Mapping[str, Operator] = {
    row.name: row
    for row in sorted((row for family in FAMILIES for row in family.ROWS), key=lambda row: row.name)
}
"""The closed set, in the order of the alphabet. Constant is read too, as an initializer."""


def with_role(*roles: Role) -> tuple[str, ...]:
    """Name the operators of some roles in quantization."""
    return tuple(name for name, row in OPERATORS.items() if row.role in roles)
