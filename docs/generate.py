"""Write the pages that are made of the source: python docs/generate.py [--check].

docs/tree.md is made of the first sentence of every module, docs/api.md of the docstrings of the
names in ``tatami.__all__``. With --check nothing is written, and a page that differs is an error.
tests/test_tree.py holds both pages to this.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import sys
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
PROJECT = FOLDER.parent
SOURCE = PROJECT / "tatami"
ROOMS = (
    *("types", "ops", "rules", "graph", "program"),
    *("data", "importers", "models", "train", "evaluate", "shrink", "ship", "see", "scratch"),
    *("tasks", "pipeline", "cli"),
)
"""The rooms of the house from the ground up; one that is not here is listed behind them."""
SECTIONS = ("Args", "Returns", "Yields", "Raises", "Attributes", "Example", "Source", "Note")

TREE = """# The tree

What lies where. This page is made of the first sentence of every file by `make docs`; change it
there.

    data ─ models ─ train ─ evaluate ─ shrink ─ program ─ ship ─ device
      └───────────────── tasks ─────────────────────┘
                        pipeline       stages meet here: typed functions, nothing printed
               tatami (names for Python) · cli     faces: no knowledge of their own

Arrows point down only: faces use `pipeline/`, which uses `tasks/`, which use the stages (`data`,
`importers`, `models`, `train`, `evaluate`, `shrink`, `ship`, `see`, `scratch`), which use
`program/`, `graph/`, `rules/`, `ops/`, `types/`. Stages never import one another.
[tests/test_imports.py](../tests/test_imports.py) holds each room to a written list.

Beside the package: `tests/` mirrors it, and `tests/agree/` compares with independent programs;
`benchmarks/` measures speeds as ratios, interleaved in one run; `examples/` has notebooks. Why
things are as they are: [decisions](decisions/README.md).
"""

API = """# The Python API

What `import tatami` offers. This page is made of the docstrings by `make docs`; change it there.
Every name is imported when it is first used, so `import tatami` itself takes no time and no torch.

"""


RETURNED = """# What they return

Frozen values. Each has `to_json()`, plain values for JSON, and as far as there are any `tables()`
and `lines()`, what the command line prints; in a notebook it shows itself.
"""
SHARED = ("to_json", "tables", "lines", "_repr_html_")
"""What every result has."""


def sentence(text: str) -> str:
    """Give the first sentence of a text, on one line."""
    line = " ".join(text.strip().split("\n\n")[0].split())
    for found in re.finditer(r"[.!?](?=\s+[A-Z(`])", line):
        before = line[: found.start()]
        initial = re.search(r"(?:^|[\s(.-])(?:[A-Z]|al|[Ff]ig|vs|pp)$", before)
        if not initial:
            return line[: found.end()]
    return line


def about_module(path: Path) -> str:
    """Give the first sentence of a module's docstring."""
    text = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    return sentence(text)


def about_c(path: Path) -> str:
    """Give the first sentence of the first comment of a file in C."""
    found = re.search(r"/\*+(.*?)\*/", path.read_text("utf-8"), re.DOTALL)
    return sentence(re.sub(r"\n \*", "\n", found[1])) if found else ""


def cell(text: str) -> str:
    """Make a text fit into a cell of a table: code in backticks, bars escaped."""
    pieces = text.replace("``", "`").split("`")
    kept = [
        piece if place % 2 else re.sub(r"([*<\[\]])", r"\\\1", piece)
        for place, piece in enumerate(pieces)
    ]
    return "`".join(kept).replace("|", "\\|")


def tree() -> str:
    """Make docs/tree.md."""
    parts = [TREE, "## `tatami/`\n", *_rows(SOURCE)]
    rooms = [path for path in SOURCE.iterdir() if (path / "__init__.py").exists()]
    order = {name: place for place, name in enumerate(ROOMS)}
    for room in sorted(rooms, key=lambda path: (order.get(path.name, len(order)), path.name)):
        parts += _room(room, 2)
    return "\n".join(parts) + "\n"


def _room(folder: Path, depth: int) -> list[str]:
    name = folder.relative_to(PROJECT)
    init = folder / "__init__.py"
    about = about_module(init) if init.exists() else ""
    parts = [f"\n{'#' * min(depth, 4)} `{name}/`\n", *([cell(about) + "\n"] if about else [])]
    parts += _rows(folder)
    for below in sorted(path for path in folder.iterdir() if path.is_dir()):
        if below.name != "__pycache__" and any(_files(below)):
            parts += _room(below, depth + 1)
    return parts


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.suffix in (".py", ".c", ".h")]


def _rows(folder: Path) -> list[str]:
    rows = []
    for path in sorted(folder.iterdir()):
        if path.suffix == ".py" and path.name != "__init__.py":
            about = about_module(path)
        elif path.suffix in (".c", ".h"):
            about = about_c(path)
        else:
            continue
        rows.append(f"| `{path.name}` | {cell(about)} |")
    return ["| file | what it holds |", "|---|---|", *rows] if rows else []


