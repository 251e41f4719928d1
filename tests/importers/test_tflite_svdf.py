"""SVDF in 8 bits: a memory of bytes and sums of integers, call after call.

LiteRT knows a memory of 16 bits only, so the oracle is written out here: the layer of TFLite Micro,
with products in whole numbers and one rounding behind each.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tatami.graph.read import network_of
from tatami.importers.tflite import read_tflite
from tatami.program import interpret
from tatami.program.lower import lower
from tatami.program.steps import Apply, Conv

pytest.importorskip("flatbuffers", reason="Google's writer is not here")

from tests.importers.test_tflite_operators import File

UNITS, RANK, MEMORY, WIDTH = 4, 2, 6, 10
SCALES = {"x": 0.05, "features": 0.02, "memory": 0.3, "times": 0.01, "y": 0.4}
ZEROS = {"x": 3, "memory": -7, "y": -128}


def rounded(real: np.ndarray, name: str) -> np.ndarray:
    return np.clip(np.rint(real / SCALES[name]) + ZEROS[name], -128, 127)


def test_svdf_of_bytes_is_of_integers(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    features = rng.integers(-127, 128, (UNITS * RANK, WIDTH)).astype(np.int8)
    times = rng.integers(-127, 128, (UNITS * RANK, MEMORY)).astype(np.int8)
    bias = rng.integers(-900, 900, UNITS).astype(np.int32)
    file = File((1, WIDTH), kind="int8", steps=(SCALES["x"], ZEROS["x"]))
    places = [
        file.constant(features, (SCALES["features"], 0)),
        file.constant(times, (SCALES["times"], 0)),
        file.constant(bias),
    ]
    steps = (SCALES["memory"], ZEROS["memory"])
    state = file.tensor("memory", (1, UNITS * RANK * MEMORY), "int8", None, steps)
    file.image, file.variables = 0, {state}
    made = {"kind": "int8", "steps": (SCALES["y"], ZEROS["y"])}
    output = file.add("SVDF", [0, *places, state], (1, UNITS), {0: RANK, 1: 1}, **made)
    (tmp_path / "net.tflite").write_bytes(file.content(output))
    program = lower(network_of(read_tflite(tmp_path / "net.tflite", None, None).model))
    assert program.values["memory"].dtype == "uint8"
    assert not any(isinstance(step, Conv | Apply) for step in program.steps)
    images = rng.integers(-128, 128, (30, WIDTH))
    calls = [[(image + 128).astype(np.uint8).reshape(WIDTH, 1, 1)] for image in images]
    found = np.stack([each[0].ravel() for each in interpret.run_calls(program, calls)])
    kept = np.full((UNITS * RANK, MEMORY), ZEROS["memory"], np.float64)
    expected = []
    for image in images:
        sums = features.astype(np.int64) @ (image - ZEROS["x"])
        newest = rounded(sums * SCALES["x"] * SCALES["features"], "memory")
        kept = np.concatenate([kept[:, 1:], newest[:, None]], axis=1)
        weighed = ((kept - ZEROS["memory"]) * times).sum(1).reshape(UNITS, RANK).sum(1) + bias
        expected.append(rounded(weighed * SCALES["memory"] * SCALES["times"], "y") - ZEROS["y"])
    steps_made = np.rint(found / SCALES["y"])
    assert len(np.unique(steps_made)) > 30
    assert np.abs(steps_made - np.stack(expected)).max() <= 1
    assert (steps_made == np.stack(expected)).mean() > 0.97  # but for what lies in the middle
