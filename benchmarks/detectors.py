"""The detectors of the papers on one labeled set, side by side, as a Markdown table.

    python benchmarks/detectors.py --data digits RUN ...

Each RUN is the folder of a finished `tatami train`. Of each: mAP and COCO's AP on the test split,
the multiply-adds and parameters, how many pictures a second torch and the compiled C go
through on one thread (from decoded pixels to boxes, the networks taking turns picture by picture,
medians of processor time), and what its best detections are, as YOLO's figure 4 counts them
(Redmon et al. 2016, section 4.2).

A detector in two stages has multiply-adds a picture and, after "+", a region; selective search,
where regions come from it, is part of its time. Its C has a time where it finds regions itself:
that of its whole program, started anew for every picture.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from tatami import graph
from tatami.data.pictures import read_picture
from tatami.evaluate.detections import Evaluation
from tatami.evaluate.diagnosis import KINDS
from tatami.graph.costs import costs, total
from tatami.pipeline.artifact import open_artifact, read_run
from tatami.pipeline.timing import compiled, milliseconds
from tatami.program.lower import lower
from tatami.ship.table import BACKENDS
from tatami.shrink.fold import fold
from tatami.tasks.detection import DETECTION
from tatami.tasks.detection_settings import DetectionOptions
from tatami.tasks.two_stage import FEATURES, LAST
from tatami.train.run import HEAD, NETWORK
from tatami.types import Dataset, DetectionSpec, Detector, Picture, TwoStageSpec


@dataclass(frozen=True)
class Contestant:
    """A finished run.  model: the paper's name and the width.  shipped: its network, folded, or
    the networks of a detector in two stages; of R-CNN the head alone."""

    model: str
    detector: Detector
    shipped: tuple[graph.Network, ...]

    @property
    def in_stages(self) -> bool:
        return isinstance(self.detector.spec, TwoStageSpec)

    def operations(self) -> str:
        """Millions of multiply-adds."""
        millions = [total(costs(network)).multiply_adds / 1e6 for network in self.shipped]
        if not self.in_stages:
            return f"{millions[0]:,.1f} M"
        once = [f"{each:,.1f} M + " for each in millions[:-1]]
        return "".join(once) + f"{millions[-1]:,.2f} M a region"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    parser.add_argument("--data", type=Path, required=True, help="the labeled set")
    parser.add_argument("--split", default="test")
    parser.add_argument("--skip", action="append", default=[], help="a kind of problem to accept")
    parser.add_argument("--pictures", type=int, default=16, help="that the time is taken with")
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()

    torch.set_num_threads(1)
    dataset = DETECTION.open(asked.data, split=asked.split, format=None, skip=asked.skip).data
    contestants = [_opened(run) for run in asked.runs]
    pictures = [read_picture(sample.path) for sample in dataset.samples[: asked.pictures]]
    in_torch = _by_turns([one.detector for one in contestants], pictures, asked.rounds)
    in_c = _in_c(contestants, pictures, asked.rounds)

    print("| network | input | multiply-adds | parameters | mAP (VOC 2007) | COCO AP |", end="")
    print(" torch, pictures/s | C, pictures/s |", " | ".join(KINDS), "|")
    print("|---" * (8 + len(KINDS)) + "|")
    for one, torch_ms, c_ms in zip(contestants, in_torch, in_c, strict=True):
        result = _evaluated(one.detector, dataset)
        assert result.diagnostics is not None
        parameters = sum(total(costs(network)).parameters for network in one.shipped)
        row = [
            *(one.model, str(one.detector.spec.input.size)),
            *(one.operations(), f"{parameters / 1e6:.2f} M"),
            *(f"{result.map_voc07:.4f}", f"{result.coco.ap:.4f}"),
            *(f"{1000 / torch_ms:,.1f}", "-" if c_ms is None else f"{1000 / c_ms:,.1f}"),
            *(f"{share:.1%}" for share in result.diagnostics.diagnosis.mean),
        ]
        print("|", " | ".join(row), "|", flush=True)


def _opened(run: Path) -> Contestant:
    settings = read_run(run)
    name = settings.model if settings.width == 1 else f"{settings.model}, {settings.width:g} wide"
    files = [file for file in (run / NETWORK, run / HEAD) if file.is_file()]
    shipped = tuple(fold(graph.read(file))[0] for file in files)
    detector = open_artifact(run).predictor
    assert isinstance(detector.spec, DetectionSpec | TwoStageSpec)
    return Contestant(name, detector, shipped)


def _in_c(
    contestants: Sequence[Contestant], pictures: Sequence[Picture], rounds: int
) -> list[float | None]:
    """Milliseconds a picture of each contestant's C; None where its caller has to find regions."""
    found: dict[int, float] = {}
    whole = [index for index, one in enumerate(contestants) if not one.in_stages]
    with compiled([contestants[index].shipped[0] for index in whole]) as programs:
        found |= zip(whole, milliseconds(DETECTION.look, programs, pictures, rounds), strict=True)
    for index, one in enumerate(contestants):
        spec = one.detector.spec
        if isinstance(spec, TwoStageSpec) and spec.proposals is not None:
            found[index] = _stages_in_c(one, pictures, rounds)
    return [found.get(index) for index in range(len(contestants))]


def _stages_in_c(one: Contestant, pictures: Sequence[Picture], rounds: int) -> float:
    features, head = (lower(network) for network in one.shipped)
    with tempfile.TemporaryDirectory(prefix="tatami-") as folder:
        backend = BACKENDS["c"]
        programs = {FEATURES: features, LAST: head}
        plan = backend.plan(programs, "net", backend.options(), DETECTION)
        for file, content in backend.emit(plan).files.items():
            (Path(folder) / file).write_bytes(content)
        times = []
        with backend.open(Path(folder), DETECTION) as running:
            for _ in range(rounds):
                for picture in pictures:
                    before = _of_children()
                    DETECTION.look(running.predictor, picture)
                    times.append(_of_children() - before)
    return 1000 * float(np.median(times))


def _of_children() -> float:
    """Seconds of processor time of the programs that were started and are over."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def _evaluated(detector: Detector, dataset: Dataset) -> Evaluation:
    return DETECTION.evaluate(detector, dataset, options=DetectionOptions(diagnose=True)).result


def _by_turns(
    detectors: Sequence[Detector], pictures: Sequence[Picture], rounds: int
) -> list[float]:
    """Milliseconds a picture of each detector in this process: the median of its turns."""
    spent: list[list[float]] = [[] for _ in detectors]
    for detector in detectors:  # not measured: torch prepares its kernels
        detector.detect(pictures[0], detector.spec.decoding.score_threshold)
    for _ in range(rounds):
        for picture in pictures:
            for detector, times in zip(detectors, spent, strict=True):
                times.append(
                    _timed(detector.detect, picture, detector.spec.decoding.score_threshold)
                )
    return [1000 * float(np.median(times)) for times in spent]


def _timed(detect: Callable[[Picture, float], object], picture: Picture, score: float) -> float:
    before = time.process_time()
    detect(picture, score)
    return time.process_time() - before


if __name__ == "__main__":
    main()
