"""docs/ stays true: the tree names every module and no other, and no link between pages is dead."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
PAGES = [*sorted(PROJECT.glob("*.md")), *sorted((PROJECT / "docs").rglob("*.md"))]
SOURCES = [path for kind in ("py", "c", "h") for path in (PROJECT / "tatami").rglob(f"*.{kind}")]


def tree() -> set[str]:
    """The paths that docs/tree.md names in its tables, from the project's root."""
    folder, paths = "", set[str]()
    for line in (PROJECT / "docs" / "tree.md").read_text("utf-8").splitlines():
        if line.startswith("#"):
            heading = re.search(r"`(tatami/\w+/)`", line)
            folder = heading[1] if heading else ""
        elif line.startswith("| `"):
            first_cell = line.split("|")[1]
            paths |= {folder + name for name in re.findall(r"`([\w./]+)`", first_cell)}
    return paths


def test_the_tree_names_every_module() -> None:
    modules = {str(path.relative_to(PROJECT)) for path in (PROJECT / "tatami").rglob("*.py")}
    unnamed = {path for path in modules if not path.endswith("/__init__.py")} - tree()
    assert not unnamed, "give each a line in docs/tree.md"


def test_the_tree_names_nothing_else() -> None:
    named = {path for path in tree() if path.startswith("tatami/")}
    assert len(named) > 50
    assert not {path for path in named if not (PROJECT / path).exists()}


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
