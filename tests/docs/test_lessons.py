"""The lessons are true: every page runs, prints what it shows, and is one page in two languages."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

LESSONS = Path(__file__).resolve().parents[2] / "docs" / "lessons"
DECIMAL = re.compile(r"-?\d+\.\d+(?:e[+-]\d+)?")


def script(name):
    spec = importlib.util.spec_from_file_location(f"lessons_{name}", LESSONS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for their types
    spec.loader.exec_module(module)
    return module


run, figures = script("run"), script("figures")
PAGES = [page for page in run.pages() if not page.name.endswith(".ja.md")]


def last_digit(decimal):
    """What one more or less in the last digit of a printed number is worth: 0.01 for 3.14."""
    mantissa, _, exponent = decimal.partition("e")
    return 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))


def same_output(shown, printed):
    """Word for word; a decimal may differ by one in its last digit, for BLAS adds as it likes."""
    if DECIMAL.sub("#", shown) != DECIMAL.sub("#", printed):
        return False
    pairs = zip(DECIMAL.findall(shown), DECIMAL.findall(printed), strict=True)
    return all(abs(float(a) - float(b)) < 1.5 * last_digit(a) for a, b in pairs)


def test_outputs_are_compared():
    assert same_output("sum 3.14 of 2", "sum 3.15 of 2")
    assert not same_output("sum 3.14 of 2", "sum 3.16 of 2")
    assert not same_output("sum 3.14 of 2", "sum 3.14 of 3")
    assert same_output("1.2e-04", "1.3e-04")
    assert not same_output("1.2e-04", "1.2e-03")


def test_there_are_twelve_lessons():
    assert [page.name[:2] for page in PAGES] == [f"{n:02}" for n in range(1, 13)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_prints_what_it_shows(page):
    steps, printed = run.steps(page), run.outputs(page)
    assert len(steps) >= 3
    for step, output in zip(steps, printed, strict=True):
        assert same_output(step.output, output), f"line {step.line}: it prints\n{output}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_both_languages_have_one_code(page):
    japanese = page.with_name(f"{page.stem}.ja.md")
    texts = page.read_text("utf-8"), japanese.read_text("utf-8")
    blocks, japanese_blocks = (
        [(step.code, step.output) for step in run.steps(one)] for one in (page, japanese)
    )
    assert blocks == japanese_blocks
    for text, step_count in zip(texts, (len(blocks), len(blocks)), strict=True):
        assert text.count("```python\n") == step_count
        assert text.count("```text\n") == sum(output != "" for _, output in blocks)
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
