"""Look at a whole set of parallel text: measure every language, find what is there twice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tatami.data.formats.parallel import (
    Directions,
    check_lengths,
    files_of,
    read_lines,
    splits,
)
from tatami.data.open import chosen_split
from tatami.data.problems import Problem
from tatami.errors import TatamiError
from tatami.types.progress import Progress, quiet


@dataclass(frozen=True)
class Language:
    """What one language of a split is like.

    Args:
        lines: How many there are.
        empty: How many are empty.
        repeated: How many are equal to one before.
        words: The shortest, the middle and the longest length, in words between spaces.
        characters: All of them.
    """

    lines: int
    empty: int
    repeated: int
    words: tuple[int, int, int]
    characters: int


@dataclass(frozen=True)
class TextInspection:
    """A set's splits, and everything that is wrong with them.

    Args:
        root: The folder of the set.
        format: The name of the format.
        languages: All of them.
        splits: Each split's languages, by name.
        identical: Lines that are equal in two languages, by split and pair.
        shared: Lines of a split that stand in an earlier one, in all languages.
        problems: What is wrong, file by file.
    """

    root: Path
    format: str
    languages: tuple[str, ...]
    splits: dict[str, dict[str, Language]]
    identical: dict[str, dict[str, int]]
    shared: dict[str, int]
    problems: tuple[Problem, ...]


def inspect_texts(
    root: Path,
    *,
    split: str | None = None,
    format: str | None = None,
    progress: Progress = quiet,
) -> TextInspection:
    """Read every line of a set, measure it, and compare languages and splits.

    Args:
        root: The folder of the set.
        split: The only split to look at; None: all.
        format: A direction, as en-de, whose languages alone are looked at; None: all languages.
        progress: Takes up how far it is.

    Raises:
        TatamiError: For a set that is not recognized, cannot be read, or has files of unequal
            length.
    """
    ways = Directions.parse(format)
    every = splits(root) if ways is None else ways.splits(root)
    if not every:
        raise TatamiError(
            "holds no parallel text", hint=f"looked for {Directions.LOOKED_FOR}", file=root
        )
    asked = every if split is None else (chosen_split(root, split, every),)
    problems: list[Problem] = []
    found: dict[str, dict[str, Language]] = {}
    identical: dict[str, dict[str, int]] = {}
    shared: dict[str, int] = {}
    seen: set[tuple[str, ...]] = set()
    for done, name in enumerate(asked):
        files = files_of(root, name)
        if ways is not None:
            wanted = {one for each in ways.directions for one in (each.source, each.target)}
            files = {language: path for language, path in files.items() if language in wanted}
        lines = {language: read_lines(path) for language, path in files.items()}
        check_lengths({files[language]: len(each) for language, each in lines.items()})
        found[name] = {language: _measured(each) for language, each in lines.items()}
        identical[name] = {
            f"{first}-{second}": sum(map(_equal, lines[first], lines[second]))
            for first in lines
            for second in lines
            if first < second
        }
        for language, each in lines.items():
            for number, line in enumerate(each, start=1):
                if not line.strip():
                    hint = "give the sentence, or take the line out of all languages"
                    reason = "the sentence is empty"
                    problems.append(Problem("empty-text", files[language], number, reason, hint))
        rows = list(zip(*lines.values(), strict=True))
        shared[name] = 0
        for number, row in enumerate(rows, start=1):
            if row in seen and any(row):
                shared[name] += 1
                hint = "keep it in one split only, or its figures mean nothing"
                reason = "the sentence stands in another split, too, in all languages"
                where = next(iter(files.values()))
                problems.append(Problem("duplicate-text", where, number, reason, hint))
        seen.update(rows)
        progress("Checking", done + 1, len(asked))
    known = dict.fromkeys(language for each in found.values() for language in each)
    kind = format or "parallel"
    return TextInspection(root, kind, tuple(known), found, identical, shared, tuple(problems))


def _equal(first: str, second: str) -> bool:
    return first == second and bool(first.strip())


def _measured(lines: tuple[str, ...]) -> Language:
    lengths = sorted(len(line.split()) for line in lines) or [0]
    return Language(
        len(lines),
        sum(not line.strip() for line in lines),
        len(lines) - len({*lines}),
        (lengths[0], lengths[len(lengths) // 2], lengths[-1]),
        sum(map(len, lines)),
    )
