"""``tatami import``: networks of darknet, Caffe, ncnn, TFLite, torch and ONNX as Tatami's ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tatami.cli.options import AsJson

Output = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="The ONNX file to write; beside the first if left out."),
]
Names = Annotated[Path | None, typer.Option(help="The classes, a text file with a name a line.")]
Spec = Annotated[
    Path | None,
    typer.Option(
        help="Classes, input and decoding, for what the files do not say: JSON as in "
        "docs/importing.md, or a network of Tatami's whose own to take."
    ),
]
Task = Annotated[
    str | None,
    typer.Option(
        help="What the network is for: detect, classify, segment or none (its numbers alone)."
    ),
]
Pixels = Annotated[
    str | None,
    typer.Option(
        help="With --task classify or segment, what the input holds: 0..1, -1..1, 0..255 or "
        "imagenet."
    ),
]
Sides = Annotated[
    str | None, typer.Option("--size", help="Another input size than the file's, as 352x288.")
]

Shapes = Annotated[
    list[str] | None,
    typer.Option(
        "--shape",
        metavar="NAME=SIDES",
        help="The shape of an input whose sides the file leaves open, its batch first, as "
        "audio=1x512; may be repeated.",
    ),
]
Fixed = Annotated[
    list[str] | None,
    typer.Option(
        "--fix",
        metavar="NAME=NUMBER",
        help="An input that is always this number, as sr=16000; may be repeated.",
    ),
]

EXAMPLES = {
    "darknet": (
        "tatami import darknet yolov2-tiny.cfg yolov2-tiny.weights --names voc.names",
        "tatami import darknet net.cfg net.weights --out net.onnx",
    ),
    "caffe": (
        "tatami import caffe net.prototxt net.caffemodel",
        "tatami import caffe net.prototxt net.caffemodel --out net.onnx",
    ),
    "ncnn": (
        "tatami import ncnn net.param net.bin",
        "tatami import ncnn net.param net.bin --size 320x240 --out net.onnx",
    ),
    "tflite": (
        "tatami import tflite net.tflite",
        "tatami import tflite net.tflite --spec spec.json --out net.onnx",
        "tatami import tflite net_int8.tflite --round xnnpack --out net.onnx",
    ),
    "onnx": (
        "tatami import onnx exported.onnx --out net.onnx",
        "tatami import onnx exported.onnx --task classify --pixels imagenet --out net.onnx",
        "tatami import onnx vad.onnx --shape input=1x512 --fix sr=16000 --out net.onnx",
    ),
    "torch": (
        "tatami import torch net.pth --into resnet18 --out net.onnx",
        "tatami import torch net.pth --into resnet18 --names names.txt --out net.onnx",
    ),
}


def darknet(
    cfg: Annotated[Path, typer.Argument(help="The network: a .cfg file.")],
    weights: Annotated[Path, typer.Argument(help="Its numbers: a .weights file.")],
    out: Output = None,
    epsilon: Annotated[
        str | None,
        typer.Option(help="The epsilon of batch normalization: darknet, or as inside:1e-5."),
    ] = None,
    names: Names = None,
    resize: Annotated[
        str,
        typer.Option(help="letterbox as pjreddie's darknet, or stretch as AlexeyAB's and his mAP."),
    ] = "letterbox",
    filter: Annotated[
        str,
        typer.Option(help="How pictures are interpolated: as darknet, or as Tatami (triangle)."),
    ] = "darknet",
    size: Sides = None,
    task: Task = None,
    pixels: Pixels = None,
    spec: Spec = None,
    as_json: AsJson = False,
) -> None:
    """Import a cfg and weights of darknet: YOLO, classifiers.

    YOLO of versions 1 to 3 and their tiny ones.
    """
    settings = {"epsilon": epsilon, "resize": resize, "filter": filter}
    _import("darknet", [cfg, weights], out, names, spec, size, as_json, task, pixels, **settings)


def caffe(
    prototxt: Annotated[Path, typer.Argument(help="The network: a .prototxt file.")],
    caffemodel: Annotated[Path, typer.Argument(help="Its numbers: a .caffemodel file.")],
    out: Output = None,
    names: Names = None,
    size: Sides = None,
    task: Task = None,
    pixels: Pixels = None,
    spec: Spec = None,
    as_json: AsJson = False,
) -> None:
    """Import a prototxt and caffemodel of Caffe."""
    _import("caffe", [prototxt, caffemodel], out, names, spec, size, as_json, task, pixels)


def ncnn(
    param: Annotated[Path, typer.Argument(help="The network: a .param file.")],
    bin: Annotated[Path, typer.Argument(help="Its numbers: a .bin file.")],
    out: Output = None,
    names: Names = None,
    size: Sides = None,
    task: Task = None,
    pixels: Pixels = None,
    spec: Spec = None,
    as_json: AsJson = False,
) -> None:
    """Import a param and bin of ncnn, in float32 or float16."""
    _import("ncnn", [param, bin], out, names, spec, size, as_json, task, pixels)


def tflite(
    file: Annotated[Path, typer.Argument(help="A .tflite file.")],
    out: Output = None,
    names: Annotated[
        Path | None, typer.Option(help="The classes, a name a line, ??? for none.")
    ] = None,
    size: Sides = None,
    shape: Shapes = None,
    round: Annotated[
        str,
        typer.Option(
            help="Whose rounding the integers follow: tatami, or LiteRT's, with xnnpack or with "
            "its reference kernels."
        ),
    ] = "tatami",
    task: Task = None,
    pixels: Pixels = None,
    spec: Spec = None,
    as_json: AsJson = False,
) -> None:
    """Import a TFLite file, in float32 or in 8 bits."""
    said = {"shape": shape, "round": round}
    _import("tflite", [file], out, names, spec, size, as_json, task, pixels, **said)


def onnx(
    file: Annotated[Path, typer.Argument(help="An ONNX file of any operator set.")],
    out: Output = None,
    names: Names = None,
    size: Sides = None,
    shape: Shapes = None,
    fix: Fixed = None,
    task: Task = None,
    pixels: Pixels = None,
    spec: Spec = None,
    as_json: AsJson = False,
) -> None:
    """Import an ONNX file of another exporter.

    Its operators are brought up to date, its shapes are fixed.
    """
    said = {"shape": shape, "fix": fix}
    _import("onnx", [file], out, names, spec, size, as_json, task, pixels, **said)


def torch(
    state: Annotated[Path, typer.Argument(help="A state_dict: a .pth or .pt file.")],
    into: Annotated[
        Path | None, typer.Option(help="The ONNX file of the network whose weights these are.")
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(
            help="A file of names that differ: lines NAME-IN-STATE NAME-IN-NETWORK, or -."
        ),
    ] = None,
    out: Output = None,
    names: Names = None,
    size: Sides = None,
    task: Task = None,
    pixels: Pixels = None,
    spec: Spec = None,
    as_json: AsJson = False,
) -> None:
    """Put a torch state_dict into a network of the same shape.

    It is read without running anything of it.
    """
    _import("torch", [state], out, names, spec, size, as_json, task, pixels, into=into, table=table)


def _import(
    program: str,
    files: list[Path],
    out: Path | None,
    names: Path | None,
    spec: Path | None,
    size: str | None,
    as_json: bool,
    task: str | None,
    pixels: str | None,
    **settings: Any,
) -> None:
    """Import a network and print what it is; ``settings`` go on to the pipeline as they are."""
    from tatami.cli.output import print_result
    from tatami.pipeline.import_network import import_network

    found = import_network(
        *files,
        program=program,
        out=out,
        task=task,
        names=names,
        pixels=pixels,
        spec=spec,
        size=size,
        **settings,
    )
    print_result(found, as_json)
