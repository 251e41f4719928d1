"""MLPerf Tiny's keyword network in 8 bits: what LiteRT answers, in every row, in NumPy and in C."""

import shutil

import numpy as np
import pytest

from tatami.pipeline.import_network import import_network
from tatami.program import interpret
from tatami.program.lower import lower
from tatami.ship.c.emit import emit
from tatami.ship.c.operator import Options
from tatami.ship.c.run.network import CompiledNetwork


def test_keywords_are_xnnpacks_in_every_row(shared_data, tmp_path):
    folder = shared_data / "weights" / "mlperf-tiny"
    known = np.load(folder / "kws_first500.npz")
    imported = import_network(folder / "kws_int8.tflite", out=tmp_path / "k.onnx")
    program = lower(imported.network)
    sounds = known["inputs_int8"].transpose(0, 3, 1, 2)
    # Our bytes are without a sign: 128 more. The outputs are shares of 256.
    given = (sounds.astype(np.int16) + 128).astype(np.uint8)

    def answers(run, rows):
        found = np.stack([run([given[row]])[0].reshape(-1) for row in rows])
        return np.rint(found * 256 - 128).astype(np.int8)

    expected = known["litert_xnnpack_int8"]
    few = range(0, 500, 25)
    assert np.array_equal(answers(lambda x: interpret.run(program, x), few), expected[few])
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    for file, content in emit(program, "k", Options(weights="binary")).files.items():
        (tmp_path / file).write_bytes(content)
    with CompiledNetwork(tmp_path, options=("-O1",)) as compiled:
        found = answers(compiled.run, range(500))
    assert np.array_equal(found, expected)
    assert (found.argmax(1) == known["labels"]).mean() == 0.898
