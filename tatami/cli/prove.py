"""``tatami prove``: compare every form of a network with the one before, on labeled pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tatami.cli import options

EXAMPLES = {
    "prove": (
        "tatami prove RUN --variants --on aarch64",
        "tatami prove RUN --rtl LANES=16 --pictures 4",
        "tatami prove folded.onnx int8.onnx c --data DATA --split test",
    ),
}


def prove(
    artifacts: Annotated[
        list[Path],
        typer.Argument(help="A run folder with what came of it, or files and folders in order."),
    ],
    data: options.Data = None,
    split: options.Split = None,
    format: options.Format = None,
    hold_out: options.HoldOut = None,
    skip: options.Skip = None,
    pictures: Annotated[
        int | None, typer.Option(min=1, help="Use only this many of the split's pictures.")
    ] = None,
    inputs: options.Inputs = None,
    variants: Annotated[
        bool,
        typer.Option("--variants", help="Prove each kind of kernels that this processor has."),
    ] = False,
    on: Annotated[
        list[str] | None,
        typer.Option(
            help="Run shipped folders on this machine too, emulated, as aarch64; may be repeated."
        ),
    ] = None,
    rtl: options.Rtl = "",
    trust: options.Trust = False,
    as_json: options.AsJson = False,
) -> None:
    """Print the ledger of a network's stages; exit with 1 where one is outside its bound."""
    from tatami.cli.output import bars, print_lines, print_result
    from tatami.pipeline.prove import prove as prove_artifacts

    with bars(hidden=as_json) as progress:
        proof = prove_artifacts(
            artifacts,
            data,
            split=split,
            format=format,
            hold_out=hold_out,
            skip=skip or (),
            pictures=pictures,
            inputs=inputs,
            variants=variants,
            on=on or (),
            rtl=rtl,
            trust=trust,
            progress=progress,
        )
    print_result(proof, as_json)
    if not as_json:
        print_lines(proof.failures(), style="red")
        print_lines(["proved" if proof.passed else "NOT proved"])
    if not proof.passed:
        raise typer.Exit(1)
