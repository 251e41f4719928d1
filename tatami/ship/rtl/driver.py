"""What a processor beside the engine needs in C99: the driver, a network's tables, an example.

The network itself is shipped as C beside it. Of that, the picture rule, the decoding and what
follows are used as they are, and the engine takes the place of its loops.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.resources import files

import numpy as np

from tatami.errors import TatamiError
from tatami.ship.rtl.core import Core
from tatami.ship.rtl.lower import Lowered, Planes

VERSION = 0x0001_0000
"""Of the registers, as tatami_axi.v has it."""


def shape_word(core: Core) -> int:
    """Give what the register SHAPE of an engine reads."""
    return core.lanes | core.pixels << 16 | core.rq << 24


def memory_word(core: Core) -> int:
    """Give what the register MEMORY of an engine reads."""
    return core.map | core.acc << 18 | core.ring << 24 | (core.bus.bit_length() - 1) << 29


def driver_files(lowered: Lowered, name: str) -> dict[str, bytes]:
    """Write the driver for a detector.

    Args:
        lowered: The network, lowered for the engine.
        name: What the network's C is called, as ``NAME.c``.

    Returns:
        The bytes of each file by its name; they go beside the network's C.

    Raises:
        TatamiError: Where the processor must do steps after the engine's, or an output leaves as
            bytes: those have no driver.
    """
    if lowered.tail:
        raise TatamiError(
            f"the driver cannot do '{lowered.tail[0].output}', which comes after the engine",
            hint="cut the network there",
        )
    program = lowered.program
    if len(program.inputs) != 1:
        raise TatamiError(
            f"the network has {len(program.inputs)} inputs",
            hint="the driver takes networks with one",
        )
    (given,) = lowered.inputs.values()
    tables = [_map("input", given, program.values[program.inputs[0]].shape[0])]
    get, maps = "", ""
    for index, output in enumerate(program.outputs):
        scale = lowered.scales.get(output)
        if scale is None or output not in lowered.streams:
            raise TatamiError(
                f"'{output}' leaves the engine as bytes", hint="the driver takes real numbers"
            )
        channels, rows, columns = program.values[output].shape
        numbers = _rows([f"{float(each)!r}f" for each in np.asarray(scale, np.float32)])
        tables.append(f"static const float net_rtl_scale{index}[] = {{\n{numbers}}};")
        for part, planes in enumerate(lowered.streams[output]):
            label = f"output{index}_{part}"
            tables.append(_map(label, planes, channels))
            taken = f"&net_rtl_{label}, net_rtl_scale{index}, map{index}"
            get += f"    tatami_rtl_sums(net_engine, {taken});\n"
        maps += f"    static float map{index}[{rows * columns * channels}];\n"
    count = len(program.outputs)
    names = ", ".join(f"map{index}" for index in range(count))
    maps += f"    static const float *const maps[{count}] = {{{names}}};\n"
    tables.append(_network(lowered))
    parts = {
        "tables": "\n\n".join(tables),
        "arguments": "".join(f", NET_OUTPUT *map{index}" for index in range(count)),
        "get": get,
        "maps": maps,
        "given": "".join(f", map{index}" for index in range(count)),
        "size": str(_size(lowered)),
    }
    written = {
        file.replace("net", name): named(_filled(text(file), parts), name)
        for file in ("net_rtl.c", "net_rtl.h")
    }
    written |= {
        f"{name}_rtl_image.S": named(text("image.S"), name),
        "main_rtl.c": named(text("main_rtl.c"), name),
        "rtl.mk": named(text("rtl.mk"), name),
        "tatami_rtl.c": text("tatami_rtl.c"),
        "tatami_rtl.h": text("tatami_rtl.h"),
    }
    return {file: content.encode() for file, content in written.items()} | {
        f"{name}_rtl.bin": image(lowered)
    }


def image(lowered: Lowered) -> bytes:
    """Give the bytes of memory from the constants to the end of the program."""
    program = np.asarray(lowered.words, "<u4").tobytes()
    return _padded(lowered.constants, lowered.program_at - lowered.constants_at) + _padded(
        program, lowered.core.bus
    )


def text(file: str) -> str:
    """Read a file of drivers/, as it is."""
    return files("tatami.ship.rtl").joinpath("drivers", file).read_text(encoding="utf-8")


def named(source: str, name: str) -> str:
    """Give a text the network's own name in place of ``net``."""
    return re.sub(r"\bNET_", f"{name.upper()}_", re.sub(r"\bnet(?=[_.])", name, source))


def _filled(template: str, parts: Mapping[str, str]) -> str:
    for key, part in parts.items():
        template = template.replace(f"@{key}@", part.removesuffix("\n") if key == "maps" else part)
    return template


def _padded(content: bytes, unit: int) -> bytes:
    return content + bytes(-len(content) % unit)


def _rows(numbers: Sequence[str]) -> str:
    lines = [", ".join(numbers[i : i + 8]) for i in range(0, len(numbers), 8)]
    return "".join(f"    {line},\n" for line in lines)


def _map(label: str, planes: Planes, whole: int) -> str:
    """Write a map's table, and the places of its channels where they are not in order."""
    _, rows, columns = planes.shape
    channels = len(planes.lies)
    before, lies = "", "NULL"
    if planes.lies != tuple(range(channels)):
        lies = f"net_rtl_{label}_lies"
        numbers = _rows([str(place) for place in planes.lies])
        before = f"static const uint16_t {lies}[] = {{\n{numbers}}};\n"
    values = (
        f"{planes.address}u, {channels}, {rows}, {columns}, {planes.channels}, {planes.sample}, "
        f"{planes.part}, {whole}, {lies}"
    )
    return f"{before}static const tatami_rtl_map net_rtl_{label} = {{{values}}};"


def _network(lowered: Lowered) -> str:
    core = lowered.core
    content = image(lowered)
    program = 4 * len(lowered.words)
    numbers = (
        f"{shape_word(core):#010x}u, {memory_word(core):#010x}u, net_rtl_image, "
        f"{lowered.constants_at}u, {len(content)}u, {lowered.program_at}u, "
        f"{program + -program % core.bus}u, {_size(lowered)}u"
    )
    return (
        "extern const uint8_t net_rtl_image[];\n"
        f"static const tatami_rtl_network net_rtl = {{\n    {numbers}}};"
    )


def _size(lowered: Lowered) -> int:
    return max(lowered.end, lowered.constants_at + len(image(lowered)))
