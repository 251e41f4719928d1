"""The program: lifetimes, what a step costs, and which values float arithmetic has a part in."""

import numpy as np

from tatami.ops.window import Window
from tatami.program.steps import (
    TAPS,
    Arithmetic,
    Clamp,
    Conv,
    ConvTranspose,
    Dequantize,
    Lifetime,
    MaxPool,
    Program,
    Quantization,
    Quantize,
    QuantizedConv,
    Requantize,
    Reshape,
    Resize,
    Sampling,
    Value,
    parameters,
)

BYTES = Quantization(0.5, 3)


def conv(source, output, outputs=4, channels=3, kernel=1, pool=None):
    weights = np.zeros((outputs, channels, kernel, kernel), np.float32)
    bias = np.zeros(outputs, np.float32)
    window = Window.square(kernel)
    return Conv("c", (source,), output, weights, bias, window, 1, Clamp(0, 6), pool)


def test_values_take_four_bytes_or_one():
    assert Value((2, 3, 5)).bytes == 120
    assert Value((2, 3, 5), BYTES).bytes == 30


def test_the_numbers_of_taps_are_bytes_that_nobody_quantized():
    assert Value((2, 3, 5), TAPS).bytes == 30
    assert [Value((1, 1, 1), one).quantized for one in (None, TAPS, BYTES)] == [False, False, True]


def test_lifetimes_of_inputs_outputs_and_constants():
    steps = (
        Arithmetic("a", ("x", "k"), "a", "add"),
        MaxPool("b", ("a",), "b", Window.square(1)),
        Arithmetic("c", ("a", "y"), "c", "add"),
    )
    values = {name: Value((1, 2, 2)) for name in "xykabc"}
    k = {"k": np.zeros((1, 2, 2), np.float32)}
    program = Program(steps, values, ("x", "y"), ("b", "c"), None, k)
    assert program.lifetimes() == {
        "x": Lifetime(-1, 0),
        "y": Lifetime(-1, 2),
        "a": Lifetime(0, 2),
        "b": Lifetime(1, 3),  # an output is read after the last step
        "c": Lifetime(2, 3),
    }


def test_a_value_that_nobody_reads_lives_in_its_own_step():
    steps = (conv("x", "a"), conv("x", "b"))
    values = {"x": Value((3, 2, 2)), "a": Value((4, 2, 2)), "b": Value((4, 2, 2))}
    program = Program(steps, values, ("x",), ("b",))
    assert program.lifetimes()["a"] == Lifetime(0, 0)


def test_multiply_adds_are_those_of_the_whole_map_before_a_pool():
    plain, pooled = conv("x", "a", kernel=3), conv("x", "b", kernel=3, pool=Window.square(2, 2))
    values = {"x": Value((3, 10, 8)), "a": Value((4, 8, 6)), "b": Value((4, 4, 3))}
    program = Program((plain, pooled), values, ("x",), ("a", "b"))
    assert program.multiply_adds(plain) == program.multiply_adds(pooled) == 4 * 3 * 9 * 8 * 6
    assert parameters(plain) == 4 * 3 * 9 + 4


def test_multiply_adds_of_a_transposed_convolution_are_counted_at_its_input():
    weights, bias = np.zeros((3, 2, 4, 4), np.float32), np.zeros(2, np.float32)
    step = ConvTranspose("t", ("x",), "y", weights, bias, Window.square(4, 2), 1)
    program = Program((step,), {"x": Value((3, 5, 5)), "y": Value((2, 12, 12))}, ("x",), ("y",))
    assert program.multiply_adds(step) == 3 * 2 * 16 * 25
    assert program.multiply_adds(MaxPool("m", ("x",), "z", Window.square(1))) == 0


def test_what_float_arithmetic_has_a_part_in():
    three = np.full(4, 2**30, np.int32)
    integers = QuantizedConv(
        "i", ("q",), "a", np.zeros((4, 3, 1, 1), np.int8), np.zeros(4, np.int32),
        Window.square(1), 1, Requantize(three, three, three * 0 + 31, 3),
    )  # fmt: skip
    looks = Sampling(np.zeros(2, np.int32), np.zeros(2, np.int32), np.zeros(2, np.float32))
    steps = (
        Quantize("q", ("x",), "q"),
        integers,
        Dequantize("d", ("a",), "d"),
        Reshape("r", ("d",), "r"),
        conv("d", "e", channels=4),
        Quantize("f", ("e",), "f"),
        Resize("s", ("a",), "s", looks, looks),
        Resize("u", ("d",), "u", looks, looks),
    )
    shape = (4, 2, 2)
    values = {name: Value(shape, BYTES if name in "qafs" else None) for name in "xqadrefsu"}
    program = Program(steps, values, ("x",), ("f",))
    assert program.rounded() == {"e", "f", "u"}