def api() -> str:
    """Make docs/api.md."""
    import tatami

    parts, results = [API], dict[str, type]()
    for name in tatami.__all__:
        thing = getattr(tatami, name)
        if inspect.isfunction(thing):
            parts.append(_function(thing, f"tatami.{name}"))
            results |= _classes(_returned(thing))
        elif inspect.isclass(thing):
            parts.append(_class(thing, f"tatami.{name}"))
        elif name == "__version__":
            parts.append("## `tatami.__version__`\n\nThe version, as text.\n")
        elif name == "MODELS":
            parts.append(_models(thing))
    if results:
        parts.append(RETURNED)
        parts += [_class(results[name], name) for name in sorted(results)]
    return "\n".join(part.rstrip() + "\n" for part in parts)


def _returned(function: Callable[..., object]) -> object:
    """Give what an annotation says is returned; the parameters may name types for mypy alone."""
    hint = function.__annotations__.get("return")
    return eval(hint, function.__globals__) if isinstance(hint, str) else hint


def _models(table: Mapping[str, Any]) -> str:
    """List the networks."""
    rows = [
        f"| `{name}` | {model.noun} | {model.size} | {cell(model.paper)} |"
        for name, model in table.items()
    ]
    head = ["| name | what it is | input | paper |", "|---|---|---|---|"]
    about = "The table of networks by name: what each is, and what makes it. It needs no torch."
    return "\n".join(["## `tatami.MODELS`\n", about, "", *head, *rows])


def _classes(hint: object) -> dict[str, type]:
    """Give the classes of ours that an annotation names."""
    if inspect.isclass(hint):
        return {hint.__name__: hint} if hint.__module__.startswith("tatami.") else {}
    found = dict[str, type]()
    for part in typing.get_args(hint):
        found |= _classes(part)
    return found


def _function(function: object, name: str, level: str = "##") -> str:
    """Document one function."""
    return f"{level} `{name}`\n\n{_signature(function, name)}\n\n{_doc(function)}\n"


def _class(kind: type, name: str) -> str:
    """Document one class: its fields by its docstring, and its public methods."""
    parts = [f"## `{name}`\n"]
    if dataclasses.is_dataclass(kind) or issubclass(kind, Exception):
        parts.append(_signature(kind, name) + "\n")
    parts.append(_doc(kind) + "\n")
    for member, value in vars(kind).items():
        if member.startswith("_") or member in SHARED:
            continue
        if isinstance(value, property):
            parts.append(f"### `{name}.{member}`\n\n{_doc(value)}\n")
        elif inspect.isfunction(value):
            parts.append(_function(value, f"{name}.{member}", "###"))
    return "\n".join(parts)


def _signature(function: object, name: str) -> str:
    """Write a signature as a block of code, one parameter a line where it is long."""
    signature = inspect.signature(function)  # type: ignore[arg-type]
    pieces, keyword = list[str](), False
    for parameter in signature.parameters.values():
        if parameter.name == "self":
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not keyword:
            pieces.append("*")
            keyword = True
        text = (
            f"*{parameter.name}" if parameter.kind is parameter.VAR_POSITIONAL else parameter.name
        )
        if parameter.annotation is not parameter.empty:
            text += f": {_annotation(parameter.annotation)}"
        if parameter.default is not parameter.empty:
            text += f" = {_default(parameter.default)}"
        pieces.append(text)
    returned = ""
    if signature.return_annotation is not signature.empty and not inspect.isclass(function):
        returned = f" -> {_annotation(signature.return_annotation)}"
    line = f"{name}({', '.join(pieces)}){returned}"
    if len(line) > 96:
        line = f"{name}(\n" + "".join(f"    {piece},\n" for piece in pieces) + f"){returned}"
    return f"```text\n{line}\n```"


def _annotation(annotation: object) -> str:
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def _default(value: object) -> str:
    if inspect.isfunction(value) or inspect.isclass(value):
        return str(value.__name__)
    if isinstance(value, dataclasses.Field) or "<factory>" in repr(value):
        return "..."
    return repr(value)


def _doc(thing: object) -> str:
    return _markdown(inspect.getdoc(thing) or "")


def _markdown(text: str) -> str:
    """Make Markdown of a docstring in Google's style."""
    parts, section = list[str](), ""
    for line in text.replace("``", "`").splitlines():
        heading = re.fullmatch(r"(\w+):", line)
        if heading and heading[1] in SECTIONS:
            section = heading[1]
            title = {"Args": "Arguments"}.get(section, section)
            parts.append(f"**{title}**\n")
        elif section and line and not line.startswith(" "):
            section = ""
            parts.append(line)
        elif section in ("Args", "Raises", "Attributes"):
            entry = re.fullmatch(r"    (\*{0,2}\w+)(?: \([^)]*\))?: (.*)", line)
            parts.append(f"- `{entry[1]}`: {entry[2]}" if entry else "  " + line.strip() or "")
        elif section:
            parts.append(line[4:] if section != "Example" else line)
        else:
            parts.append(line)
    return "\n".join(part.rstrip() for part in parts).strip()


PAGES = {"tree.md": tree, "api.md": api}


def main(arguments: list[str]) -> int:
    """Write the pages, or with --check compare them."""
    wrong = 0
    for name, make in PAGES.items():
        path, text = FOLDER / name, make()
        if path.exists() and path.read_text("utf-8") == text:
            continue
        wrong += 1
        if "--check" in arguments:
            print(f"docs/{name} is not what the source says: run make docs")
        else:
            path.write_text(text, "utf-8")
    return wrong if "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
