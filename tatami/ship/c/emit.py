"""A program as a folder of C: header, source, weights, example, and what is needed to reopen it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tatami import __version__
from tatami.errors import TatamiError
from tatami.graph.metadata import to_metadata
from tatami.ops.fixed_point import quantize
from tatami.program.steps import Convolution, Program, Shape, Step, Value, parameters
from tatami.rules.picture import MAX_SIDE, normalize
from tatami.ship.c.layout import Constant, Layout, lay_out
from tatami.ship.c.operator import DEFAULT, Options, Places, c_type, count, number
from tatami.ship.c.operators import table as operators
from tatami.ship.c.targets import TARGETS, Target, target_of
from tatami.ship.c.text import banner as _banner
from tatami.ship.c.text import c_string as _c_string
from tatami.ship.c.text import kernel as _kernel
from tatami.ship.c.text import renamed as _renamed
from tatami.ship.c.text import text as _text
from tatami.types import (
    VOID,
    ClassificationSpec,
    Decoding,
    InputSpec,
    SegmentationSpec,
    Spec,
    detector_spec,
)

ARRAY_LIMIT = 2 * 2**20
"""Bytes of weights up to which ``auto`` writes them as C arrays; see docs/decisions."""
FORMAT = 2
"""Of network.json."""

Weights = Literal["auto", "array", "binary"]

_HEADERS = ("ctype", "errno", "limits", "main", "math", "proof", "stddef", "stdint", "stdio")
_TAKEN = (*_HEADERS, "stdlib", "string", "time", "pthread")
_FIRST = ("variant", "threads", "exponential")
"""Kernels that every program has."""
_READING = ("decode.c", "suppress.c")
"""Files of every detector's decoding, whatever its maps are like."""
_VARIANTS = frozenset(name for target in TARGETS.values() for name in target.variants)


@dataclass(frozen=True)
class Shipped:
    """files: content by name.  table: one row a step, as ``tatami ship`` prints it."""

    name: str
    files: Mapping[str, bytes]
    layout: Layout
    table: tuple[Row, ...]


@dataclass(frozen=True)
class Row:
    """A step in numbers.  shape: of its output.  offset: of its output in the arena, bytes."""

    layer: str
    operator: str
    output: str
    shape: tuple[int, int, int]
    multiply_adds: int
    parameters: int
    offset: int


def emit(
    program: Program,
    name: str,
    weights: Weights = "auto",
    options: Options = DEFAULT,
) -> Shipped:
    """The files of a program.

    name: begins every C name and file name, as ``net`` does in kernels/.
    weights: as C ``array`` (compiles anywhere, slowly), as a ``binary`` file that the assembler
    includes, or ``auto``: arrays up to ARRAY_LIMIT, or where the target wants them.
    Raises TatamiError for a name that is not a C identifier or is taken by the C library, and for a
    network that C cannot serve as what its spec says: an input of an illegal size, or more inputs
    or outputs than that has.
    """
    _check_name(name)
    if program.spec is not None:
        _check_use(program, program.spec)
    target = target_of(options.target)
    layout = lay_out(program, options)
    fits = target.array or layout.constant_bytes <= ARRAY_LIMIT
    as_array = weights == "array" or (weights == "auto" and fits)
    table = tuple(
        Row(
            step.name,
            type(step).__name__,
            step.output,
            program.values[step.output].shape,
            program.multiply_adds(step),
            parameters(step),
            layout.offsets[step.output],
        )
        for step in program.steps
    )
    weights_file = f"{name}_weights.{'c' if as_array else 'S'}"
    texts = {
        f"{name}.h": _header(program, layout, name),
        f"{name}.c": _source(program, layout, name, options, as_array),
        weights_file: _arrays(layout, name, target) if as_array else _kernel("weights.S", name),
        "proof.c": _proof(program, name),
        "Makefile": _makefile(program, name, weights_file, options),
        "network.json": _description(program, layout, name, options, table),
    }
    if program.spec is not None:
        use = _use(program.spec)
        main = _text("main_segment.c" if use == "segment" else "main.c")
        tell = "tell_classes.c" if use == "classify" else "tell_detections.c"
        texts["main.c"] = _renamed(filled(main, tell, "tell_own.c"), name)
    encoded = {file: text.encode() for file, text in texts.items()}
    if not as_array:
        encoded[f"{name}_weights.bin"] = _blob(layout)
    return Shipped(name, encoded, layout, table)


