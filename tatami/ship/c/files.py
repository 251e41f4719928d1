"""What lies beside the source of a network: weights, the proof's program, Makefile, description."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tatami import __version__
from tatami.graph.metadata import to_metadata
from tatami.program.steps import Program, Value
from tatami.ship.backend import Row, Streamed
from tatami.ship.c.layout import Constant, Layout, constant_type
from tatami.ship.c.operator import Options, c_type, count, parts_of
from tatami.ship.c.states import PROVED
from tatami.ship.c.targets import TARGETS, Target, target_of
from tatami.ship.c.text import banner, filled, number_lines, renamed, text
from tatami.types import Spec

FORMAT = 2
"""The version of network.json."""
DESCRIPTION, PROOF = "network.json", "proof.c"
PROVING = (DESCRIPTION, PROOF)
"""What a folder holds of a network so that it can be run by itself."""


def part_file(part: str, file: str) -> str:
    """Name a file of PROVING for one of several networks; "" is the only one."""
    return f"{part}_{file}" if part else file


# Weights -----------------------------------------------------------------------------------------


def declaration(constant: Constant) -> str:
    """Declare a constant that is a C array."""
    size = max(1, constant.numbers.size)
    return f"extern NET_ALIGNED const {constant_type(constant.numbers)} {constant.name}[{size}]"


def arrays(layout: Layout, name: str, target: Target) -> str:
    """Write the weights as C arrays."""
    parts = [filled(text("weights.c"), alignment=str(target.alignment))]
    for constant in layout.constants:
        declared = declaration(constant)
        whole = np.concatenate([part.ravel() for part in parts_of(constant.numbers)])
        numbers = "\n".join(number_lines(whole)) or "    0"
        definition = declared.removeprefix("extern ")
        parts.append(f"{declared};\n{definition} = {{\n{numbers}\n}};\n")
    return banner() + renamed("\n".join(parts), name)


def blob(layout: Layout) -> Streamed:
    """Write the weights as one file, little-endian, every array where its offset says."""
    size = max(1, layout.constant_bytes)

    def parts() -> Iterator[bytes]:
        end = 0
        for constant in layout.constants:
            yield bytes(constant.offset - end)
            for numbers in parts_of(constant.numbers):
                yield numbers.astype(numbers.dtype.newbyteorder("<"), copy=False).tobytes()
            end = constant.offset + constant.numbers.nbytes
        yield bytes(size - end)

    return Streamed(size, parts)


# To build and to prove ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Answering:
    """What a task lets proof.c answer, beside the network's values.

    Args:
        letter: Begins the request.
        function: Answers it: a function without arguments that gives 1, or 0 for a bad request.
        source: Its C.
        reads: The C before it, which reads what the network looks at: 'P' answers ``prepare()``.
    """

    letter: str
    function: str
    source: str
    reads: str = field(default_factory=lambda: text("proof_picture.c"))


def proof(program: Program, name: str, own: Answering | None = None) -> str:
    """Write the program that answers for the parts, with memory for the ends of this network.

    Args:
        program: What the network computes.
        name: The network's.
        own: What the network's task answers for pictures; None for a bare network.
    """
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
    answers, cases = "", ""
    if own is not None:
        answers = f"{own.reads}\n{own.source}"
        cases = (
            f"    case 'P': return prepare();\n    case '{own.letter}': return {own.function}();"
        )
    if program.states:
        cases = "\n".join(part for part in (cases, PROVED) if part)
    whole = filled(text(PROOF), ends="\n".join(lines), task=answers, cases=cases)
    return renamed(whole, name)


def alone(program: str, name: str) -> str:
    """Keep a file with a ``main`` out of Arduino's build, which takes every file of a folder."""
    nothing = f"typedef int {name}_is_no_program; /* a file must have something */"
    return f"#ifndef ARDUINO\n{program}\n#else\n{nothing}\n#endif\n"


