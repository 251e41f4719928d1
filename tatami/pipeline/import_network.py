"""Networks of other programs as ONNX files that every other stage takes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import onnx_ir as ir

from tatami import __version__
from tatami.errors import TatamiError
from tatami.files import parse_json, read_text
from tatami.graph.metadata import from_json
from tatami.graph.network import Network, shape_of
from tatami.graph.read import network_of, read
from tatami.graph.rounding import OWN, ROUNDINGS, rounding_of, say_rounding
from tatami.graph.state import given_to, made_by, states_of
from tatami.graph.write import write
from tatami.importers.caffe import read_caffe
from tatami.importers.darknet import read_darknet
from tatami.importers.heads import cut_at_heads
from tatami.importers.imported import Imported
from tatami.importers.layouts import recognized
from tatami.importers.ncnn import read_ncnn
from tatami.importers.onnx_file import read_onnx
from tatami.importers.onnx_inputs import Given
from tatami.importers.tails import as_classifier, as_segmenter
from tatami.importers.tflite import read_tflite
from tatami.importers.torch_state import load_state, read_state, read_table
from tatami.ops.norm import Epsilon
from tatami.program.lower import lower
from tatami.types import (
    ClassificationSpec,
    DetectionSpec,
    InputSpec,
    SegmentationSpec,
    Size,
    Spec,
    detector_spec,
)

MAX_NAMES = 1 << 20
"""Bytes of a file of names."""
EPSILONS = (
    "give darknet (pjreddie's: 1e-6 added to the square root) or inside:1e-5 (AlexeyAB's and its "
    "kin: cfg files with iou_loss, nms_kind or scale_x_y)"
)
RESIZES, FILTERS = ("letterbox", "stretch"), ("darknet", "triangle")
TASKS = ("detect", "classify", "segment", "none")
"""What an imported network may be for."""
Three = tuple[float, float, float]
PIXELS: dict[str, tuple[Three, Three]] = {
    "0..1": ((0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255)),
    "-1..1": ((127.5, 127.5, 127.5), (1 / 127.5, 1 / 127.5, 1 / 127.5)),
    "0..255": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "imagenet": (
        (0.485 * 255, 0.456 * 255, 0.406 * 255),
        (1 / (0.229 * 255), 1 / (0.224 * 255), 1 / (0.225 * 255)),
    ),
}
"""What pixels of 0 to 255 become, where a file does not say it: mean and scale.

