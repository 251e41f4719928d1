"""The README is short, says the same in two languages, and only what docs/results.md measured."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
RESULTS = (PROJECT / "docs" / "results.md").read_text("utf-8")
READMES = [(PROJECT / name).read_text("utf-8") for name in ("README.md", "README.ja.md")]


def networks(text: str) -> list[list[str]]:
    """The rows of the table of networks."""
    rows = re.findall(r"(?m)^\| ([^|\n]+\|.*) \|$", text)
    return [[cell.strip() for cell in row.split("|")] for row in rows][1:]


@pytest.mark.parametrize("text", READMES, ids=["en", "ja"])
def test_it_fits_on_a_screen_and_a_half(text: str) -> None:
    assert len(text.splitlines()) <= 90


@pytest.mark.parametrize("text", READMES, ids=["en", "ja"])
def test_every_figure_of_a_network_was_measured(text: str) -> None:
    rows = networks(text)
    assert len(rows) == 13
    measured = set(re.findall(r"\d+\.\d+", RESULTS))
    for name, _, *cells in rows:
        figures = re.findall(r"\d+\.\d+", " ".join(cells))
        assert figures, name
        assert set(figures) <= measured, name


def test_both_languages_have_the_same_figures_code_and_links() -> None:
    for pattern in (
        r"\d+\.\d+",
        r"(?m)^    (?:make|\S*tatami|pip) [^#\n]*",
        r"tatami\.\w+\(\"[^#\n]*",
    ):
        first, second = (re.findall(pattern, text) for text in READMES)
        assert first == second != []
    english, japanese = (set(re.findall(r"\]\(([^)]+)\)", text)) for text in READMES)
    assert {link.replace(".ja.md", ".md") for link in japanese} == {
        link.replace(".ja.md", ".md") for link in english
    }


@pytest.mark.parametrize("text", READMES, ids=["en", "ja"])
def test_it_does_not_speak_of_figures_without_a_source(text: str) -> None:
    prose = re.sub(r"(?m)^\|.*$|`[^`]*`|\([^)]*\.md\)", "", text)
    decimals = set(re.findall(r"\d+\.\d+", prose)) - {"3.11", "2.0"}
    assert decimals <= set(re.findall(r"\d+\.\d+", RESULTS))
