"""Non-maximum suppression side by side: Tatami, a compiled loop, a textbook loop, torchvision.

    python benchmarks/nms.py [--boxes 10000] [--rounds 9] [--json]

Everyone is given the same boxes and scores in float32, sorts them itself and gives the kept
indices, which are checked to be the same. They take turns in one process with one thread; a time is
the median over the rounds. The compiled loop (peers/nms_loop.c, -O3) is the algorithm of
torchvision's kernel for processors; torchvision itself takes part where it is installed. The
textbook loop compares the best box with all that are left by NumPy, box after box.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from tatami.rules.boxes import iou_xyxy, nms_xyxy

HERE = Path(__file__).parent
Boxes = NDArray[np.float32]
Suppress = Callable[[Boxes, Boxes, float], NDArray[np.int64]]


def scenes(count: int) -> dict[str, Boxes]:
    """Boxes as a detector may give them: at random, and in clusters around objects."""
    rng = np.random.default_rng(0)

    def random(boxes: int, picture: float, low: float, high: float) -> NDArray[np.float64]:
        corners, sides = rng.uniform(0, picture, (boxes, 2)), rng.uniform(low, high, (boxes, 2))
        return np.hstack((corners, corners + sides))

    def clusters(objects: int, spread: float) -> NDArray[np.float64]:
        boxes = np.repeat(random(objects, 640, 10, 200), -(-count // objects), axis=0)[:count]
        sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
        return boxes + rng.normal(0, spread, boxes.shape) * sides

    made = {
        "random, sides 10 to 200 in 640": random(count, 640, 10, 200),
        "random, sides 5 to 100 in 1000": random(count, 1000, 5, 100),
        "random, sides 1 to 300 in 300": random(count, 300, 1, 300),
        "random, sides 4 to 40 in 2000": random(count, 2000, 4, 40),
        "200 objects, 50 boxes each": clusters(200, 0.08),
        "20 objects, 500 boxes each": clusters(20, 0.08),
    }
    return {name: boxes.astype(np.float32) for name, boxes in made.items()}


def compiled(folder: Path) -> Suppress:
    """The loop in C, as a function."""
    library = folder / "nms_loop.so"
    command = ["cc", "-std=c99", "-O3", "-shared", "-fPIC", "-o", str(library)]
    subprocess.run([*command, str(HERE / "peers/nms_loop.c")], check=True)
    loop = ctypes.CDLL(str(library)).nms_loop

    def suppress(boxes: Boxes, scores: Boxes, threshold: float) -> NDArray[np.int64]:
        count = len(boxes)
        order = np.argsort(-scores, kind="stable")
        gone, areas = np.zeros(count, np.uint8), np.empty(count, np.float32)
        kept = np.empty(count, np.int64)
        given = [array.ctypes.data_as(ctypes.c_void_p) for array in (boxes, order)]
        taken = [array.ctypes.data_as(ctypes.c_void_p) for array in (gone, areas, kept)]
        return kept[: loop(*given, count, ctypes.c_float(threshold), *taken)]

    return suppress


def textbook(boxes: Boxes, scores: Boxes, threshold: float) -> NDArray[np.int64]:
    """The best box, without all that overlap it, and again."""
    order = np.argsort(-scores, kind="stable")
    kept = []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(best)
        order = order[iou_xyxy(boxes[best][None], boxes[order])[0] <= np.float32(threshold)]
    return np.array(kept, np.int64)


def torchvisions() -> Suppress | None:
    """torchvision's, where it is installed."""
    try:
        import torch
        from torchvision.ops import nms
    except ImportError:
        return None
    torch.set_num_threads(1)

    def suppress(boxes: Boxes, scores: Boxes, threshold: float) -> NDArray[np.int64]:
        found = nms(torch.from_numpy(boxes), torch.from_numpy(scores), threshold)
        return np.asarray(found.numpy())

    return suppress


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--boxes", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(prefix="tatami-") as temporary:
        everyone: dict[str, Suppress] = {
            "tatami": nms_xyxy,
            "loop": compiled(Path(temporary)),
            "textbook": textbook,
        }
        theirs = torchvisions()
        if theirs is not None:
            everyone["torchvision"] = theirs
        for scene, boxes in scenes(given.boxes).items():
            scores = np.random.default_rng(1).permutation(len(boxes)).astype(np.float32)
            for threshold in (0.3, 0.5, 0.7):
                rows.append(measure(everyone, scene, boxes, scores, threshold, given.rounds))
    if given.json:
        print(json.dumps(rows, indent=1))
    else:
        show(rows, list(everyone), given.boxes)


def measure(
    everyone: dict[str, Suppress],
    scene: str,
    boxes: Boxes,
    scores: Boxes,
    threshold: float,
    rounds: int,
) -> dict[str, float | str]:
    times: dict[str, list[float]] = {name: [] for name in everyone}
    expected = nms_xyxy(boxes, scores, threshold)
    for turn in range(rounds):
        for name, suppress in everyone.items():
            if name == "textbook" and turn >= 3:  # slow, and not the question
                continue
            start = time.perf_counter()
            kept = suppress(boxes, scores, threshold)
            times[name].append(time.perf_counter() - start)
            assert np.array_equal(kept, expected), f"{name} keeps other boxes"
    milliseconds = {name: 1000 * float(np.median(taken)) for name, taken in times.items()}
    return {"scene": scene, "threshold": threshold, "kept": len(expected), **milliseconds}


def show(rows: list[dict[str, float | str]], names: list[str], boxes: int) -> None:
    console = Console(width=100, highlight=False)
    console.print(f"{boxes:,} boxes, milliseconds; the last column is Tatami's over the loop's")
    table = Table(box=None, pad_edge=False)
    for title in ("boxes", "IoU", "kept", *names, "ratio"):
        table.add_column(title, justify="left" if title == "boxes" else "right")
    for row in rows:
        figures = [f"{row[name]:.1f}" for name in names]
        ratio = float(row["tatami"]) / float(row["loop"])
        table.add_row(
            str(row["scene"]), str(row["threshold"]), str(row["kept"]), *figures, f"{ratio:.2f}"
        )
    console.print(table)


if __name__ == "__main__":
    main()
