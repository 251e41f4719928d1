"""A program as a folder of C: header, source, weights, example, and what is needed to reopen it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

from tatami import __version__
from tatami.errors import TatamiError
from tatami.graph.metadata import to_metadata
from tatami.picture import MAX_SIDE
from tatami.ship.c.layout import Layout, emit_step, lay_out
from tatami.ship.c.operator import Places, count, number
from tatami.ship.program import Conv, Program, Step, parameters
from tatami.types import Float32

ARRAY_LIMIT = 2 * 2**20
"""Bytes of weights up to which ``auto`` writes them as a C array; see docs/decisions."""

Weights = Literal["auto", "array", "binary"]

_HEADERS = ("ctype", "errno", "limits", "main", "math", "proof", "stddef", "stdint", "stdio")
_TAKEN = (*_HEADERS, "stdlib", "string", "time")


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


def emit(program: Program, name: str, weights: Weights = "auto") -> Shipped:
    """The files of a program.

    name: begins every C name and file name, as ``net`` does in kernels/.
    weights: as a C ``array`` (compiles anywhere, slowly), as a ``binary`` file that the assembler
    includes, or ``auto``: the array up to ARRAY_LIMIT.
    Raises TatamiError for a name that is not a C identifier or is taken by the C library.
    """
    _check_name(name)
    size = program.spec.input.size
    if min(size.width, size.height) < 4 or max(size.width, size.height) > MAX_SIDE:
        raise TatamiError(
            f"an input of {size} cannot be shipped", mend=f"give it sides from 4 to {MAX_SIDE}"
        )
    layout = lay_out(program)
    blob = layout.constants
    as_array = weights == "array" or (weights == "auto" and blob.nbytes <= ARRAY_LIMIT)
    table = tuple(
        Row(
            step.name,
            type(step).__name__,
            step.output,
            program.shapes[step.output],
            program.multiply_adds(step),
            parameters(step),
            layout.offsets[step.output],
        )
        for step in program.steps
    )
    weights_file = f"{name}_weights.{'c' if as_array else 'S'}"
    texts = {
        f"{name}.h": _header(program, layout, name),
        f"{name}.c": _source(program, layout, name),
        weights_file: (
            _weights_array(program, layout, name) if as_array else _kernel("weights.S", name)
        ),
        "main.c": _kernel("main.c", name),
        "proof.c": _kernel("proof.c", name),
        "Makefile": _makefile(name, weights_file),
        "network.json": _description(program, layout, name, table),
    }
    encoded = {file: text.encode() for file, text in texts.items()}
    if not as_array:
        encoded[f"{name}_weights.bin"] = blob.astype("<f4").tobytes()
    return Shipped(name, encoded, layout, table)


def c_name(text: str) -> str:
    """A C name from a file's name: ``YOLO tiny-2`` becomes ``yolo_tiny_2``."""
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_") or "net"
    name = f"net_{name}" if name[0].isdigit() or name in _TAKEN else name
    return name[:40].rstrip("_")


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name) or name in _TAKEN:
        raise TatamiError(
            f"'{name}' cannot begin the names of a C program",
            mend="give a small letter, then letters, digits and _, not a C header's name",
        )


def _renamed(text: str, name: str) -> str:
    """kernels/ and the operators say ``net``; a shipped folder says the network's own name."""
    text = re.sub(r"(?<![A-Za-z0-9])net(?=_|\.[hc]\b)", name, text)
    return re.sub(r"\bNET_", f"{name.upper()}_", text)


def _kernel(file: str, name: str) -> str:
    text = files("tatami.ship.c").joinpath("kernels", file).read_text(encoding="utf-8")
    return _renamed(text, name)


