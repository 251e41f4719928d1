"""A detector in two stages as a folder of C: two networks, and what lies between them.

Each network is emitted as one without rules for pictures and boxes, NAME_features and NAME_head;
kernels/two_stage.c, with the picture rule and the decoding rule, calls them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod

from tatami import __version__
from tatami.errors import TatamiError
from tatami.graph.metadata import to_metadata
from tatami.picture import MAX_SIDE
from tatami.ship.c.emit import FORMAT, Shipped, Weights, beginning, emit, grids, levels
from tatami.ship.c.operator import DEFAULT, Options, number
from tatami.ship.c.targets import target_of
from tatami.ship.c.text import banner, c_string, kernel, renamed, text
from tatami.ship.program import Program
from tatami.types import Decoding, TwoStageSpec

HALVES = ("features", "head")


@dataclass(frozen=True)
class ShippedTwoStage:
    """files: content by name.  features, head: both networks as they are shipped."""

    name: str
    files: Mapping[str, bytes]
    features: Shipped
    head: Shipped


def emit_two_stage(
    features: Program,
    head: Program,
    name: str,
    weights: Weights = "auto",
    options: Options = DEFAULT,
) -> ShippedTwoStage:
    """The files of a detector whose two networks' programs these are; arguments are ``emit``'s.

    Raises TatamiError for programs that are no such two, or that hold integers, and as ``emit``.
    """
    spec = features.spec
    if not isinstance(spec, TwoStageSpec) or not isinstance(head.spec, TwoStageSpec):
        raise TatamiError("not a detector in two stages", mend="ship its two networks")
    for program in (features, head):
        ends = (*program.inputs, *program.outputs)
        if any(program.values[end].quantization is not None for end in ends):
            raise TatamiError(
                "a detector in two stages is shipped in float32", mend="ship the folded networks"
            )
    halves = [
        emit(replace(program, spec=None), f"{name}_{half}", weights, options)
        for program, half in zip((features, head), HALVES, strict=True)
    ]
    files: dict[str, bytes] = {}
    for shipped in halves:
        kept = {file: data for file, data in shipped.files.items() if file.startswith(shipped.name)}
        files |= kept
    texts = {
        f"{name}.h": _header(spec, name),
        f"{name}.c": _source(spec, features, head, name, options),
        "Makefile": _makefile(spec, name, files, options),
        "network.json": _description(spec, name, options),
    }
    if spec.proposals is not None:
        main = text("main.c").replace("@ppm@", text("ppm.c"))
        main = main.replace("@tell@", text("tell_detections.c"))
        texts["main.c"] = renamed(main, name)
    files |= {file: content.encode() for file, content in texts.items()}
    return ShippedTwoStage(name, files, *halves)


def _defines(values: Mapping[str, object], name: str) -> str:
    return renamed("\n".join(f"#define NET_{key} {value}" for key, value in values.items()), name)


def _header(spec: TwoStageSpec, name: str) -> str:
    values = {
        "WIDTH": spec.input.size.width,
        "HEIGHT": spec.input.size.height,
        "INPUT": "float",
        "CLASSES": len(spec.classes),
        "MAX_SIDE": MAX_SIDE,
        "MAX_DETECTIONS": spec.decoding.max_detections,
        "SCORE_THRESHOLD": number(spec.decoding.score_threshold),
    }
    header = text("two_stage.h").replace("@constants@", _defines(values, name))
    function = "two_stage_detect.h" if spec.proposals is not None else "two_stage_detect_in.h"
    return banner() + renamed(header.replace("@detect@", text(function).rstrip()), name)


def _source(
    spec: TwoStageSpec, features: Program, head: Program, name: str, options: Options
) -> str:
    map_, *maps = (features.values[output].shape for output in features.outputs)
    decoding, proposals = spec.decoding, spec.proposals
    pictures = spec.input
    names = f"{name}_class_names[{name.upper()}_CLASSES]"
    classes = ",\n    ".join(c_string(each) for each in spec.classes)
    channels, rows, columns = map_
    values = {
        "LETTERBOX": int(pictures.resize == "letterbox"),
        "DARKNET": int(pictures.filter == "darknet"),
        **levels(pictures, features.values[features.inputs[0]]),
        "PLANES": "{0, 1, 2}" if pictures.channels == "rgb" else "{2, 1, 0}",
        "FEATURE_CHANNELS": channels,
        "FEATURE_ROWS": rows,
        "FEATURE_COLUMNS": columns,
        "BIN_ROWS": decoding.bins.height,
        "BIN_COLUMNS": decoding.bins.width,
        "STRIDE": f"{decoding.stride}.0",
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
        f'#include "{name}_features.h"\n#include "{name}_head.h"\n',
        f"const char *const {names} = {{\n    {classes},\n}};\n",
        _defines(values, name) + "\n",
        kernel("exponential.c", name),
    ]
    if proposals is not None:
        parts += _proposals(proposals, maps, name)
    picture = "picture_darknet.c" if pictures.filter == "darknet" else "picture.c"
    parts += [kernel(file, name) for file in ("placement.c", picture)]
    parts += [kernel(file, name) for file in ("candidates.c", "suppress.c", "two_stage.c")]
    return "\n".join(parts)


def _rule(scores: str, variances: tuple[float, float], candidates: int) -> dict[str, object]:
    return {
        "SCORES_SOFTMAX": int(scores == "softmax"),
        "SCORES_SIGMOID": int(scores == "sigmoid"),
        "VARIANCE_OF_CENTRE": number(variances[0]),
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


def _makefile(spec: TwoStageSpec, name: str, files: Mapping[str, bytes], options: Options) -> str:
    sources = [f"{name}.c", *(file for file in sorted(files) if file.endswith((".c", ".S")))]
    libraries = "-lm -lpthread" if options.threads > 1 else "-lm"
    if spec.proposals is None:
        objects = " ".join(f"{source.rpartition('.')[0]}.o" for source in sources)
        rules = "\n\n".join(
            f"{source.rpartition('.')[0]}.o: {source}\n\t$(CC) -std=c99 $(CFLAGS) -c -o $@ {source}"
            for source in sources
        )
        return f"CC = cc\nCFLAGS = -O3\n\nall: {objects}\n\n{rules}\n"
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
