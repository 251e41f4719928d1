"""A Spec in an ONNX file's metadata: five keys of JSON text, read back strictly.

tatami.task        "detect"; or "classify" or "segment", and then there is no decoding; or
                   "detect in two stages", and then there are two keys more
tatami.classes     ["aeroplane", ...]
tatami.input       {"size": "416x320", "resize": "letterbox", "filter": "triangle", ...}
tatami.rules.decoding    {"kind": "yolov2", "grids": [{"anchors": [[34.5, 38.1], ...], ...}], ...}
tatami.proposals   a decoding as that, or null; then tatami.rules.decoding is one of regions
tatami.part        "features" or "head"
tatami.provenance  {"recipe": "...", "folded": "...", ...}
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields
from typing import Any

from tatami.errors import TatamiError
from tatami.types import (
    AnchorGrid,
    ClassificationSpec,
    Decoding,
    DetectionSpec,
    InputSpec,
    RegionDecoding,
    SegmentationSpec,
    Size,
    Spec,
    TwoStageSpec,
    detector_spec,
)

PREFIX = "tatami."
KEYS = {
    "detect": ("task", "classes", "input", "decoding", "provenance"),
    "classify": ("task", "classes", "input", "provenance"),
    "segment": ("task", "classes", "input", "provenance"),
    "detect in two stages": (
        *("task", "classes", "input", "proposals", "decoding", "part", "provenance"),
    ),
}
"""What there is to say, by task."""
_TASKS = {
    DetectionSpec: "detect",
    ClassificationSpec: "classify",
    SegmentationSpec: "segment",
    TwoStageSpec: "detect in two stages",
}


def to_metadata(spec: Spec) -> dict[str, str]:
    """The entries that say ``spec``. Raises TatamiError for one that could not be read back."""
    content: dict[str, Any] = {
        "task": _TASKS[type(spec)],
        "classes": list(spec.classes),
        "input": {
            **asdict(spec.input),
            "size": str(spec.input.size),
            "pad": float(spec.input.pad),
        },
        "provenance": dict(spec.provenance),
    }
    if isinstance(spec, DetectionSpec):
        content["decoding"] = asdict(spec.decoding)
    if isinstance(spec, TwoStageSpec):
        content["decoding"] = asdict(spec.decoding) | {"bins": str(spec.decoding.bins)}
        content["proposals"] = None if spec.proposals is None else asdict(spec.proposals)
        content["part"] = spec.part
    keys = KEYS[content["task"]]
    entries = {PREFIX + key: json.dumps(content[key], ensure_ascii=False) for key in keys}
    from_metadata(entries)
    return entries


def from_metadata(entries: Mapping[str, str]) -> Spec | None:
    """The spec that a file's metadata says; None where it has no ``tatami.`` entry at all.

    Raises TatamiError for a missing or unknown key, and for any value that is not as it should be.
    """
    found = {key.removeprefix(PREFIX) for key in entries if key.startswith(PREFIX)}
    if not found:
        return None
    task = _json("tatami.task", entries["tatami.task"]) if "task" in found else "detect"
    if not isinstance(task, str) or task not in KEYS:
        raise _bad("tatami.task", f"is {task!r}, not one of {', '.join(map(repr, KEYS))}")
    for key in sorted(set(KEYS[task]) - found):
        raise _bad(PREFIX + key, "is missing")
    for key in sorted(found - set(KEYS[task])):
        raise _bad(PREFIX + key, f"is not a key that Tatami knows for the task '{task}'")
    content = {key: _json(PREFIX + key, entries[PREFIX + key]) for key in KEYS[task]}
    if task == "detect in two stages":
        proposals = content["proposals"]
        return TwoStageSpec(
            _classes(content["classes"]),
            _input(_members("tatami.input", content["input"], InputSpec)),
            None
            if proposals is None
            else _decoding(_members("tatami.proposals", proposals, Decoding), "tatami.proposals"),
            _region_decoding(
                _members("tatami.rules.decoding", content["decoding"], RegionDecoding)
            ),
            _one_of("tatami.part", "a value", content["part"], ("features", "head")),
            _provenance(content["provenance"]),
        )
    if task != "detect":
        kind = ClassificationSpec if task == "classify" else SegmentationSpec
        return kind(
            _classes(content["classes"]),
            _input(_members("tatami.input", content["input"], InputSpec)),
            _provenance(content["provenance"]),
        )
    return DetectionSpec(
        "detect",
        _classes(content["classes"]),
        _input(_members("tatami.input", content["input"], InputSpec)),
        _decoding(_members("tatami.rules.decoding", _as_now(content["decoding"]), Decoding)),
        _provenance(content["provenance"]),
    )


def from_json(content: object, provenance: Mapping[str, str]) -> DetectionSpec:
    """A spec that a person wrote: {"classes": [...], "input": {...}, "decoding": {...}}, where what
    has a default may be left out. Raises TatamiError as ``from_metadata`` does.
    """
    if not isinstance(content, dict) or set(content) != {"classes", "input", "decoding"}:
        raise TatamiError(
            "a spec has the members classes, input and decoding, and no others",
            hint="see docs/importing.md",
        )
    filled = {
        "task": "detect",
        "classes": content["classes"],
        "input": _with_defaults(content["input"], InputSpec),
        "decoding": _with_defaults(content["decoding"], Decoding),
        "provenance": dict(provenance),
    }
    grids = filled["decoding"].get("grids") if isinstance(filled["decoding"], dict) else None
    if isinstance(grids, list):
        filled["decoding"]["grids"] = [_with_defaults(grid, AnchorGrid) for grid in grids]
    spec = from_metadata({PREFIX + key: json.dumps(filled[key]) for key in KEYS["detect"]})
    assert spec is not None
    return detector_spec(spec)


def _with_defaults(value: Any, kind: type[InputSpec] | type[Decoding] | type[AnchorGrid]) -> Any:
    if not isinstance(value, dict):
        return value
    defaults = {f.name: f.default for f in fields(kind) if f.default is not MISSING}
    return {**defaults, **value}


def _as_now(decoding: Any) -> Any:
    """A decoding with what files did not say once, as it was then."""
    return {"agnostic": False, **decoding} if isinstance(decoding, dict) else decoding


def _classes(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise _bad("tatami.classes", "is not a list of names")
    if not all(isinstance(name, str) and name for name in value) or len(set(value)) < len(value):
        raise _bad("tatami.classes", "has a name that is empty, doubled or not text")
    return tuple(value)


def _input(members: dict[str, Any]) -> InputSpec:
    key = "tatami.input"
    if not isinstance(members["size"], str):
        raise _bad(key, "has a size that is not text as '416x320'")
    mean = _numbers(key, "mean", members["mean"], 3)
    scale = _numbers(key, "scale", members["scale"], 3)
    filter_ = _one_of(key, "filter", members["filter"], ("triangle", "darknet"))
    (pad,) = _numbers(key, "pad", [members["pad"]], 1)
    if not 0 <= pad <= 255 or (filter_ == "triangle" and pad != int(pad)):
        raise _bad(key, "has a pad that is not a whole number from 0 to 255 (of darknet's, any)")
    return InputSpec(
        Size.parse(members["size"]),
        _one_of(key, "resize", members["resize"], ("letterbox", "stretch")),
        filter_,
        _one_of(key, "channels", members["channels"], ("rgb", "bgr")),
        (mean[0], mean[1], mean[2]),
        (scale[0], scale[1], scale[2]),
        pad,
    )


def _decoding(members: dict[str, Any], key: str = "tatami.rules.decoding") -> Decoding:
    grids = members["grids"]
    if not isinstance(grids, list) or not 0 < len(grids) <= 64:
        raise _bad(key, "has no grids")
    shares = {
        name: _numbers(key, name, [members[name]], 1)[0]
        for name in ("score_threshold", "iou_threshold")
    }
    for name, share in shares.items():
        if not 0 <= share <= 1:
            raise _bad(key, f"has a {name} outside 0 to 1")
    center, side = _positive(key, "variances", members["variances"], 2)
    if type(members["agnostic"]) is not bool:
        raise _bad(key, "has a member agnostic that is not true or false")
    return Decoding(
        _one_of(key, "kind", members["kind"], ("yolov1", "yolov2", "yolov3", "ssd")),
        tuple(_grid(_members(key, grid, AnchorGrid)) for grid in grids),
        _one_of(key, "scores", members["scores"], ("softmax", "sigmoid", "linear")),
        (center, side),
        _one_of(key, "nms", members["nms"], ("iou", "diou")),
        shares["score_threshold"],
        shares["iou_threshold"],
        _whole(key, "max_candidates", members["max_candidates"], 1, 10**6),
        _whole(key, "max_detections", members["max_detections"], 1, 10**6),
        members["agnostic"],
    )


def _region_decoding(members: dict[str, Any]) -> RegionDecoding:
    key = "tatami.rules.decoding"
    if not isinstance(members["bins"], str):
        raise _bad(key, "has bins that are not text as '7x7'")
    shares = {
        name: _numbers(key, name, [members[name]], 1)[0]
        for name in ("score_threshold", "iou_threshold", "least_side")
    }
    for name in ("score_threshold", "iou_threshold"):
        if not 0 <= shares[name] <= 1:
            raise _bad(key, f"has a {name} outside 0 to 1")
    if shares["least_side"] < 0:
        raise _bad(key, "has a least_side below 0")
    if type(members["agnostic"]) is not bool:
        raise _bad(key, "has a member agnostic that is not true or false")
    center, side = _positive(key, "variances", members["variances"], 2)
    bins = Size.parse(members["bins"])
    if max(bins.width, bins.height) > 64:
        raise _bad(key, "has more than 64 bins a side")
    return RegionDecoding(
        _one_of(key, "kind", members["kind"], ("pool", "warp")),
        bins,
        _whole(key, "stride", members["stride"], 1, 1024),
        _whole(key, "context", members["context"], 0, 1024),
        _one_of(key, "scores", members["scores"], ("softmax", "sigmoid")),
        (center, side),
        shares["least_side"],
        _whole(key, "max_regions", members["max_regions"], 1, 10**6),
        _one_of(key, "nms", members["nms"], ("iou", "diou")),
        members["agnostic"],
        shares["score_threshold"],
        shares["iou_threshold"],
        _whole(key, "max_candidates", members["max_candidates"], 1, 10**6),
        _whole(key, "max_detections", members["max_detections"], 1, 10**6),
    )


def _grid(members: dict[str, Any]) -> AnchorGrid:
    key = "tatami.rules.decoding"
    pairs = members["anchors"]
    if not isinstance(pairs, list) or not pairs:
        raise _bad(key, "has no anchors")
    anchors = [_positive(key, "anchors", pair, 2) for pair in pairs]
    x, y = _positive(key, "stride", members["stride"], 2)
    (scale,) = _positive(key, "xy_scale", [members["xy_scale"]], 1)
    return AnchorGrid(tuple((width, height) for width, height in anchors), (x, y), scale)


def _provenance(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise _bad("tatami.provenance", "is not a table of texts")
    return dict(value)


def _json(key: str, text: str) -> Any:
    def refuse(constant: str) -> Any:
        raise ValueError(f"{constant} is not a number")

    try:
        return json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise _bad(key, f"is not JSON: {error}") from None


_Kind = type[InputSpec] | type[Decoding] | type[AnchorGrid] | type[RegionDecoding]


def _members(key: str, value: object, kind: _Kind) -> dict[str, Any]:
    """The members of a JSON object, exactly those of the dataclass."""
    if not isinstance(value, dict):
        raise _bad(key, "is not a JSON object")
    names = {field.name for field in fields(kind)}
    for name in sorted(names ^ set(value)):
        raise _bad(key, f"{'lacks' if name in names else 'has an unknown'} member '{name}'")
    return value


def _one_of(key: str, name: str, value: object, allowed: tuple[Any, ...]) -> Any:
    if value not in allowed:
        raise _bad(key, f"has {name} {value!r}, not one of {', '.join(allowed)}")
    return value


def _whole(key: str, name: str, value: object, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise _bad(key, f"has a {name} that is not a whole number from {low} to {high}")
    return value


def _numbers(key: str, name: str, value: object, count: int) -> tuple[float, ...]:
    if (
        not isinstance(value, list)
        or len(value) != count
        or not all(type(one) in (int, float) and math.isfinite(one) for one in value)
    ):
        raise _bad(key, f"has a {name} that is not {count} finite number{'s' * (count > 1)}")
    return tuple(float(one) for one in value)


def _positive(key: str, name: str, value: object, count: int) -> tuple[float, ...]:
    numbers = _numbers(key, name, value, count)
    if min(numbers) <= 0:
        raise _bad(key, f"has a {name} that is not positive")
    return numbers


def _bad(key: str, reason: str) -> TatamiError:
    return TatamiError(
        f"the metadata entry {key} {reason}", hint="export the network again with tatami"
    )
