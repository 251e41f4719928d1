"""Every row of the table of operators, through every form that Tatami gives it.

An example (example.py) becomes a network; what NumPy makes of it is compared with ONNX Runtime, the
derivative with differences of nearby results, and the interpreter and the compiled C with NumPy.
"""

from __future__ import annotations

import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tatami import graph
from tatami.graph.gradient import gradient
from tatami.graph.operators import OPERATORS
from tatami.graph.operators.table import FAMILIES
from tatami.program.interpret import run
from tatami.program.lower import lower
from tatami.ship.c.emit import emit
from tatami.ship.c.operator import Options
from tatami.ship.c.run.network import CompiledNetwork
from tests.operators.example import Example, given, model_of, network_from

EXAMPLES: dict[str, list[Example]] = {}
for family in FAMILIES:
    EXAMPLES |= import_module(f"tests.operators.{family.__name__.rpartition('.')[2]}").EXAMPLES
CASES = [(name, index) for name, each in EXAMPLES.items() for index in range(len(each))]
NAMES = [f"{name}-{index}" for name, index in CASES]
NOT_IN_RUNTIME = {"SwiGLU": "of set 28", "Swish": "of set 24"}
"""Operators that the installed ONNX Runtime has not; ONNX's own reference stands in."""


def test_every_row_has_examples() -> None:
    assert set(EXAMPLES) == set(OPERATORS)


def answers(name: str, example: Example) -> list[np.ndarray[Any, Any]]:
    """What another program makes of an example."""
    model, arrays = model_of(name, example), given(example)
    feeds = dict(zip((value.name for value in model.graph.input), arrays, strict=True))
    if name in NOT_IN_RUNTIME:
        from onnx.reference import ReferenceEvaluator

        return list(ReferenceEvaluator(model).run(None, feeds))
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return list(session.run(None, feeds))


def close(found: np.ndarray[Any, Any], expected: np.ndarray[Any, Any], tolerance: float) -> None:
    np.testing.assert_allclose(
        np.asarray(found, np.float64).reshape(expected.shape),
        np.asarray(expected, np.float64),
        rtol=1e-5,
        atol=tolerance,
    )


@pytest.mark.parametrize(("name", "index"), CASES, ids=NAMES)
def test_numpy_is_as_the_runtime(name: str, index: int) -> None:
    example = EXAMPLES[name][index]
    found = graph.run(network_from(name, example), given(example))
    expected = answers(name, example)
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == theirs.dtype
        assert ours.shape == theirs.shape
        close(ours, theirs, example.tolerance)


SMOOTH = [
    (name, index)
    for name, index in CASES
    if OPERATORS[name].backward is not None
    and EXAMPLES[name][index].smooth
    and isinstance(EXAMPLES[name][index].inputs[0], tuple)
]


@pytest.mark.parametrize(("name", "index"), SMOOTH)
def test_the_derivative_is_a_difference_of_results(name: str, index: int) -> None:
    example = EXAMPLES[name][index]
    network, arrays = network_from(name, example), given(example)
    output = str(network.graph.outputs[0].name)
    rng = np.random.default_rng(1)
    seed = rng.normal(size=graph.run(network, arrays)[0].shape).astype(np.float32)
    real = [at for at, one in enumerate(example.inputs) if isinstance(one, tuple)]
    wanted = [str(network.graph.inputs[at].name) for at in real]
    found = gradient(network, arrays, {output: seed}, wanted)
    for at, value in zip(real, wanted, strict=True):
        direction = rng.normal(size=arrays[at].shape).astype(np.float32)
        step = np.float32(2e-3)

        def along(factor: np.float32, at: int = at, direction: Any = direction) -> float:
            moved = [one + factor * direction if i == at else one for i, one in enumerate(arrays)]
            return float((graph.run(network, moved)[0].astype(np.float64) * seed).sum())

        expected = (along(step) - along(-step)) / (2 * float(step))
        size = float(np.abs(found[value] * direction).sum()) + 1e-3
        assert abs(float((found[value].astype(np.float64) * direction).sum()) - expected) < (
            1e-2 * size
        )


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
@pytest.mark.parametrize(("name", "index"), CASES, ids=NAMES)
def test_the_interpreter_and_c_are_as_numpy(name: str, index: int, tmp_path: Path) -> None:
    example = EXAMPLES[name][index]
    network, arrays = network_from(name, example), given(example)
    if OPERATORS[name].role == "name":
        pytest.skip("a second name is no step")
    program = lower(network)
    fitted = [
        array.reshape(program.values[value].shape)
        for array, value in zip(arrays, program.inputs, strict=True)
    ]
    expected = graph.run(network, arrays)
    for ours, theirs in zip(run(program, fitted), expected, strict=True):
        close(ours, theirs, example.tolerance)
    # A block of bytes is the harder case: what is indexed there must be cast first.
    for file, content in emit(program, "net", Options(weights="binary")).files.items():
        (tmp_path / file).write_bytes(content)
    options = ("-O1", "-Wall", "-Wextra", "-Wpedantic", "-Werror")
    with CompiledNetwork(tmp_path, options=options) as compiled:
        for ours, theirs in zip(compiled.run(fitted), expected, strict=True):
            close(ours, theirs, example.tolerance)
