"""Numbers and names for people."""

from __future__ import annotations

import pytest

from tatami.see.text import count, ending, readable, shortened, size


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1.00 k"),
        (9994, "9.99 k"),
        (9996, "10.0 k"),
        (99_960, "100 k"),
        (999_400, "999 k"),
        (999_600, "1.00 M"),
        (1_234_567, "1.23 M"),
        (5.6e9, "5.60 G"),
    ],
)
def test_count(number: float, text: str) -> None:
    assert count(number) == text


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1000, "1000 B"),
        (1536, "1.50 KiB"),
        (2**20 * 63, "63.0 MiB"),
    ],
)
def test_size(octets: int, text: str) -> None:
    assert size(octets) == text


def test_readable() -> None:
    assert readable("a\tb\nc") == "a b c"
    assert readable("a\x00\x1b\ud800\u202e猫") == "a\ufffd\ufffd\ufffd\ufffd猫"


def test_shortened() -> None:
    assert shortened("abcdef", 6) == "abcdef"
    assert shortened("abcdefg", 6) == "abcde…"


def test_the_end_of_a_path_is_kept() -> None:
    assert ending("a/bcdef", 7) == "a/bcdef"
    assert ending("a/bcdefg", 7) == "…bcdefg"
