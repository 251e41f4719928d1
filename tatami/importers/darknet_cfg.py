"""darknet's cfg file: sections of ``key=value`` lines, in order, each knowing its line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tatami.errors import TatamiError
from tatami.files import read_text

MAX_BYTES = 1 << 20
"""The largest cfg that is read; that of YOLOv3 has 8 kB."""
MAX_REAL = 3e38
"""Of float32."""
CORRECT = "correct the cfg file"


@dataclass
class Section:
    """One ``[kind]`` and what is under it.

    Args:
        kind: Its name.
        file: The cfg file.
        line: The line of its name.
        entries: Each key's value and line.
        asked: The keys that were read.
    """

    kind: str
    file: Path
    line: int
    entries: dict[str, tuple[str, int]]
    asked: set[str] = field(default_factory=set)

    def text(self, key: str, default: str) -> str:
        """Read a text; ``default`` where the key is absent."""
        self.asked.add(key)
        return self.entries[key][0] if key in self.entries else default

    def integer(self, key: str, default: int, low: int = 0, high: int = 1 << 20) -> int:
        """Read a whole number within bounds; ``default`` where the key is absent.

        Raises:
            TatamiError: For anything else; it names the line.
        """
        text = self.text(key, str(default))
        if not re.fullmatch(r"[+-]?\d{1,9}", text) or not low <= int(text) <= high:
            raise self.wrong(f"{key}={text} is not a whole number from {low} to {high}", key)
        return int(text)

    def real(self, key: str, default: float) -> float:
        """Read a real number; ``default`` where the key is absent."""
        return self._real(key, self.text(key, repr(default)))

    def reals(self, key: str) -> tuple[float, ...]:
        """Read numbers separated by commas; none where the key is absent."""
        parts = [part.strip() for part in self.text(key, "").split(",")]
        return tuple(self._real(key, part) for part in parts if part)

    def integers(self, key: str) -> tuple[int, ...]:
        """Read whole numbers separated by commas; none where the key is absent."""
        numbers = self.reals(key)
        if any(not number.is_integer() for number in numbers):
            raise self.wrong(f"{key} is not made of whole numbers", key)
        return tuple(int(number) for number in numbers)

    def refuse(self, key: str, *, unless: Iterable[str] = ("0",)) -> None:
        """Refuse a key whose value would change what the layer computes.

        Args:
            key: The key.
            unless: The values that change nothing.

        Raises:
            TatamiError: For another value.
        """
        value = self.text(key, "")
        if value and value not in tuple(unless):
            raise self.wrong(f"{key}={value} is not supported", key)

    def wrong(self, reason: str, key: str | None = None) -> TatamiError:
        """Make an error at the line of a key, or of the section."""
        line = self.entries[key][1] if key in self.entries and key is not None else self.line
        return TatamiError(f"[{self.kind}] {reason}", hint=CORRECT, file=self.file, line=line)

    def _real(self, key: str, text: str) -> float:
        if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?", text):
            raise self.wrong(f"{key}: '{text[:40]}' is not a number", key)
        if not abs(float(text)) < MAX_REAL:
            raise self.wrong(f"{key}: '{text[:40]}' is too large", key)
        return float(text)


def read_cfg(file: Path) -> list[Section]:
    """Read the sections of a cfg file.

    Raises:
        TatamiError: For a file that is not one; it names the line.
    """
    text = read_text(file, MAX_BYTES, "give a cfg file")
    sections: list[Section] = []
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.split("#")[0].strip()
        if not line or line.startswith(";"):
            continue
        if line.startswith("["):
            if not line.endswith("]"):
                raise TatamiError(
                    f"'{line}' is not a section", hint=CORRECT, file=file, line=number
                )
            sections.append(Section(line[1:-1].strip(), file, number, {}))
            continue
        key, equals, value = (part.strip() for part in line.partition("="))
        if not equals or not key:
            raise TatamiError(f"'{line}' is not key=value", hint=CORRECT, file=file, line=number)
        if not sections:
            raise TatamiError("a value before any section", hint=CORRECT, file=file, line=number)
        # darknet takes the first of two values of one key
        sections[-1].entries.setdefault(key, ("".join(value.split()), number))
    if not sections or sections[0].kind not in ("net", "network"):
        raise TatamiError("the first section is not [net]", hint="give a cfg file", file=file)
    return sections
