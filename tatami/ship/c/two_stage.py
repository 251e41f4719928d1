"""A detector in two stages as a folder of C: two networks, and what lies between them.

Each network is emitted as one without rules for pictures and boxes, NAME_features and NAME_head (of
R-CNN, which warps regions of the picture, the head alone); kernels/two_stage.c, with the picture
rule and the decoding rule, calls them. Beside each lies what `tatami prove` asks it by.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod

from tatami import __version__
from tatami.errors import TatamiError
from tatami.graph.metadata import to_metadata
from tatami.program.steps import Dequantize, Program
from tatami.rules.picture import MAX_SIDE
from tatami.ship.c.emit import FORMAT, Shipped, Weights, beginning, emit, filled, grids, levels
from tatami.ship.c.operator import DEFAULT, Options, c_type, number
from tatami.ship.c.run import PROVING, part_file
from tatami.ship.c.targets import target_of
from tatami.ship.c.text import banner, c_string, kernel, renamed, text
from tatami.types import Decoding, RegionDecoding, TwoStageSpec

HALVES = ("features", "head")


@dataclass(frozen=True)
class ShippedTwoStage:
    """files: content by name.  programs, networks: of each network, by what it is of HALVES."""

    name: str
    files: Mapping[str, bytes]
    programs: Mapping[str, Program]
    networks: Mapping[str, Shipped]


def emit_two_stage(
    features: Program | None,
    head: Program,
    name: str,
    weights: Weights = "auto",
    options: Options = DEFAULT,
) -> ShippedTwoStage:
    """The files of a detector whose networks' programs these are; arguments are ``emit``'s.

    features: None of one that warps regions.

    Raises TatamiError for programs that are no such two, or of which only one has the feature map
    as bytes, and as ``emit``.
    """
    first = head if features is None else features
    spec = first.spec
    if (
        not isinstance(spec, TwoStageSpec)
        or not isinstance(head.spec, TwoStageSpec)
        or (features is None) != (spec.decoding.kind == "warp")
    ):
        raise TatamiError("not a detector in two stages", hint="ship its two networks")
    if features is not None:
        first = features = as_taken(features, head)
    both = (head,) if features is None else (features, head)
    programs = dict(zip(halves_of(spec), both, strict=True))
    networks = {
        half: emit(replace(program, spec=None), f"{name}_{half}", weights, options)
        for half, program in programs.items()
    }
    files: dict[str, bytes] = {}
    for shipped in networks.values():
        files |= {
            file: data for file, data in shipped.files.items() if file.startswith(shipped.name)
        }
    makefile = _makefile(name, files, options)
    for shipped in networks.values():
        files |= {part_file(shipped.name, file): shipped.files[file] for file in PROVING}
    told = "tell_own.c" if spec.proposals is not None else "tell_given.c"
    texts = {
        f"{name}.h": _header(spec, first, name),
        f"{name}.c": _source(spec, features, head, name, options),
        "Makefile": makefile,
        "network.json": _description(spec, name, options),
        "main.c": renamed(filled(text("main.c"), "tell_detections.c", told), name),
    }
    files |= {file: content.encode() for file, content in texts.items()}
    return ShippedTwoStage(name, files, programs, networks)


def halves_of(spec: TwoStageSpec) -> tuple[str, ...]:
    """What the networks of a detector in two stages are called, in order."""
    return HALVES[1:] if spec.decoding.kind == "warp" else HALVES


def as_taken(features: Program, head: Program) -> Program:
    """The first network with its feature map as the head takes it: where that is bytes, as the
    bytes that its last step only says in float32. Regions are pooled of those, exactly: the bytes
    and the numbers that they stand for have one order.

    Raises TatamiError where the feature map is not in these bytes.
    """
    taken = head.values[head.inputs[0]].quantization
    if taken is None:
        return features
    name, *maps = features.outputs
    last = next((step for step in features.steps if step.output == name), None)
    if not isinstance(last, Dequantize) or features.values[last.inputs[0]].quantization != taken:
        raise TatamiError(
            "its head takes other bytes than the feature map is in",
            hint="quantize both networks at once, with `tatami quantize`",
        )
    bytes_ = last.inputs[0]
    if any(name in step.inputs for step in features.steps):  # in float32, too
        return replace(features, outputs=(bytes_, *maps))

    def named(value: str) -> str:
        return name if value == bytes_ else value

    steps = tuple(
        replace(step, inputs=tuple(map(named, step.inputs)), output=named(step.output))
        for step in features.steps
        if step is not last
    )
    values = {named(key): value for key, value in features.values.items() if key != name}
    return replace(features, steps=steps, values=values)


def _defines(values: Mapping[str, object], name: str) -> str:
    return renamed("\n".join(f"#define NET_{key} {value}" for key, value in values.items()), name)


def _header(spec: TwoStageSpec, first: Program, name: str) -> str:
    values = {
        "WIDTH": spec.input.size.width,
        "HEIGHT": spec.input.size.height,
        "INPUT": c_type(first.values[first.inputs[0]]),
        "CLASSES": len(spec.classes),
        "MAX_SIDE": MAX_SIDE,
        "MAX_DETECTIONS": spec.decoding.max_detections,
        "SCORE_THRESHOLD": number(spec.decoding.score_threshold),
    }
    header = text("two_stage.h").replace("@constants@", _defines(values, name))
    function = "two_stage_detect.h" if spec.proposals is not None else "two_stage_detect_in.h"
    return banner() + renamed(header.replace("@detect@", text(function).rstrip()), name)


def _source(
    spec: TwoStageSpec, features: Program | None, head: Program, name: str, options: Options
) -> str:
    decoding, proposals = spec.decoding, spec.proposals
    pictures, first = spec.input, features or head
    if features is None:  # what is warped is resized by the exact rule
        pictures = replace(pictures, filter="triangle")
    names = f"{name}_class_names[{name.upper()}_CLASSES]"
    classes = ",\n    ".join(c_string(each) for each in spec.classes)
    values = {
        "LETTERBOX": int(pictures.resize == "letterbox"),
        "DARKNET": int(pictures.filter == "darknet"),
        **levels(pictures, first.values[first.inputs[0]]),
        "PLANES": "{0, 1, 2}" if pictures.channels == "rgb" else "{2, 1, 0}",
        "WARPS": int(features is None),
        **(_warping(decoding) if features is None else _pooling(features, head, decoding)),
        "LEAST_SIDE": number(decoding.least_side),
        "MAX_REGIONS": decoding.max_regions,
        "PROPOSES": int(proposals is not None),
        "NUMBERS": head.values[head.outputs[0]].shape[0],
        **_rule(decoding.scores, decoding.variances, decoding.max_candidates),
        "DIOU": int(decoding.nms == "diou"),
        "AGNOSTIC": int(decoding.agnostic),
        "IOU_THRESHOLD": number(decoding.iou_threshold),
    }
    parts = [
        banner() + renamed(beginning(options, target_of(options.target)), name).lstrip(),
        "".join(f'#include "{name}_{half}.h"\n' for half in halves_of(spec)),
        f"const char *const {names} = {{\n    {classes},\n}};\n",
        _defines(values, name) + "\n",
        kernel("exponential.c", name),
    ]
    if features is not None and proposals is not None:
        maps = [features.values[output].shape for output in features.outputs[1:]]
        parts += _proposals(proposals, maps, name)
    picture = "picture_darknet.c" if pictures.filter == "darknet" else "picture.c"
    parts += [kernel(file, name) for file in ("placement.c", picture)]
    parts += [kernel(file, name) for file in ("candidates.c", "suppress.c", "two_stage.c")]
    return "\n".join(parts)


def _pooling(features: Program, head: Program, decoding: RegionDecoding) -> dict[str, object]:
    """What the kernel must know to pool regions."""
    taken = head.values[head.inputs[0]]
    channels, rows, columns = features.values[features.outputs[0]].shape
    return {
        "FEATURE": c_type(taken),
        "NOTHING": "0.0f" if taken.quantization is None else taken.quantization.zero_point,
        "FEATURE_CHANNELS": channels,
        "FEATURE_ROWS": rows,
        "FEATURE_COLUMNS": columns,
        "BIN_ROWS": decoding.bins.height,
        "BIN_COLUMNS": decoding.bins.width,
        "STRIDE": f"{decoding.stride}.0",
    }


def _warping(decoding: RegionDecoding) -> dict[str, object]:
    """What it must know to warp them."""
    return {"CONTEXT": decoding.context}


def _rule(scores: str, variances: tuple[float, float], candidates: int) -> dict[str, object]:
    return {
        "SCORES_SOFTMAX": int(scores == "softmax"),
        "SCORES_SIGMOID": int(scores == "sigmoid"),
        "VARIANCE_OF_CENTER": number(variances[0]),
        "VARIANCE_OF_SIDE": number(variances[1]),
        "MAX_CANDIDATES": candidates,
    }


def _proposals(proposals: Decoding, maps: list[tuple[int, int, int]], name: str) -> list[str]:
    """The decoding rule once more, for the proposals, under names of its own."""
    own = f"{name}_rpn"
    values = {
        "CLASSES": 1,
        "MAPS": len(maps),
        "GRIDS": len(proposals.grids),
        **{f"MAP{index}": prod(shape) for index, shape in enumerate(maps)},
        **_rule(proposals.scores, proposals.variances, proposals.max_candidates),
        "SCORE_THRESHOLD": number(proposals.score_threshold),
        "IOU_THRESHOLD": number(proposals.iou_threshold),
    }
    same = f"#define {own}_exp {name}_exp\n#define {own}_sigmoid {name}_sigmoid\n"
    parts = [_defines(values, own) + "\n" + same, renamed(grids(maps, proposals), own) + "\n"]
    return parts + [kernel(file, own) for file in ("candidates.c", "decode_ssd.c", "decode.c")]


def _makefile(name: str, files: Mapping[str, bytes], options: Options) -> str:
    sources = [f"{name}.c", *(file for file in sorted(files) if file.endswith((".c", ".S")))]
    libraries = "-lm -lpthread" if options.threads > 1 else "-lm"
    return f"""# `make` builds the example; another way: make CC=clang CFLAGS='-O3 -march=native'
CC = cc
CFLAGS = -O3

{name}_detect: main.c {" ".join(sources)} {name}.h
\t$(CC) -std=c99 $(CFLAGS) -o $@ main.c {" ".join(sources)} {libraries}
"""


def _description(spec: TwoStageSpec, name: str, options: Options) -> str:
    content = {
        "tatami": __version__,
        "format": FORMAT,
        "name": name,
        "stages": 2,
        "target": options.target,
        "threads": options.threads,
        "metadata": to_metadata(spec),
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"