def filled(main: str, *parts: str) -> str:
    """The example's text with the files of kernels/ put in that read and tell."""
    main = main.replace("@ppm@", _text("ppm.c"))
    for part in parts:
        main = main.replace("@tell@", _text(part))
    return main


def c_name(text: str) -> str:
    """A C name from a file's name: ``YOLO tiny-2`` becomes ``yolo_tiny_2``."""
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_") or "net"
    name = f"net_{name}" if name[0].isdigit() or name in _TAKEN else name
    return name[:40].rstrip("_")


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name) or name in _TAKEN:
        raise TatamiError(
            f"'{name}' cannot begin the names of a C program",
            hint="give a small letter, then letters, digits and _, not a C header's name",
        )


def example(name: str, spec: Spec) -> str:
    """The name of the program that main.c becomes."""
    return f"{name}_{_use(spec)}"


def _use(spec: Spec) -> Literal["detect", "classify", "segment"]:
    """What a network is for, as the names of kernels/ say it."""
    if isinstance(spec, ClassificationSpec):
        return "classify"
    return "segment" if isinstance(spec, SegmentationSpec) else "detect"


def _check_use(program: Program, spec: Spec) -> None:
    size = spec.input.size
    if min(size.width, size.height) < 4 or max(size.width, size.height) > MAX_SIDE:
        raise TatamiError(
            f"an input of {size} cannot be shipped", hint=f"give it sides from 4 to {MAX_SIDE}"
        )
    if isinstance(spec, ClassificationSpec):
        what, maps = "classifier", 1
    elif isinstance(spec, SegmentationSpec):
        what, maps = "segmenter", 1
        if len(spec.classes) > VOID:
            raise TatamiError(
                f"{len(spec.classes)} classes do not fit a byte a pixel",
                hint=f"ship a network of at most {VOID}",
            )
    else:
        what, maps = (
            "detector with such a decoding",
            len(detector_spec(spec).decoding.maps(len(spec.classes))),
        )
    if len(program.inputs) != 1 or len(program.outputs) != maps:
        raise TatamiError(
            f"a {what} has one input and {maps} maps, not "
            f"{len(program.inputs)} and {len(program.outputs)}",
            hint="ship a network whose metadata is for what it is",
        )
    if any(program.values[output].quantization is not None for output in program.outputs):
        raise TatamiError(
            "the network's output is quantized, which costs its boxes or scores their precision",
            hint="leave the graph's output in float32, as `tatami quantize` does",
        )


# The header --------------------------------------------------------------------------------------


def _header(program: Program, layout: Layout, name: str) -> str:
    lines = [
        f"#define NET_{key} {value}" + (f" /* {comment} */" if comment else "")
        for key, value, comment in _public(program, layout)
    ]
    if program.spec is not None:
        functions = (
            _text(f"{_use(program.spec)}.h").rstrip().replace("@forward@", _signature(program))
        )
    else:
        functions = _forward_alone(program)
    text = _text("head.h").replace("@constants@", "\n".join(lines))
    return _banner() + _renamed(text.replace("@functions@", functions), name)


def _public(program: Program, layout: Layout) -> list[tuple[str, object, str]]:
    """What a caller may want to know, as macros: name, value, comment."""
    arena = ("ARENA", layout.plan.size, "bytes")
    if program.spec is None:
        return [arena]
    spec = program.spec
    common = [
        ("WIDTH", spec.input.size.width, "of the network's input, in pixels"),
        ("HEIGHT", spec.input.size.height, ""),
        ("INPUT", c_type(program.values[program.inputs[0]]), "a sample of the network's input"),
        ("OUTPUT", c_type(program.values[program.outputs[0]]), "a sample of the network's output"),
        ("CLASSES", len(spec.classes), ""),
        ("MAX_SIDE", MAX_SIDE, "of a picture, in pixels"),
        arena,
    ]
    if isinstance(spec, ClassificationSpec):
        return common
    if isinstance(spec, SegmentationSpec):
        _, rows, columns = program.values[program.outputs[0]].shape
        middle = [("ROWS", rows, "of what the network names: the middle"), ("COLUMNS", columns, "")]
        return [*common[:5], *middle, *common[5:]]
    decoding = detector_spec(spec).decoding
    sides = [
        (f"MAP{index}_{side}", extent, "")
        for index, output in enumerate(program.outputs)
        for side, extent in zip(
            ("CHANNELS", "ROWS", "COLUMNS"), program.values[output].shape, strict=True
        )
    ]
    return [
        *common[:5],
        ("MAPS", len(program.outputs), "raw maps"),
        *sides,
        ("MAX_DETECTIONS", decoding.max_detections, "a picture never has more"),
        common[5],
        ("SCORE_THRESHOLD", number(decoding.score_threshold), "a fair one to begin with"),
        arena,
    ]


