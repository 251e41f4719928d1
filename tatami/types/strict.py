"""Check values that were read from JSON text."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from tatami.errors import TatamiError
from tatami.types.names import as_class_name


def refuse(key: str, reason: str) -> TatamiError:
    """Make the error of a metadata entry that is not as it should be."""
    return TatamiError(f"the metadata entry {key} {reason}", hint="export the network again")


def members(
    key: str, value: object, kind: type, on_disk: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Give the members of a JSON object, which are exactly the fields of a dataclass.

    Args:
        key: The metadata entry.
        value: The object.
        kind: The dataclass.
        on_disk: What the object calls fields that have another name there.
    """
    if not isinstance(value, dict):
        raise refuse(key, "is not a JSON object")
    names = {(on_disk or {}).get(field.name, field.name) for field in fields(kind)}
    for name in sorted(names ^ set(value)):
        raise refuse(key, f"{'lacks' if name in names else 'has an unknown'} member '{name}'")
    return value


def one_of(key: str, name: str, value: object, allowed: tuple[Any, ...]) -> Any:
    """Give a value that is one of those allowed."""
    if value not in allowed:
        raise refuse(key, f"has {name} {value!r}, not one of {', '.join(allowed)}")
    return value


def whole(key: str, name: str, value: object, low: int, high: int) -> int:
    """Give a whole number from ``low`` to ``high``."""
    if type(value) is not int or not low <= value <= high:
        raise refuse(key, f"has a {name} that is not a whole number from {low} to {high}")
    return value


def finite(key: str, name: str, value: object, count: int) -> tuple[float, ...]:
    """Give a list of ``count`` finite numbers."""
    if (
        not isinstance(value, list)
        or len(value) != count
        or not all(type(one) in (int, float) and abs(one) <= sys.float_info.max for one in value)
    ):
        raise refuse(key, f"has a {name} that is not {count} finite number{'s' * (count > 1)}")
    return tuple(float(one) for one in value)


def positive(key: str, name: str, value: object, count: int) -> tuple[float, ...]:
    """Give a list of ``count`` finite numbers above 0."""
    numbers = finite(key, name, value, count)
    if min(numbers) <= 0:
        raise refuse(key, f"has a {name} that is not positive")
    return numbers


def share(key: str, name: str, value: object) -> float:
    """Give a number from 0 to 1."""
    (number,) = finite(key, name, [value], 1)
    if not 0 <= number <= 1:
        raise refuse(key, f"has a {name} outside 0 to 1")
    return number


def truth(key: str, name: str, value: object) -> bool:
    """Give true or false."""
    if type(value) is not bool:
        raise refuse(key, f"has a member {name} that is not true or false")
    return value


def names(key: str, value: object) -> tuple[str, ...]:
    """Give a list of names, each once, as types/names.py has them."""
    if not isinstance(value, list) or not value:
        raise refuse(key, "is not a list of names")
    found = [as_class_name(name) if isinstance(name, str) else None for name in value]
    if None in found or len(set(found)) < len(found):
        raise refuse(key, "has a name that is empty, unprintable, doubled or not text")
    return tuple(name for name in found if name is not None)


def texts(key: str, value: object) -> Mapping[str, str]:
    """Give a table of texts."""
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise refuse(key, "is not a table of texts")
    return dict(value)