"imagenet" is how torchvision's and timm's networks were trained.
"""


@dataclass(frozen=True)
class Options:
    """What the files of some programs do not say of a network.

    Args:
        size: Another input size than the files'; None: theirs.
        names: A file of class names, a line each, where the files of the network hold indices only.
        epsilon: For darknet, of batch normalization: "darknet", or "inside:1e-5" and the like.
        resize: For darknet, how a picture comes to the input's size: "letterbox" or "stretch".
        filter: For darknet, how it is interpolated: "darknet", or "triangle" as Tatami does.
        into: For a torch state, the ONNX file of the network whose weights it holds.
        table: For a torch state, a file of names that differ.
        shape: Of inputs by name, where the file leaves sides open, the batch included.
        fix: Inputs that are always one number, by name.
        round: For TFLite, whose rounding the integers follow.
    """

    size: Size | None = None
    names: Path | None = None
    epsilon: str | None = None
    resize: str = "letterbox"
    filter: str = "darknet"
    into: Path | None = None
    table: Path | None = None
    shape: Mapping[str, Sequence[int]] = field(default_factory=dict)
    fix: Mapping[str, float] = field(default_factory=dict)
    round: str = OWN


def _darknet(files: tuple[Path, ...], options: Options) -> Imported:
    cfg, weights = files
    if options.epsilon is None:
        raise TatamiError(
            "which epsilon the network was trained with is not said",
            hint=EPSILONS,
            setting="epsilon",
        )
    _check("resize", options.resize, RESIZES)
    _check("filter", options.filter, FILTERS)
    imported = read_darknet(cfg, weights, Epsilon.parse(options.epsilon), options.size)
    if imported.input is None:  # pictures of other than three channels
        return imported
    as_darknet = options.filter == "darknet"
    pictures = replace(
        imported.input,
        resize="stretch" if options.resize == "stretch" else "letterbox",
        filter="darknet" if as_darknet else "triangle",
        pad=127.5 if as_darknet else 128.0,
    )
    return replace(imported, input=pictures)


def _caffe(files: tuple[Path, ...], options: Options) -> Imported:
    prototxt, caffemodel = files
    return read_caffe(prototxt, caffemodel, options.size)


def _ncnn(files: tuple[Path, ...], options: Options) -> Imported:
    param, weights = files
    return read_ncnn(param, weights, options.size)


def _tflite(files: tuple[Path, ...], options: Options) -> Imported:
    imported = read_tflite(files[0], options.names, options.size, options.shape)
    if options.round != OWN and imported.rounded:
        raise TatamiError(
            f"'{imported.rounded[0]}' has weights that were rounded anew: its sums are not those "
            f"of {options.round}",
            hint="take Tatami's own rounding for this network",
            file=files[0],
            setting="round",
        )
    say_rounding(imported.model, options.round)
    return imported


def _onnx(files: tuple[Path, ...], options: Options) -> Imported:
    return read_onnx(files[0], Given(options.size, options.shape, options.fix))


def _torch(files: tuple[Path, ...], options: Options) -> Imported:
    (state,) = files
    if options.into is None:
        raise TatamiError(
            "a state_dict holds numbers, and no network",
            hint="name the ONNX file of the network",
            setting="into",
        )
    imported = read_onnx(options.into, Given(options.size, options.shape, options.fix))
    tensors = read_state(state)
    names = {} if options.table is None else read_table(options.table)
    try:
        return replace(imported, model=load_state(imported.model, tensors, names))
    except TatamiError as error:
        raise error.at(error.file or state) from error


@dataclass(frozen=True)
class Program:
    """A program whose networks are read.

    Args:
        endings: Of its files, in the order in which they are given.
        read: Reads them.
        own_names: Whether its reader takes the file of class names itself.
    """

    endings: tuple[str, ...]
    read: Callable[[tuple[Path, ...], Options], Imported]
    own_names: bool = False


PROGRAMS: dict[str, Program] = {
    "darknet": Program((".cfg", ".weights"), _darknet),
    "caffe": Program((".prototxt", ".caffemodel"), _caffe),
    "ncnn": Program((".param", ".bin"), _ncnn),
    "tflite": Program((".tflite",), _tflite, own_names=True),
    "onnx": Program((".onnx",), _onnx),
    "torch": Program((".pth",), _torch),
}
"""Every program whose networks are read."""


@dataclass(frozen=True)
class ImportedNetwork:
    """A network that was imported.

    Args:
        path: The ONNX file that was written.
        network: The network.
        use: Its classes, input and decoding; None where they are not known.
        missing: What of those is not known.
        notes: Remarks of the importer, a line each.
        before: How many operators the file has; None where that says nothing.
    """

    path: Path
    network: Network
    use: Spec | None
    missing: tuple[str, ...]
    notes: tuple[str, ...]
    before: int | None = None

    @property
    def operators(self) -> int:
        """How many operators it has."""
        return len(list(self.network.graph))

    @property
    def parameters(self) -> int:
        """How many numbers that are no integers it holds."""
        return self._count(lambda kind: kind.is_floating_point())

    @property
    def bytes_(self) -> int:
        """How many numbers of 8 bits it holds."""
        return self._count(lambda kind: kind in (ir.DataType.INT8, ir.DataType.UINT8))

    def _count(self, counts: Callable[[ir.DataType], bool]) -> int:
        return sum(
            math.prod(value.shape.numpy())
            for value in self.network.graph.initializers.values()
            if value.shape is not None and value.dtype is not None and counts(value.dtype)
        )

    def to_json(self) -> dict[str, Any]:
        """Give what was imported as plain values."""
        decoding = getattr(self.use, "decoding", None)
        return {
            "output": str(self.path),
            "input": str(shape_of(self.network.graph.inputs[0])),
            "operators": self.operators,
            "parameters": self.parameters,
            "bytes": self.bytes_,
            "inputs": _ends(given_to(self.network)),
            "outputs": _ends(made_by(self.network)),
            "states": sorted(states_of(self.network)),
            "classes": None if self.use is None else len(self.use.classes),
            "task": None if self.use is None else self.use.task,
            "decoding": None if decoding is None else decoding.kind,
            "rounding": rounding_of(self.network),
            "notes": list(self.notes),
        }

    def lines(self) -> list[str]:
        """Say what was imported, and what is not known of it."""
        numbers = f"{self.parameters:,} numbers"
        if self.bytes_:
            numbers += f" and {self.bytes_:,} of 8 bits"
        found = [f"{self.operators} operators, {numbers}"]
        if self.before is not None and self.before > self.operators:
            found[0] += f"; the file has {self.before}: what no input changes is computed"
        found.append(f"takes {_listed(given_to(self.network))}")
        found.append(f"gives {_listed(made_by(self.network))}")
        states = states_of(self.network)
        if states:
            named = ", ".join(list(states)[:_LISTED]) + (", ..." if len(states) > _LISTED else "")
            found.append(f"keeps from call to call {len(states)} values: {named}")
        if self.use is None:
            shape = shape_of(self.network.graph.inputs[0])
            picture = len(shape) == 4 and shape[1] in (1, 3)
            unknown = ", ".join(self.missing) if picture else "what its numbers mean"
            found.append(
                f"not known: {unknown}. It runs, ships, is quantized and proved as a network; for "
                "a task, import it again with one, or with a spec (docs/importing.md)"
            )
        else:
            decoding = getattr(self.use, "decoding", None)
            kind = "" if decoding is None else f", {decoding.kind}"
            verb = {"classify": "tells", "segment": "segments"}.get(self.use.task, "detects")
            found.append(f"{verb} {len(self.use.classes)} classes{kind}")
            if isinstance(self.use.input, InputSpec):
                found.append(_pictures(self.use.input))
        if rounding_of(self.network) != OWN:
            found.append(f"rounds as {rounding_of(self.network)} does")
        return [*found, *(f"note: {note}" for note in self.notes), f"wrote {self.path}"]


_LISTED = 6
"""Inputs and outputs that are named."""


def _ends(values: Sequence[ir.Value]) -> dict[str, list[int]]:
    return {str(value.name): list(shape_of(value)) for value in values}


def _listed(values: Sequence[ir.Value]) -> str:
    """Say what goes in or comes out: names, shapes and, where they are not real, kinds."""
    found = []
    for value in values[:_LISTED]:
        kind = "" if value.dtype in (None, ir.DataType.FLOAT) else f" {value.dtype.name.lower()}"
        found.append(f"{value.name} {shape_of(value)}{kind}")
    more = f" and {len(values) - _LISTED} more" if len(values) > _LISTED else ""
    return ", ".join(found) + more


def _pictures(rule: InputSpec) -> str:
    """Say how a picture becomes the input."""
    mean = ", ".join(f"{each:g}" for each in rule.mean)
    scale = ", ".join(f"{each:.6g}" for each in rule.scale)
    return (
        f"pictures: {rule.resize} to {rule.size}, {rule.channels}, (pixel - ({mean})) x ({scale})"
    )


def import_network(
    *files: str | Path,
    program: str | None = None,
    out: str | Path | None = None,
    task: str | None = None,
    names: str | Path | None = None,
    pixels: str | None = None,
    spec: str | Path | None = None,
    size: str | Size | None = None,
    epsilon: str | None = None,
    resize: str = "letterbox",
    filter: str = "darknet",
    into: str | Path | None = None,
    table: str | Path | None = None,
    shape: Mapping[str, Sequence[int]] | Sequence[str] | None = None,
    fix: Mapping[str, float] | Sequence[str] | None = None,
    round: str = OWN,
) -> ImportedNetwork:
    """Import a network of another program as an ONNX file.

    Args:
        files: The files of the network, as a cfg and weights of darknet.
        program: A name of PROGRAMS; None: it is recognized by the ending of the first file.
        out: The ONNX file to write; None: beside the first file.
        task: What it is for: "detect", "classify", "segment" or "none"; None: detection, where all
            that it needs is known, else none.
        names: A text file with the classes, a line each; for a classifier or segmenter class0,
            class1, ... where it is left out.
        pixels: For a classifier or segmenter, what its input holds, of PIXELS, as "imagenet"; the
            picture is stretched to the input's size. A spec may say more.
        spec: Classes, input and decoding, for what the files do not say: JSON as in
            docs/importing.md, or a network of Tatami's. For a classifier or segmenter its members
            classes and input, or one of them.
        size: Another input size than the files'.
        epsilon: For darknet, of batch normalization: "darknet", or "inside:1e-5" and the like.
        resize: For darknet, "letterbox" (pjreddie's) or "stretch" (AlexeyAB's).
        filter: For darknet, how pictures are interpolated: "darknet", or "triangle" as Tatami does.
        into: For a torch state, the ONNX file of the network whose weights it holds.
        table: For a torch state, a file of names that differ.
        shape: Of inputs by name, for sides that an ONNX or TFLite file leaves open and that no
            picture has, the batch included; or texts as "audio=1x512".
        fix: Inputs of an ONNX file that are always one number, by name, as a sample rate; or texts
            as "sr=16000".
        round: For TFLite in 8 bits, whose rounding the integers follow: Tatami's, or LiteRT's with
            "xnnpack" or with its "reference" kernels (docs/integer-arithmetic.md, section 13).

    Raises:
        TatamiError: For a file that is damaged or not understood, an operator that is not
            supported, and a layer that the rounding asked for does not cover.
    """
    _check("round", round, ROUNDINGS)
    if task is not None:
        _check("task", task, TASKS)
    sources = tuple(map(Path, files))
    into, table = _path(into), _path(table)
    sides = Size.parse(size) if isinstance(size, str) else size
    shapes = dict(shape) if isinstance(shape, Mapping) else parse_shapes(shape or ())
    numbers = dict(fix) if isinstance(fix, Mapping) else parse_numbers(fix or ())
    options = Options(
        sides, _path(names), epsilon, resize, filter, into, table, shapes, numbers, round
    )
    asked = PROGRAMS[program] if program in PROGRAMS else _recognized(sources, program)
    imported = asked.read(sources, options)
    if task in (None, "detect") and spec is None:
        imported = _as_detector(imported, asked_for=task is not None, named=names is not None)
    read_from = (*sources, *([options.into] if options.into is not None else []))
    target = Path(out) if out is not None else sources[0].with_suffix(".onnx")
    if target.resolve() in [source.resolve() for source in read_from]:
        raise TatamiError(
            "the output would replace a source", hint="name another file", setting="out"
        )
    provenance = {
        "made by": f"tatami {__version__}",
        "imported": ", ".join(source.name for source in read_from),
        **({} if epsilon is None else {"epsilon": epsilon}),
    }
    listed = None if asked.own_names else options.names
    use: Spec | None = None
    if task in ("classify", "segment"):
        imported, use = _of_whole(imported, task, listed, _path(spec), pixels, provenance)
    elif task != "none":
        use = _spec_of(imported, listed, _path(spec), provenance)
    if task == "detect" and use is None:
        raise TatamiError(
            "the files do not say how the network detects",
            hint="name its classes, its input and its decoding (docs/importing.md)",
            setting="spec",
        )
    network = _network(imported, use, sources[0])
    if round != OWN:
        _check_rounding(network, round, sources[0])
    write(network, target)
    read(target)  # compares the spec with the network
    known = (
        ("its classes", imported.classes or listed),
        ("how pictures go in", imported.input),
        ("how its maps become boxes", imported.decoding),
    )
    missing = tuple(what for what, found in known if not found)
    return ImportedNetwork(
        target, network, _at_size(use, network), missing, imported.notes, imported.operators
    )


def parse_shapes(texts: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Read shapes of inputs as ``audio=1x512``.

    Raises:
        TatamiError: For anything else.
    """
    found = {}
    for text in texts:
        name, _, said = text.rpartition("=")
        sides = said.split("x")
        if not name or not all(side.isdecimal() and side.isascii() for side in sides):
            raise TatamiError(f"'{text}' is no NAME=SIDES", hint="as audio=1x512", setting="shape")
        found[name] = tuple(map(int, sides))
    return found


