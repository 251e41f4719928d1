"""The one error a user is meant to read: what is wrong, where, and how to mend it."""

from __future__ import annotations

from pathlib import Path


class TatamiError(Exception):
    """Bad input or an impossible request. The command line prints it on one line and exits with 2.

    Raise it for whatever a user can cause and mend; leave other exceptions for our own mistakes.
    """

    def __init__(
        self,
        reason: str,
        *,
        mend: str,
        file: Path | str | None = None,
        line: int | None = None,
    ) -> None:
        self.reason = reason
        self.mend = mend
        self.file = None if file is None else Path(file)
        self.line = line
        super().__init__(str(self))

    def __str__(self) -> str:
        where = "" if self.file is None else f"{self.file}:"
        if self.line is not None:
            where += f"{self.line}:"
        text = f"{where} {self.reason} ({self.mend})".strip()
        return " ".join(text.split())  # one line, whatever a parser's message held
