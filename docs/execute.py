"""Run the pages whose code is executed: python docs/execute.py [--write] [PAGE ...].

A page's blocks run in order. What a block prints stands behind it in a ```text block. Without
--write the pages are compared with what is printed now; with it they are brought up to date. The
tests in tests/docs do the former.

- ```python runs in one namespace a page, as a person would type it.
- ```sh runs in a shell, where `tatami` is the one beside this Python. What it prints is compared
  only where the page shows it.
- On the pages of docs/add, which change the source, a ```python block that begins with a path in a
  comment is that file, and a ```diff block changes the file that its first line names. Both are
  carried out on a copy of the source, and the other blocks run on that copy.

In an output, a line `...` of the page stands for any lines, and a decimal may differ by one in its
last digit, since BLAS adds in an order of its own.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
SOURCE = FOLDER.parent / "tatami"
BLOCK = re.compile(
    r"^```(python|sh|diff)\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL
)
DECIMAL = re.compile(r"-?\d+\.\d+(?:e[+-]\d+)?")
FILE = re.compile(r"# ((?:tatami|tests)/[\w/]+\.(?:py|c|h))\n(.*)", re.DOTALL)


@dataclass(frozen=True)
class Step:
    """A block of a page.

    Args:
        line: The line of the page where its code begins.
        language: What it is written in: python, sh or diff.
        code: The code.
        output: What the page shows as its output; None: nothing.
    """

    line: int
    language: str
    code: str
    output: str | None


def lessons() -> list[Path]:
    """List the lessons, each language by itself."""
    return sorted(FOLDER.glob("lessons/[0-9][0-9]-*.md"))


def guide() -> list[Path]:
    """List the pages of the guide in their order: each goes on where the one before it ended."""
    return [FOLDER / "quickstart.md", *sorted(FOLDER.glob("guide/[0-9][0-9]-*.md"))]


def additions() -> list[Path]:
    """List the pages that say how something is added to the source."""
    return sorted(page for page in FOLDER.glob("add/*.md") if page.name != "README.md")


def steps(page: Path) -> list[Step]:
    """Give the blocks of a page, in order."""
    text = page.read_text("utf-8")
    return [
        Step(text.count("\n", 0, found.start(2)), found[1], found[2], found[3])
        for found in BLOCK.finditer(text)
    ]


def outputs(page: Path, folder: Path) -> list[str]:
    """Run a whole page and give what each block prints.

    Args:
        page: The page.
        folder: Where it runs; what it writes stays there.
    """
    if page.parent.name == "add":
        return _on_a_copy(page, folder)
    namespace: dict[str, object] = {"__name__": page.stem}
    printed = []
    with contextlib.chdir(folder):
        for step in steps(page):
            if step.language == "sh":
                printed.append(_shell(step.code, page, folder))
                continue
            out = io.StringIO()
            code = "\n" * step.line + step.code  # so that tracebacks have the page's lines
            with contextlib.redirect_stdout(out):
                exec(compile(code, str(page), "exec"), namespace)
            printed.append(out.getvalue())
    return printed


def _on_a_copy(page: Path, folder: Path) -> list[str]:
    """Run a page of docs/add on a copy of the source in the folder."""
    hidden = shutil.ignore_patterns("__pycache__")
    shutil.copytree(SOURCE, folder / "tatami", ignore=hidden, dirs_exist_ok=True)
    printed = []
    for step in steps(page):
        new_file = FILE.match(step.code)
        if step.language == "diff":
            change(step.code, folder)
            printed.append("")
        elif step.language == "python" and new_file:
            path = folder / new_file[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(new_file[2], "utf-8")
            printed.append("")
        elif step.language == "python":
            script = folder / "block.py"
            script.write_text(step.code, "utf-8")
            printed.append(_shell("python block.py", page, folder))
        else:
            printed.append(_shell(step.code, page, folder))
    return printed


def change(difference: str, folder: Path) -> None:
    """Carry out a block of differences.

    Its first line is ``--- PATH``. What its lines without a sign and with - make must stand in the
    file exactly once; what its lines without a sign and with + make takes its place.
    """
    first, *lines = difference.splitlines()
    path = folder / first.removeprefix("--- ")
    old = "".join(line[1:] + "\n" for line in lines if not line.startswith("+"))
    new = "".join(line[1:] + "\n" for line in lines if not line.startswith("-"))
    text = path.read_text("utf-8")
    assert text.count(old) == 1, f"{path.name} has these lines {text.count(old)} times:\n{old}"
    path.write_text(text.replace(old, new), "utf-8")


def _shell(code: str, page: Path, folder: Path) -> str:
    """Run shell commands, each of which must succeed, and give what they print."""
    programs = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": programs + os.pathsep + os.environ["PATH"]}
    environment |= {"COLUMNS": "100", "PYTHONPATH": str(folder)}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", code],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"{page.name}: it exits with {done.returncode}\n{code}\n{done.stderr}")
    return done.stdout


def same_output(shown: str, printed: str) -> bool:
    """Compare what a page shows with what is printed, word for word but for decimals."""
    pieces = [re.escape(DECIMAL.sub("#", piece)) for piece in shown.split("...\n")]
    if not re.fullmatch("(?:.*\n)*".join(pieces), DECIMAL.sub("#", printed)):
        return False
    if len(pieces) > 1:
        return True
    pairs = zip(DECIMAL.findall(shown), DECIMAL.findall(printed), strict=True)
    return all(abs(float(a) - float(b)) < 1.5 * _last_digit(a) for a, b in pairs)


def _last_digit(decimal: str) -> float:
    """Give what one more in the last digit of a printed number is worth: 0.01 for 3.14."""
    mantissa, _, exponent = decimal.partition("e")
    return 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))


def is_true(step: Step, printed: str) -> bool:
    """Judge whether a page shows what its block prints."""
    if step.output is None:
        return printed == "" or step.language == "sh"
    return same_output(step.output, printed)


def with_outputs(page: Path, folder: Path) -> str:
    """Give the text of a page as it should be."""
    printed = iter(outputs(page, folder))

    def step(found: re.Match[str]) -> str:
        output = next(printed)
        if is_true(Step(0, found[1], found[2], found[3]), output):
            return found[0]
        shown = f"\n```text\n{output}```\n" if output else ""
        return f"```{found[1]}\n{found[2]}```\n{shown}"

    return BLOCK.sub(step, page.read_text("utf-8"))


def main(arguments: list[str]) -> int:
    """Compare pages with what they print, or write them anew."""
    write = "--write" in arguments
    named = [Path(one).resolve() for one in arguments if one != "--write"]
    wrong = 0
    with tempfile.TemporaryDirectory() as shared:
        for page in named or [*lessons(), *guide(), *additions()]:
            goes_on = page in guide()
            with tempfile.TemporaryDirectory() as own:
                text = with_outputs(page, Path(shared if goes_on else own))
            same = text == page.read_text("utf-8")
            if write and not same:
                page.write_text(text, "utf-8")
            wrong += not same
            print(f"{page.name}: {'as printed' if same else 'written' if write else 'DIFFERS'}")
    return 0 if write else min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
