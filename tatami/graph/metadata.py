"""A Spec in an ONNX file's metadata: a few keys of JSON text, read back strictly.

tatami.task        "detect"; or "classify" or "segment", and then there is no decoding; or
                   "detect in two stages", and then there are two keys more
tatami.classes     ["aeroplane", ...]
tatami.input       {"size": "416x320", "resize": "letterbox", "filter": "triangle", ...}
tatami.decoding    {"kind": "yolov2", "grids": [{"anchors": [[34.5, 38.1], ...], ...}], ...}
tatami.proposals   a decoding as that, or null; then tatami.decoding is one of regions
tatami.part        "features" or "head"; of a translator "encoder" or "decoder"
tatami.text        of a translator {"merges": [[101, 32], ...], "max_source": 64, ...}
tatami.search      of a translator {"beam": 4, "penalty": 0.6}
tatami.provenance  {"recipe": "...", "folded": "...", ...}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from tatami.errors import TatamiError
from tatami.types import AnchorGrid, Decoding, DetectionSpec, InputSpec, Spec
from tatami.types.specs import SPECS
from tatami.types.strict import refuse

PREFIX = "tatami."


def to_metadata(spec: Spec) -> dict[str, str]:
    """Write the entries that say ``spec``. Raises TatamiError for one that cannot be read back."""
    content = {"task": spec.task, **spec.to_json()}
    entries = {
        PREFIX + key: json.dumps(content[key], ensure_ascii=False) for key in ("task", *spec.keys)
    }
    from_metadata(entries)
    return entries


def from_metadata(entries: Mapping[str, str]) -> Spec | None:
    """Read the spec that a file's metadata says; None where it has no ``tatami.`` entry at all.

    Raises TatamiError for a missing or unknown key, and for any value that is not as it should be.
    """
    found = {key.removeprefix(PREFIX) for key in entries if key.startswith(PREFIX)}
    if not found:
        return None
    task = _json("tatami.task", entries["tatami.task"]) if "task" in found else "detect"
    if not isinstance(task, str) or task not in SPECS:
        raise refuse("tatami.task", f"is {task!r}, not one of {', '.join(map(repr, SPECS))}")
    kind = SPECS[task]
    keys = {"task", *kind.keys}
    for key in sorted(keys - found):
        raise refuse(PREFIX + key, "is missing")
    for key in sorted(found - keys):
        raise refuse(PREFIX + key, f"is not a key that Tatami knows for the task '{task}'")
    return kind.from_json({key: _json(PREFIX + key, entries[PREFIX + key]) for key in kind.keys})


def from_json(content: object, provenance: Mapping[str, str]) -> DetectionSpec:
    """Read a spec that a person wrote, where what has a default may be left out.

    Args:
        content: {"classes": [...], "input": {...}, "decoding": {...}}.
        provenance: What the network was made by, and of what.

    Raises:
        TatamiError: As ``from_metadata`` does.
    """
    if not isinstance(content, dict) or set(content) != {"classes", "input", "decoding"}:
        raise TatamiError(
            "a spec has the members classes, input and decoding, and no others",
            hint="see docs/importing.md",
        )
    filled = {
        "classes": content["classes"],
        "input": _with_defaults(content["input"], InputSpec),
        "decoding": _with_defaults(content["decoding"], Decoding),
        "provenance": dict(provenance),
    }
    grids = filled["decoding"].get("grids") if isinstance(filled["decoding"], dict) else None
    if isinstance(grids, list):
        filled["decoding"]["grids"] = [_with_defaults(grid, AnchorGrid) for grid in grids]
    return DetectionSpec.from_json(json.loads(json.dumps(filled)))


def _with_defaults(value: Any, kind: type[InputSpec] | type[Decoding] | type[AnchorGrid]) -> Any:
    if not isinstance(value, dict):
        return value
    defaults = {f.name: f.default for f in fields(kind) if f.default is not MISSING}
    return {**defaults, **value}


def _json(key: str, text: str) -> Any:
    def refuse_constant(constant: str) -> Any:
        raise ValueError(f"{constant} is not a number")

    try:
        return json.loads(text, parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:
        raise refuse(key, f"is not JSON: {error}") from None
