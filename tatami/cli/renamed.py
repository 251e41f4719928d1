"""Options that had another name in the last version: they go on working for this one.

Whoever renames an option adds it to the table; the version after takes it out again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

RENAMED: Mapping[str, str] = {
    "--least-scale": "--min-scale",
    "--output": "--out",
    "--overlap": "--tiling",
    "--turned": "--tta",
}
"""The old name of an option to its new one, whatever the command."""


def current(
    arguments: Sequence[str], options: Collection[str], tell: Callable[[str], None]
) -> list[str]:
    """Put the new names of renamed options in place of the old ones.

    Args:
        arguments: What was typed after the command's name.
        options: The options that the command has. An old name that is one of them, and a new name
            that is none, are left alone.
        tell: Takes up a line for each that was replaced.
    """
    found: list[str] = []
    for place, argument in enumerate(arguments):
        if argument == "--":  # what follows are no options
            return [*found, *arguments[place:]]
        old, equals, value = argument.partition("=")
        new = RENAMED.get(old, "")
        if new in options and old not in options:
            tell(f"{old} is called {new} now; the next version no longer takes the old name")
            argument = new + equals + value
        found.append(argument)
    return found
