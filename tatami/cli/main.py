"""``tatami``: the table of commands, and where an error becomes one line and an exit code.

Exit codes: 0 done, 1 a proof or a threshold failed, 2 bad input or usage.
"""

from __future__ import annotations

import errno
import os
import sys

import typer

from tatami import __version__
from tatami.cli.data import data_app
from tatami.cli.demo import demo
from tatami.cli.evaluate import evaluate
from tatami.cli.fold import fold
from tatami.cli.predict import predict
from tatami.cli.prove import prove
from tatami.cli.report import report
from tatami.cli.ship import ship
from tatami.cli.train import train
from tatami.errors import TatamiError

app = typer.Typer(
    name="tatami",
    help="Labelled pictures to a convolutional network on small hardware, proved at every step.",
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
app.command("demo")(demo)
app.command("evaluate")(evaluate)
app.command("fold")(fold)
app.command("predict")(predict)
app.command("prove")(prove)
app.command("ship")(ship)
app.command("report")(report)
app.command("train")(train)


def main() -> None:
    """Run the command line; never show a traceback for what a user can mend."""
    try:
        app()
    except TatamiError as error:
        _refuse(str(error))
    except OSError as error:
        _refuse(_of_system(error))
    except KeyboardInterrupt:
        print("tatami: stopped", file=sys.stderr)
        sys.exit(130)


def _refuse(message: str) -> None:
    print(f"tatami: {message}", file=sys.stderr)
    sys.exit(2)


def _of_system(error: OSError) -> str:
    """A disk that is full or a folder that is read-only, said with its mend."""
    mends = {
        errno.ENOSPC: "free some space or write elsewhere",
        errno.EROFS: "write to another folder",
        errno.EACCES: "check the permissions or write elsewhere",
        errno.ENOENT: "check the path",
    }
    mend = mends.get(error.errno or 0, "check the path and the disk")
    reason = os.strerror(error.errno) if error.errno else str(error)
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{reason} ({mend})"
