"""The command line itself: flags in errors, old names of options, help, what is mistyped."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tatami
from tatami.cli.commands import COMMANDS, Command, Group
from tatami.cli.main import load, shown_name
from tatami.cli.renamed import RENAMED, current

Run = Callable[..., int]
Capture = pytest.CaptureFixture[str]


def every() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command as it is typed, imported."""
    for name, entry in COMMANDS.items():
        if isinstance(entry, Command):
            yield (name,), load(name, entry)
            continue
        for each, inside in entry.commands.items():
            yield (name, each), load(each, inside)


def test_an_error_names_the_flag_and_the_argument(command: Run, tmp_path: Path, capsys: Capture):
    assert command("data", "show", tmp_path / "none") == 2
    assert command("see", "features", "x.onnx", "y.png", "--maps", "0") == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "tatami: --maps: 0 draws nothing (give at least 1)"
    )
    assert command("summary", "yolov2-tiny", "--classes", "0") == 2
    assert "tatami: --classes: 0 of them" in capsys.readouterr().err


def test_a_setting_is_found_by_its_name_its_flag_or_not_at_all():
    entry = COMMANDS["summary"]
    assert isinstance(entry, Command)
    summary = load("summary", entry)
    assert shown_name(summary, "table") == "--csv"
    assert shown_name(summary, "as_json") == "--json"
    assert shown_name(summary, "network") == "NAME"
    assert shown_name(summary, "csv") == "--csv"
    assert shown_name(summary, "hold_out") == "hold_out"
    assert shown_name(None, "classes") == "classes"


def test_every_setting_that_an_error_names_is_one_of_a_command():
    """A name that no command has would be shown as it is, and nobody could type it."""
    commands = [one for _, one in every()]
    root = Path(tatami.__file__).parent
    unknown = set()
    for file in root.rglob("*.py"):
        for part in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(part, ast.keyword) and part.arg == "setting":
                if not isinstance(part.value, ast.Constant) or part.value.value is None:
                    continue
                setting = part.value.value
                if all(shown_name(one, setting) == setting for one in commands):
                    unknown.add((str(file.relative_to(root)), setting))
    assert unknown == PYTHON_ALONE


PYTHON_ALONE = {
    ("pipeline/import_network.py", "program"),
    ("pipeline/plan.py", "settings"),
}
"""Settings that the command line never lets a user set wrongly."""


@pytest.mark.parametrize("old", RENAMED)
def test_an_old_name_is_understood_and_the_new_one_told(old: str):
    new = RENAMED[old]
    for value in ((old, "5"), (f"{old}=5",)):
        told: list[str] = []
        found = current(["net", *value, "--", old], ["--other", new], told.append)
        assert found == ["net", *(part.replace(old, new) for part in value), "--", old]
        assert told == [f"{old} is called {new} now; the next version no longer takes the old name"]


def test_a_command_without_the_new_option_gets_no_old_one():
    assert current(["--overlap", "5"], ["--out"], pytest.fail) == ["--overlap", "5"]
    assert current(["--overlap", "5"], ["--overlap", "--tiling"], pytest.fail) == ["--overlap", "5"]


def test_every_new_name_is_an_option():
    options = {
        option for _, one in every() for parameter in one.params for option in parameter.opts
    }
    assert set(RENAMED.values()) <= options
    assert not set(RENAMED) & options


def test_an_old_option_works_as_a_person_types_it(
    command: Run, square_finder: Path, house: Path, tmp_path: Path, capsys: Capture
):
    data = ("--data", house / "set", "--split", "test")
    assert command("evaluate", square_finder, *data, "--overlap", "8") == 2
    told, refused = capsys.readouterr().err.splitlines()
    assert told.startswith("tatami: --overlap is called --tiling now")
    assert refused.startswith("tatami: --tiling: ")


@pytest.mark.parametrize("typed", [typed for typed, _ in every()], ids=" ".join)
def test_help(typed: tuple[str, ...], command: Run, capsys: Capture):
    assert command(*typed, "--help") == 0
    assert f"tatami {' '.join(typed)}" in capsys.readouterr().out


@pytest.mark.parametrize("name", [(), *((n,) for n, e in COMMANDS.items() if isinstance(e, Group))])
def test_a_group_alone_is_helped_and_a_mistyped_command_told(
    name: tuple[str, ...], command: Run, capsys: Capture
):
    assert command(*name) == 2
    assert "Usage: " in capsys.readouterr().out
    assert command(*name, "quantise") == 2
    error = capsys.readouterr().err
    assert "No such command 'quantise'" in error
    assert f"see `{' '.join(('tatami', *name))} --help`" in error


def test_the_version(command: Run, capsys: Capture):
    assert command("--version") == 0
    assert capsys.readouterr().out == f"tatami {tatami.__version__}\n"
