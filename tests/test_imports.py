"""Arrows point down only: the import rules of the house, read from the source."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tatami
from tatami.cli.commands import COMMANDS, Command, Group
from tatami.data.formats.table import FORMATS
from tatami.graph.operators import OPERATORS
from tatami.models.table import MODELS
from tatami.ship.c.targets import TARGETS

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
    "studio": ("pipeline", "tasks", *STAGES, *GROUND),
    "cli": ("studio", "pipeline", "tasks", *STAGES, *GROUND, "__version__"),
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
    assert ("tatami.shrink.fold.fold", False) in imports(Path("pipeline/fold.py"))


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


# The command line ---------------------------------------------------------------------------------


def fresh(lines: str) -> str:
    """What a new process prints that runs some lines of Python."""
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


HEAVY = ("numpy", "onnx", "onnx_ir", "sympy", "torch", "PIL", "matplotlib")
RUN = """
import contextlib, io, sys
from tatami.cli.main import main
sys.argv = ["tatami", {arguments}]
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
    main()
print(*sorted({heavy} & {{*sys.modules}}))
"""


@pytest.mark.parametrize("arguments", ["--version", "--help"])
def test_the_command_line_starts_without_what_it_does_not_need(arguments: str) -> None:
    heavy = {*HEAVY, "rich"} if arguments == "--version" else {*HEAVY}
    assert fresh(RUN.format(arguments=repr(arguments), heavy=heavy)).split() == []


def commands() -> list[tuple[str, ...]]:
    """Every command of the table, as it is typed."""
    found: list[tuple[str, ...]] = []
    for name, entry in COMMANDS.items():
        inside = entry.commands if isinstance(entry, Group) else None
        found += [(name,)] if inside is None else [(name, each) for each in inside]
    return found


def entry_of(typed: tuple[str, ...]) -> Command:
    entry = COMMANDS[typed[0]]
    found = entry.commands[typed[1]] if isinstance(entry, Group) else entry
    assert isinstance(found, Command)
    return found


def test_the_help_of_a_command_needs_nothing_heavy() -> None:
    lines = ["import importlib, sys"]
    for module in sorted({entry_of(typed).module for typed in commands()}):
        lines += [
            f"importlib.import_module('tatami.cli.{module}')",
            f"found = {{*{HEAVY}}} & {{*sys.modules}}",
            f"if found: print('{module}:', *sorted(found))",
            f"heads = {(*HEAVY, 'tatami')}",
            "loaded = [name for name in sys.modules if name.split('.')[0] in heads]",
            "for name in loaded: del sys.modules[name]",
        ]
    assert fresh("\n".join(lines)).splitlines() == []


def test_a_command_is_described_as_its_docstring_begins() -> None:
    """The line that is read of the source is the one that the imported function has."""
    for typed in commands():
        entry = entry_of(typed)
        function = getattr(importlib.import_module(f"tatami.cli.{entry.module}"), entry.function)
        first = (inspect.getdoc(function) or "").split("\n\n")[0]
        assert entry.help == " ".join(first.split())
        assert entry.help.endswith("."), typed


def test_every_command_is_in_the_table() -> None:
    """A function of cli/ whose parameters are typer's is a command."""
    listed = {(entry_of(typed).module, entry_of(typed).function) for typed in commands()}
    found = set()
    for file in (ROOT / "cli").glob("*.py"):
        for part in ast.parse(file.read_text("utf-8")).body:
            if isinstance(part, ast.FunctionDef) and "typer.Argument" in ast.unparse(part.args):
                found.add((file.stem, part.name))
    assert found <= listed


# The floors ---------------------------------------------------------------------------------------

BELOW = [file for file in FILES if file.parts[0] not in ("cli", "__main__.py")]
FLAG = re.compile(r"(?<![\w-])(?<!torchrun )--[a-z][a-z-]+|`tatami ")
OF_OTHERS = (
    *("ship/c/build.py", "ship/c/targets.py", "ship/rtl/simulate.py"),
    *(
        f"ship/c/tasks/{task}.py"
        for task in ("classification", "detection", "translation", "two_stage")
    ),
)
"""Files whose flags are a compiler's, or a shipped program's."""
TASK_TYPES = {
    *("DetectionSpec", "ClassificationSpec", "SegmentationSpec", "TwoStageSpec", "Dataset"),
    *("LabeledPictures", "LabeledMasks", "Detector", "Classifier", "Segmenter", "TwoStage"),
    *("ForwardDetector", "ForwardClassifier", "ForwardSegmenter", "TwoStageDetector"),
    *("CompiledDetector", "CompiledClassifier", "CompiledSegmenter", "CompiledTwoStage"),
}
MAY_ASK = ("tasks/", "rules/", "types/specs.py", "ship/c/tasks/", "evaluate/")
"""Where code may ask which task something is of. Everybody else asks the task."""
LONGEST = 150
"""Lines of a command."""
FACE = 3000
"""Lines of all of cli/."""


