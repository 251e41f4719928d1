"""A detector in two stages in C: two networks, and what lies between them.

Each network is emitted bare, as NAME_features and NAME_head (of R-CNN, which warps regions of the
picture, the head alone); kernels/two_stage.c, with the picture rule and the decoding rule, calls
them.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import weakref
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from tatami.errors import TatamiError
from tatami.program.join import as_taken
from tatami.program.steps import Program
from tatami.rules.picture import MAX_SIDE
from tatami.rules.regions import Propose
from tatami.ship.backend import Array, Plan, Programs
from tatami.ship.c.build import build_for
from tatami.ship.c.files import DESCRIPTION, description_of_several
from tatami.ship.c.operator import Options, c_type, number
from tatami.ship.c.run.description import describe_joined
from tatami.ship.c.run.network import HOST
from tatami.ship.c.run.predictor import Machine, ppm, refused
from tatami.ship.c.targets import target_of
from tatami.ship.c.tasks.base import StructureInC
from tatami.ship.c.tasks.boxes import example_of_boxes, grids, score_macros
from tatami.ship.c.tasks.picture import picture_files, picture_macros
from tatami.ship.c.text import banner, beginning, c_string, defines, filled, kernel, renamed, text
from tatami.types import (
    Decoding,
    Detections,
    InputSpec,
    Picture,
    RegionDecoding,
    TwoStageSpec,
)

HALVES = ("features", "head")


class CompiledTwoStage:
    """Implement ``types.Detector`` with the example program of a folder.

    The program is compiled to a temporary folder where the folder has none.

    Args:
        folder: The shipped folder.
        propose: Finds the regions of a picture, for a program that takes them from its caller.
        target: "host", or one of ship/c/targets.py, whose program runs in its emulator.
        built: Whether the built program in the folder may be run.

    Raises:
        TatamiError: Where there is no such folder, where it cannot be compiled or its emulator is
            missing, and for a board, whose program reads no pictures.
    """

    def __init__(
        self,
        folder: Path,
        propose: Propose | None = None,
        *,
        target: str = HOST,
        built: bool = True,
    ) -> None:
        self.folder = folder
        self._built = built
        self.target = target
        self._propose = propose
        about = describe_joined(folder)
        if about is None or not isinstance(about.spec, TwoStageSpec):
            raise TatamiError(
                "network.json is damaged", hint="ship again", file=folder / DESCRIPTION
            )
        self.name, self._spec, self._threads = about.name, about.spec, about.threads
        self._command = self._compiled()

    def _compiled(self) -> list[str]:
        """Give the command that runs the program of the folder on its machine."""
        shipped = self.folder / f"{self.name}_detect"
        if self._built and self.target == HOST and shipped.is_file():
            return [str(shipped.resolve())]
        machine = target_of("any" if self.target == HOST else self.target)
        if machine.board:
            raise TatamiError(
                f"a {machine.name} reads no pictures here", hint="run its networks by themselves"
            )
        temporary = tempfile.mkdtemp(prefix="tatami-")
        weakref.finalize(self, shutil.rmtree, temporary, ignore_errors=True)
        program = Path(temporary) / "detect"
        build_for(
            machine, self.folder, self.name, program, threads=self._threads, networks=self.parts
        )
        return [*machine.runner, str(program)]

    @property
    def spec(self) -> TwoStageSpec:
        """Say what its networks are for."""
        return self._spec

    @property
    def parts(self) -> tuple[str, ...]:
        """Name its networks, for ``CompiledNetwork``."""
        return tuple(f"{self.name}_{half}" for half in halves_of(self._spec))

    @property
    def own_rule(self) -> Callable[[Picture], Array] | None:
        """Give None: the program cannot be asked for its picture rule alone."""
        return None

    def detect(self, picture: Picture, score_threshold: float) -> Detections:
        """Find boxes in the pixels of a picture (height, width, 3), best first.

        Raises:
            TatamiError: Where regions must come from elsewhere and do not.
        """
        pixels = ppm(picture)
        if self._spec.proposals is None:
            if self._propose is None:
                raise TatamiError(
                    "the program takes its regions from its caller", hint="call it from C",
                    file=self.folder,
                )  # fmt: skip
            regions = np.asarray(self._propose(picture), np.float64).reshape(-1, 4)
            lines = [str(len(regions)), *(" ".join(map(repr, row)) for row in regions.tolist())]
            pixels += "\n".join([*lines, ""]).encode()
        command = [*self._command, "--threshold", repr(float(score_threshold)), "-"]
        try:
            done = subprocess.run(command, input=pixels, capture_output=True, check=False)
        except OSError as error:
            raise TatamiError(
                f"the program cannot be run: {error.strerror}", hint="run `make` there",
                file=self.folder,
            ) from None  # fmt: skip
        rows = [line.split() for line in done.stdout.decode(errors="replace").splitlines()]
        if done.returncode != 0 or not rows or int(rows[0][1]) != len(rows) - 1:
            raise refused(self.folder, picture)
        # Nine digits give every float32 back: float32 first, as the program computed it.
        return Detections.of(
            np.array([row[1:5] for row in rows[1:]], np.float32),
            np.array([row[0] for row in rows[1:]], np.float32),
            [int(row[5]) for row in rows[1:]],
        )


class TwoStageInC(StructureInC):
    """Two networks with regions between them: net_detect, kernels/two_stage.c."""

    name = "detect"

    def arranged(self, programs: Programs) -> Programs:
        """Check that the programs are of one detector, and fit the feature map to the head.

        Raises:
            TatamiError: Where they are not, and where only one has the feature map as bytes.
        """
        specs = [program.spec for program in programs.values()]
        spec = specs[0]
        if (
            not isinstance(spec, TwoStageSpec)
            or not all(isinstance(each, TwoStageSpec) for each in specs)
            or tuple(programs) != halves_of(spec)
        ):
            raise TatamiError("not a detector in two stages", hint="ship its two networks")
        if len(programs) == 1:
            return programs
        features, head = programs.values()
        return {**programs, HALVES[0]: as_taken(features, head)}

    def parts(self, spec: Any) -> tuple[str, ...]:
        """Name the networks of a shipped folder."""
        return halves_of(spec)

    def files(self, plan: Plan[Any, Options]) -> Mapping[str, str]:
        """Write header, source, example and description."""
        programs, name = plan.programs, plan.name
        first = next(iter(programs.values()))
        spec = first.spec
        assert isinstance(spec, TwoStageSpec)
        tell = "tell_own.c" if spec.proposals is not None else "tell_given.c"
        return {
            f"{name}.h": _header(spec, first, name),
            f"{name}.c": _source(spec, programs, name, plan.options),
            DESCRIPTION: description_of_several(spec, name, plan.options, {"stages": 2}),
            "main.c": renamed(example_of_boxes(tell), name),
        }

    def open(self, folder: Path, machine: Machine) -> CompiledTwoStage:
        """Run a shipped folder as a detector, with the best kernels."""
        return CompiledTwoStage(folder, machine.propose, target=machine.target, built=machine.built)


TWO_STAGE_IN_C = TwoStageInC()


def halves_of(spec: TwoStageSpec) -> tuple[str, ...]:
    """Name the networks of a detector in two stages, in order."""
    return HALVES[1:] if spec.decoding.kind == "warp" else HALVES


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
    function = "two_stage_detect.h" if spec.proposals is not None else "two_stage_detect_in.h"
    header = filled(text("two_stage.h"), constants=defines(values), detect=text(function).rstrip())
    return banner() + renamed(header, name)


def _source(spec: TwoStageSpec, programs: Programs, name: str, options: Options) -> str:
    decoding, proposals = spec.decoding, spec.proposals
    features, head = programs.get(HALVES[0]), programs[HALVES[1]]
    first = features or head
    pictures: InputSpec = spec.input
    if features is None:  # what is warped is resized by the exact rule
        pictures = replace(pictures, filter="triangle")
    names = f"{name}_class_names[{name.upper()}_CLASSES]"
    classes = ",\n    ".join(c_string(each) for each in spec.classes)
    values = {
        **picture_macros(pictures, first.values[first.inputs[0]]),
        "WARPS": int(features is None),
        **(_warping(decoding) if features is None else _pooling(features, head, decoding)),
        "LEAST_SIDE": number(decoding.min_side),
        "MAX_REGIONS": decoding.max_regions,
        "PROPOSES": int(proposals is not None),
        "NUMBERS": head.values[head.outputs[0]].shape[0],
        **score_macros(decoding.scores, decoding.variances, decoding.max_candidates),
        "DIOU": int(decoding.nms == "diou"),
        "AGNOSTIC": int(decoding.agnostic),
        "IOU_THRESHOLD": number(decoding.iou_threshold),
    }
    parts = [
        banner() + renamed(beginning(options, target_of(options.target)), name),
        "".join(f'#include "{name}_{half}.h"\n' for half in programs),
        f"const char *const {names} = {{\n    {classes},\n}};\n",
        renamed(defines(values), name) + "\n",
        kernel("exponential.c", name),
    ]
    if features is not None and proposals is not None:
        maps = [features.values[output].shape for output in features.outputs[1:]]
        parts += _proposals(proposals, maps, name)
    files = (*picture_files(pictures), "candidates.c", "suppress.c", "two_stage.c")
    return "\n".join([*parts, *(kernel(file, name) for file in files)])


def _pooling(features: Program, head: Program, decoding: RegionDecoding) -> dict[str, object]:
    """Give what the kernel must know to pool regions."""
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
    """Give what the kernel must know to warp regions."""
    return {"CONTEXT": decoding.context}


def _proposals(proposals: Decoding, maps: list[tuple[int, int, int]], name: str) -> list[str]:
    """Write the decoding rule once more, for the proposals, under names of its own."""
    own = f"{name}_rpn"
    values = {
        "CLASSES": 1,
        "MAPS": len(maps),
        "GRIDS": len(proposals.grids),
        **{f"MAP{index}": prod(shape) for index, shape in enumerate(maps)},
        **score_macros(proposals.scores, proposals.variances, proposals.max_candidates),
        "SCORE_THRESHOLD": number(proposals.score_threshold),
        "IOU_THRESHOLD": number(proposals.iou_threshold),
    }
    same = f"#define {own}_exp {name}_exp\n#define {own}_sigmoid {name}_sigmoid\n"
    parts = [
        renamed(defines(values), own) + "\n" + same,
        renamed(grids(maps, proposals), own) + "\n",
    ]
    return parts + [kernel(file, own) for file in ("candidates.c", "decode_ssd.c", "decode.c")]