def _forward_alone(program: Program) -> str:
    """The one function of a network without rules for pictures and boxes."""
    lines = ["/* Run the network. Every value lies as (rows, columns, channels)."]
    for ends, kind in ((program.inputs, "in"), (program.outputs, "out")):
        for index, value in enumerate(ends):
            lines.append(f" * {kind}{index}: {_in_comment(value)}, {_described(program, value)}")
    lines[-1] += "."
    lines.append(" * Not reentrant: one static arena of NET_ARENA bytes serves all calls. */")
    return "\n".join([*lines, _signature(program) + ";"])


def _described(program: Program, name: str) -> str:
    value = program.values[name]
    channels, rows, columns = value.shape
    text = f"{c_type(value)} [{rows}][{columns}][{channels}]"
    if value.quantization is not None:
        text += f" = {value.quantization.scale:.9g} * (byte - {value.quantization.zero_point})"
    return text


def _signature(program: Program) -> str:
    if program.spec is not None:
        maps = ", ".join(f"NET_OUTPUT *{name}" for name in _results(program))
        return f"void net_forward(const NET_INPUT *images, {maps})"
    inputs = [f"const {c_type(program.values[v])} *in{i}" for i, v in enumerate(program.inputs)]
    outputs = [f"{c_type(program.values[v])} *out{i}" for i, v in enumerate(program.outputs)]
    return f"void net_forward({', '.join(inputs + outputs)})"


def _results(program: Program) -> dict[str, str]:
    """The parameters of net_forward for the outputs of a network with a spec, and the values."""
    if isinstance(program.spec, ClassificationSpec | SegmentationSpec):
        return {"logits": program.outputs[0]}
    return {f"map{index}": name for index, name in enumerate(program.outputs)}


# The source --------------------------------------------------------------------------------------


def _source(program: Program, layout: Layout, name: str, options: Options, as_array: bool) -> str:
    target = target_of(options.target)
    needed = (*_FIRST, *(kernel for one in layout.decisions for kernel in one.kernels))
    if program.spec is not None and program.spec.input.filter == "darknet":
        needed = (*needed, "int8/quantize")
    kernels = [kernel for kernel in dict.fromkeys(needed) if _wanted(kernel, target)]
    addresses = _Addresses(program, layout, as_array)
    parts = [
        _banner() + _renamed(beginning(options, target), name).lstrip(),
        _renamed(_data(program, layout, target, as_array), name),
    ]
    if program.spec is not None:
        # What the user named is put in as it is.
        classes = ",\n    ".join(_c_string(text) for text in program.spec.classes)
        names = f"{name}_class_names[{name.upper()}_CLASSES]"
        parts.append(f"const char *const {names} = {{\n    {classes},\n}};\n")
        parts.append(_renamed(_rules(program, program.spec, addresses), name) + "\n")
    parts += [_kernel(f"{kernel}.c", name) for kernel in kernels]
    parts += [
        _run(program, layout, name, options, addresses),
        _renamed(_forward(program, addresses), name),
    ]
    if program.spec is not None:
        darknet = program.spec.input.filter == "darknet"
        files_: tuple[str, ...] = ("placement.c", "picture_darknet.c" if darknet else "picture.c")
        if isinstance(program.spec, ClassificationSpec | SegmentationSpec):
            files_ = (*files_, f"{_use(program.spec)}.c")
        else:
            kind = detector_spec(program.spec).decoding.kind
            file = "decode_yolo.c" if kind in ("yolov2", "yolov3") else f"decode_{kind}.c"
            files_ = (*files_, "candidates.c", file, *_READING, "detect.c")
        parts += [_kernel(file, name) for file in files_]
    return "\n".join(parts)


