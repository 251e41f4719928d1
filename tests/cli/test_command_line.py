"""The command line itself: flags in errors, old names of options, help, what is mistyped."""

from __future__ import annotations

import ast
import importlib
import shlex
import subprocess
import sys
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
    ("rules/frame.py", "chroma"),
    ("rules/frame.py", "stride"),
    ("tasks/matching.py", "turned"),
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


def examples() -> Iterator[tuple[str, str]]:
    """Every example of a help, with the command whose help it ends."""
    for name, entry in COMMANDS.items():
        inside = {name: entry} if isinstance(entry, Command) else entry.commands
        for each, command in inside.items():
            typed = name if isinstance(entry, Command) else f"{name} {each}"
            module = importlib.import_module(f"tatami.cli.{command.module}")
            for example in module.EXAMPLES[command.function]:
                yield typed, example


def test_every_command_has_two_or_three_examples() -> None:
    found = [typed for typed, _ in examples()]
    assert {" ".join(typed) for typed, _ in every()} == {*found}
    assert all(2 <= found.count(typed) <= 3 for typed in found)


@pytest.mark.parametrize(("typed", "example"), list(examples()))
def test_an_example_is_one_of_its_command_and_has_only_what_it_takes(
    typed: str, example: str
) -> None:
    program, *words = shlex.split(example)
    names = typed.split()
    assert program == "tatami"
    if typed != "list models":  # which is `tatami models`
        assert words[: len(names)] == names
    entry: Any = COMMANDS[names[0]]
    if len(names) == 2:
        entry = entry.commands[names[1]]
    rest = words[1:] if typed == "list models" else words[len(names) :]
    with load(names[-1], entry).make_context(example, rest):
        pass  # an option that there is not, or a value that it does not take, is refused here


def test_help_ends_with_the_examples(command: Run, capsys: Capture) -> None:
    assert command("fold", "--help") == 0
    text = capsys.readouterr().out
    assert text.index("Examples:") > text.index("--epsilon")
    assert text.rstrip().endswith("tatami fold net.onnx --epsilon darknet:1e-6")


def test_the_options_of_training_are_in_groups() -> None:
    from tatami.cli.train import PANELS

    entry = COMMANDS["train"]
    assert isinstance(entry, Command)
    options = {
        parameter.name: parameter.rich_help_panel
        for parameter in load("train", entry).params
        if parameter.param_type_name == "option" and parameter.name != "help"
    }
    assert [name for name, panel in options.items() if panel is None] == []
    assert set(options.values()) == set(PANELS)


def test_a_shell_completes_commands_options_and_nothing_else_runs() -> None:
    for words, expected in (("tatami quan", "quantize"), ("tatami fold --eps", "--epsilon")):
        environment = {
            "_TATAMI_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split()) - 1),
        }
        done = subprocess.run(
            [sys.executable, "-m", "tatami"], capture_output=True, text=True, env=environment
        )
        assert done.stderr == ""
        assert done.stdout.split() == [expected]


@pytest.mark.parametrize("place", [0, 1], ids=["before", "after"])
def test_quiet_leaves_remarks_out_and_verbose_says_more(
    place: int, command: Run, square_finder: Path, squares_set: Path, capsys: Capture
) -> None:
    def run(option: str, *rest: object) -> tuple[str, str]:
        arguments = ["evaluate", square_finder, "--data", squares_set, *rest]
        arguments.insert(0 if place == 0 else len(arguments), option)
        command(*arguments)
        written = capsys.readouterr()
        return written.out, written.err

    out, error = run("-v")
    assert "Detecting: 0." in error
    assert "mAP" in out
    out, error = run("--quiet")
    assert error == ""
    assert "mAP" in out
    _, error = run("-q", "--split", "absent")
    assert error.count("\n") == 1
    _, error = run("-v", "--split", "absent")
    assert "Traceback" in error
    assert error.splitlines()[-1].startswith("tatami: ")
    _, error = run("--json", "--split", "absent")
    assert error.count("\n") == 1  # it does not go on to the next command
