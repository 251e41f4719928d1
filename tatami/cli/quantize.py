"""``tatami quantize``: a float network to 8 bits, calibrated on pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tatami.cli import options

EXAMPLES = {
    "quantize": (
        "tatami quantize RUN",
        "tatami quantize RUN --accuracy-drop 0.5",
        "tatami quantize folded.onnx --data DATA --split train --out int8.onnx",
    ),
}


def quantize(
    network: Annotated[
        Path,
        typer.Argument(help="A run folder, or a folded ONNX file; for two stages the first one."),
    ],
    data: options.Data = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The file to write; IN-int8.onnx if left out."),
    ] = None,
    split: options.Split = None,
    format: options.Format = None,
    hold_out: Annotated[
        str | None,
        typer.Option(help="Leave N images alone that are held out of the only split, as 10000."),
    ] = None,
    skip: options.Skip = None,
    pictures: Annotated[
        int, typer.Option(min=1, help="Number of pictures to calibrate with.")
    ] = 32,
    inputs: options.Inputs = None,
    method: Annotated[
        str, typer.Option(help="How ranges are chosen: minmax, percentile or mse.")
    ] = "mse",
    bias_correction: Annotated[
        bool, typer.Option(help="Take the mean error of rounded weights off the biases.")
    ] = True,
    equalize: Annotated[
        bool | None,
        typer.Option(
            "--equalize/--no-equalize",
            help="Equalize channels across layers first; left out: where it helps a depthwise "
            "network, by calibration pictures.",
        ),
    ] = None,
    keep_float: Annotated[
        list[str] | None, typer.Option(help="A layer that stays float; may be repeated.")
    ] = None,
    pairs: Annotated[
        str,
        typer.Option(
            help="fewest, or everywhere: also between a layer and its leaky ReLU, which other "
            "programs run faster."
        ),
    ] = "fewest",
    accuracy_drop: Annotated[
        float | None,
        typer.Option(help="Points that 8 bits may lose, as 0.5: other ways are tried until held."),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Quantize a network to standard QDQ ONNX, and print each layer's signal to noise ratio."""
    from tatami.cli.output import bars, print_result
    from tatami.pipeline.quantize import quantize as quantize_file

    with bars() as progress:
        result = quantize_file(
            network,
            data,
            out,
            split=split,
            format=format,
            hold_out=hold_out,
            skip=skip or (),
            pictures=pictures,
            inputs=inputs,
            method=method,
            bias_correction=bias_correction,
            equalize=equalize,
            keep_float=keep_float or (),
            pairs=pairs,
            accuracy_drop=accuracy_drop,
            progress=progress,
        )
    print_result(result, as_json)
    if result.within is not None and not result.within.reached:
        raise typer.Exit(1)
