"""What may be set of a task's training beside the recipe: read from JSON, and asked for by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from tatami.data.augment import Augmentation
from tatami.errors import TatamiError
from tatami.types import Size


def names_of(kind: type) -> tuple[str, ...]:
    """Name the settings of a task: the fields of its dataclass."""
    return tuple(field.name for field in fields(kind))


def read_settings(kind: type, values: Mapping[str, Any], file: Path | None = None) -> Any:
    """Read the settings of a task from the plain values of a run.json.

    Args:
        kind: The dataclass.
        values: Its fields, as JSON has them; those that lack keep their defaults.
        file: What an error names.

    Raises:
        TatamiError: For an unknown key, and for a value of another type or out of its range.
    """
    known = names_of(kind)
    for name in values:
        if name not in known:
            raise TatamiError(
                f"unknown key '{name}' in the settings", file=file, hint=f"known: {sorted(known)}"
            )
    try:
        return kind(**{name: _as_tuples(value) for name, value in values.items()})
    except TatamiError as error:
        raise error if file is None else error.at(file) from error
    except (TypeError, ValueError) as error:
        raise TatamiError(
            f"not settings: {error}", file=file, hint="restore it, or train again"
        ) from error


def check_size(size: Size, stride: int) -> None:
    """Check that the sides of an input are multiples of a network's stride.

    Raises:
        TatamiError: Where they are not; it names the nearest that are.
    """
    if size.width % stride or size.height % stride:
        sides = size.width, size.height
        width, height = (max(stride, stride * round(side / stride)) for side in sides)
        raise TatamiError(
            f"input size {size} is not a multiple of the stride, {stride}",
            hint=f"give sides that divide by {stride}, as {width}x{height}",
            setting="size",
        )


def refuse_variations(augmentation: Augmentation, what: str) -> None:
    """Refuse every variation of what is learned as it is.

    Args:
        augmentation: What is asked for.
        what: What the error says before the variation's name, as "sentences have no".

    Raises:
        TatamiError: Where anything is varied.
    """
    nothing = Augmentation.none()
    for name in vars(augmentation):
        if getattr(augmentation, name) != getattr(nothing, name):
            raise TatamiError(f"{what} {name}", hint="leave it out", setting="augment")


def number(value: Any) -> bool:
    """Tell whether a value is a number, and not true or false."""
    return type(value) in (int, float)


def _as_tuples(value: Any) -> Any:
    return tuple(map(_as_tuples, value)) if isinstance(value, list) else value
