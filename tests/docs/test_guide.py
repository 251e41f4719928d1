"""The quickstart and the guide are true: every command and every line of Python on them runs."""

from __future__ import annotations

from pathlib import Path

import execute
import pytest

PAGES = execute.guide()


@pytest.mark.timeout(1800)
def test_the_pages_do_what_they_say(tmp_path: Path, one_thread: None) -> None:
    """One test, since each page goes on in the folder where the one before it ended."""
    for page in PAGES:
        printed = execute.outputs(page, tmp_path)
        for step, output in zip(execute.steps(page), printed, strict=True):
            where = f"{page.name}, line {step.line}"
            assert execute.is_true(step, output), f"{where}: it prints\n{output}"


def test_there_is_a_page_for_every_stage() -> None:
    assert [page.stem for page in PAGES] == [
        *("quickstart", "01-data", "02-train", "03-evaluate", "04-shrink", "05-ship", "06-prove"),
        *("07-predict", "08-look-inside"),
    ]
    index = (Path(execute.FOLDER) / "README.md").read_text("utf-8")
    assert not [page for page in PAGES if f"({page.relative_to(execute.FOLDER)})" not in index]