def parse_numbers(texts: Sequence[str]) -> dict[str, float]:
    """Read inputs that are always one number as ``sr=16000``.

    Raises:
        TatamiError: For anything else.
    """
    found = {}
    for text in texts:
        name, _, said = text.rpartition("=")
        try:
            found[name] = float(said)
        except ValueError:
            name = ""
        if not name or not math.isfinite(found[name]):
            raise TatamiError(f"'{text}' is no NAME=NUMBER", hint="as sr=16000", setting="fix")
    return found


def _check_rounding(network: Network, rounding: str, source: Path) -> None:
    """Refuse a network that a rounding does not cover, before anything is written."""
    if rounding_of(network) != rounding:
        raise TatamiError(
            f"whose rounding a network follows is asked of TFLite's, not of {source.suffix} files",
            hint="leave it out",
            setting="round",
        )
    try:
        lower(network)
    except TatamiError as error:
        raise error.at(source) from error


def _as_detector(imported: Imported, *, asked_for: bool, named: bool) -> Imported:
    """Make a detector of what is one by its heads, where that is asked for, or all is known."""
    found = None if imported.decoding is not None else recognized(imported)
    if found is None:
        return imported
    if asked_for or named or found.named:
        return found.detector
    return replace(imported, notes=(*imported.notes, found.said))


