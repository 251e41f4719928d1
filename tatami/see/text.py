"""Words and numbers as people read them; names from a user's files made safe to print."""

from __future__ import annotations


def readable(text: str) -> str:
    """Write a text on one line: controls, lone surrogates and direction overrides become U+FFFD.

    File and class names are anyone's bytes, and XML has no way to write a control character.
    """
    spaced = " ".join(text.split())
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in spaced
    )


def shortened(text: str, letters: int) -> str:
    """Cut a text to that many letters, the last an ellipsis where something is missing."""
    return text if len(text) <= letters else f"{text[: letters - 1]}…"


def ending(text: str, letters: int) -> str:
    """Cut a text at its beginning: the end of a path says more."""
    return text if len(text) <= letters else f"…{text[len(text) - letters + 1 :]}"


def count(number: float) -> str:
    """Write 1234567 as ``1.23 M``: three digits and a decimal prefix."""
    for unit, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= unit * 0.9995:
            return f"{_three_digits(number / unit)} {prefix}"
    return f"{number:g}"


def size(octets: float) -> str:
    """Write a number of bytes with a binary prefix: ``12.3 KiB``."""
    for unit, prefix in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if octets >= unit * 0.9995:
            return f"{_three_digits(octets / unit)} {prefix}"
    return f"{octets:g} B"


def _three_digits(number: float) -> str:
    return (
        f"{number:.2f}"
        if number < 9.995
        else f"{number:.1f}"
        if number < 99.95
        else f"{number:.0f}"
    )
