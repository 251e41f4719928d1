"""docs/ stays true: pages made of the source are as it says, and no link between pages is dead."""

from __future__ import annotations

import re
from pathlib import Path

import generate
import pytest

PROJECT = Path(__file__).resolve().parent.parent
PAGES = [*sorted(PROJECT.glob("*.md")), *sorted((PROJECT / "docs").rglob("*.md"))]
SOURCES = [path for kind in ("py", "c", "h") for path in (PROJECT / "tatami").rglob(f"*.{kind}")]


@pytest.mark.parametrize("name", generate.PAGES)
def test_pages_made_of_the_source_are_up_to_date(name: str) -> None:
    page = (PROJECT / "docs" / name).read_text("utf-8")
    assert page == generate.PAGES[name](), "run make docs"


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("One. Two.", "One."),
        ("LeNet-5: Y. LeCun, L. Bottou et al. Proceedings, 1998. More.", None),
        ("A line\nthat wraps. Another.", "A line that wraps."),
        ("No end\n\nMore", "No end"),
        ("See 0.5 of it. `x` is more.", "See 0.5 of it."),
    ],
)
def test_first_sentences(text: str, first: str | None) -> None:
    expected = first or text.removesuffix(" More.")
    assert generate.sentence(text) == expected


def test_every_module_says_what_it_is() -> None:
    modules = (PROJECT / "tatami").rglob("*.py")
    assert not [path for path in modules if not generate.about_module(path).endswith((".", ")"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    assert not [link for link in links if not (page.parent / link).exists()]


def test_every_page_that_the_code_names_is_there() -> None:
    """A user is sent to them by the hints of errors and by --help; a reader by comments."""
    named = {
        page: path
        for path in SOURCES
        for page in re.findall(r"\bdocs/[\w./-]+\.md\b", path.read_text("utf-8"))
    }
    assert {"docs/importing.md", "docs/picture-rule.md"} <= set(named)
    assert not {page for page in named if not (PROJECT / page).is_file()}


def test_every_page_is_in_the_index() -> None:
    index = (PROJECT / "docs" / "README.md").read_text("utf-8")
    pages = {path.name for path in (PROJECT / "docs").glob("*.md")} - {"README.md"}
    assert not {page for page in pages if f"({page})" not in index}


def test_every_decision_is_in_the_index() -> None:
    folder = PROJECT / "docs" / "decisions"
    index = (folder / "README.md").read_text("utf-8")
    numbers = []
    for path in sorted(folder.glob("[0-9]*.md")):
        assert f"({path.name})" in index
        assert path.read_text("utf-8").startswith(f"# {path.name[:4]}: ")
        numbers.append(int(path.name[:4]))
    assert numbers == list(range(1, len(numbers) + 1))
