"""The detectors of the papers on one labelled set, side by side, as a Markdown table.

    python benchmarks/detectors.py --data digits RUN ...

Each RUN is the folder of a finished `tatami train`. Of each: mAP and COCO's AP on the test split,
the multiply-adds and parameters, how many pictures a second torch and the compiled C go
through on one thread (from decoded pixels to boxes, the networks taking turns picture by picture,
medians of processor time), and what its best detections are, as YOLO's figure 4 counts them
(Redmon et al. 2016, section 4.2).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from tatami import graph
from tatami.cli.artefact import network_file, open_detector, read_run
from tatami.cli.evaluate import SCORE, detect_all
from tatami.cli.measuring import compiled, milliseconds
from tatami.data.open import open_dataset
from tatami.data.pictures import read_picture
from tatami.evaluate.detections import Evaluation, evaluate
from tatami.evaluate.diagnosis import KINDS, similar_classes
from tatami.graph.costs import costs, total
from tatami.shrink.fold import fold
from tatami.types import Dataset, Detector, Picture


@dataclass(frozen=True)
class Contestant:
    """A finished run.  model: the paper's name and the width."""

    model: str
    detector: Detector
    shipped: graph.Network


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    parser.add_argument("--data", type=Path, required=True, help="the labelled set")
    parser.add_argument("--split", default="test")
    parser.add_argument("--skip", action="append", default=[], help="a kind of problem to accept")
    parser.add_argument("--pictures", type=int, default=16, help="that the time is taken with")
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()

    torch.set_num_threads(1)
    dataset = open_dataset(asked.data, split=asked.split, skip=asked.skip).dataset
    contestants = [_opened(run) for run in asked.runs]
    pictures = [read_picture(sample.path) for sample in dataset.samples[: asked.pictures]]
    in_torch = _by_turns([one.detector for one in contestants], pictures, asked.rounds)
    with compiled([one.shipped for one in contestants]) as programs:
        in_c = milliseconds(programs, pictures, asked.rounds)

    print("| network | input | multiply-adds | parameters | mAP (VOC 2007) | COCO AP |", end="")
    print(" torch, pictures/s | C, pictures/s |", " | ".join(KINDS), "|")
    print("|---" * (8 + len(KINDS)) + "|")
    for one, torch_ms, c_ms in zip(contestants, in_torch, in_c, strict=True):
        result = _evaluated(one.detector, dataset)
        assert result.diagnostics is not None
        whole = total(costs(one.shipped))
        row = [
            *(one.model, str(one.detector.spec.input.size)),
            *(f"{whole.multiply_adds / 1e6:,.1f} M", f"{whole.parameters / 1e6:.2f} M"),
            *(f"{result.map_voc07:.4f}", f"{result.coco.ap:.4f}"),
            *(f"{1000 / torch_ms:,.1f}", f"{1000 / c_ms:,.1f}"),
            *(f"{share:.1%}" for share in result.diagnostics.diagnosis.mean),
        ]
        print("|", " | ".join(row), "|", flush=True)


def _opened(run: Path) -> Contestant:
    settings = read_run(run)
    folded, _ = fold(graph.read(network_file(run)))
    name = settings.model if settings.width == 1 else f"{settings.model}, {settings.width:g} wide"
    return Contestant(name, open_detector(run), folded)


def _evaluated(detector: Detector, dataset: Dataset) -> Evaluation:
    found = detect_all(detector, dataset, SCORE)
    return evaluate(
        [sample.boxes for sample in found.samples],
        found.detections,
        dataset.classes,
        similar=similar_classes(dataset.classes, None),
    )


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
