"""SimpleConvNet of tatami.scratch on MNIST: how right it is on pictures held out, and how soon.

    python benchmarks/scratch_mnist.py FOLDER [--epochs 4] [--seed 0] [--json]

FOLDER holds train-images-idx3-ubyte.gz and train-labels-idx1-ubyte.gz. The last 10,000 of the
60,000 pictures are held out: they are looked at once, when training is over. One core; the time is
the processor's, reading and testing included.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import time
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import numpy as np

from tatami.scratch.optimizers import Adam
from tatami.scratch.simple_convnet import SimpleConvNet

HELD_OUT = 10_000
BATCH = 100


def read_idx(file: Path, *shape: int) -> np.ndarray:
    """The unsigned bytes of an idx file that must be of this shape."""
    header = bytes([0, 0, 8, len(shape), *b"".join(side.to_bytes(4, "big") for side in shape)])
    with gzip.open(file) as stream:
        content = stream.read(len(header) + int(np.prod(shape)) + 1)
    if content[: len(header)] != header or len(content) != len(header) + int(np.prod(shape)):
        raise SystemExit(f"{file} is not an idx file of {shape} bytes")
    return np.frombuffer(content, np.uint8, offset=len(header)).reshape(shape)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()

    began = time.process_time()
    pictures = read_idx(asked.folder / "train-images-idx3-ubyte.gz", 60_000, 28, 28)
    images = (pictures[:, None] / np.float32(255)).astype(np.float32)  # (60000, 1, 28, 28)
    labels = read_idx(asked.folder / "train-labels-idx1-ubyte.gz", 60_000).astype(np.int64)
    trained_on = len(images) - HELD_OUT

    net, optimizer = SimpleConvNet(seed=asked.seed), Adam(1e-3)
    rng = np.random.default_rng(asked.seed)
    steps = asked.epochs * (trained_on // BATCH)
    for epoch in range(asked.epochs):
        order = rng.permutation(trained_on)
        losses = []
        for first in range(0, trained_on, BATCH):
            step = (epoch * trained_on + first) // BATCH
            optimizer.rate = 1e-3 * (1 - step / steps)  # to nothing, in a straight line
            batch = order[first : first + BATCH]
            loss, gradients = net.gradient(images[batch], labels[batch])
            optimizer.update(net.params, gradients)
            losses.append(loss)
        if not asked.json:
            taken = time.process_time() - began
            print(f"epoch {epoch + 1}: loss {np.mean(losses):.4f}, {taken:.0f} s", flush=True)
    accuracy = net.accuracy(images[trained_on:], labels[trained_on:])
    taken = time.process_time() - began
    if asked.json:
        told = {"held_out": HELD_OUT, "accuracy": accuracy, "processor_seconds": taken}
        print(json.dumps(told))
    else:
        print(f"{accuracy:.2%} of {HELD_OUT:,} held out, {taken:.0f} s of processor time")


if __name__ == "__main__":
    main()
