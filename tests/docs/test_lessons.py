"""The lessons are true: every page runs, prints what it shows, and is one page in two languages."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import execute
import figures
import pytest

LESSONS = Path(__file__).resolve().parents[2] / "docs" / "lessons"
PAGES = [page for page in execute.lessons() if not page.name.endswith(".ja.md")]


def test_outputs_are_compared():
    assert execute.same_output("sum 3.14 of 2", "sum 3.15 of 2")
    assert not execute.same_output("sum 3.14 of 2", "sum 3.16 of 2")
    assert not execute.same_output("sum 3.14 of 2", "sum 3.14 of 3")
    assert execute.same_output("1.2e-04", "1.3e-04")
    assert not execute.same_output("1.2e-04", "1.2e-03")
    assert execute.same_output("a\n...\nd\n", "a\nb\nc\nd\n")
    assert not execute.same_output("a\n...\nd\n", "a\nb\nc\n")


def test_lessons_are_numbered_from_the_first_on():
    assert len(PAGES) >= 14
    assert [page.name[:2] for page in PAGES] == [f"{n:02}" for n in range(1, len(PAGES) + 1)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_prints_what_it_shows(page, tmp_path):
    steps, printed = execute.steps(page), execute.outputs(page, tmp_path)
    assert len(steps) >= 3
    for step, output in zip(steps, printed, strict=True):
        assert execute.is_true(step, output), f"line {step.line}: it prints\n{output}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_both_languages_have_one_code(page):
    japanese = page.with_name(f"{page.stem}.ja.md")
    texts = page.read_text("utf-8"), japanese.read_text("utf-8")
    blocks, japanese_blocks = (
        [(step.code, step.output) for step in execute.steps(one)] for one in (page, japanese)
    )
    assert blocks == japanese_blocks
    for text, step_count in zip(texts, (len(blocks), len(blocks)), strict=True):
        assert text.count("```python\n") == step_count
        assert text.count("```text\n") == sum(output is not None for _, output in blocks)
    pictures = [re.findall(r"!\[[^]]+\]\((figures/[^)]+)\)", text) for text in texts]
    assert pictures[0] == pictures[1] != []
    assert re.search(r"[\u3040-\u30ff]", texts[1])
    assert not re.search(r"[\u3040-\u30ff]", texts[0])


@pytest.mark.parametrize("language", ["", ".ja"])
def test_the_index_leads_to_every_page(language):
    index = (LESSONS / f"README{language}.md").read_text("utf-8")
    linked = re.findall(r"\]\((\d\d-[^)]+)\)", index)
    assert linked == [f"{page.stem}{language}.md" for page in PAGES]


def test_every_figure_is_drawn_and_shown():
    files = {path.stem for path in (LESSONS / "figures").iterdir()}
    shown = set()
    for page in PAGES:
        shown |= set(re.findall(r"\(figures/([\w-]+)\.svg\)", page.read_text("utf-8")))
    assert files == set(figures.FIGURES) == shown


@pytest.mark.parametrize("name", figures.FIGURES)
def test_a_figure_is_as_drawn_now(name):
    text = figures.FIGURES[name]()
    assert (LESSONS / "figures" / f"{name}.svg").read_text("utf-8") == text
    assert ElementTree.fromstring(text).get("viewBox")
    assert len(text) < 30_000
