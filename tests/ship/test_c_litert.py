"""The steps of LiteRT's roundings in C, in any kind of kernels, against the interpreter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tatami.ops import engines
from tatami.ops.fixed_point import multiplier_of
from tatami.ops.window import Axis, Window
from tatami.program import interpret
from tatami.program.steps import (
    AddAsReference,
    Program,
    Quantization,
    QuantizedAdd,
    QuantizedConv,
    RequantizeAsReference,
    RequantizeInFloat,
    SoftmaxAsReference,
    SoftmaxInFloat,
    Value,
    WholeAveragePool,
)
from tatami.ship.c.build import WARNINGS
from tatami.ship.c.emit import emit
from tatami.ship.c.operator import Options
from tatami.ship.c.run.network import CompiledNetwork
from tests.ship.test_c_operators import CHECKED, SHAPE, Islands, pooled

FIRST, SECOND, RESULT = Quantization(0.05, 117), Quantization(0.013, 3), Quantization(0.02, 101)
SHARES = Quantization(1 / 256, 0)
LAYERS = [  # windows, outputs, groups, and whether a pool of 2 x 2 follows
    (Window.square(3, 1, 1), 20, 1, False),
    (Window.square(3, 1, 1), 6, 6, False),
    (Window.square(2, 1), 5, 1, True),
    (Window(Axis(7), Axis(5)), 33, 1, False),
]
POOLS = [Window.square(2, 2), Window.square(3, 1, 1), Window(Axis(7), Axis(5))]


def program(rounding: str) -> Program:
    rng = np.random.default_rng(2)
    b = Islands({"x": Value(SHAPE, FIRST), "y": Value(SHAPE, SECOND)})
    channels = SHAPE[0]
    for window, outputs, groups, pool in LAYERS:
        kernel = (outputs, channels // groups, window.rows.kernel, window.columns.kernel)
        weights = rng.integers(-127, 128, kernel).astype(np.int8)
        bias = rng.integers(-(10**4), 10**4, outputs).astype(np.int32)
        # Powers of two among them: there halves occur. One is above 1.
        factors = np.where(rng.random(outputs) < 0.5, 2.0**-9, rng.uniform(1e-4, 1e-2, outputs))
        factors[-1] = 1.5
        for one_rounding in (False, True):
            result = RequantizeInFloat(factors.astype(np.float32), 101, 20, 250)
            if rounding == "reference":
                multiplier, shift = multiplier_of(factors)
                result = RequantizeAsReference(multiplier, shift, 101, 0, 255, one_rounding)
            shape = (outputs, *pooled(SHAPE, window)[1:])
            if pool:
                shape = (outputs, shape[1] // 2, shape[2] // 2)
            b.add(QuantizedConv, ("x",), shape, RESULT, weights=weights, bias=bias, window=window,
                  groups=groups, result=result,
                  pool=Window.square(2, 2) if pool else None)  # fmt: skip
    for window in POOLS:
        b.add(WholeAveragePool, ("x",), pooled(SHAPE, window), FIRST, window=window)
    for scale, low, high in [(0.02, 0, 255), (0.5, 0, 255), (0.06, 101, 190)]:
        to = Quantization(scale, 101)
        if rounding == "reference":
            scales = (FIRST.scale, SECOND.scale, scale)
            multipliers, shifts = engines.add_multipliers_as_reference(scales)
            b.add(AddAsReference, ("x", "y"), SHAPE, to, multipliers=multipliers, shifts=shifts,
                  low=low, high=high)  # fmt: skip
            continue
        factors = (np.float32(FIRST.scale / scale), np.float32(SECOND.scale / scale))
        multipliers, shift = engines.add_multipliers_in_float(factors)
        b.add(QuantizedAdd, ("x", "y"), SHAPE, to, multipliers=multipliers, shift=shift, low=low,
              high=high)  # fmt: skip
    for axis in range(3):
        if rounding == "reference":
            table = engines.softmax_table_as_reference(FIRST.scale)
            b.add(SoftmaxAsReference, ("x",), SHAPE, SHARES, table=table, axis=axis)
        else:
            exponentials = engines.softmax_table_in_float(FIRST.scale)
            b.add(SoftmaxInFloat, ("x",), SHAPE, SHARES, table=exponentials, scale=1 / 256,
                  axis=axis)  # fmt: skip
    return b.program()


def agrees(one: Program, folder: Path, target: str, options: tuple[str, ...]) -> None:
    rng = np.random.default_rng(3)
    inputs = [rng.integers(0, 256, one.values[name].shape, np.uint8) for name in one.inputs]
    expected = interpret.values(one, inputs)
    for file, content in emit(one, "net", Options(target)).files.items():
        (folder / file).write_bytes(content)
    with CompiledNetwork(folder, options=options) as compiled:
        found = compiled.values(inputs)
    for step in one.steps:
        name = step.output
        np.testing.assert_array_equal(found[name], expected[name], err_msg=step.name)


ROUNDINGS = pytest.mark.parametrize("rounding", ["xnnpack", "reference"])


@ROUNDINGS
def test_every_step_equals_the_interpreter_and_nothing_is_undefined(
    rounding: str, each_compiler: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CC", each_compiler[0])
    agrees(program(rounding), tmp_path, "portable", (*CHECKED, *WARNINGS))


@ROUNDINGS
def test_the_kernels_of_this_processor_round_likewise(rounding: str, tmp_path: Path) -> None:
    agrees(program(rounding), tmp_path, "any", ("-O1",))
