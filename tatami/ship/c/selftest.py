"""A function in C by which a device tells whether it computes what was computed here.

One input of drawn bytes goes through the network. Outputs of whole numbers, and floats that these
became, must be the same to the last bit: their hash (FNV-1a over 32 bits, G. Fowler, L. C. Noll and
K.-P. Vo) is compared. Outputs that float arithmetic made differ between machines by rounding: some
of their samples must be as near as that.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tatami.program import interpret
from tatami.program.steps import Program
from tatami.ship.backend import Array
from tatami.ship.c.operator import c_type, count, number
from tatami.ship.c.text import banner, filled, number_lines, renamed, text

MOST_PRODUCTS = 8 * 10**9
"""A network of more multiply-adds gets no such function: NumPy would take its time."""
MOST_WEIGHTS = 64 * 2**20
"""Nor does one of more bytes of weights: it goes to no such device."""
SAMPLES = 64
"""Samples of an output of float arithmetic that are compared."""
TOLERANCE = 1e-4
"""How far they may be, as a share of the output's largest sample."""


def selftest(program: Program, name: str) -> str | None:
    """Write the function of a network, which is run once for it.

    Args:
        program: What the network computes.
        name: Begins its C names.

    Returns:
        The content of NAME_selftest.c; None for a network that is too large, and for one that takes
        other numbers than bytes and floats or gives others.
    """
    ends = [program.values[value] for value in (*program.inputs, *program.outputs)]
    products = sum(program.multiply_adds(step) for step in program.steps)
    if products > MOST_PRODUCTS or any(c_type(value) not in ("float", "uint8_t") for value in ends):
        return None
    given, memory, calls = [], [], []
    for index, end in enumerate(program.inputs):
        kind, size = c_type(program.values[end]), count(program.values[end].shape)
        given.append(f"net_given{index}")
        memory.append(f"static {kind} {given[-1]}[{size}];")
        sample = "net_draw() / 256.0f" if kind == "float" else "net_draw()"
        calls.append(f"    for (i = 0; i < {size}; i++) {given[-1]}[i] = {sample};")
    functions, found, tests = set(), [], []
    rounded, outputs = program.rounded(), interpret.run(program, drawn(program))
    for index, (end, output) in enumerate(zip(program.outputs, outputs, strict=True)):
        kind, flat = c_type(program.values[end]), _flat(output)
        found.append(f"net_found{index}")
        memory.append(f"static {kind} {found[-1]}[{flat.size}];")
        if end in rounded:
            functions.add("near")
            places = np.unique(np.linspace(0, flat.size - 1, SAMPLES).astype(np.uint32))
            memory += [f"static const uint32_t net_at{index}[] = {{", *number_lines(places), "};"]
            expected = number_lines(flat[places].astype(np.float32))
            memory += [f"static const float net_near{index}[] = {{", *expected, "};"]
            most = number(float(np.abs(flat).max()) * TOLERANCE)
            good = f"net_near({found[-1]}, net_at{index}, net_near{index}, {places.size}, {most})"
        else:
            functions.add("floats" if kind == "float" else "bytes")
            good = f"net_hash_{kind}({found[-1]}, {flat.size}) == UINT32_C({fnv(flat):#010x})"
        tests.append(f"    if (!({good}))\n        return {index + 1};")
    if program.states:
        calls.append("    net_reset();")
    calls.append(f"    net_forward({', '.join([*given, *found])});")
    whole = filled(
        text("selftest.c"),
        functions="\n".join(text(f"selftest_{one}.c") for one in sorted(functions)),
        memory="\n".join(memory),
        calls="\n".join([*calls, *tests]),
    )
    return banner() + renamed(whole, name)


def drawn(program: Program) -> list[Array]:
    """Draw the inputs (channels, rows, columns) that the function draws in C."""
    state, found = 1, []
    for name in program.inputs:
        value = program.values[name]
        channels, rows, columns = value.shape
        numbers = np.empty(count(value.shape), np.uint8)
        for place in range(numbers.size):
            state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
            numbers[place] = state >> 24
        image = numbers.reshape(rows, columns, channels).transpose(2, 0, 1)
        real = c_type(value) == "float"
        found.append(np.ascontiguousarray(image / np.float32(256) if real else image))
    return found


def fnv(flat: NDArray[np.float32] | NDArray[np.uint8]) -> int:
    """Hash samples as net_hash does."""
    words = flat if flat.dtype == np.uint8 else (flat + np.float32(0)).view(np.uint32)
    state = 2166136261
    for word in words.tolist():
        state = ((state ^ word) * 16777619) & 0xFFFFFFFF
    return state


def _flat(output: Array) -> NDArray[np.float32] | NDArray[np.uint8]:
    """Lay an output (channels, rows, columns) out as C does, channels last."""
    return np.ascontiguousarray(output.transpose(1, 2, 0)).ravel()
