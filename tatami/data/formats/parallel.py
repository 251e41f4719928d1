"""Parallel text: SPLIT.LANGUAGE or SPLIT.LANGUAGE.gz, line by line the same in every language.

A language is its code of two letters, as in train.en and train.de. Which way is translated cannot
be seen in the files: it is named as the format, ``en-de``, or several, ``en-de,de-en``. With
``en-de@1/3`` a pair takes every third line only, the first of each three, so that pairs can learn
from sentences that no other pair has. ``de-de`` has a sentence told again in its own language, from
a source with words left out and moved: no pair of languages is learned from it, but how a language
is written.
"""

from __future__ import annotations

import gzip
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

from tatami.data.problems import Problem, TextReading, in_order
from tatami.data.split_names import SPLITS
from tatami.errors import TatamiError
from tatami.types.datasets import LabeledTexts, TextPair

LOOKED_FOR = "SPLIT.LANGUAGE or SPLIT.LANGUAGE.gz, as train.en and train.de"
MAX_BYTES = 1 << 28
"""The longest file that is read, unpacked."""
_FILE = re.compile(r"(?P<split>(?:" + "|".join(SPLITS) + r")\w*)\.(?P<language>[a-z]{2})(?:\.gz)?")
_PAIR = re.compile(r"([a-z]{2})-([a-z]{2})(?:@([1-9]\d{0,2})/([1-9]\d{0,2}))?")
_DIRECTION = "name what is translated into what as the format, as en-de"


@dataclass(frozen=True)
class Direction:
    """What is translated into what.

    Args:
        source: A language.
        target: Another, or the same.
        part: Which of ``parts`` lines is learned from, from 1.
        parts: Of so many lines one is learned from.
    """

    source: str
    target: str
    part: int = 1
    parts: int = 1


class Directions:
    """Parallel text of which it is said what is translated into what, as the other formats are.

    Args:
        directions: At least one.
    """

    LOOKED_FOR = LOOKED_FOR

    def __init__(self, directions: tuple[Direction, ...]) -> None:
        self.directions = directions

    @staticmethod
    def parse(format: str | None) -> Directions | None:
        """Read ``en-de`` or ``en-de@1/3,de-en``; None for any other format.

        At least one of them is a translation.
        """
        found = []
        for text in (format or "").split(","):
            match = _PAIR.fullmatch(text)
            if match is None:
                return None
            part, parts = int(match[3] or 1), int(match[4] or 1)
            if part > parts:
                return None
            found.append(Direction(match[1], match[2], part, parts))
        if all(one.source == one.target for one in found):
            return None
        return Directions(tuple(found))

    def recognizes(self, root: Path, /) -> bool:
        """Tell whether a folder holds parallel text."""
        return recognizes(root)

    def splits(self, root: Path, /) -> tuple[str, ...]:
        """Name the splits that have all languages."""
        wanted = {one for each in self.directions for one in (each.source, each.target)}
        found = [split for split, files in _found(root).items() if wanted <= files.keys()]
        if not found:
            raise TatamiError(
                f"no split has {' and '.join(sorted(wanted))}", hint=_there(root), file=root
            )
        return tuple(found)

    def read(self, root: Path, split: str, /) -> TextReading:
        """Read the pairs of one split.

        Raises:
            TatamiError: For a file that is not there or no UTF-8, and for files of unequal length.
        """
        files = _found(root).get(split, {})
        lines: dict[str, tuple[str, ...]] = {}
        for language in dict.fromkeys(
            one for each in self.directions for one in (each.source, each.target)
        ):
            if language not in files:
                raise TatamiError(
                    f"split '{split}' has no {language}", hint=_there(root), file=root
                )
            lines[language] = read_lines(files[language])
        check_lengths({files[language]: len(found) for language, found in lines.items()})
        pairs, problems = [], []
        for way in self.directions:
            sources, targets = lines[way.source], lines[way.target]
            for place in range(way.part - 1, len(sources), way.parts):
                source, target = sources[place], targets[place]
                if source.strip() and target.strip():
                    pairs.append(TextPair(place + 1, source, target, way.source, way.target))
                    continue
                empty = way.target if source.strip() else way.source
                hint = "give the sentence, or take the line out of all languages"
                reason = "the sentence is empty"
                problems.append(Problem("empty-text", files[empty], place + 1, reason, hint))
        names = tuple(dict.fromkeys(f"{one.source}-{one.target}" for one in self.directions))
        texts = LabeledTexts(root, split, names, tuple(pairs))
        return TextReading(texts, in_order(dict.fromkeys(problems)))


def recognizes(root: Path) -> bool:
    """Tell whether a folder holds a split in two languages or more."""
    return root.is_dir() and any(len(files) > 1 for files in _found(root).values())


def splits(root: Path) -> tuple[str, ...]:
    """Name the splits."""
    return tuple(split for split, files in _found(root).items() if len(files) > 1)


def read(root: Path, split: str) -> TextReading:
    """Refuse to guess what is translated into what.

    Raises:
        TatamiError: Always.
    """
    raise TatamiError(
        f"split '{split}' is there in {', '.join(languages(root, split))}",
        hint=_DIRECTION,
        file=root,
        setting="format",
    )


def languages(root: Path, split: str) -> tuple[str, ...]:
    """Name the languages of a split."""
    return tuple(_found(root).get(split, {}))


def files_of(root: Path, split: str) -> dict[str, Path]:
    """Name the file of each language of a split."""
    return dict(_found(root).get(split, {}))


def read_lines(path: Path) -> tuple[str, ...]:
    """Read the lines of a file, which may be packed by gzip.

    Raises:
        TatamiError: For a file that cannot be read, is too long, or is no UTF-8.
    """
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise TatamiError(f"cannot be read: {error}", hint="copy it again", file=path) from error
    if len(content) > MAX_BYTES:
        raise TatamiError(f"it has more than {MAX_BYTES:,} bytes", hint="cut it", file=path)
    rows = content.removesuffix(b"\n").split(b"\n") if content else []
    found = []
    for number, row in enumerate(rows, start=1):
        try:
            found.append(row.removesuffix(b"\r").decode())
        except UnicodeDecodeError as error:
            raise TatamiError(
                "the line is not UTF-8", hint="save the file as UTF-8", file=path, line=number
            ) from error
    return tuple(found)


def check_lengths(counts: dict[Path, int]) -> None:
    """Raise TatamiError for files of one split that do not have as many lines."""
    usual = max(counts.values(), default=0)
    for path, count in counts.items():
        if count != usual:
            raise TatamiError(
                f"it has {count:,} lines, where another language has {usual:,}",
                hint="give every language the same sentences, line by line",
                file=path,
            )


def _found(root: Path) -> dict[str, dict[str, Path]]:
    """Find the file of every language, by split; a plain one goes before a packed one."""
    found: dict[str, dict[str, Path]] = {}
    for path in sorted(root.iterdir(), reverse=True) if root.is_dir() else ():
        match = _FILE.fullmatch(path.name)
        if match is not None and path.is_file():
            found.setdefault(match["split"], {})[match["language"]] = path
    order = {name: at for at, name in enumerate(SPLITS)}
    return {
        split: dict(sorted(found[split].items()))
        for split in sorted(found, key=lambda name: (order.get(name, len(order)), name))
    }


def _there(root: Path) -> str:
    each = (f"{split} has {', '.join(files)}" for split, files in _found(root).items())
    return "; ".join(each) or f"give files named {LOOKED_FOR}"
