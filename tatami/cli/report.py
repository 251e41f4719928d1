"""``tatami report``: what came of a run, on one page that needs no network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tatami.cli import options

EXAMPLES = {
    "report": (
        "tatami report RUN",
        "tatami report RUN --out page.html",
    ),
}


def report(
    run: Annotated[Path, typer.Argument(help="A run folder, with what came of it.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The page; RUN/report.html if left out.")
    ] = None,
    trust: options.Trust = False,
) -> None:
    """Write report.html: pictures with boxes, curves, the ledger, the layers, the provenance."""
    from tatami.cli.output import bars
    from tatami.pipeline.report import report as write_page

    with bars() as progress:
        result = write_page(run, out, trust=trust, progress=progress)
        progress(f"wrote {result.path}", 0, 0)