def _wanted(kernel: str, target: Target) -> bool:
    """Whether a file of kernels/ is of use: one named after a processor only where that may be."""
    variant = kernel.rpartition("_")[2]
    return variant not in _VARIANTS or variant in target.variants


def beginning(options: Options, target: Target) -> str:
    """What the compiler must know before all else."""
    kinds = {
        "X86": any(variant.startswith("avx") for variant in target.variants),
        "NEON": "neon" in target.variants,
        "DOTPROD": "dotprod" in target.variants,
        "DSP": "dsp" in target.variants,
    }
    written_for = "\n".join(f"#define NET_FOR_{key} {int(yes)}" for key, yes in kinds.items())
    return f"""
/* Threads: with -DNET_THREADS=1 none but the caller's. */
#ifndef NET_THREADS
#define NET_THREADS {options.threads}
#endif
#if NET_THREADS > {options.threads}
#error "the arena has scratch memory for {options.threads} threads: ship with more --threads"
#endif
#if NET_THREADS > 1 && !defined(_POSIX_C_SOURCE)
#define _POSIX_C_SOURCE 200112L
#endif

#include "net.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#if defined(__GNUC__)
/* Kernels serve many networks: not every function of theirs is of use in each. */
#pragma GCC diagnostic ignored "-Wunused-function"
#endif
/* A product and a sum are two roundings, on every machine. With -std=c99, GCC knows. */
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__) && !defined(__STRICT_ANSI__)
#pragma GCC optimize("fp-contract=off")
#endif
#if defined(__FAST_MATH__)
#error "-ffast-math changes what the network computes: compile without it"
#endif

#if defined(__GNUC__)
#define NET_ALIGNED __attribute__((aligned({target.alignment})))
/* Memory of the arena changes its type between two steps: nothing moves across. */
#define NET_BARRIER() __asm__ volatile("" ::: "memory")
#else
#define NET_ALIGNED
#define NET_BARRIER() ((void)0)
#endif

/* Called after every step where -DNET_TRACE=function is given; else nothing. */
#ifdef NET_TRACE
void NET_TRACE(int step, const void *value, size_t bytes);
#else
#define NET_TRACE(step, value, bytes) ((void)0)
#endif

{written_for}
"""


def _data(program: Program, layout: Layout, target: Target, as_array: bool) -> str:
    """The weights, which lie in a file of their own, and the arena."""
    if as_array:
        weights = "\n".join(f"{_declaration(constant)};" for constant in layout.constants)
    else:
        weights = f"extern const unsigned char net_weights[{max(1, layout.constant_bytes)}];"
    return f"""{weights}

/* All values and scratch, where the plan by lifetime puts them. */
NET_ALIGNED static uint8_t net_arena[{max(1, layout.plan.size)}];
"""


class _Addresses:
    """Where everything lies, as C expressions."""

    def __init__(self, program: Program, layout: Layout, as_array: bool) -> None:
        self.layout = layout
        self.as_array = as_array
        self.values = {
            name: f"({c_type(program.values[name])} *)(net_arena + {offset})"
            for name, offset in layout.offsets.items()
        }
        self.values |= {
            name: self.constant(constant) for name, constant in layout.value_constants.items()
        }

    def constant(self, constant: Constant) -> str:
        if self.as_array:
            return constant.name
        return f"(const {_number_type(constant.array)} *)(net_weights + {constant.offset})"

    def of_step(self, index: int) -> Places:
        return Places(
            self.values,
            f"(net_arena + {self.layout.scratch.get(index, 0)})",
            {key: self.constant(one) for key, one in self.layout.step_constants[index].items()},
        )


