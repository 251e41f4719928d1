"""Run the lessons: python docs/lessons/run.py [--write] [PAGE ...]

A page's ```python blocks run in order in one namespace, as a person would type them. What a block
prints stands behind it in a ```text block. Without --write the pages are compared with what is
printed now; with it they are brought up to date. tests/docs/test_lessons.py does the former.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
STEP = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Step:
    """A block of a page. line: of the page, where its code begins. output: what the page shows."""

    line: int
    code: str
    output: str


def pages() -> list[Path]:
    """Every lesson, each language by itself."""
    return sorted(FOLDER.glob("[0-9][0-9]-*.md"))


def steps(page: Path) -> list[Step]:
    """The blocks of a page, in order."""
    text = page.read_text("utf-8")
    return [
        Step(text.count("\n", 0, match.start(1)), match[1], match[2] or "")
        for match in STEP.finditer(text)
    ]


def outputs(page: Path) -> list[str]:
    """What each block prints when the whole page is run."""
    namespace: dict[str, object] = {"__name__": page.stem}
    printed = []
    for step in steps(page):
        out = io.StringIO()
        code = compile("\n" * step.line + step.code, str(page), "exec")  # tracebacks: page's lines
        with contextlib.redirect_stdout(out):
            exec(code, namespace)
        printed.append(out.getvalue())
    return printed


def with_outputs(page: Path) -> str:
    """The text of a page as it should be."""
    printed = iter(outputs(page))

    def step(match: re.Match[str]) -> str:
        output = next(printed)
        shown = f"\n```text\n{output}```\n" if output else ""
        return f"```python\n{match[1]}```\n{shown}"

    return STEP.sub(step, page.read_text("utf-8"))


def main(arguments: list[str]) -> int:
    write = "--write" in arguments
    named = [Path(one).resolve() for one in arguments if one != "--write"]
    wrong = 0
    for page in named or pages():
        text = with_outputs(page)
        same = text == page.read_text("utf-8")
        if write and not same:
            page.write_text(text, "utf-8")
        wrong += not same
        print(f"{page.name}: {'as printed' if same else 'written' if write else 'DIFFERS'}")
    return 0 if write else min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