def _recognized(files: tuple[Path, ...], program: str | None) -> Program:
    endings = tuple(file.suffix.lower() for file in files)
    for one in PROGRAMS.values():
        if program is None and endings == one.endings:
            return one
    known = "; ".join(f"{name}: {', '.join(one.endings)}" for name, one in PROGRAMS.items())
    raise TatamiError(
        f"which program's network '{' '.join(map(str, files))}' is cannot be told",
        hint=f"name the program, of {known}",
        setting="program",
    )


def _of_whole(
    imported: Imported,
    task: str,
    names: Path | None,
    file: Path | None,
    pixels: str | None,
    provenance: dict[str, str],
) -> tuple[Imported, Spec]:
    """Make a network that looks at a whole picture a classifier or a segmenter."""
    arrange = as_classifier if task == "classify" else as_segmenter
    kind = ClassificationSpec if task == "classify" else SegmentationSpec
    model, notes = arrange(imported.model)
    image = model.graph.input[0].type.tensor_type.shape.dim
    size = Size(image[3].dim_value, image[2].dim_value)
    count = model.graph.output[0].type.tensor_type.shape.dim[1].dim_value
    said = {} if file is None else parse_json(file.read_bytes(), file)
    if not isinstance(said, dict) or not set(said) <= {"classes", "input", "decoding"}:
        raise TatamiError("not a spec", hint="see docs/importing.md", file=file)
    given = said.get("input")
    if pixels is not None:
        _check("pixels", pixels, tuple(PIXELS))
        mean, scale = PIXELS[pixels]
        pictures = InputSpec(size, "stretch", mean=mean, scale=scale)
    elif given is not None:
        usual = InputSpec(size, "stretch").to_json()
        filled = {**usual, **given, "size": str(size)} if isinstance(given, dict) else given
        pictures = InputSpec.from_json(json.loads(json.dumps(filled)))
    elif imported.input is not None:
        pictures = replace(imported.input, size=size)
    else:
        raise TatamiError(
            "what the network's input holds is not said",
            hint=f"give one of {', '.join(PIXELS)}, or a spec with an input",
            setting="pixels",
        )
    listed = _read_names(names) if names is not None else said.get("classes") or imported.classes
    classes = tuple(listed) if listed else tuple(f"class{index}" for index in range(count))
    if len(classes) != count:
        raise TatamiError(
            f"{len(classes)} names for {count} classes",
            hint="give the names of this network's classes",
            file=names or file,
        )
    use = kind(classes, pictures, provenance)
    remade = replace(imported, model=model, notes=(*imported.notes, *notes), decoding=None)
    return remade, use


