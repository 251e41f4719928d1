"""``tatami``: the table of commands, and where an error becomes one line and an exit code.

Exit codes: 0 done, 1 a proof or a threshold failed, 2 bad input or usage, 130 stopped by Ctrl-C,
141 the reader of the output went away.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import signal
import sys
from typing import Any, NoReturn

import typer
import typer.main

from tatami import __version__
from tatami.cli.data import data_app
from tatami.cli.demo import demo
from tatami.cli.evaluate import evaluate
from tatami.cli.fold import fold
from tatami.cli.importing import import_app
from tatami.cli.pareto import pareto
from tatami.cli.predict import predict
from tatami.cli.prove import prove
from tatami.cli.quantize import quantize
from tatami.cli.report import report
from tatami.cli.see import see_app
from tatami.cli.see_anchors import anchors
from tatami.cli.ship import ship
from tatami.cli.shrink import shrink_app
from tatami.cli.summary import summary
from tatami.cli.train import train
from tatami.errors import TatamiError

EXTRAS = {"torch": "train", "onnxscript": "train", "matplotlib": "see"}
"""What an installation of the core may lack, and the extra that brings it."""

app = typer.Typer(
    name="tatami",
    help="Labeled pictures to a convolutional network on small hardware, proved at every step.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tatami {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version."
    ),
) -> None: ...


app.add_typer(data_app, name="data")
app.add_typer(import_app, name="import")
app.add_typer(shrink_app, name="shrink")
see_app.command("anchors")(anchors)
app.add_typer(see_app, name="see")
app.command("train")(train)
app.command("evaluate")(evaluate)
app.command("summary")(summary)
app.command("pareto")(pareto)
app.command("fold")(fold)
app.command("quantize")(quantize)
app.command("ship")(ship)
app.command("prove")(prove)
app.command("predict")(predict)
app.command("report")(report)
app.command("demo")(demo)


def main() -> None:
    """Run the command line; never show a traceback for what a user can fix."""
    # Threads of torch that wait for each other must sleep, not spin: beside other work, spinning
    # was measured to make a training three times slower. torch reads this when it is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for stream in (sys.stdout, sys.stderr):  # an ASCII terminal, a file name that is no Unicode
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = _run(sys.argv[1:])
        if sys.stdout is not None:
            sys.stdout.flush()  # here a full disk can still be told
    except TatamiError as error:
        _leave(2, str(error))
    except (BrokenPipeError, SystemExit):  # whoever read our output, as head, has enough;
        _leave(128 + signal.SIGPIPE)  # Rich makes a SystemExit of it
    except OSError as error:
        _leave(2, _of_system(error))
    except ModuleNotFoundError as error:
        if error.name not in EXTRAS:
            raise  # ours
        extra = EXTRAS[error.name]
        _leave(2, f"this needs {error.name} (install it with pip install 'tatami[{extra}]')")
    except MemoryError as error:
        _leave(2, f"not enough memory: {error} (close other programs, or ask for less at once)")
    except KeyboardInterrupt:
        _leave(130, "stopped")
    sys.exit(code)


def _run(arguments: list[str]) -> int:
    """Run one command and give its exit code; a faulty option is a TatamiError as all others."""
    command = typer.main.get_command(app)
    try:
        with command.make_context("tatami", arguments) as context:
            command.invoke(context)
    except typer.Exit as exit:
        return exit.exit_code
    except _UsageError as error:
        message = error.format_message()
        if not message:  # nothing was asked for, and the help has been printed
            return 2
        path = error.ctx.command_path if error.ctx else "tatami"
        raise TatamiError(message, hint=f"see `{path} --help`") from error
    return 0


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
    """A disk that is full or a folder that is read-only, said with its hint."""
    hint = _HINTS.get(error.errno or 0, "check the path and the disk")
    reason = os.strerror(error.errno) if error.errno else str(error)
    where = "" if error.filename is None else os.fsdecode(error.filename)
    return str(TatamiError(reason, hint=hint, file=where or None))
