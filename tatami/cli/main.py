"""``tatami``: the table of commands, and where an error becomes one line and an exit code.

Exit codes: 0 done, 1 a proof or a threshold failed, 2 bad input or usage, 130 stopped by Ctrl-C,
141 the reader of the output went away.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import io
import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, cast

import typer
import typer.core
import typer.main

from tatami import __version__
from tatami.cli.commands import COMMANDS, Command, Group
from tatami.cli.mending import short_forms, spelled_out
from tatami.cli.renamed import current
from tatami.cli.volume import QUIET, VERBOSE, VOLUME, taken
from tatami.errors import TatamiError, printable

EXTRAS = {
    **{"torch": "train", "onnxscript": "train", "matplotlib": "see"},
    **{"starlette": "studio", "uvicorn": "studio", "optuna": "search"},
}
"""What an installation of the core may lack, and the extra that brings it."""
PURPOSE = "Labeled pictures to a convolutional network on small hardware, proved at every step."
COMPLETE = "_TATAMI_COMPLETE"
"""What a shell sets that wants to complete a command."""
INVOKED = "tatami.command"
"""Where a context keeps the command that was asked for."""


class LazyGroup(typer.core.TyperGroup):
    """Commands that are imported when they are invoked, and described when they are listed."""

    table: Mapping[str, Command | Group] = {}

    def list_commands(self, ctx: Any) -> list[str]:
        """Name the commands, for a list that says what each is: their files are read now."""
        for name, entry in self.table.items():
            self.commands[name].help = entry.help
        return super().list_commands(ctx)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Import the command that is asked for, and give its arguments their present names."""
        name, listed, rest = super().resolve_command(ctx, args)
        entry = self.table.get(str(listed.name)) if listed is not None else None
        if entry is None:
            return name, listed, rest
        command = load(str(name), entry)
        if isinstance(entry, Command):
            ctx.meta[INVOKED] = command
            options = [option for parameter in command.params for option in _names(parameter)]
            rest = current(taken(rest, options), options, _remark)
            rest = spelled_out(rest, options)
        return name, command, rest


def root() -> LazyGroup:
    """Make the command ``tatami`` itself."""
    return _group("tatami", PURPOSE, COMMANDS, _root, completion=True)


def load(name: str, entry: Command | Group) -> Any:
    """Import a command of the table, or make a group of it."""
    if isinstance(entry, Group):
        return _group(name, entry.help, entry.commands, _nothing)
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    module = importlib.import_module(f"tatami.cli.{entry.module}")
    examples = getattr(module, "EXAMPLES", {}).get(entry.function, ())
    epilog = "\n\n".join(["Examples:", *examples])  # a blank line parts lines
    app.command(name, epilog=epilog)(getattr(module, entry.function))
    command = typer.main.get_command(app)
    complete = command.shell_complete
    options = {name for parameter in command.params for name in parameter.opts}

    def with_short_forms(context: Any, typed: str) -> list[Any]:
        found = complete(context, typed)
        names = short_forms(typed, options)
        return [*found, *(type(complete(context, "--help")[0])(name) for name in names)]

    setattr(command, "shell_complete", with_short_forms)  # noqa: B010  (mypy: a method)
    for panel, names in getattr(module, "PANELS", {}).items():
        for parameter in command.params:
            if parameter.name in names:
                cast(Any, parameter).rich_help_panel = panel
    return command


def _group(
    name: str,
    text: str,
    table: Mapping[str, Command | Group],
    callback: Callable[..., None],
    *,
    completion: bool = False,
) -> LazyGroup:
    app = typer.Typer(
        name=name,
        help=text,
        cls=LazyGroup,
        no_args_is_help=True,
        add_completion=completion,
        pretty_exceptions_enable=False,
    )
    app.callback()(callback)
    group = typer.main.get_command(app)
    assert isinstance(group, LazyGroup)
    group.table = table
    for each in table:  # for the list of --help, and for what is mistyped
        group.commands[each] = typer.core.TyperCommand(each)
    return group


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tatami {__version__}")
        raise typer.Exit


def _root(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version."
    ),
    quiet: bool = typer.Option(
        False, *QUIET, help="Print results and errors alone; may follow the command, too."
    ),
    verbose: bool = typer.Option(
        False, *VERBOSE, help="Print the seconds of each stage, and where an error was raised."
    ),
) -> None:
    VOLUME.quiet |= quiet  # what follows the command's name has been read already
    VOLUME.verbose |= verbose


def _nothing() -> None: ...


def _remark(line: str) -> None:
    if not VOLUME.quiet:
        typer.echo(f"tatami: {line}", err=True)


