"""Every step of a program in C, in every variant of the kernels, against the interpreter.

All steps of a kind of number are in one program, each an island that reads the program's inputs, so
that one compilation tests them all. Bytes are equal; floats are within rounding.
"""

from dataclasses import replace

import numpy as np
import pytest

from tatami.errors import TatamiError
from tatami.ops.fixed_point import multiplier_of, negative_multiplier_of
from tatami.ops.quantized import add_multipliers, softmax_table
from tatami.ops.window import Axis, Window
from tatami.program import interpret
from tatami.program.steps import (
    TAPS,
    Activate,
    Arithmetic,
    AveragePool,
    Clamp,
    Concat,
    ConvTranspose,
    Dequantize,
    Function,
    L2Norm,
    Leaky,
    MaxPool,
    MaxTap,
    MaxUnpool,
    Pad,
    Program,
    Quantization,
    Quantize,
    QuantizedAdd,
    QuantizedAveragePool,
    QuantizedConvTranspose,
    QuantizedExtreme,
    QuantizedMultiply,
    QuantizedSoftmax,
    Requantize,
    Reshape,
    Resize,
    Sampling,
    Slice,
    Softmax,
    SpaceToDepth,
    Table,
    ToFloat,
    Transpose,
    Value,
)
from tatami.ship.c.build import WARNINGS, build
from tatami.ship.c.emit import emit
from tatami.ship.c.operator import Options
from tatami.ship.c.run.network import CompiledNetwork

SHAPE = (6, 7, 5)
CHECKED = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
WINDOWS = [
    Window.square(2, 2),
    Window.square(3, 1, 1),
    Window(Axis(2, 1, 0, 1), Axis(3, 2, 2, 0)),
    Window(Axis(2, 1, 1, 1, dilation=2), Axis(2, 2, 0, 1, dilation=3)),
    Window(Axis(7), Axis(5)),
]
SLICES = [
    ((0, 2, 1), (1, 1, 1), (6, 4, 3)),
    ((0, 6, 0), (1, -3, 2), (6, 3, 3)),
    ((5, 0, 4), (-2, 1, -1), (3, 7, 5)),
    ((2, 1, 0), (1, 1, 1), (4, 2, 5)),
]
PADS = [((0, 0), (1, 2), (0, 3)), ((1, 2), (0, 1), (2, 0))]


class Islands:
    """A program in the making: ``add`` a step that reads inputs of the program."""

    def __init__(self, inputs, constants=()):
        self.values = dict(inputs)
        self.inputs = tuple(inputs)
        self.constants = dict(constants)
        for name, array in self.constants.items():
            self.values[name] = Value(array.shape)
        self.steps = []

    def add(self, kind, inputs, shape, quantization=None, **fields):
        name = f"v{len(self.steps)}"
        self.steps.append(kind(f"{kind.__name__} {name}", tuple(inputs), name, **fields))
        self.values[name] = Value(shape, quantization)
        return name

    def program(self):
        made = [step.output for step in self.steps]
        read = {name for step in self.steps for name in step.inputs}
        outputs = tuple(name for name in made if name not in read)
        return Program(
            tuple(self.steps), self.values, self.inputs, outputs, constants=self.constants
        )


def pooled(shape, window):
    return (shape[0], window.rows.output(shape[1]), window.columns.output(shape[2]))