def source(file: Path) -> ast.Module:
    return ast.parse((ROOT / file).read_text("utf-8"))


def texts(tree: ast.Module) -> list[tuple[int, str]]:
    """Every constant text with its line; docstrings, and texts that stand alone, are left out."""
    alone = {id(part.value) for part in ast.walk(tree) if isinstance(part, ast.Expr)}
    return [
        (part.lineno, part.value)
        for part in ast.walk(tree)
        if isinstance(part, ast.Constant) and isinstance(part.value, str) and id(part) not in alone
    ]


@pytest.mark.parametrize("file", BELOW, ids=str)
def test_nothing_below_the_faces_prints(file: Path) -> None:
    tree = source(file)
    prints = [
        part.lineno
        for part in ast.walk(tree)
        if isinstance(part, ast.Call)
        and ast.unparse(part.func) in ("print", "sys.exit", "sys.stdout.write", "sys.stderr.write")
    ]
    assert prints == []
    assert [
        module for module, _ in imports(file) if module.split(".")[0] in ("rich", "typer")
    ] == []


@pytest.mark.parametrize("file", BELOW, ids=str)
def test_nothing_below_the_faces_names_a_flag_or_a_command(file: Path) -> None:
    if str(file) in OF_OTHERS:
        return
    assert [(line, text) for line, text in texts(source(file)) if FLAG.search(text)] == []


@pytest.mark.parametrize("file", FILES, ids=str)
def test_only_tasks_ask_which_task_it_is(file: Path) -> None:
    if str(file).startswith(MAY_ASK):
        return
    asked = []
    for part in ast.walk(source(file)):
        if isinstance(part, ast.Call) and ast.unparse(part.func) in ("isinstance", "issubclass"):
            names = {ast.unparse(name).rpartition(".")[2] for name in ast.walk(part.args[1])
                     if isinstance(name, ast.Name | ast.Attribute)}  # fmt: skip
        elif isinstance(part, ast.MatchClass):
            names = {ast.unparse(part.cls).rpartition(".")[2]}
        else:
            continue
        asked += [(part.lineno if isinstance(part, ast.Call) else part.cls.lineno, name)
                  for name in sorted(names & TASK_TYPES)]  # fmt: skip
    assert asked == []


def known() -> dict[str, set[str]]:
    """The names of each table, those left out that are plain words, too."""
    return {
        "formats": {name for formats in FORMATS.values() for name in formats},
        "models": {*MODELS},
        "operators": {*OPERATORS},
        "targets": {*TARGETS} - {"any", "portable"},
    }


@pytest.mark.parametrize("file", FILES, ids=str)
def test_no_text_lists_what_a_table_knows(file: Path) -> None:
    """It would be wrong with the next row: ask the table, or name the command that prints it."""
    for line, text in texts(source(file)):
        for table, names in known().items():
            named = {*re.findall(r"[A-Za-z][\w-]*", text)} & names
            assert len(named) < 3, f"{file}:{line} types {table}: {', '.join(sorted(named))}"


def test_a_command_is_short_and_all_of_them_are() -> None:
    files = sorted((ROOT / "cli").glob("*.py"))
    long = [
        (file.name, part.name, length)
        for file in files
        for part in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(part, ast.FunctionDef)
        and part.end_lineno is not None
        and (length := part.end_lineno - part.lineno + 1) > LONGEST
    ]
    assert long == []
    lines = {file.name: len(file.read_text("utf-8").splitlines()) for file in files}
    assert sum(lines.values()) <= FACE, lines


def test_the_readers_of_the_rules_see_something(tmp_path: Path) -> None:
    """The rules above would pass for readers that find nothing."""
    tree = ast.parse('def f():\n    """See --all."""\n    raise E("leave --all out")\n')
    assert [text for _, text in texts(tree)] == ["leave --all out"]
    assert FLAG.search("leave --all out")
    assert FLAG.search("as `tatami train` wrote it")
    assert not FLAG.search("a -- b, 3--4, well--known")
    assert len(commands()) > 20
