"""``tatami list``: what there is to choose from, as the tables have it."""

from __future__ import annotations

from typing import Any

from tatami.cli.options import AsJson

EXAMPLES = {
    "targets": (
        "tatami list targets",
        "tatami list targets --json",
    ),
    "problems": (
        "tatami list problems",
        "tatami list problems --json",
    ),
}


def targets(as_json: AsJson = False) -> None:
    """List the machines that C is compiled for."""
    from tatami.pipeline.listing import targets as rows

    _print(rows(), as_json)


def problems(as_json: AsJson = False) -> None:
    """List the kinds of problems of a labeled set that can be accepted."""
    from tatami.pipeline.listing import problems as rows

    _print(rows(), as_json)


def _print(found: Any, as_json: bool) -> None:
    from tatami.cli.output import print_json, print_table

    if as_json:
        print_json(found.to_json())
        return
    for table in found.tables():
        print_table(table)
