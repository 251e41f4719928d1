"""How fast a training step is: memory layouts and precisions side by side, interleaved, in one run.

    python benchmarks/training.py [--size 416x320] [--width 0.5] [--batch 8] [--rounds 9]

Prints the median pictures a second of each way and its ratio to plain float32 NCHW, pair by pair.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
import torch

from tatami.models.yolov2_tiny import YoloV2Tiny
from tatami.train.loop import native_bfloat16
from tatami.types import Boxes, Decoding, Size

ANCHORS = [(1.08, 1.19), (3.42, 4.41), (6.63, 11.38), (9.42, 5.11), (16.62, 10.52)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=Size.parse, default=Size(416, 320))
    parser.add_argument("--width", type=float, default=0.5)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=9)
    asked = parser.parse_args()

    ways = {
        "float32 NCHW": (torch.contiguous_format, False),
        "float32 channels last": (torch.channels_last, False),
    }
    if native_bfloat16():
        ways["bfloat16 channels last"] = (torch.channels_last, True)
    rng = np.random.default_rng(0)
    images = torch.rand(asked.batch, 3, asked.size.height, asked.size.width)
    corners = rng.uniform(0, 0.7, (asked.batch, 10, 2)) * (asked.size.width, asked.size.height)
    targets = [Boxes.of(np.hstack((c, c + 60)), rng.integers(0, 3, 10)) for c in corners]
    model = YoloV2Tiny(3, Decoding.yolov2(ANCHORS), asked.width).train()

    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for round_number in range(asked.rounds + 1):
        for name, (layout, low) in ways.items():
            model.to(memory_format=layout)  # type: ignore[call-overload]
            batch = images.contiguous(memory_format=layout)
            started = time.perf_counter()
            with torch.autocast("cpu", torch.bfloat16, enabled=low):
                raw = model(batch)
            loss = torch.stack(tuple(model.loss(raw.float(), targets).values())).sum()
            torch.autograd.backward(loss)
            if round_number:  # the first round warms up
                seconds[name].append(time.perf_counter() - started)
            model.zero_grad()

    plain = seconds["float32 NCHW"]
    print(f"{asked.size}, width {asked.width:g}, {torch.get_num_threads()} threads")
    for name, taken in seconds.items():
        ratio = statistics.median(p / t for p, t in zip(plain, taken, strict=True))
        rate = asked.batch / statistics.median(taken)
        print(f"{name:24} {rate:7.1f} pictures/s   {ratio:.2f} x")


if __name__ == "__main__":
    main()
