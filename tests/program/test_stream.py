"""Programs that look back in time: a column a call gives what all columns at once give."""

import numpy as np
import pytest

from tatami.errors import TatamiError
from tatami.ops.window import Axis, Window
from tatami.program import interpret
from tatami.program.steps import (
    Activate,
    Arithmetic,
    Concat,
    Conv,
    Function,
    Program,
    Quantization,
    QuantizedAdd,
    QuantizedConv,
    Requantize,
    Slice,
    Table,
    Value,
)
from tatami.program.stream import memory_of_rings, receptive_field, streamed

LENGTH = 24


def causal(kernel, dilation):
    """The window of a convolution that sees itself and what was before."""
    return Window(Axis(1), Axis(kernel, before=(kernel - 1) * dilation, dilation=dilation))


def floats(rng):
    """Two dilated convolutions of 2 and 3 taps, gated, with a way around them and a condition."""
    shape = (4, 1, LENGTH)
    values = {name: Value(shape) for name in ("x", "a", "b", "c", "d", "y")}
    values |= {"now": Value((1, 1, LENGTH)), "class": Value((2, 1, LENGTH))}
    values |= {"images": Value((3, 1, LENGTH)), "one": Value((2, 1, 1)), "add": Value((4, 1, 1))}
    values["both"] = Value((8, 1, LENGTH))

    def conv(source, output, channels, outputs, window):
        weights = rng.normal(0, 1, (outputs, channels, 1, window.columns.kernel))
        bias = rng.normal(0, 1, outputs).astype(np.float32)
        return Conv(output, (source,), output, weights.astype(np.float32), bias, window, 1)

    steps = (
        Slice("now", ("images",), "now", (0, 0, 0), (1, 1, 1)),
        Slice("class", ("images",), "class", (1, 0, 0), (1, 1, 1)),
        Slice("one", ("class",), "one", (0, 0, 0), (1, 1, 1)),
        conv("now", "x", 1, 4, causal(2, 1)),
        conv("x", "a", 4, 4, causal(3, 4)),
        conv("one", "add", 2, 4, causal(1, 1)),
        Arithmetic("b", ("a", "add"), "b", "add"),
        Activate("c", ("b",), "c", Function("tanh")),
        Arithmetic("d", ("c", "x"), "d", "add"),
        Concat("both", ("c", "d"), "both"),
        conv("both", "y", 8, 4, causal(2, 5)),
    )
    return Program(steps, values, ("images",), ("y",))


def integers(rng):
    """A dilated convolution of bytes, a table and a sum."""
    quantized = Quantization(0.05, 117)
    values = {name: Value((3, 1, LENGTH), quantized) for name in ("images", "a", "b", "y")}
    ones = np.ones(3, np.int32)
    result = Requantize(ones << 28, ones << 28, 34 * ones, 117)
    weights = rng.integers(-127, 128, (3, 3, 1, 3)).astype(np.int8)
    table = rng.integers(0, 256, 256).astype(np.uint8)
    steps = (
        QuantizedConv("a", ("images",), "a", weights, ones * 99, causal(3, 2), 1, result),
        Table("b", ("a",), "b", table),
        QuantizedAdd("y", ("a", "b"), "y", (2**20, 2**19), 20),
    )
    return Program(steps, values, ("images",), ("y",))


@pytest.mark.parametrize("make", [floats, integers])
def test_a_column_a_call_gives_what_all_at_once_give(make):
    rng = np.random.default_rng(3)
    whole = make(rng)
    program = streamed(whole)
    value = whole.values["images"]
    x = rng.normal(0, 2, value.shape).astype(np.float32)
    x[1:] = x[1:, :, :1] if make is floats else x[1:]
    expected = interpret.values(whole, [interpret.quantize(x, value.quantization)])
    calls = [[x[:, :, at : at + 1]] for at in range(LENGTH)]
    found = interpret.values_of_calls(program, calls)
    for name, right in expected.items():
        if name in program.moments:
            columns = np.concatenate([one[name] for one in found], axis=2)
        else:
            columns = found[-1][name]
        if right.dtype == np.uint8:
            np.testing.assert_array_equal(columns, right)
        else:
            np.testing.assert_allclose(columns, right, rtol=0, atol=2e-5)
    assert {"images", "y"} <= program.moments
    assert "add" not in program.moments


def test_receptive_field_and_rings():
    program = streamed(floats(np.random.default_rng(0)))
    # 1 + 2 * 4 + 5 samples before the newest one.
    assert receptive_field(program) == 15
    # x: rings of 4 and 8 for 4 channels; the first convolution's of 1; the last one's of 5 for 8.
    assert memory_of_rings(program) == 4 * (4 + 8) + 1 + 8 * 5
    alone = Program((), {"x": Value((1, 1, 9))}, ("x",), ("x",))
    assert receptive_field(streamed(alone)) == 1


def test_what_looks_ahead_is_refused():
    values = {"x": Value((1, 1, LENGTH)), "y": Value((1, 1, LENGTH))}
    weights, bias = np.ones((1, 1, 1, 3), np.float32), np.zeros(1, np.float32)
    ahead = Conv("y", ("x",), "y", weights, bias, Window(Axis(1), Axis(3, before=1, after=1)), 1)
    with pytest.raises(TatamiError, match="Conv 'y' looks at more than what was before"):
        streamed(Program((ahead,), values, ("x",), ("y",)))
    turned = Slice("y", ("x",), "y", (0, 0, LENGTH - 1), (1, 1, -1))
    with pytest.raises(TatamiError, match="Slice 'y' is no step of a network that only looks back"):
        streamed(Program((turned,), values, ("x",), ("y",)))
