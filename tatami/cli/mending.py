"""Short ways to name the repairs of a labeled set: ``--clip`` is ``--skip clip``."""

from __future__ import annotations

from collections.abc import Collection, Sequence

SHORT = ("--clip", "--background")
"""Options of every command that has ``--skip``."""


def spelled_out(arguments: Sequence[str], options: Collection[str]) -> list[str]:
    """Put ``--skip REPAIR`` in place of its short form.

    Args:
        arguments: What was typed after the command's name.
        options: The options that the command has.
    """
    found: list[str] = []
    for place, argument in enumerate(arguments):
        if argument == "--":  # what follows are no options
            return [*found, *arguments[place:]]
        if argument in SHORT and "--skip" in options and argument not in options:
            found += ["--skip", argument.removeprefix("--")]
        else:
            found.append(argument)
    return found
