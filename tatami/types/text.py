"""How text becomes a network's input: parameters of the rule in docs/text-rule.md."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from tatami.errors import TatamiError
from tatami.types import strict
from tatami.types.geometry import Size
from tatami.types.inputs import Input

KEY = "tatami.input"
BYTES = 256
"""The first symbols: a byte each. Symbol BYTES + i is what merge i makes of two symbols."""
PAD, BEGIN, END = 0, 1, 2
"""Tokens that are no text: what fills a sentence up, and what stands before and after it."""
MAX_MERGES = 65_536 - BYTES
MAX_LENGTH = 1024
_LANGUAGE = re.compile(r"[a-z]{2,8}")


@dataclass(frozen=True)
class TextInput(Input):
    """How text becomes a network's tokens, by byte pairs that were merged.

    Args:
        merges: Pairs of symbols, each of which becomes one: the first is merged before the others.
        max_source: The longest source in tokens, what closes it included.
        max_target: The longest target in tokens, what opens it included.
        languages: Target languages, where a network knows several: the source begins with the
            token of one of them, ``<2de>``. None where it knows one only.
        lower: Whether text is made lower-case before anything else.
    """

    merges: tuple[tuple[int, int], ...]
    max_source: int = 64
    max_target: int = 64
    languages: tuple[str, ...] = ()
    lower: bool = True

    def __post_init__(self) -> None:
        for name, value in (("max_source", self.max_source), ("max_target", self.max_target)):
            if not 2 <= value <= MAX_LENGTH:
                raise TatamiError(
                    f"a text input has a {name} of {value}", hint=f"give 2 to {MAX_LENGTH}"
                )
        if len(self.merges) > MAX_MERGES:
            raise TatamiError(
                f"a text input has {len(self.merges)} merges", hint=f"give {MAX_MERGES} at most"
            )
        known = set()
        for place, pair in enumerate(self.merges):
            if pair in known or not all(0 <= one < BYTES + place for one in pair):
                raise TatamiError(
                    f"merge {place} of a text input is {pair}",
                    hint="each is a new pair of symbols that are there before it",
                )
            known.add(pair)
        for language in self.languages:
            if not _LANGUAGE.fullmatch(language) or self.languages.count(language) > 1:
                raise TatamiError(
                    f"a text input has the language {language!r}",
                    hint="give each once, by its code, as de",
                )

    @property
    def first_symbol(self) -> int:
        """The token of symbol 0; before it are PAD, BEGIN, END and the target languages."""
        return END + 1 + len(self.languages)

    @property
    def vocabulary(self) -> int:
        """How many tokens there are."""
        return self.first_symbol + BYTES + len(self.merges)

    @property
    def size(self) -> Size:  # type: ignore[override]  # it follows from the other members
        """Tokens across, one row."""
        return Size(self.max_source, 1)

    @property
    def shape(self) -> tuple[int, int, int]:
        """One plane of one row."""
        return 1, 1, self.max_source

    def resized(self, size: Size) -> TextInput:
        """Refuse another size: it is given by the longest source."""
        raise TatamiError(
            "the size of a text input is its longest source", hint="train it for another"
        )

    def to_json(self) -> dict[str, Any]:
        """Give its members as plain values."""
        return {
            "merges": [list(pair) for pair in self.merges],
            "max_source": self.max_source,
            "max_target": self.max_target,
            "languages": list(self.languages),
            "lower": self.lower,
        }

    @staticmethod
    def from_json(value: object) -> TextInput:
        """Read what a file's metadata says of it. Raises TatamiError."""
        found = strict.members(KEY, value, TextInput)
        merges = found["merges"]
        sound = isinstance(merges, list) and all(
            isinstance(pair, list) and len(pair) == 2 and all(type(one) is int for one in pair)
            for pair in merges
        )
        if not sound:
            raise strict.refuse(KEY, "has merges that are not pairs of numbers")
        if type(found["lower"]) is not bool:
            raise strict.refuse(KEY, "has a lower that is neither true nor false")
        languages = found["languages"]
        if not isinstance(languages, list) or not all(isinstance(one, str) for one in languages):
            raise strict.refuse(KEY, "has languages that are not a list of codes")
        return TextInput(
            tuple((first, second) for first, second in merges),
            strict.whole(KEY, "max_source", found["max_source"], 2, MAX_LENGTH),
            strict.whole(KEY, "max_target", found["max_target"], 2, MAX_LENGTH),
            tuple(languages),
            found["lower"],
        )
