"""The one error a user is meant to read: what is wrong, where, and how to fix it."""

from __future__ import annotations

import unicodedata
from pathlib import Path


def printable(text: object) -> str:
    """A text, or a path, that any terminal can show on one line.

    A file's name is any bytes: controls, line ends and bytes that are no Unicode are escaped.
    """
    return "".join(
        letter.encode("unicode_escape").decode()
        if unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp")
        else letter
        for letter in str(text)
    )


class TatamiError(Exception):
    """Bad input or an impossible request. The command line prints it on one line and exits with 2.

    Raise it for whatever a user can cause and fix; leave other exceptions for our own mistakes.
    """

    def __init__(
        self,
        reason: str,
        *,
        hint: str,
        file: Path | str | None = None,
        line: int | None = None,
    ) -> None:
        self.reason = reason
        self.hint = hint
        self.file = None if file is None else Path(file)
        self.line = line
        super().__init__(str(self))

    def __str__(self) -> str:
        where = "" if self.file is None else f"{printable(self.file)}:"
        if self.line is not None:
            where += f"{self.line}:"
        # One line, whatever a parser's message held.
        text = " ".join(f"{self.reason} ({self.hint})".split())
        return f"{where} {printable(text)}".strip()
