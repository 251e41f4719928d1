"""Detection in C: the boxes of a picture, by the rule of tatami/rules/decoding.py."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tatami.program.steps import Program
from tatami.ship.c.operator import number
from tatami.ship.c.run.predictor import Compiled, Machine, refused, request
from tatami.ship.c.tasks.base import (
    LARGEST_SIDE,
    Macro,
    StructureInC,
    TaskInC,
    common_macros,
    pictures_of,
)
from tatami.ship.c.tasks.boxes import example_of_boxes, grids, score_macros
from tatami.ship.c.tasks.picture import frame_header
from tatami.ship.c.tasks.two_stage import TWO_STAGE_IN_C
from tatami.ship.c.text import defines, text
from tatami.types import Detections, DetectionSpec, Picture, Spec, TwoStageSpec, detector_spec

_DETECTION = np.dtype([("xyxy", "<f4", 4), ("score", "<f4"), ("label", "<i4")])


class CompiledDetector(Compiled[DetectionSpec]):
    """Implement ``types.Detector`` with the C program of a shipped folder."""

    use = "detect"

    def checked(self, spec: Spec) -> DetectionSpec:
        """Give a detector's spec; raise TatamiError for another's."""
        return detector_spec(spec)

    def detect(self, picture: Picture, score_threshold: float) -> Detections:
        """Find boxes in the pixels of a picture (height, width, 3), best first."""
        if self._as_shipped:
            rows = self.rows("--threshold", repr(float(score_threshold)), picture)
            # Nine digits give every float32 back: float32 first, as the program computed it.
            return Detections.of(
                np.array([row[1:5] for row in rows], np.float32),
                np.array([row[0] for row in rows], np.float32),
                [int(row[5]) for row in rows],
            )
        asked = b"D" + np.float32(score_threshold).tobytes() + request(picture)
        count = int(np.frombuffer(self.network.ask(asked, 4), "<i4")[0])
        if count < 0:
            raise refused(self.folder, picture)
        found = np.frombuffer(self.network.ask(b"", _DETECTION.itemsize * count), _DETECTION)
        return Detections.of(found["xyxy"], found["score"], found["label"])


class DetectionInC(TaskInC[DetectionSpec | TwoStageSpec]):
    """Detection: net_detect, kernels/detect.c, or several networks joined."""

    name = "detect"
    noun = "detector with such a decoding"
    letter = "D"

    def structure(self, spec: DetectionSpec | TwoStageSpec) -> StructureInC | None:
        """Give what joins the networks of a detector in two stages."""
        return TWO_STAGE_IN_C if isinstance(spec, TwoStageSpec) else None

    def maps(self, spec: DetectionSpec | TwoStageSpec) -> int:
        """Count the raw maps of the decoding."""
        return len(detector_spec(spec).decoding.maps(len(spec.classes)))

    def macros(self, program: Program, spec: DetectionSpec | TwoStageSpec) -> list[Macro]:
        """List the raw maps, and a fair threshold, beside what is common."""
        decoding = detector_spec(spec).decoding
        sides = [
            Macro(f"MAP{index}_{side}", extent)
            for index, output in enumerate(program.outputs)
            for side, extent in zip(
                ("CHANNELS", "ROWS", "COLUMNS"), program.values[output].shape, strict=True
            )
        ]
        return [
            *common_macros(program, spec),
            Macro("MAPS", len(program.outputs), "raw maps"),
            *sides,
            Macro("MAX_DETECTIONS", decoding.max_detections, "a picture never has more"),
            LARGEST_SIDE,
            Macro("SCORE_THRESHOLD", number(decoding.score_threshold), "a fair one to begin with"),
        ]

    def results(self, program: Program) -> Mapping[str, str]:
        """Name the raw maps."""
        return {f"map{index}": name for index, name in enumerate(program.outputs)}

    def rules(
        self, program: Program, spec: DetectionSpec | TwoStageSpec, values: Mapping[str, str]
    ) -> str:
        """Write the decoding's numbers, its anchors, and where the raw maps are."""
        decoding = detector_spec(spec).decoding
        scores = score_macros(decoding.scores, decoding.variances, decoding.max_candidates)
        macros = {
            "GRIDS": len(decoding.grids),
            "SCORES_SOFTMAX": scores["SCORES_SOFTMAX"],
            "SCORES_SIGMOID": scores["SCORES_SIGMOID"],
            "AGNOSTIC": int(decoding.agnostic),
            "DIOU": int(decoding.nms == "diou"),
            "VARIANCE_OF_CENTER": scores["VARIANCE_OF_CENTER"],
            "VARIANCE_OF_SIDE": scores["VARIANCE_OF_SIDE"],
            "IOU_THRESHOLD": number(decoding.iou_threshold),
            "MAX_CANDIDATES": decoding.max_candidates,
            "ROOT_SIDES": int(decoding.kind == "yolov5"),
            "BINS": decoding.bins,
            "CENTER": number(decoding.center),
        }
        maps = ", ".join(f"({values[output]})" for output in program.outputs)
        shapes = [program.values[output].shape for output in program.outputs]
        return (
            f"{defines(macros)}\n\nstatic const float *const net_maps[NET_MAPS] = {{{maps}}};\n\n"
            + grids(shapes, decoding)
        )

    def frames(self, spec: DetectionSpec | TwoStageSpec) -> str:
        """Declare net_detect_frame."""
        return frame_header(pictures_of(spec), text("detect_frame.h"))

    def source(self, spec: DetectionSpec | TwoStageSpec) -> tuple[str, ...]:
        """Give the decoding, NMS and the function."""
        kind = detector_spec(spec).decoding.kind
        yolo = kind in ("yolov2", "yolov3", "yolov5")
        file = "decode_yolo.c" if yolo else f"decode_{kind}.c"
        files = ("candidates.c", file, "decode.c", "suppress.c", "detect.c")
        return tuple(text(each) for each in files)

    def example(self) -> str:
        """Give a program that prints boxes."""
        return example_of_boxes("tell_own.c")

    def open(self, folder: Path, machine: Machine) -> CompiledDetector:
        """Run a shipped folder as a detector."""
        return CompiledDetector(folder, variant=machine.variant, target=machine.target)


DETECTION_IN_C = DetectionInC()