def _run(
    program: Program, layout: Layout, name: str, options: Options, addresses: _Addresses
) -> str:
    """The function that runs the steps: each a comment, a call, and the hook of the proof."""
    lines = [
        "static void net_run(void)",
        "{",
        "    if (net_variant == NET_UNKNOWN) net_kernels(NULL);",
        "    NET_BARRIER();",
    ]
    lines = [_renamed(line, name) for line in lines]
    for index, step in enumerate(program.steps):
        call = operators.emit(program, step, addresses.of_step(index), options)
        value = addresses.values[step.output]
        after = f"NET_BARRIER();\n    NET_TRACE({index}, {value}, {_bytes(program, step.output)});"
        lines += [
            f"    /* {index}. {_comment(program, step)} */",
            "    " + _renamed(call, name),
            "    " + _renamed(after, name),
        ]
    return "\n".join([*lines, "}", ""])


def _forward(program: Program, addresses: _Addresses) -> str:
    """From the caller's memory to the arena, and back."""
    if program.spec is not None:
        ends = {"images": program.inputs[0]}, _results(program)
    else:
        ends = (
            {f"in{i}": name for i, name in enumerate(program.inputs)},
            {f"out{i}": name for i, name in enumerate(program.outputs)},
        )
    copies = [
        f"    memcpy({addresses.values[value]}, {parameter}, {_bytes(program, value)});"
        for parameter, value in ends[0].items()
    ]
    results = [
        f"    memcpy({parameter}, {addresses.values[value]}, {_bytes(program, value)});"
        for parameter, value in ends[1].items()
    ]
    lines = [_signature(program), "{", *copies, "    net_run();", *results, "}", ""]
    return "\n".join(lines)


def _rules(program: Program, spec: Spec, addresses: _Addresses) -> str:
    """What the picture rule and the decoding rule need, and where the ends of the network lie."""
    pictures = spec.input
    values = {
        "LETTERBOX": int(pictures.resize == "letterbox"),
        "DARKNET": int(pictures.filter == "darknet"),
        **levels(pictures, program.values[program.inputs[0]]),
        "PLANES": "{0, 1, 2}" if pictures.channels == "rgb" else "{2, 1, 0}",
        "IMAGES": f"({addresses.values[program.inputs[0]]})",
    }
    if isinstance(spec, ClassificationSpec | SegmentationSpec):
        values["LOGITS"] = f"((const float *)({addresses.values[program.outputs[0]]}))"
        return "\n".join([*(f"#define NET_{key} {value}" for key, value in values.items()), ""])
    decoding = detector_spec(spec).decoding
    values |= {
        "GRIDS": len(decoding.grids),
        "SCORES_SOFTMAX": int(decoding.scores == "softmax"),
        "SCORES_SIGMOID": int(decoding.scores == "sigmoid"),
        "AGNOSTIC": int(decoding.agnostic),
        "DIOU": int(decoding.nms == "diou"),
        "VARIANCE_OF_CENTER": number(decoding.variances[0]),
        "VARIANCE_OF_SIDE": number(decoding.variances[1]),
        "IOU_THRESHOLD": number(decoding.iou_threshold),
        "MAX_CANDIDATES": decoding.max_candidates,
    }
    maps = ", ".join(f"({addresses.values[output]})" for output in program.outputs)
    lines = [f"#define NET_{key} {value}" for key, value in values.items()]
    lines += ["", f"static const float *const net_maps[NET_MAPS] = {{{maps}}};", ""]
    shapes = [program.values[output].shape for output in program.outputs]
    return "\n".join(lines) + "\n" + grids(shapes, decoding)


def grids(shapes: Sequence[Shape], decoding: Decoding) -> str:
    """The anchors, in pixels of the network's input, and where each grid's cells lie.

    shapes: of the raw maps."""
    each = len(shapes) // len(decoding.grids)
    anchors, rows = [], []
    for index, grid in enumerate(decoding.grids):
        sizes = ", ".join(f"{{{number(w)}, {number(h)}}}" for w, h in grid.anchors)
        anchors.append(f"static const float net_anchors{index}[][2] = {{{sizes}}};")
        _, height, width = shapes[each * index]
        scale = (*grid.stride, grid.xy_scale, (grid.xy_scale - 1) / 2)
        numbers = ", ".join(number(value) for value in scale)
        rows.append(
            f"    {{net_anchors{index}, {len(grid.anchors)}, {height}, {width}, {numbers}}},"
        )
    lines = [_text("grid.h").rstrip(), "", *anchors]
    return "\n".join([*lines, "static const net_grid net_grids[NET_GRIDS] = {", *rows, "};"])


