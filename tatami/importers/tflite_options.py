"""The settings of a TFLite operator, which files leave out where they are usual."""

from __future__ import annotations

from typing import Literal

from tatami.importers.tflite_schema import Operator


def integer(
    operator: Operator, field: int, kind: Literal["int8", "int32"] = "int32", default: int = 0
) -> int:
    """Read a whole number of an operator's options."""
    return default if operator.options is None else operator.options.integer(field, kind, default)


def flag(operator: Operator, field: int) -> bool:
    """Read a bool of an operator's options."""
    return operator.options is not None and operator.options.flag(field)


def real(operator: Operator, field: int, default: float = 0.0) -> float:
    """Read a real number of an operator's options."""
    return default if operator.options is None else operator.options.real(field, default)
