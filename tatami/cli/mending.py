"""Short ways to say how a labeled set is read: ``--clip`` is ``--skip clip``, and so on."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from tatami.errors import TatamiError

SHORT = ("--clip", "--background")
"""Options of every command that has ``--skip``."""
PLACES = ("--images", "--labels")
"""Options, given together, of every command that has ``--format``."""


def short_forms(typed: str, options: Collection[str]) -> list[str]:
    """List the short forms that begin as typed, of a command with these options."""
    offered = [*(SHORT if "--skip" in options else ()), *(PLACES if "--format" in options else ())]
    named = typed.startswith("-")
    return [name for name in offered if named and name.startswith(typed) and name not in options]


def spelled_out(arguments: Sequence[str], options: Collection[str]) -> list[str]:
    """Put ``--skip REPAIR`` and ``--format "images=DIR labels=DIR"`` in place of the short forms.

    A folder that is there as it was typed is given whole, any other is relative to the set's.

    Args:
        arguments: What was typed after the command's name.
        options: The options that the command has: those of them are left alone.

    Raises:
        TatamiError: For one of the two folders without the other.
    """
    found: list[str] = []
    places: dict[str, str] = {}
    rest = iter(arguments)
    for argument in rest:
        name, equals, value = argument.partition("=")
        if argument == "--":  # what follows are no options
            found += [argument, *rest]
        elif argument in SHORT and "--skip" in options and argument not in options:
            found += ["--skip", argument.removeprefix("--")]
        elif name in PLACES and "--format" in options and name not in options:
            folder = value if equals else next(rest, "")
            places[name] = str(Path(folder).resolve()) if Path(folder).is_dir() else folder
        else:
            found.append(argument)
    if not places:
        return found
    missing = next((name for name in PLACES if not places.get(name)), None)
    if missing is not None:
        raise TatamiError(
            f"{missing} is not given",
            hint="give --images and --labels together",
        )
    return ["--format", f"images={places['--images']} labels={places['--labels']}", *found]