def levels(spec: InputSpec, value: Value) -> dict[str, object]:
    """What each of the 256 bytes becomes in each plane, and what is around the picture."""
    every = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)  # (1, 256, 3)
    levels: NDArray[Any] = normalize(every, spec)
    quantization = value.quantization
    if spec.filter == "darknet":  # interpolates in float32, and only then quantizes
        mean, scale = np.array(spec.mean, np.float32), np.array(spec.scale, np.float32)
        around = (np.float32(spec.pad) - mean) * scale
        bytes_ = {
            "INPUT_IS_BYTES": int(quantization is not None),
            "INPUT_SCALE": number(1.0 if quantization is None else quantization.scale),
            "INPUT_ZERO_POINT": 0 if quantization is None else quantization.zero_point,
        }
        sides = ", ".join(number(one) for one in around.tolist())
        return {"LEVELS": _table(levels), "AROUND": f"{{{sides}}}", **bytes_}
    if quantization is not None:
        levels = quantize(levels, quantization.scale, quantization.zero_point)
    return {"LEVELS": _table(levels), "PAD": int(spec.pad)}


def _table(levels: NDArray[Any]) -> str:
    planes = ["{ \\\n" + " \\\n".join(_lines(plane.ravel())) + " \\\n}" for plane in levels]
    return "{" + ", ".join(planes) + "}"


def _comment(program: Program, step: Step) -> str:
    """``conv1: Conv 3x416x416 -> 16x416x416, 3x3, 74.8 M multiply-adds``."""
    shapes = [program.values[name].shape for name in (*step.inputs, step.output)]
    *sources, result = ["x".join(map(str, shape)) for shape in shapes]
    text = f"{step.name}: {type(step).__name__} {', '.join(sources)} -> {result}"
    if isinstance(step, Convolution):
        text += f", {step.weights.shape[2]}x{step.weights.shape[3]}"
        text += f", {program.multiply_adds(step) / 1e6:.4g} M multiply-adds"
    return _in_comment(text)


def _in_comment(text: str) -> str:
    """Text that cannot end a C comment, nor begin one."""
    plain = "".join(letter if letter.isprintable() else "?" for letter in text)
    plain = plain.replace("*", "?").replace("\\", "?")
    return plain.encode("ascii", "replace").decode()


def _bytes(program: Program, name: str) -> str:
    """The size of a value as C: ``3 * 32 * 64 * sizeof(float)`` as a size_t."""
    value = program.values[name]
    return f"{count(value.shape)} * sizeof({c_type(value)})"


# Weights -----------------------------------------------------------------------------------------


def _number_type(array: NDArray[Any]) -> str:
    """The C type of a constant's numbers."""
    kinds = {"int8": "int8_t", "uint8": "uint8_t", "int16": "int16_t", "int32": "int32_t",
             "uint32": "uint32_t", "float32": "float"}  # fmt: skip
    return kinds[array.dtype.name]


def _declaration(constant: Constant) -> str:
    size = max(1, constant.array.size)
    return f"extern NET_ALIGNED const {_number_type(constant.array)} {constant.name}[{size}]"


def _arrays(layout: Layout, name: str, target: Target) -> str:
    """The weights as C arrays, in decimal digits enough to give every float32 back."""
    parts = [
        f"""
#include <math.h>
#include <stdint.h>

#if defined(__GNUC__)
#define NET_ALIGNED __attribute__((aligned({target.alignment})))
#else
#define NET_ALIGNED
#endif

typedef int net_weights_follow; /* or none: a network may have no weights */
""".lstrip()
    ]
    for constant in layout.constants:
        declaration = _declaration(constant)
        numbers = "\n".join(_lines(constant.array)) or "    0"
        definition = declaration.removeprefix("extern ")
        parts.append(f"{declaration};\n{definition} = {{\n{numbers}\n}};\n")
    return _banner() + _renamed("\n".join(parts), name)


