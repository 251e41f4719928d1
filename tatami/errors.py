"""The one error a user is meant to read: what is wrong, where, and what to do about it."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path


def printable(text: object) -> str:
    """Escape what a terminal cannot show on one line, or what turns the letters around it.

    A file's name is any bytes: controls, line ends, bytes that are no Unicode, and invisible marks
    as U+202E, after which text runs from right to left, are escaped.
    """
    return "".join(
        letter.encode("unicode_escape").decode() if hidden(letter) else letter
        for letter in str(text)
    )


def hidden(letter: str) -> bool:
    """Tell whether a letter is a control, a format mark, a line's end or half a character."""
    return unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def printable_lines(text: str) -> str:
    """Escape the same in a text that may have several lines."""
    return "\n".join(map(printable, text.split("\n")))


def choose_from(name: str, known: Iterable[str], lead: str) -> str:
    """Write the hint for a name that no table has: the name that was meant, else all of them.

    Args:
        name: What was given.
        known: What could have been given.
        lead: Begins the list of all, as "the models are".
    """
    import difflib

    names = list(known)
    lowered = {each.lower(): each for each in names}
    near = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.7)
    if near:
        return f"did you mean {lowered[near[0]]}?"
    return f"{lead} {', '.join(names)}"


MAX_REASON = 1200
"""Letters of a reason that are printed; of a longer one, both ends."""


class TatamiError(Exception):
    """Bad input or an impossible request, with what to do about it.

    Raise it for whatever a user can cause and correct; leave other exceptions for our own mistakes.
    The command line prints it on one line and exits with 2.

    Args:
        reason: What is wrong.
        hint: What to do about it.
        file: Where it is wrong.
        line: The line of the file, counted from 1.
        setting: The parameter that is wrong, by its name in Python, as ``keep_float``. The command
            line shows it as its option, ``--keep-float``.
    """

    def __init__(
        self,
        reason: str,
        *,
        hint: str,
        file: Path | str | None = None,
        line: int | None = None,
        setting: str | None = None,
    ) -> None:
        self.reason = reason
        self.hint = hint
        self.file = None if file is None else Path(file)
        self.line = line
        self.setting = setting
        super().__init__(str(self))

    def __str__(self) -> str:
        return self.message()

    def message(self, name_of: Callable[[str], str] = str) -> str:
        """Write the error as one line.

        Args:
            name_of: What whoever reads it calls a setting, from its name in Python.
        """
        where = "" if self.file is None else f"{printable(self.file)}:"
        if self.line is not None:
            where += f"{self.line}:"
        if self.setting is not None:
            where += f" {name_of(self.setting)}:"
        # One line that can be read, whatever a parser's message or a file's name held.
        reason = " ".join(self.reason.split())
        if len(reason) > MAX_REASON:
            reason = f"{reason[: MAX_REASON // 2]} ... {reason[-MAX_REASON // 2 :]}"
        text = f"{reason} ({' '.join(self.hint.split())})"
        return f"{where} {printable(text)}".strip()

    def at(self, file: Path | str) -> TatamiError:
        """Give the same error of a file."""
        return TatamiError(
            self.reason, hint=self.hint, file=file, line=self.line, setting=self.setting
        )


class Stopped(KeyboardInterrupt):
    """Ctrl-C, after what was under way has been left in a state to go on from.

    Args:
        reason: What there is now, and what to do to go on.
    """