def makefile(name: str, example: str | None, sources: Sequence[str], options: Options) -> str:
    """Write the Makefile of a folder, with what each machine's compiler must be given.

    Args:
        name: Begins the names of its files.
        example: The program that `make` builds; None: there is none, only what to link with.
        sources: What is linked, without main.c.
        options: How it was written.
    """
    target = target_of(options.target)
    libraries = "-lm -lpthread" if options.threads > 1 else "-lm"
    compile_ = "$(CC) -std=c99 $(CFLAGS)"
    lines = []
    if example is not None and not target.board:
        needed = " ".join(sources)
        lines += [
            "# `make` builds the example; another way: make CC=clang CFLAGS='-O3 -march=native'",
            *_elsewhere(target),
            "CC = cc",
            f"CFLAGS = {' '.join(('-O3', *target.options))}",
            "",
            f"{example}: main.c {needed} {name}.h",
            f"\t{compile_} -o $@ main.c {needed} {libraries}",
            "",
            "# What a program of your own is linked with, beside its own main.c:",
        ]
    else:
        lines += [
            "# `make` compiles what a program of your own is linked with; or: make CC=clang",
            *_elsewhere(target),
            f"CC = {' '.join(target.compiler) if target.board else 'cc'}",
            f"CFLAGS = {' '.join(('-O3', *target.options))}",
            "",
        ]
    objects = {f"{source.rpartition('.')[0]}.o": source for source in sources}
    lines += [f"objects: {' '.join(objects)}", ""]
    for made, source in objects.items():
        header = f"{made.removesuffix('.o')}.h"
        beside = f" {header}" if not made.endswith("_weights.o") else ""
        lines += [f"{made}: {source}{beside}", f"\t{compile_} -c -o $@ {source}", ""]
    return "\n".join(lines)


def _elsewhere(target: Target) -> list[str]:
    """Say how each machine that a program may run on is compiled for from another, a line each."""
    lines = []
    for each in TARGETS.values():
        if not each.compiler or (target.compiler and each is not target):
            continue
        flags = f" CFLAGS='{' '.join(('-O3', *each.options))}'" if each.options else ""
        goal = "make objects" if each.board else "make"
        if not (each is target and each.board):  # its compiler stands below
            compiler = shlex.quote(" ".join(each.compiler))
            lines.append(f"# for {each.name}, here: {goal} CC={compiler}{flags}")
    return lines


# network.json ------------------------------------------------------------------------------------


def description(
    program: Program, layout: Layout, name: str, options: Options, rows: Sequence[Row]
) -> str:
    """Write network.json: what Tatami needs to open the folder again."""
    made = dict.fromkeys((*program.inputs, *(step.output for step in program.steps)))
    fixed = [
        output for output in program.outputs if output not in made
    ]  # they lie with the weights
    return _json(
        _begin(program.spec, name, options, {})
        | {
            "arena": layout.plan.size,
            "lower_bound": layout.plan.lower_bound,
            "weights": layout.constant_bytes,
            "inputs": list(program.inputs),
            "outputs": list(program.outputs),
            **({"states": list(program.states)} if program.states else {}),
            **({"moments": sorted(program.moments)} if program.moments else {}),
            "values": [
                _value(value, program.values[value], layout.offsets.get(value, -1))
                for value in (*made, *fixed)
            ],
            "steps": [
                {
                    "layer": row.layer,
                    "operator": row.operator,
                    "output": row.output,
                    "multiply_adds": row.multiply_adds,
                    "parameters": row.parameters,
                }
                for row in rows
            ],
        }
    )


def description_of_several(spec: Spec, name: str, options: Options, more: Mapping[str, Any]) -> str:
    """Write network.json of several networks, each of which has one of its own."""
    return _json(_begin(spec, name, options, more))


def _begin(
    spec: Spec | None, name: str, options: Options, more: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "tatami": __version__,
        "format": FORMAT,
        "name": name,
        **more,
        "target": options.target,
        "threads": options.threads,
        "metadata": None if spec is None else to_metadata(spec),
    }


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _value(name: str, value: Value, offset: int) -> dict[str, object]:
    quantization = value.quantization
    kind = {} if quantization is not None or value.dtype == "float32" else {"dtype": value.dtype}
    return {
        "name": name,
        "shape": list(value.shape),
        **kind,
        "quantization": None
        if quantization is None
        else {
            "scale": float(np.float32(quantization.scale)),
            "zero_point": quantization.zero_point,
        },
        "offset": offset,
    }