def _lines(numbers: NDArray[Any]) -> list[str]:
    """Lines of the numbers of an array, for between the braces."""
    if numbers.dtype == np.float32:
        texts = [number(value) for value in numbers.tolist()]
    else:
        suffix = "u" if numbers.dtype == np.uint32 else ""
        texts = [f"{value}{suffix}" for value in numbers.tolist()]
        texts = ["(-2147483647 - 1)" if text == "-2147483648" else text for text in texts]
    width = 12 if numbers.dtype.itemsize == 4 else 24
    return ["    " + ",".join(texts[i : i + width]) + "," for i in range(0, len(texts), width)]


def _blob(layout: Layout) -> bytes:
    """The weights as one file, little-endian, every array where its offset says."""
    blob = bytearray(max(1, layout.constant_bytes))
    for constant in layout.constants:
        data = constant.array.astype(constant.array.dtype.newbyteorder("<"), copy=False).tobytes()
        blob[constant.offset : constant.offset + len(data)] = data
    return bytes(blob)


# Beside the source -------------------------------------------------------------------------------


def _proof(program: Program, name: str) -> str:
    """The program that answers for the parts, with memory for the ends of this network."""
    ends = {f"in{i}": value for i, value in enumerate(program.inputs)}
    results = {f"out{i}": value for i, value in enumerate(program.outputs)}
    lines = [
        f"static {c_type(program.values[value])} {key}[{count(program.values[value].shape)}];"
        for key, value in (ends | results).items()
    ]
    reads = " &&\n           ".join(f"fread({key}, sizeof {key}, 1, requests) == 1" for key in ends)
    writes = [f"    fwrite({key}, sizeof {key}, 1, answers);" for key in results]
    lines += ["", "static int read_inputs(void)", "{", f"    return {reads};", "}", ""]
    lines += ["static void write_outputs(void)", "{", *writes, "}", ""]
    lines.append(f"static void run(void) {{ net_forward({', '.join([*ends, *results])}); }}")
    return _renamed(_text("proof.c").replace("@ends@", "\n".join(lines)), name)


def _makefile(program: Program, name: str, weights: str, options: Options) -> str:
    libraries = "-lm -lpthread" if options.threads > 1 else "-lm"
    compile_ = "$(CC) -std=c99 $(CFLAGS)"
    if program.spec is None:
        return f"""# `make` compiles the network to link with; another way: make CC=clang
CC = cc
CFLAGS = -O3

all: {name}.o {name}_weights.o

{name}.o: {name}.c {name}.h
\t{compile_} -c -o $@ {name}.c

{name}_weights.o: {weights}
\t{compile_} -c -o $@ {weights}
"""
    return f"""# `make` builds the example; another way: make CC=clang CFLAGS='-O3 -march=native'
CC = cc
CFLAGS = -O3

{example(name, program.spec)}: main.c {name}.c {weights} {name}.h
\t{compile_} -o $@ main.c {name}.c {weights} {libraries}
"""


def _description(
    program: Program, layout: Layout, name: str, options: Options, table: Sequence[Row]
) -> str:
    """network.json: what Tatami needs to open the folder again."""
    content = {
        "tatami": __version__,
        "format": FORMAT,
        "name": name,
        "target": options.target,
        "threads": options.threads,
        "metadata": None if program.spec is None else to_metadata(program.spec),
        "arena": layout.plan.size,
        "lower_bound": layout.plan.lower_bound,
        "weights": layout.constant_bytes,
        "inputs": list(program.inputs),
        "outputs": list(program.outputs),
        "values": [
            _value(value, program.values[value], layout.offsets[value])
            for value in (*program.inputs, *(step.output for step in program.steps))
        ],
        "steps": [
            {
                "layer": row.layer,
                "operator": row.operator,
                "output": row.output,
                "multiply_adds": row.multiply_adds,
                "parameters": row.parameters,
            }
            for row in table
        ],
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _value(name: str, value: Value, offset: int) -> dict[str, object]:
    quantization = value.quantization
    return {
        "name": name,
        "shape": list(value.shape),
        "quantization": None
        if quantization is None
        else {
            "scale": float(np.float32(quantization.scale)),
            "zero_point": quantization.zero_point,
        },
        "offset": offset,
    }
