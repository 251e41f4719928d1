"""COCO's twelve numbers side by side: Tatami, pycocotools and faster-coco-eval, interleaved.

    pip install -r benchmarks/requirements.txt
    python benchmarks/metrics.py [--rounds 5] [--peers PYTHON] [--detections 500000] [--json]

A random set of the size of COCO val, seeded. Every evaluator is a process of its own and has the
boxes in memory in the form that it wants: what the peers do to get there (``loadRes``) is shown as
"index" and not counted, Tatami's own (``pool``) is counted. They take turns, so that whatever else
the machine does meets all alike; a time is the median over the rounds. What is not installed is
left out, and named. ``--peers``: a further interpreter to look for evaluators in.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
EVALUATORS = ("tatami", "pycocotools", "faster_coco_eval")
BOUND = 1e-9  # of a number, between evaluators


@dataclass
class Contestant:
    """An evaluator in its process. times: (wall, processor) seconds of each turn."""

    name: str
    process: subprocess.Popen[str] | None = None
    index: float = 0.0
    numbers: list[float] = field(default_factory=list)
    times: list[tuple[float, float]] = field(default_factory=list)
    missing: str = ""


def write_set(path: Path, pictures: int, classes: int, truths: int, detections: int) -> None:
    """Random truths and detections: three in ten lie near a truth, most of these of its class.

    Coordinates are whole, so that an IoU is the same from corners and from sides. Classes are as
    unequal as COCO's, one truth in a hundred is a crowd.
    """
    rng = np.random.default_rng(0)
    share = 1 / np.arange(1, classes + 1) ** 0.8
    share /= share.sum()

    def boxes(count: int) -> np.ndarray:
        corners = (rng.random((count, 2)) * (640, 480)).round()
        return np.hstack(
            [corners, corners + np.exp(rng.normal(4, 1, (count, 2))).clip(4, 400) // 1]
        )

    xyxy, labels = boxes(truths), rng.choice(classes, truths, p=share)
    sides = np.tile(xyxy[:, 2:] - xyxy[:, :2], 2)
    picture = np.sort(rng.integers(0, pictures, truths))
    source = rng.integers(0, truths, detections * 3 // 10)
    moved = (xyxy[source] + rng.normal(0, 0.12, (len(source), 4)) * sides[source]).round()
    moved[:, 2:] = np.maximum(moved[:, 2:], moved[:, :2] + 1)
    strays = detections - len(source)
    guessed = np.where(
        rng.random(len(source)) < 0.8, labels[source], rng.integers(0, classes, len(source))
    )
    found_in = np.concatenate([picture[source], rng.integers(0, pictures, strays)])
    order = np.argsort(found_in, kind="stable")
    np.savez(
        path,
        pictures=pictures,
        classes=classes,
        truth_picture=picture,
        truth_xyxy=xyxy,
        truth_label=labels,
        truth_area=sides[:, 0] * sides[:, 1] * rng.uniform(0.4, 1, truths),
        truth_crowd=rng.random(truths) < 0.01,
        picture=found_in[order],
        xyxy=np.concatenate([moved, boxes(strays)])[order],
        label=np.concatenate([guessed, rng.choice(classes, strays, p=share)])[order],
        score=np.concatenate([rng.beta(2, 2, len(source)), rng.beta(1, 6, strays)])[order].round(6),
    )


def start(one: Contestant, interpreters: list[str], file: Path) -> None:
    """Begin an evaluator's process with the first interpreter that has it."""
    for interpreter in interpreters:
        one.process = subprocess.Popen(
            [interpreter, str(HERE / "peers/coco_worker.py"), one.name, str(file)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )  # fmt: skip
        assert one.process.stdout is not None
        line = one.process.stdout.readline()
        if line:
            ready = json.loads(line)
            one.index, one.numbers = ready["index"], ready["numbers"]
            return
        one.process.wait()
    assert one.process is not None
    assert one.process.stderr is not None
    said = one.process.stderr.read().strip().splitlines()
    one.missing, one.process = said[-1] if said else "it died", None


def turn(one: Contestant) -> None:
    assert one.process is not None
    assert one.process.stdin is not None
    assert one.process.stdout is not None
    one.process.stdin.write("\n")
    one.process.stdin.flush()
    wall, processor = json.loads(one.process.stdout.readline())
    one.times.append((wall, processor))


def show(rows: list[dict[str, float | str]], given: argparse.Namespace) -> None:
    console = Console(width=80, highlight=False)
    console.print(
        f"{given.pictures:,} pictures, {given.classes} classes, {given.truths:,} truths, "
        f"{given.detections:,} detections; medians of {given.rounds} rounds, seconds"
    )
    table = Table(box=None, pad_edge=False)
    for title in ("evaluator", "wall", "processor", "x Tatami wall", "x processor", "index", "|Δ|"):
        table.add_column(title, justify="left" if title == "evaluator" else "right")
    for row in rows:
        if "missing" in row:
            table.add_row(str(row["evaluator"]), f"- ({str(row['missing'])[:30]})")
            continue
        figures = ("wall", "processor", "wall_ratio", "processor_ratio", "index")
        cells = [f"{row[key]:.2f}" for key in figures]
        table.add_row(str(row["evaluator"]), *cells, f"{row['worst_difference']:.0e}")
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", default=sys.executable)
    parser.add_argument("--pictures", type=int, default=5000)
    parser.add_argument("--classes", type=int, default=80)
    parser.add_argument("--truths", type=int, default=36_000)
    parser.add_argument("--detections", type=int, default=500_000)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tatami-") as temporary:
        file = Path(temporary) / "set.npz"
        write_set(file, given.pictures, given.classes, given.truths, given.detections)
        everyone = [Contestant(name) for name in EVALUATORS]
        for one in everyone:
            start(one, [sys.executable, given.peers], file)
        running = [one for one in everyone if one.process is not None]
        for _ in range(given.rounds):
            for one in running:
                turn(one)
        for one in running:
            assert one.process is not None
            one.process.kill()

    ours = everyone[0]
    rows: list[dict[str, float | str]] = []
    for one in everyone:
        if one.missing:
            rows.append({"evaluator": one.name, "missing": one.missing})
            continue
        # A ratio is the median over the rounds of the ratio in a round.
        ratios = np.median(np.array(one.times) / np.array(ours.times), axis=0)
        wall, processor = np.median(np.array(one.times), axis=0)
        worst = float(np.abs(np.subtract(one.numbers, ours.numbers)).max())
        rows.append(
            {
                "evaluator": one.name,
                "wall": float(wall),
                "processor": float(processor),
                "wall_ratio": float(ratios[0]),
                "processor_ratio": float(ratios[1]),
                "index": one.index,
                "worst_difference": worst,
            }
        )
    if given.json:
        print(json.dumps(rows, indent=1))
    else:
        show(rows, given)
    if any(float(row.get("worst_difference", 0)) > BOUND for row in rows):
        sys.exit("the numbers differ")


if __name__ == "__main__":
    main()
