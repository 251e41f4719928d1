"""Convolutions in C, every kind of kernels: integers bit for bit, floats within their rounding."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tatami.errors import TatamiError
from tatami.ops.window import Axis, Window
from tatami.program import interpret
from tatami.program.steps import (
    Clamp,
    Conv,
    ConvTranspose,
    Leaky,
    Program,
    Quantization,
    QuantizedConv,
    QuantizedConvTranspose,
    Requantize,
    ToFloat,
    Value,
)
from tatami.ship.c.emit import emit
from tatami.ship.c.operator import Options
from tatami.ship.c.operators.winograd import blocks_of
from tatami.ship.c.run.network import CompiledNetwork
from tatami.ship.c.targets import TARGETS, missing

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
LAYERS = 12  # convolutions in one program: one compilation proves many
VARIANTS = ("portable", "avx2", "avx512", "avx512vnni", "amx", "neon", "dotprod", "dsp", "simd128")
POOL = Window.square(2, 2)


def axis(rng: np.random.Generator, length: int) -> Axis:
    """A window that fits, padded and dilated in any way."""
    while True:
        kernel, dilation = int(rng.integers(1, 6)), int(rng.integers(1, 4))
        span = (kernel - 1) * dilation + 1
        before, after = (int(one) for one in rng.integers(0, span, 2))
        if length + before + after >= span:
            return Axis(kernel, int(rng.integers(1, 4)), before, after, dilation)


def convolution(rng, index, values, quantized):
    """A step with an input of its own, of any geometry; extreme numbers now and then."""
    groups = int(rng.choice([1, 1, 2, 3]))
    each = int(rng.choice([1, 2, 3, 4, 5, 8, 16, 33, 64, 70]))
    outputs = groups * int(rng.choice([1, 3, 15, 16, 17, 32, 40, 96]))
    channels = groups * each
    if rng.random() < 0.3:  # depthwise
        channels = groups = outputs = int(rng.choice([3, 8, 16, 20, 32, 64, 65, 100]))
        each = 1
    shape = (channels, int(rng.integers(1, 14)), int(rng.integers(1, 30)))
    window = Window(axis(rng, shape[1]), axis(rng, shape[2]))
    if rng.random() < 0.2:
        window = Window.square(1)
    elif rng.random() < 0.4:  # what most layers have; rows of seven pixels now and then
        window = Window.square(3, int(rng.integers(1, 3)), 1)
        if rng.random() < 0.5:
            shape = (channels, shape[1], 7 * window.columns.stride)
    out = (outputs, window.rows.output(shape[1]), window.columns.output(shape[2]))
    pool = None
    if out[1] % 2 == out[2] % 2 == 0 and rng.random() < 0.5:
        pool, out = POOL, (outputs, out[1] // 2, out[2] // 2)
    source, result = f"x{index}", f"y{index}"
    kernel = (outputs, each, window.rows.kernel, window.columns.kernel)
    if not quantized:
        values |= {source: Value(shape), result: Value(out)}
        activation = [None, Leaky(0.1), Clamp(0.0, 6.0)][int(rng.integers(3))]
        weights = rng.normal(size=kernel).astype(np.float32)
        bias = rng.normal(size=outputs).astype(np.float32)
        return Conv(result, (source,), result, weights, bias, window, groups, activation, pool)
    zero = int(rng.choice([0, 255, 128, 7]))
    values[source] = Value(shape, Quantization(0.02, zero))
    weights = rng.integers(-127, 128, kernel).astype(np.int8)
    if rng.random() < 0.2:
        weights = np.where(weights < 0, -127, 127).astype(np.int8)
    bias = rng.integers(-(2**20), 2**20, outputs).astype(np.int32)
    if rng.random() < 0.2 and pool is None:
        values[result] = Value(out)
        scale = rng.random(outputs).astype(np.float32)
        return QuantizedConv(
            result, (source,), result, weights, bias, window, groups, ToFloat(scale)
        )
    zero = int(rng.choice([0, 10, 128]))
    values[result] = Value(out, Quantization(0.05, zero))
    low, high = int(rng.choice([0, zero, zero + 5])), int(rng.choice([200, 255]))
    size = float(np.abs(weights.astype(int)).sum(axis=(1, 2, 3)).max()) * 64 + 1
    shift = rng.integers(33, 40, outputs) if rng.random() < 0.8 else rng.integers(20, 62, outputs)
    multiplier = rng.integers(2**30, 2**31, outputs, dtype=np.int64)
    wanted = np.clip(np.round(np.log2(size / 128)), 0, 20).astype(int)  # results fill the bytes
    shift = np.clip(shift - 8 + wanted, 1, 62)
    negative = multiplier if rng.random() < 0.5 else multiplier // 10
    result_of = Requantize(
        multiplier.astype(np.int32),
        negative.astype(np.int32),
        shift.astype(np.int32),
        zero,
        low,
        high,
    )
    return QuantizedConv(result, (source,), result, weights, bias, window, groups, result_of, pool)


def transposed(rng, index, values, quantized):
    """A transposed convolution, most of them ones that go by phases."""
    groups, each = int(rng.choice([1, 1, 2])), int(rng.choice([1, 4, 8, 17, 40]))
    channels, outputs = groups * int(rng.choice([1, 3, 4, 8, 33])), groups * each
    strides = [int(one) for one in rng.integers(1, 4, 2)]
    if rng.random() < 0.5:
        axes = [Axis(stride, stride) for stride in strides]
    else:
        kernels = [stride + int(rng.integers(0, 3)) for stride in strides]
        axes = [
            Axis(kernel, stride, *(int(one) for one in rng.integers(0, min(3, kernel), 2)))
            for kernel, stride in zip(kernels, strides, strict=True)
        ]
    shape = (channels, int(rng.integers(2, 8)), int(rng.integers(2, 20)))
    sides = [
        max(1, (side - 1) * one.stride + one.kernel - one.before - one.after)
        for side, one in zip(shape[1:], axes, strict=True)
    ]
    source, result = f"x{index}", f"y{index}"
    ends, out = (result, (source,), result), (outputs, *sides)
    kernel = (channels, each, axes[0].kernel, axes[1].kernel)
    window = Window(*axes)
    if not quantized:
        values |= {source: Value(shape), result: Value(out)}
        activation = [None, Leaky(0.1), Clamp(0.0, 6.0)][int(rng.integers(3))]
        weights = rng.normal(size=kernel).astype(np.float32)
        bias = rng.normal(size=outputs).astype(np.float32)
        return ConvTranspose(*ends, weights, bias, window, groups, activation)
    values[source] = Value(shape, Quantization(0.02, int(rng.choice([0, 255, 128, 7]))))
    values[result] = Value(out, Quantization(0.05, 10))
    weights = rng.integers(-127, 128, kernel).astype(np.int8)
    bias = rng.integers(-(2**15), 2**15, outputs).astype(np.int32)
    multiplier = rng.integers(2**30, 2**31, outputs, dtype=np.int64)
    scales = (multiplier.astype(np.int32), (multiplier // 10).astype(np.int32))
    shift = rng.integers(37, 43, outputs).astype(np.int32)
    return QuantizedConvTranspose(
        *ends, weights, bias, window, groups, Requantize(*scales, shift, 10)
    )


def random_program(seed: int, quantized: bool, layers: int = LAYERS):
    """Convolutions side by side, each of its own input, and the inputs."""
    rng = np.random.default_rng(seed)
    values: dict[str, Value] = {}
    steps = tuple(
        (transposed if index % 4 == 1 else convolution)(rng, index, values, quantized)
        for index in range(layers)
    )
    inputs = [
        rng.integers(0, 256, values[f"x{index}"].shape).astype(np.uint8)
        if quantized
        else rng.normal(size=values[f"x{index}"].shape).astype(np.float32)
        for index in range(layers)
    ]
    names = tuple(f"x{index}" for index in range(layers))
    outputs = tuple(f"y{index}" for index in range(layers))
    return Program(steps, values, names, outputs), inputs


def written(program, folder, target="any", threads=1):
    folder.mkdir(exist_ok=True)
    for file, content in emit(program, "net", Options(target, threads)).files.items():
        (folder / file).write_bytes(content)
    return folder


def hold(program, inputs, folder, **how):
    """Every variant that there is; returns their names."""
    expected = interpret.run(program, inputs)
    held = []
    for variant in VARIANTS:
        try:
            with CompiledNetwork(folder, variant=variant, **how) as compiled:
                found = compiled.run(inputs)
        except TatamiError as error:
            if "kernels" not in error.reason:
                raise
            continue
        held.append(variant)
        for step, got, right in zip(program.steps, found, expected, strict=True):
            if right.dtype == np.uint8 or isinstance(step, QuantizedConv):
                np.testing.assert_array_equal(got, right, f"{variant} {step}")
            else:
                depth = step.weights[0].size
                if isinstance(step, ConvTranspose):
                    depth = step.weights[:, 0].size
                largest = np.abs(step.weights).max() * 5 * depth  # of a sum of |products|
                assert np.abs(got - right).max() <= 2**-23 * largest, f"{variant} {step}"
    return held


@pytest.mark.parametrize("quantized", [False, True], ids=["float32", "int8"])
@settings(max_examples=2, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_any_convolution(tmp_path_factory, quantized, seed):
    program, inputs = random_program(seed, quantized)
    folder = written(program, tmp_path_factory.mktemp("c"))
    assert "portable" in hold(program, inputs, folder, options=("-O2",))


@pytest.mark.parametrize(
    ("each_compiler", "quantized"),
    [
        pytest.param("gcc", False, id="gcc-float32", marks=pytest.mark.slow),
        pytest.param("clang", True, id="clang-int8"),
        pytest.param("clang", False, id="clang-float32", marks=pytest.mark.slow),
        pytest.param("gcc", True, id="gcc-int8", marks=pytest.mark.slow),
    ],
    indirect=["each_compiler"],
)
def test_each_compiler_without_a_warning_and_without_a_wrong_access(
    tmp_path, each_compiler, quantized, monkeypatch
):
    monkeypatch.setenv("CC", each_compiler[0])
    program, inputs = random_program(5, quantized)
    folder = written(program, tmp_path / "c")
    strict = ("-O1", "-Wall", "-Wextra", "-Wpedantic", "-Werror")
    checks = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    hold(program, inputs, folder, options=(*strict, *checks))


@pytest.mark.parametrize("quantized", [False, True], ids=["float32", "int8"])
def test_any_number_of_threads_gives_the_same_bits(tmp_path, quantized):
    program, inputs = random_program(11, quantized)
    folder = written(program, tmp_path / "c", threads=3)
    with CompiledNetwork(folder, threads=1) as one, CompiledNetwork(folder, threads=3) as three:
        for alone, together in zip(one.run(inputs), three.run(inputs), strict=True):
            np.testing.assert_array_equal(alone, together)


@pytest.mark.parametrize("target", [name for name, one in TARGETS.items() if one.runner])
@pytest.mark.parametrize("quantized", [False, True], ids=["float32", "int8"])
def test_other_machines(tmp_path, target, quantized):
    lacking = missing(TARGETS[target])
    if lacking is not None:
        pytest.skip(f"there is no {lacking}: apt-get install {TARGETS[target].package}")
    program, inputs = random_program(3, quantized, layers=8)
    folder = written(program, tmp_path / "c", target)
    held = hold(program, inputs, folder, target=target, options=("-O2",))
    assert set(held) == {"portable", *TARGETS[target].variants}


def test_a_wrong_bit_would_be_seen(tmp_path):
    program, inputs = random_program(3, True, layers=2)
    first = program.steps[0]
    bias = (first.bias + 2**24).astype(np.int32)
    changed = replace(program, steps=(replace(first, bias=bias), *program.steps[1:]))
    with pytest.raises(AssertionError):
        hold(program, inputs, written(changed, tmp_path / "c"))


@settings(max_examples=2, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_fewer_products_lose_no_more_than_the_bound(tmp_path_factory, seed):
    """docs/winograd.md: 81 C (C + 8) w x u of small tiles, 752 C (C + 18) w x u of large ones."""
    rng = np.random.default_rng(seed)
    values: dict[str, Value] = {"big": Value((16, 512, 512)), "end": Value((1, 1, 1))}
    steps = []
    for index, ends in enumerate(((3, 9), (3, 9), (17, 30), (17, 30))):  # small tiles, large ones
        channels, outputs = (int(one) for one in rng.integers(16, 70, 2))
        rows, columns = (int(one) for one in rng.integers(*ends, 2))
        pads = [int(one) for one in rng.integers(0, 2, 4)]
        window = Window(Axis(3, 1, pads[0], pads[1]), Axis(3, 1, pads[2], pads[3]))
        out = (outputs, window.rows.output(rows), window.columns.output(columns))
        pool = POOL if out[1] % 2 == out[2] % 2 == 0 else None
        values[f"x{index}"] = Value((channels, rows, columns))
        values[f"y{index}"] = Value(out if pool is None else (outputs, out[1] // 2, out[2] // 2))
        weights = rng.normal(size=(outputs, channels, 3, 3)).astype(np.float32)
        bias = rng.normal(size=outputs).astype(np.float32)
        name = f"y{index}"
        steps.append(Conv(name, (f"x{index}",), name, weights, bias, window, 1, Leaky(0.1), pool))
    names = tuple(f"x{index}" for index in range(4))
    program = Program(
        tuple(steps), {k: v for k, v in values.items() if k[0] in "xy"}, names,
        tuple(step.output for step in steps),
    )  # fmt: skip
    # Beside all four maps, which are alive at once, there is no room for scratch: give it some.
    roomy = [
        Program((step,), {**program.values, "big": values["big"]}, (*step.inputs, "big"),
                (step.output, "big"))
        for step in steps
    ]  # fmt: skip
    tiles = set()
    for step, one in zip(steps, roomy, strict=True):
        blocks = blocks_of(one, step, Options())
        shape = program.values[step.inputs[0]].shape
        image = rng.normal(size=shape).astype(np.float32)
        big = np.zeros((16, 512, 512), np.float32)
        folder = written(one, tmp_path_factory.mktemp("c"))
        assert blocks is not None
        assert "net_winograd(" in (folder / "net.c").read_text()
        exact = replace(step, weights=step.weights.astype(np.float64))
        expected = interpret.run(replace(one, steps=(exact,)), [image, big])[0]
        channels = shape[0]
        tiles.add(blocks.tile)
        factor, more = {2: (81, 8), 4: (752, 18)}[blocks.tile]
        bound = factor * channels * (channels + more) * 2.0**-24
        bound *= float(np.abs(step.weights).max()) * float(np.abs(image).max())
        for variant in ("portable", None):
            with CompiledNetwork(folder, variant=variant, options=("-O1",)) as compiled:
                found = compiled.run([image, big])[0]
            assert np.abs(found - expected).max() <= bound
            assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()
    assert tiles == {2, 4}
