"""What a shipped folder says of itself: network.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tatami.errors import TatamiError
from tatami.graph.metadata import from_metadata
from tatami.program.steps import Quantization, Value
from tatami.ship.c.files import DESCRIPTION, FORMAT, part_file
from tatami.ship.c.operator import C_TYPES
from tatami.types import Spec


@dataclass(frozen=True)
class Description:
    """Hold what network.json says.

    Args:
        name: Begins every C name.
        target: The machine that it was shipped for.
        threads: The most that it may be compiled for.
        spec: What it is for; None: a bare network.
        values: Shape and type of the inputs and of every step's output, in order, by name.
        inputs: Names of the inputs.
        outputs: Names of the outputs.
        steps: The value that each step makes, in order.
        states: Names of what lives from call to call.
        moments: Names of the values that are one column of many, of which each call makes the next.
    """

    name: str
    target: str
    threads: int
    spec: Spec | None
    values: Mapping[str, Value]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    steps: tuple[str, ...]
    states: tuple[str, ...] = ()
    moments: frozenset[str] = frozenset()


def describe(folder: Path, part: str = "") -> Description:
    """Read network.json, or that of a part, and check it.

    Raises:
        TatamiError: Where it is missing, damaged or of another version.
    """
    path = folder / part_file(part, DESCRIPTION)
    if not path.is_file():
        raise TatamiError(
            "there is no network.json: not a folder that Tatami shipped",
            hint="give the folder that shipping wrote",
            file=folder,
        )
    try:
        content = json.loads(path.read_bytes())
        if content["format"] != FORMAT:
            raise TatamiError(
                f"network.json has the format {content['format']!r}, not {FORMAT}",
                hint="ship again with this version",
                file=path,
            )
        return _checked(content)
    except (ArithmeticError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise TatamiError("network.json is damaged", hint="ship again", file=path) from None


def _checked(content: Mapping[str, Any]) -> Description:
    """Take network.json apart; any error of Python's says that it is damaged."""
    metadata = content["metadata"]
    values = {str(entry["name"]): _value(entry) for entry in content["values"]}
    about = Description(
        name=content["name"],
        target=str(content["target"]),
        threads=int(content["threads"]),
        spec=None if metadata is None else from_metadata(metadata),
        values=values,
        inputs=tuple(map(str, content["inputs"])),
        outputs=tuple(map(str, content["outputs"])),
        steps=tuple(str(step["output"]) for step in content["steps"]),
        states=tuple(map(str, content.get("states", ()))),
        moments=frozenset(map(str, content.get("moments", ()))),
    )
    name = about.name
    if not isinstance(name, str) or not name.replace("_", "a").isalnum() or not name.isascii():
        raise ValueError
    if not {*about.inputs, *about.outputs, *about.steps} <= set(values) or about.threads < 1:
        raise ValueError
    if metadata is not None and (about.spec is None or len(about.inputs) != 1):
        raise ValueError
    return about


def _value(entry: Mapping[str, Any]) -> Value:
    channels, rows, columns = map(int, entry["shape"])
    if min(channels, rows, columns) < 1:
        raise ValueError
    found = entry["quantization"]
    if found is None:
        dtype = entry.get("dtype", "float32")
        if dtype not in C_TYPES:
            raise ValueError
        return Value((channels, rows, columns), dtype=dtype)
    quantization = Quantization(float(found["scale"]), int(found["zero_point"]))
    return Value((channels, rows, columns), quantization)


# Several networks --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Joined:
    """Hold what network.json says of several networks, each of which has one of its own.

    Args:
        name: Begins every C name.
        target: The machine that they were shipped for.
        threads: The most that they may be compiled for.
        spec: What they are for together.
    """

    name: str
    target: str
    threads: int
    spec: Spec


def describe_joined(folder: Path) -> Joined | None:
    """Read network.json of several networks; None of one network, and where there is none.

    Raises:
        TatamiError: Where it is damaged or of another version.
    """
    path = folder / DESCRIPTION
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or "stages" not in content:
        return None
    try:
        spec = from_metadata(content["metadata"])
        if content["format"] != FORMAT or spec is None:
            raise ValueError
        return Joined(str(content["name"]), str(content["target"]), int(content["threads"]), spec)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise TatamiError("network.json is damaged", hint="ship again", file=path) from None
