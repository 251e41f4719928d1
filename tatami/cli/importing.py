"""``tatami import``: networks of darknet, Caffe, ncnn, TFLite, torch and ONNX as Tatami's ONNX."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tatami import __version__, graph
from tatami.errors import TatamiError
from tatami.files import parse_json, read_text
from tatami.graph.metadata import from_json
from tatami.graph.network import Network
from tatami.graph.read import network_of
from tatami.importers.caffe import read_caffe
from tatami.importers.darknet import read_darknet
from tatami.importers.heads import cut_at_heads
from tatami.importers.imported import Imported
from tatami.importers.ncnn import read_ncnn
from tatami.importers.onnx_file import read_onnx
from tatami.importers.tflite import read_tflite
from tatami.importers.torch_state import put, read_state, read_table
from tatami.ops.norm import Epsilon
from tatami.types import ClassificationSpec, DetectionSpec, Size, detector_spec

WIDTH = 80
MAX_NAMES = 1 << 20
EPSILONS = (
    "give --epsilon darknet (pjreddie's: 1e-6 added to the square root) or --epsilon inside:1e-5 "
    "(AlexeyAB's and its kin: cfg files with iou_loss, nms_kind or scale_x_y)"
)

import_app = typer.Typer(
    name="import",
    help="Networks of other programs as ONNX files that every other command takes.",
    no_args_is_help=True,
)

Output = Annotated[Path | None, typer.Option("--output", "-o", help="The ONNX file to write.")]
Names = Annotated[Path | None, typer.Option(help="The classes, a text file with a name a line.")]
Spec = Annotated[
    Path | None,
    typer.Option(
        help="Classes, input and decoding, for what the files do not say: JSON as in "
        "docs/importing.md, or a network of Tatami's whose own to take."
    ),
]
Sides = Annotated[
    str | None, typer.Option("--size", help="Another input size than the file's, as 352x288.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@import_app.command("darknet")
def darknet(
    cfg: Annotated[Path, typer.Argument(help="The network: a .cfg file.")],
    weights: Annotated[Path, typer.Argument(help="Its numbers: a .weights file.")],
    output: Output = None,
    epsilon: Annotated[
        str | None,
        typer.Option(help="Of batch normalization: darknet, or inside:1e-5 and the like."),
    ] = None,
    names: Names = None,
    resize: Annotated[
        str,
        typer.Option(help="letterbox (pjreddie's) or stretch (AlexeyAB's, his mAP too)."),
    ] = "letterbox",
    filter: Annotated[
        str, typer.Option(help="darknet interpolates as darknet; triangle is Tatami's own.")
    ] = "darknet",
    size: Sides = None,
    spec: Spec = None,
    as_json: AsJson = False,
) -> None:
    """A cfg and weights of darknet: YOLO versions 1 to 3, their tiny ones, and classifiers."""
    if epsilon is None:
        raise TatamiError("which epsilon the network was trained with is not said", hint=EPSILONS)
    fit = _one_of("--resize", resize, ("letterbox", "stretch"))
    how = _one_of("--filter", filter, ("darknet", "triangle"))
    imported = read_darknet(cfg, weights, Epsilon.parse(epsilon), _size(size))
    assert imported.input is not None
    pictures = replace(
        imported.input,
        resize="stretch" if fit == "stretch" else "letterbox",
        filter="darknet" if how == "darknet" else "triangle",
        pad=127.5 if how == "darknet" else 128.0,
    )
    imported = replace(imported, input=pictures)
    _finish(imported, [cfg, weights], output, names, spec, as_json, {"epsilon": epsilon})


@import_app.command("caffe")
def caffe(
    prototxt: Annotated[Path, typer.Argument(help="The network: a .prototxt file.")],
    caffemodel: Annotated[Path, typer.Argument(help="Its numbers: a .caffemodel file.")],
    output: Output = None,
    names: Names = None,
    size: Sides = None,
    spec: Spec = None,
    as_json: AsJson = False,
) -> None:
    """A prototxt and caffemodel of Caffe."""
    imported = read_caffe(prototxt, caffemodel, _size(size))
    _finish(imported, [prototxt, caffemodel], output, names, spec, as_json)


@import_app.command("ncnn")
def ncnn(
    param: Annotated[Path, typer.Argument(help="The network: a .param file.")],
    bin: Annotated[Path, typer.Argument(help="Its numbers: a .bin file.")],
    output: Output = None,
    names: Names = None,
    size: Sides = None,
    spec: Spec = None,
    as_json: AsJson = False,
) -> None:
    """A param and bin of ncnn, in float32 or float16."""
    _finish(read_ncnn(param, bin, _size(size)), [param, bin], output, names, spec, as_json)


@import_app.command("tflite")
def tflite(
    file: Annotated[Path, typer.Argument(help="A .tflite file.")],
    output: Output = None,
    names: Annotated[
        Path | None, typer.Option(help="The classes, a name a line, ??? for none.")
    ] = None,
    size: Sides = None,
    spec: Spec = None,
    as_json: AsJson = False,
) -> None:
    """A TFLite file, in float32 or in 8 bits."""
    imported = read_tflite(file, names, _size(size))
    _finish(imported, [file], output, None, spec, as_json)


@import_app.command("onnx")
def onnx(
    file: Annotated[Path, typer.Argument(help="An ONNX file of any operator set.")],
    output: Output = None,
    names: Names = None,
    size: Sides = None,
    spec: Spec = None,
    as_json: AsJson = False,
) -> None:
    """An ONNX file of another exporter: its operators brought up to date, its shapes fixed."""
    _finish(read_onnx(file, _size(size)), [file], output, names, spec, as_json)


@import_app.command("torch")
def torch(
    state: Annotated[Path, typer.Argument(help="A state_dict: a .pth or .pt file.")],
    into: Annotated[
        Path | None, typer.Option(help="The ONNX file of the network whose weights these are.")
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(help="Names that differ: lines NAME-IN-STATE NAME-IN-NETWORK, or -."),
    ] = None,
    output: Output = None,
    names: Names = None,
    size: Sides = None,
    spec: Spec = None,
    as_json: AsJson = False,
) -> None:
    """A torch state_dict, read without running anything of it, into a network of the same shape."""
    if into is None:
        raise TatamiError(
            "a state_dict holds numbers, and no network", hint="name one with --into NETWORK.onnx"
        )
    imported = read_onnx(into, _size(size))
    tensors = read_state(state)
    try:
        model = put(imported.model, tensors, {} if table is None else read_table(table))
    except TatamiError as error:
        raise TatamiError(error.reason, hint=error.hint, file=error.file or state) from error
    imported = replace(imported, model=model)
    _finish(imported, [state, into], output, names, spec, as_json)


def _finish(
    imported: Imported,
    sources: list[Path],
    output: Path | None,
    names: Path | None,
    spec: Path | None,
    as_json: bool,
    settings: dict[str, str] | None = None,
) -> None:
    """Check the network and what is known of its use, write it, and say what it is."""
    target = output or sources[0].with_suffix(".onnx")
    if target.resolve() in [source.resolve() for source in sources]:
        raise TatamiError("the output would replace a source", hint="name another with -o")
    provenance = {
        "made by": f"tatami {__version__}",
        "imported": ", ".join(source.name for source in sources),
        **(settings or {}),
    }
    use = _spec_of(imported, names, spec, provenance)
    model = imported.model
    if use is not None:
        sides = [side.dim_value for side in model.graph.input[0].type.tensor_type.shape.dim]
        if len(sides) == 4:  # a spec may be of another size
            use = replace(use, input=replace(use.input, size=Size(sides[3], sides[2])))
    if use is not None:
        model = cut_at_heads(model, use.decoding, len(use.classes))
    try:
        network = network_of(model)
    except TatamiError as error:
        raise TatamiError(error.reason, hint=error.hint, file=sources[0]) from error
    network = Network(network.model, use)
    graph.write(network, target)
    graph.read(target)  # holds the spec to the network
    missing = [
        what
        for what, known in (
            ("its classes", imported.classes or names),
            ("how pictures go in", imported.input),
            ("how its maps become boxes", imported.decoding),
        )
        if not known
    ]
    _report(network, missing, imported.notes, target, as_json)


def _spec_of(
    imported: Imported, names: Path | None, spec: Path | None, provenance: dict[str, str]
) -> DetectionSpec | None:
    """What the files say, what is given in their stead, or None where something is missing."""
    given = None if spec is None else _read_spec(spec)
    classes = imported.classes if given is None else given.classes
    if names is not None:
        listed = _read_names(names)
        if classes is not None and len(listed) != len(classes):
            raise TatamiError(
                f"{len(listed)} names for {len(classes)} classes",
                hint="give the names of this network's classes",
                file=names,
            )
        classes = listed
    decoding = imported.decoding if given is None else given.decoding
    pictures = imported.input if given is None else given.input
    if classes is None or decoding is None or pictures is None:
        return None
    return DetectionSpec("detect", classes, pictures, decoding, provenance)


def _read_spec(file: Path) -> DetectionSpec:
    if file.suffix.lower() == ".onnx":
        known = graph.read(file).spec
        if known is None:
            raise TatamiError("no tatami metadata", hint="name a network of Tatami's", file=file)
        return detector_spec(known)
    content = parse_json(file.read_bytes(), file)
    try:
        return from_json(content, {})
    except TatamiError as error:
        raise TatamiError(error.reason, hint="see docs/importing.md", file=file) from error


def _read_names(file: Path) -> tuple[str, ...]:
    lines = [line.strip() for line in read_text(file, MAX_NAMES, "give a name a line").splitlines()]
    names = tuple(line for line in lines if line)
    if not names or len(set(names)) != len(names):
        raise TatamiError("names are missing or doubled", hint="give a name a line", file=file)
    return names


def _report(
    network: Network, missing: list[str], notes: tuple[str, ...], target: Path, as_json: bool
) -> None:
    """missing: what neither the files nor the options say, where the network has no spec."""
    operators = [node.op_type for node in network.graph]
    parameters = sum(
        math.prod(value.shape.numpy())
        for value in network.graph.initializers.values()
        if value.shape is not None and value.dtype is not None and value.dtype.is_floating_point()
    )
    use = network.spec
    answer = {
        "output": str(target),
        "input": str(graph.network.shape_of(network.graph.inputs[0])),
        "operators": len(operators),
        "parameters": parameters,
        "classes": None if use is None else len(use.classes),
        "decoding": use.decoding.kind if isinstance(use, DetectionSpec) else None,
        "notes": list(notes),
    }
    if as_json:
        print(json.dumps(answer, indent=2))
        return
    console = Console(width=WIDTH, highlight=False)
    console.print(
        f"{len(operators)} operators, {parameters:,} numbers, input {answer['input']}",
        markup=False,
    )
    if use is None:
        console.print(
            f"not known: {', '.join(missing)}. It runs and ships as a network; to detect with it, "
            "import it again with --spec (docs/importing.md)",
            markup=False,
        )
    elif isinstance(use, ClassificationSpec):
        console.print(f"tells {len(use.classes)} classes apart", markup=False)
    else:
        kind = detector_spec(use).decoding.kind
        console.print(f"detects {len(use.classes)} classes, {kind}", markup=False)
    for note in notes:
        console.print(f"note: {note}", markup=False)
    console.print(f"wrote {target}", markup=False, soft_wrap=True)


def _size(text: str | None) -> Size | None:
    return None if text is None else Size.parse(text)


def _one_of(option: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise TatamiError(f"{option} is '{value}'", hint=f"give {' or '.join(allowed)}")
    return value
