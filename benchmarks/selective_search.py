"""Recall and time of selective search on pictures with known boxes.

    python benchmarks/selective_search.py [--data ../shared/data/detect/voc100] [--quality]

A truth is found where some proposal overlaps it by an IoU of 0.5; stated for the first 100 to 2,000
proposals of each picture, with VOC's difficult truths left out and with them. The overlap is the
mean of each truth's best IoU. Times are of one process on one thread, reading not counted.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from tatami.data.open import open_dataset
from tatami.data.pictures import read_picture
from tatami.data.selective_search import FAST, QUALITY, selective_search
from tatami.rules.boxes import iou_xyxy

DEFAULT = Path(__file__).parents[2] / "shared/data/detect/voc100"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DEFAULT)
    parser.add_argument("--split", default="all")
    parser.add_argument("--quality", action="store_true", help="80 groupings, not 8")
    parser.add_argument("--pictures", type=int, default=0, help="the first so many; 0: all")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    samples = open_dataset(given.data, split=given.split).dataset.samples
    strategies = QUALITY if given.quality else FAST
    counts = (100, 200, 500, 1000, 2000)
    best: list[np.ndarray] = []  # of each picture's truths: (truths, counts)
    difficult: list[np.ndarray] = []
    seconds, made = [], []
    for sample in samples[: given.pictures or None]:
        picture = read_picture(sample.path)
        started = time.process_time()
        boxes = selective_search(picture, strategies, limit=max(counts))
        seconds.append(time.process_time() - started)
        made.append(len(boxes))
        overlap = iou_xyxy(sample.boxes.xyxy, boxes)
        best.append(np.stack([overlap[:, :count].max(axis=1) for count in counts], axis=1))
        difficult.append(sample.boxes.difficult)
    of_truths, hard = np.concatenate(best), np.concatenate(difficult)
    rows = [
        {
            "proposals": count,
            "recall": float((of_truths[~hard, place] >= 0.5).mean()),
            "with_difficult": float((of_truths[:, place] >= 0.5).mean()),
            "overlap": float(of_truths[~hard, place].mean()),
        }
        for place, count in enumerate(counts)
    ]
    if given.json:
        print(json.dumps({"rows": rows, "seconds": seconds, "made": made}, indent=1))
        return
    console = Console(width=80, highlight=False)
    console.print(
        f"{len(best)} pictures, {(~hard).sum()} truths and {hard.sum()} difficult ones; "
        f"{np.mean(made):.0f} proposals a picture; {np.mean(seconds):.2f} s each, "
        f"{max(seconds):.2f} s at most"
    )
    table = Table(box=None, pad_edge=False)
    for title in ("the first", "recall", "with difficult", "overlap"):
        table.add_column(title, justify="right")
    for row in rows:
        shares = (f"{row[key]:.3f}" for key in ("recall", "with_difficult", "overlap"))
        table.add_row(f"{row['proposals']:,}", *shares)
    console.print(table)


if __name__ == "__main__":
    main()
