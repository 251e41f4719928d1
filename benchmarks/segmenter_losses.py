"""What each loss of a segmenter gives, for rare classes above all: FCN-8s on CamVid.

    taskset -c 0 python benchmarks/segmenter_losses.py ../shared/data/segment/camvid_240x180 OUT

A training a loss and seed, all alike but for these; the seeds take turns, so that what is there
when it is stopped has every loss, and a second call goes on. OUT/losses.jsonl holds a line a
training. The table has means over the seeds, and their standard deviations: the mean IoU, the IoU
of CamVid's four small classes, and the expected calibration error of the probability of each
pixel's answer (Guo et al. 2017).
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from tatami.evaluate.calibration import reliability
from tatami.ops.activation import softmax
from tatami.pipeline.artifact import open_run
from tatami.pipeline.train import train
from tatami.rules.picture import prepare
from tatami.rules.segmentation import ForwardSegmenter, to_picture
from tatami.tasks.segmentation import SEGMENTATION, SegmentationSettings
from tatami.types import VOID, LabeledMasks, Size

CLASSES = ("sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car")
CLASSES = (*CLASSES, "pedestrian", "bicyclist")
RARE = ("pole", "sign", "pedestrian", "bicyclist")
CONFIGURATIONS = {
    "cross-entropy": SegmentationSettings(),
    "cross-entropy, median weights": SegmentationSettings("median"),
    "bootstrapped": SegmentationSettings(loss="bootstrapped"),
    "focal": SegmentationSettings(loss="focal"),
    "dice": SegmentationSettings(loss="dice"),
    "tversky": SegmentationSettings(loss="tversky"),
    "lovasz": SegmentationSettings(loss="lovasz"),
}
COLUMNS = ("mean_iou", *RARE, "calibration_error")


def described(folder: Path, out: Path) -> Path:
    """Write the file that says what CamVid's folders mean."""
    splits = {each: {"pictures": each, "masks": f"{each}annot"} for each in ("train", "val")}
    content = {"folder": str(folder.resolve()), "classes": CLASSES, "void": [11], "splits": splits}
    file = out / "camvid.masks.json"
    file.write_text(json.dumps(content))
    return file


def calibration_error(segmenter: ForwardSegmenter, data: LabeledMasks) -> float:
    """Measure how far the probability of a pixel's answer is from the share that is right."""
    scores, right = [], []
    for place in range(len(data)):
        picture, mask = data.read(place)
        images, lies = prepare(picture, segmenter.spec.input)
        (logits,) = segmenter.forward(images[None])
        probability = softmax(logits, 1)[0]
        size = Size(picture.shape[1], picture.shape[0])
        answer = to_picture(probability.argmax(0).astype(np.uint8), lies, size)
        sure = to_picture(probability.max(0), lies, size)
        scores.append(sure[mask != VOID])
        right.append((answer == mask)[mask != VOID])
    return reliability(np.concatenate(scores).astype(float), np.concatenate(right)).expected_error


def trained(name: str, seed: int, data: Path, out: Path, options: argparse.Namespace) -> Any:
    """Train with one loss, measure on CamVid's 101 pictures, and give a line of the JSON."""
    began = time.process_time()
    result = train(
        "fcn-8s-bn",
        data,
        out / f"{name.replace(', ', '-').replace(' ', '-')}-{seed}",
        size=options.size,
        width=options.width,
        epochs=options.epochs,
        batch=4,
        learning_rate=0.03,
        seed=seed,
        settings=CONFIGURATIONS[name],
        threads=1,
    )
    assert result.evaluation is not None
    figures = result.evaluation.result.to_json()
    line = {"loss": name, "seed": seed, "mean_iou": figures["mean_iou"]}
    line |= {one["name"]: one["iou"] for one in figures["classes"]}
    val = SEGMENTATION.open(data, split="val", format=None).data
    line["calibration_error"] = calibration_error(open_run(result.path), val)
    return line | {"seconds": round(time.process_time() - began)}


def table(lines: list[dict[str, Any]]) -> str:
    """Lay out a row a loss, in percent."""
    rows = ["| loss | seeds | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 2) + "|"]
    for name in CONFIGURATIONS:
        found = [line for line in lines if line["loss"] == name]
        if found:
            each = [100 * np.array([line[key] for line in found]) for key in COLUMNS]
            told = [f"{one.mean():.1f} ± {one.std():.1f}" for one in each]
            rows.append(f"| {name} | {len(found)} | " + " | ".join(told) + " |")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("camvid", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--size", default="128x96")
    parser.add_argument("--width", type=float, default=0.125)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    data = described(options.camvid, options.out)
    file = options.out / "losses.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    done = {(line["loss"], line["seed"]) for line in lines}
    for seed in range(options.seeds):
        for name in CONFIGURATIONS:
            if (name, seed) not in done:
                lines.append(trained(name, seed, data, options.out, options))
                with file.open("a") as log:
                    log.write(json.dumps(lines[-1]) + "\n")
                print(lines[-1], flush=True)
    print(table(lines))


if __name__ == "__main__":
    main()
