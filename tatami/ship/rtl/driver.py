"""What the processor beside the engine is given in C99: its share of the network, and the driver.

The network is shipped as C, as for any processor, but what the engine computes is taken from the
engine (program/steps.py, Elsewhere). So the picture rule, what follows the engine's layers, and
what becomes of the outputs are the same C, to the bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from tatami.program.steps import Elsewhere, Program
from tatami.ship.c.emit import PlanInC, emit_plan, plan_programs
from tatami.ship.c.files import PROVING
from tatami.ship.c.operator import number
from tatami.ship.c.tasks.base import TaskInC
from tatami.ship.c.text import filled, renamed
from tatami.ship.rtl.core import Core
from tatami.ship.rtl.frame import Frame
from tatami.ship.rtl.lower import Planes

FOLDER = "driver"
"""Where it lies in a shipped folder."""


def plan_driver(
    program: Program, frame: Frame, name: str, task: TaskInC[Any] | None = None
) -> PlanInC:
    """Plan the C of what is left to the processor.

    Args:
        program: The whole program.
        frame: What the engine does of it.
        name: Begins every C name and file name.
        task: What the task adds; None: a bare network.

    Raises:
        TatamiError: As C's own plan does: for a name that C has not got, and for a network that is
            not what its spec says.
    """
    given = tuple(name for name in program.inputs if name in frame.inputs)
    steps = tuple(Elsewhere(f"engine: {value}", given, value) for value in taken(frame))
    left = Program(
        (*steps, *frame.tail), program.values, program.inputs, program.outputs, program.spec
    )
    return plan_programs({"": left}, name, task=task)


def taken(frame: Frame) -> tuple[str, ...]:
    """Name the values that the processor takes from the engine."""
    left = {step.output for step in frame.tail}
    wanted = [*(name for step in frame.tail for name in step.inputs), *frame.given]
    return tuple(dict.fromkeys(name for name in wanted if name not in {*left, *frame.taken}))


def driver_files(frame: Frame, plan: PlanInC) -> dict[str, bytes]:
    """Write the driver, and the network's own C.

    Args:
        frame: What the engine does.
        plan: What is left to the processor, of ``plan_driver``.

    Returns:
        The bytes of each file by its name.
    """
    name = plan.name
    shipped = emit_plan(plan)
    own = {
        file: content
        for file, content in shipped.files.items()
        if file not in (*PROVING, "Makefile", "main.c")
    }
    sources = [f"{name}_rtl.c", "tatami_rtl.c", f"{name}_rtl_image.S"]
    sources += [file for file in own if file.endswith((".c", ".S"))]
    whole = image(frame)
    size = max(frame.end, frame.constants_at + len(whole))
    texts = {
        "net_rtl.c": filled(text("net_rtl.c"), tables=_tables(frame, len(whole), size)),
        "net_rtl.h": filled(text("net_rtl.h"), size=str(size)),
        "net_rtl_image.S": text("image.S"),
    }
    written = {file.replace("net", name): renamed(each, name) for file, each in texts.items()}
    written |= {file: text(file) for file in ("tatami_rtl.c", "tatami_rtl.h")}
    if shipped.example is not None:
        example = renamed(text("main.c"), name)
        written["main.c"] = filled(example, example=shipped.files["main.c"].decode())
        make = filled(text("Makefile"), sources=" ".join(sources))
        written["Makefile"] = renamed(make, name)
    return {
        **own,
        **{file: content.encode() for file, content in written.items()},
        image_file(name): whole,
    }


def image_file(name: str) -> str:
    """Name the file of what the driver puts into memory once."""
    return f"{name}_rtl.bin"


def image(frame: Frame) -> bytes:
    """Give the bytes of memory from the constants to the end of the program."""
    begin = frame.constants.ljust(frame.commands_at - frame.constants_at, b"\0")
    return begin + frame.commands + bytes(-len(frame.commands) % frame.core.bus)


def divided(frame: Mapping[str, Any], whole: bytes) -> tuple[bytes, bytes]:
    """Divide an image into commands and constants.

    Args:
        frame: What rtl.json says of the frame.
        whole: The image.
    """
    constants, commands = frame["constants"], frame["commands"]
    begin = commands["address"] - constants["address"]
    return whole[begin : begin + commands["bytes"]], whole[: constants["bytes"]]


def shape_word(core: Core) -> int:
    """Give what the register SHAPE of an engine reads."""
    return core.lanes | core.pixels << 16 | core.rq << 24


def memory_word(core: Core) -> int:
    """Give what the register MEMORY of an engine reads."""
    return core.map | core.acc << 18 | core.ring << 24 | (core.bus.bit_length() - 1) << 29


def text(file: str) -> str:
    """Read a file of drivers/, as it is."""
    return files("tatami.ship.rtl").joinpath("drivers", file).read_text(encoding="utf-8")


def _tables(frame: Frame, image_bytes: int, size: int) -> str:
    """Write where the maps lie in memory, and what the engine is told."""
    arrays: list[str] = []
    inputs = [
        _map(arrays, f"input{index}", planes, (0, len(planes.lies)), None)
        for index, planes in enumerate(frame.inputs.values())
    ]
    results: list[str] = []
    begins = [0]
    for value in taken(frame):
        channels = frame.values[value].shape[0]
        scale = None
        if value in frame.scales:
            scale = f"net_rtl_scale{len(begins) - 1}"
            numbers = [number(each) for each in frame.scales[value].tolist()]
            arrays.append(f"static const float {scale}[] = {{\n{_rows(numbers)}}};")
        first = 0
        for planes in frame.parts(value):
            label = f"result{len(results)}"
            results.append(_map(arrays, label, planes, (first, channels), scale))
            first += len(planes.lies)
        begins.append(len(results))
    core = frame.core
    program_bytes = len(frame.commands) + -len(frame.commands) % core.bus
    told = (
        f"{shape_word(core):#010x}u, {memory_word(core):#010x}u, net_rtl_image, "
        f"{frame.constants_at}u, {image_bytes}u, {frame.commands_at}u, {program_bytes}u, {size}u"
    )
    return "\n\n".join(
        [
            *arrays,
            f"static const tatami_rtl_map net_rtl_inputs[] = {{\n{''.join(inputs)}}};",
            f"static const tatami_rtl_map net_rtl_results[] = {{\n{''.join(results)}}};",
            "/* Where the parts of each result begin. */\n"
            f"static const int net_rtl_parts[] = {{{', '.join(map(str, begins))}}};",
            "extern const uint8_t net_rtl_image[];\n"
            f"static const tatami_rtl_network net_rtl = {{\n    {told}}};",
        ]
    )


def _map(
    arrays: list[str], label: str, planes: Planes, of: tuple[int, int], scale: str | None
) -> str:
    """Write a map's row, and before it the places of its channels where they are not in order.

    Args:
        arrays: Takes what stands before it.
        label: Of the map.
        planes: Where it lies.
        of: Where its channels begin in the whole map, and how many that has.
        scale: The array of what its sums stand for; None: it has bytes.
    """
    _, rows, columns = planes.shape
    channels, lies = len(planes.lies), "NULL"
    if planes.lies != tuple(range(channels)):
        lies = f"net_rtl_{label}_lies"
        places = _rows([str(place) for place in planes.lies])
        arrays.append(f"static const uint16_t {lies}[] = {{\n{places}}};")
    values = (
        planes.address, channels, rows, columns, planes.channels, *of, lies, scale or "NULL"
    )  # fmt: skip
    return f"    {{{', '.join(map(str, values))}}},\n"


def _rows(numbers: Sequence[str]) -> str:
    lines = [", ".join(numbers[i : i + 8]) for i in range(0, len(numbers), 8)]
    return "".join(f"    {line},\n" for line in lines)
