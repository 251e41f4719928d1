"""Arrows point down only: the import rules of the house, read from the source."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import tatami

ROOT = Path(tatami.__file__).parent
STAGES = ("data", "importers", "models", "train", "evaluate", "shrink", "ship", "see", "scratch")
GROUND = ("types", "errors", "files", "ops", "rules", "graph", "program")
MAY_USE: dict[str, tuple[str, ...]] = {
    "errors.py": (),
    "types": ("errors",),
    "files.py": ("errors",),
    "ops": ("types", "errors"),
    "rules": ("ops", "types", "errors"),
    "graph": ("ops", "types", "errors", "files"),
    "program": ("graph", "ops", "types", "errors"),
    "scratch": ("ops", "types", "errors"),
    **{stage: GROUND for stage in STAGES if stage != "scratch"},
    "tasks": (*STAGES, *GROUND),
    "pipeline": ("tasks", *STAGES, *GROUND),
    "cli": ("pipeline", "tasks", *STAGES, *GROUND, "__version__"),
    "__init__.py": ("pipeline", "tasks", *STAGES, *GROUND),
    "__main__.py": ("cli",),
}
"""What each room may import besides itself: arrows point down, and stages never meet."""
FILES = sorted(path.relative_to(ROOT) for path in ROOT.rglob("*.py"))


def imports(file: Path) -> list[tuple[str, bool]]:
    """Every imported module in full, and whether importing the file leaves it alone.

    That is so inside a function, and under ``if TYPE_CHECKING``.
    """
    tree = ast.parse((ROOT / file).read_text())
    found: list[tuple[str, bool]] = []

    def visit(part: ast.AST, lazy: bool) -> None:
        if isinstance(part, ast.Import):
            found.extend((alias.name, lazy) for alias in part.names)
        elif isinstance(part, ast.ImportFrom):
            assert part.level == 0, f"{file}: a relative import hides where it points"
            found.extend((f"{part.module}.{alias.name}", lazy) for alias in part.names)
        inside = lazy or isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef)
        if isinstance(part, ast.If) and ast.unparse(part.test) == "TYPE_CHECKING":
            inside = True
        for child in ast.iter_child_nodes(part):
            visit(child, inside)

    visit(tree, False)
    return found


def is_in(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


@pytest.mark.parametrize("file", FILES, ids=str)
def test_imports(file):
    room = file.parts[0]
    for module, lazy in imports(file):
        where = f"{file} imports {module}"
        if is_in(module, "tatami"):
            inside = module.partition(".")[2].partition(".")[0] or "__version__"
            own = room.removesuffix(".py")
            assert inside in (own, "__version__") or inside in MAY_USE[room], where
        if is_in(module, "torch") or is_in(module, "torchvision"):
            upstairs = ("tasks", "pipeline", "cli")
            assert room in ("models", "train") or (room in upstairs and lazy), where
        if is_in(module, "matplotlib"):
            assert file == Path("see/plots.py"), where
        if is_in(module, "sklearn"):
            assert str(file) in ("data/digits.py", "models/svm.py"), where
            assert lazy, f"{where}: an extra, which a user without it must not need"
        if is_in(module, "skimage"):
            allowed_files = ("data/digits.py", "data/selective_search.py")
            assert str(file) in allowed_files, where
            assert lazy, f"{where}: an extra, which a user without it must not need"


def test_no_module_imports_itself_by_way_of_others():
    """Lazy imports count: a circle that a function hides is one all the same."""
    names = {".".join(("tatami", *file.with_suffix("").parts)): file for file in FILES}
    inside = {
        name: [
            other for module, _ in imports(file) for other in (module, module.rpartition(".")[0])
        ]
        for name, file in names.items()
    }
    left = dict(inside)
    while left:
        free = [name for name, wanted in left.items() if not {*wanted} & {*left} - {name}]
        assert free, f"in a circle, or above one: {sorted(left)}"
        for name in free:
            del left[name]


def test_the_reader_of_imports_sees_them():
    """The rules above would pass for a reader that finds nothing."""
    assert ("torch", False) in imports(Path("models/export.py"))
    assert ("tatami.shrink.fold.fold", False) in imports(Path("cli/fold.py"))


def test_everything_but_training_works_without_torch():
    """Every module outside models/ and train/, the command line's too: it takes torch lazily."""
    free = [file for file in FILES if file.parts[0] not in ("models", "train", "__main__.py")]
    names = [".".join(("tatami", *file.with_suffix("").parts)) for file in free]
    lines = ["import sys", "sys.modules['torch'] = None  # an import of torch now fails"]
    lines += [f"import {name.removesuffix('.__init__')}" for name in names]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(lines)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_training_without_torch_says_what_to_install():
    lines = (
        "import sys",
        "sys.modules['torch'] = None",
        "sys.argv = ['tatami', 'train', 'yolov2-tiny', '--data', 'x']",
        "from tatami.cli.main import main",
        "main()",
    )
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == (
        "tatami: this needs torch (install it with pip install 'tatami-nn[train]')\n"
    )
