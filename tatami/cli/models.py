"""``tatami models``: the networks that can be trained, to choose one before anything is trained."""

from __future__ import annotations

from typing import Annotated

import typer

from tatami.cli.options import AsJson

EXAMPLES = {
    "models": (
        "tatami models",
        "tatami models --fit 512K,2M",
        "tatami models --task classify --json",
    ),
}


def models(
    task: Annotated[
        str | None, typer.Option(help="Only those of this task: detect, classify or segment.")
    ] = None,
    fit: Annotated[
        str | None,
        typer.Option(help="Only those that fit a device, by its RAM and flash, as 512K,2M."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the networks that can be trained, with what they need of a device and what they reached.

    RAM and flash are of C in 8 bits. With --fit each network is shown in the largest form that was
    measured and fits: `tatami train NAME --width W --size SIZE` trains it so.
    """
    from tatami.cli.output import print_result
    from tatami.pipeline.catalog import list_models

    print_result(list_models(task, fit=fit), as_json)