def _network(imported: Imported, use: Spec | None, source: Path) -> Network:
    model = imported.model
    decoding = None if use is None else getattr(use, "decoding", None)
    if use is not None and decoding is not None:
        model = cut_at_heads(model, decoding, len(use.classes))
    try:
        network = network_of(model)
    except TatamiError as error:
        raise error.at(source) from error
    return Network(network.model, _at_size(use, network))


def _at_size(use: Spec | None, network: Network) -> Spec | None:
    """Give the spec with the input size of the network: a spec may be of another one."""
    shape = shape_of(network.graph.inputs[0])
    if use is None or len(shape) != 4:
        return use
    return use.changed(input=use.input.resized(Size(shape[3], shape[2])))


def _spec_of(
    imported: Imported, names: Path | None, spec: Path | None, provenance: dict[str, str]
) -> DetectionSpec | None:
    """Join what the files say and what is given in their stead; None where something is missing."""
    given = None if spec is None else _read_spec(spec, imported)
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
    return DetectionSpec(classes, pictures, decoding, provenance)


def _read_spec(file: Path, imported: Imported) -> DetectionSpec:
    """Read a spec; members that it leaves out are those of the files, where they say them."""
    if file.suffix.lower() == ".onnx":
        known = read(file).spec
        if known is None:
            raise TatamiError("no tatami metadata", hint="name a network of Tatami's", file=file)
        return detector_spec(known)
    content = parse_json(file.read_bytes(), file)
    if isinstance(content, dict):
        known_parts = {
            "classes": None if imported.classes is None else list(imported.classes),
            "input": None if imported.input is None else imported.input.to_json(),
            "decoding": None if imported.decoding is None else imported.decoding.to_json(),
        }
        content = {key: value for key, value in known_parts.items() if value} | content
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


def _check(setting: str, value: str, allowed: Collection[str]) -> None:
    if value not in allowed:
        raise TatamiError(
            f"'{value}' is not known", hint=f"give {' or '.join(allowed)}", setting=setting
        )


def _path(text: str | Path | None) -> Path | None:
    return None if text is None else Path(text)