def _header(program: Program, layout: Layout, name: str) -> str:
    spec = program.spec
    channels, rows, columns = program.shapes[program.output]
    constants = [
        ("WIDTH", spec.input.size.width, "of the network's input, in pixels"),
        ("HEIGHT", spec.input.size.height, ""),
        ("CLASSES", len(spec.classes), ""),
        ("MAP_CHANNELS", channels, "of the raw map"),
        ("MAP_ROWS", rows, ""),
        ("MAP_COLUMNS", columns, ""),
        ("MAX_DETECTIONS", spec.decoding.max_detections, "a picture never has more"),
        ("MAX_SIDE", MAX_SIDE, "of a picture, in pixels"),
        ("SCORE_THRESHOLD", number(spec.decoding.score_threshold), "a fair one to begin with"),
        ("ARENA", layout.plan.size, "bytes"),
    ]
    lines = [
        f"#define {name.upper()}_{key} {value}" + (f" /* {comment} */" if comment else "")
        for key, value, comment in constants
    ]
    return _banner() + _kernel("head.h", name).replace("@constants@", "\n".join(lines))


def _source(program: Program, layout: Layout, name: str) -> str:
    kernels = dict.fromkeys(kernel for one in layout.decisions for kernel in one.kernels)
    classes = ",\n    ".join(_c_string(text) for text in program.spec.classes)
    before = f"""
#include "net.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

{_constants(program, layout)}

/* Called after every step where -DNET_TRACE=function is given; else nothing. */
#ifdef NET_TRACE
void NET_TRACE(int step, const float *values, size_t count);
#else
#define NET_TRACE(step, values, count) ((void)0)
#endif

extern const float net_weights[{max(1, layout.constants.size)}];

/* All values and scratch, where the plan by lifetime puts them. */
#if defined(__GNUC__)
__attribute__((aligned(64)))
#endif
static float net_arena[NET_ARENA / 4];
"""
    forward = """
void net_forward(const float *images, float *map)
{
    memcpy(NET_IMAGES, images, (size_t)3 * NET_HEIGHT * NET_WIDTH * sizeof *images);
    net_run();
    memcpy(map, NET_MAP,
           (size_t)NET_MAP_CHANNELS * NET_MAP_ROWS * NET_MAP_COLUMNS * sizeof *map);
}
"""
    parts = [
        _banner() + _renamed(before, name).lstrip(),
        # What the user named is put in as it is.
        f"const char *const {name}_class_names[{name.upper()}_CLASSES] = {{\n    {classes},\n}};\n",
        *(_kernel(f"{kernel}.c", name) for kernel in kernels),
        _run(program, layout, name),
        _renamed(forward, name).lstrip(),
        _kernel("picture.c", name),
        _kernel("detect.c", name),
    ]
    return "\n".join(parts)


def _constants(program: Program, layout: Layout) -> str:
    """What the picture rule and the decoding rule need, and where the ends of the network lie."""
    pictures, decoding = program.spec.input, program.spec.decoding
    planes = "{0, 1, 2}" if pictures.channels == "rgb" else "{2, 1, 0}"
    anchors = ", ".join(f"{{{number(w)}, {number(h)}}}" for w, h in decoding.anchors)
    values = {
        "LETTERBOX": int(pictures.resize == "letterbox"),
        "PAD": pictures.pad,
        "MEAN": _numbers(pictures.mean),
        "SCALE": _numbers(pictures.scale),
        "PLANES": planes,
        "ANCHORS": len(decoding.anchors),
        "ANCHOR_SIZES": f"{{{anchors}}}",
        "STRIDE": decoding.stride,
        "IOU_THRESHOLD": number(decoding.iou_threshold),
        "MAX_CANDIDATES": decoding.max_candidates,
        "IMAGES": f"({_address(layout.offsets[program.input])})",
        "MAP": f"({_address(layout.offsets[program.output])})",
    }
    return "\n".join(f"#define NET_{key} {value}" for key, value in values.items())