def moves(islands, x, quantization):
    """The steps that only move samples about, of either kind."""
    c, h, w = SHAPE
    for axis in range(3):
        double = tuple(2 * side if i == axis else side for i, side in enumerate(SHAPE))
        islands.add(Concat, (x, x), double, quantization, axis=axis)
        islands.add(Concat, (x, x), double, quantization, axis=axis)
    for shape in [(c * h * w, 1, 1), (1, h, c * w), (c, w, h), (2 * c, h * w, 1), (10, 3, 7)]:
        if np.prod(shape) == c * h * w:
            islands.add(Reshape, (x,), shape, quantization)
    # Reshapes that move nothing, one of them in place.
    flat = islands.add(Reshape, (x,), (1, 1, c * h * w), quantization)
    islands.add(Reshape, (flat,), (c * h * w, 1, 1), quantization)
    for order in [(0, 2, 1), (1, 2, 0), (2, 1, 0), (2, 0, 1), (0, 1, 2)]:
        islands.add(
            Transpose, (x,), tuple(SHAPE[axis] for axis in order), quantization, order=order
        )
    even = islands.add(
        Pad, (x,), (c, h + 2, w + 1), quantization, widths=((0, 0), (1, 1), (1, 0)), mode="edge"
    )
    for block in (1, 3):
        shape = (c * block * block, (h + 2) // block, (w + 1) // block)
        islands.add(SpaceToDepth, (even,), shape, quantization, block=block)
    for widths in PADS:
        shape = tuple(side + sum(pair) for side, pair in zip(SHAPE, widths, strict=True))
        for mode in ("constant", "edge", "reflect"):
            value = -1.5 if quantization is None else 7.0
            islands.add(Pad, (x,), shape, quantization, widths=widths, mode=mode, value=value)
    for window in WINDOWS:
        places = pooled(SHAPE, window)
        pool = islands.add(MaxPool, (x,), places, quantization, window=window)
        taps = islands.add(MaxTap, (x,), places, TAPS, window=window)
        islands.add(MaxUnpool, (pool, taps), SHAPE, quantization, window=window)
    for starts, steps, shape in SLICES:
        islands.add(Slice, (x,), shape, quantization, starts=starts, steps=steps)
    rows, columns = nearest(h, 13), nearest(w, 3)
    islands.add(Resize, (x,), (c, 13, 3), quantization, rows=rows, columns=columns)


def nearest(length, to):
    index = (np.arange(to) * length // to).astype(np.int32)
    return Sampling(index, index, np.zeros(to, np.float32))


def linear(length, to, bits=None):
    place = np.clip((np.arange(to) + 0.5) * length / to - 0.5, 0, length - 1)
    first = np.floor(place).astype(np.int32)
    weight = (place - first).astype(np.float32)
    if bits is not None:
        weight = np.rint(weight * 2**bits).astype(np.int32)
    return Sampling(first, np.minimum(first + 1, length - 1).astype(np.int32), weight)


TRANSPOSED = [
    # kernel, stride, before, dilation, groups, outputs; the output's rows and columns
    (Window(Axis(2, 2), Axis(2, 2)), 1, 4, (14, 10)),
    (Window(Axis(3, 2, 1), Axis(4, 3, 0, 1)), 2, 6, (14, 16)),
    (Window(Axis(3, 1, 0, dilation=2), Axis(1, 1)), 3, 9, (11, 5)),
]


def floats():
    rng = np.random.default_rng(1)
    c, h, w = SHAPE
    gates = {"gates": Value((c, 1, 1)), "plane": Value((1, h, w)), "one": Value((1, 1, 1))}
    fixed = {"fixed": rng.normal(size=SHAPE).astype(np.float32)}
    b = Islands({"x": Value(SHAPE), "y": Value(SHAPE), **gates}, fixed)
    moves(b, "x", None)
    for window in WINDOWS:
        for count in (False, True):
            b.add(AveragePool, ("x",), pooled(SHAPE, window), window=window, count_padding=count)
    activations = [Leaky(0.1), Clamp(0, np.inf), Clamp(0, 6), Clamp(-0.5, 0.25)]
    activations += [Function("sigmoid"), Function("exp"), Function("tanh")]
    for activation in activations:
        before = b.add(Arithmetic, ("x", "y"), SHAPE, operation="add")  # for one in place
        b.add(Activate, (before,), SHAPE, activation=activation)
        b.add(Arithmetic, ("y", "x"), SHAPE, operation="subtract", activation=activation)
    for operation in ("add", "subtract", "multiply", "divide"):
        for pair in [("x", "gates"), ("gates", "x"), ("x", "plane"), ("plane", "x"), ("one", "x"),
                     ("x", "one"), ("gates", "plane"), ("x", "fixed"), ("x", "x")]:  # fmt: skip
            b.add(Arithmetic, pair, SHAPE, operation=operation)
    b.add(Resize, ("x",), (c, 11, 9), rows=linear(h, 11), columns=linear(w, 9))
    b.add(Resize, ("x",), (c, 3, 2), rows=linear(h, 3), columns=linear(w, 2))
    for axis in range(3):
        b.add(Softmax, ("x",), SHAPE, axis=axis)
        one = tuple(1 if i == axis else side for i, side in enumerate(SHAPE))
        b.add(L2Norm, ("x",), one, axis=axis)
    for window, groups, outputs, (rows, columns) in TRANSPOSED:
        kernel = (window.rows.kernel, window.columns.kernel)
        b.add(
            ConvTranspose,
            ("x",),
            (outputs, rows, columns),
            weights=rng.normal(size=(c, outputs // groups, *kernel)).astype(np.float32),
            bias=rng.normal(size=outputs).astype(np.float32),
            window=window,
            groups=groups,
            activation=Leaky(0.2),
        )
    for scale, zero_point in [(0.01, 128), (0.3, 0), (0.05, 255)]:
        step = Quantization(float(np.float32(scale)), zero_point)
        b.add(Quantize, ("x",), SHAPE, step)
    return b.program()


def integers():
    rng = np.random.default_rng(2)
    c, h, w = SHAPE
    to = Quantization(0.02, 101)
    a, other = Quantization(0.05, 117), Quantization(0.013, 3)
    b = Islands({"x": Value(SHAPE, a), "y": Value(SHAPE, other)})
    moves(b, "x", a)
    for window in WINDOWS:
        for count in (False, True):
            area = window.rows.kernel * window.columns.kernel
            multiplier = np.zeros(area + 1, np.int32)
            multiplier[1:] = np.rint(a.scale / to.scale / np.arange(1, area + 1) * 2**24)
            b.add(QuantizedAveragePool, ("x",), pooled(SHAPE, window), to, window=window,
                  count_padding=count, multiplier=multiplier, shift=24)  # fmt: skip
    before = b.add(Table, ("x",), SHAPE, to, table=rng.integers(0, 256, 256).astype(np.uint8))
    b.add(Table, (before,), SHAPE, to, table=np.arange(256)[::-1].astype(np.uint8))
    for scale, low, high in [(0.02, 0, 255), (3.0, 0, 255), (1e-3, 101, 201), (0.06, 0, 100)]:
        factors = (a.scale / scale, other.scale / scale)
        multipliers, shift = add_multipliers(factors)
        b.add(QuantizedAdd, ("x", "y"), SHAPE, replace(to, scale=scale), multipliers=multipliers,
              shift=shift, low=low, high=high)  # fmt: skip
    gate, plane, one = (c, 1, 1), (1, h, w), (1, 1, 1)
    small = {
        name: b.add(Slice, ("y",), shape, other, starts=(0, 0, 0), steps=(1, 1, 1))
        for name, shape in (("gate", gate), ("plane", plane), ("one", one))
    }
    for first, second in [("x", "y"), ("x", "gate"), ("gate", "x"), ("x", "plane"), ("plane", "x"),
                          ("x", "one"), ("one", "x"), ("gate", "plane")]:  # fmt: skip
        pair = (small.get(first, first), small.get(second, second))
        for scale, low, high in [(0.02, 0, 255), (7e-4, 0, 255), (2e-5, 101, 200), (9.0, 0, 255)]:
            product = Quantization(float(np.float32(scale)), 101)
            scales = [other.scale if name != "x" else a.scale for name in (first, second)]
            multiplier, shift = multiplier_of(scales[0] * scales[1] / scale)
            b.add(QuantizedMultiply, pair, SHAPE, product, multiplier=int(multiplier),
                  shift=int(shift), low=low, high=high)  # fmt: skip
        (ma, mb), shift = add_multipliers((scales[0] / 0.02, scales[1] / 0.02))
        for sign in (1, -1):
            b.add(QuantizedAdd, pair, SHAPE, replace(to, scale=0.02), multipliers=(ma, sign * mb),
                  shift=shift)  # fmt: skip
        for operation in ("minimum", "maximum"):
            b.add(QuantizedExtreme, pair, SHAPE, to, operation=operation)
    b.add(Table, ("x",), SHAPE, to, table=rng.integers(0, 256, (c, 256)).astype(np.uint8))
    sides = {"rows": linear(h, 11, 11), "columns": linear(w, 9, 11)}
    b.add(Resize, ("x",), (c, 11, 9), a, **sides)
    for axis in range(3):
        table = softmax_table(a.scale)
        b.add(QuantizedSoftmax, ("x",), SHAPE, Quantization(1 / 256, 0), table=table,
              ratio=2**24, axis=axis)  # fmt: skip
        b.add(QuantizedSoftmax, ("x",), SHAPE, Quantization(1 / 100, 9), table=table,
              ratio=100 * 2**16, axis=axis)  # fmt: skip
    for window, groups, outputs, (rows, columns) in TRANSPOSED:
        kernel = (window.rows.kernel, window.columns.kernel)
        weights = rng.integers(-127, 128, (c, outputs // groups, *kernel)).astype(np.int8)
        bias = rng.integers(-(10**5), 10**5, outputs).astype(np.int32)
        factors = rng.uniform(1e-4, 2e-2, outputs)
        multiplier, shift = multiplier_of(factors)
        leaky = negative_multiplier_of(multiplier, shift, 0.1 * factors)
        results = [
            Requantize(multiplier, multiplier, shift, 101),
            Requantize(multiplier, leaky, shift, 101, 20, 250),
            ToFloat(factors.astype(np.float32)),
        ]
        for result in results:
            quantization = None if isinstance(result, ToFloat) else to
            b.add(
                QuantizedConvTranspose,
                ("x",),
                (outputs, rows, columns),
                quantization,
                weights=weights,
                bias=bias,
                window=window,
                groups=groups,
                result=result,
            )
    b.add(Dequantize, ("x",), SHAPE)
    return b.program()


PROGRAMS = {"float32": floats, "int8": integers}


@pytest.fixture(scope="module", params=PROGRAMS)
def shipped(request, tmp_path_factory):
    """A program, its inputs, what the interpreter makes of them, and its folder."""
    program = PROGRAMS[request.param]()
    rng = np.random.default_rng(3)
    inputs = []
    for name in program.inputs:
        value = program.values[name]
        if value.quantization is None:
            inputs.append(rng.normal(0, 2, value.shape).astype(np.float32))
        else:
            inputs.append(rng.integers(0, 256, value.shape, np.uint8))
    folder = tmp_path_factory.mktemp(request.param)
    for file, content in emit(program, "net", options=Options(threads=3)).files.items():
        (folder / file).write_bytes(content)
    return program, inputs, interpret.values(program, inputs), folder


def assert_agree(program, found, expected):
    assert list(found) == [step.output for step in program.steps]
    for step in program.steps:
        one, other = found[step.output], expected[step.output]
        assert one.dtype == other.dtype
        if one.dtype == np.uint8 or isinstance(
            step, ToFloat | Dequantize | MaxPool | MaxUnpool | Slice | Pad
        ):
            np.testing.assert_array_equal(one, other, err_msg=step.name)
        else:
            np.testing.assert_allclose(one, other, rtol=2e-6, atol=2e-6, err_msg=step.name)


VARIANTS = ("portable", "avx2", "avx512", "avx512vnni", "amx", "neon", "dotprod", "simd128")


@pytest.mark.parametrize("threads", [1, 3])
def test_every_step_equals_the_interpreter(shipped, threads):
    program, inputs, expected, folder = shipped
    options = ("-O3", "-DNET_GRAIN=1")  # however small a step is, its work is cut up
    with CompiledNetwork(folder, threads=threads, options=options) as compiled:
        assert_agree(program, compiled.values(inputs), expected)
        outputs = compiled.run(inputs)
        for name, found in zip(program.outputs, outputs, strict=True):
            assert found.tobytes() == compiled.values(inputs)[name].tobytes()


def test_threads_do_not_race(shipped, monkeypatch):
    monkeypatch.setenv("TSAN_OPTIONS", "halt_on_error=1")
    program, inputs, expected, folder = shipped
    options = ("-O1", "-g", "-fsanitize=thread", "-DNET_GRAIN=1")
    with CompiledNetwork(folder, threads=3, options=options) as compiled:
        try:
            assert_agree(program, compiled.values(inputs), expected)
        except TatamiError as error:
            if "memory mapping" in str(error) or "libtsan" in str(error):
                pytest.skip(f"ThreadSanitizer does not run here: {error}")
            raise


@pytest.mark.parametrize(
    "each_compiler", [pytest.param("gcc", marks=pytest.mark.slow), "clang"], indirect=True
)
def test_nothing_undefined_happens(shipped, each_compiler, monkeypatch):
    program, inputs, expected, folder = shipped
    monkeypatch.setenv("CC", each_compiler[0])
    with CompiledNetwork(folder, options=CHECKED) as compiled:
        assert_agree(program, compiled.values(inputs), expected)


@pytest.mark.parametrize("weights", ["array", "binary"])
@pytest.mark.parametrize("threads", [1, 3])
def test_no_warning(shipped, each_compiler, weights, threads, tmp_path):
    program, *_ = shipped
    for file, content in emit(program, "net", Options(threads=3, weights=weights)).files.items():
        (tmp_path / file).write_bytes(content)
    strict = ("-O2", *WARNINGS, "-Wconversion", "-Wshadow", f"-DNET_THREADS={threads}")
    build(tmp_path, "net", tmp_path / "proof", main="proof.c", command=each_compiler,
          options=(*strict, "-DNET_TRACE=net_trace"), threads=threads)  # fmt: skip


def test_every_kind_of_kernels_is_chosen_by_name_and_equal(shipped):
    program, inputs, expected, folder = shipped
    held = []
    for variant in VARIANTS:
        try:
            with CompiledNetwork(folder, variant=variant, options=("-O1",)) as compiled:
                assert compiled.kernels == variant
                assert_agree(program, compiled.values(inputs), expected)
        except TatamiError as error:
            if "kernels" not in error.reason:
                raise
            continue
        held.append(variant)
    assert "portable" in held
    with CompiledNetwork(folder, options=("-O1",)) as compiled:
        assert compiled.kernels == held[-1]
