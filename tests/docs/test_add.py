"""The pages on adding something are true: what they make works, on a copy of the source."""

from __future__ import annotations

from pathlib import Path

import execute
import pytest

PAGES = execute.additions()


# Of a new task, tests/tasks/test_made_up_task.py goes the same way in a third of the time.
SLOW = ("task",)


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, id=page.stem, marks=[pytest.mark.slow] * (page.stem in SLOW))
        for page in PAGES
    ],
)
def test_a_page_makes_what_it_says(page: Path, tmp_path: Path) -> None:
    printed = execute.outputs(page, tmp_path)
    for step, output in zip(execute.steps(page), printed, strict=True):
        assert execute.is_true(step, output), f"line {step.line}: it prints\n{output}"


def test_every_page_is_in_the_index() -> None:
    index = (execute.FOLDER / "add" / "README.md").read_text("utf-8")
    assert not [page for page in PAGES if f"({page.name})" not in index]


def test_a_difference_must_fit(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text("one\ntwo\nthree\n")
    execute.change("--- a.py\n two\n-three\n+four\n", tmp_path)
    assert file.read_text() == "one\ntwo\nfour\n"
    with pytest.raises(AssertionError, match="0 times"):
        execute.change("--- a.py\n three\n+four\n", tmp_path)