def _run(program: Program, layout: Layout, name: str) -> str:
    """The function that runs the steps: each a comment, a call, and the hook of the proof."""
    values = {value: _address(offset) for value, offset in layout.offsets.items()}
    lines = [f"static void {name}_run(void)", "{"]
    for index, step in enumerate(program.steps):
        places = Places(
            values,
            _address(layout.scratch[index]) if index in layout.scratch else "",
            [f"net_weights + {start}" for start in layout.constant_offsets[index]],
        )
        trace = f"NET_TRACE({index}, {values[step.output]}, {count(program.shapes[step.output])});"
        lines += [
            f"    /* {index}. {_comment(program, step)} */",
            "    " + _renamed(emit_step(program, step, places), name),
            "    " + _renamed(trace, name),
        ]
    return "\n".join([*lines, "}", ""])


def _comment(program: Program, step: Step) -> str:
    """``conv1: Conv 3x416x416 -> 16x416x416, 3x3, 74.8 M multiply-adds``."""
    shapes = [program.shapes[name] for name in (*step.inputs, step.output)]
    *sources, result = ["x".join(map(str, shape)) for shape in shapes]
    text = f"{step.name}: {type(step).__name__} {', '.join(sources)} -> {result}"
    if isinstance(step, Conv):
        text += f", {step.weights.shape[2]}x{step.weights.shape[3]}"
        text += f", {program.multiply_adds(step) / 1e6:.4g} M multiply-adds"
    return _in_comment(text)


def _in_comment(text: str) -> str:
    """Text that cannot end a C comment, nor begin one."""
    plain = "".join(letter if letter.isprintable() else "?" for letter in text)
    plain = plain.replace("*", "?").replace("\\", "?")
    return plain.encode("ascii", "replace").decode()


def _weights_array(program: Program, layout: Layout, name: str) -> str:
    """The weights as one C array, in decimal digits enough to give every float32 back."""
    size = max(1, layout.constants.size)
    lines = [
        _banner(),
        f"extern const float {name}_weights[{size}];",
        "",
        f"const float {name}_weights[{size}] = {{",
    ]
    for index, (step, decision) in enumerate(zip(program.steps, layout.decisions, strict=True)):
        for part, values in zip(("weights", "bias"), decision.constants, strict=False):
            lines.append(f"    /* {index}. {_in_comment(step.name)}: {part} */")
            lines += _array_lines(values)
    if not layout.constants.size:
        lines.append("    0.0f")
    return "\n".join([*lines, "};", ""])


def _array_lines(values: Float32) -> list[str]:
    texts = [number(float(value)) for value in values]
    return ["    " + ",".join(texts[i : i + 12]) + "," for i in range(0, len(texts), 12)]


def _makefile(name: str, weights: str) -> str:
    return f"""# `make` builds the example; another way: make CC=clang CFLAGS='-O3 -march=native'
CC = cc
CFLAGS = -O3

{name}_detect: main.c {name}.c {weights} {name}.h
\t$(CC) -std=c99 $(CFLAGS) -o $@ main.c {name}.c {weights} -lm
"""


def _description(program: Program, layout: Layout, name: str, table: tuple[Row, ...]) -> str:
    """network.json: what Tatami needs to open the folder again."""
    content = {
        "tatami": __version__,
        "format": 1,
        "name": name,
        "metadata": to_metadata(program.spec),
        "arena": layout.plan.size,
        "lower_bound": layout.plan.lower_bound,
        "output": program.output,
        "steps": [
            {
                "layer": row.layer,
                "operator": row.operator,
                "output": row.output,
                "shape": list(row.shape),
                "multiply_adds": row.multiply_adds,
                "parameters": row.parameters,
                "offset": row.offset,
            }
            for row in table
        ],
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _banner() -> str:
    return f"/* Written by tatami {__version__}; ship the network again instead of editing. */\n"


def _address(offset: int) -> str:
    return f"net_arena + {offset // 4}"


def _numbers(values: tuple[float, ...]) -> str:
    return "{" + ", ".join(number(value) for value in values) + "}"


def _c_string(text: str) -> str:
    """A C string of UTF-8 bytes; whatever is not plain ASCII as octal escapes."""
    plain = set(range(32, 127)) - {ord('"'), ord("\\"), ord("?")}  # "?": no trigraphs
    return '"' + "".join(chr(b) if b in plain else f"\\{b:03o}" for b in text.encode()) + '"'