def _names(parameter: Any) -> list[str]:
    """Say what a parameter may be called on the command line; of an argument its own name."""
    return [*parameter.opts, *parameter.secondary_opts]


def shown_name(command: Any, setting: str) -> str:
    """Give what the command line calls a setting: the flag of an option, an argument in capitals.

    Args:
        command: What was invoked; None before there is one.
        setting: The name of a Python parameter, here or in the pipeline. One that the command does
            not have is given back as it is.
    """
    flag = "--" + setting.replace("_", "-")
    parameters = [] if command is None else command.params
    for parameter in parameters:
        if parameter.name == setting or flag in _names(parameter):
            if parameter.param_type_name == "argument":
                return str(parameter.metavar or setting.upper()).strip("[].")
            return next((name for name in _names(parameter) if name.startswith("--")), setting)
    return setting


def main() -> None:
    """Run the command line; never show a traceback for what a user can fix."""
    # Threads of torch that wait for each other must sleep, not spin: beside other work, spinning
    # was measured to make a training three times slower. torch reads this when it is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for stream in (sys.stdout, sys.stderr):  # an ASCII terminal, a file name that is no Unicode
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if COMPLETE in os.environ:  # a shell asks what may be typed
        importlib.import_module("typer.completion").completion_init()
        root().main(prog_name="tatami")
    try:
        code, message = _run(sys.argv[1:])
        if message is None and sys.stdout is not None:
            sys.stdout.flush()  # here a full disk can still be reported
    except (BrokenPipeError, SystemExit):  # whoever read our output, as head, has enough;
        _leave(128 + signal.SIGPIPE)  # Rich makes a SystemExit of it
    except OSError as error:
        _leave(2, _of_system(error))
    except ModuleNotFoundError as error:
        if error.name not in EXTRAS:
            raise  # ours
        extra = EXTRAS[error.name]
        _leave(2, f"this needs {error.name} (install it with pip install 'tatami-nn[{extra}]')")
    except MemoryError as error:
        _leave(2, f"not enough memory: {error} (close other programs, or ask for less at once)")
    except KeyboardInterrupt as stop:
        _leave(130, printable(str(stop)) or "stopped")
    _leave(code, message)


def _run(arguments: list[str]) -> tuple[int, str | None]:
    """Run one command; give its exit code and, where it is refused, the line that says why."""
    group, command = root(), None
    VOLUME.quiet = VOLUME.verbose = False
    try:
        with group.make_context("tatami", arguments) as context:
            try:
                group.invoke(context)
            finally:
                command = context.meta.get(INVOKED)
    except typer.Exit as exit:
        return exit.exit_code, None
    except TatamiError as error:
        if VOLUME.verbose:
            traceback.print_exception(error)
        return 2, error.message(lambda setting: shown_name(command, setting))
    except _UsageError as error:
        message = error.format_message()
        if not message:  # nothing was asked for, and the help has been printed
            return 2, None
        path = error.ctx.command_path if error.ctx else "tatami"
        return 2, str(TatamiError(message, hint=f"see `{path} --help`"))
    return 0, None


_UsageError: Any = typer.BadParameter.__bases__[0]  # typer does not name it itself


def _leave(code: int, message: str | None = None) -> NoReturn:
    """Exit, after at most one line on standard error, even where nobody reads it."""
    for stream, text in ((sys.stdout, ""), (sys.stderr, message and f"tatami: {message}\n")):
        if stream is None:
            continue
        try:
            print(text or "", end="", file=stream, flush=True)
        except OSError:  # it would fail once more, with a traceback, when Python flushes it
            with contextlib.suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    sys.exit(code)


_HINTS = {
    errno.ENOSPC: "free some space or write elsewhere",
    errno.EDQUOT: "free some space or write elsewhere",
    errno.EROFS: "write to another folder",
    errno.EACCES: "check the permissions or write elsewhere",
    errno.EPERM: "check the permissions or write elsewhere",
    errno.ENOENT: "check the path",
    errno.EISDIR: "name a file, not a folder",
    errno.ENOTDIR: "name a folder, not a file",
    errno.EEXIST: "name another path",
    errno.ENAMETOOLONG: "give a shorter name",
}


def _of_system(error: OSError) -> str:
    """Tell of a disk that is full or a folder that is read-only, with its hint."""
    hint = _HINTS.get(error.errno or 0, "check the path and the disk")
    reason = os.strerror(error.errno) if error.errno else str(error)
    where = "" if error.filename is None else os.fsdecode(error.filename)
    return str(TatamiError(reason, hint=hint, file=where or None))
