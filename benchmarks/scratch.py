"""What im2col is worth: tatami.ops against plain loops and against torch eager, on one core.

    python benchmarks/scratch.py [--rounds 15] [--json]

The contestants take turns in one process, one thread each; a time is the median of the rounds in
processor milliseconds, the loops' that of three. "backward" is forward and all gradients.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import numpy as np
import torch
from torch.nn import functional as F

from tatami.ops.conv import convolve, convolve_backward
from tatami.ops.im2col import im2col
from tatami.ops.pool import max_pool, max_pool_backward, max_pool_with_indices
from tatami.ops.window import Window
from tatami.scratch import naive
from tatami.scratch.simple_convnet import SimpleConvNet

# pictures, channels, side, filters, kernel, padding
CONVOLUTIONS = (
    (100, 1, 28, 30, 5, 0),  # SimpleConvNet's
    (16, 32, 28, 64, 3, 1),
    (8, 64, 56, 64, 3, 1),
    (8, 256, 14, 256, 3, 1),
)
Contest = dict[str, Callable[[], object]]


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def against_loops() -> dict[str, Contest]:
    """A batch small enough to wait for: 2 x 8 x 28 x 28, 16 filters of 3 x 3."""
    x, weight, bias, window = (
        normal(2, 8, 28, 28),
        normal(16, 8, 3, 3),
        normal(16),
        Window.square(3),
    )
    dy = normal(2, 16, 26, 26)
    return {
        "im2col": {
            "ours": lambda: im2col(x, window),
            "loops": lambda: naive.im2col(x, window),
        },
        "convolution": {
            "ours": lambda: convolve(x, weight, bias, window),
            "loops": lambda: naive.convolve(x, weight, bias, window),
        },
        "gradients": {
            "ours": lambda: convolve_backward(x, weight, dy, window),
            "loops": lambda: naive.convolve_backward(x, weight, dy, window),
        },
        "max pool 2/2": {
            "ours": lambda: max_pool(x, Window.square(2, 2)),
            "loops": lambda: naive.max_pool(x, Window.square(2, 2)),
        },
    }


def convolution(n: int, c: int, side: int, o: int, kernel: int, pad: int) -> dict[str, Contest]:
    window = Window.square(kernel, 1, pad)
    x, weight, bias = normal(n, c, side, side), normal(o, c, kernel, kernel), normal(o)
    dy = np.ones_like(convolve(x, weight, bias, window))
    plain = [torch.from_numpy(array) for array in (x, weight, bias)]
    graded = [tensor.clone().requires_grad_() for tensor in plain]
    given = torch.from_numpy(dy)

    def ours() -> None:
        convolve(x, weight, bias, window)
        convolve_backward(x, weight, dy, window)

    name = f"{n}x{c}x{side}x{side}, {o} of {kernel}x{kernel}"
    return {
        f"{name}": {
            "ours": lambda: convolve(x, weight, bias, window),
            "torch": lambda: F.conv2d(*plain, padding=pad),
        },
        f"{name}, backward": {
            "ours": ours,
            "torch": lambda: torch.autograd.grad(F.conv2d(*graded, padding=pad), graded, given),
        },
    }


def against_torch() -> dict[str, Contest]:
    contests: dict[str, Contest] = {}
    for shape in CONVOLUTIONS:
        contests |= convolution(*shape)

    x, window = normal(100, 30, 24, 24), Window.square(2, 2)
    dy = np.ones((100, 30, 12, 12), np.float32)
    tensor, given = torch.from_numpy(x).requires_grad_(), torch.from_numpy(dy)

    def pool() -> None:
        _, indices = max_pool_with_indices(x, window)
        max_pool_backward(dy, indices, x.shape)

    contests["max pool 2/2 of 100x30x24x24, backward"] = {
        "ours": pool,
        "torch": lambda: torch.autograd.grad(F.max_pool2d(tensor, 2), tensor, given),
    }

    net = SimpleConvNet()
    images, labels = normal(100, 1, 28, 28), np.arange(100) % 10
    parameters = [torch.from_numpy(array.copy()).requires_grad_() for array in net.params.values()]
    pictures, classes = torch.from_numpy(images), torch.from_numpy(labels)

    def step() -> None:
        weight, bias, affine1, bias1, affine2, bias2 = parameters
        seen = F.max_pool2d(F.conv2d(pictures, weight, bias).relu(), 2).flatten(1)
        logits = (seen @ affine1 + bias1).relu() @ affine2 + bias2
        torch.autograd.grad(F.cross_entropy(logits, classes), parameters)

    contests["SimpleConvNet, 100 pictures, gradient"] = {
        "ours": lambda: net.gradient(images, labels),
        "torch": step,
    }
    return contests


def medians(contest: Contest, rounds: int) -> dict[str, float]:
    """Processor milliseconds of each, turn by turn; the first round warms up."""
    taken: dict[str, list[float]] = {name: [] for name in contest}
    for number in range(rounds + 1):
        for name, run in contest.items():
            began = time.process_time()
            run()
            if number:
                taken[name].append((time.process_time() - began) * 1e3)
    return {name: statistics.median(times) for name, times in taken.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    torch.set_num_threads(1)

    rows = []
    for other, contests, rounds in (
        ("loops", against_loops(), 3),
        ("torch", against_torch(), asked.rounds),
    ):
        for name, contest in contests.items():
            times = medians(contest, rounds)
            rows.append({"what": name, "other": other, "ours": times["ours"], "its": times[other]})
            if not asked.json:
                ours, its = times["ours"], times[other]
                ratio = its / ours if other == "loops" else ours / its
                word = "x faster" if other == "loops" else "x torch's"
                print(f"{name:42} {ours:8.2f} ms  {other} {its:9.2f} ms  {ratio:8.2f} {word}")
    if asked.json:
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
