"""The text rule: how text becomes tokens and tokens become text, byte pair by byte pair.

docs/text-rule.md is the rule in words, for whoever writes it in another language; this file is the
rule in Python. The C that Tatami writes gives the same tokens and the same bytes.

Source:
    Sennrich, Haddow and Birch 2016, "Neural Machine Translation of Rare Words with Subword Units",
    section 3.2; on bytes: Radford et al. 2019, "Language Models are Unsupervised Multitask
    Learners", section 2.2.
"""

from __future__ import annotations

import heapq
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise

from tatami.types.text import BYTES, END, TextInput

Pair = tuple[int, int]
Merges = tuple[Pair, ...]

_SPACES = re.compile(rb"[\t-\r ]+")
_PIECE = re.compile(rb" ?(?:[A-Za-z\x80-\xff]+|[0-9]+|[^ ])")
_UPPER = re.compile(rb"[A-Z]|\xc3[\x80-\x9e]|[\xc4\xc5][\x80-\xbf]")


def lowered(text: bytes) -> bytes:
    """Make ASCII, Latin-1 and Latin Extended-A letters lower-case; the length stays.

    Args:
        text: UTF-8. Bytes that are no letter of these, or no UTF-8, stay as they are.
    """
    return _UPPER.sub(lambda found: _lower_of()[found[0]], text)


@lru_cache(maxsize=1)
def _lower_of() -> dict[bytes, bytes]:
    codes = [*range(ord("A"), ord("Z") + 1), *range(0xC0, 0xDF), *range(0x100, 0x180)]
    return {chr(code).encode(): chr(_lower_code(code)).encode() for code in codes}


def _lower_code(code: int) -> int:
    """Give the lower-case letter of a code point: docs/text-rule.md, section 1."""
    if code < 0x100:
        return code if code == 0xD7 else code + 32
    if code == 0x178:
        return 0xFF
    if code in (0x130, 0x138, 0x149, 0x17F):
        return code
    first = 1 if 0x139 <= code <= 0x148 or 0x179 <= code <= 0x17E else 0
    return code + 1 if code % 2 == first else code


def normalized(text: bytes, lower: bool) -> bytes:
    """Make runs of spaces one, drop those at the ends, and make letters lower-case if asked."""
    spaced = _SPACES.sub(b" ", text).strip(b" ")
    return lowered(spaced) if lower else spaced


def pieces(text: bytes) -> list[bytes]:
    """Cut normalized text, a space before it, where no pair is merged.

    A piece is a run of letters, a run of digits or one other byte, with the space before it.
    """
    return _PIECE.findall(b" " + text) if text else []


def learn_merges(texts: Iterable[str], count: int, lower: bool = True) -> Merges:
    """Learn which pairs to merge: again and again the most frequent one.

    Of pairs as frequent as one another the one with the lowest symbols is merged. It ends early
    where no pair is there twice.

    Args:
        texts: What is learned from.
        count: How many merges.
        lower: Whether text is made lower-case.
    """
    often: Counter[bytes] = Counter()
    for text in texts:
        often.update(pieces(normalized(text.encode(), lower)))
    words = [list(piece) for piece in often]
    times = list(often.values())
    pairs: Counter[Pair] = Counter()
    where: defaultdict[Pair, set[int]] = defaultdict(set)
    for index, word in enumerate(words):
        for pair in pairwise(word):
            pairs[pair] += times[index]
            where[pair].add(index)
    heap = [(-number, pair) for pair, number in pairs.items()]
    heapq.heapify(heap)
    merges: list[Pair] = []
    while heap and len(merges) < count:
        number, pair = heapq.heappop(heap)
        if -number != pairs[pair]:
            continue  # it has changed since: its new number lies in the heap, too
        if -number < 2:
            break
        symbol = BYTES + len(merges)
        merges.append(pair)
        changed: set[Pair] = set()
        for index in where.pop(pair):
            word = words[index]
            joined = _merged(word, pair, symbol)
            for old in pairwise(word):
                pairs[old] -= times[index]
                changed.add(old)
            for new in pairwise(joined):
                pairs[new] += times[index]
                where[new].add(index)
                changed.add(new)
            words[index] = joined
        for one in changed:
            if pairs[one] > 0:
                heapq.heappush(heap, (-pairs[one], one))
    return tuple(merges)


def _merged(word: Sequence[int], pair: Pair, symbol: int) -> list[int]:
    """Replace a pair by a symbol, from left to right."""
    found: list[int] = []
    place = 0
    while place < len(word):
        if tuple(word[place : place + 2]) == pair:
            found.append(symbol)
            place += 2
        else:
            found.append(word[place])
            place += 1
    return found


class Tokens:
    """Turn text into a network's tokens, and back.

    Args:
        rule: The parameters.
    """

    def __init__(self, rule: TextInput) -> None:
        self.rule = rule
        self.ranks: Mapping[Pair, int] = {pair: i for i, pair in enumerate(rule.merges)}
        self.bytes_of = [bytes([one]) for one in range(BYTES)]
        for first, second in rule.merges:
            self.bytes_of.append(self.bytes_of[first] + self.bytes_of[second])
        self._known: dict[bytes, tuple[int, ...]] = {}

    def encode(self, text: str | bytes) -> list[int]:
        """Give the tokens of a text, without those that open and close a sentence."""
        content = text.encode() if isinstance(text, str) else text
        found: list[int] = []
        for piece in pieces(normalized(content, self.rule.lower)):
            if piece not in self._known:
                self._known[piece] = self._of_piece(piece)
            found.extend(self._known[piece])
        return found

    def decode_bytes(self, tokens: Iterable[int]) -> bytes:
        """Give the bytes of tokens up to the one that closes a sentence; others are no text."""
        found = bytearray()
        first = self.rule.first_symbol
        for token in tokens:
            if token == END:
                break
            if token >= first:
                found += self.bytes_of[token - first]
        return bytes(found).removeprefix(b" ")

    def decode(self, tokens: Iterable[int]) -> str:
        """Give the text of tokens; bytes that are no UTF-8 become the replacement character."""
        return self.decode_bytes(tokens).decode(errors="replace")

    def source(self, text: str | bytes, language: str | None = None) -> list[int]:
        """Give the tokens of a source: the target language's, where there are several; then END."""
        target = [] if language is None else [END + 1 + self.rule.languages.index(language)]
        return [*target, *self.encode(text), END]

    def _of_piece(self, piece: bytes) -> tuple[int, ...]:
        symbols = list(piece)
        while len(symbols) > 1:
            ranked = [
                (self.ranks.get(pair, len(self.ranks)), place)
                for place, pair in enumerate(pairwise(symbols))
            ]
            rank, place = min(ranked)
            if rank == len(self.ranks):
                break
            symbols[place : place + 2] = [BYTES + rank]
        return tuple(self.rule.first_symbol + symbol for symbol in symbols)
