"""The text rule: what is lower-case, where text is cut, what is merged, and how it comes back."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from tatami.errors import TatamiError
from tatami.rules.text import Tokens, learn_merges, lowered, normalized, pieces
from tatami.types.text import BYTES, END, TextInput


def test_lower_case_is_unicode_s_in_the_letters_of_the_table() -> None:
    letters = [*map(chr, (*range(128), *range(0xC0, 0x180)))]
    kept = {"\u0130"}  # its lower-case form is two code points
    for letter in letters:
        wanted = letter if letter in kept else letter.lower()
        assert lowered(letter.encode()).decode() == wanted, hex(ord(letter))
    others = "".join(map(chr, range(0x180, 0x800)))
    assert lowered(others.encode()).decode() == others


def test_spaces_and_pieces() -> None:
    assert normalized(b"\t A\r\n  b ", lower=True) == b"a b"
    assert pieces(b"a man's 12 dogs, (2x)") == [
        *(b" a", b" man", b"'", b"s", b" 12", b" dogs", b",", b" (", b"2", b"x", b")")
    ]
    assert pieces(b"") == []


def slowly(texts: list[str], count: int) -> list[tuple[int, int]]:
    """Learn merges as docs/text-rule.md says, counting all pairs anew each time."""
    words = [list(piece) for text in texts for piece in pieces(normalized(text.encode(), True))]
    merges: list[tuple[int, int]] = []
    while len(merges) < count:
        pairs = Counter(pair for word in words for pair in pairwise(word))
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        if pairs[best] < 2:
            break
        for word in words:
            place = 0
            while place + 1 < len(word):
                if (word[place], word[place + 1]) == best:
                    word[place : place + 2] = [BYTES + len(merges)]
                place += 1
        merges.append(best)
    return merges


def test_learning_is_counting() -> None:
    texts = ["Low lower lowest, aaaa aaa", "new newer newest: wider", "ÄÖ äö äöä 111 11", "aaaaa"]
    found = learn_merges(texts, 40)
    assert list(found) == slowly(texts, 40)
    assert len(found) > 12
    assert learn_merges(texts, 5) == found[:5]


def test_text_comes_back() -> None:
    texts = ["Zwei junge weiße Männer,  im Freien.", "日本語 и ещё 😀", ""]
    for lower in (True, False):
        known = Tokens(TextInput(learn_merges(texts, 30, lower), lower=lower))
        for text in texts:
            tokens = known.encode(text)
            assert known.decode(tokens) == normalized(text.encode(), lower).decode()
            assert known.source(text) == [*tokens, END]


def test_a_target_language_is_a_token() -> None:
    known = Tokens(TextInput((), languages=("de", "cs")))
    assert known.source("a", "cs") == [4, 5 + 32, 5 + 97, END]
    assert known.decode(known.source("a", "cs")) == "a"
    assert known.rule.vocabulary == 5 + 256


def test_it_is_written_and_read() -> None:
    rule = TextInput(((97, 98), (256, 99)), 20, 30, ("de",), lower=False)
    assert TextInput.from_json(rule.to_json()) == rule
    for name, wrong in (
        ("merges", [[97, 300]]),
        ("merges", [[97, 98], [97, 98]]),
        ("merges", [[97, 98.0]]),
        ("max_source", 1),
        ("languages", ["de", "de"]),
        ("languages", ["D"]),
        ("lower", 1),
    ):
        with pytest.raises(TatamiError):
            TextInput.from_json({**rule.to_json(), name: wrong})
