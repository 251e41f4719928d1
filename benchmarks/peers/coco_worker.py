"""One evaluator of COCO's numbers with one set, in a process of its own: answers and times itself.

    python coco_worker.py EVALUATOR SET.npz

prints a line of JSON with its twelve numbers when it is ready; then for every line on standard
input it evaluates the set once and prints the seconds, wall and processor.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path

import numpy as np

Set = Mapping[str, np.ndarray]
Run = Callable[[], list[float]]


def tatami_(given: Set) -> Run:
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    from tatami.evaluate.coco import Coco, coco
    from tatami.evaluate.pool import pool
    from tatami.types import Boxes, Detections

    pictures, classes = int(given["pictures"]), int(given["classes"])
    of_truth = np.searchsorted(given["truth_picture"], np.arange(pictures + 1))
    of_found = np.searchsorted(given["picture"], np.arange(pictures + 1))
    truths, found = [], []
    for i in range(pictures):
        a, b = slice(*of_truth[i : i + 2]), slice(*of_found[i : i + 2])
        columns = [given[f"truth_{name}"][a] for name in ("xyxy", "label", "crowd", "area")]
        truths.append(Boxes.of(columns[0], columns[1], None, columns[2], columns[3]))
        found.append(Detections.of(given["xyxy"][b], given["score"][b], given["label"][b]))
    names = [one.name for one in fields(Coco) if one.name != "class_ap"]

    def run() -> list[float]:
        result = coco(pool(truths, found, classes))
        values = [getattr(result, name) for name in names]
        return [-1.0 if math.isnan(value) else value for value in values]  # as COCO has it

    return run


def pycocotools_(given: Set) -> Run:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    return peer(given, COCO, COCOeval)


def faster_coco_eval_(given: Set) -> Run:
    from faster_coco_eval import COCO, COCOeval_faster

    return peer(given, COCO, COCOeval_faster)


def peer(given: Set, index: type, evaluation: type) -> Run:
    """pycocotools, or what has its interface: two classes."""
    truth = index()
    corner, side = (
        given["truth_xyxy"][:, :2],
        np.diff(given["truth_xyxy"].reshape(-1, 2, 2), axis=1),
    )
    truth.dataset = {
        "info": {},
        "images": [{"id": i + 1} for i in range(int(given["pictures"]))],
        "categories": [{"id": i + 1, "name": str(i)} for i in range(int(given["classes"]))],
        "annotations": [
            {"id": i + 1, "image_id": picture + 1, "category_id": label + 1, "bbox": bbox,
             "area": area, "iscrowd": int(crowd)}
            for i, (picture, label, bbox, area, crowd) in enumerate(
                zip(
                    given["truth_picture"].tolist(), given["truth_label"].tolist(),
                    np.hstack([corner, side[:, 0]]).tolist(), given["truth_area"].tolist(),
                    given["truth_crowd"].tolist(), strict=True,
                )
            )
        ],
    }  # fmt: skip
    truth.createIndex()
    corner, side = given["xyxy"][:, :2], np.diff(given["xyxy"].reshape(-1, 2, 2), axis=1)
    results = [
        {"image_id": picture + 1, "category_id": label + 1, "bbox": bbox, "score": score}
        for picture, label, bbox, score in zip(
            given["picture"].tolist(), given["label"].tolist(),
            np.hstack([corner, side[:, 0]]).tolist(), given["score"].tolist(), strict=True,
        )
    ]  # fmt: skip
    started = time.perf_counter()
    found = truth.loadRes(results)
    INDEX.append(time.perf_counter() - started)

    def run() -> list[float]:
        result = evaluation(truth, found, "bbox")
        result.evaluate()
        result.accumulate()
        result.summarize()
        return [float(value) for value in result.stats[:12]]

    return run


INDEX: list[float] = []
"""Seconds of ``loadRes``, which is not counted."""
EVALUATORS = {
    "tatami": tatami_,
    "pycocotools": pycocotools_,
    "faster_coco_eval": faster_coco_eval_,
}


def main() -> None:
    evaluator, file = sys.argv[1:]
    with np.load(file) as columns:
        given = dict(columns)
    with contextlib.redirect_stdout(io.StringIO()):  # the peers print
        run = EVALUATORS[evaluator](given)
        numbers = run()
    print(json.dumps({"index": sum(INDEX), "numbers": numbers}), flush=True)
    for _ in sys.stdin:
        with contextlib.redirect_stdout(io.StringIO()):
            wall, processor = time.perf_counter(), time.process_time()
            run()
            times = time.perf_counter() - wall, time.process_time() - processor
        print(json.dumps(times), flush=True)


if __name__ == "__main__":
    main()
