"""The rule for names of classes, of data sets and of networks alike."""

from __future__ import annotations

import unicodedata

_UNPRINTABLE = frozenset(("Cc", "Cs", "Zl", "Zp"))


def printable(text: str) -> bool:
    """Tell whether a text holds no control characters, line separators or halves of characters."""
    if text.isprintable():  # Python's own rule, which refuses more, and is quick
        return True
    return all(unicodedata.category(letter) not in _UNPRINTABLE for letter in text)


def as_class_name(text: str) -> str | None:
    """Give a class name without blanks at its ends; None for an empty or an unprintable one."""
    name = text.strip()
    return name if name and printable(name) else None
