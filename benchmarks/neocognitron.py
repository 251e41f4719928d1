"""The neocognitron's error on handwritten digits, with interpolating and with nearest vectors.

    python benchmarks/neocognitron.py ../shared/data/classify/mnist [--learn 5000] [--test 10000]

The first pictures of MNIST's training file are learned from, those from the 10,000th on tested.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from tatami.data.formats.mnist import read_idx
from tatami.scratch.neocognitron import Named, Neocognitron
from tatami.types import Float32, Int64

FIRST_TESTED = 10_000


def opened(folder: Path) -> tuple[Float32, Int64]:
    """Read the pictures, on a margin of 6 pixels and in 0 to 1, and their labels."""
    pixels = read_idx(folder / "train-images-idx3-ubyte.gz", 3)
    labels = read_idx(folder / "train-labels-idx1-ubyte.gz", 1)
    pictures = np.pad(pixels, ((0, 0), (6, 6), (6, 6)))
    return pictures.astype(np.float32) / 255, labels.astype(np.int64)


def main() -> None:
    """Learn, test both kinds of vectors, and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--learn", type=int, default=5000)
    parser.add_argument("--test", type=int, default=10_000)
    asked = parser.parse_args()
    pictures, labels = opened(asked.data)
    learned = slice(0, asked.learn)
    tested = slice(FIRST_TESTED, FIRST_TESTED + asked.test)
    started = time.process_time()
    network = Neocognitron()
    network.learn(pictures[learned], labels[learned])
    cells = len(network.edges.patterns), len(network.parts.patterns)
    print(f"planes of edges {cells[0]}, of parts {cells[1]}")
    shown, others = network.vectors(pictures[learned]), network.vectors(pictures[tested])
    nearest = Named(interpolating=False)
    nearest.learn(shown, labels[learned])
    for kind, names in (("interpolating", network.names), ("nearest", nearest)):
        wrong = np.mean(names(others) != labels[tested])
        print(f"{kind}: {len(names.labels)} vectors, {100 * wrong:.2f} % of {asked.test} wrong")
    print(f"{time.process_time() - started:.0f} s of processor time")


if __name__ == "__main__":
    main()
