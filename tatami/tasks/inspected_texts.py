"""What is in a set of parallel text, as tables and as plain values."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from tatami.data.inspect_texts import TextInspection
from tatami.tasks.inspected import Cell, Inspected
from tatami.types.table import Table, numbers, words


class InspectedTexts(Inspected):
    """What is in a set of parallel text."""

    def __init__(self, found: TextInspection) -> None:
        self.found = found
        self.root, self.format, self.classes = found.root, found.format, found.languages
        self.problems = found.problems

    def heading(self) -> str:
        """Say how many sentences there are, and in which languages."""
        count = sum(
            max(one.lines for one in split.values()) for split in self.found.splits.values()
        )
        return f"{self.root}: {self.format}, {count:,} sentences in {', '.join(self.classes)}"

    def tables(self) -> list[Table]:
        """Measure the languages of each split, and compare them."""
        rows = tuple(
            (
                name,
                language,
                f"{one.lines:,}",
                *(str(each) for each in one.words),
                f"{one.characters / max(1, one.lines):.1f}",
                str(one.empty),
                str(one.repeated),
            )
            for name, split in self.found.splits.items()
            for language, one in split.items()
        )
        pairs = tuple(
            (name, pair, str(count), str(self.found.shared[name]))
            for name, split in self.found.identical.items()
            for pair, count in split.items()
        )
        columns = numbers(
            "lines", "shortest", "median", "longest", "letters\na line", "empty", "repeated"
        )
        return [
            Table(
                (words("split"), words("language"), *columns),
                rows,
                title="Languages, lengths in words",
            ),
            Table(
                (words("split"), words("pair"), *numbers("identical", "in an earlier split")),
                pairs,
                title="Pairs of languages",
            ),
        ]

    def to_json(self) -> dict[str, Any]:
        """Give the same as plain values."""
        return {
            "root": str(self.root),
            "format": self.format,
            "languages": list(self.classes),
            "splits": {
                name: {
                    "languages": {language: asdict(one) for language, one in split.items()},
                    "identical": dict(self.found.identical[name]),
                    "shared": self.found.shared[name],
                }
                for name, split in self.found.splits.items()
            },
        }

    def cells(self) -> list[Cell]:
        """Give nothing: text is not drawn."""
        return []
